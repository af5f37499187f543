//! A small certificate authority that speaks ACME (RFC 8555): accounts, orders, the three challenges,
//! really checked, and certificates signed by a root of its own. Everything it does not accept, it
//! refuses with the protocol's own problem documents.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use rcgen::{BasicConstraints, CertificateParams, CertificateSigningRequestParams, DnType, IsCa, Issuer, KeyPair};
use serde_json::{Value, json};
use tokio::net::TcpListener;

mod checks;
mod jws;

/// Where the authority looks for proofs, and how long its certificates live.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Where HTTP-01 is looked for instead of port 80.
    pub http_port: u16,
    /// Where TLS-ALPN-01 is looked for instead of port 443.
    pub tls_port: u16,
    /// A file named as the record holds its text.
    pub dns_folder: PathBuf,
    /// Life of a certificate.
    pub life: Duration,
}

/// A running authority.
pub struct Authority {
    address: SocketAddr,
    root_pem: String,
    state: Arc<Mutex<Book>>,
}

/// What the authority knows.
struct Book {
    base: String,
    policy: Policy,
    root: Issuer<'static, KeyPair>,
    root_pem: String,
    /// The clock of the certificates.
    now: SystemTime,
    nonces: BTreeSet<String>,
    next: u64,
    accounts: Vec<jws::Key>,
    orders: Vec<Order>,
    refuse_orders: bool,
}

struct Order {
    account: usize,
    names: Vec<String>,
    /// One for each name.
    authorizations: Vec<Authorization>,
    certificate: Option<String>,
}

#[derive(Clone)]
struct Authorization {
    token: String,
    status: &'static str,
    error: Option<Value>,
}

impl Authority {
    /// Starts on a free port of the loopback.
    pub async fn start(policy: Policy) -> Self {
        let key = KeyPair::generate().expect("key");
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "Test ACME Root");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root_pem = params.self_signed(&key).expect("root").pem();
        let root = Issuer::new(params, key);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let acceptor = tls(&root);
        let state = Arc::new(Mutex::new(Book {
            base: format!("https://localhost:{}", address.port()),
            policy,
            root,
            root_pem: root_pem.clone(),
            now: SystemTime::now(),
            nonces: BTreeSet::new(),
            next: 0,
            accounts: Vec::new(),
            orders: Vec::new(),
            refuse_orders: false,
        }));
        let router = Router::new()
            .route("/directory", get(directory))
            .route("/nonce", any(nonce))
            .route("/{kind}", any(signed))
            .route("/{kind}/{order}", any(signed_about))
            .route("/{kind}/{order}/{index}", any(signed_about_one))
            .with_state(Arc::clone(&state));
        tokio::spawn(serve(listener, acceptor, router));
        Self { address, root_pem, state }
    }

    /// Address of the directory.
    pub fn directory(&self) -> String {
        format!("https://localhost:{}/directory", self.address.port())
    }

    /// The root, which clients of the authority must trust.
    pub fn root_pem(&self) -> &str {
        &self.root_pem
    }

    /// How many certificates were issued.
    pub fn issued(&self) -> usize {
        self.book(|book| book.orders.iter().filter(|order| order.certificate.is_some()).count())
    }

    /// How many accounts there are.
    pub fn accounts(&self) -> usize {
        self.book(|book| book.accounts.len())
    }

    /// From now on certificates are issued as at `now`.
    pub fn set_clock(&self, now: SystemTime) {
        self.book(|book| book.now = now);
    }

    /// From now on looks for proofs at these ports.
    pub fn set_ports(&self, http_port: u16, tls_port: u16) {
        self.book(|book| (book.policy.http_port, book.policy.tls_port) = (http_port, tls_port));
    }

    /// Refuses all orders, or takes them again.
    pub fn refuse_orders(&self, refuse: bool) {
        self.book(|book| book.refuse_orders = refuse);
    }

    fn book<T>(&self, look: impl FnOnce(&mut Book) -> T) -> T {
        look(&mut self.state.lock().expect("book"))
    }
}

fn tls(root: &Issuer<'static, KeyPair>) -> tokio_rustls::TlsAcceptor {
    let key = KeyPair::generate().expect("key");
    let params = CertificateParams::new(vec!["localhost".to_owned()]).expect("name");
    let certificate = params.signed_by(&key, root).expect("signed");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let key = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).expect("key");
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .expect("certificate");
    tokio_rustls::TlsAcceptor::from(Arc::new(config))
}

