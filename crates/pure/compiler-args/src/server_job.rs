//! The server's question: is this stranger's command one to run, and how?

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use crate::decision::{DIRECTIVES_ONLY, debug_file_of, lies_below};
use crate::parse::{Command, Item, Product};
use crate::table::Effect;
use crate::{Reason, Stay, WantedCompiler};

/// A command that a server may run on preprocessed source, with names of its own choice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerJob {
    compiler: OsString,
    input_name: OsString,
    input_suffix: &'static str,
    product: Product,
    /// The client's working folder, when the source is to be restored.
    restored_in: Option<OsString>,
    /// The client's name for the object, when debug information is written to a file beside it.
    split_output: Option<OsString>,
    /// The words after the compiler, with gaps for the two names.
    words: Vec<Word>,
}

/// The word that our client puts first when it sends source to be restored: with it comes the
/// client's working folder. Only sent to servers that said they can do it, and refused by all
/// others as an option that nobody knows.
pub const RESTORED_IN: &str = "--distcc-restored-in=";

/// The word that our client puts behind the compiler's name when every file and folder that the
/// compile may read comes in the request's tree, the headers of the system and of the compiler
/// among them: then none of the server's own is to be seen. Only sent to servers that said they can
/// do it (`wire::Abilities::lays_out_trees`).
pub const WHOLE_TREE: &str = "--distcc-whole-tree";

#[derive(Clone, Debug, PartialEq, Eq)]
enum Word {
    Own(OsString),
    Input,
}

/// Why a server does not run a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    stay: Stay,
}

impl Refusal {
    pub(crate) fn of(stay: Stay) -> Refusal {
        Refusal { stay }
    }

    pub(crate) fn into_stay(self) -> Stay {
        self.stay
    }

    /// The reason behind it.
    #[must_use]
    pub fn reason(&self) -> Reason {
        self.stay.reason
    }

    /// What the user at the client may do about it; empty where nothing is to be done.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        self.stay.reason.remedy()
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.stay.fmt(f)
    }
}

impl std::error::Error for Refusal {}

/// Judges a command as it came from a client, the compiler first. What only preprocessing and
/// linking read is dropped: the source has been preprocessed.
///
/// # Errors
/// A [`Refusal`] for every command that is not one compile of one source with known, harmless
/// options.
pub fn server_job(words: &[OsString]) -> Result<ServerJob, Refusal> {
    let (restored_in, words) = split_marks(words);
    let keeps_macros = words.iter().any(is_directives_only);
    let words: Vec<OsString> = words.into_iter().filter(|word| !is_directives_only(word)).collect();
    let words = &words[..];
    if let Some(word) = words.iter().chain(&restored_in).find(|word| has_nul(word)) {
        // No program can be told of it.
        return Err(Refusal { stay: Stay::new(Reason::UnknownOption, word) });
    }
    let command = Command::read(words).map_err(|stay| Refusal { stay })?;
    if let Some(word) = command.items.iter().find_map(option_as_value) {
        return Err(Refusal { stay: Stay::new(Reason::UnknownOption, word) });
    }
    let split_output = split_output(&command, restored_in.is_some())?;
    let mut sent = Vec::with_capacity(command.items.len());
    for item in &command.items {
        match item {
            Item::Operand(_) => sent.push(Word::Input),
            Item::Option { row, words, .. } => match row.effect {
                Effect::Compile
                | Effect::Columns
                | Effect::Target
                | Effect::Debug { .. }
                | Effect::SplitDebug
                | Effect::ToObject
                | Effect::ToAssembler
                | Effect::AssemblerWords => sent.extend(words.iter().cloned().map(Word::Own)),
                Effect::Language if restored_in.is_some() => {
                    sent.extend(words.iter().cloned().map(Word::Own));
                }
                Effect::Preprocess
                | Effect::Link
                | Effect::ToPreprocessed
                | Effect::Output
                | Effect::Language
                | Effect::Dependencies
                | Effect::DependencyFile
                | Effect::DependencyTarget
                | Effect::PreprocessorWords
                | Effect::Stay(_) => {}
            },
            Item::Odd(..) => {}
        }
    }
    if keeps_macros {
        sent.push(Word::Own(DIRECTIVES_ONLY.into()));
    }
    Ok(ServerJob {
        compiler: command.compiler.clone(),
        input_name: command.source.name.clone(),
        input_suffix: command.source.language.preprocessed_suffix(),
        product: command.product,
        restored_in,
        split_output,
        words: sent,
    })
}

/// The client's name for the object of a command that has debug information written beside it. Only
/// for restored source, and where that is a plain name below the working folder.
fn split_output(command: &Command<'_>, is_restored: bool) -> Result<Option<OsString>, Refusal> {
    let Some(word) = command.split_debug else { return Ok(None) };
    let output = command.output.filter(|output| {
        is_restored && command.product == Product::Object && command.debug && lies_below(output)
    });
    match output {
        Some(output) => Ok(Some(output.to_owned())),
        None => Err(Refusal { stay: Stay::new(Reason::SplitDwarf, word) }),
    }
}

