//! Usage: bridge-load [receivers=49] [rate=500] [burst=1] [seconds=5]
//!
//! One sender and many thin receivers on a videobridge of its own: packets forwarded per second of the bridge's CPU,
//! and delay, beside the floor of this machine: the same packets opened, sealed and sent by a loop that does nothing else.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::bridge::Bridge;
use videobridge_core::srtp::{MasterKey, Profile, Protect, Unprotect};
use videobridge_core::transport::{
    Certificate, Config, Credentials, Fingerprint, Kind, Received, Remote, RemoteCandidate, RemoteCandidateKind, Setup,
    Transport, classify,
};

const MEETING: &str = "0f1ef9ac-3b8b-4d3a-9d3e-000000000002";
const OPUS: u8 = 111;
const SSRC: u32 = 77;
const HEADER_LEN: usize = 12;
const PAYLOAD_LEN: usize = 1_158;
/// One packet of so many is opened by the receivers: they are not what is measured.
const CHECK_EVERY: u64 = 64;
const WARM_UP: Duration = Duration::from_secs(1);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(60);

/// What is asked for.
#[derive(Clone, Copy)]
struct Load {
    receivers: usize,
    rate: u64,
    burst: u64,
    seconds: u64,
}

impl Load {
    fn from_arguments() -> Result<Self, String> {
        let mut load = Self { receivers: 49, rate: 500, burst: 1, seconds: 5 };
        for argument in std::env::args().skip(1) {
            let (key, value) = argument.split_once('=').ok_or_else(|| format!("{argument}: write key=value"))?;
            let value: u64 = value.parse().map_err(|_| format!("{argument}: not a number"))?;
            match key {
                "receivers" => load.receivers = usize::try_from(value.max(1)).map_err(|error| error.to_string())?,
                "rate" => load.rate = value.max(1),
                "burst" => load.burst = value.max(1),
                "seconds" => load.seconds = value.max(1),
                _ => return Err(format!("{key}: only receivers, rate, burst and seconds")),
            }
        }
        Ok(load)
    }

    /// Calls `send` with the number of each packet when it is due, until told to stop.
    fn pace(&self, stop: &AtomicBool, mut send: impl FnMut(u64)) {
        let begun = Instant::now();
        let mut n = 0;
        while !stop.load(Ordering::Relaxed) {
            let due = Duration::from_secs_f64(n as f64 / self.rate as f64);
            thread::sleep(due.saturating_sub(begun.elapsed()));
            for _ in 0..self.burst {
                send(n);
                n += 1;
            }
        }
    }
}

/// What was measured.
struct Figures {
    packets: u64,
    cpu: Duration,
}

impl Figures {
    fn per_cpu_second(&self) -> f64 {
        self.packets as f64 / self.cpu.as_secs_f64().max(1e-9)
    }

    fn print(&self, what: &str, load: Load) {
        say(&format!(
            "{what}: {} packets/s out, {:.0} per CPU-second, {:.2} us each",
            self.packets / load.seconds,
            self.per_cpu_second(),
            1e6 / self.per_cpu_second()
        ));
    }
}

struct Client {
    socket: UdpSocket,
    local: SocketAddr,
    transport: Transport,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), String> {
    let load = Load::from_arguments()?;
    let floor = floor(load);
    let bridge = Bridge::start().await;
    let mut clients = Vec::new();
    for n in 0..=load.receivers {
        clients.push(Client::join(&bridge, n).await);
    }
    let begun = Instant::now();
    while !clients.iter().all(|client| client.transport.is_up()) {
        if begun.elapsed() > CONNECT_TIMEOUT {
            return Err("not everybody is connected".to_owned());
        }
        for client in &mut clients {
            client.serve();
        }
        thread::sleep(Duration::from_millis(1));
    }
    say(&format!("{} endpoints connected after {} ms", clients.len(), begun.elapsed().as_millis()));
    let sender = clients.remove(0);
    let (bridge_figures, mut delays) = measure(load, &bridge, sender, clients);
    floor.print("floor ", load);
    bridge_figures.print("bridge", load);
    delays.sort_unstable();
    let at = |share: f64| delays.get((delays.len() as f64 * share) as usize).map_or(0, |delay| delay.as_micros());
    say(&format!(
        "bridge/floor {:.2}; delay with the sockets' p50 {} us, p99 {} us; lost {:.2} %",
        bridge_figures.per_cpu_second() / floor.per_cpu_second(),
        at(0.5),
        at(0.99),
        100.0 * (1.0 - bridge_figures.packets as f64 / (load.rate * load.seconds * load.receivers as u64) as f64)
    ));
    Ok(())
}

