//! One file for each family of commands.

pub(crate) mod cert;
pub(crate) mod check;
pub(crate) mod documents;
pub(crate) mod run;
pub(crate) mod status;
pub(crate) mod user;

/// Prints one line on standard output. A reader that went away (a closed pipe) is no failure.
pub(crate) fn say(line: &str) {
    use std::io::Write;
    let mut output = std::io::stdout().lock();
    let _ = writeln!(output, "{line}").and_then(|()| output.flush());
}

/// Prints `value` as one line of JSON.
pub(crate) fn say_json(value: &impl serde::Serialize) {
    match serde_json::to_string(value) {
        Ok(line) => say(&line),
        Err(error) => say(&serde_json::json!({"ok": false, "message": error.to_string()}).to_string()),
    }
}
