//! The talk with one client.

use std::collections::VecDeque;
use std::io::{self, IoSliceMut, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use agent_wire::{Answer, Errand, Nonsense, Request, take_message};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use transport::{Connection, Patience, Sent};

use crate::Context;
use crate::plan::{Doubt, Judgment, Piece, Plan};

/// How long a client may say nothing: its server may compile for hours, and the client's end is seen
/// when it comes.
const PATIENCE: Duration = Duration::from_secs(24 * 60 * 60);

/// How long a client may take nothing of what is said to it.
const ANSWER_PATIENCE: Duration = Duration::from_secs(30);

/// How long a server may take nothing.
const SERVER_PATIENCE: Duration = Duration::from_secs(60);

/// How often a client hears that its agent is at work.
const SIGN_OF_LIFE: Duration = Duration::from_millis(500);

/// The most pieces in one system call. Linux takes 1024.
const MOST_PIECES: usize = 1000;

pub(crate) struct Conversation<'a> {
    context: &'a Context,
    stream: UnixStream,
    arrived: Vec<u8>,
    /// Descriptors that came along, for the next request.
    descriptors: VecDeque<OwnedFd>,
    /// The job that was sent last, and its working folder.
    sent: Option<(Plan, Vec<u8>)>,
}

impl<'a> Conversation<'a> {
    pub(crate) fn new(context: &'a Context, stream: UnixStream) -> io::Result<Conversation<'a>> {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(ANSWER_PATIENCE))?;
        let (arrived, descriptors) = (Vec::new(), VecDeque::new());
        Ok(Conversation { context, stream, arrived, descriptors, sent: None })
    }

    /// Talks until the client hangs up.
    pub(crate) fn run(mut self) -> io::Result<()> {
        while let Some(message) = self.next_message()? {
            let answer = match Request::decode(&message) {
                Ok(Request::Send(errand)) => self.send(errand),
                Ok(Request::List(errand)) => match self.context.knowledge.plan(&errand, None) {
                    Ok(plan) => Answer::Listed(plan.layout.listing()),
                    Err(doubt) => told(doubt),
                },
                Ok(Request::Check { dependencies }) => self.check(&dependencies)?,
                Ok(Request::Status) => Answer::Status(self.context.status().into_bytes()),
                Ok(Request::Stop) => {
                    self.context.stop();
                    Answer::Status(b"it ends\n".to_vec())
                }
                Err(nonsense) => return Err(invalid(nonsense)),
            };
            self.descriptors.clear();
            self.stream.write_all(&answer.encode())?;
        }
        Ok(())
    }

