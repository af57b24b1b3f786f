//! What the server and the process that runs a job tell each other.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sys::usage::Usage;

use crate::Tree;

/// What to run, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// The file to execute. Nothing is executed where it is empty: the job then succeeds once
    /// everything before that has been done.
    pub program: PathBuf,
    /// Its own name as it is told.
    pub name: OsString,
    /// The words after that.
    pub arguments: Vec<OsString>,
    /// Its whole environment, each as `NAME=VALUE`.
    pub environment: Vec<OsString>,
    /// The only folder that it can write.
    pub own_folder: PathBuf,
    /// Its working folder: in its own folder, or where it has a tree, by that tree's names.
    pub folder: PathBuf,
    /// What it sees at the root in place of the usual. Only for [`crate::Level::Namespaces`].
    pub tree: Option<Tree>,
}

/// No task is longer: arguments and environment of a process have a limit of their own below this.
pub const MOST_TASK_BYTES: usize = 16 << 20;

impl Task {
    /// The task as bytes: each list as the count of its words and the words, each word as its length
    /// and its bytes, each number 4 bytes, little-endian.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let single = [
            self.program.as_os_str(),
            &self.name,
            self.own_folder.as_os_str(),
            self.folder.as_os_str(),
        ];
        put_list(&mut bytes, single.into_iter());
        put_list(&mut bytes, self.arguments.iter().map(OsString::as_os_str));
        put_list(&mut bytes, self.environment.iter().map(OsString::as_os_str));
        let tree = self.tree.as_ref().map(Tree::to_words).unwrap_or_default();
        put_list(&mut bytes, tree.iter().map(OsString::as_os_str));
        bytes
    }

    /// The task that `bytes` are; `None` when they are none, or hold a NUL that no word can have.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Task> {
        let mut rest = bytes;
        let single = take_list(&mut rest)?;
        let [program, name, own_folder, folder] = <[OsString; 4]>::try_from(single).ok()?;
        let arguments = take_list(&mut rest)?;
        let environment = take_list(&mut rest)?;
        let tree = Tree::from_words(take_list(&mut rest)?)?;
        rest.is_empty().then(|| Task {
            program: program.into(),
            name,
            arguments,
            environment,
            own_folder: own_folder.into(),
            folder: folder.into(),
            tree,
        })
    }
}

fn put_list<'a>(bytes: &mut Vec<u8>, words: impl ExactSizeIterator<Item = &'a OsStr>) {
    bytes.extend((words.len() as u32).to_le_bytes());
    for word in words {
        bytes.extend((word.len() as u32).to_le_bytes());
        bytes.extend(word.as_bytes());
    }
}

fn take_list(rest: &mut &[u8]) -> Option<Vec<OsString>> {
    let n_words = take_number(rest)?;
    let mut words = Vec::new();
    for _ in 0..n_words {
        let n_bytes = take_number(rest)? as usize;
        let (word, after) = rest.split_at_checked(n_bytes)?;
        if word.contains(&0) {
            return None;
        }
        words.push(OsString::from_vec(word.to_vec()));
        *rest = after;
    }
    Some(words)
}

fn take_number(rest: &mut &[u8]) -> Option<u32> {
    let (number, after) = rest.split_first_chunk::<4>()?;
    *rest = after;
    Some(u32::from_le_bytes(*number))
}

/// What the process that runs a job tells of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The job's process is there. Its descriptor comes along.
    Started,
    /// The step of this number failed, with this error number.
    Failed(Step, i32),
    /// The program ended, with this raw wait status, and the job has cost so much.
    Ended(i32, Usage),
}

/// A step on the way to a running job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Step {
    Clone,
    UserMap,
    Folder,
    Tree,
    Mounts,
    Task,
    Limits,
    Capabilities,
    Landlock,
    Filter,
    WorkingFolder,
    Execute,
    Wait,
}

impl Step {
    const ALL: [Step; 13] = [
        Step::Clone,
        Step::UserMap,
        Step::Folder,
        Step::Tree,
        Step::Mounts,
        Step::Task,
        Step::Limits,
        Step::Capabilities,
        Step::Landlock,
        Step::Filter,
        Step::WorkingFolder,
        Step::Execute,
        Step::Wait,
    ];

    /// The step in words.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Step::Clone => "a process in namespaces of its own",
            Step::UserMap => "mapping the user",
            Step::Folder => "giving the job its folder",
            Step::Tree => "laying out the client's files",
            Step::Mounts => "hiding what the job must not see",
            Step::Task => "reading the task",
            Step::Limits => "setting limits",
            Step::Capabilities => "giving up capabilities",
            Step::Landlock => "the Landlock rules",
            Step::Filter => "the filter of system calls",
            Step::WorkingFolder => "entering the working folder",
            Step::Execute => "executing the program",
            Step::Wait => "waiting for the program",
        }
    }
}

