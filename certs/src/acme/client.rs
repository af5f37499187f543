use std::path::PathBuf;
use std::time::Duration;

use instant_acme::{
    Account, AuthorizationStatus, ChallengeType, Identifier, NewAccount, NewOrder, Order, OrderStatus, RetryPolicy,
};
use rcgen::{CertificateParams, DistinguishedName, KeyPair};

use super::hook::{Action, Record};
use super::{Answers, Challenge, Keeping, Settings};
use crate::CertError;

/// The whole of an order, name servers and slow programs included.
const ORDER_TIMEOUT: Duration = Duration::from_secs(900);
/// How long the authority may take to look, and to sign.
const POLL_TIMEOUT: Duration = Duration::from_secs(120);
/// First wait between two questions whether it has.
const POLL_FIRST: Duration = Duration::from_millis(250);

/// Why there is no new certificate. Each message says what to do next.
#[derive(Debug, thiserror::Error)]
pub enum AcmeError {
    /// The authority could not be asked, or did not understand.
    #[error(
        "the authority at {directory} cannot be asked: {reason}; check certs.acme.directory, certs.acme.ca and this machine's way out"
    )]
    Unreachable {
        /// Address of its directory.
        directory: String,
        /// Why, in words.
        reason: String,
    },
    /// The authority said no.
    #[error("the authority refused: {0}")]
    Refused(String),
    /// The authority looked and did not find the proof.
    #[error("the authority could not confirm {name}: {reason}; {advice}")]
    NotConfirmed {
        /// The name in question.
        name: String,
        /// The authority's own words.
        reason: String,
        /// What it needs to reach.
        advice: &'static str,
    },
    /// The authority has no such challenge for the name.
    #[error("the authority does not offer {challenge} for {name}; set certs.acme.challenge to another")]
    NotOffered {
        /// The challenge asked for.
        challenge: &'static str,
        /// The name in question.
        name: String,
    },
    /// The program for DNS-01 failed.
    #[error("the program of certs.acme.hook is of no use: {0}")]
    Hook(String),
    /// The stored account cannot be read.
    #[error("{path} cannot be used; remove it, and a new account is made", path = .path.display())]
    Account {
        /// The file.
        path: PathBuf,
    },
    /// It took too long.
    #[error("the authority did not finish within {} minutes", ORDER_TIMEOUT.as_secs() / 60)]
    TooLate,
    /// Files, keys, or what was issued.
    #[error(transparent)]
    Certificate(#[from] CertError),
}

/// What an order brought.
#[derive(Clone)]
pub struct Issued {
    /// The chain, PEM, leaf first.
    pub chain_pem: String,
    /// The private key, PEM; made for this certificate alone.
    pub key_pem: String,
}

impl std::fmt::Debug for Issued {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Issued").field("chain_pem", &self.chain_pem).finish_non_exhaustive()
    }
}

/// Orders a certificate and proves control of its names. Nothing is served yet.
pub async fn obtain(settings: &Settings, keeping: &Keeping, answers: &Answers) -> Result<Issued, AcmeError> {
    let mut records = Vec::new();
    let order = tokio::time::timeout(ORDER_TIMEOUT, order(settings, keeping, answers, &mut records)).await;
    answers.clear();
    for record in records {
        if let Err(error) = record.run(&settings.hook, Action::Cleanup, settings.hook_timeout).await {
            tracing::warn!(%error, "a record published for the authority may be left over");
        }
    }
    order.map_err(|_| AcmeError::TooLate)?
}

async fn order(
    settings: &Settings,
    keeping: &Keeping,
    answers: &Answers,
    records: &mut Vec<Record>,
) -> Result<Issued, AcmeError> {
    let says = |error| refused(settings, error);
    let account = account(settings, keeping).await?;
    let identifiers: Vec<Identifier> = settings.names.iter().cloned().map(Identifier::Dns).collect();
    let mut order = account.new_order(&NewOrder::new(&identifiers)).await.map_err(says)?;
    prove(settings, answers, records, &mut order).await?;
    let patience = RetryPolicy::new().initial_delay(POLL_FIRST).timeout(POLL_TIMEOUT);
    match order.poll_ready(&patience).await {
        Ok(OrderStatus::Ready) => {}
        outcome => return Err(not_ready(settings, &mut order, outcome.err()).await),
    }
    let key = KeyPair::generate().map_err(CertError::from)?;
    let mut params = CertificateParams::new(settings.names.clone()).map_err(CertError::from)?;
    params.distinguished_name = DistinguishedName::new();
    let request = params.serialize_request(&key).map_err(CertError::from)?;
    order.finalize_csr(request.der()).await.map_err(says)?;
    let chain_pem = order.poll_certificate(&patience).await.map_err(says)?;
    Ok(Issued { chain_pem, key_pem: key.serialize_pem() })
}

