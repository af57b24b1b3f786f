//! What the server has done and how its machine is, and the pages that tell it.
//!
//! [`Statistics`] is the one place where the worker counts. `machine` looks at the machine. `port`
//! lets peers in at `--stats-port`, `peer` hears what one wants and `site` picks its page: `page`
//! has the lines of distcc 3.4, `metrics` those of Prometheus, `health` a word.

mod counters;
mod health;
mod histogram;
mod machine;
mod metrics;
mod page;
mod peer;
mod port;
mod site;

pub(crate) use counters::Statistics;
pub(crate) use port::start;
