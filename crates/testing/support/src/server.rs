//! A compile server on loopback, ours or Debian's, that ends with the test.

use std::ffi::OsStr;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::world::set_mode;
use crate::{processes_using, program, wait_until};

/// Whose server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `distccd` of this workspace.
    Ours,
    /// Debian's distccd 3.4, `/usr/bin/distccd`.
    Original,
}

/// How to start a server.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// Whose.
    pub kind: Kind,
    /// `--jobs`.
    pub n_jobs: usize,
    /// Its `PATH`, where it finds compilers; `None`: the test's own.
    pub path: Option<String>,
    /// The names of the compilers that it may run, where it is ours; Debian's takes
    /// `/usr/lib/distcc`.
    pub compilers: Vec<String>,
    /// `--allow`, each.
    pub allow: Vec<String>,
    /// More words of its command line.
    pub more: Vec<String>,
    /// The address it listens on.
    pub address: IpAddr,
    /// The port to listen on; default: one that is free.
    pub port: Option<u16>,
    /// Words before its command, which have to become it: `netns::Host::launcher`.
    pub launcher: Vec<String>,
    /// Its `TMPDIR`; `None`: `tmp` in its folder.
    pub temporary: Option<PathBuf>,
}

impl ServerOptions {
    /// A server with two jobs that may run gcc and g++.
    #[must_use]
    pub fn new(kind: Kind) -> ServerOptions {
        let names = ["gcc", "g++", "cc", "c++", "x86_64-linux-gnu-gcc", "x86_64-linux-gnu-g++"];
        ServerOptions {
            kind,
            n_jobs: 2,
            path: None,
            compilers: names.map(str::to_owned).to_vec(),
            allow: vec!["127.0.0.1".to_owned()],
            more: Vec::new(),
            address: Ipv4Addr::LOCALHOST.into(),
            port: None,
            launcher: Vec::new(),
            temporary: None,
        }
    }
}

/// A server at work. Dropping it kills it and everything that it started.
#[derive(Debug)]
pub struct Server {
    /// The address it listens on.
    pub address: IpAddr,
    /// The port it listens on.
    pub port: u16,
    /// The folder of its files: `log`, `tmp`.
    pub folder: PathBuf,
    temporary: PathBuf,
    daemon: Child,
}

impl Server {
    /// Starts a server whose files are in `folder`, and waits until it listens.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start(folder: &Path, options: &ServerOptions) -> Server {
        let whitelist = folder.join("whitelist");
        let temporary = options.temporary.clone().unwrap_or_else(|| folder.join("tmp"));
        for folder in [&whitelist, &temporary] {
            std::fs::create_dir_all(folder).expect("a test can make its folders");
        }
        for compiler in &options.compilers {
            symlink("/bin/true", whitelist.join(compiler)).expect("a test can make its links");
        }
        let port = options.port.unwrap_or_else(free_port);
        let distccd = match options.kind {
            Kind::Ours => program("distccd"),
            Kind::Original => {
                let distccd = PathBuf::from("/usr/bin/distccd");
                assert!(distccd.exists(), "Debian's distccd is missing: apt-get install distcc");
                distccd
            }
        };
        let log = std::fs::File::create(folder.join("log")).expect("a test can make its files");
        let mut words = options.launcher.iter().map(OsStr::new).chain([distccd.as_os_str()]);
        let mut command = Command::new(words.next().expect("there is the program at least"));
        command
            .args(words)
            .args(["--daemon", "--no-detach", "--listen", &options.address.to_string()])
            .args(["--port", &port.to_string(), "--jobs", &options.n_jobs.to_string()])
            .args(["--log-stderr", "--log-level", "info"])
            .args(options.allow.iter().flat_map(|network| ["--allow", network.as_str()]))
            .args(&options.more)
            .env("TMPDIR", &temporary)
            .env_remove("DISTCC_HOSTS")
            // Compilers choose their quotes by the locale.
            .env("LC_ALL", "C.UTF-8")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        if options.kind == Kind::Ours {
            command.arg("--compiler-whitelist").arg(&whitelist);
        }
        if let Some(path) = &options.path {
            command.env("PATH", path);
            // Compilers of a test's own write down what they see, wherever they like.
            if options.kind == Kind::Ours {
                command.args(["--sandbox", "off"]);
            }
        }
        // As root the server becomes somebody else, who has to be able to write its folder.
        set_mode(&temporary, 0o777);
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let daemon = command.spawn().expect("the server can be started");
        let (address, folder) = (options.address, folder.to_owned());
        let mut server = Server { address, port, folder, temporary, daemon };
        wait_until("the server listens", || {
            if let Ok(Some(status)) = server.daemon.try_wait() {
                panic!("the server ended with {status}:\n{}", server.log());
            }
            is_listening(server.daemon.id(), port)
        });
        server
    }

    /// How the server stands in a host list, with `options` such as `/2,lzo`.
    #[must_use]
    pub fn host(&self, options: &str) -> String {
        format!("{}{options}", SocketAddr::new(self.address, self.port))
    }

    /// The process id of the daemon.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.daemon.id()
    }

    /// What the server has logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// How many files it says it has compiled.
    #[must_use]
    pub fn n_compiled(&self) -> usize {
        self.log().lines().filter(|line| line.contains(" COMPILE_OK ")).count()
    }

    /// Waits until the server says that it has compiled `n_files`: it says so after its client has
    /// the object.
    ///
    /// # Panics
    /// When it does not say that within ten minutes.
    pub fn wait_for_compiled(&self, n_files: usize) {
        wait_until(&format!("the server has compiled {n_files}"), || self.n_compiled() == n_files);
    }

    /// Sends the daemon `signal`, and waits for its end and that of all its compilers.
    ///
    /// # Panics
    /// When something of it is left after ten minutes: a process, or a temporary file.
    pub fn end_by(&mut self, signal: Signal) {
        kill_process(Pid::from_child(&self.daemon), signal).expect("the server runs");
        wait_until("the server ends", || matches!(self.daemon.try_wait(), Ok(Some(_))));
        let temporary = &self.temporary;
        wait_until("no process of the server is left", || processes_using(temporary).is_empty());
        let left =
            || -> Vec<_> { std::fs::read_dir(temporary).into_iter().flatten().flatten().collect() };
        wait_until("no temporary file of the server is left", || left().is_empty());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = kill_process_group(Pid::from_child(&self.daemon), Signal::KILL);
        let _ = self.daemon.wait();
    }
}

/// Whether somebody listens on that TCP port in the network of that process, which need not be
/// ours.
fn is_listening(pid: u32, port: u16) -> bool {
    let tables = ["tcp", "tcp6"].map(|table| format!("/proc/{pid}/net/{table}"));
    let tables = tables.iter().filter_map(|table| std::fs::read_to_string(table).ok());
    tables.into_iter().any(|table| {
        // Columns: number, local address:port, remote address:port, state (0A: listens).
        table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).any(|columns| {
            columns.get(3) == Some(&"0A") && columns[1].ends_with(&format!(":{port:04X}"))
        })
    })
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    listener.local_addr().expect("a bound socket has an address").port()
}
