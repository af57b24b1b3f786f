//! `update-distcc-symlinks`, ours and Debian's, on machines made of a few files.

mod common;

use std::process::Command;

use common::{World, finish};
use support::{Kind, program};

/// Makes a machine of the folder `$R`: the tools of this one, but no compilers, and no gcc's
/// folders. The rest of this machine is below `/host` in it.
const MACHINE: &str = r#"
set -e
mount -t tmpfs tmpfs "$R"
mkdir -p "$R/host" "$R/usr/bin" "$R/usr/sbin" "$R/usr/lib/distcc" "$R/usr/local/bin" "$R/tmp"
mount --rbind / "$R/host"
for tool in /usr/bin/*; do
  case ${tool##*/} in
    *gcc*|*g++*|*clang*|cc|c++|c89*|c99*|cpp*|nvcc) ;;
    *) ln -s "/host$tool" "$R/usr/bin/" ;;
  esac
done
for folder in /usr/lib/*; do
  case ${folder##*/} in
    distcc|gcc|gcc-cross) ;;
    *) ln -s "/host$folder" "$R/usr/lib/" ;;
  esac
done
ln -s /host/usr/sbin/update-distcc-symlinks "$R/usr/sbin/"
ln -s /host/usr/share "$R/usr/share"
ln -s /host/dev /host/proc /host/etc "$R/"
ln -s usr/bin usr/sbin usr/lib "$R/"
ln -s /host/lib64 "$R/lib64"
compilers() {
  for name; do
    mkdir -p "$R/${name%/*}"
    printf '#!/bin/sh\n' > "$R/$name"
    chmod 755 "$R/$name"
  done
}
list() {
  for link in "$R"/usr/lib/distcc/* "$R"/usr/lib/distcc/bin/*; do
    [ -L "$link" ] && printf '%s -> %s\n' "${link#$R/usr/lib/distcc/}" "$(readlink "$link")"
    [ -f "$link" ] && [ ! -L "$link" ] && printf '%s\n' "${link#$R/usr/lib/distcc/}"
  done
  true
}
"#;

/// Compilers as Debian has them.
const DEBIAN: &str = r#"
mkdir -p "$R/usr/lib/gcc/x86_64-linux-gnu/12" "$R/usr/lib/gcc-cross/aarch64-linux-gnu/11"
mkdir -p "$R/usr/lib/gcc-cross/aarch64-linux-gnu/12" "$R/usr/lib/gcc/arm-none-eabi/12.2.1"
for name in gcc g++ gcc-12 g++-12 cc c++ c89-gcc c99-gcc cpp c99 gcc-ar gcc-ar-12 clang clang++ \
    clang-14 clang++-14 clang-cpp-14 x86_64-linux-gnu-gcc x86_64-linux-gnu-g++ \
    x86_64-linux-gnu-gcc-12 x86_64-linux-gnu-g++-12 x86_64-linux-gnu-gcc-nm-12 \
    aarch64-linux-gnu-gcc aarch64-linux-gnu-gcc-11 aarch64-linux-gnu-gcc-12 \
    aarch64-linux-gnu-g++-12 arm-none-eabi-gcc arm-none-eabi-g++ arm-none-eabi-gcc-12.2.1 nvcc; do
  compilers "usr/bin/$name"
done
"#;

/// What `steps` print on a new machine, line by line. In them `update` runs the program.
fn on_a_machine(kind: Kind, steps: &str) -> Vec<String> {
    let world = World::new();
    let root = world.folder("machine");
    let run = match kind {
        Kind::Original => "/usr/sbin/update-distcc-symlinks".to_owned(),
        Kind::Ours => {
            let ours = program("update-distcc-symlinks");
            format!("/host{} --distcc /usr/bin/distcc \"$@\"", ours.display())
        }
    };
    let text = format!("{MACHINE}\nupdate() {{ chroot \"$R\" {run}; }}\n{steps}");
    let mut command = Command::new("unshare");
    if !rustix::process::geteuid().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    command.args(["--mount", "sh", "-c", &text]).env("R", &root);
    command.env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    let ran = finish(&mut command);
    assert_eq!(ran.code, 0, "{}\n{}", ran.stdout, ran.stderr);
    ran.stdout.lines().map(str::to_owned).collect()
}

/// Without those below `bin`.
fn of_the_whitelist(lines: &[String]) -> Vec<String> {
    lines.iter().filter(|line| !line.starts_with("bin/")).cloned().collect()
}

#[test]
fn the_same_compilers_get_links_as_from_the_original() {
    let steps = format!("{DEBIAN}\nupdate > /dev/null\nlist");
    let original = on_a_machine(Kind::Original, &steps);
    assert!(original.contains(&"gcc -> ../../bin/distcc".to_owned()), "{original:?}");
    assert!(original.contains(&"aarch64-linux-gnu-gcc-11 -> ../../bin/distcc".to_owned()));
    assert!(original.len() > 20 && !original.iter().any(|line| line.contains("cpp")));
    let ours = on_a_machine(Kind::Ours, &steps);
    assert_eq!(of_the_whitelist(&ours), original);
    // And the folder for PATH has the same names.
    let masquerade: Vec<String> =
        original.iter().map(|line| format!("bin/{}", line.replace("-> ", "-> ../"))).collect();
    assert_eq!(ours[original.len()..], masquerade);
}

#[test]
fn links_go_when_their_compilers_go_and_other_things_stay() {
    let steps = format!(
        "{DEBIAN}\nupdate > /dev/null\n\
         rm \"$R\"/usr/bin/clang* \"$R\"/usr/bin/aarch64-linux-gnu-gcc-11\n\
         touch \"$R/usr/lib/distcc/plain-old-gcc\"\n\
         update > /dev/null; list"
    );
    let original = on_a_machine(Kind::Original, &steps);
    assert!(!original.iter().any(|line| line.contains("clang")), "{original:?}");
    assert!(original.contains(&"plain-old-gcc".to_owned()), "{original:?}");
    let ours = on_a_machine(Kind::Ours, &steps);
    assert_eq!(of_the_whitelist(&ours), original);
    assert!(!ours.iter().any(|line| line.contains("clang")), "{ours:?}");
}

#[test]
fn an_administrators_link_stays_where_the_original_removes_it() {
    let steps = format!(
        "{DEBIAN}\n\
         ln -s /usr/bin/distcc \"$R/usr/lib/distcc/aarch64-unknown-linux-gnu-gcc\"\n\
         update > /dev/null; list | grep unknown || echo gone"
    );
    assert_eq!(on_a_machine(Kind::Original, &steps), ["gone"]);
    assert_eq!(
        on_a_machine(Kind::Ours, &steps),
        ["aarch64-unknown-linux-gnu-gcc -> /usr/bin/distcc"]
    );
}

#[test]
fn cross_compilers_of_arch_linux_arm_are_on_the_whitelist_and_not_in_the_folder_for_path() {
    let steps = "compilers usr/bin/gcc usr/local/bin/gcc-13 \
         usr/local/x-tools8/aarch64-unknown-linux-gnu/bin/aarch64-unknown-linux-gnu-g++\n\
         update; update; list";
    let ours = on_a_machine(Kind::Ours, steps);
    let whitelist = "/usr/lib/distcc/aarch64-unknown-linux-gnu-g++ -> ../../bin/distcc";
    assert_eq!(
        ours,
        [
            &format!("made {whitelist}"),
            "made /usr/lib/distcc/gcc -> ../../bin/distcc",
            "made /usr/lib/distcc/gcc-13 -> ../../bin/distcc",
            "made /usr/lib/distcc/bin/gcc -> ../../../bin/distcc",
            "made /usr/lib/distcc/bin/gcc-13 -> ../../../bin/distcc",
            "aarch64-unknown-linux-gnu-g++ -> ../../bin/distcc",
            "gcc -> ../../bin/distcc",
            "gcc-13 -> ../../bin/distcc",
            "bin/gcc -> ../../../bin/distcc",
            "bin/gcc-13 -> ../../../bin/distcc",
        ]
    );
}

#[test]
fn the_original_leaves_alone_what_ours_made_of_the_systems_compilers() {
    let ours = program("update-distcc-symlinks");
    let steps = format!(
        "{DEBIAN}\nchroot \"$R\" /host{} --distcc /usr/bin/distcc > /dev/null\n\
         list > \"$R/tmp/before\"; update > /dev/null; list | diff \"$R/tmp/before\" - && echo same",
        ours.display()
    );
    assert_eq!(on_a_machine(Kind::Original, &steps), ["same"]);
}

#[test]
fn a_dry_run_does_nothing() {
    let steps = "compilers usr/bin/gcc\nupdate --dry-run; ls \"$R/usr/lib/distcc\" | wc -l";
    let lines = on_a_machine(Kind::Ours, steps);
    assert_eq!(
        lines,
        [
            "would make /usr/lib/distcc/gcc -> ../../bin/distcc",
            "would make /usr/lib/distcc/bin/gcc -> ../../../bin/distcc",
            "0"
        ]
    );
}

#[test]
fn what_cannot_be_done_is_told_and_what_makes_no_sense_too() {
    let world = World::new();
    world.write("plain", "");
    let folder = world.folder("work").join("plain");
    let mut command = Command::new(program("update-distcc-symlinks"));
    let ran = finish(command.arg("--dir").arg(&folder));
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert!(ran.stderr.contains("could not make the folder"), "{}", ran.stderr);
    assert!(ran.stderr.contains("hint: "), "{}", ran.stderr);
    let mut command = Command::new(program("update-distcc-symlinks"));
    let ran = finish(command.arg("--frobnicate"));
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert!(ran.stderr.contains("--frobnicate"), "{}", ran.stderr);
}

#[test]
fn the_manual_page_of_the_links_has_every_option() {
    let ran = finish(Command::new(program("update-distcc-symlinks")).arg("--help"));
    let page = include_str!("../../../docs/man/update-distcc-symlinks.8").replace("\\-", "-");
    let options = ran.stdout.split(|c: char| c.is_whitespace() || c == ',');
    for option in options.filter(|word| word.starts_with("--")) {
        assert!(page.contains(option), "docs/man/update-distcc-symlinks.8 lacks {option}");
    }
}
