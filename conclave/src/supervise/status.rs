//! What `conclave status` shows, and the socket it comes through.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::io::AsyncWriteExt;
use tokio::net::UnixListener;

use crate::data_directory::DataDirectory;
use crate::failure::Failure;

/// File name of the supervisor's socket.
pub(crate) const SOCKET: &str = "conclave.sock";

/// The whole stack.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Status {
    /// A meeting is possible.
    pub(crate) ready: bool,
    /// The domain served.
    pub(crate) host: String,
    /// Where to open the web client, once known.
    pub(crate) url: Option<String>,
    /// Process id of the supervisor.
    pub(crate) pid: u32,
    /// Version of the supervisor.
    pub(crate) version: String,
    /// The certificate that browsers and XMPP clients are given, once the server has told.
    #[serde(default)]
    pub(crate) certificate: Option<Certificate>,
    /// Each process.
    pub(crate) processes: Vec<Process>,
}

/// How long the certificate in use is valid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Certificate {
    /// Last valid moment, in seconds since 1970.
    pub(crate) not_after_unix_s: i64,
    /// Whole days left, negative when it has ended.
    pub(crate) days_left: i64,
    /// What is wrong and what to do, when it has ended or soon will.
    pub(crate) warning: Option<String>,
}

impl Certificate {
    /// What the server told, as seen at `now`.
    pub(crate) fn seen(told: protocol::admin::Certificate, now: std::time::SystemTime) -> Self {
        let now = now.duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let left_s = told.not_after_unix_s.saturating_sub_unsigned(now);
        Self { not_after_unix_s: told.not_after_unix_s, days_left: left_s.div_euclid(86_400), warning: told.warning }
    }
}

/// One process.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Process {
    /// `xmpp-server`, `videobridge` or `focus`.
    pub(crate) name: String,
    /// Its process id; absent while it is down.
    pub(crate) pid: Option<u32>,
    /// It answered its last health check well.
    pub(crate) healthy: bool,
    /// Why it is not healthy, in words.
    pub(crate) detail: Option<String>,
    /// Its version, once it said so.
    pub(crate) version: Option<String>,
    /// Where it listens: kind → address.
    pub(crate) addresses: BTreeMap<String, String>,
    /// How often it was started again since the supervisor started.
    pub(crate) restarts: u32,
}

/// The status, shared between the tasks of the supervisor.
#[derive(Debug, Clone)]
pub(crate) struct Board(Arc<Mutex<Status>>);

impl Board {
    pub(crate) fn new(status: Status) -> Self {
        Self(Arc::new(Mutex::new(status)))
    }

    pub(crate) fn read(&self) -> Status {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn update(&self, change: impl FnOnce(&mut Status)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Changes the row of one process.
    pub(crate) fn update_process(&self, name: &str, change: impl FnOnce(&mut Process)) {
        self.update(|status| {
            if let Some(process) = status.processes.iter_mut().find(|process| process.name == name) {
                change(process);
            }
        });
    }
}

/// Listens on the supervisor's socket; refuses to start beside another supervisor of this data.
pub(crate) async fn listen(data: &DataDirectory) -> Result<UnixListener, Failure> {
    let path = data.socket(SOCKET);
    if crate::admin::connect_unix(&path).await.is_ok() {
        return Err(Failure::here(format!(
            "Conclave already runs on {}; stop it first, or give another --data",
            data.root().display()
        )));
    }
    let _ = std::fs::remove_file(&path);
    bind(&path).map_err(|e| Failure::here(format!("cannot listen on {}: {e}", path.display())))
}

fn bind(path: &std::path::Path) -> std::io::Result<UnixListener> {
    match UnixListener::bind(path) {
        // Too long for a socket address: the folder's descriptor makes it short.
        Err(error) if error.kind() == std::io::ErrorKind::InvalidInput => {
            let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { return Err(error) };
            let folder = std::fs::File::open(folder)?;
            let short = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&folder));
            UnixListener::bind(std::path::Path::new(&short).join(name))
        }
        other => other,
    }
}

/// Answers each connection with the status as one line of JSON. The folder is the owner's only.
pub(crate) async fn serve(listener: UnixListener, board: Board) {
    loop {
        let Ok((mut stream, _)) = listener.accept().await else { continue };
        if let Ok(mut line) = serde_json::to_vec(&board.read()) {
            line.push(b'\n');
            // A reader that went away needs no answer.
            let _ = tokio::time::timeout(std::time::Duration::from_secs(2), stream.write_all(&line)).await;
        }
    }
}
