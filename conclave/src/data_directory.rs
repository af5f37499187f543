//! The data directory: what lies where, and its first making.

use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// Written at first start, so that an administrator finds every key worth knowing.
const FIRST_CONFIGURATION: &str = include_str!("conclave.toml");

/// One server's files.
#[derive(Debug, Clone)]
pub(crate) struct DataDirectory {
    root: PathBuf,
}

impl DataDirectory {
    /// The directory at `root`, which need not exist yet.
    pub(crate) fn new(root: PathBuf) -> Self {
        Self { root }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn configuration(&self) -> PathBuf {
        self.root.join("conclave.toml")
    }

    pub(crate) fn certificates(&self) -> PathBuf {
        self.root.join("certs")
    }

    /// A socket under `run/`.
    pub(crate) fn socket(&self, name: &str) -> PathBuf {
        self.root.join("run").join(name)
    }

    /// Makes what is missing and makes the path absolute. Answers whether this is the first start.
    pub(crate) fn prepare(&mut self) -> Result<bool, Failure> {
        for folder in [self.root.clone(), self.root.join("run"), self.root.join("secrets")] {
            if !folder.is_dir() {
                std::fs::DirBuilder::new()
                    .recursive(true)
                    .mode(0o700)
                    .create(&folder)
                    .map_err(|e| Failure::here(format!("cannot make the folder {}: {e}", folder.display())))?;
            }
        }
        self.root = self
            .root
            .canonicalize()
            .map_err(|e| Failure::here(format!("cannot open the folder {}: {e}", self.root.display())))?;
        self.write_first_configuration()
    }

    fn write_first_configuration(&self) -> Result<bool, Failure> {
        let path = self.configuration();
        let file = std::fs::OpenOptions::new().create_new(true).write(true).mode(0o600).open(&path);
        let write = |mut file: std::fs::File| file.write_all(FIRST_CONFIGURATION.as_bytes());
        match file {
            Ok(file) => {
                write(file).map(|()| true).map_err(|e| Failure::here(format!("cannot write {}: {e}", path.display())))
            }
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(Failure::here(format!("cannot write {}: {error}", path.display()))),
        }
    }
}
