//! Accounts. The administrator never needs to know a password: `invite` is the way to prefer.

use std::io::{IsTerminal, Read};
use std::process::ExitCode;

use protocol::admin::{Request, Success};

use super::{say, say_json};
use crate::admin::ask;
use crate::cli::User;
use crate::data_directory::DataDirectory;
use crate::failure::Failure;

/// A password line longer than this is a mistake, such as a whole file.
const PASSWORD_BYTES_MAX: u64 = 4096;

/// `conclave user …`
pub(crate) async fn user(data: &DataDirectory, command: User, json: bool) -> Result<ExitCode, Failure> {
    match command {
        User::Add { name, password_stdin } => add(data, name, password_stdin, json).await,
        User::Passwd { name, password_stdin } => set_password(data, name, password_stdin, json).await,
        User::Del { name } => delete(data, name, json).await,
        User::List => list(data, json).await,
        User::Invite { name, hours } => invite(data, name, hours, json).await,
    }
}

/// `conclave adduser JID`
pub(crate) async fn adduser(data: &DataDirectory, jid: String, json: bool) -> Result<ExitCode, Failure> {
    add(data, jid, false, json).await
}

/// `conclave passwd JID`
pub(crate) async fn passwd(data: &DataDirectory, jid: String, json: bool) -> Result<ExitCode, Failure> {
    set_password(data, jid, false, json).await
}

/// `conclave deluser JID`
pub(crate) async fn deluser(data: &DataDirectory, jid: String, json: bool) -> Result<ExitCode, Failure> {
    delete(data, jid, json).await
}

/// `conclave register USER HOST [PASSWORD]`
pub(crate) async fn register(
    data: &DataDirectory,
    user: &str,
    host: &str,
    password: Option<String>,
    json: bool,
) -> Result<ExitCode, Failure> {
    let password = match password {
        Some(password) => password,
        None => ask_password(false)?,
    };
    let done = ask(data, &Request::UserAdd { name: format!("{user}@{host}"), password }).await?;
    report(&done, "Added", json)
}

async fn add(data: &DataDirectory, name: String, from_stdin: bool, json: bool) -> Result<ExitCode, Failure> {
    let password = ask_password(from_stdin)?;
    let done = ask(data, &Request::UserAdd { name, password }).await?;
    report(&done, "Added", json)
}

async fn set_password(data: &DataDirectory, name: String, from_stdin: bool, json: bool) -> Result<ExitCode, Failure> {
    let password = ask_password(from_stdin)?;
    let done = ask(data, &Request::UserPasswd { name, password }).await?;
    report(&done, "New password set for", json)
}

async fn delete(data: &DataDirectory, name: String, json: bool) -> Result<ExitCode, Failure> {
    let done = ask(data, &Request::UserDel { name }).await?;
    report(&done, "Deleted", json)
}

async fn list(data: &DataDirectory, json: bool) -> Result<ExitCode, Failure> {
    let users = ask(data, &Request::UserList).await?.users.unwrap_or_default();
    if json {
        say_json(&serde_json::json!({"ok": true, "users": users}));
    } else if users.is_empty() {
        say("There are no accounts yet. Invite somebody with: conclave user invite NAME");
    } else {
        users.iter().for_each(|user| say(&user.address));
    }
    Ok(ExitCode::SUCCESS)
}

async fn invite(
    data: &DataDirectory,
    name: Option<String>,
    hours: Option<u64>,
    json: bool,
) -> Result<ExitCode, Failure> {
    let lifetime_s = hours.map(|hours| hours.saturating_mul(3_600));
    let done = ask(data, &Request::UserInvite { name, lifetime_s }).await?;
    let Some(invite) = &done.invite else { return Err(Failure::here("the server gave no link; see its log")) };
    if json {
        say_json(&serde_json::json!({"ok": true, "invite": invite, "address": done.address}));
    } else {
        say(&invite.link);
    }
    Ok(ExitCode::SUCCESS)
}

fn report(done: &Success, what: &str, json: bool) -> Result<ExitCode, Failure> {
    let address = done.address.as_deref().unwrap_or_default();
    if json {
        say_json(&serde_json::json!({"ok": true, "address": address}));
    } else {
        say(&format!("{what} {address}."));
    }
    Ok(ExitCode::SUCCESS)
}

/// From standard input when told so or when there is no terminal to ask on; else asked twice.
fn ask_password(from_stdin: bool) -> Result<String, Failure> {
    let unreadable = |e: std::io::Error| Failure::here(format!("cannot read the password: {e}"));
    if from_stdin || !std::io::stdin().is_terminal() {
        let mut text = String::new();
        std::io::stdin().take(PASSWORD_BYTES_MAX).read_to_string(&mut text).map_err(unreadable)?;
        let line = text.lines().next().unwrap_or_default();
        if line.is_empty() {
            return Err(Failure::here("no password was given; write it as one line on standard input"));
        }
        return Ok(line.to_owned());
    }
    let first = rpassword::prompt_password("Password: ").map_err(unreadable)?;
    let second = rpassword::prompt_password("The same again: ").map_err(unreadable)?;
    if first != second {
        return Err(Failure::here("the two passwords differ; nothing was changed, please try again"));
    }
    Ok(first)
}
