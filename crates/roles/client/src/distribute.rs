//! A job that may leave this machine: where it goes, and what becomes of it.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use agent_wire::Way;
use compiler_args::{Job, Stay, stay_for_text};
use hosts::{Host, HostSpec, shuffle};
use statedir::{At, JobState, Phase, SlotLock};
use wire::{Exit, Reply};

use crate::accept::{self, Expected};
use crate::cause::Cause;
use crate::compiler_name::{Command, Trial};
use crate::form::{self, Parcel};
use crate::host_list::{self, Missing};
use crate::local;
use crate::messages::without_repeats;
use crate::pump::{self, Detour, Manner, Pump};
use crate::remote::{Conversation, Next, Trouble};
use crate::slots::{self, Pauses, Place};
use crate::source::{Finished, Source, Unready};
use crate::verdict::{self, Judgment, Verdict};
use crate::verify;
use crate::{Context, saved_temps};

/// How many hosts are tried when failures are not remembered. Source: behavior of distcc 3.4.
const MOST_TRIES_WITHOUT_BACKOFF: u32 = 3;

/// Compiles `job` on a server, or here where that does not work. `words` is the user's command.
pub(crate) fn run(context: &Context, words: &[OsString], mut job: Job) -> Exit {
    let found = match host_list::for_job(context) {
        Ok(found) => found,
        Err(missing) => return without_list(context, words, &job, &missing),
    };
    context.log.info(&format!("hosts from {}", found.place));
    if let Some(why) = &found.undiscovered {
        context.warn_once(why, why, Cause::NothingDiscovered.remedy());
    }
    context.account.name_source(&job.source);
    if accept::has_no_place(Path::new(&job.output)) {
        // The compiler here says so in its own words.
        context.account.because(Cause::OutputUnwritable);
        context.log.info(&format!(
            "running it here: {} cannot be written [{}]",
            job.output.display(),
            Cause::OutputUnwritable.code()
        ));
        return local::under_slot(context, words);
    }
    let expected = Expected::of(context, words, &job);
    let pump = Pump::of(context, &job);
    // In pump mode the source keeps everything.
    let only_whole = form::choose(context, &mut job, &expected).err();
    if let (Some(stay), Pump::Off) = (&only_whole, &pump) {
        return crate::stays(context, words, stay);
    }
    if context.settings.colors {
        job.color_messages();
    }
    let mut hosts = found.list.hosts;
    if found.list.randomize {
        let random = std::hash::RandomState::new();
        let mut count = 0_u64;
        shuffle(&mut hosts, || {
            count += 1;
            std::hash::BuildHasher::hash_one(&random, count)
        });
    }
    let usable = hosts.iter().map(|spec| !spec.down && !is_backed_off(context, spec)).collect();
    let state = context.state.as_ref().map(|state| state.job_state(&job.source.to_string_lossy()));
    let distribution = Distribution {
        context,
        words,
        pump,
        only_whole,
        job,
        expected,
        hosts,
        usable,
        n_local_slots: found.list.n_local_slots,
        n_local_cpp_slots: found.list.n_local_cpp_slots,
        source: Source::NotStarted,
        command: None,
        state,
    };
    distribution.run()
}

/// Without a list that can be used the job is done here, as distcc 3.4 does, and the user hears
/// why; without fallback that is the end.
fn without_list(context: &Context, words: &[OsString], job: &Job, missing: &Missing) -> Exit {
    context.account.because(missing.cause());
    if !context.settings.fallback {
        return crate::own_commands::complain(missing, &context.log);
    }
    let (text, hint) = missing.explained();
    let message = format!("failed to distribute {}: {text}; running locally instead", shown(job));
    context.warn_once(&text, &message, hint);
    local::under_slot(context, words)
}

pub(crate) fn is_backed_off(context: &Context, spec: &HostSpec) -> bool {
    let period = context.settings.backoff_period;
    let Some(state) = context.state.as_ref().filter(|_| !period.is_zero()) else { return false };
    let Some(failed_at) = state.failed_at(&spec.host) else { return false };
    // A stamp from the future, as after a change of the clock, counts as just now.
    SystemTime::now().duration_since(failed_at).unwrap_or_default() < period
}

fn shown(job: &Job) -> std::ffi::os_str::Display<'_> {
    job.source.display()
}

