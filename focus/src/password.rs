//! The password of the focus' own account: a random secret in a file, made by whoever needs it first.

use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rand::RngExt as _;

/// Length of a new password, in characters.
const LENGTH: usize = 43;

/// Reads the password, or makes it.
///
/// # Errors
/// When the file can neither be read nor made.
pub(crate) fn load_or_create(path: &Path) -> io::Result<String> {
    match read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => create(path),
        other => other,
    }
}

fn read(path: &Path) -> io::Result<String> {
    let password = std::fs::read_to_string(path)?.trim().to_owned();
    if password.is_empty() {
        Err(io::Error::new(io::ErrorKind::InvalidData, "the file is empty"))
    } else {
        Ok(password)
    }
}

/// Written apart and linked into place, so that nobody sees half of it and the first one wins.
fn create(path: &Path) -> io::Result<String> {
    let directory = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(directory)?;
    let mut random = rand::rng();
    let password: String = (0..LENGTH).map(|_| char::from(random.sample(rand::distr::Alphanumeric))).collect();
    let draft = directory.join(format!(".focus-password-{}", std::process::id()));
    let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    file.write_all(password.as_bytes())?;
    file.sync_all()?;
    let linked = std::fs::hard_link(&draft, path);
    std::fs::remove_file(&draft)?;
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => read(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn made_once_and_for_our_eyes_only() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secrets/focus.password");
        let password = load_or_create(&path).unwrap();
        assert_eq!(password.len(), LENGTH);
        assert_eq!(load_or_create(&path).unwrap(), password);
        assert_eq!(create(&path).unwrap(), password, "who comes second takes what is there");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::write(&path, "\n").unwrap();
        assert!(load_or_create(&path).is_err());
    }
}
