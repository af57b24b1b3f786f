//! What the server has done and how its machine is, and the pages that tell it.
//!
//! [`Statistics`] is the one place where the worker counts. `machine` looks at the machine. `port`
//! lets peers in at `--stats-port`, `peer` hears what one wants and `site` picks its page: `page`
//! has the lines of distcc 3.4, `metrics` those of Prometheus, `health` a word, `status` all of it as JSON, and `dashboard` is
//! the page that shows that to people.

mod by_compiler;
mod compilers;
mod counters;
mod dashboard;
mod health;
mod histogram;
mod history;
mod machine;
mod metrics;
mod page;
mod peer;
mod port;
mod present;
mod refused;
mod site;
mod status;

pub(crate) use counters::Statistics;
pub(crate) use port::start;
pub(crate) use present::{Phase, Spot};

/// The longest text of a client's that is remembered for the pages, in letters.
const MOST_SHOWN: usize = 200;

fn clipped(text: &str) -> String {
    text.chars().take(MOST_SHOWN).collect()
}
