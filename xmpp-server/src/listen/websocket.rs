//! XMPP over WebSocket (RFC 7395) at `/xmpp-websocket`, with Jitsi's query parameters.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade, close_code};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use xmpp_server_core::component::SessionParams;
use xmpp_server_core::server::{Input, Output};
use xmpp_server_core::session::ConnectionId;
use xmpp_server_core::stream::framing::WebSocketFraming;
use xmpp_server_core::stream::limits::{ByteRate, STANZA_BYTES_MAX};
use xmpp_server_core::stream::negotiation::{Opened, Transport};
use xmpp_server_core::stream::{StreamCondition, StreamError};

use super::places::Place;
use super::tcp::WRITE_MAX;
use crate::drive::{Command, Commands, Driver};

/// The subprotocol (RFC 7395 §3.1).
const SUBPROTOCOL: &str = "xmpp";
/// Largest message taken from the socket: a little over the largest stanza, so that one over the
/// limit is answered with a stream error instead of a closed socket, after which a client would
/// only resume and send it again.
const MESSAGE_BYTES_MAX: usize = STANZA_BYTES_MAX + 64 * 1024;
/// Silence after which the peer is asked whether it is there.
const PING_AFTER: Duration = Duration::from_secs(30);
/// Silence after which the connection is taken for dead.
const DEAD_AFTER: Duration = Duration::from_secs(75);
/// Commands handled before the socket is flushed.
const COMMANDS_AT_ONCE: usize = 256;
/// Longest query value taken.
const PARAMETER_BYTES_MAX: usize = 1024;

/// Upgrades a request.
pub(crate) fn upgrade(
    upgrade: WebSocketUpgrade,
    query: Option<&str>,
    headers: &HeaderMap,
    address: IpAddr,
    driver: Driver,
    place: Option<Arc<Place>>,
) -> Response {
    if !offers_xmpp(headers) {
        return (StatusCode::NOT_IMPLEMENTED, "Only the WebSocket subprotocol \"xmpp\" is spoken here.\n")
            .into_response();
    }
    let (params, previd) = session_params(query.unwrap_or_default(), headers);
    let opened = Opened {
        transport: Transport::WebSocket,
        // HTTPS is ours, or a trusted proxy's.
        encrypted: true,
        address,
        params: Arc::new(params),
        previd,
    };
    upgrade.protocols([SUBPROTOCOL]).max_message_size(MESSAGE_BYTES_MAX).max_frame_size(MESSAGE_BYTES_MAX).on_upgrade(
        move |socket| async move {
            if let Some((id, commands)) = driver.open(opened).await {
                converse(socket, id, commands, &driver).await;
                driver.input(Input::Closed(id)).await;
            }
            drop(place);
        },
    )
}

/// Jitsi's client fetches the address in plain HTTP to keep load balancers awake.
pub(crate) fn keep_alive() -> Response {
    let mut response = (StatusCode::OK, "XMPP over WebSocket is spoken here.\n").into_response();
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn offers_xmpp(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::SEC_WEBSOCKET_PROTOCOL)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|protocol| protocol.trim().eq_ignore_ascii_case(SUBPROTOCOL))
}

/// Reads Jitsi's parameters. A value is decoded exactly once: a room's node keeps the percent
/// signs that are part of it.
fn session_params(query: &str, headers: &HeaderMap) -> (SessionParams, Option<String>) {
    let mut params = SessionParams::default();
    let mut previd = None;
    for (name, value) in query_pairs(query) {
        if value.is_empty() || value.len() > PARAMETER_BYTES_MAX {
            continue;
        }
        match name.as_str() {
            "room" => params.room = Some(value.to_lowercase()),
            "prefix" => params.tenant = Some(value.to_lowercase()),
            "customusername" => params.custom_username = Some(value),
            "previd" => previd = Some(value),
            _ => {}
        }
    }
    params.region = headers
        .get("x-proxy-region")
        .and_then(|value| value.to_str().ok())
        .filter(|value| !value.is_empty() && value.len() <= PARAMETER_BYTES_MAX)
        .map(str::to_owned);
    (params, previd)
}

/// `application/x-www-form-urlencoded` pairs, decoded.
pub(crate) fn query_pairs(query: &str) -> impl Iterator<Item = (String, String)> + '_ {
    query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (form_decoded(name), form_decoded(value))
    })
}

