//! `distcc --report`: what became of the jobs of a build, by the ledger.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use statedir::{Ledger, Record, StateDir, Tally};
use wire::Exit;

use crate::Settings;
use crate::cause::{Cause, Group};
use crate::json::Json;
use crate::log::{Log, clean};

const USAGE: &str = "distcc --report [--last-build | --since DURATION] [--json], as in --since 2h";

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
struct Question {
    json: bool,
    /// The jobs that ended within this time; `None`: those of the last build.
    since: Option<Duration>,
}

impl Question {
    fn read(words: &[OsString]) -> Result<Question, String> {
        let mut question = Question { json: false, since: None };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            match word.to_str() {
                Some("--json") => question.json = true,
                Some("--last-build") => question.since = None,
                Some("--since") => {
                    let text = words.next().ok_or("`--since` needs a duration")?;
                    question.since = Some(duration(&text.to_string_lossy())?);
                }
                Some(word) if word.starts_with("--since=") => {
                    question.since = Some(duration(&word["--since=".len()..])?);
                }
                _ => return Err(format!("`{}` is no option of --report", word.display())),
            }
        }
        Ok(question)
    }
}

/// Reads a number of seconds, or of what `s`, `m`, `h` or `d` after it says.
fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is no duration");
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "" | "s" => 1,
        "m" | "min" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        _ => return Err(wrong()),
    };
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    number.checked_mul(unit).map(Duration::from_secs).ok_or_else(wrong)
}

/// Answers `distcc --report WORDS...` on standard output.
pub(crate) fn run(words: &[OsString], settings: &Settings, log: &Log) -> Exit {
    let question = match Question::read(words) {
        Ok(question) => question,
        Err(text) => {
            log.error(&text, USAGE);
            return Exit::BAD_ARGUMENTS;
        }
    };
    let ledger = match read(settings) {
        Ok(ledger) => ledger,
        Err(error) => {
            log.error(&format!("could not read the ledger: {error}"), "");
            return Exit::IO_ERROR;
        }
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let records: Vec<&Record> = match question.since {
        None => ledger.last_build(),
        Some(since) => {
            let from = now.saturating_sub(since);
            ledger.records.iter().filter(|record| record.ended() >= from).collect()
        }
    };
    let n_processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let tally = Tally::of(&records, n_processors as u64);
    let report = Report { tally, n_skipped_lines: ledger.n_skipped };
    let text = if question.json { format!("{}\n", report.json()) } else { report.text() };
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => Exit::SUCCESS,
        Err(_) => Exit::IO_ERROR,
    }
}

/// Reads the ledger where jobs write it.
fn read(settings: &Settings) -> std::io::Result<Ledger> {
    let (state_dir, home) = (settings.state_dir.as_deref(), settings.home.as_deref());
    StateDir::open_somewhere(state_dir, home, &settings.temporary)?.ledger()
}

/// What is reported.
#[derive(Debug, Default)]
struct Report {
    tally: Tally,
    n_skipped_lines: u64,
}

/// The parts of jobs, as [`statedir::Times::all`] has them: in JSON and for people.
const PARTS: [(&str, &str); 7] = [
    ("waiting", "waiting for slots"),
    ("connecting", "connecting"),
    ("preprocessing", "preprocessing"),
    ("sending", "sending"),
    ("compiling", "being compiled by servers"),
    ("receiving", "receiving"),
    ("local", "running here"),
];

