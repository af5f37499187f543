//! The application's end for sending.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use jid::Jid;
use minidom::Element;
use rxml::{Namespace, xml_ncname};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};

/// Why a stanza was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// There is no session to send it in.
    #[error("not connected")]
    Offline,
    /// Too many wait already.
    #[error("too many stanzas wait to be sent")]
    QueueFull,
}

/// Why a request has no result.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RequestError {
    /// There is no session to send it in.
    #[error("not connected")]
    Offline,
    /// Too many wait already.
    #[error("too many requests wait")]
    QueueFull,
    /// No answer in time.
    #[error("no answer in time")]
    Timeout,
    /// The session ended before the answer came.
    #[error("the connection was lost before the answer came")]
    Disconnected,
    /// The request has an address that is none.
    #[error("the request has an invalid address")]
    InvalidAddress,
    /// The answer is an error: the whole `<iq/>`.
    #[error("the request was refused")]
    Refused(Box<Element>),
}

pub(crate) enum Command {
    Send(Element),
    Request { id: String, to: Option<Jid>, iq: Element, answer: oneshot::Sender<Result<Element, RequestError>> },
}

/// Sends through a [`Client`](crate::Client). Clones share the connection; it is closed when the last is dropped.
#[derive(Debug, Clone)]
pub struct Handle {
    pub(crate) commands: mpsc::Sender<Command>,
    pub(crate) closing: mpsc::Sender<oneshot::Sender<()>>,
    pub(crate) online: Arc<AtomicBool>,
    pub(crate) ids: Arc<Ids>,
}

/// Source of request ids.
#[derive(Debug)]
pub(crate) struct Ids {
    pub(crate) prefix: String,
    pub(crate) next: AtomicU64,
}

impl Handle {
    /// Whether there is a session, connected or waiting for its resumption.
    pub fn is_online(&self) -> bool {
        self.online.load(Ordering::Acquire)
    }

    /// Queues a stanza. Taken means: sent when the session lasts.
    ///
    /// # Errors
    /// When there is no session or too many stanzas wait.
    pub fn send(&self, stanza: Element) -> Result<(), SendError> {
        if !self.is_online() {
            return Err(SendError::Offline);
        }
        self.commands.try_send(Command::Send(stanza)).map_err(|error| match error {
            TrySendError::Full(_) => SendError::QueueFull,
            TrySendError::Closed(_) => SendError::Offline,
        })
    }

    /// Sends a request (an `<iq/>` of type get or set; see [`iq::request`](crate::iq::request)) and waits for its
    /// result. The id is set here.
    ///
    /// # Errors
    /// When it cannot be sent, no answer comes in time, or the answer is an error.
    pub async fn request(&self, mut iq: Element) -> Result<Element, RequestError> {
        if !self.is_online() {
            return Err(RequestError::Offline);
        }
        let to = match iq.attr("to") {
            Some(to) => Some(Jid::new(to).map_err(|_| RequestError::InvalidAddress)?),
            None => None,
        };
        let id = format!("{}-{}", self.ids.prefix, self.ids.next.fetch_add(1, Ordering::Relaxed));
        iq.set_attr(Namespace::NONE, xml_ncname!("id").to_owned(), id.as_str());
        let (answer, answered) = oneshot::channel();
        self.commands.try_send(Command::Request { id, to, iq, answer }).map_err(|error| match error {
            TrySendError::Full(_) => RequestError::QueueFull,
            TrySendError::Closed(_) => RequestError::Offline,
        })?;
        answered.await.unwrap_or(Err(RequestError::Disconnected))
    }

    /// Says good-bye to the server and ends the connection for good.
    pub async fn close(&self) {
        let (done, closed) = oneshot::channel();
        if self.closing.send(done).await.is_ok() {
            // An error means the connection has ended in another way.
            let _ = closed.await;
        }
    }
}
