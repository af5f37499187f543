//! Guessing passwords and invites: who tries too often has to wait, and nobody else.

use std::net::IpAddr;

use jid::BareJid;

use super::limits::{FailureLimit, address_key};

/// Wrong passwords for one account from one address before it has to wait.
pub const PASSWORD_FAILURES_MAX: u32 = 10;
/// Wrong passwords from one address, whatever the account.
pub const ADDRESS_FAILURES_MAX: u32 = 60;
/// Wrong invites from one address.
pub const INVITE_FAILURES_MAX: u32 = 20;
/// How long it then has to wait.
pub const FAILURE_WINDOW_MS: u64 = 5 * 60_000;

/// Wrong passwords and invites, by who tried.
#[derive(Debug)]
pub struct Guesses {
    by_account_and_address: FailureLimit,
    by_address: FailureLimit,
    pub(super) invites_by_address: FailureLimit,
}

impl Guesses {
    /// None so far.
    pub fn new() -> Self {
        Self {
            by_account_and_address: FailureLimit::new(PASSWORD_FAILURES_MAX, FAILURE_WINDOW_MS),
            by_address: FailureLimit::new(ADDRESS_FAILURES_MAX, FAILURE_WINDOW_MS),
            invites_by_address: FailureLimit::new(INVITE_FAILURES_MAX, FAILURE_WINDOW_MS),
        }
    }

    fn key(account: &BareJid, address: IpAddr) -> String {
        format!("{} {account}", address_key(address))
    }

    /// Whether this address has to wait before it may try this account. Others are not affected,
    /// so nobody can lock somebody else out. Programs on this machine share an address, so that
    /// one is only limited account by account.
    pub(super) fn must_wait(&self, account: &BareJid, address: IpAddr, now_ms: u64) -> bool {
        self.by_account_and_address.is_exhausted(&Self::key(account, address), now_ms)
            || (!address.is_loopback() && self.by_address.is_exhausted(&address_key(address), now_ms))
    }

    pub(super) fn failed(&mut self, account: &BareJid, address: IpAddr, now_ms: u64) {
        self.by_account_and_address.failed(Self::key(account, address), now_ms);
        self.by_address.failed(address_key(address), now_ms);
    }

    pub(super) fn succeeded(&mut self, account: &BareJid, address: IpAddr) {
        self.by_account_and_address.succeeded(&Self::key(account, address));
    }
}

impl Default for Guesses {
    fn default() -> Self {
        Self::new()
    }
}
