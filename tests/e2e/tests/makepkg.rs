//! A package built by Arch Linux's makepkg, as the README says it: as an unprivileged user, with two
//! hosts, their ports and limits. Each test runs with distcc 3.4 at both ends first.

mod common;

use std::fmt::Write as _;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use common::{Ran, World, finish};
use support::{Kind, Server, ServerOptions, impostor, program};

/// How many sources the package has.
const N_SOURCES: usize = 24;

/// How many jobs each host gets at most, in the order of the host list.
const LIMITS: [usize; 2] = [2, 1];

/// Who builds when the test is root: makepkg refuses to.
const BUILDER: &str = "nobody";

/// Whose client and servers.
#[derive(Clone, Copy)]
struct Ends {
    client: Kind,
    servers: Kind,
}

const ALL_ENDS: [Ends; 3] = [
    Ends { client: Kind::Original, servers: Kind::Original },
    Ends { client: Kind::Ours, servers: Kind::Original },
    Ends { client: Kind::Ours, servers: Kind::Ours },
];

/// A server whose compilers write down when they begin and when they end.
struct Recorded {
    server: Server,
    record: PathBuf,
}

impl Recorded {
    fn start(world: &World, name: &str, kind: Kind) -> Recorded {
        let compilers = world.folder(&format!("{name}-compilers"));
        let record = world.open_folder(&format!("{name}-record")).join("runs");
        std::fs::write(&record, "").unwrap();
        std::fs::set_permissions(&record, PermissionsExt::from_mode(0o666)).unwrap();
        let place = record.display();
        // The pause has jobs meet each other, so that a limit can be broken.
        let text = format!(
            "echo + >> {place}; sleep 0.05; /usr/bin/gcc \"$@\"; status=$?; echo - >> {place}; \
             exit $status"
        );
        for name in ["gcc", "x86_64-linux-gnu-gcc"] {
            impostor(&compilers.join(name), "/usr/bin/gcc", &text);
        }
        let mut options = ServerOptions::new(kind);
        options.n_jobs = 8;
        options.path = Some(format!("{}:/usr/bin:/bin", compilers.display()));
        Recorded { server: world.server(name, &options), record }
    }

    /// How many compiles ran here, and how many at once at most.
    fn runs(&self) -> (usize, usize) {
        let (mut n_runs, mut at_once, mut most) = (0, 0_usize, 0);
        for line in std::fs::read_to_string(&self.record).unwrap().lines() {
            if line == "+" {
                n_runs += 1;
                at_once += 1;
                most = most.max(at_once);
            } else {
                at_once -= 1;
            }
        }
        (n_runs, most)
    }
}

fn lay_out(world: &World) -> PathBuf {
    let folder = world.open_folder("package");
    let mut makefile = String::from("libtest.a:");
    for number in 0..N_SOURCES {
        write!(makefile, " {number}.o").unwrap();
        let source =
            format!("#include <stdio.h>\nvoid f{number}(void) {{ puts(\"{number}\"); }}\n");
        std::fs::write(folder.join(format!("{number}.c")), source).unwrap();
    }
    makefile.push_str("\n\tar rcsD $@ $^\n%.o: %.c\n\tgcc $(CFLAGS) -c $< -o $@\n");
    std::fs::write(folder.join("Makefile"), makefile).unwrap();
    let recipe = "pkgname=distcc-test\npkgver=1\npkgrel=1\narch=(x86_64)\n\
        build() { make -C \"$startdir\"; }\n\
        package() { install -D \"$startdir/libtest.a\" \"$pkgdir/usr/lib/libtest.a\"; }\n";
    std::fs::write(folder.join("PKGBUILD"), recipe).unwrap();
    folder
}

