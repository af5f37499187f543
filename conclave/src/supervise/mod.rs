//! Starting the three processes, watching them, starting one again that ended.

mod backoff;
mod child;
pub(crate) mod health;
mod part;
pub(crate) mod status;
mod supervisor;

use std::path::PathBuf;

pub(crate) use part::Part;
pub(crate) use supervisor::{Plan, Supervisor};

use crate::failure::Failure;

/// The sibling program `name`: beside this program, where a build and a package put it.
pub(crate) fn program(name: &str) -> Result<PathBuf, Failure> {
    let own = std::env::current_exe().map_err(|e| Failure::here(format!("cannot find this program's folder: {e}")))?;
    let sibling = own.with_file_name(name);
    if sibling.exists() {
        return Ok(sibling);
    }
    Err(Failure::here(format!("{} is missing; install all four programs into one folder", sibling.display())))
}
