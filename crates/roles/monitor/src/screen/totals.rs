//! The lower part of the screen: what became of the build so far.

use std::collections::BTreeMap;

use ratatui::style::Color;
use ratatui::text::{Line, Span};

use super::View;
use super::lanes::{bold, colored, dim};
use super::text::{counted, fit, size};
use crate::snapshot::Snapshot;

/// All of it, in `width` columns; the most important first.
pub(super) fn lines(snapshot: &Snapshot, view: &View, width: usize) -> Vec<Line<'static>> {
    let build = &snapshot.build;
    if build.n_jobs == 0 {
        return vec![Line::styled(fit(" no job is in the ledger", width), dim())];
    }
    let sum = |counts: &BTreeMap<String, u64>| counts.values().sum::<u64>();
    let jobs = format!(
        " {} in {:.1} s: servers {}, here {}, nowhere {}",
        counted(build.n_jobs, "job"),
        build.wall.as_secs_f64(),
        build.n_remote(),
        sum(&build.here),
        sum(&build.nowhere),
    );
    let mut first = vec![Span::styled(jobs, bold())];
    if build.n_failed > 0 {
        let text = format!("; exited with an error: {}", build.n_failed);
        first.push(Span::styled(text, colored(view, Color::Red)));
    }
    let rates = &snapshot.rates;
    let mut lines = vec![
        Line::from(first),
        Line::from(format!(
            " {:.1} jobs/s now, {:.1} in all; sent {} ({}/s), got {} ({}/s)",
            rates.jobs,
            rates.jobs_of_build,
            size(build.n_sent as f64),
            size(rates.sent),
            size(build.n_received as f64),
            size(rates.received),
        )),
    ];
    if build.n_remote() > 0 && !build.wall.is_zero() {
        lines.push(Line::from(vec![
            Span::raw(" estimated speed-up "),
            Span::styled(format!("{:.1}", build.speed_up()), bold()),
            Span::raw(format!(
                ": here alone {:.1} s by {}",
                build.alone.as_secs_f64(),
                counted(build.n_processors, "processor")
            )),
        ]));
    }
    if !build.here.is_empty() {
        lines.push(Line::from(format!(" here because of {}", listed(&build.here))));
    }
    if !build.detours.is_empty() {
        lines.push(Line::from(format!(" not pumped because of {}", listed(&build.detours))));
    }
    if !build.nowhere.is_empty() {
        let text = format!(" nowhere because of {}", listed(&build.nowhere));
        lines.push(Line::styled(text, colored(view, Color::Red)));
    }
    if !build.attempts.is_empty() {
        let failures: Vec<String> = build
            .attempts
            .iter()
            .map(|((host, code), count)| format!("{host} {code} {count}"))
            .collect();
        let text = format!(" failures of hosts: {}", failures.join(", "));
        lines.push(Line::styled(text, colored(view, Color::Red)));
    }
    lines
}

/// The most frequent first.
fn listed(causes: &BTreeMap<String, u64>) -> String {
    let mut causes: Vec<_> = causes.iter().collect();
    causes.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    let causes: Vec<String> =
        causes.into_iter().map(|(code, count)| format!("{code} {count}")).collect();
    causes.join(", ")
}
