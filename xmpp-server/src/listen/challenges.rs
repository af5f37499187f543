//! Plain HTTP beside an ACME authority: its challenges are answered, everything else is sent to HTTPS.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use certs::acme::{Answers, HTTP_PATH};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;

use super::places::Places;
use super::socket;

/// A connection lives no longer: there is one small answer to get.
const CONNECTION_MAX: Duration = Duration::from_secs(10);

/// What requests are answered with.
#[derive(Clone)]
struct Doorman {
    answers: Arc<Answers>,
    /// `https://HOST` with its port.
    website: Arc<str>,
}

/// Accepts connections until the process ends. `website` is where people are sent.
pub(crate) async fn serve(listener: TcpListener, answers: Arc<Answers>, website: String) {
    let router = router(answers, website);
    let places = Places::new();
    loop {
        let Some(vacancy) = places.vacancy().await else {
            return;
        };
        let (stream, address) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        socket::prepare(&stream);
        let Some(place) = places.take(vacancy, address.ip()) else {
            continue;
        };
        let service = TowerToHyperService::new(router.clone());
        tokio::spawn(async move {
            let mut builder = hyper::server::conn::http1::Builder::new();
            builder.timer(TokioTimer::new()).header_read_timeout(CONNECTION_MAX).keep_alive(false);
            let served = builder.serve_connection(TokioIo::new(stream), service);
            if let Ok(Err(error)) = tokio::time::timeout(CONNECTION_MAX, served).await {
                tracing::debug!(%error, "a connection ended");
            }
            drop(place);
        });
    }
}

fn router(answers: Arc<Answers>, website: String) -> Router {
    Router::new().fallback(answer).with_state(Doorman { answers, website: website.into() })
}

async fn answer(State(doorman): State<Doorman>, uri: Uri) -> Response {
    if let Some(token) = uri.path().strip_prefix(HTTP_PATH) {
        return match doorman.answers.http(token) {
            Some(key_authorization) => {
                ([(header::CONTENT_TYPE, "application/octet-stream")], key_authorization).into_response()
            }
            None => StatusCode::NOT_FOUND.into_response(),
        };
    }
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let location = format!("{}{path}", doorman.website);
    (StatusCode::PERMANENT_REDIRECT, [(header::LOCATION, location)]).into_response()
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::Request;
    use tower::ServiceExt;

    use super::*;

    async fn get(path: &str) -> Response {
        let router = router(Arc::default(), "https://meet.example:8443".to_owned());
        let request = Request::get(path).body(Body::empty()).expect("a request");
        router.oneshot(request).await.expect("an answer")
    }

    #[tokio::test]
    async fn everything_but_a_running_challenge_is_sent_to_https() {
        let sent = get("/room?jwt=x").await;
        assert_eq!(sent.status(), StatusCode::PERMANENT_REDIRECT);
        assert_eq!(sent.headers()[header::LOCATION], "https://meet.example:8443/room?jwt=x");
        assert_eq!(
            get("//elsewhere.example/").await.headers()[header::LOCATION],
            "https://meet.example:8443//elsewhere.example/"
        );
        assert_eq!(get("/.well-known/acme-challenge/unknown").await.status(), StatusCode::NOT_FOUND);
    }
}
