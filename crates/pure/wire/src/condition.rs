//! How a server is at the moment, which ours tells behind its abilities.
//!
//! Lines of the same answer (see [`crate::Abilities`]): who does not know one passes over it, and who
//! misses one does without. So no end has to be of a certain age.

use std::fmt::Write as _;
use std::time::Duration;

use crate::{Reply, WaitStatus};

/// The longest name of a level of confinement that is believed.
const LONGEST_NAME: usize = 24;

/// How a server is at the moment, as far as it tells.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Condition {
    /// Compilers that run.
    pub n_running: Option<u32>,
    /// Jobs that wait for a compiler to end.
    pub n_waiting: Option<u32>,
    /// The machine's processors.
    pub n_processors: Option<u32>,
    /// The machine's load average of one minute.
    pub load: Option<f64>,
    /// How compilers are confined: `namespaces`, `landlock`, `filter` or `off`.
    pub sandbox: Option<String>,
    /// The time there, since 1970.
    pub time: Option<Duration>,
}

impl Condition {
    /// The lines that stand behind the abilities.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        let numbers = [
            ("running", self.n_running),
            ("waiting", self.n_waiting),
            ("processors", self.n_processors),
        ];
        for (name, number) in numbers {
            if let Some(number) = number {
                let _ = writeln!(text, "{name} {number}");
            }
        }
        if let Some(load) = self.load {
            let _ = writeln!(text, "load {load:.2}");
        }
        if let Some(name) = &self.sandbox {
            let _ = writeln!(text, "sandbox {name}");
        }
        if let Some(time) = self.time {
            let _ = writeln!(text, "time {}.{:03}", time.as_secs(), time.subsec_millis());
        }
        text
    }

    /// What a successful answer says of it. Nothing that a peer says makes it fail.
    #[must_use]
    pub fn of_reply(reply: &Reply) -> Condition {
        let mut condition = Condition::default();
        let text = std::str::from_utf8(&reply.stdout).unwrap_or_default();
        if reply.status != WaitStatus::exited(0) {
            return condition;
        }
        for (name, value) in text.lines().filter_map(|line| line.split_once(' ')) {
            let number = || value.parse().ok();
            match name {
                "running" => condition.n_running = number(),
                "waiting" => condition.n_waiting = number(),
                "processors" => condition.n_processors = number().filter(|number| *number > 0),
                "load" => condition.load = decimal(value),
                "sandbox" => {
                    let is_name = !value.is_empty()
                        && value.len() <= LONGEST_NAME
                        && value.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
                    condition.sandbox = is_name.then(|| value.to_owned());
                }
                "time" => {
                    let seconds = decimal(value);
                    condition.time =
                        seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
                }
                _ => {}
            }
        }
        condition
    }
}

/// A number of digits with a point in it, and nothing else that parsers of numbers take.
fn decimal(text: &str) -> Option<f64> {
    let is_plain = text.len() <= 24 && text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    is_plain.then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Abilities;

    fn reply(stdout: &str) -> Reply {
        Reply { status: WaitStatus::exited(0), stdout: stdout.into(), ..Reply::default() }
    }

    #[test]
    fn a_condition_survives_the_way_and_the_abilities_with_it() {
        let condition = Condition {
            n_running: Some(3),
            n_waiting: Some(0),
            n_processors: Some(8),
            load: Some(2.25),
            sandbox: Some("namespaces".to_owned()),
            time: Some(Duration::from_millis(1_790_000_000_250)),
        };
        let abilities = Abilities { keeps_files: true, n_jobs: Some(10), ..Abilities::default() };
        let reply = reply(&(abilities.to_text() + &condition.to_text()));
        assert_eq!(Condition::of_reply(&reply), condition);
        assert_eq!(Abilities::of_reply(&reply), Some(abilities));
    }

    #[test]
    fn what_means_nothing_is_not_told() {
        let silent = Condition::default();
        assert_eq!(Condition::of_reply(&reply("distcc-rs\nkeeps-files\njobs 4\n")), silent);
        for nonsense in [
            "running -1",
            "processors 0",
            "load nan",
            "load 1e400",
            "load -1",
            "sandbox ",
            "sandbox $(reboot)",
            "time 1.2.3",
            "time 99999999999999999999999",
            "time inf",
        ] {
            let text = format!("distcc-rs\n{nonsense}\n");
            assert_eq!(Condition::of_reply(&reply(&text)), silent, "{nonsense}");
        }
        let failed = Reply { status: WaitStatus::exited(1), ..reply("distcc-rs\nrunning 1\n") };
        assert_eq!(Condition::of_reply(&failed), silent);
    }
}
