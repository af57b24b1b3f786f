//! Cases that a seed decides.

use std::path::Path;

use crate::case::{Before, Case, Group, Launch};
use crate::options::{C_DIALECTS, CXX_DIALECTS, POOLS};
use crate::random::Random;
use crate::sources::{Language, SQLITE_ONCE_IN, Source, Tree};

/// Those of our own sources that no compiler takes: they are many, and to be taken less often.
const BROKEN: [&str; 16] = [
    "asm_error.c",
    "hash_error.c",
    "hints.c",
    "include_error.c",
    "latin1.c",
    "long_line.c",
    "missing_header.c",
    "static_assert.c",
    "syntax_error.c",
    "system_macros.c",
    "type_errors.c",
    "cast.cpp",
    "concepts.cpp",
    "constexpr.cpp",
    "raw_strings.cpp",
    "templates.cpp",
];

/// Makes case `number` of the run with `seed`, for a folder.
pub(crate) fn case(seed: u64, number: usize, root: &Path, trees: &[Tree]) -> Case {
    let random = Random::of_case(seed, number);
    let is_large = number % SQLITE_ONCE_IN == SQLITE_ONCE_IN - 1;
    let mut generator = Generator {
        random,
        root: root.display().to_string(),
        directory: "",
        cxx: false,
        clang: false,
    };
    let weights: Vec<(usize, usize)> =
        trees.iter().enumerate().map(|(index, tree)| (tree.weight, index)).collect();
    let tree = if is_large { trees.len() - 1 } else { *generator.random.weighted(&weights) };
    generator.case(number, tree, &trees[tree])
}

fn has_word(groups: &[Group], word: &str) -> bool {
    groups.iter().any(|group| group.words.iter().any(|other| other == word))
}

struct Generator {
    random: Random,
    root: String,
    directory: &'static str,
    cxx: bool,
    clang: bool,
}

impl Generator {
    fn case(mut self, number: usize, tree: usize, from: &Tree) -> Case {
        let mut source = self.random.pick(&from.sources);
        if BROKEN.contains(&source.path.as_str()) && self.random.chance(60) {
            source = self.random.pick(&from.sources);
        }
        self.directory = if self.random.chance(8) { "sub" } else { "" };
        let compiler = self.compiler(source.language);
        let calm = self.random.chance(55);
        let mut groups = self.options(source, calm);
        self.random.shuffle(&mut groups);
        self.insert_needed(&mut groups, from);
        self.insert_mode(&mut groups);
        let before = self.insert_output(&mut groups, source);
        // Then the compiler's exit status hangs on whether the assembler ends before it.
        if has_word(&groups, "no/such/folder.o") {
            groups.retain(|group| group.words != ["-pipe"]);
        }
        self.insert_sources(&mut groups, from, source);
        if self.random.chance(6) {
            let start = self.random.below(groups.len());
            let n_groups = 1 + self.random.below(groups.len() - start);
            groups[start..start + n_groups].iter_mut().for_each(|group| group.in_file = true);
        }
        let masquerades = !compiler.contains('/') && self.random.chance(20);
        Case {
            number,
            origin: if from.name.is_empty() { "own sources" } else { from.name },
            launch: if masquerades { Launch::Masquerade } else { Launch::Distcc },
            compiler,
            groups,
            environment: self.environment(),
            directory: self.directory.into(),
            trees: if tree == 0 { vec![0] } else { vec![0, tree] },
            before,
        }
    }

    fn compiler(&mut self, language: Language) -> String {
        let names: &[(usize, &str)] = if language.is_cxx() {
            self.cxx = true;
            &[
                (42, "g++"),
                (27, "clang++"),
                (7, "c++"),
                (3, "gcc"),
                (3, "clang"),
                (3, "g++-12"),
                (3, "x86_64-linux-gnu-g++"),
                (3, "/usr/bin/g++"),
                (2, "clang++-14"),
            ]
        } else {
            &[
                (42, "gcc"),
                (27, "clang"),
                (7, "cc"),
                (3, "g++"),
                (2, "clang++"),
                (3, "gcc-12"),
                (3, "x86_64-linux-gnu-gcc"),
                (3, "/usr/bin/gcc"),
                (2, "clang-14"),
                (1, "c99"),
            ]
        };
        let name = *self.random.weighted(names);
        self.clang = name.contains("clang");
        name.to_owned()
    }

