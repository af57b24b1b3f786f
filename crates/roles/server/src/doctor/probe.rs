//! The probe: a small source, compiled by the compiler itself and by way of a server.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use diagnosis::shell::quoted;
use diagnosis::{Finding, Machine, Status};
use process::{Ending, JobFolder, Run, TempRoot};
use serde_json::json;
use toolchain::{CompilerName, Driver};
use transport::Connection;
use wire::{ABILITIES_QUESTION, Condition};

use super::serving::Serving;
use super::{Setup, file_name, shown, talk};
use crate::whitelist::Surveyed;

/// How long the compiler may take by itself.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long a server that was started for this may take to begin.
const START_PATIENCE: Duration = Duration::from_secs(20);

/// How long it may take to end.
const END_PATIENCE: Duration = Duration::from_secs(2);

/// The most compilers of a kind that are tried.
const MOST_COMPILERS: usize = 32;

/// The source. It is preprocessed already, so that nothing around it shows in the object.
const SOURCE: &[u8] = b"# 1 \"probe.c\"\nint distccd_probe(int n)\n{\n    return n + 1;\n}\n";

/// What a server that is started for this must not hear: it is nobody's service.
const OF_A_SERVICE: [&str; 4] = ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "NOTIFY_SOCKET"];

/// By which way probes go.
#[derive(Debug)]
enum Way {
    /// To the server that runs.
    ToServer(SocketAddr),
    /// To one of its own each.
    ToOwn,
}

/// Where probes are compiled.
pub(super) struct Bench<'a> {
    setup: &'a Setup,
    way: Way,
    level: io::Result<Option<String>>,
    /// What a server of its own said when it was asked.
    said: String,
    folder: JobFolder,
    root: TempRoot,
}

/// What became of a probe.
#[derive(Debug)]
pub(super) enum Probed {
    /// The object is the one that the compiler makes by itself; how long it took.
    Same(Duration),
    /// Something else.
    Not(Fault),
}

/// What is wrong with a probe.
#[derive(Debug)]
pub(super) enum Fault {
    /// The object is another one than the compiler makes by itself.
    Differs,
    /// There is none; the words and the hint of the server.
    Refused { text: String, hint: String },
    /// The compiler does not compile it by itself.
    NotHere(io::Error),
}

