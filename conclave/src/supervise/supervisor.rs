//! The three processes together: order of starting, readiness, hung ones, order of stopping.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::child::{Arguments, keep_running, signal};
use super::health::{self, Ports, Report};
use super::status::{Board, Certificate, Process, Status};
use super::{Part, status};
use crate::data_directory::DataDirectory;
use crate::failure::Failure;

/// How often health is asked for until everything is ready.
const STARTING_INTERVAL: Duration = Duration::from_millis(20);
/// How often health is asked for afterwards.
const WATCHING_INTERVAL: Duration = Duration::from_secs(2);
/// A running process that has not answered for this long is hung and is killed, to be started anew.
const HUNG_AFTER: Duration = Duration::from_secs(20);

/// What to start.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) data: DataDirectory,
    pub(crate) host: String,
    /// `KEY=VALUE` overrides handed to every process.
    pub(crate) overrides: Vec<String>,
}

/// Ports found out at the first start; a restarted server takes the same ones again.
type KnownPorts = Arc<Mutex<Option<Ports>>>;

/// A process being kept running, and the way to tell it to stop.
struct Kept {
    stop: watch::Sender<bool>,
    task: JoinHandle<Result<(), Failure>>,
}

/// The running stack.
pub(crate) struct Supervisor {
    plan: Plan,
    board: Board,
    ports: KnownPorts,
    children: BTreeMap<Part, Kept>,
    last_answer: BTreeMap<Part, Instant>,
    status_socket: JoinHandle<()>,
}

impl Supervisor {
    /// Takes the supervisor's socket; no process is started yet.
    pub(crate) async fn new(plan: Plan) -> Result<Self, Failure> {
        let row = |part: &Part| Process { name: part.name().to_owned(), ..Process::default() };
        let board = Board::new(Status {
            host: plan.host.clone(),
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            processes: Part::ALL.iter().map(row).collect(),
            ..Status::default()
        });
        let listener = status::listen(&plan.data).await?;
        let status_socket = tokio::spawn(status::serve(listener, board.clone()));
        let ports = KnownPorts::default();
        Ok(Self { plan, board, ports, children: BTreeMap::new(), last_answer: BTreeMap::new(), status_socket })
    }

    /// Starts everything and watches it until `stopped` resolves; calls `ready` once, when a
    /// meeting is possible for the first time.
    pub(crate) async fn run(
        &mut self,
        stopped: impl Future<Output = ()>,
        mut ready: impl AsyncFnMut(&Status),
    ) -> Result<(), Failure> {
        tokio::pin!(stopped);
        self.start(Part::XmppServer);
        let mut announced = false;
        loop {
            let interval = if self.board.read().ready { WATCHING_INTERVAL } else { STARTING_INTERVAL };
            tokio::select! {
                () = &mut stopped => return Ok(()),
                () = tokio::time::sleep(interval) => {}
            }
            self.ended_for_good().await?;
            self.look().await;
            let status = self.board.read();
            if status.ready && !announced {
                announced = true;
                ready(&status).await;
            }
        }
    }

    /// Stops the focus first, so that it can take its leave, then the bridge, then the server.
    pub(crate) async fn stop(mut self) {
        for part in [Part::Focus, Part::Videobridge, Part::XmppServer] {
            if let Some(Kept { stop, task }) = self.children.remove(&part) {
                let _ = stop.send(true);
                let _ = task.await;
            }
        }
        self.status_socket.abort();
        let _ = std::fs::remove_file(self.plan.data.socket(status::SOCKET));
    }

    fn start(&mut self, part: Part) {
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(keep_running(part, self.arguments(part), self.board.clone(), stopped));
        self.last_answer.insert(part, Instant::now());
        self.children.insert(part, Kept { stop, task });
    }

