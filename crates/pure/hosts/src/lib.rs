//! The list of hosts: what its entries mean, and in which order they are asked.
//!
//! Nothing here resolves a name or takes a lock. [`HostList::parse`] turns the text of
//! `DISTCC_HOSTS` or of a hosts file into values; [`slot_order`] says which slot to try next.
//!
//! Source of the facts: distcc(1) 3.4, "HOST SPECIFICATIONS".

mod error;
mod order;
mod pace;
mod spec;

pub use error::{HostsError, SpecError};
pub use order::{shuffle, slot_order};
pub use pace::Pace;
pub use spec::{DEFAULT_LOCAL_SLOTS, DEFAULT_PORT, Host, HostList, HostSpec};
