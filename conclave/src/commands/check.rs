//! `conclave check`.

use std::net::SocketAddr;
use std::process::ExitCode;

use super::{say, say_json};
use crate::check::{self, Severity};
use crate::cli::Check;
use crate::data_directory::DataDirectory;
use crate::failure::Failure;

/// Exit codes: 0 all is well, 1 there are warnings, 2 something does not work (as prosodyctl's check).
pub(crate) async fn check(
    data: &DataDirectory,
    what: Option<Check>,
    name_server: Option<SocketAddr>,
    json: bool,
) -> Result<ExitCode, Failure> {
    let report = check::run(data, what, name_server).await;
    let worst = report.severity();
    if json {
        say_json(&serde_json::json!({
            "ok": worst == Severity::Ok, "severity": worst, "findings": report.findings,
        }));
    } else {
        for finding in &report.findings {
            let mark = match finding.severity {
                Severity::Ok => "ok     ",
                Severity::Warning => "WARNING",
                Severity::Error => "ERROR  ",
            };
            say(&format!("{mark} {:<12} {}", finding.check, finding.message));
        }
    }
    Ok(match worst {
        Severity::Ok => ExitCode::SUCCESS,
        Severity::Warning => ExitCode::from(1),
        Severity::Error => ExitCode::from(2),
    })
}
