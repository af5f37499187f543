//! The web client's files, and the page for every room.

use std::path::{Component, Path, PathBuf};

use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use tower::ServiceExt as _;
use tower_http::services::ServeDir;

use super::config_js::ClientConfig;
use super::server_side_includes as ssi;

/// First parts of a path that are never a room: a missing file there is missing.
const FILE_FOLDERS: [&str; 11] = [
    "assets",
    "connection_optimization",
    "css",
    "fonts",
    "images",
    "lang",
    "libs",
    "sounds",
    "static",
    "transcripts",
    ".well-known",
];
/// Longest included file.
const INCLUDE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// What is served under `/`.
#[derive(Debug, Clone)]
pub(crate) struct Website {
    root: Option<PathBuf>,
    config: ClientConfig,
}

impl Website {
    pub(crate) fn new(root: Option<PathBuf>, config: ClientConfig) -> Self {
        Self { root, config }
    }

    /// Answers a `GET` or `HEAD`. `authority` is the host and port the browser used.
    pub(crate) async fn serve(&self, request: Parts, authority: &str) -> Response {
        let path = request.uri.path().to_owned();
        let Some(place) = Place::of(&path) else {
            return not_found();
        };
        match place.file() {
            "config.js" => return script(self.config.script(authority, place.tenant())),
            "external_api.js" => return self.file("/libs/external_api.min.js", &request).await,
            "index.html" => return self.page(authority, &place).await,
            _ => {}
        }
        let Some(root) = &self.root else {
            return no_client();
        };
        // COMPAT(jitsi-meet): with a tenant the page asks for its files under the tenant's path.
        for candidate in place.candidates() {
            let on_disk = root.join(candidate);
            if !candidate.is_empty() && tokio::fs::metadata(&on_disk).await.is_ok_and(|found| found.is_file()) {
                return self.file(&format!("/{candidate}"), &request).await;
            }
        }
        if place.is_in_file_folder() {
            return not_found();
        }
        self.page(authority, &place).await
    }

    async fn file(&self, path: &str, request: &Parts) -> Response {
        let Some(root) = &self.root else {
            return no_client();
        };
        let Ok(uri) = encoded(path).parse::<Uri>() else {
            return not_found();
        };
        let mut inner = Request::new(Body::empty());
        *inner.method_mut() = request.method.clone();
        *inner.uri_mut() = uri;
        *inner.headers_mut() = request.headers.clone();
        let files = ServeDir::new(root).precompressed_br().precompressed_gzip().append_index_html_on_directories(false);
        let Ok(response) = files.oneshot(inner).await;
        let mut response = response.map(Body::new);
        let headers = response.headers_mut();
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
        let versioned = request.uri.query().is_some_and(|query| query.split('&').any(|pair| pair.starts_with("v=")));
        headers.insert(
            header::CACHE_CONTROL,
            // The names of built assets change with their content.
            if versioned || path.starts_with("/assets/") {
                HeaderValue::from_static("public, max-age=31536000, immutable")
            } else {
                HeaderValue::from_static("no-cache")
            },
        );
        response
    }

    /// The page that every room and every page of the client begins with.
    async fn page(&self, authority: &str, place: &Place<'_>) -> Response {
        let Some(root) = &self.root else {
            return no_client();
        };
        let page = match tokio::fs::read_to_string(root.join("index.html")).await {
            Ok(page) => page,
            Err(error) => {
                tracing::warn!(%error, "the web client's index.html can't be read");
                return no_client();
            }
        };
        let is_jitsi = ssi::has_directives(&page);
        let page = if is_jitsi {
            let tenant = place.tenant();
            let include = |path: &str| {
                if path.trim_start_matches('/') == "config.js" {
                    return Some(self.config.script(authority, tenant));
                }
                let path = Place::of(path)?;
                let path = root.join(path.relative);
                let within = std::fs::metadata(&path).ok()?.len() <= INCLUDE_BYTES_MAX;
                within.then(|| std::fs::read_to_string(path).ok())?
            };
            let variable = |name: &str| match name {
                "subdir" => tenant.map(|tenant| format!("{tenant}/")),
                "subdomain" => tenant.map(|tenant| format!("{tenant}.")),
                "http_host" => Some(authority.to_owned()),
                _ => None,
            };
            ssi::evaluate(&page, &include, &variable)
        } else {
            page
        };
        let mut response = ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], page).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        secure_page(headers, authority, is_jitsi, place.relative.starts_with("account"));
        response
    }
}

