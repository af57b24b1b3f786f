//! By which name a server is asked for the compiler.
//!
//! `gcc` means another program on each kind of machine; `aarch64-linux-gnu-gcc` means the same on
//! all of them. So servers are asked by the name with the machine in it first, as 3.4 does. A
//! server that knows only the other name is asked by that, and which name works there is
//! remembered. One that picks compilers by what they are is told that, and asked once.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, SystemTime};

use compiler_args::{Job, WantedCompiler};
use hosts::Host;
use toolchain::{CompilerName, CompilerVersion, generic_name};

use crate::cause::Cause;
use crate::remote::Trouble;
use crate::{Context, local};

/// How long to remember which name works at a host: a server that has learned the other one
/// meanwhile gets to show it.
const MEMORY: Duration = Duration::from_secs(24 * 60 * 60);

/// The longest name of a machine that is believed.
const LONGEST_MACHINE: usize = 64;

/// A job's command for servers, with the names of its compiler.
#[derive(Debug)]
pub(crate) struct Command {
    /// With the name that the user gave.
    words: Vec<OsString>,
    /// The same for a server that preprocesses.
    whole: Option<Vec<OsString>>,
    /// The name with the machine in it, if there is such a compiler beside the user's.
    qualified: Option<OsString>,
    /// What the compiler is, for servers that pick by that.
    wanted: Option<WantedCompiler>,
}

/// One of the names of a compiler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Name {
    /// With the machine in it.
    Qualified,
    /// As the user gave it.
    Plain,
}

impl Name {
    fn other(self) -> Name {
        match self {
            Name::Qualified => Name::Plain,
            Name::Plain => Name::Qualified,
        }
    }

    fn code(self) -> &'static str {
        match self {
            Name::Qualified => "qualified",
            Name::Plain => "plain",
        }
    }
}

impl Command {
    /// The command of `job` for servers. Where `DISTCC_NO_REWRITE_CROSS` is set it is the user's.
    /// `version`: what the compiler of this machine writes into its objects.
    pub(crate) fn of(context: &Context, job: &Job, version: Option<&CompilerVersion>) -> Command {
        Command::with(context, job, version, ask_machine)
    }

    /// What is sent to a host that nothing is known of, as far as it can be told without running
    /// the compiler.
    pub(crate) fn foreseen(context: &Context, job: &Job) -> Vec<OsString> {
        Command::with(context, job, None, |_, _| None).by(Name::Qualified)
    }

    fn with(context: &Context, job: &Job, version: Option<&CompilerVersion>, ask: Ask) -> Command {
        let (words, whole) = (job.remote.clone(), job.whole.clone());
        let mut command = Command { words, whole, qualified: None, wanted: None };
        if context.settings.keeps_names {
            return command;
        }
        let Ok(compiler) = context.find(&command.words[0]) else { return command };
        if let Some(name) = generic_name(&command.words[0], &compiler.program) {
            command.for_each_form(|words| words[0] = name.into());
        }
        let name = command.words[0].clone();
        let family = name.to_str().and_then(Family::of);
        // What has a name of its own may be a wrapper that adds options, which a server's compiler
        // of the same version does not.
        let version = version.filter(|_| is_usual(&name));
        let machine = match (family, version) {
            (None, None) => None,
            _ => machine(context, job, compiler.identity(), ask),
        };
        if let (Some(machine), Some(version)) = (&machine, version) {
            command.wanted = WantedCompiler::new(machine, version.family, &version.version);
        }
        match family {
            Some(Family::Gcc) => {
                command.qualified = machine
                    .map(|machine| format!("{machine}-{}", name.display()).into())
                    .filter(|qualified: &OsString| {
                        // Of one installation. A wrapper called gcc, far from there, is its own.
                        let beside = compiler.program.with_file_name(qualified);
                        context.find(beside.as_os_str()).is_ok()
                    });
            }
            Some(Family::Clang) if !has_target(&command.words) => {
                if let Some(machine) = machine {
                    let target = ["-target".into(), machine.into()];
                    command.for_each_form(|words| words.extend(target.clone()));
                }
            }
            Some(Family::Clang) | None => {}
        }
        command
    }

    fn for_each_form(&mut self, change: impl Fn(&mut Vec<OsString>)) {
        change(&mut self.words);
        self.whole.iter_mut().for_each(change);
    }

    /// The command for a server that preprocesses, by that name.
    fn whole_by(&self, name: Name) -> Option<Vec<OsString>> {
        let mut words = self.whole.clone()?;
        if let (Name::Qualified, Some(qualified)) = (name, &self.qualified) {
            words[0].clone_from(qualified);
        }
        Some(words)
    }

    /// The command as it is sent by that name.
    pub(crate) fn by(&self, name: Name) -> Vec<OsString> {
        let mut words = self.words.clone();
        if let (Name::Qualified, Some(qualified)) = (name, &self.qualified) {
            words[0].clone_from(qualified);
        }
        words
    }