impl Report {
    fn text(&self) -> String {
        let mut text = String::new();
        if self.tally.n_jobs == 0 {
            text.push_str("no job is in the ledger of that time\n");
            self.write_skipped(&mut text);
            return text;
        }
        let n_remote: u64 = self.tally.by_host.values().sum();
        let n_here: u64 = self.tally.here.values().sum();
        let _ = writeln!(
            text,
            "{} in {:.1} s from {}",
            counted(self.tally.n_jobs, "job"),
            self.tally.wall.as_secs_f64(),
            utc(self.tally.began)
        );
        if self.tally.n_failed > 0 {
            let _ = writeln!(text, "{} of them failed", self.tally.n_failed);
        }
        let _ = writeln!(text, "\ndone by servers {n_remote:>22}");
        for (host, count) in &self.tally.by_host {
            let _ = writeln!(text, "  {:<28} {count:>7}", clean(host));
        }
        if self.tally.n_pumped > 0 || !self.tally.detours.is_empty() {
            let _ = writeln!(text, "\npreprocessed by servers {:>14}", self.tally.n_pumped);
        }
        if !self.tally.detours.is_empty() {
            text.push_str("preprocessed here instead, because of\n");
            write_causes(&mut text, &self.tally.detours);
        }
        let _ = writeln!(text, "\ndone here {n_here:>28}");
        write_causes(&mut text, &self.tally.here);
        if !self.tally.nowhere.is_empty() {
            let n_nowhere: u64 = self.tally.nowhere.values().sum();
            let _ = writeln!(text, "\ndone nowhere {n_nowhere:>25}");
            write_causes(&mut text, &self.tally.nowhere);
        }
        if !self.tally.attempts.is_empty() {
            let n_attempts: u64 = self.tally.attempts.values().sum();
            let _ = writeln!(text, "\nfailures of hosts {n_attempts:>20}");
            for ((host, code), count) in &self.tally.attempts {
                let (host, code) = (clean(host), clean(code));
                let _ = writeln!(text, "  {:<28} {count:>7}  {}", host, meaning(&code));
                write_hint(&mut text, &code);
            }
        }
        let _ = writeln!(
            text,
            "\nsent {} and received {}",
            size(self.tally.n_sent),
            size(self.tally.n_received)
        );
        text.push_str("seconds of all jobs together:\n");
        for ((_, part), time) in PARTS.iter().zip(self.tally.times) {
            let _ = writeln!(text, "  {part:<28} {:>7.1}", time.as_secs_f64());
        }
        if n_remote > 0 && !self.tally.wall.is_zero() {
            let _ = writeln!(
                text,
                "estimate: here alone {:.1} s, so {:.1} times as long (the time that jobs were \
                 preprocessed,\ncompiled by servers and run here, shared by the {} of this \
                 machine, as if servers were as fast)",
                self.tally.alone.as_secs_f64(),
                self.tally.speed_up(),
                counted(self.tally.n_processors, "processor")
            );
        }
        self.write_skipped(&mut text);
        text
    }

    fn write_skipped(&self, text: &mut String) {
        if self.n_skipped_lines > 0 {
            let lines = counted(self.n_skipped_lines, "line");
            let _ = writeln!(text, "{lines} of the ledger could not be read");
        }
    }

    fn json(&self) -> Json {
        let causes = |causes: &BTreeMap<String, u64>| {
            let causes = by_count(causes).into_iter();
            Json::List(causes.map(|(code, count)| cause_json(code, count, None)).collect())
        };
        let hosts = self.tally.by_host.iter().map(|(host, count)| {
            let host = Json::Text(host.clone());
            Json::Object(vec![("host", host), ("jobs", Json::Number(*count))])
        });
        let attempts = self
            .tally
            .attempts
            .iter()
            .map(|((host, code), count)| cause_json(code, *count, Some(host)));
        let times = PARTS
            .iter()
            .zip(self.tally.times)
            .map(|((name, _), time)| (*name, Json::Seconds(time)));
        let sum = |counts: &BTreeMap<String, u64>| Json::Number(counts.values().sum());
        Json::Object(vec![
            ("jobs", Json::Number(self.tally.n_jobs)),
            ("failed", Json::Number(self.tally.n_failed)),
            ("began", Json::Seconds(self.tally.began)),
            ("wall_seconds", Json::Seconds(self.tally.wall)),
            ("done_by_servers", sum(&self.tally.by_host)),
            ("preprocessed_by_servers", Json::Number(self.tally.n_pumped)),
            ("preprocessed_here_instead", causes(&self.tally.detours)),
            ("done_here", sum(&self.tally.here)),
            ("done_nowhere", sum(&self.tally.nowhere)),
            ("hosts", Json::List(hosts.collect())),
            ("here", causes(&self.tally.here)),
            ("nowhere", causes(&self.tally.nowhere)),
            ("host_failures", Json::List(attempts.collect())),
            ("bytes_sent", Json::Number(self.tally.n_sent)),
            ("bytes_received", Json::Number(self.tally.n_received)),
            ("seconds", Json::Object(times.collect())),
            ("processors", Json::Number(self.tally.n_processors)),
            ("estimated_seconds_alone", Json::Seconds(self.tally.alone)),
            ("estimated_speed_up", Json::Ratio(self.tally.speed_up())),
            ("skipped_lines", Json::Number(self.n_skipped_lines)),
        ])
    }
}

