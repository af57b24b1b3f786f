//! One job as a line.

use statedir::{Phase, RunningJob};

/// Widths of the columns, in bytes as distcc 3.4 counts them.
const SOURCE_WIDTH: usize = 30;
const HOST_WIDTH: usize = 24;

/// The line of a job, its end included: process, phase, source, host and slot. Names come from
/// whoever can write the folder, so control bytes become question marks.
pub(crate) fn of(job: &RunningJob) -> String {
    let source = padding(&job.source, SOURCE_WIDTH);
    let host = padding(&job.host, HOST_WIDTH);
    format!(
        "{:6}  {:10}  {}{} {}{}[{}]\n",
        job.pid,
        phase_name(job.phase),
        source.0,
        source.1,
        host.1,
        host.0,
        job.slot
    )
}

/// A name cut to `width` bytes, and the spaces that fill the column.
fn padding(name: &[u8], width: usize) -> (String, String) {
    let mut cleaned: String = String::from_utf8_lossy(name)
        .chars()
        .map(|letter| if letter.is_control() { '?' } else { letter })
        .collect();
    while cleaned.len() > width {
        cleaned.pop();
    }
    let spaces = " ".repeat(width - cleaned.len());
    (cleaned, spaces)
}

fn phase_name(phase: Option<Phase>) -> &'static str {
    match phase {
        Some(Phase::Startup) => "Startup",
        Some(Phase::Blocked) => "Blocked",
        Some(Phase::Connect) => "Connect",
        Some(Phase::Preprocess) => "Preprocess",
        Some(Phase::Send) => "Send",
        Some(Phase::Compile) => "Compile",
        Some(Phase::Receive) => "Receive",
        None => "Done",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(source: &str, host: &str, expected: &str) {
        let job = RunningJob {
            pid: 42,
            source: source.into(),
            host: host.into(),
            slot: 3,
            phase: Some(Phase::Preprocess),
            ..RunningJob::default()
        };
        assert_eq!(of(&job), format!("    42  Preprocess  {expected}[3]\n"));
    }

    #[test]
    fn columns_are_as_wide_as_the_originals() {
        check("a.c", "red", "a.c                                                 red");
        check(
            "a-source-with-a-name-that-is-longer.c",
            "a-host-with-a-name.that-is-longer",
            "a-source-with-a-name-that-is-l a-host-with-a-name.that-",
        );
    }

    #[test]
    fn names_cannot_write_on_the_terminal() {
        check("\x1b[31m\n\u{9b}x", "", "?[31m??x                                               ");
    }

    #[test]
    fn a_name_is_not_cut_inside_a_letter() {
        let source = format!("{}ää", "x".repeat(27));
        check(&source, "", &format!("{}ä                          ", "x".repeat(27)));
    }
}
