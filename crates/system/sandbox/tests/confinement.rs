//! What a job can do, and what it cannot, at each level; as root and as an ordinary user.
//!
//! A sandbox is started by a process with one thread, so these tests run one after the other in
//! `main`.

use std::fs::File;
use std::io::Read;
use std::net::TcpListener;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use sandbox::{Failure, Layer, LayerKind, Level, Limits, Sandbox, Task, Tree, View};

/// Whom the tests are run as, besides root.
const NOBODY: u32 = 65534;

/// Set in the process that is `NOBODY`.
const IS_NOBODY: &str = "DISTCC_RS_TEST_IS_NOBODY";

const LIMITS: Limits = Limits {
    address_space_bytes: 4 << 30,
    cpu_seconds: 600,
    file_bytes: 1 << 20,
    n_files: 200,
    n_processes: 40,
};

/// A sandbox and its folders.
struct World {
    level: Level,
    sandbox: Sandbox,
    folder: tempfile::TempDir,
}

/// What a job left.
#[derive(Debug)]
struct Done {
    status: Result<i32, Failure>,
    stdout: String,
    stderr: String,
}

impl Done {
    fn exit_code(&self) -> i32 {
        match &self.status {
            Ok(status) if status & 0x7f == 0 => status >> 8,
            other => panic!("{other:?} {self:?}"),
        }
    }
}

