//! Certificates made elsewhere: the folders of Certbot and acme.sh, and what is refused with which words.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use certs::import::{Source, import};
use certs::{Resolver, Served, ServerNames, file, load_or_create};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

const HOST: &str = "meet.example.org";
const DAY: Duration = Duration::from_secs(86_400);

/// A public authority in small: a root that clients have, an intermediate, and leaves.
struct Authority {
    root_pem: String,
    intermediate_pem: String,
    issuer: Issuer<'static, KeyPair>,
}

struct Leaf {
    pem: String,
    key: String,
}

fn authority(name: &str) -> Authority {
    let params = |name: String| {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
    };
    let (root_key, root_params) = (KeyPair::generate().expect("key"), params(format!("{name} Root")));
    let root_pem = root_params.self_signed(&root_key).expect("root").pem();
    let root = Issuer::new(root_params, root_key);
    let (key, intermediate) = (KeyPair::generate().expect("key"), params(format!("{name} R1")));
    let intermediate_pem = intermediate.signed_by(&key, &root).expect("intermediate").pem();
    Authority { root_pem, intermediate_pem, issuer: Issuer::new(intermediate, key) }
}

impl Authority {
    fn leaf(&self, names: &[&str]) -> Leaf {
        let key = KeyPair::generate().expect("key");
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("names");
        params.not_before = (SystemTime::now() - DAY).into();
        params.not_after = (SystemTime::now() + 89 * DAY).into();
        let pem = params.signed_by(&key, &self.issuer).expect("leaf").pem();
        Leaf { pem, key: key.serialize_pem() }
    }
}

fn write(path: PathBuf, text: &str) -> PathBuf {
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("folder");
    std::fs::write(&path, text).expect("written");
    path
}

fn served(folder: &Path) -> PathBuf {
    let served = folder.join("data/certs");
    let names = ServerNames::new(HOST, &[]).expect("names");
    load_or_create(&served, &names, SystemTime::now()).expect("made");
    served
}

/// What an import of `path` says.
fn refusal(served: &Path, path: &Path, key: Option<&Path>) -> String {
    let before = std::fs::read(served.join(file::SERVER_CHAIN)).expect("chain");
    let outcome = Source::find(path, key, HOST).and_then(|source| import(served, HOST, &source, SystemTime::now()));
    assert_eq!(std::fs::read(served.join(file::SERVER_CHAIN)).expect("chain"), before, "nothing may change");
    outcome.expect_err("must be refused").to_string()
}

#[test]
fn certbots_folder_is_taken_with_its_links_from_any_level() {
    let folder = tempfile::tempdir().expect("folder");
    let authority = authority("Public");
    let leaf = authority.leaf(&[HOST]);
    let root = folder.path().join("letsencrypt");
    let full = format!("{}{}", leaf.pem, authority.intermediate_pem);
    write(root.join(format!("archive/{HOST}/fullchain1.pem")), &full);
    write(root.join(format!("archive/{HOST}/privkey1.pem")), &leaf.key);
    let live = root.join("live").join(HOST);
    std::fs::create_dir_all(&live).expect("folder");
    for name in ["fullchain", "privkey"] {
        symlink(format!("../../archive/{HOST}/{name}1.pem"), live.join(format!("{name}.pem"))).expect("link");
    }
    let served = served(folder.path());
    for path in [live.clone(), root.join("live"), root.clone()] {
        let source = Source::find(&path, None, HOST).expect("found");
        let summary = import(&served, HOST, &source, SystemTime::now()).expect("imported");
        assert_eq!(summary.names, [HOST]);
    }
    assert_eq!(std::fs::read_to_string(served.join(file::SERVER_CHAIN)).expect("chain"), full);
    let mode = std::fs::metadata(served.join(file::SERVER_KEY)).expect("key").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    std::fs::remove_file(root.join(format!("archive/{HOST}/privkey1.pem"))).expect("removed");
    let said = refusal(&served, &live, None);
    assert!(said.contains("privkey.pem"), "{said}");
}

#[test]
fn the_folder_of_acme_sh_is_taken() {
    let folder = tempfile::tempdir().expect("folder");
    let authority = authority("Public");
    let leaf = authority.leaf(&["*.example.org", "example.org"]);
    let full = format!("{}{}", leaf.pem, authority.intermediate_pem);
    let served = served(folder.path());
    for (name, file_name) in
        [(format!("{HOST}_ecc"), HOST), (HOST.to_owned(), HOST), ("*.example.org_ecc".to_owned(), "*.example.org")]
    {
        let home = folder.path().join(format!("home-{}", name.len())).join(".acme.sh");
        write(home.join(&name).join("fullchain.cer"), &full);
        write(home.join(&name).join(format!("{file_name}.key")), &leaf.key);
        for path in [home.join(&name), home.clone()] {
            let source = Source::find(&path, None, HOST).expect("found");
            import(&served, HOST, &source, SystemTime::now()).expect("imported");
        }
    }
}

