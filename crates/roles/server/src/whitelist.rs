//! Which compilers may run.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use toolchain::{Compiler, Finder};
use wire::Exit;

use crate::options::Options;
use crate::{Environment, Failure};

/// The folders whose links name the compilers. Source: distccd(1) 3.4.
const FOLDERS: [&str; 2] = ["/usr/lib/distcc", "/usr/local/lib/distcc"];

/// The rule by which a compiler's name is judged, and where compilers are found.
#[derive(Debug)]
pub(crate) struct Whitelist {
    rule: Rule,
    finder: Finder,
}

#[derive(Debug)]
enum Rule {
    /// Whatever is asked for.
    Any,
    /// Those with an executable of their name in one of the folders.
    Folders(Vec<PathBuf>),
    /// Those whose last path parts agree with a line of this file: `DISTCC_CMDLIST`.
    List { file: PathBuf, n_words: usize },
}

/// Why a compiler does not run.
#[derive(Debug)]
pub(crate) enum Denied {
    /// Its name is not on the list.
    NotListed { place: String },
    /// It names a file somewhere else than where compilers are.
    ElsewhereNamed,
    /// The list could not be read: then nothing is allowed.
    NoList { file: PathBuf, error: io::Error },
    /// It is allowed and not there.
    NotFound { path: String },
}

impl Whitelist {
    /// The rule that options and environment ask for.
    ///
    /// # Errors
    /// When no compiler at all could run.
    pub(crate) fn new(options: &Options, environment: &Environment) -> Result<Whitelist, Failure> {
        let finder = Finder::new(environment.path.clone());
        let rule = if options.any_compiler {
            Rule::Any
        } else if let Some(file) = &environment.command_list {
            std::fs::read(file).map_err(|error| {
                Failure::new(
                    Exit::COMPILER_MISSING,
                    format!("could not read DISTCC_CMDLIST {}: {error}", file.display()),
                    "without it no compiler may run; make it readable, or unset DISTCC_CMDLIST",
                )
            })?;
            Rule::List { file: file.clone(), n_words: environment.n_command_words }
        } else {
            Rule::Folders(folders(options)?)
        };
        Ok(Whitelist { rule, finder })
    }

    /// The compiler to run for `name`, the first word of a client's command.
    pub(crate) fn find(&self, name: &OsStr) -> Result<Compiler, Denied> {
        let wanted = match &self.rule {
            Rule::Any => name.to_owned(),
            Rule::Folders(folders) => {
                let bare = bare_name(name.as_bytes()).ok_or(Denied::ElsewhereNamed)?;
                if !folders.iter().any(|folder| is_executable(&folder.join(bare))) {
                    let place: Vec<_> =
                        folders.iter().map(|folder| folder.display().to_string()).collect();
                    return Err(Denied::NotListed { place: place.join(" or ") });
                }
                name.to_owned()
            }
            Rule::List { file, n_words } => {
                let list = std::fs::read(file)
                    .map_err(|error| Denied::NoList { file: file.clone(), error })?;
                let line = listed(&list, name.as_bytes(), *n_words);
                let line =
                    line.ok_or_else(|| Denied::NotListed { place: file.display().to_string() })?;
                OsStr::from_bytes(line).to_owned()
            }
        };
        self.finder
            .find(&wanted)
            .map_err(|_| Denied::NotFound { path: wanted.to_string_lossy().into_owned() })
    }
}

fn folders(options: &Options) -> Result<Vec<PathBuf>, Failure> {
    let folders: Vec<PathBuf> = match &options.compiler_whitelist {
        Some(folder) => vec![folder.clone()],
        None => FOLDERS.map(PathBuf::from).to_vec(),
    };
    let has_entries = |folder: &PathBuf| {
        std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some())
    };
    if folders.iter().any(has_entries) {
        return Ok(folders);
    }
    let named: Vec<_> = folders.iter().map(|folder| folder.display().to_string()).collect();
    Err(Failure::new(
        Exit::COMPILER_MISSING,
        format!("no compiler may run: {} is missing or empty", named.join(" and ")),
        format!(
            "allow one by a link of its name: ln -s /usr/bin/distcc {}/gcc; \
             or update-distcc-symlinks",
            folders[0].display()
        ),
    ))
}

