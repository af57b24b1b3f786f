//! Where a client's names lie among the folders of this machine that a compile sees.
//!
//! A compile sees the system's programs and libraries, and what a client sends must neither hide nor
//! join them: only folders of headers may be covered, folders for other people's sources, and what
//! is nowhere here. All questions are asked of the machine's own files, of which clients can change
//! none.

use std::collections::{BTreeSet, HashMap};
use std::path::{Component, Path, PathBuf};

/// How folders of headers are called.
const HEADER_FOLDERS: [&str; 2] = ["include", "include-fixed"];

/// Where the system has its programs, headers and libraries.
const PREFIXES: [&str; 2] = ["/usr", "/usr/local"];

/// Where a toolchain's own folder for a target has that target's system.
const TARGET_SYSTEMS: [&str; 6] =
    ["sysroot", "sysroot/usr", "sys-root", "sys-root/usr", "libc", "libc/usr"];

/// Folders of the system that are for sources, so that people build in them.
const SOURCE_FOLDERS: [&str; 2] = ["/usr/src", "/usr/local/src"];

/// Folders that say how the machine is, or show it. Nothing in them is a client's affair.
const MACHINE_FOLDERS: [&str; 4] = ["/dev", "/proc", "/sys", "/etc"];

/// Parts of the names of headers. No compiler, linker or loader looks for any other file whose name
/// has one of these.
const HEADER_MARKS: [&[u8]; 6] = [b".h", b".inc", b".def", b".ipp", b".tcc", b".inl"];

/// The folders of the machine that a compile sees.
#[derive(Debug)]
pub(crate) struct Ground {
    /// None of them is in another.
    seen: Vec<PathBuf>,
    /// What must not be covered: all folders of toolchains, and the folder of jobs.
    kept: Vec<PathBuf>,
    true_names: HashMap<PathBuf, Option<PathBuf>>,
}

/// What a name means here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Nothing of this machine's is seen there.
    Free,
    /// In a folder of headers.
    Headers {
        /// The folder.
        folder: PathBuf,
    },
    /// In a folder for sources.
    Sources {
        /// The folder.
        folder: PathBuf,
    },
    /// Among programs and libraries, or above them.
    System,
    /// In a folder that is closed to clients.
    Closed,
}

impl Ground {
    /// `seen`: the folders that a compile sees, none in another. `kept`: what must not be covered.
    pub(crate) fn new(seen: Vec<PathBuf>, kept: Vec<PathBuf>) -> Ground {
        Ground { seen, kept, true_names: HashMap::new() }
    }

    /// What it means to have a file or link of this name, which is absolute and the shortest.
    pub(crate) fn place(&self, name: &Path) -> Place {
        self.place_of(name, name.parent().unwrap_or(name))
    }

    /// What it means to have a folder of this name.
    pub(crate) fn place_of_folder(&self, name: &Path) -> Place {
        let place = self.place_of(name, name);
        match place {
            // There are folders above those that are seen.
            Place::System if !self.seen.iter().any(|seen| name.starts_with(seen)) => Place::Free,
            place => place,
        }
    }

    fn place_of(&self, name: &Path, folder: &Path) -> Place {
        let is_above = |kept: &PathBuf| kept.starts_with(name);
        let Some(seen) = self.seen.iter().find(|seen| name.starts_with(seen)) else {
            let is_machines = MACHINE_FOLDERS.iter().any(|other| name.starts_with(other));
            // The folders of jobs are no toolchain, and not seen.
            let is_kept = self.kept.iter().any(|kept| name.starts_with(kept));
            if is_machines || is_kept {
                return Place::Closed;
            }
            let is_above = self.seen.iter().any(is_above) || self.kept.iter().any(is_above);
            return if is_above { Place::System } else { Place::Free };
        };
        if let Some(sources) = SOURCE_FOLDERS.iter().find(|sources| folder.starts_with(sources)) {
            return Place::Sources { folder: sources.into() };
        }
        let mut at = seen.clone();
        for part in folder.strip_prefix(seen).unwrap_or(folder).components() {
            at.push(part);
            if HEADER_FOLDERS.iter().any(|name| part.as_os_str() == *name) {
                return Place::Headers { folder: at };
            }
        }
        Place::System
    }

    /// The name under which a folder of headers or sources can be covered: through no link; `None`
    /// where covering it would cover something else.
    pub(crate) fn true_name(&mut self, folder: &Path) -> Option<PathBuf> {
        if let Some(known) = self.true_names.get(folder) {
            return known.clone();
        }
        let true_name = resolved(folder).filter(|name| {
            let is_same_kind = match self.place_of_folder(name) {
                Place::Headers { folder } | Place::Sources { folder } => folder == *name,
                Place::Free | Place::System | Place::Closed => false,
            };
            is_same_kind && !self.kept.iter().any(|kept| kept.starts_with(name))
        });
        self.true_names.insert(folder.to_owned(), true_name.clone());
        true_name
    }