impl World {
    fn new(level: Level) -> World {
        let folder = tempfile::tempdir().unwrap();
        let jobs = folder.path().canonicalize().unwrap().join("jobs");
        std::fs::create_dir(&jobs).unwrap();
        let view = View { more: vec![], jobs };
        let sandbox = match Sandbox::at(level, &view, &LIMITS) {
            Ok(sandbox) => sandbox,
            Err(shortfall) => panic!("{shortfall}"),
        };
        World { level, sandbox, folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().canonicalize().unwrap().join(name)
    }

    fn task(&self, program: &str, arguments: &[&str]) -> Task {
        let own_folder = self.path("jobs/own");
        let _ = std::fs::create_dir(&own_folder);
        Task {
            program: program.into(),
            name: Path::new(program).file_name().unwrap_or_default().to_owned(),
            arguments: arguments.iter().map(|word| (*word).into()).collect(),
            environment: vec![
                "PATH=/usr/bin:/bin".into(),
                format!("TMPDIR={}", own_folder.display()).into(),
                "X=a=b".into(),
            ],
            folder: own_folder.clone(),
            own_folder,
            tree: None,
        }
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Done {
        self.run_task(&self.task(program, arguments))
    }

    /// A task with a tree of these files, which are in `/w` then.
    fn task_with_tree(&self, script: &str, files: &[&str], layers: &[(LayerKind, &str)]) -> Task {
        let own = self.path("jobs/own");
        let _ = std::fs::remove_dir_all(&own);
        let task = self.task("/bin/sh", &["-c", script]);
        for folder in ["root/w", "tmp"] {
            std::fs::create_dir_all(own.join(folder)).unwrap();
        }
        for name in files {
            let path = own.join("root").join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "client's\n").unwrap();
        }
        let layer = |(kind, folder): &(LayerKind, &str)| {
            let source = own.join("root").join(folder.trim_start_matches('/'));
            std::fs::create_dir_all(&source).unwrap();
            Layer { kind: *kind, folder: folder.into(), source }
        };
        let layers = layers.iter().map(layer).collect();
        let tree = Tree { root: own.join("root"), temporary: own.join("tmp"), layers };
        Task { folder: "/w".into(), tree: Some(tree), ..task }
    }

    fn run_task(&self, task: &Task) -> Done {
        let outputs = [self.path("stdout"), self.path("stderr")];
        let [stdout, stderr] = outputs.each_ref().map(|path| File::create(path).unwrap());
        let started = self.sandbox.start(task, stdout.as_fd(), stderr.as_fd(), None);
        let status = started.and_then(|mut job| {
            loop {
                if let Some(status) = job.status()? {
                    return Ok(status);
                }
                wait_for(&job);
            }
        });
        let [stdout, stderr] = outputs.map(|path| std::fs::read_to_string(path).unwrap());
        Done { status, stdout, stderr }
    }

    fn sh(&self, script: &str) -> Done {
        self.run("/bin/sh", &["-c", script])
    }

    fn has_files(&self) -> bool {
        self.level >= Level::Landlock
    }

    fn has_namespaces(&self) -> bool {
        self.level == Level::Namespaces
    }
}

fn wait_for(job: &sandbox::Job) {
    let news = job.news();
    let mut ends = [rustix::event::PollFd::new(&news, rustix::event::PollFlags::IN)];
    rustix::event::poll(&mut ends, None).unwrap();
}

fn a_job_has_its_folder_its_environment_and_its_status(world: &World) {
    let done = world.sh("pwd; env | sort; echo x > made; echo y >&2; exit 7");
    assert_eq!(done.exit_code(), 7, "{done:?}");
    let place = world.path("jobs/own").display().to_string();
    let lines: Vec<&str> = done.stdout.lines().collect();
    let [pwd, temporary] = ["PWD", "TMPDIR"].map(|name| format!("{name}={place}"));
    assert_eq!(lines, [&place, "PATH=/usr/bin:/bin", &pwd, &temporary, "X=a=b"]);
    assert_eq!(done.stderr, "y\n");
    assert_eq!(std::fs::read_to_string(world.path("jobs/own/made")).unwrap(), "x\n");
}

fn what_cannot_be_executed_is_told_apart(world: &World) {
    match world.run("/usr/bin/no-such-compiler", &[]).status {
        Err(Failure::NotExecuted(error)) => {
            assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
        }
        other => panic!("{other:?}"),
    }
}

fn nothing_outside_can_be_written(world: &World) {
    if !world.has_files() {
        return;
    }
    let markers =
        [world.path("marker"), world.path("jobs/marker"), "/var/tmp/marker-of-test".into()];
    for marker in &markers {
        let marker = marker.display();
        let done = world.sh(&format!("echo x > {marker}; mkdir -p {marker}.d; ln -s / {marker}.l"));
        assert_ne!(done.exit_code(), 0, "{done:?}");
    }
    for marker in markers {
        assert!(!marker.exists(), "{}", marker.display());
    }
    let done = world.sh("echo x > /usr/lib/x || mkdir /x || rm /bin/sh");
    assert_ne!(done.exit_code(), 0, "{done:?}");
}

fn nothing_outside_can_be_read(world: &World) {
    if !world.has_files() {
        return;
    }
    std::fs::write(world.path("secret"), "secret").unwrap();
    std::fs::create_dir_all(world.path("jobs/other")).unwrap();
    std::fs::write(world.path("jobs/other/source.c"), "secret").unwrap();
    for secret in [world.path("secret"), world.path("jobs/other/source.c"), "/etc/passwd".into()] {
        let done = world.run("/bin/cat", &[secret.to_str().unwrap()]);
        assert_eq!((done.exit_code(), done.stdout.as_str()), (1, ""), "{done:?}");
    }
    // A way by a link that the job makes.
    let done = world.sh("ln -s /etc/passwd link; cat link");
    assert_eq!((done.exit_code(), done.stdout.as_str()), (1, ""), "{done:?}");
}

fn other_jobs_cannot_be_seen(world: &World) {
    if !world.has_namespaces() {
        return;
    }
    std::fs::create_dir_all(world.path("jobs/other")).unwrap();
    let done = world.sh("ls ..; ls -a / | tr '\\n' ' '");
    assert!(done.stdout.starts_with("own\n"), "{done:?}");
    assert!(!done.stdout.contains("home") && !done.stdout.contains("root"), "{done:?}");
}

fn what_a_job_brings_is_not_executed(world: &World) {
    if !world.has_files() {
        return;
    }
    let done = world.sh("cp /bin/true mine; chmod +x mine; ./mine");
    assert_eq!(done.exit_code(), 126, "{done:?}");
}

fn the_network_cannot_be_reached(world: &World) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    let done = world.run("/bin/bash", &["-c", &format!("echo x > /dev/tcp/127.0.0.1/{port}")]);
    assert_ne!(done.exit_code(), 0, "{done:?}");
    assert!(listener.accept().is_err());
}

