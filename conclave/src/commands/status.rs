//! `conclave status`.

use std::process::ExitCode;
use std::time::Duration;

use tokio::io::AsyncReadExt;

use super::{say, say_json};
use crate::data_directory::DataDirectory;
use crate::failure::{EXIT_NOT_RUNNING, Failure};
use crate::supervise::status::{Process, SOCKET, Status};

/// Exit codes: 0 ready, 1 running but not ready, 3 not running.
pub(crate) async fn status(data: &DataDirectory, json: bool) -> Result<ExitCode, Failure> {
    let Some(status) = read(data).await else {
        if json {
            say_json(&serde_json::json!({"running": false, "ready": false, "processes": []}));
        } else {
            say(&format!("Conclave does not run on {}. Start it with: conclave run", data.root().display()));
        }
        return Ok(ExitCode::from(EXIT_NOT_RUNNING));
    };
    if json {
        let mut value = serde_json::to_value(&status).map_err(|e| Failure::here(e.to_string()))?;
        if let Some(object) = value.as_object_mut() {
            object.insert("running".to_owned(), true.into());
        }
        say_json(&value);
    } else {
        show(&status);
    }
    Ok(if status.ready { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

pub(crate) async fn read(data: &DataDirectory) -> Option<Status> {
    let mut stream = crate::admin::connect_unix(&data.socket(SOCKET)).await.ok()?;
    let mut text = String::new();
    let read = stream.read_to_string(&mut text);
    tokio::time::timeout(Duration::from_secs(5), read).await.ok()?.ok()?;
    serde_json::from_str(&text).ok()
}

fn show(status: &Status) {
    let url = status.url.as_deref().unwrap_or("(address not known yet)");
    say(&format!("{} {url}", if status.ready { "Ready:" } else { "Not ready:" }));
    if let Some(certificate) = &status.certificate {
        let days = certificate.days_left;
        let detail = certificate.warning.as_ref().map(|warning| format!(": {warning}")).unwrap_or_default();
        say(&format!("{:<12} {days} {} left{detail}", "certificate", if days == 1 { "day" } else { "days" }));
    }
    for process in &status.processes {
        say(&row(process));
        for (kind, address) in &process.addresses {
            say(&format!("  {kind:<8} {address}"));
        }
    }
}

fn row(process: &Process) -> String {
    let state = match (process.pid, process.healthy) {
        (None, _) => "down".to_owned(),
        (Some(pid), true) => format!("healthy, pid {pid}"),
        (Some(pid), false) => format!("not healthy, pid {pid}"),
    };
    let restarts = match process.restarts {
        0 => String::new(),
        1 => ", started again once".to_owned(),
        n => format!(", started again {n} times"),
    };
    let detail = process.detail.as_ref().map(|d| format!(": {d}")).unwrap_or_default();
    format!("{:<12} {state}{restarts}{detail}", process.name)
}
