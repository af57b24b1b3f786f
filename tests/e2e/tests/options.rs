//! Options as real builds pass them: what comes back is what the compiler alone makes, in every
//! file, in its messages and its exit code; and each case says where it runs.

mod common;

use std::collections::BTreeMap;
use std::fmt::Write;

use common::{Ran, World, finish};
use support::{Kind, Server, ServerOptions, program, wait_until};

use Place::{Here, Remote};

/// Where a case runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// On the server.
    Remote,
    /// On this machine, for the reason with this code.
    Here(&'static str),
}

/// A command without its `-c`, and where it runs.
type Case = (&'static str, Place);

/// The files of the folder after a command, and what it said.
type Result = (BTreeMap<String, Vec<u8>>, Ran);

const PLAIN: &str = "int answer(int x) { return x * 42; }\nstatic const char text[] = \"a\";\n\
                     const char *hello(void) { return text; }\n";

/// Compiles each case through our client and alone, in a folder with `files`.
fn check(files: &[(&str, &str)], cases: &[Case]) {
    let world = World::new();
    let mut options = ServerOptions::new(Kind::Ours);
    options.compilers.extend(["clang", "clang++"].map(str::to_owned));
    let server = world.server("server", &options);
    let mut wrong = String::new();
    let mut n_remote = 0;
    for (command, expected) in cases {
        let ours = in_clean_folder(&world, files, || through_client(&world, &server, command));
        let log = std::fs::read_to_string(world.state().join("log")).unwrap_or_default();
        let alone = in_clean_folder(&world, files, || alone(&world, command));
        let place = place(&log, *expected);
        n_remote += usize::from(log.contains("] compiled "));
        if let Err(place) = place {
            let _ = writeln!(wrong, "{command}: {expected:?} was expected, but: {place}");
        }
        for difference in differences(&ours, &alone) {
            let _ = writeln!(wrong, "{command}: {difference}");
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
    // More, where the warnings were such that the client compiled again.
    wait_until("the server has logged them all", || server.n_compiled() >= n_remote);
}

/// The words of a case. Code that is not optimized depends on columns, which is for the suite `debug`:
/// here the source is to be sent in its usual form.
fn words(command: &str) -> Vec<&str> {
    let mut words: Vec<&str> = command.split(' ').filter(|word| !word.is_empty()).collect();
    let chosen = |word: &&str| word.starts_with("-O") || word.starts_with("--opt");
    if !words.iter().any(chosen) {
        words.insert(1, "-O1");
    }
    words.push("-c");
    words
}

fn through_client(world: &World, server: &Server, command: &str) -> Ran {
    let log = world.state().join("log");
    let _ = std::fs::remove_file(&log);
    finish(
        world
            .command(program("distcc"))
            .env("DISTCC_HOSTS", server.host(",lzo"))
            .env("DISTCC_LOG", log)
            .env("DISTCC_VERBOSE", "1")
            // What the server's compiler says is to be seen.
            .env("DISTCC_SKIP_LOCAL_RETRY", "1")
            .args(words(command)),
    )
}

fn alone(world: &World, command: &str) -> Ran {
    let words = words(command);
    finish(world.command(words[0]).args(&words[1..]))
}

fn in_clean_folder(world: &World, files: &[(&str, &str)], run: impl FnOnce() -> Ran) -> Result {
    let work = world.folder("work");
    std::fs::remove_dir_all(&work).unwrap();
    for (name, text) in files {
        let file = work.join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }
    for name in ["out", "system"] {
        std::fs::create_dir_all(work.join(name)).unwrap();
    }
    let ran = run();
    let mut made = BTreeMap::new();
    for folder in [work.clone(), work.join("out")] {
        for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_file() {
                let name = entry.strip_prefix(&work).unwrap().display().to_string();
                made.insert(name, std::fs::read(&entry).unwrap());
            }
        }
    }
    (made, ran)
}

/// Whether the client's log tells that the job ran where it was to; else what it tells.
fn place(log: &str, expected: Place) -> std::result::Result<(), String> {
    let is_right = match expected {
        Remote => log.contains("] compiled ") && !log.contains("running it here"),
        Here(code) => log.contains(&format!("[{code}]")) && !log.contains("] compiled "),
    };
    if is_right { Ok(()) } else { Err(log.trim().to_owned()) }
}

fn differences(ours: &Result, alone: &Result) -> Vec<String> {
    let mut found = Vec::new();
    if ours.1.code != alone.1.code {
        found.push(format!("exit {} instead of {}: {}", ours.1.code, alone.1.code, ours.1.stderr));
    }
    let names: Vec<_> = alone.0.keys().collect();
    if ours.0.keys().collect::<Vec<_>>() != names {
        found.push(format!("made {:?} instead of {names:?}", ours.0.keys().collect::<Vec<_>>()));
    }
    for (name, bytes) in &alone.0 {
        if ours.0.get(name).is_some_and(|other| other != bytes) {
            found.push(format!("{name} differs"));
        }
    }
    if messages(&ours.1.stderr) != messages(&alone.1.stderr) {
        found.push(format!("said\n{}\ninstead of\n{}", ours.1.stderr, alone.1.stderr));
    }
    found
}

/// Warnings and errors with file and line. What is known to be missing from messages about
/// preprocessed source is left out: columns, carets, notes about macros.
fn messages(stderr: &str) -> Vec<String> {
    let mut messages = Vec::new();
    for line in stderr.lines() {
        let Some(at) = [" warning:", " error:", "\u{1b}[K"].iter().find_map(|s| line.find(s))
        else {
            continue;
        };
        let mut place: Vec<_> = line[..at].split(':').collect();
        place.truncate(2);
        messages.push(format!("{}:{}", place.join(":"), &line[at..]));
    }
    messages.sort();
    messages
}

#[test]
fn code_generation() {
    check(
        &[
            ("a.c", PLAIN),
            (
                "a.cc",
                "#include <vector>\nint f(std::vector<int> v) { return v.at(1); }\nnamespace { int g() { static int n; return ++n; } }\nint h() { return g(); }\n",
            ),
        ],
        &[
            ("gcc a.c", Remote),
            ("gcc -O2 -fPIC -fvisibility=hidden -fstack-protector-strong a.c", Remote),
            ("gcc -O2 -Wp,-D_FORTIFY_SOURCE=2 -Wall -Wformat-security -fcf-protection a.c", Remote),
            ("gcc -Os -ffunction-sections -fdata-sections -fno-ident -pipe a.c", Remote),
            ("gcc -O3 -mavx2 -fopenmp -pthread -ffast-math a.c", Remote),
            ("gcc -pg -O1 -fno-omit-frame-pointer a.c -o out/x.o", Remote),
            ("gcc -std=gnu89 -ansi -pedantic -fwrapv -fno-builtin -ffreestanding a.c", Remote),
            (
                "gcc -funsigned-char -fshort-enums -fverbose-asm --param max-inline-insns-single=10 a.c",
                Remote,
            ),
            ("gcc -O2 -march=native a.c", Remote),
            ("gcc -save-temps a.c", Here("extra-output")),
            ("gcc -fstack-usage a.c", Here("extra-output")),
            (
                "gcc -mcmodel=kernel -mno-red-zone -mno-sse -mharden-sls=all -fno-strict-aliasing -fno-common -fno-pie -nostdinc a.c",
                Remote,
            ),
            ("g++ -O2 -std=c++17 -fno-exceptions -fno-rtti a.cc", Remote),
            (
                "g++ -O2 -std=gnu++20 -frandom-seed=x -ftemplate-depth=500 -fpermissive -fmax-errors=3 a.cc",
                Remote,
            ),
            (
                "g++ -O2 -D_GLIBCXX_ASSERTIONS -fstack-clash-protection -ffile-prefix-map=/x=/y a.cc",
                Remote,
            ),
            ("gcc -x c++ a.c", Remote),
            ("g++ a.c", Remote),
            ("clang -O2 -fPIC -fvisibility=hidden -fstack-protector-strong a.c", Remote),
            (
                "clang -O2 -fno-strict-aliasing -ffunction-sections -fdata-sections -mavx2 -fcolor-diagnostics a.c",
                Remote,
            ),
            (
                "clang++ -O2 -std=c++20 -fno-exceptions -fno-rtti -nostdinc++ -isystem/usr/include/c++/12 -isystem/usr/include/x86_64-linux-gnu/c++/12 a.cc",
                Remote,
            ),
            ("clang -fembed-bitcode a.c", Here("records-details")),
            ("clang -O2 -g a.c", Here("no-directory-line")),
            ("clang -O2 -gline-tables-only a.c", Here("no-directory-line")),
            ("clang -fembed-bitcode=marker a.c", Here("records-details")),
            ("clang -O2 -flto=thin a.c", Here("link-time-optimization")),
            ("clang -O2 -frecord-command-line a.c", Here("records-details")),
        ],
    );
}

#[test]
fn the_processor_of_this_machine() {
    let sum = "float sum(const float *x, int n) { float s = 0; for (int i = 0; i < n; i++) s += \
               x[i] * 3; return s; }\n#ifdef __AVX2__\nint avx2;\n#endif\n";
    check(
        &[
            ("a.c", sum),
            (
                "a.cc",
                "#include <vector>\nint f(std::vector<int> v) { int s = 0; for (int i : v) s += i; return s; }\n",
            ),
        ],
        &[
            ("gcc -O3 -ffast-math -march=native a.c", Remote),
            ("gcc -O3 -ffast-math -mtune=native a.c", Remote),
            ("gcc -O3 -ffast-math -mtune=native -mfpmath=sse -march=native a.c", Remote),
            ("gcc -O3 -ffast-math -march=native -fPIC -MD a.c", Remote),
            ("gcc -O3 -march=native -mno-avx a.c", Here("native-tuning")),
            ("gcc -O3 -march=native -mtune=generic --param l1-cache-size=8 a.c", Remote),
            ("gcc -O3 -march=native -m32 -ffreestanding a.c", Remote),
            ("gcc -O3 -march=native -march=x86-64 a.c", Here("native-tuning")),
            ("gcc -O3 -march=x86-64 -march=native a.c", Here("native-tuning")),
            ("g++ -O3 -march=native a.cc", Remote),
            ("gcc -O3 -march=native -g a.c", Here("native-tuning-recorded")),
            ("gcc -O3 -march=native -g -gno-record-gcc-switches a.c", Remote),
            ("gcc -O3 -march=native -g -g0 a.c", Remote),
            ("gcc -mcpu=native a.c", Here("native-tuning")),
            ("gcc -march=native -fstack-usage a.c", Here("extra-output")),
            ("clang -O3 -ffast-math -march=native a.c", Remote),
            ("clang -O3 -ffast-math -mtune=native a.c", Remote),
            ("clang -O3 -march=native -mno-avx2 a.c", Remote),
            ("clang -O3 -march=native -mtune=generic -mno-avx512f -fPIC a.c", Remote),
            ("clang++ -O3 -march=native a.cc", Remote),
            ("clang -mcpu=native a.c", Here("native-tuning")),
        ],
    );
}

#[test]
fn debug_information() {
    check(
        &[
            ("a.c", "#define X 1\nint answer(int x) { return x * 42; }\n"),
            ("in.h", "int in;\n"),
            (
                "a.cc",
                "struct S { int a; virtual int f() { return a; } };\nint g(S &s) { return s.f(); }\n",
            ),
        ],
        &[
            ("gcc -g a.c", Remote),
            ("gcc -g -O2 -gdwarf-4 a.c", Remote),
            ("gcc -ggdb a.c", Remote),
            ("gcc -g1 a.c", Remote),
            ("gcc -gz -g a.c", Remote),
            ("gcc -g -gz=none a.c", Remote),
            ("g++ -g -O2 a.cc", Remote),
            ("g++ -g -O2 -fdebug-types-section a.cc", Remote),
            ("gcc -g3 a.c", Here("records-details")),
            ("gcc -ggdb3 a.c", Here("records-details")),
            ("gcc -gdwarf-4 -g3 -g0 a.c", Here("records-details")),
            ("gcc -g3 -g1 a.c", Here("records-details")),
            ("gcc -g -fdebug-prefix-map=/tmp=/x a.c", Remote),
            ("gcc -g -ffile-prefix-map=/tmp=/x a.c", Remote),
            ("gcc -g -fno-working-directory a.c", Here("debug-columns")),
            ("gcc -g -nostdinc a.c", Remote),
            ("gcc -g -undef a.c", Remote),
            ("gcc -g -Wp,-undef a.c", Here("preprocessor-details")),
            ("gcc -g -DX2=1 -I. -include in.h -isystem system -iquote . -idirafter . a.c", Remote),
            ("gcc -g -imacros in.h a.c", Remote),
            ("gcc -g --sysroot=/ a.c", Remote),
            ("gcc -g -isysroot / a.c", Remote),
            ("gcc -g -Wp,-D_FORTIFY_SOURCE=2 -O2 a.c", Remote),
            ("gcc -g -MD -MP -MF x.d a.c", Remote),
            ("gcc -g -Wp,-MMD,x.d a.c", Remote),
            ("gcc -g -pthread -shared -static -s -L. -lm -nostdlib -rdynamic -Wl,-x a.c", Remote),
            ("gcc -g -x c++ a.c", Remote),
            ("gcc -g -remap a.c", Here("preprocessor-details")),
            ("gcc -g -H a.c", Here("extra-output")),
            ("gcc -g -pipe -fPIC -fverbose-asm -frandom-seed=a a.c", Remote),
            ("gcc -g -Wa,--noexecstack a.c", Remote),
            ("gcc -g -trigraphs -ftabstop=4 a.c", Remote),
            ("g++ -g -nostdinc++ a.cc", Remote),
            ("gcc -gstrict-dwarf -g a.c", Remote),
            ("gcc -gsplit-dwarf -g -O0 a.c", Remote),
            ("gcc -gsplit-dwarf a.c", Here("split-dwarf")),
            ("gcc -grecord-gcc-switches -g -DY -I. -O2 a.c", Remote),
            ("gcc -gno-record-gcc-switches a.c", Remote),
            ("gcc -g -A a=b -Ua a.c", Here("preprocessor-details")),
            ("gcc -g -static a.c", Remote),
            ("gcc -g -pie a.c", Remote),
        ],
    );
}

#[test]
fn dependency_files() {
    check(
        &[
            ("a.c", "#include <stddef.h>\n#include \"in.h\"\nint x = IN;\n"),
            ("in.h", "#define IN 3\n"),
            ("out/b.x.c", "int y;\n"),
        ],
        &[
            ("gcc -MD a.c", Remote),
            ("gcc -MMD a.c", Remote),
            ("gcc -MMD -MP a.c -o out/a.o", Remote),
            ("gcc -MD out/b.x.c", Remote),
            ("gcc -MD out/b.x.c -o out/b.y.lo", Remote),
            ("gcc -MD out/b.x.c -o out/noext", Remote),
            ("gcc -MD -MF out/deps a.c", Remote),
            ("gcc -MD -MFout/deps a.c", Remote),
            ("gcc -MD -MF out/deps -MT x -MT y a.c", Remote),
            ("gcc -MT x$y -MQ x$y -MMD -MF d a.c -o out/z.o", Remote),
            ("gcc -MD -MTx a.c -o out/z.o", Remote),
            ("gcc -MD -MMD a.c", Remote),
            ("gcc -MMD -MD a.c", Remote),
            ("gcc -MP a.c", Here("preprocessor-failed")),
            ("gcc -MF x a.c", Here("preprocessor-failed")),
            ("gcc -MT x a.c", Here("preprocessor-failed")),
            ("gcc -Wp,-MD,.a.o.d a.c", Remote),
            ("gcc -Wp,-MMD,.a.o.d a.c -o out/a.o", Remote),
            ("gcc -Wp,-MD,out/x.d,-MT,foo a.c -o out/a.o", Remote),
            ("gcc -Wp,-MMD,.a.o.d -Wp,-MP a.c", Remote),
            ("gcc -Wp,-MMD,.a.o.d -MD a.c", Remote),
            ("gcc -MD -MG a.c", Here("preprocessor-failed")),
            ("gcc -M a.c", Here("dependencies-only")),
            ("gcc -MM -MF x a.c", Here("dependencies-only")),
            ("gcc -MD -MF - a.c", Here("dependencies-to-stream")),
            ("clang -MD a.c", Remote),
            ("clang -MMD -MP a.c -o out/a.o", Remote),
            ("clang -MD out/b.x.c -o out/b.y.lo", Remote),
            ("clang -MD out/b.x.c", Remote),
            ("clang -MD out/b.x.c -o out/noext", Remote),
            ("clang -MD -MF out/deps -MT x -MT y a.c", Remote),
            ("clang -MD -MFout/deps -MQ x$y a.c", Remote),
            ("clang -MD -MT x a.c -o out/z.o", Remote),
            ("clang -MMD -MD -MV a.c", Remote),
            ("clang -Wp,-MD,.a.o.d a.c", Remote),
            ("clang -Wp,-MMD,.a.o.d a.c -o out/a.o", Remote),
            ("clang -MF x a.c", Remote),
            ("clang -MD -MJ x.json a.c", Here("extra-output")),
        ],
    );
}

#[test]
fn preprocessor_settings() {
    check(
        &[
            (
                "a.c",
                "#ifdef IN\nint in = IN;\n#endif\nconst char *s = \"\u{e4}\" __FILE__ __BASE_FILE__; int l = __INCLUDE_LEVEL__, c = __COUNTER__ + __COUNTER__, m = __LINE__; const void *w = L\"\u{e4}\";\nint \u{f6};\n",
            ),
            ("in.h", "#define IN 3 + __INCLUDE_LEVEL__ + __COUNTER__\n"),
            ("in.c", "#define IN 4\n"),
            ("t.c", "char s[] = \"?\\\n?=\", t[] = \"??=\"; int a<::> = <% 1 %>;\n"),
        ],
        &[
            ("gcc -include in.h a.c", Remote),
            ("gcc -include in.c a.c", Remote),
            ("gcc -imacros in.h a.c", Remote),
            ("gcc -isystem. -iquote. -idirafter . -DX=1 -UX -D Y=2 -U Y a.c", Remote),
            ("gcc -fexec-charset=latin1 a.c -DX", Remote),
            ("gcc -fexec-charset=utf-16 a.c", Remote),
            ("gcc -fwide-exec-charset=utf-16le a.c", Remote),
            ("gcc -finput-charset=latin1 a.c", Here("preprocessor-details")),
            ("gcc -fmacro-prefix-map=a.c=b.c a.c", Remote),
            ("gcc -ffile-prefix-map=a.c=b.c a.c", Remote),
            ("gcc -fno-dollars-in-identifiers -fextended-identifiers a.c", Remote),
            ("gcc -traditional-cpp t.c", Here("preprocessor-details")),
            ("gcc -trigraphs t.c", Here("preprocessor-details")),
            ("gcc -std=c99 t.c", Here("preprocessor-details")),
            ("gcc -std=gnu99 t.c", Remote),
            ("clang -std=c99 t.c", Here("preprocessor-details")),
            ("clang -trigraphs t.c", Here("preprocessor-details")),
            ("gcc -Xpreprocessor -DX a.c", Remote),
            ("gcc -Xpreprocessor -fopenmp a.c", Here("inner-option")),
            ("gcc -C a.c", Here("preprocessor-details")),
            ("gcc -P a.c", Here("preprocessor-details")),
            ("gcc -fpch-preprocess a.c", Here("modules")),
            ("clang -include in.h a.c", Remote),
            ("clang -fmacro-prefix-map=a.c=b.c a.c", Remote),
            ("clang -fexec-charset=utf-8 a.c", Remote),
        ],
    );
}

#[test]
fn sources_of_all_kinds() {
    let files = [
        ("poison.c", "#define foo bar\nint bar;\n#pragma GCC poison bar\nint *p = &foo;\n"),
        (
            "pragma.c",
            "#pragma once\n#pragma pack(push, 1)\nstruct s { char a; int b; };\n#pragma pack(pop)\n#pragma weak w\nextern int w;\n#define X 1\n#pragma push_macro(\"X\")\n#undef X\n#define X 2\n#pragma pop_macro(\"X\")\nint x[X + sizeof(struct s)], *p = &w;\n#ident \"hello\"\n",
        ),
        (
            "message.c",
            "#pragma message \"hi\"\n#pragma GCC warning \"look\"\n#warning hey\nint x;\n",
        ),
        (
            "macro.c",
            "#define Q _Pragma(\"GCC diagnostic push\") _Pragma(\"GCC diagnostic ignored \\\"-Wunused-variable\\\"\") int q; _Pragma(\"GCC diagnostic pop\")\nvoid f(void) { Q int y; }\n",
        ),
        (
            "omp.c",
            "#define P _Pragma(\"omp parallel for\")\nvoid f(int *a) { P for (int i = 0; i < 9; i++) a[i] = i; }\n#pragma omp declare simd\nint g(int x) { return x; }\n",
        ),
        (
            "asm.c",
            "void f(void) { __asm__ volatile(\"1: jmp 1b\\n.Lx%=:\" ::: \"memory\"); asm goto(\"jmp %l0\" :::: out); out:; }\n",
        ),
        ("crlf.c", "int a;\r\n#define X \\\r\n 3\r\nint b = X;\r\n"),
        ("noend.c", "int a = __LINE__;"),
        ("bom.c", "\u{feff}int a;\n"),
        ("empty.c", ""),
        (
            "raw.cc",
            "auto r = R\"x(a\\\nb ??/ \"c)x\"; int \\u00e4 = 1, \u{f6} = 2; const char8_t *u = u8\"\u{e4}\\u00e4\";\n",
        ),
        (
            "fall.c",
            "int f(int x) { switch (x) { case 1: x++; /* fall through */ case 2: x++; } return x; }\n",
        ),
        (
            "system/s.h",
            "static inline int s(int a) { int unused; return 1; }\n#define SELF(a) ((a) == (a))\n#define EMPTY if (x) ;\n",
        ),
        ("sys.c", "#include <s.h>\nint f(int x) { EMPTY return SELF(x); }\n"),
        (
            "own.c",
            "#define SAME(a, b) ((a) == (b))\n#define ONE 1\n#define ALSO 1\n#define UNUSED\n#if UNKNOWN\n#endif\nint f(int x) { if (SAME(x, 1)) return 2; return ONE == ALSO || x == ONE; }\n",
        ),
        (
            "column.cc",
            "#include <source_location>\n#define M 1234567\nint f() { return M; } int g = M + std::source_location::current().column();\n",
        ),
        ("builtin.c", "#define M 1234567\nint f(void) { return M + __builtin_COLUMN(); }\n"),
    ];
    check(
        &files,
        &[
            ("gcc poison.c", Remote),
            ("gcc pragma.c", Remote),
            ("gcc message.c", Remote),
            ("gcc -Werror message.c", Here("preprocessor-failed")),
            ("gcc -Wall -Wno-unused-variable macro.c", Remote),
            ("gcc -fopenmp -O2 omp.c", Remote),
            ("gcc -Wall omp.c", Remote),
            ("gcc asm.c", Remote),
            ("gcc crlf.c", Remote),
            ("gcc noend.c", Remote),
            ("gcc bom.c", Remote),
            ("gcc empty.c", Remote),
            ("gcc -g empty.c", Remote),
            ("g++ -std=c++20 raw.cc", Remote),
            ("g++ -std=c++20 -finput-charset=utf-8 raw.cc", Here("preprocessor-details")),
            ("gcc -Wimplicit-fallthrough fall.c", Here("artefact-of-preprocessing")),
            ("gcc -Wextra -Werror fall.c", Here("artefact-of-preprocessing")),
            ("gcc -isystem system -Wall -Wextra -Wempty-body sys.c", Remote),
            (
                "gcc -isystem system -Wall -Wextra -Wsystem-headers sys.c",
                Here("artefact-of-preprocessing"),
            ),
            (
                "gcc -Wall -Wextra -Wtautological-compare -Wlogical-op -Wunused-macros -Wundef own.c",
                Remote,
            ),
            ("g++ -std=c++20 column.cc", Here("records-details")),
            ("clang poison.c", Remote),
            ("clang pragma.c", Remote),
            ("clang message.c", Remote),
            ("clang asm.c", Remote),
            ("clang crlf.c", Remote),
            ("clang empty.c", Remote),
            ("clang builtin.c", Here("records-details")),
            ("clang++ -std=c++20 raw.cc", Remote),
            ("clang -isystem system -Wall -Wextra sys.c", Here("artefact-of-preprocessing")),
            (
                "clang -Wall -Wextra -Wunused-macros -Wundef own.c",
                Here("artefact-of-preprocessing"),
            ),
            ("clang -Wunused-macros -Wundef -Wno-parentheses-equality own.c", Remote),
        ],
    );
}

#[test]
fn long_names_and_inner_words() {
    check(
        &[
            (
                "a.c",
                "#include \"in.h\"\n#define M(x) (x + \\\n 1)\nint t;\nint f(int *p) { return M(*p) + IN + t; }\nint main(void) { return f(&t); }\n",
            ),
            ("in.h", "#define IN 3\n"),
            ("a.inc", "#ifdef __cplusplus\nextern \"C\"\n#endif\nint g() { return 2; }\n"),
        ],
        &[
            (
                "gcc --output=out/x.o --optimize=2 --all-warnings --std=c11 --define-macro X=1 a.c",
                Remote,
            ),
            (
                "gcc --output x.o --write-dependencies --include-directory . --include=in.h a.c",
                Remote,
            ),
            ("gcc --language=c++ a.inc --std c++17", Remote),
            ("gcc --write-user-dependencies --extra-warnings --warn-unused a.c", Remote),
            (
                "clang --output=out/x.o --optimize=2 --all-warnings --std=c11 --define-macro X=1 a.c",
                Remote,
            ),
            ("clang --write-dependencies --include in.h --output x.o a.c", Remote),
            ("clang -O2 -o x.o -MD -- a.c", Here("not-a-compile")),
            ("gcc -O2 -fsanitize=thread a.c", Remote),
            ("clang -O2 -fsanitize=thread a.c", Remote),
            ("clang -O2 -fsanitize=safe-stack a.c", Remote),
            ("gcc -fsanitize=leak a.c", Remote),
            ("gcc -fsanitize-coverage=trace-pc -O2 a.c", Remote),
            ("clang -fsanitize-coverage=trace-pc-guard -O2 a.c", Remote),
            ("gcc -Xassembler --noexecstack -Xassembler --elf-stt-common=yes a.c", Remote),
            ("clang -Xassembler --noexecstack a.c", Remote),
            ("clang -Xclang -disable-llvm-passes -O1 a.c", Remote),
            ("clang -mllvm -inline-threshold=9 -O2 a.c", Remote),
            ("gcc -Wp,-MMD,x.d -Wp,-MP -Wp,-MT,y -Wp,-include,in.h a.c", Remote),
            ("clang -Wp,-MMD,x.d,-MT,y a.c", Here("preprocessor-details")),
            ("gcc -frandom-seed=out/x -ffile-prefix-map=/a=/b -fprofile-update=atomic a.c", Remote),
            ("clang -fcoverage-prefix-map=/a=/b a.c", Here("profile")),
            ("gcc -Qn a.c", Remote),
            ("clang -Qn a.c", Remote),
            ("gcc -u g -znow -T x -e main -n a.c", Remote),
            ("gcc -march=native+x a.c", Here("native-tuning")),
        ],
    );
}

/// Each file is read by both compilers, which the macros in the object show.
#[test]
fn response_files() {
    check(
        &[
            (
                "a.c",
                "int w[] = { W };\n#ifdef N\nint n[] = { N };\n#endif\n#ifdef S\nconst char *s = S;\n#endif\n",
            ),
            ("plain.rsp", "-O2\n-DW=1,2\t-DN=1\r\n -o out/x.o\n"),
            ("quotes.rsp", r#"'-DS="a b" "c\\"d"' "-DN=3" -D'W'="7"', 8'"#),
            ("backslashes.rsp", "-DS=\\\"a\\ b\\\" -DW=\\'c\\' -D\"N=\\\n4\" -DQ=\\n"),
            ("nested.rsp", "'@folder/inner.rsp' \\@plain.rsp a.c"),
            ("folder/inner.rsp", "-DN=5 \"-MD\" @empty.rsp"),
            ("empty.rsp", " \n"),
            ("unclosed.rsp", "-DN=6 '-DW=1, 2"),
            ("loop.rsp", "-DW=1 @loop.rsp"),
            ("void.rsp", "-DW=1 ''"),
            ("feed.rsp", "-DW=1\u{c}-DN=2"),
            ("end.rsp", "-DW=1 -DN=2\\"),
            ("mark.rsp", "\u{feff}-DW=1"),
            ("nul.rsp", "-DW=1\0 -DN=2"),
        ],
        &[
            ("gcc @plain.rsp a.c", Remote),
            ("gcc @quotes.rsp a.c", Remote),
            ("gcc @backslashes.rsp a.c", Remote),
            ("gcc @nested.rsp", Remote),
            ("gcc @unclosed.rsp a.c", Remote),
            ("gcc @missing.rsp a.c", Here("response-file")),
            ("gcc @folder a.c", Here("response-file")),
            ("gcc @/dev/null a.c", Here("response-file")),
            ("gcc @loop.rsp a.c", Here("response-file")),
            ("gcc @void.rsp a.c", Here("response-file")),
            ("gcc @feed.rsp a.c", Here("response-file")),
            ("gcc @end.rsp a.c", Here("response-file")),
            ("gcc @mark.rsp a.c", Here("response-file")),
            ("gcc @nul.rsp a.c", Here("response-file")),
            ("clang @plain.rsp a.c", Remote),
            ("clang @quotes.rsp a.c", Remote),
            ("clang @backslashes.rsp a.c", Remote),
            ("clang @nested.rsp", Remote),
            ("clang @unclosed.rsp a.c", Remote),
            ("clang @missing.rsp a.c", Here("response-file")),
            ("clang @loop.rsp a.c", Here("response-file")),
            ("clang @void.rsp a.c", Here("response-file")),
            ("clang @feed.rsp a.c", Here("response-file")),
            ("clang @mark.rsp a.c", Here("response-file")),
        ],
    );
}
