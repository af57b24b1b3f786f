//! What a compile costs the client's processor: the compiler here, distcc 3.4 in plain and in pump
//! mode, and ours in both, on one project in C and one in C++ with many headers.
//!
//!   pump [FOLDER]
//!
//! FOLDER has a `pump` of 3.4's that works; without it that one is left out.
//!
//! Counted is everything on the client's side: the client and all that it starts, and what runs
//! beside it and stays (agent, include server). The servers are not. Times are the kernel's own
//! account of processes.
//!
//! A build compiles the first file alone and then the others side by side. A first build is one with
//! an agent or include server that knows nothing, and a server that has nothing; it is done several
//! times in each pump mode, in turns, and the median counts. What ours asks a compiler and a host
//! once, and remembers for later builds, is asked before.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use support::{Kind, Packages, Server, ServerOptions, Wanted, file_of_agent, program};

/// How often there is a first build in a mode in which something is learned from it. After each comes
/// another build.
const N_ROUNDS: usize = 3;

/// How many sources of a project are compiled.
const MOST_SOURCES: usize = 24;

/// Where RocksDB's library has its sources.
const ROCKSDB_FOLDERS: [&str; 11] = [
    "cache",
    "db",
    "env",
    "file",
    "memory",
    "memtable",
    "monitoring",
    "options",
    "table",
    "util",
    "utilities",
];

/// How many compiles run at once.
const N_JOBS: usize = 4;

/// A project.
struct Project {
    name: &'static str,
    compiler: &'static str,
    flags: &'static str,
    folder: PathBuf,
    sources: Vec<String>,
}

/// A way to compile.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Here,
    Plain(Kind),
    Pump(Kind),
}

impl Mode {
    fn name(self) -> &'static str {
        match self {
            Mode::Here => "compiled here",
            Mode::Plain(Kind::Original) => "3.4, plain",
            Mode::Plain(Kind::Ours) => "ours, plain",
            Mode::Pump(Kind::Original) => "3.4, pump",
            Mode::Pump(Kind::Ours) => "ours, pump",
        }
    }

    /// What a server's entry in the host list ends with.
    fn host_options(self) -> &'static str {
        match self {
            Mode::Here => "",
            Mode::Pump(Kind::Ours) => "/8",
            Mode::Plain(_) => "/8,lzo",
            Mode::Pump(Kind::Original) => "/8,lzo,cpp",
        }
    }

    /// Whose client and server do it.
    fn kind(self) -> Option<Kind> {
        match self {
            Mode::Here => None,
            Mode::Plain(kind) | Mode::Pump(kind) => Some(kind),
        }
    }

    fn client(self) -> Option<PathBuf> {
        Some(match self.kind()? {
            Kind::Ours => program("distcc"),
            Kind::Original => "/usr/bin/distcc".into(),
        })
    }
}

