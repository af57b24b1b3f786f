//! The client's question: may this command be compiled elsewhere, and how?

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use crate::language::{Kind, base_name, is_cxx_driver, without_extension};
use crate::parse::{Command, Item, Product, is_configure_test};
use crate::server_job::server_job;
use crate::table::{Effect, Row};
use crate::tree_job::has_idle_word;
use crate::{Language, Reason};

/// What to do with a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It may be compiled by a server.
    Distribute(Box<Job>),
    /// Only this machine can run it.
    CompileHere(Stay),
}

/// Why a command stays on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stay {
    /// The reason, with its code and its remedy.
    pub reason: Reason,
    /// The word that it hangs on; empty when it is the command as a whole.
    pub word: OsString,
}

impl Stay {
    pub(crate) fn new(reason: Reason, word: &OsStr) -> Stay {
        Stay { reason, word: word.to_owned() }
    }

    pub(crate) fn without_word(reason: Reason) -> Stay {
        Stay { reason, word: OsString::new() }
    }
}

impl fmt::Display for Stay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.word.is_empty() {
            return write!(f, "the command {}", self.reason.because());
        }
        write!(f, "`{}` {}", self.word.as_bytes().escape_ascii(), self.reason.because())
    }
}

/// A compile that a server may do in plain mode: preprocessed here, compiled there.
///
/// In all commands the first word is the compiler as the user named it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// The source file.
    pub source: OsString,
    /// What it is written in.
    pub language: Language,
    /// The object to make: the name after `-o`, or the one that compilers derive.
    pub output: OsString,
    /// The command that preprocesses the source to its standard output and writes the dependency
    /// file, if one is asked for. `None`: the source is already preprocessed.
    pub preprocess: Option<Vec<OsString>>,
    /// The command to send: source and output under their names here.
    pub remote: Vec<OsString>,
    /// How far `preprocess` takes the source.
    pub form: Form,
    /// What makes the job one for [`Form::Directives`] alone: an option that puts columns into
    /// the object.
    pub columns: Option<Stay>,
    /// The command to send to a server that restores the source (see [`crate::restore`]), without
    /// the mark of the folder; `None` where the source is preprocessed already.
    pub restored: Option<Vec<OsString>>,
    /// The command to send to a server that lays out this machine's files, and that preprocesses
    /// there: the words as they are. `None` where the source is preprocessed already.
    pub whole: Option<Vec<OsString>>,
    /// The options that may decide for which machine the object is, in order.
    pub target_options: Vec<OsString>,
    /// Whether the object carries debug information.
    pub debug: bool,
    /// The option that has debug information written beside the object, to
    /// [`Job::debug_file`]: only a server that restores the source can make it.
    pub split_debug: Option<OsString>,
}

/// How far a source is preprocessed before it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Directives are done and macros replaced: `-E`. Any compiler takes it; columns of the
    /// source, comments and macros are lost.
    Expanded,
    /// Directives are done, and the lines of the source are as they were: `-E -fdirectives-only`
    /// of GCC. Some pragmas get lost on the way: see [`crate::pragmas`].
    Directives,
}

/// The option that has GCC stop after the directives, and take such source.
pub(crate) const DIRECTIVES_ONLY: &str = "-fdirectives-only";

impl Job {
    /// Whether the source can be sent in [`Form::Directives`], if the compiler is a GCC that knows
    /// how.
    #[must_use]
    pub fn can_keep_macros(&self) -> bool {
        let Some(words) = &self.preprocess else { return false };
        // GCC refuses the first beside the other form and the next its line markers, and the pragmas
        // of the rest get lost.
        let conflicts = [
            "-Wunused-macros",
            "-pedantic-errors",
            "--pedantic-errors",
            "-fopenmp",
            "-fopenmp-simd",
            "-fopenacc",
        ];
        let is_free = |word: &OsString| !conflicts.iter().any(|conflict| word == conflict);
        matches!(self.language, Language::C | Language::Cxx) && words.iter().all(is_free)
    }

