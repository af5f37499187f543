//! From a fresh connection to a bound resource (RFC 6120 §4–§7): TLS, SASL, registration by
//! invite, bind or resume. Everything here happens before a peer may send stanzas.

use std::net::IpAddr;
use std::sync::Arc;

use jid::{BareJid, Jid, NodePart, ResourcePart};
use minidom::Element;
use rand::CryptoRng;

use super::framing::{Frame, NS_FRAMING, NS_STREAM, StreamOpen};
use super::guesses::Guesses;
use super::limits::{SASL_ATTEMPTS_MAX, StreamLimits, address_key};
use super::resumption::NS_SM;
use super::sasl::{self, Mechanism, NS_SASL, PlainMessage, SaslFailure, ScramExchange, ScramFirst};
use super::{StreamCondition, StreamError};
use crate::account::{Credentials, Password, PasswordPolicy, ScramHash};
use crate::account_request::{AccountAnswer, AccountRequest, InviteHash, InviteOffer, RegisterRefusal};
use crate::component::{Now, SessionParams};
use crate::hosts::{HostKind, Hosts};
use crate::random;
use crate::service::register;
use crate::stanza::NS_CLIENT;
use crate::stanza_error::{Condition, StanzaError};
use crate::xml::{self, ElementExt};

/// Namespace of STARTTLS (RFC 6120 §5.4).
pub const NS_TLS: &str = "urn:ietf:params:xml:ns:xmpp-tls";
/// Namespace of resource binding (RFC 6120 §7.6).
pub const NS_BIND: &str = "urn:ietf:params:xml:ns:xmpp-bind";
/// Namespace of the session establishment of RFC 3921, which does nothing any more.
pub const NS_SESSION: &str = "urn:ietf:params:xml:ns:xmpp-session";

/// How the peer is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// A TCP stream, with STARTTLS or direct TLS.
    Tcp,
    /// A WebSocket, always under TLS: ours, or that of a proxy in front.
    WebSocket,
}

impl Transport {
    /// For the administrator.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::WebSocket => "websocket",
        }
    }
}

/// A fresh connection.
#[derive(Debug, Clone)]
pub struct Opened {
    /// How.
    pub transport: Transport,
    /// Encrypted already.
    pub encrypted: bool,
    /// From where.
    pub address: IpAddr,
    /// What it said about itself.
    pub params: Arc<SessionParams>,
    /// `previd`: the token of the session it wants to resume, which selects the guest's name.
    pub previd: Option<String>,
}

/// Who signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The account, or a guest's name for this session.
    pub account: BareJid,
    /// Where.
    pub host: HostKind,
    /// With a secret; a guest has none.
    pub is_authenticated: bool,
}

/// What has to happen next.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Write this.
    Send(String),
    /// The peer's next bytes begin a new stream.
    RestartParser,
    /// Begin TLS after what was written.
    StartTls,
    /// Limits from now on.
    SetLimits(StreamLimits),
    /// Ask the account store; hand the answer to [`Negotiation::answered`].
    Ask(AccountRequest),
    /// The peer wants a resource; answer the `iq` with this id.
    Bind {
        /// Who.
        identity: Identity,
        /// The resource asked for.
        resource: Option<ResourcePart>,
        /// Id of the request.
        id: String,
    },
    /// The peer wants its session back. If that fails, [`Negotiation`] goes on.
    Resume {
        /// Who.
        identity: Identity,
        /// Token of the session.
        previd: String,
        /// Stanzas the peer had handled.
        h: u32,
    },
    /// An account's password was set by an invite; its streams end.
    PasswordReset(BareJid),
    /// Close after what was written.
    End,
}

/// What negotiation may look at and change beside itself.
pub struct Environment<'a> {
    /// The hosts.
    pub hosts: &'a Hosts,
    /// When.
    pub now: Now,
    /// For nonces and names.
    pub random: &'a mut dyn CryptoRng,
    /// Wrong passwords so far.
    pub guesses: &'a mut Guesses,
    /// For names that don't exist.
    pub server_secret: &'a [u8],
    /// Iterations claimed for names that don't exist.
    pub iterations: u32,
    /// For passwords set with an invite.
    pub policy: PasswordPolicy,
    /// The guest whose session has this token, if any.
    pub adopt: &'a dyn Fn(&str) -> Option<BareJid>,
}