/// What a page may do. Jitsi's own page needs scripts within the page and is left as it is.
fn secure_page(headers: &mut HeaderMap, authority: &str, is_jitsi: bool, is_account: bool) {
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(
        HeaderName::from_static("permissions-policy"),
        HeaderValue::from_static("camera=*, microphone=*, display-capture=*, geolocation=(), payment=()"),
    );
    if is_jitsi {
        return;
    }
    // A meeting may be embedded elsewhere, a page that asks for a password may not.
    let ancestors = if is_account { "'none'" } else { "*" };
    let policy = format!(
        "default-src 'self'; connect-src 'self' wss://{authority}; img-src 'self' data: blob:; \
         media-src 'self' blob: mediastream:; style-src 'self' 'unsafe-inline'; \
         script-src 'self' 'wasm-unsafe-eval'; worker-src 'self' blob:; object-src 'none'; \
         base-uri 'self'; form-action 'self'; frame-ancestors {ancestors}"
    );
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
}

/// A path, checked: no part of it leaves the folder.
#[derive(Debug, PartialEq, Eq)]
struct Place<'a> {
    relative: &'a str,
    decoded: Option<String>,
}

impl<'a> Place<'a> {
    fn of(path: &'a str) -> Option<Self> {
        let relative = path.trim_start_matches('/');
        let decoded = percent_decoded(relative)?;
        let stays = Path::new(&decoded).components().all(|part| matches!(part, Component::Normal(_)));
        if !stays || decoded.contains('\0') {
            return None;
        }
        let decoded = (decoded != relative).then_some(decoded);
        Some(Self { relative, decoded })
    }

    fn text(&self) -> &str {
        self.decoded.as_deref().unwrap_or(self.relative)
    }

    /// The last part.
    fn file(&self) -> &str {
        self.text().rsplit('/').next().unwrap_or_default()
    }

    /// The first of two or more parts, unless it is a folder of files.
    fn tenant(&self) -> Option<&str> {
        let (first, _) = self.text().split_once('/')?;
        (!FILE_FOLDERS.contains(&first) && first != "account" && is_tenant(first)).then_some(first)
    }

    /// Where the file may be: as asked for, or without the tenant.
    fn candidates(&self) -> impl Iterator<Item = &str> {
        let without_tenant = self.tenant().and_then(|tenant| self.text().get(tenant.len() + 1..));
        std::iter::once(self.text()).chain(without_tenant)
    }

    fn is_in_file_folder(&self) -> bool {
        self.candidates().any(|path| path.split_once('/').is_some_and(|(first, _)| FILE_FOLDERS.contains(&first)))
    }
}

/// Whether a part of a path can be a tenant: what can be part of a host name.
fn is_tenant(text: &str) -> bool {
    !text.is_empty() && text.len() <= 64 && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let digits = [bytes.next()?, bytes.next()?];
            out.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
        } else {
            out.push(byte);
        }
    }
    String::from_utf8(out).ok()
}

fn encoded(path: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            write!(out, "%{byte:02X}").expect("writing to a string cannot fail");
        }
    }
    out
}

fn script(text: String) -> Response {
    (
        [
            (header::CONTENT_TYPE, "application/javascript; charset=utf-8"),
            (header::CACHE_CONTROL, "no-cache"),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        ],
        text,
    )
        .into_response()
}

fn not_found() -> Response {
    (StatusCode::NOT_FOUND, "Nothing is here.\n").into_response()
}

