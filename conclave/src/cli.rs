//! Every command and flag, once: parsing, `--help`, completions and man pages come from here.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

/// Private video meetings on your own server.
///
/// `conclave run` starts everything and prints the address to open in a browser. The other
/// commands talk to the running server; those about accounts and certificates also work while it
/// is stopped.
#[derive(Debug, Parser)]
#[command(name = "conclave", version, propagate_version = true, arg_required_else_help = true)]
pub(crate) struct Arguments {
    /// Folder with the configuration, accounts, certificates and sockets of one server.
    #[arg(long, global = true, value_name = "DIR", env = "CONCLAVE_DATA", default_value = "data")]
    pub(crate) data: PathBuf,
    /// Answer with one JSON object instead of text.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start the XMPP server, the focus and the videobridge, and keep them running.
    ///
    /// Prints `Ready: https://HOST:PORT/` when a meeting is possible. Stops with Ctrl-C or SIGTERM.
    Run(Run),
    /// Show whether each process runs and is healthy, and where it listens.
    Status,
    /// Accounts: add, change password, delete, list, invite.
    #[command(subcommand)]
    User(User),
    /// Certificates: show, trust, import.
    #[command(subcommand)]
    Cert(Cert),
    /// Look for what keeps people from meeting; each finding says what to do.
    ///
    /// Without a name: everything that needs nothing from outside this machine. Exit codes: 0 all is
    /// well, 1 there are warnings, 2 something does not work.
    Check {
        /// What to check.
        check: Option<Check>,
        /// Name server to ask instead of the system's (for `check dns`).
        #[arg(long, value_name = "IP:PORT")]
        name_server: Option<SocketAddr>,
    },
    /// Add an account and ask for its password (as prosodyctl does).
    Adduser {
        /// Address of the account, such as ann@meet.example.org.
        jid: String,
    },
    /// Set the password of an account and ask for it (as prosodyctl does).
    Passwd {
        /// Address of the account.
        jid: String,
    },
    /// Delete an account (as prosodyctl does).
    Deluser {
        /// Address of the account.
        jid: String,
    },
    /// Add an account with a password given on the command line (as prosodyctl does).
    ///
    /// Other users of this machine can see the password while the command runs: prefer
    /// `conclave user add NAME --password-stdin` or `conclave user invite NAME`.
    Register {
        /// Local part of the address.
        user: String,
        /// Host of the address.
        host: String,
        /// The password; asked for when left out.
        password: Option<String>,
    },
    /// Print the completion script for a shell.
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Print the manual page, or write one page for each command into a folder.
    Man {
        /// Folder for the pages.
        directory: Option<PathBuf>,
    },
}

/// What `conclave check` looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Check {
    /// The configuration file: every key of every part.
    Config,
    /// The certificate: names, validity, chain, keys.
    Certs,
    /// The running server's ports: each answers with its own protocol.
    Connectivity,
    /// The bridge: ICE and DTLS as a browser does them.
    Media,
    /// Settings by which more is kept or told than by default.
    Privacy,
    /// The host's records as the world sees them.
    Dns,
    /// The STUN and TURN servers in the configuration: each answers, and takes our credentials.
    Turn,
}

/// Flags of `conclave run`. Each overrides the value in conclave.toml for this run.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Run {
    /// Name people reach this server by.
    #[arg(long, value_name = "NAME")]
    pub(crate) host: Option<String>,
    /// TCP port of the web client (0: any free one).
    #[arg(long, value_name = "PORT")]
    pub(crate) https: Option<u16>,
    /// TCP port of XMPP with STARTTLS (0: any free one).
    #[arg(long, value_name = "PORT")]
    pub(crate) c2s: Option<u16>,
    /// TCP port of XMPP with direct TLS (0: any free one).
    #[arg(long, value_name = "PORT")]
    pub(crate) c2s_tls: Option<u16>,
    /// UDP port of all media (0: any free one).
    #[arg(long, value_name = "PORT")]
    pub(crate) media: Option<u16>,
    /// Override any configuration value, such as `auth.required=true`. May be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum User {
    /// Add an account.
    Add {
        /// Name, or whole address.
        name: String,
        /// Read the password from the first line of standard input instead of asking.
        #[arg(long)]
        password_stdin: bool,
    },
    /// Set an account's password; its open sessions are closed.
    Passwd {
        /// Name, or whole address.
        name: String,
        /// Read the password from the first line of standard input instead of asking.
        #[arg(long)]
        password_stdin: bool,
    },
    /// Delete an account.
    Del {
        /// Name, or whole address.
        name: String,
    },
    /// List the accounts.
    List,
    /// Print a one-time link with which a person sets their own password.
    Invite {
        /// Name of the account; the person chooses one when it is left out.
        name: Option<String>,
        /// How long the link is good for, in hours.
        #[arg(long, value_name = "HOURS")]
        hours: Option<u64>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Cert {
    /// Show the certificate in use, or print the local authority in PEM form.
    Show {
        /// Print the local authority's certificate (PEM) for other devices to trust.
        #[arg(long)]
        ca: bool,
    },
    /// Trust the local authority on this machine: system, Chromium and Firefox.
    Trust,
    /// Make sure that there is a certificate of the local authority for a host (as prosodyctl does).
    Generate {
        /// The name; this server's own when left out.
        host: Option<String>,
    },
    /// Write a key and a request for a certificate, to hand to an authority.
    Request {
        /// The name; this server's own when left out.
        host: Option<String>,
    },
    /// Serve a certificate made elsewhere; a running server takes it at once.
    ///
    /// Takes PEM files, the folders of Certbot (/etc/letsencrypt/live/NAME) and those of acme.sh
    /// (~/.acme.sh/NAME_ecc); also HOST FOLDER, as prosodyctl does. Run it again after each renewal, from their deploy hook.
    Import {
        /// Certificate chain, PEM, this server's own certificate first; or a folder of Certbot's or acme.sh's.
        #[arg(value_name = "CHAIN|FOLDER")]
        chain: PathBuf,
        /// Private key, PEM; left out for a folder, and when the chain's file holds it as well.
        key: Option<PathBuf>,
    },
}