async fn serve(listener: TcpListener, acceptor: tokio_rustls::TlsAcceptor, router: Router) {
    while let Ok((stream, _)) = listener.accept().await {
        let (acceptor, router) = (acceptor.clone(), router.clone());
        tokio::spawn(async move {
            let Ok(stream) = acceptor.accept(stream).await else { return };
            let service = hyper_util::service::TowerToHyperService::new(router);
            let builder = hyper_util::server::conn::auto::Builder::new(hyper_util::rt::TokioExecutor::new());
            let _ = builder.serve_connection(hyper_util::rt::TokioIo::new(stream), service).await;
        });
    }
}

type Shared = State<Arc<Mutex<Book>>>;

/// A problem document (RFC 8555 §6.7).
struct Problem(StatusCode, &'static str, String);

impl Problem {
    fn json(&self) -> Value {
        json!({"type": format!("urn:ietf:params:acme:error:{}", self.1), "detail": self.2, "status": self.0.as_u16()})
    }
}

fn malformed(detail: &str) -> Problem {
    Problem(StatusCode::BAD_REQUEST, "malformed", detail.to_owned())
}

async fn directory(State(state): Shared) -> Response {
    let base = state.lock().expect("book").base.clone();
    axum::Json(json!({
        "newNonce": format!("{base}/nonce"), "newAccount": format!("{base}/account"),
        "newOrder": format!("{base}/order"), "revokeCert": format!("{base}/revoke"),
        "keyChange": format!("{base}/key"), "meta": {"termsOfService": format!("{base}/terms")},
    }))
    .into_response()
}

async fn nonce(State(state): Shared) -> Response {
    finish(&state, Ok((StatusCode::OK, None, Reply::Json(Value::Null))))
}

enum Reply {
    Json(Value),
    Chain(String),
}

type Outcome = Result<(StatusCode, Option<String>, Reply), Problem>;

fn finish(state: &Mutex<Book>, outcome: Outcome) -> Response {
    let nonce = state.lock().expect("book").nonce();
    let (status, location, reply) = outcome.unwrap_or_else(|problem| (problem.0, None, Reply::Json(problem.json())));
    let failed = status.is_client_error();
    let mut response = match reply {
        Reply::Json(value) => (status, axum::Json(value)).into_response(),
        Reply::Chain(pem) => (status, [("content-type", "application/pem-certificate-chain")], pem).into_response(),
    };
    let headers = response.headers_mut();
    headers.insert("replay-nonce", nonce.parse().expect("a header"));
    headers.insert("cache-control", "no-store".parse().expect("a header"));
    if failed {
        headers.insert("content-type", "application/problem+json".parse().expect("a header"));
    }
    if let Some(location) = location {
        headers.insert("location", location.parse().expect("a header"));
    }
    response
}

async fn signed(state: Shared, path: Path<String>, method: Method, headers: HeaderMap, body: Bytes) -> Response {
    handle(state.0, &[path.0], &method, &headers, &body).await
}

async fn signed_about(
    state: Shared,
    path: Path<(String, String)>,
    method: Method,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    handle(state.0, &[path.0.0, path.0.1], &method, &headers, &body).await
}

async fn signed_about_one(
    state: Shared,
    path: Path<(String, String, String)>,
    method: Method,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    handle(state.0, &[path.0.0, path.0.1, path.0.2], &method, &headers, &body).await
}

/// Everything but the directory and nonces is a signed POST (RFC 8555 §6.2).
async fn handle(
    state: Arc<Mutex<Book>>,
    path: &[String],
    method: &Method,
    headers: &HeaderMap,
    body: &[u8],
) -> Response {
    let outcome = if *method != Method::POST || headers.get("content-type").is_none_or(|t| t != "application/jose+json")
    {
        Err(malformed("only signed requests are taken"))
    } else {
        let verified = state.lock().expect("book").verify(&path.join("/"), body);
        match verified {
            Ok(request) => answer(&state, path, request).await,
            Err(problem) => Err(problem),
        }
    };
    finish(&state, outcome)
}

/// A request whose signature holds.
struct Verified {
    key: jws::Key,
    account: Option<usize>,
    payload: Value,
}

async fn answer(state: &Mutex<Book>, path: &[String], request: Verified) -> Outcome {
    let number = |index: usize| path.get(index).and_then(|text| text.parse::<usize>().ok());
    if path[0] == "account" && path.len() == 1 {
        return state.lock().expect("book").new_account(request);
    }
    let account = request.account.ok_or_else(|| malformed("the account must be named"))?;
    match (path[0].as_str(), number(1), number(2)) {
        ("order", None, None) => state.lock().expect("book").new_order(account, &request.payload),
        ("order", Some(order), None) => state.lock().expect("book").order(account, order, None),
        ("authorization", Some(order), Some(index)) => {
            let book = state.lock().expect("book");
            book.own(account, order)?;
            Ok((StatusCode::OK, None, Reply::Json(book.authorization(order, index)?)))
        }
        ("http-01" | "tls-alpn-01" | "dns-01", Some(order), Some(index)) => {
            let (policy, name, token, thumbprint) = {
                let book = state.lock().expect("book");
                book.own(account, order)?;
                let missing = || malformed("no such challenge");
                let authorization = book.orders[order].authorizations.get(index).ok_or_else(missing)?;
                let name = book.orders[order].names[index].clone();
                (book.policy.clone(), name, authorization.token.clone(), book.accounts[account].thumbprint())
            };
            let wanted = format!("{token}.{thumbprint}");
            let found = checks::check(&path[0], &policy, &name, &token, &wanted).await;
            let mut book = state.lock().expect("book");
            let authorization = &mut book.orders[order].authorizations[index];
            match found {
                Ok(()) => authorization.status = "valid",
                Err(reason) => {
                    authorization.status = "invalid";
                    authorization.error = Some(Problem(StatusCode::FORBIDDEN, "unauthorized", reason).json());
                }
            }
            // The outcome is told only to who asks for the authorization, as real authorities do.
            let mut challenge = book.challenge(order, index, &path[0]);
            challenge["status"] = json!("processing");
            challenge["error"] = Value::Null;
            Ok((StatusCode::OK, None, Reply::Json(challenge)))
        }
        ("finalize", Some(order), None) => state.lock().expect("book").order(account, order, Some(&request.payload)),
        ("certificate", Some(order), None) => {
            let book = state.lock().expect("book");
            book.own(account, order)?;
            let chain = book.orders[order].certificate.clone().ok_or_else(|| malformed("not issued yet"))?;
            Ok((StatusCode::OK, None, Reply::Chain(chain)))
        }
        _ => Err(Problem(StatusCode::NOT_FOUND, "malformed", "there is no such thing".to_owned())),
    }
}

impl Book {
    fn fresh(&mut self) -> String {
        self.next += 1;
        let mut random = [0; 16];
        aws_lc_rs::rand::fill(&mut random).expect("randomness");
        format!("{}{}", BASE64.encode(random), self.next)
    }

    fn nonce(&mut self) -> String {
        let nonce = self.fresh();
        self.nonces.insert(nonce.clone());
        nonce
    }

    fn verify(&mut self, path: &str, body: &[u8]) -> Result<Verified, Problem> {
        let message = jws::Message::parse(body).ok_or_else(|| malformed("this is no signed message"))?;
        if !self.nonces.remove(&message.nonce) {
            return Err(Problem(StatusCode::BAD_REQUEST, "badNonce", "this nonce is not one of ours".to_owned()));
        }
        if message.url != format!("{}/{path}", self.base) {
            return Err(malformed("the signed address is another"));
        }
        let (key, account) = match &message.signer {
            jws::Signer::Key(key) => (key.clone(), None),
            jws::Signer::Account(url) => {
                let index = url.strip_prefix(&format!("{}/account/", self.base)).and_then(|n| n.parse::<usize>().ok());
                let known = index.and_then(|index| Some((self.accounts.get(index)?.clone(), Some(index))));
                let missing = || Problem(StatusCode::BAD_REQUEST, "accountDoesNotExist", "who is that?".to_owned());
                known.ok_or_else(missing)?
            }
        };
        if !message.is_signed_by(&key) {
            return Err(malformed("the signature does not hold"));
        }
        Ok(Verified { key, account, payload: message.payload })
    }

    fn new_account(&mut self, request: Verified) -> Outcome {
        if request.payload["termsOfServiceAgreed"] != true {
            return Err(Problem(StatusCode::FORBIDDEN, "userActionRequired", "agree to the terms".to_owned()));
        }
        let known = self.accounts.iter().position(|key| *key == request.key);
        let index = known.unwrap_or_else(|| {
            self.accounts.push(request.key);
            self.accounts.len() - 1
        });
        let status = if known.is_some() { StatusCode::OK } else { StatusCode::CREATED };
        let location = format!("{}/account/{index}", self.base);
        Ok((status, Some(location), Reply::Json(json!({"status": "valid"}))))
    }

    fn own(&self, account: usize, order: usize) -> Result<(), Problem> {
        match self.orders.get(order) {
            Some(order) if order.account == account => Ok(()),
            _ => Err(Problem(StatusCode::NOT_FOUND, "malformed", "no order of yours".to_owned())),
        }
    }

    fn new_order(&mut self, account: usize, payload: &Value) -> Outcome {
        if self.refuse_orders {
            let detail = "too many orders lately".to_owned();
            return Err(Problem(StatusCode::TOO_MANY_REQUESTS, "rateLimited", detail));
        }
        let identifiers = payload["identifiers"].as_array().ok_or_else(|| malformed("no identifiers"))?;
        let names: Vec<String> =
            identifiers.iter().filter_map(|one| one["value"].as_str().map(str::to_owned)).collect();
        let authorizations =
            names.iter().map(|_| Authorization { token: self.fresh(), status: "pending", error: None }).collect();
        self.orders.push(Order { account, names, authorizations, certificate: None });
        let (_, _, reply) = self.order(account, self.orders.len() - 1, None)?;
        Ok((StatusCode::CREATED, Some(format!("{}/order/{}", self.base, self.orders.len() - 1)), reply))
    }

    /// The order as it stands, after signing when `finalize` asks for it.
    fn order(&mut self, account: usize, index: usize, finalize: Option<&Value>) -> Outcome {
        self.own(account, index)?;
        let order = &self.orders[index];
        let all = |status| order.authorizations.iter().all(|one| one.status == status);
        let any_invalid = order.authorizations.iter().any(|one| one.status == "invalid");
        if let Some(payload) = finalize {
            if !all("valid") {
                return Err(Problem(StatusCode::FORBIDDEN, "orderNotReady", "not all is proved".to_owned()));
            }
            let chain = self.sign(&order.names, payload)?;
            self.orders[index].certificate = Some(chain);
        }
        let order = &self.orders[index];
        let status = match (&order.certificate, any_invalid) {
            (Some(_), _) => "valid",
            (None, true) => "invalid",
            (None, false) if order.authorizations.iter().all(|one| one.status == "valid") => "ready",
            (None, false) => "pending",
        };
        let base = &self.base;
        let authorizations: Vec<String> =
            (0..order.names.len()).map(|n| format!("{base}/authorization/{index}/{n}")).collect();
        let identifiers: Vec<Value> = order.names.iter().map(|name| json!({"type": "dns", "value": name})).collect();
        let mut object = json!({
            "status": status, "identifiers": identifiers, "authorizations": authorizations,
            "finalize": format!("{base}/finalize/{index}"),
        });
        if order.certificate.is_some() {
            object["certificate"] = json!(format!("{base}/certificate/{index}"));
        }
        Ok((StatusCode::OK, None, Reply::Json(object)))
    }

    fn authorization(&self, order: usize, index: usize) -> Result<Value, Problem> {
        let authorization = self.orders[order].authorizations.get(index).ok_or_else(|| malformed("no such name"))?;
        let challenges: Vec<Value> =
            ["http-01", "tls-alpn-01", "dns-01"].iter().map(|kind| self.challenge(order, index, kind)).collect();
        Ok(json!({
            "status": authorization.status, "challenges": challenges,
            "identifier": {"type": "dns", "value": self.orders[order].names[index]},
        }))
    }

    fn challenge(&self, order: usize, index: usize, kind: &str) -> Value {
        let authorization = &self.orders[order].authorizations[index];
        let mut challenge = json!({
            "type": kind, "token": authorization.token, "status": authorization.status,
            "url": format!("{}/{kind}/{order}/{index}", self.base),
        });
        if let Some(error) = &authorization.error {
            challenge["error"] = error.clone();
        }
        challenge
    }

    fn sign(&self, names: &[String], payload: &Value) -> Result<String, Problem> {
        let bad = |detail: &str| Problem(StatusCode::BAD_REQUEST, "badCSR", detail.to_owned());
        let der = payload["csr"].as_str().and_then(|csr| BASE64.decode(csr).ok()).ok_or_else(|| bad("no request"))?;
        let mut request = CertificateSigningRequestParams::from_der(&der.into()).map_err(|e| bad(&e.to_string()))?;
        let wanted: BTreeMap<String, ()> = request
            .params
            .subject_alt_names
            .iter()
            .filter_map(|name| match name {
                rcgen::SanType::DnsName(name) => Some((name.to_string(), ())),
                _ => None,
            })
            .collect();
        if !wanted.keys().eq(names.iter().collect::<BTreeSet<_>>()) {
            return Err(bad("other names than ordered"));
        }
        request.params.not_before = self.now.into();
        request.params.not_after = (self.now + self.policy.life).into();
        let certificate = request.signed_by(&self.root).map_err(|e| bad(&e.to_string()))?;
        Ok(format!("{}{}", certificate.pem(), self.root_pem))
    }
}
