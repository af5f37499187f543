//! Addresses and limits that rooms and services work with.

use std::collections::BTreeSet;

use jid::BareJid;

/// Nickname under which the focus enters every room; reserved for administrators.
pub const FOCUS_NICK: &str = "focus";
/// Rooms whose node starts so are the focus's own health checks and skip every meeting feature.
pub const HEALTH_CHECK_PREFIX: &str = "__jicofo-health-check";

/// What rooms and services know of the server they run in.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The main domain.
    pub host: String,
    /// Domain of the service accounts.
    pub auth_host: String,
    /// Administrators: owners of every room.
    pub admins: BTreeSet<BareJid>,
    /// Account of the focus: where `focus.D` forwards to.
    pub focus_account: BareJid,
    /// Most occupants of a meeting besides administrators; `None` for no limit of its own.
    pub occupants_max: Option<usize>,
    /// Most rooms of one service.
    pub rooms_max: usize,
    /// Whether nicknames in meetings are letters, digits and underscores only: they are endpoint ids elsewhere.
    pub strict_nicknames: bool,
    /// Whether an occupant may take another nickname. Jitsi's clients never do.
    pub nickname_changes: bool,
    /// Whether a display name is needed to knock at a lobby.
    pub lobby_display_name_required: bool,
    /// Name and version shown to those who ask.
    pub software_name: String,
    /// Version shown to those who ask.
    pub software_version: String,
    /// STUN and TURN services offered to clients (XEP-0215).
    pub external_services: Vec<crate::service::external_services::ExternalService>,
    /// Key of occupant identifiers (XEP-0421); random per process, so that they say nothing across restarts.
    pub occupant_id_key: [u8; 32],
}

impl Settings {
    /// Settings of a server for `host` with Jitsi's customary addresses.
    pub fn new(host: &str, occupant_id_key: [u8; 32]) -> Result<Self, jid::Error> {
        let auth_host = format!("auth.{host}");
        let focus_account = BareJid::new(&format!("focus@{auth_host}"))?;
        let bridge_account = BareJid::new(&format!("jvb@{auth_host}"))?;
        Ok(Self {
            host: host.to_owned(),
            auth_host,
            admins: BTreeSet::from([focus_account.clone(), bridge_account]),
            focus_account,
            occupants_max: None,
            rooms_max: ROOMS_MAX,
            strict_nicknames: true,
            nickname_changes: false,
            lobby_display_name_required: true,
            software_name: "Conclave".to_owned(),
            software_version: env!("CARGO_PKG_VERSION").to_owned(),
            external_services: Vec::new(),
            occupant_id_key,
        })
    }

    /// Address of a service: `label.D`.
    pub fn service(&self, label: &str) -> String {
        format!("{label}.{}", self.host)
    }

    /// Whether an account is an administrator.
    pub fn is_admin(&self, account: &BareJid) -> bool {
        self.admins.contains(account)
    }
}

/// Default of [`Settings::rooms_max`].
pub const ROOMS_MAX: usize = 10_000;
