//! The compiles of the matrix.

/// One kind of compile.
#[derive(Debug)]
pub(crate) struct Case {
    /// The last part of the test's name.
    pub(crate) name: &'static str,
    /// How the client is called.
    pub(crate) call: Call,
    /// The command without distcc; the first word is the compiler.
    pub(crate) words: &'static [&'static str],
    /// Files that the command makes; none of them exists after a failure.
    pub(crate) outputs: &'static [&'static str],
    /// What has to happen.
    pub(crate) expect: Expect,
}

/// How the client is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    /// `distcc gcc ...`
    Plain,
    /// `gcc ...`, where `gcc` is a link to distcc, first in PATH.
    Masquerade,
    /// `make CC="distcc gcc"`
    Make,
}

/// Where the compile has to run, and how it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expect {
    /// On the server, once, and not here.
    Remote,
    /// Here, once, and not on the server: 3.4 does not send assembler sources.
    Local,
    /// On the server, which has a warning. Ours then compiles here again, for the source's lines.
    RemoteWarning,
    /// On the server; it fails there. Both then compile here again.
    RemoteError,
}

/// Files that are there before the compile.
pub(crate) const SOURCES: &[(&str, &str)] = &[
    ("plain.c", "#include <stdio.h>\nint f(int n) { return printf(\"%d\\n\", n); }\n"),
    (
        "big.cc",
        "#include <algorithm>\n#include <iostream>\n#include <map>\n#include <regex>\n\
         #include <string>\n#include <vector>\n\
         int f(const std::map<std::string, std::vector<int>> &m) {\n\
         \x20 int sum = 0;\n  for (auto &p : m) { auto v = p.second; \
         std::sort(v.begin(), v.end()); sum += v[0]; }\n\
         \x20 std::cout << sum << std::regex_match(\"a\", std::regex(\"[a-z]\"));\n\
         \x20 return sum;\n}\n",
    ),
    // With -g an object remembers columns: 3.4's are the local ones where no macro was expanded.
    ("debug.c", "#include <stdlib.h>\nint f(int n)\n{\n  int k = abs(n);\n  return k + 1;\n}\n"),
    ("warn.c", "int f(void)\n{\n  int unused;\n  return 1;\n}\n"),
    ("bad.c", "int f(void)\n{\n  return nowhere;\n}\n"),
    ("own.h", "struct own { int member; };\n"),
    (
        "deps.c",
        "#include <stddef.h>\n#include \"own.h\"\nint f(struct own *o) { return o->member; }\n",
    ),
    ("sp ace é.c", "int f(void) { return 3; }\n"),
    ("pre.i", "# 1 \"pre.c\"\nint f(void) { return 4; }\n"),
    ("pre.ii", "# 1 \"pre.cc\"\nstruct s { int f() const; };\nint s::f() const { return 5; }\n"),
    ("lower.s", "\t.text\n\t.globl f\nf:\n\tret\n"),
    ("upper.S", "#define NAME f\n\t.text\n\t.globl NAME\nNAME:\n\tret\n"),
];

/// All cases.
pub(crate) const CASES: &[Case] = &[
    Case {
        name: "c",
        call: Call::Plain,
        words: &["gcc", "-O2", "-c", "plain.c"],
        outputs: &["plain.o"],
        expect: Expect::Remote,
    },
    Case {
        name: "cxx_big_headers",
        call: Call::Plain,
        words: &["g++", "-std=c++17", "-O1", "-c", "big.cc", "-o", "big.o"],
        outputs: &["big.o"],
        expect: Expect::Remote,
    },
    Case {
        name: "preprocessed_i",
        call: Call::Plain,
        words: &["gcc", "-O2", "-c", "pre.i"],
        outputs: &["pre.o"],
        expect: Expect::Remote,
    },
    Case {
        name: "preprocessed_ii",
        call: Call::Plain,
        words: &["g++", "-O2", "-c", "pre.ii", "-o", "pre.o"],
        outputs: &["pre.o"],
        expect: Expect::Remote,
    },
    Case {
        name: "assembler_s",
        call: Call::Plain,
        words: &["gcc", "-c", "lower.s", "-o", "lower.o"],
        outputs: &["lower.o"],
        expect: Expect::Local,
    },
    Case {
        name: "assembler_S",
        call: Call::Plain,
        words: &["gcc", "-g", "-c", "upper.S"],
        outputs: &["upper.o"],
        expect: Expect::Local,
    },
    Case {
        name: "dependency_file",
        call: Call::Plain,
        words: &["gcc", "-MD", "-MF", "named.d", "-O2", "-c", "deps.c", "-o", "deps.o"],
        outputs: &["deps.o", "named.d"],
        expect: Expect::Remote,
    },
    Case {
        name: "debug",
        call: Call::Plain,
        words: &["gcc", "-g", "-O2", "-c", "debug.c", "-o", "debug.o"],
        outputs: &["debug.o"],
        expect: Expect::Remote,
    },
    Case {
        name: "warnings",
        call: Call::Plain,
        words: &["gcc", "-Wall", "-fno-diagnostics-show-caret", "-c", "warn.c"],
        outputs: &["warn.o"],
        expect: Expect::RemoteWarning,
    },
    Case {
        name: "errors",
        call: Call::Plain,
        words: &["gcc", "-fno-diagnostics-show-caret", "-c", "bad.c"],
        outputs: &["bad.o"],
        expect: Expect::RemoteError,
    },
    Case {
        name: "spaces_and_utf8",
        call: Call::Plain,
        words: &["gcc", "-O2", "-c", "sp ace é.c", "-o", "sp ace é.o"],
        outputs: &["sp ace é.o"],
        expect: Expect::Remote,
    },
    Case {
        name: "output_elsewhere",
        call: Call::Plain,
        words: &["gcc", "-O2", "-c", "plain.c", "-o", "out/other.o"],
        outputs: &["out/other.o"],
        expect: Expect::Remote,
    },
    Case {
        name: "masquerade",
        call: Call::Masquerade,
        words: &["gcc", "-O2", "-c", "plain.c", "-o", "plain.o"],
        outputs: &["plain.o"],
        expect: Expect::Remote,
    },
    Case {
        name: "two_word_cc",
        call: Call::Make,
        words: &["gcc", "-O2", "plain.o"],
        outputs: &["plain.o"],
        expect: Expect::Remote,
    },
];
