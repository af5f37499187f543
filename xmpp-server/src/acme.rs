//! Keeps a certificate from an ACME authority: orders the first, renews each in time.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use certs::acme::{AcmeError, Answers, InUse, Keeping, Plan, Settings, obtain};

use crate::certificates::Certificates;

/// Longest sleep: somebody may import a certificate, or take it back.
const LOOK_INTERVAL: Duration = Duration::from_secs(3600);

/// Orders and renews as long as the process runs.
pub(crate) async fn keep(settings: Settings, certificates: Arc<Certificates>, answers: Arc<Answers>) {
    let keeping = Keeping::new(certificates.folder());
    let mut plan = Plan::new(rand::random());
    let mut imported_told = false;
    loop {
        let in_use = keeping.in_use(&settings).unwrap_or_else(|error| {
            tracing::warn!(%error, "the certificate in use can't be read");
            InUse::ToReplace
        });
        if in_use == InUse::Imported {
            if !imported_told {
                imported_told = true;
                tracing::warn!(
                    "an imported certificate is served and left alone; to have one by [certs.acme] instead, remove \
                     certs/server.pem and certs/server.key from the data directory and start again"
                );
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
            continue;
        }
        imported_told = false;
        let due_at = plan.due_at(if let InUse::Issued(validity) = in_use { Some(validity) } else { None });
        if let Ok(wait) = due_at.duration_since(SystemTime::now())
            && !wait.is_zero()
        {
            tokio::time::sleep(wait.min(LOOK_INTERVAL)).await;
            continue;
        }
        match order(&settings, &keeping, &certificates, &answers).await {
            Ok(()) => {
                plan.succeeded(rand::random());
                certificates.set_problem(None);
            }
            Err(error) => {
                plan.failed(SystemTime::now(), rand::random());
                let wait_s = plan.due_at(None).duration_since(SystemTime::now()).map_or(0, |wait| wait.as_secs());
                certificates.set_problem(Some(format!("there is no new certificate: {error}")));
                tracing::warn!(%error, "no new certificate; the next try is in {} minutes", wait_s.div_ceil(60));
            }
        }
    }
}

async fn order(
    settings: &Settings,
    keeping: &Keeping,
    certificates: &Certificates,
    answers: &Answers,
) -> Result<(), AcmeError> {
    let issued = obtain(settings, keeping, answers).await?;
    keeping.serve(&issued, &settings.names, SystemTime::now())?;
    certificates.reload()?;
    tracing::info!("a new certificate from the ACME authority is in use");
    Ok(())
}
