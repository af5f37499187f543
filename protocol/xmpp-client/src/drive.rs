//! The task that owns a connection: dials, reads, writes, dials again.

use core::time::Duration;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use futures::{SinkExt, StreamExt};
use jid::FullJid;
use minidom::Element;
use protocol::ns;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_xmpp::xmlstream::ReadError;

use crate::config::Config;
use crate::connect::{ConnectError, ElementStream, stream_error_condition};
use crate::handle::{Command, Handle, Ids, RequestError};
use crate::iq;
use crate::login::{LoggedIn, log_in};
use crate::requests::Requests;
use crate::resumption::Resumption;

/// Stanzas written before they are flushed together.
const BATCH_MAX: usize = 64;

/// Time a write may wait for the server to read.
const WRITE_TIMEOUT: Duration = Duration::from_secs(15);

/// Time the server has to close its side after we closed ours.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// What happens on a connection.
#[derive(Debug)]
pub enum Event {
    /// Stanzas can be sent.
    Online {
        /// Our address.
        jid: FullJid,
        /// The session is the one from before: rooms are still joined, nothing was lost.
        resumed: bool,
    },
    /// A stanza arrived.
    Stanza(Element),
    /// The connection broke. It is dialled again; [`Event::Online`] tells whether the session survived.
    Disconnected(DisconnectReason),
}

