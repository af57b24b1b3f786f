//! What a compiler has by itself: the folders in which it looks, and its macros.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use compiler_args::Reading;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};

use crate::identity::Identity;

/// How long a compiler may take to tell: it takes milliseconds, and a machine may be very busy.
const PATIENCE: Duration = Duration::from_secs(20);

/// The most that it may say on either stream, in bytes. Clang 14 tells 13 kB of macros.
const MOST_SAID: u64 = 4 << 20;

/// How many settings are remembered.
const MOST_KNOWN: usize = 4096;

/// What all compiles with the same compiler and options of the same kind have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Setting {
    /// The compiler's own folders, in order.
    pub(crate) folders: Vec<Vec<u8>>,
    /// Its macros: what `-dM -E` prints.
    pub(crate) macros: Arc<[u8]>,
    /// Whether it is Clang, and not GCC.
    pub(crate) is_clang: bool,
}

/// The settings that are known.
#[derive(Default)]
pub(crate) struct SettingTable {
    known: Mutex<HashMap<Key, Arc<OnceLock<Told>>>>,
}

type Told = Result<Arc<Setting>, String>;

/// Everything that a setting depends on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    compiler: Vec<u8>,
    /// Another file under the same name is another compiler.
    identity: Identity,
    name: OsString,
    path: Vec<u8>,
    language: &'static str,
    words: Vec<OsString>,
    /// The working folder, where a word may name something in it.
    folder: Option<Vec<u8>>,
}

impl Key {
    /// The key of a command with the name `name` for its compiler, the program `compiler`.
    pub(crate) fn of(
        compiler: &[u8],
        name: &OsStr,
        path: &[u8],
        folder: &[u8],
        reading: &Reading,
    ) -> io::Result<Key> {
        let identity = Identity::of(&rustix::fs::stat(compiler)?);
        let is_relative = |word: &OsString| {
            let word = word.as_bytes();
            let value = word.splitn(2, |byte| *byte == b'=').last().unwrap_or(word);
            value.contains(&b'/') && !value.starts_with(b"/")
        };
        Ok(Key {
            compiler: compiler.to_vec(),
            identity,
            name: name.to_owned(),
            path: path.to_vec(),
            language: reading.language,
            words: reading.setting.clone(),
            folder: reading.setting.iter().any(is_relative).then(|| folder.to_vec()),
        })
    }

    fn ask(&self) -> Result<Setting, String> {
        let said = self.said().map_err(|error| format!("asking the compiler: {error}"))?;
        let folders = own_folders(&said.errors)
            .ok_or("the compiler does not tell where it looks for headers")?;
        let mut lines = said.output.split(|byte| *byte == b'\n');
        let is_clang = lines.any(|line| line.starts_with(b"#define __clang__ "));
        Ok(Setting { folders, macros: said.output.into(), is_clang })
    }

    fn said(&self) -> io::Result<Said> {
        let stream =
            || -> io::Result<File> { Ok(memfd_create("said", MemfdFlags::CLOEXEC)?.into()) };
        let (mut output, mut errors) = (stream()?, stream()?);
        let mut command = Command::new(OsStr::from_bytes(&self.compiler));
        command
            .arg0(&self.name)
            .args(&self.words)
            .args(["-E", "-v", "-dM", "-x", self.language, "/dev/null"])
            .env_clear()
            .env("PATH", OsStr::from_bytes(&self.path))
            .env("LC_ALL", "C")
            .env("_DISTCC_SAFEGUARD", "1")
            .current_dir(OsStr::from_bytes(self.folder.as_deref().unwrap_or(b"/")))
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(errors.try_clone()?)
            .process_group(0);
        wait(&mut command)?;
        Ok(Said { output: read(&mut output)?, errors: read(&mut errors)? })
    }
}

struct Said {
    output: Vec<u8>,
    errors: Vec<u8>,
}

/// Runs a command to its end, which has to come in time and be a success.
fn wait(command: &mut Command) -> io::Result<()> {
    let mut child = command.spawn()?;
    let deadline = Instant::now() + PATIENCE;
    let process = pidfd_open(Pid::from_child(&child), PidfdFlags::empty())?;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            let _ = kill_process_group(Pid::from_child(&child), Signal::KILL);
            let _ = child.wait();
            return Err(io::ErrorKind::TimedOut.into());
        }
        let left = Timespec::try_from(left).ok();
        let _ =
            poll(&mut [PollFd::from_borrowed_fd(process.as_fd(), PollFlags::IN)], left.as_ref());
        if let Some(status) = child.try_wait()? {
            let failed = || io::Error::other(format!("it failed with {status}"));
            return if status.success() { Ok(()) } else { Err(failed()) };
        }
    }
}

