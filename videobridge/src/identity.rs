//! What the bridge of one data directory is called towards the XMPP server, the same at every start.
//!
//! With the same resource, the server ends the session of a bridge that crashed as soon as it is started again, instead
//! of waiting for it to resume: the focus then moves its conferences at once.

use std::io;
use std::path::Path;

use rand::RngExt;

/// Reads `DATA/run/videobridge.id`; makes it when there is none.
pub(crate) fn resource(data: &Path) -> io::Result<String> {
    let directory = data.join("run");
    let path = directory.join("videobridge.id");
    match std::fs::read_to_string(&path) {
        Ok(id) if !id.trim().is_empty() => return Ok(id.trim().to_owned()),
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let id = format!("bridge-{:016x}", rand::rng().random::<u64>());
    std::fs::create_dir_all(&directory)?;
    std::fs::write(&path, &id)?;
    Ok(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_once() {
        let data = tempfile::tempdir().unwrap();
        let first = resource(data.path()).unwrap();
        assert_eq!(resource(data.path()).unwrap(), first);
        std::fs::write(data.path().join("run/videobridge.id"), "").unwrap();
        assert_ne!(resource(data.path()).unwrap(), "");
    }
}
