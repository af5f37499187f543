//! From bytes to stanzas: one long document on TCP (RFC 6120 §4), one document a frame on
//! WebSocket (RFC 7395 §3.3). Every limit on the size and shape of XML is enforced here.

use jid::Jid;
use minidom::Element;
use rxml::error::EndOrError;
use rxml::{AttrMap, Event, Namespace, Parse, QName, WithOptions};

use super::limits::{ATTRIBUTES_MAX, DEPTH_MAX, ELEMENTS_MAX, StreamLimits, TOKEN_BYTES_MAX};
use super::{StreamCondition, StreamError};
use crate::stanza::NS_CLIENT;

/// Namespace of the stream element and of stream features and errors.
pub const NS_STREAM: &str = "http://etherx.jabber.org/streams";
/// Namespace of `<open/>` and `<close/>` on WebSocket.
pub const NS_FRAMING: &str = "urn:ietf:params:xml:ns:xmpp-framing";

/// What a peer said.
#[derive(Debug, Clone, PartialEq)]
pub enum Frame {
    /// A stream was opened, or opened again after authentication.
    Open(StreamOpen),
    /// A complete first-level element.
    Stanza(Element),
    /// The peer closed the stream in an orderly way.
    Close,
}

/// The attributes of an opened stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StreamOpen {
    /// The host the peer wants; `None` when it did not say.
    pub to: Option<String>,
    /// Whether the version is 1.0 or a later 1.x.
    pub version_supported: bool,
}

impl StreamOpen {
    fn new(attributes: &AttrMap) -> Self {
        Self {
            to: attributes.get(&Namespace::NONE, "to").cloned(),
            version_supported: attributes
                .get(&Namespace::NONE, "version")
                .is_some_and(|version| version.starts_with("1.")),
        }
    }

    /// The host asked for, normalised. `None` when absent or not an address of a host.
    pub fn host(&self) -> Option<String> {
        let jid = Jid::new(self.to.as_deref()?).ok()?;
        (jid.node().is_none() && jid.resource().is_none()).then(|| jid.domain().as_str().to_owned())
    }
}

/// Frames of a TCP stream.
#[derive(Debug)]
pub struct TcpFraming {
    parser: rxml::Parser,
    limits: StreamLimits,
    bytes_total: usize,
    bytes_in_stanza: usize,
    opened: bool,
    builder: StanzaBuilder,
}

impl TcpFraming {
    /// The framing of a new connection.
    pub fn new() -> Self {
        Self {
            parser: new_parser(),
            limits: StreamLimits::UNAUTHENTICATED,
            bytes_total: 0,
            bytes_in_stanza: 0,
            opened: false,
            builder: StanzaBuilder::default(),
        }
    }

    /// The peer will open a new stream on the same connection (after TLS, after SASL).
    pub fn restart(&mut self) {
        self.parser = new_parser();
        self.bytes_in_stanza = 0;
        self.opened = false;
        self.builder = StanzaBuilder::default();
    }

    /// Limits from now on.
    pub fn set_limits(&mut self, limits: StreamLimits) {
        self.limits = limits;
        self.bytes_total = 0;
    }

    /// Whether a stanza has begun and not ended.
    pub fn is_within_stanza(&self) -> bool {
        !self.builder.stack.is_empty()
    }

    /// Reads bytes as they came; appends what is complete to `frames`, in order. After an error
    /// the stream is over.
    pub fn receive(&mut self, bytes: &[u8], frames: &mut Vec<Frame>) -> Result<(), StreamError> {
        self.bytes_total = self.bytes_total.saturating_add(bytes.len());
        if self.limits.bytes_max.is_some_and(|max| self.bytes_total > max) {
            return Err(too_much_before_authentication());
        }
        let mut rest = bytes;
        loop {
            let before = rest.len();
            let parsed = self.parser.parse(&mut rest, false);
            self.bytes_in_stanza += before - rest.len();
            if self.bytes_in_stanza > self.limits.stanza_bytes_max {
                return Err(stanza_too_large());
            }
            let event = match parsed {
                Ok(Some(event)) => event,
                // The document ended with the stream element: whatever follows is nobody's.
                Ok(None) => return Ok(()),
                Err(EndOrError::NeedMoreData) => {
                    if !self.is_within_stanza() {
                        // Idle connections shall not hold on to parsing buffers.
                        self.parser.release_temporaries();
                    }
                    return Ok(());
                }
                Err(EndOrError::Error(error)) => return Err(xml_error(error)),
            };
            match event {
                Event::XmlDeclaration(..) => {}
                Event::StartElement(_, name, attributes) if !self.opened => {
                    if name.0.as_str() != NS_STREAM || name.1.as_str() != "stream" {
                        return Err(StreamError::new(
                            StreamCondition::InvalidNamespace,
                            "A stream begins with <stream:stream>.",
                        ));
                    }
                    self.opened = true;
                    self.bytes_in_stanza = 0;
                    frames.push(Frame::Open(StreamOpen::new(&attributes)));
                }
                Event::StartElement(_, name, attributes) => self.builder.start(name, attributes)?,
                Event::Text(_, text) => self.builder.text(&text)?,
                Event::EndElement(_) => {
                    if self.builder.stack.is_empty() {
                        self.opened = false;
                        frames.push(Frame::Close);
                        return Ok(());
                    }
                    if let Some(stanza) = self.builder.end() {
                        frames.push(Frame::Stanza(stanza));
                        self.bytes_in_stanza = 0;
                    }
                }
            }
            if !self.is_within_stanza() && self.opened {
                self.bytes_in_stanza = 0;
            }
        }
    }
}

