//! Requests that wait for their answers.

use std::collections::{BTreeMap, BTreeSet};

use jid::Jid;
use minidom::Element;
use protocol::ns;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::handle::RequestError;

/// Requests that may wait at once; further ones are refused.
pub(crate) const PENDING_MAX: usize = 4096;

struct Pending {
    to: Option<Jid>,
    deadline: Instant,
    answer: oneshot::Sender<Result<Element, RequestError>>,
}

/// By id, and by the time they end.
#[derive(Default)]
pub(crate) struct Requests {
    pending: BTreeMap<String, Pending>,
    deadlines: BTreeSet<(Instant, String)>,
}

impl Requests {
    /// Remembers a request about to be sent.
    pub(crate) fn insert(
        &mut self,
        id: String,
        to: Option<Jid>,
        deadline: Instant,
        answer: oneshot::Sender<Result<Element, RequestError>>,
    ) -> bool {
        if self.pending.len() >= PENDING_MAX {
            // The other end may have stopped waiting: nobody is left to tell.
            let _ = answer.send(Err(RequestError::QueueFull));
            return false;
        }
        self.deadlines.insert((deadline, id.clone()));
        self.pending.insert(id, Pending { to, deadline, answer });
        true
    }

    /// Gives an answer to whom it belongs; gives it back when nobody asked.
    pub(crate) fn answer(&mut self, iq: Element) -> Option<Element> {
        if !iq.is("iq", ns::CLIENT) || !matches!(iq.attr("type"), Some("result" | "error")) {
            return Some(iq);
        }
        let Some(id) = iq.attr("id") else { return Some(iq) };
        let Some(pending) = self.pending.get(id) else { return Some(iq) };
        // An answer from somebody else than was asked is a forgery; from our own server it may lack an address.
        let from = iq.attr("from").and_then(|from| Jid::new(from).ok());
        if pending.to.is_some() && pending.to != from {
            return Some(iq);
        }
        let id = id.to_owned();
        let pending = self.pending.remove(&id)?;
        self.deadlines.remove(&(pending.deadline, id));
        let answer = if iq.attr("type") == Some("result") { Ok(iq) } else { Err(RequestError::Refused(Box::new(iq))) };
        let _ = pending.answer.send(answer);
        None
    }

    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    /// Ends those whose time is over.
    pub(crate) fn expire(&mut self, now: Instant) {
        while let Some((deadline, _)) = self.deadlines.first()
            && *deadline <= now
            && let Some((_, id)) = self.deadlines.pop_first()
        {
            if let Some(pending) = self.pending.remove(&id) {
                let _ = pending.answer.send(Err(RequestError::Timeout));
            }
        }
    }

    /// Ends all: their answers will never come.
    pub(crate) fn fail_all(&mut self) {
        self.deadlines.clear();
        for (_, pending) in core::mem::take(&mut self.pending) {
            let _ = pending.answer.send(Err(RequestError::Disconnected));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn no_more_wait_than_the_bound() {
        let mut requests = Requests::default();
        let now = Instant::now();
        let mut waiting = Vec::new();
        for number in 0..PENDING_MAX {
            let (answer, answered) = oneshot::channel();
            assert!(requests.insert(number.to_string(), None, now, answer));
            waiting.push(answered);
        }
        let (answer, answered) = oneshot::channel();
        assert!(!requests.insert("one more".to_owned(), None, now, answer));
        assert!(matches!(answered.await, Ok(Err(RequestError::QueueFull))));
        requests.expire(now);
        assert_eq!(requests.next_deadline(), None);
        assert!(matches!(waiting.remove(0).await, Ok(Err(RequestError::Timeout))));
    }
}
