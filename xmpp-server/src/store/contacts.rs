//! Contact lists.

use jid::BareJid;
use xmpp_server_core::roster::{RosterItem, Subscription};

use super::{Store, StoreError, accounts};

impl Store {
    /// The contacts of an account; `None` if there is no such account.
    pub(crate) fn contacts(&self, account: &BareJid) -> Result<Option<Vec<RosterItem>>, StoreError> {
        let connection = self.connection();
        if !accounts::exists(&connection, account)? {
            return Ok(None);
        }
        let mut statement = connection.prepare_cached(
            "SELECT contact, name, groups, subscription, ask, pending_in FROM contacts WHERE account = ?1",
        )?;
        let mut rows = statement.query([account.as_str()])?;
        let mut items = Vec::new();
        while let Some(row) = rows.next()? {
            let contact: String = row.get(0)?;
            let groups: String = row.get(2)?;
            let subscription: String = row.get(3)?;
            items.push(RosterItem {
                contact: BareJid::new(&contact).map_err(|_| StoreError::Corrupt("a contact without address"))?,
                name: row.get(1)?,
                groups: serde_json::from_str(&groups).map_err(|_| StoreError::Corrupt("groups of a contact"))?,
                subscription: Subscription::parse(&subscription, row.get(4)?)
                    .ok_or(StoreError::Corrupt("a subscription"))?,
                pending_in: row.get(5)?,
            });
        }
        Ok(Some(items))
    }

    /// Adds or replaces a contact.
    pub(crate) fn put_contact(&self, account: &BareJid, item: &RosterItem) -> Result<(), StoreError> {
        let groups = serde_json::to_string(&item.groups).map_err(|_| StoreError::Corrupt("groups of a contact"))?;
        self.connection().execute(
            "INSERT OR REPLACE INTO contacts (account, contact, name, groups, subscription, ask, pending_in)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            (
                account.as_str(),
                item.contact.as_str(),
                &item.name,
                groups,
                item.subscription.as_str(),
                item.subscription.ask,
                item.pending_in,
            ),
        )?;
        Ok(())
    }

    /// Removes a contact.
    pub(crate) fn remove_contact(&self, account: &BareJid, contact: &BareJid) -> Result<(), StoreError> {
        self.connection().execute(
            "DELETE FROM contacts WHERE account = ?1 AND contact = ?2",
            [account.as_str(), contact.as_str()],
        )?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::store;
    use super::*;
    use xmpp_server_core::account::{Credentials, ITERATIONS_MIN, Password};

    #[test]
    fn contacts_live_and_die_with_the_account() {
        let (_folder, store) = store();
        let ann = BareJid::new("ann@localhost").expect("address");
        assert_eq!(store.contacts(&ann).expect("asked"), None);
        let password = Password::new("some password").expect("usable");
        let credentials = Credentials::derive(&password, ITERATIONS_MIN, &mut rand::rng());
        store.create_account(&ann, &credentials).expect("made");
        let item = RosterItem {
            name: Some("Bob".into()),
            groups: vec!["Work".into(), "Tea".into()],
            subscription: Subscription { to: true, from: false, ask: true },
            pending_in: true,
            ..RosterItem::new(BareJid::new("bob@localhost").expect("address"))
        };
        store.put_contact(&ann, &item).expect("written");
        assert_eq!(store.contacts(&ann).expect("read"), Some(vec![item.clone()]));
        store.delete_account(&ann).expect("removed");
        store.create_account(&ann, &credentials).expect("made anew");
        assert_eq!(store.contacts(&ann).expect("read"), Some(vec![]));
        store.put_contact(&ann, &item).expect("written");
        store.remove_contact(&ann, &item.contact).expect("removed");
        assert_eq!(store.contacts(&ann).expect("read"), Some(vec![]));
    }
}
