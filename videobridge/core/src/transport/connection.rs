//! One endpoint's transport: ICE, DTLS and SCTP put together, and the SRTP keys they lead to.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use super::certificate::{Certificate, Fingerprint};
use super::data_channel::{ChannelEvent, DataChannel};
use super::demux::{Kind, classify};
use super::dtls::{DtlsConnection, DtlsEvent, DtlsFailure, Setup};
use super::ice::{Credentials, Ice, IceChange, RemoteCandidate};
use crate::srtp::{Profile, Protect, SrtpError, Unprotect};

/// What a transport begins with.
pub struct Config<'a> {
    /// Ours; unguessable, and unique among the endpoints of this process.
    pub credentials: Credentials,
    /// Whether we decide which path is used (RFC 8445 §6.1.1); the focus says.
    pub controlling: bool,
    /// Addresses our socket is reached at, before any mapping.
    pub local_addresses: &'a [SocketAddr],
    /// The certificate of this process.
    pub certificate: &'a Certificate,
    /// Whether the peer may open a data channel.
    pub data_channel: bool,
}

/// What the peer signalled; parts may come in several messages.
#[derive(Default)]
pub struct Remote {
    /// ICE credentials.
    pub credentials: Option<Credentials>,
    /// ICE candidates, possibly none: then the peer is found by its own checks.
    pub candidates: Vec<RemoteCandidate>,
    /// Certificate hashes; one of them must match.
    pub fingerprints: Vec<Fingerprint>,
    /// The peer's role.
    pub setup: Option<Setup>,
}

/// A datagram to be sent.
#[derive(Debug, PartialEq, Eq)]
pub struct Transmit {
    /// Our address that it leaves from.
    pub from: SocketAddr,
    /// The peer's address.
    pub to: SocketAddr,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// What a datagram turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Received {
    /// Handled inside, or dropped.
    Consumed,
    /// An RTP packet, opened in place; its length.
    Rtp(usize),
    /// A compound RTCP packet, opened in place; its length.
    Rtcp(usize),
    /// Refused by SRTP.
    Refused(SrtpError),
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A path works; media can go once DTLS is up.
    IceConnected,
    /// Nothing has come back for a while; the path may still recover.
    IceDisconnected,
    /// Keys are there and the peer is the signalled one.
    DtlsConnected(Profile),
    /// The peer opened its data channel.
    ChannelOpen,
    /// A text message came over the data channel.
    ChannelMessage(String),
    /// The data channel is gone.
    ChannelClosed,
    /// The peer closed DTLS.
    Closed,
    /// This transport will not work any more.
    Failed(Failure),
}

/// Why a transport is of no use any more.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// No path to the peer works, or consent ended (RFC 7675).
    #[error("no path to the peer works")]
    Ice,
    /// The handshake failed.
    #[error("DTLS failed: {0}")]
    Dtls(String),
    /// A library of ours panicked over what the peer sent.
    #[error("a fault of the bridge")]
    Panic,
    /// The peer's certificate is not the signalled one: somebody else answers.
    #[error("the peer's certificate does not match the signalled fingerprint")]
    WrongFingerprint,
}

/// An endpoint's transport.
pub struct Transport {
    ice: Ice,
    dtls: DtlsConnection,
    channel: Option<DataChannel>,
    protect: Option<Protect>,
    unprotect: Option<Unprotect>,
    events: VecDeque<Event>,
    failed: bool,
}

impl Transport {
    /// A transport that waits for the peer. Errors: an address that cannot be a candidate, or
    /// credentials that are too short.
    pub fn new(config: &Config<'_>, now: Instant) -> Result<Self, Failure> {
        let ice =
            Ice::new(&config.credentials, config.controlling, config.local_addresses, now).map_err(Failure::Dtls)?;
        let dtls = DtlsConnection::new(config.certificate, now).map_err(Failure::from)?;
        Ok(Self {
            ice,
            dtls,
            channel: config.data_channel.then(DataChannel::new),
            protect: None,
            unprotect: None,
            events: VecDeque::new(),
            failed: false,
        })
    }

