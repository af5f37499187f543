//! The rules of ARCHITECTURE.md that a machine can check, checked on the manifests and the sources.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Which of our crates each of our crates may use. An edge that is not here needs a numbered
/// decision in ARCHITECTURE.md.
const ALLOWED: [(&str, &[&str]); 11] = [
    ("protocol", &[]),
    ("xmpp-client", &["protocol"]),
    ("xmpp-server-core", &["protocol"]),
    ("xmpp-server", &["protocol", "xmpp-server-core", "certs"]),
    ("focus-core", &["protocol"]),
    ("focus", &["protocol", "focus-core", "xmpp-client"]),
    ("videobridge-core", &["protocol"]),
    ("videobridge", &["protocol", "videobridge-core", "xmpp-client"]),
    ("certs", &[]),
    ("conclave", &["protocol", "certs"]),
    ("tests", &["protocol", "xmpp-client", "certs", "videobridge-core"]),
];

/// Crates that decide and do nothing else.
const PURE: [&str; 4] = ["protocol", "xmpp-server-core", "focus-core", "videobridge-core"];

/// What a crate that decides may not depend on: runtimes, sockets, stores, HTTP.
const IO_CRATES: [&str; 12] = [
    "tokio",
    "tokio-util",
    "tokio-xmpp",
    "tokio-rustls",
    "hyper",
    "hyper-util",
    "axum",
    "rusqlite",
    "libc",
    "rustix",
    "socket2",
    "reqwest",
];

/// What a crate that decides may not say, outside its tests, and why.
const BANNED_IN_PURE: [(&str, &str); 9] = [
    ("Instant::now", "time is an argument"),
    ("SystemTime::now", "time is an argument"),
    ("std::thread", "the shell owns threads"),
    ("UdpSocket", "the shell owns sockets"),
    ("TcpStream", "the shell owns sockets"),
    ("std::fs::", "the shell owns files"),
    ("std::env::", "configuration is an argument"),
    ("println!", "a core does not print"),
    ("static mut", "no globals"),
];

/// A file longer than this is about more than one thing.
const FILE_LINES_MAX: usize = 800;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests lie in the repository").to_owned()
}

fn workspace() -> Vec<serde_json::Value> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--locked"])
        .current_dir(repository())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("metadata is JSON");
    metadata["packages"].as_array().expect("packages").clone()
}

/// Name → names of its dependencies (development ones apart).
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let name = |value: &serde_json::Value| value["name"].as_str().expect("a name").to_owned();
    workspace()
        .iter()
        .map(|package| {
            let used = package["dependencies"].as_array().expect("dependencies");
            let used = used.iter().filter(|d| d["kind"].is_null()).map(name).collect();
            (name(package), used)
        })
        .collect()
}

/// Files under `folder` with one of the extensions, without build output and foreign packages.
fn files(folder: &Path, extensions: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder").map(|e| e.expect("an entry").path()) {
            let name = entry.file_name().and_then(|n| n.to_str()).unwrap_or_default();
            if entry.is_dir() && !matches!(name, "target" | "node_modules" | "dist" | ".git" | "data") {
                folders.push(entry);
            } else if entry.extension().and_then(|e| e.to_str()).is_some_and(|e| extensions.contains(&e)) {
                found.push(entry);
            }
        }
    }
    found.sort();
    found
}

/// The part of a source file before its unit tests.
fn without_tests(source: &str) -> &str {
    source.split("#[cfg(test)]").next().unwrap_or(source)
}

#[test]
fn our_crates_use_only_those_they_may() {
    let dependencies = dependencies();
    let ours: BTreeSet<&str> = ALLOWED.iter().map(|(name, _)| *name).collect();
    for (name, used) in &dependencies {
        let allowed = ALLOWED.iter().find(|(known, _)| known == name);
        let (_, allowed) = allowed.unwrap_or_else(|| panic!("{name} is new: say in this test what it may use"));
        for edge in used.iter().filter(|used| ours.contains(used.as_str())) {
            assert!(allowed.contains(&edge.as_str()), "{name} uses {edge}, which the dependency rule forbids");
        }
    }
}

#[test]
fn cores_have_no_way_to_do_io() {
    let dependencies = dependencies();
    for name in PURE {
        for used in &dependencies[name] {
            assert!(!IO_CRATES.contains(&used.as_str()), "{name} decides only; it may not use {used}");
        }
    }
}

#[test]
fn cores_read_no_clock_and_hold_no_state_of_their_own() {
    for folder in ["protocol/src", "xmpp-server/core/src", "focus/core/src", "videobridge/core/src"] {
        let tests_only = |path: &PathBuf| path.file_name().is_some_and(|name| name == "tests.rs");
        for path in files(&repository().join(folder), &["rs"]).into_iter().filter(|path| !tests_only(path)) {
            let source = std::fs::read_to_string(&path).expect("source");
            for (number, line) in without_tests(&source).lines().enumerate() {
                let code = line.split("//").next().unwrap_or_default();
                for (banned, reason) in BANNED_IN_PURE {
                    assert!(!code.contains(banned), "{}:{}: {banned}: {reason}", path.display(), number + 1);
                }
            }
        }
    }
}

#[test]
fn no_file_has_grown_a_second_subject() {
    for path in files(&repository(), &["rs", "ts", "tsx", "mjs"]) {
        let lines = std::fs::read_to_string(&path).expect("source").lines().count();
        assert!(lines <= FILE_LINES_MAX, "{} has {lines} lines: split it by concept", path.display());
    }
}

#[test]
fn nothing_names_a_machine_or_is_left_unfinished() {
    // Put together here, so that this file does not contain what it looks for.
    let marks = ["/wo|rk/", "/ro|ot/", "TO|DO", "FIX|ME", "unimple|mented!", "to|do!("].map(|m| m.replace('|', ""));
    let extensions = ["rs", "ts", "tsx", "mjs", "toml", "md", "css", "html", "sh", "c"];
    for path in files(&repository(), &extensions) {
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        for (number, line) in text.lines().enumerate() {
            for mark in &marks {
                assert!(!line.contains(mark.as_str()), "{}:{}: {mark}", path.display(), number + 1);
            }
        }
    }
}

#[test]
fn every_crate_takes_the_workspace_lints_and_licence() {
    for package in workspace() {
        let manifest = package["manifest_path"].as_str().expect("a path");
        let text = std::fs::read_to_string(manifest).expect("manifest");
        assert!(text.contains("[lints]\nworkspace = true"), "{manifest} does not take the workspace lints");
        assert_eq!(package["license"], "Apache-2.0 OR MIT", "{manifest}");
    }
}
