//! Every XML namespace the parts speak, with the specification that defines it.
//!
//! Namespaces named "Jitsi" are defined by the Jitsi projects and have no XEP.

// Streams and stanzas.

/// Client stanzas, RFC 6120 §4.8.2.
pub const CLIENT: &str = "jabber:client";
/// Stream elements, RFC 6120 §4.8.1.
pub const STREAM: &str = "http://etherx.jabber.org/streams";
/// Stream error conditions, RFC 6120 §4.9.
pub const STREAM_ERRORS: &str = "urn:ietf:params:xml:ns:xmpp-streams";
/// Stanza error conditions, RFC 6120 §8.3.
pub const STANZAS: &str = "urn:ietf:params:xml:ns:xmpp-stanzas";
/// STARTTLS, RFC 6120 §5.
pub const TLS: &str = "urn:ietf:params:xml:ns:xmpp-tls";
/// SASL, RFC 6120 §6.
pub const SASL: &str = "urn:ietf:params:xml:ns:xmpp-sasl";
/// SASL channel-binding types, XEP-0440.
pub const SASL_CHANNEL_BINDING: &str = "urn:xmpp:sasl-cb:0";
/// Resource binding, RFC 6120 §7.
pub const BIND: &str = "urn:ietf:params:xml:ns:xmpp-bind";
/// Session establishment, RFC 3921 §3; a no-op kept for older clients.
pub const SESSION: &str = "urn:ietf:params:xml:ns:xmpp-session";
/// WebSocket framing, RFC 7395 §3.
pub const FRAMING: &str = "urn:ietf:params:xml:ns:xmpp-framing";
/// BOSH, XEP-0124.
pub const HTTP_BIND: &str = "http://jabber.org/protocol/httpbind";
/// XMPP over BOSH, XEP-0206.
pub const XBOSH: &str = "urn:xmpp:xbosh";
/// External components, XEP-0114.
pub const COMPONENT_ACCEPT: &str = "jabber:component:accept";
/// Stream management, XEP-0198.
pub const SM: &str = "urn:xmpp:sm:3";
/// Stream management before 1.0, still advertised by some servers.
pub const SM_2: &str = "urn:xmpp:sm:2";
/// Limits of a stream, XEP-0478.
pub const STREAM_LIMITS: &str = "urn:xmpp:stream-limits:0";

// Discovery, accounts and small protocols.

