//! One media thread: waits for datagrams, instructions and deadlines, and serves them in turns.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender};
use std::time::{Duration, Instant};

use protocol::ids::{ConferenceId, EndpointId};
use rustix::event::{Timespec, epoll};
use videobridge_core::colibri::{Command, DtlsRole, EndpointActivity, NewEndpoint, RemoteTransport};
use videobridge_core::conference::{ChannelKind, Conference, ConferenceConfig, EndpointConfig};
use videobridge_core::egress::EndpointIndex;
use videobridge_core::transport::{
    Certificate, Config, Credentials, Event, Fingerprint, Kind, Received, Remote, RemoteCandidate, RemoteCandidateKind,
    Setup, Transport, classify, stun_local_ufrag,
};

use super::egress::Outlet;
use super::flows::{Flows, Owner, Steering};
use super::room::{Member, Room};
use super::socket::{Inbox, Path, Socket};
use super::wake::Wake;
use crate::media_link::{ConferenceSnapshot, EndpointSnapshot, Snapshot, ToMedia, Totals};

/// Batches received before anything else gets its turn.
const BATCHES_PER_TURN: usize = 8;
/// Instructions served in one turn.
const INSTRUCTIONS_PER_TURN: usize = 256;
/// The shortest wait for a deadline; many fall together.
const TICK: Duration = Duration::from_millis(1);
/// How often the conference is told that an endpoint's path is alive.
const KEEP_ALIVE_EVERY: Duration = Duration::from_secs(1);
/// An address stays its endpoint's for this long after the last word from it: several of its consent
/// checks (RFC 7675 §5.1: one in 5 s) may be lost. A network may then give the port to somebody else.
const HELD_FOR: Duration = Duration::from_secs(15);
/// Addresses remembered whose datagrams another worker serves.
const STRAYS_MAX: usize = 65_536;

/// What a worker is told to do.
pub(super) enum Instruction {
    Link(ToMedia),
    /// A datagram that reached another worker's socket.
    Stray {
        local: SocketAddr,
        remote: SocketAddr,
        bytes: Vec<u8>,
    },
    Stop,
}

/// Another worker, as seen from this one.
#[derive(Clone)]
pub(super) struct Neighbour {
    pub(super) instructions: SyncSender<Instruction>,
    pub(super) wake: Arc<Wake>,
}

/// What a worker is made of.
pub(super) struct Parts {
    pub(super) number: usize,
    pub(super) socket: Socket,
    pub(super) wake: Arc<Wake>,
    pub(super) instructions: Receiver<Instruction>,
    pub(super) neighbours: Vec<Neighbour>,
    pub(super) steering: Steering,
    pub(super) certificate: Certificate,
    pub(super) local_addresses: Vec<SocketAddr>,
    pub(super) version: String,
}

