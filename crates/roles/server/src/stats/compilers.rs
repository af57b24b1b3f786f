//! The compilers that may run, as they were a while ago.
//!
//! They are looked at when somebody wants to know, and not by who answers: asking a compiler what
//! it is may take long.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::Context;
use crate::whitelist::Known;

/// How long a look is good for.
const FRESH: Duration = Duration::from_secs(60);

/// So many are told.
const MOST_COMPILERS: usize = 64;

/// The compilers that were found last.
#[derive(Debug, Default)]
pub(super) struct Compilers {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    is_looking: bool,
    looked: Option<Instant>,
    found: Option<Vec<Known>>,
}

impl Compilers {
    /// What was found last; `None`: nobody has looked yet. Has somebody look where that is due.
    pub(super) fn known(&self, context: &Arc<Context>, now: Instant) -> Option<Vec<Known>> {
        // The state is whole at every point where a thread could panic.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due =
            state.looked.is_none_or(|looked| now.saturating_duration_since(looked) > FRESH);
        if is_due && !state.is_looking {
            let (context, shared) = (Arc::clone(context), Arc::clone(&self.state));
            let look = move || {
                let mut found = context.whitelist.known();
                found.truncate(MOST_COMPILERS);
                let mut state = shared.lock().unwrap_or_else(PoisonError::into_inner);
                (state.found, state.is_looking) = (Some(found), false);
            };
            state.looked = Some(now);
            state.is_looking =
                std::thread::Builder::new().name("compilers".to_owned()).spawn(look).is_ok();
        }
        state.found.clone()
    }
}
