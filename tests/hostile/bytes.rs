//! Requests that are none: malformed, truncated, oversized, nested, bombs.

use anyhow::Result;
use wire::{Version, lzo};

use crate::Case;
use crate::stand::Stand;
use crate::talk::{Expect, Talk, head, request, words};

/// What is sent, and what has to come back. The version is the one to read the answer in.
struct Row {
    name: &'static str,
    version: Version,
    bytes: fn() -> Vec<u8>,
    /// Whether the client then says that no more comes.
    ends: bool,
    expect: Expect,
}

const COMMAND: &str = "gcc -c a.c -o a.o";

/// A malformed request: the server finds that out by itself.
const fn wrong(name: &'static str, bytes: fn() -> Vec<u8>) -> Row {
    Row { name, version: Version::V1, bytes, ends: false, expect: Expect::Refused(109) }
}

/// A request that ends before its end.
const fn cut(name: &'static str, bytes: fn() -> Vec<u8>) -> Row {
    Row { name, version: Version::V1, bytes, ends: true, expect: Expect::Closed }
}

impl Row {
    const fn packed(self) -> Row {
        Row { version: Version::V2, ..self }
    }

    const fn answered(self, expect: Expect) -> Row {
        Row { expect, ..self }
    }

    fn attack(&self, stand: &Stand) -> Result<()> {
        let mut talk = Talk::connect(stand.port())?;
        talk.send(&(self.bytes)());
        if self.ends {
            talk.end();
        }
        let answer = talk.answer(self.version)?;
        stand.check_secret(&answer)?;
        self.expect.check(&answer)
    }
}

/// A whole request in version 1, as text.
fn whole() -> Vec<u8> {
    request(Version::V1, &words(COMMAND), b"int x;\n")
}

/// The request up to its source, then these bytes.
fn after_command(version: Version, bytes: &[u8]) -> Vec<u8> {
    [&head(version, &words(COMMAND))[..], bytes].concat()
}

/// A packed source with its token.
fn packed(body: &[u8]) -> Vec<u8> {
    let token = format!("DOTI{:08x}", body.len());
    after_command(Version::V2, &[token.as_bytes(), body].concat())
}

/// Blanks that come to `n_bytes`, packed: about 250 times smaller.
fn bomb(n_bytes: usize) -> Vec<u8> {
    packed(&lzo::compress(&vec![b' '; n_bytes]))
}

