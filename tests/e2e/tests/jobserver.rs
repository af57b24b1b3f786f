//! make's jobserver limits how many jobs a command with several sources runs at once.

mod common;

use std::path::PathBuf;

use common::{World, finish};
use rustix::fs::{CWD, FileType, Mode, OFlags};
use support::{impostor, program};

const SOURCES: [&str; 4] = ["a.c", "b.c", "c.c", "d.c"];

/// A world with sources, and a gcc before the real one that writes down how many of its kind it has seen
/// at work at once. It waits for company, for so many tenths of a second.
fn world(tenths: u32) -> (World, PathBuf) {
    let world = World::new();
    for name in SOURCES {
        world.write(name, &format!("int {}(void) {{ return 1; }}\n", &name[..1]));
    }
    let (running, compilers) = (world.folder("running"), world.folder("compilers"));
    let seen = world.path().join("seen");
    let text = format!(
        "case \" $* \" in *' '[abcd].c' '*) ;; *) exec /usr/bin/gcc \"$@\";; esac\n\
         : > {running}/$$\n\
         n=0; i=0\n\
         while [ $i -le {tenths} ]; do\n\
           m=$(ls {running} | wc -l); [ $m -gt $n ] && n=$m\n\
           [ $n -ge 4 ] && : > {seen}.all\n\
           [ -e {seen}.all ] && break\n\
           sleep 0.1; i=$((i + 1))\n\
         done\n\
         echo $n >> {seen}\n\
         /usr/bin/gcc \"$@\"; code=$?\n\
         rm {running}/$$\n\
         exit $code\n",
        running = running.display(),
        seen = seen.display(),
    );
    impostor(&compilers.join("gcc"), "/usr/bin/gcc", &text);
    (world, compilers)
}

/// How many compilers were seen at work at once.
fn most_at_once(world: &World) -> u32 {
    let seen = std::fs::read_to_string(world.path().join("seen")).unwrap();
    let counts: Vec<u32> = seen.lines().map(|line| line.parse().unwrap()).collect();
    assert_eq!(counts.len(), SOURCES.len());
    counts.into_iter().max().unwrap()
}

fn compile(world: &World, compilers: &std::path::Path, makeflags: Option<&str>) {
    let mut command = world.command(program("distcc"));
    command.args(["gcc", "-c"]).args(SOURCES).env_remove("MAKEFLAGS");
    command.env("DISTCC_HOSTS", "localhost/8 --localslots=8");
    command.env("PATH", format!("{}:/usr/bin:/bin", compilers.display()));
    if let Some(flags) = makeflags {
        command.env("MAKEFLAGS", flags);
    }
    let ran = finish(&mut command);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    assert!(["a.o", "b.o", "c.o", "d.o"].iter().all(|name| world.has(name)));
}

#[test]
fn without_make_all_run_at_once() {
    // They wait for each other: that is quick where they run at once, and takes as long as that here.
    let (world, compilers) = world(600);
    compile(&world, &compilers, None);
    assert_eq!(most_at_once(&world), 4);
}

#[test]
fn each_but_the_first_takes_a_token_of_the_fifo() {
    let (world, compilers) = world(5);
    let fifo = world.path().join("fifo");
    rustix::fs::mknodat(CWD, &fifo, FileType::Fifo, Mode::RWXU, 0).unwrap();
    let make = rustix::fs::open(&fifo, OFlags::RDWR | OFlags::NONBLOCK, Mode::empty()).unwrap();
    let flags = format!(" -j2 --jobserver-auth=fifo:{}", fifo.display());
    compile(&world, &compilers, Some(&flags));
    assert_eq!(most_at_once(&world), 1);
    std::fs::remove_file(world.path().join("seen")).unwrap();
    rustix::io::write(&make, b"+").unwrap();
    compile(&world, &compilers, Some(&flags));
    assert!(most_at_once(&world) <= 2);
    let mut tokens = [0; 4];
    assert_eq!(rustix::io::read(&make, &mut tokens).unwrap(), 1);
    assert_eq!(tokens[0], b'+');
}

#[test]
fn a_make_that_shares_its_pipe_is_heeded() {
    let (world, compilers) = world(5);
    let recipe = format!("all:\n\t+{} gcc -c {}\n", program("distcc").display(), SOURCES.join(" "));
    world.write("Makefile", &recipe);
    let mut command = world.command("make");
    command.args(["-s", "-j2"]).env_remove("MAKEFLAGS");
    command.env("DISTCC_HOSTS", "localhost/8 --localslots=8");
    command.env("PATH", format!("{}:/usr/bin:/bin", compilers.display()));
    let ran = finish(&mut command);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    assert!(most_at_once(&world) <= 2);
}
