//! `[certs.acme]`: a certificate from an ACME authority.

use std::path::Path;
use std::time::Duration;

use certs::acme::{Challenge, DIRECTORY_DEFAULT, Settings};

use super::reader::{ConfigError, Section};

/// Default of `certs.acme.hook_wait_s`: name servers follow within seconds.
const HOOK_WAIT_S_DEFAULT: u64 = 30;
/// Default of `certs.acme.hook_timeout_s`.
const HOOK_TIMEOUT_S_DEFAULT: u64 = 120;
/// Names an authority takes in one certificate.
const NAMES_MAX: usize = 100;

/// The order to keep, and where HTTP-01 is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Acme {
    pub(crate) settings: Settings,
    /// For HTTP-01; 0 for any free port.
    pub(crate) http_port: u16,
}

/// Reads the section; `None` when it is not there.
pub(super) fn read(mut section: Section, data: &Path, host: &str) -> Result<Option<Acme>, ConfigError> {
    if section.is_empty() {
        return Ok(None);
    }
    if !section.bool("agree_terms", false)? {
        return Err(section.wrong("agree_terms", "true: read the authority's terms of service and agree to them"));
    }
    let directory = section.string("directory")?.unwrap_or_else(|| DIRECTORY_DEFAULT.to_owned());
    if !directory.starts_with("https://") {
        return Err(section.wrong("directory", "an address such as \"https://acme-v02.api.letsencrypt.org/directory\""));
    }
    let mut contact = Vec::new();
    for address in section.strings("contact")?.unwrap_or_default() {
        match address.strip_prefix("mailto:").unwrap_or(&address) {
            plain if plain.contains('@') => contact.push(format!("mailto:{plain}")),
            _ => return Err(section.wrong("contact", "a list of e-mail addresses such as \"admin@example.org\"")),
        }
    }
    let challenge = match section.string("challenge")?.as_deref() {
        None | Some("http-01") => Challenge::Http01,
        Some("tls-alpn-01") => Challenge::TlsAlpn01,
        Some("dns-01") => Challenge::Dns01,
        Some(_) => return Err(section.wrong("challenge", "one of http-01, tls-alpn-01, dns-01")),
    };
    let hook = section.strings("hook")?.unwrap_or_default();
    if challenge == Challenge::Dns01 && hook.is_empty() {
        return Err(section.wrong("hook", "a list with the program that publishes records, for challenge = \"dns-01\""));
    }
    let names = section.strings("names")?.unwrap_or_else(|| vec![host.to_owned()]);
    if names.is_empty() || names.len() > NAMES_MAX {
        return Err(section.wrong("names", &format!("a list of 1 to {NAMES_MAX} names")));
    }
    let is_name =
        |name: &String| name.parse::<std::net::IpAddr>().is_err() && name.contains(|c: char| c.is_alphabetic());
    if !names.iter().all(is_name) {
        return Err(section.wrong("names", "a list of names (no addresses); set host to a name"));
    }
    if names.iter().any(|name| name.starts_with("*.")) && challenge != Challenge::Dns01 {
        return Err(section.wrong("names", "names without \"*.\", or challenge must be \"dns-01\""));
    }
    if !names.iter().any(|name| certs::import::names_host(name, host)) {
        return Err(section.wrong("names", &format!("a list with {host} in it")));
    }
    let hook_wait = Duration::from_secs(section.integer("hook_wait_s", HOOK_WAIT_S_DEFAULT, 0..=600)?);
    let hook_timeout = Duration::from_secs(section.integer("hook_timeout_s", HOOK_TIMEOUT_S_DEFAULT, 1..=600)?);
    let http_port = section.port("http_port", 80)?;
    let ca = section.string("ca")?.map(|path| data.join(path));
    section.finish()?;
    let settings = Settings { directory, contact, challenge, names, ca, hook, hook_timeout, hook_wait };
    Ok(Some(Acme { settings, http_port }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Option<Acme>, String> {
        let mut root = Section::root(text, &[]).expect("TOML");
        let section = root.section("acme").expect("a section");
        read(section, Path::new("data"), "meet.example.org").map_err(|error| error.to_string())
    }

    #[test]
    fn nothing_is_ordered_unless_asked_and_agreed() {
        assert_eq!(parse("").expect("nothing"), None);
        assert!(
            parse("[acme]\ncontact = ['a@example.org']").expect_err("no consent").contains("agree_terms must be true")
        );
        let acme = parse("[acme]\nagree_terms = true\ncontact = ['a@example.org']").expect("valid").expect("asked");
        assert_eq!(acme.http_port, 80);
        assert_eq!(acme.settings.directory, DIRECTORY_DEFAULT);
        assert_eq!(acme.settings.contact, ["mailto:a@example.org"]);
        assert_eq!(acme.settings.names, ["meet.example.org"]);
    }

    #[test]
    fn every_mistake_names_the_key() {
        for (line, named) in [
            ("directory = 'http://example.org'", "directory must be an address"),
            ("contact = ['nobody']", "contact must be a list of e-mail addresses"),
            ("challenge = 'dns-02'", "challenge must be one of http-01, tls-alpn-01, dns-01"),
            ("challenge = 'dns-01'", "hook must be a list with the program"),
            ("names = ['other.example']", "names must be a list with meet.example.org in it"),
            ("names = ['*.example.org']", "names must be names without \"*.\""),
            ("names = ['203.0.113.7']", "names must be a list of names (no addresses)"),
            ("hook_timeout_s = 0", "hook_timeout_s must be a number from 1 to 600"),
            ("names = []", "names must be a list of 1 to 100"),
            ("hook_wait_s = 601", "hook_wait_s must be a number from 0 to 600"),
            ("htp_port = 80", "htp_port is not a known key; did you mean acme.http_port"),
        ] {
            let said = parse(&format!("[acme]\nagree_terms = true\n{line}")).expect_err(line);
            assert!(said.contains(named), "{line}: {said}");
        }
    }
}
