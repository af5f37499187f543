//! A small ACME authority for tests of the started stack. Prints its directory's address, writes its
//! root, and runs until it is ended.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use tests::acme_authority::{Authority, Policy};

#[derive(Debug, Parser)]
struct Arguments {
    /// Where HTTP-01 is looked for.
    #[arg(long, default_value_t = 0)]
    http_port: u16,
    /// Where TLS-ALPN-01 is looked for.
    #[arg(long, default_value_t = 0)]
    tls_port: u16,
    /// Folder with a file for each record.
    #[arg(long, default_value = ".")]
    dns_folder: PathBuf,
    /// Life of a certificate, in seconds.
    #[arg(long, default_value_t = 7_776_000)]
    life_s: u64,
    /// Where to write the root, PEM.
    #[arg(long)]
    root: PathBuf,
}

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::print_stdout, reason = "the address is what the caller waits for")]
async fn main() {
    let arguments = Arguments::parse();
    let authority = Authority::start(Policy {
        http_port: arguments.http_port,
        tls_port: arguments.tls_port,
        dns_folder: arguments.dns_folder,
        life: Duration::from_secs(arguments.life_s),
    })
    .await;
    std::fs::write(&arguments.root, authority.root_pem()).expect("the root is written");
    println!("{}", authority.directory());
    std::future::pending::<()>().await;
}
