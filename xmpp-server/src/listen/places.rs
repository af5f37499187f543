//! How many connections there may be, in all and from one address.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use xmpp_server_core::stream::limits::address_key;

/// Connections of one listener at a time.
pub(crate) const CONNECTIONS_MAX: usize = 20_000;
/// Of these from one address: a school behind one address still fits, one machine can't take all.
pub(crate) const CONNECTIONS_PER_ADDRESS_MAX: usize = 2_000;

/// The places of one listener.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    all: Arc<Semaphore>,
    per_address_max: usize,
    by_address: Counts,
}

/// Connections by address.
type Counts = Arc<Mutex<BTreeMap<String, usize>>>;

impl Places {
    pub(crate) fn new() -> Self {
        Self::with_bounds(CONNECTIONS_MAX, CONNECTIONS_PER_ADDRESS_MAX)
    }

    fn with_bounds(all: usize, per_address_max: usize) -> Self {
        Self { all: Arc::new(Semaphore::new(all)), per_address_max, by_address: Arc::default() }
    }

    /// Waits until there is room for one more at all.
    pub(crate) async fn vacancy(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.all).acquire_owned().await.ok()
    }

    /// Takes the vacancy for a connection; `None` if its address has too many. Programs on this
    /// machine, among them proxies, are not counted.
    pub(crate) fn take(&self, vacancy: OwnedSemaphorePermit, address: IpAddr) -> Option<Place> {
        if address.to_canonical().is_loopback() {
            return Some(Place { _vacancy: vacancy, counted: None });
        }
        let key = address_key(address);
        let mut by_address = self.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        let count = by_address.entry(key.clone()).or_insert(0);
        if *count >= self.per_address_max {
            return None;
        }
        *count += 1;
        Some(Place { _vacancy: vacancy, counted: Some((key, Arc::clone(&self.by_address))) })
    }
}

/// One place; free again when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    _vacancy: OwnedSemaphorePermit,
    counted: Option<(String, Counts)>,
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some((key, by_address)) = self.counted.take() {
            let mut by_address = by_address.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(count) = by_address.get_mut(&key) {
                *count -= 1;
                if *count == 0 {
                    by_address.remove(&key);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_address_does_not_take_all_places() {
        let places = Places::with_bounds(4, 2);
        let take = |text: &'static str| {
            let places = places.clone();
            async move {
                let vacancy = places.vacancy().await.expect("open");
                places.take(vacancy, text.parse().expect("an address"))
            }
        };
        let first = take("192.0.2.1").await.expect("room");
        let _second = take("192.0.2.1").await.expect("room");
        assert!(take("192.0.2.1").await.is_none());
        let _other = take("192.0.2.2").await.expect("others are not affected");
        let _local = take("127.0.0.1").await.expect("not counted by address");
        assert!(places.all.available_permits() == 0, "a refused connection gave its place back");
        drop(first);
        let _again = take("192.0.2.1").await.expect("free again");
    }
}