impl Default for TcpFraming {
    fn default() -> Self {
        Self::new()
    }
}

/// Frames of a WebSocket.
#[derive(Debug)]
pub struct WebSocketFraming {
    limits: StreamLimits,
    bytes_total: usize,
}

impl WebSocketFraming {
    /// The framing of a new connection.
    pub fn new() -> Self {
        Self { limits: StreamLimits::UNAUTHENTICATED, bytes_total: 0 }
    }

    /// Limits from now on.
    pub fn set_limits(&mut self, limits: StreamLimits) {
        self.limits = limits;
        self.bytes_total = 0;
    }

    /// Reads one text frame. After an error the stream is over.
    pub fn receive(&mut self, text: &str) -> Result<Frame, StreamError> {
        self.bytes_total = self.bytes_total.saturating_add(text.len());
        if self.limits.bytes_max.is_some_and(|max| self.bytes_total > max) {
            return Err(too_much_before_authentication());
        }
        if text.len() > self.limits.stanza_bytes_max {
            return Err(stanza_too_large());
        }
        let mut parser = new_parser();
        let mut builder = StanzaBuilder::default();
        let mut root = None;
        let mut rest = text.as_bytes();
        loop {
            let event = match parser.parse(&mut rest, true) {
                Ok(Some(event)) => event,
                Ok(None) => break,
                Err(EndOrError::NeedMoreData) => return Err(StreamCondition::NotWellFormed.into()),
                Err(EndOrError::Error(error)) => return Err(xml_error(error)),
            };
            match event {
                Event::XmlDeclaration(..) => {}
                Event::StartElement(_, name, attributes) => builder.start(name, attributes)?,
                Event::Text(_, text) => builder.text(&text)?,
                Event::EndElement(_) => root = builder.end(),
            }
        }
        let root = root.ok_or(StreamCondition::NotWellFormed)?;
        if !root.has_ns(NS_FRAMING) {
            return Ok(Frame::Stanza(root));
        }
        match root.name() {
            "open" => Ok(Frame::Open(StreamOpen::new(root.attrs()))),
            "close" => Ok(Frame::Close),
            _ => Err(StreamCondition::UnsupportedStanzaType.into()),
        }
    }
}

impl Default for WebSocketFraming {
    fn default() -> Self {
        Self::new()
    }
}

/// Puts elements together.
#[derive(Debug, Default)]
struct StanzaBuilder {
    stack: Vec<Element>,
    elements: usize,
}

