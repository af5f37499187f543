//! The administrator's requests (`protocol::admin`): over the socket of the running server, or
//! directly on the store when no server runs.

use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use jid::{BareJid, Jid, NodePart};
use protocol::admin::{Certificate, FailureKind, Health, Invite, Request, Response, Success, User};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::UnixListener;
use xmpp_server_core::account::{Credentials, PasswordPolicy};
use xmpp_server_core::service::register::is_account_name;
use xmpp_server_core::stream::registration::invite_hash;
use zeroize::Zeroizing;

use crate::certificates::Certificates;
use crate::config::Config;
use crate::drive::Driver;
use crate::store::{Store, StoreError, unix_s};

/// Longest request line.
const LINE_BYTES_MAX: u64 = 64 * 1024;

/// Real ports, after binding port 0.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Ports {
    pub(crate) https: u16,
    pub(crate) c2s: u16,
    pub(crate) c2s_tls: u16,
}

/// What a running server can do beyond its store.
pub(crate) struct Running {
    pub(crate) driver: Driver,
    pub(crate) ports: Ports,
    pub(crate) certificates: Arc<Certificates>,
}

/// Answers requests.
pub(crate) struct Control {
    host: String,
    public_url: Option<String>,
    https_port: u16,
    policy: PasswordPolicy,
    iterations: u32,
    invite_lifetime_s: u64,
    store: Arc<Store>,
    running: Option<Running>,
}

impl Control {
    pub(crate) fn new(config: &Config, store: Arc<Store>, running: Option<Running>) -> Self {
        Self {
            host: config.host.clone(),
            public_url: config.public_url.clone(),
            https_port: running.as_ref().map_or(config.https_port, |running| running.ports.https),
            policy: PasswordPolicy { characters_min: config.password_characters_min },
            iterations: config.scram_iterations,
            invite_lifetime_s: config.invite_lifetime_s,
            store,
            running,
        }
    }