/// One connection that has no session yet.
#[derive(Debug)]
pub struct Negotiation {
    pub(super) opened: Opened,
    pub(super) host: Option<(String, HostKind)>,
    attempts: u32,
    pub(super) invite: Option<(InviteHash, InviteOffer)>,
    pub(super) state: State,
}

#[derive(Debug)]
pub(super) enum State {
    /// No stream header yet.
    Unopened,
    /// Features were sent.
    Unauthenticated,
    /// SCRAM: the account's keys are on their way.
    AwaitingCredentials { hash: ScramHash, first: ScramFirst, account: BareJid },
    /// SCRAM: the challenge was sent.
    Challenged { exchange: ScramExchange, account: BareJid, pretended: bool },
    /// PLAIN: the password is being checked.
    AwaitingVerification { account: BareJid },
    /// An invite is being looked up.
    AwaitingInvite { invite: InviteHash, request: Element },
    /// An account is being made.
    AwaitingRegistration { account: BareJid, request: Element },
    /// The peer has to open the stream anew.
    Authenticated(Identity),
    /// Features were sent: bind or resume.
    Unbound(Identity),
    /// A stream error was sent, or the session took over.
    Over,
}

impl Negotiation {
    /// Of a fresh connection.
    pub fn new(opened: Opened) -> Self {
        Self { opened, host: None, attempts: 0, invite: None, state: State::Unopened }
    }

    /// The connection this is about.
    pub fn connection(&self) -> &Opened {
        &self.opened
    }

    /// TLS is in place; the peer opens the stream anew.
    pub fn encrypted(&mut self) {
        self.opened.encrypted = true;
        self.state = State::Unopened;
        self.host = None;
    }

    /// The session took over the connection, or it ends.
    pub fn finish(&mut self) {
        self.state = State::Over;
    }

    /// The peer said something.
    pub fn handle(&mut self, frame: Frame, env: &mut Environment<'_>, out: &mut Vec<Step>) {
        match frame {
            Frame::Open(open) => self.open(&open, env, out),
            Frame::Close => self.end(None, out),
            Frame::Stanza(element) => self.element(element, env, out),
        }
    }

    /// The peer sent something that is no XML stream, or took too long.
    pub fn fail(&mut self, error: StreamError, env: &mut Environment<'_>, out: &mut Vec<Step>) {
        if matches!(self.state, State::Unopened) {
            // An error needs a stream to be in (RFC 6120 §4.9.1.2).
            out.push(Step::Send(self.header(&env.hosts.domain, env.random)));
        }
        self.end(Some(error), out);
    }

    pub(super) fn end(&mut self, error: Option<StreamError>, out: &mut Vec<Step>) {
        if let Some(error) = error {
            out.push(Step::Send(error.to_xml()));
        }
        out.push(Step::Send(closing(self.opened.transport).to_owned()));
        out.push(Step::End);
        self.state = State::Over;
    }

    fn header(&self, host: &str, random: &mut dyn CryptoRng) -> String {
        let id = random::token(random);
        let mut out = String::with_capacity(192);
        match self.opened.transport {
            Transport::Tcp => {
                out.push_str("<?xml version='1.0'?><stream:stream");
                xml::write_namespace(NS_CLIENT, &mut out);
                xml::write_attribute("xmlns:stream", NS_STREAM, &mut out);
            }
            Transport::WebSocket => {
                out.push_str("<open");
                xml::write_namespace(NS_FRAMING, &mut out);
            }
        }
        xml::write_attribute("from", host, &mut out);
        xml::write_attribute("id", &id, &mut out);
        out.push_str(" version='1.0' xml:lang='en'");
        out.push_str(match self.opened.transport {
            Transport::Tcp => ">",
            Transport::WebSocket => "/>",
        });
        out
    }

