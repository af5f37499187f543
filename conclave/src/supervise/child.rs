//! One process and its life: started, watched, asked to stop, ended.

use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::Child;
use tokio::sync::watch;

use super::Part;
use super::backoff::Backoff;
use super::status::Board;
use crate::failure::{EXIT_CONFIGURATION, Failure};

/// A process that has not ended this long after SIGTERM is killed.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// How a process is to be started; read anew at each start.
pub(crate) type Arguments = Box<dyn Fn() -> Vec<String> + Send>;

/// Keeps `part` running until `stop` turns true. Ends early only when its configuration is wrong.
pub(crate) async fn keep_running(
    part: Part,
    arguments: Arguments,
    board: Board,
    mut stop: watch::Receiver<bool>,
) -> Result<(), Failure> {
    let program = super::program(part.program())?;
    let mut backoff = Backoff::default();
    while !*stop.borrow() {
        let started = Instant::now();
        let mut child = start(&program, &arguments())?;
        // `wait` would close it, and a supervised process ends when its standard input does.
        let _input = child.stdin.take();
        board.update_process(part.name(), |process| process.pid = child.id());
        tracing::debug!(part = part.name(), pid = child.id(), "started");
        let status = tokio::select! {
            status = child.wait() => status,
            () = told(&mut stop) => end(&mut child).await,
        };
        board.update_process(part.name(), |process| {
            process.pid = None;
            process.healthy = false;
        });
        let status = status.map_err(|e| Failure::here(format!("cannot watch {}: {e}", part.name())))?;
        if *stop.borrow() {
            break;
        }
        if status.code() == Some(i32::from(EXIT_CONFIGURATION)) {
            return Err(Failure::configuration(format!(
                "{} refused its configuration; see the line above",
                part.name()
            )));
        }
        let delay = backoff.ended(started.elapsed());
        tracing::warn!(
            part = part.name(),
            "{} ended ({}); starting it again {}",
            part.name(),
            how(status),
            when(delay)
        );
        board.update_process(part.name(), |process| {
            process.restarts += 1;
            process.detail = Some(format!("ended ({}), starting again", how(status)));
        });
        tokio::select! {
            () = tokio::time::sleep(delay) => {}
            () = told(&mut stop) => {}
        }
    }
    Ok(())
}

/// Resolves when the process is to stop; also when nobody is left to say so.
async fn told(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

fn start(program: &std::path::Path, arguments: &[String]) -> Result<Child, Failure> {
    tokio::process::Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::inherit())
        // A group of its own, so that Ctrl-C in a terminal reaches the supervisor first.
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(|e| Failure::here(format!("cannot run {}: {e}", program.display())))
}

async fn end(child: &mut Child) -> std::io::Result<ExitStatus> {
    signal(child.id(), Signal::TERM);
    match tokio::time::timeout(STOP_TIMEOUT, child.wait()).await {
        Ok(status) => status,
        Err(_) => {
            child.start_kill()?;
            child.wait().await
        }
    }
}

/// Sends a signal; a process that has just ended needs none.
pub(crate) fn signal(pid: Option<u32>, signal: Signal) {
    let pid = pid.and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
    if let Some(pid) = pid {
        let _ = kill_process(pid, signal);
    }
}

fn how(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "unknown cause".to_owned(),
    }
}

fn when(delay: Duration) -> String {
    if delay.is_zero() { "now".to_owned() } else { format!("in {:.1} s", delay.as_secs_f32()) }
}
