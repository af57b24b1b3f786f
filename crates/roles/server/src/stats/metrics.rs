//! `/metrics`: the counts as Prometheus reads them.
//!
//! Labels have a fixed set of values, or one that this machine's own compilers and a number bound:
//! nothing that a client says becomes one.

use std::fmt::{Error, Write as _};
use std::sync::Arc;
use std::time::Instant;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};

use super::by_compiler::ByCompiler;
use super::compilers::Compilers;
use super::counters::Snapshot;
use super::histogram::Histogram;
use super::machine::Machine;
use crate::Context;
use crate::outcome::Outcome;
use crate::whitelist::Known;

/// All there is to tell, at one moment.
#[derive(Debug)]
struct Scrape {
    statistics: Snapshot,
    version: &'static str,
    sandbox: &'static str,
    n_slots: u64,
    n_waiting_most: u64,
    n_running: u64,
    n_waiting: u64,
    free_bytes: u64,
    load: f64,
    started: f64,
    /// Family, target and version of compilers that may run, each once.
    compilers: Vec<[String; 3]>,
}

/// The page in the OpenMetrics text format 1.0.
pub(super) fn text(
    context: &Arc<Context>,
    compilers: &Compilers,
    machine: &Machine,
    now: Instant,
) -> String {
    let (n_running, n_waiting) = context.slots.in_use();
    let scrape = Scrape {
        statistics: context.statistics.snapshot(now),
        version: env!("CARGO_PKG_VERSION"),
        sandbox: context.confinement.name(),
        n_slots: context.slots.n_slots() as u64,
        n_waiting_most: context.slots.n_waiting_most() as u64,
        n_running: n_running as u64,
        n_waiting: n_waiting as u64,
        free_bytes: machine.free_megabytes << 20,
        load: machine.load[0],
        started: context.statistics.started_seconds(),
        compilers: kinds(compilers.known(context, now).unwrap_or_default()),
    };
    encoded(scrape)
}

fn kinds(known: Vec<Known>) -> Vec<[String; 3]> {
    let kind = |known: Known| {
        [known.about.family.name().to_owned(), known.about.target, known.about.version]
    };
    let mut kinds: Vec<[String; 3]> = known.into_iter().map(kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    kinds
}

fn encoded(scrape: Scrape) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(scrape));
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = encode(&mut text, &registry);
    text
}

/// The same in the text format 0.0.4, which older readers know: there the name of a counter ends
/// in `_total` everywhere, and there are no units and no end.
pub(super) fn in_older_form(text: &str) -> String {
    let is_counter = |name: &str| text.contains(&format!("# TYPE {name} counter\n"));
    let mut older = String::with_capacity(text.len() + 1024);
    for line in text.lines() {
        let mut words = line.splitn(4, ' ');
        let described = match (words.next(), words.next(), words.next(), words.next()) {
            (Some("#"), Some("UNIT" | "EOF"), ..) => continue,
            (Some("#"), Some(what), Some(name), Some(rest)) if is_counter(name) => {
                Some((what, name, rest))
            }
            _ => None,
        };
        let _ = match described {
            Some((what, name, rest)) => writeln!(older, "# {what} {name}_total {rest}"),
            None => writeln!(older, "{line}"),
        };
    }
    older
}

/// Writes one metric after the other.
struct Pen<'a>(DescriptorEncoder<'a>);

impl Pen<'_> {
    fn metric(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<&Unit>,
        kind: MetricType,
        write: impl FnOnce(&mut MetricEncoder<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        write(&mut self.0.encode_descriptor(name, help, unit, kind)?)
    }

    fn counter(&mut self, name: &str, help: &str, count: u64) -> Result<(), Error> {
        self.metric(name, help, None, MetricType::Counter, |metric| {
            metric.encode_counter::<NoLabelSet, _, f64>(&count, None)
        })
    }

    fn gauge(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<&Unit>,
        value: f64,
    ) -> Result<(), Error> {
        self.metric(name, help, unit, MetricType::Gauge, |metric| metric.encode_gauge(&value))
    }

    /// A gauge that is 1, and tells something by its label.
    fn fact(&mut self, name: &str, help: &str, label: (&str, &str)) -> Result<(), Error> {
        self.metric(name, help, None, MetricType::Gauge, |metric| {
            metric.encode_family(&[label])?.encode_gauge(&1_u64)
        })
    }

    fn histogram(
        &mut self,
        name: &str,
        help: &str,
        unit: &Unit,
        histogram: &Histogram,
    ) -> Result<(), Error> {
        self.metric(name, help, Some(unit), MetricType::Histogram, |metric| {
            write_steps(metric, histogram)
        })
    }
}

