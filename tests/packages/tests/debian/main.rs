//! The package for Debian: in machines with a systemd, installed, used, upgraded, exchanged with
//! Debian's own and removed.

mod two_machines;

use std::process::Command;

use machine::Machine;
use packages::{bare, debian_package, download, must};
use support::World;

/// All that packages may leave, but what dpkg and apt keep for themselves, the index of manual pages,
/// and the copies that programs for users and groups make of their files.
const ALL_FILES: &str = "cd / && find etc usr var home root -xdev \\( -path var/lib/dpkg -o -path var/log \
                         -o -path etc/netns -o -path var/tmp -o -path var/lib/apt -o -path var/cache -o -path var/lib/systemd \\) -prune \
                         -o ! -name '*-' ! -name ld.so.cache -print | sort";

/// A machine whose folder of files has our package as `ours.deb`.
fn bare_machine(world: &World) -> Machine {
    std::fs::copy(debian_package(), world.path().join("ours.deb")).unwrap();
    Machine::start(world.path(), &bare(), &[])
}

const INSTALL: &str = "apt-get install --quiet --yes /test/ours.deb";

/// A compile that a server on this machine has to do.
const COMPILE: &str = "mkdir -p /tmp/state && cd /tmp && echo 'int x;' > a.c && rm -f a.o && \
                       DISTCC_DIR=/tmp/state DISTCC_FALLBACK=0 DISTCC_HOSTS=127.0.0.1:3632 \
                       distcc gcc -c a.c -o a.o && test -s a.o";

#[test]
fn lintian_finds_nothing_that_is_not_listed() {
    let mut lintian = Command::new("lintian");
    lintian.args(["--fail-on=error,warning", "--allow-root"]).arg(debian_package());
    let said = must(&mut lintian);
    assert!(!said.contains("E: ") && !said.contains("W: "), "{said}");
}

#[test]
fn it_is_installed_used_upgraded_removed_and_purged() {
    let world = World::new();
    let machine = bare_machine(&world);
    // Where systemctl enables: most machines have it.
    machine.must("mkdir -p /etc/systemd/system/multi-user.target.wants");
    let before = machine.must(ALL_FILES);
    machine.must(INSTALL);
    // Nobody asked for a server.
    assert_ne!(machine.run("systemctl is-active distccd.service").stdout, "active\n");
    assert!(machine.must("ls /usr/lib/distcc").contains("gcc"));
    machine.must("systemctl enable --now distccd");
    machine.must(COMPILE);
    let shown = machine.must("systemctl show distccd.service");
    assert!(shown.contains("StatusText=serving on [::]:3632, "), "{shown}");
    assert!(shown.contains("sandbox: namespaces\n"), "{shown}");
    // Debian's name for it.
    machine.must("systemctl is-active distcc");

    // The settings reach the server, and an upgrade keeps them and starts the new server.
    machine
        .must("echo 'ALLOWEDNETS=\"127.0.0.0/8\" LISTENER=127.0.0.1 JOBS=3' > /etc/default/distcc");
    let pid = "systemctl show --property=MainPID --value distccd";
    let first = machine.must(pid);
    machine.must("dpkg --install /test/ours.deb");
    assert_ne!(machine.must(pid), first);
    let words = machine.must(&format!("tr '\\0' ' ' < /proc/$({pid})/cmdline"));
    assert!(words.contains("--allow 127.0.0.0/8 --listen 127.0.0.1 --jobs 3"), "{words}");
    assert!(machine.must("cat /etc/default/distcc").contains("JOBS=3"));
    machine.must(COMPILE);

    // A compiler that comes later has its link, and none when it is gone.
    machine.must(
        "cp /bin/true /usr/bin/gcc-99 && dpkg-trigger --by-package=distcc-rs /usr/bin && dpkg --configure --pending",
    );
    machine.must("test -L /usr/lib/distcc/gcc-99");
    machine.must("rm /usr/bin/gcc-99 && dpkg-trigger --by-package=distcc-rs /usr/bin && dpkg --configure --pending");
    assert_ne!(machine.run("test -L /usr/lib/distcc/gcc-99").code, 0);

    machine.must("rm -rf /tmp/state; apt-get remove --quiet --yes distcc-rs");
    assert_ne!(machine.run("pgrep -x distccd").code, 0);
    assert_ne!(machine.run("test -e /usr/lib/distcc").code, 0);
    machine.must("test -e /etc/default/distcc");
    machine.must("apt-get purge --quiet --yes distcc-rs");
    assert_ne!(machine.run("getent passwd distccd").code, 0);
    assert_eq!(difference(&before, &machine.must(ALL_FILES)), [""; 0]);
}