    /// Whether the code is optimized at all.
    #[must_use]
    pub fn optimizes(&self) -> bool {
        let level = self.remote.iter().rev().find_map(|word| {
            let word = word.as_bytes();
            let long = || word.strip_prefix(b"--optimize=").or(word.strip_prefix(b"--optimize"));
            word.strip_prefix(b"-O").or_else(long)
        });
        // With less of macros remembered, columns decide at other levels as well.
        let forgets = |word: &OsString| word.as_bytes().starts_with(b"-ftrack-macro-expansion");
        level.is_some_and(|level| level != b"0") && !self.remote.iter().any(forgets)
    }

    /// The file that debug information is written to, if that is not the object: the object's name
    /// with another extension.
    #[must_use]
    pub fn debug_file(&self) -> Option<OsString> {
        self.split_debug.as_ref().map(|_| debug_file_of(&self.output))
    }

    /// Sends the source in [`Form::Directives`].
    pub fn keep_macros(&mut self) {
        let Some(words) = &mut self.preprocess else { return };
        words.push(DIRECTIVES_ONLY.into());
        self.remote.push(DIRECTIVES_ONLY.into());
        self.form = Form::Directives;
    }

    /// Has the preprocessor and the server's compiler color their messages, unless the user chose
    /// otherwise.
    pub fn color_messages(&mut self) {
        let chosen = |word: &OsString| word.as_bytes().windows(5).any(|part| part == b"color");
        if self.remote.iter().any(chosen) {
            return;
        }
        let commands = [&mut self.preprocess, &mut self.restored, &mut self.whole];
        for words in commands.into_iter().flatten().chain([&mut self.remote]) {
            words.push("-fdiagnostics-color=always".into());
        }
    }
}

/// Whether a command (the compiler first) may be compiled elsewhere, and how.
#[must_use]
pub fn decide(words: &[OsString]) -> Decision {
    let job = Command::read(words).and_then(|command| {
        let job = job(&command)?;
        let is_for_pump =
            job.preprocess.is_some() && !warns_of_linking(&command) && !has_idle_word(&command);
        let whole = is_for_pump.then(|| words.to_vec());
        let job = Job { whole, ..job };
        // What our own servers refuse need not be asked for.
        match server_job(&job.remote) {
            Ok(_) => Ok(job),
            Err(refusal) => Err(refusal.into_stay()),
        }
    });
    match job {
        Ok(job) => Decision::Distribute(Box::new(job)),
        Err(stay) => Decision::CompileHere(stay),
    }
}

/// Whether Clang says that it has no use for words that only linking reads: servers get none of these.
fn warns_of_linking(command: &Command<'_>) -> bool {
    let is_for_linking =
        |item: &Item<'_>| matches!(item, Item::Option { row, .. } if row.effect == Effect::Link);
    is_clang(command) && command.items.iter().any(is_for_linking)
}

fn job(command: &Command<'_>) -> Result<Job, Stay> {
    let source = command.source;
    if command.product == Product::Assembler {
        return Err(Stay::new(Reason::AssemblerOutput, OsStr::new("-S")));
    }
    if is_configure_test(source.name.as_bytes()) {
        return Err(Stay::new(Reason::ConfigureTest, source.name));
    }
    // Clang names the source in such objects, and names it otherwise where the name is another.
    if is_clang(command) && matches!(source.language, Language::ObjectiveC | Language::ObjectiveCxx)
    {
        return Err(Stay::new(Reason::RecordsDetails, source.name));
    }
    // No name of a source, preprocessed or not, tells a `++` driver that it is C.
    if is_cxx_driver(command.compiler.as_bytes()) && source.language == Language::C {
        return Err(Stay::new(Reason::UnknownLanguage, OsStr::new("-x c")));
    }
    if let Some(word) = unused_word(command) {
        return Err(Stay::new(Reason::PreprocessorDetails, word));
    }
    if let Some(words) = odd_dependency_words(command) {
        return Err(Stay::new(Reason::PreprocessorDetails, words));
    }
    // Such source need not tell its own name, and then the object has the one that is sent.
    let is_told = Kind::of_name(source.name.as_bytes()) == Kind::Preprocessed(source.language);
    if source.is_preprocessed && (command.dependencies || !is_told) {
        return Err(Stay::new(Reason::PreprocessorDetails, source.name));
    }
    let output = match command.output {
        Some(name) => name.to_owned(),
        None => derived_output(source.name, ".o"),
    };
    // The object names the second file as it is called here.
    if let Some(word) = command.split_debug
        && (!command.debug || source.is_preprocessed || !lies_below(&output))
    {
        return Err(Stay::new(Reason::SplitDwarf, word));
    }
    Ok(Job {
        source: source.name.clone(),
        language: source.language,
        preprocess: (!source.is_preprocessed).then(|| preprocess_words(command)),
        remote: remote_words(command, &output, Sent::Preprocessed),
        form: Form::Expanded,
        columns: columns(command).filter(|_| !source.is_preprocessed),
        restored: (!source.is_preprocessed).then(|| remote_words(command, &output, Sent::Restored)),
        whole: None,
        target_options: target_options(command),
        debug: command.debug,
        split_debug: command.split_debug.cloned(),
        output,
    })
}