impl StanzaBuilder {
    fn start(&mut self, (ns, name): QName, attributes: AttrMap) -> Result<(), StreamError> {
        self.elements += 1;
        if self.stack.len() >= DEPTH_MAX {
            return Err(too_complex("Elements are nested too deep."));
        }
        if attributes.len() > ATTRIBUTES_MAX {
            return Err(too_complex("An element has too many attributes."));
        }
        if self.elements > ELEMENTS_MAX {
            return Err(too_complex("The stanza has too many elements."));
        }
        if ns.is_none() {
            return Err(StreamError::new(StreamCondition::InvalidNamespace, "An element is in no namespace."));
        }
        let mut element = Element::bare(name.as_str(), ns.as_str());
        *element.attrs_mut() = attributes;
        self.stack.push(element);
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<(), StreamError> {
        match self.stack.last_mut() {
            Some(element) => element.append_text(text),
            // Between stanzas only whitespace may stand: keep-alives (RFC 6120 §4.6.1).
            None if text.bytes().all(|byte| byte.is_ascii_whitespace()) => {}
            None => return Err(StreamCondition::NotWellFormed.into()),
        }
        Ok(())
    }

    fn end(&mut self) -> Option<Element> {
        let element = self.stack.pop()?;
        match self.stack.last_mut() {
            Some(parent) => {
                parent.append_child(element);
                None
            }
            None => {
                self.elements = 0;
                Some(element)
            }
        }
    }
}

fn new_parser() -> rxml::Parser {
    rxml::Parser::with_options(rxml::Options { max_token_length: TOKEN_BYTES_MAX, ..rxml::Options::default() })
}

fn too_complex(text: &'static str) -> StreamError {
    StreamError::new(StreamCondition::PolicyViolation, text)
}

fn stanza_too_large() -> StreamError {
    StreamError::new(StreamCondition::PolicyViolation, "The stanza is too large.")
}

fn too_much_before_authentication() -> StreamError {
    StreamError::new(StreamCondition::PolicyViolation, "Too much was sent before authentication.")
}

fn xml_error(error: rxml::Error) -> StreamError {
    let condition = match error {
        rxml::Error::RestrictedXml(what) if what.starts_with("long ") => {
            return too_complex("A name or attribute value is too long.");
        }
        rxml::Error::RestrictedXml(_) | rxml::Error::UndeclaredEntity => StreamCondition::RestrictedXml,
        rxml::Error::InvalidUtf8Byte(_) => StreamCondition::UnsupportedEncoding,
        rxml::Error::InvalidEof(_)
        | rxml::Error::InvalidChar(..)
        | rxml::Error::UnexpectedChar(..)
        | rxml::Error::UnexpectedByte(..)
        | rxml::Error::InvalidSyntax(_)
        | rxml::Error::UnexpectedToken(..)
        | rxml::Error::DuplicateAttribute
        | rxml::Error::ElementMismatch
        | rxml::Error::MultiColonName(_)
        | rxml::Error::EmptyNamePart(_)
        | rxml::Error::UndeclaredNamespacePrefix(_)
        | rxml::Error::ReservedNamespacePrefix
        | rxml::Error::ReservedNamespaceName
        | rxml::Error::InvalidLocalName(_)
        | rxml::Error::EmptyNamespaceUri => StreamCondition::NotWellFormed,
    };
    condition.into()
}

/// Whether an element is a stanza (RFC 6120 §8).
pub fn is_stanza(element: &Element) -> bool {
    element.has_ns(NS_CLIENT) && matches!(element.name(), "iq" | "message" | "presence")
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPEN: &str = "<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' to='D.example' version='1.0'>";

    fn tcp(chunks: &[&str]) -> Result<Vec<Frame>, StreamError> {
        let mut framing = TcpFraming::new();
        framing.set_limits(StreamLimits::client(1000));
        let mut frames = Vec::new();
        for chunk in chunks {
            framing.receive(chunk.as_bytes(), &mut frames)?;
        }
        Ok(frames)
    }

    #[test]
    fn a_stream_may_arrive_byte_by_byte() {
        let text = format!(
            "{OPEN} \n<message to='a@d'><body>h\u{e4}\u{1f600} &amp; x</body></message><presence/></stream:stream>"
        );
        let mut framing = TcpFraming::new();
        let mut frames = Vec::new();
        for byte in text.as_bytes() {
            framing.receive(&[*byte], &mut frames).expect("valid");
        }
        assert_eq!(frames, tcp(&[&text]).expect("valid"));
        assert_eq!(frames.len(), 4);
        let Frame::Open(open) = &frames[0] else { panic!("{:?}", frames[0]) };
        assert_eq!(open.host().as_deref(), Some("d.example"));
        let Frame::Stanza(message) = &frames[1] else { panic!("{:?}", frames[1]) };
        assert!(is_stanza(message));
        assert_eq!(message.get_child("body", NS_CLIENT).map(Element::text), Some("h\u{e4}\u{1f600} & x".into()));
        assert_eq!(frames[3], Frame::Close);
    }

    #[test]
    fn bad_xml_is_told_apart() {
        let condition = |text: &str| tcp(&[OPEN, text]).expect_err("must be refused").condition;
        assert_eq!(condition("<a></b>"), StreamCondition::NotWellFormed);
        assert_eq!(condition("<message a='1' a='2'/>"), StreamCondition::NotWellFormed);
        assert_eq!(condition("text<a/>"), StreamCondition::NotWellFormed);
        assert_eq!(condition("<x:message/>"), StreamCondition::NotWellFormed);
        assert_eq!(condition("<message>&evil;</message>"), StreamCondition::RestrictedXml);
        assert_eq!(condition("<!-- c -->"), StreamCondition::RestrictedXml);
        assert_eq!(
            tcp(&["<?xml version='1.0'?><!DOCTYPE x>"]).expect_err("must be refused").condition,
            StreamCondition::NotWellFormed
        );
        assert_eq!(
            tcp(&["<stream xmlns='x'>"]).expect_err("must be refused").condition,
            StreamCondition::InvalidNamespace
        );
    }

    #[test]
    fn every_limit_is_reached() {
        let policy = |text: &str| {
            assert_eq!(
                tcp(&[OPEN, text]).expect_err("over the limit").condition,
                StreamCondition::PolicyViolation,
                "{}",
                &text[..40.min(text.len())]
            );
            assert_eq!(
                {
                    let mut framing = WebSocketFraming::new();
                    framing.set_limits(StreamLimits::client(1000));
                    framing.receive(text).expect_err("over the limit").condition
                },
                StreamCondition::PolicyViolation
            );
        };
        let body = "x".repeat(StreamLimits::client(1).stanza_bytes_max);
        policy(&format!("<message xmlns='jabber:client'><body>{body}</body></message>"));
        policy(&format!("<a xmlns='n'>{}{}</a>", "<a>".repeat(DEPTH_MAX), "</a>".repeat(DEPTH_MAX)));
        let attributes: String = (0..=ATTRIBUTES_MAX).map(|i| format!(" a{i}=''")).collect();
        policy(&format!("<a xmlns='n'{attributes}/>"));
        policy(&format!("<a xmlns='n'>{}</a>", "<b/>".repeat(ELEMENTS_MAX)));
        policy(&format!("<a xmlns='n' v='{}'/>", "v".repeat(TOKEN_BYTES_MAX + 1)));
    }

    #[test]
    fn a_stanza_at_the_limit_passes_and_long_text_stays_whole() {
        let body = "y".repeat(StreamLimits::client(1).stanza_bytes_max - 100);
        let frames =
            tcp(&[OPEN, &format!("<message><body>{body}</body></message>"), "<presence/>"]).expect("within the limit");
        let Frame::Stanza(message) = &frames[1] else { panic!("a stanza") };
        assert_eq!(message.get_child("body", NS_CLIENT).map(Element::text), Some(body));
        assert_eq!(frames.len(), 3);
    }

    #[test]
    fn an_endless_stanza_is_cut_off_before_it_is_complete() {
        let mut framing = TcpFraming::new();
        framing.set_limits(StreamLimits::client(1000));
        let mut frames = Vec::new();
        framing.receive(OPEN.as_bytes(), &mut frames).expect("open");
        framing.receive(b"<message><body>", &mut frames).expect("begun");
        let chunk = [b'z'; 4096];
        let refused = (0..100).find_map(|_| framing.receive(&chunk, &mut frames).err());
        assert_eq!(refused.map(|error| error.condition), Some(StreamCondition::PolicyViolation));
    }

    #[test]
    fn before_authentication_the_total_is_bounded() {
        let mut framing = TcpFraming::new();
        let mut frames = Vec::new();
        framing.receive(OPEN.as_bytes(), &mut frames).expect("open");
        let refused = (0..1000).find_map(|_| framing.receive(&[b' '; 1024], &mut frames).err());
        assert_eq!(refused.map(|error| error.condition), Some(StreamCondition::PolicyViolation));
    }

    #[test]
    fn a_restarted_stream_begins_anew() {
        let mut framing = TcpFraming::new();
        let mut frames = Vec::new();
        framing.receive(OPEN.as_bytes(), &mut frames).expect("open");
        framing.restart();
        framing.receive(OPEN.as_bytes(), &mut frames).expect("open again");
        assert_eq!(frames.len(), 2);
    }

    #[test]
    fn websocket_frames_are_whole_documents() {
        let mut framing = WebSocketFraming::new();
        let open =
            framing.receive("<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='d' version='1.0'/>").expect("valid");
        assert!(matches!(open, Frame::Open(ref open) if open.version_supported));
        assert_eq!(framing.receive("<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>"), Ok(Frame::Close));
        for bad in ["", "hello", "<a xmlns='n'>", "<a xmlns='n'/><b xmlns='n'/>", "<a/>"] {
            assert!(framing.receive(bad).is_err(), "{bad}");
        }
    }
}
