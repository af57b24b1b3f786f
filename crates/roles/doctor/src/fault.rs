//! What a reason code and a server's words mean, and what mends it.

use std::net::IpAddr;

use toolchain::CompilerName;

use crate::compilers::{Local, install};
use diagnosis::shell::{quoted, restarted};
use diagnosis::{Finding, Machine, Status};

/// The `PATH` to give to a server whose own is wrong.
const GOOD_PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Where a server of ours and Debian's look for links, unless told otherwise.
const WHITELIST: &str = "/usr/lib/distcc";

/// Which host, and by which addresses it may see us.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    /// The host as findings name it.
    pub(crate) host: &'a str,
    /// Its name alone.
    pub(crate) name: &'a str,
    pub(crate) addresses: &'a [IpAddr],
}

/// A probe that failed, or a question that was refused.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fault<'a> {
    /// The reason code of the client.
    pub(crate) code: &'a str,
    /// What client and server said.
    pub(crate) said: &'a str,
    /// Which compiler it was about.
    pub(crate) compiler: Option<&'a Local>,
}

impl Fault<'_> {
    /// Whether what bears this code concerns all compilers of a host.
    pub(crate) fn is_of_the_host(code: &str) -> bool {
        ["refused-address", "server-disk-full", "server-path", "server-busy"].contains(&code)
    }

    /// What it is, by the code and the words.
    fn name(&self) -> &str {
        let says = |text| self.said.contains(text);
        match self.code {
            "refused-compiler" if says("is not allowed here: not in") => "compiler-not-allowed",
            "lacks-target" | "refused-compiler" => "compiler-missing",
            "lacks-version" | "wrong-version" => "compiler-other-version",
            "compiler-fault" if says("cannot execute") => "server-path",
            "server-refused" if says("No space left on device") => "server-disk-full",
            code => code,
        }
    }

    /// The line of the table, with its remedy.
    pub(crate) fn finding(&self, check: &str, status: Status, place: &Place<'_>) -> Finding {
        let name = self.name();
        let finding = Finding::of(place.host, check, status, name, self.text());
        let on_host = Machine::Host(place.name.to_owned());
        let mut addresses = place.addresses.to_vec();
        // Behind a router, ours is another there.
        addresses.extend(refused_address(self.said).filter(|address| !addresses.contains(address)));
        let allow: Vec<String> =
            addresses.iter().map(|address| format!("--allow {address}")).collect();
        let allow = allow.join(" ");
        match (name, self.compiler) {
            ("refused-address", _) => {
                let note = "distccd is started anew with its options and this one; where a service \
                            manager runs it, add the option to its configuration instead";
                finding.mended_by(on_host, &[&restarted("", &allow)], note)
            }
            ("server-disk-full", _) => {
                let note = "distccd is started anew with a folder for temporary files that has room; \
                            or make room in the one it has";
                finding.mended_by(on_host, &[&restarted("TMPDIR=/var/tmp", "")], note)
            }
            ("server-path", _) => {
                let note = "distccd is started anew with a PATH that has the system's compilers; \
                            where a service manager runs it, set PATH in its configuration instead";
                finding.mended_by(on_host, &[&restarted(GOOD_PATH, "")], note)
            }
            ("compiler-not-allowed", Some(local)) => {
                finding.mended_by(on_host, &[&allow_compiler(self.said, &local.name)], "")
            }
            ("compiler-missing" | "compiler-other-version", Some(local)) => {
                let (command, note) = install(local);
                finding.mended_by(on_host, &[&command], &note)
            }
            ("hung-up", Some(_)) => {
                let note = "distcc 3.4 does not say why it refuses: this machine's address, or the \
                            compiler; the commands allow both";
                let commands = ["update-distcc-symlinks", &restarted("", &allow)];
                finding.mended_by(on_host, &commands, note)
            }
            ("object-differs" | "wrong-machine", Some(local)) => {
                let (command, note) = install(local);
                finding.mended_by(on_host, &[&command], &note)
            }
            _ => {
                let command = "journalctl --identifier distccd --lines 20 --no-pager";
                finding.mended_by(on_host, &[command], "what its log says of it")
            }
        }
    }

    /// The reason in the words of the one who knows it best: the server's, else the client's.
    fn text(&self) -> String {
        let lines = || self.said.lines().filter(|line| !line.trim_start().starts_with("hint:"));
        let servers =
            lines().find_map(|line| line.strip_prefix("distccd[")?.split_once("] ERROR: "));
        let clients = lines().find(|line| line.starts_with("distcc["));
        let text = match (servers, clients) {
            (Some((_, text)), _) => text,
            (None, Some(line)) => {
                line.split_once("]: ").or(line.split_once("] ")).map_or(line, |(_, text)| text)
            }
            (None, None) => lines().next().unwrap_or("it did not say why"),
        };
        let n_most = 240;
        let text: String = text.chars().take(n_most).collect();
        if self.code == "object-differs" {
            "the object differs from the one made here".to_owned()
        } else {
            text
        }
    }
}

