//! Opening the HTTP listener.

use std::io;
use std::path::Path;

use axum::Router;
use tokio::net::{TcpListener, UnixListener};

use crate::config::Listen;

/// Serves until the process ends.
///
/// # Errors
/// When the address cannot be listened on.
pub(crate) async fn serve(listen: &Listen, router: Router) -> io::Result<()> {
    match listen {
        Listen::Tcp(address) => {
            let listener = TcpListener::bind(address).await?;
            tracing::info!(port = listener.local_addr()?.port(), "HTTP is served");
            tokio::spawn(axum::serve(listener, router).into_future());
        }
        Listen::Unix(path) => {
            let listener = bind_unix(path)?;
            tracing::info!("HTTP is served on {}", path.display());
            tokio::spawn(axum::serve(listener, router).into_future());
        }
    }
    Ok(())
}

/// Binds a socket file. The kernel takes at most 107 bytes of path, so longer ones go through the open directory.
fn bind_unix(path: &Path) -> io::Result<UnixListener> {
    let directory = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    std::fs::create_dir_all(directory)?;
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let opened = std::fs::File::open(directory)?;
    let short = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&opened));
    let listener = UnixListener::bind(Path::new(&short).join(name))?;
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    Ok(listener)
}
