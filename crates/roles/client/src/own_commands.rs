//! What distcc says about itself: `--help`, `--version`, `--show-hosts`, `-j`.

use std::io::Write;

use hosts::SpecError;
use statedir::StateDir;
use wire::Exit;

use crate::cause::Cause;
use crate::host_list::{self, Found, Missing};
use crate::invocation::OwnCommand;
use crate::log::{Log, clean};
use crate::zeroconf::Asking;
use crate::{Settings, capacity};

const HELP: &str = "\
usage: distcc [COMPILER] ARGUMENTS...   compile, on another machine where that gives the same object
       distcc --show-hosts              print the host list as it is understood
       distcc -j                        ask the servers how many jobs they take at once,
                                        and print the sum: `make -j$(distcc -j)`
       distcc --doctor [--json]         tell what keeps a build at home, and how to mend it
       distcc --explain [--json] [COMPILER] ARGUMENTS...
                                        tell how the command is read, where it would run, and why
       distcc --report [--last-build | --since DURATION] [--json]
                                        tell what became of the jobs of the last build, and why
       distcc --show-principal          print DISTCC_PRINCIPAL
       distcc --scan-includes [COMPILER] ARGUMENTS...
                                        list what pump mode sends for the command, a line a thing
       distcc --help | --version

Called by another name, as through a link named `gcc`, distcc is that compiler.

DISTCC_HOSTS='HOST[:PORT][/LIMIT][,lzo] ...' names the servers, the preferred ones first;
without it ~/.distcc/hosts or /etc/distcc/hosts does. On each of them runs `distccd`;
[USER]@HOST[/LIMIT][:COMMAND] starts one there by ssh.
DISTCC_VERBOSE=1 tells what is done and why. More in the manual page distcc(1).
";

/// Answers one question on standard output.
pub(crate) fn run(command: OwnCommand, settings: &Settings, log: &Log) -> Exit {
    let text = match command {
        OwnCommand::Help => HELP.to_owned(),
        OwnCommand::Version => format!(
            "distcc {} (distcc-rs; speaks the protocols 1 and 2 of distcc 3.4)\n",
            env!("CARGO_PKG_VERSION")
        ),
        OwnCommand::ShowPrincipal => match &settings.principal {
            Some(name) => format!("Principal is\t: {}\n", clean(&name.to_string_lossy())),
            None => "Principal\t: Not Set.\n".to_owned(),
        },
        OwnCommand::ShowHosts | OwnCommand::Slots => match whole_list(settings, log) {
            Ok(found) if found.list.hosts.is_empty() => {
                log.error("the host list is empty", "name servers in it: HOST/LIMIT ...");
                return Exit::NO_HOSTS;
            }
            Ok(found) if command == OwnCommand::Slots => {
                let n_jobs =
                    capacity::n_jobs(&found.list.hosts, settings, state(settings).as_ref(), log);
                format!("{n_jobs}\n")
            }
            Ok(found) => found.list.hosts.iter().map(|spec| format!("{spec}\n")).collect(),
            Err(missing) => return complain(&missing, log),
        },
    };
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => Exit::SUCCESS,
        Err(_) => Exit::IO_ERROR,
    }
}

fn state(settings: &Settings) -> Option<StateDir> {
    StateDir::open(settings.state_dir.as_deref(), settings.home.as_deref()).ok()
}

fn whole_list(settings: &Settings, log: &Log) -> Result<Found, Missing> {
    let state = state(settings);
    let found = host_list::read_with_found(settings, state.as_ref(), log, Asking::Allowed)?;
    if let Some(why) = &found.undiscovered {
        log.warning(why, Cause::NothingDiscovered.remedy());
    }
    Ok(found)
}

/// Says why there is no host list, and gives the code to exit with.
pub(crate) fn complain(missing: &Missing, log: &Log) -> Exit {
    let (text, hint) = missing.explained();
    log.error(&text, hint);
    match missing {
        Missing::Nowhere | Missing::Undiscovered { .. } => Exit::NO_HOSTS,
        Missing::Bad { error, .. } if error.source == SpecError::NoGssApi => Exit::GSS_API,
        Missing::Bad { .. } | Missing::NoText { .. } => Exit::BAD_HOST_SPEC,
    }
}
