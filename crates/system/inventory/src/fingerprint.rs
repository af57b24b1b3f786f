//! A short text that is another one when a compiler makes other objects.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use toolchain::{Compiler, Family};

use crate::ask::answer;
use crate::{About, Surroundings};

/// What of GCC decides how an object looks, beside the driver.
const GCC_PARTS: [&str; 3] = ["cc1", "cc1plus", "as"];

/// The libraries that Clang's compilers are, where the driver is not all in one.
const CLANG_LIBRARIES: [&str; 2] = ["libclang-cpp.so", "libLLVM"];

/// How much of a file is read at most where the file does not name itself.
const MOST_BYTES: u64 = 512 << 20;

/// How many digits of the digest are kept: nobody gains from a collision.
const N_DIGITS: usize = 32;

/// The fingerprint of a compiler: made of the programs that decide its objects, each by the build
/// id that its linker made of its contents, and by the contents where there is none. Shared
/// libraries such as GCC's of numbers are not in it.
///
/// # Errors
/// When a part cannot be found or read.
pub fn fingerprint(
    compiler: &Compiler,
    about: &About,
    surroundings: &Surroundings,
) -> io::Result<String> {
    let mut digest = Sha256::new();
    digest.update(about.target.as_bytes());
    digest.update([0]);
    let driver = compiler.program.canonicalize()?;
    add(&mut digest, "driver", &driver)?;
    match about.family {
        Family::Gcc => {
            for part in GCC_PARTS {
                let said = answer(compiler, surroundings, &format!("-print-prog-name={part}"))?;
                if let Some(path) = whole_path(said.trim(), compiler, surroundings) {
                    add(&mut digest, part, &path)?;
                }
            }
        }
        Family::Clang => {
            for library in clang_libraries(&driver) {
                let name = library.file_name().unwrap_or_default().to_string_lossy().into_owned();
                add(&mut digest, &name, &library)?;
            }
        }
    }
    let mut text = String::with_capacity(2 * 32);
    for byte in digest.finalize() {
        let _ = write!(text, "{byte:02x}");
    }
    text.truncate(N_DIGITS);
    Ok(text)
}

/// The file that GCC names: one without a folder is looked up in `PATH`, as GCC does. `None` for a
/// part that is not installed.
fn whole_path(said: &str, compiler: &Compiler, surroundings: &Surroundings) -> Option<PathBuf> {
    if said.contains('/') {
        return Some(PathBuf::from(said));
    }
    let path = compiler.path.as_ref().unwrap_or(&surroundings.path);
    std::env::split_paths(path).map(|folder| folder.join(said)).find(|path| path.is_file())
}

fn clang_libraries(driver: &Path) -> Vec<PathBuf> {
    let Some(folder) = driver.parent().and_then(Path::parent).map(|prefix| prefix.join("lib"))
    else {
        return Vec::new();
    };
    let is_library = |name: &OsStr| {
        let name = name.to_string_lossy();
        name.contains(".so") && CLANG_LIBRARIES.iter().any(|library| name.starts_with(library))
    };
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries
        .filter(|entry| is_library(&entry.file_name()))
        .filter_map(|entry| entry.path().canonicalize().ok())
        .collect();
    files.sort_unstable();
    files.dedup();
    files
}

fn add(digest: &mut Sha256, name: &str, path: &Path) -> io::Result<()> {
    let file = File::open(path)?;
    digest.update(name.as_bytes());
    match build_id(&file) {
        Some(id) => {
            digest.update(b"\0id\0");
            digest.update(&id);
        }
        None => {
            digest.update(b"\0contents\0");
            digest.update(contents(&file)?);
        }
    }
    Ok(())
}

fn contents(file: &File) -> io::Result<[u8; 32]> {
    let mut digest = Sha256::new();
    let mut buffer = vec![0; 128 << 10];
    let mut file = file.take(MOST_BYTES);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(digest.finalize().into()),
            n_bytes => digest.update(&buffer[..n_bytes]),
        }
    }
}

/// The largest table of an ELF file, and the largest note, that is read.
const MOST_TABLE: usize = 64 << 10;

