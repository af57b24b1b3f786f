//! What a client and its agent say to each other, over a Unix socket of one user.
//!
//! Both are of one version of distcc-rs or refuse each other, so that there is no negotiation. A
//! message is a frame: its length, 4 bytes, little-endian, and so many bytes more. In it a letter says
//! which message it is, and lists of byte strings follow. The first word of every request is
//! [`GREETING`].

use std::fmt;

/// What both ends have to have in common.
pub const GREETING: &[u8] = b"distcc-rs-agent 2";

/// The longest message, without its length.
pub const LONGEST: usize = 64 << 20;

/// A job, as far as the agent has to know it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Errand {
    /// The client's working folder, by the name that its compiler has for it.
    pub folder: Vec<u8>,
    /// The compiler of this machine: the program itself.
    pub compiler: Vec<u8>,
    /// Where the compiler finds its helpers (`PATH`).
    pub path: Vec<u8>,
    /// The command as it would run here, response files in their places; its first word is the name
    /// the compiler is called by.
    pub command: Vec<Vec<u8>>,
    /// The command to send.
    pub sent: Vec<Vec<u8>>,
    /// What kind of server it is.
    pub way: Way,
    /// What may be left to what the server has kept.
    pub keeping: Keeping,
}

/// What a client knows of what a server keeps of files that it got once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keeping {
    /// It keeps nothing, as distcc 3.4.
    #[default]
    Nothing,
    /// It keeps files, and should have those that were sent to it.
    Everything,
    /// It keeps files, and has lost those that were sent to it.
    Anew,
}

/// How a server takes the files of a job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Way {
    /// It lays them out at their own names, and its compiler looks into the folders into which the
    /// one here looks by itself.
    #[default]
    Whole,
    /// It lays them out at their own names, and its compiler has to be told those folders.
    NamingFolders,
    /// As distcc 3.4: it lays them out below a folder of its own, and puts that in front of names in
    /// the command. Its compiler has to be told the folders as well.
    Below,
}

/// What a client says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Send this job, and all files that it may read, to the server at the other end of the
    /// descriptor that comes along.
    Send(Errand),
    /// Tell what would be sent for this job; no descriptor comes along.
    List(Errand),
    /// The server has answered the job that was sent last over this connection, with this list of the
    /// files that its compiler has read, as make reads it.
    Check {
        /// The dependency file.
        dependencies: Vec<u8>,
    },
    /// How is it going?
    Status,
    /// End, as soon as no job is being sent.
    Stop,
}

/// What an agent says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is at work; said from time to time.
    Working,
    /// Everything is on its way.
    Sent {
        /// Files, folders and links.
        n_files: u64,
        /// Bytes as they travel.
        n_bytes: u64,
    },
    /// Nothing was sent: what the compile reads cannot be told.
    Doubt {
        /// The code of the reason.
        code: Vec<u8>,
        /// What exactly.
        text: Vec<u8>,
    },
    /// The server does not take the job, or has answered before it had everything.
    Broken {
        /// What happened.
        text: Vec<u8>,
    },
    /// All that the compiler has read was sent, and is still the same.
    Holds,
    /// A file has changed meanwhile, so that the object is void.
    Changed {
        /// Its name.
        file: Vec<u8>,
    },
    /// The compiler has read a file that was not sent.
    Missed {
        /// Its name.
        file: Vec<u8>,
    },
    /// How it is going, as text; or that it will end.
    Status(Vec<u8>),
    /// What would be sent, a line a thing: `FILE`, `SYMLINK` or `DIRECTORY` in ten columns, and its
    /// name.
    Listed(Vec<u8>),
}

/// Bytes that are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nonsense {
    /// More bytes than any message has.
    TooLong,
    /// The other end is of another version, or no program of ours.
    Stranger,
    /// The message breaks off, goes on behind its end, or is of no known kind.
    Malformed,
}

impl fmt::Display for Nonsense {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Nonsense::TooLong => "a message is too long",
            Nonsense::Stranger => "the other end is of another version",
            Nonsense::Malformed => "a message is malformed",
        })
    }
}

impl std::error::Error for Nonsense {}

impl Request {
    /// The message as it travels.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.word(GREETING);
        match self {
            Request::Send(errand) => writer.errand(b's', errand),
            Request::List(errand) => writer.errand(b'l', errand),
            Request::Check { dependencies } => {
                writer.kind(b'c');
                writer.word(dependencies);
            }
            Request::Status => writer.kind(b'?'),
            Request::Stop => writer.kind(b'x'),
        }
        writer.finish()
    }

    /// Reads a message, without its length.
    ///
    /// # Errors
    /// [`Nonsense`], when it is none.
    pub fn decode(bytes: &[u8]) -> Result<Request, Nonsense> {
        let mut reader = Reader { rest: bytes };
        if reader.word() != Ok(GREETING) {
            return Err(Nonsense::Stranger);
        }
        let request = match reader.kind()? {
            b's' => Request::Send(reader.errand()?),
            b'l' => Request::List(reader.errand()?),
            b'c' => Request::Check { dependencies: reader.word()?.to_vec() },
            b'?' => Request::Status,
            b'x' => Request::Stop,
            _ => return Err(Nonsense::Malformed),
        };
        reader.finish(request)
    }
}

