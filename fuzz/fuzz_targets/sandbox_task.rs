//! What the first process of a job is told to run is a task or none, whatever it reads.
#![no_main]

use fuzz as _;
use libfuzzer_sys::fuzz_target;
use sandbox::Task;

fuzz_target!(|bytes: &[u8]| {
    if let Some(task) = Task::decode(bytes) {
        assert_eq!(task.encode(), bytes);
    }
});
