//! Questions to the name server (RFC 1035): SRV, A and AAAA over UDP. The system's resolver answers
//! with addresses only, and from its hosts file, which nobody else has.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::net::UdpSocket;

const PORT: u16 = 53;
/// Wait for one server; then it is asked once more, then the next.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
const ATTEMPTS: usize = 2;
/// What a server may answer when asked for more than 512 bytes (RFC 6891).
const ANSWER_BYTES_MAX: usize = 4096;
/// Servers and names of a line are few.
const SERVERS_MAX: usize = 3;
/// A compressed name has no more jumps than this, or it runs in circles.
const JUMPS_MAX: usize = 32;

/// Kinds of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    A = 1,
    Aaaa = 28,
    Srv = 33,
}

/// What a record says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Record {
    Address(IpAddr),
    /// Where a service is (RFC 2782).
    Service {
        port: u16,
        target: String,
    },
}

/// Name servers.
#[derive(Debug, Clone)]
pub(super) struct Resolver {
    servers: Vec<SocketAddr>,
}

impl Resolver {
    /// Those that the system asks (`/etc/resolv.conf`), or the one given.
    pub(super) fn new(server: Option<SocketAddr>) -> Self {
        let servers = server.map_or_else(
            || configured(&std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default()),
            |server| vec![server],
        );
        Self { servers }
    }

    /// The records of `kind` at `name`; none when there are none. Fails when no server answers.
    pub(super) async fn ask(&self, name: &str, kind: Kind) -> Result<Vec<Record>, String> {
        let mut reason = "no name server is configured".to_owned();
        for server in &self.servers {
            for _ in 0..ATTEMPTS {
                match exchange(*server, name, kind).await {
                    Ok(records) => return Ok(records),
                    Err(error) => reason = format!("{server}: {error}"),
                }
            }
        }
        Err(reason)
    }
}

fn configured(text: &str) -> Vec<SocketAddr> {
    text.lines()
        .filter_map(|line| line.trim().strip_prefix("nameserver"))
        .filter_map(|address| address.trim().split('%').next()?.parse::<IpAddr>().ok())
        .map(|address| SocketAddr::new(address, PORT))
        .take(SERVERS_MAX)
        .collect()
}

async fn exchange(server: SocketAddr, name: &str, kind: Kind) -> Result<Vec<Record>, String> {
    let any = if server.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(any).await.map_err(|error| error.to_string())?;
    socket.connect(server).await.map_err(|error| error.to_string())?;
    let mut id = [0; 2];
    aws_lc_rs::rand::fill(&mut id).map_err(|_| "no randomness")?;
    socket.send(&question(id, name, kind)?).await.map_err(|error| error.to_string())?;
    let mut buffer = vec![0; ANSWER_BYTES_MAX];
    let answered = async {
        loop {
            let length = socket.recv(&mut buffer).await.map_err(|error| error.to_string())?;
            if buffer[..length].starts_with(&id) {
                return read(&buffer[..length], kind);
            }
        }
    };
    tokio::time::timeout(ANSWER_TIMEOUT, answered).await.map_err(|_| "no answer".to_owned())?
}

fn question(id: [u8; 2], name: &str, kind: Kind) -> Result<Vec<u8>, String> {
    // Recursion desired; one question, one additional record.
    let mut bytes = vec![id[0], id[1], 1, 0, 0, 1, 0, 0, 0, 0, 0, 1];
    for label in name.trim_end_matches('.').split('.') {
        match u8::try_from(label.len()) {
            Ok(length @ 1..=63) => bytes.push(length),
            _ => return Err(format!("{name} is no domain name")),
        }
        bytes.extend(label.as_bytes());
    }
    bytes.extend([0, 0, kind as u8, 0, 1]);
    // EDNS(0): we take long answers.
    bytes.extend([0, 0, 41]);
    bytes.extend((ANSWER_BYTES_MAX as u16).to_be_bytes());
    bytes.extend([0; 6]);
    Ok(bytes)
}