const ROWS: &[Row] = &[
    wrong("another_protocol", || b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec()),
    wrong("an_http_2_preface", || b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec()),
    wrong("a_tls_hello", || b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03garbage!".to_vec()),
    wrong("zeros", || vec![0; 4096]),
    wrong("ones", || vec![0xff; 4096]),
    wrong("a_megabyte_of_noise", || {
        let mut state = 1_u32;
        let noise = std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        });
        noise.take(1 << 20).collect()
    }),
    wrong("lower_case_token", || b"dist00000001".to_vec()),
    wrong("signed_version", || b"DIST+0000001".to_vec()),
    wrong("version_in_c_notation", || b"DIST0x000001".to_vec()),
    wrong("version_with_blanks", || b"DIST       1".to_vec()),
    wrong("version_0", || b"DIST00000000".to_vec()),
    wrong("version_of_a_fork", || b"DIST00000fa0".to_vec()),
    wrong("largest_version", || b"DISTffffffff".to_vec()),
    wrong("version_twice", || b"DIST00000001DIST00000001".to_vec()),
    wrong("no_words", || b"DIST00000001ARGC00000000".to_vec()),
    wrong("four_billion_words", || b"DIST00000001ARGCffffffff".to_vec()),
    wrong("a_hundred_thousand_words", || {
        let mut bytes = b"DIST00000001ARGC000186a0".to_vec();
        bytes.extend(b"ARGV00000002-x".repeat(100_000));
        bytes
    }),
    wrong("more_words_than_said", || {
        b"DIST00000001ARGC00000001ARGV00000003gccARGV00000002-c".to_vec()
    }),
    wrong("fewer_words_than_said", || {
        b"DIST00000001ARGC00000005ARGV00000003gccDOTI00000000".to_vec()
    }),
    wrong("a_word_of_a_gigabyte", || b"DIST00000001ARGC00000001ARGV40000000".to_vec()),
    wrong("a_word_of_four_gigabytes", || b"DIST00000001ARGC00000001ARGVffffffff".to_vec()),
    wrong("words_that_are_too_long_together", || {
        let word = [&b"ARGV00100000"[..], &vec![b'x'; 1 << 20]].concat();
        [&b"DIST00000001ARGC00000004"[..], &word.repeat(3)].concat()
    }),
    wrong("a_source_of_four_gigabytes", || after_command(Version::V1, b"DOTIffffffff")),
    wrong("a_packed_source_of_a_gigabyte", || after_command(Version::V2, b"DOTI40000000")).packed(),
    wrong("a_reply_as_request", || b"DONE00000001STAT00000000SERR00000000".to_vec()),
    wrong("source_before_the_command", || b"DIST00000001DOTI00000000".to_vec()),
    wrong("a_request_in_a_word_count", || b"DIST00000001ARGCDIST0001".to_vec()),
    wrong("pump_mode_tokens_in_plain_mode", || b"DIST00000001CDIR00000001/".to_vec()),
    wrong("a_file_in_plain_mode", || {
        after_command(Version::V1, b"NFIL00000001NAME00000006/etc/xFILE00000000")
    }),
    wrong("packed_source_that_is_noise", || packed(b"\xff\xfe\xfd\xfc\xfb\xfa\xf9\xf8")).packed(),
    wrong("packed_source_without_its_end", || {
        let mut body = lzo::compress(&b"int x;\n".repeat(1000));
        body.truncate(body.len() - 3);
        packed(&body)
    })
    .packed(),
    wrong("packed_source_that_looks_back_too_far", || packed(b"\x12A\x20\xff\xff\xff\x11\x00\x00"))
        .packed(),
    wrong("packed_source_with_bytes_behind_its_end", || {
        packed(&[&lzo::compress(b"int x;\n")[..], b"more"].concat())
    })
    .packed(),
    wrong("a_bomb_of_600_megabytes", || bomb(600 << 20)).packed(),
    // Within what a source may be: compiled, and nothing.
    wrong("a_bomb_of_64_megabytes", || bomb(64 << 20)).packed().answered(Expect::Served),
    wrong("a_bomb_in_a_bomb", || packed(&lzo::compress(&lzo::compress(&vec![b' '; 64 << 20]))))
        .packed()
        .answered(Expect::CompilerError),
    wrong("a_bomb_for_a_command_that_is_refused", || {
        let mut bytes = head(Version::V2, &words("gcc -wrapper x -c a.c"));
        let body = lzo::compress(&vec![b' '; 64 << 20]);
        bytes.extend(format!("DOTI{:08x}", body.len()).bytes());
        bytes.extend(body);
        bytes
    })
    .packed()
    .answered(Expect::Refused(101)),
    wrong("an_empty_source", || after_command(Version::V1, b"DOTI00000000"))
        .answered(Expect::Served),
    wrong("a_request_after_the_request", || [whole(), whole()].concat()).answered(Expect::Served),
    wrong("much_after_the_request", || [whole(), vec![b'x'; 8 << 20]].concat())
        .answered(Expect::Anything),
    wrong("a_word_with_a_nul", || {
        request(
            Version::V1,
            &[b"gcc".to_vec(), b"-O2\0x".to_vec(), b"-c".to_vec(), b"a.c".to_vec()],
            b"int x;\n",
        )
    })
    .answered(Expect::Refused(101)),
    wrong("an_empty_word", || {
        request(
            Version::V1,
            &[b"gcc".to_vec(), Vec::new(), b"-c".to_vec(), b"a.c".to_vec()],
            b"int x;\n",
        )
    })
    .answered(Expect::Refused(101)),
    wrong("as_many_words_as_are_allowed", || {
        let mut words = words(COMMAND);
        words.extend(vec![b"-Wall".to_vec(); 16_384 - words.len()]);
        request(Version::V1, &words, b"int x;\n")
    })
    .answered(Expect::Served),
    wrong("words_that_no_program_takes", || {
        let mut words = words(COMMAND);
        words.push([&b"-std="[..], &vec![b'x'; 1 << 20]].concat());
        request(Version::V1, &words, b"int x;\n")
    })
    .answered(Expect::NotServed),
    cut("nothing_at_all", Vec::new),
    cut("half_a_token", || b"DI".to_vec()),
    cut("half_a_version", || b"DIST0000".to_vec()),
    cut("a_version_alone", || b"DIST00000001".to_vec()),
    cut("half_a_word", || b"DIST00000001ARGC00000002ARGV00000003gc".to_vec()),
    cut("a_command_alone", || head(Version::V1, &words(COMMAND))),
    cut("half_a_source", || after_command(Version::V1, b"DOTI00000100int x;")),
    cut("half_a_packed_source", || after_command(Version::V2, b"DOTI00000100\x20\x20")).packed(),
    cut("all_but_the_last_byte", || {
        let mut bytes = whole();
        bytes.pop();
        bytes
    }),
];

pub(crate) fn cases() -> Vec<Case> {
    let case =
        |row: &'static Row| Case::new(format!("bytes::{}", row.name), |stand| row.attack(stand));
    ROWS.iter().map(case).collect()
}