fn no_other_process_can_be_seen_or_ended(world: &World) {
    let mut victim = Command::new("sleep").arg("1000").spawn().unwrap();
    let done = world.sh(&format!("kill -9 {0} || exit 3", victim.id()));
    assert_ne!(done.exit_code(), 0, "{done:?}");
    assert!(victim.try_wait().unwrap().is_none());
    victim.kill().unwrap();
    victim.wait().unwrap();
    if world.has_namespaces() {
        let done = world.sh("ls /proc | grep -c '^[0-9]'");
        // The first process, the shell, ls and grep.
        assert!(matches!(done.stdout.trim(), "3" | "4"), "{done:?}");
    }
}

fn no_further_namespaces_can_be_made(world: &World) {
    assert_ne!(world.run("/usr/bin/unshare", &["--user", "true"]).exit_code(), 0);
}

fn nothing_is_left_when_a_job_ends(world: &World) {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let task =
        world.task("/bin/sh", &["-c", "setsid sleep 1000 & sleep 1000 & (sleep 1000 &); exit 0"]);
    let null = File::open("/dev/null").unwrap();
    let mut job = world.sandbox.start(&task, writer.as_fd(), null.as_fd(), None).unwrap();
    drop(writer);
    wait_for(&job);
    assert_eq!(job.status().unwrap(), Some(0));
    // Ends only when all who could write are gone.
    assert_eq!(reader.read(&mut [0; 9]).unwrap(), 0);
}

fn nothing_is_left_when_a_job_is_ended(world: &World) {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let script = "trap '' TERM INT HUP; echo x; setsid sleep 1000 & sleep 1000 & wait; wait";
    let task = world.task("/bin/sh", &["-c", script]);
    let null = File::open("/dev/null").unwrap();
    let job = world.sandbox.start(&task, writer.as_fd(), null.as_fd(), None).unwrap();
    drop(writer);
    let mut said = [0; 2];
    reader.read_exact(&mut said).unwrap();
    drop(job);
    assert_eq!(reader.read(&mut said).unwrap(), 0);
}

fn limits_are_set(world: &World) {
    let done = world.sh("ulimit -v; ulimit -t; ulimit -n; ulimit -c; ulimit -f");
    let numbers: Vec<&str> = done.stdout.lines().collect();
    // Kilobytes, and blocks of 512 bytes.
    assert_eq!(numbers, ["4194304", "600", "200", "0", "2048"], "{done:?}");
    let done = world.sh("head -c 3000000 /dev/zero > big");
    assert_ne!(done.exit_code(), 0, "{done:?}");
    assert!(std::fs::metadata(world.path("jobs/own/big")).unwrap().len() <= LIMITS.file_bytes);
    // The system lets root have as many as it likes.
    if world.has_namespaces() && !rustix::process::geteuid().is_root() {
        let done = world.sh("for i in $(seq 100); do sleep 1000 & done");
        assert!(done.stderr.contains("ork"), "{done:?}");
    }
}

fn compilers_make_what_they_make_outside(world: &World) {
    let source = "#include <stdio.h>\n#include <string>\nint main() { std::string s = \"x\"; puts(s.c_str()); }";
    for compiler in ["/usr/bin/g++", "/usr/bin/clang++"] {
        let own = world.path("jobs/own");
        let _ = std::fs::create_dir(&own);
        std::fs::write(own.join("a.cc"), source).unwrap();
        let words = ["-g", "-O2", "-c", "a.cc", "-o", "a.o"];
        let done = world.run(compiler, &words);
        assert_eq!(done.exit_code(), 0, "{compiler} {done:?}");
        let inside = std::fs::read(own.join("a.o")).unwrap();
        let status = Command::new(compiler).args(words).current_dir(&own).status().unwrap();
        assert!(status.success());
        assert!(inside == std::fs::read(own.join("a.o")).unwrap(), "{compiler}");
    }
}

fn a_program_that_dies_by_a_signal_is_told_as_such(world: &World) {
    if world.has_namespaces() {
        assert_eq!(world.sh("kill -SEGV $$").status.unwrap() & 0x7f, 11);
    }
}

