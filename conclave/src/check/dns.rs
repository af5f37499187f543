//! DNS as the world sees it: addresses of the host, and where XMPP clients look.

use std::net::{IpAddr, SocketAddr};

use super::Report;
use super::resolver::{Kind, Record, Resolver};
use super::settings::File;
use crate::data_directory::DataDirectory;

const CHECK: &str = "dns";
const C2S_PORT_DEFAULT: u16 = 5222;
const C2S_TLS_PORT_DEFAULT: u16 = 5223;

/// Asks `server`, or those of the system.
pub(super) async fn check(data: &DataDirectory, server: Option<SocketAddr>, report: &mut Report) {
    let file = File::read(data);
    let host = crate::admin::host(data).await.unwrap_or_else(|_| file.host());
    if host.parse::<IpAddr>().is_ok() {
        return report.ok(CHECK, format!("{host} is an address: no name is needed to reach it."));
    }
    if host == "localhost" || host.ends_with(".localhost") {
        return report.warning(
            CHECK,
            format!("{host} is this machine only; for others to meet here set host in conclave.toml to a name they can reach."),
        );
    }
    let resolver = Resolver::new(server);
    if let Err(reason) = addresses(&resolver, &host, &file, report).await {
        return report.error(CHECK, format!("DNS cannot be asked ({reason}); check /etc/resolv.conf and the network."));
    }
    let services = [
        ("_xmpp-client._tcp", file.port("xmpp-server", "c2s_port", C2S_PORT_DEFAULT), Some(C2S_PORT_DEFAULT)),
        ("_xmpps-client._tcp", file.port("xmpp-server", "c2s_tls_port", C2S_TLS_PORT_DEFAULT), None),
    ];
    for (service, port, found_without) in services {
        if port == 0 {
            continue;
        }
        let records = resolver.ask(&format!("{service}.{host}"), Kind::Srv).await.unwrap_or_default();
        judge(&host, service, port, found_without, &records, report);
    }
}

async fn addresses(resolver: &Resolver, host: &str, file: &File, report: &mut Report) -> Result<(), String> {
    let mut found = resolver.ask(host, Kind::A).await?;
    found.extend(resolver.ask(host, Kind::Aaaa).await?);
    let found: Vec<IpAddr> = found
        .into_iter()
        .filter_map(|record| if let Record::Address(address) = record { Some(address) } else { None })
        .collect();
    if found.is_empty() {
        report.error(
            CHECK,
            format!("{host} has no address in DNS; add an A record (and AAAA for IPv6) that leads here."),
        );
    }
    let announced = file.texts("videobridge", "advertise");
    for address in found {
        // Only an address of this machine can be listened on.
        let ours = std::net::UdpSocket::bind((address, 0)).is_ok();
        let announced = announced.iter().any(|text| text.starts_with(&address.to_string()));
        if ours || announced {
            report.ok(CHECK, format!("{host} leads to {address}."));
        } else {
            report.warning(
                CHECK,
                format!(
                    "{host} leads to {address}, which is not an address of this machine; if a router passes it on to \
                     here, set videobridge.advertise = [\"{address}\"], else correct the record."
                ),
            );
        }
    }
    Ok(())
}

/// Clients without a record try the port of `found_without` at the host itself.
fn judge(host: &str, service: &str, port: u16, found_without: Option<u16>, records: &[Record], report: &mut Report) {
    let right = |record: &Record| matches!(record, Record::Service { port: told, .. } if *told == port);
    let advice = format!("{service}.{host}. SRV 0 5 {port} {host}.");
    match records.first() {
        None if found_without == Some(port) => {
            report.ok(CHECK, format!("no {service} record is needed: clients find port {port} by themselves."));
        }
        None if found_without.is_some() => {
            report.error(CHECK, format!("XMPP clients look for this server at another port; add the record: {advice}"));
        }
        None => report.ok(CHECK, format!("there is no {service} record; direct TLS would be found with: {advice}")),
        Some(_) if records.iter().any(right) => {
            report.ok(CHECK, format!("{service}.{host} leads to port {port}."));
        }
        Some(Record::Service { target, port: told }) => report.error(
            CHECK,
            format!("{service}.{host} leads to {target} port {told}, but this server listens on {port}; correct it to: {advice}"),
        ),
        Some(Record::Address(_)) => {}
    }
}
