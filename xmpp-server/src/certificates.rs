//! The certificate in use: read at start, replaced while connections are open, watched for its end.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use certs::local_ca::Authority;
use certs::{CertError, Reminder, Resolver, ServerNames, Validity};

use crate::config::Config;

/// How often the certificate is looked at.
const CHECK_INTERVAL: Duration = Duration::from_secs(3600);

/// The folder of certificates and what is served from it.
#[derive(Debug)]
pub(crate) struct Certificates {
    folder: PathBuf,
    names: ServerNames,
    resolver: Arc<Resolver>,
    /// Why the ACME authority gave none lately.
    problem: Mutex<Option<String>>,
}

impl Certificates {
    /// Makes what is missing and reads it.
    pub(crate) fn open(config: &Config) -> Result<Self, CertError> {
        let folder = config.path("certs");
        let names = ServerNames::new(&config.host, &config.certificate_names)?;
        certs::load_or_create(&folder, &names, SystemTime::now())?;
        let resolver = Arc::new(Resolver::load(&folder)?);
        Ok(Self { folder, names, resolver, problem: Mutex::default() })
    }

    /// What TLS listeners ask for the certificate of each new connection.
    pub(crate) fn resolver(&self) -> &Arc<Resolver> {
        &self.resolver
    }

    /// Where the files are.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The local authority, while it is its certificate that people are served.
    pub(crate) fn local_authority(&self) -> Option<Authority> {
        Authority::served(&self.folder).unwrap_or_else(|error| {
            tracing::warn!(%error, "the local authority can't be read");
            None
        })
    }

    /// From when to when the served certificate is valid.
    pub(crate) fn validity(&self) -> Validity {
        self.resolver.validity()
    }

    /// What the administrator should know: that the end is near, or why no new one comes.
    pub(crate) fn warning(&self, now: SystemTime) -> Option<String> {
        let problem = self.problem.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match (self.validity().warning(now), problem) {
            (Some(warning), Some(problem)) => Some(format!("{warning} ({problem})")),
            (warning, problem) => warning.or(problem),
        }
    }

    /// Remembers why no new certificate came, or that one did.
    pub(crate) fn set_problem(&self, problem: Option<String>) {
        *self.problem.lock().unwrap_or_else(PoisonError::into_inner) = problem;
    }

    /// Reads the files again; those that the local authority keeps are renewed first when they
    /// must be. Open connections stay. On an error the certificate in use stays.
    pub(crate) fn reload(&self) -> Result<(), CertError> {
        certs::load_or_create(&self.folder, &self.names, SystemTime::now())?;
        self.resolver.reload()
    }

    /// Renews in time and warns of the end, as long as the process runs.
    pub(crate) async fn keep(self: Arc<Self>) {
        let mut reminder = Reminder::default();
        loop {
            if let Err(error) = self.reload() {
                tracing::warn!(%error, "the certificate can't be renewed; the one in use stays");
            }
            if let Some(warning) = reminder.due(self.validity(), SystemTime::now()) {
                tracing::warn!("{warning}");
            }
            tokio::time::sleep(CHECK_INTERVAL).await;
        }
    }
}
