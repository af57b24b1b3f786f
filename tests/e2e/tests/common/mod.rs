//! A folder to compile in, with its own state folder.
#![allow(dead_code, reason = "every suite uses its part of this")]

pub(crate) mod browser;
pub(crate) mod build;
pub(crate) mod daemon;
pub(crate) mod held;
pub(crate) mod machine;
pub(crate) mod running;
pub(crate) mod tree;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use support::{Kind, Server, ServerOptions, program};

/// Long enough for the slowest build on a busy machine.
const LIMIT: Duration = Duration::from_secs(600);

/// A world with a folder to compile in, `work`, and a state folder.
pub(crate) struct World {
    root: support::World,
}

/// What a command did.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl World {
    pub(crate) fn new() -> World {
        let root = support::World::new();
        for name in ["work", "state"] {
            let _ = root.folder(name);
        }
        World { root }
    }

    pub(crate) fn folder(&self, name: &str) -> PathBuf {
        self.root.folder(name)
    }

    pub(crate) fn open_folder(&self, name: &str) -> PathBuf {
        self.root.open_folder(name)
    }

    pub(crate) fn server(&self, name: &str, options: &ServerOptions) -> Server {
        Server::start(&self.root.path().join(name), options)
    }

    pub(crate) fn path(&self) -> &Path {
        self.root.path()
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.root.path().join("state")
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.root.path().join("work").join(name), text).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.root.path().join("work").join(name)).unwrap()
    }

    pub(crate) fn remove(&self, name: &str) {
        std::fs::remove_file(self.root.path().join("work").join(name)).unwrap();
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.root.path().join("work").join(name).exists()
    }

    /// The names of the files in the folder to compile in.
    pub(crate) fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.root.path().join("work")).unwrap().flatten();
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
    }

    /// Runs our client.
    pub(crate) fn distcc(&self, hosts: &str, words: &[&str]) -> Ran {
        self.run(program("distcc"), hosts, words)
    }

    /// Runs a client.
    pub(crate) fn run(&self, client: impl AsRef<Path>, hosts: &str, words: &[&str]) -> Ran {
        finish(self.command(client).env("DISTCC_HOSTS", hosts).args(words))
    }

    /// A client's command with the world's folders and no other setting.
    pub(crate) fn command(&self, client: impl AsRef<Path>) -> Command {
        self.prepared(Command::new(client.as_ref()))
    }

    /// A client's command on a host of a lab, with the world's folders and no other setting.
    pub(crate) fn command_on(&self, host: &netns::Host, client: impl AsRef<Path>) -> Command {
        self.prepared(host.command(client.as_ref()))
    }

    fn prepared(&self, mut command: Command) -> Command {
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy().into_owned();
            if name.starts_with("DISTCC") || name.starts_with("_DISTCC") {
                command.env_remove(name);
            }
        }
        command.env("DISTCC_DIR", self.state()).current_dir(self.root.path().join("work"));
        command.env("LC_ALL", "C.UTF-8");
        command
    }

    /// Checks that the object is the one that the compiler of this machine makes.
    pub(crate) fn check_object(&self, compiler: &str, words: &[&str], object: &str) {
        let ours = self.read(object);
        let ran = finish(self.command(compiler).args(words));
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        assert!(ours == self.read(object), "the object differs from {compiler}'s");
    }
}

/// How to start a server on a host of a lab, for the whole lab.
pub(crate) fn on(host: &netns::Host, kind: Kind) -> ServerOptions {
    let mut options = ServerOptions::new(kind);
    options.address = host.ip().into();
    options.launcher = host.launcher();
    options.allow = vec!["10.77.0.0/24".to_owned()];
    options
}

pub(crate) fn finish(command: &mut Command) -> Ran {
    let outcome = support::run(command, LIMIT);
    Ran {
        code: outcome.code,
        stdout: String::from_utf8_lossy(&outcome.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&outcome.stderr).into_owned(),
    }
}
