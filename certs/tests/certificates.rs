//! The local authority, import, reload and trust on real files, checked by rustls' own verifier.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use certs::import::Source;
use certs::trust::Stores;
use certs::{CertError, Resolver, Served, ServerNames, file, inspect, load_or_create};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};

const DAY: Duration = Duration::from_secs(86_400);

fn names(host: &str) -> ServerNames {
    ServerNames::new(host, &[]).expect("a host name")
}

/// Verifies the served chain for `name` with only the local authority trusted.
fn verify(directory: &Path, name: &str) -> Result<(), rustls::Error> {
    let mut roots = rustls::RootCertStore::empty();
    let authority = CertificateDer::from_pem_file(directory.join(file::CA_CERTIFICATE)).expect("authority");
    roots.add(authority).expect("usable root");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = rustls::client::WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .expect("verifier");
    let chain: Vec<_> = CertificateDer::pem_file_iter(directory.join(file::SERVER_CHAIN))
        .expect("chain")
        .collect::<Result<_, _>>()
        .expect("certificates");
    let (leaf, intermediates) = chain.split_first().expect("a leaf");
    let name = ServerName::try_from(name.to_owned()).expect("server name");
    use rustls::client::danger::ServerCertVerifier;
    verifier.verify_server_cert(leaf, intermediates, &name, &[], UnixTime::now()).map(|_| ())
}

#[test]
fn first_start_makes_a_certificate_that_verifies_for_every_name() {
    let directory = tempfile::tempdir().expect("folder");
    let served = load_or_create(directory.path(), &names("meet.example.org"), SystemTime::now()).expect("made");
    assert_eq!(served, Served::Issued);
    for name in ["meet.example.org", "auth.meet.example.org", "guest.meet.example.org", "localhost", "127.0.0.1", "::1"]
    {
        verify(directory.path(), name).unwrap_or_else(|e| panic!("{name}: {e}"));
    }
    assert!(verify(directory.path(), "other.example.org").is_err());
    for key in [file::CA_KEY, file::SERVER_KEY] {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(directory.path().join(key)).expect("key").permissions().mode();
        assert_eq!(mode & 0o077, 0, "{key} is readable by others");
    }
}

#[test]
fn the_authority_cannot_vouch_for_another_site() {
    let directory = tempfile::tempdir().expect("folder");
    let now = SystemTime::now();
    load_or_create(directory.path(), &names("meet.example.org"), now).expect("made");
    let pem = std::fs::read_to_string(directory.path().join(file::CA_CERTIFICATE)).expect("authority");
    let key = std::fs::read_to_string(directory.path().join(file::CA_KEY)).expect("key");
    let issuer = rcgen::Issuer::from_ca_cert_pem(&pem, rcgen::KeyPair::from_pem(&key).expect("key")).expect("issuer");
    let bank_key = rcgen::KeyPair::generate().expect("key");
    let mut bank = rcgen::CertificateParams::new(vec!["bank.example.com".to_owned()]).expect("params");
    bank.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    let bank = bank.signed_by(&bank_key, &issuer).expect("signed");
    std::fs::write(directory.path().join(file::SERVER_CHAIN), bank.pem()).expect("written");
    assert!(verify(directory.path(), "bank.example.com").is_err());
}

#[test]
fn a_second_start_keeps_and_a_late_one_renews_under_the_same_authority() {
    let directory = tempfile::tempdir().expect("folder");
    let now = SystemTime::now();
    let start = |at| load_or_create(directory.path(), &names("localhost"), at).expect("served");
    let read = |name| std::fs::read_to_string(directory.path().join(name)).expect("file");
    assert_eq!(start(now), Served::Issued);
    let (authority, first) = (read(file::CA_CERTIFICATE), read(file::SERVER_CHAIN));
    assert_eq!(start(now + 300 * DAY), Served::Kept);
    assert_eq!(read(file::SERVER_CHAIN), first);
    assert_eq!(start(now + 340 * DAY), Served::Issued);
    assert_ne!(read(file::SERVER_CHAIN), first);
    assert_eq!(read(file::CA_CERTIFICATE), authority, "people trusted this one");
}

#[test]
fn another_host_gets_another_certificate() {
    let directory = tempfile::tempdir().expect("folder");
    let now = SystemTime::now();
    load_or_create(directory.path(), &names("localhost"), now).expect("made");
    assert_eq!(load_or_create(directory.path(), &names("meet.example.org"), now).expect("made"), Served::Issued);
    verify(directory.path(), "meet.example.org").expect("valid");
}

