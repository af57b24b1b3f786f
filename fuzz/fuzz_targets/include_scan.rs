//! What a source says of other files can be asked of any bytes, and each name that is told stands in
//! them.
#![no_main]

use fuzz as _;
use includes::{Operand, definitions, operand_of_value, scan};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    for (include, _) in scan(text).includes {
        let (Operand::Quoted(name) | Operand::Angled(name) | Operand::Macro(name)) =
            include.operand;
        assert!(name.len() <= text.len() && !name.contains(&b'\n'));
        for value in definitions(text, &name).values {
            let _ = operand_of_value(&value);
        }
    }
});