/// Runs until it is told to stop.
pub(super) fn run(parts: Parts) -> std::io::Result<()> {
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    epoll::add(&epoll, &parts.socket, epoll::EventData::new_u64(0), epoll::EventFlags::IN)?;
    epoll::add(&epoll, &*parts.wake, epoll::EventData::new_u64(1), epoll::EventFlags::IN)?;
    let mut inbox = Inbox::new(&parts.socket);
    let mut worker = Worker::new(parts);
    let mut events = [epoll::Event { flags: epoll::EventFlags::empty(), data: epoll::EventData::new_u64(0) }; 2];
    loop {
        let timeout = worker.wait(Instant::now());
        match epoll::wait(&epoll, &mut events, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        worker.wake.clear();
        for _ in 0..BATCHES_PER_TURN {
            if worker.receive(&mut inbox)? == 0 {
                break;
            }
        }
        if !worker.obey() {
            return Ok(());
        }
        worker.meet_deadlines();
    }
}

/// Something with a deadline: a conference, or an endpoint's transport.
type Target = (usize, Option<EndpointIndex>);

struct Worker {
    number: usize,
    socket: Socket,
    wake: Arc<Wake>,
    instructions: Receiver<Instruction>,
    neighbours: Vec<Neighbour>,
    steering: Steering,
    certificate: Certificate,
    local_addresses: Vec<SocketAddr>,
    version: String,
    rooms: Vec<Option<Room>>,
    by_id: BTreeMap<ConferenceId, usize>,
    flows: Flows,
    strays: HashMap<SocketAddr, usize>,
    /// Rooms with something to flush.
    dirty: Vec<usize>,
    deadlines: BinaryHeap<Reverse<(Instant, Target)>>,
    totals: Totals,
    /// Buffers of strays that were served, for strays to be handed on.
    spare: Vec<Vec<u8>>,
}

impl Worker {
    fn new(parts: Parts) -> Self {
        Self {
            number: parts.number,
            socket: parts.socket,
            wake: parts.wake,
            instructions: parts.instructions,
            neighbours: parts.neighbours,
            steering: parts.steering,
            certificate: parts.certificate,
            local_addresses: parts.local_addresses,
            version: parts.version,
            rooms: Vec::new(),
            by_id: BTreeMap::new(),
            flows: Flows::default(),
            strays: HashMap::new(),
            dirty: Vec::new(),
            deadlines: BinaryHeap::new(),
            totals: Totals::default(),
            spare: Vec::new(),
        }
    }

    /// How long to wait for datagrams; `None`: until there are some.
    fn wait(&self, now: Instant) -> Option<Timespec> {
        let Reverse((at, _)) = self.deadlines.peek()?;
        let wait = at.saturating_duration_since(now);
        Timespec::try_from(wait).ok()
    }

    /// Receives and forwards one batch.
    fn receive(&mut self, inbox: &mut Inbox) -> std::io::Result<usize> {
        let now = Instant::now();
        let received = inbox.receive(&self.socket)?;
        let mut count = 0;
        for (local, remote, datagram) in inbox.datagrams(self.socket.local(), received) {
            count += 1;
            self.datagram(now, local, remote, datagram);
        }
        self.flush(now);
        Ok(count)
    }

    fn datagram(&mut self, now: Instant, local: SocketAddr, remote: SocketAddr, bytes: &mut [u8]) {
        self.totals.packets_received += 1;
        self.totals.bytes_received += bytes.len() as u64;
        let kind = classify(bytes);
        let ufrag = if kind == Kind::Stun { stun_local_ufrag(bytes) } else { None };
        let owner = ufrag.and_then(|ufrag| self.flows.of_ufrag(ufrag)).or_else(|| self.flows.of_address(remote));
        let Some(owner) = owner else {
            let elsewhere = match ufrag {
                Some(ufrag) => self.steering.worker_of(ufrag),
                None => self.strays.get(&remote).copied(),
            };
            match elsewhere {
                Some(worker) if worker != self.number => self.hand_on(worker, local, remote, bytes),
                // Nobody's: junk, or the last words of somebody who left.
                _ => {}
            }
            return;
        };
        let Some(room) = self.rooms.get_mut(owner.room).and_then(Option::as_mut) else { return };
        let Some(member) = room.member(owner.endpoint) else { return };
        match member.transport.handle_datagram(now, local, remote, bytes) {
            Received::Rtp(len) => {
                member.last_activity = Some(now);
                self.in_room(owner.room, now, |conference, out| {
                    conference.handle_rtp(now, owner.endpoint, &bytes[..len], out);
                });
            }
            Received::Rtcp(len) => {
                member.last_activity = Some(now);
                self.in_room(owner.room, now, |conference, out| {
                    conference.handle_rtcp(now, owner.endpoint, &bytes[..len], out);
                });
            }
            // Damaged, forged or a replay: SRTP has dropped it.
            Received::Refused(_) => {}
            Received::Consumed => {
                let alive = kind == Kind::Stun && member.transport.is_validated(remote);
                let held = alive && self.is_held_by_other(owner, remote, now);
                let Some(room) = self.rooms.get_mut(owner.room).and_then(Option::as_mut) else { return };
                let Some(member) = room.member(owner.endpoint) else { return };
                if alive && !held {
                    member.last_activity = Some(now);
                    self.flows.confirm(remote, owner, &mut member.addresses);
                    if member.told_alive.is_none_or(|at| now.saturating_duration_since(at) >= KEEP_ALIVE_EVERY) {
                        member.told_alive = Some(now);
                        room.conference.keep_alive(now, owner.endpoint);
                    }
                }
                self.touch(owner);
            }
        }
    }

    /// Whether the address is that of another endpoint's path, in use. A sender can write any address
    /// into its checks; what is already spoken for must not become its own by that.
    fn is_held_by_other(&mut self, owner: Owner, remote: SocketAddr, now: Instant) -> bool {
        let Some(other) = self.flows.of_address(remote).filter(|other| *other != owner) else { return false };
        let room = self.rooms.get_mut(other.room).and_then(Option::as_mut);
        room.and_then(|room| room.member(other.endpoint)).is_some_and(|member| {
            member.transport.path().is_some_and(|(_, to)| to == remote)
                && member.last_activity.is_some_and(|at| now.saturating_duration_since(at) < HELD_FOR)
        })
    }

    fn hand_on(&mut self, worker: usize, local: SocketAddr, remote: SocketAddr, bytes: &[u8]) {
        if self.strays.len() >= STRAYS_MAX {
            self.strays.clear();
        }
        self.strays.insert(remote, worker);
        let Some(neighbour) = self.neighbours.get(worker) else { return };
        let mut copy = self.spare.pop().unwrap_or_default();
        copy.clear();
        copy.extend_from_slice(bytes);
        // A worker that cannot keep up loses datagrams, as a full socket would.
        if neighbour.instructions.try_send(Instruction::Stray { local, remote, bytes: copy }).is_ok() {
            neighbour.wake.wake();
        }
    }

    /// Carries out waiting instructions; `false` when told to stop.
    fn obey(&mut self) -> bool {
        let now = Instant::now();
        for served in 0..=INSTRUCTIONS_PER_TURN {
            if served == INSTRUCTIONS_PER_TURN {
                // There may be more: come back at once.
                self.wake.wake();
                break;
            }
            match self.instructions.try_recv() {
                Ok(Instruction::Stop) | Err(std::sync::mpsc::TryRecvError::Disconnected) => {
                    self.take_leave(now);
                    return false;
                }
                Ok(instruction) => self.carry_out(instruction, now),
                Err(std::sync::mpsc::TryRecvError::Empty) => break,
            }
        }
        self.flush(now);
        true
    }

    fn carry_out(&mut self, instruction: Instruction, now: Instant) {
        match instruction {
            Instruction::Link(message) => self.hear(message, now),
            Instruction::Stray { local, remote, mut bytes } => {
                self.datagram(now, local, remote, &mut bytes);
                if self.spare.len() < INSTRUCTIONS_PER_TURN {
                    self.spare.push(bytes);
                }
            }
            Instruction::Stop => {}
        }
    }

    fn hear(&mut self, message: ToMedia, now: Instant) {
        match message {
            ToMedia::Command(command) => self.control(command, now),
            ToMedia::SocketOpened { conference, endpoint, socket, messages } => {
                let Some(owner) = self.find(&conference, &endpoint) else { return };
                if let Some(member) = self.member(owner) {
                    member.websocket = Some((socket, messages));
                    member.websocket_overrun = false;
                }
                self.in_room(owner.room, now, |conference, out| {
                    conference.channel_opened(now, owner.endpoint, ChannelKind::WebSocket, out);
                });
            }
            ToMedia::SocketMessage { conference, endpoint, socket, text } => {
                let Some(owner) = self.find(&conference, &endpoint) else { return };
                if self.has_socket(owner, socket) {
                    self.message(owner, &text, now);
                }
            }
            ToMedia::SocketClosed { conference, endpoint, socket } => {
                let Some(owner) = self.find(&conference, &endpoint) else { return };
                if self.has_socket(owner, socket)
                    && let Some(room) = self.room(owner.room)
                {
                    if let Some(member) = room.member(owner.endpoint) {
                        member.websocket = None;
                    }
                    room.conference.channel_closed(owner.endpoint);
                }
            }
            ToMedia::Snapshot(reply) => {
                // Nobody waiting for it any more is no failure.
                let _ = reply.send(self.snapshot(now));
            }
        }
    }

    /// Whether the endpoint's bridge channel is this WebSocket and not a newer one.
    fn has_socket(&mut self, owner: Owner, socket: u64) -> bool {
        self.member(owner).and_then(|member| member.websocket.as_ref()).is_some_and(|(known, _)| *known == socket)
    }

    fn control(&mut self, command: Command, now: Instant) {
        match command {
            Command::CreateConference { conference, audio_feedback_ssrc, video_feedback_ssrc, seed } => {
                let mut config = ConferenceConfig::new(audio_feedback_ssrc, video_feedback_ssrc, seed);
                config.version = Some(self.version.clone());
                let room = Room::new(conference.clone(), Conference::new(config, now));
                let at = self.rooms.iter().position(Option::is_none).unwrap_or(self.rooms.len());
                if at == self.rooms.len() {
                    self.rooms.push(None);
                }
                self.rooms[at] = Some(room);
                self.by_id.insert(conference, at);
            }
            Command::ExpireConference { conference } => {
                let Some(at) = self.by_id.remove(&conference) else { return };
                for endpoint in 0..self.rooms[at].as_ref().map_or(0, |room| room.members.len()) {
                    let endpoint = EndpointIndex(u32::try_from(endpoint).unwrap_or(u32::MAX));
                    self.expire(Owner { room: at, endpoint }, now);
                }
                self.flush(now);
                if let Some(room) = self.rooms[at].take() {
                    let stats = room.conference.stats(now);
                    self.totals.dominant_speaker_changes += stats.dominant_speaker_changes;
                    self.totals.keyframes_received += stats.keyframes_received;
                }
            }
            Command::CreateEndpoint { conference, endpoint } => self.create_endpoint(&conference, endpoint, now),
            Command::ExpireEndpoint { conference, endpoint } => {
                if let Some(owner) = self.find(&conference, &endpoint) {
                    self.expire(owner, now);
                }
            }
            Command::SetMedia { conference, endpoint, media } => {
                if let Some(owner) = self.find(&conference, &endpoint) {
                    self.in_room(owner.room, now, |conference, _| conference.set_media(owner.endpoint, &media));
                }
            }
            Command::SetTransport { conference, endpoint, remote } => {
                if let Some(owner) = self.find(&conference, &endpoint) {
                    let remote = as_remote(&remote);
                    if let Some(member) = self.member(owner) {
                        member.transport.set_remote(&remote, now);
                    }
                    self.touch(owner);
                }
            }
            Command::SetSources { conference, endpoint, sources } => {
                if let Some(owner) = self.find(&conference, &endpoint) {
                    let set = self.in_room(owner.room, now, |conference, out| {
                        conference.set_sources(now, owner.endpoint, &sources, out)
                    });
                    if let Some(Err(error)) = set {
                        tracing::debug!(%error, "sources refused");
                    }
                }
            }
            Command::ForceMute { conference, endpoint, audio, video } => {
                if let Some(owner) = self.find(&conference, &endpoint) {
                    self.in_room(owner.room, now, |conference, _| {
                        conference.set_force_mute(owner.endpoint, audio, video);
                    });
                }
            }
            Command::InitialLastN { conference, endpoint, last_n } => {
                if let Some(owner) = self.find(&conference, &endpoint) {
                    self.in_room(owner.room, now, |conference, out| {
                        conference.set_initial_last_n(now, owner.endpoint, last_n, out);
                    });
                }
            }
        }
    }

    fn create_endpoint(&mut self, conference: &ConferenceId, endpoint: NewEndpoint, now: Instant) {
        let Some(&at) = self.by_id.get(conference) else { return };
        let credentials = Credentials { ufrag: endpoint.local.ufrag.clone(), pwd: endpoint.local.pwd.clone() };
        let config = Config {
            credentials,
            controlling: endpoint.ice_controlling,
            local_addresses: &self.local_addresses,
            certificate: &self.certificate,
            data_channel: endpoint.sctp,
        };
        let transport = match Transport::new(&config, now) {
            Ok(transport) => transport,
            Err(error) => {
                tracing::warn!(%error, "an endpoint's transport could not be made");
                return;
            }
        };
        let config = EndpointConfig {
            id: endpoint.id.clone(),
            rewrites_ssrcs: endpoint.rewrites_ssrcs,
            visitor: endpoint.visitor,
        };
        let added = self.in_room(at, now, |conference, _| conference.add_endpoint(now, config));
        match added {
            Some(Ok(index)) => {
                let owner = Owner { room: at, endpoint: index };
                self.flows.add_ufrag(&endpoint.local.ufrag, owner);
                if let Some(room) = self.room(at) {
                    room.put(index, Member::new(endpoint.id, endpoint.local.ufrag, transport));
                }
                self.touch(owner);
            }
            Some(Err(error)) => tracing::debug!(%error, "endpoint not added"),
            None => {}
        }
    }

    fn expire(&mut self, owner: Owner, now: Instant) {
        let Some(member) = self.member(owner) else { return };
        member.transport.close();
        self.drain(owner, now);
        self.in_room(owner.room, now, |conference, out| conference.remove_endpoint(now, owner.endpoint, out));
        let Some(room) = self.rooms.get_mut(owner.room).and_then(Option::as_mut) else { return };
        let Some(member) = room.members[owner.endpoint.get()].take() else { return };
        self.flows.remove_ufrag(&member.ufrag);
        self.flows.forget(owner, &member.addresses);
        self.steering.remove(&member.ufrag);
    }

    /// Tells every peer that it is over.
    fn take_leave(&mut self, now: Instant) {
        let rooms: Vec<ConferenceId> = self.by_id.keys().cloned().collect();
        for conference in rooms {
            self.control(Command::ExpireConference { conference }, now);
        }
    }

    fn message(&mut self, owner: Owner, text: &str, now: Instant) {
        let taken = self.in_room(owner.room, now, |conference, out| {
            conference.handle_channel_message(now, owner.endpoint, text, out)
        });
        if let Some(Err(error)) = taken {
            tracing::debug!(%error, "bridge-channel message not taken");
        }
    }

    fn meet_deadlines(&mut self) {
        let now = Instant::now();
        while let Some(&Reverse((at, target))) = self.deadlines.peek() {
            if at > now {
                break;
            }
            self.deadlines.pop();
            let (room_at, endpoint) = target;
            let Some(room) = self.rooms.get_mut(room_at).and_then(Option::as_mut) else { continue };
            match endpoint {
                // An entry that is not the one noted was replaced by an earlier one.
                None if room.scheduled == Some(at) => {
                    room.scheduled = None;
                    self.in_room(room_at, now, |conference, out| conference.handle_timeout(now, out));
                }
                Some(endpoint) => {
                    let Some(member) = room.member(endpoint).filter(|member| member.scheduled == Some(at)) else {
                        continue;
                    };
                    member.scheduled = None;
                    member.transport.handle_timeout(now);
                    self.touch(Owner { room: room_at, endpoint });
                }
                None => {}
            }
        }
        self.flush(now);
    }

    /// Sends what waits, serves what transports reported, and notes the next deadlines.
    fn flush(&mut self, now: Instant) {
        while let Some(room_at) = self.dirty.pop() {
            while let Some(endpoint) = self.rooms.get_mut(room_at).and_then(Option::as_mut).and_then(Room::take_touched)
            {
                let owner = Owner { room: room_at, endpoint };
                self.drain(owner, now);
                let socket = &self.socket;
                let Some(member) = self.rooms[room_at].as_mut().and_then(|room| room.member(endpoint)) else {
                    continue;
                };
                let path = member.path();
                if !member.run.is_empty() {
                    member.run.flush(socket, path);
                }
                let deadline = member.transport.next_deadline();
                let wanted = schedule(&mut member.scheduled, deadline, now);
                if let Some(at) = wanted {
                    self.deadlines.push(Reverse((at, (room_at, Some(endpoint)))));
                }
            }
            let Some(room) = self.rooms.get_mut(room_at).and_then(Option::as_mut) else { continue };
            room.dirty = false;
            let deadline = room.conference.next_deadline();
            if let Some(at) = schedule(&mut room.scheduled, deadline, now) {
                self.deadlines.push(Reverse((at, (room_at, None))));
            }
        }
    }

    /// Sends what the transport made and serves what it reported.
    fn drain(&mut self, owner: Owner, now: Instant) {
        let Some(member) =
            self.rooms.get_mut(owner.room).and_then(Option::as_mut).and_then(|r| r.member(owner.endpoint))
        else {
            return;
        };
        while let Some(transmit) = member.transport.poll_transmit() {
            if classify(&transmit.bytes) == Kind::Stun {
                self.flows.expect(transmit.to, owner, &mut member.addresses);
            }
            let path = Path { from: transmit.from, to: transmit.to };
            self.totals.packets_sent += 1;
            self.totals.bytes_sent += transmit.bytes.len() as u64;
            self.socket.send(path, &transmit.bytes, transmit.bytes.len());
        }
        if std::mem::take(&mut member.websocket_overrun)
            && let Some(room) = self.room(owner.room)
        {
            room.conference.channel_closed(owner.endpoint);
        }
        while let Some(event) = self.member(owner).and_then(|member| member.transport.poll_event()) {
            self.event(owner, event, now);
        }
    }

    fn event(&mut self, owner: Owner, event: Event, now: Instant) {
        let Some(member) = self.member(owner) else { return };
        match event {
            Event::IceConnected => {
                member.last_activity = Some(now);
                self.totals.ice_succeeded += 1;
            }
            Event::IceDisconnected => {}
            Event::DtlsConnected(profile) => {
                member.dtls_up = true;
                tracing::debug!(?profile, "DTLS is up");
                self.in_room(owner.room, now, |conference, out| {
                    conference.endpoint_connected(now, owner.endpoint, out)
                });
            }
            Event::ChannelOpen => {
                self.in_room(owner.room, now, |conference, out| {
                    conference.channel_opened(now, owner.endpoint, ChannelKind::DataChannel, out);
                });
            }
            Event::ChannelMessage(text) => {
                self.totals.data_channel_messages_received += 1;
                self.message(owner, &text, now);
            }
            Event::ChannelClosed => {
                if member.websocket.is_none()
                    && let Some(room) = self.room(owner.room)
                {
                    room.conference.channel_closed(owner.endpoint);
                }
            }
            // The focus hears of a leaving client from the room; the endpoint stays until it says so.
            Event::Closed => tracing::debug!("the peer closed DTLS"),
            Event::Failed(failure) => {
                tracing::info!(%failure, "an endpoint's transport failed");
                member.ice_failed = true;
                match failure {
                    videobridge_core::transport::Failure::Ice => self.totals.ice_failed += 1,
                    _ => self.totals.dtls_failed += 1,
                }
            }
        }
    }

    fn snapshot(&self, now: Instant) -> Snapshot {
        let mut totals = self.totals;
        let mut conferences = BTreeMap::new();
        for room in self.rooms.iter().flatten() {
            let stats = room.conference.stats(now);
            totals.dominant_speaker_changes += stats.dominant_speaker_changes;
            totals.keyframes_received += stats.keyframes_received;
            let endpoints = room.members.iter().flatten().map(|member| {
                let snapshot = EndpointSnapshot {
                    activity: EndpointActivity { last_activity: member.last_activity, ice_failed: member.ice_failed },
                    ice_connected: member.transport.path().is_some() && !member.ice_failed,
                    dtls_connected: member.dtls_up,
                    channel_open: member.websocket.is_some() || member.transport.is_channel_open(),
                };
                (member.id.clone(), snapshot)
            });
            conferences.insert(room.id.clone(), ConferenceSnapshot { stats, endpoints: endpoints.collect() });
        }
        Snapshot { conferences, totals }
    }

    fn find(&self, conference: &ConferenceId, endpoint: &EndpointId) -> Option<Owner> {
        let room = *self.by_id.get(conference)?;
        let endpoint = self.rooms.get(room)?.as_ref()?.conference.find(endpoint)?;
        Some(Owner { room, endpoint })
    }

    fn room(&mut self, at: usize) -> Option<&mut Room> {
        self.rooms.get_mut(at)?.as_mut()
    }

    fn member(&mut self, owner: Owner) -> Option<&mut Member> {
        self.room(owner.room)?.member(owner.endpoint)
    }

    fn touch(&mut self, owner: Owner) {
        let Some(room) = self.rooms.get_mut(owner.room).and_then(Option::as_mut) else { return };
        room.touch(owner.endpoint);
        if !room.dirty {
            room.dirty = true;
            self.dirty.push(owner.room);
        }
    }

    /// Lets a conference do something, with a way out for what it sends.
    fn in_room<R>(
        &mut self,
        at: usize,
        now: Instant,
        act: impl FnOnce(&mut Conference, &mut Outlet<'_>) -> R,
    ) -> Option<R> {
        let room = self.rooms.get_mut(at)?.as_mut()?;
        let mut outlet = Outlet {
            members: &mut room.members,
            socket: &self.socket,
            touched: &mut room.touched,
            totals: &mut self.totals,
            now,
        };
        let result = act(&mut room.conference, &mut outlet);
        if !room.dirty {
            room.dirty = true;
            self.dirty.push(at);
        }
        Some(result)
    }
}

/// Notes a deadline that is earlier than the one noted; answers what is to be put on the heap.
fn schedule(noted: &mut Option<Instant>, deadline: Option<Instant>, now: Instant) -> Option<Instant> {
    let at = deadline?.max(now + TICK);
    if noted.is_some_and(|noted| noted <= at) {
        return None;
    }
    *noted = Some(at);
    Some(at)
}

fn as_remote(remote: &RemoteTransport) -> Remote {
    Remote {
        credentials: remote.credentials.as_ref().map(|c| Credentials { ufrag: c.ufrag.clone(), pwd: c.pwd.clone() }),
        candidates: remote
            .candidates
            .iter()
            .map(|candidate| RemoteCandidate {
                address: candidate.address,
                priority: candidate.priority,
                kind: if candidate.host { RemoteCandidateKind::Host } else { RemoteCandidateKind::Reflexive },
            })
            .collect(),
        fingerprints: remote
            .fingerprints
            .iter()
            .filter_map(|fingerprint| Fingerprint::from_digest(&fingerprint.hash, &fingerprint.digest))
            .collect(),
        setup: remote.dtls_role.map(|ours| match ours {
            DtlsRole::Client => Setup::Passive,
            DtlsRole::Server => Setup::Active,
        }),
    }
}
