//! The package for Arch Linux, made by Debian's makepkg and installed by Debian's pacman.

use std::path::Path;
use std::process::Command;

use machine::Machine;
use packages::{bare, built_xtask, must};
use support::{World, program, workspace};

/// makepkg works for nobody but an ordinary user.
const USER: &str = "nobody";

/// Makes the package of the programs under test in `folder`.
fn make(folder: &Path) {
    for name in ["PKGBUILD", "distcc-rs.install"] {
        let from = workspace().join("packaging/arch").join(name);
        std::fs::copy(from, folder.join(name)).unwrap();
    }
    // What an ordinary user may read.
    std::fs::create_dir(folder.join("programs")).unwrap();
    for name in support::PROGRAMS {
        std::fs::copy(program(name), folder.join("programs").join(name)).unwrap();
    }
    std::fs::copy(built_xtask(), folder.join("xtask")).unwrap();
    must(Command::new("chown").args(["-R", USER]).arg(folder));
    let install = format!("{0}/xtask install --programs {0}/programs", folder.display());
    let mut makepkg = Command::new("runuser");
    makepkg.args(["-u", USER, "--", "makepkg", "--nodeps"]).current_dir(folder);
    makepkg.env("DISTCC_RS_TREE", workspace()).env("DISTCC_RS_INSTALL", install);
    makepkg.env("PKGEXT", ".pkg.tar").env("PKGDEST", folder).env("BUILDDIR", folder);
    must(&mut makepkg);
}

#[test]
fn makepkg_makes_it_and_pacman_installs_and_removes_it() {
    let world = World::new();
    make(world.path());
    std::fs::write(
        world.path().join("pacman.conf"),
        "[options]\nArchitecture = auto\nSigLevel = Never\n",
    )
    .unwrap();
    let machine = Machine::start(world.path(), &bare(), &[]);
    let pacman = "pacman --config /test/pacman.conf --noconfirm";
    // glibc and gcc-libs are Debian's here.
    machine.must(&format!("{pacman} -U --nodeps --nodeps /test/distcc-rs-*.pkg.tar"));
    let about = machine.must(&format!("{pacman} -Qi distcc-rs"));
    assert!(about.contains("distcc=3.4"), "{about}");
    let checked = machine.must(&format!("{pacman} -Qkk distcc-rs"));
    assert!(checked.contains(" 0 altered files"), "{checked}");
    // Its hook has made the links.
    machine.must("test -L /usr/lib/distcc/gcc && test -L /usr/lib/distcc/bin/gcc");
    machine.must("systemctl daemon-reload && systemctl enable --now distccd");
    machine.must(
        "mkdir /tmp/state && cd /tmp && echo 'int x;' > a.c && DISTCC_DIR=/tmp/state \
         DISTCC_FALLBACK=0 DISTCC_HOSTS=127.0.0.1 distcc gcc -c a.c -o a.o && test -s a.o",
    );
    // Settings that somebody changed are kept.
    machine.must("systemctl disable --now distccd; echo '# mine' >> /etc/conf.d/distccd");
    machine.must(&format!("{pacman} -R distcc-rs"));
    machine.must("test -e /etc/conf.d/distccd.pacsave && ! test -e /etc/conf.d/distccd");
    let left = machine.must(
        "find /usr /etc -xdev \\( -path /usr/share/makepkg -o -path /etc/netns \\) -prune -o \
         -name '*distcc*' ! -name distccd.pacsave -print",
    );
    assert_eq!(left, "", "{left}");
}
