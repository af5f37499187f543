//! The XMPP client connection of the focus, the bridge and the test peers: login, resumption, requests.