/// A server that has nothing and clients that know nothing of files, until it is dropped.
struct Setup {
    mode: Mode,
    state: PathBuf,
    environment: Vec<(&'static str, OsString)>,
    /// 3.4's include server, and the `pump` that ends it.
    include_server: Option<(u32, PathBuf)>,
    _server: Option<Server>,
}

/// What a build has cost.
#[derive(Clone, Copy)]
struct Build {
    first_file: Duration,
    /// Each further one, in the mean.
    other_file: Duration,
}

/// What builds of a kind have cost.
#[derive(Default)]
struct Costs {
    /// Builds with an agent or include server that knew nothing.
    first: Vec<Build>,
    /// Builds after such a one.
    further: Vec<Build>,
}

fn main() -> Result<ExitCode> {
    let world = tempfile::tempdir()?;
    std::fs::set_permissions(world.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    let pump = std::env::args_os().nth(1).map(PathBuf::from);
    for project in &fetch(world.path())? {
        let (n_sources, n_headers) = (project.sources.len(), headers(project)?);
        println!("{}: {n_sources} files, {n_headers} headers each", project.name);
        println!("{:16}{:>26}{:>26}", "", "first build", "further build");
        println!("{:16}{1:>13}{2:>13}{1:>13}{2:>13}", "", "first file", "each other");
        let plain = [Mode::Here, Mode::Plain(Kind::Original), Mode::Plain(Kind::Ours)];
        let mut all: Vec<(Mode, Costs)> = Vec::new();
        for mode in plain {
            let mut costs = Costs::default();
            let setup = Setup::new(world.path(), project, mode, pump.as_deref())?;
            costs.add(project, &setup)?;
            show(mode, &costs);
            all.push((mode, costs));
        }
        let pump_modes = [Mode::Pump(Kind::Ours), Mode::Pump(Kind::Original)];
        let pump_modes = &pump_modes[..if pump.is_some() { 2 } else { 1 }];
        all.extend(pump_modes.iter().map(|mode| (*mode, Costs::default())));
        for _ in 0..N_ROUNDS {
            for (mode, costs) in all.iter_mut().skip(plain.len()) {
                costs.add(project, &Setup::new(world.path(), project, *mode, pump.as_deref())?)?;
            }
        }
        all.iter().skip(plain.len()).for_each(|(mode, costs)| show(*mode, costs));
        compare(&all);
    }
    Ok(ExitCode::SUCCESS)
}

impl Costs {
    /// Adds a first build and the one after it.
    fn add(&mut self, project: &Project, setup: &Setup) -> Result<()> {
        let first = build(project, setup)?;
        self.first.push(first);
        // The compiler here learns nothing from one build to the next.
        let further = if setup.mode == Mode::Here { first } else { build(project, setup)? };
        self.further.push(further);
        Ok(())
    }
}

fn first_file(build: &Build) -> Duration {
    build.first_file
}

fn other_file(build: &Build) -> Duration {
    build.other_file
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// In milliseconds.
fn median(builds: &[Build], part: fn(&Build) -> Duration) -> f64 {
    millis(bench::median(builds.iter().map(part).collect()))
}

fn show(mode: Mode, costs: &Costs) {
    print!("{:16}", mode.name());
    for (builds, part) in [
        (&costs.first, first_file as fn(&Build) -> Duration),
        (&costs.first, other_file),
        (&costs.further, first_file),
        (&costs.further, other_file),
    ] {
        print!("{:>10.2} ms", median(builds, part));
    }
    let each = |builds: &[Build]| -> String {
        let times = builds.iter().map(|build| format!("{:.2}", millis(build.other_file)));
        times.collect::<Vec<_>>().join(", ")
    };
    match costs.first.len() {
        1 => println!(),
        _ => println!("   (each other: {}; {})", each(&costs.first), each(&costs.further)),
    }
}

fn compare(all: &[(Mode, Costs)]) {
    type Part = fn(&Build) -> Duration;
    let ratio = |mode: Mode, builds: fn(&Costs) -> &[Build], part: Part| {
        let median = |wanted| {
            let costs = all.iter().find(|(mode, _)| *mode == wanted);
            costs.map(|(_, costs)| median(builds(costs), part))
        };
        Some(median(mode)? / median(Mode::Pump(Kind::Ours))?.max(1e-9))
    };
    let (plain, pump) = (Mode::Plain(Kind::Original), Mode::Pump(Kind::Original));
    for (what, ratio) in [
        ("each other, further, of 3.4 plain", ratio(plain, |costs| &costs.further, other_file)),
        ("each other, first, of 3.4 pump", ratio(pump, |costs| &costs.first, other_file)),
        ("each other, further, of 3.4 pump", ratio(pump, |costs| &costs.further, other_file)),
        ("first file, first, of 3.4 pump", ratio(pump, |costs| &costs.first, first_file)),
        ("first file, further, of 3.4 pump", ratio(pump, |costs| &costs.further, first_file)),
    ] {
        if let Some(ratio) = ratio {
            println!("ours, pump, {what:36} 1/{ratio:.1}");
        }
    }
}

fn fetch(world: &Path) -> Result<Vec<Project>> {
    let wanted: [Wanted<'_>; 2] = [("lua-src", "\"=547.0.0\""), ("librocksdb-sys", "\"=0.17.3\"")];
    let packages = Packages::fetch(&world.join("sources"), &wanted)?;
    let project = |name, compiler, flags, folder: PathBuf, below: &[&str], extension: &str| {
        let mut sources = Vec::new();
        for below in below {
            list_sources(&folder, Path::new(below), extension, &mut sources)?;
        }
        sources.sort();
        // All over it: some parts of a project read many more headers than others.
        let n_chosen = sources.len().min(MOST_SOURCES);
        let sources: Vec<String> = (0..n_chosen)
            .map(|number| sources[number * sources.len() / n_chosen].clone())
            .collect();
        ensure!(!sources.is_empty(), "no sources in {}", folder.display());
        // What is fetched is everybody's.
        let copy = world.join(compiler);
        let status = Command::new("cp").arg("-r").arg(folder).arg(&copy).status()?;
        ensure!(status.success(), "the sources cannot be copied");
        Ok(Project { name, compiler, flags, folder: copy, sources })
    };
    Ok(vec![
        project(
            "Lua (C)",
            "gcc",
            "-O2 -std=gnu99 -DLUA_USE_POSIX",
            packages.folder("lua-src")?.join("lua-5.4.7"),
            &["."],
            ".c",
        )?,
        project(
            "RocksDB (C++)",
            "g++",
            "-O2 -w -std=c++17 -I. -Iinclude -DOS_LINUX -DROCKSDB_PLATFORM_POSIX \
             -DROCKSDB_LIB_IO_POSIX",
            packages.folder("librocksdb-sys")?.join("rocksdb"),
            &ROCKSDB_FOLDERS,
            ".cc",
        )?,
    ])
}

/// How many headers a source reads, in the mean.
fn headers(project: &Project) -> Result<usize> {
    let mut n_headers = 0;
    for source in &project.sources {
        let mut command = Command::new(project.compiler);
        command.args(project.flags.split_whitespace()).args(["-M", source]);
        let ran = command.current_dir(&project.folder).output()?;
        ensure!(ran.status.success(), "{source} cannot be preprocessed");
        // The object and the source come first.
        let words = String::from_utf8(ran.stdout)?;
        n_headers +=
            words.split_whitespace().filter(|word| *word != "\\").count().saturating_sub(2);
    }
    Ok(n_headers / project.sources.len())
}

/// Puts the sources below a folder into a list, by their names from the project's folder.
fn list_sources(
    project: &Path,
    below: &Path,
    extension: &str,
    sources: &mut Vec<String>,
) -> Result<()> {
    let is_program = ["_test.", "_bench.", "test_util", "lua.", "luac."];
    for entry in std::fs::read_dir(project.join(below))? {
        let entry = entry?;
        let path = below.join(entry.file_name());
        let name = path.display().to_string();
        if entry.file_type()?.is_dir() && !below.as_os_str().eq(".") {
            list_sources(project, &path, extension, sources)?;
        } else if name.ends_with(extension) && !is_program.iter().any(|part| name.contains(part)) {
            sources.push(name);
        }
    }
    Ok(())
}

impl Setup {
    /// A server, and a client that has asked what it remembers of the compiler and the host.
    fn new(world: &Path, project: &Project, mode: Mode, pump: Option<&Path>) -> Result<Setup> {
        let folder = tempfile::tempdir_in(world)?.keep();
        std::fs::set_permissions(&folder, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
        let server = mode.kind().map(|kind| {
            let mut options = ServerOptions::new(kind);
            options.n_jobs = N_JOBS;
            Server::start(&folder, &options)
        });
        let host = server.as_ref().map(|server| server.host(mode.host_options()));
        let state = folder.join("state");
        std::fs::create_dir_all(&state)?;
        let uses_agent = mode == Mode::Pump(Kind::Ours);
        let environment = vec![
            ("DISTCC_HOSTS", host.unwrap_or_default().into()),
            ("DISTCC_DIR", state.clone().into_os_string()),
            ("DISTCC_AGENT", if uses_agent { "1" } else { "0" }.into()),
            ("DISTCC_FALLBACK", "0".into()),
        ];
        let include_server = None;
        let mut setup = Setup { mode, state, environment, include_server, _server: server };
        match (mode, pump) {
            (Mode::Plain(Kind::Ours) | Mode::Pump(Kind::Ours), _) => {
                setup.get_acquainted(project)?;
            }
            (Mode::Pump(Kind::Original), Some(pump)) => setup.start_include_server(pump)?,
            _ => {}
        }
        Ok(setup)
    }

    fn environment(&self) -> impl Iterator<Item = (&'static str, OsString)> {
        self.environment.iter().map(|(name, value)| (*name, value.clone()))
    }

    /// Has a client ask what it remembers of a compiler and a host, and an agent what it remembers of
    /// a compiler. Then that agent ends: the first build's knows no file.
    fn get_acquainted(&mut self, project: &Project) -> Result<()> {
        let source = if project.compiler == "g++" { "empty.cc" } else { "empty.c" };
        std::fs::write(project.folder.join(source), "")?;
        let usual = self.environment.clone();
        self.environment.push(("DISTCC_AGENT", "0".into()));
        compile(project, self, source)?;
        self.environment = usual;
        compile(project, self, source)?;
        self.stop_agent()
    }

    /// Ends the agent, if there is one, and waits for its end.
    fn stop_agent(&self) -> Result<()> {
        let Some(pid) = agent(&self.state)? else { return Ok(()) };
        let mut stop = Command::new(program("distcc-agent"));
        let status = stop.arg("--stop").envs(self.environment()).status()?;
        ensure!(status.success(), "the agent does not end");
        let deadline = Instant::now() + Duration::from_secs(60);
        while is_there(pid) {
            ensure!(Instant::now() < deadline, "the agent does not end");
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// Starts 3.4's include server by the folder's `pump`.
    fn start_include_server(&mut self, folder: &Path) -> Result<()> {
        let pump = folder.join("pump");
        let started = Command::new(&pump).arg("--startup").envs(self.environment()).output()?;
        ensure!(started.status.success(), "pump --startup failed");
        let text = String::from_utf8(started.stdout)?;
        let value = |name: &str| -> Result<String> {
            let start = format!("export {name}='");
            let line = text.lines().find_map(|line| line.strip_prefix(&start));
            let value = line.and_then(|line| line.strip_suffix('\''));
            Ok(value.context("pump says nothing")?.to_owned())
        };
        for name in ["INCLUDE_SERVER_PID", "INCLUDE_SERVER_DIR", "INCLUDE_SERVER_PORT"] {
            self.environment.push((name, value(name)?.into()));
        }
        self.include_server = Some((value("INCLUDE_SERVER_PID")?.parse()?, pump));
        Ok(())
    }

    /// What the process has cost that runs beside the clients and stays, if there is one.
    fn resident_time(&self) -> Result<Duration> {
        let pid = match &self.include_server {
            Some((pid, _)) => Some(*pid),
            None => agent(&self.state)?,
        };
        let Some(pid) = pid else { return Ok(Duration::ZERO) };
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let rest = stat.rsplit_once(") ").context("an odd stat file")?.1;
        // Those that it has started and waited for.
        let ticks: u64 =
            rest.split(' ').skip(13).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
        let children = ticks * 1000 / rustix::param::clock_ticks_per_second();
        Ok(sys::usage::of_process(pid)? + Duration::from_millis(children))
    }
}

impl Drop for Setup {
    fn drop(&mut self) {
        if let Some((_, pump)) = &self.include_server {
            let _ = Command::new(pump).arg("--shutdown").envs(self.environment()).output();
        }
        let _ = self.stop_agent();
    }
}

/// Compiles every source once, the first alone.
fn build(project: &Project, setup: &Setup) -> Result<Build> {
    let (first, others) = project.sources.split_at(1);
    let first_file = build_at_once(project, setup, first)?;
    let other_file = build_at_once(project, setup, others)? / others.len() as u32;
    Ok(Build { first_file, other_file })
}

/// Compiles sources side by side, and says what that cost.
fn build_at_once(project: &Project, setup: &Setup, sources: &[String]) -> Result<Duration> {
    let before = setup.resident_time()?;
    let next = AtomicUsize::new(0);
    let total = Mutex::new(Ok(Duration::ZERO));
    std::thread::scope(|scope| {
        for _ in 0..N_JOBS {
            scope.spawn(|| {
                while let Some(source) = sources.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let took = compile(project, setup, source);
                    let mut total = total.lock().unwrap();
                    match (&mut *total, took) {
                        (Ok(total), Ok(took)) => *total += took,
                        (total, Err(error)) => *total = Err(error),
                        (Err(_), _) => {}
                    }
                }
            });
        }
    });
    let total = total.into_inner().unwrap()?;
    Ok(total + setup.resident_time()?.saturating_sub(before))
}

/// Compiles a source, and says what the process cost with all that it has waited for.
fn compile(project: &Project, setup: &Setup, source: &str) -> Result<Duration> {
    let object = format!("{source}.o");
    let mut words: Vec<OsString> = setup.mode.client().iter().map(OsString::from).collect();
    words.push(project.compiler.into());
    words.extend(project.flags.split_whitespace().map(OsString::from));
    words.extend(["-c", source, "-o", &object].map(OsString::from));
    let mut command = Command::new(&words[0]);
    command
        .args(&words[1..])
        .env_remove("MAKEFLAGS")
        .envs(setup.environment())
        .current_dir(&project.folder)
        .stdin(Stdio::null());
    let child = command.spawn()?;
    let (status, usage) = sys::usage::wait(child.id() as i32)?;
    ensure!(status.success(), "{source} failed ({})", setup.mode.name());
    Ok(usage.user + usage.system)
}

/// The agent of a state folder, as far as there is one: the lock of one that has ended stays behind.
fn agent(state: &Path) -> Result<Option<u32>> {
    let Ok(text) = std::fs::read_to_string(file_of_agent(state, "lock-").unwrap_or_default())
    else {
        return Ok(None);
    };
    let pid: u32 = text.trim().parse()?;
    Ok(Some(pid).filter(|pid| is_there(*pid)))
}

fn is_there(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}