    fn next_message(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            if let Some(message) = take_message(&mut self.arrived).map_err(invalid)? {
                return Ok(Some(message));
            }
            let mut buffer = [0; 16 << 10];
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
            let mut ancillary = RecvAncillaryBuffer::new(&mut space);
            let mut slices = [IoSliceMut::new(&mut buffer)];
            let flags = RecvFlags::CMSG_CLOEXEC;
            let received = match recvmsg(&self.stream, &mut slices, &mut ancillary, flags) {
                Err(rustix::io::Errno::INTR) => continue,
                received => received?,
            };
            for message in ancillary.drain() {
                if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                    self.descriptors.extend(descriptors);
                }
            }
            if received.bytes == 0 {
                return Ok(None);
            }
            self.arrived.extend_from_slice(&buffer[..received.bytes]);
        }
    }

    fn send(&mut self, errand: Errand) -> Answer {
        self.sent = None;
        let mut descriptors = self.descriptors.drain(..);
        let connection = match (descriptors.next(), descriptors.next()) {
            (Some(socket), None) => Connection::from_tcp(socket.into()),
            (Some(input), Some(output)) => Connection::from_pipes(input, output),
            (None, _) => Err(io::Error::other("no connection came along")),
        };
        drop(descriptors);
        let connection = match connection {
            Ok(connection) => connection,
            Err(error) => return Answer::Broken { text: error.to_string().into_bytes() },
        };
        let plan = match self.context.knowledge.plan(&errand, connection.peer()) {
            Ok(plan) => plan,
            Err(doubt) => {
                self.context.n_doubts.fetch_add(1, Ordering::Relaxed);
                return told(doubt);
            }
        };
        let mut client = ClientWatch { stream: &self.stream, said: Instant::now() };
        let mut n_bytes = 0;
        for pieces in plan.pieces.chunks(MOST_PIECES) {
            let slices: Vec<&[u8]> = pieces.iter().map(Piece::bytes).collect();
            let text = match connection.send(&slices, &mut client) {
                Ok(Sent::Everything) => {
                    n_bytes += slices.iter().map(|slice| slice.len() as u64).sum::<u64>();
                    continue;
                }
                Ok(Sent::PeerSpokeFirst) => "it answered before it had everything".to_owned(),
                Err(error) => error.to_string(),
            };
            return Answer::Broken { text: text.into_bytes() };
        }
        let n_files = plan.layout.n_entries() as u64;
        self.context.n_sent.fetch_add(1, Ordering::Relaxed);
        self.context.n_sent_bytes.fetch_add(n_bytes, Ordering::Relaxed);
        self.sent = Some((plan, errand.folder));
        Answer::Sent { n_files, n_bytes }
    }

    fn check(&mut self, dependencies: &[u8]) -> io::Result<Answer> {
        let Some((plan, folder)) = &self.sent else {
            return Err(io::Error::other("a check without a job"));
        };
        Ok(match self.context.knowledge.judge(plan, folder, dependencies) {
            Judgment::Holds => Answer::Holds,
            Judgment::Changed(file) => {
                let name = String::from_utf8_lossy(&file);
                self.context.log(&format!("{name} changed during a compile"));
                Answer::Changed { file }
            }
            Judgment::Missed(file) => {
                let name = String::from_utf8_lossy(&file);
                self.context.log(&format!("{name} was read, and not sent"));
                Answer::Missed { file }
            }
        })
    }
}

fn told(doubt: Doubt) -> Answer {
    Answer::Doubt { code: doubt.code.as_bytes().to_vec(), text: doubt.text.into_bytes() }
}

fn invalid(nonsense: Nonsense) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, nonsense)
}

/// Keeps the client informed while a server takes its time, and ends the wait when it is gone.
struct ClientWatch<'a> {
    stream: &'a UnixStream,
    said: Instant,
}

impl Patience for ClientWatch<'_> {
    fn left(&mut self, silent: Duration) -> io::Result<Duration> {
        if silent >= SERVER_PATIENCE {
            return Err(io::ErrorKind::TimedOut.into());
        }
        if has_hung_up(self.stream) {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        if self.said.elapsed() >= SIGN_OF_LIFE {
            self.said = Instant::now();
            let mut stream = self.stream;
            stream.write_all(&Answer::Working.encode())?;
        }
        Ok(SIGN_OF_LIFE / 2)
    }
}

