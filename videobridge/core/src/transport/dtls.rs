//! The DTLS connection of one endpoint (RFC 5764), on `dimpl`: keys for SRTP, and the records that
//! carry SCTP. The peer's certificate is worth only what its signalled fingerprint says.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use dimpl::{Dtls, Output, SrtpProfile};

use super::certificate::{Certificate, Fingerprint};
use crate::srtp::{KeyingMaterial, Profile};

/// Records waiting to be sent; a flight of a handshake has about six.
const OUTGOING_MAX: usize = 64;
/// Room for what is usual; grown by the rare record that is larger.
const RECORD_BYTES: usize = 2 * 1024;

/// Who begins the handshake (RFC 5763 §5), seen from the side that signals it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setup {
    /// This side sends the ClientHello.
    Active,
    /// This side waits for it.
    Passive,
    /// This side does either.
    Actpass,
}

/// What happened on the connection.
pub(super) enum DtlsEvent {
    /// Keys are there and the peer is who signalling says.
    Up { profile: Profile, keys: Box<KeyingMaterial>, client: bool },
    /// A decrypted record: SCTP.
    Data(Vec<u8>),
    /// The peer said goodbye.
    Closed,
}

/// Why the connection is of no use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum DtlsFailure {
    Handshake(String),
    WrongFingerprint,
}

pub(super) struct DtlsConnection {
    dtls: Dtls,
    certificate: Certificate,
    client: bool,
    started: bool,
    expected: Vec<Fingerprint>,
    peer_certificate: Option<Vec<u8>>,
    keys: Option<(Profile, Box<KeyingMaterial>)>,
    verified: bool,
    closed: bool,
    deadline: Option<Instant>,
    outgoing: VecDeque<Vec<u8>>,
    events: VecDeque<DtlsEvent>,
    buffer: Vec<u8>,
}

impl DtlsConnection {
    /// Ready to be the server: browsers answer `actpass` with `active`, and their first flight may
    /// overtake the signalling.
    pub(super) fn new(certificate: &Certificate, now: Instant) -> Result<Self, DtlsFailure> {
        let dtls = server(certificate, now)?;
        Ok(Self {
            dtls,
            certificate: certificate.clone(),
            client: false,
            started: false,
            expected: Vec::new(),
            peer_certificate: None,
            keys: None,
            verified: false,
            closed: false,
            deadline: None,
            outgoing: VecDeque::new(),
            events: VecDeque::new(),
            buffer: vec![0; RECORD_BYTES],
        })
    }

    /// What the peer signalled. A handshake that began keeps its roles.
    pub(super) fn set_remote(
        &mut self,
        fingerprints: &[Fingerprint],
        setup: Option<Setup>,
        now: Instant,
    ) -> Result<(), DtlsFailure> {
        if !fingerprints.is_empty() {
            self.expected = fingerprints.to_vec();
        }
        if setup == Some(Setup::Passive) && !self.client && !self.started && self.keys.is_none() {
            // COMPAT(jitsi-videobridge): as a client, the plain 1.2 mode lacks renegotiation_info,
            // which its TLS library insists on; the automatic mode sends it.
            let mut dtls = Dtls::new_auto(Arc::clone(&self.certificate.config), self.certificate.dtls.clone(), now);
            dtls.set_active(true);
            self.dtls = dtls;
            self.client = true;
        }
        self.verify()
    }

    /// The path is there: as client, the handshake begins.
    pub(super) fn start(&mut self, now: Instant) -> Result<(), DtlsFailure> {
        if self.client && !self.started {
            self.started = true;
            self.handle_timeout(now)?;
        }
        Ok(())
    }

    pub(super) fn handle_record(&mut self, now: Instant, record: &[u8]) -> Result<(), DtlsFailure> {
        // As client, whatever comes before our ClientHello has left answers nothing.
        if self.closed || (self.client && !self.started) {
            return Ok(());
        }
        self.started = true;
        // The time a handshake may take is counted from the moment told last, which may be long ago.
        self.dtls.handle_timeout(now).map_err(|e| DtlsFailure::Handshake(e.to_string()))?;
        self.dtls.handle_packet(record).map_err(|e| DtlsFailure::Handshake(e.to_string()))?;
        self.drain()
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) -> Result<(), DtlsFailure> {
        if self.closed || (self.client && !self.started) {
            return Ok(());
        }
        self.dtls.handle_timeout(now).map_err(|e| DtlsFailure::Handshake(e.to_string()))?;
        self.drain()
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        if self.closed { None } else { self.deadline }
    }

