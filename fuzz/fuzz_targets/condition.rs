//! What a server says of how it is: what is believed of it is a number that means something or a short
//! plain word, and is the same when it is written and read again.
#![no_main]

use fuzz as _;
use libfuzzer_sys::fuzz_target;
use wire::{Abilities, Condition, Reply, WaitStatus};

/// From here on, thousandths get lost in a float.
const EXACT: f64 = 1e11;

fn reply(stdout: Vec<u8>) -> Reply {
    Reply { status: WaitStatus::exited(0), stdout, ..Reply::default() }
}

fuzz_target!(|said: &[u8]| {
    let condition = Condition::of_reply(&reply(said.to_vec()));
    assert_ne!(condition.n_processors, Some(0));
    assert!(condition.load.is_none_or(|load| load.is_finite() && load >= 0.0));
    if let Some(level) = &condition.sandbox {
        assert!(!level.is_empty() && level.len() <= 24);
        assert!(level.bytes().all(|byte| byte == b'-' || byte.is_ascii_lowercase()));
    }

    // Behind the abilities, as a server writes it.
    let abilities = Abilities { keeps_files: true, n_jobs: Some(4), ..Abilities::default() };
    let written = reply((abilities.to_text() + &condition.to_text()).into_bytes());
    assert_eq!(Abilities::of_reply(&written), Some(abilities));
    let again = Condition::of_reply(&written);
    let whole = |condition: &Condition| Condition { load: None, time: None, ..condition.clone() };
    assert_eq!(whole(&again), whole(&condition));
    if let Some(load) = condition.load.filter(|load| *load < EXACT) {
        assert!(again.load.is_some_and(|again| (again - load).abs() <= 0.01));
    }
    if let Some(time) = condition.time.filter(|time| time.as_secs_f64() < EXACT) {
        assert!(again.time.is_some_and(|again| again.abs_diff(time).as_millis() <= 1));
    }

    let failed = Reply { status: WaitStatus::exited(1), ..written };
    assert_eq!(Condition::of_reply(&failed), Condition::default());
});
