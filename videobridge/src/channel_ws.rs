//! Bridge channels over WebSockets.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use protocol::bridge_channel::MESSAGE_LEN_MAX;
use protocol::ids::{ConferenceId, EndpointId};
use subtle::ConstantTimeEq;
use tokio::sync::mpsc;
use tokio::time::{Instant, interval_at};

use crate::control::Control;
use crate::media_link::{CHANNEL_QUEUE_MAX, ToMedia};

/// Time between pings.
const PING_INTERVAL: Duration = Duration::from_secs(15);

/// Silence after which a socket is given up.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);

/// Time one message may take to be written.
const WRITE_TIMEOUT: Duration = Duration::from_secs(15);

/// Another socket took the place of this one (RFC 6455 §7.4.1: normal).
const REPLACED: u16 = 1000;

/// The endpoint is gone (RFC 6455 §7.4.1: going away): clients that are alone do not dial again.
const EXPIRED: u16 = 1001;

/// `/colibri-ws/{server id}/{conference}/{endpoint}?pwd=…`
pub(crate) async fn upgrade(
    State(control): State<Arc<Control>>,
    Path((server, conference, endpoint)): Path<(String, String, String)>,
    RawQuery(query): RawQuery,
    upgrade: WebSocketUpgrade,
) -> Response {
    if server != control.about.server_id {
        return StatusCode::NOT_FOUND.into_response();
    }
    // One answer for whatever is wrong: nobody learns which conferences and endpoints there are.
    let refused = || (StatusCode::FORBIDDEN, "The bridge channel cannot be opened.").into_response();
    let (Ok(conference), Ok(endpoint)) = (ConferenceId::new(conference), EndpointId::new(endpoint)) else {
        return refused();
    };
    let given = query.as_deref().and_then(password).unwrap_or_default();
    let allowed = control.read(|colibri| {
        colibri
            .channel_password(&conference, &endpoint)
            .is_some_and(|expected| bool::from(expected.as_bytes().ct_eq(given.as_bytes())))
    });
    if !allowed {
        return refused();
    }
    upgrade
        .max_message_size(MESSAGE_LEN_MAX)
        .max_frame_size(MESSAGE_LEN_MAX)
        .on_upgrade(move |socket| serve(control, conference, endpoint, socket))
}

fn password(query: &str) -> Option<&str> {
    query.split('&').find_map(|parameter| parameter.strip_prefix("pwd="))
}

async fn serve(control: Arc<Control>, conference: ConferenceId, endpoint: EndpointId, mut socket: WebSocket) {
    let (messages, mut from_media) = mpsc::channel(CHANNEL_QUEUE_MAX);
    let number = control.socket_opened(&conference, &endpoint, messages).await;
    let mut ping = interval_at(Instant::now() + PING_INTERVAL, PING_INTERVAL);
    let mut heard = Instant::now();
    loop {
        tokio::select! {
            message = from_media.recv() => match message {
                Some(text) => {
                    control.counters.socket_messages_sent.fetch_add(1, Ordering::Relaxed);
                    if !write(&mut socket, Message::Text(text.into())).await {
                        break;
                    }
                }
                None => {
                    let lives = control.read(|colibri| colibri.channel_password(&conference, &endpoint).is_some());
                    let (code, reason) = if lives { (REPLACED, "replaced") } else { (EXPIRED, "endpoint expired") };
                    write(&mut socket, Message::Close(Some(CloseFrame { code, reason: reason.into() }))).await;
                    // Media let go of the socket: it need not be told.
                    return;
                }
            },
            received = socket.recv() => {
                heard = Instant::now();
                match received {
                    Some(Ok(Message::Text(text))) => {
                        control.counters.socket_messages_received.fetch_add(1, Ordering::Relaxed);
                        let message = ToMedia::SocketMessage {
                            conference: conference.clone(),
                            endpoint: endpoint.clone(),
                            socket: number,
                            text: text.to_string(),
                        };
                        control.to_media(message).await;
                    }
                    Some(Ok(Message::Binary(_) | Message::Ping(_) | Message::Pong(_))) => {}
                    Some(Ok(Message::Close(_)) | Err(_)) | None => break,
                }
            }
            _ = ping.tick() => {
                if heard.elapsed() > IDLE_TIMEOUT || !write(&mut socket, Message::Ping(Default::default())).await {
                    break;
                }
            }
        }
    }
    control.to_media(ToMedia::SocketClosed { conference, endpoint, socket: number }).await;
}

async fn write(socket: &mut WebSocket, message: Message) -> bool {
    matches!(tokio::time::timeout(WRITE_TIMEOUT, socket.send(message)).await, Ok(Ok(())))
}

#[cfg(test)]
mod tests {
    use super::password;

    #[test]
    fn the_password_is_a_query_parameter() {
        assert_eq!(password("pwd=abc"), Some("abc"));
        assert_eq!(password("x=1&pwd=abc&y=2"), Some("abc"));
        assert_eq!(password("xpwd=abc"), None);
    }
}