/// Lets one client send and the others receive, and takes the figures of the time after the warm-up.
fn measure(load: Load, bridge: &Bridge, mut sender: Client, mut receivers: Vec<Client>) -> (Figures, Vec<Duration>) {
    let stop = Arc::new(AtomicBool::new(false));
    let count = Arc::new(AtomicU64::new(0));
    let epoch = Instant::now();
    let sending = thread::spawn({
        let stop = Arc::clone(&stop);
        move || {
            load.pace(&stop, |n| {
                sender.send(n, epoch);
                if n % 16 == 0 {
                    sender.serve();
                }
            });
        }
    });
    // One receiver waits for its packets, so that their delay is seen; the others look now and then.
    let probe = receivers.remove(0);
    let probing = thread::spawn({
        let (stop, count) = (Arc::clone(&stop), Arc::clone(&count));
        move || probe.probe(&stop, &count, epoch)
    });
    let receiving = thread::spawn({
        let (stop, count) = (Arc::clone(&stop), Arc::clone(&count));
        move || {
            while !stop.load(Ordering::Relaxed) {
                let received = receivers.iter_mut().map(Client::serve).sum();
                count.fetch_add(received, Ordering::Relaxed);
                thread::sleep(Duration::from_micros(500));
            }
        }
    });
    thread::sleep(WARM_UP);
    let (before, packets_before) = (cpu_of(bridge.id()), count.load(Ordering::Relaxed));
    thread::sleep(Duration::from_secs(load.seconds));
    let (after, packets_after) = (cpu_of(bridge.id()), count.load(Ordering::Relaxed));
    stop.store(true, Ordering::Relaxed);
    let joined = "a thread of ours does not panic";
    sending.join().expect(joined);
    receiving.join().expect(joined);
    let delays = probing.join().expect(joined);
    (Figures { packets: packets_after - packets_before, cpu: after.saturating_sub(before) }, delays)
}

/// Opens each packet once, seals and sends it to everybody.
fn floor(load: Load) -> Figures {
    let stop = Arc::new(AtomicBool::new(false));
    let sockets: Vec<UdpSocket> = (0..load.receivers).map(|_| socket()).collect();
    let targets: Vec<SocketAddr> = sockets.iter().map(address).collect();
    let draining = thread::spawn({
        let stop = Arc::clone(&stop);
        move || {
            let mut buffer = [0; 2048];
            while !stop.load(Ordering::Relaxed) {
                for socket in &sockets {
                    while socket.recv(&mut buffer).is_ok() {}
                }
                thread::sleep(Duration::from_micros(500));
            }
        }
    });
    let working = thread::spawn({
        let stop = Arc::clone(&stop);
        move || {
            let profile = Profile::AeadAes128Gcm;
            let master = || MasterKey::new(profile, &[7; 16], &[9; 12]).expect("lengths fit");
            let mut incoming = Protect::new(profile, &master());
            let mut open = Unprotect::new(profile, &master());
            let mut seals: Vec<Protect> = targets.iter().map(|_| Protect::new(profile, &master())).collect();
            let out = socket();
            let (mut sent, mut buffer) = (0, [0; 2048]);
            load.pace(&stop, |n| {
                let mut packet = packet(n, Instant::now());
                packet.resize(packet.len() + profile.rtp_overhead(), 0);
                incoming.rtp(&mut packet, HEADER_LEN).expect("sealed");
                let len = open.rtp(&mut packet).expect("opened");
                for (seal, target) in seals.iter_mut().zip(&targets) {
                    buffer[..len].copy_from_slice(&packet[..len]);
                    let total = len + profile.rtp_overhead();
                    seal.rtp(&mut buffer[..total], HEADER_LEN).expect("sealed");
                    let _ = out.send_to(&buffer[..total], target);
                    sent += 1;
                }
            });
            Figures { packets: sent, cpu: thread_cpu() }
        }
    });
    thread::sleep(Duration::from_secs(load.seconds));
    stop.store(true, Ordering::Relaxed);
    let joined = "a thread of ours does not panic";
    draining.join().expect(joined);
    working.join().expect(joined)
}

