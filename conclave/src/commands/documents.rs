//! Shell completions and manual pages, from the same definitions as `--help`.

use std::path::Path;
use std::process::ExitCode;

use clap::CommandFactory;
use clap_complete::Shell;

use crate::cli::Arguments;
use crate::failure::Failure;

/// `conclave completions SHELL`
pub(crate) fn completions(shell: Shell) -> Result<ExitCode, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "conclave", &mut script);
    super::say(String::from_utf8_lossy(&script).trim_end());
    Ok(ExitCode::SUCCESS)
}

/// `conclave man [DIR]`
pub(crate) fn man(directory: Option<&Path>) -> Result<ExitCode, Failure> {
    let written = match directory {
        Some(directory) => {
            std::fs::create_dir_all(directory).and_then(|()| clap_mangen::generate_to(Arguments::command(), directory))
        }
        None => clap_mangen::Man::new(Arguments::command()).render(&mut std::io::stdout()),
    };
    written.map(|()| ExitCode::SUCCESS).map_err(|e| Failure::here(format!("cannot write the manual: {e}")))
}
