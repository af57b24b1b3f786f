//! Pump mode: a job whose source is preprocessed by the server, which gets all files that it reads.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::time::{Duration, SystemTime};

use agent_wire::{Answer, Errand, Keeping, Way};
use compiler_args::{Job, WHOLE_TREE, WantedCompiler};
use hosts::HostSpec;
use wire::{Exit, Lack};

use crate::agent::Agent;
use crate::cause::Cause;
use crate::remote::{Conversation, Trouble};
use crate::{Context, abilities, form};

/// How long it is remembered that a host's compiler has other folders: it may be exchanged.
const FOLDERS_HOLD: Duration = Duration::from_secs(24 * 60 * 60);

/// What one job has of pump mode.
pub(crate) enum Pump {
    /// It may be used; the agent is the one that was reached.
    Possible(Option<Agent>),
    /// The job is preprocessed here.
    Off,
}

/// How a host does a job in pump mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Manner {
    pub(crate) way: Way,
    pub(crate) keeping: Keeping,
}

impl Manner {
    /// Whether a host that refused the job may do it if it gets more of it, and how then.
    pub(crate) fn after(self, trouble: &Trouble) -> Option<Manner> {
        let keeping = match (self.keeping, trouble) {
            (Keeping::Everything, Trouble::Refused { lack: Some(Lack::Files), .. }) => {
                Keeping::Anew
            }
            (Keeping::Nothing, _) => return None,
            // It has become another server.
            (_, Trouble::Refused { lack: Some(Lack::Files), .. })
            | (_, Trouble::Refused { exit: Exit::PROTOCOL_ERROR, .. }) => Keeping::Nothing,
            _ => return None,
        };
        Some(Manner { keeping, ..self })
    }
}

/// Why a job is preprocessed here after all.
pub(crate) struct Detour {
    pub(crate) cause: Cause,
    pub(crate) text: String,
}

impl Pump {
    /// Whether a job can be done that way, by its words and the environment alone.
    pub(crate) fn of(context: &Context, job: &Job) -> Pump {
        let settings = &context.settings;
        let can = settings.agent
            && !settings.names_folders
            && !settings.save_temps
            && context.state.is_some()
            && job.whole.is_some()
            && job.split_debug.is_none();
        if can { Pump::Possible(None) } else { Pump::Off }
    }

    /// How `spec` is to do the job in pump mode; `None`: it is not to.
    ///
    /// # Errors
    /// When the host cannot be asked what it can do.
    pub(crate) fn manner(
        &self,
        context: &Context,
        job: &Job,
        spec: &HostSpec,
    ) -> Result<Option<Manner>, Trouble> {
        if !self.is_wished(spec) {
            return Ok(None);
        }
        let abilities = abilities::of(context, spec)?;
        if abilities.lays_out_trees {
            let has_others = has_other_folders(context, job, spec);
            let way = if has_others { Way::NamingFolders } else { Way::Whole };
            let keeping =
                if abilities.keeps_files { Keeping::Everything } else { Keeping::Nothing };
            return Ok(Some(Manner { way, keeping }));
        }
        // Debug information would name the server's folder, and dependency files have its breaks of
        // lines.
        let is_exact = !job.debug && job.columns.is_none() && job.dependency_file().is_none();
        let below = Manner { way: Way::Below, keeping: Keeping::Nothing };
        Ok((spec.pump && is_exact).then_some(below))
    }

    /// Whether the job is likely to be done that way by `spec`, as far as is known.
    pub(crate) fn may_suit(&self, context: &Context, spec: &HostSpec) -> bool {
        let can = || abilities::known(context, spec).is_some_and(|known| known.lays_out_trees);
        self.is_wished(spec) && can()
    }

    fn is_wished(&self, spec: &HostSpec) -> bool {
        !matches!(self, Pump::Off) && spec.may_pump()
    }

    /// Has the agent send the job over `conversation`; `words` is the command for the server.
    ///
    /// # Errors
    /// Why it was not sent.
    pub(crate) fn send(
        &mut self,
        context: &Context,
        job: &Job,
        words: &[OsString],
        manner: Manner,
        conversation: &mut Conversation<'_>,
    ) -> Result<(), Detour> {
        let missing = |text: String| Detour { cause: Cause::AgentMissing, text };
        let Manner { way, keeping } = manner;
        let errand = Errand { way, keeping, ..errand(context, job, words).map_err(&missing)? };
        let agent = self.agent(context).map_err(&missing)?;
        let answer = agent.send(errand, &conversation.descriptors());
        match answer.map_err(|error| missing(error.to_string()))? {
            Answer::Sent { n_files, n_bytes } => {
                conversation.note_sent(n_bytes);
                context.log.info(&format!("sent {n_files} files, {n_bytes} bytes"));
                Ok(())
            }
            // The server's answer says why.
            Answer::Broken { text } => {
                conversation.note_sent(0);
                context.log.info(&format!("not all was sent: {}", String::from_utf8_lossy(&text)));
                Ok(())
            }
            Answer::Doubt { code, text } => {
                let (code, text) = (String::from_utf8_lossy(&code), String::from_utf8_lossy(&text));
                Err(Detour { cause: Cause::PumpDoubt, text: format!("{text} ({code})") })
            }
            other => Err(missing(format!("it answered {other:?}"))),
        }
    }

