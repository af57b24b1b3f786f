//! Hosts on which ssh starts a distccd for each job.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::process::{Command, ExitStatus};
use std::time::Duration;

use hosts::Host;
use transport::{Connection, ProgramEnd};
use wire::Exit;

use crate::cause::Cause;

/// How long ssh may take until it has a session there: a handshake, a key agent that asks, a
/// server that makes newcomers wait. Far more than a connection to distccd may take.
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// How long to wait for the exit status of an ssh that has closed its output.
const END_PATIENCE: Duration = Duration::from_secs(1);

/// What ssh exits with when it has failed itself. Source: ssh(1).
const SSH_FAILED: i32 = 255;

/// What a shell exits with when it cannot run a command, or finds none of that name.
const SHELL_FAILED: [i32; 2] = [126, 127];

/// Splits `DISTCC_SSH` into a program and its first words: at spaces alone, without quotes.
/// Source: behavior of distcc 3.4.
pub(crate) fn words(text: Option<OsString>) -> Vec<OsString> {
    let text = text.unwrap_or_default().into_vec();
    let words = text.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
    let words: Vec<_> = words.map(|word| OsString::from_vec(word.to_vec())).collect();
    if words.is_empty() { vec!["ssh".into()] } else { words }
}

/// Why ssh gave no answer of a server.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The words of `DISTCC_SSH`.
    ssh: String,
    what: What,
}

#[derive(Debug)]
enum What {
    NotStarted(io::Error),
    /// It had no session within this time.
    NoSession(Duration),
    Ended {
        status: Option<ExitStatus>,
        said: String,
    },
}

/// An ssh that speaks for a host.
#[derive(Debug)]
pub(crate) struct Ssh {
    words: String,
    start_timeout: Duration,
}

impl Ssh {
    /// Starts `ssh`, the words of `DISTCC_SSH`, for a host that is reached so.
    pub(crate) fn connect(
        ssh: &[OsString],
        host: &Host,
        io_timeout: Option<Duration>,
    ) -> Result<(Ssh, Connection), Failure> {
        let mut command = command(ssh, host);
        let words: Vec<_> = ssh.iter().map(|word| word.to_string_lossy()).collect();
        let start_timeout = io_timeout.unwrap_or(START_TIMEOUT).min(START_TIMEOUT);
        let ssh = Ssh { words: words.join(" "), start_timeout };
        match Connection::to_program(&mut command, start_timeout) {
            Ok(connection) => Ok((ssh, connection)),
            Err(error) => Err(ssh.failure(What::NotStarted(error))),
        }
    }

    fn failure(&self, what: What) -> Failure {
        Failure { ssh: self.words.clone(), what }
    }

    /// Why nothing more came, if it was ssh's end.
    pub(crate) fn hung_up(&self, connection: &Connection) -> Option<Failure> {
        let ProgramEnd { status, said } = connection.program_end(END_PATIENCE)?;
        Some(self.failure(What::Ended { status, said }))
    }

    /// Why it was silent, if it never had a session.
    pub(crate) fn timed_out(&self, connection: &Connection) -> Option<Failure> {
        let no_session = !connection.has_begun();
        no_session.then(|| self.failure(What::NoSession(self.start_timeout)))
    }
}

/// `ssh [-l USER] HOST COMMAND --inetd --enable-tcp-insecure`, word for word as 3.4 has it (that
/// last option is how a 3.4 server serves whom ssh has let in). No part of a host begins with `-`.
fn command(ssh: &[OsString], host: &Host) -> Command {
    let (program, rest) = ssh.split_first().expect("words() gives one at least");
    let mut words = rest.to_vec();
    let mut there = "distccd";
    if let Host::Ssh { user, command, .. } = host {
        words.extend(user.iter().flat_map(|user| ["-l", user]).map(OsString::from));
        there = command.as_deref().unwrap_or(there);
    }
    words.extend([host.name(), there, "--inetd", "--enable-tcp-insecure"].map(OsString::from));
    let mut command = Command::new(program);
    command.args(words);
    command
}

impl Failure {
    /// What happened, as the end of "failed to distribute FILE to HOST: ...".
    pub(crate) fn says(&self) -> String {
        let ssh = &self.ssh;
        match &self.what {
            What::NotStarted(error) => {
                let text = error.to_string();
                let text = text.split(" (os error").next().unwrap_or_default();
                format!("could not run `{ssh}`: {text}")
            }
            What::NoSession(waited) => {
                format!("`{ssh}` had no session there within {} s", waited.as_secs())
            }
            What::Ended { status, said } => {
                let ended = match status {
                    Some(status) if status.success() => "ended without an answer".to_owned(),
                    Some(status) => match status.code() {
                        Some(code) => format!("ended with exit code {code}"),
                        None => format!("was ended by {status}"),
                    },
                    None => "closed its output".to_owned(),
                };
                let said = last_lines(said);
                let colon = if said.is_empty() { "" } else { ": " };
                format!("`{ssh}` {ended}{colon}{said}")
            }
        }
    }

