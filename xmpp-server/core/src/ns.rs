//! Namespaces of what rooms and services read and write.

/// XEP-0045: joining.
pub const MUC: &str = "http://jabber.org/protocol/muc";
/// XEP-0045: what a room says about occupants.
pub const MUC_USER: &str = "http://jabber.org/protocol/muc#user";
/// XEP-0045: lists, roles, affiliations.
pub const MUC_ADMIN: &str = "http://jabber.org/protocol/muc#admin";
/// XEP-0045: configuration and destruction.
pub const MUC_OWNER: &str = "http://jabber.org/protocol/muc#owner";
/// XEP-0045: form type of the configuration.
pub const MUC_ROOMCONFIG: &str = "http://jabber.org/protocol/muc#roomconfig";
/// XEP-0045: form type of the room's information.
pub const MUC_ROOMINFO: &str = "http://jabber.org/protocol/muc#roominfo";
/// XEP-0045: form type of a request for voice.
pub const MUC_REQUEST: &str = "http://jabber.org/protocol/muc#request";
/// XEP-0045: the message id is kept when reflected.
pub const MUC_STABLE_ID: &str = "http://jabber.org/protocol/muc#stable_id";
/// XEP-0410: the room answers a ping to oneself.
pub const MUC_SELF_PING: &str = "http://jabber.org/protocol/muc#self-ping-optimization";
/// XEP-0249: direct invitation, also the fallback of a mediated one.
pub const CONFERENCE: &str = "jabber:x:conference";
/// XEP-0421: occupant identifiers.
pub const OCCUPANT_ID: &str = "urn:xmpp:occupant-id:0";
/// XEP-0004: forms.
pub const DATA_FORM: &str = "jabber:x:data";
/// XEP-0122: validation of form fields.
pub const DATA_VALIDATE: &str = "http://jabber.org/protocol/xdata-validate";
/// XEP-0030: identity and features.
pub const DISCO_INFO: &str = "http://jabber.org/protocol/disco#info";
/// XEP-0030: items.
pub const DISCO_ITEMS: &str = "http://jabber.org/protocol/disco#items";
/// XEP-0199: ping.
pub const PING: &str = "urn:xmpp:ping";
/// XEP-0203: delay.
pub const DELAY: &str = "urn:xmpp:delay";
/// XEP-0172: display name.
pub const NICK: &str = "http://jabber.org/protocol/nick";
/// XEP-0092: software version.
pub const VERSION: &str = "jabber:iq:version";
/// XEP-0202: time.
pub const TIME: &str = "urn:xmpp:time";
/// XEP-0215: external services, current.
pub const EXTDISCO_2: &str = "urn:xmpp:extdisco:2";
/// XEP-0215: external services, the older form Jitsi's client falls back to.
pub const EXTDISCO_1: &str = "urn:xmpp:extdisco:1";
/// Jitsi: messages and presence children of the room services.
pub const JITMEET: &str = "http://jitsi.org/jitmeet";
/// Jitsi: presence child of clients that still announce the start-muted policy in presence.
pub const START_MUTED: &str = "http://jitsi.org/jitmeet/start-muted";
/// Jitsi: feature prefix of the lobby component.
pub const LOBBY_DISPLAYNAME_REQUIRED: &str = "http://jitsi.org/protocol/lobbyrooms#displayname_required";
/// Jitsi: feature of the breakout component.
pub const BREAKOUT_RENAME: &str = "http://jitsi.org/protocol/breakout_rooms#rename";
