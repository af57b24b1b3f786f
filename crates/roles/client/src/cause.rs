//! Why a job ended where it did: one vocabulary for messages, the ledger, reports and documents.

pub(crate) mod page;

use std::io::ErrorKind;

use compiler_args::Reason;
use hosts::HostSpec;
use wire::{Exit, Lack, WireError};

use crate::remote::Trouble;

/// Why a job ended where it did, or why one host did not do it.
///
/// Each has a stable code: scripts and reports rely on them, so they are never renamed and never
/// used for something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Cause {
    /// A server made the object.
    Distributed,
    /// A server made the object, and preprocessed its source as well.
    Pumped,
    /// A server's compiler found errors in the source.
    SourceErrors,
    /// The command is one that only this machine can run.
    Stay(Reason),
    /// `localhost` stands in the host list, and it was its turn.
    LocalhostInList,
    /// We are a compiler that distcc called.
    InsideDistcc,
    /// Neither `DISTCC_HOSTS` nor a hosts file.
    NoHostList,
    /// An entry of the list means nothing.
    BadHostList,
    /// A list without hosts.
    EmptyHostList,
    /// A list without hosts but those that zeroconf would find, and it found none.
    NothingDiscovered,
    /// Every host is marked `,down`.
    HostsDown,
    /// Every host failed a short while ago.
    HostsBackedOff,
    /// No slot became free in half an hour.
    NoSlot,
    /// The preprocessor failed: the compiler here says why.
    PreprocessorFailed,
    /// The preprocessor of this machine could not be listened to.
    PreprocessorBroken,
    /// The source, preprocessed already, could not be read.
    SourceUnreadable,
    /// What the server's compiler said may come from preprocessing.
    ArtefactOfPreprocessing,
    /// The server's compiler said something, which the compiler here says with the source's lines.
    SaysSomething,
    /// The compiler here did not tell what kind of object it makes.
    ObjectUnjudged,
    /// The object could not be written.
    OutputUnwritable,
    /// There is no memory for the answer.
    OutOfMemory,
    /// The compiler is not on this machine.
    CompilerMissing,
    /// The port is closed.
    ConnectionRefused,
    /// No answer to a wish to connect.
    ConnectTimeout,
    /// The host's name has no address.
    NameNotFound,
    /// Nobody said in time which address the host's name has.
    NameTimeout,
    /// No way leads to the host.
    HostUnreachable,
    /// Connecting failed otherwise.
    ConnectFailed,
    /// Another job found the host dead meanwhile.
    FoundDead,
    /// There is no ssh on this machine, or it cannot be run.
    SshMissing,
    /// ssh had no session on the host in time.
    SshNoSession,
    /// ssh itself failed: no connection, no right to log in, a connection that broke.
    SshFailed,
    /// ssh got through, and there is no distccd.
    SshNoServer,
    /// The server said nothing for as long as the user lets it.
    PeerSilent,
    /// The server's machine is there, and nobody is at work on it.
    PeerMute,
    /// The connection broke.
    ConnectionLost,
    /// The server hung up without a word.
    HungUp,
    /// The server's answer ended too early.
    AnswerTruncated,
    /// The server's answer is no distcc.
    ProtocolGarbage,
    /// The server does not serve this machine.
    RefusedAddress,
    /// The server does not run this compiler.
    RefusedCompiler,
    /// The server has no compiler for this machine.
    LacksTarget,
    /// The server's compilers for this machine are of other versions.
    LacksVersion,
    /// The server has the compiler outside of its `PATH`.
    ServerPath,
    /// The server does not run commands with these options.
    RefusedOptions,
    /// The server refused for another reason.
    ServerRefused,
    /// The server has enough to do.
    ServerBusy,
    /// The server is being stopped.
    ServerStopping,
    /// The job took longer than the server lets it.
    ServerTimeLimit,
    /// The server's disk is full.
    ServerDiskFull,
    /// The server's memory is used up.
    ServerOutOfMemory,
    /// The server's compiler could not do its work.
    CompilerFault,
    /// The server's compiler was ended by a signal.
    CompilerCrashed,
    /// The server would make other debug information.
    CannotRestore,
    /// What a compile reads could not be told without preprocessing.
    PumpDoubt,
    /// A file changed while a server worked on what it was before.
    PumpChanged,
    /// The server's compiler read a file that was not sent.
    PumpMissed,
    /// There was no agent to send the files of a job.
    AgentMissing,
    /// The server made another object than the compiler here (`DISTCC_VERIFY`).
    VerifyDiffers,
    /// The object is for another kind of machine.
    WrongMachine,
    /// What the server sent is no object.
    NoObject,
    /// The server's compiler is of another version.
    WrongVersion,
}