/// The account kept, or a new one.
async fn account(settings: &Settings, keeping: &Keeping) -> Result<Account, AcmeError> {
    let builder = match &settings.ca {
        Some(ca) => Account::builder_with_root(ca),
        None => Account::builder(),
    };
    let unreachable = |error: instant_acme::Error| AcmeError::Unreachable {
        directory: settings.directory.clone(),
        reason: in_full(&error),
    };
    let builder = builder.map_err(unreachable)?;
    if let Some(credentials) = keeping.account(&settings.directory)? {
        return builder.from_credentials(credentials).await.map_err(unreachable);
    }
    let contact: Vec<&str> = settings.contact.iter().map(String::as_str).collect();
    let new = NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
    let made = builder.create(&new, settings.directory.clone(), None).await;
    let (account, credentials) = made.map_err(|error| match error {
        instant_acme::Error::Api(_) => refused(settings, error),
        other => unreachable(other),
    })?;
    keeping.keep_account(&settings.directory, credentials)?;
    Ok(account)
}

/// Publishes the proof for each name, then tells the authority to look.
async fn prove(
    settings: &Settings,
    answers: &Answers,
    records: &mut Vec<Record>,
    order: &mut Order,
) -> Result<(), AcmeError> {
    let says = |error| refused(settings, error);
    let (kind, word) = match settings.challenge {
        Challenge::Http01 => (ChallengeType::Http01, "http-01"),
        Challenge::TlsAlpn01 => (ChallengeType::TlsAlpn01, "tls-alpn-01"),
        Challenge::Dns01 => (ChallengeType::Dns01, "dns-01"),
    };
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization.map_err(says)?;
        // Proved lately, in an order before.
        if authorization.status == AuthorizationStatus::Valid {
            continue;
        }
        let name = authorization.identifier().to_string();
        let offered = authorization.challenge(kind.clone());
        let mut challenge = offered.ok_or_else(|| AcmeError::NotOffered { challenge: word, name: name.clone() })?;
        let key_authorization = challenge.key_authorization();
        match settings.challenge {
            Challenge::Http01 => answers.put_http(&challenge.token, key_authorization.as_str()),
            Challenge::TlsAlpn01 => answers.put_tls(&name, key_authorization.digest().as_ref())?,
            Challenge::Dns01 => {
                let name = name.strip_prefix("*.").unwrap_or(&name).to_owned();
                let record = Record { name, value: key_authorization.dns_value() };
                records.push(record.clone());
                record.run(&settings.hook, Action::Present, settings.hook_timeout).await?;
                tokio::time::sleep(settings.hook_wait).await;
            }
        }
        challenge.set_ready().await.map_err(|error| match error {
            instant_acme::Error::Api(problem) => AcmeError::NotConfirmed {
                name: name.clone(),
                reason: words(&problem),
                advice: advice(settings.challenge),
            },
            other => says(other),
        })?;
    }
    Ok(())
}

/// Why the order will not be fulfilled: the authority says it at the challenge that failed.
async fn not_ready(settings: &Settings, order: &mut Order, error: Option<instant_acme::Error>) -> AcmeError {
    let advice = advice(settings.challenge);
    let mut authorizations = order.authorizations();
    while let Some(Ok(mut authorization)) = authorizations.next().await {
        if authorization.refresh().await.is_err() {
            break;
        }
        let name = authorization.identifier().to_string();
        if let Some(problem) = authorization.challenges.iter().find_map(|challenge| challenge.error.as_ref()) {
            return AcmeError::NotConfirmed { name, reason: words(problem), advice };
        }
    }
    match error {
        Some(error) => refused(settings, error),
        None => AcmeError::Refused("it gave no reason".to_owned()),
    }
}

/// What an authority needs to reach.
fn advice(challenge: Challenge) -> &'static str {
    match challenge {
        Challenge::Http01 => "port 80 of that name must lead to certs.acme.http_port of this machine",
        Challenge::TlsAlpn01 => "port 443 of that name must lead to xmpp-server.https_port of this machine",
        Challenge::Dns01 => {
            "the program of certs.acme.hook must publish the record where the world's name servers look"
        }
    }
}

/// The authority's own words, of which its detail says most.
fn words(problem: &instant_acme::Problem) -> String {
    problem.detail.clone().unwrap_or_else(|| problem.to_string())
}

fn refused(settings: &Settings, error: instant_acme::Error) -> AcmeError {
    match error {
        instant_acme::Error::Api(problem) => AcmeError::Refused(words(&problem)),
        instant_acme::Error::Timeout(_) => AcmeError::TooLate,
        other => AcmeError::Unreachable { directory: settings.directory.clone(), reason: in_full(&other) },
    }
}

/// An error with what is behind it.
fn in_full(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut behind = error.source();
    while let Some(cause) = behind {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        behind = cause.source();
    }
    text
}
