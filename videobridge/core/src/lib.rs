//! What the videobridge decides: transports, forwarding, allocation, colibri2. No I/O, no clock.