fn cause_json(code: &str, count: u64, host: Option<&str>) -> Json {
    let cause = Cause::from_code(code);
    let mut fields: Vec<_> =
        host.map(|host| ("host", Json::Text(host.to_owned()))).into_iter().collect();
    fields.extend([
        ("code", Json::Text(code.to_owned())),
        ("jobs", Json::Number(count)),
        ("means", Json::text_or_null(cause.map_or("", Cause::means))),
        ("remedy", Json::text_or_null(cause.map_or("", Cause::remedy))),
    ]);
    Json::Object(fields)
}

/// The most frequent first.
fn by_count(causes: &BTreeMap<String, u64>) -> Vec<(&str, u64)> {
    let mut causes: Vec<_> = causes.iter().map(|(code, count)| (code.as_str(), *count)).collect();
    causes.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    causes
}

fn write_causes(text: &mut String, causes: &BTreeMap<String, u64>) {
    for (code, count) in by_count(causes) {
        let code = clean(code);
        let _ = writeln!(text, "  {code:<28} {count:>7}  {}", means(&code));
        write_hint(text, &code);
    }
}

fn write_hint(text: &mut String, code: &str) {
    let remedy = Cause::from_code(code).map_or("", Cause::remedy);
    if !remedy.is_empty() {
        let _ = writeln!(text, "      hint: {remedy}");
    }
}

/// The code and what it means.
fn meaning(code: &str) -> String {
    format!("{code}: {}", means(code))
}

fn means(code: &str) -> String {
    match Cause::from_code(code) {
        Some(cause) if cause.group() == Group::Command => format!("a word {}", cause.means()),
        Some(cause) => cause.means().to_owned(),
        None => "a code that this distcc does not know".to_owned(),
    }
}

