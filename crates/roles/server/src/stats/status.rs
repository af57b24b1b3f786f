//! `/api/status`: all of it as JSON, for the page and for programs.

use std::sync::Arc;
use std::time::Instant;

use serde_json::{Value, json};

use super::machine::Machine;
use super::{by_compiler::ByCompiler, compilers::Compilers, health};
use crate::Context;
use crate::outcome::Outcome;
use crate::whitelist::Known;

/// So many jobs are told one by one.
const MOST_JOBS: usize = 200;

/// The whole text.
pub(super) fn text(
    context: &Arc<Context>,
    compilers: &Compilers,
    machine: &Machine,
    now: Instant,
) -> String {
    let statistics = &context.statistics;
    let snapshot = statistics.snapshot(now);
    let ago = |then: Instant| now.saturating_duration_since(then).as_secs_f64();
    let (n_running, n_waiting) = context.slots.in_use();
    let (jobs, n_jobs) = statistics.floor.oldest(MOST_JOBS);
    let jobs: Vec<Value> = jobs
        .iter()
        .map(|job| {
            json!({
                "client": job.client,
                "phase": job.phase.name(),
                "seconds": ago(job.since),
                "phase_seconds": ago(job.phase_since),
                "compiler": job.compiler,
                "file": job.input,
            })
        })
        .collect();
    let (refusals, minutes) = statistics.recent(now);
    let refusals: Vec<Value> = refusals
        .iter()
        .map(|refused| {
            json!({
                "client": refused.client,
                "reason": refused.reason,
                "hint": refused.hint,
                "count": refused.count,
                "seconds_ago": ago(refused.when),
            })
        })
        .collect();
    let started = statistics.started_seconds();
    let history: Vec<Value> = minutes
        .iter()
        .map(|minute| {
            json!({
                "start": started + minute.number as f64 * 60.0,
                "jobs": by_outcome(&minute.n_by_outcome),
            })
        })
        .collect();
    let known = compilers.known(context, now).map(|known| {
        let tell = |Known { name, about }: &Known| {
            json!({
                "name": name,
                "target": about.target,
                "family": about.family.name(),
                "version": about.version,
            })
        };
        known.iter().map(tell).collect::<Vec<Value>>()
    });
    let trouble = health::trouble(context);
    let status = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "health": { "ok": trouble.is_none(), "reason": trouble },
        "started": started,
        "uptime_seconds": statistics.age(now).as_secs_f64(),
        "sandbox": context.confinement.name(),
        "slots": { "total": context.slots.n_slots(), "running": n_running },
        "queue": { "limit": context.slots.n_waiting_most(), "waiting": n_waiting },
        "limits": {
            "job_lifetime_seconds": context.job_lifetime.map(|life| life.as_secs()),
            "io_timeout_seconds": context.environment.io_timeout.as_secs(),
            "request_bytes": context.limits.unpacked_bytes,
        },
        "jobs": jobs,
        "jobs_here": n_jobs,
        "counters": {
            "connections": snapshot.n_accepted,
            "connections_denied": snapshot.n_denied,
            "jobs": by_outcome(&snapshot.n_by_outcome),
            "jobs_by_compiler": by_compiler(&snapshot.by_compiler),
            "received_bytes": snapshot.measures.n_received_bytes,
            "request_bytes": snapshot.measures.request_sizes.sum() as u64,
            "reply_bytes": snapshot.measures.reply_sizes.sum() as u64,
        },
        "refusals": refusals,
        "compilers": known,
        "machine": {
            "load": machine.load,
            "runnable": machine.n_runnable,
            "processors": std::thread::available_parallelism().map_or(1, usize::from),
            "temporary_free_bytes": machine.free_megabytes << 20,
        },
        "history": history,
    });
    format!("{status}\n")
}

/// Known compilers by their first jobs; the last is for all the rest, and has nulls.
fn by_compiler(jobs: &ByCompiler) -> Vec<Value> {
    let known = jobs.known.iter().map(|(Known { name, about }, n_jobs)| {
        json!({
            "name": name,
            "target": about.target,
            "family": about.family.name(),
            "version": about.version,
            "jobs": n_jobs,
        })
    });
    let other = json!({
        "name": "other", "target": null, "family": null, "version": null, "jobs": jobs.n_other,
    });
    known.chain([other]).collect()
}

fn by_outcome(counts: &[u64; Outcome::ALL.len()]) -> Value {
    let named = Outcome::ALL.into_iter().zip(counts);
    named.map(|(outcome, count)| (outcome.key().to_owned(), json!(count))).collect()
}
