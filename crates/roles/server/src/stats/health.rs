//! Whether a job that came now would be taken.

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::Context;
use crate::disk::check_room;

/// Why jobs are refused now; `None`: they are not.
pub(super) fn trouble(context: &Context) -> Option<String> {
    if is_stopping(context) {
        return Some("this server is being stopped".to_owned());
    }
    if context.slots.is_full() {
        return Some("too many jobs are waiting here already".to_owned());
    }
    check_room(context.temporary.path(), 0, 0).err().map(|refusal| refusal.to_string())
}

fn is_stopping(context: &Context) -> bool {
    let rung = context.stop.rung();
    let mut ends = [PollFd::new(&rung, PollFlags::IN)];
    poll(&mut ends, Some(&Timespec::default())).is_ok_and(|n_ready| n_ready > 0)
}
