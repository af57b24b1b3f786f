//! The state folder, `$DISTCC_DIR`: slot locks, back-off stamps, the state that monitors read.
//!
//! Names and formats are those of distcc 3.4, so that both can share one folder. Files are made
//! when they are first needed; nothing here waits.
//!
//! Source of the facts: distcc(1) 3.4, and system call traces of Debian's build.

mod agent;
mod folder;
mod follow;
mod host_list;
mod job_state;
mod ledger;
mod memo;
mod replace;
mod running;
mod said;
mod slots;
mod tally;
mod zeroconf;

pub use agent::AgentPlace;
pub use folder::StateDir;
pub use follow::Follower;
pub use host_list::{HostListText, host_list_text};
pub use job_state::{At, JobState, Phase};
pub use ledger::checksum as ledger_checksum;
pub use ledger::{Attempt, Ledger, Place, Record, Times};
pub use replace::replace;
pub use running::{RecordError, Running, RunningJob};
pub use slots::{BACKOFF_PERIOD, SlotLock, SlotName, try_slot_by_name};
pub use tally::{AGENT, LONGEST_PAUSE, PUMPED, Tally};
pub use zeroconf::{FoundHosts, Keeper, Kept};
