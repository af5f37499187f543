//! A DTLS handshake as a browser's (RFC 5764), without media after it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dimpl::{Config, Dtls, DtlsCertificate, Output};
use tokio::net::UdpSocket;

use super::stun;

/// First wait for an answer to a flight.
const FLIGHT_TIMEOUT: Duration = Duration::from_millis(250);
/// A datagram of a handshake is shorter.
const DATAGRAM_BYTES_MAX: usize = 2048;

/// A certificate for one handshake.
pub(super) fn certificate() -> Result<DtlsCertificate, String> {
    dimpl::certificate::generate_self_signed_certificate().map_err(|error| error.to_string())
}

/// As signalled (RFC 8122 §5): upper-case hexadecimal pairs separated by colons.
pub(super) fn fingerprint(certificate: &[u8]) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, certificate);
    digest.as_ref().iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":")
}

/// The path of a handshake: STUN checks of the peer go on beside it and must be answered.
pub(super) struct Path<'a> {
    pub(super) socket: &'a UdpSocket,
    pub(super) peer: SocketAddr,
    /// Our own ICE password.
    pub(super) password: &'a str,
}

impl Path<'_> {
    /// Shakes hands as the client. Answers the SHA-256 fingerprint of the peer's certificate once
    /// both have keys for SRTP.
    pub(super) async fn shake_hands(&self, certificate: DtlsCertificate) -> Result<String, String> {
        let config = Config::builder().flight_start_rto(FLIGHT_TIMEOUT).build().map_err(|error| error.to_string())?;
        let mut dtls = Dtls::new_auto(Arc::new(config), certificate, Instant::now());
        dtls.set_active(true);
        dtls.handle_timeout(Instant::now()).map_err(|error| error.to_string())?;
        let mut peer_fingerprint = None;
        let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
        let mut datagram = vec![0; DATAGRAM_BYTES_MAX];
        loop {
            let deadline = loop {
                match dtls.poll_output(&mut buffer) {
                    Output::Packet(record) => {
                        self.socket.send_to(record, self.peer).await.map_err(|error| error.to_string())?;
                    }
                    Output::BufferTooSmall { needed } => buffer.resize(needed, 0),
                    Output::PeerCert(der) => peer_fingerprint = Some(fingerprint(der)),
                    Output::KeyingMaterial(..) => {
                        return peer_fingerprint.ok_or_else(|| "it sent no certificate".to_owned());
                    }
                    Output::Timeout(at) => break at,
                    _ => {}
                }
            };
            tokio::select! {
                received = self.socket.recv_from(&mut datagram) => {
                    let (length, from) = received.map_err(|error| error.to_string())?;
                    self.take(&datagram[..length], from, &mut dtls).await?;
                }
                () = tokio::time::sleep_until(deadline.into()) => {
                    dtls.handle_timeout(Instant::now()).map_err(|error| error.to_string())?;
                }
            }
        }
    }

    /// The first byte tells what a datagram is (RFC 7983 §7).
    async fn take(&self, datagram: &[u8], from: SocketAddr, dtls: &mut Dtls) -> Result<(), String> {
        match datagram.first() {
            Some(20..=63) if from == self.peer => dtls.handle_packet(datagram).map_err(|error| error.to_string()),
            Some(0..=3) => self.answer(datagram, from).await,
            _ => Ok(()),
        }
    }

    /// Answers a connectivity check of the peer; anything else is left alone.
    pub(super) async fn answer(&self, datagram: &[u8], from: SocketAddr) -> Result<(), String> {
        if let Some(response) = stun::respond(datagram, from, self.password.as_bytes()) {
            self.socket.send_to(&response, from).await.map_err(|error| error.to_string())?;
        }
        Ok(())
    }
}
