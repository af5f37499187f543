//! Certificates.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::SystemTime;

use certs::{CertificateSummary, file, inspect};
use protocol::admin::Request;

use super::{say, say_json};
use crate::admin::ask_running;
use crate::cli::{Cert, Run};
use crate::data_directory::DataDirectory;
use crate::failure::Failure;
use crate::settings::Settings;

/// `conclave cert …`
pub(crate) async fn cert(data: &DataDirectory, command: Cert, json: bool) -> Result<ExitCode, Failure> {
    match command {
        Cert::Show { ca: true } => show_authority(data, json),
        Cert::Show { ca: false } => show(data, json).await,
        Cert::Trust => trust(data, json),
        Cert::Generate { host } => generate(data, host, json).await,
        Cert::Request { host } => request(data, host, json).await,
        Cert::Import { chain, key } => import(data, &chain, key.as_deref(), json).await,
    }
}

fn show_authority(data: &DataDirectory, json: bool) -> Result<ExitCode, Failure> {
    let pem = read(&data.certificates().join(file::CA_CERTIFICATE))?;
    if json {
        let summary = inspect::summarize_pem(&pem, SystemTime::now())?;
        say_json(&serde_json::json!({"ok": true, "pem": pem, "certificate": summary}));
    } else {
        say(pem.trim_end());
    }
    Ok(ExitCode::SUCCESS)
}

async fn show(data: &DataDirectory, json: bool) -> Result<ExitCode, Failure> {
    let pem = read(&data.certificates().join(file::SERVER_CHAIN))?;
    let summary = inspect::summarize_pem(&pem, SystemTime::now())?;
    if json {
        say_json(&serde_json::json!({"ok": true, "certificate": summary, "trust_page": trust_page(data).await}));
    } else {
        tell(&summary);
        if let Some(page) = trust_page(data).await {
            say(&format!("To trust it:  conclave cert trust (this machine), {page} (phones and others)"));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Where other devices learn to trust the local authority, while it runs and is in use.
async fn trust_page(data: &DataDirectory) -> Option<String> {
    let local = certs::local_ca::is_served(&data.certificates()).ok()?;
    let url = super::status::read(data).await?.url?;
    local.then(|| format!("{url}trust"))
}

fn tell(summary: &CertificateSummary) {
    say(&format!("For:         {}", summary.names.join(", ")));
    say(&format!("Issued by:   {}", summary.issuer));
    say(&format!("Valid:       {} to {} ({} days left)", summary.not_before, summary.not_after, summary.days_left));
    say(&format!("SHA-256:     {}", summary.fingerprint_sha256));
}

async fn generate(data: &DataDirectory, host: Option<String>, json: bool) -> Result<ExitCode, Failure> {
    let own = crate::admin::host(data).await?;
    let names = certs::ServerNames::new(&own, &Settings::read(data, &Run::default())?.certificate_names)?;
    let host = host.unwrap_or(own);
    if !names.dns().iter().any(|name| name.eq_ignore_ascii_case(&host)) {
        return Err(Failure::here(format!(
            "the local certificate is not for {host}; add it to names in section [certs] of conclave.toml and try again"
        )));
    }
    let served = certs::load_or_create(&data.certificates(), &names, SystemTime::now())?;
    if served == certs::Served::Issued {
        ask_running(data, &Request::CertReload).await;
    }
    let path = data.certificates().join(file::SERVER_CHAIN);
    let summary = inspect::summarize_pem(&read(&path)?, SystemTime::now())?;
    if json {
        say_json(&serde_json::json!({"ok": true, "certificate": summary, "issued": served == certs::Served::Issued}));
    } else {
        tell(&summary);
        say(&format!("Chain:       {}", path.display()));
        say(&format!("Key:         {}", data.certificates().join(file::SERVER_KEY).display()));
    }
    Ok(ExitCode::SUCCESS)
}

async fn request(data: &DataDirectory, host: Option<String>, json: bool) -> Result<ExitCode, Failure> {
    let host = match host {
        Some(host) => host,
        None => crate::admin::host(data).await?,
    };
    let requested = certs::request::request(&data.certificates(), &host)?;
    if json {
        say_json(&serde_json::json!({"ok": true, "request": requested.request, "key": requested.key}));
    } else {
        say(&format!("Request:     {}", requested.request.display()));
        say(&format!("Key:         {}", requested.key.display()));
        say(&format!("Hand in the request; then: conclave cert import ANSWER.pem {}", requested.key.display()));
    }
    Ok(ExitCode::SUCCESS)
}

fn trust(data: &DataDirectory, json: bool) -> Result<ExitCode, Failure> {
    let authority = data.certificates().join(file::CA_CERTIFICATE);
    read(&authority)?;
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let home = home.ok_or_else(|| Failure::here("the home folder is not known; set HOME and try again"))?;
    let outcomes = certs::trust::trust(&authority, &certs::trust::Stores::of_this_machine(home));
    let all = outcomes.iter().all(|outcome| outcome.trusted);
    if json {
        say_json(&serde_json::json!({"ok": all, "stores": outcomes}));
    } else {
        for outcome in &outcomes {
            say(&format!("{} {}: {}", if outcome.trusted { "ok  " } else { "FAIL" }, outcome.store, outcome.message));
        }
    }
    Ok(if all { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn import(data: &DataDirectory, chain: &Path, key: Option<&Path>, json: bool) -> Result<ExitCode, Failure> {
    let host = crate::admin::host(data).await?;
    let source = match key {
        // As prosodyctl has it: the host, then the folder.
        Some(folder) if chain.to_str().is_some_and(|word| word.eq_ignore_ascii_case(&host)) && folder.is_dir() => {
            certs::import::Source::find(folder, None, &host)?
        }
        key => certs::import::Source::find(chain, key, &host)?,
    };
    let summary = certs::import::import(&data.certificates(), &host, &source, SystemTime::now())?;
    let reloaded = ask_running(data, &Request::CertReload).await.is_some();
    if json {
        say_json(&serde_json::json!({"ok": true, "certificate": summary, "reloaded": reloaded}));
    } else {
        tell(&summary);
        say(if reloaded {
            "The running server uses it from now on; open connections stay."
        } else {
            "It is used from the next start on."
        });
    }
    Ok(ExitCode::SUCCESS)
}

fn read(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            Failure::here("there is no certificate yet; it is made at the first start: conclave run")
        }
        _ => Failure::here(format!("cannot read {}: {error}", path.display())),
    })
}
