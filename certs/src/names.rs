//! The names and addresses a server certificate covers.

use std::net::IpAddr;

use rcgen::{CidrSubnet, GeneralSubtree, NameConstraints, SanType};

use crate::CertError;

/// What the server answers to: its host, the XMPP hosts under it, this machine, and extra names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerNames {
    dns: Vec<String>,
    addresses: Vec<IpAddr>,
}

impl ServerNames {
    /// The names for `host` (a DNS name or an address) with `extra` names or addresses.
    ///
    /// XMPP clients check the certificate against the domain of their account (RFC 6120 §13.7.2),
    /// hence the sub-domains that people and services sign in to.
    pub fn new(host: &str, extra: &[String]) -> Result<Self, CertError> {
        let mut names = Self { dns: Vec::new(), addresses: Vec::new() };
        names.add(host)?;
        if host.parse::<IpAddr>().is_err() {
            for service in ["auth", "guest"] {
                names.add(&format!("{service}.{host}"))?;
            }
        }
        for name in ["localhost", "127.0.0.1", "::1"] {
            names.add(name)?;
        }
        for name in extra {
            names.add(name)?;
        }
        Ok(names)
    }

    fn add(&mut self, name: &str) -> Result<(), CertError> {
        if let Ok(address) = name.parse::<IpAddr>() {
            if !self.addresses.contains(&address) {
                self.addresses.push(address);
            }
            return Ok(());
        }
        let name = name.to_ascii_lowercase();
        let label_ok = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        if name.len() > 253 || !name.split('.').all(label_ok) {
            return Err(CertError::BadHost(name));
        }
        if !self.dns.contains(&name) {
            self.dns.push(name);
        }
        Ok(())
    }

    /// DNS names, the host first.
    pub fn dns(&self) -> &[String] {
        &self.dns
    }

    /// Addresses.
    pub fn addresses(&self) -> &[IpAddr] {
        &self.addresses
    }

    pub(crate) fn alternative_names(&self) -> Result<Vec<SanType>, CertError> {
        let mut names = Vec::new();
        for name in &self.dns {
            names.push(SanType::DnsName(name.as_str().try_into()?));
        }
        names.extend(self.addresses.iter().copied().map(SanType::IpAddress));
        Ok(names)
    }

    /// What the local authority may vouch for: these names, what lies under them, and addresses
    /// that mean nothing outside one's own network (RFC 5280 §4.2.1.10).
    pub(crate) fn constraints(&self) -> NameConstraints {
        let private = [
            ("127.0.0.0", 8),
            ("10.0.0.0", 8),
            ("172.16.0.0", 12),
            ("192.168.0.0", 16),
            ("169.254.0.0", 16),
            ("::1", 128),
            ("fc00::", 7),
            ("fe80::", 10),
        ];
        let mut permitted: Vec<GeneralSubtree> =
            self.dns.iter().map(|name| GeneralSubtree::DnsName(name.clone())).collect();
        for (network, prefix) in private {
            let network: IpAddr = network.parse().expect("a literal address");
            permitted.push(GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(network, prefix)));
        }
        for address in &self.addresses {
            let full = if address.is_ipv4() { 32 } else { 128 };
            permitted.push(GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(*address, full)));
        }
        NameConstraints { permitted_subtrees: permitted, excluded_subtrees: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_brings_its_service_names_and_this_machine() {
        let names = ServerNames::new("Meet.Example.org", &["192.168.1.7".into()]).expect("valid");
        assert_eq!(names.dns(), ["meet.example.org", "auth.meet.example.org", "guest.meet.example.org", "localhost"]);
        let addresses: Vec<String> = names.addresses().iter().map(ToString::to_string).collect();
        assert_eq!(addresses, ["127.0.0.1", "::1", "192.168.1.7"]);
    }

    #[test]
    fn what_is_no_host_name_is_refused() {
        for bad in ["", "a b", "-x.org", "x..org", "ü.org", &"a".repeat(64)] {
            assert!(ServerNames::new(bad, &[]).is_err(), "{bad}");
        }
    }
}
