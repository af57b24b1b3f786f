//! What the server has done and how its machine is, and the page that tells it.
//!
//! [`Statistics`] is the one place where the worker counts. `machine` looks at the machine, `page`
//! puts both into the lines of distcc 3.4, `port` answers at `--stats-port`.

mod counters;
mod machine;
mod page;
mod port;

pub(crate) use counters::Statistics;
pub(crate) use port::start;
