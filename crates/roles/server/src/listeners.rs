//! The sockets that the daemon listens on.

use std::io;
use std::net::{TcpListener, ToSocketAddrs};

use wire::Exit;

use crate::Failure;
use crate::options::Options;
use crate::systemd::Handed;

/// Where clients come in. The worker inherits them, and the next worker again.
#[derive(Debug)]
pub(crate) struct Listeners {
    /// For jobs.
    pub(crate) jobs: TcpListener,
    /// `--stats`: for those who want to know how we are.
    pub(crate) stats: Option<TcpListener>,
}

impl Listeners {
    /// Takes what was handed over, and binds what else the options say.
    pub(crate) fn open(options: &Options, handed: Handed) -> Result<Listeners, Failure> {
        let bind_stats =
            || options.stats_port.map(|port| bind(options, port, "--stats-port")).transpose();
        match handed {
            Handed::Listeners { jobs, stats: Some(stats) } => {
                Ok(Listeners { jobs, stats: Some(stats) })
            }
            Handed::Listeners { jobs, stats: None } => Ok(Listeners { jobs, stats: bind_stats()? }),
            Handed::Client(_) | Handed::Nothing => {
                Ok(Listeners { jobs: bind(options, options.port, "--port")?, stats: bind_stats()? })
            }
        }
    }
}

fn bind(options: &Options, port: u16, option: &str) -> Result<TcpListener, Failure> {
    let failed = |place: &str, error: io::Error| {
        let hint = match error.kind() {
            io::ErrorKind::AddrInUse => {
                format!("is another distccd running? choose another {option}")
            }
            io::ErrorKind::PermissionDenied => "ports below 1024 need root".to_owned(),
            _ => "--listen takes an address of this machine".to_owned(),
        };
        let text = format!("could not listen on {place}, port {port}: {error}");
        Failure::new(Exit::BIND_FAILED, text, hint)
    };
    match &options.listen {
        Some(name) => {
            let addresses: Vec<_> = (name.as_str(), port)
                .to_socket_addrs()
                .map_err(|error| failed(name, error))?
                .collect();
            TcpListener::bind(&addresses[..]).map_err(|error| failed(name, error))
        }
        // Dual-stack where the machine has IPv6.
        None => match TcpListener::bind(("::", port)) {
            Err(error) if error.kind() != io::ErrorKind::AddrInUse => {
                TcpListener::bind(("0.0.0.0", port))
            }
            bound => bound,
        }
        .map_err(|error| failed("all addresses", error)),
    }
}