    /// What the compiler is, if it told; `None` where names are the user's business.
    pub(crate) fn wanted(&self) -> Option<&WantedCompiler> {
        self.wanted.as_ref()
    }

    /// Which name works at `host`, as far as is remembered.
    fn known(&self, context: &Context, host: &Host) -> Option<Name> {
        let kept = context.state.as_ref()?.recall(&self.key(host)?)?;
        let (code, since) = std::str::from_utf8(&kept).ok()?.split_once(' ')?;
        let since = Duration::from_secs(since.parse().ok()?);
        let age = now().checked_sub(since)?;
        let is_fresh = age < MEMORY;
        [Name::Qualified, Name::Plain].into_iter().find(|name| is_fresh && name.code() == code)
    }

    fn keep(&self, context: &Context, host: &Host, text: &str) {
        if let (Some(state), Some(key)) = (&context.state, self.key(host)) {
            let _ = state.keep(&key, text.as_bytes());
        }
    }

    /// `None` when there is but one name.
    fn key(&self, host: &Host) -> Option<Vec<u8>> {
        let qualified = self.qualified.as_ref()?;
        let key =
            format!("name of {} or {} at {host}", self.words[0].display(), qualified.display());
        Some(key.into_bytes())
    }
}

/// The names to try at one host, one after the other.
pub(crate) struct Trial<'a> {
    context: &'a Context,
    command: &'a Command,
    host: &'a Host,
    name: Name,
    known: Option<Name>,
    /// The host picks by what the compiler is: a name is as good as another.
    picks: bool,
    /// What came of the other name.
    first: Option<(Name, Trouble)>,
}

impl<'a> Trial<'a> {
    /// `picks`: the host is told what the compiler is.
    pub(crate) fn new(
        context: &'a Context,
        command: &'a Command,
        host: &'a Host,
        picks: bool,
    ) -> Trial<'a> {
        let known = if picks { None } else { command.known(context, host) };
        let name = known.unwrap_or(Name::Qualified);
        Trial { context, command, host, name, known, picks, first: None }
    }

    /// The command to send now.
    pub(crate) fn words(&self) -> Vec<OsString> {
        self.command.by(self.name)
    }

    /// The command to send now, for a server that preprocesses.
    pub(crate) fn whole_words(&self) -> Option<Vec<OsString>> {
        self.command.whole_by(self.name)
    }

    /// The host has compiled something by the name.
    pub(crate) fn worked(&self) {
        if self.known != Some(self.name) && !self.picks {
            let text = format!("{} {}", self.name.code(), now().as_secs());
            self.command.keep(self.context, self.host, &text);
        }
    }

    /// The host did not do the job. `None`: it is to be asked by its other name.
    pub(crate) fn failed(&mut self, trouble: Trouble) -> Option<Trouble> {
        if self.picks {
            return Some(trouble);
        }
        let cause = Cause::from(&trouble);
        let is_of_name = is_of_name(cause);
        if is_of_name && self.known == Some(self.name) {
            self.command.keep(self.context, self.host, "forgotten 0");
        }
        if let Some((name, first)) = self.first.take() {
            return Some(more_telling((name, first), (self.name, trouble)));
        }
        // One that works by this name and hangs up has another reason.
        let is_known = self.known.is_some() && cause == Cause::HungUp;
        if !is_of_name || is_known || self.command.qualified.is_none() {
            return Some(trouble);
        }
        let text = format!("{}: `{}`: {}", self.host, self.words()[0].display(), trouble.says());
        self.context.log.info(&format!("{text}; asking by the other name"));
        self.first = Some((self.name, trouble));
        self.name = self.name.other();
        None
    }
}

/// Whether another name could help.
fn is_of_name(cause: Cause) -> bool {
    matches!(
        cause,
        Cause::RefusedCompiler
            | Cause::HungUp
            | Cause::WrongMachine
            | Cause::NoObject
            | Cause::WrongVersion
    )
}

/// Which of two failures to tell the user: that a compiler is the wrong one rather than that there
/// is none; of two of a kind, that of the user's own name; and not what came of asking a host again
/// that had just died.
fn more_telling(first: (Name, Trouble), second: (Name, Trouble)) -> Trouble {
    let is_refusal =
        |trouble: &Trouble| matches!(Cause::from(trouble), Cause::RefusedCompiler | Cause::HungUp);
    if !is_of_name(Cause::from(&second.1)) {
        return first.1;
    }
    match (is_refusal(&first.1), is_refusal(&second.1)) {
        (false, true) => first.1,
        (true, false) => second.1,
        _ if first.0 == Name::Plain => first.1,
        _ => second.1,
    }
}

/// Compilers whose name or options can say for which machine they are to compile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    Gcc,
    Clang,
}

