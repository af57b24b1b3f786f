//! Running the compiler of this machine.

use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitStatus, Stdio};

use statedir::{At, Phase, SlotLock};
use wire::Exit;

use crate::Context;
use crate::account::Part;
use crate::cause::Cause;
use crate::slots;

/// Variables that name a file to which gcc, preprocessing or compiling, adds a rule for make.
pub(crate) const DEPENDENCY_VARIABLES: [&str; 2] = ["DEPENDENCIES_OUTPUT", "SUNPRO_DEPENDENCIES"];

/// How often distcc may find itself inside itself before that is an error.
const MOST_RECURSION: u32 = 5;

/// The command for `words` (the compiler first) as this machine runs it.
pub(crate) fn command(context: &Context, words: &[OsString]) -> Result<Command, Exit> {
    let (name, rest) = words.split_first().ok_or(Exit::BAD_ARGUMENTS)?;
    let compiler = context.find(name).map_err(|error| {
        context.account.because(Cause::CompilerMissing);
        compiler_missing(context, name, &error)
    })?;
    let mut command = Command::new(&compiler.program);
    command.arg0(name).args(rest);
    if let Some(path) = compiler.path {
        command.env("PATH", path);
    }
    let level = context.settings.recursion.unwrap_or(0) + 1;
    command.env("_DISTCC_SAFEGUARD", level.to_string());
    Ok(command)
}

/// Says that there is no compiler of that name, and gives the code to exit with. A link of ours
/// without a compiler behind it is what a shell calls a command not found: whoever tries out
/// which compilers there are has to see none.
fn compiler_missing(context: &Context, name: &OsStr, error: &dyn std::fmt::Display) -> Exit {
    let name = name.display();
    if context.is_masquerade {
        context.log.error(
            &format!(
                "{name}: command not found: behind this link to distcc is no compiler: {error}"
            ),
            &format!("install `{name}`, or remove the link"),
        );
        return Exit::COMMAND_NOT_FOUND;
    }
    context.log.error(
        &format!("could not find the compiler `{name}`: {error}"),
        "install it, or name the one to use: distcc COMPILER ...",
    );
    Exit::COMPILER_MISSING
}

/// Runs a command that has to stay, once there is a slot for it.
pub(crate) fn under_slot(context: &Context, words: &[OsString]) -> Exit {
    let lock = slots::wait_here(context, slots::n_given(context));
    run(context, words, lock)
}

/// Runs a command here, under a slot if there is one.
pub(crate) fn run(context: &Context, words: &[OsString], lock: Option<SlotLock>) -> Exit {
    let mut command = match command(context, words) {
        Ok(command) => command,
        Err(exit) => return exit,
    };
    let state = context.state.as_ref().map(|state| {
        let state = state.job_state(&slots::source_for_monitors(words));
        let reason = context.account.code();
        state.enter(Phase::Compile, &At { host: "localhost", full_name: "", slot: 0, reason });
        state
    });
    context.account.done_here();
    context.account.placed_at(None);
    let before = context.account.enter(Part::Local);
    let exit = match status_of(&mut command) {
        Ok(status) => Exit::of_status(status),
        Err(error) => could_not_run(context, words, &error),
    };
    context.account.enter(before);
    drop((state, lock));
    exit
}

/// Runs a command in our place: we are a compiler that distcc called, so no slot is due.
pub(crate) fn inside_distcc(context: &Context, words: &[OsString], level: u32) -> Exit {
    if level >= MOST_RECURSION {
        context.log.error(
            "distcc is called by distcc over and over",
            "PATH leads the compiler's name back to distcc: put the real compiler's folder into it",
        );
        return Exit::RECURSION;
    }
    match command(context, words) {
        Ok(mut command) => could_not_run(context, words, &command.exec()),
        Err(exit) => exit,
    }
}

fn status_of(command: &mut Command) -> std::io::Result<ExitStatus> {
    let mut child = sys::tidy_on_signal::spawn(command.stdin(Stdio::inherit()))?;
    let status = child.wait();
    sys::tidy_on_signal::forget_child();
    status
}

pub(crate) fn could_not_run(context: &Context, words: &[OsString], error: &std::io::Error) -> Exit {
    let name = words.first().cloned().unwrap_or_default();
    context.log.error(&format!("could not run `{}`: {error}", name.display()), "");
    Exit::COMPILER_MISSING
}