/// What became of an attempt at one host.
enum Outcome {
    /// The job is done.
    Done(Exit),
    /// It has to be done here, and why; no text for what needs no word.
    Here(Cause, Option<String>),
    /// The host did not do it.
    Failed(Trouble),
    /// The host is none for such a job, and was not asked.
    Unsuited,
}

impl Outcome {
    /// Whether the host's compiler has worked on the source.
    fn has_compiled(&self) -> bool {
        matches!(
            self,
            Outcome::Done(_)
                | Outcome::Here(Cause::ArtefactOfPreprocessing | Cause::SaysSomething, _)
        )
    }
}

/// One job from the first look for a slot to its end.
struct Distribution<'a> {
    context: &'a Context,
    words: &'a [OsString],
    job: Job,
    /// What the compiler of this machine makes.
    expected: io::Result<Expected>,
    hosts: Vec<HostSpec>,
    /// Which of them may still be asked.
    usable: Vec<bool>,
    n_local_slots: Option<u32>,
    n_local_cpp_slots: u32,
    source: Source,
    pump: Pump,
    /// What keeps the job here if it is not done in pump mode.
    only_whole: Option<Stay>,
    /// What is sent; made when it is first needed.
    command: Option<Rc<Command>>,
    state: Option<JobState>,
}

