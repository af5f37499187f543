//! What the XMPP server decides: streams, routing, rooms, services. No I/O, no clock.
