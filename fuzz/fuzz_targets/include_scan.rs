//! What a source says of other files can be asked of any bytes, and each name that is told stands in
//! them. Two files of any bytes that may include each other have a closure.
#![no_main]

use std::sync::Arc;

use fuzz as _;
use includes::{
    Compile, Facts, FileId, Files, Found, Operand, Scanner, Search, Setting, definitions,
    operand_of_value, scan,
};
use libfuzzer_sys::fuzz_target;

/// `a.c` and `inc/b.h`.
struct Two<'a>([&'a [u8]; 2]);

const NAMES: [&[u8]; 2] = [b"a.c", b"inc/b.h"];

impl Files for Two<'_> {
    fn look(&mut self, name: &[u8]) -> Found {
        let at = NAMES.iter().position(|known| *known == self.true_name(name));
        at.map_or(Found::Missing, |at| Found::File(FileId(at as u64)))
    }

    fn true_name(&mut self, name: &[u8]) -> Vec<u8> {
        let mut parts: Vec<&[u8]> = Vec::new();
        for part in name.split(|byte| *byte == b'/') {
            match part {
                b"." => {}
                b".." => drop(parts.pop()),
                part => parts.push(part),
            }
        }
        parts.join(&b'/')
    }

    fn facts(&mut self, file: FileId) -> Arc<Facts> {
        Arc::new(scan(self.0[file.0 as usize]))
    }

    fn text(&mut self, file: FileId) -> Arc<[u8]> {
        self.0[file.0 as usize].into()
    }
}

fuzz_target!(|text: &[u8]| {
    for (include, _) in scan(text).includes {
        let (Operand::Quoted(name) | Operand::Angled(name) | Operand::Macro(name)) =
            include.operand;
        assert!(name.len() <= text.len() && !name.contains(&b'\n'));
        for value in definitions(text, &name).values {
            let _ = operand_of_value(&value);
        }
    }
    let at = text.iter().position(|byte| *byte == 0).unwrap_or(text.len());
    let mut files = Two([&text[..at], text.get(at + 1..).unwrap_or_default()]);
    let setting = Setting {
        search: Search { quoted: Vec::new(), all: vec![b"inc".to_vec()] },
        own_macros: Some(Arc::from(&b"#define __cplusplus 201703L\n#define __GNUC__ 12\n"[..])),
        ..Setting::default()
    };
    let compile = Compile { source: b"a.c".to_vec(), ..Compile::default() };
    let closure = Scanner::new(setting).closure(&compile, &mut files);
    assert_eq!(&*closure.files[0], b"a.c");
});