fn no_client() -> Response {
    (
        StatusCode::NOT_FOUND,
        "The web client is not installed here. Please set web.root to its folder in conclave.toml.\n",
    )
        .into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::to_bytes;
    use serde_json::Map;

    fn site(files: &[(&str, &str)]) -> (tempfile::TempDir, Website) {
        let folder = tempfile::tempdir().expect("a folder");
        for (path, text) in files {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            std::fs::write(path, text).expect("written");
        }
        let config = ClientConfig { host: "meet.example".into(), auth_required: false, overrides: Map::new() };
        let website = Website::new(Some(folder.path().to_owned()), config);
        (folder, website)
    }

    async fn get(website: &Website, path: &str) -> (StatusCode, HeaderMap, String) {
        let mut request = Request::new(Body::empty());
        *request.uri_mut() = path.parse().expect("a path");
        request.headers_mut().insert(header::ACCEPT_ENCODING, HeaderValue::from_static("br"));
        let response = website.serve(request.into_parts().0, "meet.example:8443").await;
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.expect("a body");
        (parts.status, parts.headers, String::from_utf8_lossy(&body).into_owned())
    }

    #[tokio::test]
    async fn rooms_get_the_page_and_files_get_files() {
        let (_folder, website) = site(&[
            ("index.html", "<html>page</html>"),
            ("assets/app-1.js", "plain"),
            ("assets/app-1.js.br", "compressed"),
            ("favicon.svg", "<svg/>"),
        ]);
        for room in ["/", "/TeaParty", "/R%C3%A9union", "/a.b", "/tenant/Room", "/account/invite", "/index.html"] {
            let (status, headers, body) = get(&website, room).await;
            assert_eq!((status, body.as_str()), (StatusCode::OK, "<html>page</html>"), "{room}");
            assert_eq!(headers[header::CACHE_CONTROL], "no-cache");
            let policy = headers[header::CONTENT_SECURITY_POLICY].to_str().expect("text");
            assert!(policy.contains("wss://meet.example:8443"), "{policy}");
            assert_eq!(policy.contains("frame-ancestors 'none'"), room.starts_with("/account"), "{room}");
        }
        let (_, headers, body) = get(&website, "/assets/app-1.js").await;
        assert_eq!(body, "compressed");
        assert_eq!(headers[header::CONTENT_ENCODING], "br");
        assert!(headers[header::CACHE_CONTROL].to_str().expect("text").contains("immutable"));
        let (_, headers, _) = get(&website, "/favicon.svg").await;
        assert_eq!(headers[header::CACHE_CONTROL], "no-cache");
        assert_eq!(get(&website, "/assets/gone.js").await.0, StatusCode::NOT_FOUND);
        assert_eq!(get(&website, "/libs/gone.js").await.0, StatusCode::NOT_FOUND);
        let (_, _, body) = get(&website, "/config.js").await;
        assert!(body.starts_with("var config = {"), "{body}");
    }

    #[tokio::test]
    async fn no_path_leaves_the_folder() {
        let (folder, website) = site(&[("inner/index.html", "<html>inner</html>"), ("secret.txt", "secret")]);
        let website = Website { root: Some(folder.path().join("inner")), ..website };
        for path in
            ["/../secret.txt", "/%2e%2e/secret.txt", "/a/../../secret.txt", "/..%2fsecret.txt", "/%2fetc%2fpasswd"]
        {
            let (_, _, body) = get(&website, path).await;
            assert!(!body.contains("secret") && !body.contains("root:"), "{path}: {body}");
        }
    }

    #[tokio::test]
    async fn a_jitsi_meet_folder_is_served_with_its_includes() {
        let (_folder, website) = site(&[
            (
                "index.html",
                "<head><!--#include virtual=\"base.html\" --><script><!--#include virtual=\"/config.js\" --></script></head>",
            ),
            ("base.html", "<base href=\"/\" />"),
            ("libs/app.bundle.min.js", "app"),
        ]);
        let (_, headers, body) = get(&website, "/tenant/Room").await;
        assert!(body.starts_with("<head><base href=\"/\" /><script>var config = {"), "{body}");
        assert!(body.contains("conference.tenant.meet.example"));
        assert!(!headers.contains_key(header::CONTENT_SECURITY_POLICY), "its page has scripts within");
        let (_, headers, body) = get(&website, "/tenant/libs/app.bundle.min.js?v=1").await;
        assert_eq!(body, "app");
        assert!(headers[header::CACHE_CONTROL].to_str().expect("text").contains("31536000"));
    }

    #[tokio::test]
    async fn without_a_client_the_answer_says_what_to_do() {
        let (_folder, website) = site(&[]);
        let website = Website { root: None, ..website };
        let (status, _, body) = get(&website, "/Room").await;
        assert_eq!(status, StatusCode::NOT_FOUND);
        assert!(body.contains("web.root"));
    }
}
