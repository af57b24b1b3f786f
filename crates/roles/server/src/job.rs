//! One connection, from its first byte to the log line about it.

use std::ffi::{OsStr, OsString};
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use process::Usage;
use toolchain::Compiler;
use transport::Connection;
use wire::{Exit, RequestDecoder, WaitStatus};

use crate::Context;
use crate::conversation::{Conversation, Failure, Told};
use crate::log::Level;
use crate::outcome::Outcome;
use crate::refusal::Refusal;
use crate::whitelist::Known;

/// Serves one connection, and gives the code for a server that serves only this one.
pub(crate) fn serve(context: &Context, connection: Connection, peer: Option<SocketAddr>) -> Exit {
    let start = Instant::now();
    let client = match peer {
        Some(peer) => format!("{}:{}", peer.ip().to_canonical(), peer.port()),
        None => "NOTSOCKET".to_owned(),
    };
    context.log.write(Level::Info, "dcc_check_client", &format!("connection from {client}"));
    context.statistics.note_accepted();
    let mut conversation = Conversation {
        context,
        connection,
        decoder: RequestDecoder::new(context.limits),
        told: Told::default(),
        spot: context.statistics.note_present(&client, start),
        n_extra_bytes: 0,
    };
    if let Some(peer) = peer.filter(|peer| !context.access.lets_in(peer.ip())) {
        context.log.write(Level::Error, "dcc_check_client", &denied(peer));
        context.statistics.note_denied();
        let refusal = Refusal::access_denied(peer.ip());
        note_refusal(context, Some(peer), &refusal);
        return conversation.turn_away(&refusal);
    }
    let (outcome, status, exit) = match conversation.run() {
        Ok(status) if status.is_success() => (Outcome::CompileOk, status, Exit::SUCCESS),
        Ok(status) => (Outcome::CompileError, status, Exit::SUCCESS),
        Err(Failure::Gone(why)) => {
            context.log.write(Level::Info, "serve", &format!("{client}: {why}"));
            // As 3.4: the compiler that was ended for it has that code as well.
            let has_begun = !conversation.told.input.is_empty();
            let code = if has_begun { Exit::IO_ERROR } else { Exit::SUCCESS };
            (Outcome::ClientDisconnected, WaitStatus::exited(code.code()), Exit::IO_ERROR)
        }
        Err(Failure::Silent(refusal)) => {
            context.log.write(Level::Info, "serve", &format!("{client}: {refusal}"));
            note_refusal(context, peer, &refusal);
            conversation.tell(&refusal);
            (Outcome::ClientDisconnected, WaitStatus(0), refusal.exit)
        }
        Err(Failure::Asked) => {
            context.log.write(Level::Info, "serve", &format!("{client} asks for our abilities"));
            conversation.tell_abilities();
            conversation.part(Exit::SUCCESS);
            return Exit::SUCCESS;
        }
        Err(Failure::Refused(refusal)) => {
            context.log.write(Level::Warning, "serve", &format!("{client}: {refusal}"));
            note_refusal(context, peer, &refusal);
            conversation.tell(&refusal);
            (Outcome::of_refusal(refusal.exit), WaitStatus(0), refusal.exit)
        }
    };
    let time = start.elapsed();
    let Told { compiler, input, .. } = &conversation.told;
    let names = [compiler.as_str(), input].join(" ");
    let text = format!(
        "client: {client} {} time:{}ms {}",
        summary(outcome, status, exit),
        time.as_millis(),
        names.trim_end()
    );
    context.log.write(Level::Notice, "dcc_job_summary", &text);
    let known = conversation.told.program.as_ref().and_then(|program| known(context, program));
    context.statistics.note_job(outcome, time, compiler, input, known.as_ref(), Instant::now());
    if exit != Exit::SUCCESS {
        conversation.part(exit);
    }
    exit
}

/// What the compiler of a job says it is, where there are pages that tell it: it may have to be asked.
fn known(context: &Context, program: &Compiler) -> Option<Known> {
    if context.statistics.is_shown() { context.whitelist.known_as(program) } else { None }
}

/// Remembers a refusal for those who watch.
pub(crate) fn note_refusal(context: &Context, peer: Option<SocketAddr>, refusal: &Refusal) {
    let client = peer.map(|peer| peer.ip().to_canonical().to_string()).unwrap_or_default();
    context.statistics.note_refusal(&client, refusal, Instant::now());
}

/// What the log says of a client that may not connect.
pub(crate) fn denied(peer: SocketAddr) -> String {
    let (address, port) = (peer.ip().to_canonical(), peer.port());
    format!("connection from client '{address}:{port}' denied by access list")
}

/// How a job ended, in the fields of distcc 3.4's summary line.
fn summary(outcome: Outcome, status: WaitStatus, exit: Exit) -> String {
    // As 3.4, which takes a compiler that was ended for one that ended with this code.
    let (status, exit) = match outcome {
        Outcome::CompileTimeout => (WaitStatus::exited(exit.code()), Exit::SUCCESS),
        _ => (status, exit),
    };
    let core = u8::from(status.signal().is_some() && status.0 & 0x80 != 0);
    format!(
        "{} exit:{} sig:{} core:{core} ret:{exit}",
        outcome.name(),
        status.code().unwrap_or_default(),
        status.signal().unwrap_or_default()
    )
}

/// How much came how fast, in the words of 3.4.
pub(crate) fn received(n_bytes: usize, time: Duration) -> String {
    let seconds = time.as_secs_f64();
    let kilobytes = n_bytes as f64 / 1024.0 / seconds.max(1e-6);
    format!("{n_bytes} bytes received in {seconds:.6}s, rate {kilobytes:.0}kB/s")
}

/// What a compiler has cost, in the words of 3.4, where all numbers are 0.
pub(crate) fn cc_times(usage: &Usage) -> String {
    format!(
        "cc times: user {:.6}s, system {:.6}s, {} minflt, {} majflt",
        usage.user.as_secs_f64(),
        usage.system.as_secs_f64(),
        usage.n_minor_faults,
        usage.n_major_faults
    )
}

/// How a compiler ended, in the words of 3.4.
pub(crate) fn completed(job: &str, status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(0), _) => format!("{job} on localhost completed ok"),
        (Some(1), _) => format!("{job} on localhost failed"),
        (Some(code), _) => format!("{job} on localhost failed with exit code {code}"),
        (None, signal) => {
            format!("{job} on localhost died with signal {}", signal.unwrap_or_default())
        }
    }
}

/// The file that the client's command names as its output.
pub(crate) fn output_name(words: &[OsString]) -> Option<&OsStr> {
    let at = words.iter().position(|word| word == "-o")?;
    words.get(at + 1).map(OsString::as_os_str)
}
