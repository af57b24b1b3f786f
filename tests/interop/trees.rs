//! distcc 3.4's client in pump mode, and our server, with namespaces and without; before that, with
//! 3.4's own.
//!
//! Debian's include server does not work with Debian's Python; `working-pump` makes a copy that does.
//! What comes back is compared with what the compiler makes here. What 3.4's own server gets wrong
//! there is left out: debug information, which names the server's folder.

mod original_pump;
mod originals_first;

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use libtest_mimic::Trial;
use support::{Kind, Server, ServerOptions, World, run};

/// Long enough for the slowest compile on a busy machine.
const LIMIT: Duration = Duration::from_secs(120);

/// A server of the matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Original,
    Ours,
    /// Ours, where the system has no namespaces to give.
    Landlock,
    WithoutSandbox,
}

/// A compile.
struct Case {
    name: &'static str,
    words: &'static [&'static str],
    /// What the command makes: the object first.
    outputs: &'static [&'static str],
    /// Whether 3.4's server makes the local object.
    original_is_right: bool,
}

const SOURCES: [(&str, &str); 8] = [
    (
        "a.c",
        "#include <stdio.h>\n#include \"sub/own.h\"\n#include <linked.h>\n\
         const char *where(void) { return __FILE__; }\n\
         int f(int n) { return printf(\"%d\", n + OWN + LINKED) + puts(own()); }\n",
    ),
    ("sub/own.h", "#define OWN 1\nstatic const char *own(void) { return __FILE__; }\n"),
    ("inc/real.h", "#define LINKED 2\n"),
    (
        "big.cc",
        "#include <map>\n#include <string>\n#include <vector>\n\
         int f(const std::map<std::string, std::vector<int>> &m) { return m.at(\"x\")[0]; }\n",
    ),
    ("computed.c", "#define HEADER \"sub/own.h\"\n#include HEADER\nint x = OWN;\n"),
    ("forced.c", "int x = OWN;\n"),
    ("bad.c", "#include \"sub/own.h\"\nint f(void)\n{\n  return nowhere;\n}\n"),
    (
        "conditional.c",
        "#if __has_include(\"sub/own.h\")\n#include \"sub/own.h\"\n#endif\nint x = OWN;\n",
    ),
];

const fn case(name: &'static str, words: &'static [&'static str]) -> Case {
    Case { name, words, outputs: &["out.o"], original_is_right: true }
}

const CASES: [Case; 12] = [
    case("c", &["gcc", "-O2", "-Iinc", "-c", "a.c", "-o", "out.o"]),
    case("cxx", &["g++", "-O1", "-c", "big.cc", "-o", "out.o"]),
    case("absolute_folder", &["gcc", "-I{work}/inc", "-c", "a.c", "-o", "out.o"]),
    case("absolute_system_folder", &["gcc", "-isystem", "{work}/inc", "-c", "a.c", "-o", "out.o"]),
    case("absolute_source", &["gcc", "-Iinc", "-c", "{work}/a.c", "-o", "out.o"]),
    case("absolute_output", &["gcc", "-Iinc", "-c", "a.c", "-o", "{work}/out.o"]),
    case("computed", &["gcc", "-c", "computed.c", "-o", "out.o"]),
    case("forced", &["gcc", "-include", "{work}/sub/own.h", "-c", "forced.c", "-o", "out.o"]),
    case("has_include", &["gcc", "-c", "conditional.c", "-o", "out.o"]),
    Case {
        outputs: &["out.o", "out.d"],
        ..case("dependencies", &["gcc", "-MD", "-Iinc", "-c", "a.c", "-o", "out.o"])
    },
    Case {
        outputs: &["out.o", "named.d"],
        ..case(
            "named_dependencies",
            &[
                "gcc",
                "-MMD",
                "-MP",
                "-MF",
                "named.d",
                "-MT",
                "t",
                "-I{work}/inc",
                "-c",
                "a.c",
                "-o",
                "out.o",
            ],
        )
    },
    Case {
        original_is_right: false,
        ..case("debug", &["gcc", "-g", "-I{work}/inc", "-c", "a.c", "-o", "out.o"])
    },
];

fn main() -> ExitCode {
    let trials = |roles: &[Role]| {
        let cells = roles.iter().flat_map(|role| CASES.iter().map(|case| (*role, case)));
        let trial = |(role, case): (Role, &'static Case)| {
            Trial::test(format!("{role:?}::{}", case.name), move || {
                check(role, case).map_err(|error| format!("{error:#}").into())
            })
        };
        let errors = roles.iter().map(|role| {
            let role = *role;
            Trial::test(format!("{role:?}::error"), move || {
                check_error(role).map_err(|error| format!("{error:#}").into())
            })
        });
        cells.map(trial).chain(errors).collect::<Vec<_>>()
    };
    let ours = [Role::Ours, Role::Landlock, Role::WithoutSandbox];
    originals_first::run(trials(&[Role::Original]), trials(&ours), "at both ends")
}

/// A place to compile in, a server, and 3.4's programs for pump mode.
struct Stand {
    role: Role,
    world: World,
    server: Server,
    pump: PathBuf,
}

impl Stand {
    fn new(role: Role) -> Result<Stand> {
        let world = World::new();
        let work = world.folder("work");
        for name in ["sub", "inc"] {
            std::fs::create_dir(work.join(name))?;
        }
        for (name, text) in SOURCES {
            std::fs::write(work.join(name), text)?;
        }
        std::os::unix::fs::symlink("real.h", work.join("inc/linked.h"))?;
        let kind = if role == Role::Original { Kind::Original } else { Kind::Ours };
        let mut options = ServerOptions::new(kind);
        options.more = ["--log-level", "debug"].map(str::to_owned).to_vec();
        if role == Role::WithoutSandbox {
            options.more.extend(["--sandbox", "off"].map(str::to_owned));
        }
        if role == Role::Landlock {
            options.launcher = without_namespaces();
        }
        let server = Server::start(&world.folder("server"), &options);
        let pump = original_pump::make(&world.folder("pump"))?;
        Ok(Stand { role, world, server, pump })
    }

    fn work(&self) -> PathBuf {
        self.world.folder("work")
    }

    fn words(&self, words: &[&str]) -> Vec<String> {
        let work = self.work();
        words.iter().map(|word| word.replace("{work}", work.to_str().unwrap_or_default())).collect()
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.work()).env_clear();
        command.envs([("PATH", "/usr/bin:/bin"), ("LC_ALL", "C.UTF-8"), ("HOME", "/nonexistent")]);
        command
    }

    fn pumped(&self, words: &[String]) -> Command {
        let mut command = self.command(self.pump.to_str().unwrap_or_default());
        command
            .arg("/usr/bin/distcc")
            .args(words)
            .env("DISTCC_HOSTS", self.server.host(",cpp,lzo"))
            .env("DISTCC_DIR", self.world.folder("state"))
            .env("TMPDIR", self.world.folder("tmp"))
            .env("DISTCC_FALLBACK", "0")
            .env("DISTCC_SKIP_LOCAL_RETRY", "1");
        command
    }

    /// Whether a request of version 3 has come, to the server that is meant.
    fn check_version(&self) -> Result<()> {
        let log = self.server.log();
        let is_landlock = log.contains("sandbox: landlock");
        ensure!(is_landlock == (self.role == Role::Landlock), "another sandbox:\n{log}");
        let came = log.contains("DIST00000003") || log.contains("files of ");
        ensure!(came, "nothing came in version 3:\n{log}");
        Ok(())
    }
}

