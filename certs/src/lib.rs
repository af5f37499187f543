//! Certificates that simply work: the local CA, import, reload, inspection, trust stores.
