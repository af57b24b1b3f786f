//! A file of the state folder is a job or none, whatever somebody wrote there.
#![no_main]

use fuzz as _;
use libfuzzer_sys::fuzz_target;
use statedir::{RecordError, RunningJob};

/// Bytes of a name, its NUL included, and of a record, on a 64-bit machine.
const NAME: usize = 128;
const RECORD: usize = 296;

fuzz_target!(|bytes: &[u8]| {
    match RunningJob::decode(bytes) {
        Ok(job) => {
            assert!(job.pid > 0 && i32::try_from(job.pid).is_ok());
            for name in [&job.source, &job.host] {
                assert!(name.len() <= NAME && !name.contains(&0));
            }
            // What comes after the record tells more, and changes nothing.
            assert!(job.full_name.len() <= NAME && job.reason.len() <= NAME);
            let alone = RunningJob { full_name: Vec::new(), reason: Vec::new(), ..job };
            assert_eq!(RunningJob::decode(&bytes[..RECORD]), Ok(alone));
        }
        Err(error) => assert_eq!(error == RecordError::Short, bytes.len() < RECORD),
    }
});
