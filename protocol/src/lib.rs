//! The wire types that Conclave's parts meet on: no I/O.
