//! A server of one's own, in a folder of its own, on ports of its own.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use protocol::admin::{FailureKind, Health, Request, Response, Success};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

/// Long enough for a busy machine; every wait ends as soon as its condition holds.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Server {
    child: Child,
    folder: PathBuf,
    /// Removed with the server.
    owned: Option<tempfile::TempDir>,
    pub(crate) health: Health,
}

impl Server {
    pub(crate) fn start(settings: &[&str]) -> Self {
        let owned = tempfile::tempdir().expect("a folder");
        let folder = owned.path().to_owned();
        let mut server = Self::start_in(&folder, settings);
        server.owned = Some(owned);
        server
    }

    pub(crate) fn start_in(folder: &Path, settings: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_conclave-xmpp-server"));
        command.arg("--data").arg(folder).arg("--supervised").stdin(Stdio::piped());
        let own = [
            "xmpp-server.listen=127.0.0.1",
            "xmpp-server.https_port=0",
            "xmpp-server.c2s_port=0",
            "xmpp-server.c2s_tls_port=0",
            "auth.scram_iterations=4096",
        ];
        for setting in own.iter().chain(settings) {
            command.arg("--set").arg(setting);
        }
        let mut child = command.spawn().expect("the program starts");
        let deadline = Instant::now() + PATIENCE;
        let health = loop {
            if let Some(health) = ask(folder, &Request::Health).ok().and_then(|success| success.health) {
                break health;
            }
            assert!(child.try_wait().expect("a child").is_none(), "the server ended at once");
            assert!(Instant::now() < deadline, "the server did not become ready");
            std::thread::sleep(Duration::from_millis(20));
        };
        Self { child, folder: folder.to_owned(), owned: None, health }
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn ask(&self, request: &Request) -> Result<Success, FailureKind> {
        ask(&self.folder, request)
    }

    pub(crate) fn add_user(&self, name: &str, password: &str) {
        self.ask(&Request::UserAdd { name: name.into(), password: password.into() }).expect("added");
    }

    pub(crate) fn invite(&self, name: Option<&str>) -> String {
        let request = Request::UserInvite { name: name.map(str::to_owned), lifetime_s: None };
        self.ask(&request).expect("invited").invite.expect("an invite").token
    }

    /// Trusts the local authority and nothing else.
    pub(crate) fn tls(&self) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        let authority = CertificateDer::from_pem_file(self.folder.join("certs/ca.pem")).expect("a certificate");
        roots.add(authority).expect("an authority");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Arc::new(config)
    }

    /// As if the machine had lost power.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("gone");
    }

    /// Closes the standard input and waits for the end.
    pub(crate) fn end_of_supervisor(mut self) -> std::process::ExitStatus {
        drop(self.child.stdin.take());
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return status;
            }
            assert!(Instant::now() < deadline, "the server outlives its supervisor");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn ask(folder: &Path, request: &Request) -> Result<Success, FailureKind> {
    let mut stream = UnixStream::connect(folder.join("run/admin.sock")).map_err(|_| FailureKind::NotRunning)?;
    let mut line = serde_json::to_vec(request).expect("JSON");
    line.push(b'\n');
    stream.write_all(&line).map_err(|_| FailureKind::NotRunning)?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer).map_err(|_| FailureKind::NotRunning)?;
    match serde_json::from_str(&answer).expect("a response") {
        Response::Success { result, .. } => Ok(*result),
        Response::Failure { error, .. } => Err(error),
    }
}