/// The causes other than [`Cause::Stay`], in the order of the documents.
const OTHERS: [Cause; 61] = [
    Cause::Distributed,
    Cause::Pumped,
    Cause::SourceErrors,
    Cause::LocalhostInList,
    Cause::InsideDistcc,
    Cause::NoHostList,
    Cause::BadHostList,
    Cause::EmptyHostList,
    Cause::NothingDiscovered,
    Cause::HostsDown,
    Cause::HostsBackedOff,
    Cause::NoSlot,
    Cause::PreprocessorFailed,
    Cause::PreprocessorBroken,
    Cause::SourceUnreadable,
    Cause::ArtefactOfPreprocessing,
    Cause::SaysSomething,
    Cause::ObjectUnjudged,
    Cause::OutputUnwritable,
    Cause::OutOfMemory,
    Cause::CompilerMissing,
    Cause::ConnectionRefused,
    Cause::ConnectTimeout,
    Cause::NameNotFound,
    Cause::NameTimeout,
    Cause::HostUnreachable,
    Cause::ConnectFailed,
    Cause::FoundDead,
    Cause::SshMissing,
    Cause::SshNoSession,
    Cause::SshFailed,
    Cause::SshNoServer,
    Cause::PeerSilent,
    Cause::PeerMute,
    Cause::ConnectionLost,
    Cause::HungUp,
    Cause::AnswerTruncated,
    Cause::ProtocolGarbage,
    Cause::RefusedAddress,
    Cause::RefusedCompiler,
    Cause::LacksTarget,
    Cause::LacksVersion,
    Cause::ServerPath,
    Cause::RefusedOptions,
    Cause::ServerRefused,
    Cause::ServerBusy,
    Cause::ServerStopping,
    Cause::ServerTimeLimit,
    Cause::ServerDiskFull,
    Cause::ServerOutOfMemory,
    Cause::CompilerFault,
    Cause::CompilerCrashed,
    Cause::CannotRestore,
    Cause::PumpDoubt,
    Cause::PumpChanged,
    Cause::PumpMissed,
    Cause::AgentMissing,
    Cause::VerifyDiffers,
    Cause::WrongMachine,
    Cause::NoObject,
    Cause::WrongVersion,
];

/// What kind of end a cause stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Group {
    /// The job was done by a server.
    Done,
    /// The command is one that only this machine can run.
    Command,
    /// Nothing is wrong with the command, but this machine ran it.
    Here,
    /// The job is preprocessed here, though a host would have.
    Detour,
    /// A host did not do the job.
    Host,
}

impl Cause {
    /// Every cause, for documents and tests.
    pub(crate) fn all() -> impl Iterator<Item = Cause> {
        OTHERS.into_iter().chain(Reason::ALL.into_iter().map(Cause::Stay))
    }

    /// The cause with this code, if there is one.
    pub(crate) fn from_code(code: &str) -> Option<Cause> {
        Cause::all().find(|cause| cause.code() == code)
    }

