//! Counting and keeping stanzas so that a session survives its connection (XEP-0198).

use std::collections::VecDeque;

use minidom::Element;
use protocol::ns;
use rxml::xml_ncname;

/// Stanzas kept for sending again. A server that acknowledges nothing for so long is as good as gone: the connection
/// is given up.
pub(crate) const UNACKED_MAX: usize = 8192;

/// Stanzas sent after which the server is asked how many it has.
const ASK_EVERY: usize = 16;

/// State of a managed session.
#[derive(Debug)]
pub(crate) struct Resumption {
    id: Option<String>,
    /// Stanzas received, modulo 2³².
    handled: u32,
    /// Stanzas the server says it has, modulo 2³².
    acked: u32,
    unacked: VecDeque<Element>,
    since_asked: usize,
}

impl Resumption {
    pub(crate) fn new(id: Option<String>) -> Self {
        Self { id, handled: 0, acked: 0, unacked: VecDeque::new(), since_asked: 0 }
    }

    /// Present when the server allows resumption.
    pub(crate) fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    pub(crate) fn handled(&self) -> u32 {
        self.handled
    }

    pub(crate) fn received(&mut self) {
        self.handled = self.handled.wrapping_add(1);
    }

    /// Keeps a stanza that is being sent; `false` when too many are kept already.
    pub(crate) fn sent(&mut self, stanza: Element) -> bool {
        if self.unacked.len() >= UNACKED_MAX {
            return false;
        }
        self.unacked.push_back(stanza);
        self.since_asked += 1;
        true
    }

    /// Whether it is time to ask for an acknowledgement; counts as asked when so.
    pub(crate) fn should_ask(&mut self) -> bool {
        let due = self.since_asked >= ASK_EVERY;
        if due {
            self.since_asked = 0;
        }
        due
    }

    /// The server has handled `h` stanzas in all. `false` when that cannot be.
    pub(crate) fn acknowledged(&mut self, h: u32) -> bool {
        let newly = h.wrapping_sub(self.acked) as usize;
        if newly > self.unacked.len() {
            return false;
        }
        self.unacked.drain(..newly);
        self.acked = h;
        true
    }

    /// What must be sent again after a resumption, oldest first.
    pub(crate) fn unacked(&self) -> impl Iterator<Item = &Element> {
        self.unacked.iter()
    }

    pub(crate) fn answer(&self) -> Element {
        Element::builder("a", ns::SM).attr(xml_ncname!("h").to_owned(), self.handled).build()
    }

    pub(crate) fn request() -> Element {
        Element::bare("r", ns::SM)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resumption() -> Resumption {
        Resumption::new(Some("id".to_owned()))
    }

    fn stanza() -> Element {
        Element::bare("message", ns::CLIENT)
    }

    #[test]
    fn acknowledged_stanzas_are_forgotten() {
        let mut resumption = resumption();
        for _ in 0..3 {
            assert!(resumption.sent(stanza()));
        }
        assert!(resumption.acknowledged(2));
        assert_eq!(resumption.unacked().count(), 1);
        assert!(!resumption.acknowledged(4), "more than was sent");
        assert!(!resumption.acknowledged(1), "less than before");
        assert!(resumption.acknowledged(3));
        assert_eq!(resumption.unacked().count(), 0);
    }

    #[test]
    fn counters_wrap() {
        let mut resumption = resumption();
        resumption.acked = u32::MAX;
        resumption.handled = u32::MAX;
        assert!(resumption.sent(stanza()));
        assert!(resumption.acknowledged(0));
        resumption.received();
        assert_eq!(resumption.handled(), 0);
    }

    #[test]
    fn no_more_than_the_bound_are_kept() {
        let mut resumption = resumption();
        for _ in 0..UNACKED_MAX {
            assert!(resumption.sent(stanza()));
        }
        assert!(!resumption.sent(stanza()));
    }
}
