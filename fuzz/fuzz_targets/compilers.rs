//! What compilers are called, say of themselves, and are asked for as: nothing of it makes anybody
//! panic, and what is believed is short, plain and read again as it was written.
#![no_main]

use std::ffi::OsString;

use compiler_args::WantedCompiler;
use fuzz as _;
use inventory::About;
use libfuzzer_sys::fuzz_target;
use toolchain::{CompilerName, is_same_target};
use wire::Lack;

fuzz_target!(|input: &str| {
    let (first, rest) = input.split_once('\x0c').unwrap_or((input, ""));
    if let Some(name) = CompilerName::parse(first) {
        let prefix = name.prefix.map(|prefix| format!("{prefix}-")).unwrap_or_default();
        let version = name.version.map(|version| format!("-{version}")).unwrap_or_default();
        assert_eq!(format!("{prefix}{}{version}", name.base), first);
        assert!(!first.contains(['/', '\0', ' ']));
        assert!(name.may_be_same(&name));
    }
    let _ = About::named_target(first);
    assert_eq!(is_same_target(first, rest), is_same_target(rest, first));
    if let Some(lack) = Lack::from_bytes(input.as_bytes()) {
        assert_eq!(lack.to_bytes(), input.as_bytes());
    }
    let mark = [OsString::from("gcc"), input.into()];
    if let Some(wanted) = WantedCompiler::of_command(&mark) {
        assert_eq!(wanted.to_word(), mark[1]);
        assert!(input.len() < 256);
    }
    if let Ok(about) = About::read(first, rest) {
        let wanted = WantedCompiler::new(&about.target, about.family.name(), &about.version);
        let wanted = wanted.expect("what a server says of its compilers can be asked for");
        let again = WantedCompiler::of_command(&["gcc".into(), wanted.to_word()]);
        assert_eq!(again, Some(wanted));
    }
});
