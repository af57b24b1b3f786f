//! Jobs whose source is preprocessed by the server: by themselves, right, and whatever happens to the
//! agent or to the files.

mod common;

use std::fmt::Write as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::{World, finish};
use rustix::process::{Pid, Signal, kill_process};
use support::{Kind, Server, ServerOptions, file_of_agent, program, wait_until};

/// A project with headers in several folders: so many sources, and a makefile for them.
fn lay_out(folder: &Path, n_files: usize) {
    for name in ["inc/deep", "sys", "empty"] {
        std::fs::create_dir_all(folder.join(name)).unwrap();
    }
    let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).unwrap();
    write("inc/one.h", "#pragma once\n#include \"deep/two.h\"\n#define ONE 1\n");
    write("inc/deep/two.h", "#include \"../three.h\"\nstatic inline int two(void) { return 2; }\n");
    write("inc/three.h", "enum { THREE = 3 };\n");
    write("sys/four.h", "#ifndef FOUR\n#define FOUR __FILE__\n#endif\n");
    write("inc/value.h", "#define VALUE 1\n");
    let _ = symlink("inc", folder.join("link"));
    let mut makefile = String::from("all:");
    for number in 0..n_files {
        write!(makefile, " {number}.o").unwrap();
        let source = format!(
            "#include <stdio.h>\n#include <one.h>\n#include <four.h>\n#include \"link/value.h\"\n\
             int f{number}(int x) {{ return printf(\"%s %s %d\", __FILE__, FOUR, x) + two() + THREE \
             + ONE + VALUE * {number}; }}\n"
        );
        std::fs::write(folder.join(format!("{number}.c")), source).unwrap();
    }
    makefile.push_str(
        "\nFLAGS = -O1 -Wall -Iempty -Imissing -Iinc -isystem sys\n\
         %.o: %.c\n\t$(CC) $(FLAGS) $(MORE) -MD -MF $*.d -MT $@ -MP -c $< -o $@\n",
    );
    write("Makefile", &makefile);
}

fn make(world: &World, folder: &Path, hosts: &str, n_jobs: usize) -> Command {
    let mut make = world.command("make");
    make.args(["--silent", &format!("-j{n_jobs}")])
        .arg(format!("CC={} gcc", program("distcc").display()))
        .env("DISTCC_HOSTS", hosts)
        .env_remove("MAKEFLAGS")
        .current_dir(folder)
        .stdin(Stdio::null());
    make
}

/// Checks that all objects and dependency files of `folder` are those that a local build makes.
#[track_caller]
fn check_all(world: &World, folder: &Path, n_files: usize) {
    let results: Vec<(PathBuf, Vec<u8>)> = (0..n_files)
        .flat_map(|number| [format!("{number}.o"), format!("{number}.d")])
        .map(|name| folder.join(name))
        .map(|path| (path.clone(), std::fs::read(path).unwrap()))
        .collect();
    for (path, _) in &results {
        std::fs::remove_file(path).unwrap();
    }
    let mut local = world.command("make");
    local.args(["--silent", "-j2", "CC=gcc"]).env_remove("MAKEFLAGS").current_dir(folder);
    let ran = finish(&mut local);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    for (path, content) in results {
        assert!(std::fs::read(&path).unwrap() == content, "{} differs", path.display());
    }
}

/// A number of `distcc --report`.
fn reported(world: &World, name: &str) -> usize {
    let ran = finish(world.command(program("distcc")).args(["--report", "--json"]));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let report: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    usize::try_from(report[name].as_u64().unwrap()).unwrap()
}

fn n_pumped(world: &World) -> usize {
    reported(world, "preprocessed_by_servers")
}

fn servers(world: &World) -> [Server; 2] {
    ["red", "green"].map(|name| world.server(name, &ServerOptions::new(Kind::Ours)))
}

fn hosts(servers: &[Server; 2]) -> String {
    servers.each_ref().map(|server| server.host("/8")).join(" ")
}

