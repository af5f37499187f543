//! `conclave.toml` as far as it concerns this process: raw → resolved, strict, one clear sentence
//! per mistake.

mod acme;
mod reader;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use jid::{BareJid, Jid};
use xmpp_server_core::account::PASSWORD_CHARACTERS_MIN;
use xmpp_server_core::service::external_services::ExternalService;

pub(crate) use acme::Acme;
pub(crate) use reader::ConfigError;
use reader::Section;

/// Sections of the file that other processes read.
const FOREIGN_SECTIONS: [&str; 2] = ["focus", "videobridge"];
/// Default of `auth.scram_iterations`.
// COMPAT(cyrus-sasl): "iteration-count is too big, refusing to compute" above 65,536; Debian's libpurple uses it.
const ITERATIONS_DEFAULT: u64 = 60_000;
/// Default of `xmpp-server.client_bytes_per_s`: joining a room of 100 is about 300 kB at once.
const CLIENT_BYTES_PER_S_DEFAULT: u64 = 128 * 1024;
/// Default of `auth.invite_lifetime_h`: a week.
const INVITE_LIFETIME_H_DEFAULT: u64 = 7 * 24;

/// Everything this process is told from outside, resolved.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    /// The data directory.
    pub(crate) data: PathBuf,
    /// The domain.
    pub(crate) host: String,
    /// Where the public listeners listen.
    pub(crate) listen: IpAddr,
    /// HTTPS; 0 for any free port.
    pub(crate) https_port: u16,
    /// XMPP with STARTTLS; 0 for any free port.
    pub(crate) c2s_port: u16,
    /// XMPP with direct TLS; 0 for any free port.
    pub(crate) c2s_tls_port: u16,
    /// Where the focus answers HTTP.
    pub(crate) focus_http: HttpAddress,
    /// Where the bridge answers HTTP.
    pub(crate) videobridge_http: HttpAddress,
    /// Where figures are served in plain HTTP, if anywhere.
    pub(crate) metrics_listen: Option<HttpAddress>,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub(crate) trusted_proxies: BTreeSet<IpAddr>,
    /// Sustained speed of a guest or member.
    pub(crate) client_bytes_per_s: u32,
    /// Server administrators.
    pub(crate) admins: BTreeSet<BareJid>,
    /// STUN and TURN offered to clients.
    pub(crate) external_services: Vec<ExternalService>,
    /// Only members open rooms.
    pub(crate) auth_required: bool,
    /// Shortest password, in characters.
    pub(crate) password_characters_min: usize,
    /// Iterations of new keys.
    pub(crate) scram_iterations: u32,
    /// How long an invite is good for.
    pub(crate) invite_lifetime_s: u64,
    /// The folder of the web client; `None` if there is none.
    pub(crate) web_root: Option<PathBuf>,
    /// The address people type, if it is not this host and port.
    pub(crate) public_url: Option<String>,
    /// Keys set in or added to `/config.js`.
    pub(crate) web_config: serde_json::Map<String, serde_json::Value>,
    /// More names for the certificate.
    pub(crate) certificate_names: Vec<String>,
    /// The certificate is had from an ACME authority.
    pub(crate) acme: Option<Acme>,
}

/// Where an HTTP service of another process is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum HttpAddress {
    /// A socket in the file system.
    Unix(PathBuf),
    /// An address and port.
    Tcp(std::net::SocketAddr),
}

