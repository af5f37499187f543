//! What is kept on disk: accounts, invites, contacts, in one SQLite file.

mod accounts;
pub(crate) mod answer;
mod contacts;
mod invites;

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use rusqlite::Connection;
use thiserror::Error;

/// One file a version, in order; a file that was released is never changed.
const MIGRATIONS: [&str; 1] = [include_str!("migrations/0001_accounts.sql")];
/// How long a write waits for one of another process (the administrator's command).
const BUSY_TIMEOUT_MS: u64 = 5_000;

/// The store failed; the request was not carried out.
#[derive(Debug, Error)]
pub(crate) enum StoreError {
    /// SQLite said no.
    #[error("the account store failed: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// The file could not be made.
    #[error("{path} can't be made ({source}): please make its folder writable for this user")]
    File {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// A newer program wrote the file.
    #[error("the account store is of version {found}, newer than this program's {known}: please update the program")]
    TooNew {
        /// In the file.
        found: usize,
        /// In the program.
        known: usize,
    },
    /// What was read can't have been written by this program.
    #[error("the account store holds a value that is none: {0}")]
    Corrupt(&'static str),
}

/// The open store. Every acknowledged write survives the loss of power (`synchronous=FULL`).
#[derive(Debug)]
pub(crate) struct Store {
    connection: Mutex<Connection>,
}

impl Store {
    /// Opens the file, made first if need be, and brings it up to date.
    pub(crate) fn open(path: &Path) -> Result<Self, StoreError> {
        let file_error = |source| StoreError::File { path: path.display().to_string(), source };
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(file_error)?;
        }
        make_private(path).map_err(file_error)?;
        let mut connection = Connection::open(path)?;
        connection.busy_timeout(std::time::Duration::from_millis(BUSY_TIMEOUT_MS))?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "foreign_keys", "ON")?;
        // What was deleted shall not be readable in the file.
        connection.pragma_update(None, "secure_delete", "ON")?;
        migrate(&mut connection)?;
        Ok(Self { connection: Mutex::new(connection) })
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        // A panic while the lock was held rolled its transaction back.
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A secret of this server, made on first use.
    pub(crate) fn secret(&self, name: &str) -> Result<[u8; 32], StoreError> {
        let fresh: [u8; 32] = rand::random();
        let connection = self.connection();
        connection.execute("INSERT OR IGNORE INTO secrets (name, value) VALUES (?1, ?2)", (name, &fresh[..]))?;
        let value: Vec<u8> =
            connection.query_row("SELECT value FROM secrets WHERE name = ?1", [name], |row| row.get(0))?;
        value.try_into().map_err(|_| StoreError::Corrupt("a secret of another length"))
    }
}

fn make_private(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    std::fs::OpenOptions::new().append(true).create(true).mode(0o600).open(path).map(drop)
}

fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let found: usize = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let pending = MIGRATIONS.get(found..).ok_or(StoreError::TooNew { found, known: MIGRATIONS.len() })?;
    for migration in pending {
        transaction.execute_batch(migration)?;
    }
    transaction.pragma_update(None, "user_version", MIGRATIONS.len())?;
    transaction.commit()?;
    Ok(())
}

/// Seconds since 1970.
pub(crate) fn unix_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn store() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(&folder.path().join("accounts.sqlite")).expect("a store");
        (folder, store)
    }

    #[test]
    fn the_file_is_private_and_opens_again() {
        use std::os::unix::fs::PermissionsExt;
        let (folder, store) = store();
        let secret = store.secret("x").expect("made");
        drop(store);
        let path = folder.path().join("accounts.sqlite");
        assert_eq!(std::fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
        assert_eq!(Store::open(&path).expect("again").secret("x").expect("kept"), secret);
    }

    #[test]
    fn a_file_of_the_future_is_left_alone() {
        let (folder, store) = store();
        store.connection().pragma_update(None, "user_version", 99).expect("set");
        drop(store);
        assert!(matches!(
            Store::open(&folder.path().join("accounts.sqlite")),
            Err(StoreError::TooNew { found: 99, .. })
        ));
    }

    #[test]
    fn writes_are_durable() {
        let (_folder, store) = store();
        let connection = store.connection();
        let synchronous: i64 = connection.pragma_query_value(None, "synchronous", |row| row.get(0)).expect("a number");
        assert_eq!(synchronous, 2, "FULL");
    }
}
