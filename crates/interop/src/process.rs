//! Processes that end with us, and what they use.

use anyhow::{Context as _, Result};
use std::fs;
use std::process::{Child, Command, ExitStatus};
use std::time::Duration;

use crate::wait;

/// Clock ticks a second in `/proc`: `USER_HZ`, 100 on every Linux that we meet.
const TICKS_PER_SECOND: f64 = 100.0;

/// Bytes in a page of `/proc/PID/statm`.
const PAGE: u64 = 4_096;

/// A child process; killed when dropped.
#[derive(Debug)]
pub struct Process(Child);

impl Process {
    /// Starts it.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(command: &mut Command) -> Result<Self> {
        let name = command.get_program().to_owned();
        command.spawn().map(Self).with_context(|| format!("cannot start {}", name.display()))
    }

    /// Its number.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.0.try_wait()?)
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When it has not ended within `limit`.
    pub fn wait(&mut self, limit: Duration) -> Result<ExitStatus> {
        wait::until("the end of a process", limit, || self.ended())
    }

    /// Kills it as a power cut does (SIGKILL), and waits for its end.
    ///
    /// # Errors
    /// When it had ended by itself: then it failed.
    pub fn kill(&mut self) -> Result<()> {
        if let Some(status) = self.ended()? {
            anyhow::bail!("the process ended by itself before it was killed: {status}");
        }
        self.0.kill()?;
        self.0.wait()?;
        Ok(())
    }

    /// Asks it to end, as a service manager does (SIGTERM).
    ///
    /// # Errors
    /// When it has ended already.
    pub fn terminate(&mut self) -> Result<()> {
        let done = Command::new("kill").args(["-TERM", &self.id().to_string()]).status()?;
        anyhow::ensure!(done.success(), "SIGTERM does not reach process {}", self.id());
        Ok(())
    }

    /// What it has used so far.
    ///
    /// # Errors
    /// When it has ended, or this is no Linux.
    pub fn usage(&self) -> Result<Usage> {
        Usage::of(self.id())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// What a process has used so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// CPU time of all its threads, user and system, in seconds.
    pub cpu_secs: f64,
    /// Memory, in bytes.
    pub resident: u64,
    /// Open file descriptors.
    pub descriptors: usize,
}

impl Usage {
    /// Reads it from `/proc`.
    ///
    /// # Errors
    /// When there is no such process, or this is no Linux.
    pub fn of(pid: u32) -> Result<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        // The second field is the name, in parentheses and with any character in it; utime and stime are the 14th and 15th.
        let after_name = stat.rsplit_once(')').context("/proc/PID/stat has no name")?.1;
        let fields: Vec<&str> = after_name.split_ascii_whitespace().collect();
        let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok());
        let (user, system) = ticks(11).zip(ticks(12)).context("/proc/PID/stat has no times")?;
        let statm = fs::read_to_string(format!("/proc/{pid}/statm"))?;
        let pages: u64 = statm.split(' ').nth(1).and_then(|field| field.parse().ok()).unwrap_or_default();
        let descriptors = fs::read_dir(format!("/proc/{pid}/fd"))?.count();
        Ok(Self { cpu_secs: (user + system) / TICKS_PER_SECOND, resident: pages * PAGE, descriptors })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_usage_can_be_read() -> Result<()> {
        let usage = Usage::of(std::process::id())?;
        assert!(usage.resident > PAGE && usage.descriptors >= 3, "{usage:?}");
        Ok(())
    }
}
