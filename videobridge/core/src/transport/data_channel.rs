//! The bridge channel over SCTP (RFC 8831) on `rtc-sctp`, with the two messages of the channel
//! establishment protocol (RFC 8832).

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use rtc_sctp::{
    Association, AssociationHandle, DatagramEvent, Endpoint, EndpointConfig, Event, Payload,
    PayloadProtocolIdentifier as Ppi, ServerConfig, StreamEvent, TransportConfig,
};
use rtc_shared::TransportProtocol;

/// The largest bridge-channel message taken or sent, in bytes.
pub const CHANNEL_MESSAGE_BYTES_MAX: usize = 64 * 1024;
/// Unacknowledged bytes after which further messages to a peer are dropped, in bytes.
pub const QUEUED_BYTES_MAX: usize = 512 * 1024;
/// Streams a peer may have; one is used.
const STREAMS_MAX: u16 = 64;
/// Messages read at one go, so that a flood cannot hold the worker.
const MESSAGES_PER_READ_MAX: usize = 64;
/// Room that DTLS, UDP and IP leave of the smallest path, for one SCTP packet.
const PAYLOAD_BYTES_MAX: u32 = 1_120;

const DCEP_ACK: u8 = 0x02;
const DCEP_OPEN: u8 = 0x03;

/// What happened on the channel.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ChannelEvent {
    Open,
    Message(String),
    Closed,
}

pub(super) struct DataChannel {
    endpoint: Endpoint,
    association: Option<(AssociationHandle, Association)>,
    /// The stream the peer opened the channel on.
    stream: Option<u16>,
    events: VecDeque<ChannelEvent>,
    outgoing: VecDeque<Bytes>,
}

/// SCTP inside DTLS has no addresses; the library wants one.
const NOWHERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 5000);

impl DataChannel {
    pub(super) fn new() -> Self {
        let transport = TransportConfig::default()
            .with_max_message_size(u32::try_from(CHANNEL_MESSAGE_BYTES_MAX).unwrap_or(u32::MAX))
            .with_max_receive_buffer_size(256 * 1024)
            .with_max_num_inbound_streams(STREAMS_MAX)
            .with_max_num_outbound_streams(STREAMS_MAX);
        let mut config = EndpointConfig::new();
        config.max_payload_size(PAYLOAD_BYTES_MAX);
        let server = Some(Arc::new(ServerConfig::new(transport)));
        let endpoint = Endpoint::new(NOWHERE, TransportProtocol::UDP, Arc::new(config), server);
        Self { endpoint, association: None, stream: None, events: VecDeque::new(), outgoing: VecDeque::new() }
    }

    pub(super) fn is_open(&self) -> bool {
        self.stream.is_some()
    }

    /// One SCTP packet from the peer.
    pub(super) fn handle_packet(&mut self, now: Instant, packet: Vec<u8>) {
        match self.endpoint.handle(now, NOWHERE, None, Bytes::from(packet)) {
            // A peer that starts anew replaces its old association.
            Some((handle, DatagramEvent::NewAssociation(association))) => {
                self.association = Some((handle, association));
                self.stream = None;
            }
            Some((handle, DatagramEvent::AssociationEvent(event))) => {
                if let Some((known, association)) = &mut self.association
                    && *known == handle
                {
                    association.handle_event(event);
                }
            }
            // The library's list may grow; what it does not name is not for us.
            Some(_) | None => {}
        }
        self.advance(now);
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if let Some((_, association)) = &mut self.association
            && association.poll_timeout().is_some_and(|deadline| deadline <= now)
        {
            association.handle_timeout(now);
            self.advance(now);
        }
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.association.as_ref().and_then(|(_, association)| association.poll_timeout())
    }

    /// Sends a text message; `false` when the channel is not open, the message is too large, or the
    /// peer does not read.
    pub(super) fn send(&mut self, now: Instant, message: &str) -> bool {
        let (Some((_, association)), Some(id)) = (&mut self.association, self.stream) else { return false };
        let Ok(mut stream) = association.stream(id) else { return false };
        let queued = stream.buffered_amount().unwrap_or(usize::MAX);
        if message.len() > CHANNEL_MESSAGE_BYTES_MAX || queued.saturating_add(message.len()) > QUEUED_BYTES_MAX {
            return false;
        }
        // A message without content is sent as one byte under its own identifier (RFC 8831 §6.6).
        let sent = if message.is_empty() {
            stream.write_with_ppi(now, &[0], Ppi::StringEmpty)
        } else {
            stream.write_with_ppi(now, message.as_bytes(), Ppi::String)
        };
        let sent = sent.is_ok();
        self.advance(now);
        sent
    }

    pub(super) fn poll_event(&mut self) -> Option<ChannelEvent> {
        self.events.pop_front()
    }

    pub(super) fn poll_packet(&mut self) -> Option<Bytes> {
        self.outgoing.pop_front()
    }

    fn advance(&mut self, now: Instant) {
        let Some((handle, association)) = &mut self.association else { return };
        let mut readable = Vec::new();
        let mut lost = false;
        while let Some(event) = association.poll() {
            match event {
                Event::Stream(StreamEvent::Opened { id } | StreamEvent::Readable { id }) => readable.push(id),
                Event::Stream(StreamEvent::Finished { id } | StreamEvent::Stopped { id, .. }) => {
                    lost |= self.stream == Some(id);
                }
                Event::AssociationLost { .. } | Event::HandshakeFailed { .. } => lost = true,
                _ => {}
            }
        }
        while association.accept_stream().is_some() {}
        readable.sort_unstable();
        readable.dedup();
        for id in readable {
            read_stream(association, id, now, &mut self.stream, &mut self.events);
        }
        while let Some(transmit) = association.poll_transmit(now) {
            if let Payload::RawEncode(packets) = transmit.message {
                self.outgoing.extend(packets);
            }
        }
        let handle = *handle;
        while let Some(event) = association.poll_endpoint_event() {
            self.endpoint.handle_event(handle, event);
        }
        if lost && self.stream.take().is_some() {
            self.events.push_back(ChannelEvent::Closed);
        }
    }
}

fn read_stream(
    association: &mut Association,
    id: u16,
    now: Instant,
    channel: &mut Option<u16>,
    events: &mut VecDeque<ChannelEvent>,
) {
    for _ in 0..MESSAGES_PER_READ_MAX {
        let Ok(mut stream) = association.stream(id) else { return };
        let Ok(Some(chunks)) = stream.read_sctp() else { return };
        if chunks.len() > CHANNEL_MESSAGE_BYTES_MAX {
            continue;
        }
        match chunks.ppi {
            Ppi::Dcep => {
                let mut open = vec![0; chunks.len()];
                let opens = chunks.read(&mut open).is_ok() && open.first() == Some(&DCEP_OPEN);
                if opens && stream.write_with_ppi(now, &[DCEP_ACK], Ppi::Dcep).is_ok() && channel.is_none() {
                    *channel = Some(id);
                    events.push_back(ChannelEvent::Open);
                }
            }
            Ppi::String | Ppi::Binary if *channel == Some(id) => {
                let mut bytes = vec![0; chunks.len()];
                if chunks.read(&mut bytes).is_ok()
                    && let Ok(text) = String::from_utf8(bytes)
                {
                    events.push_back(ChannelEvent::Message(text));
                }
            }
            // Anything on another stream, and messages without content, say nothing to a bridge.
            _ => {}
        }
    }
}