/// The process id of the world's agent.
fn agent(world: &World) -> Option<Pid> {
    let text = std::fs::read_to_string(file_of_agent(&world.state(), "lock-")?).ok()?;
    Pid::from_raw(text.trim().parse().ok()?)
}

#[test]
fn everything_goes_by_pump_mode_without_a_word() {
    const N_FILES: usize = 40;
    let world = World::new();
    let servers = servers(&world);
    let folder = world.folder("work");
    lay_out(&folder, N_FILES);
    let ran = finish(&mut make(&world, &folder, &hosts(&servers), 8));
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    assert_eq!(n_pumped(&world), N_FILES);
    check_all(&world, &folder, N_FILES);
}

/// How many files of each job so far the server had kept.
fn n_kept(server: &Server) -> Vec<usize> {
    let log = server.log();
    let told = log.lines().filter(|line| line.contains("dcc_r_many_files"));
    told.map(|line| match line.strip_suffix(" of them kept") {
        Some(rest) => rest.rsplit(' ').next().unwrap().parse().unwrap(),
        None => 0,
    })
    .collect()
}

#[test]
fn headers_travel_once() {
    const N_FILES: usize = 6;
    let world = World::new();
    let mut options = ServerOptions::new(Kind::Ours);
    let server = world.server("red", &options);
    options.more = ["--keep-files", "0"].map(str::to_owned).to_vec();
    let forgetful = world.server("green", &options);
    let folder = world.folder("work");
    lay_out(&folder, N_FILES);
    // What was changed just now is never left to what a server has.
    std::thread::sleep(Duration::from_millis(200));
    let mut n_built = 0;
    let mut build = |server: &Server| {
        for number in 0..N_FILES {
            let _ = std::fs::remove_file(folder.join(format!("{number}.o")));
        }
        let ran = finish(&mut make(&world, &folder, &server.host("/8"), 1));
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
        n_built += N_FILES;
        assert_eq!(n_pumped(&world), n_built);
        check_all(&world, &folder, N_FILES);
    };
    build(&server);
    let kept = n_kept(&server);
    assert_eq!((kept.len(), kept[0]), (N_FILES, 0));
    let most = kept[1];
    assert!(most > 20, "{kept:?}");
    // All but the source.
    assert_eq!(kept[1..], [most; N_FILES - 1]);
    build(&server);
    assert_eq!(n_kept(&server)[N_FILES..], [most + 1; N_FILES]);
    std::fs::write(folder.join("inc/value.h"), "#define VALUE 22\n").unwrap();
    std::thread::sleep(Duration::from_millis(200));
    build(&server);
    // The agent may have looked at the header just before; it sends what has changed as soon as the
    // first answer shows that.
    let kept = n_kept(&server);
    let after_edit = &kept[kept.len() - N_FILES..];
    assert_eq!(after_edit, [&[most][..], &[most + 1; N_FILES - 1]].concat());
    // Another process of the same server has nothing.
    let workers = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", server.pid()));
    let worker = workers.unwrap().split_whitespace().next().unwrap().parse().unwrap();
    kill_process(Pid::from_raw(worker).unwrap(), Signal::KILL).unwrap();
    wait_until("there is another worker", || server.log().matches("worker").count() > 0);
    build(&server);
    assert!(server.log().contains("are not kept here any more"));
    assert_eq!(*n_kept(&server).last().unwrap(), most);
    build(&forgetful);
    build(&forgetful);
    assert_eq!(n_kept(&forgetful), [0; 2 * N_FILES]);
}

