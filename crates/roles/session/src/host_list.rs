//! The host list of a build.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::process::{Command, Stdio};

use hosts::{Host, HostList};

use crate::{Settings, Trouble, complain};

/// How many machines are asked at a time. Source: distcc 3.4.
const AT_A_TIME: &str = "-c150";

/// What each of them has behind its name in the list. Source: distcc 3.4.
const PUMP: &str = ",cpp,lzo";

/// The value for `DISTCC_HOSTS`, where it is to have another than it has; none where it is not set.
///
/// # Errors
/// When no host can do anything in pump mode.
pub(crate) fn settle(settings: &Settings) -> Result<Option<OsString>, Trouble> {
    match &settings.potential_hosts {
        Some(names) => Ok(Some(ask(settings, names)?)),
        None => {
            judge(settings)?;
            Ok(settings.hosts.clone())
        }
    }
}

/// A list of the machines that answer.
fn ask(settings: &Settings, names: &OsStr) -> Result<OsString, Trouble> {
    let output = Command::new(settings.program("lsdistcc"))
        .arg(AT_A_TIME)
        .args(settings.lsdistcc_args.as_deref().into_iter().flat_map(words))
        .args(words(names))
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| Trouble {
            text: format!("lsdistcc could not be started: {error}"),
            hint: "it is installed beside distcc; DISTCC_LOCATION names another folder",
        })?;
    let found = String::from_utf8_lossy(&output.stdout);
    let hosts: Vec<String> = found.split_whitespace().map(|host| format!("{host}{PUMP}")).collect();
    if hosts.is_empty() {
        complain(
            "no machine of DISTCC_POTENTIAL_HOSTS answers: everything is compiled here",
            "lsdistcc tells who answers",
        );
    } else if settings.verbose {
        complain(&format!("{} machines answer", hosts.len()), "");
    }
    Ok(format!("--randomize {}", hosts.join(" ")).into())
}

/// The words of a variable, as a shell parts them.
fn words(text: &OsStr) -> impl Iterator<Item = &OsStr> {
    let parts = text.as_bytes().split(u8::is_ascii_whitespace);
    parts.filter(|word| !word.is_empty()).map(OsStr::from_bytes)
}

/// Whether the list that distcc has is one for pump mode. Distcc says by itself what is wrong with
/// one, and where it comes from.
fn judge(settings: &Settings) -> Result<(), Trouble> {
    let program = settings.program("distcc");
    let mut command = Command::new(&program);
    command.arg("--show-hosts").stdin(Stdio::null()).stderr(Stdio::inherit());
    let output = command.output().map_err(|error| Trouble {
        text: format!("{} could not be started: {error}", program.display()),
        hint: "DISTCC_LOCATION names the folder of distcc",
    })?;
    let (n_hosts, n_pumping) = count(&String::from_utf8_lossy(&output.stdout));
    if n_pumping == 0 {
        return Err(Trouble {
            text: "no host of the list may be used in pump mode".to_owned(),
            hint: "an entry without options may, or one with ,cpp,lzo; ,lzo alone or ,plain may not",
        });
    }
    if settings.verbose {
        complain(&format!("{n_pumping} of {n_hosts} hosts may be used in pump mode"), "");
    }
    Ok(())
}

/// How many hosts other than this one are in a list, and how many of those may be used in pump mode.
fn count(text: &str) -> (usize, usize) {
    let lists = text.lines().filter_map(|line| HostList::parse(line).ok());
    let hosts: Vec<_> = lists.flat_map(|list| list.hosts).collect();
    let others = || hosts.iter().filter(|spec| spec.host != Host::Local);
    (others().count(), others().filter(|spec| spec.may_pump()).count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_counted_that_may_pump() {
        assert_eq!(count("a:3632/4\nb:3632/4,lzo\nc:1/2,cpp,lzo\nlocalhost/2\n"), (3, 2));
        assert_eq!(count("localhost/2\n"), (0, 0));
        assert_eq!(count(""), (0, 0));
    }

    #[test]
    fn variables_are_parted_at_blanks() {
        assert_eq!(words("  -a \t b\n".as_ref()).collect::<Vec<_>>(), ["-a", "b"]);
    }
}