    /// The true name of something that is to join the system's files, where no programs and
    /// libraries are looked for; `None` where it must not.
    pub(crate) fn joining(&self, name: &Path) -> Option<PathBuf> {
        let name = resolved(name)?;
        self.seen.iter().any(|seen| name.starts_with(seen) && name != *seen).then_some(name)
    }
}

/// The folders of headers that compilers look into by themselves, as far as they are there: the
/// system's, and those of toolchains below `prefix`.
pub(crate) fn header_folders(prefix: Option<&Path>) -> Vec<PathBuf> {
    let prefixes = PREFIXES.map(Path::new).into_iter();
    let prefixes: BTreeSet<&Path> =
        prefixes.chain(prefix.filter(|prefix| *prefix != Path::new("/"))).collect();
    let mut found = Vec::new();
    for prefix in prefixes {
        let mut above = vec![prefix.to_owned()];
        for target in folders_in(prefix, "") {
            above.extend(TARGET_SYSTEMS.map(|system| target.join(system)));
            above.push(target);
        }
        for library in folders_in(prefix, "lib") {
            let families = ["gcc", "gcc-cross"].map(|family| library.join(family));
            let targets = families.iter().flat_map(|family| folders_in(family, ""));
            above.extend(targets.flat_map(|target| folders_in(&target, "")));
            above.extend(folders_in(&library.join("clang"), ""));
            let own = folders_in(&library, "llvm");
            above.extend(own.iter().flat_map(|own| folders_in(&own.join("lib/clang"), "")));
        }
        found.extend(above.iter().flat_map(|above| HEADER_FOLDERS.map(|name| above.join(name))));
    }
    found.retain(|folder| folder.is_dir());
    found
}

/// The folders in a folder whose names begin so.
fn folders_in(folder: &Path, begin: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_name().as_encoded_bytes().starts_with(begin.as_bytes()))
        .filter(|entry| entry.file_type().is_ok_and(|kind| !kind.is_file()))
        .map(|entry| entry.path())
        .collect()
}

/// Whether a name is that of a header, wherever it is.
pub(crate) fn is_header(name: &Path) -> bool {
    let base = name.file_name().unwrap_or_default().as_encoded_bytes();
    HEADER_MARKS.iter().any(|mark| memchr::memmem::find(base, mark).is_some())
}

/// The innermost folder of `name` that is there.
pub(crate) fn innermost(name: &Path) -> &Path {
    name.ancestors().find(|above| above.is_dir()).unwrap_or(Path::new("/"))
}

/// A name without links, as far as it is there.
fn resolved(name: &Path) -> Option<PathBuf> {
    let above = name.ancestors().find(|above| std::fs::symlink_metadata(above).is_ok())?;
    let rest = name.strip_prefix(above).ok()?;
    let resolved = above.canonicalize().ok()?;
    Some(if rest.as_os_str().is_empty() { resolved } else { resolved.join(rest) })
}

