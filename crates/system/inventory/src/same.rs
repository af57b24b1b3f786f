//! Which names are of one compiler, and where a compiler lives.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The largest driver that is compared byte for byte.
const MOST_BYTES: u64 = 64 << 20;

/// How long a chain of links may be.
const MOST_LINKS: usize = 16;

/// Whether two programs are one file: one is a link to the other, or they are hard links or equal
/// copies in one folder. In another folder a copy is another compiler: GCC and Clang look for their
/// parts from where they are.
///
/// The file says nothing about what it does by another name. Who asks for compilers has to compare
/// what they say of themselves, and their names, as well.
#[must_use]
pub fn is_same(one: &Path, other: &Path) -> bool {
    let (Ok(one), Ok(other)) = (one.canonicalize(), other.canonicalize()) else { return false };
    one == other || (one.parent() == other.parent() && is_equal(&one, &other).unwrap_or(false))
}

fn is_equal(one: &Path, other: &Path) -> io::Result<bool> {
    let (mut one, mut other) = (File::open(one)?, File::open(other)?);
    let (of_one, of_other) = (one.metadata()?, other.metadata()?);
    if (of_one.dev(), of_one.ino()) == (of_other.dev(), of_other.ino()) {
        return Ok(true);
    }
    let size = of_one.size();
    if size != of_other.size() || size > MOST_BYTES || !of_one.is_file() || !of_other.is_file() {
        return Ok(false);
    }
    let (mut here, mut there) = (vec![0; 64 << 10], vec![0; 64 << 10]);
    let mut left = size;
    while left > 0 {
        let n_bytes = left.min(here.len() as u64) as usize;
        one.read_exact(&mut here[..n_bytes])?;
        other.read_exact(&mut there[..n_bytes])?;
        if here[..n_bytes] != there[..n_bytes] {
            return Ok(false);
        }
        left -= n_bytes as u64;
    }
    Ok(true)
}

/// The folders that a compiler lives in: of the file itself and of every link on the way to it, and
/// the prefix of its installation where the parts of a compiler are in it. What a script starts
/// beyond that is not in it.
#[must_use]
pub fn folders_of(program: &Path) -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = Vec::new();
    let mut add = |program: &Path| {
        let Some(folder) = program.parent() else { return };
        for folder in with_prefix(folder) {
            if folder.parent().is_some() && !folders.iter().any(|known| known == folder) {
                folders.push(folder.to_owned());
            }
        }
    };
    let mut at = program.to_owned();
    for _ in 0..MOST_LINKS {
        add(&at);
        let Ok(target) = std::fs::read_link(&at) else { break };
        at = at.parent().unwrap_or(Path::new("/")).join(target);
    }
    if let Ok(canonical) = program.canonicalize() {
        add(&canonical);
    }
    folders
}

/// A folder of programs, and the prefix of their installation where the parts of a compiler are in it.
pub fn with_prefix(folder: &Path) -> impl Iterator<Item = &Path> {
    let prefix = folder.parent().filter(|prefix| is_toolchain(prefix));
    [Some(folder), prefix].into_iter().flatten()
}

/// Whether a folder has the parts of a compiler in it.
fn is_toolchain(prefix: &Path) -> bool {
    ["lib/gcc", "lib64/gcc", "libexec/gcc", "lib/clang", "lib64/clang"]
        .iter()
        .any(|part| prefix.join(part).is_dir())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn links_and_copies_in_one_folder_are_the_same() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        for folder in ["bin", "other"] {
            std::fs::create_dir(at(folder)).unwrap();
        }
        std::fs::write(at("bin/gcc-12"), "gcc").unwrap();
        std::fs::write(at("bin/copy"), "gcc").unwrap();
        std::fs::write(at("bin/gcc-11"), "GCC").unwrap();
        std::fs::write(at("other/gcc"), "gcc").unwrap();
        std::fs::hard_link(at("bin/gcc-12"), at("bin/hard")).unwrap();
        symlink("gcc-12", at("bin/gcc")).unwrap();
        symlink(at("bin/gcc"), at("other/link")).unwrap();
        symlink("nothing", at("bin/broken")).unwrap();
        let check = |one: &str, other: &str, expected| {
            assert_eq!(is_same(&at(one), &at(other)), expected, "{one} {other}");
        };
        for name in ["bin/gcc", "bin/hard", "bin/copy", "other/link"] {
            check("bin/gcc-12", name, true);
        }
        for name in ["bin/gcc-11", "other/gcc", "bin/broken", "bin/missing"] {
            check("bin/gcc-12", name, false);
        }
        check("bin/missing", "bin/missing", false);
    }

    #[test]
    fn a_compiler_lives_where_its_links_lead() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        let at = |name: &str| root.join(name);
        for folder in ["links", "opt/x/bin", "lib/llvm/bin", "lib/llvm/lib/clang"] {
            std::fs::create_dir_all(at(folder)).unwrap();
        }
        std::fs::write(at("lib/llvm/bin/clang"), "").unwrap();
        symlink("../../../lib/llvm/bin/clang", at("opt/x/bin/clang")).unwrap();
        symlink(at("opt/x/bin/clang"), at("links/clang")).unwrap();
        let folders = folders_of(&at("links/clang"));
        let has = |name: &str| folders.contains(&at(name));
        assert!(has("links") && has("opt/x/bin") && has("lib/llvm/bin"), "{folders:?}");
        // Not whatever else is beside a `bin`: it may be somebody's home.
        assert!(has("lib/llvm") && !has("opt/x"), "{folders:?}");
        assert_eq!(folders_of(Path::new("/gcc")), [] as [PathBuf; 0]);
    }
}
