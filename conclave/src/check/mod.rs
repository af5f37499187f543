//! `conclave check`: looks for what keeps people from meeting, and says what to do about each.

mod certs;
mod config;
mod connectivity;
mod dtls;
mod finding;
mod media;
mod stun;
mod tls;

pub(crate) use finding::{Report, Severity};

use crate::cli::Check;
use crate::data_directory::DataDirectory;

/// Everything that needs nothing from outside this machine, in the order in which it pays to repair.
const LOCAL: [Check; 4] = [Check::Config, Check::Certs, Check::Connectivity, Check::Media];

/// Runs one check, or all that need nothing from outside.
pub(crate) async fn run(data: &DataDirectory, check: Option<Check>) -> Report {
    let mut report = Report::default();
    match check {
        Some(check) => one(data, check, &mut report).await,
        None => {
            for check in LOCAL {
                one(data, check, &mut report).await;
            }
        }
    }
    report
}

async fn one(data: &DataDirectory, check: Check, report: &mut Report) {
    match check {
        Check::Config => config::check(data, report).await,
        Check::Certs => certs::check(data, report),
        Check::Connectivity => connectivity::check(data, report).await,
        Check::Media => media::check(data, report).await,
    }
}