    /// The stable code: lower case, hyphens.
    pub(crate) fn code(self) -> &'static str {
        self.texts().0
    }

    /// What it means, as a sentence without its end.
    pub(crate) fn means(self) -> &'static str {
        self.texts().1
    }

    /// What the user may do about it; empty where nothing is to be done.
    pub(crate) fn remedy(self) -> &'static str {
        self.texts().2
    }

    /// What kind of end it is.
    pub(crate) fn group(self) -> Group {
        match self {
            Cause::Distributed | Cause::Pumped | Cause::SourceErrors => Group::Done,
            Cause::Stay(_) => Group::Command,
            Cause::LocalhostInList
            | Cause::InsideDistcc
            | Cause::NoHostList
            | Cause::BadHostList
            | Cause::EmptyHostList
            | Cause::NothingDiscovered
            | Cause::HostsDown
            | Cause::HostsBackedOff
            | Cause::NoSlot
            | Cause::PreprocessorFailed
            | Cause::PreprocessorBroken
            | Cause::SourceUnreadable
            | Cause::ArtefactOfPreprocessing
            | Cause::SaysSomething
            | Cause::ObjectUnjudged
            | Cause::OutputUnwritable
            | Cause::OutOfMemory
            | Cause::CompilerMissing => Group::Here,
            Cause::PumpDoubt | Cause::PumpChanged | Cause::PumpMissed | Cause::AgentMissing => {
                Group::Detour
            }
            _ => Group::Host,
        }
    }

    /// Whether a job may end here for this under `DISTCC_STRICT=1`: because it is no compile of a
    /// source, because it would fail anywhere, or because the user asked for it.
    pub(crate) fn is_fine_when_strict(self) -> bool {
        match self {
            Cause::Stay(reason) => matches!(
                reason,
                Reason::NotACompile
                    | Reason::PreprocessOnly
                    | Reason::DependenciesOnly
                    | Reason::ConfigureTest
                    | Reason::NoSource
                    | Reason::MissingValue
            ),
            Cause::Distributed
            | Cause::SourceErrors
            | Cause::LocalhostInList
            | Cause::InsideDistcc
            | Cause::PreprocessorFailed
            | Cause::SaysSomething
            | Cause::CompilerMissing => true,
            _ => false,
        }
    }

    /// Why no host of a list may be asked.
    pub(crate) fn of_no_host(hosts: &[HostSpec]) -> Cause {
        if hosts.is_empty() {
            Cause::EmptyHostList
        } else if hosts.iter().all(|spec| spec.down) {
            Cause::HostsDown
        } else {
            Cause::HostsBackedOff
        }
    }

    /// What a server's words say of its machine.
    fn of_words(text: &str) -> Option<Cause> {
        let text = text.to_lowercase();
        let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
        if has(&["no space left", "error writing to", "disk quota"]) {
            Some(Cause::ServerDiskFull)
        } else if has(&["cannot allocate memory", "out of memory", "memory exhausted"]) {
            Some(Cause::ServerOutOfMemory)
        } else {
            None
        }
    }

    fn texts(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Cause::Distributed => ("distributed", "a server made the object", ""),
            Cause::Pumped => {
                ("pumped", "a server made the object, and preprocessed its source as well", "")
            }
            Cause::SourceErrors => (
                "source-errors",
                "a server's compiler found errors in the source, which were shown",
                "",
            ),
            Cause::Stay(reason) => (reason.code(), reason.because(), reason.remedy()),
            Cause::LocalhostInList => (
                "localhost-in-list",
                "`localhost` stands in the host list, and it was its turn",
                "take it out of the list, or put it last",
            ),
            Cause::InsideDistcc => (
                "inside-distcc",
                "distcc itself had called this compiler through a link to distcc",
                "",
            ),
            Cause::NoHostList => {
                ("no-host-list", "there is no host list", "set DISTCC_HOSTS='HOST/LIMIT ...'")
            }
            Cause::BadHostList => (
                "bad-host-list",
                "an entry of the host list means nothing",
                "`distcc --show-hosts` names it",
            ),
            Cause::EmptyHostList => {
                ("empty-host-list", "the host list is empty", "name servers in it: HOST/LIMIT ...")
            }
            Cause::NothingDiscovered => (
                "nothing-discovered",
                "zeroconf found no host, and the host list has no others",
                "start `distccd --zeroconf` on machines of this network that have the same gcc, or \
                 name them: DISTCC_HOSTS='HOST/LIMIT ...'; `lsdistcc --zeroconf -v` tells more",
            ),
            Cause::HostsDown => (
                "hosts-down",
                "every host of the list is marked as down",
                "take `,down` away from those that are up",
            ),
            Cause::HostsBackedOff => (
                "hosts-backed-off",
                "every host of the list failed a short while ago and is left alone",
                "mend them: the failures by host say what is wrong",
            ),
            Cause::NoSlot => (
                "no-slot",
                "no slot of any host became free in half an hour",
                "add hosts, or run fewer jobs at once",
            ),
            Cause::PreprocessorFailed => (
                "preprocessor-failed",
                "the preprocessor failed, and the compiler here told why",
                "",
            ),
            Cause::PreprocessorBroken => {
                ("preprocessor-broken", "the preprocessor of this machine could not be read", "")
            }
            Cause::SourceUnreadable => {
                ("source-unreadable", "the preprocessed source could not be read", "")
            }
            Cause::ArtefactOfPreprocessing => (
                "artefact-of-preprocessing",
                "the server's compiler said what the source itself may not have made it say",
                "",
            ),
            Cause::SaysSomething => (
                "says-something",
                "the compiler had something to say, which the one here says with the source's lines",
                "mend the warnings; or see them without lines: DISTCC_SKIP_LOCAL_RETRY=1",
            ),
            Cause::ObjectUnjudged => (
                "object-unjudged",
                "the compiler here did not tell what kind of object it makes",
                "does it compile an empty file?",
            ),
            Cause::OutputUnwritable => (
                "output-unwritable",
                "the object could not be written",
                "look at the folder's permissions and at the disk",
            ),
            Cause::OutOfMemory => (
                "out-of-memory",
                "this machine has no memory for the server's answer",
                "run fewer jobs at once, or raise the limit (`ulimit -v`)",
            ),
            Cause::CompilerMissing => (
                "compiler-missing",
                "the compiler is not on this machine",
                "install it, or name the one to use: distcc COMPILER ...",
            ),
            Cause::ConnectionRefused => (
                "connection-refused",
                "nothing listens at that port",
                "start distccd there, or give its port as HOST:PORT",
            ),
            Cause::ConnectTimeout => (
                "connect-timeout",
                "the host does not answer",
                "is it up, and does its firewall let the port in?",
            ),
            Cause::NameNotFound => (
                "name-not-found",
                "the host's name has no address",
                "check the name in the host list: `getent hosts NAME`",
            ),
            Cause::NameTimeout => (
                "name-timeout",
                "the resolver did not say in time which address the host's name has",
                "look at the name servers of this machine; a host given by its address needs none",
            ),
            Cause::HostUnreachable => {
                ("host-unreachable", "no way leads to the host", "is it up, and is the network?")
            }
            Cause::ConnectFailed => (
                "connect-failed",
                "the connection could not be made",
                "check the entry of the host list",
            ),
            Cause::FoundDead => (
                "found-dead",
                "another job found the host dead while this one was connecting",
                "look at what the other job says of the host",
            ),
            Cause::PeerMute => (
                "peer-mute",
                "the server's machine is there, but its distccd gave no sign of life",
                "look at distccd there: it may have been stopped, or have no memory left",
            ),
            Cause::SshMissing => (
                "ssh-missing",
                "ssh, or what DISTCC_SSH names, could not be run",
                "install openssh-client, or set DISTCC_SSH to the command to use",
            ),
            Cause::SshNoSession => (
                "ssh-no-session",
                "ssh had no session on the host in time",
                "`ssh USER@HOST true` must work without a password",
            ),
            Cause::SshFailed => (
                "ssh-failed",
                "ssh itself failed, and told why",
                "`ssh USER@HOST true` must work without a password",
            ),
            Cause::SshNoServer => (
                "ssh-no-server",
                "ssh got through, and found no distccd there",
                "install it there, or name it in the host list: USER@HOST:/PATH/OF/distccd",
            ),
            Cause::PeerSilent => (
                "peer-silent",
                "the server was silent for too long",
                "look at its load; DISTCC_IO_TIMEOUT sets the longest silence in seconds",
            ),
            Cause::ConnectionLost => (
                "connection-lost",
                "the connection broke in the middle of the job",
                "look at the network and at the log of its distccd",
            ),
            Cause::HungUp => (
                "hung-up",
                "the server hung up without a word, as distccd 3.4 refuses",
                "let it --allow this machine, and the compiler by a link in its /usr/lib/distcc",
            ),
            Cause::AnswerTruncated => (
                "answer-truncated",
                "the server hung up in the middle of its answer",
                "look at the log of its distccd",
            ),
            Cause::ProtocolGarbage => (
                "protocol-garbage",
                "the answer is not that of a distccd",
                "is it a distccd that listens at that port?",
            ),
            Cause::RefusedAddress => (
                "refused-address",
                "the server does not serve this machine's address",
                "start it with --allow and the address",
            ),
            Cause::RefusedCompiler => (
                "refused-compiler",
                "the server does not run this compiler, or has none",
                "install it there, and on the server: ln -s /usr/bin/distcc /usr/lib/distcc/COMPILER",
            ),
            Cause::LacksTarget => (
                "lacks-target",
                "the server has no compiler for this kind of machine that may run",
                "install a cross compiler there and run update-distcc-symlinks; \
                 `distccd --show-compilers` there shows which there are",
            ),
            Cause::LacksVersion => (
                "lacks-version",
                "the server's compilers for this kind of machine are of other versions",
                "install the version of this machine there, beside the others",
            ),
            Cause::ServerPath => (
                "server-path",
                "the server has the compiler in a folder that is not in its PATH",
                "start distccd there with the system's folders in PATH: /usr/local/bin:/usr/bin:/bin",
            ),
            Cause::RefusedOptions => {
                ("refused-options", "the server does not run commands with these options", "")
            }
            Cause::ServerRefused => (
                "server-refused",
                "the server refused for a reason of its own",
                "look at the log of its distccd",
            ),
            Cause::ServerBusy => (
                "server-busy",
                "the server has as many jobs as it takes",
                "lower its LIMIT in the host list, or raise --jobs there",
            ),
            Cause::ServerStopping => ("server-stopping", "the server was being stopped", ""),
            Cause::ServerTimeLimit => (
                "server-time-limit",
                "the job took longer than the server lets a job take",
                "raise --job-lifetime there",
            ),
            Cause::ServerDiskFull => {
                ("server-disk-full", "the server's disk is full", "make room in its TMPDIR")
            }
            Cause::ServerOutOfMemory => (
                "server-out-of-memory",
                "the server's memory is used up",
                "lower its LIMIT in the host list, or --jobs there",
            ),
            Cause::CompilerFault => (
                "compiler-fault",
                "the server's compiler failed for a reason that is not in the source",
                "look at the compiler there",
            ),
            Cause::CompilerCrashed => (
                "compiler-crashed",
                "the server's compiler was ended by a signal",
                "look at memory and at the compiler there",
            ),
            Cause::CannotRestore => (
                "cannot-restore",
                "the server would make debug information with other columns",
                "run distccd of distcc-rs there; or accept that: DISTCC_INEXACT_DEBUG=1",
            ),
            Cause::PumpDoubt => (
                "pump-doubt",
                "what the compile reads could not be told without preprocessing",
                "DISTCC_VERBOSE=1 names the file",
            ),
            Cause::PumpChanged => {
                ("pump-changed", "a file changed while the server worked on what it was before", "")
            }
            Cause::PumpMissed => (
                "pump-missed",
                "the server's compiler read a file that was not sent: a defect of distcc-rs",
                "please report it with the line of the agent's log (agent/log in DISTCC_DIR)",
            ),
            Cause::AgentMissing => (
                "agent-missing",
                "there was no agent to send the files that the compile reads",
                "distcc-agent --foreground tells what keeps it from running",
            ),
            Cause::VerifyDiffers => (
                "verify-differs",
                "the server made another object than the compiler here (DISTCC_VERIFY)",
                "compare the compilers' configurations (gcc -v) here and there, or take the host out of \
                 the list; if they are the same, please report it with both objects",
            ),
            Cause::WrongMachine => (
                "wrong-machine",
                "the object is for another kind of machine",
                "give distccd there a PATH that begins with the folder of a compiler for this kind",
            ),
            Cause::NoObject => {
                ("no-object", "what the server sent is no object", "look at the compiler there")
            }
            Cause::WrongVersion => (
                "wrong-version",
                "the server's compiler is of another version than the one here",
                "install the same version there, or take the host out of the list",
            ),
        }
    }
}

