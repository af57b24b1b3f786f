//! What distcc 3.4 said on the wire is what `wire` reads and, where nothing is packed, writes.

use std::path::Path;

use wire::{
    Limits, Payload, Reply, ReplyDecoder, Request, RequestDecoder, Version, WaitStatus,
    encode_request_head, encode_source,
};

const COMPILER: &str = "x86_64-linux-gnu-gcc";

fn recording(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("recordings").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()))
}

/// Reads a recorded request in pieces of `piece` bytes; every byte must belong to it.
#[track_caller]
fn request(bytes: &[u8], piece: usize) -> Request {
    let mut decoder = RequestDecoder::new(Limits::DEFAULT);
    for (n, mut chunk) in bytes.chunks(piece).enumerate() {
        let got = decoder.push(&mut chunk).expect("the recording is well formed");
        if let Some(request) = got {
            assert!(chunk.is_empty() && (n + 1) * piece >= bytes.len(), "bytes are left over");
            return request;
        }
    }
    panic!("the recording ended before the request did");
}

/// Reads a recorded reply in pieces of `piece` bytes; every byte must belong to it.
#[track_caller]
fn reply(bytes: &[u8], version: Version, piece: usize) -> Reply {
    let mut decoder = ReplyDecoder::new(version, Limits::DEFAULT);
    for (n, mut chunk) in bytes.chunks(piece).enumerate() {
        let got = decoder.push(&mut chunk).expect("the recording is well formed");
        if let Some(reply) = got {
            assert!(chunk.is_empty() && (n + 1) * piece >= bytes.len(), "bytes are left over");
            return reply;
        }
    }
    panic!("the recording ended before the reply did");
}

/// Both versions of one job: the words, the source's file name, and the same content twice.
#[track_caller]
fn check(name: &str, words: &[&str], source_name: &str) -> (Reply, Reply) {
    let plain_bytes = recording(&format!("v1-{name}.request"));
    let plain = request(&plain_bytes, 4096);
    let packed = request(&recording(&format!("v2-{name}.request")), 4096);

    let expected: Vec<Vec<u8>> = words.iter().map(|word| word.as_bytes().to_vec()).collect();
    assert_eq!(plain.version, Version::from_number(1).expect("version 1 is known"));
    assert_eq!(packed.version, Version::from_number(2).expect("version 2 is known"));
    assert_eq!(plain.arguments, expected);
    assert_eq!(packed.arguments, expected);
    let Payload::Source(source) = &plain.payload else { panic!("no source: {plain:?}") };
    assert!(source.starts_with(format!("# 0 \"{source_name}\"\n").as_bytes()));
    assert_eq!(plain.payload, packed.payload, "the packed source unpacks to the plain one");
    assert_eq!(request(&plain_bytes, 1), plain, "byte by byte it is the same request");

    let mut written = encode_request_head(plain.version, &plain.arguments).expect("it is small");
    let (token, body) = encode_source(plain.version, source).expect("it is small");
    written.extend(token);
    written.extend_from_slice(&body);
    assert_eq!(written, plain_bytes, "we write a version 1 request as the original does");
    assert_eq!(
        encode_request_head(packed.version, &packed.arguments).expect("it is small"),
        recording(&format!("v2-{name}.request"))[..head_length(words)],
        "the head of a version 2 request is not packed"
    );

    let plain_reply_bytes = recording(&format!("v1-{name}.reply"));
    let plain_reply = reply(&plain_reply_bytes, plain.version, 4096);
    let packed_reply = reply(&recording(&format!("v2-{name}.reply")), packed.version, 4096);
    assert_eq!(reply(&plain_reply_bytes, plain.version, 1), plain_reply);
    assert_eq!(
        plain_reply.encode(plain.version).expect("it is small"),
        plain_reply_bytes,
        "we write a version 1 reply as the original does"
    );
    let ours = packed_reply.encode(packed.version).expect("it is small");
    assert_eq!(reply(&ours, packed.version, 4096), packed_reply, "ours packs what ours unpacks");
    assert_eq!(plain_reply, packed_reply, "the same job gives the same reply in both versions");
    (plain_reply, packed_reply)
}

/// The length of DIST, ARGC and all ARGV.
fn head_length(words: &[&str]) -> usize {
    24 + words.iter().map(|word| 12 + word.len()).sum::<usize>()
}

#[track_caller]
fn check_success(name: &str, words: &[&str], source_name: &str, output: &[u8]) -> Reply {
    let (reply, _) = check(name, words, source_name);
    assert_eq!(reply.status, WaitStatus::exited(0));
    assert!(reply.object.starts_with(output), "the output is of the kind asked for");
    assert!(reply.stdout.is_empty());
    reply
}

#[test]
fn an_object_comes_back_for_a_command_without_a_name_for_it() {
    let words = [COMPILER, "-O2", "-c", "a.c", "-o", "a.o"];
    check_success("object", &words, "a.c", b"\x7fELF");
}

#[test]
fn the_name_of_the_output_travels_as_it_was_given() {
    let words = [COMPILER, "-c", "a.c", "-o", "srv/../a.o"];
    check_success("folder", &words, "a.c", b"\x7fELF");
}

#[test]
fn assembly_comes_back_in_the_place_of_an_object() {
    check_success("assembly", &[COMPILER, "-S", "a.c", "-o", "a.s"], "a.c", b"\t.file\t");
}

#[test]
fn names_are_bytes() {
    let words = [COMPILER, "-c", "sp ace é.c", "-o", "é .o"];
    check_success("names", &words, "sp ace é.c", b"\x7fELF");
}

#[test]
fn a_warning_comes_with_the_object() {
    let no_caret = "-fno-diagnostics-show-caret";
    let words = [COMPILER, "-Wall", no_caret, "-c", "warn.c", "-o", "warn.o"];
    let reply = check_success("warning", &words, "warn.c", b"\x7fELF");
    let text = String::from_utf8(reply.stderr).expect("the locale was UTF-8");
    assert!(text.contains("warn.c:1:19: warning: unused variable"), "{text}");
}

#[test]
fn an_error_comes_with_exit_code_1_and_without_an_object() {
    let words = [COMPILER, "-fno-diagnostics-show-caret", "-c", "bad.c", "-o", "bad.o"];
    let (reply, _) = check("error", &words, "bad.c");
    assert_eq!(reply.status, WaitStatus::exited(1));
    assert!(reply.object.is_empty());
    let text = String::from_utf8(reply.stderr).expect("the locale was UTF-8");
    assert!(text.contains("bad.c:1:22: error: "), "{text}");
}
