//! Starting the media threads, and passing each message of the control side to the right one.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread::JoinHandle;

use protocol::ids::ConferenceId;
use tokio::sync::{mpsc, oneshot};
use videobridge_core::colibri::Command;
use videobridge_core::transport::Certificate;

use super::flows::Steering;
use super::socket::Socket;
use super::wake::Wake;
use super::worker::{Instruction, Neighbour, Parts, run};
use crate::media_link::{Snapshot, ToMedia};

/// Messages waiting for the media side; further ones wait or are refused where they come from.
const MESSAGES_MAX: usize = 16_384;

/// How the media side is to run.
pub(crate) struct MediaConfig {
    /// UDP port on all addresses; 0 takes any free one.
    pub(crate) port: u16,
    /// Threads.
    pub(crate) workers: usize,
    /// The DTLS certificate.
    pub(crate) certificate: Certificate,
    /// Version told to clients.
    pub(crate) version: String,
}

/// The running media side.
pub(crate) struct Media {
    /// Takes messages.
    pub(crate) sender: mpsc::Sender<ToMedia>,
    /// Addresses of this machine with the real port: where peers' datagrams may be sent to, those of
    /// this machine alone last.
    pub(crate) addresses: Vec<SocketAddr>,
    stop: oneshot::Sender<()>,
    dispatcher: tokio::task::JoinHandle<()>,
}

impl Media {
    /// Binds the port and starts the threads. To be called within a tokio runtime.
    pub(crate) fn start(config: MediaConfig) -> std::io::Result<Self> {
        let first = bind_all(config.port)?;
        let local = first.local();
        let addresses = addresses_of_this_machine(local)?;
        let mut sockets = vec![first];
        while sockets.len() < config.workers.max(1) {
            sockets.push(Socket::bind(local)?);
        }
        let mut workers = Vec::new();
        let mut queues = Vec::new();
        for _ in &sockets {
            let (instructions, queue) = sync_channel(MESSAGES_MAX);
            workers.push(Neighbour { instructions, wake: Arc::new(Wake::new()?) });
            queues.push(queue);
        }
        let steering = Steering::default();
        let mut threads = Vec::new();
        for (number, (socket, instructions)) in sockets.into_iter().zip(queues).enumerate() {
            let parts = Parts {
                number,
                socket,
                wake: Arc::clone(&workers[number].wake),
                instructions,
                neighbours: workers.clone(),
                steering: steering.clone(),
                certificate: config.certificate.clone(),
                local_addresses: addresses.clone(),
                version: config.version.clone(),
            };
            threads.push(start_thread(number, parts)?);
        }
        let (sender, messages) = mpsc::channel(MESSAGES_MAX);
        let (stop, stopped) = oneshot::channel();
        let dispatcher = tokio::spawn(dispatch(messages, stopped, Workers { workers, steering, threads }));
        Ok(Self { sender, addresses, stop, dispatcher })
    }

    /// Tells every peer that it is over and ends the threads.
    pub(crate) async fn stop(self) {
        // A dispatcher that failed has nothing left to stop.
        let _ = self.stop.send(());
        let _ = self.dispatcher.await;
    }
}

/// Binds both families, or IPv4 alone where the system has no IPv6.
fn bind_all(port: u16) -> std::io::Result<Socket> {
    Socket::bind(SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), port))
        .or_else(|_| Socket::bind(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port)))
}

/// The addresses of interfaces that are up; loopback last, for it serves this machine only. Link-local
/// IPv6 addresses mean nothing without an interface and are left out.
fn addresses_of_this_machine(bound: SocketAddr) -> std::io::Result<Vec<SocketAddr>> {
    let mut addresses: Vec<IpAddr> = if_addrs::get_if_addrs()?
        .into_iter()
        .map(|interface| interface.ip())
        .filter(|ip| !ip.is_unspecified() && (ip.is_ipv4() || bound.is_ipv6()))
        .filter(|ip| !matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local()))
        .collect();
    addresses.sort_by_key(|ip| (ip.is_loopback(), ip.is_ipv6()));
    addresses.dedup();
    Ok(addresses.into_iter().map(|ip| SocketAddr::new(ip, bound.port())).collect())
}

fn start_thread(number: usize, parts: Parts) -> std::io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name(format!("media-{number}")).spawn(move || {
        // Without its media threads the bridge is of no use: better to be started anew.
        let _guard = EndProcessOnPanic;
        if let Err(error) = run(parts) {
            tracing::error!(%error, "a media thread failed");
            std::process::abort();
        }
    })
}

struct Workers {
    workers: Vec<Neighbour>,
    steering: Steering,
    threads: Vec<JoinHandle<()>>,
}

/// Passes messages on, in order, until told to stop.
async fn dispatch(mut messages: mpsc::Receiver<ToMedia>, mut stopped: oneshot::Receiver<()>, workers: Workers) {
    loop {
        let message = tokio::select! {
            message = messages.recv() => message,
            _ = &mut stopped => None,
        };
        let Some(message) = message else { break };
        match message {
            ToMedia::Snapshot(reply) => {
                let parts = workers.ask();
                tokio::spawn(async move {
                    let mut whole = Snapshot::default();
                    for part in parts {
                        if let Ok(part) = part.await {
                            whole.totals.add(&part.totals);
                            whole.conferences.extend(part.conferences);
                        }
                    }
                    // Nobody waiting for it any more is no failure.
                    let _ = reply.send(whole);
                });
            }
            message => workers.pass(message).await,
        }
    }
    for neighbour in &workers.workers {
        // A full queue has room again once the worker has gone on.
        let _ = neighbour.instructions.send(Instruction::Stop);
        neighbour.wake.wake();
    }
    let ended = tokio::task::spawn_blocking(move || {
        for thread in workers.threads {
            let _ = thread.join();
        }
    });
    let _ = ended.await;
}

impl Workers {
    async fn pass(&self, message: ToMedia) {
        let worker = match &message {
            ToMedia::Command(command) => {
                let worker = self.worker_of(command.conference());
                if let Command::CreateEndpoint { endpoint, .. } = command {
                    self.steering.add(&endpoint.local.ufrag, worker);
                }
                worker
            }
            ToMedia::SocketOpened { conference, .. }
            | ToMedia::SocketMessage { conference, .. }
            | ToMedia::SocketClosed { conference, .. } => self.worker_of(conference),
            ToMedia::Snapshot(_) => return,
        };
        let neighbour = &self.workers[worker];
        let mut instruction = Instruction::Link(message);
        // The order of messages must hold, so a busy worker is waited for.
        while let Err(std::sync::mpsc::TrySendError::Full(back)) = neighbour.instructions.try_send(instruction) {
            instruction = back;
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        neighbour.wake.wake();
    }

    /// Asks every worker for its part.
    fn ask(&self) -> Vec<oneshot::Receiver<Snapshot>> {
        let ask = |neighbour: &Neighbour| {
            let (reply, part) = oneshot::channel();
            neighbour.instructions.try_send(Instruction::Link(ToMedia::Snapshot(reply))).ok()?;
            neighbour.wake.wake();
            Some(part)
        };
        self.workers.iter().filter_map(ask).collect()
    }

    /// A conference stays on one worker.
    fn worker_of(&self, conference: &ConferenceId) -> usize {
        let mut hasher = DefaultHasher::new();
        conference.hash(&mut hasher);
        let workers = self.workers.len() as u64;
        usize::try_from(hasher.finish() % workers).unwrap_or(0)
    }
}

struct EndProcessOnPanic;

impl Drop for EndProcessOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            std::process::abort();
        }
    }
}
