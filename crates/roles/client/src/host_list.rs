//! Where the host list comes from.

use hosts::{HostList, HostsError};
use statedir::{StateDir, host_list_text};

use crate::cause::Cause;
use crate::log::Log;
use crate::zeroconf::{self, Asking};
use crate::{Context, Settings};

/// The host list and where it was found.
pub(crate) struct Found {
    pub(crate) list: HostList,
    pub(crate) place: String,
    /// Why zeroconf added nobody to it.
    pub(crate) undiscovered: Option<String>,
}

/// Why there is no host list.
pub(crate) enum Missing {
    /// Neither the variable nor a file.
    Nowhere,
    /// An entry that means nothing.
    Bad { place: String, error: HostsError },
    /// A file that is no text.
    NoText { place: String },
    /// No hosts but those that zeroconf would find, and why it found none.
    Undiscovered { why: String },
}

impl Missing {
    /// Its place in the vocabulary of reasons.
    pub(crate) fn cause(&self) -> Cause {
        match self {
            Missing::Nowhere => Cause::NoHostList,
            Missing::Bad { .. } | Missing::NoText { .. } => Cause::BadHostList,
            Missing::Undiscovered { .. } => Cause::NothingDiscovered,
        }
    }

    /// What is wrong, and what the user may do.
    pub(crate) fn explained(&self) -> (String, &'static str) {
        match self {
            Missing::Nowhere => {
                ("there is no host list".to_owned(), "set DISTCC_HOSTS='HOST/LIMIT ...'")
            }
            Missing::Bad { place, error } => (format!("{place}: {error}"), error.hint()),
            Missing::Undiscovered { why } => {
                (format!("zeroconf found no host: {why}"), self.cause().remedy())
            }
            Missing::NoText { place } => (format!("{place} is not UTF-8 text"), ""),
        }
    }
}

/// Reads the first list that exists: `DISTCC_HOSTS`, the state folder's `hosts`, the system's.
pub(crate) fn read(settings: &Settings) -> Result<Found, Missing> {
    let found = host_list_text(
        settings.hosts.as_deref(),
        settings.state_dir.as_deref(),
        settings.home.as_deref(),
    );
    let found = found.ok_or(Missing::Nowhere)?;
    let place = found.place();
    let Ok(text) = String::from_utf8(found.bytes) else { return Err(Missing::NoText { place }) };
    match HostList::parse(&text) {
        Ok(list) => Ok(Found { list, place, undiscovered: None }),
        Err(error) => Err(Missing::Bad { place, error }),
    }
}

/// As [`read`], with the hosts that zeroconf finds, if the list wants those.
pub(crate) fn read_with_found(
    settings: &Settings,
    state: Option<&StateDir>,
    log: &Log,
    asking: Asking,
) -> Result<Found, Missing> {
    let mut found = read(settings)?;
    found.undiscovered = zeroconf::fill_in(&mut found.list, state, log, asking)
        .map_err(|why| Missing::Undiscovered { why })?;
    Ok(found)
}

/// The list for a job.
pub(crate) fn for_job(context: &Context) -> Result<Found, Missing> {
    read_with_found(&context.settings, context.state.as_ref(), &context.log, Asking::Allowed)
}
