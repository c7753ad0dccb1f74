//! What the system says of a process: the time it had on a processor, and the most memory it ever had.

use std::fs;

use nix::time::{clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;
use std::time::Duration;

use crate::Error;

/// A process that runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Observed(u32);

impl Observed {
    /// The process with this id.
    pub fn new(id: u32) -> Self {
        Self(id)
    }

    /// The time all its threads had on a processor so far, those that ended among them: its own and the system's for it. To the nanosecond,
    /// where `/proc/PID/stat` counts hundredths of a second.
    ///
    /// # Errors
    /// When it runs no more.
    pub fn cpu(self) -> Result<Duration, Error> {
        let id = i32::try_from(self.0).unwrap_or(i32::MAX);
        let time = clock_getcpuclockid(Pid::from_raw(id)).and_then(clock_gettime);
        let time =
            time.map_err(|errno| Error::io(format!("read the CPU clock of process {id}"))(errno.into()))?;
        Ok(time.into())
    }

    /// The most memory it had at once (`VmHWM`), in KiB.
    ///
    /// # Errors
    /// When it runs no more.
    pub fn peak_kib(self) -> Result<u64, Error> {
        let path = format!("/proc/{}/status", self.0);
        let status = fs::read_to_string(&path).map_err(Error::io(format!("read {path}")))?;
        peak_kib(&status).ok_or_else(|| Error::Unreadable { what: path, problem: "no VmHWM".to_owned() })
    }

    /// The processes it has started that run still. Their time and memory are not its own.
    ///
    /// # Errors
    /// When it runs no more.
    pub fn children(self) -> Result<usize, Error> {
        let path = format!("/proc/{}/task", self.0);
        let threads = fs::read_dir(&path).map_err(Error::io(format!("read {path}")))?;
        // A thread that ended meanwhile has none.
        let children =
            threads.flatten().filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
        Ok(children.map(|ids| ids.split_whitespace().count()).sum())
    }
}

fn peak_kib(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::time::Instant;

    use super::*;

    #[test]
    fn the_peak_is_read_in_kib() {
        let status = "Name:\tx\nVmPeak:\t  900000 kB\nVmHWM:\t   12345 kB\nVmRSS:\t  1 kB\n";
        assert_eq!(peak_kib(status), Some(12_345));
        assert_eq!(peak_kib("VmHWM:\t12 MB\n"), None, "another unit");
        assert_eq!(peak_kib("VmRSS:\t1 kB\n"), None);
    }

    #[test]
    fn who_works_has_used_time_and_memory() {
        let me = Observed::new(std::process::id());
        let (before, began) = (me.cpu().unwrap(), Instant::now());
        let mut sum = 0_u64;
        while me.cpu().unwrap() < before + Duration::from_millis(3) {
            sum = std::hint::black_box(sum.wrapping_mul(31) + 1);
            assert!(began.elapsed() < Duration::from_secs(60), "no time on the processor in a minute");
        }
        assert!(me.peak_kib().unwrap() > 1_000);
    }

    #[test]
    fn children_are_seen_and_the_dead_are_an_error() {
        let mut child = Command::new("sleep").arg("600").spawn().unwrap();
        let (me, other) = (Observed::new(std::process::id()), Observed::new(child.id()));
        assert!(me.children().unwrap() >= 1);
        assert_eq!(other.children().unwrap(), 0);
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(other.cpu().is_err() && other.peak_kib().is_err() && other.children().is_err());
    }
}