    /// Takes what the peer signalled.
    pub fn set_remote(&mut self, remote: &Remote, now: Instant) {
        self.guarded(|transport| {
            transport.ice.set_remote(remote.credentials.as_ref(), &remote.candidates, now);
            let taken = transport.dtls.set_remote(&remote.fingerprints, remote.setup, now);
            transport.check(taken);
            if transport.ice.is_connected() {
                let started = transport.dtls.start(now);
                transport.check(started);
            }
            transport.advance(now);
        });
    }

    /// Begins ICE anew with other credentials of ours, while media goes on over the old path.
    /// The peer's new credentials come by [`Transport::set_remote`].
    pub fn restart_ice(
        &mut self,
        credentials: &Credentials,
        controlling: bool,
        locals: &[SocketAddr],
        now: Instant,
    ) -> Result<(), Failure> {
        let previous = self.ice.selected();
        self.ice = Ice::new(credentials, controlling, locals, now).map_err(Failure::Dtls)?;
        self.ice.keep_path(previous);
        Ok(())
    }

    /// Handles one datagram. RTP and RTCP are opened in place for the caller.
    pub fn handle_datagram(
        &mut self,
        now: Instant,
        local: SocketAddr,
        remote: SocketAddr,
        datagram: &mut [u8],
    ) -> Received {
        if self.failed {
            return Received::Consumed;
        }
        match classify(datagram) {
            Kind::Stun => self.guarded(|transport| {
                transport.ice.handle_stun(now, local, remote, datagram);
                transport.advance(now);
            }),
            Kind::Rtp if self.ice.is_validated(remote) => {
                if let Some(unprotect) = &mut self.unprotect {
                    return unprotect.rtp(datagram).map_or_else(Received::Refused, Received::Rtp);
                }
            }
            Kind::Rtcp if self.ice.is_validated(remote) => {
                if let Some(unprotect) = &mut self.unprotect {
                    return unprotect.rtcp(datagram).map_or_else(Received::Refused, Received::Rtcp);
                }
            }
            Kind::Dtls if self.ice.is_validated(remote) => self.guarded(|transport| {
                let handled = transport.dtls.handle_record(now, datagram);
                transport.check(handled);
                transport.advance(now);
            }),
            Kind::Rtp | Kind::Rtcp | Kind::Dtls | Kind::Unknown => {}
        }
        Received::Consumed
    }

