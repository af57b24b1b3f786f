//! Clients that leave at each step of the conversation, in each way.

use std::time::Duration;

use anyhow::{Result, ensure};
use wire::Version;

use crate::Case;
use crate::stand::Stand;
use crate::talk::{Expect, Talk, head, request, words};

/// What has been sent when the client leaves.
#[derive(Clone, Copy, Debug)]
enum Step {
    Connected,
    HalfAToken,
    Version,
    Count,
    HalfAWord,
    Command,
    SourceToken,
    HalfTheSource,
    /// The compiler is at work.
    Everything,
    /// A command that is refused: the refusal is on its way.
    Refused,
    /// An object that does not fit into what waits on the way is being sent.
    Replying,
}

#[derive(Clone, Copy, Debug)]
enum Way {
    /// Closes.
    Close,
    /// Closes so that the server gets an error.
    Reset,
    /// Says that no more comes, and waits.
    HalfClose,
    /// Sends a little more than was agreed, then closes.
    Noise,
}

const STEPS: [Step; 11] = [
    Step::Connected,
    Step::HalfAToken,
    Step::Version,
    Step::Count,
    Step::HalfAWord,
    Step::Command,
    Step::SourceToken,
    Step::HalfTheSource,
    Step::Everything,
    Step::Refused,
    Step::Replying,
];

const WAYS: [Way; 4] = [Way::Close, Way::Reset, Way::HalfClose, Way::Noise];

const COMMAND: &str = "gcc -O2 -c a.c -o a.o";

fn bytes(step: Step) -> Vec<u8> {
    // Seconds of work for a compiler.
    let source: String = (0..6000)
        .map(|n| format!("int f{n}(int x) {{ return x * {n} / (x - {n}) + f(x % {n}); }}\n"))
        .collect();
    let whole = request(Version::V1, &words(COMMAND), format!("int f(int);\n{source}").as_bytes());
    let head = head(Version::V1, &words(COMMAND));
    match step {
        Step::Connected => Vec::new(),
        Step::HalfAToken => head[..2].to_vec(),
        Step::Version => head[..12].to_vec(),
        Step::Count => head[..24].to_vec(),
        Step::HalfAWord => head[..37].to_vec(),
        Step::Command => head,
        Step::SourceToken => whole[..head.len() + 12].to_vec(),
        Step::HalfTheSource => whole[..whole.len() / 2].to_vec(),
        Step::Everything => whole,
        Step::Refused => request(Version::V1, &words("gcc -wrapper x -c a.c"), b"int x;\n"),
        Step::Replying => {
            let source = b"const char x[20 << 20] = { 1 };\n";
            request(Version::V1, &words(COMMAND), source)
        }
    }
}

fn leave(stand: &Stand, step: Step, way: Way) -> Result<()> {
    let mut talk = Talk::connect(stand.port())?;
    talk.send(&bytes(step));
    if matches!(step, Step::Replying) {
        // The first of the reply is there, and nobody takes the rest.
        ensure!(talk.stream.peek(&mut [0])? == 1, "the server closed");
    } else {
        // What has been sent is read, or the end comes at the same time: both are to be right.
        std::thread::sleep(Duration::from_millis(5));
    }
    match way {
        Way::Close => {}
        Way::Reset => talk.reset()?,
        Way::HalfClose => {
            talk.end();
            let answer = talk.answer(Version::V1)?;
            let expect = match step {
                Step::Refused => Expect::Refused(101),
                // Its end may come before or after that of the client's data.
                Step::Everything | Step::Replying => Expect::Anything,
                _ => Expect::Closed,
            };
            expect.check(&answer)?;
        }
        Way::Noise => talk.send(&[0xff; 20]),
    }
    Ok(())
}

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for step in STEPS {
        for way in WAYS {
            let name = format!("leaving::{step:?}::{way:?}").to_lowercase();
            cases.push(Case::new(name, move |stand| leave(stand, step, way)));
        }
    }
    cases
}
