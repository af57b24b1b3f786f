//! The agent's socket: who comes in, and when the agent goes.

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use agent_wire::{Answer, Request, take_message};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use statedir::AgentPlace;
use sys::fork::{Fork, fork};

use crate::conversation::Conversation;
use crate::crew::Crew;
use crate::{Context, Settings};

/// The most clients at once; others do without.
const MOST_CLIENTS: usize = 1024;

/// How long to wait before looking again whether clients have gone.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// How often to look whether clients can still find the socket, and whether there are any.
const LOOK_FOR_SOCKET_EVERY: Duration = Duration::from_secs(3);

/// How long clients may still talk to an agent that is to end.
const LAST_PATIENCE: Duration = Duration::from_secs(60);

/// How long an agent may take to say how it is.
const ASK_PATIENCE: Duration = Duration::from_secs(10);

fn place(settings: &Settings) -> io::Result<AgentPlace> {
    settings.open_state()?.agent_place()
}

/// Asks the agent that is running.
pub(crate) fn ask(settings: &Settings, request: &Request) -> io::Result<String> {
    let place = place(settings)?;
    let mut stream = place.connect().map_err(|error| {
        let socket = place.socket();
        io::Error::new(error.kind(), format!("no agent at {}: {error}", socket.display()))
    })?;
    stream.set_read_timeout(Some(ASK_PATIENCE))?;
    stream.set_write_timeout(Some(ASK_PATIENCE))?;
    stream.write_all(&request.encode())?;
    let mut arrived = Vec::new();
    loop {
        let mut buffer = [0; 4096];
        let n_bytes = stream.read(&mut buffer)?;
        if n_bytes == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        arrived.extend_from_slice(&buffer[..n_bytes]);
        if let Some(message) = take_message(&mut arrived).map_err(io::Error::other)? {
            return match Answer::decode(&message).map_err(io::Error::other)? {
                Answer::Status(text) => Ok(String::from_utf8_lossy(&text).into_owned()),
                other => Err(io::Error::other(format!("it answers {other:?}"))),
            };
        }
    }
}

/// Serves the clients of this user, until it has been idle for long or is told to end. Returns at once
/// where another agent does already.
pub(crate) fn serve(settings: &Settings, in_background: bool) -> io::Result<()> {
    sys::heap::grow_in_large_steps();
    let state = settings.open_state()?;
    let place = state.agent_place()?;
    place.make()?;
    let Some(lock) = place.try_lock()? else { return Ok(()) };
    place.tidy_up();
    // What is there belongs to an agent that was killed.
    match std::fs::remove_file(place.socket()) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(place.socket())?;
    listener.set_nonblocking(true)?;
    // Lets go of the folder that it was started in.
    std::env::set_current_dir("/")?;
    if in_background && !go_to_background(&place)? {
        return Ok(());
    }
    // For people who look for it.
    let _ = lock.set_len(0);
    let _ = writeln!(&lock, "{}", std::process::id());
    let context = Arc::new(Context::new(settings.most_body_bytes, Some(state))?);
    context.log(&format!("serving at {}", place.socket().display()));
    let served = accept_all(&context, &listener, settings.idle, &|| place.is_reached_by(&lock));
    // What is there by now may be another agent's.
    if place.is_reached_by(&lock) {
        let _ = std::fs::remove_file(place.socket());
    }
    // Whoever comes now may start one.
    drop(lock);
    let deadline = Instant::now() + LAST_PATIENCE;
    while context.n_clients.load(Ordering::Relaxed) > 0 && Instant::now() < deadline {
        std::thread::sleep(LOOK_EVERY);
    }
    context.log("ends");
    served
}

/// Goes on in a process of its own, in a session of its own. False in the one that was started.
fn go_to_background(place: &AgentPlace) -> io::Result<bool> {
    let log = place.open_log()?;
    if let Fork::Parent { .. } = fork()? {
        return Ok(false);
    }
    let _ = rustix::process::setsid();
    let nothing = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
    rustix::stdio::dup2_stdin(&nothing)?;
    rustix::stdio::dup2_stdout(&nothing)?;
    rustix::stdio::dup2_stderr(&log)?;
    Ok(true)
}

/// Admits clients until there is no use in it any more: also where nobody can find this agent, because
/// its folder was removed.
fn accept_all(
    context: &Arc<Context>,
    listener: &UnixListener,
    idle: Duration,
    can_be_found: &dyn Fn() -> bool,
) -> io::Result<()> {
    let mut busy_at = Instant::now();
    let mut found_at = Instant::now();
    let look_every = LOOK_FOR_SOCKET_EVERY.min(idle / 4).max(Duration::from_millis(10));
    let crew = Crew::default();
    loop {
        let look_again = Timespec::try_from(look_every).ok();
        let mut ends = [listener.as_fd(), context.bell.as_fd()]
            .map(|end| PollFd::from_borrowed_fd(end, PollFlags::IN));
        if poll(&mut ends, look_again.as_ref()) != Ok(0) {
            match listener.accept() {
                Ok((stream, _)) => {
                    // So it can be found.
                    (busy_at, found_at) = (Instant::now(), Instant::now());
                    if let Err(error) = admit(context, &crew, stream) {
                        context.log(&format!("a client was turned away: {error}"));
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // Too many open files: some client will go.
                Err(_) => std::thread::sleep(LOOK_EVERY),
            }
        }
        if context.n_clients.load(Ordering::Relaxed) > 0 {
            busy_at = Instant::now();
        }
        let is_over = context.is_stopping.load(Ordering::Relaxed) || busy_at.elapsed() >= idle;
        if is_over {
            return Ok(());
        }
        if found_at.elapsed() >= LOOK_FOR_SOCKET_EVERY {
            if !can_be_found() {
                return Ok(());
            }
            found_at = Instant::now();
        }
    }
}

/// One of the clients that are being served.
struct Client(Arc<Context>);

impl Drop for Client {
    fn drop(&mut self) {
        self.0.n_clients.fetch_sub(1, Ordering::Relaxed);
    }
}

fn admit(context: &Arc<Context>, crew: &Crew, stream: UnixStream) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    if sys::peer::of(&stream)?.user != rustix::process::geteuid().as_raw() {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    if context.n_clients.load(Ordering::Relaxed) >= MOST_CLIENTS {
        return Err(io::Error::other("there are too many"));
    }
    context.n_clients.fetch_add(1, Ordering::Relaxed);
    let client = Client(Arc::clone(context));
    crew.give(move || {
        let context = &client.0;
        let talked = Conversation::new(context, stream).and_then(Conversation::run);
        if let Err(error) = talked {
            context.log(&format!("a client's talk ended: {error}"));
        }
    })
}