    /// The command line of `part`, made anew at each start.
    fn arguments(&self, part: Part) -> Arguments {
        let plan = self.plan.clone();
        let ports = Arc::clone(&self.ports);
        Box::new(move || {
            let mut arguments =
                vec!["--data".to_owned(), plan.data.root().display().to_string(), "--supervised".to_owned()];
            let mut set = |value: String| arguments.extend(["--set".to_owned(), value]);
            plan.overrides.iter().cloned().for_each(&mut set);
            if let Some(ports) = *ports.lock().unwrap_or_else(PoisonError::into_inner) {
                between_parts(part, &plan.host, ports).into_iter().for_each(&mut set);
            }
            arguments
        })
    }

    /// A process that will not be started again ends the whole run.
    async fn ended_for_good(&mut self) -> Result<(), Failure> {
        let ended = self.children.iter().find(|(_, kept)| kept.task.is_finished()).map(|(part, _)| *part);
        let Some(kept) = ended.and_then(|part| self.children.remove(&part)) else { return Ok(()) };
        kept.task.await.unwrap_or_else(|e| Err(Failure::here(format!("the supervisor failed: {e}"))))
    }

    /// One round of health checks.
    async fn look(&mut self) {
        let mut all_healthy = true;
        for part in Part::ALL {
            if !self.children.contains_key(&part) {
                all_healthy = false;
                continue;
            }
            let report = health::check(&self.plan.data, part).await;
            all_healthy &= report.healthy;
            self.note(part, report);
        }
        self.board.update(|status| status.ready = all_healthy);
    }

    fn note(&mut self, part: Part, report: Report) {
        if let (Some(found), Part::XmppServer) = (report.ports, part) {
            self.learn_ports(found);
        }
        if let Some(certificate) = report.certificate {
            let now = std::time::SystemTime::now();
            self.board.update(|status| status.certificate = Some(Certificate::seen(certificate, now)));
        }
        let pid = self.board.read().processes.iter().find(|p| p.name == part.name()).and_then(|p| p.pid);
        if report.answered || pid.is_none() {
            self.last_answer.insert(part, Instant::now());
        } else if self.last_answer.get(&part).is_some_and(|at| at.elapsed() > HUNG_AFTER) {
            tracing::warn!(
                part = part.name(),
                "{} runs but has not answered for {} s; ending it",
                part.name(),
                HUNG_AFTER.as_secs()
            );
            self.last_answer.insert(part, Instant::now());
            signal(pid, Signal::KILL);
        }
        self.board.update_process(part.name(), |process| {
            process.healthy = report.healthy && pid.is_some();
            if report.answered {
                process.detail = report.detail;
                process.version = report.version;
                process.addresses = report.addresses;
            }
        });
    }

    /// The server told its ports: the others can be started now.
    fn learn_ports(&mut self, found: Ports) {
        *self.ports.lock().unwrap_or_else(PoisonError::into_inner) = Some(found);
        let url = format!("https://{}:{}/", url_host(&self.plan.host), found.https);
        self.board.update(|status| status.url = Some(url));
        for part in [Part::Videobridge, Part::Focus] {
            if !self.children.contains_key(&part) {
                self.start(part);
            }
        }
    }
}

/// What one part must know of another's ports.
fn between_parts(part: Part, host: &str, ports: Ports) -> Vec<String> {
    match part {
        Part::XmppServer => vec![
            format!("xmpp-server.https_port={}", ports.https),
            format!("xmpp-server.c2s_port={}", ports.c2s),
            format!("xmpp-server.c2s_tls_port={}", ports.c2s_tls),
        ],
        Part::Videobridge => vec![
            format!("videobridge.xmpp_port={}", ports.c2s),
            format!("videobridge.websocket_domain={}:{}", url_host(host), ports.https),
        ],
        Part::Focus => vec![format!("focus.xmpp_port={}", ports.c2s)],
    }
}

/// An IPv6 address stands in brackets in a URL (RFC 3986 §3.2.2).
fn url_host(host: &str) -> String {
    if host.contains(':') { format!("[{host}]") } else { host.to_owned() }
}
