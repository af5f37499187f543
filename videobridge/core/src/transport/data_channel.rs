//! The bridge channel over SCTP (RFC 8831) on `rtc-sctp`, with the two messages of the channel
//! establishment protocol (RFC 8832).

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use rtc_sctp::{
    Association, AssociationHandle, DatagramEvent, Endpoint, EndpointConfig, Event, Payload,
    PayloadProtocolIdentifier as Ppi, ServerConfig, StreamEvent, TimerConfig, TransportConfig,
};
use rtc_shared::TransportProtocol;

/// The largest bridge-channel message taken or sent, in bytes.
pub const CHANNEL_MESSAGE_BYTES_MAX: usize = 64 * 1024;
/// Unacknowledged bytes after which further messages to a peer are dropped, in bytes.
pub const QUEUED_BYTES_MAX: usize = 512 * 1024;
/// Streams a peer may have; one is used.
const STREAMS_MAX: u16 = 64;
/// Messages read at one go, so that a flood cannot hold the worker.
const MESSAGES_PER_READ_MAX: usize = 1_024;
/// Associations a peer may begin one after the other; a client that reloads makes a new transport.
const ASSOCIATIONS_MAX: usize = 8;
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
    associations: usize,
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
            .with_max_num_outbound_streams(STREAMS_MAX)
            // ICE says when a peer is gone; until then what it has not got is sent again.
            .with_timer_config(TimerConfig { max_t3_rtx_retrans: usize::MAX, ..TimerConfig::default() });
        let mut config = EndpointConfig::new();
        config.max_payload_size(PAYLOAD_BYTES_MAX);
        let server = Some(Arc::new(ServerConfig::new(transport)));
        let endpoint = Endpoint::new(NOWHERE, TransportProtocol::UDP, Arc::new(config), server);
        Self {
            endpoint,
            association: None,
            associations: 0,
            stream: None,
            events: VecDeque::new(),
            outgoing: VecDeque::new(),
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.stream.is_some()
    }

    /// One SCTP packet from the peer.
    pub(super) fn handle_packet(&mut self, now: Instant, packet: Vec<u8>) {
        match self.endpoint.handle(now, NOWHERE, None, Bytes::from(packet)) {
            // A peer that starts anew replaces its old association.
            Some((handle, DatagramEvent::NewAssociation(association))) => {
                self.associations += 1;
                if self.associations >= ASSOCIATIONS_MAX {
                    // The library remembers each of them.
                    self.endpoint.reject_new_associations();
                }
                self.association = Some((handle, association));
                if self.stream.take().is_some() {
                    self.events.push_back(ChannelEvent::Closed);
                }
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

#[cfg(test)]
mod tests {
    use super::*;
    use rtc_sctp::ClientConfig;
    use std::time::Duration;

    /// What a browser does: begins the association, opens a channel, talks.
    struct Client {
        endpoint: Endpoint,
        association: Association,
    }

    impl Client {
        fn new(now: Instant) -> Self {
            let config = Arc::new(EndpointConfig::new());
            let mut endpoint = Endpoint::new(NOWHERE, TransportProtocol::UDP, config, None);
            let (_, association) = endpoint.connect(now, ClientConfig::default(), NOWHERE).expect("association");
            Self { endpoint, association }
        }

        fn write(&mut self, now: Instant, stream: u16, ppi: Ppi, bytes: &[u8]) {
            if self.association.stream(stream).is_err() {
                self.association.open_stream(stream, ppi).expect("stream");
            }
            self.association.stream(stream).expect("stream").write_with_ppi(now, bytes, ppi).expect("written");
        }

        fn read(&mut self, stream: u16) -> Option<(Ppi, Vec<u8>)> {
            let chunks = self.association.stream(stream).ok()?.read_sctp().ok()??;
            let mut bytes = vec![0; chunks.len()];
            chunks.read(&mut bytes).expect("read");
            Some((chunks.ppi, bytes))
        }
    }

    /// Carries packets both ways until nobody has anything to say, for a while.
    fn settle(bridge: &mut DataChannel, client: &mut Client, now: &mut Instant) {
        for _ in 0..200 {
            *now += Duration::from_millis(10);
            client.association.handle_timeout(*now);
            bridge.handle_timeout(*now);
            while client.association.poll().is_some() {}
            while let Some(transmit) = client.association.poll_transmit(*now) {
                if let Payload::RawEncode(packets) = transmit.message {
                    packets.into_iter().for_each(|packet| bridge.handle_packet(*now, packet.to_vec()));
                }
            }
            while let Some(packet) = bridge.poll_packet() {
                if let Some((_, DatagramEvent::AssociationEvent(event))) =
                    client.endpoint.handle(*now, NOWHERE, None, packet)
                {
                    client.association.handle_event(event);
                }
            }
        }
    }

    fn open_message(label: &str) -> Vec<u8> {
        let mut open = vec![DCEP_OPEN, 0, 0, 0, 0, 0, 0, 0, 0, u8::try_from(label.len()).expect("short"), 0, 0];
        open.extend(label.as_bytes());
        open
    }

    fn opened(now: &mut Instant) -> (DataChannel, Client) {
        let (mut bridge, mut client) = (DataChannel::new(), Client::new(*now));
        settle(&mut bridge, &mut client, now);
        client.write(*now, 1, Ppi::Dcep, &open_message("JVB data channel"));
        settle(&mut bridge, &mut client, now);
        assert_eq!(bridge.poll_event(), Some(ChannelEvent::Open));
        assert_eq!(client.read(1), Some((Ppi::Dcep, vec![DCEP_ACK])));
        (bridge, client)
    }

    #[test]
    fn a_client_opens_a_channel_and_both_sides_talk() {
        let mut now = Instant::now();
        let (mut bridge, mut client) = opened(&mut now);
        client.write(now, 1, Ppi::String, "{\"colibriClass\":\"ClientHello\"}".as_bytes());
        settle(&mut bridge, &mut client, &mut now);
        let said = ChannelEvent::Message("{\"colibriClass\":\"ClientHello\"}".to_owned());
        assert_eq!(bridge.poll_event(), Some(said));
        let long = "x".repeat(CHANNEL_MESSAGE_BYTES_MAX);
        assert!(bridge.send(now, &long) && bridge.send(now, ""));
        assert!(!bridge.send(now, &format!("{long}x")), "too large");
        settle(&mut bridge, &mut client, &mut now);
        assert_eq!(client.read(1), Some((Ppi::String, long.into_bytes())));
        assert_eq!(client.read(1).map(|(ppi, _)| ppi), Some(Ppi::StringEmpty));
    }

    #[test]
    fn only_the_first_channel_is_the_bridge_channel() {
        let mut now = Instant::now();
        let (mut bridge, mut client) = opened(&mut now);
        client.write(now, 3, Ppi::Dcep, &open_message("another"));
        client.write(now, 3, Ppi::String, b"ignored");
        client.write(now, 1, Ppi::String, &[0xff, 0xfe]);
        client.write(now, 1, Ppi::String, &vec![b'x'; CHANNEL_MESSAGE_BYTES_MAX + 1]);
        client.write(now, 1, Ppi::String, b"heard");
        settle(&mut bridge, &mut client, &mut now);
        assert_eq!(bridge.poll_event(), Some(ChannelEvent::Message("heard".to_owned())));
        assert_eq!(bridge.poll_event(), None);
    }

    #[test]
    fn a_client_that_does_not_read_costs_a_bounded_queue() {
        let mut now = Instant::now();
        let (mut bridge, _client) = opened(&mut now);
        let message = "x".repeat(10_000);
        let taken = (0..1_000).filter(|_| bridge.send(now, &message)).count();
        assert!(taken > 10 && taken * message.len() <= QUEUED_BYTES_MAX, "{taken}");
    }

    #[test]
    fn associations_begun_again_and_again_are_bounded() {
        let mut now = Instant::now();
        let mut bridge = DataChannel::new();
        let mut answered = 0;
        for _ in 0..100 {
            let mut client = Client::new(now);
            settle(&mut bridge, &mut client, &mut now);
            answered += usize::from(!client.association.is_handshaking());
        }
        assert_eq!(answered, ASSOCIATIONS_MAX);
    }
}
