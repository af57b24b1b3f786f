//! What a compile costs the client's processor: the compiler here, distcc 3.4 in plain and in pump
//! mode, and ours in both, on one project in C and one in C++ with many headers.
//!
//!   pump [FOLDER]
//!
//! FOLDER has a `pump` of 3.4's that works; without it that one is left out.
//!
//! Counted is everything on the client's side: the client and all that it starts, and what runs
//! beside it and stays (agent, include server). The servers are not. Times are the kernel's own
//! account of processes. `first` is a first build, with an agent or include server that knows
//! nothing, and servers that have nothing; `further` the mean of the builds after it. What ours asks a
//! compiler and a host once, and remembers for later builds, is asked before.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use support::{Kind, Packages, Server, ServerOptions, Wanted, file_of_agent, program};

/// How many builds there are after the first.
const N_FURTHER: usize = 2;

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

/// What runs beside the clients and stays.
enum Resident {
    Nothing,
    Process(u32),
}

/// A way to compile.
struct Way {
    name: &'static str,
    /// What stands before the compiler.
    prefix: Option<PathBuf>,
    environment: Vec<(&'static str, OsString)>,
    resident: fn(&Path) -> Result<Resident>,
}

/// Processor time a file.
#[derive(Clone, Copy, Debug)]
struct Cost {
    first: Duration,
    further: Duration,
}

fn main() -> Result<ExitCode> {
    let world = tempfile::tempdir()?;
    std::fs::set_permissions(world.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    let pump = std::env::args_os().nth(1).map(PathBuf::from);
    let projects = fetch(world.path())?;
    let servers = [("ours", Kind::Ours), ("original", Kind::Original)].map(|(name, kind)| {
        let mut options = ServerOptions::new(kind);
        options.n_jobs = N_JOBS;
        Server::start(&world.path().join(name), &options)
    });
    let (ours, original) = (servers[0].host("/8"), servers[1].host("/8"));
    for project in &projects {
        let (n_sources, n_headers) = (project.sources.len(), headers(project)?);
        println!("{}: {n_sources} files, {n_headers} headers each", project.name);
        println!("{:24}{:>12}{:>12}", "", "first", "further");
        let way = |name, prefix: Option<&str>, hosts: &str, agent: &str| -> Result<Way> {
            let state =
                world.path().join(format!("state {} {name}", project.name).replace(' ', "-"));
            std::fs::create_dir_all(&state)?;
            let environment = vec![
                ("DISTCC_HOSTS", hosts.into()),
                ("DISTCC_DIR", state.into_os_string()),
                ("DISTCC_AGENT", agent.into()),
                ("DISTCC_FALLBACK", "0".into()),
            ];
            Ok(Way { name, prefix: prefix.map(PathBuf::from), environment, resident: no_resident })
        };
        let distcc = program("distcc").display().to_string();
        let mut costs = Vec::new();
        let ways = [
            way("compiled here", None, "", "0")?,
            way("3.4, plain", Some("/usr/bin/distcc"), &format!("{original},lzo"), "0")?,
            way("ours, plain", Some(&distcc), &format!("{ours},lzo"), "0")?,
            Way { resident: agent, ..way("ours, pump", Some(&distcc), &ours, "1")? },
        ];
        for way in &ways {
            costs.push(measure(project, way)?);
            show(way.name, costs.last());
        }
        if let Some(folder) = &pump {
            let way =
                way("3.4, pump", Some("/usr/bin/distcc"), &format!("{original},lzo,cpp"), "0")?;
            let cost = with_include_server(folder, way, |way| measure(project, way))?;
            show("3.4, pump", Some(&cost));
            costs.push(cost);
        }
        compare(&costs);
    }
    Ok(ExitCode::SUCCESS)
}

fn show(name: &str, cost: Option<&Cost>) {
    let Some(cost) = cost else { return };
    let millis = |time: Duration| format!("{:.2} ms", time.as_secs_f64() * 1000.0);
    println!("{name:24}{:>12}{:>12}", millis(cost.first), millis(cost.further));
}

fn compare(costs: &[Cost]) {
    let ratio = |a: Duration, b: Duration| b.as_secs_f64() / a.as_secs_f64().max(1e-9);
    let [_, plain, _, ours, rest @ ..] = costs else { return };
    println!("ours, pump, further: 1/{:.1} of 3.4 plain", ratio(ours.further, plain.further));
    if let [pump] = rest {
        println!("ours, pump, first:   1/{:.1} of 3.4 pump", ratio(ours.first, pump.first));
        println!("ours, pump, further: 1/{:.1} of 3.4 pump", ratio(ours.further, pump.further));
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

fn measure(project: &Project, way: &Way) -> Result<Cost> {
    let n_files = project.sources.len() as u32;
    if way.prefix.as_deref() == Some(&program("distcc")) {
        get_acquainted(project, way)?;
    }
    let first = build(project, way)?;
    let mut further = Duration::ZERO;
    // The compiler here learns nothing from one build to the next.
    let n_further = if way.prefix.is_some() { N_FURTHER } else { 0 };
    for _ in 0..n_further {
        further += build(project, way)?;
    }
    let further = further.checked_div(n_files * n_further as u32).unwrap_or(first / n_files);
    Ok(Cost { first: first / n_files, further })
}

/// Has a client ask what it remembers of a compiler and a host, and an agent what it remembers of a compiler. Then
/// that agent ends: the first build's knows no file.
fn get_acquainted(project: &Project, way: &Way) -> Result<()> {
    let source = if project.compiler == "g++" { "empty.cc" } else { "empty.c" };
    std::fs::write(project.folder.join(source), "")?;
    for without_agent in [Some(("DISTCC_AGENT", "0".into())), None] {
        let mut environment = way.environment.clone();
        environment.extend(without_agent);
        let way =
            Way { name: way.name, prefix: way.prefix.clone(), environment, resident: no_resident };
        compile(project, &way, source)?;
    }
    let state = way.environment.iter().find(|(name, _)| *name == "DISTCC_DIR");
    let state = Path::new(state.map_or("".as_ref(), |(_, value)| value.as_os_str()));
    let Resident::Process(pid) = agent(state)? else { return Ok(()) };
    let environment = way.environment.iter().map(|(name, value)| (*name, value.clone()));
    let status = Command::new(program("distcc-agent")).arg("--stop").envs(environment).status()?;
    ensure!(status.success(), "the agent does not end");
    let deadline = Instant::now() + Duration::from_secs(60);
    while is_there(pid) {
        ensure!(Instant::now() < deadline, "the agent does not end");
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// Compiles every source once, and says what that cost.
fn build(project: &Project, way: &Way) -> Result<Duration> {
    let state = way.environment.iter().find(|(name, _)| *name == "DISTCC_DIR");
    let state = Path::new(state.map_or("".as_ref(), |(_, value)| value.as_os_str()));
    let before = resident_time(&(way.resident)(state)?)?;
    let next = AtomicUsize::new(0);
    let total = Mutex::new(Ok(Duration::ZERO));
    std::thread::scope(|scope| {
        for _ in 0..N_JOBS {
            scope.spawn(|| {
                while let Some(source) = project.sources.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let took = compile(project, way, source);
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
    let after = resident_time(&(way.resident)(state)?)?;
    Ok(total + after.saturating_sub(before))
}

/// Compiles a source, and says what the process cost with all that it has waited for.
fn compile(project: &Project, way: &Way, source: &str) -> Result<Duration> {
    let object = format!("{source}.o");
    let mut words: Vec<OsString> = way.prefix.iter().map(|path| path.into()).collect();
    words.push(project.compiler.into());
    words.extend(project.flags.split_whitespace().map(OsString::from));
    words.extend(["-c", source, "-o", &object].map(OsString::from));
    let mut command = Command::new(&words[0]);
    command
        .args(&words[1..])
        .env_remove("MAKEFLAGS")
        .envs(way.environment.iter().map(|(name, value)| (name, value)))
        .current_dir(&project.folder)
        .stdin(Stdio::null());
    let child = command.spawn()?;
    let (status, usage) = sys::usage::wait(child.id() as i32)?;
    ensure!(status.success(), "{source} failed ({})", way.name);
    Ok(usage.user + usage.system)
}

fn no_resident(_: &Path) -> Result<Resident> {
    Ok(Resident::Nothing)
}

/// The agent of a state folder, as far as there is one: the lock of one that has ended stays behind.
fn agent(state: &Path) -> Result<Resident> {
    let Ok(text) = std::fs::read_to_string(file_of_agent(state, "lock-").unwrap_or_default())
    else {
        return Ok(Resident::Nothing);
    };
    let pid: u32 = text.trim().parse()?;
    Ok(if is_there(pid) { Resident::Process(pid) } else { Resident::Nothing })
}

fn is_there(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

fn resident_time(resident: &Resident) -> Result<Duration> {
    let Resident::Process(pid) = resident else { return Ok(Duration::ZERO) };
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let rest = stat.rsplit_once(") ").context("an odd stat file")?.1;
    let fields: Vec<&str> = rest.split(' ').collect();
    let ticks: u64 = fields[11..15].iter().filter_map(|field| field.parse::<u64>().ok()).sum();
    Ok(Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second()))
}

/// Starts 3.4's include server, made by the folder's `pump`, for what `measure` does.
fn with_include_server(
    folder: &Path,
    mut way: Way,
    measure: impl FnOnce(&Way) -> Result<Cost>,
) -> Result<Cost> {
    let environment = way.environment.iter().map(|(name, value)| (*name, value.clone()));
    let started = Command::new(folder.join("pump")).arg("--startup").envs(environment).output()?;
    ensure!(started.status.success(), "pump --startup failed");
    let text = String::from_utf8(started.stdout)?;
    let value = |name: &str| -> Result<String> {
        let start = format!("export {name}='");
        let line = text.lines().find_map(|line| line.strip_prefix(&start));
        Ok(line.and_then(|line| line.strip_suffix('\'')).context("pump says nothing")?.to_owned())
    };
    let pid: u32 = value("INCLUDE_SERVER_PID")?.parse()?;
    for name in ["INCLUDE_SERVER_PID", "INCLUDE_SERVER_DIR", "INCLUDE_SERVER_PORT"] {
        way.environment.push((name, value(name)?.into()));
    }
    INCLUDE_SERVER.store(pid as usize, Ordering::Relaxed);
    way.resident = |_| Ok(Resident::Process(INCLUDE_SERVER.load(Ordering::Relaxed) as u32));
    let measured = measure(&way);
    let environment = way.environment.iter().map(|(name, value)| (*name, value.clone()));
    let _ = Command::new(folder.join("pump")).arg("--shutdown").envs(environment).output();
    measured
}

/// The process id of 3.4's include server.
static INCLUDE_SERVER: AtomicUsize = AtomicUsize::new(0);
