//! `update-distcc-symlinks`: makes and removes the links that name compilers.
//!
//! In one folder they are the server's whitelist; in its `bin` they are compilers to whoever puts
//! that first in `PATH`. Only links that are ours are ever removed, and only when their compiler is
//! gone from everywhere we look.

mod names;
mod options;
mod update;

use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use options::Request;
use update::Updater;

/// What is read of the world outside, once.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// `PATH`: a link stays for a compiler that is found there.
    path: OsString,
    /// The folder of our own program.
    own_folder: Option<PathBuf>,
}

impl Surroundings {
    /// Reads the environment.
    #[must_use]
    pub fn read() -> Surroundings {
        let own = std::env::current_exe().ok();
        Surroundings {
            path: std::env::var_os("PATH").unwrap_or_default(),
            own_folder: own.and_then(|own| own.parent().map(PathBuf::from)),
        }
    }
}

/// Does what `args` (our own name first) say, tells it on standard output, and says how to exit: 0,
/// 1 where something could not be done, 2 for a bad command line.
pub fn main(args: impl Iterator<Item = OsString>, surroundings: &Surroundings) -> ExitCode {
    let options = match options::read(args) {
        Ok(Request::Update(options)) => options,
        Ok(Request::Print(text)) => {
            print(&text);
            return ExitCode::SUCCESS;
        }
        Err(text) => {
            complain(&text, "update-distcc-symlinks --help lists the options");
            return ExitCode::from(2);
        }
    };
    let mut is_fine = true;
    let updater = Updater::new(&options, surroundings);
    updater.run(&mut |told| match told {
        Ok(done) => print(&format!("{done}\n")),
        Err(trouble) => {
            is_fine = false;
            complain(&trouble, "links in system folders are root's: run it as root");
        }
    });
    if is_fine { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn print(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}

fn complain(text: &str, hint: &str) {
    let message = format!("update-distcc-symlinks: {text}\n      hint: {hint}\n");
    let _ = std::io::stderr().write_all(message.as_bytes());
}
