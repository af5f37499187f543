//! The media side: threads that receive, forward and send, and nothing else.
//!
//! Each worker owns whole conferences and its own socket on the one UDP port; nothing is shared on the
//! path of a packet. The control side talks to it through [`crate::media_link`].

mod egress;
mod flows;
mod handle;
mod room;
mod socket;
mod wake;
mod worker;

pub(crate) use handle::{Media, MediaConfig};
