//! From a fresh stream to a bound or resumed session: SASL, resource, stream management.

use std::collections::BTreeSet;

use futures::SinkExt;
use jid::FullJid;
use minidom::Element;
use protocol::ns;
use rxml::xml_ncname;
use sasl::client::Mechanism;
use sasl::client::mechanisms::{Anonymous, Plain, Scram};
use sasl::common::scram::{Sha1, Sha256};
use sasl::common::{ChannelBinding, Credentials};
use xmpp_parsers::sasl::{Auth, Mechanism as MechanismName, Nonza, Response};

use crate::config::{Account, Config};
use crate::connect::{ConnectError, ElementStream, connect, read, restart};
use crate::resumption::Resumption;

/// How a login ended.
pub(crate) enum LoggedIn {
    /// A session of its own.
    New {
        jid: FullJid,
        /// Present when the server keeps the session across connections.
        resumption: Option<Resumption>,
    },
    /// The former session goes on; the server has handled this many of our stanzas.
    Resumed { handled: u32 },
}

/// Dials, logs in, and resumes `former` where possible.
pub(crate) async fn log_in(
    config: &Config,
    former: Option<&Resumption>,
) -> Result<(ElementStream, LoggedIn), ConnectError> {
    let (features, stream) = connect(config).await?;
    let stream = authenticate(stream, &features.sasl_mechanisms, &config.account).await?;
    let (features, mut stream) = restart(stream.initiate_reset(), config).await?;
    let managed = features.stream_management.is_some();
    if let (true, Some(former)) = (managed, former)
        && let Some(handled) = resume(&mut stream, former).await?
    {
        return Ok((stream, LoggedIn::Resumed { handled }));
    }
    let jid = bind(&mut stream, config.resource.as_deref()).await?;
    if features
        .others
        .iter()
        .any(|feature| feature.is("session", ns::SESSION) && !feature.has_child("optional", ns::SESSION))
    {
        establish(&mut stream).await?;
    }
    let resumption = if managed { enable(&mut stream).await? } else { None };
    Ok((stream, LoggedIn::New { jid, resumption }))
}

async fn authenticate(
    mut stream: ElementStream,
    offered: &BTreeSet<String>,
    account: &Account,
) -> Result<ElementStream, ConnectError> {
    let mut mechanism = choose(offered, account)?;
    let auth = Nonza::Auth(Auth {
        mechanism: mechanism.name().parse::<MechanismName>().map_err(|_| ConnectError::NoMechanism)?,
        data: mechanism.initial(),
    });
    stream.send(&auth).await?;
    loop {
        let answer = read(&mut stream).await?;
        match Nonza::try_from(answer).map_err(|_| ConnectError::Protocol("not an answer to a login"))? {
            Nonza::Challenge(challenge) => {
                let data = mechanism
                    .response(&challenge.data)
                    .map_err(|error| ConnectError::ServerNotAuthentic(error.to_string()))?;
                stream.send(&Nonza::Response(Response { data })).await?;
            }
            Nonza::Success(success) => {
                mechanism
                    .success(&success.data)
                    .map_err(|error| ConnectError::ServerNotAuthentic(error.to_string()))?;
                return Ok(stream);
            }
            Nonza::Failure(failure) => {
                let condition = Element::from(failure.defined_condition);
                return Err(ConnectError::LoginRefused(condition.name().to_owned()));
            }
            Nonza::Auth(_) | Nonza::Response(_) | Nonza::Abort(_) => {
                return Err(ConnectError::Protocol("a client's part of the login came from the server"));
            }
        }
    }
}

