//! The server's question in pump mode: is this stranger's command one to run on the client's own
//! files, and how?

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use crate::decision::{debug_file_of, derived_output, with_suffix};
use crate::language::{base_name, without_extension};
use crate::parse::{Command, Item, Product};
use crate::server_job::{WHOLE_TREE, has_nul, maps_for_root};
use crate::table::{Effect, Row, Shape, find};
use crate::{Reason, Refusal, Stay, WantedCompiler};

/// A command that a server may run on files that lie as the client's do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeJob {
    compiler: OsString,
    input_name: OsString,
    product: Product,
    /// Whether all that may be read is in the tree.
    is_whole: bool,
    output: OsString,
    /// Whether debug information is written to a file beside the object.
    is_split: bool,
    dependencies: Asked,
    folders: Vec<OsString>,
    words: Vec<Word>,
}

/// What a command says of dependency files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Asked {
    /// Whether one is to be written.
    any: bool,
    /// The names under which it may be written, the likeliest first.
    names: Vec<OsString>,
}

/// A word of a command, and what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Word {
    /// As it is.
    Own(OsString),
    /// The source.
    Input,
    /// The words that name the output.
    Output(Vec<OsString>),
    /// An option and the name after it that 3.4's server takes for one of the client's; joined when
    /// the option's word has it.
    Path { option: OsString, is_joined: bool, name: OsString },
    /// `-MT` and its target.
    Target(Vec<OsString>),
    /// The words that name the dependency file.
    DependencyFile(Vec<OsString>),
}

/// The options after which distcc 3.4's server puts its folder in front of an absolute name.
const PATH_OPTIONS: [&str; 9] = [
    "-I",
    "-include",
    "-imacros",
    "-idirafter",
    "-iprefix",
    "-iwithprefix",
    "-iwithprefixbefore",
    "-isystem",
    "-iquote",
];

/// Judges a command as it came from a client, the compiler first. All that is harmless stays as it
/// is, but for what only linking reads.
///
/// # Errors
/// A [`Refusal`] for every command that is not one compile of one source with known, harmless
/// options.
pub fn tree_job(words: &[OsString]) -> Result<TreeJob, Refusal> {
    let (is_whole, words) = split_marks(words);
    if let Some(word) = words.iter().find(|word| has_nul(word)) {
        return Err(refused(Reason::UnknownOption, word));
    }
    let command = Command::read(&words).map_err(Refusal::of)?;
    if let Some(word) = command.items.iter().find_map(unjudged_value) {
        return Err(refused(Reason::UnknownOption, word));
    }
    if command.source.is_preprocessed {
        // A client has it preprocessed already, and it could name a precompiled header.
        return Err(refused(Reason::UnknownInput, command.source.name));
    }
    let is_split = match command.split_debug {
        Some(word) if !is_whole || command.product != Product::Object || !command.debug => {
            return Err(refused(Reason::SplitDwarf, word));
        }
        word => word.is_some(),
    };
    let suffix = if command.product == Product::Object { ".o" } else { ".s" };
    let output = match command.output {
        Some(output) => output.to_owned(),
        None => derived_output(command.source.name, suffix),
    };
    let dependencies = Asked::of(&command)?;
    if let (false, true, Some(word)) = (dependencies.any, is_whole, idle_word(&command)) {
        // The compiler would complain, unless it is asked for a dependency file of ours.
        return Err(refused(Reason::PreprocessorDetails, word));
    }
    let folders = command.items.iter().filter_map(folder).collect();
    Ok(TreeJob {
        compiler: command.compiler.clone(),
        input_name: command.source.name.clone(),
        product: command.product,
        is_whole,
        output,
        is_split,
        dependencies,
        folders,
        words: command.items.iter().flat_map(sent).collect(),
    })
}

fn refused(reason: Reason, word: &OsStr) -> Refusal {
    Refusal::of(Stay::new(reason, word))
}

/// Whether all is in the tree, and the words without our marks.
fn split_marks(words: &[OsString]) -> (bool, Vec<OsString>) {
    let mut words = words.to_vec();
    if WantedCompiler::of_command(&words).is_some() {
        words.remove(1);
    }
    let is_whole = words.get(1).is_some_and(|word| word == WHOLE_TREE);
    if is_whole {
        words.remove(1);
    }
    (is_whole, words)
}