    /// To be called at [`Transport::next_deadline`]; earlier does no harm.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.guarded(|transport| {
            transport.ice.handle_timeout(now);
            if transport.dtls.next_deadline().is_some_and(|deadline| deadline <= now) {
                let handled = transport.dtls.handle_timeout(now);
                transport.check(handled);
            }
            if let Some(channel) = &mut transport.channel {
                channel.handle_timeout(now);
            }
            transport.advance(now);
        });
    }

    /// When [`Transport::handle_timeout`] is due.
    pub fn next_deadline(&mut self) -> Option<Instant> {
        if self.failed {
            return None;
        }
        let channel = self.channel.as_ref().and_then(DataChannel::next_deadline);
        [self.ice.next_deadline(), self.dtls.next_deadline(), channel].into_iter().flatten().min()
    }

    /// The next datagram to be sent. Call until `None` after everything else.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        if let Some(transmit) = self.ice.poll_transmit() {
            return Some(transmit);
        }
        let (from, to) = self.ice.selected()?;
        let bytes = self.dtls.poll_record()?;
        Some(Transmit { from, to, bytes })
    }

    /// The next event. Call until `None` after everything else.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Whether `remote` has passed a check of ours or the peer's.
    pub fn is_validated(&self, remote: SocketAddr) -> bool {
        self.ice.is_validated(remote)
    }

    /// Our address and the peer's, once a path works: where protected packets go.
    pub fn path(&self) -> Option<(SocketAddr, SocketAddr)> {
        self.ice.selected()
    }

    /// Whether media can be sent.
    pub fn is_up(&self) -> bool {
        !self.failed && self.dtls.is_up() && self.ice.selected().is_some()
    }

    /// What media sent to the peer is protected with, once DTLS is up.
    pub fn protect(&mut self) -> Option<&mut Protect> {
        self.protect.as_mut()
    }

    /// Whether the peer's data channel is open.
    pub fn is_channel_open(&self) -> bool {
        self.channel.as_ref().is_some_and(DataChannel::is_open)
    }

    /// Sends a text over the data channel; `false` when it cannot be taken.
    pub fn send_channel_message(&mut self, now: Instant, message: &str) -> bool {
        let mut sent = false;
        self.guarded(|transport| {
            sent = transport.channel.as_mut().is_some_and(|channel| channel.send(now, message));
            transport.advance(now);
        });
        sent
    }

    /// Takes leave; transmits what [`Transport::poll_transmit`] then gives.
    pub fn close(&mut self) {
        self.dtls.close();
    }

    /// Moves what one layer made to the next until nothing is left to move.
    fn advance(&mut self, now: Instant) {
        self.advance_ice(now);
        loop {
            let mut moved = false;
            while let Some(event) = self.dtls.poll_event() {
                moved = true;
                self.take_dtls_event(event, now);
            }
            if let Some(channel) = &mut self.channel {
                while let Some(packet) = channel.poll_packet() {
                    moved = true;
                    if let Err(failure) = self.dtls.send(&packet) {
                        tracing::debug!(?failure, "an SCTP packet could not be sent");
                    }
                }
                while let Some(event) = channel.poll_event() {
                    self.events.push_back(match event {
                        ChannelEvent::Open => Event::ChannelOpen,
                        ChannelEvent::Message(text) => Event::ChannelMessage(text),
                        ChannelEvent::Closed => Event::ChannelClosed,
                    });
                }
            }
            if !moved {
                break;
            }
        }
    }

    fn advance_ice(&mut self, now: Instant) {
        match self.ice.poll_change() {
            Some(IceChange::Connected) => {
                self.events.push_back(Event::IceConnected);
                let started = self.dtls.start(now);
                self.check(started);
            }
            Some(IceChange::Disconnected) => self.events.push_back(Event::IceDisconnected),
            Some(IceChange::Failed) => self.fail(Failure::Ice),
            None if self.ice.has_failed() => self.fail(Failure::Ice),
            None => {}
        }
    }

    fn take_dtls_event(&mut self, event: DtlsEvent, now: Instant) {
        match event {
            DtlsEvent::Up { profile, keys, client } => {
                let (ours, theirs) = if client { (&keys.client, &keys.server) } else { (&keys.server, &keys.client) };
                self.protect = Some(Protect::new(profile, ours));
                self.unprotect = Some(Unprotect::new(profile, theirs));
                self.events.push_back(Event::DtlsConnected(profile));
            }
            DtlsEvent::Data(packet) => {
                if let Some(channel) = &mut self.channel {
                    channel.handle_packet(now, packet);
                }
            }
            DtlsEvent::Closed => self.events.push_back(Event::Closed),
        }
    }

    /// ICE, DTLS and SCTP are parsers of what the peer sends, in libraries of others: should one of them panic,
    /// this transport has failed and no other one.
    fn guarded(&mut self, act: impl FnOnce(&mut Self)) {
        if self.failed {
            return;
        }
        if catch_unwind(AssertUnwindSafe(|| act(self))).is_err() {
            self.fail(Failure::Panic);
        }
    }

    fn check(&mut self, result: Result<(), DtlsFailure>) {
        if let Err(failure) = result {
            self.fail(failure.into());
        }
    }

    fn fail(&mut self, failure: Failure) {
        if !self.failed {
            self.failed = true;
            self.protect = None;
            self.unprotect = None;
            self.events.push_back(Event::Failed(failure));
        }
    }
}

impl From<DtlsFailure> for Failure {
    fn from(failure: DtlsFailure) -> Self {
        match failure {
            DtlsFailure::Handshake(reason) => Self::Dtls(reason),
            DtlsFailure::WrongFingerprint => Self::WrongFingerprint,
        }
    }
}