#[test]
fn dependency_files_are_the_local_compilers() {
    let world = World::new();
    let mut options = ServerOptions::new(Kind::Ours);
    options.compilers.push("clang".to_owned());
    let server = world.server("red", &options);
    let folder = world.folder("work");
    lay_out(&folder, 1);
    let cases: [&[&str]; 9] = [
        &["-MD"],
        &["-MMD"],
        &["-MD", "-MP"],
        &["-MMD", "-MP", "-MF", "x.d"],
        &["-MD", "-MT", "a b", "-MQ", "c$d", "-MF", "x.d"],
        &["-Wp,-MD,x.d"],
        &["-Wp,-MMD,x.d"],
        &["-MD", "-MFsub/x.d", "-MTy"],
        &["-MMD", "-MT", "x.o", "-MT", "y.o"],
    ];
    std::fs::create_dir_all(folder.join("sub")).unwrap();
    for (number, words) in cases.into_iter().enumerate() {
        for compiler in ["gcc", "clang"] {
            let mut command =
                vec![compiler, "-Iinc", "-isystem", "sys", "-c", "0.c", "-o", "sub/0.o"];
            command.extend(words);
            let kept = |what: &str| -> Vec<(String, Vec<u8>)> {
                let mut kept = Vec::new();
                for name in ["sub/0.o", "sub/0.d", "0.d", "x.d", "sub/x.d"] {
                    let path = folder.join(name);
                    if let Ok(content) = std::fs::read(&path) {
                        std::fs::remove_file(path).unwrap();
                        kept.push((name.to_owned(), content));
                    }
                }
                assert!(!kept.is_empty(), "{what}");
                kept
            };
            let ran = world.distcc(&server.host("/8"), &command);
            assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{number} {compiler}");
            let ours = kept("ours");
            let ran = finish(world.command(compiler).args(&command[1..]));
            assert_eq!(ran.code, 0, "{}", ran.stderr);
            let local = kept("local");
            let shown = |files: &[(String, Vec<u8>)]| {
                let texts = files
                    .iter()
                    .map(|(name, text)| format!("{name}: {}", String::from_utf8_lossy(text)));
                texts.collect::<String>()
            };
            assert!(ours == local, "{words:?}:\n{}\n{}", shown(&ours), shown(&local));
        }
    }
}

#[test]
fn without_an_agent_everything_is_preprocessed_here() {
    let world = World::new();
    let server = world.server("red", &ServerOptions::new(Kind::Ours));
    let folder = world.folder("work");
    lay_out(&folder, 1);
    // A client that lies nowhere near its agent.
    let alone = world.folder("alone").join("distcc");
    std::fs::copy(program("distcc"), &alone).unwrap();
    let words = ["gcc", "-Iinc", "-isystem", "sys", "-c", "0.c", "-o", "0.o"];
    let mut said = Vec::new();
    for _ in 0..2 {
        let ran = world.run(&alone, &server.host("/8"), &words);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        said.push(ran.stderr);
    }
    assert!(said[0].contains("[agent-missing]") && said[0].contains("hint"), "{}", said[0]);
    assert_eq!(said[1], "");
    world.check_object("gcc", &words[1..], "0.o");
    assert_eq!((reported(&world, "done_by_servers"), n_pumped(&world)), (2, 0));
}

#[test]
fn who_wants_no_agent_has_none() {
    let world = World::new();
    let server = world.server("red", &ServerOptions::new(Kind::Ours));
    lay_out(&world.folder("work"), 1);
    let words = ["gcc", "-Iinc", "-isystem", "sys", "-c", "0.c", "-o", "0.o"];
    let mut command = world.command(program("distcc"));
    command.env("DISTCC_HOSTS", server.host("/8")).env("DISTCC_AGENT", "0");
    let ran = finish(command.args(words));
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    assert_eq!((reported(&world, "done_by_servers"), n_pumped(&world)), (1, 0));
    assert!(agent(&world).is_none());
}

