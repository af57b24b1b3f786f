//! How fast jobs are done here and on the hosts: what a build may be expected to gain.
//!
//! A source like those of a build is compiled here and then on one host after the other, alone, in plain
//! mode. What this machine has to do for a job of a host is the processor time of the client and of the
//! preprocessor. In pump mode that is less, so the estimate is none that a build falls short of for it.

use std::time::Duration;

use diagnosis::{HostSpeed, OwnSpeed, Speedup};
use hosts::HostSpec;
use sys::usage::Usage;

use crate::compilers::Local;
use crate::host::{Door, Kit};
use crate::modes::in_mode;
use crate::trial::Work;

/// How often each job is done; the fastest counts. The first may pay for what later ones find ready.
const N_TRIES: usize = 2;

/// The most hosts that are measured: it is done one after the other. Further ones do not count.
const MOST_HOSTS: usize = 16;

/// What is to be expected of `hosts`, which work, against this machine alone; `None`: nothing could be
/// measured.
pub(crate) fn expect(kit: Kit<'_>, hosts: &[(&HostSpec, Door)]) -> Option<Speedup> {
    let local = kit.locals.iter().find(|local| kit.wanted.contains(&local.name))?;
    if hosts.is_empty() {
        return None;
    }
    let path = &kit.surroundings.path;
    let here = fastest(|| {
        let before = cost();
        let made = kit.bench.compile_here(&local.program, Work::Job, path);
        made.ok().map(|_| cost().saturating_sub(before))
    })?;
    let measured: Vec<(HostSpeed, Duration)> = hosts
        .iter()
        .take(MOST_HOSTS)
        .enumerate()
        .filter_map(|(number, (spec, door))| there(kit, local, number, spec, *door))
        .collect();
    let speeds: Vec<HostSpeed> = measured.iter().map(|(speed, _)| *speed).collect();
    let rest = measured.iter().map(|(_, rest)| *rest).max()?;
    let n_processors = std::thread::available_parallelism().map_or(1, usize::from);
    let own = OwnSpeed {
        n_processors: u32::try_from(n_processors).unwrap_or(u32::MAX),
        job_seconds: here.as_secs_f64(),
        rest_seconds: rest.as_secs_f64(),
    };
    Speedup::expected(own, &speeds)
}

/// What one host does, and the processor time that is spent here for a job of it.
fn there(
    kit: Kit<'_>,
    local: &Local,
    number: usize,
    spec: &HostSpec,
    door: Door,
) -> Option<(HostSpeed, Duration)> {
    let (name, hosts) = (format!("speed-{number}"), in_mode(spec, ""));
    let (mut n_sent, mut n_received, mut rest) = (0, 0, Duration::MAX);
    let took = fastest(|| {
        let before = cost();
        let outcome = kit
            .bench
            .compile_there(&name, &hosts, &local.name, Work::Job, kit.surroundings)
            .ok()?;
        outcome.object.as_ref()?;
        rest = rest.min(cost().saturating_sub(before));
        (n_sent, n_received) = (outcome.n_sent, outcome.n_received);
        Some(outcome.took)
    })?;
    let speed = HostSpeed {
        n_at_once: door.n_at_once.map_or(spec.n_slots, |told| told.min(spec.n_slots)),
        job_seconds: took.as_secs_f64(),
        link_jobs: door.link.map(|link| link.jobs(n_sent, n_received)),
    };
    Some((speed, rest))
}

/// The shortest of some tries; `None` if one fails.
fn fastest(mut once: impl FnMut() -> Option<Duration>) -> Option<Duration> {
    let tries: Option<Vec<Duration>> = (0..N_TRIES).map(|_| once()).collect();
    tries?.into_iter().min()
}

/// The processor time of all that has been run so far.
fn cost() -> Duration {
    let usage = Usage::of_children();
    usage.user + usage.system
}
