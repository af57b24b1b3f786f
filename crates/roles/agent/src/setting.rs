//! What a compiler has by itself: the folders in which it looks, and its macros.
//!
//! It is asked once, and what it said is kept with the state folder for later agents. It holds as long as the
//! places that it told of are in the state in which they were ([`witnesses`]).

mod witnesses;

use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::hash::{Hash, Hasher};
use std::io::{self, Read, Seek};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use compiler_args::Reading;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};
use statedir::StateDir;

use crate::identity::Identity;

/// How long a compiler may take to tell: it takes milliseconds, and a machine may be very busy.
const PATIENCE: Duration = Duration::from_secs(20);

/// The most that it may say on either stream, in bytes. Clang 14 tells 13 kB of macros.
const MOST_SAID: u64 = 4 << 20;

/// How many settings are remembered.
const MOST_KNOWN: usize = 4096;

/// How long a setting counts as looked at.
const FRESH: Duration = Duration::from_secs(2);

/// What a memo of a setting begins with, before everything that it depends on.
const MEMO: &str = "setting 1";

/// What all compiles with the same compiler and options of the same kind have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Setting {
    /// The compiler's own folders, in order.
    pub(crate) folders: Vec<Vec<u8>>,
    /// Its macros: what `-dM -E` prints.
    pub(crate) macros: Macros,
    /// Whether it is Clang, and not GCC.
    pub(crate) is_clang: bool,
}

/// What a compiler defines by itself. Those of a table that say the same are the same piece of memory, and told
/// apart by that: it is 13 kB long, and asked for several times a job.
#[derive(Clone, Debug)]
pub(crate) struct Macros(pub(crate) Arc<[u8]>);

impl PartialEq for Macros {
    fn eq(&self, other: &Macros) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Macros {}

impl Hash for Macros {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.0).addr().hash(state);
    }
}

/// The settings that are known.
pub(crate) struct SettingTable {
    known: Mutex<HashMap<Key, Arc<Known>>>,
    macros: Mutex<HashSet<Arc<[u8]>>>,
    /// Where what compilers say is kept for later agents.
    memos: Option<StateDir>,
}

type Told = Result<Arc<Setting>, String>;

/// What is known for a key.
#[derive(Default)]
struct Known {
    told: OnceLock<Told>,
    /// What it rests on; `None` until it is there.
    basis: Mutex<Option<Basis>>,
}

/// What a setting rests on.
struct Basis {
    errors: Vec<u8>,
    /// `None` where something may have changed while the compiler spoke.
    states: Option<String>,
    looked: Instant,
}

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

    /// What the compiler says, and the states of what that rests on.
    fn ask(&self, memos: Option<&StateDir>) -> Result<(Said, Option<String>), String> {
        if let Some(known) = memos.and_then(|memos| self.recall(memos)) {
            return Ok(known);
        }
        let before = SystemTime::now();
        let said = self.said().map_err(|error| format!("asking the compiler: {error}"))?;
        let states = self.states(&said.errors, before);
        if let (Some(memos), Some(states)) = (memos, &states) {
            self.keep(memos, &said, states);
        }
        Ok((said, states))
    }

    /// The states of what that rests on; `None` where something may have changed since `before`.
    fn states(&self, errors: &[u8], before: SystemTime) -> Option<String> {
        witnesses::states(errors, self.working_folder(), before)
    }

    /// What was said to an earlier agent, if that still holds.
    fn recall(&self, memos: &StateDir) -> Option<(Said, Option<String>)> {
        let answer = memos.recall(&self.memo_key())?;
        let mut parts = answer.splitn(3, |byte| *byte == 0);
        let (states, errors, output) = (parts.next()?, parts.next()?, parts.next()?);
        let now = self.states(errors, SystemTime::now()).filter(|now| now.as_bytes() == states)?;
        Some((Said { errors: errors.to_vec(), output: output.to_vec() }, Some(now)))
    }

    /// Keeps it for later agents; where that cannot be, they ask again.
    fn keep(&self, memos: &StateDir, said: &Said, states: &str) {
        if !said.errors.contains(&0) && !said.output.contains(&0) {
            let answer = [states.as_bytes(), &said.errors, &said.output].join(&0);
            let _ = memos.keep(&self.memo_key(), &answer);
        }
    }

    /// Everything that a memo depends on, without a NUL.
    fn memo_key(&self) -> Vec<u8> {
        let Key { compiler, identity, name, path, language, words, folder } = self;
        let folder = folder.as_deref().map(<[u8]>::escape_ascii).map(|folder| folder.to_string());
        let (compiler, path) = (compiler.escape_ascii(), path.escape_ascii());
        format!("{MEMO} {compiler} {identity:?} {name:?} {path} {language} {words:?} {folder:?}")
            .into_bytes()
    }

    fn working_folder(&self) -> &[u8] {
        self.folder.as_deref().unwrap_or(b"/")
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
            .current_dir(OsStr::from_bytes(self.working_folder()))
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

impl Said {
    fn folders(&self) -> Result<Vec<Vec<u8>>, String> {
        let unknown = "the compiler does not tell where it looks for headers";
        own_folders(&self.errors).ok_or_else(|| unknown.to_owned())
    }

    fn is_clang(&self) -> bool {
        let mut lines = self.output.split(|byte| *byte == b'\n');
        lines.any(|line| line.starts_with(b"#define __clang__ "))
    }
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
    /// A table that knows what is kept in the memos of a state folder, and keeps there what it learns.
    pub(crate) fn new(memos: Option<StateDir>) -> SettingTable {
        // The agent does not stay in the folder in which it was started.
        let memos = memos.filter(|memos| memos.path().is_absolute());
        SettingTable { known: Mutex::default(), macros: Mutex::default(), memos }
    }

    /// The setting of that key. Whoever asks first runs the compiler; others wait for it.
    ///
    /// # Errors
    /// Why it is not known.
    pub(crate) fn get(&self, key: &Key) -> Told {
        let place = self.place(key);
        let told = self.tell(&place, key);
        if told.is_ok() && place.holds(key) {
            return told;
        }
        self.known().remove(key);
        // What failed may be better the next time.
        if told.is_ok() { self.tell(&self.place(key), key) } else { told }
    }

    fn tell(&self, place: &Known, key: &Key) -> Told {
        place.told.get_or_init(|| place.learn(key, self)).clone()
    }

    fn macros(&self) -> MutexGuard<'_, HashSet<Arc<[u8]>>> {
        self.macros.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The one piece of memory that says this.
    fn shared(&self, text: Vec<u8>) -> Macros {
        let mut macros = self.macros();
        let known = macros.get(&text[..]).cloned().unwrap_or_else(|| text.into());
        macros.insert(Arc::clone(&known));
        Macros(known)
    }

    fn known(&self) -> MutexGuard<'_, HashMap<Key, Arc<Known>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn place(&self, key: &Key) -> Arc<Known> {
        let mut known = self.known();
        if known.len() >= MOST_KNOWN && !known.contains_key(key) {
            known.clear();
            self.macros().clear();
        }
        Arc::clone(known.entry(key.clone()).or_default())
    }
}

