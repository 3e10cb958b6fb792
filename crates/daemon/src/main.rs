//! The one binary of the house: the node, and the commands to use it.

use std::process::ExitCode;

fn main() -> ExitCode {
    astrape_daemon::cli::main(std::env::args_os())
}