impl Answer {
    /// The message as it travels.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        match self {
            Answer::Working => writer.kind(b'w'),
            Answer::Sent { n_files, n_bytes } => {
                writer.kind(b's');
                writer.word(&n_files.to_le_bytes());
                writer.word(&n_bytes.to_le_bytes());
            }
            Answer::Doubt { code, text } => {
                writer.kind(b'd');
                writer.word(code);
                writer.word(text);
            }
            Answer::Broken { text } => {
                writer.kind(b'b');
                writer.word(text);
            }
            Answer::Holds => writer.kind(b'h'),
            Answer::Changed { file } => {
                writer.kind(b'c');
                writer.word(file);
            }
            Answer::Missed { file } => {
                writer.kind(b'm');
                writer.word(file);
            }
            Answer::Status(text) => {
                writer.kind(b'?');
                writer.word(text);
            }
            Answer::Listed(lines) => {
                writer.kind(b'l');
                writer.word(lines);
            }
        }
        writer.finish()
    }

    /// Reads a message, without its length.
    ///
    /// # Errors
    /// [`Nonsense`], when it is none.
    pub fn decode(bytes: &[u8]) -> Result<Answer, Nonsense> {
        let mut reader = Reader { rest: bytes };
        let answer = match reader.kind()? {
            b'w' => Answer::Working,
            b's' => Answer::Sent { n_files: reader.number()?, n_bytes: reader.number()? },
            b'd' => Answer::Doubt { code: reader.word()?.to_vec(), text: reader.word()?.to_vec() },
            b'b' => Answer::Broken { text: reader.word()?.to_vec() },
            b'h' => Answer::Holds,
            b'c' => Answer::Changed { file: reader.word()?.to_vec() },
            b'm' => Answer::Missed { file: reader.word()?.to_vec() },
            b'?' => Answer::Status(reader.word()?.to_vec()),
            b'l' => Answer::Listed(reader.word()?.to_vec()),
            _ => return Err(Nonsense::Malformed),
        };
        reader.finish(answer)
    }
}

/// Takes the next whole message off the front of what has arrived, without its length.
/// `Ok(None)`: it has not arrived as a whole.
///
/// # Errors
/// [`Nonsense::TooLong`].
pub fn take_message(arrived: &mut Vec<u8>) -> Result<Option<Vec<u8>>, Nonsense> {
    let Some((length, rest)) = arrived.split_first_chunk::<4>() else { return Ok(None) };
    let length = u32::from_le_bytes(*length) as usize;
    if length > LONGEST {
        return Err(Nonsense::TooLong);
    }
    let Some(message) = rest.get(..length) else { return Ok(None) };
    let message = message.to_vec();
    arrived.drain(..4 + length);
    Ok(Some(message))
}

struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    fn new() -> Writer {
        Writer { bytes: vec![0; 4] }
    }

    fn kind(&mut self, letter: u8) {
        self.bytes.push(letter);
    }

    fn word(&mut self, word: &[u8]) {
        self.bytes.extend((word.len() as u32).to_le_bytes());
        self.bytes.extend(word);
    }

    fn errand(&mut self, kind: u8, errand: &Errand) {
        self.kind(kind);
        self.word(&errand.folder);
        self.word(&errand.compiler);
        self.word(&errand.path);
        self.list(&errand.command);
        self.list(&errand.sent);
        self.kind(match errand.way {
            Way::Whole => b'w',
            Way::NamingFolders => b'n',
            Way::Below => b'b',
        });
        self.kind(match errand.keeping {
            Keeping::Nothing => b'n',
            Keeping::Everything => b'e',
            Keeping::Anew => b'a',
        });
    }

    fn list(&mut self, words: &[Vec<u8>]) {
        self.bytes.extend((words.len() as u32).to_le_bytes());
        words.iter().for_each(|word| self.word(word));
    }

    fn finish(mut self) -> Vec<u8> {
        let length = (self.bytes.len() - 4) as u32;
        self.bytes[..4].copy_from_slice(&length.to_le_bytes());
        self.bytes
    }
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn kind(&mut self) -> Result<u8, Nonsense> {
        let (letter, rest) = self.rest.split_first().ok_or(Nonsense::Malformed)?;
        self.rest = rest;
        Ok(*letter)
    }

    fn length(&mut self) -> Result<usize, Nonsense> {
        let (length, rest) = self.rest.split_first_chunk::<4>().ok_or(Nonsense::Malformed)?;
        self.rest = rest;
        Ok(u32::from_le_bytes(*length) as usize)
    }

    fn word(&mut self) -> Result<&'a [u8], Nonsense> {
        let length = self.length()?;
        let (word, rest) = self.rest.split_at_checked(length).ok_or(Nonsense::Malformed)?;
        self.rest = rest;
        Ok(word)
    }

    fn number(&mut self) -> Result<u64, Nonsense> {
        let bytes = self.word()?.try_into().map_err(|_| Nonsense::Malformed)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn errand(&mut self) -> Result<Errand, Nonsense> {
        Ok(Errand {
            folder: self.word()?.to_vec(),
            compiler: self.word()?.to_vec(),
            path: self.word()?.to_vec(),
            command: self.list()?,
            sent: self.list()?,
            way: match self.kind()? {
                b'w' => Way::Whole,
                b'n' => Way::NamingFolders,
                b'b' => Way::Below,
                _ => return Err(Nonsense::Malformed),
            },
            keeping: match self.kind()? {
                b'n' => Keeping::Nothing,
                b'e' => Keeping::Everything,
                b'a' => Keeping::Anew,
                _ => return Err(Nonsense::Malformed),
            },
        })
    }

    fn list(&mut self) -> Result<Vec<Vec<u8>>, Nonsense> {
        let n_words = self.length()?;
        let mut words = Vec::new();
        for _ in 0..n_words {
            words.push(self.word()?.to_vec());
        }
        Ok(words)
    }

    fn finish<T>(self, message: T) -> Result<T, Nonsense> {
        if self.rest.is_empty() { Ok(message) } else { Err(Nonsense::Malformed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn unframed(mut bytes: Vec<u8>) -> Vec<u8> {
        let message = take_message(&mut bytes).unwrap().unwrap();
        assert!(bytes.is_empty());
        message
    }

    fn words() -> impl Strategy<Value = Vec<Vec<u8>>> {
        prop::collection::vec(prop::collection::vec(any::<u8>(), 0..9), 0..5)
    }

    #[test]
    fn a_client_of_another_version_is_a_stranger() {
        let mut bytes = Request::Status.encode();
        bytes[4 + 4 + GREETING.len() - 1] = b'x';
        assert_eq!(Request::decode(&unframed(bytes)), Err(Nonsense::Stranger));
    }

    #[test]
    fn answers_come_back_as_they_were() {
        for answer in [
            Answer::Working,
            Answer::Sent { n_files: 3, n_bytes: u64::MAX },
            Answer::Doubt { code: b"x".to_vec(), text: b"y".to_vec() },
            Answer::Broken { text: b"z".to_vec() },
            Answer::Holds,
            Answer::Changed { file: b"a.h".to_vec() },
            Answer::Missed { file: Vec::new() },
            Answer::Status(b"fine".to_vec()),
            Answer::Listed(b"FILE      /a.c\n".to_vec()),
        ] {
            assert_eq!(Answer::decode(&unframed(answer.encode())), Ok(answer));
        }
    }

    #[test]
    fn a_message_that_is_not_there_yet_is_waited_for() {
        let bytes = [Request::Stop.encode(), Answer::Holds.encode()].concat();
        for n_bytes in 0..Request::Stop.encode().len() {
            assert_eq!(take_message(&mut bytes[..n_bytes].to_vec()), Ok(None));
        }
        let mut arrived = bytes.clone();
        assert_eq!(
            Request::decode(&take_message(&mut arrived).unwrap().unwrap()),
            Ok(Request::Stop)
        );
        assert_eq!(arrived, Answer::Holds.encode());
        assert_eq!(take_message(&mut vec![0xff; 9]), Err(Nonsense::TooLong));
    }

    proptest! {
        #[test]
        fn requests_come_back_as_they_were(
            folder: Vec<u8>, path: Vec<u8>, command in words(), sent in words(),
        ) {
            let way = [Way::Whole, Way::NamingFolders, Way::Below][sent.len() % 3];
            let keeping =
                [Keeping::Nothing, Keeping::Everything, Keeping::Anew][command.len() % 3];
            let compiler = folder.clone();
            let errand = Errand { compiler, folder, path, command, sent, way, keeping };
            let dependencies = errand.path.clone();
            let listed = Request::List(errand.clone());
            for request in [Request::Send(errand), listed, Request::Check { dependencies }] {
                prop_assert_eq!(Request::decode(&unframed(request.encode())), Ok(request));
            }
        }

        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = Answer::decode(&bytes);
            let _ = Request::decode(&bytes);
            let _ = Request::decode(&[&Request::Stop.encode()[4..], &bytes].concat());
        }
    }
}
