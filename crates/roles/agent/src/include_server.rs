//! What a client of distcc 3.4 asks when it is to send a job in pump mode: a socket to which it says
//! the command, and which answers with the names of copies that it is to send.
//!
//! A process of its own: it lives as long as the build that `pump` was started for, its mirror goes
//! with it, and a build without such clients costs nothing but an idle process.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Component, Path};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use agent_wire::{Errand, Keeping, Way};
use compiler_args::{Decision, FOLDER_VARIABLES, decide};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::FileType;
use toolchain::Finder;
use wire::{IncludeRequest, IncludeRequestDecoder, Limits, encode_include_answer};

use crate::Settings;
use crate::mirror::Mirror;
use crate::plan::{Doubt, Knowledge};

/// How long a client may take to say what it wants, and to take the answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often to look whether it is time to go.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// The most clients at once; others wait in the socket's queue.
const MOST_CLIENTS: usize = 256;

/// How much stack a conversation has.
const STACK_BYTES: usize = 2 << 20;

/// The most of a client's environment that is read. Linux allows 6 MiB.
const MOST_ENVIRONMENT: u64 = 8 << 20;

/// Variables by which a compiler reads other files than its command says, beside those that add
/// folders.
const MISLEADING: [&str; 4] =
    ["GCC_EXEC_PREFIX", "COMPILER_PATH", "CCC_OVERRIDE_OPTIONS", "QA_OVERRIDE_GCC3_OPTIONS"];

struct IncludeServer {
    knowledge: Knowledge,
    mirror: Mutex<Mirror>,
    /// Where compilers are looked for of a client whose environment cannot be read.
    path: OsString,
    n_clients: AtomicUsize,
    /// The codes of the doubts that were told.
    told: Mutex<HashSet<&'static str>>,
}

/// Answers clients over `socket` in `folder`, which is the user's alone, until the standard input
/// ends, if that is a pipe, or the folder is gone. Then the folder goes with all that is in it.
pub(crate) fn serve(settings: &Settings, folder: &Path) -> io::Result<()> {
    check(folder)?;
    let socket = folder.join("socket");
    let listener = UnixListener::bind(&socket)?;
    listener.set_nonblocking(true)?;
    std::env::set_current_dir("/")?;
    let server = Arc::new(IncludeServer {
        knowledge: Knowledge::new(settings.most_body_bytes, settings.open_state().ok()),
        mirror: Mutex::new(Mirror::new(folder)),
        path: settings.path.clone(),
        n_clients: AtomicUsize::new(0),
        told: Mutex::default(),
    });
    let ready = [socket.as_os_str().as_bytes(), b"\n"].concat();
    io::stdout().write_all(&ready)?;
    io::stdout().flush()?;
    server.accept_all(&listener, &socket);
    // Whoever still talks may make one more copy.
    for _ in 0..10 {
        match std::fs::remove_dir_all(folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                std::thread::sleep(LOOK_EVERY / 10);
            }
            _ => break,
        }
    }
    Ok(())
}

/// Whether a mirror can be in that folder.
fn check(folder: &Path) -> io::Result<()> {
    let bad = |what: &str| {
        let text = format!("{} {what}", folder.display());
        Err(io::Error::new(io::ErrorKind::InvalidInput, text))
    };
    let n_parts = folder.components().filter(|part| matches!(part, Component::Normal(_))).count();
    if !folder.is_absolute() || n_parts != 2 || folder.components().count() != 3 {
        return bad("is no absolute name of two parts, as clients of distcc 3.4 need it");
    }
    let found = std::fs::symlink_metadata(folder)?;
    let is_own = found.uid() == rustix::process::geteuid().as_raw();
    if !found.is_dir() || !is_own || found.mode() & 0o077 != 0 {
        return bad("is open to others");
    }
    Ok(())
}

/// The standard input, where its end is to be ours: where it is a pipe.
fn leash() -> Option<io::Stdin> {
    let stdin = io::stdin();
    let stat = rustix::fs::fstat(&stdin).ok()?;
    (FileType::from_raw_mode(stat.st_mode) == FileType::Fifo).then_some(stdin)
}

impl IncludeServer {
    fn accept_all(self: &Arc<IncludeServer>, listener: &UnixListener, socket: &Path) {
        let leash = leash();
        loop {
            let mut ends = vec![PollFd::from_borrowed_fd(listener.as_fd(), PollFlags::IN)];
            if let Some(leash) = &leash {
                ends.push(PollFd::from_borrowed_fd(leash.as_fd(), PollFlags::empty()));
            }
            let _ = poll(&mut ends, Timespec::try_from(LOOK_EVERY).ok().as_ref());
            let has_ended = ends.get(1).is_some_and(|end| !end.revents().is_empty());
            if has_ended || !socket.exists() {
                return;
            }
            if self.n_clients.load(Ordering::Relaxed) >= MOST_CLIENTS {
                std::thread::sleep(LOOK_EVERY / 50);
                continue;
            }
            match listener.accept() {
                Ok((stream, _)) => self.admit(stream),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // Too many open files: some client will go.
                Err(_) => std::thread::sleep(LOOK_EVERY),
            }
        }
    }

    fn admit(self: &Arc<IncludeServer>, stream: UnixStream) {
        self.n_clients.fetch_add(1, Ordering::Relaxed);
        let client = Client(Arc::clone(self));
        let talk = move || {
            if let Err(error) = client.0.talk(stream) {
                log(&format!("a client's talk ended: {error}"));
            }
        };
        let started = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(talk);
        if let Err(error) = started {
            log(&format!("a client was turned away: {error}"));
        }
    }

