/** Namespaces, with the specification each comes from. */

export const NS = {
  client: "jabber:client",
  framing: "urn:ietf:params:xml:ns:xmpp-framing", // RFC 7395
  sasl: "urn:ietf:params:xml:ns:xmpp-sasl", // RFC 6120 §6
  bind: "urn:ietf:params:xml:ns:xmpp-bind", // RFC 6120 §7
  stanzas: "urn:ietf:params:xml:ns:xmpp-stanzas", // RFC 6120 §8.3
  streams: "http://etherx.jabber.org/streams",
  discoInfo: "http://jabber.org/protocol/disco#info", // XEP-0030
  extdisco2: "urn:xmpp:extdisco:2", // XEP-0215
  ping: "urn:xmpp:ping", // XEP-0199
  register: "jabber:iq:register", // XEP-0077
  preauth: "urn:xmpp:pars:0", // XEP-0445
  caps: "http://jabber.org/protocol/caps", // XEP-0115
  nick: "http://jabber.org/protocol/nick", // XEP-0172
  delay: "urn:xmpp:delay", // XEP-0203
  dataForms: "jabber:x:data", // XEP-0004
  muc: "http://jabber.org/protocol/muc", // XEP-0045
  mucUser: "http://jabber.org/protocol/muc#user",
  mucAdmin: "http://jabber.org/protocol/muc#admin",
  mucOwner: "http://jabber.org/protocol/muc#owner",
  mucRoomConfig: "http://jabber.org/protocol/muc#roomconfig",
  jingle: "urn:xmpp:jingle:1", // XEP-0166
  jingleErrors: "urn:xmpp:jingle:errors:1",
  jingleRtp: "urn:xmpp:jingle:apps:rtp:1", // XEP-0167
  jingleRtcpFeedback: "urn:xmpp:jingle:apps:rtp:rtcp-fb:0", // XEP-0293
  jingleHeaderExtensions: "urn:xmpp:jingle:apps:rtp:rtp-hdrext:0", // XEP-0294
  jingleSources: "urn:xmpp:jingle:apps:rtp:ssma:0", // XEP-0339
  jingleGrouping: "urn:xmpp:jingle:apps:grouping:0", // XEP-0338
  jingleIceUdp: "urn:xmpp:jingle:transports:ice-udp:1", // XEP-0176
  jingleDtls: "urn:xmpp:jingle:apps:dtls:0", // XEP-0320
  jingleDtlsSctp: "urn:xmpp:jingle:transports:dtls-sctp:1", // XEP-0343
  colibri: "http://jitsi.org/protocol/colibri",
  jitsiMeet: "http://jitsi.org/jitmeet",
  jitsiFocus: "http://jitsi.org/protocol/focus",
  jitsiAudio: "http://jitsi.org/jitmeet/audio",
  jitsiVideo: "http://jitsi.org/jitmeet/video",
  jitsiDesktop: "http://jitsi.org/jitmeet/desktop",
} as const;