/// A name in its shortest form, as seen from `folder`. Links on the way are not looked at.
pub(crate) fn shortest(folder: &Path, name: &Path) -> PathBuf {
    let mut shortest = PathBuf::from("/");
    for part in folder.join(name).components() {
        match part {
            Component::Normal(part) => shortest.push(part),
            Component::ParentDir => {
                shortest.pop();
            }
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    shortest
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn ground() -> Ground {
        let seen = ["/usr", "/lib", "/etc/alternatives", "/opt/tool"].map(PathBuf::from).to_vec();
        let kept = ["/opt/tool/bin", "/tmp/distccd_1"].map(PathBuf::from);
        Ground::new(seen.clone(), [seen, kept.to_vec()].concat())
    }

    #[track_caller]
    fn check(name: &str, expected: Place) {
        assert_eq!(ground().place(Path::new(name)), expected, "{name}");
    }

    #[test]
    fn what_is_nowhere_here_is_free() {
        for name in ["/home/me/a.c", "/tmp/a.c", "/a.c", "/opt/other/a.c", "/usrx/lib/a", "/tmp"] {
            let expected = if name == "/tmp" { Place::System } else { Place::Free };
            check(name, expected);
        }
    }

    #[test]
    fn folders_of_headers_and_sources_are_known_by_their_names() {
        let headers = |folder: &str| Place::Headers { folder: folder.into() };
        check("/usr/include/a.h", headers("/usr/include"));
        check("/usr/include/x/include/a.h", headers("/usr/include"));
        check("/usr/lib/gcc/x/12/include/a.h", headers("/usr/lib/gcc/x/12/include"));
        check("/usr/lib/gcc/x/9/include-fixed/a.h", headers("/usr/lib/gcc/x/9/include-fixed"));
        check("/lib/x/include/a.h", headers("/lib/x/include"));
        check("/opt/tool/include/a.h", headers("/opt/tool/include"));
        check("/usr/src/app/a.c", Place::Sources { folder: "/usr/src".into() });
        check("/usr/local/src/a.c", Place::Sources { folder: "/usr/local/src".into() });
    }

    #[test]
    fn programs_libraries_and_what_is_above_them_are_the_systems() {
        for name in [
            "/usr",
            "/usr/include",
            "/usr/bin/gcc",
            "/usr/lib/gcc/x/12/cc1",
            "/usr/lib/gcc/x/12/specs",
            "/usr/lib/gcc/x/12/plugin/x.so",
            "/lib",
            "/lib/ld-linux.so.2",
            "/usr/src",
            "/opt",
            "/opt/tool/bin/gcc",
            "/etc/alternatives/cc",
        ] {
            check(name, Place::System);
        }
        for name in [
            "/etc/ld.so.preload",
            "/etc/ld.so.conf.d/x",
            "/dev/x",
            "/proc/x",
            "/etc",
            "/tmp/distccd_1/x",
        ] {
            check(name, Place::Closed);
        }
    }

    #[test]
    fn folders_above_those_that_are_seen_may_be_there() {
        let ground = ground();
        assert_eq!(ground.place_of_folder(Path::new("/opt")), Place::Free);
        assert_eq!(ground.place_of_folder(Path::new("/")), Place::Free);
        assert_eq!(ground.place_of_folder(Path::new("/usr/lib")), Place::System);
        let folder = PathBuf::from("/usr/include");
        assert_eq!(ground.place_of_folder(&folder), Place::Headers { folder });
    }

    #[test]
    fn a_link_to_programs_is_no_folder_of_headers() {
        let machine = tempfile::tempdir().unwrap();
        let root = machine.path().canonicalize().unwrap();
        for name in ["t/bin", "t/real/include", "t/x", "t/y/include/bin"] {
            std::fs::create_dir_all(root.join(name)).unwrap();
        }
        symlink("../bin", root.join("t/x/include")).unwrap();
        symlink("real/include", root.join("t/include")).unwrap();
        let mut ground = Ground::new(
            vec![root.join("t")],
            vec![root.join("t/bin"), root.join("t/y/include/bin")],
        );
        let mut true_name = |name: &str| ground.true_name(&root.join(name));
        assert_eq!(true_name("t/include"), Some(root.join("t/real/include")));
        assert_eq!(true_name("t/new/include"), Some(root.join("t/new/include")));
        assert_eq!(true_name("t/x/include"), None);
        assert_eq!(true_name("t/y/include"), None);
        assert_eq!(true_name("t/bin"), None);
    }

    #[test]
    fn compilers_own_headers_are_found() {
        let machine = tempfile::tempdir().unwrap();
        let root = machine.path();
        let folders = [
            "include",
            "lib/gcc/x/12/include",
            "lib/gcc/x/12/include-fixed",
            "lib64/gcc/x/9/include",
            "lib/gcc-cross/y/12/include",
            "lib/llvm-14/lib/clang/14/include",
            "lib/clang/15/include",
            "y/include",
            "y/sysroot/usr/include",
        ];
        for name in folders.iter().chain(&["share/doc/include", "lib/other/z/include", "bin"]) {
            std::fs::create_dir_all(root.join(name)).unwrap();
        }
        let mut found = header_folders(Some(root));
        found.retain(|folder| folder.starts_with(root));
        let mut expected = folders.map(|name| root.join(name)).to_vec();
        found.sort();
        expected.sort();
        assert_eq!(found, expected);
        assert!(header_folders(None).contains(&PathBuf::from("/usr/include")));
    }

    #[test]
    fn names_are_made_short() {
        let check = |folder: &str, name: &str, expected: &str| {
            assert_eq!(shortest(Path::new(folder), Path::new(name)), Path::new(expected));
        };
        check("/w", "a/../b.o", "/w/b.o");
        check("/w", "../../../etc/x", "/etc/x");
        check("/w", "/x//./y", "/x/y");
    }

    #[test]
    fn headers_are_known_by_their_names() {
        for name in ["/x/a.h", "/x/a.hpp", "/x/cblas.h-x86_64-linux-gnu", "/x/a.inc"] {
            assert!(is_header(Path::new(name)), "{name}");
        }
        for name in ["/x/specs", "/x/cc1", "/x/libc.so.6", "/x.h/clang.cfg", "/x/include"] {
            assert!(!is_header(Path::new(name)), "{name}");
        }
    }
}