/// A value that looks like an option or names a file of words, where it would be sent along
/// unjudged: a compiler that does not know the option before it, or knows one without a value,
/// takes it for one.
fn unjudged_value<'a>(item: &Item<'a>) -> Option<&'a OsString> {
    let Item::Option { row, words, value } = item else { return None };
    if row.effect == Effect::PreprocessorWords {
        return (!inner_values_are_plain(value)).then(|| &words[0]);
    }
    let [_, word] = words else { return None };
    let is_judged = matches!(row.name, "-Xclang" | "-mllvm" | "-Xpreprocessor")
        || matches!(row.effect, Effect::AssemblerWords | Effect::Link);
    (!is_judged && word.as_bytes().starts_with(b"-")).then_some(word)
}

/// Whether no value among the words of `-Wp,` looks like an option or names a file of words: these
/// words reach the compiler as they are.
fn inner_values_are_plain(words: &[u8]) -> bool {
    let is_plain = |value: &[u8]| !matches!(value.first(), None | Some(b'-' | b'@'));
    inner_options(words).iter().all(|inner| inner.next.is_none_or(is_plain))
}

/// An option among the words of `-Wp,`.
struct Inner<'a> {
    row: &'static Row,
    word: &'a [u8],
    /// The next word, where that is the value.
    next: Option<&'a [u8]>,
}

/// The options among the words of `-Wp,`.
fn inner_options(words: &[u8]) -> Vec<Inner<'_>> {
    let mut found = Vec::new();
    let mut words = words.split(|byte| *byte == b',');
    while let Some(word) = words.next() {
        let Some(row) = find(word) else { continue };
        let takes_next = match row.shape {
            _ if row.effect == Effect::Dependencies => true,
            Shape::Separate => true,
            Shape::JoinedOrSeparate => word.len() == row.name.len(),
            Shape::Alone | Shape::Joined | Shape::Family => false,
        };
        let next = if takes_next { Some(words.next().unwrap_or_default()) } else { None };
        found.push(Inner { row, word, next });
    }
    found
}

impl Asked {
    fn of(command: &Command<'_>) -> Result<Asked, Refusal> {
        let (mut by_driver, mut by_words) = (false, Vec::new());
        let mut named = Vec::new();
        for item in &command.items {
            let Item::Option { row, words, value } = item else { continue };
            match row.effect {
                Effect::Dependencies => by_driver = true,
                Effect::DependencyFile if value.is_empty() => {
                    return Err(refused(Reason::PreprocessorDetails, &words[0]));
                }
                Effect::DependencyFile => named.push(OsStr::from_bytes(value).to_owned()),
                Effect::PreprocessorWords => {
                    for Inner { row, word, next } in inner_options(value) {
                        let value = next.unwrap_or_else(|| &word[row.name.len()..]);
                        match row.effect {
                            Effect::Dependencies | Effect::DependencyFile => {
                                by_words.push(OsStr::from_bytes(value).to_owned());
                            }
                            _ => {}
                        }
                    }
                }
                _ => {}
            }
        }
        let asks_by_words = command.items.iter().any(|item| match item {
            Item::Option { row: Row { effect: Effect::PreprocessorWords, .. }, value, .. } => {
                inner_options(value).iter().any(|inner| inner.row.effect == Effect::Dependencies)
            }
            _ => false,
        });
        let derived = (by_driver && named.is_empty()).then(|| match command.output {
            Some(output) => with_suffix(without_extension(output.as_bytes()), ".d"),
            None => with_suffix(base_name(without_extension(command.source.name.as_bytes())), ".d"),
        });
        // The last name of a kind counts, and those of `-Wp,` may win over the driver's.
        let names = by_words.into_iter().rev().chain(named.into_iter().rev()).chain(derived);
        Ok(Asked { any: by_driver || asks_by_words, names: names.collect() })
    }
}

/// A word about dependency files that only has a meaning beside one that asks for them.
fn idle_word<'a>(command: &Command<'a>) -> Option<&'a OsString> {
    command.items.iter().find_map(|item| match item {
        Item::Option { row, words, value } => match row.effect {
            Effect::DependencyFile | Effect::DependencyTarget => words.first(),
            // `-MP` and its like.
            Effect::Preprocess if is_of_dependencies(row.name.as_bytes()) => words.first(),
            Effect::PreprocessorWords if value.split(is_comma).any(is_of_dependencies) => {
                words.first()
            }
            _ => None,
        },
        _ => None,
    })
}

