//! A host list is hosts or an error, and what is understood can be written and read again. So can
//! what was noted of a host's pace.
#![no_main]

use std::time::Duration;

use fuzz as _;
use hosts::{Host, HostList, Pace, slot_order};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Some(pace) = Pace::from_text(text) {
        assert_eq!(Pace::from_text(&pace.to_text()), Some(pace));
        assert_eq!(pace.after(Some(pace)), pace);
        assert!(!Pace::suspicion(Some(pace), text.len(), Duration::ZERO).is_zero());
    }
    let Ok(list) = HostList::parse(text) else { return };
    for spec in &list.hosts {
        assert!((1..=10_000).contains(&spec.n_slots));
        // Names become parts of file names, and words of ssh.
        let name = spec.host.name();
        assert!(!name.is_empty() && !name.contains('/') && !name.starts_with(['-', '.']));
        if let Host::Ssh { user, command, .. } = &spec.host {
            for word in [user, command].into_iter().flatten() {
                assert!(!word.is_empty() && !word.starts_with('-') && !word.contains('\0'));
            }
        }
        let again = HostList::parse(&spec.to_string()).expect("what we write can be read");
        assert_eq!(again.hosts[0], *spec);
    }
    // A slot of every host that is up, and none of those that are down.
    for (index, slot) in slot_order(&list.hosts).take(1000) {
        assert!(!list.hosts[index].down && slot < list.hosts[index].n_slots);
    }
});