    /// Whether the object counts that came with this list of what the compiler has read.
    ///
    /// # Errors
    /// Why it does not.
    pub(crate) fn check(&mut self, dependencies: &[u8]) -> Result<(), Detour> {
        let missing = |text: String| Detour { cause: Cause::AgentMissing, text };
        let Pump::Possible(Some(agent)) = self else {
            return Err(missing("it was not asked".to_owned()));
        };
        let shown = |file: Vec<u8>| OsString::from_vec(file).display().to_string();
        match agent.check(dependencies).map_err(|error| missing(error.to_string()))? {
            Answer::Holds => Ok(()),
            Answer::Changed { file } => Err(Detour {
                cause: Cause::PumpChanged,
                text: format!("{} has changed meanwhile", shown(file)),
            }),
            Answer::Missed { file } => Err(Detour {
                cause: Cause::PumpMissed,
                text: format!("{} was read there, and not sent", shown(file)),
            }),
            other => Err(missing(format!("it answered {other:?}"))),
        }
    }

    fn agent(&mut self, context: &Context) -> Result<&mut Agent, String> {
        match self {
            Pump::Off => Err("it is not to be asked".to_owned()),
            Pump::Possible(Some(agent)) => Ok(agent),
            Pump::Possible(place @ None) => {
                let agent = Agent::find(context).map_err(|error| error.to_string())?;
                Ok(place.insert(agent))
            }
        }
    }
}

/// A job, as far as the agent has to know it; `words` is the command for the server.
///
/// # Errors
/// Why nobody can do the job in pump mode.
pub(crate) fn errand(context: &Context, job: &Job, words: &[OsString]) -> Result<Errand, String> {
    let command = job.whole.as_ref().ok_or("the source is preprocessed already")?;
    let compiler = context.find(&command[0]).map_err(|error| error.to_string())?;
    let folder = form::working_folder(context.settings.working_folder.as_deref())
        .ok_or("the working folder has no name")?;
    let program = std::path::absolute(&compiler.program).map_err(|error| error.to_string())?;
    let bytes = |words: &[OsString]| words.iter().map(|word| word.as_bytes().to_vec()).collect();
    Ok(Errand {
        folder: folder.into_os_string().into_vec(),
        compiler: program.into_os_string().into_vec(),
        path: compiler.path.unwrap_or_else(|| context.settings.path.clone()).into_vec(),
        command: bytes(command),
        sent: bytes(words),
        way: Way::Whole,
        keeping: Keeping::Nothing,
    })
}

/// Whether a host's compiler is known to have other folders of headers than the one here.
fn has_other_folders(context: &Context, job: &Job, spec: &HostSpec) -> bool {
    let key = folders_key(context, job, spec);
    let kept = key.and_then(|key| context.state.as_ref()?.recall(&key));
    let seconds = kept.and_then(|kept| std::str::from_utf8(&kept).ok()?.parse().ok());
    let at = seconds.map(|seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
    at.is_some_and(|at| at.elapsed().is_ok_and(|age| age < FOLDERS_HOLD))
}

/// Remembers that a host's compiler has other folders of headers.
pub(crate) fn note_other_folders(context: &Context, job: &Job, spec: &HostSpec) {
    let (Some(key), Some(state)) = (folders_key(context, job, spec), &context.state) else {
        return;
    };
    let seconds = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_secs();
    let _ = state.keep(&key, seconds.to_string().as_bytes());
}

fn folders_key(context: &Context, job: &Job, spec: &HostSpec) -> Option<Vec<u8>> {
    let compiler = context.find(job.whole.as_ref()?.first()?).ok()?;
    Some(format!("folders of {} for {}", spec.host, compiler.identity()).into_bytes())
}

/// The command for a server, where `plain` is the one with the compiler's name as the host knows it.
pub(crate) fn command(
    way: Way,
    mut plain: Vec<OsString>,
    wanted: Option<&WantedCompiler>,
) -> Vec<OsString> {
    if way == Way::Below {
        // So it tells all that was read.
        plain.push("-MD".into());
        return plain;
    }
    plain.insert(1, WHOLE_TREE.into());
    if let Some(wanted) = wanted {
        plain.insert(1, wanted.to_word());
    }
    plain
}

/// How the folders are called in which servers of 3.4 lay out files.
const FOLDER_OF_SERVER: &[u8] = b"/distccd_";

/// Whether an object names the folder in which a server laid out the files.
pub(crate) fn names_servers_folder(way: Way, object: &[u8]) -> bool {
    way == Way::Below && memchr::memmem::find(object, FOLDER_OF_SERVER).is_some()
}
