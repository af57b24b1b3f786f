//! A client that sends its files: requests of version 3, made by hand.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use support::Server;
use wire::{
    Limits, Reply, ReplyDecoder, Version, encode_tree_file, encode_tree_head, encode_tree_link,
};

/// How long a server may take to say something.
const PATIENCE: Duration = Duration::from_secs(120);

/// The name that says no more than that its folder is there.
pub(crate) const FORCING: &str = "forcing_technique_271828";

/// What is sent with a command.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tree {
    pub(crate) folder: PathBuf,
    entries: Vec<Vec<u8>>,
}

impl Tree {
    pub(crate) fn new(folder: &Path) -> Tree {
        Tree { folder: folder.to_owned(), entries: Vec::new() }
    }

    pub(crate) fn file(mut self, name: impl AsRef<Path>, contents: &str) -> Tree {
        self.add(name.as_ref(), contents.as_bytes());
        self
    }

    pub(crate) fn link(mut self, name: &str, target: &str) -> Tree {
        self.entries.push(encode_tree_link(name.as_bytes(), target.as_bytes()).unwrap());
        self
    }

    pub(crate) fn empty_folder(self, name: impl AsRef<Path>) -> Tree {
        self.file(name.as_ref().join(FORCING), "")
    }

    /// With all files that `command`, the compiler first, reads in the folder.
    pub(crate) fn with_all_read(mut self, command: &[&str]) -> Tree {
        for path in read_by(command, &self.folder) {
            let contents = std::fs::read(&path).unwrap();
            self.add(&path, &contents);
        }
        self
    }

    fn add(&mut self, name: &Path, contents: &[u8]) {
        self.entries.push(encode_tree_file(name.as_os_str().as_bytes(), contents).unwrap());
    }

    /// All that goes over the wire.
    pub(crate) fn request(&self, words: &[&str]) -> Vec<u8> {
        let folder = self.folder.as_os_str().as_bytes();
        let head = encode_tree_head(folder, words, self.entries.len()).unwrap();
        [head, self.entries.concat()].concat()
    }

    /// Has `words` run; `None` when the server only hangs up.
    pub(crate) fn ask(&self, server: &Server, words: &[&str]) -> Option<Reply> {
        let mut stream = TcpStream::connect((server.address, server.port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        // Who refuses does not read on.
        let _ = stream.write_all(&self.request(words));
        let mut decoder = ReplyDecoder::new(Version::V3, Limits::DEFAULT);
        let mut buffer = [0; 4096];
        loop {
            let n_bytes = stream.read(&mut buffer).unwrap_or(0);
            if n_bytes == 0 {
                return None;
            }
            if let Some(reply) = decoder.push(&mut &buffer[..n_bytes]).unwrap() {
                return Some(reply);
            }
        }
    }

    /// Has `words` run, which has to succeed.
    #[track_caller]
    pub(crate) fn compile(&self, server: &Server, words: &[&str]) -> Reply {
        let reply = self.ask(server, words).unwrap_or_else(|| panic!("{}", server.log()));
        let said = String::from_utf8_lossy(&reply.stderr).into_owned();
        assert!(reply.status.is_success(), "{:?}: {said}", reply.status);
        reply
    }

    /// Has `words` run, which the server has to refuse, and gives what it says.
    #[track_caller]
    pub(crate) fn refused(&self, server: &Server, words: &[&str]) -> String {
        let reply = self.ask(server, words).expect("ours says why");
        let said = String::from_utf8_lossy(&reply.stderr).into_owned();
        assert!(reply.status.code() >= Some(100), "{:?}: {said}", reply.status);
        said
    }
}

/// The words of a whole tree's command.
pub(crate) fn whole<'a>(command: &[&'a str]) -> Vec<&'a str> {
    [&command[..1], &["--distcc-whole-tree"], &command[1..]].concat()
}

/// All files that a command which compiles reads, by absolute names without detours.
fn read_by(command: &[&str], folder: &Path) -> BTreeSet<PathBuf> {
    let scratch = tempfile::tempdir().unwrap();
    let dependencies = scratch.path().join("d");
    let mut compiler = Command::new(command[0]);
    compiler.args(&command[1..]).args(["-MD", "-MF"]).arg(&dependencies);
    compiler.arg("-o").arg(scratch.path().join("o")).current_dir(folder);
    assert!(compiler.status().unwrap().success(), "{command:?}");
    let text = std::fs::read_to_string(&dependencies).unwrap();
    let (_, names) = text.split_once(": ").unwrap();
    let names = names.replace("\\ ", "\0").replace("\\\n", " ");
    let names = names.split_whitespace().map(|name| name.replace('\0', " "));
    names.map(|name| shortest(&folder.join(name))).collect()
}

fn shortest(path: &Path) -> PathBuf {
    let mut short = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::ParentDir => {
                short.pop();
            }
            std::path::Component::CurDir => {}
            part => short.push(part),
        }
    }
    short
}
