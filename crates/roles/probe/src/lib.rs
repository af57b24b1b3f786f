//! `lsdistcc`: which compile servers are there.
//!
//! Names come from the command line or from a format such as `distcc%d`. Each is looked up,
//! connected to and, if a compiler was named, given a tiny job, many at once and none for longer
//! than its limit. Whoever answers is a line on standard output that a host list can take.

mod ask;

mod names;
mod options;
mod scan;
mod surroundings;
mod zeroconf;

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

pub use surroundings::Surroundings;

use options::Request;

/// Runs `lsdistcc`, whose words (its own name first) are `args`: 0 if a server was found, else 1.
pub fn main(args: impl Iterator<Item = OsString>, surroundings: &Surroundings) -> ExitCode {
    let found = match options::read(args) {
        Ok(Request::Help(text)) => return print(text),
        Ok(Request::Probe(options)) if options.zeroconf => {
            zeroconf::run(&options, surroundings.path())
        }
        Ok(Request::Probe(options)) => scan::run(&options, surroundings),
        Err(usage) => {
            complain(&usage.text, &usage.hint);
            false
        }
    };
    if found { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn print(text: &str) -> ExitCode {
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Says what is wrong. Standard output is for hosts alone.
fn complain(text: &str, hint: &str) {
    let mut message = format!("lsdistcc: {text}\n");
    if !hint.is_empty() {
        message.push_str(&format!("      hint: {hint}\n"));
    }
    let _ = std::io::stderr().write_all(message.as_bytes());
}
