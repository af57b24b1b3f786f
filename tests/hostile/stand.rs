//! A server to attack, and what it has to look like afterwards.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use support::{Kind, Server, ServerOptions, World, program, run, script};
use wire::Version;

use crate::Attack;
use crate::talk::{Answer, Expect, PATIENCE, Talk, request, words};

/// Words of a file that no client may see.
pub(crate) const SECRET: &[u8] = b"secret_of_this_server";

/// How much more memory than at first the worker may have after an attack.
const MORE_MEMORY_KIB: u64 = 16 << 10;

/// How long a server may take to be as before.
const CLEAN_UP_PATIENCE: Duration = Duration::from_secs(60);

/// How an answer that the server is busy begins, where the good job says why it failed.
const BUSY: &str = "WaitStatus(29184)";

/// The job that has to succeed after each attack.
const GOOD_COMMAND: &str = "gcc -O1 -c good.c -o good.o";
const GOOD_SOURCE: &str = "int good(int x) { return x * 3; }\n";

/// Which server, and who started it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Debian's distccd.
    Original,
    /// Ours, started by root.
    AsRoot,
    /// Ours, started by somebody else.
    AsUser,
    /// Ours, with a second's patience.
    Impatient,
    /// Ours, where the system gives few threads and descriptors.
    Cramped,
}

impl Role {
    /// The servers of ours that can be started here.
    pub(crate) fn of_ours() -> Vec<Role> {
        let mut roles = vec![Role::AsUser, Role::Impatient];
        if rustix::process::geteuid().is_root() {
            roles.insert(0, Role::AsRoot);
            roles.push(Role::Cramped);
        }
        roles
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Role::Original => "original",
            Role::AsRoot => "as_root",
            Role::AsUser => "as_user",
            Role::Impatient => "impatient",
            Role::Cramped => "cramped",
        }
    }
}

/// Whether our server can confine compilers: what only that prevents is tried as soon as it can.
pub(crate) fn has_sandbox() -> bool {
    static HAS: OnceLock<bool> = OnceLock::new();
    *HAS.get_or_init(|| {
        let help = run(Command::new(program("distccd")).arg("--help"), PATIENCE);
        String::from_utf8_lossy(&help.stdout).contains("--sandbox")
    })
}

/// A server at work, with bait around it.
pub(crate) struct Stand {
    world: World,
    pub(crate) server: Server,
    /// Where the statistics page of ours is.
    pub(crate) stats_port: u16,
    /// Attacks come one after the other.
    turn: Mutex<()>,
    /// What the good job makes.
    good_object: Vec<u8>,
    figures: Figures,
}

/// What must not change.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Figures {
    /// All processes of the server but the one that was started: its worker first.
    processes: Vec<u32>,
    n_threads: usize,
    n_descriptors: usize,
    n_supervisor_descriptors: usize,
    memory_kib: u64,
}

impl Stand {
    pub(crate) fn start(role: Role) -> Stand {
        let world = World::new();
        let _ = world.open_folder("out");
        make_bait(&world);
        let is_original = role == Role::Original;
        let kind = if is_original { Kind::Original } else { Kind::Ours };
        let mut options = ServerOptions::new(kind);
        options.compilers.extend(["clang".to_owned(), "clang++".to_owned()]);
        options.allow = vec!["127.0.0.0/8".to_owned()];
        if matches!(role, Role::AsUser | Role::Impatient) && rustix::process::geteuid().is_root() {
            let become_nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
            options.launcher.extend(become_nobody.map(str::to_owned));
        }
        let stats_port = free_port();
        if !is_original {
            let port = stats_port.to_string();
            options.more.extend(["--stats", "--stats-port", &port].map(str::to_owned));
        }
        if role == Role::Cramped {
            // A user of its own: the system counts by user.
            let user = 100_000 + std::process::id() % 50_000;
            let become_somebody = ["setpriv", &format!("--reuid={user}"), "--regid=65534"];
            options.launcher.extend(become_somebody.map(str::to_owned));
            let few = ["--clear-groups", "prlimit", "--nproc=40", "--nofile=1024"];
            options.launcher.extend(few.map(str::to_owned));
        }
        if role == Role::Impatient {
            options.launcher.extend(["env", "DISTCC_IO_TIMEOUT=1"].map(str::to_owned));
        }
        let server = Server::start(&world.folder("server"), &options);
        let good_object = good_object(&world);
        let mut stand = Stand {
            world,
            server,
            stats_port,
            turn: Mutex::new(()),
            good_object,
            figures: Figures {
                processes: Vec::new(),
                n_threads: 0,
                n_descriptors: 0,
                n_supervisor_descriptors: 0,
                memory_kib: 0,
            },
        };
        // Once before anything counts: what is set up at the first job is set up.
        if !is_original {
            stand.check_good_job().expect("a good job succeeds before the attacks");
            stand.wait_until_idle().expect("an idle server has nothing at work");
            stand.figures = stand.look();
        }
        stand
    }

