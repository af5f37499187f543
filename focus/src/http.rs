//! The HTTP side: conference requests of browsers, health for whoever supervises, state for whoever looks for a fault.

use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, Query as UrlQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use focus_core::focus::Focus;
use focus_core::stanza::{Condition, Fault};
use protocol::conference_request::{ConferenceIq, ConferenceJson};
use serde::Deserialize;
use tokio::sync::{mpsc, oneshot};

use crate::drive::Query;
use crate::metrics;

/// Largest conference request, in bytes.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// How long an answer of the loop may take. Rooms are joined or given up well before.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);

/// Everything that is served.
pub(crate) fn router(queries: mpsc::Sender<Query>) -> Router {
    Router::new()
        .route("/conference-request/v1", post(conference_request).options(|| async { StatusCode::OK }))
        .route("/about/health", get(health))
        .route("/about/version", get(version))
        .route("/stats", get(stats))
        .route("/metrics", get(metrics_text))
        .route("/debug", get(debug))
        .route("/debug/conferences", get(conferences))
        .route("/debug/conferences-full", get(conferences_full))
        .route("/debug/conference/{jid}", get(conference))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(queries)
}

type Queries = State<mpsc::Sender<Query>>;

async fn conference_request(State(queries): Queries, body: Bytes) -> Response {
    let request: ConferenceJson = match serde_json::from_slice(&body) {
        Ok(request) => request,
        Err(error) => return (StatusCode::BAD_REQUEST, format!("Bad request: {error}")).into_response(),
    };
    let (answer, answered) = oneshot::channel();
    let query = Query::Conference(Box::new(ConferenceIq::from(request)), answer);
    match ask(&queries, query, answered).await {
        Some(Ok(answer)) => axum::Json(ConferenceJson::from(answer)).into_response(),
        Some(Err(fault)) => refusal(&fault),
        None => unavailable(),
    }
}

/// The status that browsers expect for a refusal.
fn refusal(fault: &Fault) -> Response {
    let status = match fault.condition {
        Condition::NotAuthorized | Condition::Forbidden | Condition::NotAllowed => StatusCode::FORBIDDEN,
        Condition::BadRequest | Condition::NotAcceptable => StatusCode::BAD_REQUEST,
        Condition::ResourceConstraint | Condition::ServiceUnavailable => StatusCode::SERVICE_UNAVAILABLE,
        Condition::Gone
        | Condition::InternalServerError
        | Condition::ItemNotFound
        | Condition::FeatureNotImplemented => StatusCode::INTERNAL_SERVER_ERROR,
    };
    // COMPAT(lib-jitsi-meet): a stale login is recognised by this text, if it is not at the very start.
    let text = match &fault.application {
        Some(application) if application.name() == "session-invalid" => "Bad request: 400 invalid-session".to_owned(),
        _ => fault.text.clone(),
    };
    (status, text).into_response()
}

async fn health(State(queries): Queries) -> Response {
    match inspect(&queries, Focus::health).await {
        Some(Ok(())) => StatusCode::OK.into_response(),
        Some(Err(why)) => (StatusCode::SERVICE_UNAVAILABLE, why).into_response(),
        None => unavailable(),
    }
}

async fn version() -> Response {
    let version = serde_json::json!({
        "name": "Conclave focus",
        "version": env!("CARGO_PKG_VERSION"),
        "os": std::env::consts::OS,
    });
    axum::Json(version).into_response()
}

async fn stats(State(queries): Queries) -> Response {
    json(inspect(&queries, Focus::stats).await)
}

async fn metrics_text(State(queries): Queries, headers: HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let format = metrics::Format::accepted_by(accept);
    match inspect(&queries, move |focus, now_ms| metrics::render(focus, format, now_ms)).await {
        Some(text) => ([(header::CONTENT_TYPE, format.content_type())], text).into_response(),
        None => unavailable(),
    }
}

#[derive(Debug, Default, Deserialize)]
struct Full {
    #[serde(default)]
    full: bool,
}

async fn debug(State(queries): Queries, UrlQuery(Full { full }): UrlQuery<Full>) -> Response {
    json(inspect(&queries, move |focus, now_ms| focus.debug(full, now_ms)).await)
}

async fn conferences(State(queries): Queries) -> Response {
    let rooms = |focus: &Focus, _| focus.conferences().map(|c| serde_json::json!(c.room.as_str())).collect();
    json(inspect(&queries, rooms).await)
}

async fn conferences_full(State(queries): Queries) -> Response {
    json(inspect(&queries, |focus, now_ms| focus.debug(true, now_ms)["conferences"].take()).await)
}

async fn conference(State(queries): Queries, Path(jid): Path<String>) -> Response {
    let found = inspect(&queries, move |focus, now_ms| {
        focus.conferences().find(|c| c.room.as_str() == jid).map(|c| c.debug(true, now_ms))
    })
    .await;
    match found {
        Some(None) => (StatusCode::NOT_FOUND, "There is no such conference.").into_response(),
        other => json(other.flatten()),
    }
}

fn json(value: Option<serde_json::Value>) -> Response {
    value.map_or_else(unavailable, |value| axum::Json(value).into_response())
}

fn unavailable() -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, "The focus is busy or about to stop. Try again soon.").into_response()
}

async fn inspect<T: Send + 'static>(
    queries: &mpsc::Sender<Query>,
    read: impl FnOnce(&Focus, u64) -> T + Send + 'static,
) -> Option<T> {
    let (query, answered) = Query::inspect(read);
    ask(queries, query, answered).await
}

async fn ask<T>(queries: &mpsc::Sender<Query>, query: Query, answered: oneshot::Receiver<T>) -> Option<T> {
    let exchange = async {
        queries.send(query).await.ok()?;
        answered.await.ok()
    };
    tokio::time::timeout(ANSWER_TIMEOUT, exchange).await.ok()?
}