/// Builds the package the way the README says it.
fn makepkg(world: &World, package: &Path, client: Kind, hosts: &str, n_jobs: usize) -> Ran {
    let config = world.folder("config").join("makepkg.conf");
    let text = format!(
        "source /etc/makepkg.conf\nCARCH=x86_64\nPKGEXT=.pkg.tar\n\
         BUILDENV=(distcc color !ccache check !sign)\n\
         DISTCC_HOSTS=\"{hosts}\"\nMAKEFLAGS=\"-j{n_jobs}\"\n"
    );
    std::fs::write(&config, text).unwrap();
    let distcc = match client {
        Kind::Ours => program("distcc"),
        Kind::Original => "/usr/bin/distcc".into(),
    };
    // A copy, because the builder may not be allowed to look where it was built.
    let bin = world.folder(&format!("bin-{client:?}"));
    let installed = bin.join("distcc");
    std::fs::copy(&distcc, &installed).unwrap();
    let masquerade = world.folder(&format!("masquerade-{client:?}"));
    for compiler in ["cc", "c++", "gcc", "g++"] {
        let _ = std::fs::remove_file(masquerade.join(compiler));
        symlink(&installed, masquerade.join(compiler)).unwrap();
    }
    let run = format!("exec makepkg --nodeps --force --config {}", config.display());
    let mut command = as_builder(&masquerade, &run);
    command
        .current_dir(package)
        .env_clear()
        .env("PATH", format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", bin.display()))
        .env("HOME", world.open_folder("home"))
        .env("DISTCC_DIR", world.open_folder("state"))
        .env("TMPDIR", world.open_folder("tmp"))
        .env("LC_ALL", "C.UTF-8")
        // There is no pacman to ask.
        .env("PACMAN", "true");
    finish(&mut command)
}

/// Runs a shell command as makepkg's user, who sees our masquerade folder where makepkg looks for
/// it: in a mount namespace of its own, so that the machine stays as it is. Where there can be no
/// such namespace, `PATH` does what makepkg would do with that folder.
fn as_builder(masquerade: &Path, run: &str) -> Command {
    let is_root = rustix::process::geteuid().is_root();
    let can_mount = is_root
        && finish(
            Command::new("unshare").args(["--mount", "mount", "-t", "tmpfs", "none", "/mnt"]),
        )
        .code
            == 0;
    let place = if can_mount {
        format!(
            "mount -t tmpfs none /usr/lib/distcc && chmod 755 /usr/lib/distcc && \
             ln -s {} /usr/lib/distcc/bin",
            masquerade.display()
        )
    } else {
        format!("PATH={}:$PATH && export PATH", masquerade.display())
    };
    let run = if is_root {
        format!("exec setpriv --reuid {BUILDER} --regid nogroup --clear-groups sh -c '{run}'")
    } else {
        run.to_owned()
    };
    let words: &[&str] =
        if can_mount { &["unshare", "--mount", "sh", "-c"] } else { &["sh", "-c"] };
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).arg(format!("{place} && {run}"));
    command
}

#[track_caller]
fn check_built(ran: &Ran, package: &Path) -> Vec<u8> {
    assert_eq!(ran.code, 0, "{}\n{}", ran.stdout, ran.stderr);
    assert!(package.join("distcc-test-1-1-x86_64.pkg.tar").exists(), "{}", ran.stdout);
    std::fs::read(package.join("libtest.a")).unwrap()
}

/// Builds with both hosts at work, and gives the runs of each.
fn build_with(ends: Ends, n_jobs: usize) -> [(usize, usize); 2] {
    let world = World::new();
    let package = lay_out(&world);
    let red = Recorded::start(&world, "red", ends.servers);
    let green = Recorded::start(&world, "green", ends.servers);
    let hosts = format!(
        "{} {}",
        red.server.host(&format!("/{}", LIMITS[0])),
        green.server.host(&format!("/{}", LIMITS[1]))
    );
    let ran = makepkg(&world, &package, ends.client, &hosts, n_jobs);
    check_built(&ran, &package);
    let runs = [red.runs(), green.runs()];
    assert_eq!(runs[0].0 + runs[1].0, N_SOURCES, "{runs:?}\n{}", ran.stderr);
    runs
}

#[test]
fn a_package_is_built_on_two_hosts_within_their_limits() {
    for ends in ALL_ENDS {
        let runs = build_with(ends, 8);
        for ((n_runs, at_once), limit) in runs.into_iter().zip(LIMITS) {
            assert!(n_runs > 0 && at_once <= limit, "{runs:?}");
        }
        // The first host's second slot comes after the second host's first, so both are full.
        assert_eq!(runs[0].1, LIMITS[0], "{runs:?}");
    }
}

#[test]
fn one_job_at_a_time_goes_to_the_first_host() {
    for ends in ALL_ENDS {
        let [red, green] = build_with(ends, 1);
        assert_eq!((red, green), ((N_SOURCES, 1), (0, 0)));
    }
}

#[test]
fn a_package_is_built_without_any_server() {
    let mut libraries = Vec::new();
    for client in [Kind::Original, Kind::Ours] {
        let world = World::new();
        let package = lay_out(&world);
        let ran = makepkg(&world, &package, client, "127.0.0.1:1/4 127.0.0.1:2/4", 8);
        libraries.push(check_built(&ran, &package));
        assert!(ran.stderr.contains("running locally instead"), "{}", ran.stderr);
    }
    assert!(libraries[0] == libraries[1], "the packages differ");
}
