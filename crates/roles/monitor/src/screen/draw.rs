//! The whole screen: a title, lanes, totals, keys.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::{Block, Clear, Paragraph};

use super::View;
use super::lanes::{self, colored};
use super::text::{age, fit};
use super::totals;
use crate::snapshot::Snapshot;

const KEYS: &str = " q quit   ? help   arrows scroll   f fold idle slots   p pause";

const HELP: [&str; 15] = [
    "q, Esc, Ctrl-C   quit",
    "? h              this help; any key ends it",
    "Up Down  k j     scroll by a line",
    "PgUp PgDn        scroll by ten",
    "Home End  g G    to the first, to the last",
    "f                slots without a job share a line, or not",
    "p, space         pause, go on",
    "Ctrl-L           draw anew",
    "Ctrl-Z           back to the shell; `fg` goes on",
    "",
    "A lane is a slot: what its job does, its file, for how long",
    "it has done that and, last, how old it is. Jobs that run here",
    "have the reason, whose page is docs/reasons.md.",
    "What the totals are is told by `distcc --report`,",
    "which also says what to do.",
];

/// Draws everything. What is scrolled too far comes back.
pub(super) fn draw(frame: &mut Frame<'_>, snapshot: &Snapshot, view: &mut View) {
    let area = frame.area();
    let width = usize::from(area.width);
    let totals = totals::lines(snapshot, view, width);
    let n_totals = u16::try_from(totals.len()).unwrap_or(u16::MAX).min(area.height / 3);
    let [title_area, lanes_area, rule_area, totals_area, keys_area] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Min(0),
        Constraint::Length(1),
        Constraint::Length(n_totals),
        Constraint::Length(1),
    ])
    .areas(area);
    frame.render_widget(title(snapshot, view, width), title_area);
    draw_lanes(frame, lanes_area, rule_area, snapshot, view);
    frame.render_widget(Paragraph::new(totals), totals_area);
    let reversed = Style::new().add_modifier(Modifier::REVERSED);
    let keys = match &view.trouble {
        Some(trouble) => {
            Line::styled(fit(&format!(" {trouble}"), width), colored(view, Color::Red))
        }
        None => Line::styled(fit(KEYS, width), reversed),
    };
    frame.render_widget(keys, keys_area);
    if view.helps {
        draw_help(frame, area);
    }
}

fn title(snapshot: &Snapshot, view: &View, width: usize) -> Line<'static> {
    let what = match (snapshot.is_building(), snapshot.quiet_for) {
        (true, _) => {
            format!(
                "building: {} running, {} waiting",
                snapshot.n_running(),
                snapshot.waiting.len()
            )
        }
        (false, Some(quiet)) => format!("nothing runs; the last job ended {} ago", age(quiet)),
        (false, None) => "nothing runs".to_owned(),
    };
    let paused = if view.pauses { "   [paused: p goes on]" } else { "" };
    let text = format!(" distccmon   {what}{paused}");
    Line::styled(fit(&text, width), Style::new().add_modifier(Modifier::REVERSED))
}

/// The lanes, and below them a rule that tells how many do not fit.
fn draw_lanes(
    frame: &mut Frame<'_>,
    area: Rect,
    rule_area: Rect,
    snapshot: &Snapshot,
    view: &mut View,
) {
    let (width, height) = (usize::from(area.width), usize::from(area.height));
    let mut lines = lanes::lines(snapshot, view, width, view.folds);
    if lines.len() > height && !view.folds {
        lines = lanes::lines(snapshot, view, width, true);
    }
    view.scroll = view.scroll.min(lines.len().saturating_sub(height));
    let n_below = lines.len().saturating_sub(view.scroll + height);
    let rule = if view.is_utf8 { "─" } else { "-" };
    let more = match (view.scroll, n_below) {
        (0, 0) => String::new(),
        (above, below) => format!(" {above} lines above, {below} below "),
    };
    let n_rules = width.saturating_sub(more.len() + 2);
    let text = format!("{}{more}{}", rule.repeat(2.min(width)), rule.repeat(n_rules));
    frame.render_widget(Line::styled(text, lanes::dim()), rule_area);
    let shown: Vec<Line<'_>> = lines.into_iter().skip(view.scroll).take(height).collect();
    frame.render_widget(Paragraph::new(shown), area);
}