/// The lines that only one of the two has.
fn difference<'a>(before: &'a str, after: &'a str) -> Vec<&'a str> {
    let only = |these: &'a str, those: &str| {
        let those: std::collections::HashSet<&str> = those.lines().collect();
        these.lines().filter(|line| !those.contains(line)).collect::<Vec<_>>()
    };
    [only(before, after), only(after, before)].concat()
}

#[test]
fn it_takes_the_place_of_debians_and_gives_it_back() {
    let world = World::new();
    download(world.path(), &["distcc", "distcc-pump"]);
    let machine = bare_machine(&world);
    let debians = "apt-get install --quiet --yes /test/distcc_*.deb /test/distcc-pump_*.deb";
    machine.must(debians);
    // A server of Debian's that its user has set up.
    machine.must(
        "echo 'STARTDISTCC=\"true\" ALLOWEDNETS=\"127.0.0.1\" LISTENER=\"127.0.0.1\" NICE=\"10\"' \
         > /etc/default/distcc",
    );
    machine.must("systemctl restart distcc");
    machine.must(COMPILE);

    machine.must(INSTALL);
    let version = machine.must("distcc --version");
    assert!(version.contains("distcc-rs"), "{version}");
    // Who had a server has one.
    machine.must("systemctl is-active distccd.service && systemctl is-enabled distccd.service");
    let shown = machine.must("systemctl show distccd.service");
    assert!(shown.contains("StatusText=serving on 127.0.0.1:3632, "), "{shown}");
    let words = machine.must("tr '\\0' ' ' < /proc/$(pgrep -o -x distccd)/cmdline");
    assert!(words.contains("--allow 127.0.0.1 --listen 127.0.0.1 --nice 10"), "{words}");
    machine.must(COMPILE);
    machine
        .must("cd /tmp && rm a.o && DISTCC_HOSTS=127.0.0.1 distcc-pump cc -c a.c && test -s a.o");

    // The other way.
    machine.must(debians);
    let version = machine.must("distcc --version");
    assert!(!version.contains("distcc-rs"), "{version}");
    machine.must("grep STARTDISTCC=.true /etc/default/distcc && systemctl restart distcc");
    machine.must(COMPILE);
    // What is purged of ours now is nothing of Debian's.
    machine.must("apt-get purge --quiet --yes distcc-rs");
    machine.must("test -e /etc/default/distcc && getent passwd distccd");
    machine.must(COMPILE);

    // What is purged of Debian's while ours is there takes settings and user along, and is mended.
    machine.must(INSTALL);
    machine.must("dpkg --purge distcc-pump distcc && dpkg-reconfigure distcc-rs");
    machine
        .must("test -e /etc/default/distcc && getent passwd distccd && systemctl restart distccd");
    machine.must(COMPILE);
}

#[test]
fn a_server_is_started_only_where_services_may() {
    let world = World::new();
    let machine = bare_machine(&world);
    machine.must("echo 'STARTDISTCC=true' > /etc/default/distcc");
    machine.must("printf '#!/bin/sh\\nexit 101\\n' > /usr/sbin/policy-rc.d && chmod 755 /usr/sbin/policy-rc.d");
    machine.must(INSTALL);
    assert_ne!(machine.run("systemctl is-active distccd.service").stdout, "active\n");
    // It is when the machine starts next.
    machine.must("systemctl is-enabled distccd.service");
    machine.must("apt-get purge --quiet --yes distcc-rs");

    // As in a chroot: without systemd.
    machine.must(&format!("unshare --mount sh -ec 'mount -t tmpfs none /run; {INSTALL}'"));
    assert_ne!(machine.run("pgrep -x distccd").code, 0);
    machine.must(
        "unshare --mount sh -ec 'mount -t tmpfs none /run; apt-get purge --quiet --yes distcc-rs'",
    );
}
