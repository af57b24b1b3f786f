//! The page: the lines of distcc 3.4, in its order.

use std::fmt::Write;

use super::counters::Snapshot;
use super::machine::Machine;
use crate::log::escaped;
use crate::outcome::Outcome;

/// What stands before the lines, as 3.4 has it: line feeds alone, no length.
const HEAD: &str = "HTTP/1.0 200 OK\nContent-Type: text/plain\nConnection: close\n\n";

/// What 3.4 does not say, for lines after its own.
pub(super) type OwnLine = (&'static str, String);

/// The whole answer. Readers of 3.4's page look for its names between its two marks; what is
/// ours comes after them.
pub(super) fn answer(
    statistics: &Snapshot,
    n_jobs_most: usize,
    machine: &Machine,
    own: &[OwnLine],
) -> Vec<u8> {
    let mut text = String::from(HEAD);
    text.push_str("argv /distccd\n<distccstats>\n");
    for (name, value) in lines(statistics, n_jobs_most, machine) {
        let _ = writeln!(text, "{name} {value}");
    }
    text.push_str("</distccstats>\n<distcc-rs>\n");
    for (name, value) in own {
        let _ = writeln!(text, "{name} {}", escaped(value));
    }
    text.push_str("</distcc-rs>\n");
    text.into_bytes()
}

/// The names and values of 3.4.
fn lines(
    statistics: &Snapshot,
    n_jobs_most: usize,
    machine: &Machine,
) -> Vec<(&'static str, String)> {
    let ended = |outcome| statistics.n_ended(outcome).to_string();
    let longest = statistics.longest.as_ref();
    let named = |name: Option<&String>| name.map_or("none".to_owned(), |name| escaped(name));
    let [load1, load2, load3] = machine.load.map(|load| format!("{load:.2}"));
    let [average1, average2, average3] = statistics.average_jobs.map(|jobs| jobs.to_string());
    let [compiles1, compiles2, compiles3] = statistics.n_compiles.map(|jobs| jobs.to_string());
    let or_none = |number: Option<u128>| number.map_or("-1".to_owned(), |n| n.to_string());
    vec![
        ("dcc_tcp_accept", statistics.n_accepted.to_string()),
        ("dcc_rej_bad_req", ended(Outcome::BadRequest)),
        ("dcc_rej_overload", ended(Outcome::Overloaded)),
        ("dcc_compile_ok", ended(Outcome::CompileOk)),
        ("dcc_compile_error", ended(Outcome::CompileError)),
        ("dcc_compile_timeout", ended(Outcome::CompileTimeout)),
        ("dcc_cli_disconnect", ended(Outcome::ClientDisconnected)),
        ("dcc_other", ended(Outcome::Other)),
        ("dcc_longest_job", named(longest.map(|job| &job.input))),
        ("dcc_longest_job_compiler", named(longest.map(|job| &job.compiler))),
        ("dcc_longest_job_time_msecs", or_none(longest.map(|job| job.time.as_millis()))),
        ("dcc_max_kids", n_jobs_most.to_string()),
        ("dcc_avg_kids1", average1),
        ("dcc_avg_kids2", average2),
        ("dcc_avg_kids3", average3),
        ("dcc_current_load", machine.n_runnable.to_string()),
        ("dcc_load1", load1),
        ("dcc_load2", load2),
        ("dcc_load3", load3),
        ("dcc_num_compiles1", compiles1),
        ("dcc_num_compiles2", compiles2),
        ("dcc_num_compiles3", compiles3),
        ("dcc_num_procstate_D", machine.n_waiting_for_disk.to_string()),
        ("dcc_max_RSS", machine.biggest.0.to_string()),
        ("dcc_max_RSS_name", format!("({})", escaped(&machine.biggest.1))),
        ("dcc_io_rate", or_none(machine.io_rate.map(u128::from))),
        ("dcc_free_space", format!("{} MB", machine.free_megabytes)),
    ]
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::stats::Statistics;

    #[test]
    fn a_client_cannot_forge_a_line() {
        let statistics = Statistics::new(Instant::now());
        let time = Duration::from_millis(1500);
        let name = "a\ndcc_compile_ok 9\n\x1b[0m.c";
        statistics.note_job(Outcome::CompileOk, time, "gcc", name, None, Instant::now());
        let snapshot = statistics.snapshot(Instant::now());
        let machine = Machine::default();
        let page = answer(&snapshot, 4, &machine, &[("sandbox_level", "a\nb".to_owned())]);
        let page = String::from_utf8(page).unwrap();
        assert_eq!(page.matches("dcc_compile_ok 1\n").count(), 1, "{page}");
        assert!(!page.contains("\ndcc_compile_ok 9") && !page.contains('\x1b'), "{page}");
        assert!(page.contains("\ndcc_longest_job_time_msecs 1500\n"), "{page}");
        assert!(page.ends_with("</distccstats>\n<distcc-rs>\nsandbox_level a\\nb\n</distcc-rs>\n"));
    }
}