    fn open(&mut self, open: &StreamOpen, env: &mut Environment<'_>, out: &mut Vec<Step>) {
        let expected = matches!(self.state, State::Unopened | State::Authenticated(_));
        // Without `to` the main host is meant (RFC 6120 §4.7.2 leaves it to us).
        let asked = match &open.to {
            Some(_) => open.host(),
            None => Some(env.hosts.domain.clone()),
        };
        let known = asked.as_deref().and_then(|host| Some((host.to_owned(), env.hosts.kind(host)?)));
        let own_name = known.as_ref().map_or(env.hosts.domain.as_str(), |(host, _)| host.as_str());
        out.push(Step::Send(self.header(own_name, env.random)));
        if !expected {
            return self.end(Some(StreamCondition::NotWellFormed.into()), out);
        }
        let Some((host, kind)) = known else {
            let error = StreamError::new(StreamCondition::HostUnknown, "This server does not serve that host.");
            return self.end(Some(error), out);
        };
        if !open.version_supported {
            return self.end(Some(StreamCondition::UnsupportedVersion.into()), out);
        }
        match std::mem::replace(&mut self.state, State::Over) {
            State::Authenticated(identity) => {
                if self.host.as_ref().is_none_or(|(before, _)| *before != host) {
                    let error =
                        StreamError::new(StreamCondition::HostUnknown, "The host can't change after authentication.");
                    return self.end(Some(error), out);
                }
                out.push(Step::Send(unbound_features()));
                self.state = State::Unbound(identity);
            }
            _ => {
                out.push(Step::Send(self.unauthenticated_features(kind, env.hosts)));
                self.host = Some((host, kind));
                self.state = State::Unauthenticated;
            }
        }
    }

    fn unauthenticated_features(&self, kind: HostKind, hosts: &Hosts) -> String {
        let mut features = Element::bare("features", NS_STREAM);
        if self.opened.encrypted {
            let mut mechanisms = Element::bare("mechanisms", NS_SASL);
            for mechanism in hosts.mechanisms(kind) {
                mechanisms.append_child(Element::bare("mechanism", NS_SASL).with_text(mechanism.name()));
            }
            features.append_child(mechanisms);
            if kind == HostKind::Main {
                features.append_child(Element::bare("register", register::NS_REGISTER_FEATURE));
                features.append_child(Element::bare("register", register::NS_INVITE_FEATURE));
            }
        } else {
            features.append_child(Element::bare("starttls", NS_TLS).child(Element::bare("required", NS_TLS)));
        }
        features_to_xml(&features)
    }