/// The name to look for in the folders: without a leading `/bin/` or `/usr/bin/`. `None` for
/// every other name with a slash, and for names that are no file's.
fn bare_name(name: &[u8]) -> Option<&OsStr> {
    let bare = name.strip_prefix(b"/usr/bin/").or(name.strip_prefix(b"/bin/")).unwrap_or(name);
    let is_name = !bare.is_empty() && bare != b"." && bare != b".." && !bare.contains(&b'/');
    (is_name && !bare.contains(&0)).then_some(OsStr::from_bytes(bare))
}

fn is_executable(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|found| found.is_file() && found.mode() & 0o111 != 0)
}

/// The first line whose last `n_words` path parts are those of `name`.
fn listed<'a>(list: &'a [u8], name: &[u8], n_words: usize) -> Option<&'a [u8]> {
    let tail = |path: &'a [u8]| -> Vec<&'a [u8]> {
        path.rsplit(|byte| *byte == b'/').take(n_words).collect()
    };
    let parts: Vec<&[u8]> = name.rsplit(|byte| *byte == b'/').take(n_words).collect();
    if parts.len() < n_words || parts.first().is_none_or(|last| last.is_empty()) {
        return None;
    }
    list.split(|byte| *byte == b'\n')
        .map(<[u8]>::trim_ascii)
        .find(|line| !line.is_empty() && tail(line) == parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_usual_folders_may_be_named() {
        let check = |name: &str, expected: Option<&str>| {
            assert_eq!(bare_name(name.as_bytes()), expected.map(OsStr::new), "{name}");
        };
        check("gcc", Some("gcc"));
        check("/usr/bin/gcc", Some("gcc"));
        check("/bin/gcc", Some("gcc"));
        for name in ["", ".", "..", "/usr/local/bin/gcc", "./gcc", "/usr/bin/../x", "/USR/BIN/gcc"]
        {
            check(name, None);
        }
    }

    #[test]
    fn a_list_agrees_by_its_last_parts() {
        let list = b"/opt/a/gcc\n\n/opt/b/gcc\n/usr/bin/clang\n";
        let check = |name: &str, n_words, expected: Option<&str>| {
            let found = listed(list, name.as_bytes(), n_words);
            assert_eq!(found, expected.map(str::as_bytes), "{name} {n_words}");
        };
        check("gcc", 1, Some("/opt/a/gcc"));
        check("/x/gcc", 1, Some("/opt/a/gcc"));
        check("b/gcc", 2, Some("/opt/b/gcc"));
        check("gcc", 2, None);
        check("tcc", 1, None);
        check("", 1, None);
        check("/opt/a/", 1, None);
    }

    #[test]
    fn a_compiler_has_to_be_listed_and_there() {
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/bin/sh", folder.path().join("sh")).unwrap();
        std::os::unix::fs::symlink("/bin/sh", folder.path().join("missing-gcc")).unwrap();
        std::fs::write(folder.path().join("plain"), "").unwrap();
        let whitelist = Whitelist {
            rule: Rule::Folders(vec![folder.path().to_owned()]),
            finder: Finder::new("/usr/bin:/bin".into()),
        };
        let find = |name: &str| whitelist.find(OsStr::new(name));
        assert!(find("sh").is_ok());
        assert!(matches!(find("missing-gcc"), Err(Denied::NotFound { .. })));
        assert!(matches!(find("cat"), Err(Denied::NotListed { .. })));
        assert!(matches!(find("plain"), Err(Denied::NotListed { .. })));
        assert!(matches!(find("/etc/sh"), Err(Denied::ElsewhereNamed)));
    }

    #[test]
    fn a_list_that_cannot_be_read_allows_nothing() {
        let whitelist = Whitelist {
            rule: Rule::List { file: "/nonexistent".into(), n_words: 1 },
            finder: Finder::new("/usr/bin:/bin".into()),
        };
        assert!(matches!(whitelist.find(OsStr::new("sh")), Err(Denied::NoList { .. })));
    }
}
