//! The password of the bridge's account: a file that whoever needs it first makes.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rand::RngExt;

/// Length of a new password.
const PASSWORD_LEN: usize = 32;

/// Reads `DATA/secrets/jvb.password`; makes it when there is none, in one step, so that processes that start at the
/// same time agree.
pub(crate) fn password(data: &Path) -> io::Result<String> {
    let directory = data.join("secrets");
    let path = directory.join("jvb.password");
    if let Some(password) = read(&path)? {
        return Ok(password);
    }
    std::fs::create_dir_all(&directory)?;
    let draft = directory.join(format!(".jvb.password.{}", std::process::id()));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    file.write_all(new_password().as_bytes())?;
    file.sync_all()?;
    // A link fails when the name exists, a rename would not.
    let linked = std::fs::hard_link(&draft, &path);
    std::fs::remove_file(&draft)?;
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => read(&path)?.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the password file is empty")),
    }
}

fn read(path: &Path) -> io::Result<Option<String>> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text.trim().to_owned()).filter(|text| !text.is_empty())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn new_password() -> String {
    const ALPHABET: &[u8] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let mut random = rand::rng();
    (0..PASSWORD_LEN).map(|_| char::from(ALPHABET[random.random_range(0..ALPHABET.len())])).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_first_makes_it_and_the_rest_read_it() {
        let data = tempfile::tempdir().unwrap();
        let first = password(data.path()).unwrap();
        assert_eq!(first.len(), PASSWORD_LEN);
        assert_eq!(password(data.path()).unwrap(), first);
        let path = data.path().join("secrets/jvb.password");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::write(&path, "given\n").unwrap();
        assert_eq!(password(data.path()).unwrap(), "given");
    }
}
