//! The log: distcc 3.4's lines, to syslog, a file or standard error.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::net::UnixDatagram;
use std::path::Path;

/// How much a line matters; the numbers are syslog's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    Critical = 2,
    Error = 3,
    Warning = 4,
    Notice = 5,
    Info = 6,
    Debug = 7,
}

impl Level {
    pub(crate) fn from_name(name: &str) -> Option<Level> {
        Some(match name {
            "critical" | "crit" | "emerg" | "alert" => Level::Critical,
            "error" | "err" => Level::Error,
            "warning" | "warn" => Level::Warning,
            "notice" => Level::Notice,
            "info" => Level::Info,
            "debug" => Level::Debug,
            _ => return None,
        })
    }

    /// The word in front of the text; the lower levels have none.
    fn word(self) -> &'static str {
        match self {
            Level::Critical => "CRITICAL! ",
            Level::Error => "ERROR: ",
            Level::Warning => "Warning: ",
            Level::Notice | Level::Info | Level::Debug => "",
        }
    }
}

/// Where lines go.
#[derive(Debug)]
enum Sink {
    Stderr,
    /// Standard error as well, because there is no syslog.
    NoSyslog,
    File(File),
    Syslog(UnixDatagram),
}

/// The log of one process.
#[derive(Debug)]
pub(crate) struct Log {
    sink: Sink,
    level: Level,
}

/// Syslog's number for daemons, shifted to its place.
const FACILITY: u8 = 3 << 3;

impl Log {
    /// Opens `file`, or standard error, or syslog, while we are still root.
    ///
    /// # Errors
    /// The file that cannot be opened, and why. distcc 3.4 goes on without it.
    pub(crate) fn open(
        file: Option<&Path>,
        to_stderr: bool,
        level: Level,
    ) -> Result<Log, (&Path, io::Error)> {
        let sink = match file {
            _ if to_stderr => Sink::Stderr,
            Some(path) => {
                let opened = OpenOptions::new().append(true).create(true).open(path);
                Sink::File(opened.map_err(|error| (path, error))?)
            }
            None => syslog(),
        };
        Ok(Log { sink, level })
    }

    /// Whether standard error is to be kept open: `--log-stderr` asks for the log there.
    pub(crate) fn keeps_stderr(&self) -> bool {
        matches!(self.sink, Sink::Stderr)
    }

    /// Whether a daemon that leaves its terminal has no log any more.
    pub(crate) fn ends_with_terminal(&self) -> bool {
        matches!(self.sink, Sink::NoSyslog)
    }

    /// Writes one line, in one piece. `place` is the part of the server that speaks, by the name of
    /// 3.4's function where that says the same; empty where it names none.
    pub(crate) fn write(&self, level: Level, place: &str, text: &str) {
        if level > self.level {
            return;
        }
        let pid = std::process::id();
        let text = escaped(text);
        let place = if place.is_empty() { String::new() } else { format!("({place}) ") };
        let line = format!("distccd[{pid}] {place}{}{text}\n", level.word());
        let _ = match &self.sink {
            Sink::Stderr | Sink::NoSyslog => std::io::stderr().write_all(line.as_bytes()),
            Sink::File(file) => {
                let mut file = file;
                file.write_all(line.as_bytes())
            }
            Sink::Syslog(socket) => {
                let priority = FACILITY + level as u8;
                let line = format!("<{priority}>distccd[{pid}]: {place}{}{text}", level.word());
                socket.send(line.as_bytes()).map(drop)
            }
        };
    }
}

fn syslog() -> Sink {
    let socket = UnixDatagram::unbound().and_then(|socket| {
        socket.connect("/dev/log")?;
        // A log that is not read must not stop the server.
        socket.set_nonblocking(true)?;
        Ok(socket)
    });
    socket.map_or(Sink::NoSyslog, Sink::Syslog)
}

/// A text on one line, without the control bytes that a peer may have put into a name.
pub(crate) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() {
            escaped.extend(c.escape_default());
        } else {
            escaped.push(c);
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_have_syslogs_order_and_names() {
        assert!(Level::from_name("crit") < Level::from_name("debug"));
        assert_eq!(Level::from_name("warn"), Some(Level::Warning));
        assert_eq!(Level::from_name("loud"), None);
    }

    #[test]
    fn a_name_cannot_forge_a_second_line() {
        assert_eq!(escaped("a\nb\x1b[0m"), "a\\nb\\u{1b}[0m");
    }
}