/// The folder of a job whose source is to be restored, and the words without our marks.
fn split_marks(words: &[OsString]) -> (Option<OsString>, Vec<OsString>) {
    let mut words = words.to_vec();
    // Whoever finds the compiler has read this one.
    if WantedCompiler::of_command(&words).is_some() {
        words.remove(1);
    }
    if let [compiler, mark, rest @ ..] = &words[..]
        && let Some(folder) = mark.as_bytes().strip_prefix(RESTORED_IN.as_bytes())
    {
        let words = [std::slice::from_ref(compiler), rest].concat();
        return (Some(OsStr::from_bytes(folder).to_owned()), words);
    }
    (None, words)
}

/// The word that comes with source whose macros were kept. A user's own means something else to a
/// client, which is why the table does not let it go.
fn is_directives_only(word: &OsString) -> bool {
    word == DIRECTIVES_ONLY
}

pub(crate) fn has_nul(word: &OsStr) -> bool {
    word.as_bytes().contains(&0)
}

/// A value that looks like an option, where it would be sent along unjudged: a compiler that does
/// not know the option before it, or knows one without a value, takes it for one.
fn option_as_value<'a>(item: &Item<'a>) -> Option<&'a OsString> {
    let Item::Option { row, words: [_, value], .. } = item else { return None };
    let is_sent = matches!(row.effect, Effect::Compile | Effect::Target | Effect::Debug { .. });
    let is_judged = matches!(row.name, "-Xclang" | "-mllvm");
    (is_sent && !is_judged && value.as_bytes().starts_with(b"-")).then_some(value)
}

impl ServerJob {
    /// The compiler as the client named it.
    #[must_use]
    pub fn compiler(&self) -> &OsStr {
        &self.compiler
    }

    /// The source as the client named it: for the log.
    #[must_use]
    pub fn input_name(&self) -> &OsStr {
        &self.input_name
    }

    /// The suffix that makes the compiler take the input for what it is: `.i`, `.ii`, `.mi` or
    /// `.mii`.
    #[must_use]
    pub fn input_suffix(&self) -> &'static str {
        self.input_suffix
    }

    /// The suffix of what is made: `.o`, or `.s` with `-S`.
    #[must_use]
    pub fn output_suffix(&self) -> &'static str {
        match self.product {
            Product::Object => ".o",
            Product::Assembler => ".s",
        }
    }

    /// The client's working folder, when what comes is source to be restored: it is to be compiled
    /// under the client's own name in a folder that stands for this one.
    #[must_use]
    pub fn restored_in(&self) -> Option<&OsStr> {
        self.restored_in.as_deref()
    }

    /// The client's names for the object and for the file of debug information beside it, when there
    /// is one: the compiler has to write to just these below the working folder.
    #[must_use]
    pub fn split_debug(&self) -> Option<(&OsStr, OsString)> {
        self.split_output.as_deref().map(|output| (output, debug_file_of(output)))
    }

    /// The words to put after [`ServerJob::command`] for restored source, so that the compiler
    /// takes `root` for the client's root folder.
    #[must_use]
    pub fn words_for_root(&self, root: &OsStr) -> Vec<OsString> {
        let own = self.words.iter().filter_map(|word| match word {
            Word::Own(word) => Some(word.as_os_str()),
            Word::Input => None,
        });
        // Whatever else is included has been: a second time it would be once too often.
        let mut words = vec!["-nostdinc".into()];
        words.extend(maps_for_root(own, root));
        words
    }

    /// The words after the compiler that compile `input` to `output`.
    #[must_use]
    pub fn command(&self, input: &OsStr, output: &OsStr) -> Vec<OsString> {
        let mut command: Vec<OsString> = self
            .words
            .iter()
            .map(|word| match word {
                Word::Own(word) => word.clone(),
                Word::Input => input.to_owned(),
            })
            .collect();
        command.extend(["-o".into(), output.to_owned()]);
        command
    }
}