/// Why a connection broke.
#[derive(Debug, thiserror::Error)]
pub enum DisconnectReason {
    /// The network.
    #[error("the connection failed: {0}")]
    Io(#[from] io::Error),
    /// The server closed the stream.
    #[error("the server closed the connection")]
    Closed,
    /// The server closed the stream with an error: its condition.
    #[error("the server closed the connection: {0}")]
    StreamError(String),
    /// The server sent something that is no XML or breaks stream management.
    #[error("the server does not follow the protocol: {0}")]
    Protocol(&'static str),
    /// The server does not read, or does not acknowledge.
    #[error("the server is stuck")]
    Stuck,
}

/// A connection that is kept.
#[derive(Debug)]
pub struct Client;

impl Client {
    /// Starts the connection. Must be called within a tokio runtime. Read the events: when their queue is full, the
    /// connection waits.
    pub fn start(config: Config) -> (Handle, mpsc::Receiver<Event>) {
        let (commands, receive_commands) = mpsc::channel(config.send_queue_max.max(1));
        let (closing, receive_closing) = mpsc::channel(1);
        let (events, receive_events) = mpsc::channel(config.event_queue_max.max(1));
        let online = Arc::new(AtomicBool::new(false));
        let handle = Handle {
            commands,
            closing,
            online: online.clone(),
            ids: Arc::new(Ids {
                prefix: config.resource.clone().unwrap_or_else(|| "iq".to_owned()),
                next: AtomicU64::new(1),
            }),
        };
        let driver = Driver {
            config,
            commands: receive_commands,
            closing: receive_closing,
            events,
            online,
            requests: Requests::default(),
            session: None,
        };
        tokio::spawn(driver.run());
        (handle, receive_events)
    }
}

/// A session, connected or not.
struct Session {
    jid: FullJid,
    /// `None` when the server does not manage streams.
    resumption: Option<Resumption>,
}

struct Driver {
    config: Config,
    commands: mpsc::Receiver<Command>,
    closing: mpsc::Receiver<oneshot::Sender<()>>,
    events: mpsc::Sender<Event>,
    online: Arc<AtomicBool>,
    requests: Requests,
    session: Option<Session>,
}

/// The application is gone or has closed the connection.
struct Finished(Option<oneshot::Sender<()>>);

enum Ended {
    Broken(DisconnectReason),
    Finished(Finished),
}

impl From<io::Error> for Ended {
    fn from(error: io::Error) -> Self {
        Self::Broken(error.into())
    }
}

impl Driver {
    async fn run(mut self) {
        let mut delay = self.config.retry_first;
        let mut last_failure = String::new();
        loop {
            let attempt = self.attempt().await;
            let (stream, resumed) = match attempt {
                Err(Finished(closing)) => return self.finish(closing),
                Ok(Err(error)) => {
                    let failure = error.to_string();
                    if failure == last_failure {
                        tracing::debug!(%failure, "not connected yet");
                    } else {
                        tracing::info!(domain = %self.config.domain, "not connected yet, trying on: {failure}");
                        last_failure = failure;
                    }
                    if matches!(error, ConnectError::LoginRefused(_)) {
                        delay = self.config.retry_max;
                    }
                    if let Err(Finished(closing)) = self.wait(delay).await {
                        return self.finish(closing);
                    }
                    delay = (delay * 2).min(self.config.retry_max);
                    continue;
                }
                Ok(Ok(connected)) => connected,
            };
            delay = self.config.retry_first;
            last_failure.clear();
            match self.serve(stream, resumed).await {
                Ended::Finished(Finished(closing)) => return self.finish(closing),
                Ended::Broken(reason) => {
                    tracing::debug!(%reason, "connection lost");
                    let resumable =
                        self.session.as_ref().and_then(|s| s.resumption.as_ref()).is_some_and(|r| r.id().is_some());
                    if !resumable {
                        self.end_session();
                    }
                    if self.events.send(Event::Disconnected(reason)).await.is_err() {
                        return self.finish(None);
                    }
                    // A server that ends every session at once must not be hammered.
                    if let Err(Finished(closing)) = self.wait(self.config.retry_first).await {
                        return self.finish(closing);
                    }
                }
            }
        }
    }

    /// One attempt to be logged in.
    async fn attempt(&mut self) -> Result<Result<(ElementStream, bool), ConnectError>, Finished> {
        let former = self.session.as_ref().and_then(|session| session.resumption.as_ref());
        let login = log_in(&self.config, former);
        let outcome = tokio::select! {
            outcome = timeout(self.config.connect_timeout, login) => outcome.unwrap_or(Err(ConnectError::Timeout)),
            () = self.events.closed() => return Err(Finished(None)),
            done = self.closing.recv() => return Err(Finished(done)),
        };
        let (mut stream, logged_in) = match outcome {
            Ok(outcome) => outcome,
            Err(error) => return Ok(Err(error)),
        };
        match logged_in {
            LoggedIn::New { jid, resumption } => {
                self.end_session();
                self.session = Some(Session { jid, resumption });
                self.online.store(true, Ordering::Release);
                Ok(Ok((stream, false)))
            }
            LoggedIn::Resumed { handled } => {
                let resumption = self
                    .session
                    .as_mut()
                    .and_then(|session| session.resumption.as_mut())
                    .expect("only a former session is resumed");
                if !resumption.acknowledged(handled) {
                    self.end_session();
                    return Ok(Err(ConnectError::Protocol("more stanzas acknowledged than sent")));
                }
                for stanza in resumption.unacked() {
                    if let Err(error) = stream.feed(stanza).await {
                        return Ok(Err(error.into()));
                    }
                }
                match stream.send(&Resumption::request()).await {
                    Ok(()) => Ok(Ok((stream, true))),
                    Err(error) => Ok(Err(error.into())),
                }
            }
        }
    }

    /// Runs a connected session until it breaks or is closed.
    async fn serve(&mut self, mut stream: ElementStream, resumed: bool) -> Ended {
        let jid = match &self.session {
            Some(session) => session.jid.clone(),
            None => return Ended::Broken(DisconnectReason::Protocol("no session")),
        };
        if self.events.send(Event::Online { jid, resumed }).await.is_err() {
            return Ended::Finished(Finished(None));
        }
        loop {
            let deadline = self.requests.next_deadline();
            let step = tokio::select! {
                element = stream.next() => self.received(&mut stream, element).await,
                command = self.commands.recv() => self.send_batch(&mut stream, command).await,
                () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {
                    self.requests.expire(Instant::now());
                    Ok(())
                }
                () = self.events.closed() => Err(Ended::Finished(Finished(None))),
                done = self.closing.recv() => Err(Ended::Finished(Finished(done))),
            };
            if let Err(ended) = step {
                if matches!(ended, Ended::Finished(_)) {
                    close(&mut stream).await;
                }
                return ended;
            }
        }
    }

    async fn received(
        &mut self,
        stream: &mut ElementStream,
        element: Option<Result<Element, ReadError>>,
    ) -> Result<(), Ended> {
        let element = match element {
            Some(Ok(element)) => element,
            Some(Err(ReadError::SoftTimeout)) => return self.ask_for_life(stream).await,
            Some(Err(ReadError::HardError(error))) => return Err(error.into()),
            Some(Err(ReadError::ParseError(_))) => {
                return Err(Ended::Broken(DisconnectReason::Protocol("malformed XML")));
            }
            Some(Err(ReadError::StreamFooterReceived)) | None => return Err(Ended::Broken(DisconnectReason::Closed)),
        };
        match element.ns().as_str() {
            ns::CLIENT => self.received_stanza(stream, element).await,
            ns::SM => self.received_management(stream, &element).await,
            ns::STREAM if element.name() == "error" => {
                let condition = stream_error_condition(&element);
                // The session is not worth resuming: another one has taken its place, or the server says it is over.
                self.end_session();
                Err(Ended::Broken(DisconnectReason::StreamError(condition)))
            }
            _ => Ok(()),
        }
    }

    async fn received_stanza(&mut self, stream: &mut ElementStream, stanza: Element) -> Result<(), Ended> {
        if let Some(resumption) = self.resumption() {
            resumption.received();
        }
        if iq::is_request(&stanza) && iq::payload(&stanza).is_some_and(|payload| payload.is("ping", ns::PING)) {
            let pong = iq::result(&stanza, None);
            self.feed(stream, pong).await?;
            return flush(stream).await;
        }
        let Some(stanza) = self.requests.answer(stanza) else { return Ok(()) };
        self.events.send(Event::Stanza(stanza)).await.map_err(|_| Ended::Finished(Finished(None)))
    }

    async fn received_management(&mut self, stream: &mut ElementStream, element: &Element) -> Result<(), Ended> {
        let Some(resumption) = self.resumption() else { return Ok(()) };
        match element.name() {
            "r" => {
                let answer = resumption.answer();
                write(stream, &answer).await?;
                flush(stream).await
            }
            "a" => {
                let known = element.attr("h").and_then(|h| h.parse().ok()).is_some_and(|h| resumption.acknowledged(h));
                if known {
                    Ok(())
                } else {
                    self.end_session();
                    Err(Ended::Broken(DisconnectReason::Protocol("impossible acknowledgement")))
                }
            }
            _ => Ok(()),
        }
    }

    /// The server has been silent: anything it sends now proves that it lives.
    async fn ask_for_life(&mut self, stream: &mut ElementStream) -> Result<(), Ended> {
        if self.resumption().is_some() {
            write(stream, &Resumption::request()).await?;
        } else {
            let mut ping = iq::request(iq::IqType::Get, None, Element::bare("ping", ns::PING));
            ping.set_attr(rxml::Namespace::NONE, rxml::xml_ncname!("id").to_owned(), "keepalive");
            write(stream, &ping).await?;
        }
        flush(stream).await
    }

    /// Writes a command and those that wait behind it, then flushes.
    async fn send_batch(&mut self, stream: &mut ElementStream, command: Option<Command>) -> Result<(), Ended> {
        let mut command = command.ok_or(Ended::Finished(Finished(None)))?;
        for _ in 0..BATCH_MAX {
            self.perform(stream, command).await?;
            match self.commands.try_recv() {
                Ok(next) => command = next,
                Err(_) => return self.end_batch(stream).await,
            }
        }
        self.perform(stream, command).await?;
        self.end_batch(stream).await
    }

    async fn perform(&mut self, stream: &mut ElementStream, command: Command) -> Result<(), Ended> {
        match command {
            Command::Send(stanza) => self.feed(stream, stanza).await,
            Command::Request { id, to, iq, answer } => {
                let deadline = Instant::now() + self.config.request_timeout;
                if self.requests.insert(id, to, deadline, answer) {
                    self.feed(stream, iq).await?;
                }
                Ok(())
            }
        }
    }

    async fn end_batch(&mut self, stream: &mut ElementStream) -> Result<(), Ended> {
        if self.resumption().is_some_and(Resumption::should_ask) {
            write(stream, &Resumption::request()).await?;
        }
        flush(stream).await
    }

    async fn feed(&mut self, stream: &mut ElementStream, stanza: Element) -> Result<(), Ended> {
        let written = write(stream, &stanza).await;
        if let Some(resumption) = self.resumption()
            && !resumption.sent(stanza)
        {
            self.end_session();
            return Err(Ended::Broken(DisconnectReason::Stuck));
        }
        written
    }

    /// Waits before the next attempt; the application may close meanwhile, and requests run out of time. What is
    /// queued stays queued: it belongs to the session that waits for its resumption.
    async fn wait(&mut self, delay: Duration) -> Result<(), Finished> {
        let until = Instant::now() + delay;
        loop {
            let deadline = self.requests.next_deadline().unwrap_or(until).min(until);
            tokio::select! {
                () = sleep_until(deadline) => {
                    let now = Instant::now();
                    self.requests.expire(now);
                    if now >= until {
                        return Ok(());
                    }
                }
                () = self.events.closed() => return Err(Finished(None)),
                done = self.closing.recv() => return Err(Finished(done)),
            }
        }
    }

    fn resumption(&mut self) -> Option<&mut Resumption> {
        self.session.as_mut().and_then(|session| session.resumption.as_mut())
    }

    /// Forgets the session and everything that belonged to it.
    fn end_session(&mut self) {
        if self.session.take().is_some() {
            self.online.store(false, Ordering::Release);
            self.requests.fail_all();
            while let Ok(command) = self.commands.try_recv() {
                if let Command::Request { answer, .. } = command {
                    let _ = answer.send(Err(RequestError::Disconnected));
                }
            }
        }
    }

    fn finish(mut self, closing: Option<oneshot::Sender<()>>) {
        self.end_session();
        if let Some(done) = closing {
            let _ = done.send(());
        }
    }
}

async fn write(stream: &mut ElementStream, element: &Element) -> Result<(), Ended> {
    match timeout(WRITE_TIMEOUT, stream.feed(element)).await {
        Ok(written) => Ok(written?),
        Err(_) => Err(Ended::Broken(DisconnectReason::Stuck)),
    }
}

async fn flush(stream: &mut ElementStream) -> Result<(), Ended> {
    match timeout(WRITE_TIMEOUT, <ElementStream as SinkExt<&Element>>::flush(stream)).await {
        Ok(flushed) => Ok(flushed?),
        Err(_) => Err(Ended::Broken(DisconnectReason::Stuck)),
    }
}

/// Ends the stream politely; the server gets a moment to do the same. Failures do not matter any more.
async fn close(stream: &mut ElementStream) {
    let _ = timeout(CLOSE_TIMEOUT, async {
        if stream.shutdown().await.is_ok() {
            while let Some(Ok(_)) = stream.next().await {}
        }
    })
    .await;
}
