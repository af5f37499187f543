//! One-time invites, kept as hashes.

use jid::BareJid;
use rusqlite::{Connection, OptionalExtension};
use xmpp_server_core::account_request::{InviteHash, InviteOffer};

use super::{Store, StoreError, unix_s};

impl Store {
    /// Keeps a fresh invite; expired ones are forgotten on the way.
    pub(crate) fn create_invite(
        &self,
        invite: &InviteHash,
        account: Option<&BareJid>,
        expires_unix_s: u64,
    ) -> Result<(), StoreError> {
        let connection = self.connection();
        connection.execute("DELETE FROM invites WHERE expires_unix_s <= ?1", [unix_s()])?;
        connection.execute(
            "INSERT INTO invites (token_hash, account, expires_unix_s) VALUES (?1, ?2, ?3)",
            (&invite[..], account.map(|account| account.as_str()), expires_unix_s),
        )?;
        Ok(())
    }

    /// What an invite is good for; `None` if unknown, used, revoked or expired.
    pub(crate) fn check_invite(&self, invite: &InviteHash) -> Result<Option<InviteOffer>, StoreError> {
        offer(&self.connection(), invite)
    }

    /// Revokes an invite. `false` if it was not good any more.
    pub(crate) fn revoke_invite(&self, invite: &InviteHash) -> Result<bool, StoreError> {
        Ok(self.connection().execute("DELETE FROM invites WHERE token_hash = ?1", [&invite[..]])? > 0)
    }
}

pub(super) fn offer(connection: &Connection, invite: &InviteHash) -> Result<Option<InviteOffer>, StoreError> {
    let found: Option<Option<String>> = connection
        .query_row(
            "SELECT account FROM invites WHERE token_hash = ?1 AND expires_unix_s > ?2",
            (&invite[..], unix_s()),
            |row| row.get(0),
        )
        .optional()?;
    let Some(account) = found else {
        return Ok(None);
    };
    let account = account
        .map(|account| BareJid::new(&account))
        .transpose()
        .map_err(|_| StoreError::Corrupt("an invite for no address"))?;
    Ok(Some(InviteOffer { account }))
}

#[cfg(test)]
mod tests {
    use super::super::tests::store;
    use super::*;

    #[test]
    fn invites_end_by_time_and_by_revocation() {
        let (_folder, store) = store();
        let ann = BareJid::new("ann@localhost").expect("address");
        store.create_invite(&[1; 32], Some(&ann), unix_s() + 60).expect("made");
        store.create_invite(&[2; 32], None, unix_s()).expect("made");
        assert_eq!(store.check_invite(&[1; 32]).expect("asked"), Some(InviteOffer { account: Some(ann) }));
        assert_eq!(store.check_invite(&[2; 32]).expect("asked"), None, "expired");
        assert_eq!(store.check_invite(&[3; 32]).expect("asked"), None, "unknown");
        assert!(store.revoke_invite(&[1; 32]).expect("revoked"));
        assert!(!store.revoke_invite(&[1; 32]).expect("gone"));
        assert_eq!(store.check_invite(&[1; 32]).expect("asked"), None);
    }
}
