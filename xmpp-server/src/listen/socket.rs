//! Listening sockets and UNIX socket paths.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::AsRawFd;
use std::path::Path;

use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

/// Longest path that fits a UNIX socket address (`sun_path`, with its final zero).
const UNIX_PATH_MAX: usize = 107;

/// Listens. `::` means every address, of both families where the machine has both.
pub(crate) async fn listen(address: IpAddr, port: u16) -> io::Result<TcpListener> {
    match TcpListener::bind(SocketAddr::new(address, port)).await {
        // A machine without IPv6.
        Err(error) if address.is_unspecified() && error.raw_os_error() == Some(libc::EAFNOSUPPORT) => {
            TcpListener::bind(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port)).await
        }
        result => result,
    }
}

/// Settings of an accepted connection: stanzas are small and shall leave at once.
pub(crate) fn prepare(stream: &TcpStream) {
    // Without it the connection only is slower.
    let _ = stream.set_nodelay(true);
}

/// Listens on a UNIX socket only this user can reach; a leftover of a dead process is replaced.
pub(crate) fn listen_unix(path: &Path) -> io::Result<UnixListener> {
    use std::os::unix::fs::PermissionsExt;
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    if path.exists() {
        if through_short_path(path, |path| std::os::unix::net::UnixStream::connect(path)).is_ok() {
            return Err(io::Error::new(io::ErrorKind::AddrInUse, "another process listens there"));
        }
        std::fs::remove_file(path)?;
    }
    let listener = through_short_path(path, |path| UnixListener::bind(path))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Connects to a UNIX socket.
pub(crate) async fn connect_unix(path: &Path) -> io::Result<UnixStream> {
    let stream = through_short_path(path, |path| std::os::unix::net::UnixStream::connect(path))?;
    stream.set_nonblocking(true)?;
    UnixStream::from_std(stream)
}

/// A path too long for a socket address is reached through its open folder.
fn through_short_path<T>(path: &Path, act: impl Fn(&Path) -> io::Result<T>) -> io::Result<T> {
    if path.as_os_str().len() <= UNIX_PATH_MAX {
        return act(path);
    }
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return act(path);
    };
    let folder = std::fs::File::open(folder)?;
    act(&Path::new(&format!("/proc/self/fd/{}", folder.as_raw_fd())).join(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_long_path_is_no_obstacle_and_a_leftover_is_replaced() {
        let folder = tempfile::tempdir().expect("a folder");
        let deep = folder.path().join("d".repeat(100)).join("e".repeat(100));
        let path = deep.join("x.sock");
        drop(listen_unix(&path).expect("listening"));
        let listener = listen_unix(&path).expect("the leftover is replaced");
        assert_eq!(listen_unix(&path).expect_err("taken").kind(), io::ErrorKind::AddrInUse);
        let (connected, accepted) = tokio::join!(connect_unix(&path), listener.accept());
        connected.expect("connected");
        accepted.expect("accepted");
    }
}
