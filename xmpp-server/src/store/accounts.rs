//! Accounts as SCRAM keys.

use jid::BareJid;
use rusqlite::{OptionalExtension, Row};
use xmpp_server_core::account::{Credentials, ScramKeys};
use xmpp_server_core::account_request::{InviteHash, RegisterRefusal};

use super::{Store, StoreError, unix_s};

/// An account as listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AccountEntry {
    /// Bare address.
    pub(crate) account: String,
    /// When it was made.
    pub(crate) created_unix_s: u64,
    /// When its password was set last.
    pub(crate) password_set_unix_s: u64,
}

const UPSERT: &str = "INSERT INTO accounts (account, iterations, sha1_salt, sha1_stored, sha1_server, sha256_salt,
        sha256_stored, sha256_server, created_unix_s, password_set_unix_s)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?9)
    ON CONFLICT (account) DO UPDATE SET iterations = ?2, sha1_salt = ?3, sha1_stored = ?4, sha1_server = ?5,
        sha256_salt = ?6, sha256_stored = ?7, sha256_server = ?8, password_set_unix_s = ?9";

impl Store {
    /// The keys of an account.
    pub(crate) fn credentials(&self, account: &BareJid) -> Result<Option<Credentials>, StoreError> {
        let credentials = self
            .connection()
            .prepare_cached(
                "SELECT iterations, sha1_salt, sha1_stored, sha1_server, sha256_salt, sha256_stored, sha256_server
                 FROM accounts WHERE account = ?1",
            )?
            .query_row([account.as_str()], read_credentials)
            .optional()?;
        Ok(credentials)
    }

    /// Creates an account. `false` if it exists already.
    pub(crate) fn create_account(&self, account: &BareJid, credentials: &Credentials) -> Result<bool, StoreError> {
        let mut connection = self.connection();
        let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        if exists(&transaction, account)? {
            return Ok(false);
        }
        upsert(&transaction, account, credentials)?;
        transaction.commit()?;
        Ok(true)
    }

    /// Creates an account or replaces its keys, whatever they were.
    pub(crate) fn put_account(&self, account: &BareJid, credentials: &Credentials) -> Result<(), StoreError> {
        upsert(&self.connection(), account, credentials)
    }

    /// Replaces the keys of an existing account; with `before`, only if those still are its keys.
    /// `false` if there is no such account or its keys are others.
    pub(crate) fn set_credentials(
        &self,
        account: &BareJid,
        before: Option<&Credentials>,
        credentials: &Credentials,
    ) -> Result<bool, StoreError> {
        let mut connection = self.connection();
        let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let stored: Option<Vec<u8>> = transaction
            .query_row("SELECT sha256_stored FROM accounts WHERE account = ?1", [account.as_str()], |row| row.get(0))
            .optional()?;
        let Some(stored) = stored else {
            return Ok(false);
        };
        if before.is_some_and(|before| before.sha256.stored_key != stored) {
            return Ok(false);
        }
        upsert(&transaction, account, credentials)?;
        transaction.commit()?;
        Ok(true)
    }

    /// Removes an account and all that is kept of it. `false` if there is none.
    pub(crate) fn delete_account(&self, account: &BareJid) -> Result<bool, StoreError> {
        let mut connection = self.connection();
        let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let deleted = transaction.execute("DELETE FROM accounts WHERE account = ?1", [account.as_str()])?;
        transaction.execute("DELETE FROM invites WHERE account = ?1", [account.as_str()])?;
        transaction.execute("DELETE FROM contacts WHERE contact = ?1", [account.as_str()])?;
        transaction.commit()?;
        Ok(deleted > 0)
    }

