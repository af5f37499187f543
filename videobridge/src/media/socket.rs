//! One worker's UDP socket: batches in, runs of equal size out (segmentation offload where there is any).

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};

use quinn_udp::{BATCH_SIZE, RecvMeta, Transmit, UdpSocketState};
use socket2::{Domain, Protocol, Socket as RawSocket, Type};

/// Wanted kernel buffers: a burst of keyframes of a large conference must fit.
const KERNEL_BUFFER_BYTES: usize = 8 * 1024 * 1024;
/// The largest datagram looked at; larger ones are nobody's media.
const DATAGRAM_BYTES_MAX: usize = 2_048;

/// A bound socket.
pub(super) struct Socket {
    socket: UdpSocket,
    state: UdpSocketState,
    local: SocketAddr,
}

/// What a batch is received into.
pub(super) struct Inbox {
    buffers: Vec<Vec<u8>>,
    metas: Vec<RecvMeta>,
}

/// Where a run of datagrams goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Path {
    pub(super) from: SocketAddr,
    pub(super) to: SocketAddr,
}

impl Socket {
    /// Binds `address`; several workers may bind the same one. `[::]` takes IPv4 as well.
    pub(super) fn bind(address: SocketAddr) -> io::Result<Self> {
        let raw = RawSocket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        if address.is_ipv6() {
            raw.set_only_v6(false)?;
        }
        raw.set_reuse_port(true)?;
        raw.set_nonblocking(true)?;
        raw.bind(&address.into())?;
        let socket = UdpSocket::from(raw);
        let local = socket.local_addr()?;
        let state = UdpSocketState::new((&socket).into())?;
        // The kernel grants what its limits allow; less is no reason not to start.
        let _ = state.set_send_buffer_size((&socket).into(), KERNEL_BUFFER_BYTES);
        let _ = state.set_recv_buffer_size((&socket).into(), KERNEL_BUFFER_BYTES);
        Ok(Self { socket, state, local })
    }

    pub(super) fn local(&self) -> SocketAddr {
        self.local
    }

    /// Most datagrams of one size that leave in one call.
    pub(super) fn segments_max(&self) -> usize {
        self.state.max_gso_segments()
    }

    /// Sends `bytes` as datagrams of `segment` bytes, the last one possibly shorter. What the kernel
    /// does not take now is lost, as on any network.
    pub(super) fn send(&self, path: Path, bytes: &[u8], segment: usize) {
        let transmit = Transmit {
            destination: self.as_bound(path.to),
            ecn: None,
            contents: bytes,
            segment_size: (bytes.len() > segment).then_some(segment),
            src_ip: (!path.from.ip().is_unspecified()).then(|| self.as_bound(path.from).ip()),
        };
        if let Err(error) = self.state.try_send((&self.socket).into(), &transmit)
            && error.kind() != io::ErrorKind::WouldBlock
        {
            tracing::trace!(%error, "datagram not sent");
        }
    }

    /// An IPv4 address as a dual-stack socket writes it.
    fn as_bound(&self, address: SocketAddr) -> SocketAddr {
        match (self.local, address.ip()) {
            (SocketAddr::V6(_), IpAddr::V4(ip)) => SocketAddr::new(IpAddr::V6(mapped(ip)), address.port()),
            _ => address,
        }
    }
}

impl Inbox {
    pub(super) fn new(socket: &Socket) -> Self {
        // Zeroed pages cost no memory before they are used.
        let slot = DATAGRAM_BYTES_MAX * socket.state.gro_segments();
        let buffers = (0..BATCH_SIZE).map(|_| vec![0; slot]).collect();
        Self { buffers, metas: vec![RecvMeta::default(); BATCH_SIZE] }
    }

    /// Receives what waits, up to one batch; answers how many reads there were.
    pub(super) fn receive(&mut self, socket: &Socket) -> io::Result<usize> {
        let mut buffers = self.buffers.iter_mut();
        let mut slices: [IoSliceMut<'_>; BATCH_SIZE] =
            std::array::from_fn(|_| buffers.next().map_or_else(|| IoSliceMut::new(&mut []), |b| IoSliceMut::new(b)));
        match socket.state.recv((&socket.socket).into(), &mut slices, &mut self.metas) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
            other => other,
        }
    }

    /// The datagrams of the last `received` reads of a socket bound to `bound`: our address, the peer's, the bytes.
    pub(super) fn datagrams(
        &mut self,
        bound: SocketAddr,
        received: usize,
    ) -> impl Iterator<Item = (SocketAddr, SocketAddr, &mut [u8])> {
        let (unspecified, port) = (bound.ip().to_canonical(), bound.port());
        self.buffers.iter_mut().zip(&self.metas).take(received).flat_map(move |(buffer, meta)| {
            let local = SocketAddr::new(meta.dst_ip.map_or(unspecified, |ip| ip.to_canonical()), port);
            let remote = canonical(meta.addr);
            // The kernel may have joined datagrams of one sender; all but the last are of one size.
            buffer[..meta.len].chunks_mut(meta.stride.max(1)).map(move |datagram| (local, remote, datagram))
        })
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn mapped(ip: std::net::Ipv4Addr) -> Ipv6Addr {
    ip.to_ipv6_mapped()
}

fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    fn receive_all(socket: &Socket, wanted: usize) -> Vec<(SocketAddr, Vec<u8>)> {
        let mut inbox = Inbox::new(socket);
        let mut got = Vec::new();
        let deadline = Instant::now() + Duration::from_secs(5);
        while got.len() < wanted && Instant::now() < deadline {
            let received = inbox.receive(socket).expect("received");
            got.extend(inbox.datagrams(socket.local(), received).map(|(_, remote, bytes)| (remote, bytes.to_vec())));
        }
        got
    }

    #[test]
    fn a_run_arrives_as_datagrams_over_either_family() {
        for (bind, target) in [("[::]:0", "127.0.0.1"), ("[::]:0", "::1"), ("127.0.0.1:0", "127.0.0.1")] {
            let Ok(socket) = Socket::bind(bind.parse().expect("address")) else { continue };
            let peer = UdpSocket::bind((target, 0)).expect("peer");
            peer.set_read_timeout(Some(Duration::from_secs(5))).expect("timeout");
            let to = SocketAddr::new(target.parse().expect("ip"), socket.local().port());
            peer.send_to(b"hello", to).expect("sent");
            let got = receive_all(&socket, 1);
            assert_eq!(got, [(peer.local_addr().expect("address"), b"hello".to_vec())]);
            let path = Path { from: to, to: peer.local_addr().expect("address") };
            let run: Vec<u8> = [[1_u8; 100], [2; 100]].concat().into_iter().chain([3; 40]).collect();
            if socket.segments_max() >= 3 {
                socket.send(path, &run, 100);
            } else {
                run.chunks(100).for_each(|datagram| socket.send(path, datagram, 100));
            }
            let mut buffer = [0; 200];
            for (byte, len) in [(1, 100), (2, 100), (3, 40)] {
                let (n, from) = peer.recv_from(&mut buffer).expect("datagram");
                assert_eq!((n, buffer[0], from), (len, byte, to));
            }
        }
    }
}
