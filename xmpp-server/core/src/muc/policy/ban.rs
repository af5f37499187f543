//! Outcasts stay outside (XEP-0045 §7.2.7).

use crate::muc::affiliation::Affiliation;
use crate::stanza_error::{Condition, StanzaError};

pub(crate) fn check(affiliation: Affiliation) -> Result<(), StanzaError> {
    if affiliation == Affiliation::Outcast {
        return Err(Condition::Forbidden.into());
    }
    Ok(())
}