    /// All accounts, by address.
    pub(crate) fn accounts(&self) -> Result<Vec<AccountEntry>, StoreError> {
        let connection = self.connection();
        let mut statement =
            connection.prepare("SELECT account, created_unix_s, password_set_unix_s FROM accounts ORDER BY account")?;
        let rows = statement.query_map([], |row| {
            Ok(AccountEntry { account: row.get(0)?, created_unix_s: row.get(1)?, password_set_unix_s: row.get(2)? })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Uses an invite: creates the account it pays for, or replaces the keys of the account it was
    /// made for. The invite is gone exactly if that happened.
    pub(crate) fn register(
        &self,
        account: &BareJid,
        credentials: &Credentials,
        invite: &InviteHash,
    ) -> Result<Result<(), RegisterRefusal>, StoreError> {
        let mut connection = self.connection();
        let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let Some(offer) = super::invites::offer(&transaction, invite)? else {
            return Ok(Err(RegisterRefusal::InviteGone));
        };
        match &offer.account {
            Some(invited) if invited != account => return Ok(Err(RegisterRefusal::InviteGone)),
            Some(_) => {}
            None if exists(&transaction, account)? => return Ok(Err(RegisterRefusal::Conflict)),
            None => {}
        }
        upsert(&transaction, account, credentials)?;
        transaction.execute("DELETE FROM invites WHERE token_hash = ?1", [&invite[..]])?;
        transaction.commit()?;
        Ok(Ok(()))
    }
}

fn read_credentials(row: &Row<'_>) -> rusqlite::Result<Credentials> {
    let iterations = row.get(0)?;
    let keys = |first: usize| {
        Ok::<_, rusqlite::Error>(ScramKeys {
            salt: row.get(first)?,
            iterations,
            stored_key: row.get(first + 1)?,
            server_key: row.get(first + 2)?,
        })
    };
    Ok(Credentials { sha1: keys(1)?, sha256: keys(4)? })
}

pub(super) fn exists(connection: &rusqlite::Connection, account: &BareJid) -> Result<bool, StoreError> {
    Ok(connection
        .query_row("SELECT 1 FROM accounts WHERE account = ?1", [account.as_str()], |_| Ok(()))
        .optional()?
        .is_some())
}

fn upsert(connection: &rusqlite::Connection, account: &BareJid, credentials: &Credentials) -> Result<(), StoreError> {
    connection.execute(
        UPSERT,
        (
            account.as_str(),
            credentials.sha1.iterations,
            &credentials.sha1.salt,
            &credentials.sha1.stored_key,
            &credentials.sha1.server_key,
            &credentials.sha256.salt,
            &credentials.sha256.stored_key,
            &credentials.sha256.server_key,
            unix_s(),
        ),
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::tests::store;
    use super::*;
    use xmpp_server_core::account::{ITERATIONS_MIN, Password};

    fn credentials(password: &str) -> Credentials {
        Credentials::derive(&Password::new(password).expect("usable"), ITERATIONS_MIN, &mut rand::rng())
    }

    fn ann() -> BareJid {
        BareJid::new("ann@localhost").expect("address")
    }

    #[test]
    fn keys_come_back_as_they_were_written() {
        let (_folder, store) = store();
        assert_eq!(store.credentials(&ann()).expect("read"), None);
        let first = credentials("first password");
        assert!(store.create_account(&ann(), &first).expect("written"));
        assert!(!store.create_account(&ann(), &credentials("another")).expect("refused"));
        assert_eq!(store.credentials(&ann()).expect("read"), Some(first.clone()));

        let second = credentials("second password");
        assert!(store.set_credentials(&ann(), Some(&first), &second).expect("written"));
        assert!(!store.set_credentials(&ann(), Some(&first), &credentials("third")).expect("refused"));
        assert_eq!(store.credentials(&ann()).expect("read"), Some(second));
        assert_eq!(store.accounts().expect("listed").len(), 1);
        assert!(store.delete_account(&ann()).expect("removed"));
        assert!(!store.delete_account(&ann()).expect("gone"));
        assert!(!store.set_credentials(&ann(), None, &first).expect("no account"));
    }

    #[test]
    fn an_invite_is_used_once() {
        let (_folder, store) = store();
        let invite = [7; 32];
        store.create_invite(&invite, None, unix_s() + 60).expect("made");
        assert_eq!(store.register(&ann(), &credentials("a password"), &invite).expect("asked"), Ok(()));
        let bob = BareJid::new("bob@localhost").expect("address");
        assert_eq!(
            store.register(&bob, &credentials("a password"), &invite).expect("asked"),
            Err(RegisterRefusal::InviteGone)
        );
        assert_eq!(store.credentials(&bob).expect("read"), None);
    }

    #[test]
    fn a_name_that_is_taken_does_not_cost_the_invite() {
        let (_folder, store) = store();
        let invite = [7; 32];
        store.create_account(&ann(), &credentials("hers")).expect("made");
        store.create_invite(&invite, None, unix_s() + 60).expect("made");
        assert_eq!(
            store.register(&ann(), &credentials("not hers"), &invite).expect("asked"),
            Err(RegisterRefusal::Conflict)
        );
        let bob = BareJid::new("bob@localhost").expect("address");
        assert_eq!(store.register(&bob, &credentials("his"), &invite).expect("asked"), Ok(()));
    }

    #[test]
    fn an_invite_for_an_account_resets_only_that_one() {
        let (_folder, store) = store();
        store.create_account(&ann(), &credentials("forgotten")).expect("made");
        let invite = [9; 32];
        store.create_invite(&invite, Some(&ann()), unix_s() + 60).expect("made");
        let bob = BareJid::new("bob@localhost").expect("address");
        assert_eq!(store.register(&bob, &credentials("x"), &invite).expect("asked"), Err(RegisterRefusal::InviteGone));
        let new = credentials("new one");
        assert_eq!(store.register(&ann(), &new, &invite).expect("asked"), Ok(()));
        assert_eq!(store.credentials(&ann()).expect("read"), Some(new));
    }
}
