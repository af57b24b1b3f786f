//! What a server says of itself on the network becomes one entry of a host list, or nothing.
//!
//! The input is lines: an interface's name, then addresses and entries of a TXT record in any
//! order. An address is a line of 4 or 16 bytes, an entry has a `=`.
#![no_main]

use std::net::IpAddr;

use discovery::{Address, gccs_text, judge};
use fuzz as _;
use hosts::{Host, HostList};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u16, &[u8])| {
    let (port, text) = input;
    let mut lines = text.split(|byte| *byte == b'\n');
    let interface = String::from_utf8_lossy(lines.next().unwrap_or_default()).into_owned();
    let mut addresses = Vec::new();
    let mut txt = Vec::new();
    for line in lines {
        let ip: Option<IpAddr> = match line.len() {
            4 => <[u8; 4]>::try_from(line).ok().map(IpAddr::from),
            16 => <[u8; 16]>::try_from(line).ok().map(IpAddr::from),
            _ => None,
        };
        let entry = line.iter().position(|byte| *byte == b'=').map(|at| line.split_at(at));
        if let Some(ip) = ip {
            addresses.push(Address { ip, interface: interface.clone() });
        } else if let Some((key, value)) = entry
            && let Ok(key) = std::str::from_utf8(key)
        {
            txt.push((key, &value[1..]));
        }
    }
    let Ok(found) = judge(&addresses, port, &txt) else { return };
    let gccs = gccs_text(&found.gccs);
    let again = judge(&addresses, port, &[("gccs", gccs.as_bytes())]).expect("the same addresses");
    assert_eq!(again.gccs, found.gccs);
    let list = HostList::parse(&found.to_string()).expect("an entry of a host list");
    assert_eq!(list.hosts.len(), 1);
    assert!((1..=256).contains(&list.hosts[0].n_slots));
    let Host::Tcp { port: parsed, .. } = &list.hosts[0].host else { panic!("{found}") };
    assert_eq!(*parsed, port);
});
