//! `conclave`: starts and watches the three processes, and is the administrator's command line.

mod admin;
mod check;
mod cli;
mod commands;
mod data_directory;
mod failure;
mod settings;
mod supervise;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Arguments, Command};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let json = arguments.json;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(dispatch(arguments)),
        Err(error) => Err(failure::Failure::here(format!("cannot start: {error}"))),
    };
    match outcome {
        Ok(code) => code,
        Err(failure) => failure.report(json),
    }
}

async fn dispatch(arguments: Arguments) -> Result<ExitCode, failure::Failure> {
    let data = data_directory::DataDirectory::new(arguments.data);
    let json = arguments.json;
    match arguments.command {
        Command::Run(run) => commands::run::run(&data, &run).await,
        Command::Status => commands::status::status(&data, json).await,
        Command::User(user) => commands::user::user(&data, user, json).await,
        Command::Cert(cert) => commands::cert::cert(&data, cert, json).await,
        Command::Check { check, name_server } => commands::check::check(&data, check, name_server, json).await,
        Command::Adduser { jid } => commands::user::adduser(&data, jid, json).await,
        Command::Passwd { jid } => commands::user::passwd(&data, jid, json).await,
        Command::Deluser { jid } => commands::user::deluser(&data, jid, json).await,
        Command::Register { user, host, password } => {
            commands::user::register(&data, &user, &host, password, json).await
        }
        Command::Completions { shell } => commands::documents::completions(shell),
        Command::Man { directory } => commands::documents::man(directory.as_deref()),
    }
}
