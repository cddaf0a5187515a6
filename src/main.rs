//! The binary: everything is in the library.

use std::{env, process::ExitCode};

fn main() -> ExitCode {
    truycap::cli::run(env::args_os(), env::vars_os())
}