    /// Answers on a socket only this user can reach, until the process ends.
    pub(crate) async fn serve(self: Arc<Self>, listener: UnixListener) {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    let control = Arc::clone(&self);
                    tokio::spawn(async move {
                        let (reader, writer) = stream.into_split();
                        if let Err(error) = control.converse(reader, writer).await {
                            tracing::debug!(%error, "an administrator's connection ended");
                        }
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "an administrator's connection could not be accepted");
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                }
            }
        }
    }

    /// One line in, one line out, until the end of the input.
    pub(crate) async fn converse(
        &self,
        reader: impl AsyncRead + Unpin,
        mut writer: impl AsyncWrite + Unpin,
    ) -> std::io::Result<()> {
        let mut reader = BufReader::new(reader);
        loop {
            let mut line = Zeroizing::new(Vec::new());
            let count = (&mut reader).take(LINE_BYTES_MAX).read_until(b'\n', &mut line).await?;
            if count == 0 {
                return Ok(());
            }
            let too_long = count as u64 == LINE_BYTES_MAX && line.last() != Some(&b'\n');
            let response = match serde_json::from_slice(&line) {
                _ if too_long => Response::failure(FailureKind::BadRequest, "The line is too long."),
                Ok(request) => self.answer(request).await,
                Err(error) => Response::failure(
                    FailureKind::BadRequest,
                    format!("This is no request I know: {}.", error.classify_sentence()),
                ),
            };
            let mut text = serde_json::to_vec(&response)?;
            text.push(b'\n');
            writer.write_all(&text).await?;
            writer.flush().await?;
            if too_long {
                return Ok(());
            }
        }
    }

    async fn answer(&self, request: Request) -> Response {
        self.carry_out(request).await.map_or_else(|refusal| refusal.into_response(), Response::success)
    }

    async fn carry_out(&self, request: Request) -> Result<Success, Refusal> {
        match request {
            Request::Health => self.health().await,
            Request::Sessions => {
                let sessions = self.running()?.driver.sessions().await;
                Ok(Success { sessions: Some(sessions), ..Success::default() })
            }
            Request::CertReload => {
                self.running()?.certificates.reload().map_err(|error| {
                    Refusal::new(FailureKind::Internal, format!("The certificate in use stays: {error}."))
                })?;
                Ok(Success::default())
            }
            Request::UserAdd { name, password } => {
                let password = Zeroizing::new(password);
                let account = self.account(&name)?;
                let credentials = self.derive(&account, password).await?;
                if !self.store.create_account(&account, &credentials)? {
                    return Err(Refusal::new(
                        FailureKind::Conflict,
                        format!("{account} exists already; to set its password, use passwd."),
                    ));
                }
                Ok(addressed(&account))
            }
            Request::UserPasswd { name, password } => {
                let password = Zeroizing::new(password);
                let account = self.account(&name)?;
                let credentials = self.derive(&account, password).await?;
                if !self.store.set_credentials(&account, None, &credentials)? {
                    return Err(no_account(&account));
                }
                if let Some(running) = &self.running {
                    running.driver.password_changed(account.clone()).await;
                }
                Ok(addressed(&account))
            }
            Request::UserDel { name } => {
                let account = self.account(&name)?;
                if !self.store.delete_account(&account)? {
                    return Err(no_account(&account));
                }
                if let Some(running) = &self.running {
                    running.driver.account_deleted(account.clone()).await;
                }
                Ok(addressed(&account))
            }
            Request::UserList => {
                let users = self.store.accounts()?.into_iter().map(|entry| User {
                    address: entry.account,
                    created_unix_s: entry.created_unix_s,
                    password_set_unix_s: entry.password_set_unix_s,
                });
                Ok(Success { users: Some(users.collect()), ..Success::default() })
            }
            Request::UserInvite { name, lifetime_s } => {
                let account = name.map(|name| self.account(&name)).transpose()?;
                let token = BASE64.encode(rand::random::<[u8; 24]>());
                let expires_unix_s = unix_s() + lifetime_s.unwrap_or(self.invite_lifetime_s);
                self.store.create_invite(&invite_hash(&token), account.as_ref(), expires_unix_s)?;
                let link = format!("{}/account/invite#{token}", self.base_url());
                Ok(Success {
                    address: account.map(|account| account.to_string()),
                    invite: Some(Invite { token, link, expires_unix_s }),
                    ..Success::default()
                })
            }
            Request::InviteRevoke { token } => {
                let token = token.rsplit('#').next().unwrap_or_default();
                if self.store.revoke_invite(&invite_hash(token))? {
                    Ok(Success::default())
                } else {
                    Err(Refusal::new(
                        FailureKind::NotFound,
                        "There is no such invite: it was used, has expired, or was revoked already.",
                    ))
                }
            }
        }
    }

    async fn health(&self) -> Result<Success, Refusal> {
        let running = self.running()?;
        let figures = running.driver.figures().await;
        Ok(Success {
            health: Some(Health {
                healthy: figures.is_some(),
                host: self.host.clone(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                pid: std::process::id(),
                https_port: running.ports.https,
                c2s_port: running.ports.c2s,
                c2s_tls_port: running.ports.c2s_tls,
                sessions: figures.map_or(0, |figures| figures.sessions),
                certificate: Some(certificate(&running.certificates)),
            }),
            ..Success::default()
        })
    }

    fn running(&self) -> Result<&Running, Refusal> {
        self.running.as_ref().ok_or_else(|| {
            Refusal::new(FailureKind::NotRunning, "The XMPP server is not running; please start it first.")
        })
    }

    fn base_url(&self) -> String {
        if let Some(url) = &self.public_url {
            return url.clone();
        }
        match self.https_port {
            443 => format!("https://{}", self.host),
            port => format!("https://{}:{port}", self.host),
        }
    }

    /// A member's account. Those of services follow their password files.
    fn account(&self, name: &str) -> Result<BareJid, Refusal> {
        let invalid = |why: String| Refusal::new(FailureKind::InvalidName, why);
        let name = name.trim();
        let node = if name.contains('@') {
            let jid = Jid::new(name).map_err(|_| invalid(format!("{name} is not an address.")))?;
            if jid.domain().as_str() != self.host || jid.resource().is_some() {
                return Err(invalid(format!("{name} is not an account of {}.", self.host)));
            }
            jid.node().map(|node| node.as_str().to_owned()).unwrap_or_default()
        } else {
            NodePart::new(name).map(|node| node.as_str().to_owned()).unwrap_or_default()
        };
        if !is_account_name(&node) {
            return Err(invalid(format!(
                "\"{name}\" can't be a user name; please use letters, digits, dots or dashes, without spaces."
            )));
        }
        BareJid::new(&format!("{node}@{}", self.host)).map_err(|_| invalid(format!("{name} is not an address.")))
    }

    async fn derive(&self, account: &BareJid, password: Zeroizing<String>) -> Result<Credentials, Refusal> {
        let name = account.node().map(|node| node.as_str().to_owned()).unwrap_or_default();
        let password = self
            .policy
            .check(&name, &password)
            .map_err(|problem| Refusal::new(FailureKind::InvalidPassword, problem.to_string()))?;
        let iterations = self.iterations;
        tokio::task::spawn_blocking(move || Credentials::derive(&password, iterations, &mut rand::rng()))
            .await
            .map_err(|_| Refusal::new(FailureKind::Internal, "The password could not be processed."))
    }
}