impl Config {
    /// Reads `DATA/conclave.toml`, if it is there, with `overrides` of the form `key.path=value`.
    pub(crate) fn load(data: &Path, overrides: &[String]) -> Result<Self, ConfigError> {
        let path = data.join("conclave.toml");
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => {
                return Err(ConfigError::new(format!(
                    "{} can't be read ({error}): please make it readable for this user.",
                    path.display()
                )));
            }
        };
        Self::parse(data, &text, overrides)
    }

    /// The same from text.
    pub(crate) fn parse(data: &Path, text: &str, overrides: &[String]) -> Result<Self, ConfigError> {
        let mut root = Section::root(text, overrides)?;
        let host = root.string("host")?.unwrap_or_else(|| "localhost".to_owned());
        let host = match Jid::new(&host) {
            Ok(jid) if jid.node().is_none() && jid.resource().is_none() => jid.domain().as_str().to_owned(),
            _ => return Err(root.wrong("host", "a domain such as \"meet.example.org\"")),
        };
        let mut server = root.section("xmpp-server")?;
        let mut auth = root.section("auth")?;
        let mut web = root.section("web")?;
        let mut certs = root.section("certs")?;
        root.ignore(&FOREIGN_SECTIONS);
        root.finish()?;

        let address = |section: &mut Section, key: &'static str, default: &str| {
            let text = section.string(key)?.unwrap_or_else(|| default.to_owned());
            HttpAddress::parse(data, &text).ok_or_else(|| section.wrong(key, "\"unix:PATH\" or \"IP:PORT\""))
        };
        let listen = server.string("listen")?.unwrap_or_else(|| "[::]".to_owned());
        let listen = listen
            .trim_start_matches('[')
            .trim_end_matches(']')
            .parse()
            .map_err(|_| server.wrong("listen", "an address such as \"[::]\" or \"127.0.0.1\""))?;
        let mut admins = BTreeSet::new();
        let default_admins = || vec![format!("focus@auth.{host}"), format!("jvb@auth.{host}")];
        for admin in server.strings("admins")?.unwrap_or_else(default_admins) {
            admins.insert(
                BareJid::new(&admin)
                    .map_err(|_| server.wrong("admins", "a list of addresses such as \"ann@meet.example.org\""))?,
            );
        }
        let mut trusted_proxies = BTreeSet::new();
        for proxy in server.strings("trusted_proxies")?.unwrap_or_default() {
            trusted_proxies.insert(
                proxy
                    .parse()
                    .map_err(|_| server.wrong("trusted_proxies", "a list of addresses such as \"192.0.2.1\""))?,
            );
        }
        let mut external_services = Vec::new();
        for mut service in server.sections("external_services")? {
            external_services.push(ExternalService {
                kind: service.one_of("type", &["stun", "turn", "turns"])?,
                host: service.required_string("host")?,
                port: service.port("port", 3478)?,
                transport: match service.string("transport")? {
                    None => None,
                    Some(transport) if transport == "udp" || transport == "tcp" => Some(transport),
                    Some(_) => return Err(service.wrong("transport", "\"udp\" or \"tcp\"")),
                },
                secret: service.string("secret")?,
                lifetime_s: service.integer("lifetime_s", 86_400, 60..=7 * 86_400)?,
            });
            service.finish()?;
        }
        let metrics_listen = match server.string("metrics_listen")? {
            None => None,
            Some(text) => Some(
                HttpAddress::parse(data, &text)
                    .ok_or_else(|| server.wrong("metrics_listen", "\"unix:PATH\" or \"IP:PORT\""))?,
            ),
        };
        let config = Self {
            data: data.to_owned(),
            listen,
            https_port: server.port("https_port", 8443)?,
            c2s_port: server.port("c2s_port", 5222)?,
            c2s_tls_port: server.port("c2s_tls_port", 5223)?,
            focus_http: address(&mut server, "focus_http", "unix:run/focus.sock")?,
            videobridge_http: address(&mut server, "videobridge_http", "unix:run/videobridge.sock")?,
            metrics_listen,
            trusted_proxies,
            client_bytes_per_s: narrow(server.integer(
                "client_bytes_per_s",
                CLIENT_BYTES_PER_S_DEFAULT,
                4096..=u64::from(u32::MAX),
            )?),
            admins,
            external_services,
            auth_required: auth.bool("required", false)?,
            password_characters_min: usize::from(narrow::<u16>(auth.integer(
                "password_length_min",
                PASSWORD_CHARACTERS_MIN as u64,
                PASSWORD_CHARACTERS_MIN as u64..=128,
            )?)),
            scram_iterations: narrow(auth.integer("scram_iterations", ITERATIONS_DEFAULT, 4096..=10_000_000)?),
            invite_lifetime_s: auth.integer("invite_lifetime_h", INVITE_LIFETIME_H_DEFAULT, 1..=24 * 366)? * 3600,
            web_root: web.string("root")?.map(|root| data.join(root)).or_else(default_web_root),
            public_url: match web.string("public_url")? {
                Some(url) if !url.starts_with("https://") => {
                    return Err(web.wrong("public_url", "an address such as \"https://meet.example.org\""));
                }
                url => url.map(|url| url.trim_end_matches('/').to_owned()),
            },
            web_config: web.json_object("config")?,
            certificate_names: certs.strings("names")?.unwrap_or_default(),
            acme: acme::read(certs.section("acme")?, data, &host)?,
            host,
        };
        server.finish()?;
        auth.finish()?;
        web.finish()?;
        certs.finish()?;
        Ok(config)
    }

    /// A path within the data directory.
    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.data.join(relative)
    }
}