impl Known {
    fn basis(&self) -> MutexGuard<'_, Option<Basis>> {
        self.basis.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn learn(&self, key: &Key, table: &SettingTable) -> Told {
        let looked = Instant::now();
        let (said, states) = key.ask(table.memos.as_ref())?;
        let (folders, is_clang) = (said.folders()?, said.is_clang());
        *self.basis() = Some(Basis { errors: said.errors, states, looked });
        Ok(Arc::new(Setting { folders, macros: table.shared(said.output), is_clang }))
    }

    /// Whether all that it rests on is as it was, as far as that was not just looked at.
    fn holds(&self, key: &Key) -> bool {
        let mut basis = self.basis();
        let Some(basis) = &mut *basis else { return false };
        let now = Instant::now();
        if now.duration_since(basis.looked) < FRESH {
            return true;
        }
        basis.looked = now;
        let states = key.states(&basis.errors, SystemTime::now());
        states.is_some() && states == basis.states
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
            assert!(key.ask(None).unwrap().0.folders().unwrap().is_empty(), "{name}");
        }
    }

    #[test]
    fn the_compiler_of_this_machine_tells() {
        let words = ["gcc", "-DX", "-c", "a.c"].map(OsString::from);
        let reading = Reading::of(&words).unwrap();
        let key = Key::of(b"/usr/bin/gcc", OsStr::new("gcc"), b"/usr/bin", b"/", &reading).unwrap();
        let table = SettingTable::new(None);
        let setting = table.get(&key).unwrap();
        assert!(setting.folders.contains(&b"/usr/include".to_vec()));
        let macros = std::str::from_utf8(&setting.macros.0).unwrap();
        assert!(macros.contains("#define __GNUC__ ") && !macros.contains("#define X "));
        assert!(!setting.is_clang);
        assert!(Arc::ptr_eq(&setting, &table.get(&key).unwrap()));
    }

    #[test]
    fn later_agents_know_what_still_holds() {
        let world = tempfile::tempdir().unwrap();
        let root = world.path().canonicalize().unwrap();
        // What it rests on lies in a folder in which nothing else comes and goes.
        std::fs::create_dir(root.join("local")).unwrap();
        let missing = root.join("local/include");
        let state = StateDir::open(Some(root.join("state").as_os_str()), None).unwrap();
        // A compiler that counts how often it is asked.
        let (compiler, asked) = (root.join("gcc"), root.join("asked"));
        let text = format!(
            "#!/bin/sh\necho >> '{}'\nexec /usr/bin/gcc -idirafter '{}' \"$@\"\n",
            asked.display(),
            missing.display()
        );
        std::fs::write(&compiler, text).unwrap();
        std::fs::set_permissions(&compiler, std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .unwrap();
        let reading = Reading::of(&["gcc", "-c", "a.c"].map(OsString::from)).unwrap();
        let get = || {
            let name = OsStr::new("gcc");
            let compiler = compiler.as_os_str().as_bytes();
            let key = Key::of(compiler, name, b"/usr/bin:/bin", b"/", &reading).unwrap();
            SettingTable::new(Some(state.clone())).get(&key).unwrap()
        };
        let n_asked = || std::fs::read(&asked).unwrap().len();
        // Whatever was changed just now may change once more without a trace.
        let settle = || std::thread::sleep(Duration::from_millis(100));
        settle();
        let first = get();
        let again = get();
        assert_eq!((&again.folders, &again.macros.0), (&first.folders, &first.macros.0));
        assert_eq!(n_asked(), 1);
        std::fs::create_dir(&missing).unwrap();
        settle();
        let missing = missing.as_os_str().as_bytes().to_vec();
        assert!(!first.folders.contains(&missing));
        assert_eq!((get().folders.contains(&missing), n_asked()), (true, 2));
        assert_eq!((get().folders.contains(&missing), n_asked()), (true, 2));
    }
}
