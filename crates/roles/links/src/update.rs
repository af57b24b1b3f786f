//! Making and removing links.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io::{self, ErrorKind};
use std::os::unix::fs::symlink;
use std::path::{Component, Path, PathBuf};

use inventory::{Places, X_TOOLS};

use crate::Surroundings;
use crate::names::is_compiler;
use crate::options::Options;

/// The folders of the system's compilers, which everybody has in `PATH`.
const SYSTEM: [&str; 2] = ["/usr/local/bin", "/usr/bin"];

/// The folder for `PATH`, below that of the whitelist. Source: Arch Linux, whose makepkg looks for
/// `/usr/lib/distcc/bin`.
const MASQUERADE: &str = "bin";

/// Brings the links up to date.
#[derive(Debug)]
pub(crate) struct Updater {
    folder: PathBuf,
    /// What links lead to.
    distcc: PathBuf,
    dry_run: bool,
    /// Where compilers are for everybody.
    system: Places,
    /// Where compilers are that are not everybody's.
    all: Places,
    /// Where a compiler has to be for a link to stay.
    kept: Places,
}

/// What was done, or what could not be.
type Tell<'a> = dyn FnMut(Result<String, String>) + 'a;

/// What is at the place of a link.
#[derive(Debug, PartialEq, Eq)]
enum There {
    Nothing,
    /// A link of ours: it leads to a distcc by a relative path. An administrator's names it by its
    /// whole path.
    Ours,
    /// A link of ours to a distcc that is not there.
    Broken,
    /// Somebody else's.
    Foreign,
}

impl Updater {
    pub(crate) fn new(options: &Options, surroundings: &Surroundings) -> Updater {
        let path = || std::env::join_paths(SYSTEM).unwrap_or_default();
        let folders = |more: Vec<PathBuf>| Places::new(path(), &more, Path::new(X_TOOLS));
        let in_path = std::env::split_paths(&surroundings.path).filter(|path| path.is_absolute());
        Updater {
            folder: options.folder.clone(),
            distcc: options.distcc.clone().unwrap_or_else(|| distcc_beside(surroundings)),
            dry_run: options.dry_run,
            system: Places::new(path(), &[], Path::new("/nonexistent")),
            all: folders(options.more.clone()),
            kept: folders(options.more.iter().cloned().chain(in_path).collect()),
        }
    }

    /// Does it, and tells each thing that it does or cannot do.
    pub(crate) fn run(&self, tell: &mut Tell<'_>) {
        let names_in = |places: &Places| -> BTreeSet<String> {
            places.programs(is_compiler).into_iter().map(|found| found.name).collect()
        };
        self.update(&self.folder, &names_in(&self.all), tell);
        // A name that is in nobody's PATH would be a link without a compiler behind it.
        self.update(&self.folder.join(MASQUERADE), &names_in(&self.system), tell);
    }

    fn update(&self, folder: &Path, names: &BTreeSet<String>, tell: &mut Tell<'_>) {
        if !self.dry_run
            && !names.is_empty()
            && let Err(error) = std::fs::create_dir_all(folder)
        {
            return tell(Err(format!("could not make the folder {}: {error}", folder.display())));
        }
        // A relative link goes from where its folder really is.
        let real = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        let target = relative(&real, &self.distcc);
        for name in names {
            let link = folder.join(name);
            match what_is(&link) {
                There::Nothing => self.make(&link, &target, tell),
                There::Broken => {
                    self.remove(&link, "it leads to nothing", tell);
                    self.make(&link, &target, tell);
                }
                There::Ours | There::Foreign => {}
            }
        }
        for name in names_of(folder) {
            let link = folder.join(&name);
            let is_gone = is_compiler(&name) && self.kept.find(OsStr::new(&name)).is_err();
            if is_gone && matches!(what_is(&link), There::Ours | There::Broken) {
                self.remove(&link, "its compiler is gone", tell);
            }
        }
    }

    fn make(&self, link: &Path, target: &Path, tell: &mut Tell<'_>) {
        let shown = format!("{} -> {}", link.display(), target.display());
        if self.dry_run {
            return tell(Ok(format!("would make {shown}")));
        }
        tell(match symlink(target, link) {
            Ok(()) => Ok(format!("made {shown}")),
            // Another was quicker.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => return,
            Err(error) => Err(format!("could not make {shown}: {error}")),
        });
    }

    fn remove(&self, link: &Path, why: &str, tell: &mut Tell<'_>) {
        let shown = link.display();
        if self.dry_run {
            return tell(Ok(format!("would remove {shown}: {why}")));
        }
        tell(match std::fs::remove_file(link) {
            Ok(()) => Ok(format!("removed {shown}: {why}")),
            Err(error) if error.kind() == ErrorKind::NotFound => return,
            Err(error) => Err(format!("could not remove {shown}: {error}")),
        });
    }
}

/// The distcc that came with this program: beside it, or in `bin` where it is in `sbin`.
fn distcc_beside(surroundings: &Surroundings) -> PathBuf {
    let own = surroundings.own_folder.as_deref();
    let beside = own.map(|folder| folder.join("distcc"));
    let in_bin = own.and_then(Path::parent).map(|prefix| prefix.join("bin/distcc"));
    let found = [beside, in_bin].into_iter().flatten().find(|path| path.is_file());
    found.unwrap_or_else(|| "/usr/bin/distcc".into())
}

fn what_is(link: &Path) -> There {
    let target = match std::fs::read_link(link) {
        Ok(target) => target,
        Err(error) if error.kind() == ErrorKind::NotFound => return There::Nothing,
        Err(_) => return There::Foreign,
    };
    let is_ours = target.is_relative() && target.file_name() == Some(OsStr::new("distcc"));
    match (is_ours, std::fs::metadata(link)) {
        (false, _) => There::Foreign,
        (true, Err(error)) if error.kind() == ErrorKind::NotFound => There::Broken,
        (true, _) => There::Ours,
    }
}