#[test]
fn an_agent_that_hangs_costs_no_more_than_seconds() {
    let world = World::new();
    let server = world.server("red", &ServerOptions::new(Kind::Ours));
    let folder = world.folder("work");
    lay_out(&folder, 1);
    let words = ["gcc", "-Iinc", "-isystem", "sys", "-c", "0.c", "-o", "0.o"];
    assert_eq!(world.distcc(&server.host("/8"), &words).code, 0);
    let agent = agent(&world).unwrap();
    kill_process(agent, Signal::STOP).unwrap();
    for _ in 0..3 {
        let ran = world.distcc(&server.host("/8"), &words);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        world.check_object("gcc", &words[1..], "0.o");
    }
    kill_process(agent, Signal::CONT).unwrap();
    assert_eq!((reported(&world, "done_by_servers"), n_pumped(&world)), (4, 1));
}

/// Kills what is the agent at the moment, again and again, as long as a build runs.
fn kill_agents(world: &World, build: &mut Child, pause: Duration) -> usize {
    let mut n_killed = 0;
    let start = Instant::now();
    while build.try_wait().unwrap().is_none() {
        if let Some(agent) = agent(world)
            && kill_process(agent, Signal::KILL).is_ok()
        {
            n_killed += 1;
        }
        std::thread::sleep(pause);
        assert!(start.elapsed() < Duration::from_secs(600), "the build does not end");
    }
    n_killed
}

#[test]
fn agents_that_are_killed_leave_nothing_undone() {
    const N_FILES: usize = 200;
    let world = World::new();
    let servers = servers(&world);
    let folder = world.folder("work");
    lay_out(&folder, N_FILES);
    let mut build =
        make(&world, &folder, &hosts(&servers), 16).stderr(Stdio::null()).spawn().unwrap();
    let n_killed = kill_agents(&world, &mut build, Duration::from_millis(37));
    assert!(build.wait().unwrap().success());
    assert!(n_killed > 0);
    check_all(&world, &folder, N_FILES);
}

#[test]
fn headers_that_change_meanwhile_are_never_mixed_up() {
    let world = World::new();
    // A compiler slow enough for a header to change while it works.
    let server = world.server("red", &ServerOptions::new(Kind::Ours));
    let folder = world.folder("work");
    lay_out(&folder, 1);
    let words = ["gcc", "-Iinc", "-isystem", "sys", "-c", "0.c", "-o", "0.o"];
    type Change = fn(&Path);
    let changes: [Change; 5] = [
        |folder| std::fs::write(folder.join("inc/value.h"), "#define VALUE 2\n").unwrap(),
        |folder| {
            std::fs::write(folder.join("other.h"), "#define VALUE 3\n").unwrap();
            std::fs::remove_file(folder.join("inc/value.h")).unwrap();
            symlink("../other.h", folder.join("inc/value.h")).unwrap();
        },
        |folder| {
            std::fs::rename(folder.join("inc"), folder.join("was")).unwrap();
            symlink("was", folder.join("inc")).unwrap();
        },
        |folder| {
            std::fs::create_dir(folder.join("missing")).unwrap();
            std::fs::write(
                folder.join("missing/one.h"),
                "#define ONE 7\nenum { THREE };\nstatic int \
                two(void) { return 1; }\n",
            )
            .unwrap();
        },
        |folder| std::fs::write(folder.join("empty/four.h"), "#define FOUR \"other\"\n").unwrap(),
    ];
    let mut with_folders = words.to_vec();
    with_folders.extend(["-Imissing", "-Iempty"]);
    for change in changes {
        for words in [&words[..], &with_folders[..]] {
            let ran = world.distcc(&server.host("/8"), words);
            assert_eq!(ran.code, 0, "{}", ran.stderr);
            world.check_object("gcc", &words[1..], "0.o");
        }
        change(&folder);
        for words in [&words[..], &with_folders[..]] {
            let ran = world.distcc(&server.host("/8"), words);
            assert_eq!(ran.code, 0, "{}", ran.stderr);
            world.check_object("gcc", &words[1..], "0.o");
        }
    }
}

