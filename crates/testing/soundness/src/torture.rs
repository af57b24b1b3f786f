//! Generated trees of files that include each other in all ways, and the question whether a compile
//! in a copy that has the closure alone sees what it sees in the whole tree.

use std::fmt::Write as _;
use std::os::unix::fs::symlink;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use anyhow::{Result, ensure};

use crate::judge::{Judge, Verdict};
use crate::unit::Unit;

/// What became of one tree with one compiler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The compiler does not get through it.
    NotCompiled,
    /// The closure has a doubt.
    Doubted,
    /// The copy is as good as the tree.
    Same,
}

/// Makes the tree of a seed below `folder` and judges it.
///
/// # Errors
/// When something is missed, with what it is.
pub fn torture(
    seed: u64,
    compiler: &'static str,
    folder: &Path,
    judge: &mut Judge,
) -> Result<Outcome> {
    let (whole, copy) = (folder.join("whole"), folder.join("copy"));
    for old in [&whole, &copy] {
        let _ = std::fs::remove_dir_all(old);
    }
    judge.forget();
    let mut tree = Tree::new(seed, &whole);
    let unit = tree.make(compiler)?;
    let Some((expected, read)) = unit.preprocessed(&whole)? else {
        return Ok(Outcome::NotCompiled);
    };
    match judge.compare(&unit, &read)? {
        Verdict::NotCompiled => return Ok(Outcome::NotCompiled),
        Verdict::Doubted(_) => return Ok(Outcome::Doubted),
        Verdict::Missed(names) => {
            anyhow::bail!("seed {seed}, {compiler}: not in the closure: {}", names.join(" "))
        }
        Verdict::Covered { .. } => {}
    }
    let closure = judge.closure(&unit)?;
    for name in FOLDERS {
        std::fs::create_dir_all(copy.join(name))?;
    }
    for name in &closure.files {
        copy_file(&whole, &copy, std::str::from_utf8(name)?)?;
    }
    let found = unit.preprocessed(&copy)?.map(|(text, _)| text).unwrap_or_default();
    ensure!(
        expected == found,
        "seed {seed}, {compiler}: the copy is read differently:\n{}\nexpected:\n{}\nfound:\n{}",
        unit.options.join(" "),
        String::from_utf8_lossy(&expected),
        String::from_utf8_lossy(&found),
    );
    Ok(Outcome::Same)
}

/// Puts a file of the tree into the copy, and the links by which it is named.
fn copy_file(whole: &Path, copy: &Path, name: &str) -> Result<()> {
    let name = Path::new(name);
    // What belongs to the system stays where it is.
    let Ok(name) = name
        .strip_prefix(whole)
        .or_else(|error| if name.is_relative() { Ok(name) } else { Err(error) })
    else {
        return Ok(());
    };
    let mut parts: Vec<PathBuf> =
        name.components().rev().map(|c| PathBuf::from(c.as_os_str())).collect();
    let mut place = PathBuf::new();
    while let Some(part) = parts.pop() {
        match part.components().next() {
            Some(Component::ParentDir) => {
                place.pop();
                continue;
            }
            Some(Component::Normal(_)) => place.push(&part),
            _ => continue,
        }
        let (from, to) = (whole.join(&place), copy.join(&place));
        if let Ok(target) = std::fs::read_link(&from) {
            if !to.is_symlink() {
                symlink(&target, &to)?;
            }
            place.pop();
            parts.extend(target.components().rev().map(|c| PathBuf::from(c.as_os_str())));
        } else if from.is_dir() {
            std::fs::create_dir_all(&to)?;
        } else {
            std::fs::copy(&from, &to)?;
        }
    }
    Ok(())
}

/// The folders of a tree.
const FOLDERS: [&str; 7] = ["src", "src/deep", "inc", "inc/sub", "quote", "sys", "after"];

/// The names of headers; each may be in several folders.
const HEADERS: [&str; 8] = ["a.h", "b.h", "c.h", "d.h", "e.h", "f1.h", "f2.h", "ä b.h"];