impl Answer {
    pub(crate) const LEN: usize = 6 + 4 * 8;

    pub(crate) fn encode(self) -> [u8; Answer::LEN] {
        let (kind, step, number, usage) = match self {
            Answer::Started => (0, 0, 0, Usage::default()),
            Answer::Failed(step, error) => (1, step as u8, error, Usage::default()),
            Answer::Ended(status, usage) => (2, 0, status, usage),
        };
        let mut bytes = [0; Answer::LEN];
        let (head, rest) = bytes.split_at_mut(6);
        head[0] = kind;
        head[1] = step;
        head[2..].copy_from_slice(&i32::to_le_bytes(number));
        let numbers = [
            usage.user.as_micros() as u64,
            usage.system.as_micros() as u64,
            usage.n_minor_faults,
            usage.n_major_faults,
        ];
        for (place, number) in rest.chunks_exact_mut(8).zip(numbers) {
            place.copy_from_slice(&number.to_le_bytes());
        }
        bytes
    }

    pub(crate) fn decode(bytes: [u8; Answer::LEN]) -> Option<Answer> {
        let [kind, step, a, b, c, d, rest @ ..] = bytes;
        let number = i32::from_le_bytes([a, b, c, d]);
        let mut numbers = [0; 4];
        for (number, place) in numbers.iter_mut().zip(rest.chunks_exact(8)) {
            *number = u64::from_le_bytes(place.try_into().ok()?);
        }
        let [user, system, n_minor_faults, n_major_faults] = numbers;
        let usage = Usage {
            user: Duration::from_micros(user),
            system: Duration::from_micros(system),
            n_minor_faults,
            n_major_faults,
        };
        match kind {
            0 => Some(Answer::Started),
            1 => Some(Answer::Failed(*Step::ALL.get(usize::from(step))?, number)),
            2 => Some(Answer::Ended(number, usage)),
            _ => None,
        }
    }
}

/// Whether `path` is `folder` or lies in it, by name alone.
pub(crate) fn is_in(path: &Path, folder: &Path) -> bool {
    path.starts_with(folder)
        && !path.components().any(|part| part == std::path::Component::ParentDir)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task() -> Task {
        Task {
            program: "/usr/bin/gcc".into(),
            name: "gcc".into(),
            arguments: vec!["-c".into(), String::new().into(), "a b".into()],
            environment: vec!["PATH=/bin".into()],
            own_folder: "/tmp/j".into(),
            folder: "/tmp/j/root".into(),
            tree: None,
        }
    }

    #[test]
    fn a_task_comes_back_as_it_was() {
        assert_eq!(Task::decode(&task().encode()), Some(task()));
        let tree = Tree { root: "/j/r".into(), temporary: "/j/t".into(), layers: Vec::new() };
        let with_tree = Task { tree: Some(tree), ..task() };
        assert_eq!(Task::decode(&with_tree.encode()), Some(with_tree));
    }

    #[test]
    fn a_task_that_is_cut_or_longer_is_none() {
        let bytes = task().encode();
        for n_bytes in 0..bytes.len() {
            assert_eq!(Task::decode(&bytes[..n_bytes]), None, "{n_bytes}");
        }
        assert_eq!(Task::decode(&[&bytes[..], b"x"].concat()), None);
    }

    #[test]
    fn a_task_holds_no_nul() {
        let mut with_nul = task();
        with_nul.arguments.push("a\0b".into());
        assert_eq!(Task::decode(&with_nul.encode()), None);
    }

    #[test]
    fn answers_come_back_as_they_were() {
        for step in Step::ALL {
            let answer = Answer::Failed(step, 13);
            assert_eq!(Answer::decode(answer.encode()), Some(answer), "{}", step.name());
        }
        let usage = Usage {
            user: Duration::from_micros(u64::MAX),
            system: Duration::from_micros(1),
            n_minor_faults: 2,
            n_major_faults: 3,
        };
        for answer in [Answer::Started, Answer::Ended(-1, usage)] {
            assert_eq!(Answer::decode(answer.encode()), Some(answer));
        }
        for (kind, step) in [(3, 0), (1, 99)] {
            let mut bytes = Answer::Started.encode();
            (bytes[0], bytes[1]) = (kind, step);
            assert_eq!(Answer::decode(bytes), None);
        }
    }
}