fn a_clients_files_are_seen_at_the_clients_names(world: &World) {
    if !world.has_namespaces() {
        assert!(!world.sandbox.lays_out_trees());
        let done = world.run_task(&world.task_with_tree("exit 0", &[], &[]));
        assert!(matches!(done.status, Err(Failure::Broken(_))), "{done:?}");
        return;
    }
    assert!(world.sandbox.lays_out_trees());
    let script = "pwd; cat a /opt/x/b; echo new > out; echo new > /opt/x/out; ls /; ls -A /tmp";
    let done = world.run_task(&world.task_with_tree(script, &["w/a", "opt/x/b"], &[]));
    assert!(done.stdout.starts_with("/w\nclient's\nclient's\n"), "{done:?}");
    assert!(!done.stdout.contains("home") && !done.stdout.contains("root"), "{done:?}");
    assert_eq!((done.exit_code(), done.stderr.as_str()), (0, ""));
    for name in ["w/out", "opt/x/out"] {
        let made = world.path("jobs/own/root").join(name);
        assert_eq!(std::fs::read_to_string(made).unwrap(), "new\n");
    }
    let secret = world.path("secret");
    std::fs::write(&secret, "secret").unwrap();
    let script = format!("cat {} /etc/passwd {}", secret.display(), world.path("jobs/x").display());
    let done = world.run_task(&world.task_with_tree(&script, &[], &[]));
    assert_eq!((done.exit_code(), done.stdout.as_str()), (1, ""), "{done:?}");
}

fn a_tree_may_be_in_memory(world: &World) {
    if !world.has_namespaces() {
        return;
    }
    let script = "cat a; echo new > out; head -c 999999 /dev/zero > big; cp a /tmp/a; exit 0";
    let task = world.task_with_tree(script, &[], &[]);
    let memory = world.sandbox.memory(100 << 10, 60).unwrap();
    let mode = rustix::fs::Mode::RWXU;
    for name in ["root", "root/w", "tmp"] {
        rustix::fs::mkdirat(&memory, name, mode).unwrap();
    }
    let open = |name: &str, flags| {
        let flags = flags | rustix::fs::OFlags::CLOEXEC;
        File::from(rustix::fs::openat(&memory, name, flags, mode).unwrap())
    };
    let create = rustix::fs::OFlags::CREATE | rustix::fs::OFlags::WRONLY;
    std::io::Write::write_all(&mut open("root/w/a", create), b"client's\n").unwrap();
    let outputs = [world.path("stdout"), world.path("stderr")];
    let [stdout, stderr] = outputs.each_ref().map(|path| File::create(path).unwrap());
    let memory_given = Some(memory.as_fd());
    let mut job = world.sandbox.start(&task, stdout.as_fd(), stderr.as_fd(), memory_given).unwrap();
    wait_for(&job);
    assert_eq!(job.status().unwrap(), Some(0));
    assert_eq!(std::fs::read_to_string(&outputs[0]).unwrap(), "client's\n");
    // It is there for as long as somebody has it, and no larger than was said.
    let mut made = String::new();
    open("root/w/out", rustix::fs::OFlags::RDONLY).read_to_string(&mut made).unwrap();
    assert_eq!(made, "new\n");
    assert!(open("root/w/big", rustix::fs::OFlags::RDONLY).metadata().unwrap().len() <= 100 << 10);
    assert_eq!(std::fs::read_dir(world.path("jobs/own/root/w")).unwrap().count(), 0);
}

fn folders_of_the_system_are_covered_as_told(world: &World) {
    if !world.has_namespaces() {
        return;
    }
    let files = ["usr/include/a.h", "usr/lib/gcc/b.h", "usr/src/c.h", "usr/share/doc/new/d.h"];
    let layers = [
        (LayerKind::Added, "/usr/share"),
        (LayerKind::Hiding, "/usr/include"),
        (LayerKind::Merged, "/usr/lib/gcc"),
        (LayerKind::Writable, "/usr/src"),
    ];
    let script = "ls /usr/include /usr/src; cat /usr/lib/gcc/b.h /usr/share/doc/new/d.h; \
                  ls -d /usr/lib/gcc/*/ /usr/share/doc/gcc*/ | head -c 12; echo x > /usr/src/out; \
                  for place in /usr/include /usr/lib/gcc /usr/share /usr/bin /usr/lib /etc; do \
                  (echo x > $place/x) 2>/dev/null && echo $place; done; exit 0";
    let done = world.run_task(&world.task_with_tree(script, &files, &layers));
    let expected = "/usr/include:\na.h\n\n/usr/src:\nc.h\nclient's\nclient's\n/usr/lib/gcc";
    assert_eq!((done.exit_code(), done.stdout.as_str()), (0, expected), "{done:?}");
    assert!(world.path("jobs/own/root/usr/src/out").exists());
}