#[test]
fn many_builds_share_one_agent() {
    const N_BUILDS: usize = 50;
    const N_FILES: usize = 4;
    let world = World::new();
    let servers = servers(&world);
    let hosts = hosts(&servers);
    let folders: Vec<PathBuf> =
        (0..N_BUILDS).map(|number| world.folder(&format!("build-{number}"))).collect();
    let mut builds: Vec<Child> = folders
        .iter()
        .map(|folder| {
            lay_out(folder, N_FILES);
            make(&world, folder, &hosts, 2).spawn().unwrap()
        })
        .collect();
    for build in &mut builds {
        assert!(build.wait().unwrap().success());
    }
    assert_eq!(n_pumped(&world), N_BUILDS * N_FILES);
    for folder in &folders {
        check_all(&world, folder, N_FILES);
    }
}

#[test]
fn a_client_that_ends_takes_its_job_along() {
    let world = World::new();
    let server = world.server("red", &ServerOptions::new(Kind::Ours));
    // Takes long: many functions that call each other.
    let mut source = String::from("#include <stdio.h>\n#define A(n) int a##n(int x) { int s = 0;");
    source.push_str(" for (int i = 0; i < x; i++) s += printf(\"%d\", i * s); return s; }\n");
    for number in 0..6000 {
        writeln!(source, "A({number})").unwrap();
    }
    world.write("long.c", &source);
    let mut client = world
        .command(program("distcc"))
        .args(["gcc", "-O2", "-c", "long.c", "-o", "long.o"])
        .env("DISTCC_HOSTS", server.host("/8"))
        .spawn()
        .unwrap();
    let compiles = || {
        let text = std::fs::read_to_string("/proc/loadavg");
        text.is_ok() && !support::processes_using(&world.path().join("red/tmp")).is_empty()
    };
    wait_until("the server compiles", compiles);
    kill_process(Pid::from_child(&client), Signal::KILL).unwrap();
    client.wait().unwrap();
    wait_until("the server has nothing to do", || {
        std::fs::read_dir(world.path().join("red/tmp")).unwrap().count() <= 1
    });
    assert!(!world.has("long.o"));
}

#[test]
fn what_is_verified_is_compared_and_the_local_one_stays() {
    let world = World::new();
    let ours = ServerOptions::new(Kind::Ours);
    let good = world.server("good", &ours);
    let folder = world.folder("work");
    lay_out(&folder, 1);
    let words = ["gcc", "-Iinc", "-isystem", "sys", "-MMD", "-c", "0.c", "-o", "0.o"];
    let verified = |host: &str| {
        let mut command = world.command(program("distcc"));
        command.env("DISTCC_HOSTS", host).env("DISTCC_VERIFY", "100%");
        let ran = finish(command.args(words));
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        world.check_object("gcc", &words[1..], "0.o");
        ran.stderr
    };
    assert_eq!(verified(&good.host("/8")), "");
    assert_eq!(verified(&good.host("/8,plain")), "");
    assert_eq!((reported(&world, "done_by_servers"), n_pumped(&world)), (2, 1));
    // The same version, which optimizes by itself.
    let compilers = world.folder("compilers");
    for name in ["gcc", "x86_64-linux-gnu-gcc"] {
        support::impostor(&compilers.join(name), "/usr/bin/gcc", "exec /usr/bin/gcc -O2 \"$@\"");
    }
    let mut options = ours;
    options.path = Some(format!("{}:/usr/bin:/bin", compilers.display()));
    let odd = world.server("odd", &options);
    let said = verified(&odd.host("/8"));
    assert!(said.contains("[verify-differs]") && said.contains("hint: "), "{said}");
    assert!(world.state().join("verify/0.o").exists());
}