impl Client {
    async fn join(bridge: &Bridge, n: usize) -> Self {
        let (id, certificate) = (format!("{n:08x}"), Certificate::generate().expect("randomness"));
        let socket = socket();
        let local = address(&socket);
        let ours = || Credentials { ufrag: format!("load{id}"), pwd: id.repeat(3) };
        let config = Config {
            credentials: ours(),
            controlling: false,
            local_addresses: &[local],
            certificate: &certificate,
            data_channel: false,
        };
        let mut transport = Transport::new(&config, Instant::now()).expect("a transport");
        let create = json!({"endpoints": [{
            "id": id, "create": true, "capabilities": ["source-names"],
            "medias": [{"type": "audio",
                "payload-types": [{"id": OPUS, "name": "opus", "clockrate": 48000, "channels": 2}]}],
            "transport": {"ice-controlling": true},
        }]});
        let answer = bridge.modify(MEETING, n == 0, create).await;
        let theirs = &answer["endpoints"][0]["transport"]["transport"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let candidate = &theirs["candidates"][0];
        let address = format!("{}:{}", text(&candidate["ip"]), text(&candidate["port"])).parse().expect("an address");
        let fingerprint = Fingerprint::parse("sha-256", &text(&theirs["fingerprints"][0]["fingerprint"]));
        let remote = Remote {
            credentials: Some(Credentials { ufrag: text(&theirs["ufrag"]), pwd: text(&theirs["pwd"]) }),
            candidates: vec![RemoteCandidate { address, priority: 1, kind: RemoteCandidateKind::Host }],
            fingerprints: fingerprint.into_iter().collect(),
            setup: Some(Setup::Passive),
        };
        transport.set_remote(&remote, Instant::now());
        let sources = if n == 0 {
            json!([{"type": "audio", "id": format!("{id}-a0"), "sources": [{"ssrc": SSRC, "name": format!("{id}-a0")}]}])
        } else {
            json!([])
        };
        let accept = json!({"endpoints": [{
            "id": id,
            "transport": {"transport": {"ufrag": ours().ufrag, "pwd": ours().pwd, "fingerprints":
                [{"hash": "sha-256", "setup": "active", "fingerprint": certificate.fingerprint().to_text()}]}},
            "sources": sources,
        }]});
        bridge.modify(MEETING, false, accept).await;
        Self { socket, local, transport }
    }

    /// Takes what waits and what is due; answers the number of media packets.
    fn serve(&mut self) -> u64 {
        let mut buffer = [0; 2048];
        let mut media = 0;
        while let Ok((len, from)) = self.socket.recv_from(&mut buffer) {
            media += u64::from(self.take(&mut buffer[..len], from).is_some());
        }
        self.look_at_the_clock();
        media
    }

    /// A media packet's number; most are only counted.
    fn take(&mut self, datagram: &mut [u8], from: SocketAddr) -> Option<Vec<u8>> {
        let is_media = classify(datagram) == Kind::Rtp;
        if is_media && u64::from(datagram[3]) % CHECK_EVERY != 0 {
            return Some(Vec::new());
        }
        match self.transport.handle_datagram(Instant::now(), self.local, from, datagram) {
            Received::Rtp(len) => {
                assert_eq!(len, HEADER_LEN + PAYLOAD_LEN, "the packet is what was sent");
                Some(datagram[..len].to_vec())
            }
            Received::Refused(error) => panic!("a packet cannot be opened: {error}"),
            Received::Consumed | Received::Rtcp(_) => None,
        }
    }

    fn look_at_the_clock(&mut self) {
        let now = Instant::now();
        if self.transport.next_deadline().is_some_and(|deadline| deadline <= now) {
            self.transport.handle_timeout(now);
        }
        while let Some(transmit) = self.transport.poll_transmit() {
            let _ = self.socket.send_to(&transmit.bytes, transmit.to);
        }
        while self.transport.poll_event().is_some() {}
    }

    fn send(&mut self, n: u64, epoch: Instant) {
        let (Some((_, to)), Some(protect)) = (self.transport.path(), self.transport.protect()) else { return };
        let mut packet = packet(n, epoch);
        packet.resize(packet.len() + protect.profile().rtp_overhead(), 0);
        if protect.rtp(&mut packet, HEADER_LEN).is_ok() {
            let _ = self.socket.send_to(&packet, to);
        }
    }

    /// Waits for packets and notes how long those that are opened were on their way.
    fn probe(mut self, stop: &AtomicBool, count: &AtomicU64, epoch: Instant) -> Vec<Duration> {
        self.socket.set_nonblocking(false).expect("a socket");
        self.socket.set_read_timeout(Some(Duration::from_millis(20))).expect("a socket");
        let (mut delays, mut buffer) = (Vec::new(), [0; 2048]);
        while !stop.load(Ordering::Relaxed) {
            if let Ok((len, from)) = self.socket.recv_from(&mut buffer) {
                let arrived = epoch.elapsed();
                if let Some(packet) = self.take(&mut buffer[..len], from) {
                    count.fetch_add(1, Ordering::Relaxed);
                    let stamp = packet.get(HEADER_LEN..HEADER_LEN + 8).and_then(|stamp| stamp.try_into().ok());
                    let sent = stamp.map(u64::from_be_bytes).map(Duration::from_nanos);
                    delays.extend(sent.filter(|sent| *sent > WARM_UP).map(|sent| arrived.saturating_sub(sent)));
                }
            }
            self.look_at_the_clock();
        }
        delays
    }
}

/// The nth packet, with the time since `epoch` in it.
fn packet(n: u64, epoch: Instant) -> Vec<u8> {
    let mut packet = Vec::with_capacity(HEADER_LEN + PAYLOAD_LEN + 16);
    packet.extend([0x80, OPUS]);
    packet.extend((n as u16).to_be_bytes());
    packet.extend((n as u32).wrapping_mul(960).to_be_bytes());
    packet.extend(SSRC.to_be_bytes());
    packet.extend((epoch.elapsed().as_nanos() as u64).to_be_bytes());
    packet.resize(HEADER_LEN + PAYLOAD_LEN, 0x55);
    packet
}

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket.set_nonblocking(true).expect("a socket");
    socket
}

fn address(socket: &UdpSocket) -> SocketAddr {
    socket.local_addr().expect("an address")
}

/// CPU time of all threads of a process.
fn cpu_of(process: u32) -> Duration {
    let threads = std::fs::read_dir(format!("/proc/{process}/task")).expect("the bridge runs");
    threads.flatten().map(|thread| cpu_in(&thread.path().join("schedstat").to_string_lossy())).sum()
}

fn thread_cpu() -> Duration {
    cpu_in("/proc/thread-self/schedstat")
}

fn cpu_in(path: &str) -> Duration {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    Duration::from_nanos(text.split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or_default())
}

#[expect(clippy::print_stdout, reason = "figures are what this program is for")]
fn say(text: &str) {
    println!("{text}");
}