/// The name of the second file where debug information is split off. Source: GCC 12, which takes
/// the last extension away, whatever it is.
pub(crate) fn debug_file_of(output: &OsStr) -> OsString {
    with_suffix(without_extension(output.as_bytes()), ".dwo")
}

/// Whether a name is that of a file in the working folder or below, without detours.
pub(crate) fn lies_below(name: &OsStr) -> bool {
    let is_plain = |part: &[u8]| !matches!(part, b"" | b"." | b"..");
    name.as_bytes().split(|byte| *byte == b'/').all(is_plain)
}

/// What compilers make of `source` without `-o`: in the working directory, the base name with
/// `suffix`, such as `.o`.
pub(crate) fn derived_output(source: &OsStr, suffix: &str) -> OsString {
    with_suffix(base_name(without_extension(source.as_bytes())), suffix)
}

pub(crate) fn with_suffix(stem: &[u8], suffix: &str) -> OsString {
    OsString::from_vec([stem, suffix.as_bytes()].concat())
}

/// The command with `-E` in place of `-c` and without the output. Dependency files get the name
/// and the target that compiling would have given them, because `-E` alone would choose others.
fn preprocess_words(command: &Command<'_>) -> Vec<OsString> {
    let mut words = vec![command.compiler.clone()];
    let (mut generates, mut has_file, mut has_target) = (false, false, false);
    let mut generates_by_words = false;
    for item in &command.items {
        let (effect, own_words) = match item {
            Item::Option { row, words, .. } => (row.effect, *words),
            Item::Operand(name) | Item::Odd(name, _) => {
                words.push((*name).clone());
                continue;
            }
        };
        match effect {
            Effect::ToObject => words.push("-E".into()),
            Effect::Output | Effect::AssemblerWords => {}
            _ => words.extend_from_slice(own_words),
        }
        generates |= effect == Effect::Dependencies;
        has_file |= effect == Effect::DependencyFile;
        has_target |= effect == Effect::DependencyTarget;
        if let (Effect::PreprocessorWords, Item::Option { value, .. }) = (effect, item) {
            generates_by_words |= value.starts_with(b"-M");
            has_target |= value.split(|byte| *byte == b',').any(|w| w == b"-MT" || w == b"-MQ");
        }
    }
    // Clang reads `-Wp,-MD,FILE` as `-MD -MF FILE`; GCC names the target after the source.
    let names_output = generates || (generates_by_words && is_clang(command));
    if generates && !has_file {
        let stem = match command.output {
            Some(output) => without_extension(output.as_bytes()),
            None => base_name(without_extension(command.source.name.as_bytes())),
        };
        words.push("-MF".into());
        words.push(with_suffix(stem, ".d"));
    }
    if let Some(output) = command.output.filter(|_| names_output && !has_target) {
        words.push("-MQ".into());
        words.push(output.to_owned());
    }
    words
}