fn is_comma(byte: &u8) -> bool {
    *byte == b','
}

fn is_of_dependencies(word: &[u8]) -> bool {
    word.starts_with(b"-M") || word == b"--print-missing-file-dependencies"
}

/// A word that says how dependencies are to be written, where none are: GCC gives up at it, unless it
/// is asked for some all the same.
pub(crate) fn has_idle_word(command: &Command<'_>) -> bool {
    idle_word(command).is_some() && !Asked::of(command).is_ok_and(|asked| asked.any)
}

/// The folder that an option names as one to look for headers in.
fn folder(item: &Item<'_>) -> Option<OsString> {
    match item {
        Item::Option { row, value, .. } if row.reads.starts_with("a folder of") => {
            Some(OsStr::from_bytes(value).to_owned())
        }
        _ => None,
    }
}

/// What is sent of an item.
fn sent(item: &Item<'_>) -> Vec<Word> {
    match item {
        Item::Operand(_) => vec![Word::Input],
        Item::Odd(..) => Vec::new(),
        Item::Option { row, words, value } => match row.effect {
            Effect::Output => vec![Word::Output(words.to_vec())],
            Effect::DependencyFile => vec![Word::DependencyFile(words.to_vec())],
            Effect::DependencyTarget if row.name == "-MT" => vec![Word::Target(words.to_vec())],
            Effect::Preprocess if PATH_OPTIONS.contains(&row.name) => vec![Word::Path {
                option: row.name.into(),
                is_joined: words.len() == 1,
                name: OsStr::from_bytes(value).to_owned(),
            }],
            Effect::Compile
            | Effect::Columns
            | Effect::Target
            | Effect::Debug { .. }
            | Effect::SplitDebug
            | Effect::ToObject
            | Effect::ToAssembler
            | Effect::Language
            | Effect::AssemblerWords
            | Effect::Preprocess
            | Effect::PreprocessorWords
            | Effect::Dependencies
            | Effect::DependencyTarget => words.iter().cloned().map(Word::Own).collect(),
            Effect::Link | Effect::ToPreprocessed | Effect::Stay(_) => Vec::new(),
        },
    }
}

impl TreeJob {
    /// The compiler as the client named it.
    #[must_use]
    pub fn compiler(&self) -> &OsStr {
        &self.compiler
    }

    /// The source as the client named it.
    #[must_use]
    pub fn input_name(&self) -> &OsStr {
        &self.input_name
    }

    /// Whether all that the compile may read is in the tree: see [`WHOLE_TREE`].
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// The client's name for the object, as seen from its working folder.
    #[must_use]
    pub fn output(&self) -> &OsStr {
        &self.output
    }

