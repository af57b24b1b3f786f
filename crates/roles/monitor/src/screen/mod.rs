//! `distccmon` on a terminal: what is looked at again and again is drawn, and keys are heard.
//!
//! However this ends, the terminal is as it was before: at its end, at a signal, and at a panic,
//! for which ratatui leaves a hook.

mod draw;
mod lanes;
mod text;
mod totals;

use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{EnterAlternateScreen, enable_raw_mode};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::Signal;
use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGTERM};

use crate::Environment;
use crate::gather::Gatherer;
use crate::snapshot::Snapshot;

/// How long a key or a signal waits at most.
const LONGEST_POLL: Duration = Duration::from_millis(100);

/// How long a signal may take to end the screen in good order.
const SIGNAL_PATIENCE: Duration = Duration::from_secs(2);

/// What the user has chosen to see.
#[derive(Clone, Debug, Default)]
pub(crate) struct View {
    /// How many lines of the lanes are above the screen.
    scroll: usize,
    /// Slots without a job share a line.
    folds: bool,
    /// The keys are told.
    helps: bool,
    /// What is shown stays.
    pauses: bool,
    colors: bool,
    is_utf8: bool,
    /// Why the last look failed.
    trouble: Option<String>,
}

/// What a key asks for.
#[derive(Debug, PartialEq, Eq)]
enum Asks {
    Quit,
    DrawAnew,
    /// Gives the terminal back until the shell wants this to go on.
    Suspend,
    Nothing,
}

/// Whether there is a terminal to draw on; why not.
pub(crate) fn check_terminal(environment: &Environment) -> Result<(), String> {
    if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
        return Err("standard input and output are no terminal to draw on".to_owned());
    }
    match environment.term.as_deref().and_then(|term| term.to_str()) {
        None | Some("" | "dumb") => Err("TERM names no terminal that can be drawn on".to_owned()),
        Some(_) => Ok(()),
    }
}

/// What signals have asked for.
struct Signals<'a> {
    /// The number of the one to end at; 0: none came.
    ends: &'a AtomicUsize,
    /// This was stopped, and goes on: the terminal has been somebody else's.
    goes_on: &'a AtomicBool,
}

/// Shows jobs until the user has seen enough, or a signal comes, whose number is given.
///
/// # Errors
/// When the state folder cannot be read at first, or the terminal is gone.
pub(crate) fn run(
    gatherer: &mut Gatherer,
    interval: Duration,
    environment: &Environment,
) -> io::Result<Option<u8>> {
    let signal = Arc::new(AtomicUsize::new(0));
    for number in [SIGHUP, SIGINT, SIGTERM] {
        let code = usize::try_from(number).unwrap_or_default();
        signal_hook::flag::register_usize(number, Arc::clone(&signal), code)?;
    }
    let goes_on = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(SIGCONT, Arc::clone(&goes_on))?;
    let first = gatherer.look()?;
    let guarded = Arc::clone(&signal);
    std::thread::Builder::new().spawn(move || guard(&guarded))?;
    let view =
        View { colors: !environment.no_color, is_utf8: environment.is_utf8, ..View::default() };
    let terminal = ratatui::try_init();
    let signals = Signals { ends: &signal, goes_on: &goes_on };
    let done = terminal
        .and_then(|mut terminal| watch(&mut terminal, gatherer, interval, view, first, &signals));
    let restored = ratatui::try_restore();
    match signal.load(Ordering::Relaxed) {
        0 => done.and(restored).map(|()| None),
        // Its terminal may be gone by now, of which nobody need be told.
        number => Ok(u8::try_from(number).ok()),
    }
}

/// Ends the process where its terminal is gone, or a signal is not heeded in time: reading a
/// terminal that has hung up does not end by itself.
fn guard(signal: &AtomicUsize) {
    let stdin = io::stdin();
    let pause = Timespec { tv_sec: 0, tv_nsec: 200_000_000 };
    loop {
        // A hang-up is told without being asked for.
        let mut polled = [PollFd::new(&stdin, PollFlags::empty())];
        let heard = rustix::event::poll(&mut polled, Some(&pause));
        let is_gone = polled[0].revents().intersects(PollFlags::HUP | PollFlags::ERR);
        if heard.is_ok() && is_gone {
            std::process::exit(128 + SIGHUP);
        }
        let number = signal.load(Ordering::Relaxed);
        if number != 0 {
            std::thread::sleep(SIGNAL_PATIENCE);
            ratatui::restore();
            std::process::exit(128 + i32::try_from(number).unwrap_or_default());
        }
    }
}

