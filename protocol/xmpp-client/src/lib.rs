//! The XMPP client connection of the focus, the bridge and the test peers: login, resumption, requests.
//!
//! [`Client::start`] gives a [`Handle`] to send with and a queue of [`Event`]s to read. The connection is kept for
//! ever: it is dialled again when it breaks, and resumed (XEP-0198) where the server allows, in which case the
//! application notices nothing but a pause. Stanzas are elements: whoever acts on a payload parses it.
//!
//! Pings (XEP-0199) are answered here; every other request is the application's to answer, see [`iq`].

mod config;
mod connect;
mod drive;
mod handle;
pub mod iq;
mod login;
mod requests;
mod resumption;

pub use config::{Account, Config, Security, Trust};
pub use connect::ConnectError;
pub use drive::{Client, DisconnectReason, Event};
pub use handle::{Handle, RequestError, SendError};
