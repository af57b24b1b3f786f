//! Who the server is: not root.

use nix::unistd::{Gid, Uid, User, initgroups, setgid, setgroups, setuid};
use wire::Exit;

use crate::Failure;
use crate::log::{Level, Log};
use crate::options::Options;

/// Whom to become instead of root, the first that exists. Source: behavior of Debian's and
/// upstream's distccd 3.4.
const USERS: [&str; 3] = ["distccd", "distcc", "nobody"];

/// The number of nobody where nobody has a name.
const NOBODY: u32 = 65_534;

/// Becomes the server's user for good, if we are root.
pub(crate) fn drop_root(options: &Options, log: &Log) -> Result<(), Failure> {
    if !Uid::effective().is_root() {
        if options.user.is_some() {
            log.write(Level::Warning, "identity", "not started by root: --user has no effect");
        }
        return Ok(());
    }
    let failed = |what: &str, error: nix::errno::Errno| {
        Failure::new(Exit::SETUID_FAILED, format!("could not {what}: {error}"), "")
    };
    let named = named(options)?;
    let (uid, gid) = match &named {
        Some(user) => (user.uid, user.gid),
        None => (Uid::from_raw(NOBODY), Gid::from_raw(NOBODY)),
    };
    match named.as_ref().and_then(|user| std::ffi::CString::new(user.name.as_str()).ok()) {
        Some(name) => {
            initgroups(&name, gid).map_err(|error| failed("leave root's groups", error))?
        }
        None => setgroups(&[gid]).map_err(|error| failed("leave root's groups", error))?,
    }
    setgid(gid).map_err(|error| failed("change the group", error))?;
    setuid(uid).map_err(|error| failed("change the user", error))?;
    if uid.is_root() {
        log.write(
            Level::Warning,
            "identity",
            "running compilers as root, because --user says so: any client becomes root here",
        );
    } else {
        // No program that a job starts may become root again.
        let _ = rustix::thread::set_no_new_privs(true);
    }
    Ok(())
}

/// Whom [`drop_root`] would become, by name and number; `None` where we are not root.
///
/// # Errors
/// When there is no such user.
pub(crate) fn to_be(options: &Options) -> Result<Option<(String, u32)>, Failure> {
    if !Uid::effective().is_root() {
        return Ok(None);
    }
    let named = named(options)?;
    Ok(Some(named.map_or(("nobody".to_owned(), NOBODY), |user| (user.name, user.uid.as_raw()))))
}

/// The user to become; `None`: none of the usual ones is there.
fn named(options: &Options) -> Result<Option<User>, Failure> {
    let Some(name) = &options.user else { return Ok(USERS.into_iter().find_map(user)) };
    let unknown = || {
        Failure::new(
            Exit::SETUID_FAILED,
            format!("--user `{}`: there is no such user", name.escape_debug()),
            "make one for the server, as in: useradd --system distcc",
        )
    };
    Ok(Some(user(name).ok_or_else(unknown)?))
}

fn user(name: &str) -> Option<User> {
    User::from_name(name).ok().flatten()
}
