//! What a host can do beyond distcc 3.4: asked once, and remembered for a while.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::time::{Duration, SystemTime};

use hosts::HostSpec;
use statedir::StateDir;
use wire::{ABILITIES_QUESTION, Abilities, Exit};

use crate::cause::Cause;
use crate::dated;
use crate::distribute::is_backed_off;
use crate::remote::{Conversation, Trouble};
use crate::{Context, Settings};

/// How long an answer holds: a server may be exchanged for another.
const HOLDS: Duration = Duration::from_secs(24 * 60 * 60);

/// How long it holds that a server can do nothing more. One that closed the connection for another
/// reason gets to show it soon.
const NOTHING_HOLDS: Duration = Duration::from_secs(60 * 60);

/// What `spec`'s server can do. None of it, where the server does not understand the question, as
/// distcc 3.4 does not: that one notes a refused compiler in its log, once an hour.
///
/// To be asked only for jobs that would make use of the answer.
///
/// # Errors
/// When the host cannot be reached, or breaks off otherwise than by hanging up.
pub(crate) fn of(context: &Context, spec: &HostSpec) -> Result<Abilities, Trouble> {
    let now = SystemTime::now();
    if let Some(abilities) = known(context, spec) {
        return Ok(abilities);
    }
    let mut is_dead = || is_backed_off(context, spec);
    let abilities = ask(spec, &context.settings, context.state.as_ref(), &mut is_dead)?;
    if let Some(state) = &context.state {
        let kept = dated::written(&abilities.to_text(), now);
        let _ = state.keep(key(spec).as_bytes(), kept.as_bytes());
    }
    Ok(abilities)
}

/// What is remembered of what `spec`'s server can do, if it still holds.
pub(crate) fn known(context: &Context, spec: &HostSpec) -> Option<Abilities> {
    remembered(context.state.as_ref()?, spec)
}

/// As [`known`], by the state folder alone.
pub(crate) fn remembered(state: &StateDir, spec: &HostSpec) -> Option<Abilities> {
    still_holds(&state.recall(key(spec).as_bytes())?, SystemTime::now())
}

fn key(spec: &HostSpec) -> String {
    format!("abilities {}", spec.host)
}

fn still_holds(kept: &[u8], now: SystemTime) -> Option<Abilities> {
    let (age, text) = dated::read(kept, now)?;
    let abilities = Abilities::from_text(text)?;
    let limit = if abilities == Abilities::default() { NOTHING_HOLDS } else { HOLDS };
    (age < limit).then_some(abilities)
}

/// What `spec`'s server says that it can do, whatever is remembered. `is_dead` is asked meanwhile whether
/// that still matters.
///
/// # Errors
/// As [`of`].
pub(crate) fn ask(
    spec: &HostSpec,
    settings: &Settings,
    state: Option<&StateDir>,
    is_dead: &mut dyn FnMut() -> bool,
) -> Result<Abilities, Trouble> {
    match answer(spec, settings, state, is_dead) {
        // An older server of ours, or one of 3.4.
        Err(Trouble::Refused { exit: Exit::COMPILER_MISSING, .. }) => Ok(Abilities::default()),
        Err(trouble) if Cause::from(&trouble) == Cause::HungUp => Ok(Abilities::default()),
        answer => answer,
    }
}

fn answer(
    spec: &HostSpec,
    settings: &Settings,
    state: Option<&StateDir>,
    is_dead: &mut dyn FnMut() -> bool,
) -> Result<Abilities, Trouble> {
    let question = [OsString::from_vec(ABILITIES_QUESTION.to_vec())];
    let mut conversation = Conversation::begin(spec, &question, settings, state, is_dead)?;
    conversation.send_source(b"")?;
    let reply = conversation.receive(|| {})?;
    Ok(Abilities::of_reply(&reply).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_holds_for_a_day_and_silence_for_an_hour() {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let kept = b"1000\ndistcc-rs\nrestores-source\n";
        assert!(still_holds(kept, at(2000)).unwrap().restores_source);
        assert!(still_holds(kept, at(1000 + 24 * 60 * 60)).is_none());
        assert!(still_holds(b"1000\ndistcc-rs\n", at(2000)).is_some());
        assert!(still_holds(b"1000\ndistcc-rs\n", at(1000 + 60 * 60)).is_none());
        // A clock that was set back.
        assert!(still_holds(kept, at(10)).is_none());
        assert!(still_holds(b"x\ndistcc-rs\n", at(10)).is_none());
        assert!(still_holds(b"\xff", at(10)).is_none());
    }
}