/// Entity information, XEP-0030.
pub const DISCO_INFO: &str = "http://jabber.org/protocol/disco#info";
/// Entity items, XEP-0030.
pub const DISCO_ITEMS: &str = "http://jabber.org/protocol/disco#items";
/// Entity capabilities, XEP-0115.
pub const CAPS: &str = "http://jabber.org/protocol/caps";
/// Data forms, XEP-0004.
pub const DATA_FORMS: &str = "jabber:x:data";
/// Data form validation, XEP-0122.
pub const DATA_VALIDATE: &str = "http://jabber.org/protocol/xdata-validate";
/// Ping, XEP-0199.
pub const PING: &str = "urn:xmpp:ping";
/// Software version, XEP-0092.
pub const VERSION: &str = "jabber:iq:version";
/// Entity time, XEP-0202.
pub const TIME: &str = "urn:xmpp:time";
/// Idle time, XEP-0012.
pub const LAST: &str = "jabber:iq:last";
/// In-band registration, XEP-0077.
pub const REGISTER: &str = "jabber:iq:register";
/// In-band registration as a stream feature, XEP-0077 §8.
pub const REGISTER_FEATURE: &str = "http://jabber.org/features/iq-register";
/// Pre-authenticated registration, XEP-0445.
pub const PARS: &str = "urn:xmpp:pars:0";
/// Invitation as a stream feature, XEP-0445 §4.
pub const INVITE: &str = "urn:xmpp:invite";
/// Ad-hoc commands, XEP-0050.
pub const COMMANDS: &str = "http://jabber.org/protocol/commands";
/// Private XML storage, XEP-0049.
pub const PRIVATE: &str = "jabber:iq:private";
/// Roster, RFC 6121 §2.
pub const ROSTER: &str = "jabber:iq:roster";
/// Roster versioning, RFC 6121 §2.6.
pub const ROSTER_VER: &str = "urn:xmpp:features:rosterver";
/// Subscription pre-approval, RFC 6121 §3.4.
pub const PRE_APPROVAL: &str = "urn:xmpp:features:pre-approval";
/// vCard, XEP-0054.
pub const VCARD: &str = "vcard-temp";
/// Blocking, XEP-0191.
pub const BLOCKING: &str = "urn:xmpp:blocking";
/// Carbons, XEP-0280.
pub const CARBONS: &str = "urn:xmpp:carbons:2";
/// Client state, XEP-0352.
pub const CSI: &str = "urn:xmpp:csi:0";
/// Delayed delivery, XEP-0203.
pub const DELAY: &str = "urn:xmpp:delay";
/// Delayed delivery before XEP-0203, XEP-0091.
pub const DELAY_LEGACY: &str = "jabber:x:delay";
/// Nickname, XEP-0172.
pub const NICK: &str = "http://jabber.org/protocol/nick";
/// Result sets, XEP-0059.
pub const RSM: &str = "http://jabber.org/protocol/rsm";
/// External services (TURN), XEP-0215 version 2.
pub const EXTDISCO: &str = "urn:xmpp:extdisco:2";
/// External services before the current version, XEP-0215.
pub const EXTDISCO_1: &str = "urn:xmpp:extdisco:1";
/// Advanced message processing hints, XEP-0334.
pub const HINTS: &str = "urn:xmpp:hints";
/// Chat states, XEP-0085.
pub const CHAT_STATES: &str = "http://jabber.org/protocol/chatstates";
/// Message reactions, XEP-0444.
pub const REACTIONS: &str = "urn:xmpp:reactions:0";

// Multi-user chat.

/// Room entry, XEP-0045.
pub const MUC: &str = "http://jabber.org/protocol/muc";
/// Room membership seen by users, XEP-0045.
pub const MUC_USER: &str = "http://jabber.org/protocol/muc#user";
/// Room administration, XEP-0045.
pub const MUC_ADMIN: &str = "http://jabber.org/protocol/muc#admin";
/// Room ownership, XEP-0045.
pub const MUC_OWNER: &str = "http://jabber.org/protocol/muc#owner";
/// Form type of a room's configuration, XEP-0045 §15.5.
pub const MUC_ROOMCONFIG: &str = "http://jabber.org/protocol/muc#roomconfig";
/// Form type of a room's disco information, XEP-0045 §15.5.
pub const MUC_ROOMINFO: &str = "http://jabber.org/protocol/muc#roominfo";
/// Form type of a voice request, XEP-0045 §15.5.
pub const MUC_REQUEST: &str = "http://jabber.org/protocol/muc#request";
/// Stable ids of room messages, XEP-0045 §6.4.
pub const MUC_STABLE_ID: &str = "http://jabber.org/protocol/muc#stable_id";
/// Self-ping answered by the room, XEP-0410.
pub const MUC_SELF_PING: &str = "http://jabber.org/protocol/muc#self-ping-optimization";
/// Unique room names, XEP-0045 §10.1.4 of older versions.
pub const MUC_UNIQUE: &str = "http://jabber.org/protocol/muc#unique";
/// Direct invitations, XEP-0249.
pub const CONFERENCE: &str = "jabber:x:conference";
/// Occupant identifiers, XEP-0421.
pub const OCCUPANT_ID: &str = "urn:xmpp:occupant-id:0";

// Jingle.