    fn talk(&self, mut stream: UnixStream) -> io::Result<()> {
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let peer = sys::peer::of(&stream)?;
        if peer.user != rustix::process::geteuid().as_raw() {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let Some(request) = receive(&mut stream)? else { return Ok(()) };
        let names = environment(peer.pid).and_then(|environment| self.names(request, &environment));
        let names = names.unwrap_or_else(|doubt| {
            self.tell(&doubt);
            Vec::new()
        });
        stream.write_all(&encode_include_answer(&names).map_err(io::Error::other)?)
    }

    /// The names of the copies that a client is to send.
    fn names(&self, request: IncludeRequest, environment: &[u8]) -> Result<Vec<Vec<u8>>, Doubt> {
        let errand = self.errand(request, environment)?;
        let mirror = || -> MutexGuard<'_, Mirror> {
            self.mirror.lock().unwrap_or_else(PoisonError::into_inner)
        };
        let survey = self.knowledge.survey(&errand, &mut |copied| mirror().has(copied))?;
        mirror().take(survey).map_err(|error| doubt("no-copy", &format!("copying: {error}")))
    }

    /// What is to be found out for a request.
    fn errand(&self, request: IncludeRequest, environment: &[u8]) -> Result<Errand, Doubt> {
        let variable = |name: &str| {
            let mut all = environment.split(|byte| *byte == 0);
            all.find_map(|pair| pair.strip_prefix(name.as_bytes())?.strip_prefix(b"="))
        };
        let mut misleading = FOLDER_VARIABLES.iter().chain(&MISLEADING);
        if let Some(name) = misleading.find(|name| variable(name).is_some()) {
            return Err(doubt("compiler-variable", &format!("{name} is set")));
        }
        let words: Vec<OsString> =
            request.arguments.iter().cloned().map(OsString::from_vec).collect();
        if words.iter().any(|word| word.as_bytes().starts_with(b"@")) {
            return Err(doubt("response-file", "words are in a file"));
        }
        match decide(&words) {
            Decision::Distribute(job) if job.whole.is_some() && job.split_debug.is_none() => {}
            Decision::Distribute(_) => return Err(doubt("unclear-option", "it is no such job")),
            Decision::CompileHere(stay) => return Err(doubt("unclear-option", &stay.to_string())),
        }
        let folder = Path::new(OsStr::from_bytes(&request.folder));
        if !folder.is_absolute() {
            return Err(doubt("unusual-file", "the working folder has no absolute name"));
        }
        let path = variable("PATH").map_or(self.path.as_os_str(), OsStr::from_bytes);
        let missing = |error| doubt("no-compiler", &format!("{}: {error}", words[0].display()));
        let has_folder = words[0].as_bytes().contains(&b'/');
        let name = if has_folder { folder.join(&words[0]).into() } else { words[0].clone() };
        let compiler = Finder::new(path.to_owned()).find(&name).map_err(missing)?;
        Ok(Errand {
            compiler: folder.join(compiler.program).into_os_string().into_vec(),
            folder: request.folder,
            path: compiler.path.unwrap_or_else(|| path.to_owned()).into_vec(),
            command: request.arguments,
            sent: Vec::new(),
            way: Way::Whole,
            keeping: Keeping::Nothing,
        })
    }

    /// Tells why a client has to preprocess, of each kind once.
    fn tell(&self, doubt: &Doubt) {
        let is_new = self.told.lock().unwrap_or_else(PoisonError::into_inner).insert(doubt.code);
        if is_new {
            let Doubt { code, text } = doubt;
            log(&format!(
                "a job is preprocessed by its client: {} ({code}); said once",
                text.escape_debug()
            ));
        }
    }
}

/// One of the clients that are being answered.
struct Client(Arc<IncludeServer>);

impl Drop for Client {
    fn drop(&mut self) {
        self.0.n_clients.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What a client asks; `None` where it asks nothing.
fn receive(stream: &mut UnixStream) -> io::Result<Option<IncludeRequest>> {
    let mut decoder = IncludeRequestDecoder::new(Limits::DEFAULT);
    let mut buffer = [0; 16 << 10];
    let mut is_begun = false;
    loop {
        let n_bytes = match stream.read(&mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read?,
        };
        if n_bytes == 0 && is_begun {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if n_bytes == 0 {
            return Ok(None);
        }
        is_begun = true;
        if let Some(request) = decoder.push(&mut &buffer[..n_bytes]).map_err(io::Error::other)? {
            return Ok(Some(request));
        }
    }
}

/// The environment with which a client was started. What is set there decides what its compiler reads, so one that
/// cannot be seen whole is a doubt.
fn environment(pid: Option<u32>) -> Result<Vec<u8>, Doubt> {
    let unseen =
        |why: &str| doubt("compiler-variable", &format!("the client's environment: {why}"));
    let pid = pid.ok_or_else(|| unseen("it is in another process namespace"))?;
    let mut text = Vec::new();
    let file = std::fs::File::open(format!("/proc/{pid}/environ"));
    file.and_then(|file| file.take(MOST_ENVIRONMENT).read_to_end(&mut text))
        .map_err(|error| unseen(&error.to_string()))?;
    if text.len() as u64 >= MOST_ENVIRONMENT {
        return Err(unseen("it is too long"));
    }
    Ok(text)
}

fn doubt(code: &'static str, text: &str) -> Doubt {
    Doubt { code, text: text.to_owned() }
}

fn log(text: &str) {
    let _ = writeln!(io::stderr(), "distcc-agent[{}] include server: {text}", std::process::id());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_whose_environment_cannot_be_seen_is_a_doubt() {
        for pid in [None, Some(u32::MAX)] {
            assert_eq!(environment(pid).unwrap_err().code, "compiler-variable");
        }
        assert!(environment(Some(std::process::id())).is_ok());
    }
}
