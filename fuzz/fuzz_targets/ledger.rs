//! Whatever stands in a ledger, its lines are records or are skipped, and a record is a line again.
#![no_main]

use fuzz as _;
use libfuzzer_sys::fuzz_target;
use statedir::{Ledger, Record};

fuzz_target!(|bytes: &[u8]| {
    let mut ledger = Ledger::default();
    ledger.take(bytes);
    let n_lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).count();
    assert_eq!(ledger.records.len() as u64 + ledger.n_skipped, n_lines as u64);

    // The checksum keeps a fuzzer out: each line is tried with the right one as well.
    for line in bytes.split(|byte| *byte == b'\n') {
        let mut signed = line.to_vec();
        signed.extend_from_slice(format!(" {:08x}", statedir::ledger_checksum(line)).as_bytes());
        let Some(record) = Record::from_line(&signed) else { continue };
        let again = record.to_line();
        let again = Record::from_line(again.trim_end().as_bytes()).expect("what we write is read");
        // Names may have been cut, and are not cut any further.
        assert_eq!(
            again.to_line(),
            Record::from_line(again.to_line().trim_end().as_bytes()).unwrap().to_line()
        );
        assert_eq!((again.started, again.times), (record.started, record.times));
    }
});