#[test]
fn one_file_may_hold_chain_and_key_and_the_key_stays_secret() {
    let folder = tempfile::tempdir().expect("folder");
    let authority = authority("Public");
    let leaf = authority.leaf(&[HOST]);
    let all = format!("{}{}{}", leaf.key, leaf.pem, authority.intermediate_pem);
    let path = write(folder.path().join("all.pem"), &all);
    let served = served(folder.path());
    import(&served, HOST, &Source::find(&path, None, HOST).expect("found"), SystemTime::now()).expect("imported");
    let public = std::fs::read_to_string(served.join(file::SERVER_CHAIN)).expect("chain");
    assert!(!public.contains("PRIVATE KEY"), "readable by all");
    Resolver::load(&served).expect("served");
}

#[test]
fn a_request_is_answered_by_an_authority_and_imported_with_its_key() {
    let folder = tempfile::tempdir().expect("folder");
    let served = served(folder.path());
    let requested = certs::request::request(&served, "Meet.Example.org").expect("made");
    assert_eq!(requested, certs::request::request(&served, HOST).expect("made again"));
    let mode = std::fs::metadata(&requested.key).expect("key").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let text = std::fs::read_to_string(&requested.request).expect("request");
    let signing = rcgen::CertificateSigningRequestParams::from_pem(&text).expect("readable");
    let authority = authority("Company");
    let mut signing = signing;
    signing.params.not_before = (SystemTime::now() - DAY).into();
    signing.params.not_after = (SystemTime::now() + 89 * DAY).into();
    let leaf = signing.signed_by(&authority.issuer).expect("signed").pem();
    let chain = write(folder.path().join("answer.pem"), &format!("{leaf}{}", authority.intermediate_pem));
    let source = Source::find(&chain, Some(&requested.key), HOST).expect("found");
    assert_eq!(import(&served, HOST, &source, SystemTime::now()).expect("imported").names, [HOST]);
    for bad in ["../x", "a/b", "", "192.0.2.1"] {
        assert!(certs::request::request(&served, bad).is_err(), "{bad}");
    }
}

#[test]
fn each_mistake_has_its_own_sentence() {
    let folder = tempfile::tempdir().expect("folder");
    let (authority, other) = (authority("Public"), authority("Other"));
    let leaf = authority.leaf(&[HOST]);
    let served = served(folder.path());
    let key = write(folder.path().join("key.pem"), &leaf.key);
    let chain = |name: &str, text: String| write(folder.path().join(name), &text);
    let said = |path: &Path| refusal(&served, path, Some(&key));

    let alone = said(&chain("alone.pem", leaf.pem.clone()));
    assert!(alone.contains("not complete") && alone.contains("Public R1") && alone.contains("fullchain"), "{alone}");
    let broken = said(&chain("broken.pem", format!("{}{}", leaf.pem, other.intermediate_pem)));
    assert!(broken.contains("CN=Public R1, but CN=Other R1 follows"), "{broken}");
    let upside_down = said(&chain("order.pem", format!("{}{}", authority.intermediate_pem, leaf.pem)));
    assert!(upside_down.contains("put that one first"), "{upside_down}");
    let forged = said(&chain("forged.pem", format!("{}{}", leaf.pem, namesake())));
    assert!(forged.contains("broken"), "{forged}");
    let encrypted = write(
        folder.path().join("encrypted.pem"),
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAA==\n-----END ENCRYPTED PRIVATE KEY-----\n",
    );
    let good = chain("good.pem", format!("{}{}{}", leaf.pem, authority.intermediate_pem, authority.root_pem));
    let secret = refusal(&served, &good, Some(&encrypted));
    assert!(secret.contains("passphrase") && secret.contains("openssl pkey"), "{secret}");
    let large = write(folder.path().join("large.pem"), &"x".repeat(1024 * 1024 + 1));
    assert!(said(&large).contains("too large"));
    std::fs::create_dir(folder.path().join("empty")).expect("folder");
    let empty = refusal(&served, &folder.path().join("empty"), None);
    assert!(empty.contains("no certificate for meet.example.org") && empty.contains("acme.sh"), "{empty}");

    let source = Source { chain: good, key };
    import(&served, HOST, &source, SystemTime::now()).expect("and this one is right");
}

/// An intermediate with the right name and another key.
fn namesake() -> String {
    authority("Public").intermediate_pem
}

#[test]
fn beside_an_imported_certificate_the_local_authority_serves_focus_and_bridges() {
    let folder = tempfile::tempdir().expect("folder");
    let authority = authority("Public");
    let leaf = authority.leaf(&[HOST]);
    let served = served(folder.path());
    let chain = write(folder.path().join("c.pem"), &format!("{}{}", leaf.pem, authority.intermediate_pem));
    let key = write(folder.path().join("k.pem"), &leaf.key);
    import(&served, HOST, &Source { chain, key }, SystemTime::now()).expect("imported");
    let names = ServerNames::new(HOST, &[]).expect("names");
    let again = load_or_create(&served, &names, SystemTime::now()).expect("kept");
    assert_eq!(again, Served::Imported);
    let service = std::fs::read_to_string(served.join(file::SERVICE_CHAIN)).expect("made");
    let summary = certs::inspect::summarize_pem(&service, SystemTime::now()).expect("readable");
    assert!(summary.names.contains(&format!("auth.{HOST}")) && summary.issuer.contains("local CA"), "{summary:?}");
}
