//! `pump`: a build whose jobs servers preprocess as well.
//!
//! Our client needs nothing for that. This program has its agent there from the first compile, puts a
//! host list together where it is asked to, and starts an include server, which a client of distcc 3.4
//! asks what to send.

mod command;
mod host_list;
mod include_server;
mod options;
mod settings;

use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::process::{Command, ExitCode, Stdio};

use include_server::{IncludeServer, Leash};
use options::Request;
pub use settings::Settings;

/// What a build is given, as variables of its environment.
struct Session {
    variables: Vec<(&'static str, OsString)>,
    include_server: Option<IncludeServer>,
}

/// Runs `pump`, whose words (its own name first) are `args`, and says how to exit: as the build did,
/// as a shell tells it; with 1 where there was none, because nothing could be done in pump mode.
pub fn main(args: impl Iterator<Item = OsString>, settings: &Settings) -> ExitCode {
    let done = match options::read(args) {
        Ok(Request::Print(text)) => print(text.as_bytes()),
        Ok(Request::Run(words)) => run(&words, settings),
        Ok(Request::Startup) => start_up(settings),
        Ok(Request::Shutdown) => {
            include_server::shut_down(settings);
            Ok(0)
        }
        Err(text) => Err(Trouble { text, hint: "pump --help tells how it is called" }),
    };
    match done {
        Ok(code) => ExitCode::from(code),
        Err(Trouble { text, hint }) => {
            complain(&text, hint);
            ExitCode::FAILURE
        }
    }
}

/// Why there is no build.
struct Trouble {
    text: String,
    hint: &'static str,
}

fn run(words: &[OsString], settings: &Settings) -> Result<u8, Trouble> {
    let session = Session::begin(settings, Leash::Ours)?;
    let code = command::run(words, &session.variables);
    if let Some(server) = session.include_server {
        server.end();
    }
    Ok(code)
}

/// Prints what a shell has to do for compiles to be part of a session that `--shutdown` ends.
fn start_up(settings: &Settings) -> Result<u8, Trouble> {
    let session = Session::begin(settings, Leash::None)?;
    let mut text = Vec::new();
    for (name, value) in &session.variables {
        text.extend(export(name, value));
    }
    print(&text)
}

/// A line by which a shell sets a variable, whatever its value.
fn export(name: &str, value: &OsStr) -> Vec<u8> {
    let quoted: Vec<&[u8]> = value.as_bytes().split(|byte| *byte == b'\'').collect();
    [b"export ", name.as_bytes(), b"='", &quoted.join(&b"'\\''"[..]), b"'\n"].concat()
}

impl Session {
    fn begin(settings: &Settings, leash: Leash) -> Result<Session, Trouble> {
        judge(settings)?;
        // It becomes ready while the hosts are being asked.
        let starting = IncludeServer::start(settings, leash);
        let hosts = match host_list::settle(settings) {
            Ok(hosts) => hosts,
            Err(trouble) => {
                if let Ok(server) = starting {
                    server.end();
                }
                return Err(trouble);
            }
        };
        start_agent(settings);
        let include_server = match starting.and_then(IncludeServer::when_ready) {
            Ok(server) => Some(server),
            Err(error) => {
                complain(
                    &format!("no include server: {error}; clients of distcc 3.4 preprocess"),
                    "",
                );
                None
            }
        };
        let mut variables = Vec::new();
        if let Some(server) = &include_server {
            variables.extend(server.variables(leash));
        }
        variables.extend(hosts.map(|hosts| ("DISTCC_HOSTS", hosts)));
        variables.push(("PATH", settings.path_for_builds()));
        Ok(Session { variables, include_server })
    }
}

fn judge(settings: &Settings) -> Result<(), Trouble> {
    if settings.include_server_args.is_some() {
        complain("INCLUDE_SERVER_ARGS is set, and not used: the include server has no options", "");
    }
    let Some(most) = &settings.max_discrepancy else { return Ok(()) };
    match most.to_str().map(|text| text.trim().parse::<i64>()) {
        Some(Ok(1..)) => Ok(()),
        Some(Ok(_)) => Err(Trouble {
            text: format!("DISTCC_MAX_DISCREPANCY is `{}`", most.display()),
            hint: "it has to be 1 or more",
        }),
        _ => {
            let text =
                format!("DISTCC_MAX_DISCREPANCY is `{}`, which is no number", most.display());
            complain(&text, "");
            Ok(())
        }
    }
}

/// Has the agent of this user there before the first compile.
fn start_agent(settings: &Settings) {
    if !settings.agent {
        return;
    }
    let mut command = Command::new(settings.program("distcc-agent"));
    command.stdin(Stdio::null()).stdout(Stdio::null());
    sys::child::detach(&mut command);
    // It ends as soon as the agent can be reached.
    match command.status() {
        Ok(status) if status.success() => {}
        Ok(status) => complain(&format!("distcc-agent ended with {status}"), ""),
        Err(error) => complain(
            &format!("distcc-agent could not be started: {error}; jobs are preprocessed here"),
            "it is installed beside distcc; DISTCC_LOCATION names another folder",
        ),
    }
}

fn print(text: &[u8]) -> Result<u8, Trouble> {
    let printed = std::io::stdout().write_all(text);
    printed.map(|()| 0).map_err(|error| Trouble { text: format!("printing: {error}"), hint: "" })
}

/// Tells something on standard error. Standard output is the build's.
fn complain(text: &str, hint: &str) {
    let mut message = format!("pump: {text}\n");
    if !hint.is_empty() {
        message.push_str(&format!("      hint: {hint}\n"));
    }
    let _ = std::io::stderr().write_all(message.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_gets_back_what_was_exported() {
        let value = "a'b\"$HOME`x`\n é\\''";
        let script = [&export("VALUE", value.as_ref())[..], b"printf %s \"$VALUE\""].concat();
        let output = Command::new("sh").arg("-c").arg(OsStr::from_bytes(&script)).output().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), value);
    }
}
