//! The one binary of the house: the node, and the commands to use it.

use std::process::ExitCode;

/// A payment makes hundreds of small allocations, which one thread makes and another frees: that costs a seventh of the
/// processor with the allocator of glibc.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    astrape_daemon::cli::main(std::env::args_os())
}
