//! What the figures were measured on.

use anyhow::Result;
use std::fs;
use std::io::Write as _;
use std::time::{Duration, Instant};

/// Synced writes that tell how fast the disk is.
const SYNCS: u32 = 200;

/// The processor, and how fast the disk syncs.
pub(crate) fn describe() -> Result<String> {
    let cores = std::thread::available_parallelism()?;
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    let model = model.map_or("unknown CPU", |(_, model)| model.trim());
    Ok(format!(
        "{cores} cores ({model}); a synced write of 4 KB takes {:.2} ms",
        sync_time()?.as_secs_f64() * 1_000.0
    ))
}

/// How long a synced write takes where the nodes keep their files.
fn sync_time() -> Result<Duration> {
    let mut file = tempfile::tempfile()?;
    let begin = Instant::now();
    for _ in 0..SYNCS {
        file.write_all(&[7; 4_096])?;
        file.sync_data()?;
    }
    Ok(begin.elapsed() / SYNCS)
}
