//! `conclave check`: looks for what keeps people from meeting, and says what to do about each.

mod certs;
mod config;
mod connectivity;
mod dns;
mod dtls;
mod finding;
mod media;
mod privacy;
mod resolver;
mod settings;
mod stun;
mod tls;
mod turn;

use std::net::SocketAddr;

pub(crate) use finding::{Report, Severity};

use crate::cli::Check;
use crate::data_directory::DataDirectory;

/// Everything that needs nothing from outside this machine, in the order in which it pays to repair.
const LOCAL: [Check; 5] = [Check::Config, Check::Certs, Check::Connectivity, Check::Media, Check::Privacy];

/// Runs one check, or all that need nothing from outside.
///
/// `name_server` is asked by the check of DNS instead of the system's.
pub(crate) async fn run(data: &DataDirectory, check: Option<Check>, name_server: Option<SocketAddr>) -> Report {
    let mut report = Report::default();
    match check {
        Some(check) => one(data, check, name_server, &mut report).await,
        None => {
            for check in LOCAL {
                one(data, check, name_server, &mut report).await;
            }
        }
    }
    report
}

async fn one(data: &DataDirectory, check: Check, name_server: Option<SocketAddr>, report: &mut Report) {
    match check {
        Check::Config => config::check(data, report).await,
        Check::Certs => certs::check(data, report).await,
        Check::Connectivity => connectivity::check(data, report).await,
        Check::Media => media::check(data, report).await,
        Check::Privacy => privacy::check(data, report).await,
        Check::Dns => dns::check(data, name_server, report).await,
        Check::Turn => turn::check(data, report).await,
    }
}
