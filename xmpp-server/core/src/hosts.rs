//! The hosts people and services sign in to.

use crate::account::ScramHash;
use crate::stream::sasl::Mechanism;

/// What signing in to a host means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostKind {
    /// The domain itself: members, and guests unless authentication is required.
    Main,
    /// `auth.`: focus and bridges.
    Service,
    /// `guest.`: guests where authentication is required.
    Guest,
}

/// The hosts of one server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hosts {
    /// The domain.
    pub domain: String,
    /// Only members open rooms; guests sign in to a host of their own.
    ///
    /// COMPAT(lib-jitsi-meet): the login dialog opens only if the main host does not offer
    /// ANONYMOUS.
    pub auth_required: bool,
}

impl Hosts {
    /// Host of the service accounts.
    pub fn service(&self) -> String {
        format!("auth.{}", self.domain)
    }

    /// Host of guests, where it is not the domain itself.
    pub fn guest(&self) -> String {
        format!("guest.{}", self.domain)
    }

    /// What `host` is; `None` if nobody signs in to it.
    pub fn kind(&self, host: &str) -> Option<HostKind> {
        if host == self.domain {
            return Some(HostKind::Main);
        }
        match host.strip_suffix(&self.domain)? {
            "auth." => Some(HostKind::Service),
            "guest." if self.auth_required => Some(HostKind::Guest),
            _ => None,
        }
    }

    /// Mechanisms of a host, best first.
    pub fn mechanisms(&self, kind: HostKind) -> &'static [Mechanism] {
        const PASSWORD: &[Mechanism] =
            &[Mechanism::Scram(ScramHash::Sha256), Mechanism::Scram(ScramHash::Sha1), Mechanism::Plain];
        const PASSWORD_OR_GUEST: &[Mechanism] = &[
            Mechanism::Scram(ScramHash::Sha256),
            Mechanism::Scram(ScramHash::Sha1),
            Mechanism::Plain,
            Mechanism::Anonymous,
        ];
        match kind {
            HostKind::Main if !self.auth_required => PASSWORD_OR_GUEST,
            HostKind::Main | HostKind::Service => PASSWORD,
            HostKind::Guest => &[Mechanism::Anonymous],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guests_have_a_host_of_their_own_only_where_authentication_is_required() {
        let mut hosts = Hosts { domain: "meet.example".into(), auth_required: false };
        assert_eq!(hosts.kind("guest.meet.example"), None);
        assert!(hosts.mechanisms(HostKind::Main).contains(&Mechanism::Anonymous));
        hosts.auth_required = true;
        assert_eq!(hosts.kind("guest.meet.example"), Some(HostKind::Guest));
        assert!(!hosts.mechanisms(HostKind::Main).contains(&Mechanism::Anonymous));
        assert_eq!(hosts.kind("auth.meet.example"), Some(HostKind::Service));
        assert!(!hosts.mechanisms(HostKind::Service).contains(&Mechanism::Anonymous));
        for other in ["conference.meet.example", "xauth.meet.example", "example"] {
            assert_eq!(hosts.kind(other), None, "{other}");
        }
    }
}
