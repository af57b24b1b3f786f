//! The right to run a compiler, and the queue for it.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::event::{EventfdFlags, eventfd};

/// At most so many compilers at once, and before them a queue that is served in order.
#[derive(Debug)]
pub(crate) struct Slots {
    state: Mutex<State>,
    n_slots: usize,
    n_waiting_most: usize,
}

#[derive(Debug)]
struct State {
    n_free: usize,
    waiting: VecDeque<Arc<Ticket>>,
}

/// A place in the queue.
#[derive(Debug)]
struct Ticket {
    /// Readable once the place has become a slot.
    called: OwnedFd,
}

/// What came of asking for a slot.
#[derive(Debug)]
pub(crate) enum Asked<'a> {
    /// It is yours.
    Slot(Slot<'a>),
    /// Wait for your turn.
    Queued(Place<'a>),
    /// The queue is full.
    Full,
}

/// The right to run one compiler, until dropped.
#[derive(Debug)]
pub(crate) struct Slot<'a> {
    slots: &'a Slots,
}

/// A place in the queue. Dropping it leaves the queue.
#[derive(Debug)]
pub(crate) struct Place<'a> {
    slots: &'a Slots,
    /// `None` once the place was turned into a slot.
    ticket: Option<Arc<Ticket>>,
}

impl Slots {
    /// `n_slots` compilers at once, and at most `n_waiting_most` jobs that wait.
    pub(crate) fn new(n_slots: usize, n_waiting_most: usize) -> Slots {
        let state = State { n_free: n_slots, waiting: VecDeque::new() };
        Slots { state: Mutex::new(state), n_slots, n_waiting_most }
    }

    /// How many jobs can run and wait.
    pub(crate) fn n_jobs_most(&self) -> usize {
        self.n_slots + self.n_waiting_most
    }

    /// How many jobs can wait.
    pub(crate) fn n_waiting_most(&self) -> usize {
        self.n_waiting_most
    }

    /// How many compilers may run at once.
    pub(crate) fn n_slots(&self) -> usize {
        self.n_slots
    }

    /// How many jobs run, and how many wait.
    pub(crate) fn in_use(&self) -> (usize, usize) {
        let state = self.lock();
        (self.n_slots - state.n_free, state.waiting.len())
    }

    /// Whether a job that came now could not even wait.
    pub(crate) fn is_full(&self) -> bool {
        let state = self.lock();
        state.n_free == 0 && state.waiting.len() >= self.n_waiting_most
    }

    /// Asks for a slot.
    ///
    /// # Errors
    /// When the system has no descriptor for waiting.
    pub(crate) fn ask(&self) -> io::Result<Asked<'_>> {
        let mut state = self.lock();
        if state.n_free > 0 {
            state.n_free -= 1;
            return Ok(Asked::Slot(Slot { slots: self }));
        }
        if state.waiting.len() >= self.n_waiting_most {
            return Ok(Asked::Full);
        }
        let called = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let ticket = Arc::new(Ticket { called });
        state.waiting.push_back(Arc::clone(&ticket));
        Ok(Asked::Queued(Place { slots: self, ticket: Some(ticket) }))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The state is whole at every point where a thread could panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands a slot that has become free to the first in the queue.
    fn release(&self) {
        let mut state = self.lock();
        match state.waiting.pop_front() {
            Some(ticket) => {
                let _ = rustix::io::write(&ticket.called, &1_u64.to_ne_bytes());
            }
            None => state.n_free += 1,
        }
    }
}

impl<'a> Place<'a> {
    /// What becomes readable when the turn has come.
    pub(crate) fn turn(&self) -> Option<BorrowedFd<'_>> {
        self.ticket.as_ref().map(|ticket| ticket.called.as_fd())
    }

    /// The slot, if the turn has come; else the place again.
    pub(crate) fn take(mut self) -> Result<Slot<'a>, Place<'a>> {
        if self.index().is_some() {
            return Err(self);
        }
        self.ticket = None;
        Ok(Slot { slots: self.slots })
    }

    /// Where in the queue it stands; `None` when its turn has come.
    fn index(&self) -> Option<usize> {
        let ticket = self.ticket.as_ref()?;
        self.slots.lock().waiting.iter().position(|other| Arc::ptr_eq(other, ticket))
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let Some(ticket) = self.ticket.take() else { return };
        let mut state = self.slots.lock();
        let index = state.waiting.iter().position(|other| Arc::ptr_eq(other, &ticket));
        if let Some(index) = index {
            state.waiting.remove(index);
            return;
        }
        drop(state);
        // The turn had come and was not taken: it is somebody else's.
        self.slots.release();
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        self.slots.release();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot(slots: &Slots) -> Slot<'_> {
        match slots.ask().unwrap() {
            Asked::Slot(slot) => slot,
            other => panic!("{other:?}"),
        }
    }

    fn queued(slots: &Slots) -> Place<'_> {
        match slots.ask().unwrap() {
            Asked::Queued(place) => place,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_queue_is_served_in_order() {
        let slots = Slots::new(1, 2);
        let first = slot(&slots);
        let second = queued(&slots);
        let third = queued(&slots);
        assert!(matches!(slots.ask().unwrap(), Asked::Full) && slots.is_full());
        drop(first);
        assert!(!slots.is_full());
        let third = third.take().unwrap_err();
        let second = second.take().unwrap();
        drop(second);
        let third = third.take().unwrap();
        drop(third);
        drop(slot(&slots));
    }

    #[test]
    fn who_leaves_the_queue_blocks_nobody() {
        let slots = Slots::new(1, 9);
        let first = slot(&slots);
        let leaver = queued(&slots);
        let late_leaver = queued(&slots);
        let last = queued(&slots);
        drop(leaver);
        drop(first);
        // The turn of the late leaver has come, and it never takes it.
        drop(late_leaver);
        assert!(last.take().is_ok());
    }

    #[test]
    fn a_turn_can_be_waited_for() {
        let slots = Slots::new(1, 1);
        let first = slot(&slots);
        let place = queued(&slots);
        std::thread::scope(|scope| {
            scope.spawn(|| drop(first));
            let turn = place.turn().unwrap();
            let mut ends = [rustix::event::PollFd::new(&turn, rustix::event::PollFlags::IN)];
            transport::wait(&mut ends, std::time::Duration::from_secs(60)).unwrap();
        });
        assert!(place.take().is_ok());
    }
}
