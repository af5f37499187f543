//! A videobridge of its own process, asked over its private HTTP interface.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

/// It ends when this is dropped.
pub struct Bridge {
    process: Child,
    data: tempfile::TempDir,
}

impl Bridge {
    /// Starts the bridge on a port of its own and waits until it is healthy.
    pub async fn start() -> Self {
        let data = tempfile::tempdir().expect("a directory");
        let process = Command::new(binary())
            .arg("--data")
            .arg(data.path())
            .args(["--set", "videobridge.media_port=0", "--set", "videobridge.rest=true"])
            .args(["--set", "videobridge.advertise=[\"127.0.0.1\"]"])
            // Nobody listens there: this bridge is controlled over HTTP.
            .args(["--set", "videobridge.xmpp_port=1"])
            .env("CONCLAVE_LOG", std::env::var("CONCLAVE_LOG").unwrap_or_else(|_| "error".to_owned()))
            .stdin(Stdio::null())
            .spawn()
            .expect("the bridge starts");
        let bridge = Self { process, data };
        let deadline = Instant::now() + Duration::from_secs(20);
        while bridge.request("GET", "/about/health", None).await.is_none_or(|(status, _)| status != 200) {
            assert!(Instant::now() < deadline, "the bridge does not become healthy");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        bridge
    }

    /// A colibri2 request: creates the conference when `meeting` is new.
    pub async fn modify(&self, meeting: &str, create: bool, mut request: Value) -> Value {
        let (method, path) = if create {
            request["meeting-id"] = json!(meeting);
            request["name"] = json!("room@conference.localhost");
            request["create"] = json!(true);
            ("POST", "/colibri/v2/conferences".to_owned())
        } else {
            ("PATCH", format!("/colibri/v2/conferences/{meeting}"))
        };
        let (status, body) = self.request(method, &path, Some(&request)).await.expect("an answer");
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).expect("JSON")
    }

    /// The process.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// All figures.
    pub async fn statistics(&self) -> Value {
        let (status, body) = self.request("GET", "/colibri/stats", None).await.expect("an answer");
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).expect("JSON")
    }

    /// Status and body; `None` when nobody listens.
    async fn request(&self, method: &str, path: &str, body: Option<&Value>) -> Option<(u16, String)> {
        let body = body.map(Value::to_string).unwrap_or_default();
        let mut stream = UnixStream::connect(self.data.path().join("run/videobridge.sock")).await.ok()?;
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: bridge\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all((head + &body).as_bytes()).await.ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some((status, body.to_owned()))
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The bridge's program, built as this test is.
fn binary() -> PathBuf {
    if let Some(directory) = std::env::var_os("CONCLAVE_BIN") {
        return PathBuf::from(directory).join("conclave-videobridge");
    }
    let mut build = Command::new(env!("CARGO"));
    build.args(["build", "--quiet", "--package", "videobridge", "--message-format", "json-render-diagnostics"]);
    if !cfg!(debug_assertions) {
        build.arg("--release");
    }
    let output = build.stderr(Stdio::inherit()).output().expect("cargo runs");
    assert!(output.status.success(), "the bridge does not build");
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message["target"]["name"] == "conclave-videobridge")
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
        .expect("cargo names the program")
}