/// What a command is put behind so that it can make no namespaces.
fn without_namespaces() -> Vec<String> {
    let become_nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
    let no_more = "echo 0 > /proc/sys/user/max_user_namespaces && exec \"$0\" \"$@\"";
    let unshare = ["unshare", "--user", "--map-current-user", "--keep-caps", "sh", "-c", no_more];
    let is_root = std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0);
    let become_nobody = become_nobody.into_iter().filter(|_| is_root);
    become_nobody.chain(unshare).map(str::to_owned).collect()
}

fn check(role: Role, case: &Case) -> Result<()> {
    let stand = Stand::new(role)?;
    let words = stand.words(case.words);
    let local = run(stand.command(&words[0]).args(&words[1..]), LIMIT);
    ensure!(local.code == 0, "{}", String::from_utf8_lossy(&local.stderr));
    let expected = take(&stand.work(), case.outputs)?;
    let pumped = run(&mut stand.pumped(&words), LIMIT);
    let said = || format!("{}\n{}", String::from_utf8_lossy(&pumped.stderr), stand.server.log());
    ensure!(pumped.code == 0, "exit {}: {}", pumped.code, said());
    stand.check_version()?;
    let got = take(&stand.work(), case.outputs).with_context(said)?;
    if role != Role::Original || case.original_is_right {
        ensure!(got[0] == expected[0], "the object is not the local one");
    }
    if let ([_, got], [_, expected]) = (&got[..], &expected[..]) {
        // Where lines end depends on how long names were that are not there any more.
        let [got, expected] = [got, expected].map(|text| names(text));
        ensure!(got == expected, "dependencies {got:?}, not {expected:?}");
    }
    Ok(())
}

fn check_error(role: Role) -> Result<()> {
    let stand = Stand::new(role)?;
    let words = stand.words(&["gcc", "-c", "bad.c", "-o", "out.o"]);
    let local = run(stand.command(&words[0]).args(&words[1..]), LIMIT);
    let pumped = run(&mut stand.pumped(&words), LIMIT);
    ensure!((local.code, pumped.code) == (1, 1), "exits {} and {}", local.code, pumped.code);
    stand.check_version()?;
    let [local, pumped] =
        [local, pumped].map(|ran| String::from_utf8_lossy(&ran.stderr).into_owned());
    ensure!(pumped.contains(local.trim_end()), "{pumped}");
    ensure!(!stand.work().join("out.o").exists(), "there is an object");
    Ok(())
}

/// Takes files away.
fn take(folder: &Path, names: &[&str]) -> Result<Vec<Vec<u8>>> {
    let take = |name: &&str| {
        let path = folder.join(name);
        let bytes = std::fs::read(&path).with_context(|| path.display().to_string())?;
        std::fs::remove_file(&path)?;
        Ok(bytes)
    };
    names.iter().map(take).collect()
}

/// The words of a dependency file.
fn names(text: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(text).replace("\\\n", " ");
    text.split_whitespace().map(str::to_owned).collect()
}
