//! The administrator's program that publishes and removes TXT records for DNS-01.
//!
//! It is run as `PROGRAM [ARGUMENT…] present RECORD VALUE`, later with `cleanup` instead of
//! `present`; RECORD is `_acme-challenge.NAME.` with its final dot, VALUE the text of the record.
//! (Programs written for lego's `exec` provider take the same words.) The environment has
//! `CONCLAVE_ACME_ACTION`, `CONCLAVE_ACME_NAME`, `CONCLAVE_ACME_RECORD` and `CONCLAVE_ACME_VALUE`.
//! It ends with exit code 0 when the record is (or is no longer) published, within two minutes.

use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use super::AcmeError;

const TIMEOUT: Duration = Duration::from_secs(120);
/// Characters of what the program said that are repeated.
const SAID_CHARACTERS_MAX: usize = 200;

/// What the program is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Present,
    Cleanup,
}

impl Action {
    fn word(self) -> &'static str {
        match self {
            Self::Present => "present",
            Self::Cleanup => "cleanup",
        }
    }
}

/// A record published by the program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) name: String,
    pub(super) value: String,
}

impl Record {
    /// Runs the program and waits for its end.
    pub(super) async fn run(&self, hook: &[String], action: Action) -> Result<(), AcmeError> {
        let (program, arguments) = hook.split_first().ok_or_else(|| AcmeError::Hook("none is set".to_owned()))?;
        let record = format!("_acme-challenge.{}.", self.name);
        let child = Command::new(program)
            .args(arguments)
            .args([action.word(), &record, &self.value])
            .env("CONCLAVE_ACME_ACTION", action.word())
            .env("CONCLAVE_ACME_NAME", &self.name)
            .env("CONCLAVE_ACME_RECORD", &record)
            .env("CONCLAVE_ACME_VALUE", &self.value)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| AcmeError::Hook(format!("{program} cannot be run: {error}")))?;
        let output = tokio::time::timeout(TIMEOUT, child.wait_with_output())
            .await
            .map_err(|_| AcmeError::Hook(format!("{program} did not end within {} s", TIMEOUT.as_secs())))?
            .map_err(|error| AcmeError::Hook(format!("{program} failed: {error}")))?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let said: String = said.trim().chars().filter(|c| !c.is_control()).take(SAID_CHARACTERS_MAX).collect();
        Err(AcmeError::Hook(format!("{program} {} ended with {}: {said}", action.word(), output.status)))
    }
}
