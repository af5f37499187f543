//! What a command says when it fails, and with which exit code.

use std::process::ExitCode;

/// Exit code for a wrong configuration (`EX_CONFIG` of sysexits).
pub(crate) const EXIT_CONFIGURATION: u8 = 78;
/// Exit code for "not running".
pub(crate) const EXIT_NOT_RUNNING: u8 = 3;

/// A failure that ends the command: a stable word, a sentence, an exit code.
#[derive(Debug)]
pub(crate) struct Failure {
    kind: String,
    message: String,
    code: u8,
}

impl Failure {
    /// Something on this machine is in the way.
    pub(crate) fn here(message: impl Into<String>) -> Self {
        Self { kind: "failed".to_owned(), message: message.into(), code: 1 }
    }

    /// The configuration is wrong; the sentence names the key and the fix.
    pub(crate) fn configuration(message: impl Into<String>) -> Self {
        Self { kind: "configuration".to_owned(), message: message.into(), code: EXIT_CONFIGURATION }
    }

    /// The server said no.
    pub(crate) fn refused(kind: impl Into<String>, message: impl Into<String>) -> Self {
        Self { kind: kind.into(), message: message.into(), code: 1 }
    }

    /// The sentence.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// Prints it, as JSON on standard output or as a sentence on standard error.
    pub(crate) fn report(&self, json: bool) -> ExitCode {
        if json {
            let object = serde_json::json!({"ok": false, "error": self.kind, "message": self.message});
            crate::commands::say(&object.to_string());
        } else {
            complain(&self.message);
        }
        ExitCode::from(self.code)
    }
}

#[expect(clippy::print_stderr, reason = "the sentence for the person at the terminal")]
fn complain(message: &str) {
    eprintln!("conclave: {message}");
}

impl From<certs::CertError> for Failure {
    fn from(error: certs::CertError) -> Self {
        Self::here(error.to_string())
    }
}