/// Session negotiation, XEP-0166.
pub const JINGLE: &str = "urn:xmpp:jingle:1";
/// Session errors, XEP-0166 §10.
pub const JINGLE_ERRORS: &str = "urn:xmpp:jingle:errors:1";
/// RTP sessions, XEP-0167.
pub const JINGLE_RTP: &str = "urn:xmpp:jingle:apps:rtp:1";
/// Feature: RTP audio, XEP-0167 §8.
pub const JINGLE_RTP_AUDIO: &str = "urn:xmpp:jingle:apps:rtp:audio";
/// Feature: RTP video, XEP-0167 §8.
pub const JINGLE_RTP_VIDEO: &str = "urn:xmpp:jingle:apps:rtp:video";
/// RTCP feedback, XEP-0293.
pub const JINGLE_RTCP_FB: &str = "urn:xmpp:jingle:apps:rtp:rtcp-fb:0";
/// RTP header extensions, XEP-0294.
pub const JINGLE_RTP_HDREXT: &str = "urn:xmpp:jingle:apps:rtp:rtp-hdrext:0";
/// Source-specific media attributes, XEP-0339.
pub const JINGLE_SSMA: &str = "urn:xmpp:jingle:apps:rtp:ssma:0";
/// Grouping (BUNDLE), XEP-0338.
pub const JINGLE_GROUPING: &str = "urn:xmpp:jingle:apps:grouping:0";
/// ICE-UDP transport, XEP-0176.
pub const JINGLE_ICE_UDP: &str = "urn:xmpp:jingle:transports:ice-udp:1";
/// DTLS fingerprints, XEP-0320.
pub const JINGLE_DTLS: &str = "urn:xmpp:jingle:apps:dtls:0";
/// Data channels over SCTP, XEP-0343.
pub const JINGLE_DTLS_SCTP: &str = "urn:xmpp:jingle:transports:dtls-sctp:1";
/// Feature: retransmission payloads, RFC 4588.
pub const RFC_4588: &str = "urn:ietf:rfc:4588";
/// Feature: source attributes in SDP, RFC 5576.
pub const RFC_5576: &str = "urn:ietf:rfc:5576";
/// Feature: grouping in SDP, RFC 5888.
pub const RFC_5888: &str = "urn:ietf:rfc:5888";

// Jitsi: bridge.

/// Control of a bridge by the focus (colibri2), Jitsi.
pub const COLIBRI2: &str = "jitsi:colibri2";
/// Bridge statistics, bridge-channel address and shutdown commands, Jitsi.
pub const COLIBRI: &str = "http://jitsi.org/protocol/colibri";
/// Health check of a bridge, Jitsi.
pub const HEALTHCHECK: &str = "http://jitsi.org/protocol/healthcheck";
/// Trace context carried along with requests, Jitsi; ignored.
pub const OPENTELEMETRY: &str = "jitsi:opentelemetry";

// Jitsi: focus and clients.

/// Conference requests and bridge session ids, Jitsi.
pub const FOCUS: &str = "http://jitsi.org/protocol/focus";
/// Source owners, JSON messages, room metadata and other client extensions, Jitsi.
pub const JITMEET: &str = "http://jitsi.org/jitmeet";
/// Mute request for audio, Jitsi.
pub const JITMEET_AUDIO: &str = "http://jitsi.org/jitmeet/audio";
/// Mute request for video, Jitsi.
pub const JITMEET_VIDEO: &str = "http://jitsi.org/jitmeet/video";
/// Mute request for screen sharing, Jitsi.
pub const JITMEET_DESKTOP: &str = "http://jitsi.org/jitmeet/desktop";
/// Muted at the start, Jitsi.
pub const JITMEET_START_MUTED: &str = "http://jitsi.org/jitmeet/start-muted";
/// Shared document name, Jitsi.
pub const JITMEET_ETHERPAD: &str = "http://jitsi.org/jitmeet/etherpad";
/// Recording and streaming, Jitsi.
pub const JIBRI: &str = "http://jitsi.org/protocol/jibri";
/// Dial-out and transcription gateways, Jitsi.
pub const JIGASI: &str = "http://jitsi.org/protocol/jigasi";
/// Calls to gateways, XEP-0327.
pub const RAYO: &str = "urn:xmpp:rayo:1";
/// Feature: calls to gateways, XEP-0327.
pub const RAYO_CLIENT: &str = "urn:xmpp:rayo:client:1";
/// Region of a client or bridge, Jitsi.
pub const REGION: &str = "http://jitsi.org/jitsi-meet";
/// Room metadata component, Jitsi.
pub const ROOM_METADATA: &str = "http://jitsi.org/protocol/room_metadata";
/// Moderation of microphones and cameras, Jitsi.
pub const AV_MODERATION: &str = "http://jitsi.org/protocol/av_moderation";
/// Breakout rooms, Jitsi.
pub const BREAKOUT_ROOMS: &str = "http://jitsi.org/protocol/breakout_rooms";
/// Lobby rooms, Jitsi.
pub const LOBBY_ROOMS: &str = "http://jitsi.org/protocol/lobbyrooms";
/// Feature: the lobby asks for a display name, Jitsi.
pub const LOBBY_DISPLAY_NAME_REQUIRED: &str = "http://jitsi.org/protocol/lobbyrooms#displayname_required";
/// Speaker statistics, Jitsi.
pub const SPEAKER_STATS: &str = "http://jitsi.org/protocol/speakerstats";
/// Polls, Jitsi.
pub const POLLS: &str = "http://jitsi.org/polls";
/// Visitors, Jitsi.
pub const VISITORS: &str = "http://jitsi.org/visitors-1";

