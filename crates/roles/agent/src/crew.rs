//! The threads that talk with clients. A build has a client after another, so a thread stays for a while
//! when its client has gone: that is cheaper than a new one each.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long a thread waits for a further task, and how many do.
const STAY: Duration = Duration::from_secs(10);
const MOST_IDLE: usize = 16;

/// How much stack a thread has.
const STACK_BYTES: usize = 2 << 20;

type Task = Box<dyn FnOnce() + Send>;

/// Threads that are there, or are made when there are too few.
#[derive(Clone, Default)]
pub(crate) struct Crew {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    bell: Condvar,
}

#[derive(Default)]
struct State {
    /// Tasks for threads that are idle: no more than there are of those.
    tasks: VecDeque<Task>,
    n_idle: usize,
}

impl Crew {
    /// Has a thread do something, at once.
    ///
    /// # Errors
    /// When another thread is needed, and cannot be had. The task is gone then.
    pub(crate) fn give(&self, task: impl FnOnce() + Send + 'static) -> io::Result<()> {
        let mut state = self.shared.state();
        if state.n_idle > state.tasks.len() {
            state.tasks.push_back(Box::new(task));
            self.shared.bell.notify_one();
            return Ok(());
        }
        drop(state);
        let shared = Arc::clone(&self.shared);
        let work = move || {
            task();
            while let Some(task) = shared.next() {
                task();
            }
        };
        std::thread::Builder::new().stack_size(STACK_BYTES).spawn(work).map(drop)
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next task of a thread; `None`: it may go.
    fn next(&self) -> Option<Task> {
        let mut state = self.state();
        if state.n_idle >= MOST_IDLE {
            return None;
        }
        state.n_idle += 1;
        let waited = self.bell.wait_timeout_while(state, STAY, |state| state.tasks.is_empty());
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.n_idle -= 1;
        state.tasks.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use std::sync::mpsc::channel;

    #[test]
    fn a_thread_does_one_task_after_another() {
        let crew = Crew::default();
        let (done, next) = channel();
        let mut threads = HashSet::new();
        for _ in 0..5 {
            let done = done.clone();
            crew.give(move || done.send(std::thread::current().id()).unwrap()).unwrap();
            threads.insert(next.recv().unwrap());
            while crew.shared.state().n_idle == 0 {
                std::thread::yield_now();
            }
        }
        assert_eq!(threads.len(), 1);
    }

    #[test]
    fn nobody_waits_for_another() {
        const N_TASKS: usize = 2 * MOST_IDLE + 1;
        let crew = Crew::default();
        let together = Arc::new(std::sync::Barrier::new(N_TASKS));
        for _ in 0..3 {
            let (done, next) = channel();
            for _ in 0..N_TASKS {
                let (done, together) = (done.clone(), Arc::clone(&together));
                crew.give(move || {
                    together.wait();
                    done.send(()).unwrap();
                })
                .unwrap();
            }
            drop(done);
            assert_eq!(next.iter().count(), N_TASKS);
            assert!(crew.shared.state().n_idle <= MOST_IDLE);
        }
    }
}
