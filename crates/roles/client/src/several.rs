//! A command with several sources: a job a source, several at once.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use compiler_args::{Part, Reason, Stay, split};
use wire::Exit;

use crate::jobserver::Jobserver;
use crate::{Context, host_list};

/// How many jobs wait for slots at once.
const MOST_AT_ONCE: usize = 16;

/// The most bytes of the escapes that color a driver's name.
const MOST_COLOR_BYTES: usize = 16;

/// The parts of a command that stays for its several sources, if each could be a job of its own.
/// All have to be there: compilers look at that before they begin, or do not.
pub(crate) fn parts(context: &Context, words: &[OsString], stay: &Stay) -> Option<Vec<Part>> {
    if stay.reason != Reason::SeveralSources || host_list::read(&context.settings).is_err() {
        return None;
    }
    let is_file = |part: &Part| std::fs::metadata(&part.source).is_ok_and(|found| found.is_file());
    split(words).filter(|parts| parts.iter().all(is_file))
}

/// Runs each part as a command of its own, and shows what they said in the order of the sources,
/// as the compiler would. One that fails does not keep the others from being done. Under a make with a
/// jobserver there are no more of them at once than it lets: make has counted one.
pub(crate) fn run(context: &Context, parts: &[Part]) -> Exit {
    let next = AtomicUsize::new(0);
    let (done, results) = mpsc::channel();
    let jobserver = std::env::var_os("MAKEFLAGS").and_then(|flags| Jobserver::of(&flags));
    std::thread::scope(|scope| {
        for n_others in 0..parts.len().min(MOST_AT_ONCE) {
            let (next, done) = (&next, done.clone());
            let (is_masquerade, colors) = (context.is_masquerade, context.settings.colors);
            let jobserver = jobserver.as_ref().filter(|_| n_others > 0);
            scope.spawn(move || {
                loop {
                    let is_wanted = || next.load(Ordering::Relaxed) < parts.len();
                    let token = jobserver.map(|jobserver| jobserver.take(is_wanted));
                    if matches!(token, Some(None)) {
                        return;
                    }
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(part) = parts.get(index) else { return };
                    let output = command(part, is_masquerade, colors).output();
                    if done.send((index, output)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(done);
        let mut messages = Messages::of(&parts[0].words[0]);
        show_in_order(context, parts.len(), &results, &mut messages)
    })
}

/// Our own program with a part's words.
fn command(part: &Part, is_masquerade: bool, colors: bool) -> Command {
    let (compiler, rest) = part.words.split_first().expect("a command has its compiler");
    let mut command = Command::new("/proc/self/exe");
    match is_masquerade {
        true => command.arg0(compiler),
        false => command.arg0("distcc").arg(compiler),
    };
    command.args(rest).stdin(Stdio::null());
    // Its standard error is no terminal, ours is.
    let is_chosen = part.words.iter().any(|word| word.to_string_lossy().contains("color"));
    if colors && !is_chosen {
        command.arg("-fdiagnostics-color=always");
    }
    sys::child::end_with_this_thread(&mut command);
    command
}

/// What was said already by the driver, which speaks once of a command.
struct Messages {
    /// What its messages begin with: its name and a colon.
    prefix: Vec<u8>,
    said: HashSet<Vec<u8>>,
}

impl Messages {
    fn of(compiler: &OsStr) -> Messages {
        let name = Path::new(compiler).file_name().unwrap_or_default().as_bytes();
        Messages { prefix: [name, b":"].concat(), said: HashSet::new() }
    }

    /// The messages without the driver's that another part has shown.
    fn news(&mut self, stderr: &[u8]) -> Vec<u8> {
        let mut news = Vec::with_capacity(stderr.len());
        for line in stderr.split_inclusive(|byte| *byte == b'\n') {
            // A color may stand before the name.
            let start = &line[..line.len().min(self.prefix.len() + MOST_COLOR_BYTES)];
            let is_drivers = start.windows(self.prefix.len()).any(|part| part == self.prefix);
            if !is_drivers || self.said.insert(line.to_vec()) {
                news.extend_from_slice(line);
            }
        }
        news
    }
}

fn show_in_order(
    context: &Context,
    n_parts: usize,
    results: &mpsc::Receiver<(usize, io::Result<Output>)>,
    messages: &mut Messages,
) -> Exit {
    let mut waiting: Vec<Option<io::Result<Output>>> = Vec::new();
    waiting.resize_with(n_parts, || None);
    let (mut n_shown, mut exit) = (0, Exit::SUCCESS);
    for (index, result) in results {
        waiting[index] = Some(result);
        while let Some(result) = waiting.get_mut(n_shown).and_then(Option::take) {
            n_shown += 1;
            let part = match result {
                Ok(output) => {
                    let _ = io::stdout().write_all(&output.stdout);
                    let _ = io::stdout().flush();
                    let _ = io::stderr().write_all(&messages.news(&output.stderr));
                    Exit::of_status(output.status)
                }
                Err(error) => {
                    context.log.error(&format!("could not start a job: {error}"), "");
                    Exit::FAILED
                }
            };
            if part.code() > exit.code() {
                exit = part;
            }
        }
    }
    exit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_driver_says_a_thing_once_and_the_compiler_each_time() {
        let mut messages = Messages::of(OsStr::new("/usr/bin/gcc"));
        let said = b"gcc: warning: x\ncc1: warning: y\nlong/name/of/a.c:1: gcc: z\n";
        assert_eq!(messages.news(said), said);
        assert_eq!(messages.news(said), b"cc1: warning: y\nlong/name/of/a.c:1: gcc: z\n");
    }
}