impl Family {
    /// `gcc`, `g++`, `clang`, `clang++`, with or without a version. Source: behavior of distcc
    /// 3.4, which leaves names with a folder alone as well.
    fn of(name: &str) -> Option<Family> {
        let (base, version) = match name.split_once('-') {
            Some((base, version)) => (base, version),
            None => (name, "0"),
        };
        let is_version =
            !version.is_empty() && version.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        match base {
            "gcc" | "g++" if is_version => Some(Family::Gcc),
            "clang" | "clang++" if is_version => Some(Family::Clang),
            _ => None,
        }
    }
}

/// Whether it is a name that compilers have everywhere, its folder aside.
fn is_usual(name: &OsStr) -> bool {
    let name = Path::new(name).file_name().and_then(OsStr::to_str);
    name.is_some_and(|name| CompilerName::parse(name).is_some())
}

/// Whether the user has chosen the machine, or an assembler that only this machine may have.
fn has_target(words: &[OsString]) -> bool {
    words.iter().any(|word| {
        let word = word.as_encoded_bytes();
        word.starts_with(b"--target")
            || matches!(word, b"-target" | b"-fno-integrated-as" | b"-no-integrated-as")
    })
}

/// How to have a compiler say for which machine it compiles. `None`: it was not asked.
type Ask = fn(&Context, &OsStr) -> Option<Vec<u8>>;

/// For which machine the compiler compiles, in its own words; asked once.
fn machine(context: &Context, job: &Job, identity: &str, ask: Ask) -> Option<String> {
    let key = format!("machine of {identity}").into_bytes();
    let recalled = context.state.as_ref().and_then(|state| state.recall(&key));
    let text = match recalled {
        Some(text) => text,
        None => {
            let text = ask(context, &job.remote[0])?;
            if let Some(state) = &context.state {
                let _ = state.keep(&key, &text);
            }
            text
        }
    };
    let text = std::str::from_utf8(&text).ok()?;
    is_machine(text).then(|| text.to_owned())
}

/// Empty when it does not say.
fn ask_machine(context: &Context, name: &OsStr) -> Option<Vec<u8>> {
    let mut command = local::command(context, &[name.to_owned(), "-dumpmachine".into()]).ok()?;
    sys::child::end_with_this_thread(&mut command);
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output();
    Some(match output {
        Ok(output) if output.status.success() => output.stdout.trim_ascii().to_vec(),
        _ => Vec::new(),
    })
}

/// `CPU-SYSTEM` in all its forms: what becomes a part of names and commands.
fn is_machine(text: &str) -> bool {
    text.len() <= LONGEST_MACHINE
        && text.contains('-')
        && !text.starts_with('-')
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

fn now() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gcc_and_clang_are_known_by_their_names() {
        let check = |name: &str, expected| assert_eq!(Family::of(name), expected, "{name}");
        for name in ["gcc", "g++", "gcc-12", "g++-4.9"] {
            check(name, Some(Family::Gcc));
        }
        for name in ["clang", "clang++", "clang-14", "clang++-14"] {
            check(name, Some(Family::Clang));
        }
        for name in
            ["cc", "tcc", "gcc-", "gcc-ar", "x86_64-linux-gnu-gcc", "/usr/bin/gcc", "clang-cl"]
        {
            check(name, None);
        }
    }

    #[test]
    fn a_machine_is_a_name_and_nothing_else() {
        for text in
            ["x86_64-linux-gnu", "aarch64-unknown-linux-gnu", "armv7l-unknown-linux-gnueabihf"]
        {
            assert!(is_machine(text), "{text}");
        }
        for text in ["", "gcc: error", "-x", "a/b-c", "x86\n-linux", "linux"] {
            assert!(!is_machine(text), "{text}");
        }
    }

    #[test]
    fn the_more_telling_failure_is_told() {
        let refused = || Trouble::refused(wire::Exit::COMPILER_MISSING, &wire::Reply::default());
        let wrong = || Trouble::WrongKind {
            got: None,
            expected: toolchain::ObjectKind::of(&[
                0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 62, 0,
            ])
            .unwrap(),
        };
        let told = |first, second| Cause::from(&more_telling(first, second)).code();
        let (qualified, plain) = (Name::Qualified, Name::Plain);
        assert_eq!(told((qualified, wrong()), (plain, refused())), "no-object");
        assert_eq!(told((qualified, refused()), (plain, wrong())), "no-object");
        assert_eq!(told((qualified, Trouble::HungUp), (plain, refused())), "refused-compiler");
        assert_eq!(told((plain, refused()), (qualified, Trouble::HungUp)), "refused-compiler");
    }

    #[test]
    fn a_target_of_the_users_own_is_left_alone() {
        let has = |text: &str| has_target(&text.split(' ').map(OsString::from).collect::<Vec<_>>());
        assert!(has("clang --target=arm-linux -c a.c"));
        assert!(has("clang -target arm-linux -c a.c"));
        assert!(has("clang -fno-integrated-as -c a.c"));
        assert!(!has("clang -O2 -c a.c"));
    }
}
