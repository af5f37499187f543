//! Control over HTTP: health, version, statistics, colibri2 as JSON, drain, and the door of bridge channels.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use protocol::colibri2::json::{conference_modified, parse_conference_modify};
use protocol::ids::{ConferenceId, MeetingId};
use serde_json::{Map, Value, json};

use crate::channel_ws;
use crate::control::{Control, VERSION};
use crate::figures;

/// Longest request body, in bytes. A request with a full set of sources has a few kilobytes.
const BODY_MAX: usize = 256 * 1024;

type Shared = State<Arc<Control>>;

/// All paths.
pub(crate) fn router(control: Arc<Control>) -> Router {
    let mut router = Router::new()
        .route("/about/health", get(health))
        .route("/about/version", get(version))
        .route("/metrics", get(metrics))
        .route("/debug", get(debug))
        .route("/debug/{conference}", get(debug_conference))
        .route("/colibri/drain", get(drain))
        .route("/colibri/drain/enable", post(drain_enable))
        .route("/colibri/drain/disable", post(drain_disable))
        .route("/colibri-ws/{server}/{conference}/{endpoint}", get(channel_ws::upgrade));
    if control.about.rest {
        router = router
            .route("/colibri/stats", get(stats))
            .route("/colibri/v2/conferences", post(create).get(list))
            .route("/colibri/v2/conferences/{meeting}", axum::routing::patch(modify).get(conference));
    }
    router.layer(DefaultBodyLimit::max(BODY_MAX)).with_state(control)
}

async fn health(State(control): Shared) -> Response {
    match control.health() {
        Ok(()) => StatusCode::OK.into_response(),
        Err(reason) => (StatusCode::INTERNAL_SERVER_ERROR, reason).into_response(),
    }
}

async fn version() -> Json<Value> {
    // COMPAT(jicofo): the name of the reference, by which tools tell bridges from other things.
    Json(json!({"name": "JVB", "version": VERSION, "os": "Linux"}))
}

async fn statistics(control: &Control) -> Map<String, Value> {
    let snapshot = control.snapshot().await.unwrap_or_default();
    figures::statistics(control, &snapshot)
}

async fn stats(State(control): Shared) -> Json<Value> {
    Json(Value::Object(statistics(&control).await))
}

/// By `Accept`: JSON, the older text format, else OpenMetrics.
async fn metrics(State(control): Shared, headers: HeaderMap) -> Response {
    let statistics = statistics(&control).await;
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or("*/*");
    let first = accept
        .split(',')
        .map(|range| range.split(';').next().unwrap_or_default().trim())
        .find(|range| matches!(*range, "application/json" | "text/plain" | "application/openmetrics-text" | "*/*"));
    match first {
        Some("application/json") => Json(Value::Object(statistics)).into_response(),
        Some("text/plain") => (
            [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")],
            figures::exposition(&statistics, false),
        )
            .into_response(),
        _ => (
            [(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")],
            figures::exposition(&statistics, true),
        )
            .into_response(),
    }
}

async fn debug(State(control): Shared) -> Json<Value> {
    let conferences = control.read(|colibri| {
        let conference = |overview: videobridge_core::colibri::ConferenceOverview<'_>| {
            let endpoints: Map<String, Value> =
                overview.endpoints.iter().map(|(id, stats_id)| (id.to_string(), json!(stats_id))).collect();
            let value = json!({
                "id": overview.id, "name": overview.name, "meeting_id": overview.meeting,
                "endpoints": endpoints, "relays": {},
            });
            (overview.id.to_string(), value)
        };
        colibri.overview().map(conference).collect::<Map<_, _>>()
    });
    let health = control.health();
    let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    Json(json!({
        "shutdown_state": "RUNNING",
        "drain": control.is_draining(),
        "time": u64::try_from(time).unwrap_or(u64::MAX),
        "load_management": {"stress": control.load.stress().to_string(), "reducer_enabled": "false"},
        "conferences": conferences,
        "health": {"success": health.is_ok(), "message": health.err()},
        "addresses": control.about.addresses,
    }))
}

/// One conference by its internal id: what is known of each endpoint's transport and media.
async fn debug_conference(State(control): Shared, Path(id): Path<String>) -> Response {
    let snapshot = control.snapshot().await.unwrap_or_default();
    let Some(conference) = ConferenceId::new(id).ok().and_then(|id| snapshot.conferences.get(&id)) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let endpoints: Map<String, Value> = conference
        .stats
        .endpoints
        .iter()
        .map(|member| {
            let transport = conference.endpoints.get(&member.id).cloned().unwrap_or_default();
            let value = json!({
                "visitor": member.visitor,
                "receive_bps": member.receive_bps,
                "send_bps": member.send_bps,
                "estimate_bps": member.estimate_bps,
                "rtt_us": member.rtt_us,
                "outgoing_loss": member.outgoing_loss,
                "ice_connected": transport.ice_connected,
                "dtls_connected": transport.dtls_connected,
                "channel_open": transport.channel_open,
            });
            (member.id.to_string(), value)
        })
        .collect();
    let stats = &conference.stats;
    Json(json!({
        "packets_received": stats.packets_received,
        "packets_sent": stats.packets_sent,
        "packets_dropped": stats.packets_dropped,
        "retransmissions_sent": stats.retransmissions_sent,
        "keyframes_received": stats.keyframes_received,
        "dominant_speaker_changes": stats.dominant_speaker_changes,
        "endpoints": endpoints,
    }))
    .into_response()
}

async fn drain(State(control): Shared) -> Json<Value> {
    Json(json!({"drain": control.is_draining()}))
}

async fn drain_enable(State(control): Shared) -> StatusCode {
    control.set_draining(true);
    StatusCode::OK
}

async fn drain_disable(State(control): Shared) -> StatusCode {
    control.set_draining(false);
    StatusCode::OK
}

async fn create(State(control): Shared, body: Bytes) -> Response {
    carry_out(&control, &body, None)
}

async fn modify(State(control): Shared, Path(meeting): Path<String>, body: Bytes) -> Response {
    match MeetingId::new(meeting) {
        Ok(meeting) if control.read(|colibri| colibri.has_meeting(&meeting)) => {
            carry_out(&control, &body, Some(&meeting))
        }
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

/// COMPAT(jvb): every colibri2 error is a 400 with its text.
fn carry_out(control: &Control, body: &[u8], meeting: Option<&MeetingId>) -> Response {
    let refused = |text: String| (StatusCode::BAD_REQUEST, text).into_response();
    let request = match serde_json::from_slice::<Value>(body) {
        Ok(value) => parse_conference_modify(&value, meeting),
        Err(error) => return refused(format!("the body is not JSON: {error}")),
    };
    match request {
        Ok(request) => match control.modify(&request) {
            Ok(answer) => Json(conference_modified(&answer)).into_response(),
            Err(failure) => refused(failure.to_string()),
        },
        Err(error) => refused(error.to_string()),
    }
}

async fn list() -> StatusCode {
    StatusCode::NOT_IMPLEMENTED
}

async fn conference(State(control): Shared, Path(meeting): Path<String>) -> StatusCode {
    match MeetingId::new(meeting) {
        Ok(meeting) if control.read(|colibri| colibri.has_meeting(&meeting)) => StatusCode::NOT_IMPLEMENTED,
        _ => StatusCode::NOT_FOUND,
    }
}