fn has_hung_up(stream: &UnixStream) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let mut ends = [PollFd::from_borrowed_fd(stream.as_fd(), PollFlags::RDHUP)];
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut ends, Some(&at_once)).is_ok_and(|n_ready| n_ready > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use agent_wire::{Keeping, Way};
    use std::io::Read;
    use std::net::{TcpListener, TcpStream};
    use std::os::unix::ffi::OsStrExt;
    use std::path::Path;
    use std::sync::Arc;
    use wire::{Content, Limits, Payload, RequestDecoder};

    /// A client with an agent of its own, and the server that it has connected to.
    struct World {
        context: Arc<Context>,
        folder: tempfile::TempDir,
        client: UnixStream,
        server: TcpListener,
        keeping: Keeping,
    }

    impl World {
        fn new() -> World {
            let context = Arc::new(Context::new(1 << 20, None).unwrap());
            let client = World::connect(&context);
            let server = TcpListener::bind("127.0.0.1:0").unwrap();
            let folder = tempfile::tempdir().unwrap();
            World { context, folder, client, server, keeping: Keeping::Nothing }
        }

        /// One more client of the agent.
        fn connect(context: &Arc<Context>) -> UnixStream {
            let (client, agents) = UnixStream::pair().unwrap();
            client.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
            let context = Arc::clone(context);
            std::thread::spawn(move || {
                let _ = Conversation::new(&context, agents).unwrap().run();
            });
            client
        }

        fn root(&self) -> std::path::PathBuf {
            self.folder.path().canonicalize().unwrap()
        }

        fn write(&self, name: &str, text: &str) {
            let path = self.root().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }

        /// Has the agent send a compile; gives its answer and what arrived.
        fn send(&mut self, command: &str) -> (Answer, Vec<u8>) {
            let words = |text: &str| -> Vec<Vec<u8>> {
                text.split(' ').map(|word| word.as_bytes().to_vec()).collect()
            };
            let errand = Errand {
                folder: self.root().as_os_str().as_bytes().to_vec(),
                compiler: b"/usr/bin/gcc".to_vec(),
                path: b"/usr/bin:/bin".to_vec(),
                command: words(command),
                sent: words("gcc --mark -c a.c"),
                way: Way::Whole,
                keeping: self.keeping,
            };
            let socket = TcpStream::connect(self.server.local_addr().unwrap()).unwrap();
            let (mut accepted, _) = self.server.accept().unwrap();
            let bytes = Request::Send(errand).encode();
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut ancillary = rustix::net::SendAncillaryBuffer::new(&mut space);
            let descriptors = [socket.as_fd()];
            ancillary.push(rustix::net::SendAncillaryMessage::ScmRights(&descriptors));
            let slices = [io::IoSlice::new(&bytes)];
            let flags = rustix::net::SendFlags::empty();
            rustix::net::sendmsg(&self.client, &slices, &mut ancillary, flags).unwrap();
            drop(socket);
            let mut arrived = Vec::new();
            accepted.read_to_end(&mut arrived).unwrap();
            (self.answer(), arrived)
        }

        fn check(&mut self, dependencies: &str) -> Answer {
            let dependencies = dependencies.as_bytes().to_vec();
            self.client.write_all(&Request::Check { dependencies }.encode()).unwrap();
            self.answer()
        }

        fn answer(&mut self) -> Answer {
            let mut arrived = Vec::new();
            loop {
                let mut byte = [0];
                self.client.read_exact(&mut byte).unwrap();
                arrived.extend(byte);
                if let Some(message) = take_message(&mut arrived).unwrap() {
                    return Answer::decode(&message).unwrap();
                }
            }
        }
    }

    /// The names of the files and links in what arrived that lie in a folder.
    fn names(arrived: &[u8], folder: &Path) -> Vec<String> {
        let mut decoder = RequestDecoder::new(Limits::DEFAULT);
        let request = decoder.push(&mut &arrived[..]).unwrap().unwrap();
        assert_eq!(request.arguments[1], b"--mark");
        let Payload::Tree(tree) = request.payload else { panic!("no tree") };
        assert_eq!(tree.folder, folder.as_os_str().as_bytes());
        let mut names: Vec<String> = tree
            .entries
            .iter()
            .filter_map(|entry| {
                let name = Path::new(std::str::from_utf8(&entry.name).unwrap());
                let name = name.strip_prefix(folder).ok()?.display().to_string();
                Some(match &entry.content {
                    Content::File(file) => format!("{name}={}", String::from_utf8_lossy(file)),
                    Content::Link(target) => {
                        format!("{name}->{}", String::from_utf8_lossy(target))
                    }
                    Content::Kept(_) => format!("{name}, kept"),
                    Content::Servers => panic!("{name}"),
                })
            })
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_job_is_sent_with_all_that_it_reads() {
        let mut world = World::new();
        world.write("a.c", "#include <x.h>\n");
        world.write("inc/x.h", "int x;\n");
        world.write("empty/.keep", "");
        std::os::unix::fs::symlink("inc", world.root().join("link")).unwrap();
        let (answer, arrived) = world.send("gcc -Iempty -Imissing -Ilink -c a.c");
        assert!(matches!(answer, Answer::Sent { .. }), "{answer:?}");
        let expected = [
            "a.c=#include <x.h>\n",
            "empty/forcing_technique_271828=",
            "inc/x.h=int x;\n",
            "link->inc",
        ];
        assert_eq!(names(&arrived, &world.root()), expected);
        assert_eq!(world.check("a.o: a.c link/x.h\n"), Answer::Holds);
        let missed = world.check("a.o: a.c link/y.h\n");
        let file = world.root().join("link/y.h").into_os_string();
        assert_eq!(missed, Answer::Missed { file: file.as_bytes().to_vec() });
    }

    #[test]
    fn what_changes_meanwhile_voids_the_object() {
        let mut world = World::new();
        world.write("a.c", "#include <x.h>\n");
        world.write("b/x.h", "int x;\n");
        world.write("a/.keep", "");
        let command = "gcc -Ia -Ib -c a.c";
        world.send(command);
        assert_eq!(world.check("a.o: a.c b/x.h\n"), Answer::Holds);
        // Of the same size, and within one tick.
        world.write("b/x.h", "int y;\n");
        let is_changed = |answer| matches!(answer, Answer::Changed { .. });
        assert!(is_changed(world.check("a.o: a.c b/x.h\n")));
        let (_, arrived) = world.send(command);
        assert!(names(&arrived, &world.root()).contains(&"b/x.h=int y;\n".to_owned()));
        assert_eq!(world.check("a.o: a.c b/x.h\n"), Answer::Holds);
        // A header that is found earlier from now on.
        world.write("a/x.h", "int z;\n");
        assert!(is_changed(world.check("a.o: a.c b/x.h\n")));
        let (_, arrived) = world.send(command);
        assert!(names(&arrived, &world.root()).contains(&"a/x.h=int z;\n".to_owned()));
        // A folder that was not there.
        let command = "gcc -Ic -Ia -c a.c";
        world.send(command);
        world.write("c/x.h", "int c;\n");
        assert!(is_changed(world.check("a.o: a.c a/x.h\n")));
        // The header gone, and there again.
        world.send(command);
        std::fs::remove_file(world.root().join("c/x.h")).unwrap();
        assert!(is_changed(world.check("a.o: a.c c/x.h\n")));
        let (_, arrived) = world.send(command);
        assert!(!names(&arrived, &world.root()).iter().any(|name| name.starts_with("c/x.h")));
        assert_eq!(world.check("a.o: a.c a/x.h\n"), Answer::Holds);
        world.send(command);
        world.write("c/x.h", "int again;\n");
        assert!(is_changed(world.check("a.o: a.c a/x.h\n")));
        let (_, arrived) = world.send(command);
        assert!(names(&arrived, &world.root()).contains(&"c/x.h=int again;\n".to_owned()));
    }

    #[test]
    fn a_file_changes_under_all_its_names() {
        let mut world = World::new();
        world.write("a.c", "#include \"b/../x.h\"\n#include \"b/y.h\"\n");
        world.write("b/y.h", "#include \"../x.h\"\n");
        world.write("x.h", "int x;\n");
        world.write("other/x.h", "int other;\n");
        let command = "gcc -c a.c";
        let dependencies = "a.o: a.c b/../x.h b/y.h\n";
        let is_changed = |answer| matches!(answer, Answer::Changed { .. });
        world.send(command);
        assert_eq!(world.check(dependencies), Answer::Holds);
        world.write("x.h", "int y;\n");
        assert!(is_changed(world.check(dependencies)));
        let (_, arrived) = world.send(command);
        assert!(names(&arrived, &world.root()).contains(&"x.h=int y;\n".to_owned()));
        assert_eq!(world.check(dependencies), Answer::Holds);
        // The same files in the same folder, which is reached by a link from now on.
        let at = |name: &str| world.root().join(name);
        std::fs::rename(at("b"), at("other/b")).unwrap();
        std::os::unix::fs::symlink("other/b", at("b")).unwrap();
        assert!(is_changed(world.check(dependencies)));
        let (_, arrived) = world.send(command);
        let arrived = names(&arrived, &world.root());
        assert!(arrived.contains(&"other/x.h=int other;\n".to_owned()), "{arrived:?}");
        assert!(!arrived.iter().any(|name| name.starts_with("x.h")), "{arrived:?}");
        assert_eq!(world.check(dependencies), Answer::Holds);
    }

    #[test]
    fn a_change_that_another_job_has_noticed_voids_this_one_too() {
        let mut world = World::new();
        world.write("a.c", "#include <x.h>\n");
        world.write("b/x.h", "int x;\n");
        world.write("a/.keep", "");
        let command = "gcc -Ia -Ib -c a.c";
        let mut other = World::connect(&world.context);
        let edits = [("b/x.h", "int other;\n"), ("a/x.h", "int earlier;\n")];
        for ((name, text), read) in edits.into_iter().zip(["b/x.h", "b/x.h"]) {
            for _ in 0..2 {
                world.send(command);
                std::mem::swap(&mut world.client, &mut other);
            }
            world.write(name, text);
            for _ in 0..2 {
                let answer = world.check(&format!("a.o: a.c {read}\n"));
                assert!(matches!(answer, Answer::Changed { .. }), "{name}: {answer:?}");
                std::mem::swap(&mut world.client, &mut other);
            }
        }
        world.send(command);
        assert_eq!(world.check("a.o: a.c a/x.h\n"), Answer::Holds);
    }

    #[test]
    fn what_a_server_has_is_named_and_not_sent() {
        let mut world = World::new();
        world.write("a.c", "#include \"x.h\"\n");
        world.write("x.h", "int x;\n");
        // So that a change would show.
        std::thread::sleep(Duration::from_millis(100));
        world.keeping = Keeping::Everything;
        let [whole, kept] =
            [["a.c=#include \"x.h\"\n", "x.h=int x;\n"], ["a.c, kept", "x.h, kept"]];
        let send = |world: &mut World| {
            let (answer, arrived) = world.send("gcc -c a.c");
            assert!(matches!(answer, Answer::Sent { .. }), "{answer:?}");
            names(&arrived, &world.root())
        };
        // As long as it has not answered, nobody knows what it has.
        assert_eq!(send(&mut world), whole);
        assert_eq!(send(&mut world), whole);
        assert_eq!(world.check("a.o: a.c x.h\n"), Answer::Holds);
        assert_eq!(send(&mut world), kept);
        world.write("x.h", "int y;\n");
        std::thread::sleep(Duration::from_millis(100));
        assert!(matches!(world.check("a.o: a.c x.h\n"), Answer::Changed { .. }));
        assert_eq!(send(&mut world), ["a.c, kept", "x.h=int y;\n"]);
        // It says that it has lost them.
        world.keeping = Keeping::Anew;
        let anew = ["a.c=#include \"x.h\"\n", "x.h=int y;\n"];
        assert_eq!(send(&mut world), anew);
        world.keeping = Keeping::Everything;
        assert_eq!(send(&mut world), anew);
        assert_eq!(world.check("a.o: a.c x.h\n"), Answer::Holds);
        assert_eq!(send(&mut world), kept);
        // Another server, and one that keeps nothing.
        world.server = TcpListener::bind("127.0.0.1:0").unwrap();
        assert_eq!(send(&mut world), anew);
        assert_eq!(world.check("a.o: a.c x.h\n"), Answer::Holds);
        world.keeping = Keeping::Nothing;
        assert_eq!(send(&mut world), anew);
    }

    #[test]
    fn what_cannot_be_told_is_not_sent() {
        let mut world = World::new();
        world.write("a.c", "char *t = __TIME__;\n");
        for (command, expected) in [
            ("gcc -c a.c", "tells-time"),
            ("gcc -I- -c a.c", "unclear-option"),
            ("gcc -c b.c", "missing-file"),
            ("gcc -fno-such-option-at-all -c a.c", "compiler-silent"),
        ] {
            let (answer, arrived) = world.send(command);
            let Answer::Doubt { code, .. } = answer else { panic!("{command}: {answer:?}") };
            assert_eq!(String::from_utf8(code).unwrap(), expected, "{command}");
            assert!(arrived.is_empty());
        }
    }
}