    /// The code of this failure.
    pub(crate) fn cause(&self) -> Cause {
        match &self.what {
            What::NotStarted(_) => Cause::SshMissing,
            What::NoSession(_) => Cause::SshNoSession,
            What::Ended { status: Some(status), .. } => match status.code() {
                Some(code) if SHELL_FAILED.contains(&code) => Cause::SshNoServer,
                Some(code) if code != SSH_FAILED => Cause::HungUp,
                _ => Cause::SshFailed,
            },
            What::Ended { status: None, .. } => Cause::SshFailed,
        }
    }

    /// What the user may do; `None`: what is said of a server that hung up.
    pub(crate) fn hint(&self, host: &Host) -> Option<String> {
        let name = host.name();
        match self.cause() {
            Cause::SshMissing => {
                Some("install openssh-client, or set DISTCC_SSH to the command to use".to_owned())
            }
            Cause::SshNoServer => Some(format!(
                "install distccd on {name}, or name it in the host list: {}",
                with_command(host)
            )),
            Cause::HungUp => None,
            _ => Some(format!("{} must work without a password", trial(&self.ssh, host))),
        }
    }

    /// The exit code when there is no fallback.
    pub(crate) fn exit(&self) -> Exit {
        let What::Ended { status: Some(status), .. } = &self.what else {
            return Exit::CONNECT_FAILED;
        };
        let code = status.code().and_then(|code| u8::try_from(code).ok());
        code.and_then(Exit::own).unwrap_or(Exit::CONNECT_FAILED)
    }
}

/// What the user may do when the answer of an ssh host is nonsense; `None` for another host.
pub(crate) fn hint_for_nonsense(host: &Host) -> Option<String> {
    matches!(host, Host::Ssh { .. }).then(|| format!("{} must print nothing", trial("ssh", host)))
}

/// A command by which the user can see whether ssh works.
fn trial(ssh: &str, host: &Host) -> String {
    match host {
        Host::Ssh { user: Some(user), name, .. } => format!("`{ssh} -l {user} {name} true`"),
        _ => format!("`{ssh} {} true`", host.name()),
    }
}

fn with_command(host: &Host) -> Host {
    let mut host = host.clone();
    if let Host::Ssh { command, .. } = &mut host {
        *command = Some("/usr/bin/distccd".to_owned());
    }
    host
}

/// The last two lines of what ssh said: the second last often has the cause.
fn last_lines(said: &str) -> String {
    let lines: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines[lines.len().saturating_sub(2)..].join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;

    fn host(entry: &str) -> Host {
        hosts::HostSpec::parse(entry).unwrap().host
    }

    #[track_caller]
    fn check_words(ssh: &str, entry: &str, expected: &str) {
        let ssh = words(Some(ssh.into()));
        let command = command(&ssh, &host(entry));
        let got: Vec<_> =
            std::iter::once(command.get_program()).chain(command.get_args()).collect();
        let got: Vec<_> = got.iter().map(|word| word.to_string_lossy()).collect();
        assert_eq!(got.join("|"), expected);
    }

    #[test]
    fn ssh_gets_the_words_that_the_original_gives_it() {
        check_words("", "@red", "ssh|red|distccd|--inetd|--enable-tcp-insecure");
        check_words(" ", "@red/3,lzo", "ssh|red|distccd|--inetd|--enable-tcp-insecure");
        check_words(
            "/x/ssh -F  'a'\t/y",
            "me@red:/opt/d",
            "/x/ssh|-F|'a'\t/y|-l|me|red|/opt/d|--inetd|--enable-tcp-insecure",
        );
        check_words("ssh", "@[::1]", "ssh|::1|distccd|--inetd|--enable-tcp-insecure");
    }

    #[track_caller]
    fn check(code: i32, said: &str, text: &str, hint: &str) {
        let status = Some(ExitStatus::from_raw(code << 8));
        let what = What::Ended { status, said: said.to_owned() };
        let failure = Failure { ssh: "ssh".to_owned(), what };
        let host = host("me@red/3");
        assert_eq!((failure.says().as_str(), failure.hint(&host).as_deref()), (text, Some(hint)));
    }

    #[test]
    fn the_words_of_ssh_reach_the_user() {
        check(
            255,
            "Banner\r\n\r\nconnect: x\r\nme@red: Permission denied (publickey).\r\n",
            "`ssh` ended with exit code 255: connect: x; me@red: Permission denied (publickey).",
            "`ssh -l me red true` must work without a password",
        );
        check(
            127,
            "sh: 1: distccd: not found\n",
            "`ssh` ended with exit code 127: sh: 1: distccd: not found",
            "install distccd on red, or name it in the host list: me@red:/usr/bin/distccd",
        );
    }
}