#[test]
fn a_full_disk_for_the_agent_costs_no_object() {
    let world = World::new();
    let server = world.server("red", &ServerOptions::new(Kind::Ours));
    let folder = world.folder("work");
    lay_out(&folder, 1);
    let words = ["-Iinc", "-isystem", "sys", "-c", "0.c", "-o", "0.o"];
    // Too small for anything but a folder.
    let script = format!(
        "mount -t tmpfs -o size=4k,nr_inodes=3 tmpfs {} && exec {} gcc {}",
        world.state().display(),
        program("distcc").display(),
        words.join(" ")
    );
    let mut command = world.command("unshare");
    if !rustix::process::geteuid().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    command.args(["--mount", "sh", "-c", &script]).env("DISTCC_HOSTS", server.host("/8"));
    let ran = finish(&mut command);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    world.check_object("gcc", &words, "0.o");
}

/// Who sees other files at the same names has an agent of their own, which sees what is mounted later.
#[test]
fn what_is_mounted_over_a_header_is_what_counts() {
    let world = World::new();
    let server = world.server("red", &ServerOptions::new(Kind::Ours));
    let folder = world.folder("work");
    lay_out(&folder, 2);
    for number in [2, 3] {
        world.write(&format!("inc/value{number}.h"), &format!("#define VALUE {number}\n"));
    }
    let words = ["-Iinc", "-isystem", "sys", "-c", "1.c", "-o"];
    let compile = [&["gcc"], &words[..], &["0.o"]].concat();
    for _ in 0..2 {
        assert_eq!(world.distcc(&server.host("/8"), &compile).code, 0);
    }
    // Time for what was just written to become old.
    let script = format!(
        "both() {{ {distcc} gcc {words} 1.o && gcc {words} 2.o && cmp 1.o 2.o; }} &&
        mount --bind inc/value2.h inc/value.h && both && sleep 0.2 && both && both &&
        mount --bind inc/value3.h inc/value.h && both && cp 1.o 3.o && {agent} --stop",
        distcc = program("distcc").display(),
        agent = program("distcc-agent").display(),
        words = words.join(" ")
    );
    let mut command = world.command("unshare");
    if !rustix::process::geteuid().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    command.args(["--mount", "sh", "-c", &script]).env("DISTCC_HOSTS", server.host("/8"));
    let ran = finish(&mut command);
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    assert!(world.read("0.o") != world.read("3.o"));
    assert_eq!(n_pumped(&world), 6);
}

#[test]
fn each_user_has_an_agent_of_their_own() {
    use std::os::unix::fs::MetadataExt;
    use std::os::unix::process::CommandExt;
    let world = World::new();
    let server = world.server("red", &ServerOptions::new(Kind::Ours));
    lay_out(&world.folder("work"), 1);
    let words = ["gcc", "-Iinc", "-isystem", "sys", "-c", "0.c", "-o", "0.o"];
    assert_eq!(world.distcc(&server.host("/8"), &words).code, 0);
    // Root can be somebody else.
    let other = rustix::process::geteuid().is_root().then_some(65534);
    let own = world.open_folder("state-of-another");
    let work = world.open_folder("work");
    std::fs::remove_file(work.join("0.o")).unwrap();
    for state in [own.clone(), world.state()] {
        let mut command = world.command(program("distcc"));
        command.env("DISTCC_HOSTS", server.host("/8")).env("DISTCC_DIR", &state);
        // Where their state goes that cannot write that of others.
        command.env("TMPDIR", world.open_folder("tmp"));
        if let Some(user) = other {
            command.uid(user).gid(user);
        }
        let ran = finish(command.args(words));
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let object = std::fs::read(work.join("0.o")).unwrap();
        std::fs::remove_file(work.join("0.o")).unwrap();
        assert_eq!(finish(world.command("gcc").args(&words[1..])).code, 0);
        assert!(world.read("0.o") == object);
        std::fs::remove_file(work.join("0.o")).unwrap();
    }
    let owner = |state: PathBuf| {
        std::fs::metadata(file_of_agent(&state, "socket-").unwrap()).unwrap().uid()
    };
    let user = rustix::process::geteuid().as_raw();
    assert_eq!((owner(world.state()), owner(own)), (user, other.unwrap_or(user)));
}
