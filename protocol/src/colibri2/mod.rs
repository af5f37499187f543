//! Control of a bridge by the focus: `jitsi:colibri2`, as XML and as the JSON of the bridge's REST interface.

mod capability;
mod conference_modified;
mod conference_modify;
mod connect;
mod endpoint;
mod failure;
pub mod json;
mod media;
mod relay;
mod transport;

pub use capability::{Capability, CapabilityName};
pub use conference_modified::ConferenceModified;
pub use conference_modify::ConferenceModify;
pub use connect::{Connect, ConnectExports, ConnectRequests, Connects, HttpHeader, NamedMedia, Ping};
pub use endpoint::{Endpoint, ForceMute, InitialLastN};
pub use failure::{Condition, Failure, Reason};
pub use media::{ExtmapAllowMixed, Media, MediaSource, Sources};
pub use relay::{Relay, RelayEndpoints};
pub use transport::{Sctp, SctpRole, Transport};
