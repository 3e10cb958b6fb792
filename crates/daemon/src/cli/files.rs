//! How many files and sockets the process may have open. Shells and services give a process few of those that it may have:
//! what it may have beyond is asked for at the start.

#[cfg(unix)]
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What a node can need at a time: its peers' connections and handshakes, those of the API, its files, and as many again.
/// With less it goes on, and takes nobody in once they are used up.
const MIN_OPEN_FILES: u64 = 2_048;

/// Asks for all that the process may have, and says so when it is little.
#[cfg(unix)]
pub(crate) fn raise_limit() {
    let limit = getrlimit(Resource::Nofile);
    let wanted = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let raised = setrlimit(Resource::Nofile, wanted);
    if let Err(error) = &raised {
        tracing::warn!(%error, "the process cannot have more open files than it has been given");
    }
    let now = if raised.is_ok() { limit.maximum } else { limit.current };
    if let Some(files) = now.filter(|files| *files < MIN_OPEN_FILES) {
        tracing::warn!(
            "the process may have no more than {files} files and connections open: a node with many peers needs \
             {MIN_OPEN_FILES} (`ulimit -n`, or LimitNOFILE= of its unit)"
        );
    }
}

/// Elsewhere nothing is known of such a limit.
#[cfg(not(unix))]
pub(crate) fn raise_limit() {}
