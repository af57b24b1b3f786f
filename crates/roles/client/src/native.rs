//! Commands that mean the processor of this machine: the compiler is asked once what they stand
//! for.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use compiler_args::{Decision, NativeCommand, NativeCompiler, Reason, Stay, Tuning, decide};
use rustix::event::{PollFd, PollFlags};
use toolchain::processor;

use crate::{Context, local};

/// How long a compiler may take to answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// The most that it may say, in bytes.
const MOST_SAID: usize = 1 << 20;

/// The function whose code Clang shows.
const SMALL_SOURCE: &[u8] = b"int f(void) { return 0; }\n";

/// Decides as [`compiler_args::decide`] does, but lets commands leave that mean this machine's
/// processor, in the words that they stand for.
pub(crate) fn decide_with_native(context: &Context, words: &[OsString]) -> Decision {
    match decide(words) {
        Decision::CompileHere(stay) if stay.reason == Reason::NativeTuning => {
            decide_native(context, words, stay)
        }
        decision => decision,
    }
}

fn decide_native(context: &Context, words: &[OsString], stay: Stay) -> Decision {
    let Some(command) = NativeCommand::of(words) else { return Decision::CompileHere(stay) };
    // What stays for another reason is not worth the question.
    let job = match decide(command.without()) {
        Decision::Distribute(job) => job,
        decision @ Decision::CompileHere(_) => return decision,
    };
    let Some(tuning) = tuning(context, &words[0], &command) else {
        return Decision::CompileHere(stay);
    };
    if job.debug && command.differs_in_debug_information(&tuning) {
        let reason = Reason::NativeTuningRecorded;
        return Decision::CompileHere(Stay { reason, ..stay });
    }
    match decide(&command.with(&tuning)) {
        Decision::CompileHere(_) => Decision::CompileHere(stay),
        decision => decision,
    }
}

/// What the words stand for: remembered for this compiler and this processor, or asked. The answer
/// that there is none is remembered as well, in an empty text.
fn tuning(context: &Context, name: &OsString, command: &NativeCommand) -> Option<Tuning> {
    let mut key = b"native\n".to_vec();
    key.extend_from_slice(context.find(name).ok()?.identity().as_bytes());
    for word in command.asked() {
        key.push(b'\n');
        key.extend_from_slice(word.as_encoded_bytes());
    }
    key.push(b'\n');
    key.extend_from_slice(processor().ok()?.as_bytes());
    let recalled = context.state.as_ref().and_then(|state| state.recall(&key));
    if let Some(text) = recalled.and_then(|text| String::from_utf8(text).ok()) {
        return Tuning::from_text(&text);
    }
    let mut compiler = Asked { context, name, trouble: None };
    let tuning = command.ask(&mut compiler);
    if let Some(trouble) = compiler.trouble {
        let name = name.display();
        context.log.info(&format!("could not ask `{name}` about this processor: {trouble}"));
        return None;
    }
    if let Some(state) = &context.state {
        let text = tuning.as_ref().map(Tuning::to_text).unwrap_or_default();
        let _ = state.keep(&key, text.as_bytes());
    }
    tuning
}

/// The compiler of this machine.
struct Asked<'a> {
    context: &'a Context,
    name: &'a OsString,
    /// Why it could not be asked, which may be otherwise the next time.
    trouble: Option<io::Error>,
}

impl Asked<'_> {
    fn command(&self, options: &[OsString], more: &[&str]) -> io::Result<Command> {
        let mut words = vec![self.name.clone()];
        words.extend_from_slice(options);
        words.extend(more.iter().map(OsString::from));
        let mut command = local::command(self.context, &words)
            .map_err(|_| io::Error::from(io::ErrorKind::NotFound))?;
        command.env("LC_ALL", "C").stdout(Stdio::null()).stderr(Stdio::null());
        Ok(command)
    }

    fn note<T>(&mut self, answer: io::Result<T>) -> Option<T> {
        answer.map_err(|error| self.trouble = Some(error)).ok()
    }
}

impl NativeCompiler for Asked<'_> {
    fn plan(&mut self, options: &[OsString]) -> Option<String> {
        let words = ["-###", "-pipe", "-c", "-x", "c", "/dev/null"];
        let answer = self.command(options, &words).and_then(|mut command| {
            command.stdin(Stdio::null()).stderr(Stdio::piped());
            answer(&mut command, b"")
        });
        let (said, _) = self.note(answer)?;
        String::from_utf8(said).ok()
    }

    fn code(&mut self, options: &[OsString]) -> Option<Vec<u8>> {
        let words = ["-x", "c", "-S", "-emit-llvm", "-o", "-", "-"];
        let answer = self.command(options, &words).and_then(|mut command| {
            command.stdin(Stdio::piped()).stdout(Stdio::piped());
            answer(&mut command, SMALL_SOURCE)
        });
        let (code, succeeded) = self.note(answer)?;
        succeeded.then_some(code)
    }
}

/// Runs a command with `input`, if its standard input is a pipe, and gives what it writes to the
/// one of its outputs that is, and whether it succeeded.
fn answer(command: &mut Command, input: &[u8]) -> io::Result<(Vec<u8>, bool)> {
    let deadline = Instant::now() + PATIENCE;
    let mut child = sys::tidy_on_signal::spawn(command)?;
    if let Some(mut stdin) = child.stdin.take() {
        // One that does not read shows that by its answer.
        let _ = stdin.write_all(input);
    }
    let said = match (child.stdout.take(), child.stderr.take()) {
        (Some(stdout), _) => read_all(stdout, deadline),
        (None, Some(stderr)) => read_all(stderr, deadline),
        (None, None) => Ok(Vec::new()),
    };
    if said.is_err() {
        let _ = child.kill();
    }
    let status = child.wait();
    sys::tidy_on_signal::forget_child();
    Ok((said?, status?.success()))
}

fn read_all(mut end: impl Read + AsFd, deadline: Instant) -> io::Result<Vec<u8>> {
    let mut said = Vec::new();
    let mut buffer = [0; 16 << 10];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        transport::wait(&mut [PollFd::new(&end, PollFlags::IN)], left)?;
        match end.read(&mut buffer)? {
            0 => return Ok(said),
            n_bytes => said.extend_from_slice(&buffer[..n_bytes]),
        }
        if said.len() > MOST_SAID {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
    }
}