fn write_steps(metric: &mut MetricEncoder<'_>, histogram: &Histogram) -> Result<(), Error> {
    metric.encode_histogram::<NoLabelSet>(
        histogram.sum(),
        histogram.count(),
        &histogram.steps(),
        None,
    )
}

impl Collector for Scrape {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        let mut pen = Pen(encoder);
        let Snapshot { n_accepted, n_denied, measures, .. } = &self.statistics;
        pen.fact("distccd_build_info", "Version of the server", ("version", self.version))?;
        pen.fact(
            "distccd_sandbox_info",
            "How compilers are kept apart from this machine",
            ("level", self.sandbox),
        )?;
        let help = "Kinds of compilers that may run here";
        pen.metric("distccd_compiler_info", help, None, MetricType::Gauge, |metric| {
            self.compilers.iter().try_for_each(|[family, target, version]| {
                let labels = [("family", family), ("target", target), ("version", version)]
                    .map(|(name, value)| (name, value.as_str()));
                metric.encode_family(&labels)?.encode_gauge(&1_u64)
            })
        })?;
        pen.gauge(
            "distccd_start_time",
            "When the server started, since the Unix epoch",
            Some(&Unit::Seconds),
            self.started,
        )?;
        pen.counter("distccd_connections", "Connections from clients", *n_accepted)?;
        pen.counter(
            "distccd_connections_denied",
            "Connections from addresses that may not connect",
            *n_denied,
        )?;
        let help = "Jobs by their end";
        pen.metric("distccd_jobs", help, None, MetricType::Counter, |metric| {
            Outcome::ALL.into_iter().try_for_each(|outcome| {
                let n_jobs = self.statistics.n_ended(outcome);
                metric
                    .encode_family(&[("outcome", outcome.key())])?
                    .encode_counter::<NoLabelSet, _, f64>(&n_jobs, None)
            })
        })?;
        let help = "Jobs by the compiler of this machine that was to do them; `other`: by none that is known";
        pen.metric("distccd_compiler_jobs", help, None, MetricType::Counter, |metric| {
            let ByCompiler { known, n_other } = &self.statistics.by_compiler;
            let mut write = |name: &str, [family, target, version]: [&str; 3], n_jobs: u64| {
                let labels = [
                    ("compiler", name),
                    ("family", family),
                    ("target", target),
                    ("version", version),
                ];
                metric.encode_family(&labels)?.encode_counter::<NoLabelSet, _, f64>(&n_jobs, None)
            };
            for (Known { name, about }, n_jobs) in known {
                write(name, [about.family.name(), &about.target, &about.version], *n_jobs)?;
            }
            write("other", [""; 3], *n_other)
        })?;
        let help = "Jobs from the connection to the last byte of the answer, by their end";
        let (unit, kind) = (Some(&Unit::Seconds), MetricType::Histogram);
        pen.metric("distccd_job_duration", help, unit, kind, |metric| {
            Outcome::ALL.into_iter().zip(&measures.job_times).try_for_each(|(outcome, times)| {
                let labels = [("outcome", outcome.key())];
                write_steps(&mut metric.encode_family(&labels)?, times)
            })
        })?;
        pen.histogram(
            "distccd_compile_duration",
            "Compilers that ended by themselves, from start to end",
            &Unit::Seconds,
            &measures.compile_times,
        )?;
        pen.histogram(
            "distccd_queue_duration",
            "How long jobs waited for a slot and memory",
            &Unit::Seconds,
            &measures.waits,
        )?;
        pen.histogram(
            "distccd_request_size",
            "Sources of whole requests, unpacked",
            &Unit::Bytes,
            &measures.request_sizes,
        )?;
        pen.histogram(
            "distccd_reply_size",
            "Replies of compilers as they were sent",
            &Unit::Bytes,
            &measures.reply_sizes,
        )?;
        let help = "Whole requests as they came: packed where clients do, with their commands";
        pen.metric("distccd_received", help, Some(&Unit::Bytes), MetricType::Counter, |metric| {
            metric.encode_counter::<NoLabelSet, _, f64>(&measures.n_received_bytes, None)
        })?;
        for (name, help, value) in [
            ("distccd_slots", "Compilers that may run at once", self.n_slots),
            ("distccd_jobs_running", "Jobs that have a slot now", self.n_running),
            ("distccd_jobs_waiting", "Jobs that wait for a slot now", self.n_waiting),
            ("distccd_queue_limit", "Jobs that may wait at once", self.n_waiting_most),
        ] {
            pen.gauge(name, help, None, value as f64)?;
        }
        pen.gauge(
            "distccd_temporary_free",
            "What is free where temporary files are",
            Some(&Unit::Bytes),
            self.free_bytes as f64,
        )?;
        pen.gauge("distccd_load1", "Load average of the machine over a minute", None, self.load)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::stats::Statistics;