fn nothing_of_a_clients_is_executed(world: &World) {
    if !world.has_namespaces() {
        return;
    }
    let script = "cp /bin/true /w/t; cp /bin/true $TMPDIR/t; cp /bin/true /usr/src/t; \
                  /w/t; a=$?; $TMPDIR/t; b=$?; /usr/src/t; echo $a $b $?";
    let mut task = world.task_with_tree(script, &[], &[(LayerKind::Writable, "/usr/src")]);
    let own = world.path("jobs/own/tmp");
    task.environment.push(format!("TMPDIR={}", own.display()).into());
    let done = world.run_task(&task);
    assert_eq!(done.stdout, "126 126 126\n", "{done:?}");
}

fn a_clients_links_do_not_move_the_systems_folders(world: &World) {
    if !world.has_namespaces() {
        return;
    }
    for (link, target) in [("usr", "/tmp"), ("proc", "w"), ("lib", "w"), ("etc", "/tmp")] {
        let task = world.task_with_tree("echo ran", &[], &[]);
        std::os::unix::fs::symlink(target, world.path("jobs/own/root").join(link)).unwrap();
        let done = world.run_task(&task);
        assert!(matches!(done.status, Err(Failure::Broken(_))), "{link}: {done:?}");
    }
    let outside = world.path("outside");
    std::fs::create_dir_all(&outside).unwrap();
    let mut task = world.task_with_tree("echo ran", &[], &[]);
    task.tree.as_mut().unwrap().root = outside;
    assert!(matches!(world.run_task(&task).status, Err(Failure::Broken(_))));
}

/// A test: what it shows, and how.
type Test = (&'static str, fn(&World));

macro_rules! tests {
    ($($name:ident),* $(,)?) => { [$((stringify!($name), $name as fn(&World))),*] };
}

const TESTS: [Test; 19] = tests![
    a_job_has_its_folder_its_environment_and_its_status,
    what_cannot_be_executed_is_told_apart,
    nothing_outside_can_be_written,
    nothing_outside_can_be_read,
    other_jobs_cannot_be_seen,
    what_a_job_brings_is_not_executed,
    the_network_cannot_be_reached,
    no_other_process_can_be_seen_or_ended,
    no_further_namespaces_can_be_made,
    nothing_is_left_when_a_job_ends,
    nothing_is_left_when_a_job_is_ended,
    limits_are_set,
    compilers_make_what_they_make_outside,
    a_program_that_dies_by_a_signal_is_told_as_such,
    a_clients_files_are_seen_at_the_clients_names,
    a_tree_may_be_in_memory,
    folders_of_the_system_are_covered_as_told,
    nothing_of_a_clients_is_executed,
    a_clients_links_do_not_move_the_systems_folders,
];

fn main() {
    let wanted: Vec<String> =
        std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let who = if std::env::var_os(IS_NOBODY).is_some() { "nobody" } else { "own user" };
    for level in Level::BEST_FIRST {
        for (name, test) in TESTS {
            if wanted.is_empty() || wanted.iter().any(|part| name.contains(part.as_str())) {
                // A panic ends the process with its message and an exit code.
                println!("test {level}::{name} ({who}) ...");
                test(&World::new(level));
            }
        }
    }
    if rustix::process::geteuid().is_root() && std::env::var_os(IS_NOBODY).is_none() {
        // The program itself may lie where nobody else can look.
        let folder =
            tempfile::Builder::new().prefix("distcc-rs-sandbox").tempdir_in("/tmp").unwrap();
        let copy = folder.path().join("confinement");
        std::fs::copy(std::env::current_exe().unwrap(), &copy).unwrap();
        std::os::unix::fs::chown(folder.path(), Some(NOBODY), Some(NOBODY)).unwrap();
        let mut again = Command::new(&copy);
        again.args(std::env::args_os().skip(1)).env(IS_NOBODY, "1").env("TMPDIR", folder.path());
        let status = again.current_dir("/").uid(NOBODY).gid(NOBODY).status().unwrap();
        assert!(status.success(), "as an ordinary user: {status}");
    }
}
