//! What stands where: which request gets which page.

use std::sync::Arc;
use std::time::Instant;

use web::{Method, Request, Response, Status};

use super::compilers::Compilers;
use super::machine::Observer;
use super::{dashboard, health, metrics, page, status};
use crate::Context;

/// The pages of a server.
pub(super) struct Site {
    context: Arc<Context>,
    observer: Observer,
    compilers: Compilers,
}

/// The media type of the newer form of `/metrics`, which who knows it asks for.
const OPEN_METRICS: &str = "application/openmetrics-text";

impl Site {
    pub(super) fn new(context: Arc<Context>, observer: Observer) -> Site {
        Site { context, observer, compilers: Compilers::default() }
    }

    /// Looks at the disks if it is time to; to be called now and then.
    pub(super) fn watch_disks(&mut self, now: Instant) {
        self.observer.watch_disks(now);
    }

    /// The whole answer. Whatever is no page of ours is the page of 3.4, which asks nobody what
    /// they want.
    pub(super) fn answer(&mut self, request: Option<&Request>, now: Instant) -> Vec<u8> {
        let Some(request) = request else { return self.original(now) };
        let Some(place) = Place::of(request) else { return self.original(now) };
        let response = match request.method {
            Method::Get | Method::Head => self.page(place, request, now),
            Method::Other => Response::line(
                Status::MethodNotAllowed,
                "this page can be looked at, with GET or HEAD",
            ),
        };
        response.encode(request.method != Method::Head)
    }

    fn page(&mut self, place: Place, request: &Request, now: Instant) -> Response {
        match place {
            Place::Health => match health::trouble(&self.context) {
                None => Response::line(Status::Ok, "ok"),
                Some(why) => Response::line(Status::Unavailable, &why),
            },
            Place::Metrics => {
                let machine = self.observer.look(now);
                let text = metrics::text(&self.context, &self.compilers, &machine, now);
                if request.names_type(OPEN_METRICS) {
                    let media_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
                    Response::new(Status::Ok, media_type, text)
                } else {
                    let media_type = "text/plain; version=0.0.4; charset=utf-8";
                    Response::new(Status::Ok, media_type, metrics::in_older_form(&text))
                }
            }
            Place::Status => {
                let machine = self.observer.look(now);
                let text = status::text(&self.context, &self.compilers, &machine, now);
                Response::new(Status::Ok, "application/json", text)
            }
            Place::Dashboard => dashboard::page(),
            Place::Nowhere => Response::line(Status::NotFound, "there is no such page"),
        }
    }

    /// The page of 3.4.
    fn original(&mut self, now: Instant) -> Vec<u8> {
        let machine = self.observer.look(now);
        let context = &*self.context;
        let statistics = context.statistics.snapshot(now);
        let n_jobs = context.slots.n_slots();
        page::answer(&statistics, n_jobs, &machine, &own_lines(context, &statistics))
    }
}

/// A page of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Health,
    Metrics,
    Status,
    Dashboard,
    /// Where we may have a page one day.
    Nowhere,
}

impl Place {
    /// Where a request leads; `None`: to the page of 3.4.
    fn of(request: &Request) -> Option<Place> {
        match request.path.as_str() {
            "/healthz" => Some(Place::Health),
            "/metrics" => Some(Place::Metrics),
            "/api/status" => Some(Place::Status),
            "/dashboard" => Some(Place::Dashboard),
            // Browsers name the type; tools that read the page of 3.4 do not.
            "/" if request.method != Method::Other && request.names_type("text/html") => {
                Some(Place::Dashboard)
            }
            path if path.starts_with("/api/") => Some(Place::Nowhere),
            _ => None,
        }
    }
}

/// What 3.4 does not say: one line a fact, a name without spaces and its value.
fn own_lines(context: &Context, statistics: &super::counters::Snapshot) -> Vec<page::OwnLine> {
    let (n_running, n_waiting) = context.slots.in_use();
    vec![
        ("version", env!("CARGO_PKG_VERSION").to_owned()),
        ("sandbox_level", context.confinement.name().to_owned()),
        ("access_denied", statistics.n_denied.to_string()),
        ("jobs_running", n_running.to_string()),
        ("jobs_waiting", n_waiting.to_string()),
    ]
}
