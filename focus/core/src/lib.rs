//! What the focus decides: conferences, invitations, sources, bridge choice. No I/O, no clock.