    /// The suffix of what is made: `.o`, or `.s` with `-S`.
    #[must_use]
    pub fn output_suffix(&self) -> &'static str {
        if self.product == Product::Object { ".o" } else { ".s" }
    }

    /// The client's name for the file of debug information beside the object, if there is one.
    #[must_use]
    pub fn debug_file(&self) -> Option<OsString> {
        self.is_split.then(|| debug_file_of(&self.output))
    }

    /// The names under which the command has its dependency file written, the likeliest first; none
    /// where it asks for none.
    #[must_use]
    pub fn dependency_files(&self) -> &[OsString] {
        if self.dependencies.any { &self.dependencies.names } else { &[] }
    }

    /// Whether the command asks for a dependency file.
    #[must_use]
    pub fn asks_for_dependencies(&self) -> bool {
        self.dependencies.any
    }

    /// The folders that are to be looked into for headers, as the command names them.
    #[must_use]
    pub fn folders(&self) -> &[OsString] {
        &self.folders
    }

    /// The words after the compiler for a place where all files have the client's names. The
    /// dependency file goes to `dependencies` if the command asks for none.
    #[must_use]
    pub fn command(&self, dependencies: &OsStr) -> Vec<OsString> {
        let mut words = self.own_words();
        if !self.dependencies.any {
            words.extend(["-MD".into(), "-MF".into(), dependencies.to_owned()]);
        }
        words
    }

    /// The words for such a place that distcc 3.4's server would take: it always makes a dependency
    /// file of its own.
    #[must_use]
    pub fn command_as_original(&self, dependencies: &OsStr) -> Vec<OsString> {
        let mut words = self.own_words();
        if !self.dependencies.any {
            words.push("-MMD".into());
        }
        words.extend(["-MF".into(), dependencies.to_owned()]);
        words
    }

    fn own_words(&self) -> Vec<OsString> {
        let mut words = Vec::new();
        for word in &self.words {
            match word {
                Word::Own(word) => words.push(word.clone()),
                Word::Input => words.push(self.input_name.clone()),
                Word::Output(own) | Word::Target(own) | Word::DependencyFile(own) => {
                    words.extend(own.iter().cloned());
                }
                Word::Path { option, is_joined, name } => {
                    words.extend(path_words(option, *is_joined, name.clone()));
                }
            }
        }
        words
    }

    /// The words, and the target of the dependency file, for a place where the client's root is the
    /// folder `root`: absolute names in the words get that put in front.
    ///
    /// # Errors
    /// A [`Refusal`] where words write to a name that cannot be moved there.
    pub fn command_below(
        &self,
        root: &OsStr,
        output: &OsStr,
        dependencies: &OsStr,
    ) -> Result<(Vec<OsString>, OsString), Refusal> {
        let below = |name: &OsStr| match name.as_bytes().starts_with(b"/") {
            true => OsString::from_vec([root.as_bytes(), name.as_bytes()].concat()),
            false => name.to_owned(),
        };
        let mut target = None;
        let mut words = Vec::new();
        for word in &self.words {
            match word {
                Word::Own(word) if word.as_bytes().starts_with(b"-Wp,-M") => {
                    return Err(refused(Reason::PreprocessorDetails, word));
                }
                Word::Own(word) => words.push(word.clone()),
                Word::Input => words.push(below(&self.input_name)),
                Word::Path { option, is_joined, name } => {
                    words.extend(path_words(option, *is_joined, below(name)));
                }
                Word::Target(own) if target.is_none() => {
                    let joined = || OsStr::from_bytes(&own[0].as_bytes()["-MT".len()..]);
                    target = Some(own.get(1).map_or_else(joined, OsString::as_os_str).to_owned());
                }
                Word::Target(own) => words.extend(own.iter().cloned()),
                Word::Output(_) | Word::DependencyFile(_) => {}
            }
        }
        if !self.dependencies.any {
            words.push("-MMD".into());
        }
        words.extend(["-MF".into(), dependencies.to_owned(), "-o".into(), output.to_owned()]);
        let own = self.words.iter().filter_map(|word| match word {
            Word::Own(word) => Some(word.as_os_str()),
            _ => None,
        });
        words.extend(maps_for_root(own, root));
        Ok((words, target.unwrap_or_else(|| self.output.clone())))
    }
}

