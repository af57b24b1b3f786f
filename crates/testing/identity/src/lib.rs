//! The property that a job through servers leaves what the local compiler leaves: generated
//! commands over real sources, and translation units of code bases, run twice at the same place,
//! once by the compiler and once by our client with two servers, and everything that they leave is
//! compared.

mod case;
mod generate;
mod options;
mod place;
mod random;
mod sources;
mod stand;
mod summary;
mod units;
mod verdict;

pub use summary::{Failure, Summary};
pub use units::Units;

use std::ops::Range;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Result, ensure};
use support::{Kind, Server, ServerOptions, wait_until};

use case::Case;
use sources::Tree;
use stand::Stand;

/// What cases need of Debian.
pub const DEBIAN_PACKAGES: [&str; 5] = ["gcc", "g++", "gobjc", "gobjc++", "clang"];

/// The compilers that cases name.
pub(crate) const COMPILERS: [&str; 14] = [
    "gcc",
    "g++",
    "cc",
    "c++",
    "c99",
    "clang",
    "clang++",
    "gcc-12",
    "g++-12",
    "clang-14",
    "clang++-14",
    "x86_64-linux-gnu-gcc",
    "x86_64-linux-gnu-g++",
    "x86_64-linux-gnu-gcc-12",
];

/// How many compilers each server runs at once.
const JOBS_PER_SERVER: usize = 4;

/// Which cases to run.
#[derive(Debug)]
pub struct Plan {
    /// What decides all cases.
    pub cases: Cases,
    /// The numbers of those to run.
    pub numbers: Range<usize>,
    /// Whose servers.
    pub server: Kind,
    /// Whether servers preprocess where they can.
    pub pump: bool,
}

/// Where cases come from.
#[derive(Debug)]
pub enum Cases {
    /// They are generated, and decided by this seed.
    Generated {
        /// The seed.
        seed: u64,
    },
    /// They are units of code bases.
    Units(Units),
}

impl Cases {
    fn lay_out_trees(&self, folder: &Path) -> Result<Vec<Tree>> {
        match self {
            Cases::Generated { .. } => sources::lay_out(folder),
            Cases::Units(_) => Ok(Vec::new()),
        }
    }

    fn case(&self, number: usize, root: &Path, trees: &[Tree]) -> Case {
        match self {
            Cases::Generated { seed } => generate::case(*seed, number, root, trees),
            Cases::Units(units) => units.case(number, root),
        }
    }
}

/// Of a hundred units that compile so many have to be preprocessed by servers: else little was
/// compared. Servers of 3.4 can do a part of those that GCC compiles.
fn least_percent_pumped(plan: &Plan) -> usize {
    match (&plan.cases, plan.server) {
        (Cases::Units(_), Kind::Ours) if plan.pump => 75,
        (Cases::Units(_), Kind::Original) if plan.pump => 25,
        _ => 0,
    }
}

/// Runs the cases of `plan` with files below `folder`, and counts. `show` gets every failure as
/// soon as it is found, and progress every hundred cases.
///
/// # Errors
/// When something around the cases fails: sources that cannot be fetched, files that cannot be
/// written.
///
/// # Panics
/// When a server does not start, or a command does not end.
pub fn run(plan: &Plan, folder: &Path, show: &(dyn Fn(&str) + Sync)) -> Result<Summary> {
    place::clear(folder)?;
    let trees = plan.cases.lay_out_trees(&folder.join("sources"))?;
    let servers: Vec<Server> =
        ["red", "green"].iter().map(|name| start(&folder.join(name), plan.server)).collect();
    let n_workers = std::thread::available_parallelism().map_or(2, usize::from);
    let host_options = host_options(plan);
    let next = AtomicUsize::new(plan.numbers.start);
    let summary = Mutex::new(Summary::default());
    let failures = folder.join("failures");
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..n_workers)
            .map(|number| {
                let stand = Stand::new(folder, number, &servers, host_options);
                let (next, summary, trees, failures) = (&next, &summary, &trees, &failures);
                scope.spawn(move || -> Result<()> {
                    let stand = stand?;
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        if !plan.numbers.contains(&number) {
                            return Ok(());
                        }
                        let case = plan.cases.case(number, &stand.root, trees);
                        let again = again(plan, number);
                        let verdict = verdict::judge(&stand, &case, trees, failures, &again)?;
                        if let Some(failure) = &verdict.failure {
                            show(&failure.text);
                        }
                        let mut summary = summary.lock().expect("no worker panics with it");
                        summary.take(case.origin, verdict);
                        if summary.n_cases.is_multiple_of(100) {
                            show(&summary.progress());
                        }
                    }
                })
            })
            .collect();
        workers
            .into_iter()
            .try_for_each(|worker| worker.join().unwrap_or_else(|p| std::panic::resume_unwind(p)))
    })?;
    let mut summary = summary.into_inner().expect("no worker panicked");
    summary.failures.sort_by_key(|failure| failure.number);
    let n_compiled = || servers.iter().map(Server::n_compiled).sum::<usize>();
    // The servers log a job after its client has the object.
    wait_until("the servers have logged their jobs", || n_compiled() >= summary.n_remote);
    summary.n_compiled_by_servers = n_compiled();
    summary.least_percent_pumped = least_percent_pumped(plan);
    ensure!(summary.n_cases == plan.numbers.len(), "{} cases ran", summary.n_cases);
    Ok(summary)
}

/// The command that runs one case alone.
fn again(plan: &Plan, number: usize) -> String {
    let server = match plan.server {
        Kind::Ours => "",
        Kind::Original => " --server original",
    };
    let (cases, mode) = match &plan.cases {
        Cases::Generated { seed } if plan.pump => (format!("--seed {seed}"), " --mode pump"),
        Cases::Generated { seed } => (format!("--seed {seed}"), ""),
        Cases::Units(units) if plan.pump => (units.words().to_owned(), ""),
        Cases::Units(units) => (units.words().to_owned(), " --mode plain"),
    };
    format!("cargo xtask identity {cases} --only {number}{server}{mode}")
}

/// What stands behind the servers in the list of hosts. Ours preprocess by themselves where nothing
/// else is said; of the original the list has to say that it can.
fn host_options(plan: &Plan) -> &'static str {
    match (plan.pump, plan.server) {
        (true, Kind::Ours) => "/4",
        (true, Kind::Original) => "/4,cpp,lzo",
        (false, _) => "/4,lzo",
    }
}

fn start(folder: &Path, kind: Kind) -> Server {
    let mut options = ServerOptions::new(kind);
    options.n_jobs = JOBS_PER_SERVER;
    options.compilers = COMPILERS.map(str::to_owned).to_vec();
    // As root our servers would become another user, to whom this folder may be closed; the
    // original refuses to stay root.
    if kind == Kind::Ours && rustix::process::geteuid().is_root() {
        options.more = ["--user", "root"].map(str::to_owned).to_vec();
    }
    Server::start(folder, &options)
}
