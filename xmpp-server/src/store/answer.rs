//! Carrying out what the core asks of the store, off the main loop.
//!
//! Quick reads and writes run in the order in which they were asked, on one thread. What derives
//! keys takes tens of milliseconds and runs beside them, a bounded number at a time.

use std::sync::Arc;

use tokio::sync::{Semaphore, mpsc};
use xmpp_server_core::account::Credentials;
use xmpp_server_core::account_request::{AccountAnswer, AccountRequest, ChangeRefusal, Ticket};

use super::{Store, StoreError};

/// Requests that wait for the thread: a bound on memory, reached only if the disk stalls.
const QUEUE_MAX: usize = 4096;

/// Hands requests to the store.
#[derive(Clone)]
pub(crate) struct AccountDesk {
    store: Arc<Store>,
    iterations: u32,
    derivations: Arc<Semaphore>,
    quick: mpsc::Sender<(Ticket, AccountRequest)>,
    answers: mpsc::UnboundedSender<(Ticket, AccountAnswer)>,
}

impl AccountDesk {
    /// Opens the desk. `answers` gets one answer for every request.
    pub(crate) fn new(
        store: Arc<Store>,
        iterations: u32,
        answers: mpsc::UnboundedSender<(Ticket, AccountAnswer)>,
    ) -> std::io::Result<Self> {
        let (quick, mut requests) = mpsc::channel::<(Ticket, AccountRequest)>(QUEUE_MAX);
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let worker = (Arc::clone(&store), answers.clone());
        std::thread::Builder::new().name("accounts".to_owned()).spawn(move || {
            let (store, answers) = worker;
            while let Some((ticket, request)) = requests.blocking_recv() {
                // The receiver is gone only while the process ends.
                let _ = answers.send((ticket, or_failed(quick_answer(&store, request))));
            }
        })?;
        Ok(Self { store, iterations, derivations: Arc::new(Semaphore::new(cores)), quick, answers })
    }

    /// Carries out one request.
    pub(crate) fn ask(&self, ticket: Ticket, request: AccountRequest) {
        let derives = matches!(
            request,
            AccountRequest::Verify { .. } | AccountRequest::Register { .. } | AccountRequest::ChangePassword { .. }
        );
        if !derives {
            if let Err(refused) = self.quick.try_send((ticket, request)) {
                tracing::warn!("the account store does not keep up; a request was refused");
                let (mpsc::error::TrySendError::Full((ticket, _)) | mpsc::error::TrySendError::Closed((ticket, _))) =
                    refused;
                let _ = self.answers.send((ticket, AccountAnswer::Failed));
            }
            return;
        }
        let desk = self.clone();
        tokio::spawn(async move {
            let Ok(_permit) = desk.derivations.acquire().await else {
                return;
            };
            let (store, iterations) = (Arc::clone(&desk.store), desk.iterations);
            let answer = tokio::task::spawn_blocking(move || or_failed(slow_answer(&store, iterations, request)))
                .await
                .unwrap_or(AccountAnswer::Failed);
            let _ = desk.answers.send((ticket, answer));
        });
    }
}

fn or_failed(answer: Result<AccountAnswer, StoreError>) -> AccountAnswer {
    answer.unwrap_or_else(|error| {
        tracing::error!(%error, "a request to the account store failed");
        AccountAnswer::Failed
    })
}

fn quick_answer(store: &Store, request: AccountRequest) -> Result<AccountAnswer, StoreError> {
    Ok(match request {
        AccountRequest::Credentials { account } => AccountAnswer::Credentials(store.credentials(&account)?),
        AccountRequest::CheckInvite { invite } => AccountAnswer::Invite(store.check_invite(&invite)?),
        AccountRequest::Delete { account } => {
            store.delete_account(&account)?;
            AccountAnswer::Done
        }
        AccountRequest::LoadRoster { account } => AccountAnswer::Roster(store.contacts(&account)?),
        AccountRequest::SetRosterItem { account, item } => {
            store.put_contact(&account, &item)?;
            AccountAnswer::Done
        }
        AccountRequest::RemoveRosterItem { account, contact } => {
            store.remove_contact(&account, &contact)?;
            AccountAnswer::Done
        }
        AccountRequest::Verify { .. } | AccountRequest::Register { .. } | AccountRequest::ChangePassword { .. } => {
            AccountAnswer::Failed
        }
    })
}

fn slow_answer(store: &Store, iterations: u32, request: AccountRequest) -> Result<AccountAnswer, StoreError> {
    Ok(match request {
        AccountRequest::Verify { account, password } => {
            // A name nobody has costs as much as one somebody has.
            let found = store.credentials(&account)?;
            let known = found.is_some();
            let credentials = found.unwrap_or_else(|| Credentials::pretended(b"", account.as_str(), iterations));
            AccountAnswer::Verified(credentials.verify(&password) && known)
        }
        AccountRequest::Register { account, password, invite } => {
            let credentials = Credentials::derive(&password, iterations, &mut rand::rng());
            AccountAnswer::Registered(store.register(&account, &credentials, &invite)?)
        }
        AccountRequest::ChangePassword { account, current, new } => {
            let before = store.credentials(&account)?;
            let outcome = match (&before, &current) {
                (None, _) => Err(ChangeRefusal::NoAccount),
                (Some(before), Some(current)) if !before.verify(current) => Err(ChangeRefusal::WrongCurrent),
                (Some(before), current) => {
                    let credentials = Credentials::derive(&new, iterations, &mut rand::rng());
                    // With a checked password nothing is overwritten that was changed meanwhile.
                    let expected = current.is_some().then_some(before);
                    if store.set_credentials(&account, expected, &credentials)? {
                        Ok(())
                    } else {
                        Err(ChangeRefusal::WrongCurrent)
                    }
                }
            };
            AccountAnswer::PasswordChanged(outcome)
        }
        other => quick_answer(store, other)?,
    })
}
