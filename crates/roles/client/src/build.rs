//! Which build a job belongs to.

use rustix::process::Pid;

/// More ancestors than any job has.
const MOST_ANCESTORS: usize = 100;

/// What a process is part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Membership {
    parent: i32,
    group: i32,
    session: i32,
}

/// A number that all jobs of one build have, and those of another command of the same terminal
/// do not: the process group that a shell gave to `make` or `ninja`.
///
/// That is the group of our last ancestor before the session's first process; where a build is the
/// session's first process itself, as in a container, it is the session's number.
pub(crate) fn number() -> i32 {
    last_group(rustix::process::getpid().as_raw_pid(), membership)
}

fn last_group(own: i32, membership: impl Fn(i32) -> Option<Membership>) -> i32 {
    let Some(mut current) = membership(own) else { return own };
    for _ in 0..MOST_ANCESTORS {
        let parent = current.parent;
        match membership(parent) {
            Some(above) if above.session == current.session && parent != above.session => {
                current = above;
            }
            _ => break,
        }
    }
    current.group
}

/// Reads it from `/proc`, in the format of proc(5): the name in parentheses may hold anything.
fn membership(pid: i32) -> Option<Membership> {
    let pid = Pid::from_raw(pid)?.as_raw_pid();
    let text = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    let text = String::from_utf8_lossy(&text);
    let (_, after_name) = text.rsplit_once(')')?;
    let mut numbers =
        after_name.split_ascii_whitespace().skip(1).map_while(|word| word.parse().ok());
    Some(Membership { parent: numbers.next()?, group: numbers.next()?, session: numbers.next()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Processes as `pid: parent group session`.
    #[track_caller]
    fn check(own: i32, processes: &[(i32, [i32; 3])], expected: i32) {
        let membership = |pid| {
            let (_, [parent, group, session]) = *processes.iter().find(|(own, _)| *own == pid)?;
            Some(Membership { parent, group, session })
        };
        assert_eq!(last_group(own, membership), expected);
    }

    #[test]
    fn a_build_is_the_command_of_the_shell() {
        let shell = (10, [1, 10, 10]);
        // make, another make, the job.
        let make = [shell, (20, [10, 20, 10]), (21, [20, 20, 10]), (22, [21, 20, 10])];
        check(22, &make, 20);
        // ninja gives each job a group of its own.
        let ninja = [shell, (30, [10, 30, 10]), (31, [30, 31, 10]), (32, [31, 31, 10])];
        check(32, &ninja, 30);
        // No build: the shell's own command.
        check(40, &[shell, (40, [10, 40, 10])], 40);
    }

    #[test]
    fn a_build_may_be_a_session() {
        let container = [(1, [0, 1, 1]), (5, [1, 1, 1]), (6, [5, 1, 1])];
        check(6, &container, 1);
        // The shell has ended.
        check(7, &[(1, [0, 1, 1]), (6, [1, 6, 10]), (7, [6, 6, 10])], 6);
        check(8, &[], 8);
    }

    #[test]
    fn every_process_is_in_a_build() {
        assert!(membership(std::process::id() as i32).is_some());
        assert!(number() >= 0);
    }
}