fn form_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escape = (bytes[at] == b'%')
            .then(|| text.get(at + 1..at + 3))
            .flatten()
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match (bytes[at], escape) {
            (_, Some(byte)) => {
                out.push(byte);
                at += 3;
            }
            (b'+', _) => {
                out.push(b' ');
                at += 1;
            }
            (byte, None) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Carries frames in and commands out until either side ends it.
async fn converse(mut socket: WebSocket, id: ConnectionId, mut commands: Commands, driver: &Driver) {
    let mut framing = WebSocketFraming::new();
    let mut rate: Option<ByteRate> = None;
    let mut batch = Vec::new();
    let started = Instant::now();
    let mut heard = tokio::time::Instant::now();
    let mut asked = false;
    let mut reading = true;
    let mut read_again_at = tokio::time::Instant::now();
    loop {
        let next_check = heard + if asked { DEAD_AFTER } else { PING_AFTER };
        tokio::select! {
            biased;
            count = commands.receiver.recv_many(&mut batch, COMMANDS_AT_ONCE) => {
                if count == 0 {
                    return;
                }
                let mut closing = false;
                let mut queued = 0;
                let mut messages = Vec::with_capacity(batch.len());
                for command in batch.drain(..) {
                    match command {
                        Command::Write(output) => {
                            queued += output.len();
                            messages.push(frame(output));
                        }
                        Command::SetLimits(limits) => {
                            framing.set_limits(limits);
                            rate = limits.bytes_per_s.map(|rate| ByteRate::new(rate, elapsed_ms(started)));
                        }
                        // Every frame is a document of its own; TLS is in place.
                        Command::RestartParser | Command::StartTls => {}
                        Command::Close => closing = true,
                    }
                }
                commands.written(queued);
                if write(&mut socket, messages).await.is_err() {
                    return;
                }
                if closing {
                    close(&mut socket, close_code::NORMAL).await;
                    return;
                }
            }
            message = socket.recv(), if reading && read_again_at <= tokio::time::Instant::now() => {
                heard = tokio::time::Instant::now();
                asked = false;
                let text = match message {
                    Some(Ok(Message::Text(text))) => text,
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
                    Some(Ok(Message::Binary(_))) => {
                        close(&mut socket, close_code::UNSUPPORTED).await;
                        return;
                    }
                    Some(Err(error)) if is_too_large(&error) => {
                        reading = false;
                        let error = StreamError::new(StreamCondition::PolicyViolation, "The stanza is too large.");
                        driver.input(Input::Broken(id, error)).await;
                        continue;
                    }
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                };
                let input = match framing.receive(&text) {
                    Ok(frame) => Input::Frame(id, frame),
                    Err(error) => {
                        reading = false;
                        Input::Broken(id, error)
                    }
                };
                if !driver.input(input).await {
                    return;
                }
                if let Some(rate) = &mut rate {
                    let pause_ms = rate.take(text.len(), elapsed_ms(started));
                    read_again_at = tokio::time::Instant::now() + Duration::from_millis(pause_ms);
                }
            }
            () = tokio::time::sleep_until(read_again_at), if reading && read_again_at > tokio::time::Instant::now() => {}
            () = tokio::time::sleep_until(next_check) => {
                if asked || write(&mut socket, vec![Message::Ping(bytes::Bytes::new())]).await.is_err() {
                    return;
                }
                asked = true;
            }
        }
    }
}

fn frame(output: Output) -> Message {
    Message::Text(match output {
        Output::Text(text) => text.into(),
        Output::Stanza(stanza) if stanza.tail.is_empty() => text_of(stanza.head),
        Output::Stanza(stanza) => text_of([&stanza.head[..], &stanza.tail[..]].concat().into()),
    })
}

fn text_of(bytes: bytes::Bytes) -> Utf8Bytes {
    Utf8Bytes::try_from(bytes).expect("stanzas are serialised from strings")
}

fn is_too_large(error: &axum::Error) -> bool {
    use std::error::Error as _;
    error
        .source()
        .and_then(|source| source.downcast_ref::<tokio_tungstenite::tungstenite::Error>())
        .is_some_and(|error| matches!(error, tokio_tungstenite::tungstenite::Error::Capacity(_)))
}

async fn write(socket: &mut WebSocket, messages: Vec<Message>) -> Result<(), ()> {
    use futures::SinkExt as _;
    let written = async {
        for message in messages {
            socket.feed(message).await?;
        }
        socket.flush().await
    };
    match tokio::time::timeout(WRITE_MAX, written).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) | Err(_) => Err(()),
    }
}

async fn close(socket: &mut WebSocket, code: u16) {
    let message = Message::Close(Some(CloseFrame { code, reason: Utf8Bytes::from_static("") }));
    if write(socket, vec![message]).await.is_err() {
        return;
    }
    // The peer closes its side; who does not within a moment is left.
    let drained = async { while let Some(Ok(_)) = socket.recv().await {} };
    let _ = tokio::time::timeout(Duration::from_secs(2), drained).await;
}

fn elapsed_ms(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded_exactly_once() {
        let (params, previd) = session_params("prefix=&room=R%25c3%25a9union&previd=ab_c-1&token=x", &HeaderMap::new());
        assert_eq!(params.room.as_deref(), Some("r%c3%a9union"));
        assert_eq!(params.tenant, None, "an empty prefix is legal and means none");
        assert_eq!(previd.as_deref(), Some("ab_c-1"));
        assert_eq!(session_params("room=a+b%zz%", &HeaderMap::new()).0.room.as_deref(), Some("a b%zz%"));
        let long = format!("room={}", "x".repeat(PARAMETER_BYTES_MAX + 1));
        assert_eq!(session_params(&long, &HeaderMap::new()).0.room, None);
    }

    #[test]
    fn the_subprotocol_may_be_one_of_several() {
        let mut headers = HeaderMap::new();
        assert!(!offers_xmpp(&headers));
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static("chat, XMPP"));
        assert!(offers_xmpp(&headers));
    }
}