/// Says what is wrong with a line without repeating it: it may hold a password.
trait ClassifySentence {
    fn classify_sentence(&self) -> &'static str;
}

impl ClassifySentence for serde_json::Error {
    fn classify_sentence(&self) -> &'static str {
        match self.classify() {
            serde_json::error::Category::Syntax | serde_json::error::Category::Eof => "it is not JSON",
            serde_json::error::Category::Data => "the command or its fields are unknown",
            serde_json::error::Category::Io => "it could not be read",
        }
    }
}

struct Refusal {
    kind: FailureKind,
    message: String,
}

impl Refusal {
    fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    fn into_response(self) -> Response {
        Response::failure(self.kind, self.message)
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "an administrator's request failed");
        Self::new(FailureKind::Internal, "The account store failed; the log says why.")
    }
}

/// What is told of the certificate in use.
fn certificate(certificates: &Certificates) -> Certificate {
    let validity = certificates.validity();
    Certificate {
        not_before_unix_s: validity.not_before_unix_s,
        not_after_unix_s: validity.not_after_unix_s,
        warning: certificates.warning(std::time::SystemTime::now()),
    }
}

fn addressed(account: &BareJid) -> Success {
    Success { address: Some(account.to_string()), ..Success::default() }
}

fn no_account(account: &BareJid) -> Refusal {
    Refusal::new(FailureKind::NotFound, format!("There is no account {account}."))
}