/// The address that a server of ours says it does not serve.
fn refused_address(said: &str) -> Option<IpAddr> {
    let (_, rest) = said.split_once("this server does not serve ")?;
    rest.split_ascii_whitespace().next()?.trim_end_matches([';', ',']).parse().ok()
}

/// The command that puts a compiler on a server's list. The server's words are a stranger's: of them
/// nothing goes into the command that is not the plain name of a file or of a compiler.
fn allow_compiler(said: &str, compiler: &str) -> String {
    let named =
        said.split_once("the compiler `").and_then(|(_, rest)| Some(rest.split_once('`')?.0));
    let name = named.filter(|name| CompilerName::parse(name).is_some()).unwrap_or(compiler);
    let folder = said.split_once("is not allowed here: not in ").map_or("", |(_, rest)| rest);
    let folder = folder.split_ascii_whitespace().next().unwrap_or_default();
    let is_fine = |c: char| c.is_ascii_alphanumeric() || "/._-+".contains(c);
    let is_name = folder.starts_with('/') && folder.chars().all(is_fine);
    let place = if is_name { folder } else { WHITELIST };
    if is_name && said.contains("add the path of") {
        return format!("command -v {} >> {place}", quoted(name));
    }
    let link = format!("{place}/{name}");
    format!("ln -s /usr/bin/distcc {}", quoted(&link))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(code: &str, said: &str, expected: &str) {
        let fault = Fault { code, said, compiler: None };
        assert_eq!(fault.name(), expected);
    }

    #[test]
    fn a_refusal_is_named_by_what_the_server_says() {
        let not_listed =
            "distccd[7] ERROR: the compiler `gcc` is not allowed here: not in /usr/lib/distcc";
        check("refused-compiler", not_listed, "compiler-not-allowed");
        check("refused-compiler", "allowed but not installed here", "compiler-missing");
        check("lacks-version", "", "compiler-other-version");
        check("compiler-fault", "gcc: fatal error: cannot execute 'as'", "server-path");
        check("connection-lost", "", "connection-lost");
    }

    #[test]
    fn nothing_of_a_servers_words_runs_as_a_command() {
        let said = |name: &str, place: &str| {
            format!("the compiler `{name}` is not allowed here: not in {place} or /b\n")
        };
        let command = |name, place| allow_compiler(&said(name, place), "gcc");
        assert_eq!(command("g++-12", "/srv/list"), "ln -s /usr/bin/distcc /srv/list/g++-12");
        let usual = "ln -s /usr/bin/distcc /usr/lib/distcc/gcc";
        assert_eq!(command("gcc;reboot", "$(reboot)"), usual);
        assert_eq!(command("../../etc/x", "/a;reboot"), usual);
        assert_eq!(
            refused_address("this server does not serve 10.0.0.1; x"),
            "10.0.0.1".parse().ok()
        );
        assert_eq!(refused_address("this server does not serve $(reboot)"), None);
    }
}