    fn element(&mut self, element: Element, env: &mut Environment<'_>, out: &mut Vec<Step>) {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Unauthenticated if element.is("starttls", NS_TLS) => {
                if self.opened.encrypted {
                    out.push(Step::Send(format!("<failure xmlns='{NS_TLS}'/>")));
                    return self.end(None, out);
                }
                out.push(Step::Send(format!("<proceed xmlns='{NS_TLS}'/>")));
                out.push(Step::StartTls);
            }
            State::Unauthenticated if element.is("auth", NS_SASL) => {
                self.state = State::Unauthenticated;
                if let Err((failure, text)) = self.begin_sasl(&element, env, out) {
                    self.sasl_failed(failure, text, out);
                }
            }
            State::Unauthenticated if element.is("iq", NS_CLIENT) => {
                self.state = State::Unauthenticated;
                self.unauthenticated_iq(element, env, out);
            }
            State::Challenged { exchange, account, pretended } if element.is("response", NS_SASL) => {
                let result = sasl::decode(&element.text()).and_then(|data| exchange.finish(&data));
                match result {
                    Ok(signature) if !pretended => {
                        env.guesses.succeeded(&account, self.opened.address);
                        self.authenticated(account, true, Some(signature.as_bytes()), out);
                    }
                    Ok(_) | Err(SaslFailure::NotAuthorized) => {
                        env.guesses.failed(&account, self.opened.address, env.now.monotonic_ms);
                        self.sasl_failed(SaslFailure::NotAuthorized, None, out);
                    }
                    Err(failure) => self.sasl_failed(failure, None, out),
                }
            }
            State::Challenged { .. } if element.is("abort", NS_SASL) => {
                self.sasl_failed(SaslFailure::Aborted, None, out);
            }
            State::Unbound(identity) => self.unbound_element(identity, element, out),
            State::Over => {}
            State::Unopened
            | State::Unauthenticated
            | State::AwaitingCredentials { .. }
            | State::Challenged { .. }
            | State::AwaitingVerification { .. }
            | State::AwaitingInvite { .. }
            | State::AwaitingRegistration { .. }
            | State::Authenticated(_) => {
                let error =
                    StreamError::new(StreamCondition::NotAuthorized, "Please sign in first, one step after the other.");
                self.end(Some(error), out);
            }
        }
    }

    fn begin_sasl(
        &mut self,
        auth: &Element,
        env: &mut Environment<'_>,
        out: &mut Vec<Step>,
    ) -> Result<(), (SaslFailure, Option<&'static str>)> {
        if !self.opened.encrypted {
            return Err((SaslFailure::EncryptionRequired, None));
        }
        let (host, kind) = self.host.clone().ok_or((SaslFailure::MalformedRequest, None))?;
        let mechanism = env
            .hosts
            .mechanisms(kind)
            .iter()
            .find(|mechanism| auth.attr("mechanism") == Some(mechanism.name()))
            .ok_or((SaslFailure::InvalidMechanism, None))?;
        let data = sasl::decode(&auth.text()).map_err(|failure| (failure, None))?;
        match mechanism {
            Mechanism::Anonymous => {
                let adopted = self
                    .opened
                    .previd
                    .as_deref()
                    .and_then(env.adopt)
                    .filter(|account| account.domain().as_str() == host);
                let account = adopted.unwrap_or_else(|| {
                    // COMPAT(lib-jitsi-meet): the first eight characters of the name become the
                    // room nick if they are lower-case hexadecimal, as those of a UUID are.
                    BareJid::new(&format!("{}@{host}", random::uuid(env.random)))
                        .expect("a UUID at a host of ours is an address")
                });
                self.authenticated(account, false, None, out);
            }
            Mechanism::Plain => {
                let message = PlainMessage::parse(&data).map_err(|failure| (failure, None))?;
                let account = own_account(&message.authcid, message.authzid.as_deref(), &host)?;
                self.may_try(&account, env)?;
                let password = Password::new(&message.password).map_err(|_| (SaslFailure::NotAuthorized, None))?;
                out.push(Step::Ask(AccountRequest::Verify { account: account.clone(), password }));
                self.state = State::AwaitingVerification { account };
            }
            Mechanism::Scram(hash) => {
                let first = ScramFirst::parse(&data).map_err(|failure| (failure, None))?;
                let account = own_account(&first.username, first.authzid.as_deref(), &host)?;
                self.may_try(&account, env)?;
                out.push(Step::Ask(AccountRequest::Credentials { account: account.clone() }));
                self.state = State::AwaitingCredentials { hash: *hash, first, account };
            }
        }
        Ok(())
    }

    fn may_try(&self, account: &BareJid, env: &Environment<'_>) -> Result<(), (SaslFailure, Option<&'static str>)> {
        if env.guesses.must_wait(account, self.opened.address, env.now.monotonic_ms) {
            return Err((
                SaslFailure::TemporaryAuthFailure,
                Some("Too many wrong passwords. Please wait a few minutes and try again."),
            ));
        }
        Ok(())
    }

    fn sasl_failed(&mut self, failure: SaslFailure, text: Option<&str>, out: &mut Vec<Step>) {
        self.attempts += 1;
        out.push(Step::Send(failure.to_xml(text)));
        if self.attempts >= SASL_ATTEMPTS_MAX {
            let error =
                StreamError::new(StreamCondition::PolicyViolation, "Too many attempts to sign in on one stream.");
            return self.end(Some(error), out);
        }
        self.state = State::Unauthenticated;
    }

    fn authenticated(&mut self, account: BareJid, is_authenticated: bool, data: Option<&[u8]>, out: &mut Vec<Step>) {
        let Some((_, host)) = self.host else {
            return self.end(Some(StreamCondition::UndefinedCondition.into()), out);
        };
        // The peer may open its new stream as soon as it reads this: be ready for it before.
        out.push(Step::RestartParser);
        out.push(Step::Send(match data {
            Some(data) => format!("<success xmlns='{NS_SASL}'>{}</success>", sasl::encode(data)),
            None => format!("<success xmlns='{NS_SASL}'/>"),
        }));
        self.state = State::Authenticated(Identity { account, host, is_authenticated });
    }

    /// The account store answered what [`Step::Ask`] asked.
    pub fn answered(&mut self, answer: AccountAnswer, env: &mut Environment<'_>, out: &mut Vec<Step>) {
        match (std::mem::replace(&mut self.state, State::Over), answer) {
            (State::AwaitingCredentials { hash, first, account }, AccountAnswer::Credentials(found)) => {
                let pretended = found.is_none();
                let credentials = found
                    .unwrap_or_else(|| Credentials::pretended(env.server_secret, account.as_str(), env.iterations));
                let (exchange, challenge) = ScramExchange::begin(hash, first, credentials, env.random);
                out.push(Step::Send(format!(
                    "<challenge xmlns='{NS_SASL}'>{}</challenge>",
                    sasl::encode(challenge.as_bytes())
                )));
                self.state = State::Challenged { exchange, account, pretended };
            }
            (State::AwaitingVerification { account }, AccountAnswer::Verified(true)) => {
                env.guesses.succeeded(&account, self.opened.address);
                self.authenticated(account, true, None, out);
            }
            (State::AwaitingVerification { account }, AccountAnswer::Verified(false)) => {
                env.guesses.failed(&account, self.opened.address, env.now.monotonic_ms);
                self.sasl_failed(SaslFailure::NotAuthorized, None, out);
            }
            (State::AwaitingInvite { invite, request }, AccountAnswer::Invite(offer)) => {
                self.state = State::Unauthenticated;
                let answer = match offer {
                    Some(offer) => {
                        self.invite = Some((invite, offer));
                        result(&request)
                    }
                    None => {
                        env.guesses.invites_by_address.failed(address_key(self.opened.address), env.now.monotonic_ms);
                        register::invite_not_found().answer(&request, "")
                    }
                };
                out.push(Step::Send(unaddressed(answer)));
            }
            (State::AwaitingRegistration { account, request }, AccountAnswer::Registered(outcome)) => {
                self.state = State::Unauthenticated;
                let answer = match outcome {
                    Ok(()) => {
                        self.invite = None;
                        out.push(Step::PasswordReset(account));
                        result(&request)
                    }
                    Err(RegisterRefusal::Conflict) => StanzaError::new(Condition::Conflict)
                        .text("Somebody has this name already. Please choose another one.")
                        .answer(&request, ""),
                    Err(RegisterRefusal::InviteGone) => register::invite_not_found().answer(&request, ""),
                };
                out.push(Step::Send(unaddressed(answer)));
            }
            (State::AwaitingInvite { request, .. } | State::AwaitingRegistration { request, .. }, _) => {
                self.state = State::Unauthenticated;
                out.push(Step::Send(unaddressed(register::store_failed().answer(&request, ""))));
            }
            (State::AwaitingCredentials { .. } | State::AwaitingVerification { .. }, _) => {
                self.sasl_failed(SaslFailure::TemporaryAuthFailure, None, out);
            }
            (state, _) => self.state = state,
        }
    }

    fn unbound_element(&mut self, identity: Identity, element: Element, out: &mut Vec<Step>) {
        if element.is("iq", NS_CLIENT) {
            if let Some(bind) = element.get_child("bind", NS_BIND)
                && element.attr("type") == Some("set")
            {
                let resource =
                    bind.get_child("resource", NS_BIND).map(Element::text).filter(|resource| !resource.is_empty());
                // A resource that can't be one is replaced by ours (RFC 6120 §7.7.2.2 allows it).
                let resource =
                    resource.and_then(|resource| ResourcePart::new(&resource).ok().map(std::borrow::Cow::into_owned));
                out.push(Step::Bind {
                    identity: identity.clone(),
                    resource,
                    id: element.attr("id").unwrap_or_default().to_owned(),
                });
                self.state = State::Unbound(identity);
                return;
            }
            let error = StanzaError::new(Condition::NotAuthorized).text("Bind a resource first.");
            out.push(Step::Send(unaddressed(error.answer(&element, ""))));
            self.state = State::Unbound(identity);
            return;
        }
        if element.is("resume", NS_SM) {
            let previd = element.attr("previd");
            let h = element.attr("h").and_then(|h| h.parse().ok());
            let (Some(previd), Some(h)) = (previd, h) else {
                out.push(Step::Send(sm_failed("bad-request", None)));
                self.state = State::Unbound(identity);
                return;
            };
            out.push(Step::Resume { identity: identity.clone(), previd: previd.to_owned(), h });
            self.state = State::Unbound(identity);
            return;
        }
        if element.has_ns(NS_SM) {
            out.push(Step::Send(sm_failed("unexpected-request", None)));
            self.state = State::Unbound(identity);
            return;
        }
        let error = StreamError::new(StreamCondition::NotAuthorized, "Bind a resource first.");
        self.end(Some(error), out);
    }
}

