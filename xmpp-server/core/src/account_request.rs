//! What the core asks of the account store, and what it is told. Nothing here blocks: a request
//! leaves as an effect, its answer comes back as an input with the same ticket.

use jid::BareJid;

use crate::account::{Credentials, Password};
use crate::roster::RosterItem;

/// Ties an answer to its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// SHA-256 of an invite's token: the token itself is never stored.
pub type InviteHash = [u8; 32];

/// A question or an order.
#[derive(Debug, Clone, PartialEq)]
pub enum AccountRequest {
    /// The keys of an account.
    Credentials {
        /// Whose.
        account: BareJid,
    },
    /// Is this the password? Derives keys, hence slow.
    Verify {
        /// Whose.
        account: BareJid,
        /// What was offered.
        password: Password,
    },
    /// Is this invite good?
    CheckInvite {
        /// Which.
        invite: InviteHash,
    },
    /// Use an invite: create the account, or set its password anew if the invite was made for an
    /// existing account. Either all of it is done or nothing.
    Register {
        /// The account.
        account: BareJid,
        /// Its password.
        password: Password,
        /// Paid with.
        invite: InviteHash,
    },
    /// Set another password.
    ChangePassword {
        /// Whose.
        account: BareJid,
        /// Checked first when given.
        current: Option<Password>,
        /// The new one.
        new: Password,
    },
    /// Remove the account and all that is kept of it.
    Delete {
        /// Which.
        account: BareJid,
    },
    /// The contacts of an account.
    LoadRoster {
        /// Whose.
        account: BareJid,
    },
    /// Add or replace one contact.
    SetRosterItem {
        /// Whose list.
        account: BareJid,
        /// The contact.
        item: RosterItem,
    },
    /// Remove one contact.
    RemoveRosterItem {
        /// Whose list.
        account: BareJid,
        /// The contact.
        contact: BareJid,
    },
}

/// What became of a request.
#[derive(Debug, Clone, PartialEq)]
pub enum AccountAnswer {
    /// To [`AccountRequest::Credentials`]; `None` if there is no such account.
    Credentials(Option<Credentials>),
    /// To [`AccountRequest::Verify`]; `false` for no such account, too.
    Verified(bool),
    /// To [`AccountRequest::CheckInvite`]; `None` if unknown, used, revoked or expired.
    Invite(Option<InviteOffer>),
    /// To [`AccountRequest::Register`].
    Registered(Result<(), RegisterRefusal>),
    /// To [`AccountRequest::ChangePassword`].
    PasswordChanged(Result<(), ChangeRefusal>),
    /// To [`AccountRequest::Delete`], [`AccountRequest::SetRosterItem`] and
    /// [`AccountRequest::RemoveRosterItem`].
    Done,
    /// To [`AccountRequest::LoadRoster`]; `None` if there is no such account.
    Roster(Option<Vec<RosterItem>>),
    /// To any: the store failed and nothing was changed. The shell has logged why.
    Failed,
}

/// What an invite is good for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InviteOffer {
    /// The account it was made for; `None` if the person chooses the name.
    pub account: Option<BareJid>,
}

/// Why nothing was registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegisterRefusal {
    /// Somebody else has the name.
    Conflict,
    /// The invite was used, revoked or expired meanwhile, or is for another name.
    InviteGone,
}

/// Why a password was not changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeRefusal {
    /// The current password was wrong.
    WrongCurrent,
    /// The account is gone.
    NoAccount,
}