impl From<&Trouble> for Cause {
    fn from(trouble: &Trouble) -> Cause {
        match trouble {
            Trouble::Name(error) if error.kind() == ErrorKind::TimedOut => Cause::NameTimeout,
            Trouble::Name(_) => Cause::NameNotFound,
            Trouble::FoundDead => Cause::FoundDead,
            Trouble::Mute { .. } => Cause::PeerMute,
            Trouble::Connect(error) => match error.kind() {
                ErrorKind::ConnectionRefused => Cause::ConnectionRefused,
                ErrorKind::TimedOut => Cause::ConnectTimeout,
                ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => {
                    Cause::HostUnreachable
                }
                _ => Cause::ConnectFailed,
            },
            Trouble::Ssh(failure) => failure.cause(),
            Trouble::Io { source, .. } if source.kind() == ErrorKind::TimedOut => Cause::PeerSilent,
            Trouble::Io { .. } => Cause::ConnectionLost,
            Trouble::HungUp => Cause::HungUp,
            Trouble::Wire(WireError::Truncated { .. }) => Cause::AnswerTruncated,
            Trouble::Wire(WireError::NoMemory { .. }) => Cause::OutOfMemory,
            Trouble::Wire(_) => Cause::ProtocolGarbage,
            Trouble::Refused { exit: Exit::COMPILER_MISSING, lack: Some(Lack::Target), .. } => {
                Cause::LacksTarget
            }
            Trouble::Refused {
                exit: Exit::COMPILER_MISSING, lack: Some(Lack::Version), ..
            } => Cause::LacksVersion,
            Trouble::Refused { exit: Exit::COMPILER_MISSING, lack: Some(Lack::Path), .. } => {
                Cause::ServerPath
            }
            Trouble::Refused { exit, text, .. } => match *exit {
                Exit::ACCESS_DENIED => Cause::RefusedAddress,
                Exit::COMPILER_MISSING => Cause::RefusedCompiler,
                Exit::BAD_ARGUMENTS => Cause::RefusedOptions,
                Exit::BUSY => Cause::ServerBusy,
                Exit::GONE => Cause::ServerStopping,
                Exit::TIMED_OUT => Cause::ServerTimeLimit,
                _ => Cause::of_words(text).unwrap_or(Cause::ServerRefused),
            },
            Trouble::Fault(line) => Cause::of_words(line).unwrap_or(Cause::CompilerFault),
            Trouble::Killed { .. } => Cause::CompilerCrashed,
            Trouble::CannotRestore => Cause::CannotRestore,
            Trouble::WrongKind { got: Some(_), .. } => Cause::WrongMachine,
            Trouble::WrongKind { got: None, .. } => Cause::NoObject,
            Trouble::WrongVersion { .. } => Cause::WrongVersion,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn codes_are_unique_spelled_alike_and_found_again() {
        let codes: HashSet<_> = Cause::all().map(Cause::code).collect();
        assert_eq!(codes.len(), Cause::all().count());
        for cause in Cause::all() {
            let code = cause.code();
            assert!(code.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{code}");
            assert_eq!(Cause::from_code(code), Some(cause));
            assert!(!cause.means().is_empty(), "{code}");
        }
        assert_eq!(Cause::from_code("no-such-code"), None);
    }

    #[test]
    fn no_cause_is_missing_from_the_list() {
        let source = include_str!("cause.rs");
        let (_, body) = source.split_once("pub(crate) enum Cause {\n").unwrap();
        let (body, _) = body.split_once("\n}\n").unwrap();
        let is_variant = |line: &&str| line.ends_with(',') && !line.contains('(');
        assert_eq!(body.lines().filter(is_variant).count(), OTHERS.len());
    }

    #[test]
    fn what_a_host_did_wrong_has_a_remedy() {
        let without = [Cause::RefusedOptions, Cause::ServerStopping];
        for cause in Cause::all().filter(|cause| cause.group() == Group::Host) {
            assert_eq!(cause.remedy().is_empty(), without.contains(&cause), "{}", cause.code());
        }
    }
}
