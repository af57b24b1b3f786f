//! In which order a compiler looks through folders: its own and those of the command.

use std::collections::HashSet;

use compiler_args::Reading;
use includes::Search;

/// What tells a folder from others: device and inode. `None`: there is no such folder.
pub(crate) type FolderNumber = Option<(u64, u64)>;

/// The lists of a command, where the compiler has the folders `own` by itself.
///
/// Folders that are not there count for nothing, nor do those that are named again. A folder of `-I`
/// that is also a system's keeps only its later place there; with GCC so does one of `-iquote`. Source:
/// the manuals of GCC and Clang (`-I`, `-isystem`), and what both print with `-v`.
pub(crate) fn search(
    reading: &Reading,
    own: &[Vec<u8>],
    is_clang: bool,
    number: &mut dyn FnMut(&[u8]) -> FolderNumber,
) -> Search {
    let mut seen = HashSet::new();
    let system =
        first(&mut reading.system.iter().chain(own).chain(&reading.after), &mut seen, number);
    let mut seen_quoted = if is_clang { HashSet::new() } else { seen.clone() };
    let mut all = first(&mut reading.all.iter(), &mut seen, number);
    all.extend(system);
    Search { quoted: first(&mut reading.quoted.iter(), &mut seen_quoted, number), all }
}

/// Those of `names` that are folders, and have not been seen.
fn first(
    names: &mut dyn Iterator<Item = &Vec<u8>>,
    seen: &mut HashSet<(u64, u64)>,
    number: &mut dyn FnMut(&[u8]) -> FolderNumber,
) -> Vec<Vec<u8>> {
    names.filter(|name| number(name).is_some_and(|number| seen.insert(number))).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::{OsStr, OsString};
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::MetadataExt;
    use std::path::{Path, PathBuf};
    use std::process::Command;

    /// The lists that a compiler prints, in one.
    fn told(compiler: &str, words: &[&str], folder: &Path) -> Vec<String> {
        let output = Command::new(compiler)
            .args(words)
            .args(["-E", "-v", "-x", "c", "/dev/null"])
            .env("LC_ALL", "C")
            .current_dir(folder)
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        let from = said.find("#include \"...\"").unwrap();
        let to = said.find("End of search list").unwrap();
        said[from..to]
            .lines()
            .filter_map(|line| line.strip_prefix(' '))
            .map(str::to_owned)
            .collect()
    }

    fn true_folder(folder: &Path, name: &[u8]) -> PathBuf {
        folder.join(OsStr::from_bytes(name)).canonicalize().unwrap()
    }

    #[test]
    fn the_order_is_the_compilers() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a", "b", "c", "d"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        std::os::unix::fs::symlink("a", folder.path().join("link")).unwrap();
        let cases: [&[&str]; 10] = [
            &["-Ia", "-Ib", "-Ia", "-Imissing"],
            &["-Ia", "-Ilink", "-isystem", "b", "-Ib"],
            &["-I/usr/include", "-Ia", "-isystem", "a"],
            &["-idirafter", "a", "-Ia", "-isystem", "b", "-idirafter", "b"],
            &["-iquote", "a", "-Ia", "-iquote", "b", "-iquote", "a"],
            &["-isystem", "/usr/include", "-Ic"],
            &["-nostdinc", "-Ia", "-isystem", "b"],
            &["-iquote", "a", "-iquote", "c", "-idirafter", "link", "-Id"],
            &["-iquote", "link", "-Ia", "-Ib"],
            &["-iquote", "a", "-isystem", "link", "-isystem", "a", "-idirafter", "a", "-Id"],
        ];
        let mut n_compared = 0;
        for compiler in ["gcc", "clang"] {
            if Command::new(compiler).arg("--version").output().is_err() {
                continue;
            }
            for words in cases {
                let own: Vec<&str> =
                    words.iter().copied().filter(|word| *word == "-nostdinc").collect();
                let own: Vec<Vec<u8>> = told(compiler, &own, folder.path())
                    .into_iter()
                    .map(String::into_bytes)
                    .collect();
                let command = ["gcc"].iter().chain(words).chain(&["-c", "a.c"]);
                let command: Vec<OsString> = command.map(OsString::from).collect();
                let reading = Reading::of(&command).unwrap();
                let is_clang = compiler == "clang";
                let found = search(&reading, &own, is_clang, &mut |name| {
                    let name = folder.path().join(std::str::from_utf8(name).unwrap());
                    let found = std::fs::metadata(name).ok().filter(std::fs::Metadata::is_dir)?;
                    Some((found.dev(), found.ino()))
                });
                let lists = found.quoted.into_iter().chain(found.all);
                let mut lists: Vec<PathBuf> =
                    lists.map(|name| true_folder(folder.path(), &name)).collect();
                // GCC leaves out the last one for quotes where it is also the next.
                lists.dedup();
                let mut told: Vec<PathBuf> = told(compiler, words, folder.path())
                    .iter()
                    .map(|name| true_folder(folder.path(), name.as_bytes()))
                    .collect();
                told.dedup();
                assert_eq!(lists, told, "{compiler} {words:?}");
                n_compared += 1;
            }
        }
        assert!(n_compared >= cases.len());
    }
}
