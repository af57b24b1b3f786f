//! The lanes of the screen: hosts with their slots, jobs of this machine, jobs that wait.

use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use statedir::Phase;

use super::View;
use super::text::{age, fit};
use crate::snapshot::{HostUse, Job, Snapshot, phase_name};

/// The most lanes of one host: a list may give one a million slots.
const MOST_LANES: u32 = 512;

/// Columns of a slot's number, a phase, a time, a reason.
const SLOT_WIDTH: usize = 5;
const PHASE_WIDTH: usize = 11;
const AGE_WIDTH: usize = 8;
const CODE_WIDTH: usize = 22;

/// Columns of a host's name in its heading, and of the bar behind it.
const HOST_WIDTH: usize = 28;
const MOST_BAR_WIDTH: usize = 32;

/// All lanes, in `width` columns. With `folds`, slots without a job share a line.
pub(super) fn lines(
    snapshot: &Snapshot,
    view: &View,
    width: usize,
    folds: bool,
) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    if let Some(why) = snapshot.no_host_list.as_ref().filter(|_| snapshot.hosts.is_empty()) {
        let hint = "set DISTCC_HOSTS as the build has it";
        lines.push(Line::from(fit(&format!(" no hosts: {why}; {hint}"), width)));
    }
    for host in &snapshot.hosts {
        lines.push(heading(host, view, width));
        let lanes = host.lanes(MOST_LANES);
        let n_idle = lanes.iter().filter(|(_, job)| job.is_none()).count();
        for (slot, job) in lanes {
            match job {
                Some(job) => lines.push(lane(&slot.to_string(), job, view, width)),
                None if !folds => {
                    let text = format!("{slot:>SLOT_WIDTH$} idle");
                    lines.push(Line::styled(fit(&text, width), dim()));
                }
                None => {}
            }
        }
        if folds && n_idle > 0 {
            let text = format!("{:SLOT_WIDTH$} {n_idle} idle", "");
            lines.push(Line::styled(fit(&text, width), dim()));
        }
    }
    lines
        .push(Line::styled(fit(&format!(" here  {} running", snapshot.here.len()), width), bold()));
    lines.extend(snapshot.here.iter().map(|job| lane("", job, view, width)));
    if !snapshot.waiting.is_empty() {
        let text = format!(" waiting  {}", snapshot.waiting.len());
        lines.push(Line::styled(fit(&text, width), bold()));
        lines.extend(snapshot.waiting.iter().map(|job| lane("", job, view, width)));
    }
    lines
}

/// A host: its name, a bar of its slots, what it has done.
fn heading(host: &HostUse, view: &View, width: usize) -> Line<'static> {
    let busy = host.jobs.len();
    let n_slots = host.n_slots.map(|slots| usize::try_from(slots).unwrap_or(usize::MAX));
    let of = n_slots.map_or_else(|| "not in the list".to_owned(), |slots| format!("of {slots}"));
    let mut text = format!(" {busy} {of}, {} done", host.n_done);
    if host.n_failures > 0 {
        text.push_str(&format!(", {} failed", host.n_failures));
    }
    if host.is_down {
        text.push_str(", marked down");
    } else if host.is_backed_off {
        text.push_str(", left alone after a failure");
    }
    let name_width = HOST_WIDTH.min(width / 3);
    let bar_width = n_slots.unwrap_or_default().min(MOST_BAR_WIDTH).min(width / 5);
    let n_full = match n_slots {
        Some(n_slots @ 1..) => (busy.min(n_slots) * bar_width).div_ceil(n_slots),
        _ => 0,
    };
    let (full, empty) = if view.is_utf8 { ("█", "░") } else { ("#", ".") };
    let rest = width.saturating_sub(1 + name_width + 1 + bar_width);
    let warns = host.n_failures > 0 || host.is_backed_off || host.is_down;
    Line::from(vec![
        Span::styled(format!(" {}", fit(&host.name, name_width)), bold()),
        Span::raw(" "),
        Span::styled(full.repeat(n_full), colored(view, Color::Green)),
        Span::styled(empty.repeat(bar_width - n_full), dim()),
        Span::styled(fit(&text, rest), if warns { colored(view, Color::Red) } else { dim() }),
    ])
}

/// A job: what it does, its file, for how long, and why it is there.
fn lane(slot: &str, job: &Job, view: &View, width: usize) -> Line<'static> {
    let code_width = if job.code.is_empty() { 0 } else { CODE_WIDTH.min(width / 4) };
    let taken = SLOT_WIDTH + 1 + PHASE_WIDTH + 1 + code_width + 2 * AGE_WIDTH;
    let phase = fit(phase_name(job.phase), PHASE_WIDTH);
    Line::from(vec![
        Span::styled(format!("{slot:>SLOT_WIDTH$} "), dim()),
        Span::styled(phase, phase_style(view, job.phase)),
        Span::raw(format!(" {}", fit(&job.file, width.saturating_sub(taken)))),
        Span::styled(fit(&job.code, code_width), colored(view, Color::Yellow)),
        Span::styled(format!("{:>AGE_WIDTH$}", age(job.phase_age)), dim()),
        Span::raw(format!("{:>AGE_WIDTH$}", age(job.age))),
    ])
}

fn phase_style(view: &View, phase: Option<Phase>) -> Style {
    colored(
        view,
        match phase {
            Some(Phase::Compile) => Color::Green,
            Some(Phase::Send | Phase::Receive) => Color::Cyan,
            Some(Phase::Preprocess) => Color::Blue,
            Some(Phase::Connect | Phase::Startup) => Color::Yellow,
            Some(Phase::Blocked) => Color::Magenta,
            None => Color::Reset,
        },
    )
}

/// A color, unless the user wants none.
pub(super) fn colored(view: &View, color: Color) -> Style {
    if view.colors { Style::new().fg(color) } else { Style::new() }
}

pub(super) fn bold() -> Style {
    Style::new().add_modifier(Modifier::BOLD)
}

pub(super) fn dim() -> Style {
    Style::new().add_modifier(Modifier::DIM)
}