/// The first word that no server would see and that the compiler has something to say of: Clang warns
/// of what it has no use for where the source is preprocessed already, and GCC gives up at what it does
/// not know.
fn unused_word<'a>(command: &Command<'a>) -> Option<&'a OsStr> {
    let is_preprocessed = command.source.is_preprocessed;
    let is_seen_here = |row: &Row| !is_preprocessed && !matches!(row.effect, Effect::Link);
    let is_unsent = |row: &Row| {
        matches!(row.effect, Effect::Preprocess | Effect::PreprocessorWords | Effect::Link)
    };
    // What only old ones do not know, as `-fuse-ld=lld`, is too common to stay.
    let may_be_unknown =
        |row: &Row| row.since.gcc.is_none_or(|version| is_preprocessed && !version.is_empty());
    let is_told_of = |row: &Row| match is_clang(command) {
        true => is_preprocessed && (is_unsent(row) || row.name == "-fmacro-prefix-map="),
        false => is_unsent(row) && may_be_unknown(row) && !is_seen_here(row),
    };
    command.items.iter().find_map(|item| match item {
        Item::Option { row, words, .. } => is_told_of(row).then_some(words[0].as_os_str()),
        _ => None,
    })
}

impl Job {
    /// The file that `preprocess` writes dependencies to, if it writes them to one.
    #[must_use]
    pub fn dependency_file(&self) -> Option<&OsStr> {
        let words = self.preprocess.as_deref()?;
        words.iter().enumerate().rev().find_map(|(index, word)| {
            let word = word.as_bytes();
            if word == b"-MF" {
                return Some(words.get(index + 1)?.as_os_str());
            }
            let by_words = || word.strip_prefix(b"-Wp,-MMD,").or(word.strip_prefix(b"-Wp,-MD,"));
            let value = word.strip_prefix(b"-MF").or_else(by_words)?;
            value.split(|byte| *byte == b',').next().map(OsStr::from_bytes)
        })
    }
}

/// A `-Wp,` option in which Clang reads words about dependencies otherwise than one by one: it
/// understands `-Wp,-MD,FILE` alone.
fn odd_dependency_words<'a>(command: &Command<'a>) -> Option<&'a OsStr> {
    command.items.iter().filter(|_| is_clang(command)).find_map(|item| match item {
        Item::Option { row, words, value, .. } if row.effect == Effect::PreprocessorWords => {
            let is_odd = match value.split(|byte| *byte == b',').collect::<Vec<_>>()[..] {
                [b"-MD" | b"-MMD", _] => false,
                ref words => words.iter().any(|word| word.starts_with(b"-M")),
            };
            is_odd.then_some(words[0].as_os_str())
        }
        _ => None,
    })
}

/// Whether the compiler is Clang by its name.
fn is_clang(command: &Command<'_>) -> bool {
    let name = base_name(command.compiler.as_bytes());
    name.windows(b"clang".len()).any(|part| part == b"clang")
}

/// What a server's compiler is to take the source for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sent {
    /// Preprocessed source, under a name that tells its language.
    Preprocessed,
    /// The source itself, under its own name.
    Restored,
}

/// The first option that puts columns into the object.
fn columns(command: &Command<'_>) -> Option<Stay> {
    command.items.iter().find_map(|item| match item {
        Item::Option { row, words, .. } if row.effect == Effect::Columns => {
            Some(Stay::new(Reason::RecordsDetails, &words[0]))
        }
        _ => None,
    })
}

/// The command to send: without what only preprocessing and linking read, and always with `-o`.
fn remote_words(command: &Command<'_>, output: &OsStr, sent: Sent) -> Vec<OsString> {
    let mut words = vec![command.compiler.clone()];
    let mut has_mode = false;
    for item in &command.items {
        match item {
            Item::Operand(_) | Item::Odd(..) => words.push(match sent {
                Sent::Preprocessed => sent_name(command),
                Sent::Restored => command.source.name.clone(),
            }),
            Item::Option { row, words: own_words, .. } => match row.effect {
                Effect::ToObject if has_mode => {}
                Effect::ToObject => {
                    has_mode = true;
                    words.push("-c".into());
                }
                Effect::Output => words.extend(["-o".into(), output.to_owned()]),
                // Of no use to Clang on preprocessed source, as it would say in a warning.
                Effect::Compile
                    if is_clang(command)
                        && own_words[0].as_bytes().starts_with(b"-fmacro-prefix-map=") => {}
                Effect::Compile
                | Effect::Columns
                | Effect::Target
                | Effect::Debug { .. }
                | Effect::AssemblerWords => words.extend_from_slice(own_words),
                Effect::Language | Effect::SplitDebug if sent == Sent::Restored => {
                    words.extend_from_slice(own_words);
                }
                Effect::SplitDebug
                | Effect::Preprocess
                | Effect::Link
                | Effect::ToAssembler
                | Effect::ToPreprocessed
                | Effect::Language
                | Effect::Dependencies
                | Effect::DependencyFile
                | Effect::DependencyTarget
                | Effect::PreprocessorWords
                | Effect::Stay(_) => {}
            },
        }
    }
    if command.output.is_none() {
        words.extend(["-o".into(), output.to_owned()]);
    }
    words
}