fn watch(
    terminal: &mut DefaultTerminal,
    gatherer: &mut Gatherer,
    interval: Duration,
    mut view: View,
    mut snapshot: Snapshot,
    signals: &Signals<'_>,
) -> io::Result<()> {
    let mut next_look = Instant::now() + interval;
    loop {
        terminal.draw(|frame| draw::draw(frame, &snapshot, &mut view))?;
        loop {
            if signals.ends.load(Ordering::Relaxed) != 0 {
                return Ok(());
            }
            if signals.goes_on.swap(false, Ordering::Relaxed) {
                take_terminal(terminal)?;
                terminal.draw(|frame| draw::draw(frame, &snapshot, &mut view))?;
            }
            let left = next_look.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            if !event::poll(left.min(LONGEST_POLL))? {
                continue;
            }
            match event::read()? {
                Event::Key(key) if key.kind != KeyEventKind::Release => match view.press(key) {
                    Asks::Quit => return Ok(()),
                    Asks::DrawAnew => terminal.clear()?,
                    Asks::Suspend => {
                        ratatui::try_restore()?;
                        // Nothing stops where no shell could have it go on.
                        rustix::process::kill_current_process_group(Signal::TSTP)?;
                        signals.goes_on.store(false, Ordering::Relaxed);
                        take_terminal(terminal)?;
                    }
                    Asks::Nothing => {}
                },
                _ => {}
            }
            // What a key changed, or a new size, is seen at once.
            terminal.draw(|frame| draw::draw(frame, &snapshot, &mut view))?;
        }
        next_look = Instant::now() + interval;
        if view.pauses {
            continue;
        }
        view.trouble = None;
        match gatherer.look() {
            Ok(new) => snapshot = new,
            Err(error) => view.trouble = Some(format!("could not look at jobs: {error}")),
        }
        // The terminal has no room for them; `--json` tells.
        let _ = gatherer.take_doubts();
    }
}

/// Makes the terminal the screen's again, whatever others have done to it.
fn take_terminal(terminal: &mut DefaultTerminal) -> io::Result<()> {
    // Whoever had the terminal may have set it otherwise: what is known of it no longer holds.
    ratatui::try_restore()?;
    enable_raw_mode()?;
    execute!(io::stdout(), EnterAlternateScreen)?;
    terminal.clear()
}

impl View {
    fn press(&mut self, key: KeyEvent) -> Asks {
        match (key.code, key.modifiers) {
            (KeyCode::Char('c'), KeyModifiers::CONTROL) => return Asks::Quit,
            (KeyCode::Char('z'), KeyModifiers::CONTROL) => return Asks::Suspend,
            _ if self.helps => {
                self.helps = false;
                return Asks::Nothing;
            }
            (KeyCode::Char('l'), KeyModifiers::CONTROL) => return Asks::DrawAnew,
            (KeyCode::Char('q') | KeyCode::Esc, _) => return Asks::Quit,
            (KeyCode::Char('?' | 'h') | KeyCode::F(1), _) => self.helps = true,
            (KeyCode::Char('f'), _) => self.folds = !self.folds,
            (KeyCode::Char('p' | ' '), _) => self.pauses = !self.pauses,
            (KeyCode::Up | KeyCode::Char('k'), _) => self.scroll = self.scroll.saturating_sub(1),
            (KeyCode::Down | KeyCode::Char('j'), _) => self.scroll = self.scroll.saturating_add(1),
            (KeyCode::PageUp, _) => self.scroll = self.scroll.saturating_sub(10),
            (KeyCode::PageDown, _) => self.scroll = self.scroll.saturating_add(10),
            (KeyCode::Home | KeyCode::Char('g'), _) => self.scroll = 0,
            (KeyCode::End | KeyCode::Char('G'), _) => self.scroll = usize::MAX,
            _ => {}
        }
        Asks::Nothing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_do_what_the_help_says() {
        let mut view = View::default();
        let key = |code| KeyEvent::new(code, KeyModifiers::NONE);
        assert_eq!(view.press(key(KeyCode::Char('q'))), Asks::Quit);
        let interrupt = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        assert_eq!(view.press(interrupt), Asks::Quit);
        let suspend = KeyEvent::new(KeyCode::Char('z'), KeyModifiers::CONTROL);
        assert_eq!(view.press(suspend), Asks::Suspend);
        assert_eq!(view.press(key(KeyCode::Char('?'))), Asks::Nothing);
        assert!(view.helps);
        // Any key ends the help.
        assert_eq!(view.press(key(KeyCode::Char('q'))), Asks::Nothing);
        assert!(!view.helps);
        view.press(key(KeyCode::Down));
        view.press(key(KeyCode::Up));
        view.press(key(KeyCode::Up));
        assert_eq!(view.scroll, 0);
        view.press(key(KeyCode::Char('f')));
        view.press(key(KeyCode::Char('p')));
        assert!(view.folds && view.pauses);
    }
}