fn counted(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn size(n_bytes: u64) -> String {
    match n_bytes {
        0..10_000 => counted(n_bytes, "byte"),
        10_000..10_000_000 => format!("{} kB", n_bytes / 1000),
        _ => format!("{} MB", n_bytes / 1_000_000),
    }
}

/// A time since 1970 as people write it.
fn utc(time: Duration) -> String {
    let seconds = time.as_secs();
    let (year, month, day) = date(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

/// The date so many days after 1 January 1970, in the Gregorian calendar.
fn date(mut days: u64) -> (u64, u64, u64) {
    const DAYS_OF_400_YEARS: u64 = 146_097;
    let is_leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    let mut year = 1970 + days / DAYS_OF_400_YEARS * 400;
    days %= DAYS_OF_400_YEARS;
    while days >= 365 + u64::from(is_leap(year)) {
        days -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let february = 28 + u64::from(is_leap(year));
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    (year, month, days + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use statedir::{Attempt, Place, Times};

    /// A job of session `session` from second `from` to second `to`.
    fn job(session: u32, from: u64, to: u64) -> Record {
        Record {
            started: Duration::from_secs(from),
            took: Duration::from_secs(to - from),
            session,
            place: Place::Here,
            code: "not-a-compile".into(),
            times: Times { local: Duration::from_secs(to - from), ..Times::default() },
            ..Record::default()
        }
    }

    fn build() -> Report {
        let mut distributed = job(1, 1000, 1004);
        distributed.place = Place::Host("red:3632".into());
        distributed.code = "distributed".into();
        distributed.times = Times {
            preprocessing: Duration::from_secs(1),
            compiling: Duration::from_secs(3),
            ..Times::default()
        };
        (distributed.n_sent, distributed.n_received) = (20_000, 500);
        distributed.attempts =
            vec![Attempt { host: "blue:3632".into(), code: "connection-refused".into() }];
        let mut native = job(1, 1000, 1002);
        native.code = "native-tuning".into();
        let mut failed = job(1, 1003, 1003);
        (failed.place, failed.code, failed.exit) = (Place::Nowhere, "\x1b-odd".into(), 100);
        let records = [&distributed, &distributed, &native, &failed];
        Report { tally: Tally::of(&records, 2), n_skipped_lines: 1 }
    }

    #[test]
    fn people_read_where_jobs_were_done_and_what_to_do() {
        let text = build().text();
        for line in [
            "4 jobs in 4.0 s from 1970-01-01 00:16:40 UTC",
            "1 of them failed",
            "done by servers                      2",
            "  red:3632                           2",
            "done here                            1",
            "  native-tuning                      1  a word means the processor of whichever \
             machine runs the compiler, which did not say what that is",
            "      hint: name the processor instead, as in -march=x86-64-v2",
            "  blue:3632                          2  connection-refused: nothing listens at that \
             port",
            "      hint: start distccd there, or give its port as HOST:PORT",
            "  \\u{1b}-odd                         1  a code that this distcc does not know",
            "sent 40 kB and received 1000 bytes",
            "1 line of the ledger could not be read",
        ] {
            assert!(text.lines().any(|found| found == line), "`{line}` is not in:\n{text}");
        }
        assert!(text.contains("estimate: here alone 5.0 s, so 1.2 times as long"), "{text}");
    }

    #[test]
    fn the_ledgers_readers_know_the_code_of_pumped_jobs() {
        assert_eq!(Cause::Pumped.code(), statedir::PUMPED);
    }

    #[test]
    fn nothing_is_said_of_no_jobs() {
        let report = Report::default();
        assert_eq!(report.text(), "no job is in the ledger of that time\n");
        assert!(report.json().to_string().contains("\"estimated_speed_up\":null"));
    }

    #[test]
    fn programs_read_the_same_in_json() {
        let json = build().json().to_string();
        for part in [
            "{\"jobs\":4,\"failed\":1,\"began\":1000.000000,\"wall_seconds\":4.000000,",
            "\"done_by_servers\":2,\"preprocessed_by_servers\":0,\"preprocessed_here_instead\":[],",
            "\"done_here\":1,\"done_nowhere\":1,",
            "\"hosts\":[{\"host\":\"red:3632\",\"jobs\":2}]",
            "{\"code\":\"\\u001b-odd\",\"jobs\":1,\"means\":null,\"remedy\":null}",
            "{\"host\":\"blue:3632\",\"code\":\"connection-refused\",\"jobs\":2,",
            "\"estimated_seconds_alone\":5.000000,\"estimated_speed_up\":1.25",
        ] {
            assert!(json.contains(part), "`{part}` is not in:\n{json}");
        }
    }

    #[test]
    fn durations_have_units() {
        assert_eq!(duration("90"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("15m"), Ok(Duration::from_secs(900)));
        assert_eq!(duration("2h"), Ok(Duration::from_secs(7200)));
        assert_eq!(duration("1d"), Ok(Duration::from_secs(86_400)));
        for wrong in ["", "h", "-1h", "1x", "99999999999999999d", "1.5h", "é"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn questions_that_mean_nothing_are_refused() {
        let read = |words: &[&str]| {
            let words: Vec<OsString> = words.iter().map(OsString::from).collect();
            Question::read(&words)
        };
        let hour = Some(Duration::from_secs(3600));
        assert_eq!(read(&["--json"]), Ok(Question { json: true, since: None }));
        assert_eq!(read(&["--since", "1h"]), Ok(Question { json: false, since: hour }));
        assert_eq!(read(&["--since=1h", "--json"]), Ok(Question { json: true, since: hour }));
        assert!(read(&["--since"]).is_err());
        assert!(read(&["gcc"]).is_err());
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(utc(Duration::from_secs(0)), "1970-01-01 00:00:00 UTC");
        assert_eq!(utc(Duration::from_secs(951_827_696)), "2000-02-29 12:34:56 UTC");
        assert_eq!(utc(Duration::from_secs(1_767_225_599)), "2025-12-31 23:59:59 UTC");
        assert_eq!(utc(Duration::from_secs(4_107_542_400)), "2100-03-01 00:00:00 UTC");
    }
}