fn read(stream: &mut File) -> io::Result<Vec<u8>> {
    stream.rewind()?;
    let mut text = Vec::new();
    stream.take(MOST_SAID + 1).read_to_end(&mut text)?;
    if text.len() as u64 > MOST_SAID {
        return Err(io::Error::other("it says too much"));
    }
    Ok(text)
}

/// The folders of a `-v` message. Source: GCC 12, Clang 14. Folders for names in quotes alone are
/// never a compiler's own.
fn own_folders(said: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut lines = said.split(|byte| *byte == b'\n');
    lines.find(|line| *line == b"#include \"...\" search starts here:")?;
    let mut folders = Vec::new();
    let mut is_own = false;
    for line in lines {
        match line {
            // With -nostdinc no folder follows, and Clang leaves the line out.
            b"#include <...> search starts here:" => is_own = true,
            b"End of search list." => return Some(folders),
            line => {
                let folder = line.strip_prefix(b" ")?;
                // Clang marks folders of frameworks.
                if folder.ends_with(b" (framework directory)") {
                    return None;
                }
                if is_own {
                    folders.push(folder.to_vec());
                }
            }
        }
    }
    None
}

impl SettingTable {
    /// The setting of that key. Whoever asks first runs the compiler; others wait for it.
    ///
    /// # Errors
    /// Why it is not known.
    pub(crate) fn get(&self, key: &Key) -> Told {
        let place = {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            if known.len() >= MOST_KNOWN && !known.contains_key(key) {
                known.clear();
            }
            Arc::clone(known.entry(key.clone()).or_default())
        };
        let told = place.get_or_init(|| key.ask().map(Arc::new)).clone();
        if told.is_err() {
            // It may be better the next time.
            self.known.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
        }
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_read_from_what_compilers_say() {
        let said = b"Using built-in specs.\n#include \"...\" search starts here:\n\
            #include <...> search starts here:\n /usr/lib/gcc/x/12/include\n /usr/include\n\
            End of search list.\n";
        let expected = [b"/usr/lib/gcc/x/12/include".to_vec(), b"/usr/include".to_vec()];
        assert_eq!(own_folders(said).as_deref(), Some(&expected[..]));
        let begin = "#include \"...\" search starts here:\n";
        let cut = format!("{begin}#include <...> search starts here:\n /x\n");
        assert_eq!(own_folders(cut.as_bytes()), None);
        let without_any = format!("{begin}End of search list.\n");
        assert_eq!(own_folders(without_any.as_bytes()), Some(Vec::new()));
        assert_eq!(own_folders(b""), None);
    }

    #[test]
    fn a_compiler_that_is_to_use_no_folder_of_its_own_tells_that() {
        for name in ["gcc", "clang"] {
            let words = [name, "-nostdinc", "-c", "a.c"].map(OsString::from);
            let reading = Reading::of(&words).unwrap();
            let program = format!("/usr/bin/{name}");
            let key =
                Key::of(program.as_bytes(), OsStr::new(name), b"/usr/bin", b"/", &reading).unwrap();
            assert!(key.ask().unwrap().folders.is_empty(), "{name}");
        }
    }

    #[test]
    fn the_compiler_of_this_machine_tells() {
        let words = ["gcc", "-DX", "-c", "a.c"].map(OsString::from);
        let reading = Reading::of(&words).unwrap();
        let key = Key::of(b"/usr/bin/gcc", OsStr::new("gcc"), b"/usr/bin", b"/", &reading).unwrap();
        let table = SettingTable::default();
        let setting = table.get(&key).unwrap();
        assert!(setting.folders.contains(&b"/usr/include".to_vec()));
        let macros = std::str::from_utf8(&setting.macros).unwrap();
        assert!(macros.contains("#define __GNUC__ ") && !macros.contains("#define X "));
        assert!(!setting.is_clang);
        assert!(Arc::ptr_eq(&setting, &table.get(&key).unwrap()));
    }
}