/// Speaks the protocol on standard input and output: through the running server if there is one,
/// else on the store.
pub(crate) async fn speak_on_standard_streams(config: &Config, socket: &Path) -> Result<(), StoreError> {
    let (mut stdin, mut stdout) = (tokio::io::stdin(), tokio::io::stdout());
    let io_error = |source| StoreError::File { path: socket.display().to_string(), source };
    if let Ok(stream) = crate::listen::socket::connect_unix(socket).await {
        let (mut from_server, mut to_server) = stream.into_split();
        let requests = async move {
            tokio::io::copy(&mut stdin, &mut to_server).await?;
            to_server.shutdown().await
        };
        let answers = tokio::io::copy(&mut from_server, &mut stdout);
        let (sent, received) = tokio::join!(requests, answers);
        sent.and(received.map(drop)).map_err(io_error)?;
        return stdout.flush().await.map_err(io_error);
    }
    let store = Arc::new(Store::open(&config.path("accounts.sqlite"))?);
    Control::new(config, store, None).converse(stdin, stdout).await.map_err(io_error)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn session(control: &Control, lines: &str) -> Vec<Response> {
        let mut out = Vec::new();
        control.converse(lines.as_bytes(), &mut out).await.expect("in memory");
        String::from_utf8(out)
            .expect("text")
            .lines()
            .map(|line| serde_json::from_str(line).expect("a response"))
            .collect()
    }

    fn control() -> (tempfile::TempDir, Control) {
        let (folder, store) = crate::store::tests::store();
        let config = Config::parse(folder.path(), "[auth]\nscram_iterations = 4096", &[]).expect("valid");
        (folder, Control::new(&config, Arc::new(store), None))
    }

    fn kind(response: &Response) -> Option<FailureKind> {
        match response {
            Response::Failure { error, .. } => Some(*error),
            Response::Success { .. } => None,
        }
    }

    #[tokio::test]
    async fn accounts_are_made_changed_listed_and_removed_without_a_server() {
        let (_folder, control) = control();
        let answers = session(
            &control,
            r#"{"command":"user-add","name":"Ann","password":"correct horse"}
{"command":"user-add","name":"ann@localhost","password":"correct horse"}
{"command":"user-passwd","name":"ann","password":"short"}
{"command":"user-passwd","name":"ann","password":"battery staple"}
{"command":"user-passwd","name":"bob","password":"battery staple"}
{"command":"user-add","name":"a b","password":"battery staple"}
{"command":"user-add","name":"ann@elsewhere","password":"battery staple"}
{"command":"user-list"}
{"command":"user-del","name":"ann"}
{"command":"user-del","name":"ann"}
{"command":"health"}
{"command":"nonsense","password":"do not repeat"}
not json
"#,
        )
        .await;
        let kinds: Vec<_> = answers.iter().map(kind).collect();
        use FailureKind::*;
        assert_eq!(
            kinds,
            [
                None,
                Some(Conflict),
                Some(InvalidPassword),
                None,
                Some(NotFound),
                Some(InvalidName),
                Some(InvalidName),
                None,
                None,
                Some(NotFound),
                Some(NotRunning),
                Some(BadRequest),
                Some(BadRequest),
            ]
        );
        let Response::Success { result, .. } = &answers[7] else { panic!("a list") };
        assert_eq!(result.users.as_ref().expect("users")[0].address, "ann@localhost");
        assert!(!format!("{answers:?}").contains("do not repeat"));
    }

    #[tokio::test]
    async fn an_invite_is_a_link_that_can_be_revoked() {
        let (_folder, control) = control();
        let answers = session(&control, "{\"command\":\"user-invite\",\"name\":\"ann\"}\n").await;
        let Response::Success { result, .. } = &answers[0] else { panic!("an invite") };
        let invite = result.invite.as_ref().expect("an invite");
        assert_eq!(invite.link, format!("https://localhost:8443/account/invite#{}", invite.token));
        let offer = control.store.check_invite(&invite_hash(&invite.token)).expect("asked").expect("good");
        assert_eq!(offer.account.map(|account| account.to_string()).as_deref(), Some("ann@localhost"));
        let revoke = format!("{{\"command\":\"invite-revoke\",\"token\":\"{}\"}}\n", invite.link);
        assert_eq!(kind(&session(&control, &revoke).await[0]), None);
        assert_eq!(kind(&session(&control, &revoke).await[0]), Some(FailureKind::NotFound));
    }

    #[tokio::test]
    async fn an_endless_line_is_refused() {
        let (_folder, control) = control();
        let answers = session(&control, &"x".repeat(LINE_BYTES_MAX as usize + 10)).await;
        assert_eq!(kind(&answers[0]), Some(FailureKind::BadRequest));
        assert_eq!(answers.len(), 1);
    }
}