impl<'a> Bench<'a> {
    /// A new one. The server is asked how it confines compilers.
    ///
    /// # Errors
    /// When no folder can be made.
    pub(super) fn new(setup: &'a Setup, serving: &Serving) -> io::Result<Bench<'a>> {
        let root = TempRoot::create(&std::env::temp_dir())?;
        let folder = root.job_folder()?;
        let (way, level) = match serving {
            Serving::Ours { address, condition, .. } => {
                (Way::ToServer(*address), Some(condition.sandbox.clone()))
            }
            Serving::NotUs(_) | Serving::Other(..) | Serving::Nobody(_) => (Way::ToOwn, None),
        };
        let mut bench = Bench { setup, way, level: Ok(None), said: String::new(), folder, root };
        bench.level = match level {
            Some(level) => Ok(level),
            None => bench.ask_level(),
        };
        Ok(bench)
    }

    fn ask_level(&mut self) -> io::Result<Option<String>> {
        let connection = self.own_server()?;
        let answer = talk::ask(&connection, &[ABILITIES_QUESTION.to_vec()], b"");
        let _ = connection.program_end(END_PATIENCE);
        self.said = connection.program_said();
        let no_answer = || io::Error::other(talk::error_line(self.said.as_bytes()));
        let reply = answer?.ok_or_else(no_answer)?;
        Ok(Condition::of_reply(&reply).sandbox)
    }

    /// A server that serves one job, as this one would.
    fn own_server(&self) -> io::Result<Connection> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["--inetd"]).args(&self.setup.words).args([
            "--log-stderr",
            "--log-level",
            "info",
        ]);
        let variables = self.setup.variables.iter().cloned();
        command.env_clear().envs(variables);
        for name in OF_A_SERVICE {
            command.env_remove(name);
        }
        Connection::to_program(&mut command, START_PATIENCE)
    }

    /// How compilers are confined here.
    pub(super) fn confinement(&self) -> Finding {
        let find = |status, code, text: String| Finding::here("sandbox", status, code, text);
        let level = match &self.level {
            Err(error) => {
                let text = format!("a server with these options does not start: {error}");
                let finding = find(Status::Failed, "server-does-not-start", shown(&text));
                let words: Vec<String> =
                    self.setup.words.iter().map(|word| quoted(&word.to_string_lossy())).collect();
                let command =
                    format!("distccd --inetd {} --log-stderr < /dev/null", words.join(" "));
                return finding.mended_by(Machine::This, &[&command], "that shows what it says");
            }
            Ok(None) => {
                return find(Status::Skipped, "not-told", "the server does not tell".to_owned());
            }
            Ok(Some(level)) => level,
        };
        let find =
            |status, code, text| find(status, code, text).with_data(json!({ "level": level }));
        if level != "off" && level != "filter" {
            return find(Status::Ok, "confined", format!("compilers run under {level}"));
        }
        let why = self.said.lines().find(|line| line.contains("not kept from the files"));
        let why = why.and_then(|line| Some(line.split_once("user: ")?.1)).unwrap_or_default();
        let mut text =
            format!("compilers may read what the server's user may: the level is `{level}`");
        if !why.is_empty() {
            text.push_str(&format!(": {}", shown(why)));
        }
        let finding = find(Status::Warning, "sandbox-weak", text);
        let (commands, note) = allowing_namespaces();
        let commands: Vec<&str> = commands.iter().map(String::as_str).collect();
        finding.mended_by(Machine::This, &commands, note)
    }

    /// Has a compiler make the probe, by itself and by way of the server.
    pub(super) fn compile(&self, compiler: &Surveyed) -> Probed {
        let begun = Instant::now();
        let here = match self.compile_here(&compiler.path) {
            Ok(object) => object,
            Err(error) => return Probed::Not(Fault::NotHere(error)),
        };
        let took_here = begun.elapsed();
        let refused = |text: String| Probed::Not(Fault::Refused { text, hint: String::new() });
        let connection = match &self.way {
            Way::ToServer(address) => {
                TcpStream::connect_timeout(address, PATIENCE).and_then(Connection::from_tcp)
            }
            Way::ToOwn => self.own_server(),
        };
        let connection = match connection {
            Ok(connection) => connection,
            Err(error) => return refused(error.to_string()),
        };
        let name = compiler.path.file_name().unwrap_or(OsStr::new("")).as_encoded_bytes();
        let words = [name, b"-c", source_name(compiler), b"-o", b"probe.o"].map(<[u8]>::to_vec);
        let begun = Instant::now();
        let reply = match talk::ask(&connection, &words, SOURCE) {
            Ok(Some(reply)) => reply,
            Ok(None) => {
                let _ = connection.program_end(END_PATIENCE);
                let said = connection.program_said();
                let said = if said.is_empty() { "the server hung up" } else { &said };
                return refused(talk::error_line(said.as_bytes()));
            }
            Err(error) => return refused(error.to_string()),
        };
        let _ = connection.program_end(END_PATIENCE);
        if !reply.status.is_success() {
            let said = String::from_utf8_lossy(&reply.stderr);
            let hint = said.lines().find_map(|line| line.trim().strip_prefix("hint: "));
            let hint = hint.unwrap_or_default().to_owned();
            return Probed::Not(Fault::Refused { text: talk::error_line(&reply.stderr), hint });
        }
        if reply.object == here {
            Probed::Same(begun.elapsed().max(took_here))
        } else {
            Probed::Not(Fault::Differs)
        }
    }

    fn compile_here(&self, compiler: &Path) -> io::Result<Vec<u8>> {
        let folder = self.folder.path();
        let (source, object, said) =
            (folder.join("probe.i"), folder.join("probe.o"), folder.join("said"));
        std::fs::write(&source, SOURCE)?;
        let _ = std::fs::remove_file(&object);
        let is_cxx = is_cxx(compiler);
        let language = if is_cxx { "c++-cpp-output" } else { "cpp-output" };
        let words = ["-x", language, "-c"].map(OsString::from).into_iter();
        let arguments: Vec<OsString> =
            words.chain([source.into(), "-o".into(), object.clone().into()]).collect();
        let mut environment = self.setup.environment.for_compilers.clone();
        environment.push(("PATH".into(), self.setup.environment.path.clone()));
        let run = Run {
            program: compiler,
            name: compiler.as_os_str(),
            arguments: &arguments,
            environment: &environment,
            own_folder: folder,
            folder,
            tree: None,
            memory: None,
            stdout: File::create(&said)?,
            stderr: File::options().append(true).open(&said)?,
        };
        let failed = |failure: sandbox::Failure| io::Error::other(failure.to_string());
        let mut running = run.start(None).map_err(failed)?;
        match running.wait(&[], Some(Instant::now() + PATIENCE)).map_err(failed)? {
            Ending::Ended(status) if status.success() => std::fs::read(&object),
            Ending::Ended(_) => {
                let said = std::fs::read(&said).unwrap_or_default();
                Err(io::Error::other(talk::error_line(&said)))
            }
            Ending::TimedOut | Ending::Spoke(_) => Err(io::ErrorKind::TimedOut.into()),
        }
    }
}

