//! The administrator's program that publishes and removes TXT records for DNS-01.
//!
//! It is run as `PROGRAM [ARGUMENT…] present RECORD VALUE`, later with `cleanup` instead of
//! `present`; RECORD is `_acme-challenge.NAME.` with its final dot, VALUE the text of the record.
//! (Programs written for lego's `exec` provider take the same words.) The environment has
//! `CONCLAVE_ACME_ACTION`, `CONCLAVE_ACME_NAME`, `CONCLAVE_ACME_RECORD` and `CONCLAVE_ACME_VALUE`.
//! It ends with exit code 0 when the record is (or is no longer) published, within
//! [`Settings::hook_timeout`](super::Settings).

use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::process::Command;

use super::AcmeError;

/// Bytes of what the program says that are kept.
const SAID_BYTES_MAX: u64 = 4096;
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
    pub(super) async fn run(&self, hook: &[String], action: Action, timeout: Duration) -> Result<(), AcmeError> {
        let (program, arguments) = hook.split_first().ok_or_else(|| AcmeError::Hook("none is set".to_owned()))?;
        let record = format!("_acme-challenge.{}.", self.name);
        let mut child = Command::new(program)
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
        let mut said = Vec::new();
        let ended = async {
            if let Some(mut stderr) = child.stderr.take() {
                (&mut stderr).take(SAID_BYTES_MAX).read_to_end(&mut said).await?;
                // A program that says more must not wait for a reader.
                tokio::io::copy(&mut stderr, &mut tokio::io::sink()).await?;
            }
            child.wait().await
        };
        let status = tokio::time::timeout(timeout, ended)
            .await
            .map_err(|_| AcmeError::Hook(format!("{program} did not end within {} s", timeout.as_secs_f32())))?
            .map_err(|error| AcmeError::Hook(format!("{program} failed: {error}")))?;
        if status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&said);
        let said: String = said.trim().chars().filter(|c| !c.is_control()).take(SAID_CHARACTERS_MAX).collect();
        Err(AcmeError::Hook(format!("{program} {} ended with {status}: {said}", action.word())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(20);

    fn shell(script: &str) -> Vec<String> {
        ["sh", "-c", script, "hook"].map(str::to_owned).to_vec()
    }

    async fn run(script: &str, timeout: Duration) -> Result<(), String> {
        let record = Record { name: "example.org".to_owned(), value: "digest".to_owned() };
        record.run(&shell(script), Action::Present, timeout).await.map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn the_program_is_told_by_arguments_and_environment() {
        let script = "test \"$*\" = 'present _acme-challenge.example.org. digest' \
            && test \"$CONCLAVE_ACME_ACTION $CONCLAVE_ACME_NAME $CONCLAVE_ACME_RECORD $CONCLAVE_ACME_VALUE\" \
            = 'present example.org _acme-challenge.example.org. digest'";
        assert_eq!(run(script, LONG).await, Ok(()));
    }

    #[tokio::test]
    async fn a_program_that_hangs_fails_or_talks_without_end_is_an_error_of_its_own() {
        let said = run("exec sleep 60", Duration::from_millis(200)).await.expect_err("it hangs");
        assert!(said.contains("did not end within 0.2 s"), "{said}");
        let said = run("head -c 300000 /dev/zero | tr '\\0' x >&2; exit 7", LONG).await.expect_err("it fails");
        assert!(said.contains("exit status: 7: xxx") && said.len() < 400, "{} bytes", said.len());
        let nobody = Record { name: "example.org".to_owned(), value: String::new() };
        let missing = nobody.run(&["/nowhere/hook".to_owned()], Action::Cleanup, LONG).await.expect_err("missing");
        assert!(missing.to_string().contains("cannot be run"), "{missing}");
    }
}
