//! The certificate: names, validity, chain, and who can read the keys.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::SystemTime;

use certs::{CertError, file, import};

use super::Report;
use crate::data_directory::DataDirectory;

const CHECK: &str = "certs";

pub(super) async fn check(data: &DataDirectory, report: &mut Report) {
    let folder = data.certificates();
    if !folder.join(file::SERVER_CHAIN).exists() {
        report.warning(CHECK, "there is no certificate yet; it is made at the first start: conclave run");
        return;
    }
    let Ok(host) = crate::admin::host(data).await else {
        report.error(CHECK, "the configuration cannot be read; run: conclave check config");
        return;
    };
    match served(&folder, &host, SystemTime::now()) {
        Ok((not_after, warning)) => {
            report.ok(CHECK, format!("the certificate is for {host}, its chain is complete, its key fits."));
            match warning {
                Some(warning) => report.warning(CHECK, format!("{warning}.")),
                None => report.ok(CHECK, format!("the certificate is valid until {not_after}.")),
            }
        }
        Err(error) => report.error(CHECK, format!("{error}.")),
    }
    for name in [file::SERVER_KEY, file::CA_KEY, file::SERVICE_KEY] {
        permissions(&folder.join(name), report);
    }
    if matches!(certs::local_ca::is_served(&folder), Ok(true)) {
        report.ok(CHECK, "it is made by this server: devices that do not trust it yet need `conclave cert trust`.");
    }
}

/// The last valid moment, and the warning if that is near.
fn served(folder: &Path, host: &str, now: SystemTime) -> Result<(String, Option<String>), CertError> {
    let (chain, key) = import::read_pair(&folder.join(file::SERVER_CHAIN), &folder.join(file::SERVER_KEY))?;
    let summary = import::check(&chain, key, host, now)?;
    let warning = certs::inspect::validity(&chain)?.warning(now);
    Ok((summary.not_after, warning))
}

/// A key that others can read is no secret.
fn permissions(path: &Path, report: &mut Report) {
    let Ok(metadata) = std::fs::metadata(path) else { return };
    if metadata.permissions().mode() & 0o077 != 0 {
        report.error(CHECK, format!("other users can read the private key {0}; run: chmod 600 {0}", path.display()));
    }
}