fn foreign(directory: &Path, host: &str, not_after_days: u64) -> (std::path::PathBuf, std::path::PathBuf) {
    let key = rcgen::KeyPair::generate().expect("key");
    let mut params = rcgen::CertificateParams::new(vec![host.to_owned()]).expect("params");
    let now = SystemTime::now();
    params.not_before = time::OffsetDateTime::from(now - 400 * DAY);
    params.not_after =
        time::OffsetDateTime::from(now - 300 * DAY + DAY * u32::try_from(not_after_days).expect("small"));
    let certificate = params.self_signed(&key).expect("signed");
    let paths = (directory.join("theirs.pem"), directory.join("theirs.key"));
    std::fs::write(&paths.0, certificate.pem()).expect("written");
    std::fs::write(&paths.1, key.serialize_pem()).expect("written");
    paths
}

#[test]
fn an_imported_certificate_is_served_and_never_replaced() {
    let directory = tempfile::tempdir().expect("folder");
    let served = directory.path().join("certs");
    let now = SystemTime::now();
    load_or_create(&served, &names("meet.example.org"), now).expect("made");
    let resolver = Resolver::load(&served).expect("resolver");
    let before = resolver.current();
    let (chain, key) = foreign(directory.path(), "*.example.org", 400);
    let source = Source { chain, key };
    let summary = certs::import::import(&served, "meet.example.org", &source, now).expect("imported");
    assert_eq!(summary.names, ["*.example.org"]);
    resolver.reload().expect("reloaded");
    assert_ne!(before.cert, resolver.current().cert);
    assert_eq!(load_or_create(&served, &names("meet.example.org"), now).expect("kept"), Served::Imported);
}

#[test]
fn a_bad_import_changes_nothing_and_says_why() {
    let directory = tempfile::tempdir().expect("folder");
    let served = directory.path().join("certs");
    let now = SystemTime::now();
    load_or_create(&served, &names("meet.example.org"), now).expect("made");
    let before = std::fs::read(served.join(file::SERVER_CHAIN)).expect("chain");
    let import = |chain: &Path, key: &Path| {
        let source = Source { chain: chain.to_owned(), key: key.to_owned() };
        certs::import::import(&served, "meet.example.org", &source, now)
    };

    let (chain, key) = foreign(directory.path(), "other.example.com", 400);
    assert!(matches!(import(&chain, &key), Err(CertError::WrongName { .. })));
    assert!(matches!(import(&chain, &served.join(file::SERVER_KEY)), Err(CertError::KeyMismatch)));
    assert!(matches!(import(&key, &key), Err(CertError::NotPem { .. })));
    let (chain, key) = foreign(directory.path(), "meet.example.org", 10);
    assert!(matches!(import(&chain, &key), Err(CertError::OutOfDate { .. })));
    assert!(matches!(import(&directory.path().join("none"), &key), Err(CertError::Io { .. })));
    assert_eq!(std::fs::read(served.join(file::SERVER_CHAIN)).expect("chain"), before);
}

#[test]
fn a_reload_of_a_broken_file_keeps_the_old_certificate() {
    let directory = tempfile::tempdir().expect("folder");
    load_or_create(directory.path(), &names("localhost"), SystemTime::now()).expect("made");
    let resolver = Resolver::load(directory.path()).expect("resolver");
    let before = resolver.current();
    std::fs::write(directory.path().join(file::SERVER_CHAIN), "nonsense").expect("written");
    assert!(resolver.reload().is_err());
    assert_eq!(before.cert, resolver.current().cert);
}

#[test]
fn a_summary_says_names_days_and_fingerprint() {
    let directory = tempfile::tempdir().expect("folder");
    let now = SystemTime::now();
    load_or_create(directory.path(), &names("localhost"), now).expect("made");
    let pem = certs::local_ca::Authority::served(directory.path()).expect("readable").expect("in use").pem;
    let summary = inspect::summarize_pem(&pem, now).expect("summary");
    assert!(summary.is_authority);
    assert_eq!(summary.subject, "CN=Conclave local CA for localhost");
    assert!((3_640..=3_650).contains(&summary.days_left), "{}", summary.days_left);
    assert_eq!(summary.fingerprint_sha256.len(), 95);
}

#[test]
fn trust_reports_each_store_and_goes_on_after_a_failure() {
    let directory = tempfile::tempdir().expect("folder");
    load_or_create(directory.path(), &names("localhost"), SystemTime::now()).expect("made");
    let blocked = directory.path().join("blocked");
    std::fs::write(&blocked, "a file, not a folder").expect("written");
    let stores = Stores { system_folder: blocked, system_update: Vec::new(), home: directory.path().to_owned() };
    let outcomes = certs::trust::trust(&directory.path().join(file::CA_CERTIFICATE), &stores);
    assert!(!outcomes[0].trusted && outcomes[0].message.contains("root"), "{outcomes:?}");
    assert_eq!(outcomes[1].store, "Chromium");
    if outcomes[1].trusted {
        assert!(directory.path().join(".pki/nssdb/cert9.db").exists());
    } else {
        assert!(outcomes[1].message.contains("libnss3-tools"), "{outcomes:?}");
    }
}