fn narrow<T: TryFrom<u64>>(value: u64) -> T
where
    T::Error: std::fmt::Debug,
{
    T::try_from(value).expect("the range was checked when the value was read")
}

impl HttpAddress {
    fn parse(data: &Path, text: &str) -> Option<Self> {
        match text.strip_prefix("unix:") {
            Some("") => None,
            Some(path) => Some(Self::Unix(data.join(path))),
            None => text.parse().ok().map(Self::Tcp),
        }
    }
}

/// The web client beside the program: as installed, or as built in the source tree.
fn default_web_root() -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?;
    program.ancestors().skip(1).take(4).find_map(|folder| {
        ["web-client/dist", "share/conclave/web-client", "../share/conclave/web-client"]
            .iter()
            .map(|relative| folder.join(relative))
            .find(|candidate| candidate.join("index.html").is_file())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config, ConfigError> {
        Config::parse(Path::new("data"), text, &[])
    }

    fn problem(text: &str) -> String {
        parse(text).expect_err("must be refused").to_string()
    }

    #[test]
    fn an_empty_file_is_a_working_server() {
        let config = parse("").expect("defaults");
        assert_eq!(config.host, "localhost");
        assert_eq!((config.https_port, config.c2s_port, config.c2s_tls_port), (8443, 5222, 5223));
        assert_eq!(config.focus_http, HttpAddress::Unix("data/run/focus.sock".into()));
        assert!(config.admins.contains(&BareJid::new("focus@auth.localhost").expect("address")));
        assert!(!config.auth_required);
    }

    #[test]
    fn everything_can_be_set_and_overridden() {
        let text = "host = 'meet.example'\n[xmpp-server]\nhttps_port = 1\nfocus_http = '127.0.0.1:8888'\n\
            [[xmpp-server.external_services]]\ntype = 'turns'\nhost = 't.example'\nport = 443\ntransport = 'tcp'\nsecret = 's'\n\
            [auth]\nrequired = true\n[web.config]\nresolution = 360\n[focus]\nwhatever = 1\n[videobridge]\nx = 2\n[certs]\nnames = ['a.example']\n";
        let overrides =
            ["xmpp-server.https_port=2".to_owned(), "auth.required=false".into(), "host=other.example".into()];
        let config = Config::parse(Path::new("data"), text, &overrides).expect("valid");
        assert_eq!(config.host, "other.example");
        assert_eq!(config.https_port, 2);
        assert!(!config.auth_required);
        assert_eq!(config.focus_http, HttpAddress::Tcp("127.0.0.1:8888".parse().expect("address")));
        assert_eq!(config.external_services.len(), 1);
        assert_eq!(config.web_config["resolution"], 360);
        assert_eq!(config.certificate_names, ["a.example"]);
    }

    #[test]
    fn every_mistake_names_the_key_and_the_remedy() {
        assert_eq!(
            problem("[xmpp-server]\nhtps_port = 1"),
            "xmpp-server.htps_port is not a known key; did you mean xmpp-server.https_port?"
        );
        assert_eq!(problem("[xmpserver]"), "xmpserver is not a known key; did you mean xmpp-server?");
        assert_eq!(
            problem("[xmpp-server]\nhttps_port = 'x'"),
            "xmpp-server.https_port must be a port number from 0 to 65535."
        );
        assert_eq!(
            problem("[auth]\npassword_length_min = 3"),
            "auth.password_length_min must be a number from 8 to 128."
        );
        assert_eq!(problem("[auth]\nrequired = 'yes'"), "auth.required must be true or false.");
        assert_eq!(problem("host = 'a@b'"), "host must be a domain such as \"meet.example.org\".");
        assert!(problem("host = ").starts_with("conclave.toml is not valid TOML"));
        assert_eq!(
            Config::parse(Path::new("."), "", &["nonsense".into()]).expect_err("refused").to_string(),
            "--set nonsense is not of the form key.path=value."
        );
    }
}