/// Links: where they are, and where they lead.
const LINKS: [(&str, &str); 4] = [
    ("inc/link", "../src/deep"),
    ("src/linked.h", "../inc/sub/a.h"),
    ("quote/up", ".."),
    ("sys/b.h", "../inc/b.h"),
];

struct Tree<'a> {
    random: u64,
    folder: &'a Path,
    n_lines: usize,
    files: Vec<String>,
}

impl<'a> Tree<'a> {
    fn new(seed: u64, folder: &'a Path) -> Tree<'a> {
        let random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x2545_f491_4f6c_dd1d;
        Tree { random, folder, n_lines: 0, files: Vec::new() }
    }

    fn below(&mut self, n: usize) -> usize {
        // xorshift64*.
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        let high = self.random.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(high).unwrap_or(0) % n
    }

    fn one_of<'t>(&mut self, list: &[&'t str]) -> &'t str {
        list[self.below(list.len())]
    }

    /// Writes everything, and says how it is compiled.
    fn make(&mut self, compiler: &'static str) -> Result<Unit> {
        for folder in FOLDERS {
            std::fs::create_dir_all(self.folder.join(folder))?;
        }
        for (link, target) in LINKS {
            if self.below(2) == 0 {
                symlink(target, self.folder.join(link))?;
            }
        }
        for folder in FOLDERS {
            for header in HEADERS {
                let name = format!("{folder}/{header}");
                if self.below(2) == 0 && !self.folder.join(&name).is_symlink() {
                    self.files.push(name);
                }
            }
        }
        for name in self.files.clone() {
            let text = self.header(&name);
            std::fs::write(self.folder.join(&name), text)?;
        }
        let source = if self.below(2) == 0 { "src/main.c" } else { "src/main.cc" };
        let body = self.body(source, 14);
        std::fs::write(self.folder.join(source), body)?;
        std::fs::write(self.folder.join("macros.h"), MACROS)?;
        let mut options: Vec<String> = [
            "-imacros",
            "macros.h",
            "-iquotequote",
            "-Iinc",
            "-Isys",
            "-idirafterafter",
            "-DM0=1",
            "-DM1(x)=x",
            "-UM2",
        ]
        .map(str::to_owned)
        .into();
        for name in ["-include", "-imacros"] {
            if self.below(4) == 0 && !self.files.is_empty() {
                let at = self.below(self.files.len());
                options.extend([name.to_owned(), self.files[at].clone()]);
            }
        }
        Ok(Unit {
            compiler,
            options: Arc::new(options),
            source: source.to_owned(),
            folder: Arc::new(self.folder.to_owned()),
        })
    }

    /// A header that is read twice at most.
    fn header(&mut self, name: &str) -> String {
        let guard: String =
            name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        let body = self.body(name, 5);
        match self.below(6) {
            0 => format!("#pragma once\n{body}"),
            1 | 2 => format!("/* x */\n#ifndef {guard}\n#define {guard}\n{body}#endif\n"),
            3 => format!("#if !defined({guard})\n#define {guard} 1\n{body}#endif // x\n"),
            4 => format!(
                "#if !defined {guard}_1\n#define {guard}_1\n{body}#elif !defined {guard}_2\n\
                 #define {guard}_2\n{body}#endif\n"
            ),
            _ => format!("#ifdef {guard}\n#else\n#define {guard}\n{body}#endif\n"),
        }
    }

    fn body(&mut self, file: &str, n: usize) -> String {
        let mut text = String::new();
        for _ in 0..n {
            self.lines(file, &mut text, 0);
        }
        text
    }

    fn lines(&mut self, file: &str, text: &mut String, depth: usize) {
        self.n_lines += 1;
        let n = self.n_lines;
        match self.below(16) {
            0..=4 => self.include(file, text),
            5 | 6 => self.computed(text),
            7 | 8 if depth < 3 => self.conditional(file, text, depth),
            9 | 10 => self.define(text),
            11 => self.trap(file, text),
            12 => {
                let name = self.one_of(&["M0", "M2", "M3", "M4"]);
                let _ = writeln!(text, "#undef {name}");
            }
            13 => {
                let (name, how) = (self.one_of(&["M0", "M3", "M4"]), self.one_of(&["push", "pop"]));
                let _ = writeln!(text, "#pragma {how}_macro(\"{name}\")");
            }
            _ => {
                let _ = writeln!(text, "int line{n} = M0 M3 + M4, m1 = M1(M0);");
            }
        }
    }

    /// The name of a header as it could stand in a file, and its quotes.
    fn name(&mut self) -> (String, char, char) {
        let header = self.one_of(&HEADERS).to_owned();
        let before = self.one_of(&[
            "", "", "sub/", "../inc/", "deep/", "../", "link/", "link/../", "up/inc/", "./",
            "none/../",
        ]);
        let name = match self.below(8) {
            0 => "linked.h".to_owned(),
            1 | 2 => format!("{before}{header}"),
            // One that is there, from some folder on.
            _ => {
                let at = self.below(self.files.len().max(1));
                let file = self.files.get(at).cloned().unwrap_or(header);
                let n_parts = 1 + self.below(2);
                let parts: Vec<&str> = file.rsplitn(n_parts + 1, '/').take(n_parts).collect();
                parts.into_iter().rev().collect::<Vec<_>>().join("/")
            }
        };
        if self.below(2) == 0 { (name, '"', '"') } else { (name, '<', '>') }
    }

    fn include(&mut self, file: &str, text: &mut String) {
        let (name, open, close) = self.name();
        let word = self.one_of(&[
            "#include",
            "#include",
            "#include",
            "# include",
            "#include_next",
            "#import",
            "/* x\n */ # /* y */ include",
            "#in\\\nclude",
            "%:include",
        ]);
        // GCC has no words for the next one of the last.
        let word =
            if file.starts_with("after/") && word == "#include_next" { "#include" } else { word };
        let (question, n_ways) = match word {
            "#include_next" => ("__has_include_next", 1),
            _ => ("__has_include", 5),
        };
        // Some ask directly, some by a macro.
        match self.below(n_ways) + 5 - n_ways {
            0 => {
                let _ = writeln!(text, "#if HAS({open}{name}{close})");
            }
            1 => {
                let _ = writeln!(text, "#if M0 + 1 > 0 && {question}({open}{name}{close})");
            }
            _ => {
                let _ = writeln!(text, "#if {question} ({open}{name}{close}) // x");
            }
        }
        let _ = writeln!(
            text,
            "{word} {open}{name}{close}\nint from_{}_{};\n#endif",
            self.n_lines,
            file.len()
        );
    }

    /// An include by macros, of a file that is there.
    fn computed(&mut self, text: &mut String) {
        let n = self.n_lines;
        let name = self.one_of(&["a.h", "b.h", "c.h", "f1.h", "f2.h"]);
        let stem = name.trim_end_matches(".h");
        let digit = if stem.len() == 2 { &stem[1..] } else { "1" };
        let (definition, operand, asked) = match self.below(9) {
            0 => (format!("#define H{n} \"{name}\""), format!("H{n}"), format!("\"{name}\"")),
            1 => (format!("#define H{n} <{name}>"), format!("H{n}"), format!("<{name}>")),
            2 => (format!("#define H{n}(x) <x>"), format!("H{n}({name})"), format!("<{name}>")),
            3 => (format!("#define S{n} {stem}"), format!("TEXT(S{n}.h)"), format!("\"{name}\"")),
            4 => (
                format!("#define N{n} {digit}"),
                format!("TEXT(JOIN(f, N{n}).h)"),
                format!("\"f{digit}.h\""),
            ),
            5 => (
                format!("#define H{n}(a, ...) TEXT(a ## __VA_ARGS__.h)"),
                format!("H{n}(f, {digit})"),
                format!("\"f{digit}.h\""),
            ),
            6 => (
                format!("#define E{n}\n#define P{n}() JOIN(PLA, IN)(f{digit})"),
                format!("TEXT(M1(P{n} E{n} ()).h)"),
                format!("\"f{digit}.h\""),
            ),
            7 => (
                format!("#define H{n} TEXT(ONE(f1, f2).h)"),
                format!("H{n}"),
                "\"f1.h\"".to_owned(),
            ),
            _ => (
                format!("#define R{n}(x) x\n#define Q{n}() R{n}"),
                format!("ANGLED(Q{n}()({name}))"),
                format!("<{name}>"),
            ),
        };
        let _ =
            writeln!(text, "{definition}\n#if __has_include({asked})\n#include {operand}\n#endif");
    }

    fn condition(&mut self) -> String {
        let name = self.one_of(&["M0", "M2", "M3", "M4", "M5"]);
        match self.below(12) {
            0 => format!("#ifdef {name}"),
            1 => format!("#ifndef {name}"),
            2 => format!("#if defined({name}) && !defined M3"),
            3 => format!("#if {name} > 1 || M0 == 1"),
            4 => format!("#if ({name} ? M4 : 1u - 2) > 0"),
            5 => "#if 0".to_owned(),
            6 => "#if M1(0x10) << 1 == 32 && 'a' == 97".to_owned(),
            7 => "#if __has_builtin(__builtin_expect)".to_owned(),
            8 => "#if HAS_M3 && __COUNTER__ >= 0".to_owned(),
            9 => format!("#if !{name} - -1 == ~-2 \\\n || 10 / 3 % 2 == 1"),
            10 => "#if M1 (M0) + JOIN(M, 3)".to_owned(),
            _ => "#if ONE(1, 0) ? 1 : (2 || M4)".to_owned(),
        }
    }

    fn conditional(&mut self, file: &str, text: &mut String, depth: usize) {
        let condition = self.condition();
        let _ = writeln!(text, "{condition}");
        for _ in 0..=self.below(2) {
            self.lines(file, text, depth + 1);
        }
        if self.below(3) == 0 {
            let other = self.condition();
            if let Some(rest) = other.strip_prefix("#if ") {
                let _ = writeln!(text, "#elif {rest}");
                self.lines(file, text, depth + 1);
            }
        }
        if self.below(2) == 0 {
            let _ = writeln!(text, "#else // {condition:?}");
            self.lines(file, text, depth + 1);
        }
        let _ = writeln!(text, "#endif");
    }

    fn define(&mut self, text: &mut String) {
        let name = self.one_of(&["M0", "M2", "M3", "M4", "M5"]);
        let value =
            self.one_of(&["1", "0", "2", "M0", "(M3 + 1)", "M1(3)", "/* x */ 5L", "0x1F", "M4"]);
        let _ = writeln!(text, "#undef {name}\n#define {name} {value}");
    }

    /// What looks like a directive, and what hides one.
    fn trap(&mut self, file: &str, text: &mut String) {
        let is_cpp = self.files.is_empty() || self.below(2) == 0;
        match self.below(8) {
            0 => text.push_str("/*\n#include \"a.h\"\n*/\n"),
            1 => text.push_str("// \\\n#define M3 7\n"),
            2 => text.push_str("const char *s1 = \"/*\"; // '\n"),
            3 => text.push_str("#if 0\ndon't \"\n#include <b.h>\n#endif\n"),
            4 => text.push_str("#define APOSTROPHE '\"'\n"),
            5 => text.push_str("#if 0\n#else /*\n#endif */\n#endif\n"),
            6 if is_cpp => text.push_str("#ifdef __cplusplus\nauto r = R\"x(\n#undef M0\n#include \"a.h\"\n)\" )x\"; int d = 1'000;\n#endif\n"),
            _ => {
                let _ = writeln!(text, "const char *name{} = __FILE__; // {file}", self.n_lines);
            }
        }
    }
}

/// What all trees have.
const MACROS: &str = "\
#define HAS(x) __has_include(x)
#define HAS_M3 (defined(M3) || M0)
#define TEXT_OF(x) #x
#define TEXT(x) TEXT_OF(x)
#define JOIN_OF(a, b) a ## b
#define JOIN(a, b) JOIN_OF(a, b)
#define PLAIN(x) x
#define ONE(a, ...) a
#define ANGLED(x) <x>
#ifndef __has_builtin
#define __has_builtin(x) 1
#endif
";