impl Drop for Bench<'_> {
    fn drop(&mut self) {
        self.root.remove();
    }
}

impl Fault {
    /// The line of the table.
    pub(super) fn finding(&self, compiler: &Surveyed) -> Finding {
        let name = file_name(&compiler.path);
        let find = |status, code, text: String| {
            Finding::here("probe", status, code, format!("{name}: {text}"))
        };
        let log = "journalctl --identifier distccd --lines 20 --no-pager";
        match self {
            Fault::Differs => {
                let text = "another object than by itself: clients would not take it";
                let path = shown(&compiler.path.to_string_lossy());
                find(Status::Failed, "object-differs", text.to_owned()).mended_by(
                    Machine::This,
                    &[&format!("distccd --show-compilers | grep -F {}", quoted(&path))],
                    "look whether it is a wrapper that adds something of its own; if so, take its link \
                     from /usr/lib/distcc",
                )
            }
            Fault::Refused { text, hint } => {
                let hint = if hint.is_empty() { "what its log says of it" } else { hint };
                find(Status::Failed, "probe-refused", shown(text)).mended_by(
                    Machine::This,
                    &[log],
                    &shown(hint),
                )
            }
            Fault::NotHere(error) => {
                let text = format!("it does not compile by itself: {error}");
                find(Status::Failed, "compiler-broken", shown(&text)).mended_by(
                    Machine::This,
                    &[&format!("{} --version", quoted(&compiler.path.to_string_lossy()))],
                    "install it anew, with its assembler (binutils)",
                )
            }
        }
    }
}

/// Of some compilers each once, whatever it is called.
pub(super) fn distinct<'a>(compilers: &[&'a Surveyed]) -> Vec<&'a Surveyed> {
    let mut seen: Vec<(PathBuf, bool)> = Vec::new();
    let mut found = Vec::new();
    for compiler in compilers {
        let path = compiler.path.canonicalize().unwrap_or(compiler.path.clone());
        let key = (path, is_cxx(&compiler.path));
        if !seen.contains(&key) {
            seen.push(key);
            found.push(*compiler);
        }
    }
    found.truncate(MOST_COMPILERS);
    found
}

fn is_cxx(compiler: &Path) -> bool {
    let name = compiler.file_name().and_then(OsStr::to_str).and_then(CompilerName::parse);
    name.is_some_and(|name| name.driver() == Driver::Cxx)
}

/// The name by which the server learns the language.
fn source_name(compiler: &Surveyed) -> &'static [u8] {
    if is_cxx(&compiler.path) { b"probe.cc" } else { b"probe.c" }
}

/// What the kernel is set to that keeps users from having namespaces, and the commands that allow it.
/// Source: the documentation of Debian's and Ubuntu's kernels, and namespaces(7).
const SWITCHES: [(&str, &str, &str); 3] = [
    ("kernel/unprivileged_userns_clone", "0", "kernel.unprivileged_userns_clone=1"),
    (
        "kernel/apparmor_restrict_unprivileged_userns",
        "1",
        "kernel.apparmor_restrict_unprivileged_userns=0",
    ),
    ("user/max_user_namespaces", "0", "user.max_user_namespaces=10000"),
];

fn allowing_namespaces() -> (Vec<String>, &'static str) {
    let is_set = |(file, forbids, _): &&(&str, &str, &str)| {
        let path = Path::new("/proc/sys").join(file);
        std::fs::read_to_string(path).is_ok_and(|value| value.trim() == *forbids)
    };
    let commands: Vec<String> =
        SWITCHES.iter().filter(is_set).map(|(_, _, set)| format!("sysctl -w {set}")).collect();
    if commands.is_empty() {
        let command = "distccd --doctor --sandbox auto".to_owned();
        let note = "start distccd without --sandbox off; or, in a container, allow it user namespaces or \
                    Landlock; or serve only whom you trust";
        return (vec![command], note);
    }
    (commands, "and distccd started anew; put the same into /etc/sysctl.d to have it for good")
}
