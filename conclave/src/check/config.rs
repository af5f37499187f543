//! The configuration: every part reads its own sections, as strictly as when it starts.

use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncReadExt;

use super::Report;
use crate::cli::Run;
use crate::data_directory::DataDirectory;
use crate::failure::EXIT_CONFIGURATION;
use crate::settings::Settings;
use crate::supervise::Part;

const CHECK: &str = "config";
/// Reading a file takes no longer.
const TIMEOUT: Duration = Duration::from_secs(10);
/// A sentence is shorter.
const SAID_BYTES_MAX: u64 = 16 * 1024;

pub(super) async fn check(data: &DataDirectory, report: &mut Report) {
    let path = data.configuration();
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            report.ok(CHECK, format!("{} does not exist: every key has its default.", path.display()));
            return;
        }
        Err(error) => {
            report
                .error(CHECK, format!("{} cannot be read ({error}); make it readable for this user.", path.display()));
            return;
        }
    };
    let readable_by_others = std::fs::metadata(&path).is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0);
    if readable_by_others && holds_secret(&text) {
        report.error(
            CHECK,
            format!("{0} holds a secret and other users can read it; run: chmod 600 {0}", path.display()),
        );
    }
    // What is wrong for all would be said once by each part.
    if let Err(failure) = Settings::read(data, &Run::default()) {
        report.error(CHECK, failure.message());
        return;
    }
    let mut all_right = true;
    for part in Part::ALL {
        match ask(data, part).await {
            Ok(None) => {}
            Ok(Some(sentence)) => {
                all_right = false;
                report.error(CHECK, sentence);
            }
            Err(reason) => {
                all_right = false;
                report.error(CHECK, format!("the {} cannot check its configuration: {reason}.", part.name()));
            }
        }
    }
    if all_right {
        report.ok(CHECK, format!("{} is right in every part.", path.display()));
    }
}

/// Whether a live line gives a value to a key named for a secret.
fn holds_secret(text: &str) -> bool {
    text.lines().map(str::trim).filter(|line| !line.starts_with('#')).any(|line| {
        line.split_once('=')
            .is_some_and(|(key, _)| key.contains("secret") || key.contains("password ") || key.trim() == "password")
    })
}

/// What the program of `part` says against its configuration.
async fn ask(data: &DataDirectory, part: Part) -> Result<Option<String>, String> {
    let program = crate::supervise::program(part.program()).map_err(|failure| failure.message().to_owned())?;
    let mut child = tokio::process::Command::new(&program)
        .arg("--check-config")
        .arg("--data")
        .arg(data.root())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("cannot run {}: {error}", program.display()))?;
    let mut said = String::new();
    let answer = async {
        if let Some(output) = child.stdout.take() {
            output.take(SAID_BYTES_MAX).read_to_string(&mut said).await?;
        }
        child.wait().await
    };
    let status = tokio::time::timeout(TIMEOUT, answer)
        .await
        .map_err(|_| "it does not answer".to_owned())?
        .map_err(|error| error.to_string())?;
    match status.code() {
        Some(0) => Ok(None),
        Some(code) if code == i32::from(EXIT_CONFIGURATION) => Ok(Some(said.trim().to_owned())),
        _ => Err(format!("it ended with {status}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_seen_by_the_names_of_their_keys() {
        assert!(holds_secret("[x]\nsecret = 'a'"));
        assert!(holds_secret("bind_password = 'a'"));
        assert!(!holds_secret("# secret = 'a'\npassword_length_min = 9"));
    }
}
