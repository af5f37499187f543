//! Certificates from an ACME authority over real sockets, with a clock that moves.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use certs::acme::{Answers, Challenge, InUse, Issued, Keeping, Plan, Settings, obtain};
use certs::{Resolver, ServerNames, file, load_or_create};
use rustls::pki_types::ServerName;
use tests::acme_authority::{Authority, Policy};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const DAY: Duration = Duration::from_secs(86_400);
const LIFE: Duration = Duration::from_secs(90 * 86_400);

/// One server's side: certificates, the listener that an authority comes to, and the settings.
struct Server {
    folder: tempfile::TempDir,
    resolver: Arc<Resolver>,
    keeping: Keeping,
    settings: Settings,
    port: u16,
}

impl Server {
    async fn start(challenge: Challenge) -> (Self, Authority) {
        let folder = tempfile::tempdir().expect("folder");
        let certificates = folder.path().join("certs");
        let names = ServerNames::new("localhost", &[]).expect("names");
        load_or_create(&certificates, &names, SystemTime::now()).expect("made");
        let resolver = Arc::new(Resolver::load(&certificates).expect("resolver"));
        let port = listen(Arc::clone(&resolver)).await;
        let policy = Policy { http_port: 1, tls_port: port, dns_folder: folder.path().to_owned(), life: LIFE };
        let authority = Authority::start(policy).await;
        let ca = folder.path().join("acme-root.pem");
        std::fs::write(&ca, authority.root_pem()).expect("written");
        let settings = Settings {
            directory: authority.directory(),
            contact: vec!["mailto:admin@example.org".to_owned()],
            challenge,
            names: vec!["localhost".to_owned()],
            ca: Some(ca),
            hook: Vec::new(),
            hook_timeout: Duration::from_secs(20),
            hook_wait: Duration::ZERO,
        };
        let keeping = Keeping::new(&certificates);
        (Self { folder, resolver, keeping, settings, port }, authority)
    }

    fn certificates(&self) -> PathBuf {
        self.folder.path().join("certs")
    }

    async fn order(&self) -> Result<Issued, String> {
        obtain(&self.settings, &self.keeping, self.resolver.answers()).await.map_err(|error| error.to_string())
    }

    /// Orders, serves, reloads.
    async fn renew(&self, now: SystemTime) {
        let issued = self.order().await.expect("issued");
        self.keeping.serve(&issued, &self.settings.names, now).expect("served");
        self.resolver.reload().expect("reloaded");
    }
}

/// Echoes over TLS, as open sessions do.
async fn listen(resolver: Arc<Resolver>) -> u16 {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_cert_resolver(resolver);
    config.alpn_protocols = vec![b"echo".to_vec(), certs::acme::ALPN_PROTOCOL.to_vec()];
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else { return };
                let (mut reader, mut writer) = tokio::io::split(stream);
                let _ = tokio::io::copy(&mut reader, &mut writer).await;
            });
        }
    });
    port
}

/// A session of a client that trusts only the authority.
async fn session(port: u16, root_pem: &str) -> std::io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
    use rustls::pki_types::pem::PemObject;
    let mut roots = rustls::RootCertStore::empty();
    let root = rustls::pki_types::CertificateDer::from_pem_slice(root_pem.as_bytes()).expect("root");
    roots.add(root).expect("usable");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"echo".to_vec()];
    let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let name = ServerName::try_from("localhost").expect("a name");
    tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

async fn echoes(session: &mut tokio_rustls::client::TlsStream<TcpStream>) -> bool {
    let mut heard = [0; 5];
    session.write_all(b"hello").await.is_ok() && session.read_exact(&mut heard).await.is_ok() && &heard == b"hello"
}

fn leaf(session: &tokio_rustls::client::TlsStream<TcpStream>) -> Vec<u8> {
    session.get_ref().1.peer_certificates().expect("certificates")[0].to_vec()
}

fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).expect("a file").permissions().mode() & 0o777
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_clock_moves_the_certificate_is_renewed_and_an_open_session_stays() {
    let (server, authority) = Server::start(Challenge::TlsAlpn01).await;
    let start = SystemTime::now();
    let mut plan = Plan::new(0.5);
    assert_eq!(server.keeping.in_use(&server.settings).expect("readable"), InUse::ToReplace);
    assert!(session(server.port, authority.root_pem()).await.is_err(), "the local authority is not trusted there");
    assert!(plan.due_at(None) <= start, "due at once");
    server.renew(start).await;
    plan.succeeded(0.5);
    let mut open = session(server.port, authority.root_pem()).await.expect("trusted");
    let first = leaf(&open);
    assert!(echoes(&mut open).await);

    let InUse::Issued(validity) = server.keeping.in_use(&server.settings).expect("readable") else {
        panic!("ours is in use")
    };
    let due = plan.due_at(Some(validity));
    let days = due.duration_since(start).expect("later").as_secs_f64() / DAY.as_secs_f64();
    assert!((57.0..=60.0).contains(&days), "due after {days} days of 90");
    authority.set_clock(due);
    server.renew(due).await;
    assert_eq!((authority.issued(), authority.accounts()), (2, 1), "the account is used again");
    assert!(echoes(&mut open).await, "the open session stays");
    assert_eq!(leaf(&open), first);
    let chain = std::fs::read_to_string(server.certificates().join(file::SERVER_CHAIN)).expect("chain");
    let renewed = certs::inspect::summarize_pem(&chain, due).expect("readable");
    assert_eq!(renewed.days_left, 90);
    for (path, wanted) in [("acme/account.json", 0o600), ("server.key", 0o600), ("server.pem", 0o644)] {
        assert_eq!(mode(&server.certificates().join(path)), wanted, "{path}");
    }
    let names = ServerNames::new("localhost", &[]).expect("names");
    let again = load_or_create(&server.certificates(), &names, due).expect("kept");
    assert_eq!(again, certs::Served::Imported, "the local authority leaves it alone");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_names_or_another_authority_mean_another_certificate_but_an_imported_one_is_left_alone() {
    let (mut server, authority) = Server::start(Challenge::TlsAlpn01).await;
    server.renew(SystemTime::now()).await;
    let in_use = |settings: &Settings| server.keeping.in_use(settings).expect("readable");
    assert!(matches!(in_use(&server.settings), InUse::Issued(_)));
    let renamed = Settings { names: vec!["meet.localhost".to_owned()], ..server.settings.clone() };
    assert_eq!(in_use(&renamed), InUse::ToReplace);
    let moved = Settings { directory: "https://elsewhere.example/directory".to_owned(), ..server.settings.clone() };
    assert_eq!(in_use(&moved), InUse::ToReplace);

    server.settings.names.push("meet.localhost".to_owned());
    server.renew(SystemTime::now()).await;
    assert!(matches!(server.keeping.in_use(&server.settings).expect("readable"), InUse::Issued(_)));
    assert_eq!((authority.issued(), authority.accounts()), (2, 1));

    let key = rcgen::KeyPair::generate().expect("key");
    let params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).expect("name");
    let all = server.folder.path().join("all.pem");
    let text = params.self_signed(&key).expect("signed").pem() + &key.serialize_pem();
    std::fs::write(&all, text).expect("written");
    let source = certs::import::Source::find(&all, None, "localhost").expect("found");
    certs::import::import(&server.certificates(), "localhost", &source, SystemTime::now()).expect("imported");
    assert_eq!(server.keeping.in_use(&server.settings).expect("readable"), InUse::Imported);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_are_published_by_the_hook_and_removed_afterwards() {
    let (mut server, authority) = Server::start(Challenge::Dns01).await;
    let script = server.folder.path().join("hook");
    let log = server.folder.path().join("log");
    let text = "case $2 in present) printf %s \"$4\" > \"$1/$3\";; cleanup) rm \"$1/$3\";; esac\n\
                echo \"$2 $3 $CONCLAVE_ACME_ACTION $CONCLAVE_ACME_NAME\" >> \"$1/log\"\n";
    std::fs::write(&script, text).expect("written");
    let folder = server.folder.path().to_string_lossy().into_owned();
    server.settings.hook = vec!["sh".to_owned(), script.to_string_lossy().into_owned(), folder];
    server.renew(SystemTime::now()).await;
    assert_eq!(authority.issued(), 1);
    let said = std::fs::read_to_string(&log).expect("a log");
    let record = "_acme-challenge.localhost.";
    assert_eq!(said, format!("present {record} present localhost\ncleanup {record} cleanup localhost\n"));
    assert!(!server.folder.path().join(record).exists());

    std::fs::write(&script, "echo no zone of ours >&2; exit 3\n").expect("written");
    // A name that is not proved yet: another account.
    std::fs::remove_file(server.certificates().join("acme/account.json")).expect("removed");
    let said = server.order().await.expect_err("the hook fails");
    assert!(said.contains("hook") && said.contains("exit status: 3: no zone of ours"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_refusal_is_a_sentence_and_the_certificate_in_use_stays() {
    let (mut server, authority) = Server::start(Challenge::TlsAlpn01).await;
    let before = std::fs::read(server.certificates().join(file::SERVER_CHAIN)).expect("chain");
    authority.set_ports(1, 1);
    let said = server.order().await.expect_err("nobody listens there");
    assert!(said.contains("could not confirm localhost") && said.contains("port 443"), "{said}");
    server.settings.challenge = Challenge::Http01;
    let said = server.order().await.expect_err("nobody listens there");
    assert!(said.contains("could not confirm localhost") && said.contains("port 80"), "{said}");
    authority.refuse_orders(true);
    let said = server.order().await.expect_err("refused");
    assert!(said.contains("refused: too many orders lately"), "{said}");
    server.settings.directory = "https://localhost:1/directory".to_owned();
    let said = server.order().await.expect_err("nobody there");
    assert!(said.contains("cannot be asked") && said.contains("certs.acme.directory"), "{said}");
    assert_eq!(std::fs::read(server.certificates().join(file::SERVER_CHAIN)).expect("chain"), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handshake_for_challenges_gets_nothing_while_no_order_runs() {
    let (server, _authority) = Server::start(Challenge::TlsAlpn01).await;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    config.alpn_protocols = vec![certs::acme::ALPN_PROTOCOL.to_vec()];
    let stream = TcpStream::connect(("127.0.0.1", server.port)).await.expect("connected");
    let name = ServerName::try_from("localhost").expect("a name");
    let error = tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream).await.expect_err("refused");
    assert!(error.to_string().contains("alert"), "the server ends it: {error}");
    assert_eq!(Answers::default().http("anything"), None);
}