fn names_of(folder: &Path) -> BTreeSet<String> {
    let entries: io::Result<Vec<_>> = std::fs::read_dir(folder).and_then(Iterator::collect);
    let entries = entries.unwrap_or_default();
    entries.into_iter().filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

/// The way from a folder to a file, both with whole paths.
fn relative(folder: &Path, file: &Path) -> PathBuf {
    let plain = |path: &Path| -> Vec<PathBuf> {
        let parts = path.components().filter(|part| matches!(part, Component::Normal(_)));
        parts.map(|part| PathBuf::from(part.as_os_str())).collect()
    };
    let (folder, file) = (plain(folder), plain(file));
    let n_common = folder.iter().zip(&file).take_while(|(one, other)| one == other).count();
    let up = folder[n_common..].iter().map(|_| PathBuf::from(".."));
    up.chain(file[n_common..].iter().cloned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    struct Machine {
        root: tempfile::TempDir,
    }

    impl Machine {
        fn new() -> Machine {
            let root = tempfile::tempdir().unwrap();
            for folder in ["bin", "more", "path", "list"] {
                std::fs::create_dir(root.path().join(folder)).unwrap();
            }
            let machine = Machine { root };
            machine.program("bin/distcc");
            machine
        }

        fn at(&self, name: &str) -> PathBuf {
            self.root.path().join(name)
        }

        fn program(&self, name: &str) {
            std::fs::write(self.at(name), "").unwrap();
            std::fs::set_permissions(self.at(name), PermissionsExt::from_mode(0o755)).unwrap();
        }

        /// Runs with `bin` for the system's folder, and gives what it tells.
        fn update(&self, dry_run: bool) -> Vec<String> {
            let nowhere = Path::new("/nonexistent");
            let places =
                |more: &[PathBuf]| Places::new(self.at("bin").into_os_string(), more, nowhere);
            let updater = Updater {
                folder: self.at("list"),
                distcc: self.at("bin/distcc"),
                dry_run,
                system: places(&[]),
                all: places(&[self.at("more")]),
                kept: places(&[self.at("more"), self.at("path")]),
            };
            let mut told = Vec::new();
            let prefix = format!("{}/", self.root.path().display());
            updater.run(&mut |line| told.push(line.unwrap().replace(&prefix, "")));
            told
        }
    }

    #[test]
    fn links_are_made_once_and_removed_when_the_compiler_is_gone() {
        let machine = Machine::new();
        machine.program("bin/gcc");
        machine.program("bin/make");
        machine.program("more/arm-none-eabi-gcc");
        let dry = machine.update(true);
        assert_eq!(dry.len(), 3, "{dry:?}");
        assert!(dry.iter().all(|line| line.starts_with("would make ")), "{dry:?}");
        let expected = [
            "made list/arm-none-eabi-gcc -> ../bin/distcc",
            "made list/gcc -> ../bin/distcc",
            "made list/bin/gcc -> ../../bin/distcc",
        ];
        assert_eq!(machine.update(false), expected);
        assert_eq!(machine.update(false), [""; 0]);
        std::fs::remove_file(machine.at("bin/gcc")).unwrap();
        assert_eq!(machine.update(true).len(), 2);
        let expected = [
            "removed list/gcc: its compiler is gone",
            "removed list/bin/gcc: its compiler is gone",
        ];
        assert_eq!(machine.update(false), expected);
        assert!(machine.at("list/arm-none-eabi-gcc").exists());
    }

    #[test]
    fn what_is_not_ours_stays() {
        let machine = Machine::new();
        let distcc = machine.at("bin/distcc");
        machine.program("list/plain-x-gcc");
        machine.program("list/gcc-1");
        symlink(&distcc, machine.at("list/by-hand-gcc")).unwrap();
        symlink("../bin/ccache", machine.at("list/gcc-2")).unwrap();
        symlink("../bin/distcc", machine.at("list/my-tool")).unwrap();
        std::fs::create_dir(machine.at("list/gcc-3")).unwrap();
        // In PATH only: nothing is made of it, and its link stays.
        machine.program("path/gcc-4");
        symlink("../bin/distcc", machine.at("list/gcc-4")).unwrap();
        // Its place is taken.
        machine.program("bin/gcc-1");
        assert_eq!(machine.update(false), ["made list/bin/gcc-1 -> ../../bin/distcc"]);
        assert!(!machine.at("list/gcc-1").is_symlink());
        assert!(machine.at("list/by-hand-gcc").is_symlink() && machine.at("list/gcc-4").exists());
    }

    #[test]
    fn a_link_to_a_distcc_that_is_gone_is_made_anew() {
        let machine = Machine::new();
        machine.program("bin/gcc");
        symlink("../old/distcc", machine.at("list/gcc")).unwrap();
        let told = machine.update(false);
        assert_eq!(told[0], "removed list/gcc: it leads to nothing");
        assert_eq!(std::fs::read_link(machine.at("list/gcc")).unwrap(), Path::new("../bin/distcc"));
    }

    #[test]
    fn the_way_to_a_file_is_relative() {
        let check = |folder: &str, file: &str, expected: &str| {
            assert_eq!(relative(Path::new(folder), Path::new(file)), Path::new(expected));
        };
        check("/usr/lib/distcc", "/usr/bin/distcc", "../../bin/distcc");
        check("/usr/lib/distcc/bin", "/usr/bin/distcc", "../../../bin/distcc");
        check("/usr/lib/distcc", "/usr/local/bin/distcc", "../../local/bin/distcc");
        check("/srv/list", "/usr/bin/distcc", "../../usr/bin/distcc");
    }
}
