//! Control by the focus (colibri2): requests in; answers and [`Command`]s for the media side out.
//!
//! The answer to a request needs nothing from the media side: credentials are made here, addresses and the
//! certificate are known since start. So requests are answered at once and in order, and commands only flow one way.

mod answer;
mod command;
mod describe;
mod expiry;
mod handler;
mod request;

pub use answer::{AdvertisedAddress, Settings};
pub use command::{
    CandidateAddress, Command, DtlsRole, IceCredentials, NewEndpoint, RemoteFingerprint, RemoteTransport,
};
pub use expiry::EndpointActivity;
pub use handler::{CONFERENCES_MAX, Colibri, ConferenceOverview, Outcome};
