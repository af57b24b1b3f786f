//! The `distccmon` command.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use statedir::StateDir;
use wire::Exit;

use crate::gather::Gatherer;
use crate::options::{Asked, How, USAGE};
use crate::{Environment, clean, json, screen, trace, web};

/// Runs the command whose words (our own name first) are `args`, and says how to exit.
pub fn live(args: impl Iterator<Item = OsString>, environment: Environment) -> ExitCode {
    let asked = match Asked::read(args.skip(1)) {
        Ok(asked) => asked,
        Err(wrong) => {
            complain("ERROR", &wrong);
            eprint!("{USAGE}");
            return Exit::BAD_ARGUMENTS.into();
        }
    };
    let done = match asked {
        Asked::Help => write!(io::stdout(), "{USAGE}").map(|()| Exit::SUCCESS.into()),
        Asked::Version => writeln!(io::stdout(), "distccmon {}", env!("CARGO_PKG_VERSION"))
            .map(|()| Exit::SUCCESS.into()),
        Asked::Show { how, interval } => {
            let (distcc_dir, home) =
                (environment.distcc_dir.as_deref(), environment.home.as_deref());
            if distcc_dir.or(home).is_none() {
                complain("ERROR", "HOME is not set, so that there is no ~/.distcc; set DISTCC_DIR");
                return Exit::BAD_ARGUMENTS.into();
            }
            StateDir::open(distcc_dir, home)
                .and_then(|state| show(how, interval, &environment, state))
        }
    };
    match done {
        Ok(exit) => exit,
        // Whoever stops reading has had enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::SUCCESS.into(),
        Err(error) => {
            complain("ERROR", &format!("could not show jobs: {error}"));
            Exit::IO_ERROR.into()
        }
    }
}

fn show(
    how: How,
    interval: Duration,
    environment: &Environment,
    state: StateDir,
) -> io::Result<ExitCode> {
    let mut gatherer = Gatherer::new(environment.clone(), state);
    match how {
        How::Screen => {
            if let Err(why) = screen::check_terminal(environment) {
                complain("ERROR", &why);
                eprintln!("      hint: distccmon --json");
                return Ok(Exit::BAD_ARGUMENTS.into());
            }
            let signal = screen::run(&mut gatherer, interval, environment)?;
            // As shells have it.
            return Ok(signal.map_or(Exit::SUCCESS.into(), |signal| ExitCode::from(128 + signal)));
        }
        How::Json { once } => stream(&mut gatherer, interval, once)?,
        How::Web(address) => web::run(&mut gatherer, interval, address)?,
        How::Trace(file) => write_trace(&mut gatherer, &file)?,
    }
    Ok(Exit::SUCCESS.into())
}

/// Writes an object a line, once or until nobody reads.
fn stream(gatherer: &mut Gatherer, interval: Duration, once: bool) -> io::Result<()> {
    loop {
        let snapshot = gatherer.look()?;
        for doubt in gatherer.take_doubts() {
            complain("Warning", &doubt);
        }
        let mut stdout = io::stdout().lock();
        writeln!(stdout, "{}", json::of(&snapshot))?;
        stdout.flush()?;
        if once {
            return Ok(());
        }
        std::thread::sleep(interval);
    }
}

/// Writes the last build as a trace into `file`, or to standard output where that is `-`.
fn write_trace(gatherer: &mut Gatherer, file: &Path) -> io::Result<()> {
    let _ = gatherer.look()?;
    if gatherer.records().is_empty() {
        complain("Warning", "no job is in the ledger: the trace is empty");
    }
    let text = format!("{}\n", trace::of(gatherer.records()));
    if file == Path::new("-") {
        return io::stdout().write_all(text.as_bytes());
    }
    std::fs::write(file, text).map_err(|error| {
        let text = format!("could not write the trace to `{}`: {error}", file.display());
        io::Error::new(error.kind(), text)
    })
}

/// Says something on standard error.
pub(crate) fn complain(level: &str, text: &str) {
    eprintln!("distccmon[{}] {level}: {}", std::process::id(), clean::text(text));
}