/// `<failed/>` of stream management with its condition; `h` where the old session is known.
pub fn sm_failed(condition: &str, h: Option<u32>) -> String {
    let h = h.map(|h| format!(" h='{h}'")).unwrap_or_default();
    format!("<failed xmlns='{NS_SM}'{h}><{condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>")
}

/// What ends a stream on this transport.
pub fn closing(transport: Transport) -> &'static str {
    match transport {
        Transport::Tcp => "</stream:stream>",
        Transport::WebSocket => "<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>",
    }
}

fn own_account(
    authcid: &str,
    authzid: Option<&str>,
    host: &str,
) -> Result<BareJid, (SaslFailure, Option<&'static str>)> {
    // Some clients send the whole address as the name.
    let name = authcid.strip_suffix(host).and_then(|name| name.strip_suffix('@')).unwrap_or(authcid);
    let node = NodePart::new(name).map_err(|_| (SaslFailure::NotAuthorized, None))?;
    let account = BareJid::new(&format!("{}@{host}", node.as_str())).map_err(|_| (SaslFailure::NotAuthorized, None))?;
    match authzid {
        Some(other) if Jid::new(other).map(Jid::into_bare).ok().as_ref() != Some(&account) => {
            Err((SaslFailure::InvalidAuthzid, None))
        }
        _ => Ok(account),
    }
}

fn unbound_features() -> String {
    let features = Element::bare("features", NS_STREAM)
        .child(Element::bare("bind", NS_BIND).child(Element::bare("required", NS_BIND)))
        .child(Element::bare("session", NS_SESSION).child(Element::bare("optional", NS_SESSION)))
        .child(Element::bare("sm", NS_SM).child(Element::bare("optional", NS_SM)));
    features_to_xml(&features)
}

/// COMPAT(strophe): features are looked up by the qualified name `stream:features`.
fn features_to_xml(features: &Element) -> String {
    let mut out = format!("<stream:features xmlns:stream='{NS_STREAM}'");
    if features.children().next().is_none() {
        out.push_str("/>");
    } else {
        out.push('>');
        for child in features.children() {
            xml::write(child, "", &mut out);
        }
        out.push_str("</stream:features>");
    }
    out
}

pub(super) fn result(iq: &Element) -> Element {
    Element::bare("iq", NS_CLIENT).with("type", "result").with_opt("id", iq.attr("id")).with_opt("from", iq.attr("to"))
}

/// An answer on a stream whose peer has no address yet.
pub(super) fn unaddressed(mut answer: Element) -> String {
    answer.take("to");
    xml::to_string(&answer)
}
