//! The socket of the HTTP interface.

use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use axum::Router;
use tokio::net::{TcpListener, UnixListener};

use crate::config::Listen;

/// Longest path that fits a socket address (`sun_path` of unix(7), with its final zero).
const SOCKET_PATH_MAX: usize = 107;

/// A bound socket.
pub(crate) enum Listener {
    Unix(UnixListener),
    Tcp(TcpListener),
}

impl Listener {
    /// Binds. A Unix socket left behind by a process that is gone is replaced.
    pub(crate) async fn bind(data: &Path, listen: &Listen) -> io::Result<Self> {
        match listen {
            Listen::Tcp(address) => TcpListener::bind(address).await.map(Self::Tcp),
            Listen::Unix(path) => bind_unix(&data.join(path)).map(Self::Unix),
        }
    }

    /// Where, for people.
    pub(crate) fn address(&self) -> String {
        match self {
            Self::Unix(listener) => listener
                .local_addr()
                .ok()
                .and_then(|address| address.as_pathname().map(|path| path.display().to_string()))
                .unwrap_or_default(),
            Self::Tcp(listener) => listener.local_addr().map(|address| address.to_string()).unwrap_or_default(),
        }
    }

    pub(crate) async fn serve(self, router: Router) -> io::Result<()> {
        match self {
            Self::Unix(listener) => axum::serve(listener, router).await,
            Self::Tcp(listener) => axum::serve(listener, router).await,
        }
    }
}

fn bind_unix(path: &Path) -> io::Result<UnixListener> {
    let invalid = || io::Error::new(io::ErrorKind::InvalidInput, "the socket needs a directory and a name");
    let (directory, name) = path.parent().zip(path.file_name()).ok_or_else(invalid)?;
    std::fs::create_dir_all(directory)?;
    if std::os::unix::net::UnixStream::connect(path).is_ok() {
        return Err(io::Error::new(io::ErrorKind::AddrInUse, "another process listens there"));
    }
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = if path.as_os_str().len() <= SOCKET_PATH_MAX {
        UnixListener::bind(path)?
    } else {
        // The directory by its descriptor: a short path to the same place.
        let opened = std::fs::File::open(directory)?;
        UnixListener::bind(Path::new("/proc/self/fd").join(opened.as_raw_fd().to_string()).join(name))?
    };
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_socket_is_private_replaced_when_dead_and_kept_when_alive() {
        let data = tempfile::tempdir().unwrap();
        let listen = Listen::Unix("run/x.sock".into());
        let listener = Listener::bind(data.path(), &listen).await.unwrap();
        let path = data.path().join("run/x.sock");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert!(Listener::bind(data.path(), &listen).await.is_err());
        drop(listener);
        assert!(path.exists());
        Listener::bind(data.path(), &listen).await.unwrap();
    }

    #[tokio::test]
    async fn long_paths_work() {
        let data = tempfile::tempdir().unwrap();
        let deep = data.path().join("a".repeat(120));
        let _listener = Listener::bind(&deep, &Listen::Unix("run/x.sock".into())).await.unwrap();
        assert!(deep.join("run/x.sock").exists());
    }
}
