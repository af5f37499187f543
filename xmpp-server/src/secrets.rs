//! Passwords of the service accounts: random, in files only this user can read, made by whichever
//! process needs them first.

use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use jid::BareJid;
use xmpp_server_core::account::{Credentials, ITERATIONS_RANDOM_SECRET, Password};
use zeroize::Zeroizing;

use crate::store::{Store, StoreError};

/// Makes sure that a service account exists with the password in its file.
pub(crate) fn ensure_service_account(
    store: &Store,
    folder: &Path,
    name: &str,
    account: &BareJid,
) -> Result<(), StoreError> {
    let path = folder.join(format!("{name}.password"));
    let secret =
        load_or_create(&path).map_err(|source| StoreError::File { path: path.display().to_string(), source })?;
    let password = Password::new(&secret).map_err(|_| StoreError::Corrupt("the password file of a service"))?;
    let current = store.credentials(account)?;
    if !current.is_some_and(|credentials| credentials.verify(&password)) {
        let credentials = Credentials::derive(&password, ITERATIONS_RANDOM_SECRET, &mut rand::rng());
        store.put_account(account, &credentials)?;
    }
    Ok(())
}

/// Reads the secret, or makes it such that of several processes doing so all get the same.
fn load_or_create(path: &Path) -> std::io::Result<Zeroizing<String>> {
    if let Some(folder) = path.parent() {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    if !path.exists() {
        let bytes: Zeroizing<[u8; 32]> = Zeroizing::new(rand::random());
        let secret = Zeroizing::new(BASE64.encode(&bytes[..]));
        let fresh = path.with_extension(format!("{}.new", std::process::id()));
        let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
        file.write_all(secret.as_bytes())?;
        file.sync_all()?;
        // A link fails if the name exists: the first one wins.
        let linked = std::fs::hard_link(&fresh, path);
        std::fs::remove_file(&fresh)?;
        match linked {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
    }
    let text = Zeroizing::new(std::fs::read_to_string(path)?);
    Ok(Zeroizing::new(text.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_made_once_and_private() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("secrets/focus.password");
        let first = load_or_create(&path).expect("made");
        assert_eq!(load_or_create(&path).expect("read"), first);
        assert!(first.len() >= 40);
        assert_eq!(std::fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(path.parent().expect("a folder")).expect("listed").count(), 1);
    }

    #[test]
    fn an_account_follows_its_file() {
        let (folder, store) = crate::store::tests::store();
        let account = BareJid::new("focus@auth.localhost").expect("address");
        let secrets = folder.path().join("secrets");
        ensure_service_account(&store, &secrets, "focus", &account).expect("made");
        let first = store.credentials(&account).expect("read");
        ensure_service_account(&store, &secrets, "focus", &account).expect("kept");
        assert_eq!(store.credentials(&account).expect("read"), first);
        std::fs::write(secrets.join("focus.password"), "another secret\n").expect("written");
        ensure_service_account(&store, &secrets, "focus", &account).expect("followed");
        let password = Password::new("another secret").expect("usable");
        assert!(store.credentials(&account).expect("read").expect("there").verify(&password));
    }
}
