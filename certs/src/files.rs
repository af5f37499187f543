//! Atomic writes with the right permissions, and the lock between processes.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use crate::CertError;

/// Who may read a file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Readable {
    ByOwner,
    ByAll,
}

/// Makes the directory (owner-only) when it is missing.
pub(crate) fn make_directory(directory: &Path) -> Result<(), CertError> {
    if directory.is_dir() {
        return Ok(());
    }
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .map_err(|e| CertError::io("cannot make the folder", directory, e))
}

/// Takes the directory's lock; it is released when the file is dropped.
pub(crate) fn lock(directory: &Path) -> Result<File, CertError> {
    let path = directory.join(crate::file::LOCK);
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&path)
        .map_err(|e| CertError::io("cannot open", &path, e))?;
    file.lock().map_err(|e| CertError::io("cannot lock", &path, e))?;
    Ok(file)
}

pub(crate) fn read(path: &Path) -> Result<String, CertError> {
    std::fs::read_to_string(path).map_err(|e| CertError::io("cannot read", path, e))
}

/// Replaces `path` in one step: a reader sees the old content or the new, never a part.
pub(crate) fn write(path: &Path, content: &str, readable: Readable) -> Result<(), CertError> {
    let mode = if readable == Readable::ByAll { 0o644 } else { 0o600 };
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(format!(".new-{}", std::process::id()));
    let temporary = Path::new(&temporary);
    let write = || -> std::io::Result<()> {
        let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(mode).open(temporary)?;
        file.write_all(content.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(temporary, path)
    };
    write().map_err(|e| CertError::io("cannot write", path, e))
}