fn draw_help(frame: &mut Frame<'_>, area: Rect) {
    let (width, height) = (66.min(area.width), (HELP.len() as u16 + 2).min(area.height));
    let [row] = Layout::vertical([Constraint::Length(height)])
        .flex(ratatui::layout::Flex::Center)
        .areas(area);
    let [place] = Layout::horizontal([Constraint::Length(width)])
        .flex(ratatui::layout::Flex::Center)
        .areas(row);
    let text: Vec<Line<'_>> = HELP.iter().map(|line| Line::from(format!(" {line}"))).collect();
    frame.render_widget(Clear, place);
    frame.render_widget(Paragraph::new(text).block(Block::bordered().title(" keys ")), place);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::tests::sample;
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    fn terminal(width: u16, height: u16, snapshot: &Snapshot, view: &mut View) -> TestBackend {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(frame, snapshot, view)).unwrap();
        terminal.backend().clone()
    }

    fn screen(width: u16, height: u16, snapshot: &Snapshot, view: &mut View) -> Vec<String> {
        let backend = terminal(width, height, snapshot, view);
        let rows = backend.buffer().content().chunks(usize::from(width));
        rows.map(|row| row.iter().map(|cell| cell.symbol()).collect::<String>()).collect()
    }

    #[track_caller]
    fn check(screen: &[String], expected: &[&str]) {
        for line in expected {
            let found = screen.iter().any(|shown| shown.trim_end() == *line);
            assert!(found, "`{line}` is not in:\n{}", screen.join("\n"));
        }
    }

    #[test]
    fn a_terminal_of_80_by_24_shows_lanes_and_totals() {
        let mut view = View { is_utf8: true, ..View::default() };
        let screen = screen(80, 24, &sample(), &mut view);
        check(
            &screen,
            &[
                " distccmon   building: 3 running, 1 waiting",
                " red:3632                   ██░░ 2 of 4, 17 done",
                "    0 compile     parser.c                                         1.2 s   2.3 s",
                "    1 idle",
                "    2 send        lexer.c                                          1.2 s   2.3 s",
                " blue:3632                  ░░ 0 of 2, 0 done, 1 failed, left alone after a fai~",
                " here  1 running",
                "      compile     native.c                  native-tuning          1.2 s   2.3 s",
                " waiting  1",
                "      blocked     waits.c                                          1.2 s   2.3 s",
                " 20 jobs in 10.0 s: servers 17, here 2, nowhere 1; exited with an error: 1",
                " 1.5 jobs/s now, 2.0 in all; sent 2.5 MB (250.0 kB/s), got 900.0 kB (90.0 kB/s)",
                " estimated speed-up 3.5: here alone 35.0 s by 2 processors",
                " here because of native-tuning 2",
                " nowhere because of compiler-missing 1",
                " failures of hosts: blue:3632 connection-refused 1",
            ],
        );
    }

    #[test]
    fn a_wide_terminal_has_room_for_long_names() {
        let mut snapshot = sample();
        snapshot.hosts[0].jobs[0].file = "x".repeat(140);
        let screen = screen(200, 50, &snapshot, &mut View::default());
        assert!(screen.iter().any(|line| line.contains(&"x".repeat(140))));
        assert!(screen.iter().any(|line| line.contains("got 900.0 kB (90.0 kB/s)")));
        assert!(screen.iter().any(|line| line.contains("##..")), "no UTF-8 here");
    }

    #[test]
    fn idle_slots_fold_where_they_do_not_fit_and_the_rest_scrolls() {
        let mut snapshot = sample();
        snapshot.hosts[1].n_slots = Some(100);
        let mut view = View::default();
        let shown = screen(80, 24, &snapshot, &mut view);
        check(&shown, &["      100 idle", "      2 idle"]);
        let job = snapshot.waiting[0].clone();
        snapshot.waiting = vec![job; 40];
        let shown = screen(80, 24, &snapshot, &mut view);
        assert!(shown.iter().any(|line| line.contains(" 0 lines above, ")), "{shown:#?}");
        view.scroll = usize::MAX;
        let shown = screen(80, 24, &snapshot, &mut view);
        assert!(shown.iter().any(|line| line.contains(" lines above, 0 below ")), "{shown:#?}");
        assert!(view.scroll < 100);
    }

    #[test]
    fn no_size_and_no_snapshot_makes_it_panic() {
        for snapshot in [sample(), Snapshot::default()] {
            for (width, height) in
                (0..40).step_by(3).flat_map(|width| (0..30).step_by(3).map(move |h| (width, h)))
            {
                let mut view = View { helps: height % 2 == 0, colors: true, ..View::default() };
                terminal(width, height, &snapshot, &mut view);
            }
        }
    }

    #[test]
    fn colors_are_for_those_who_want_them() {
        let colors = |colors| {
            let backend = terminal(80, 24, &sample(), &mut View { colors, ..View::default() });
            backend.buffer().content().iter().any(|cell| cell.fg != Color::Reset)
        };
        assert!(colors(true) && !colors(false));
    }

    #[test]
    fn help_tells_every_key() {
        let shown = screen(80, 24, &sample(), &mut View { helps: true, ..View::default() });
        assert!(shown.iter().any(|line| line.contains("q, Esc, Ctrl-C   quit")), "{shown:#?}");
    }
}