/// The best mechanism both sides have.
fn choose(offered: &BTreeSet<String>, account: &Account) -> Result<Box<dyn Mechanism + Send + Sync>, ConnectError> {
    let has = |name: &str| offered.contains(name);
    let (username, password) = match account {
        Account::Anonymous if has("ANONYMOUS") => return Ok(Box::new(Anonymous::new())),
        Account::Anonymous => return Err(ConnectError::NoMechanism),
        Account::Password { username, password } => (username, password),
    };
    // `None` says "we do not bind": saying "the server cannot" would be a lie to servers that offer -PLUS.
    let credentials = Credentials::default()
        .with_username(username.as_str())
        .with_password(password.as_str())
        .with_channel_binding(ChannelBinding::None);
    let mechanism: Result<Box<dyn Mechanism + Send + Sync>, _> = if has("SCRAM-SHA-256") {
        Scram::<Sha256>::from_credentials(credentials).map(|m| Box::new(m) as _)
    } else if has("SCRAM-SHA-1") {
        Scram::<Sha1>::from_credentials(credentials).map(|m| Box::new(m) as _)
    } else if has("PLAIN") {
        Plain::from_credentials(credentials).map(|m| Box::new(m) as _)
    } else {
        return Err(ConnectError::NoMechanism);
    };
    mechanism.map_err(|_| ConnectError::NoMechanism)
}

/// RFC 6120 §7.
async fn bind(stream: &mut ElementStream, resource: Option<&str>) -> Result<FullJid, ConnectError> {
    let mut bind = Element::builder("bind", ns::BIND);
    if let Some(resource) = resource {
        bind = bind.append(Element::builder("resource", ns::BIND).append(resource));
    }
    let answer = ask(stream, "bind", bind.build()).await?;
    if answer.attr("type") != Some("result") {
        let condition = answer
            .get_child("error", ns::CLIENT)
            .and_then(|error| error.children().find(|child| child.ns() == ns::STANZAS))
            .map_or("no reason given", Element::name);
        return Err(ConnectError::BindRefused(condition.to_owned()));
    }
    answer
        .get_child("bind", ns::BIND)
        .and_then(|bind| bind.get_child("jid", ns::BIND))
        .and_then(|jid| FullJid::new(jid.text().trim()).ok())
        .ok_or(ConnectError::Protocol("no address in the answer to bind"))
}

/// RFC 3921 §3, for servers that insist.
async fn establish(stream: &mut ElementStream) -> Result<(), ConnectError> {
    let answer = ask(stream, "session", Element::bare("session", ns::SESSION)).await?;
    match answer.attr("type") {
        Some("result") => Ok(()),
        _ => Err(ConnectError::BindRefused("the session was not established".to_owned())),
    }
}

async fn ask(stream: &mut ElementStream, id: &str, payload: Element) -> Result<Element, ConnectError> {
    let request = Element::builder("iq", ns::CLIENT)
        .attr(xml_ncname!("type").to_owned(), "set")
        .attr(xml_ncname!("id").to_owned(), id)
        .append(payload)
        .build();
    stream.send(&request).await?;
    loop {
        let answer = read(stream).await?;
        if answer.is("iq", ns::CLIENT) && answer.attr("id") == Some(id) {
            return Ok(answer);
        }
    }
}

/// XEP-0198 §3.
async fn enable(stream: &mut ElementStream) -> Result<Option<Resumption>, ConnectError> {
    let request = Element::builder("enable", ns::SM).attr(xml_ncname!("resume").to_owned(), "true").build();
    stream.send(&request).await?;
    let answer = read(stream).await?;
    if !answer.is("enabled", ns::SM) {
        return Ok(None);
    }
    let resumable = matches!(answer.attr("resume"), Some("true" | "1"));
    let id = answer.attr("id").filter(|_| resumable).map(str::to_owned);
    Ok(Some(Resumption::new(id)))
}

/// XEP-0198 §5. The number of our stanzas the server has handled, or nothing when the session is gone.
async fn resume(stream: &mut ElementStream, former: &Resumption) -> Result<Option<u32>, ConnectError> {
    let Some(id) = former.id() else { return Ok(None) };
    let request = Element::builder("resume", ns::SM)
        .attr(xml_ncname!("previd").to_owned(), id)
        .attr(xml_ncname!("h").to_owned(), former.handled())
        .build();
    stream.send(&request).await?;
    let answer = read(stream).await?;
    if answer.is("resumed", ns::SM) {
        let handled = answer.attr("h").and_then(|h| h.parse().ok());
        return handled.map(Some).ok_or(ConnectError::Protocol("no count in the answer to a resumption"));
    }
    Ok(None)
}