/// The source's name for a server, which tells the language by its extension: as it is where
/// that tells the truth, else with the extension of preprocessed source.
fn sent_name(command: &Command<'_>) -> OsString {
    let source = command.source;
    let told = match Kind::of_name(source.name.as_bytes()) {
        Kind::Source(language) | Kind::Preprocessed(language) => Some(language),
        Kind::Assembler | Kind::Other => None,
    };
    if told == Some(source.language) {
        return source.name.clone();
    }
    with_suffix(without_extension(source.name.as_bytes()), source.language.preprocessed_suffix())
}

fn target_options(command: &Command<'_>) -> Vec<OsString> {
    let mut words = Vec::new();
    for item in &command.items {
        if let Item::Option { row, words: own_words, .. } = item
            && row.effect == Effect::Target
        {
            words.extend_from_slice(own_words);
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn words(command: &str) -> Vec<OsString> {
        command.split(' ').map(OsString::from).collect()
    }

    fn joined(words: &[OsString]) -> String {
        let words: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
        words.join(" ")
    }

    fn job_of(command: &str) -> Job {
        match decide(&words(command)) {
            Decision::Distribute(job) => *job,
            Decision::CompileHere(stay) => panic!("{command}: {stay}"),
        }
    }

    #[track_caller]
    fn check(command: &str, preprocess: &str, remote: &str) {
        let job = job_of(command);
        assert_eq!(job.preprocess.as_deref().map(joined).as_deref(), Some(preprocess));
        assert_eq!(joined(&job.remote), remote);
    }

    #[test]
    fn words_for_the_linker_are_no_job_for_a_server_that_preprocesses_with_clang() {
        assert!(job_of("clang -c a.c").whole.is_some() && job_of("gcc -lm -c a.c").whole.is_some());
        assert!(job_of("clang -lm -c a.c").whole.is_none());
        assert!(job_of("gcc -c a.i").whole.is_none());
        // GCC does not know the option, and would not see it on a server.
        let stays = |command: &str| matches!(decide(&words(command)), Decision::CompileHere(_));
        assert!(stays("g++ -cxx-isystem x -c a.ii") && !stays("g++ -isystem x -c a.ii"));
        assert!(stays("gcc -rtlib=x -c a.c") && !stays("gcc -Wl,-x -lm -c a.c"));
        for words in ["-MP", "-MG", "-MT x", "-MQ x", "-MF x.d", "-Wp,-MP", "-Wp,-DA,-MT,x"] {
            assert!(job_of(&format!("gcc {words} -c a.c")).whole.is_none(), "{words}");
            assert!(job_of(&format!("gcc -MD {words} -c a.c")).whole.is_some(), "{words}");
        }
    }

    #[track_caller]
    fn stays(command: &str, code: &str, text: &str) {
        match decide(&words(command)) {
            Decision::Distribute(job) => panic!("{command} leaves: {job:?}"),
            Decision::CompileHere(stay) => {
                assert_eq!((stay.reason.code(), stay.to_string().as_str()), (code, text));
            }
        }
    }

    #[test]
    fn a_compile_is_preprocessed_here_and_compiled_there() {
        check("gcc -O2 -c a.c", "gcc -O2 -E a.c", "gcc -O2 -c a.c -o a.o");
        check("gcc -c dir/a.c -oout/b.o", "gcc -E dir/a.c", "gcc -c dir/a.c -o out/b.o");
    }

    #[test]
    fn what_only_the_preprocessor_reads_is_not_sent() {
        check(
            "g++ -std=c++17 -DX=1 -Ifoo -I bar -include x.c -Wp,-D_FORTIFY_SOURCE=2 -c a.cc -L. -lm",
            "g++ -std=c++17 -DX=1 -Ifoo -I bar -include x.c -Wp,-D_FORTIFY_SOURCE=2 -E a.cc -L. -lm",
            "g++ -std=c++17 -c a.cc -o a.o",
        );
    }

    #[test]
    fn dependency_files_are_named_as_compiling_names_them() {
        check("gcc -MD -c d/a.c", "gcc -MD -E d/a.c -MF a.d", "gcc -c d/a.c -o a.o");
        check(
            "gcc -MMD -MP -c a.c -o out/b.x.o",
            "gcc -MMD -MP -E a.c -MF out/b.x.d -MQ out/b.x.o",
            "gcc -c a.c -o out/b.x.o",
        );
        check(
            "gcc -MD -MF deps -MT x -c a.c -o b.o",
            "gcc -MD -MF deps -MT x -E a.c",
            "gcc -c a.c -o b.o",
        );
        check(
            "clang -Wp,-MMD,.a.d -c a.c -o out/a.o",
            "clang -Wp,-MMD,.a.d -E a.c -MQ out/a.o",
            "clang -c a.c -o out/a.o",
        );
        check("gcc -Wp,-MD,.a.o.d -c a.c -o a.o", "gcc -Wp,-MD,.a.o.d -E a.c", "gcc -c a.c -o a.o");
    }

    #[test]
    fn the_assembler_words_go_to_the_compiler_alone() {
        check("gcc -Wa,--noexecstack -c a.c", "gcc -E a.c", "gcc -Wa,--noexecstack -c a.c -o a.o");
    }

    #[test]
    fn a_name_that_hides_the_language_is_sent_with_another() {
        check("g++ -c a.c", "g++ -E a.c", "g++ -c a.ii -o a.o");
        check("gcc -x c++ -c a.inc", "gcc -x c++ -E a.inc", "gcc -c a.ii -o a.o");
        check("gcc -xc -c a.c", "gcc -xc -E a.c", "gcc -c a.c -o a.o");
    }

    #[test]
    fn preprocessed_source_is_sent_as_it_is() {
        let job = job_of("gcc -c a.i");
        assert_eq!((job.preprocess, joined(&job.remote)), (None, "gcc -c a.i -o a.o".into()));
        for command in ["g++ -c a.i", "gcc -x cpp-output -c a.c"] {
            assert!(matches!(decide(&words(command)), Decision::CompileHere(_)), "{command}");
        }
    }

    #[test]
    fn options_that_decide_the_machine_are_told_apart() {
        let job = job_of("gcc -O2 -m32 -fno-pie -target x -c a.c");
        assert_eq!(joined(&job.target_options), "-m32 -fno-pie -target x");
    }

    #[test]
    fn the_last_wish_for_debug_information_counts() {
        assert!(job_of("gcc -g0 -ggdb2 -c a.c").debug);
        assert!(job_of("gcc -g -gz -gno-column-info -c a.c").debug);
        assert!(!job_of("gcc -gz -gno-record-gcc-switches -c a.c").debug);
        assert!(!job_of("gcc -g -g0 -c a.c").debug);
    }

    #[test]
    fn macros_can_be_kept_where_the_compiler_knows_how() {
        let mut job = job_of("gcc -O2 -c a.c");
        assert!(job.can_keep_macros() && job.form == Form::Expanded);
        job.keep_macros();
        assert_eq!(joined(job.preprocess.as_deref().unwrap()), "gcc -O2 -E a.c -fdirectives-only");
        assert_eq!(joined(&job.remote), "gcc -O2 -c a.c -o a.o -fdirectives-only");
        assert!(!job_of("gcc -Wunused-macros -c a.c").can_keep_macros());
        assert!(!job_of("gcc -pedantic-errors -c a.c").can_keep_macros());
        assert!(!job_of("gcc -c a.i").can_keep_macros());
    }

    #[test]
    fn what_records_columns_is_told() {
        let job = job_of("gcc -fsanitize=undefined -c a.c");
        assert_eq!(job.columns.unwrap().word, "-fsanitize=undefined");
        assert_eq!(job_of("gcc -fsanitize=undefined -c a.i").columns, None);
        assert_eq!(job_of("gcc -fno-sanitize=undefined -g -c a.c").columns, None);
    }

    #[test]
    fn restored_source_is_compiled_under_its_own_name() {
        let job = job_of("gcc -DX -I inc -xc++ -g -c ../a.h.c -MD");
        let words = joined(job.restored.as_deref().unwrap());
        assert_eq!(words, "gcc -xc++ -g -c ../a.h.c -o a.h.o");
        assert_eq!(job_of("gcc -c a.i").restored, None);
    }

    #[test]
    fn what_cannot_leave_says_why() {
        stays(
            "gcc a.o -o a",
            "not-a-compile",
            "the command has neither -c nor a source to compile",
        );
        stays("gcc -E a.c", "preprocess-only", "`-E` only preprocesses");
        stays("gcc -c", "no-source", "the command names no source file");
        stays(
            "gcc -march=native -c a.c",
            "native-tuning",
            "`-march=native` means the processor of whichever machine runs the compiler, \
             which did not say what that is",
        );
        stays("gcc -c a.c b.c", "several-sources", "`b.c` is one source too many for one job");
        stays(
            "gcc -c a.c b.o",
            "unknown-input",
            "`b.o` is no source file of a language known here",
        );
        stays(
            "gcc -c @args",
            "response-file",
            "`@args` is no response file that all compilers read alike",
        );
        stays("gcc -c -", "standard-input", "`-` reads standard input");
        stays("gcc -c a.c -o", "missing-value", "`-o` lacks its value");
        stays(
            "gcc -c a.c -o /dev/null",
            "output-to-stream",
            "`/dev/null` is no ordinary file to write an object to",
        );
        stays(
            "gcc -c a.c --frobnicate",
            "unknown-option",
            "`--frobnicate` is an option not known here",
        );
    }

    #[test]
    fn what_our_own_servers_refuse_stays() {
        let words = ["gcc", "-c", "a.c", "-o@x.o"].map(OsString::from);
        match decide(&words) {
            Decision::CompileHere(stay) => assert_eq!(stay.reason.code(), "response-file"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_option_that_stays_keeps_a_compile_here() {
        for (option, code) in [
            ("-S", "assembler-output"),
            ("-MM", "dependencies-only"),
            ("-MF /dev/stdout", "dependencies-to-stream"),
            ("-fprofile-generate", "profile"),
            ("--coverage", "profile"),
            ("-flto=auto", "link-time-optimization"),
            ("-gsplit-dwarf", "split-dwarf"),
            ("--param -fplugin=x.so", "unknown-option"),
            ("-g3", "records-details"),
            ("-ggdb3", "records-details"),
            ("-A a=b", "preprocessor-details"),
            ("-Wp,-undef", "preprocessor-details"),
            ("-fdiagnostics-generate-patch", "extra-output"),
            ("-save-temps", "extra-output"),
            ("-fstack-usage", "extra-output"),
            ("-dA", "extra-output"),
            ("-fplugin=x.so", "compiler-parts"),
            ("-wrapper sh,-c", "compiler-parts"),
            ("-B dir", "compiler-parts"),
            ("--specs=x", "compiler-parts"),
            ("-fmodules-ts", "modules"),
            ("-fdirectives-only", "preprocessor-details"),
            ("-Wa,-al=x", "assembler-option"),
            ("-Wp,-fplugin=x", "preprocessor-details"),
            ("-Xclang -load", "inner-option"),
            ("-o b.o", "several-outputs"),
            ("-x go", "unknown-language"),
        ] {
            let command = words(&format!("gcc {option} -c a.c -o a.o"));
            match decide(&command) {
                Decision::CompileHere(stay) => assert_eq!(stay.reason.code(), code, "{option}"),
                Decision::Distribute(_) => panic!("{option} leaves"),
            }
        }
    }

    #[test]
    fn configure_tests_and_assembler_source_stay() {
        stays(
            "gcc -c conftest.c",
            "configure-test",
            "`conftest.c` asks what this machine can do, and is quicker done here",
        );
        stays("gcc -c a.S", "assembler-source", "`a.S` is assembler source");
    }

    #[test]
    fn clang_warns_of_words_that_preprocessed_source_leaves_unused() {
        for word in ["-Ix", "-lm", "-Wp,-DX", "-fmacro-prefix-map=a=b"] {
            let text = format!("`{word}` changes what preprocessed source means");
            stays(&format!("clang -c a.i {word}"), "preprocessor-details", &text);
            assert_eq!(job_of(&format!("gcc -c a.i {word}")).preprocess, None);
        }
        assert_eq!(job_of("clang -O2 -c a.i").preprocess, None);
    }

    #[test]
    fn the_file_for_dependencies_is_told() {
        let file = |command: &str| job_of(command).dependency_file().map(OsStr::to_owned);
        assert_eq!(file("gcc -MD -c a.c -o b/c.o"), Some("b/c.d".into()));
        assert_eq!(file("gcc -MD -MF x -MFy -c a.c"), Some("y".into()));
        assert_eq!(file("gcc -Wp,-MMD,x.d,-MT,t -c a.c"), Some("x.d".into()));
        assert_eq!(file("gcc -c a.c"), None);
    }

    #[test]
    fn c_that_a_cxx_driver_compiles_stays() {
        let text = "`-x c` is no language that can leave";
        for command in ["g++ -xc -c a.c", "clang++ -x c -c a.inc", "g++ -x cpp-output -c a.i"] {
            stays(command, "unknown-language", text);
        }
        assert_eq!(job_of("g++ -c a.c").language, Language::Cxx);
    }

    #[test]
    fn the_last_wish_for_optimization_counts() {
        for command in ["gcc -c a.c", "gcc -O2 -O0 -c a.c", "gcc -O --optimize=0 -c a.c"] {
            assert!(!job_of(command).optimizes(), "{command}");
        }
        for command in ["gcc -O -c a.c", "gcc -O0 -Og -c a.c", "gcc --optimize -c a.c"] {
            assert!(job_of(command).optimizes(), "{command}");
        }
    }

    #[test]
    fn clang_reads_dependency_words_in_one_way_only() {
        for words in ["-Wp,-MMD,x.d,-MT,y", "-Wp,-MD,x.d,-MP", "-Wp,-MD,-MF,x.d"] {
            let text = format!("`{words}` changes what preprocessed source means");
            stays(&format!("clang {words} -c a.c"), "preprocessor-details", &text);
        }
        assert!(job_of("clang -Wp,-MMD,x.d -Wp,-DX,-UY -c a.c").preprocess.is_some());
        assert!(job_of("gcc -Wp,-MMD,x.d,-MT,y -c a.c").preprocess.is_some());
    }

    #[test]
    fn what_clang_names_the_source_in_stays() {
        let text = "`a.m` puts columns, macros or the command line into the object, which differ elsewhere";
        stays("clang -c a.m", "records-details", text);
        assert!(job_of("gcc -c a.m").preprocess.is_some());
    }

    proptest! {
        #[test]
        fn no_words_make_it_panic(command in prop::collection::vec("-?-?[a-zA-Z@=,./ -]{0,12}", 0..9)) {
            let command: Vec<OsString> = command.into_iter().map(OsString::from).collect();
            let _ = decide(&command);
        }

        #[test]
        fn what_is_sent_would_be_accepted_by_our_server(
            options in prop::collection::vec(
                prop::sample::select(vec![
                    "-O2", "-g", "-Wall", "-DX", "-Ix", "-MD", "-m64", "-std=c11", "-fPIC", "-lm", "-xc++",
                ]),
                0..6,
            ),
        ) {
            let mut command = vec![OsString::from("gcc")];
            command.extend(options.into_iter().map(OsString::from));
            command.extend(["-c", "a.c"].map(OsString::from));
            let Decision::Distribute(job) = decide(&command) else { panic!("stays: {command:?}") };
            prop_assert!(crate::server_job(&job.remote).is_ok());
        }
    }
}
