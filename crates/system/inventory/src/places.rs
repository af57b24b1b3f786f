//! The folders in which compilers are looked for.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};

use toolchain::{Compiler, CompilerName, Finder};

/// Where Arch Linux ARM's packages put cross compilers: `/usr/local/x-tools*/TARGET/bin`.
pub const X_TOOLS: &str = "/usr/local";

/// How many files of one folder are looked at.
const MOST_FILES: usize = 100_000;

/// Where to look: `PATH` first, then folders that were named, then those of cross compilers that
/// are nobody's `PATH`.
#[derive(Debug)]
pub struct Places {
    in_path: Finder,
    path: OsString,
    more: Vec<PathBuf>,
    x_tools: PathBuf,
}

/// A file that by its name is a compiler.
#[derive(Clone, Debug)]
pub struct Found {
    /// Its own name.
    pub name: String,
    /// The compiler.
    pub compiler: Compiler,
    /// Whether this is the one that its name alone leads to.
    pub is_first: bool,
}

impl Places {
    /// Looks in the folders of `path`, then in `more`, then below `x_tools` (see [`X_TOOLS`]).
    #[must_use]
    pub fn new(path: OsString, more: &[PathBuf], x_tools: &Path) -> Places {
        Places {
            in_path: Finder::new(path.clone()),
            path,
            more: more.to_vec(),
            x_tools: x_tools.to_owned(),
        }
    }

    /// All folders that are there, in the order in which they are looked at. They are looked up anew each time:
    /// a compiler that was just installed is found.
    #[must_use]
    pub fn folders(&self) -> Vec<PathBuf> {
        let mut folders = Vec::new();
        // `/bin` may be another name of `/usr/bin`.
        let mut seen = BTreeSet::new();
        for folder in std::env::split_paths(&self.path).chain(self.beyond_path()) {
            let Ok(canonical) = folder.canonicalize() else { continue };
            if folder.is_absolute() && seen.insert(canonical) {
                folders.push(folder);
            }
        }
        folders
    }

    /// Those of them that are not in `PATH`, and that are there.
    #[must_use]
    pub fn folders_beyond_path(&self) -> Vec<PathBuf> {
        self.beyond_path().into_iter().filter(|folder| folder.is_dir()).collect()
    }

    fn beyond_path(&self) -> Vec<PathBuf> {
        let mut folders = self.more.clone();
        let is_x_tools = |name: &OsStr| name.as_encoded_bytes().starts_with(b"x-tools");
        for tools in entries(&self.x_tools).into_iter().filter(|name| is_x_tools(name)) {
            let tools = self.x_tools.join(tools);
            for target in entries(&tools) {
                let folder = tools.join(target).join("bin");
                if folder.is_dir() {
                    folders.push(folder);
                }
            }
        }
        folders
    }

    /// The compiler behind a name or a whole path.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] when there is none.
    pub fn find(&self, name: &OsStr) -> io::Result<Compiler> {
        let error = match self.in_path.find(name) {
            Ok(compiler) => return Ok(compiler),
            Err(error) => error,
        };
        let mut beyond = self.beyond_path().into_iter();
        let has_folder = name.as_encoded_bytes().contains(&b'/');
        let found = beyond.find_map(|folder| self.in_path.at(&folder.join(name)).ok());
        found.filter(|_| !has_folder).ok_or(error)
    }

    /// Whether a program lies in a folder of `PATH`.
    #[must_use]
    pub fn is_in_path(&self, program: &Path) -> bool {
        let folder = program.parent();
        std::env::split_paths(&self.path).any(|in_path| Some(in_path.as_path()) == folder)
    }

    /// Everything in these folders that by its name is a compiler, and is not distcc: sorted by
    /// folder as they are looked at, then by name.
    #[must_use]
    pub fn all(&self) -> Vec<Found> {
        self.programs(|name| CompilerName::parse(name).is_some())
    }

    /// The same of every program whose name passes `is_wanted`.
    #[must_use]
    pub fn programs(&self, is_wanted: impl Fn(&str) -> bool) -> Vec<Found> {
        let mut all = Vec::new();
        let mut seen = BTreeSet::new();
        for folder in self.folders() {
            for name in entries(&folder) {
                let Some(name) = name.to_str() else { continue };
                if !is_wanted(name) {
                    continue;
                }
                if let Ok(compiler) = self.in_path.at(&folder.join(name)) {
                    let is_first = seen.insert(name.to_owned());
                    all.push(Found { name: name.to_owned(), compiler, is_first });
                }
            }
        }
        all
    }
}

/// The names in a folder, sorted; none where it cannot be read.
fn entries(folder: &Path) -> Vec<OsString> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<OsString> =
        entries.take(MOST_FILES).map(|entry| entry.file_name()).collect();
    names.sort_unstable();
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn program(path: &Path) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "").unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    #[test]
    fn compilers_are_found_in_path_then_where_the_user_says_then_among_the_x_tools() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        for name in [
            "bin/gcc",
            "bin/make",
            "more/gcc",
            "more/gcc-9",
            "x-tools8/aarch64-unknown-linux-gnu/bin/gcc",
            "x-tools8/aarch64-unknown-linux-gnu/bin/aarch64-unknown-linux-gnu-g++",
            "tools/arm/bin/arm-none-eabi-gcc",
        ] {
            program(&at(name));
        }
        program(&at("distcc"));
        symlink(at("distcc"), at("bin/clang")).unwrap();
        let path = std::env::join_paths([at("missing"), at("bin")]).unwrap();
        let places = Places::new(path, &[at("more")], root.path());
        let find = |name: &str| places.find(OsStr::new(name)).map(|found| found.program).ok();
        assert_eq!(find("gcc"), Some(at("bin/gcc")));
        assert_eq!(find("gcc-9"), Some(at("more/gcc-9")));
        let cross = "x-tools8/aarch64-unknown-linux-gnu/bin/aarch64-unknown-linux-gnu-g++";
        assert_eq!(find("aarch64-unknown-linux-gnu-g++"), Some(at(cross)));
        assert_eq!(find("arm-none-eabi-gcc"), None);
        assert_eq!(find("clang"), None);
        assert_eq!(find(at("more/gcc").to_str().unwrap()), Some(at("more/gcc")));
        assert_eq!(find("/nonexistent/gcc"), None);
        let all: Vec<(PathBuf, bool)> = places
            .all()
            .into_iter()
            .map(|found| (found.compiler.program, found.is_first))
            .collect();
        let plain_cross = "x-tools8/aarch64-unknown-linux-gnu/bin/gcc";
        let expected = [
            (at("bin/gcc"), true),
            (at("more/gcc"), false),
            (at("more/gcc-9"), true),
            (at(cross), true),
            (at(plain_cross), false),
        ];
        assert_eq!(all, expected);
        // A compiler that comes later is found as well.
        program(&at("x-tools6h/arm/bin/arm-linux-gnueabihf-gcc"));
        assert!(find("arm-linux-gnueabihf-gcc").is_some());
    }
}
