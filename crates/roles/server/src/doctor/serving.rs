//! Who answers at the port.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs};
use std::path::Path;
use std::time::Duration;

use diagnosis::{Finding, Machine, Status};
use serde_json::json;
use transport::Connection;
use wire::{ABILITIES_QUESTION, Abilities, Condition, Exit};

use super::{Anew, shown, talk};
use crate::options::Options;

/// How long a connection within this machine may take.
const CONNECT_PATIENCE: Duration = Duration::from_secs(4);

/// Where a unit of ours may be. Source: systemd.unit(5).
const UNITS: [&str; 3] = ["/etc/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"];

/// What is there when systemd runs. Source: sd_booted(3).
const BOOTED: &str = "/run/systemd/system";

/// Who answers at the port.
#[derive(Debug)]
pub(super) enum Serving {
    /// A server of ours, which serves this machine too.
    Ours { address: SocketAddr, abilities: Abilities, condition: Condition },
    /// A server of ours, which does not serve this machine.
    NotUs(SocketAddr),
    /// Somebody else, such as distcc 3.4.
    Other(SocketAddr, String),
    /// Nobody.
    Nobody(io::Error),
}

impl Serving {
    /// Asks who answers where a server with these options listens.
    pub(super) fn ask(options: &Options) -> Serving {
        let mut last = io::Error::from(io::ErrorKind::NotFound);
        for address in addresses(options) {
            let stream = match TcpStream::connect_timeout(&address, CONNECT_PATIENCE) {
                Ok(stream) => stream,
                Err(error) => {
                    last = error;
                    continue;
                }
            };
            let answer = Connection::from_tcp(stream)
                .and_then(|connection| talk::ask(&connection, &[ABILITIES_QUESTION.to_vec()], b""));
            let reply = match answer {
                Ok(Some(reply)) => reply,
                Ok(None) => {
                    return Serving::Other(address, "hangs up, as distcc 3.4 does".to_owned());
                }
                Err(error) => return Serving::Other(address, error.to_string()),
            };
            if let Some(abilities) = Abilities::of_reply(&reply) {
                let condition = Condition::of_reply(&reply);
                return Serving::Ours { address, abilities, condition };
            }
            return match reply.status.code() {
                Some(code) if code == Exit::ACCESS_DENIED.code() => Serving::NotUs(address),
                _ => Serving::Other(address, talk::error_line(&reply.stderr)),
            };
        }
        Serving::Nobody(last)
    }

    /// The line of the table.
    pub(super) fn finding(&self, anew: &Anew<'_>) -> Finding {
        let (port, running) = (anew.setup.options.port, anew.running);
        let find = |status, code, text: String| {
            let data = json!({ "port": port, "pid": running.map(|running| running.pid) });
            Finding::here("server", status, code, text).with_data(data)
        };
        match self {
            Serving::Ours { address, abilities, condition } => {
                let n_jobs =
                    abilities.n_jobs.map_or(String::new(), |n| format!(", {n} compilers at once"));
                let n_running =
                    condition.n_running.map_or(String::new(), |n| format!(", {n} run now"));
                find(
                    Status::Ok,
                    "serving",
                    format!("a server answers at {address}{n_jobs}{n_running}"),
                )
            }
            Serving::NotUs(address) => {
                let text =
                    format!("a server answers at {address}; this machine is none that it serves");
                find(Status::Ok, "serving", text)
            }
            Serving::Other(address, how) => {
                let text =
                    format!("what listens at {address} is no server of ours: it {}", shown(how));
                let command = format!("ss -ltnp 'sport = :{port}'");
                let note = "that shows who it is; distccd --port takes another port, which clients then \
                            have to name as HOST:PORT";
                find(Status::Failed, "port-taken", text).mended_by(Machine::This, &[&command], note)
            }
            Serving::Nobody(error) => {
                let text = format!("nobody listens on port {port}: {error}");
                let finding = find(Status::Failed, "server-not-running", text);
                match running {
                    Some(_) => {
                        let note = "it runs, and does not answer: its log says why";
                        finding.mended_by(Machine::This, &[&anew.command("", "")], note)
                    }
                    None => finding.mended_by(Machine::This, &[&start(anew)], ""),
                }
            }
        }
    }
}

/// The command that starts a server.
fn start(anew: &Anew<'_>) -> String {
    let has_unit = || UNITS.iter().any(|folder| Path::new(folder).join("distccd.service").exists());
    if anew.setup.words.is_empty() && Path::new(BOOTED).exists() && has_unit() {
        return "systemctl enable --now distccd".to_owned();
    }
    anew.command("", "")
}

/// Where a server with these options can be reached from here.
fn addresses(options: &Options) -> Vec<SocketAddr> {
    let (v4, v6) = (IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST));
    let at = |address: IpAddr| SocketAddr::new(address, options.port);
    let Some(name) = &options.listen else { return vec![at(v4), at(v6)] };
    let found = (name.as_str(), options.port).to_socket_addrs().into_iter().flatten();
    found
        .map(|address| match address.ip() {
            ip if ip.is_unspecified() && ip.is_ipv4() => at(v4),
            ip if ip.is_unspecified() => at(v6),
            ip => at(ip),
        })
        .collect()
}