fn path_words(option: &OsStr, is_joined: bool, name: OsString) -> Vec<OsString> {
    if is_joined {
        return vec![OsString::from_vec([option.as_bytes(), name.as_bytes()].concat())];
    }
    vec![option.to_owned(), name]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn words(command: &str) -> Vec<OsString> {
        command.split(' ').map(OsString::from).collect()
    }

    fn judge(command: &str) -> Result<TreeJob, Refusal> {
        tree_job(&words(command))
    }

    fn joined(words: &[OsString]) -> String {
        words.join(OsStr::new(" ")).into_string().unwrap()
    }

    #[track_caller]
    fn check(command: &str, expected: &str) {
        let job = judge(&format!("gcc --distcc-whole-tree {command}")).unwrap();
        assert_eq!(joined(&job.command(OsStr::new("OWN"))), expected);
    }

    #[test]
    fn words_stay_as_they_are() {
        check(
            "-I/a -I b -DX=1 -include c.h -c src/a.c -o out/a.o -MMD -MP -MF a.d -MT t",
            "-I/a -I b -DX=1 -include c.h -c src/a.c -o out/a.o -MMD -MP -MF a.d -MT t",
        );
        check("-Wp,-MD,x.d -xc++ -c a.c", "-Wp,-MD,x.d -xc++ -c a.c");
        check(
            "--sysroot=/s -isysroot /t -c /w/a.c",
            "--sysroot=/s -isysroot /t -c /w/a.c -MD -MF OWN",
        );
    }

    #[test]
    fn words_for_the_linker_are_left_out() {
        check("-c a.c -lm -L/x -Wl,-z,now -Xlinker --as-needed", "-c a.c -MD -MF OWN");
    }

    #[test]
    fn the_marks_stand_behind_the_compiler() {
        let both = "gcc --distcc-compiler=x86_64-linux-gnu,GCC,12.2.0 --distcc-whole-tree -c a.c";
        assert!(judge(both).unwrap().is_whole());
        assert!(!judge("gcc -c a.c").unwrap().is_whole());
        assert!(judge("gcc -c --distcc-whole-tree a.c").is_err());
        assert!(judge("gcc --distcc-restored-in=/w -c a.c").is_err());
    }

    #[test]
    fn the_dependency_file_is_known_by_its_name() {
        let check = |command: &str, expected: &[&str]| {
            let command = format!("gcc --distcc-whole-tree -c dir/a.c {command}");
            let job = judge(command.trim()).unwrap();
            assert_eq!(job.dependency_files(), expected, "{command}");
        };
        check("", &[]);
        check("-MD", &["a.d"]);
        check("-MMD -o out.x/b.o", &["out.x/b.d"]);
        check("-MD -MF x.d -MFy.d -o b.o", &["y.d", "x.d"]);
        check("-Wp,-MMD,x.d,-MT,t", &["x.d"]);
        check("-Wp,-MD,x.d -Wp,-MFy.d", &["y.d", "x.d"]);
        check("-Wp,-DX", &[]);
    }

    #[test]
    fn words_about_dependencies_need_one_that_asks_for_them() {
        for word in ["-MF x", "-MT x", "-MQ x", "-Wp,-MT,x"] {
            assert!(judge(&format!("gcc --distcc-whole-tree -c a.c {word}")).is_err(), "{word}");
            assert!(judge(&format!("gcc --distcc-whole-tree -MD -c a.c {word}")).is_ok(), "{word}");
            assert!(judge(&format!("gcc -c a.c {word}")).is_ok(), "{word}");
        }
    }

    #[test]
    fn the_original_always_makes_dependencies() {
        let check = |command: &str, expected: &str| {
            let job = judge(command).unwrap();
            assert_eq!(joined(&job.command_as_original(OsStr::new("OWN"))), expected);
        };
        check("gcc -c a.c -o b.o", "-c a.c -o b.o -MMD -MF OWN");
        check("gcc -MD -c a.c -MF x -MT b.o", "-MD -c a.c -MF x -MT b.o -MF OWN");
    }

    #[test]
    fn the_original_moves_absolute_names() {
        let check = |command: &str, expected: &str, target: &str| {
            let job = judge(command).unwrap();
            let (words, got) =
                job.command_below(OsStr::new("/D"), OsStr::new("OUT"), OsStr::new("DEPS")).unwrap();
            assert_eq!((joined(&words).as_str(), got.to_str().unwrap()), (expected, target));
        };
        check(
            "gcc -I/a -I /b -Ic -isystem/d -iquote /e -include /f.h -B0 -c /w/a.c -o /w/a.o"
                .replace(" -B0", "")
                .as_str(),
            "-I/D/a -I /D/b -Ic -isystem/D/d -iquote /D/e -include /D/f.h -c /D/w/a.c -MMD -MF DEPS \
             -o OUT -fdebug-prefix-map=/D=",
            "/w/a.o",
        );
        check(
            "gcc -MD -MF x.d -MT t -MTu --sysroot=/s -c a.c",
            "-MD -MTu --sysroot=/s -c a.c -MF DEPS -o OUT -fdebug-prefix-map=/D=",
            "t",
        );
        check("gcc -S a.c", "-S a.c -MMD -MF DEPS -o OUT -fdebug-prefix-map=/D=", "a.s");
        let job = judge("gcc -Wp,-MD,/etc/x -c a.c").unwrap();
        assert!(job.command_below(OsStr::new("/D"), OsStr::new("O"), OsStr::new("P")).is_err());
    }

    #[test]
    fn debug_information_is_split_off_for_whole_trees_alone() {
        let job = judge("gcc --distcc-whole-tree -g -gsplit-dwarf -c a.c -o x/a.b.o").unwrap();
        assert_eq!(job.debug_file(), Some("x/a.b.dwo".into()));
        assert!(judge("gcc -g -gsplit-dwarf -c a.c -o a.o").is_err());
        assert!(judge("gcc --distcc-whole-tree -g -gsplit-dwarf -S a.c").is_err());
    }

    #[test]
    fn tricks_of_strangers_are_refused() {
        for command in [
            "gcc -c a.i",
            "gcc -x cpp-output -c a.c",
            "gcc -isystem-after -fplugin=x.so -c a.c",
            "gcc -I -fplugin=x.so -c a.c",
            "gcc -D @a.h -c a.c",
            "gcc -Wp,-isystem-after,-fplugin=x.so -c a.c",
            "gcc -Wp,-D,@a.h -c a.c",
            "gcc -Wp,@a.h -c a.c",
            "gcc -Wp,-I,-fplugin=x.so -c a.c",
            "gcc -Wp,-MD,-fplugin=x.so -c a.c",
            "gcc -MF -fplugin=x.so -MD -c a.c",
            "gcc -MT -wrapper -MD -c a.c",
            "gcc -o -x -c a.c",
            "gcc -wrapper sh,-c,id -c a.c",
            "gcc -B dir/ -c a.c",
            "gcc -specs=x -c a.c",
            "gcc @file -c a.c",
            "gcc -fdump-tree-all=x -c a.c",
            "gcc --coverage -c a.c",
            "gcc -save-temps -c a.c",
            "gcc -include-pch x -c a.c",
            "gcc -MD -MF /dev/stdout -c a.c",
            "gcc -o /dev/null -c a.c",
            "gcc -c a\0.c",
            "gcc -E a.c",
            "gcc",
        ] {
            assert!(judge(command).is_err(), "{command}");
            let whole = command.replacen("gcc", "gcc --distcc-whole-tree", 1);
            assert!(judge(&whole).is_err(), "{whole}");
        }
    }

    fn word() -> impl Strategy<Value = String> {
        let rows = 0..crate::table::TABLE.len();
        let tails = "(|=x|=/x|x|,x|,-x|/x|=@x|,-fplugin=x|,@x)";
        let named = (rows, 0..4_usize, tails).prop_map(|(row, cut, tail)| {
            let name = crate::table::TABLE[row].name;
            [&name[..name.len().saturating_sub(cut)], &tail].concat()
        });
        let other = prop::sample::select(vec![
            "@x",
            "-o",
            "x",
            "-fplugin=x",
            "-wrapper",
            "/x",
            "--",
            "",
            "-Xclang",
            "-Xpreprocessor",
            "-Wp,-I,-fplugin=x",
            "-Wp,-isystem,x,-MF,y",
            "-MF",
            "-MD",
        ]);
        prop_oneof![3 => named, 2 => other.prop_map(str::to_owned)]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(5_000))]

        #[test]
        fn nothing_reaches_a_compiler_that_could_be_taken_for_an_option_unjudged(
            before in prop::collection::vec(word(), 0..3),
            after in prop::collection::vec(word(), 0..3),
        ) {
            let all = [vec!["gcc".to_owned()], before, vec!["-c".into(), "a.c".into()], after];
            let all: Vec<OsString> = all.concat().into_iter().map(OsString::from).collect();
            let Ok(job) = tree_job(&all) else { return Ok(()) };
            let sent = job.command(OsStr::new("OWN"));
            for word in &sent {
                let bytes = word.as_bytes();
                prop_assert!(!bytes.starts_with(b"@"), "{:?}", sent);
                if !bytes.starts_with(b"-") {
                    continue;
                }
                let inner = bytes.strip_prefix(b"-Wp,").into_iter();
                for part in inner.flat_map(|words| words.split(|byte| *byte == b',')) {
                    prop_assert!(!part.starts_with(b"-fplugin") && !part.starts_with(b"@"));
                }
                let row = find(bytes);
                let is_inner = [&b"-Xclang"[..], b"-mllvm", b"-Xpreprocessor", b"-Xassembler"]
                    .contains(&bytes);
                let is_judged_value = crate::inner_words::HARMLESS_CLANG_WORDS
                    .iter()
                    .chain(crate::inner_words::HARMLESS_LLVM_WORDS)
                    .chain(crate::inner_words::HARMLESS_ASSEMBLER_WORDS)
                    .any(|(name, _)| bytes.starts_with(name.as_bytes()));
                let leaves = row.is_some_and(|row| !matches!(row.effect, Effect::Stay(_)));
                prop_assert!(is_inner || is_judged_value || leaves, "{:?} in {:?}", word, all);
            }
        }
    }
}