// Jitsi: features announced by clients (disco#info).

/// Feature: transport-wide congestion control.
pub const FEATURE_TCC: &str = "http://jitsi.org/tcc";
/// Feature: receiver-estimated bitrate.
pub const FEATURE_REMB: &str = "http://jitsi.org/remb";
/// Feature: Opus RED.
pub const FEATURE_OPUS_RED: &str = "http://jitsi.org/opus-red";
/// Feature: sources are identified by name.
pub const FEATURE_SOURCE_NAMES: &str = "http://jitsi.org/source-name";
/// Feature: several video sources of one member are received.
pub const FEATURE_MULTI_STREAM: &str = "http://jitsi.org/receive-multiple-video-streams";
/// Feature: the bridge may rewrite SSRCs.
pub const FEATURE_SSRC_REWRITING: &str = "http://jitsi.org/ssrc-rewriting-1";
/// Feature: streams are told apart by RTP mid.
pub const FEATURE_RTP_MID_DEMUX: &str = "http://jitsi.org/rtp-mid-demux";
/// Feature: sources may come as JSON.
pub const FEATURE_JSON_SOURCES: &str = "http://jitsi.org/json-encoded-sources";
/// Feature: start-muted is taken from room metadata.
pub const FEATURE_START_MUTED_METADATA: &str = "http://jitsi.org/start-muted-room-metadata";
/// Feature: end-to-end encryption.
pub const FEATURE_E2EE: &str = "https://jitsi.org/meet/e2ee";

// RTP header extension URIs.

/// Audio level, RFC 6464.
pub const EXT_AUDIO_LEVEL: &str = "urn:ietf:params:rtp-hdrext:ssrc-audio-level";
/// Absolute send time, WebRTC.
pub const EXT_ABS_SEND_TIME: &str = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time";
/// Transport-wide sequence number, draft-holmer-rmcat-transport-wide-cc-extensions-01.
pub const EXT_TRANSPORT_CC: &str = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";
/// Media identification, RFC 9143 §15.
pub const EXT_MID: &str = "urn:ietf:params:rtp-hdrext:sdes:mid";
/// Dependency descriptor, AV1 RTP payload §A.
pub const EXT_DEPENDENCY_DESCRIPTOR: &str =
    "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension";
/// Video layers allocation, WebRTC.
pub const EXT_VIDEO_LAYERS_ALLOCATION: &str = "http://www.webrtc.org/experiments/rtp-hdrext/video-layers-allocation00";
/// Coordination of video orientation, 3GPP TS 26.114.
pub const EXT_VIDEO_ORIENTATION: &str = "urn:3gpp:video-orientation";