    /// Encrypts one SCTP packet.
    pub(super) fn send(&mut self, data: &[u8]) -> Result<(), DtlsFailure> {
        if !self.verified || self.closed {
            return Ok(());
        }
        self.dtls.send_application_data(data).map_err(|e| DtlsFailure::Handshake(e.to_string()))?;
        self.drain()
    }

    /// Takes leave of the peer.
    pub(super) fn close(&mut self) {
        if !self.closed {
            let _ = self.dtls.close();
            let _ = self.drain();
            self.closed = true;
        }
    }

    pub(super) fn poll_record(&mut self) -> Option<Vec<u8>> {
        self.outgoing.pop_front()
    }

    pub(super) fn poll_event(&mut self) -> Option<DtlsEvent> {
        self.events.pop_front()
    }

    pub(super) fn is_up(&self) -> bool {
        self.verified && !self.closed
    }

    fn drain(&mut self) -> Result<(), DtlsFailure> {
        loop {
            match self.dtls.poll_output(&mut self.buffer) {
                Output::Packet(record) if self.outgoing.len() < OUTGOING_MAX => {
                    self.outgoing.push_back(record.to_vec());
                }
                Output::BufferTooSmall { needed } => self.buffer.resize(needed, 0),
                Output::Timeout(deadline) => {
                    self.deadline = Some(deadline);
                    break;
                }
                Output::PeerCert(certificate) => self.peer_certificate = Some(certificate.to_vec()),
                Output::KeyingMaterial(material, profile) => {
                    let profile = match profile {
                        SrtpProfile::AES128_CM_SHA1_80 => Profile::Aes128CmSha1_80,
                        SrtpProfile::AEAD_AES_128_GCM => Profile::AeadAes128Gcm,
                        SrtpProfile::AEAD_AES_256_GCM => Profile::AeadAes256Gcm,
                        other => return Err(DtlsFailure::Handshake(format!("SRTP profile {other:?} is not served"))),
                    };
                    let keys = KeyingMaterial::cut(profile, &material)
                        .ok_or_else(|| DtlsFailure::Handshake("too little keying material".to_owned()))?;
                    self.keys = Some((profile, Box::new(keys)));
                }
                Output::ApplicationData(data) if self.verified => {
                    self.events.push_back(DtlsEvent::Data(data.to_vec()));
                }
                Output::CloseNotify => {
                    self.closed = true;
                    self.events.push_back(DtlsEvent::Closed);
                }
                // Packets over the bound are lost, as on any network; nothing is read before the peer is
                // verified; `Connected` says nothing that the keys do not.
                _ => {}
            }
        }
        self.verify()
    }

    /// Keys are given out only when the certificate is the signalled one; until the signalling has
    /// come they wait.
    fn verify(&mut self) -> Result<(), DtlsFailure> {
        let Some(certificate) = &self.peer_certificate else { return Ok(()) };
        if self.verified || self.expected.is_empty() || self.keys.is_none() {
            return Ok(());
        }
        if !self.expected.iter().any(|fingerprint| fingerprint.matches(certificate)) {
            return Err(DtlsFailure::WrongFingerprint);
        }
        if let Some((profile, keys)) = self.keys.take() {
            self.verified = true;
            self.events.push_back(DtlsEvent::Up { profile, keys, client: self.client });
        }
        Ok(())
    }
}

fn server(certificate: &Certificate, now: Instant) -> Result<Dtls, DtlsFailure> {
    let mut dtls = Dtls::new_12(Arc::clone(&certificate.config), certificate.dtls.clone(), now);
    dtls.set_active(false);
    // It must know the time before the first ClientHello.
    dtls.handle_timeout(now).map_err(|e| DtlsFailure::Handshake(e.to_string()))?;
    Ok(dtls)
}
