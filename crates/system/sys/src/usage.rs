//! What processes have cost.

use std::io;
use std::mem::MaybeUninit;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

/// What a process has cost, and all that it has started and waited for. Source: getrusage(2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Processor time of its own code.
    pub user: Duration,
    /// Processor time of the kernel for it.
    pub system: Duration,
    /// Pages that were there already.
    pub n_minor_faults: u64,
    /// Pages that had to be read.
    pub n_major_faults: u64,
}

impl Usage {
    fn from_raw(raw: &libc::rusage) -> Usage {
        let time = |time: libc::timeval| {
            Duration::from_secs(u64::try_from(time.tv_sec).unwrap_or_default())
                + Duration::from_micros(u64::try_from(time.tv_usec).unwrap_or_default())
        };
        Usage {
            user: time(raw.ru_utime),
            system: time(raw.ru_stime),
            n_minor_faults: u64::try_from(raw.ru_minflt).unwrap_or_default(),
            n_major_faults: u64::try_from(raw.ru_majflt).unwrap_or_default(),
        }
    }

    /// What all children of this process that have ended and were waited for have cost together.
    #[must_use]
    pub fn of_children() -> Usage {
        let mut raw = MaybeUninit::<libc::rusage>::zeroed();
        // SAFETY: The call fills the structure or leaves it, and all zeros are a valid one.
        let raw = unsafe {
            libc::getrusage(libc::RUSAGE_CHILDREN, raw.as_mut_ptr());
            raw.assume_init()
        };
        Usage::from_raw(&raw)
    }
}

/// The numbers of processes are smaller. Source: proc(5), `pid_max`.
const PID_LIMIT: i32 = 1 << 22;

/// The processor time of a process so far, all its threads together, its children not.
///
/// # Errors
/// When there is no such process.
pub fn of_process(pid: u32) -> io::Result<Duration> {
    // The clock of a larger number would be another's.
    let pid = i32::try_from(pid).ok().filter(|pid| (1..PID_LIMIT).contains(pid));
    let pid = pid.ok_or_else(|| io::Error::from_raw_os_error(libc::ESRCH))?;
    let mut clock = 0;
    // SAFETY: The call fills the number or leaves it.
    let failed = unsafe { libc::clock_getcpuclockid(pid, &raw mut clock) };
    if failed != 0 {
        return Err(io::Error::from_raw_os_error(failed));
    }
    let mut time = MaybeUninit::<libc::timespec>::zeroed();
    // SAFETY: The call fills the structure or leaves it, and all zeros are a valid one.
    let time = unsafe {
        if libc::clock_gettime(clock, time.as_mut_ptr()) != 0 {
            return Err(io::Error::last_os_error());
        }
        time.assume_init()
    };
    let n_seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    Ok(Duration::new(n_seconds, u32::try_from(time.tv_nsec).unwrap_or_default()))
}

/// Waits for a child's end: how it ended and what it cost. Nobody else can wait for it then.
///
/// # Errors
/// When there is no such child.
pub fn wait(pid: i32) -> io::Result<(ExitStatus, Usage)> {
    let mut status = 0;
    let mut raw = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: The call fills both or leaves them, and all zeros are a valid structure.
    while unsafe { libc::wait4(pid, &raw mut status, 0, raw.as_mut_ptr()) } == -1 {
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
    // SAFETY: It was zeroed at the least.
    let raw = unsafe { raw.assume_init() };
    Ok((ExitStatus::from_raw(status), Usage::from_raw(&raw)))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn what_a_child_cost_is_told_with_its_end() {
        // Grandchildren count as well.
        let script = "sh -c 'i=0; while [ $i -lt 20000 ]; do i=$((i + 1)); done'; exit 3";
        let mut child = Command::new("sh").args(["-c", script]).spawn().unwrap();
        let (status, usage) = wait(child.id() as i32).unwrap();
        assert_eq!(status.code(), Some(3));
        assert!(usage.user + usage.system > Duration::ZERO && usage.n_minor_faults > 0);
        assert!(Usage::of_children().n_minor_faults >= usage.n_minor_faults);
        assert!(child.wait().is_err(), "it was waited for");
    }

    #[test]
    fn what_a_process_has_cost_so_far() {
        let before = of_process(std::process::id()).unwrap();
        let spent = (0..1_000_000_u64).fold(1, |a: u64, b| std::hint::black_box(a ^ b));
        assert!(of_process(std::process::id()).unwrap() > before, "{spent}");
        let mut child = Command::new("true").spawn().unwrap();
        child.wait().unwrap();
        for pid in [0, child.id(), 1 << 22, 1 << 30, u32::MAX] {
            assert!(of_process(pid).is_err(), "{pid}");
        }
    }
}