fn read(message: &[u8], kind: Kind) -> Result<Vec<Record>, String> {
    let broken = || "an answer that is broken".to_owned();
    let word = |at: usize| Some(u16::from_be_bytes(message.get(at..at + 2)?.try_into().ok()?));
    match message.get(3).map(|flags| flags & 0x0f) {
        // No error; no such name.
        Some(0) => {}
        Some(3) => return Ok(Vec::new()),
        Some(code) => return Err(format!("it answers with error {code}")),
        None => return Err(broken()),
    }
    let (questions, answers) = (word(4).ok_or_else(broken)?, word(6).ok_or_else(broken)?);
    let mut at = 12;
    for _ in 0..questions {
        at = name_at(message, at).ok_or_else(broken)?.1 + 4;
    }
    let mut records = Vec::new();
    for _ in 0..answers {
        let (_, fixed) = name_at(message, at).ok_or_else(broken)?;
        let length = usize::from(word(fixed + 8).ok_or_else(broken)?);
        let data_at = fixed + 10;
        let data = message.get(data_at..data_at + length).ok_or_else(broken)?;
        // Aliases on the way are followed by the server.
        if word(fixed) == Some(kind as u16) {
            records.push(record(message, data_at, data, kind).ok_or_else(broken)?);
        }
        at = data_at + length;
    }
    Ok(records)
}

fn record(message: &[u8], at: usize, data: &[u8], kind: Kind) -> Option<Record> {
    Some(match kind {
        Kind::A => Record::Address(<[u8; 4]>::try_from(data).ok()?.into()),
        Kind::Aaaa => Record::Address(<[u8; 16]>::try_from(data).ok()?.into()),
        Kind::Srv => {
            let port = u16::from_be_bytes(data.get(4..6)?.try_into().ok()?);
            Record::Service { port, target: name_at(message, at + 6)?.0 }
        }
    })
}

/// The name at an offset, and where what follows it begins (RFC 1035 §4.1.4).
fn name_at(message: &[u8], start: usize) -> Option<(String, usize)> {
    let mut labels = Vec::new();
    let (mut at, mut end, mut jumps) = (start, None, 0);
    loop {
        let length = usize::from(*message.get(at)?);
        match length {
            0 => return Some((labels.join("."), end.unwrap_or(at + 1))),
            1..=63 => {
                let label = message.get(at + 1..at + 1 + length)?;
                labels.push(String::from_utf8_lossy(label).to_ascii_lowercase());
                at += 1 + length;
            }
            _ => {
                end.get_or_insert(at + 2);
                jumps += 1;
                if length < 0xc0 || jumps > JUMPS_MAX {
                    return None;
                }
                at = (length & 0x3f) << 8 | usize::from(*message.get(at + 1)?);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One SRV record, its owner's name compressed and its target, too.
    fn answer() -> Vec<u8> {
        let mut bytes = question([7, 8], "_xmpp-client._tcp.example.org", Kind::Srv).expect("a name");
        bytes.truncate(bytes.len() - 11);
        bytes[2..12].copy_from_slice(&[0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]);
        // The name of the question begins at 12; "example.org" in it at 12 + 13 + 5.
        bytes.extend([0xc0, 12, 0, 33, 0, 1, 0, 0, 0, 60, 0, 13, 0, 0, 0, 5, 0x14, 0x66, 4]);
        bytes.extend(b"meet");
        bytes.extend([0xc0, 30]);
        bytes
    }

    #[test]
    fn a_compressed_answer_is_read() {
        let records = read(&answer(), Kind::Srv).expect("an answer");
        assert_eq!(records, [Record::Service { port: 5222, target: "meet.example.org".to_owned() }]);
    }

    #[test]
    fn no_such_name_is_no_record_and_a_refusal_is_an_error() {
        let mut missing = answer();
        missing[3] = 0x83;
        assert_eq!(read(&missing, Kind::Srv), Ok(Vec::new()));
        missing[3] = 0x85;
        assert!(read(&missing, Kind::Srv).expect_err("refused").contains("error 5"));
    }

    #[test]
    fn what_is_cut_short_or_runs_in_circles_is_refused() {
        let whole = answer();
        for length in 0..whole.len() {
            assert!(read(&whole[..length], Kind::Srv).is_err(), "{length}");
        }
        let mut circle = answer();
        let at = circle.len() - 2;
        circle[at + 1] = u8::try_from(at).expect("short");
        assert!(read(&circle, Kind::Srv).is_err());
    }

    #[test]
    fn the_systems_servers_are_found() {
        let text =
            "# comment\nsearch example.org\nnameserver 192.0.2.53\nnameserver fe80::1%eth0\nnameserver nonsense\n";
        let servers: Vec<String> = configured(text).iter().map(ToString::to_string).collect();
        assert_eq!(servers, ["192.0.2.53:53", "[fe80::1]:53"]);
        assert!(question([0, 0], "a..b", Kind::A).is_err());
    }
}
