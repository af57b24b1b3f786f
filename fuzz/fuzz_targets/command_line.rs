//! A compiler's command line stays here or leaves; what leaves is what our own server would run.
//! Words are separated by NULs.
#![no_main]

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use compiler_args::{Decision, decide, server_job, stay_for_text, tree_job};
use fuzz as _;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let words: Vec<OsString> =
        input.split(|byte| *byte == 0).map(|word| OsString::from_vec(word.to_vec())).collect();
    if let Ok(job) = server_job(&words) {
        let sent = job.command("in.i".as_ref(), "out.o".as_ref());
        let is_program_word = |word: &OsString| {
            let word = word.as_encoded_bytes();
            !word.starts_with(b"@") && !word.contains(&0)
        };
        assert!(sent.iter().all(is_program_word));
    }
    if let Ok(job) = tree_job(&words) {
        let below = job.command_below("/r".as_ref(), "out.o".as_ref(), "out.d".as_ref());
        let below = below.map(|(sent, _)| sent).unwrap_or_default();
        for sent in
            [job.command("own.d".as_ref()), job.command_as_original("own.d".as_ref()), below]
        {
            assert!(sent.iter().all(|word| {
                let word = word.as_encoded_bytes();
                !word.starts_with(b"@") && !word.contains(&0) && !word.starts_with(b"-fplugin")
            }));
        }
    }
    let Decision::Distribute(job) = decide(&words) else { return };
    let judged = server_job(&job.remote).expect("our server runs what our client sends");
    let sent = judged.command("in.i".as_ref(), "out.o".as_ref());
    // Whatever a client names, the compiler is told of two files: ours.
    if !words.iter().any(|word| word == "out.o" || word == "in.i") {
        assert_eq!(sent.iter().filter(|word| *word == "out.o").count(), 1);
        assert_eq!(sent.iter().filter(|word| *word == "in.i").count(), 1);
    }
    assert!(sent.iter().all(|word| !word.as_encoded_bytes().starts_with(b"@")));
    let _ = stay_for_text(&job, input);
});