impl Distribution<'_> {
    fn run(mut self) -> Exit {
        let mut last_trouble = None;
        let mut n_tries = 0;
        loop {
            if !self.usable.contains(&true) {
                return self.nobody_left(last_trouble);
            }
            let place = match self.wait_for_place() {
                Ok(Some(place)) => place,
                Ok(None) => {
                    return self.here(None, Cause::NoSlot, Some("no slot became free".to_owned()));
                }
                Err(exit) => return exit,
            };
            let spec = self.hosts[place.index].clone();
            if spec.host == Host::Local {
                return self.here(place.lock, Cause::LocalhostInList, None);
            }
            // Others may have found out while this job waited for a slot.
            if is_backed_off(self.context, &spec) {
                self.usable[place.index] = false;
                continue;
            }
            self.context.account.placed_at(Some(place.slot));
            self.enter(Phase::Connect, &spec, place.slot);
            let outcome = self.attempt(&spec, &place);
            drop(place.lock);
            match outcome {
                Outcome::Done(exit) => return exit,
                Outcome::Here(cause, why) => return self.here(None, cause, why),
                Outcome::Unsuited => self.usable[place.index] = false,
                Outcome::Failed(trouble) => {
                    n_tries += 1;
                    let enough = self.context.settings.backoff_period.is_zero()
                        && n_tries >= MOST_TRIES_WITHOUT_BACKOFF;
                    self.usable[place.index] = false;
                    if enough || trouble.next() == Next::Here {
                        self.usable.fill(false);
                    }
                    self.context.account.add_attempt(&spec.host, Cause::from(&trouble));
                    self.report(&spec, &trouble);
                    last_trouble = Some(trouble);
                }
            }
        }
    }

    /// Waits for the first free slot of the list. The preprocessor works meanwhile, so that the
    /// source is ready when the slot is.
    fn wait_for_place(&mut self) -> Result<Option<Place>, Exit> {
        let mut pauses = Pauses::new(self.context);
        let mut is_told = false;
        loop {
            if let Some(place) = slots::try_any(self.context, &self.hosts, &self.usable) {
                return Ok(Some(place));
            }
            self.context.account.enter(Phase::Blocked);
            // Once: monitors tell by the file's time for how long it has waited.
            if let Some(state) = self.state.as_ref().filter(|_| !is_told) {
                state.enter(Phase::Blocked, &At::default());
                is_told = true;
            }
            let Some(pause) = pauses.next() else { return Ok(None) };
            if !self.is_for_pump() && self.only_whole.is_none() {
                self.source.start_ahead(self.context, &self.job, self.n_local_cpp_slots)?;
            }
            self.source.pass_time(pause);
        }
    }

    /// Tries one host.
    fn attempt(&mut self, spec: &HostSpec, place: &Place) -> Outcome {
        let context = self.context;
        let command = self.command.take();
        let command = command.unwrap_or_else(|| {
            let version = self.expected.as_ref().ok().and_then(Expected::version);
            Rc::new(Command::of(context, &self.job, version))
        });
        self.command = Some(command.clone());
        let manner = match self.pump.manner(context, &self.job, spec) {
            Ok(manner) => manner,
            Err(trouble) => return Outcome::Failed(trouble),
        };
        if self.only_whole.is_some() && manner.is_none_or(|manner| manner.way == Way::Below) {
            return Outcome::Unsuited;
        }
        if let Some(manner) = manner {
            match self.attempt_whole(spec, place, &command, manner) {
                Ok(outcome) => return outcome,
                Err(detour) => self.take_detour(&detour),
            }
        }
        if let Some(stay) = &self.only_whole {
            return Outcome::Here(Cause::Stay(stay.reason), self.stays_here(stay));
        }
        let started = self.source.start(context, &self.job, self.n_local_cpp_slots);
        if let Err(exit) = started {
            return Outcome::Done(exit);
        }
        let parcel = match Parcel::for_host(context, &self.job, spec, command.wanted()) {
            Ok(parcel) => parcel,
            Err(trouble) => return Outcome::Failed(trouble),
        };
        let mut trial = Trial::new(context, &command, &spec.host, parcel.names_compiler());
        loop {
            let words = parcel.command(&self.job, trial.words());
            match self.attempt_by(spec, place, &parcel, &words) {
                Outcome::Failed(trouble) => {
                    if let Some(trouble) = trial.failed(trouble) {
                        return Outcome::Failed(trouble);
                    }
                }
                outcome => {
                    if outcome.has_compiled() {
                        trial.worked();
                    }
                    return outcome;
                }
            }
        }
    }

    /// Whether a host that may still be asked is likely to preprocess.
    fn is_for_pump(&self) -> bool {
        let mut hosts = self.hosts.iter().zip(&self.usable);
        hosts.any(|(spec, usable)| *usable && self.pump.may_suit(self.context, spec))
    }

    /// Goes on in plain mode, and says why.
    fn take_detour(&mut self, detour: &Detour) {
        self.pump = Pump::Off;
        let text = format!(
            "preprocessing {} here: {}: {} [{}]",
            shown(&self.job),
            detour.cause.means(),
            detour.text,
            detour.cause.code()
        );
        self.context.account.add_detour(detour.cause);
        match detour.cause {
            Cause::PumpMissed | Cause::AgentMissing => {
                self.context.warn_once(detour.cause.code(), &text, detour.cause.remedy());
            }
            _ => self.context.log.info(&text),
        }
    }

    /// Tries one host with all files that the job reads.
    fn attempt_whole(
        &mut self,
        spec: &HostSpec,
        place: &Place,
        command: &Command,
        mut manner: Manner,
    ) -> Result<Outcome, Detour> {
        let context = self.context;
        let wanted = command.wanted().filter(|_| manner.way != Way::Below);
        let mut trial = Trial::new(context, command, &spec.host, wanted.is_some());
        let mut has_changed = false;
        loop {
            let Some(words) = trial.whole_words() else {
                let text = "its source is preprocessed already".to_owned();
                return Err(Detour { cause: Cause::PumpDoubt, text });
            };
            let words = pump::command(manner.way, words, wanted);
            let attempt = match self.attempt_whole_by(spec, place, &words, manner) {
                // A compiler for this machine that lies elsewhere, as a cross compiler does.
                Err(Detour { cause: Cause::PumpMissed, text }) if manner.way == Way::Whole => {
                    self.context.log.info(&format!("{text}; naming the folders there"));
                    manner.way = Way::NamingFolders;
                    let attempt = self.attempt_whole_by(spec, place, &words, manner)?;
                    if attempt.has_compiled() {
                        pump::note_other_folders(context, &self.job, spec);
                    }
                    attempt
                }
                // The agent knows by now.
                Err(Detour { cause: Cause::PumpChanged, text }) if !has_changed => {
                    self.context.log.info(&format!("{text}; sending it anew"));
                    has_changed = true;
                    continue;
                }
                attempt => attempt?,
            };
            match attempt {
                Outcome::Failed(trouble) => {
                    if let Some(fuller) = manner.after(&trouble) {
                        self.context.log.info(&format!("{}; sending all", trouble.says()));
                        manner = fuller;
                        continue;
                    }
                    // What it does not do that way it may do the other way.
                    if matches!(trouble, Trouble::Refused { exit: Exit::BAD_ARGUMENTS, .. }) {
                        let text = format!("{}: {}", spec.host, trouble.says());
                        return Err(Detour { cause: Cause::PumpDoubt, text });
                    }
                    if let Some(trouble) = trial.failed(trouble) {
                        return Ok(Outcome::Failed(trouble));
                    }
                }
                outcome => {
                    if outcome.has_compiled() {
                        trial.worked();
                    }
                    return Ok(outcome);
                }
            }
        }
    }

    fn attempt_whole_by(
        &mut self,
        spec: &HostSpec,
        place: &Place,
        words: &[OsString],
        manner: Manner,
    ) -> Result<Outcome, Detour> {
        let context = self.context;
        let mut is_dead = || is_backed_off(context, spec);
        let state = context.state.as_ref();
        let mut conversation =
            match Conversation::open(spec, &context.settings, state, &mut is_dead) {
                Ok(conversation) => conversation,
                Err(trouble) => return Ok(Outcome::Failed(trouble)),
            };
        self.enter(Phase::Send, spec, place.slot);
        let sent = self.pump.send(context, &self.job, words, manner, &mut conversation);
        let outcome =
            sent.and_then(|()| self.receive_whole(spec, place, manner.way, &mut conversation));
        let (n_sent, n_received) = conversation.traffic();
        context.account.add_traffic(n_sent, n_received);
        outcome
    }

    /// Receives the answer of a server that has all files.
    fn receive_whole(
        &mut self,
        spec: &HostSpec,
        place: &Place,
        way: Way,
        conversation: &mut Conversation<'_>,
    ) -> Result<Outcome, Detour> {
        self.enter(Phase::Compile, spec, place.slot);
        let reply = match conversation.receive(|| self.enter(Phase::Receive, spec, place.slot)) {
            Ok(reply) => reply,
            Err(trouble) => return Ok(Outcome::Failed(trouble)),
        };
        let Judgment { verdict, .. } = verdict::of(&reply);
        if let Verdict::Trouble(trouble) = verdict {
            return Ok(Outcome::Failed(trouble));
        }
        if let Some((cause, why)) = self.better_here(&reply, None) {
            self.note_success(spec);
            let text = format!("running it here: {}: {why} [{}]", spec.host, cause.code());
            self.context.log.info(&text);
            return Ok(Outcome::Here(cause, None));
        }
        let Verdict::Object = verdict else {
            return Err(Detour {
                cause: Cause::PumpDoubt,
                text: "its compiler found errors in the source".to_owned(),
            });
        };
        if reply.dependencies.is_empty() {
            let text = "it did not tell what its compiler has read".to_owned();
            return Err(Detour { cause: Cause::PumpDoubt, text });
        }
        self.pump.check(&reply.dependencies)?;
        if pump::names_servers_folder(way, &reply.object) {
            let text = "its object names a folder of that server".to_owned();
            return Err(Detour { cause: Cause::PumpDoubt, text });
        }
        Ok(self.accept_whole(spec, &reply))
    }

    fn accept_whole(&self, spec: &HostSpec, reply: &Reply) -> Outcome {
        let expected = match &self.expected {
            Ok(expected) => expected,
            Err(error) => return Outcome::Here(Cause::ObjectUnjudged, Some(error.to_string())),
        };
        if let Err(trouble) = expected.judge(&reply.object) {
            return Outcome::Failed(trouble);
        }
        let mut files = vec![(&reply.object[..], self.job.output.clone())];
        let dependencies = self.job.dependency_file();
        files.extend(dependencies.map(|name| (&reply.dependencies[..], name.to_owned())));
        self.take(spec, &files, Cause::Pumped, reply)
    }

    /// Takes what a server made, the object first: puts it in its place, or has it made here as well
    /// and compares.
    fn take(
        &self,
        spec: &HostSpec,
        files: &[(&[u8], OsString)],
        cause: Cause,
        reply: &Reply,
    ) -> Outcome {
        self.note_success(spec);
        if self.context.settings.verifies_one_more() {
            return Outcome::Done(verify::run(self.context, self.words, spec, files, cause));
        }
        // The object comes last: once it is there, the others are.
        for (file, name) in files.iter().rev() {
            if let Err(error) = accept::put(file, Path::new(name)) {
                let why = format!("could not write {}: {error}", name.display());
                return Outcome::Here(Cause::OutputUnwritable, Some(why));
            }
        }
        self.context.account.done_by(&spec.host, cause);
        self.show(reply);
        self.context.log.info(&format!("compiled {} on {}", shown(&self.job), spec.host));
        Outcome::Done(Exit::SUCCESS)
    }

    /// Tries one host by one command.
    fn attempt_by(
        &mut self,
        spec: &HostSpec,
        place: &Place,
        parcel: &Parcel,
        command: &[OsString],
    ) -> Outcome {
        let context = self.context;
        let begun = Conversation::begin(
            spec,
            command,
            &context.settings,
            context.state.as_ref(),
            &mut || is_backed_off(context, spec),
        );
        let mut conversation = match begun {
            Ok(conversation) => conversation,
            Err(trouble) => return Outcome::Failed(trouble),
        };
        let outcome = self.converse(spec, place, parcel, &mut conversation);
        let (n_sent, n_received) = conversation.traffic();
        self.context.account.add_traffic(n_sent, n_received);
        outcome
    }

    /// Sends the source to a host that has the command, and receives its answer.
    fn converse(
        &mut self,
        spec: &HostSpec,
        place: &Place,
        parcel: &Parcel,
        conversation: &mut Conversation<'_>,
    ) -> Outcome {
        self.enter(Phase::Preprocess, spec, place.slot);
        let is_new = self.source.preprocessed().is_none();
        match self.source.finish(&self.job, conversation.input()) {
            Ok(Finished::Ready) => {}
            Ok(Finished::PeerSpoke) => return self.receive(spec, place, conversation),
            Err(unready) => return self.without_source(&unready),
        }
        let Some(preprocessed) = self.source.preprocessed() else {
            let why = "its source could not be read".to_owned();
            return Outcome::Here(Cause::SourceUnreadable, Some(why));
        };
        let text = &preprocessed.text;
        if is_new && self.context.settings.save_temps {
            saved_temps::keep(self.context, &self.job, text);
        }
        let stay = stay_for_text(&self.job, text);
        if let Some(stay) = stay.or_else(|| form::stay_for_files(&self.job, text)) {
            return Outcome::Here(Cause::Stay(stay.reason), self.stays_here(&stay));
        }
        let restored = match parcel.text(&self.job, text) {
            Ok(restored) => restored,
            Err(stay) => return Outcome::Here(Cause::Stay(stay.reason), self.stays_here(&stay)),
        };
        self.enter(Phase::Send, spec, place.slot);
        if let Err(trouble) = conversation.send_source(restored.as_ref().unwrap_or(text)) {
            return Outcome::Failed(trouble);
        }
        self.receive(spec, place, conversation)
    }

    /// What to say of a source that has to stay for what its text says: a word for those who ask,
    /// or, where it must not stay, why it fails.
    fn stays_here(&self, stay: &Stay) -> Option<String> {
        let code = stay.reason.code();
        if self.context.settings.strict {
            return Some(format!("{stay} [{code}]"));
        }
        self.context.log.info(&format!("running it here: {stay} [{code}]"));
        None
    }

    /// A preprocessor that failed is not the last word: the compiler here gives the user its
    /// messages as they always are.
    fn without_source(&self, unready: &Unready) -> Outcome {
        match unready {
            Unready::Failed(status) => {
                let text = format!("running it here: the preprocessor ended with {status}");
                self.context.log.info(&format!("{text} [preprocessor-failed]"));
                Outcome::Here(Cause::PreprocessorFailed, None)
            }
            Unready::NoFile => Outcome::Here(Cause::PreprocessorFailed, None),
            Unready::Broken(error) => {
                let why = format!("its preprocessor could not be read: {error}");
                Outcome::Here(Cause::PreprocessorBroken, Some(why))
            }
        }
    }

    fn receive(
        &mut self,
        spec: &HostSpec,
        place: &Place,
        conversation: &mut Conversation<'_>,
    ) -> Outcome {
        self.enter(Phase::Compile, spec, place.slot);
        let reply = match conversation.receive(|| self.enter(Phase::Receive, spec, place.slot)) {
            Ok(reply) => reply,
            Err(trouble) => return Outcome::Failed(trouble),
        };
        if let Some(said) = conversation.ssh_said() {
            self.context.log.info(&format!("{}: {said}", spec.host));
        }
        let Judgment { verdict, doubt } = verdict::of(&reply);
        if let Verdict::Trouble(trouble) = verdict {
            return Outcome::Failed(trouble);
        }
        if let Some((cause, why)) = self.better_here(&reply, doubt) {
            self.note_success(spec);
            let text = format!("running it here: {}: {why} [{}]", spec.host, cause.code());
            self.context.log.info(&text);
            return Outcome::Here(cause, None);
        }
        match verdict {
            Verdict::Trouble(trouble) => Outcome::Failed(trouble),
            Verdict::SourceErrors(exit) => {
                self.note_success(spec);
                self.context.account.done_by(&spec.host, Cause::SourceErrors);
                self.show(&reply);
                Outcome::Done(exit)
            }
            Verdict::Object => match &self.expected {
                Ok(expected) => self.accept(spec, &reply, expected),
                Err(error) => {
                    let why = format!(
                        "its object cannot be judged, because the compiler here did not tell what \
                         it makes: {error}"
                    );
                    Outcome::Here(Cause::ObjectUnjudged, Some(why))
                }
            },
        }
    }

    /// Why what the compilers said is better said by the compiler here, if it is: it has the
    /// source, and shows its lines.
    fn better_here(
        &self,
        reply: &Reply,
        doubt: Option<&'static str>,
    ) -> Option<(Cause, &'static str)> {
        let settings = &self.context.settings;
        if !settings.fallback {
            return None;
        }
        if let Some(doubt) = doubt {
            return Some((Cause::ArtefactOfPreprocessing, doubt));
        }
        let preprocessed = self.source.preprocessed();
        let says_something = !reply.stderr.is_empty()
            || !reply.stdout.is_empty()
            || preprocessed.is_some_and(|source| !source.messages.is_empty());
        let failed = !reply.status.is_success();
        ((says_something || failed) && !settings.skip_local_retry)
            .then_some((Cause::SaysSomething, "the compiler had something to say"))
    }

    fn accept(&self, spec: &HostSpec, reply: &Reply, expected: &Expected) -> Outcome {
        let files = self.files(&reply.object);
        // The debug information that was split off is an object of the same kind.
        for (file, _) in &files {
            if let Err(trouble) = expected.judge(file) {
                return Outcome::Failed(trouble);
            }
        }
        self.take(spec, &files, Cause::Distributed, reply)
    }

    /// The files that a server sent, the object first, and where they belong.
    fn files<'b>(&self, object: &'b [u8]) -> Vec<(&'b [u8], OsString)> {
        let output = self.job.output.clone();
        let Some(debug_file) = self.job.debug_file() else { return vec![(object, output)] };
        // What is not two files is two empty ones, which are of no kind.
        let (object, debug) = wire::part_two_files(object).unwrap_or_default();
        vec![(object, output), (debug, debug_file)]
    }

    /// Shows what preprocessor and compiler said.
    fn show(&self, reply: &Reply) {
        let messages = self.source.preprocessed().map_or(&[][..], |source| &source.messages);
        let mut stderr = without_repeats(messages, &reply.stderr);
        stderr.extend_from_slice(&reply.stderr);
        let _ = io::stdout().write_all(&reply.stdout).and_then(|()| io::stdout().flush());
        let _ = io::stderr().write_all(&stderr);
    }

    /// Tells the user that a host did not do the job, and what happens now.
    fn report(&self, spec: &HostSpec, trouble: &Trouble) {
        let period = self.context.settings.backoff_period;
        let mut now = String::new();
        if trouble.next() == Next::BackOff && !period.is_zero() {
            if let Some(state) = &self.context.state {
                let _ = state.note_failure(&spec.host);
            }
            now = format!("; leaving it alone for {} s", period.as_secs());
        }
        now.push_str(match (self.usable.contains(&true), self.context.settings.fallback) {
            (true, _) => "; trying another host",
            (false, true) => "; running locally instead",
            (false, false) => "",
        });
        let text = format!(
            "failed to distribute {} to {}: {}{now} [{}]",
            shown(&self.job),
            spec.host,
            trouble.says(),
            Cause::from(trouble).code()
        );
        let compiler = self.words[0].to_string_lossy();
        let what = format!("{} {}", spec.host, trouble.says());
        self.context.warn_once(&what, &text, &trouble.hint(spec, &compiler));
    }

    fn note_success(&self, spec: &HostSpec) {
        if let Some(state) = &self.context.state {
            state.note_success(&spec.host);
        }
    }

    /// No host may be asked any more.
    fn nobody_left(self, last_trouble: Option<Trouble>) -> Exit {
        if let (Some(stay), None) = (&self.only_whole, &last_trouble) {
            return crate::stays(self.context, self.words, stay);
        }
        let source = shown(&self.job).to_string();
        let cause = match &last_trouble {
            Some(trouble) => Cause::from(trouble),
            None => Cause::of_no_host(&self.hosts),
        };
        self.context.account.because(cause);
        let (why, hint, exit) = match &last_trouble {
            // Has been reported.
            Some(trouble) => (None, String::new(), trouble.exit()),
            None if self.hosts.is_empty() => (
                Some("the host list is empty".to_owned()),
                "name servers in it: HOST/LIMIT ...".to_owned(),
                Exit::NO_HOSTS,
            ),
            None => (
                Some(self.why_nobody()),
                format!(
                    "mend them; after {} s each is tried again by itself",
                    self.context.settings.backoff_period.as_secs()
                ),
                Exit::NO_HOSTS,
            ),
        };
        if !self.context.settings.fallback {
            let why = why.map(|why| format!(": {why}")).unwrap_or_default();
            self.context.log.error(
                &format!(
                    "failed to distribute {source}{why}, and {} forbids to run it here",
                    self.context.settings.forbids_fallback()
                ),
                &hint,
            );
            return exit;
        }
        if let Some(why) = why {
            let text = format!("failed to distribute {source}: {why}; running locally instead");
            let hosts: Vec<String> = self.hosts.iter().map(|spec| spec.host.to_string()).collect();
            let what = format!("{} {}", cause.code(), hosts.join(" "));
            self.context.warn_once(&what, &text, &hint);
        }
        self.here(None, cause, None)
    }

    fn why_nobody(&self) -> String {
        let ages = self.hosts.iter().map(|spec| {
            if spec.down {
                return format!("{} is marked as down", spec.host);
            }
            let failed_at =
                self.context.state.as_ref().and_then(|state| state.failed_at(&spec.host));
            let age = failed_at.and_then(|at| SystemTime::now().duration_since(at).ok());
            format!("{} failed {} s ago", spec.host, age.unwrap_or(Duration::ZERO).as_secs())
        });
        format!("no host is left to ask ({})", ages.collect::<Vec<_>>().join(", "))
    }

    /// Compiles here. `why` is said unless the user has heard it already.
    fn here(mut self, lock: Option<SlotLock>, cause: Cause, why: Option<String>) -> Exit {
        self.context.account.because(cause);
        if let Source::Ready(_) = &self.source {
            self.take_back_dependencies();
        }
        // Ends a preprocessor that is still at work, and with it the hold on its slot.
        self.source = Source::NotStarted;
        self.state = None;
        let mut text = why.map(|why| format!("failed to distribute {}: {why}", shown(&self.job)));
        if !self.context.settings.fallback
            && let Some(text) = &text
        {
            self.context.log.error(text, cause.remedy());
            return Exit::FAILED;
        }
        let warn = |text: String| {
            self.context.log.warning(&format!("{text}; running locally instead"), "");
        };
        // Most often the compiler here meets the same trouble and says so in its own words.
        if cause != Cause::OutputUnwritable {
            text.take().into_iter().for_each(warn);
        }
        let lock = lock.or_else(|| slots::wait_here(self.context, self.n_local_slots));
        let exit = local::run(self.context, self.words, lock);
        text.filter(|_| exit == Exit::SUCCESS).into_iter().for_each(warn);
        exit
    }

    /// Removes what the preprocessor wrote for make: the compiler here writes it again, or does not
    /// where it gives up at an error.
    fn take_back_dependencies(&self) {
        let Some(file) = self.job.dependency_file() else { return };
        if std::fs::symlink_metadata(file).is_ok_and(|found| found.is_file()) {
            let _ = std::fs::remove_file(file);
        }
    }

    fn enter(&self, phase: Phase, spec: &HostSpec, slot: u32) {
        self.context.account.enter(phase);
        if let Some(state) = &self.state {
            let full_name = spec.host.to_string();
            let host = spec.host.name();
            state.enter(phase, &At { host, full_name: &full_name, slot, reason: "" });
        }
    }
}
