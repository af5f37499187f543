//! Whose a datagram is: by the peer's address once known, by our ICE user fragment before.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use videobridge_core::egress::EndpointIndex;

/// An endpoint of a worker: its room's slot and its index in the conference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) room: usize,
    pub(super) endpoint: EndpointIndex,
}

/// Addresses remembered for one endpoint; the oldest is forgotten for a new one.
pub(super) const ADDRESSES_PER_ENDPOINT_MAX: usize = 128;

/// What one worker knows of addresses and fragments.
#[derive(Default)]
pub(super) struct Flows {
    by_address: HashMap<SocketAddr, Owner>,
    by_ufrag: HashMap<String, Owner>,
}

impl Flows {
    pub(super) fn of_address(&self, remote: SocketAddr) -> Option<Owner> {
        self.by_address.get(&remote).copied()
    }

    pub(super) fn of_ufrag(&self, ufrag: &str) -> Option<Owner> {
        self.by_ufrag.get(ufrag).copied()
    }

    pub(super) fn add_ufrag(&mut self, ufrag: &str, owner: Owner) {
        self.by_ufrag.insert(ufrag.to_owned(), owner);
    }

    pub(super) fn remove_ufrag(&mut self, ufrag: &str) {
        self.by_ufrag.remove(ufrag);
    }

    /// We sent a check there: the answer will come from there. An address that is known keeps its owner.
    pub(super) fn expect(&mut self, remote: SocketAddr, owner: Owner, known: &mut Vec<SocketAddr>) {
        if self.by_address.contains_key(&remote) {
            return;
        }
        self.insert(remote, owner, known);
    }

    /// The endpoint proved that it is there, and no other one lives there.
    pub(super) fn confirm(&mut self, remote: SocketAddr, owner: Owner, known: &mut Vec<SocketAddr>) {
        if self.by_address.get(&remote) != Some(&owner) {
            self.insert(remote, owner, known);
        }
    }

    /// Forgets the addresses of an endpoint that is gone.
    pub(super) fn forget(&mut self, owner: Owner, known: &[SocketAddr]) {
        for remote in known {
            if self.by_address.get(remote) == Some(&owner) {
                self.by_address.remove(remote);
            }
        }
    }

    fn insert(&mut self, remote: SocketAddr, owner: Owner, known: &mut Vec<SocketAddr>) {
        if known.len() >= ADDRESSES_PER_ENDPOINT_MAX {
            let oldest = known.remove(0);
            self.forget(owner, &[oldest]);
        }
        known.push(remote);
        self.by_address.insert(remote, owner);
    }
}

/// Which worker serves a user fragment: read only for the first datagrams of a flow that arrived at
/// the wrong worker.
#[derive(Clone, Default)]
pub(super) struct Steering(Arc<Mutex<HashMap<String, usize>>>);

impl Steering {
    pub(super) fn add(&self, ufrag: &str, worker: usize) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(ufrag.to_owned(), worker);
    }

    pub(super) fn remove(&self, ufrag: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(ufrag);
    }

    pub(super) fn worker_of(&self, ufrag: &str) -> Option<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(ufrag).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_confirmed_address_is_not_taken_over_by_an_expectation() {
        let mut flows = Flows::default();
        let owner = |n| Owner { room: 0, endpoint: EndpointIndex(n) };
        let (mut one, mut two) = (Vec::new(), Vec::new());
        let address: SocketAddr = "10.0.0.1:5".parse().expect("address");
        flows.expect(address, owner(1), &mut one);
        flows.confirm(address, owner(2), &mut two);
        flows.expect(address, owner(1), &mut one);
        assert_eq!(flows.of_address(address), Some(owner(2)));
        flows.forget(owner(1), &one);
        assert_eq!(flows.of_address(address), Some(owner(2)), "it is no longer the first one's to forget");
        flows.forget(owner(2), &two);
        assert_eq!(flows.of_address(address), None);
    }

    #[test]
    fn the_addresses_of_an_endpoint_are_bounded() {
        let mut flows = Flows::default();
        let owner = Owner { room: 0, endpoint: EndpointIndex(0) };
        let mut known = Vec::new();
        for port in 1..1_000 {
            flows.confirm(SocketAddr::new([10, 0, 0, 1].into(), port), owner, &mut known);
        }
        assert_eq!((flows.by_address.len(), known.len()), (ADDRESSES_PER_ENDPOINT_MAX, ADDRESSES_PER_ENDPOINT_MAX));
    }
}