/// The build id of an ELF file: a note called GNU, of type 3. Source: the ELF specification, and
/// the manual of GNU ld, "--build-id".
fn build_id(file: &File) -> Option<Vec<u8>> {
    let mut head = [0; 64];
    file.read_exact_at(&mut head, 0).ok()?;
    let order = match (&head[..4], head[5]) {
        (b"\x7fELF", 1) => Order { big_endian: false },
        (b"\x7fELF", 2) => Order { big_endian: true },
        _ => return None,
    };
    let is_wide = match head[4] {
        1 => false,
        2 => true,
        _ => return None,
    };
    let (table, entry, count) = if is_wide {
        (order.u64(&head, 32)?, order.u16(&head, 54)?, order.u16(&head, 56)?)
    } else {
        (order.u32(&head, 28)?.into(), order.u16(&head, 42)?, order.u16(&head, 44)?)
    };
    let (entry, least) = (usize::from(entry), if is_wide { 56 } else { 32 });
    let size = entry.checked_mul(count.into()).filter(|size| *size <= MOST_TABLE)?;
    if entry < least {
        return None;
    }
    let mut segments = vec![0; size];
    file.read_exact_at(&mut segments, table).ok()?;
    segments.chunks_exact(entry).find_map(|segment| {
        // A segment of notes.
        if order.u32(segment, 0)? != 4 {
            return None;
        }
        let (at, size) = if is_wide {
            (order.u64(segment, 8)?, order.u64(segment, 32)?)
        } else {
            (order.u32(segment, 4)?.into(), order.u32(segment, 16)?.into())
        };
        let mut notes = vec![0; usize::try_from(size).ok().filter(|size| *size <= MOST_TABLE)?];
        file.read_exact_at(&mut notes, at).ok()?;
        id_among(&notes, order)
    })
}

fn id_among(mut notes: &[u8], order: Order) -> Option<Vec<u8>> {
    loop {
        let n_name = usize::try_from(order.u32(notes, 0)?).ok()?;
        let n_id = usize::try_from(order.u32(notes, 4)?).ok()?;
        let kind = order.u32(notes, 8)?;
        let id_at = 12_usize.checked_add(n_name.checked_next_multiple_of(4)?)?;
        let end = id_at.checked_add(n_id)?;
        let (name, id) = (notes.get(12..12_usize.checked_add(n_name)?)?, notes.get(id_at..end)?);
        if kind == 3 && name == b"GNU\0" && !id.is_empty() {
            return Some(id.to_vec());
        }
        notes = notes.get(end.checked_next_multiple_of(4)?..)?;
    }
}

#[derive(Clone, Copy)]
struct Order {
    big_endian: bool,
}

impl Order {
    fn bytes<const N: usize>(self, from: &[u8], at: usize) -> Option<[u8; N]> {
        let mut bytes: [u8; N] = from.get(at..)?.get(..N)?.try_into().ok()?;
        if self.big_endian {
            bytes.reverse();
        }
        Some(bytes)
    }

    fn u16(self, from: &[u8], at: usize) -> Option<u16> {
        self.bytes(from, at).map(u16::from_le_bytes)
    }

    fn u32(self, from: &[u8], at: usize) -> Option<u32> {
        self.bytes(from, at).map(u32::from_le_bytes)
    }

    fn u64(self, from: &[u8], at: usize) -> Option<u64> {
        self.bytes(from, at).map(u64::from_le_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use toolchain::Finder;

    fn surroundings() -> Surroundings {
        Surroundings { path: "/usr/bin:/bin".into(), variables: Vec::new() }
    }

    fn fingerprint_of(name: &str) -> String {
        let compiler = Finder::new("/usr/bin:/bin".into()).find(OsStr::new(name)).unwrap();
        let about = crate::Acquaintances::default().ask(&compiler, &surroundings()).unwrap();
        fingerprint(&compiler, &about, &surroundings()).unwrap()
    }

    #[test]
    fn compilers_differ_and_their_names_do_not() {
        let gcc = fingerprint_of("gcc");
        assert_eq!(gcc.len(), N_DIGITS);
        assert_eq!(gcc, fingerprint_of("x86_64-linux-gnu-gcc-12"));
        assert_ne!(gcc, fingerprint_of("g++"));
        assert_ne!(gcc, fingerprint_of("aarch64-linux-gnu-gcc"));
        assert_ne!(gcc, fingerprint_of("clang"));
    }

    #[test]
    fn programs_of_this_machine_have_a_build_id() {
        let id = build_id(&File::open("/usr/bin/gcc").unwrap()).unwrap();
        assert!(id.len() >= 16);
        assert_eq!(build_id(&File::open("/etc/passwd").unwrap()), None);
    }

    #[test]
    fn a_damaged_file_has_no_build_id_and_does_no_harm() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("program");
        let whole = std::fs::read("/usr/bin/gcc").unwrap();
        let whole = &whole[..4096];
        let id = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            build_id(&File::open(&path).unwrap())
        };
        for at in 0..1024 {
            let mut bytes = whole.to_vec();
            for value in [0, 0x7f, 0xff] {
                bytes[at] = value;
                let _ = id(&bytes);
            }
        }
        for length in [0, 4, 63, 64, 100, 600] {
            assert_eq!(id(&whole[..length]), None);
        }
    }
}