    fn options(&mut self, source: &Source, calm: bool) -> Vec<Group> {
        let mut groups = Vec::new();
        for pool in &POOLS {
            if !self.random.chance(if calm { pool.percent / 2 } else { pool.percent }) {
                continue;
            }
            let own = if self.clang { pool.clang } else { pool.gcc };
            let n_options = 1 + self.random.below(if calm { 1 } else { pool.most });
            for _ in 0..n_options {
                let index = self.random.below(pool.both.len() + own.len());
                let option = pool.both.get(index).unwrap_or_else(|| &own[index - pool.both.len()]);
                groups.push(self.group(option));
            }
        }
        let dialects = match source.language {
            Language::C | Language::ObjectiveC => C_DIALECTS,
            Language::Cxx | Language::ObjectiveCxx => CXX_DIALECTS,
            Language::Assembler => &[],
        };
        // Some of our own sources need the dialect of their subject.
        let needed = match source.path.as_str() {
            "concepts.cpp" | "source_location.cpp" => Some("-std=c++20"),
            "modern.C" => Some("-std=c++17"),
            "trigraphs.c" => Some("-std=c99"),
            _ => None,
        };
        if let Some(dialect) = needed.filter(|_| self.random.chance(80)) {
            groups.push(self.group(dialect));
        } else if !dialects.is_empty() && self.random.chance(35) {
            let dialect = *self.random.pick(dialects);
            groups.push(self.group(dialect));
        }
        groups
    }

    /// The words of an option, with the names of this case.
    fn group(&self, option: &str) -> Group {
        let words = option.split(' ').map(|word| {
            word.replace('~', " ").replace("HERE/", self.here()).replace("ROOT", &self.root)
        });
        Group { words: words.collect(), in_file: false, is_needed: false }
    }