    /// Whether it is Debian's.
    fn is_original(&self) -> bool {
        self.figures.processes.is_empty()
    }

    /// Attacks, and checks what is left.
    pub(crate) fn attack(&self, attack: &Attack) -> Result<()> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        self.take_marks();
        let attacked = attack(self);
        if self.is_original() {
            return attacked;
        }
        attacked
            .and_then(|()| self.check_aftermath())
            .with_context(|| format!("the server's log ends:\n{}", last_lines(&self.server.log())))
    }

    /// A text with the names of this world in their places.
    pub(crate) fn fill_in(&self, text: &str) -> String {
        let path = |name: &str| self.world.path().join(name).display().to_string();
        text.replace("{bait}", &path("bait")).replace("{out}", &path("out"))
    }

    /// A new folder that is empty.
    pub(crate) fn scratch(&self) -> PathBuf {
        let scratch = self.world.folder("scratch");
        let _ = std::fs::remove_dir_all(&scratch);
        self.world.folder("scratch")
    }

    /// The port to attack.
    pub(crate) fn port(&self) -> u16 {
        self.server.port
    }

    /// Sends bytes and waits for the answer to them.
    pub(crate) fn ask(&self, version: Version, bytes: &[u8]) -> Result<Answer> {
        let mut talk = Talk::connect(self.port())?;
        talk.send(bytes);
        talk.answer(version)
    }

    /// The files that attacks have made where none may.
    pub(crate) fn take_marks(&self) -> Vec<PathBuf> {
        let out = self.world.path().join("out");
        let entries = std::fs::read_dir(&out).expect("the folder is there").flatten();
        let marks: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
        for mark in &marks {
            let _ = std::fs::remove_file(mark).or_else(|_| std::fs::remove_dir_all(mark));
        }
        marks
    }

    /// Fails when an answer brings what no client may see.
    pub(crate) fn check_secret(&self, answer: &Answer) -> Result<()> {
        ensure!(!tells_secret(&answer.bytes()), "the answer holds what a file of the server says");
        Ok(())
    }

    fn check_aftermath(&self) -> Result<()> {
        // What the attack has left to do may still keep the server from this one.
        let deadline = Instant::now() + CLEAN_UP_PATIENCE;
        while let Err(error) = self.check_good_job() {
            let said = error.to_string();
            let is_busy =
                said.starts_with(BUSY) || said.contains("Resource temporarily unavailable");
            ensure!(is_busy && Instant::now() < deadline, "a good job after the attack: {error:#}");
            std::thread::sleep(Duration::from_millis(20));
        }
        self.wait_until_idle()?;
        let now = self.look();
        let marks = self.take_marks();
        ensure!(marks.is_empty(), "the attack has made {marks:?}");
        ensure!(
            now.memory_kib <= self.figures.memory_kib + MORE_MEMORY_KIB,
            "the worker has {} KiB, at first {}",
            now.memory_kib,
            self.figures.memory_kib
        );
        Ok(())
    }

    /// Does the good job, from this machine's usual address.
    pub(crate) fn check_good_job(&self) -> Result<()> {
        self.check_good_job_over(Talk::connect(self.port())?)
    }

    /// Asks for the good job over `talk`, and has to be answered, whatever it is.
    pub(crate) fn check_answered_over(&self, mut talk: Talk) -> Result<()> {
        talk.send(&request(Version::V2, &words(GOOD_COMMAND), GOOD_SOURCE.as_bytes()));
        Expect::Answered.check(&talk.answer(Version::V2)?)
    }

    /// Does the good job over `talk`.
    pub(crate) fn check_good_job_over(&self, mut talk: Talk) -> Result<()> {
        talk.send(&request(Version::V2, &words(GOOD_COMMAND), GOOD_SOURCE.as_bytes()));
        let Answer::Reply(reply) = talk.answer(Version::V2)? else { bail!("no reply") };
        let said = String::from_utf8_lossy(&reply.stderr).into_owned();
        ensure!(reply.status.is_success(), "{:?}: {said}", reply.status);
        ensure!(reply.object == self.good_object, "another object than the compiler's own");
        Ok(())
    }

    /// Waits until everything is as it was at first, but for memory.
    fn wait_until_idle(&self) -> Result<()> {
        let deadline = Instant::now() + CLEAN_UP_PATIENCE;
        loop {
            let left = self.left();
            if left.is_empty() {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "left behind: {}", left.join("; "));
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Has what is there now count as what was there at first.
    pub(crate) fn take_measure(&mut self) -> Result<()> {
        self.wait_until_idle()?;
        self.figures = self.look();
        Ok(())
    }

    /// Fails when something is left of what was asked of the server.
    pub(crate) fn check_idle(&self) -> Result<()> {
        self.wait_until_idle()
    }

    /// The worker's memory now.
    pub(crate) fn memory_kib(&self) -> u64 {
        self.look().memory_kib
    }

    /// What is there that was not there at first.
    fn left(&self) -> Vec<String> {
        let mut left = Vec::new();
        let temporaries = walk(&self.server.folder.join("tmp"));
        if temporaries.len() != 2 {
            left.push(format!("files {temporaries:?}"));
        }
        let (now, first) = (self.look(), &self.figures);
        if !first.processes.is_empty() {
            let same = now.processes == first.processes
                && now.n_threads == first.n_threads
                && now.n_descriptors == first.n_descriptors
                && now.n_supervisor_descriptors == first.n_supervisor_descriptors;
            if !same {
                left.push(format!("{now:?} instead of {first:?}"));
            }
        } else if now.n_threads > 3 {
            left.push(format!("threads: {now:?}"));
        }
        left
    }

    fn look(&self) -> Figures {
        let supervisor = self.server.pid();
        let processes = descendants(supervisor);
        let worker = processes.first().copied().unwrap_or_default();
        let count = |process: u32, what: &str| {
            std::fs::read_dir(format!("/proc/{process}/{what}")).map_or(0, Iterator::count)
        };
        Figures {
            processes,
            n_threads: count(worker, "task"),
            n_descriptors: count(worker, "fd"),
            n_supervisor_descriptors: count(supervisor, "fd"),
            memory_kib: resident_kib(worker),
        }
    }
}

/// Whether bytes hold what a file of the server says.
pub(crate) fn tells_secret(bytes: &[u8]) -> bool {
    bytes.windows(SECRET.len()).any(|window| window == SECRET)
}

/// Files that an attacker would like to have on the server, and one that he would like to read.
fn make_bait(world: &World) {
    let bait = world.folder("bait");
    let path = |name: &str| bait.join(name);
    let write = |name: &str, text: &str| {
        std::fs::write(path(name), text).expect("a test can write its files");
    };
    let out = world.path().join("out").display().to_string();
    let place = bait.display();
    std::fs::write(path("secret"), [SECRET, b" here\n"].concat()).expect("a test can write");
    write("secret.c", "char secret[] = \"secret_of_this_server\";\n");
    write(
        "plugin.c",
        &format!(
            "#include <fcntl.h>\n\
         void __attribute__((constructor)) start(void) {{ open(\"{out}/plugin\", O_CREAT, 0644); }}\n\
         int plugin_is_GPL_compatible;\n"
        ),
    );
    let mut gcc = Command::new("gcc");
    gcc.args(["-shared", "-fPIC", "-o"]).args([path("plugin.so"), path("plugin.c")]);
    assert_eq!(run(&mut gcc, PATIENCE).code, 0, "the plug-in can be built");
    let mark = format!(": > {out}/ran\nexit 1");
    std::fs::create_dir(path("parts")).expect("a test can make its folders");
    for name in ["run", "parts/cc1", "parts/cc1plus", "parts/as", "parts/gcc"] {
        script(&path(name), &mark);
    }
    write("specs", &format!("*cc1:\n+ -fplugin={place}/plugin.so\n\n"));
    write("response", &format!("-fplugin={place}/plugin.so\n"));
    write("as-response", &format!("-al={out}/listing\n"));
    write("clang.cfg", &format!("-fplugin={place}/plugin.so\n"));
}

/// What the compiler of this machine makes of the good job, under the name that a server gives it.
fn good_object(world: &World) -> Vec<u8> {
    let folder = world.folder("good");
    std::fs::write(folder.join("good.i"), GOOD_SOURCE).expect("a test can write its files");
    let mut gcc = Command::new("gcc");
    gcc.args(["-O1", "-c", "good.i", "-o", "good.o"]).current_dir(&folder);
    assert_eq!(run(&mut gcc, PATIENCE).code, 0);
    std::fs::read(folder.join("good.o")).expect("gcc has made it")
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    listener.local_addr().expect("a bound socket has an address").port()
}

/// The last lines of a log.
fn last_lines(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(12)..].join("\n")
}

/// Everything in a folder, and below.
fn walk(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        found.push(entry.path());
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            found.extend(walk(&entry.path()));
        }
    }
    found
}

/// The processes that a process has started, those that these have started, and so on; no zombies.
fn descendants(ancestor: u32) -> Vec<u32> {
    let mut parents = Vec::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
        let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let mut fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
        let state = fields.next().unwrap_or("Z");
        let parent = fields.next().and_then(|parent| parent.parse::<u32>().ok());
        if let (true, Some(parent)) = (state != "Z", parent) {
            parents.push((pid, parent));
        }
    }
    let mut found = vec![ancestor];
    let mut next = 0;
    while let Some(&process) = found.get(next) {
        found.extend(parents.iter().filter(|(_, parent)| *parent == process).map(|(pid, _)| *pid));
        next += 1;
    }
    found.split_off(1)
}

/// The memory of a process, in KiB.
fn resident_kib(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    number.unwrap_or_default()
}
