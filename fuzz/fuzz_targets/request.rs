//! What a client may send to a server: any split of the bytes gives the same answer, no answer is
//! larger than the limits, and no name in it leads anywhere but below the root.
#![no_main]

use fuzz::{LIMITS, Sent};
use libfuzzer_sys::fuzz_target;
use wire::{Content, Payload, RequestDecoder, Tree};

fuzz_target!(|input: &[u8]| {
    let Some(sent) = Sent::from_input(input) else { return };
    let (mut whole, mut pieces) = (RequestDecoder::new(LIMITS), RequestDecoder::new(LIMITS));
    let expected = sent.feed_whole(|bytes| whole.push(bytes));
    let got = sent.feed_pieces(|bytes| pieces.push(bytes));
    assert_eq!(got, expected);
    assert_eq!(pieces.version(), whole.version());
    assert_eq!(pieces.command(), whole.command());
    assert_eq!(pieces.truncated(), whole.truncated());

    if let (Ok(Some(request)), n_taken) = expected {
        assert!(n_taken <= sent.bytes.len());
        assert!(!request.arguments.is_empty());
        assert!(request.arguments.len() <= LIMITS.n_arguments as usize);
        assert!(request.arguments.concat().len() <= LIMITS.argument_bytes);
        assert!(request.payload.n_bytes() <= LIMITS.unpacked_bytes);
        if let Payload::Tree(tree) = &request.payload {
            check_tree(tree);
        }
        assert_eq!(whole.push(&mut &b"more"[..]), Ok(None));
    }
});

fn check_tree(tree: &Tree) {
    assert!(tree.entries.len() <= LIMITS.n_entries as usize);
    assert!(tree.folder == b"/" || is_plain(&tree.folder));
    let mut n_bytes = 0;
    for entry in &tree.entries {
        n_bytes += entry.name.len();
        assert!(is_plain(&entry.name), "{}", entry.name.escape_ascii());
        if let Content::Link(target) = &entry.content {
            n_bytes += target.len();
            assert!(!target.is_empty() && !target.contains(&0));
        }
        let same = tree.entries.iter().filter(|other| other.name == entry.name);
        assert_eq!(same.count(), 1);
    }
    assert!(n_bytes <= LIMITS.name_bytes);
    for (number, _) in &tree.to_keep {
        assert!(matches!(tree.entries[*number].content, Content::File(_)));
    }
}

/// Whether a name is absolute, below the root, and the shortest.
fn is_plain(name: &[u8]) -> bool {
    let is_part = |part: &[u8]| !matches!(part, b"" | b"." | b"..") && !part.contains(&0);
    name.strip_prefix(b"/").is_some_and(|rest| rest.split(|byte| *byte == b'/').all(is_part))
}