    /// The way from the working directory to the folder of the case.
    fn here(&self) -> &'static str {
        if self.directory.is_empty() { "" } else { "../" }
    }

    /// A path of a file, spelled in one of the ways that lead to it.
    fn path(&mut self, path: &str) -> String {
        let here = self.here();
        match self.random.below(20) {
            0..=2 => format!("{}/{path}", self.root),
            3 => format!("./{here}{path}"),
            4 => format!("{here}sub/../{path}"),
            5 => format!("{here}./{path}"),
            6 => format!("{here}include//..//{path}"),
            _ => format!("{here}{path}"),
        }
    }

    /// What the sources of a tree need.
    fn insert_needed(&mut self, groups: &mut Vec<Group>, from: &Tree) {
        for include in from.includes {
            let place = format!("HERE/{}/{include}", from.name);
            let place =
                if self.random.chance(25) { format!("-I {place}") } else { format!("-I{place}") };
            self.insert(groups, &place);
        }
        for option in from.options {
            self.insert(groups, option);
        }
    }

    fn insert(&mut self, groups: &mut Vec<Group>, option: &str) {
        let group = Group { is_needed: true, ..self.group(option) };
        let place = self.random.below(groups.len() + 1);
        groups.insert(place, group);
    }

    fn insert_mode(&mut self, groups: &mut Vec<Group>) {
        let mode = *self.random.weighted(&[
            (190, "-c"),
            (4, "-S"),
            (4, "-E"),
            (1, "-M"),
            (1, "-MM"),
            (1, "-E -P"),
            (1, "-c -S"),
            (1, "-fsyntax-only"),
            (2, ""),
            (2, "--compile"),
            (1, "-###"),
        ]);
        if !mode.is_empty() {
            self.insert(groups, mode);
        }
    }

    fn insert_output(&mut self, groups: &mut Vec<Group>, source: &Source) -> Before {
        let stem = Path::new(&source.path).file_stem().unwrap_or_default().to_string_lossy();
        let stem = stem.replace(' ', "~");
        let output = match self.random.below(20) {
            0..=4 => return Before::Nothing,
            5..=7 => "-o HERE/out.o".to_owned(),
            8..=10 => format!("-o {stem}.o"),
            11 => format!("-oHERE/{stem}.o"),
            12 => "-o HERE/out/deeper/x.o".to_owned(),
            13 => "-o ROOT/out/x.o".to_owned(),
            14 if self.random.chance(20) => "-o out".to_owned(),
            15 => "-o HERE/out/two.dots.obj".to_owned(),
            16 => "-o HERE/out/a~b.o".to_owned(),
            17 => match self.random.below(4) {
                0 => "-o /dev/null".to_owned(),
                1 => "-o no/such/folder.o".to_owned(),
                2 => "-o -".to_owned(),
                _ => "--output=HERE/out.o".to_owned(),
            },
            _ => "-o HERE/out/x.o".to_owned(),
        };
        self.insert(groups, &output);
        let place = match output.as_str() {
            "-o HERE/out.o" => "out.o",
            "-o HERE/out/x.o" => "out/x.o",
            _ => return Before::Nothing,
        };
        match self.random.below(10) {
            0 => Before::File(place),
            1 if self.random.chance(30) => Before::Link(place),
            _ => Before::Nothing,
        }
    }

    fn insert_sources(&mut self, groups: &mut Vec<Group>, from: &Tree, source: &Source) {
        let needs_language = source.path.ends_with(".inc");
        let language = match source.language {
            _ if source.path.ends_with(".i") => "cpp-output",
            _ if source.path.ends_with(".ii") => "c++-cpp-output",
            _ if source.path.ends_with(".S") => "assembler-with-cpp",
            Language::C if self.cxx => "c++",
            Language::C => "c",
            Language::Cxx => "c++",
            Language::ObjectiveC => "objective-c",
            Language::ObjectiveCxx => "objective-c++",
            Language::Assembler => "assembler",
        };
        let mut words = Vec::new();
        if needs_language || self.random.chance(7) {
            match self.random.below(3) {
                0 => words.push(format!("-x{language}")),
                _ => words.extend(["-x".to_owned(), language.to_owned()]),
            }
        }
        if self.random.chance(1) {
            words.push("-".to_owned());
        } else {
            words.push(self.path(&source.path));
        }
        if self.random.chance(3) {
            words.push("-xnone".to_owned());
        }
        if self.random.chance(3) {
            let other = self.random.pick(&from.sources).path.clone();
            words.push(self.path(&other));
        }
        let group = Group { words, in_file: false, is_needed: true };
        let place = match self.random.chance(60) {
            true => groups.len(),
            false => self.random.below(groups.len() + 1),
        };
        groups.insert(place, group);
    }

    fn environment(&mut self) -> Vec<(&'static str, String)> {
        let mut environment = Vec::new();
        let locale = *self.random.weighted(&[(8, "C.UTF-8"), (2, "C")]);
        environment.push(("LC_ALL", locale.to_owned()));
        let root = &self.root;
        let more: [(usize, &'static str, String); 8] = [
            (3, "CPATH", format!("{root}/include")),
            (2, "C_INCLUDE_PATH", format!("{root}/system:")),
            (2, "CPLUS_INCLUDE_PATH", "include:other".to_owned()),
            (2, "DEPENDENCIES_OUTPUT", format!("{root}/env.d target")),
            (1, "SUNPRO_DEPENDENCIES", format!("{root}/env2.d")),
            (25, "SOURCE_DATE_EPOCH", "1700000000".to_owned()),
            (2, "GCC_COLORS", "error=01;35:quote=01".to_owned()),
            (1, "TERM", "xterm-256color".to_owned()),
        ];
        for (percent, name, value) in more {
            if self.random.chance(percent) {
                environment.push((name, value));
            }
        }
        environment
    }
}
