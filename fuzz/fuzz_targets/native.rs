//! A compiler that says anything about `-march=native`: what is taken over from it survives being
//! written down, and is made of options about the machine.
#![no_main]

use std::ffi::OsString;

use compiler_args::{NativeCommand, NativeCompiler, Tuning};
use fuzz as _;
use libfuzzer_sys::fuzz_target;

/// Its answers, one after the other, between form feeds.
struct Anything<'a>(std::str::Split<'a, char>);

impl NativeCompiler for Anything<'_> {
    fn plan(&mut self, _: &[OsString]) -> Option<String> {
        self.0.next().map(str::to_owned)
    }

    fn code(&mut self, _: &[OsString]) -> Option<Vec<u8>> {
        self.0.next().map(|text| text.as_bytes().to_vec())
    }
}

fuzz_target!(|input: &str| {
    let command = ["gcc", "-march=native", "-c", "a.c"].map(OsString::from);
    let command = NativeCommand::of(&command).expect("it has such a word");
    let _ = Tuning::from_text(input);
    let Some(tuning) = command.ask(&mut Anything(input.split('\x0c'))) else { return };
    assert_eq!(Tuning::from_text(&tuning.to_text()).as_ref(), Some(&tuning));
    let words = command.with(&tuning);
    for word in &words[1..words.len() - 2] {
        let word = word.to_str().expect("a word of plain letters");
        assert!(word.len() <= 100 && !word.contains(['/', '@', ' ']));
    }
});