    fn gcc() -> Known {
        let about = inventory::About {
            target: "x86_64-linux-gnu".into(),
            family: toolchain::Family::Gcc,
            version: "12.2.0".into(),
        };
        Known { name: "gcc-12".into(), about }
    }

    fn scrape() -> Scrape {
        let (statistics, now) = (Statistics::new(Instant::now()), Instant::now());
        let time = Duration::from_millis(300);
        statistics.note_accepted();
        statistics.note_job(Outcome::CompileOk, time, "gcc", "\"<script>\n\\", Some(&gcc()), now);
        statistics.note_request(5000, 700);
        Scrape {
            statistics: statistics.snapshot(now),
            version: "1.2.3",
            sandbox: "a\"b\n\\",
            n_slots: 4,
            n_waiting_most: 64,
            n_running: 2,
            n_waiting: 0,
            free_bytes: 1 << 40,
            load: 0.5,
            started: 1_700_000_000.25,
            compilers: vec![["gcc", "x\"y", "12"].map(str::to_owned)],
        }
    }

    #[test]
    fn the_newer_form_is_that_of_open_metrics() {
        let text = encoded(scrape());
        for line in [
            "# TYPE distccd_jobs counter\n",
            "distccd_jobs_total{outcome=\"ok\"} 1\n",
            "distccd_jobs_total{outcome=\"overloaded\"} 0\n",
            "distccd_compiler_jobs_total{compiler=\"gcc-12\",family=\"GCC\",target=\"x86_64-linux-gnu\",version=\"12.2.0\"} 1\n",
            "distccd_compiler_jobs_total{compiler=\"other\",family=\"\",target=\"\",version=\"\"} 0\n",
            "# UNIT distccd_job_duration_seconds seconds\n",
            "distccd_job_duration_seconds_bucket{le=\"0.25\",outcome=\"ok\"} 0\n",
            "distccd_job_duration_seconds_bucket{le=\"0.5\",outcome=\"ok\"} 1\n",
            "distccd_job_duration_seconds_bucket{le=\"+Inf\",outcome=\"ok\"} 1\n",
            "distccd_request_size_bytes_sum 5000.0\n",
            "distccd_sandbox_info{level=\"a\\\"b\\n\\\\\"} 1\n",
            "distccd_received_bytes_total 700\n",
            "distccd_jobs_running 2.0\n",
        ] {
            assert!(text.contains(line), "no {line} in {text}");
        }
        assert!(text.ends_with("\n# EOF\n"), "{text}");
        assert!(!text.contains("script"), "a client's name is in {text}");
    }

    #[test]
    fn the_older_form_calls_counters_by_their_whole_names() {
        let text = in_older_form(&encoded(scrape()));
        assert!(text.contains("# TYPE distccd_jobs_total counter\n"), "{text}");
        assert!(text.contains("# HELP distccd_jobs_total Jobs by their end\n"), "{text}");
        assert!(text.contains("\n# TYPE distccd_jobs_running gauge\n"), "{text}");
        assert!(!text.contains("# UNIT") && !text.contains("# EOF"), "{text}");
    }

    #[test]
    fn the_page_does_not_grow_with_what_clients_say() {
        let (statistics, now) = (Statistics::new(Instant::now()), Instant::now());
        let n_lines = |statistics: &Statistics| {
            encoded(Scrape { statistics: statistics.snapshot(now), ..scrape() }).lines().count()
        };
        let before = n_lines(&statistics);
        for number in 0..1000 {
            let (compiler, input) = (format!("gcc-{number}"), format!("{number}.c"));
            let outcome = Outcome::ALL[number % Outcome::ALL.len()];
            statistics.note_job(outcome, Duration::from_millis(1), &compiler, &input, None, now);
        }
        assert_eq!(n_lines(&statistics), before);
    }
}
