//! The rules by which compilers are allowed, as far as names go.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use toolchain::CompilerName;
use wire::Exit;

use crate::Failure;
use crate::options::Options;

/// The folders whose links name the compilers. Source: distccd(1) 3.4.
const FOLDERS: [&str; 2] = ["/usr/lib/distcc", "/usr/local/lib/distcc"];

/// By what a compiler may run.
#[derive(Debug)]
pub(super) enum Rule {
    /// Whatever is asked for.
    Any,
    /// Those with an executable of their name in one of the folders.
    Folders(Vec<PathBuf>),
    /// Those whose last path parts agree with a line of this file: `DISTCC_CMDLIST`.
    List { file: PathBuf, n_words: usize },
}

/// The names of compilers in the folders that name them, sorted.
pub(super) fn links(folders: &[PathBuf]) -> Vec<String> {
    let entries = folders.iter().filter_map(|folder| std::fs::read_dir(folder).ok());
    let mut names: Vec<String> = entries
        .flatten()
        .flatten()
        .filter(|entry| is_executable(&entry.path()))
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| CompilerName::parse(name).is_some())
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

pub(super) fn folder_paths(options: &Options) -> Vec<PathBuf> {
    match &options.compiler_whitelist {
        Some(folder) => vec![folder.clone()],
        None => FOLDERS.map(PathBuf::from).to_vec(),
    }
}

pub(super) fn folders(options: &Options) -> Result<Vec<PathBuf>, Failure> {
    let folders = folder_paths(options);
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
pub(super) fn bare_name(name: &[u8]) -> Option<&OsStr> {
    let bare = name.strip_prefix(b"/usr/bin/").or(name.strip_prefix(b"/bin/")).unwrap_or(name);
    let is_name = !bare.is_empty() && bare != b"." && bare != b".." && !bare.contains(&b'/');
    (is_name && !bare.contains(&0)).then_some(OsStr::from_bytes(bare))
}

pub(super) fn is_executable(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|found| found.is_file() && found.mode() & 0o111 != 0)
}

/// The first line whose last `n_words` path parts are those of `name`.
pub(super) fn listed<'a>(list: &'a [u8], name: &[u8], n_words: usize) -> Option<&'a [u8]> {
    let tail = |path: &'a [u8]| -> Vec<&'a [u8]> {
        path.rsplit(|byte| *byte == b'/').take(n_words).collect()
    };
    let parts: Vec<&[u8]> = name.rsplit(|byte| *byte == b'/').take(n_words).collect();
    if parts.len() < n_words || parts.first().is_none_or(|last| last.is_empty()) {
        return None;
    }
    lines(list).find(|line| tail(line) == parts)
}

pub(super) fn lines(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    list.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty())
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
}