/// The words that have debug information name the client's folders where the compiler sees them
/// below `root`; `own` are the words that the compiler gets besides.
///
/// GCC tries its maps from the last to the first and uses one of them, so each of the user's maps
/// stands here once more for names below `root`.
pub(crate) fn maps_for_root<'a>(
    own: impl Iterator<Item = &'a OsStr>,
    root: &OsStr,
) -> Vec<OsString> {
    let map = |old: &[u8], new: &[u8]| {
        let word = [b"-fdebug-prefix-map=", root.as_bytes(), old, b"=", new].concat();
        OsString::from_vec(word)
    };
    let mut words = vec![map(b"", b"")];
    for word in own {
        let word = word.as_bytes();
        let users =
            word.strip_prefix(b"-fdebug-prefix-map=").or(word.strip_prefix(b"-ffile-prefix-map="));
        // The first `=` ends the old name, as GCC reads it.
        if let Some(users) = users
            && let Some(at) = users.iter().position(|byte| *byte == b'=')
            && users.starts_with(b"/")
        {
            words.push(map(&users[..at], &users[at + 1..]));
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::Shape;
    use proptest::prelude::*;

    fn judge(command: &str) -> Result<ServerJob, Refusal> {
        let words: Vec<OsString> = command.split(' ').map(OsString::from).collect();
        server_job(&words)
    }

    #[track_caller]
    fn check(command: &str, suffix: &str, expected: &str) {
        let job = judge(command).unwrap();
        let words = job.command(OsStr::new("IN"), OsStr::new("OUT"));
        let words: Vec<_> = words.iter().map(|word| word.to_str().unwrap()).collect();
        assert_eq!((job.input_suffix(), words.join(" ").as_str()), (suffix, expected));
    }

    #[test]
    fn names_are_replaced_and_nothing_else() {
        check("gcc -O2 -c dir/a.c -o b.o -Wall", ".i", "-O2 -c IN -Wall -o OUT");
        check("g++ -c a.c", ".ii", "-c IN -o OUT");
        check("gcc --compile a.c --output=x", ".i", "--compile IN -o OUT");
        check("gcc -S a.c -o a.s", ".i", "-S IN -o OUT");
        check("gcc -c conftest.c -o conftest.o", ".i", "-c IN -o OUT");
    }

    #[test]
    fn a_language_option_becomes_the_suffix() {
        check("gcc -x c++ -c a.c -o a.o", ".ii", "-c IN -o OUT");
    }

    #[test]
    fn source_with_its_macros_is_compiled_as_such() {
        check(
            "gcc -O2 -c a.c -o a.o -fdirectives-only",
            ".i",
            "-O2 -c IN -fdirectives-only -o OUT",
        );
    }

    #[test]
    fn restored_source_keeps_its_language_and_gets_the_clients_root() {
        let job = judge(
            "gcc --distcc-restored-in=/home/me -ffile-prefix-map=/home/me=/x -xc -g -c a.y -o a.o",
        );
        let job = job.unwrap();
        assert_eq!(job.restored_in(), Some(OsStr::new("/home/me")));
        let words = job.command(OsStr::new("IN"), OsStr::new("OUT"));
        assert_eq!(
            words.join(OsStr::new(" ")),
            "-ffile-prefix-map=/home/me=/x -xc -g -c IN -o OUT"
        );
        let words = job.words_for_root(OsStr::new("/r"));
        assert_eq!(
            words.join(OsStr::new(" ")),
            "-nostdinc -fdebug-prefix-map=/r= -fdebug-prefix-map=/r/home/me=/x"
        );
        assert!(judge("gcc -c --distcc-restored-in=/home/me a.c").is_err());
    }

    #[test]
    fn the_mark_of_a_compiler_is_no_word_for_it() {
        check("gcc --distcc-compiler=arm-none-eabi,GCC,9.1.0 -c a.c", ".i", "-c IN -o OUT");
        let both = "gcc --distcc-compiler=arm-none-eabi,GCC,9.1.0 --distcc-restored-in=/w -c a.c";
        assert_eq!(judge(both).unwrap().restored_in(), Some(OsStr::new("/w")));
        for command in [
            "gcc --distcc-compiler=x -c a.c",
            "gcc -c --distcc-compiler=arm-none-eabi,GCC,9.1.0 a.c",
            "gcc --distcc-compiler=a-b,GCC,9 --distcc-compiler=a-b,GCC,9 -c a.c",
        ] {
            assert!(judge(command).is_err(), "{command}");
        }
    }

    #[test]
    fn tricks_of_strangers_are_refused() {
        for command in [
            "gcc -wrapper sh,-c,id -c a.c",
            "gcc -fplugin=x.so -c a.c",
            "gcc --specs=x -c a.c",
            "gcc -specs x -c a.c",
            "gcc @file -c a.c",
            "gcc -B dir/ -c a.c",
            "g++ -fmodule-mapper=|id -c a.cc",
            "gcc -no-integrated-cpp -c a.c",
            "gcc -Xassembler -al=x -c a.c",
            "gcc -fno-preprocessed -c a.c",
            "gcc --output=x -o y -c a.c",
            "gcc -aux-info x -c a.c",
            "gcc -fdump-tree-all=x -c a.c",
            "gcc -dumpdir x -save-temps -c a.c",
            "gcc -fopt-info-all=x -c a.c",
            "gcc -time=x -c a.c",
            "gcc -Wa,-al=x -c a.c",
            "gcc -o a.o -o b.o -c a.c",
            "gcc --std @a.i -c a.c",
            "gcc --param @a.i -c a.c",
            "clang -target @a.i -c a.c",
            "gcc -x @a.i -c a.c",
            "gcc -o @a.i -c a.c",
            "gcc --param -fplugin=x.so -c a.c",
            "gcc -target -fplugin=x.so -c a.c",
            "gcc -mthread-model -wrapper -c a.c",
            "clang --target=../x -c a.c",
            "gcc -O2\0 -c a.c",
            "gcc -c a\0.c",
            "gcc --distcc-restored-in=/a\0 -c a.c",
            "gcc -c a.c /etc/passwd",
            "gcc -E a.c",
            "sh -c id",
            "gcc",
        ] {
            assert!(judge(command).is_err(), "{command}");
        }
    }

    /// What may reach a compiler by itself.
    fn is_allowed(word: &OsStr) -> bool {
        let known = |row: &&'static crate::table::Row| {
            matches!(
                row.effect,
                Effect::Compile
                    | Effect::Columns
                    | Effect::Target
                    | Effect::Debug { .. }
                    | Effect::ToObject
                    | Effect::ToAssembler
                    | Effect::AssemblerWords
                    | Effect::Language
            )
        };
        let inner = ["-Xclang", "-mllvm", DIRECTIVES_ONLY];
        inner.iter().any(|name| word == *name)
            || crate::table::find(word.as_bytes()).as_ref().is_some_and(known)
    }

    /// Words like those of strangers: names of the table, cut short or with something behind them,
    /// and what is dangerous as a value.
    fn word() -> impl Strategy<Value = String> {
        let rows = 0..crate::table::TABLE.len();
        let named = (rows, 0..4_usize, "(|=x|=/x|x|,x|,-x|/x|=@x)").prop_map(|(row, cut, tail)| {
            let name = crate::table::TABLE[row].name;
            [&name[..name.len().saturating_sub(cut)], &tail].concat()
        });
        let other = prop::sample::select(vec![
            "a.c",
            "@x",
            "-c",
            "-o",
            "x",
            "-fplugin=x",
            "-wrapper",
            "/x",
            "-",
            "--",
            "",
            "-load",
            "-x",
            "c",
            "-Xclang",
            "-mllvm",
            "-Xassembler",
            "--noexecstack",
            "-al=x",
            "--param",
        ]);
        prop_oneof![3 => named, 2 => other.prop_map(str::to_owned)]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(5_000))]

        #[test]
        fn nothing_reaches_a_compiler_that_the_table_does_not_allow(
            compiler in prop::sample::select(vec!["gcc", "g++", "clang", "--std", "x"]),
            before in prop::collection::vec(word(), 0..3),
            after in prop::collection::vec(word(), 0..3),
        ) {
            let words = [vec![compiler.to_owned()], before, vec!["-c".into(), "a.c".into()], after];
            let words: Vec<OsString> = words.concat().into_iter().map(OsString::from).collect();
            let Ok(job) = server_job(&words) else { return Ok(()) };
            let sent = job.command(OsStr::new("IN"), OsStr::new("OUT"));
            let [rest @ .., o, output] = &sent[..] else { panic!("{sent:?}") };
            prop_assert!(o == "-o" && output == "OUT");
            prop_assert_eq!(rest.iter().filter(|word| *word == "IN").count(), 1);
            let mut rest = rest.iter();
            while let Some(word) = rest.next() {
                prop_assert!(word == "IN" || is_allowed(word), "{:?} of {:?}", word, words);
                let row = crate::table::find(word.as_bytes());
                let takes_next = row.is_some_and(|row| match row.shape {
                    Shape::Separate => true,
                    Shape::JoinedOrSeparate => word.len() == row.name.len(),
                    _ => false,
                });
                if takes_next && let Some(value) = rest.next() {
                    let value = value.as_bytes();
                    let is_judged = ["-Xclang", "-mllvm", "-Xassembler"].iter().any(|w| word == *w);
                    prop_assert!(!value.starts_with(b"@"), "{:?}", words);
                    prop_assert!(is_judged || !value.starts_with(b"-"), "{:?}", words);
                    let dangerous = [&b"-load"[..], b"-fplugin=x", b"-al=x", b"-wrapper"];
                    prop_assert!(!dangerous.contains(&value), "{:?}", words);
                }
            }
        }
    }

    #[test]
    fn a_refusal_names_the_word_and_the_remedy() {
        let refusal = judge("gcc -gsplit-dwarf -c a.c").unwrap_err();
        assert_eq!(
            refusal.to_string(),
            "`-gsplit-dwarf` makes a second file that the protocol cannot carry"
        );
        assert_eq!(refusal.hint(), "use -g without -gsplit-dwarf to share the compiles");
    }
}
