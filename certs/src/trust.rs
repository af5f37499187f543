//! Putting the local authority into the certificate stores that people's programs read.
//!
//! * the system's store, which libpurple (Pidgin), curl, Python and most programs use;
//! * the NSS database of the user, which Chromium uses on Linux;
//! * the NSS database of each Firefox profile of the user.
//!
//! Every step is reported by itself: one store that cannot be written does not stop the others.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Serialize;

/// The name under which the authority is filed in a store.
const NICKNAME: &str = "Conclave local CA";

/// Where the stores are. [`Stores::of_this_machine`] finds them; tests give folders of their own.
#[derive(Debug, Clone)]
pub struct Stores {
    /// Folder of local authorities of the system's store (`/usr/local/share/ca-certificates`).
    pub system_folder: PathBuf,
    /// Program that rebuilds the system's store (`update-ca-certificates`).
    pub system_update: Vec<String>,
    /// The home folder holding the browsers' databases.
    pub home: PathBuf,
}

/// What became of one store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// The store in words.
    pub store: String,
    /// `true` when the authority is in it now.
    pub trusted: bool,
    /// What was done, or what is in the way and what to do about it.
    pub message: String,
}

impl Stores {
    /// The stores of this machine for the user whose home folder is `home`.
    pub fn of_this_machine(home: PathBuf) -> Self {
        Self {
            system_folder: PathBuf::from("/usr/local/share/ca-certificates"),
            system_update: vec!["update-ca-certificates".to_owned()],
            home,
        }
    }
}

/// Files the authority at `authority_path` into every store found, and says what became of each.
pub fn trust(authority_path: &Path, stores: &Stores) -> Vec<Outcome> {
    let mut outcomes = vec![system(authority_path, stores)];
    outcomes.push(nss(authority_path, "Chromium", &stores.home.join(".pki/nssdb"), Missing::Make));
    for profile in firefox_profiles(&stores.home) {
        let name = profile.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        outcomes.push(nss(authority_path, &format!("Firefox profile {name}"), &profile, Missing::Leave));
    }
    outcomes
}

fn system(authority_path: &Path, stores: &Stores) -> Outcome {
    let store = "system (libpurple/Pidgin, curl and most programs)".to_owned();
    let target = stores.system_folder.join("conclave-local-ca.crt");
    let copy = std::fs::create_dir_all(&stores.system_folder).and_then(|()| std::fs::copy(authority_path, &target));
    if let Err(error) = copy {
        let message = format!("cannot write {}: {error}; run this command as root (sudo)", target.display());
        return Outcome { store, trusted: false, message };
    }
    let Some((program, arguments)) = stores.system_update.split_first() else {
        return Outcome { store, trusted: true, message: format!("filed as {}", target.display()) };
    };
    match run(program, arguments) {
        Ok(()) => Outcome { store, trusted: true, message: format!("filed as {}", target.display()) },
        Err(reason) => Outcome {
            store,
            trusted: false,
            message: format!("{reason}; install the package ca-certificates and try again"),
        },
    }
}

enum Missing {
    Make,
    Leave,
}

fn nss(authority_path: &Path, whose: &str, database: &Path, missing: Missing) -> Outcome {
    let store = whose.to_owned();
    let database_argument = format!("sql:{}", database.display());
    if !database.join("cert9.db").exists() {
        match missing {
            Missing::Leave => {
                return Outcome {
                    store,
                    trusted: false,
                    message: "the profile has no certificate database yet; start the browser once and try again"
                        .to_owned(),
                };
            }
            Missing::Make => {
                let made = std::fs::create_dir_all(database)
                    .map_err(|e| e.to_string())
                    .and_then(|()| run("certutil", &strings(&["-N", "--empty-password", "-d", &database_argument])));
                if let Err(reason) = made {
                    return Outcome { store, trusted: false, message: certutil_advice(&reason) };
                }
            }
        }
    }
    // An older authority under the same name would otherwise stay beside the new one.
    while run("certutil", &strings(&["-D", "-n", NICKNAME, "-d", &database_argument])).is_ok() {}
    let authority = authority_path.to_string_lossy();
    let add =
        run("certutil", &strings(&["-A", "-n", NICKNAME, "-t", "C,,", "-i", &authority, "-d", &database_argument]));
    match add {
        Ok(()) => Outcome { store, trusted: true, message: format!("filed in {}", database.display()) },
        Err(reason) => Outcome { store, trusted: false, message: certutil_advice(&reason) },
    }
}

fn certutil_advice(reason: &str) -> String {
    format!("{reason}; install certutil (package libnss3-tools) and try again")
}

fn firefox_profiles(home: &Path) -> Vec<PathBuf> {
    let roots = [".mozilla/firefox", ".config/mozilla/firefox", "snap/firefox/common/.mozilla/firefox"];
    let mut profiles: Vec<PathBuf> = roots
        .iter()
        .filter_map(|root| std::fs::read_dir(home.join(root)).ok())
        .flat_map(|entries| entries.filter_map(Result::ok).map(|entry| entry.path()))
        .filter(|path| path.join("prefs.js").exists() || path.join("cert9.db").exists())
        .collect();
    profiles.sort();
    profiles
}

fn strings(arguments: &[&str]) -> Vec<String> {
    arguments.iter().map(|a| (*a).to_owned()).collect()
}

fn run(program: &str, arguments: &[String]) -> Result<(), String> {
    let output = Command::new(program)
        .args(arguments)
        .stdin(std::process::Stdio::null())
        .output()
        .map_err(|error| format!("cannot run {program}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("{program} failed: {}", said.lines().next().unwrap_or("it gave no reason")))
}
