//! The administrator's requests: to the running server's socket, or on the store when it is stopped.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use protocol::admin::{Request, Response, Success};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

use crate::cli::Run;
use crate::data_directory::DataDirectory;
use crate::failure::Failure;
use crate::settings::Settings;

/// An answer longer than this is not one of ours (a list of a million accounts fits).
const RESPONSE_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Setting a password derives keys on purpose slowly; a busy server may queue it.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// Asks the running server; when it is stopped, the server program works on the store.
pub(crate) async fn ask(data: &DataDirectory, request: &Request) -> Result<Success, Failure> {
    let response = match connect(data).await {
        Some(socket) => exchange(socket, request).await?,
        None => offline(data, request).await?,
    };
    accept(response)
}

/// Asks the running server only. `None` when it is stopped or does not answer.
pub(crate) async fn ask_running(data: &DataDirectory, request: &Request) -> Option<Success> {
    let socket = connect(data).await?;
    exchange(socket, request).await.ok().and_then(|response| accept(response).ok())
}

/// The name people reach the server by: the running one's, which its start may have overridden, or
/// the file's.
pub(crate) async fn host(data: &DataDirectory) -> Result<String, Failure> {
    if let Some(Success { health: Some(health), .. }) = ask_running(data, &Request::Health).await {
        return Ok(health.host);
    }
    Ok(Settings::read(data, &Run::default())?.host)
}

fn accept(response: Response) -> Result<Success, Failure> {
    match response {
        Response::Success { result, .. } => Ok(*result),
        Response::Failure { error, message, .. } => {
            let kind = serde_json::to_value(error).ok().and_then(|v| v.as_str().map(str::to_owned));
            Err(Failure::refused(kind.unwrap_or_else(|| "failed".to_owned()), message))
        }
    }
}

async fn connect(data: &DataDirectory) -> Option<UnixStream> {
    connect_unix(&data.socket("admin.sock")).await.ok()
}

/// Connects to a socket whose path may be longer than a socket address holds (108 bytes).
pub(crate) async fn connect_unix(path: &Path) -> std::io::Result<UnixStream> {
    match UnixStream::connect(path).await {
        Err(error) if error.kind() == std::io::ErrorKind::InvalidInput => {
            let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { return Err(error) };
            let folder = std::fs::File::open(folder)?;
            let short = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&folder));
            UnixStream::connect(Path::new(&short).join(name)).await
        }
        other => other,
    }
}

async fn offline(data: &DataDirectory, request: &Request) -> Result<Response, Failure> {
    let program = crate::supervise::program("conclave-xmpp-server")?;
    let mut child = tokio::process::Command::new(&program)
        .arg("admin")
        .arg("--data")
        .arg(data.root())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .spawn()
        .map_err(|e| Failure::here(format!("cannot run {}: {e}", program.display())))?;
    let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(Failure::here("cannot talk to the account store"));
    };
    let response = exchange(tokio::io::join(output, input), request).await;
    let status = child.wait().await.map_err(|e| Failure::here(format!("the account store failed: {e}")))?;
    match (response, status.code()) {
        (Ok(response), _) => Ok(response),
        (Err(_), Some(78)) => Err(Failure::configuration("the configuration is wrong; see the line above")),
        (Err(failure), _) => Err(failure),
    }
}

async fn exchange(stream: impl AsyncRead + AsyncWrite + Unpin, request: &Request) -> Result<Response, Failure> {
    let talk = async {
        let (reader, mut writer) = tokio::io::split(stream);
        let mut line = serde_json::to_vec(request)?;
        line.push(b'\n');
        writer.write_all(&line).await?;
        writer.shutdown().await?;
        let mut answer = String::new();
        BufReader::new(reader.take(RESPONSE_BYTES_MAX)).read_line(&mut answer).await?;
        std::io::Result::Ok(answer)
    };
    let answer = tokio::time::timeout(ANSWER_TIMEOUT, talk)
        .await
        .map_err(|_| Failure::here("the server did not answer in time; see its log"))?
        .map_err(|e| Failure::here(format!("the connection to the server broke: {e}")))?;
    if answer.is_empty() {
        return Err(Failure::here("the server closed the connection without an answer; see its log"));
    }
    serde_json::from_str(&answer)
        .map_err(|_| Failure::here("the server's answer is not understood; do both programs have the same version?"))
}
