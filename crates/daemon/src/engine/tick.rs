//! Time goes by: a tick at least every second.

use super::Shared;
use astrape_node::{Input, TICK_MILLIS};
use std::sync::Arc;
use std::time::Duration;

/// How often under `dev_fast`.
const FAST_MILLIS: u64 = 200;

/// Ticks until the engine stops. A tick that finds no room is left out: the core is busy, and the next one comes.
pub(crate) async fn run(shared: Arc<Shared>) {
    let interval = Duration::from_millis(if shared.dev_fast { FAST_MILLIS } else { TICK_MILLIS });
    loop {
        tokio::select! {
            () = shared.shutdown.begun() => return,
            () = tokio::time::sleep(interval) => shared.core.try_input(Input::Tick),
        }
    }
}
