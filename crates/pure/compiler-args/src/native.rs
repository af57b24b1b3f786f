//! What `-march=native` and the like stand for, in words that mean the same on every machine.
//!
//! The compiler says it itself: `-###` prints the commands behind its driver, in which GCC has
//! put the real options in place of the word, and Clang a processor and its features. Nothing is
//! believed: the compiler is asked again with the words that were found, and only if it then does
//! the very same do they stand in for the user's.
//!
//! Source: what GCC 12 and Clang 14 print (recorded in the tests), and for ARM the manual of GCC,
//! "AArch64 Options": `-mcpu=native` is replaced by the driver.

use std::collections::HashSet;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

use crate::language::{base_name, is_clang_driver};
use crate::parse::{Item, items};
use crate::{Effect, Reason};

/// The most that a compiler may say about its commands, in bytes.
const MOST_SAID: usize = 256 << 10;

/// The most words that one may stand for.
const MOST_WORDS: usize = 512;

/// The most bytes of one of them.
const MOST_WORD_BYTES: usize = 100;

/// A compiler that answers questions. The options are those behind its name.
pub trait NativeCompiler {
    /// What it prints to standard error for `OPTIONS -### -pipe -c -x c /dev/null`, whatever its
    /// exit status. `None` when it cannot be asked.
    fn plan(&mut self, options: &[OsString]) -> Option<String>;

    /// The intermediate code that it makes of one small function with these options
    /// (`-S -emit-llvm`); `None` when it does not.
    fn code(&mut self, options: &[OsString]) -> Option<Vec<u8>>;
}

/// A command that means the processor it runs on, and the question what that is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NativeCommand {
    /// The command without the words in question.
    without: Vec<OsString>,
    /// Its options about the machine, those words among them.
    asked: Vec<OsString>,
    /// Its other options about the machine.
    others: Vec<OsString>,
    /// Whether debug information, if it is made, names the options.
    records_options: bool,
}

/// What the words in question stand for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tuning {
    /// The words to put before all others.
    words: Vec<OsString>,
    /// Whether the compiler behind the driver then reads its options in the same order, which it
    /// writes into debug information.
    keeps_order: bool,
}

impl NativeCommand {
    /// Takes a command apart, the compiler first. `None` when no word of it means this processor.
    #[must_use]
    pub fn of(words: &[OsString]) -> Option<NativeCommand> {
        let (compiler, rest) = words.split_first()?;
        let is_clang = is_clang_driver(compiler.as_bytes());
        let mut native: HashSet<&OsString> = HashSet::new();
        let (mut asked, mut others) = (Vec::new(), Vec::new());
        let mut records_options = true;
        for item in items(rest, is_clang) {
            let Item::Option { row, words, .. } = item else { continue };
            match row.effect {
                Effect::Stay(Reason::NativeTuning) => {
                    native.extend(words);
                    asked.extend_from_slice(words);
                }
                Effect::Target => {
                    asked.extend_from_slice(words);
                    others.extend_from_slice(words);
                }
                _ if row.name.starts_with("--param") => {
                    asked.extend_from_slice(words);
                    others.extend_from_slice(words);
                }
                _ if words[0] == "-grecord-gcc-switches" => records_options = true,
                _ if words[0] == "-gno-record-gcc-switches" => records_options = false,
                _ => {}
            }
        }
        if native.is_empty() {
            return None;
        }
        let without = words.iter().filter(|word| !native.contains(word)).cloned().collect();
        Some(NativeCommand { without, asked, others, records_options })
    }

    /// The command without the words in question: whether it may leave apart from them.
    #[must_use]
    pub fn without(&self) -> &[OsString] {
        &self.without
    }

    /// The options that the answer depends on.
    #[must_use]
    pub fn asked(&self) -> &[OsString] {
        &self.asked
    }

    /// The command with what the words in question stand for.
    #[must_use]
    pub fn with(&self, tuning: &Tuning) -> Vec<OsString> {
        let (compiler, rest) = self.without.split_at(1);
        [compiler, &tuning.words, rest].concat()
    }

    /// Whether debug information of the command with `tuning` would differ from the user's.
    #[must_use]
    pub fn differs_in_debug_information(&self, tuning: &Tuning) -> bool {
        self.records_options && !tuning.keeps_order
    }

    /// Asks `compiler` what the words in question stand for. `None` when it does not say it in
    /// words that have the very same effect.
    pub fn ask(&self, compiler: &mut impl NativeCompiler) -> Option<Tuning> {
        let said = compiler.plan(&self.asked)?;
        if said.contains("warning:") {
            // Which the user would miss if the words were replaced.
            return None;
        }
        let native = commands(&said)?;
        if native.iter().any(|command| is_clang_command(command)) {
            return self.ask_clang(compiler, &native);
        }
        let baseline = commands(&compiler.plan(&self.others)?)?;
        let words = gcc_words(&native, &baseline)?;
        let options = [&words[..], &self.others].concat();
        let explicit = commands(&compiler.plan(&options)?)?;
        let keeps_order = gcc_order(&native, &explicit)?;
        Some(Tuning { words, keeps_order })
    }

    fn ask_clang(
        &self,
        compiler: &mut impl NativeCompiler,
        native: &[Vec<String>],
    ) -> Option<Tuning> {
        let command = native.iter().find(|command| is_clang_command(command))?;
        let mut words = clang_words(command, &self.asked)?;
        let options = |words: &[OsString]| [words, &self.others].concat();
        // Some features have no option of their own, because every processor of the kind has
        // them; Clang names the words that it does not know.
        let said = compiler.plan(&options(&words))?;
        let unknown = unknown_arguments(&said);
        words.retain(|word| !unknown.iter().any(|unknown| word == unknown));
        let wanted = compiler.code(&self.asked)?;
        let made = compiler.code(&options(&words))?;
        let is_64_bit = following(command, "-triple").is_some_and(|t| t.starts_with("x86_64"));
        let is_same =
            !wanted.is_empty() && essence(&wanted, is_64_bit) == essence(&made, is_64_bit);
        is_same.then_some(Tuning { words, keeps_order: true })
    }
}

impl Tuning {
    /// The words, and whether they keep the order, a line each.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = String::from(if self.keeps_order { "in order" } else { "in another order" });
        for word in &self.words {
            text.push('\n');
            text.push_str(&word.to_string_lossy());
        }
        text
    }

    /// Reads what [`Tuning::to_text`] has written.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Tuning> {
        let mut lines = text.split('\n');
        let keeps_order = match lines.next()? {
            "in order" => true,
            "in another order" => false,
            _ => return None,
        };
        let words = checked(lines.map(str::to_owned).collect())?;
        Some(Tuning { words, keeps_order })
    }
}

/// The commands that a driver says it would run: the lines that begin with a space.
fn commands(said: &str) -> Option<Vec<Vec<String>>> {
    if said.len() > MOST_SAID {
        return None;
    }
    let lines = said.lines().filter(|line| line.starts_with(' ') && *line != " (in-process)");
    let commands: Vec<Vec<String>> = lines.map(words_of).collect::<Option<_>>()?;
    let is_empty = commands.is_empty() || commands.iter().any(Vec::is_empty);
    (!is_empty).then_some(commands)
}

/// The words of a line, some between double quotes with backslashes before what would end them.
/// GCC's pipe sign at the end is one. `--param X` becomes `--param=X`: GCC prints both.
fn words_of(line: &str) -> Option<Vec<String>> {
    let mut words: Vec<String> = Vec::new();
    let mut word: Option<String> = None;
    let mut is_quoted = false;
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '"' => {
                is_quoted = !is_quoted;
                word.get_or_insert_default();
            }
            '\\' => word.get_or_insert_default().push(letters.next()?),
            ' ' if !is_quoted => words.extend(word.take()),
            _ => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    let mut joined: Vec<String> = Vec::with_capacity(words.len());
    for word in words {
        match joined.last_mut() {
            Some(last) if last == "--param" => *last = format!("--param={word}"),
            _ => joined.push(word),
        }
    }
    (!is_quoted).then_some(joined)
}

/// What GCC reads of the machine, each kind of word apart: how two of different kinds are ordered
/// does not matter to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Architecture,
    Tuning,
    Processor,
    Machine,
    Parameter,
    Other,
}

const KINDS: [Kind; 6] = [
    Kind::Architecture,
    Kind::Tuning,
    Kind::Processor,
    Kind::Machine,
    Kind::Parameter,
    Kind::Other,
];

impl Kind {
    fn of(word: &str) -> Kind {
        match word {
            _ if word.starts_with("-march=") => Kind::Architecture,
            _ if word.starts_with("-mtune=") => Kind::Tuning,
            _ if word.starts_with("-mcpu=") => Kind::Processor,
            _ if word.starts_with("-m") => Kind::Machine,
            _ if word.starts_with("--param=") => Kind::Parameter,
            _ => Kind::Other,
        }
    }
}

/// The words about the machine that GCC's compiler proper gets beyond those of `baseline`.
fn gcc_words(native: &[Vec<String>], baseline: &[Vec<String>]) -> Option<Vec<OsString>> {
    let (native, baseline) = (compiler_proper(native)?, compiler_proper(baseline)?);
    let is_about_machine = |word: &&String| Kind::of(word) != Kind::Other;
    let mut words: Vec<String> = native.iter().filter(is_about_machine).cloned().collect();
    for word in baseline.iter().filter(is_about_machine) {
        // The user's own stand behind those that the driver has put in.
        if let Some(at) = words.iter().rposition(|other| other == word) {
            words.remove(at);
        }
    }
    let words = words.iter().flat_map(|word| match word.strip_prefix("--param=") {
        Some(parameter) => vec!["--param".to_owned(), parameter.to_owned()],
        None => vec![word.clone()],
    });
    // None: it may not have understood what it was asked.
    checked(words.collect()).filter(|words| !words.is_empty())
}

/// GCC's `cc1` among the commands: the first.
fn compiler_proper(commands: &[Vec<String>]) -> Option<&[String]> {
    let command = commands.first()?;
    let is_proper = base_name(command.first()?.as_bytes()).starts_with(b"cc1");
    is_proper.then_some(&command[1..])
}

/// Whether the programs behind the driver get the same options both times, and if so, whether in
/// an order that makes the same debug information. `None` when they do not.
fn gcc_order(native: &[Vec<String>], explicit: &[Vec<String>]) -> Option<bool> {
    if native.len() != explicit.len() {
        return None;
    }
    for (native, explicit) in native.iter().zip(explicit) {
        for kind in KINDS {
            let of_kind = |word: &&String| Kind::of(word) == kind;
            if !native.iter().filter(of_kind).eq(explicit.iter().filter(of_kind)) {
                return None;
            }
        }
    }
    let (native, explicit) = (compiler_proper(native)?, compiler_proper(explicit)?);
    let is_machine = |word: &&String| !matches!(Kind::of(word), Kind::Other | Kind::Parameter);
    let has_parameters = native.iter().any(|word| Kind::of(word) == Kind::Parameter);
    Some(!has_parameters && native.iter().filter(is_machine).eq(explicit.iter().filter(is_machine)))
}

fn is_clang_command(command: &[String]) -> bool {
    command.get(1).is_some_and(|word| word == "-cc1")
}

/// The words for the processor and the features that Clang's compiler proper gets.
fn clang_words(command: &[String], asked: &[OsString]) -> Option<Vec<OsString>> {
    let asks = |word: &str| asked.iter().any(|asked| asked == word);
    let triple = following(command, "-triple")?;
    let is_x86 = triple.starts_with("x86_64") || triple.starts_with('i');
    let mut words = Vec::new();
    if asks("-march=native") {
        if !is_x86 {
            return None;
        }
        words.push(format!("-march={}", following(command, "-target-cpu")?));
        for pair in command.windows(2).filter(|pair| pair[0] == "-target-feature") {
            words.push(match pair[1].split_at_checked(1)? {
                ("+", feature) => format!("-m{feature}"),
                ("-", feature) => format!("-mno-{feature}"),
                _ => return None,
            });
        }
    }
    if asks("-mcpu=native") {
        words.push(format!("-mcpu={}", following(command, "-target-cpu")?));
    }
    if asks("-mtune=native")
        && let Some(processor) = following(command, "-tune-cpu")
    {
        words.push(format!("-mtune={processor}"));
    }
    checked(words).filter(|words| !words.is_empty())
}

fn following<'a>(command: &'a [String], word: &str) -> Option<&'a str> {
    let at = command.iter().position(|other| other == word)?;
    command.get(at + 1).map(String::as_str)
}

/// The words that Clang says it does not know: `error: unknown argument: '-m64bit'`, newer ones
/// without the colon and with a guess after it.
fn unknown_arguments(said: &str) -> Vec<&str> {
    let words = said.lines().filter_map(|line| {
        let (_, after) = line.split_once("unknown argument")?;
        after.split('\'').nth(1)
    });
    words.collect()
}

/// Intermediate code without features that every 64-bit x86 has: Clang puts them down where it
/// found them, and implies them where it is told a processor.
fn essence(code: &[u8], is_64_bit: bool) -> String {
    let mut code = String::from_utf8_lossy(code).into_owned();
    if is_64_bit {
        for feature in ["+64bit,", "+cmov,", "+cx8,"] {
            code = code.replace(feature, "");
        }
    }
    code
}

/// The words, if they are few and look like options about the machine.
fn checked(words: Vec<String>) -> Option<Vec<OsString>> {
    let is_plain = |word: &String| {
        let known = |byte: u8| byte.is_ascii_alphanumeric() || b"-+=._:,".contains(&byte);
        word.len() <= MOST_WORD_BYTES && word.bytes().all(known) && !word.contains("=native")
    };
    let is_parameter = |at: usize| at > 0 && words[at - 1] == "--param";
    let is_right = words.len() <= MOST_WORDS
        && words.iter().all(is_plain)
        && words.iter().enumerate().all(|(at, word)| match is_parameter(at) {
            true => word.starts_with(|first: char| first.is_ascii_alphanumeric()),
            false => word == "--param" || word.starts_with("-m"),
        })
        && words.last().is_none_or(|word| word != "--param");
    is_right.then(|| words.into_iter().map(OsString::from).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What GCC 12 and Clang 14 of Debian 12 said on a machine of which they think that it is a
    /// Zen 3 with AVX-512, reduced to the lines that count.
    const GCC_NATIVE: &str = include_str!("native/gcc12-march.txt");
    const GCC_BASELINE: &str = include_str!("native/gcc12-baseline.txt");
    const GCC_EXPLICIT: &str = include_str!("native/gcc12-explicit.txt");
    const CLANG_NATIVE: &str = include_str!("native/clang14-march.txt");
    const CLANG_EXPLICIT: &str = include_str!("native/clang14-explicit.txt");
    const CLANG_NATIVE_CODE: &str = include_str!("native/clang14-march.ll");
    const CLANG_EXPLICIT_CODE: &str = include_str!("native/clang14-explicit.ll");

    /// A compiler that answers by what it is asked: with native words, with none of the machine's
    /// own, with other words.
    struct Recorded {
        native: &'static str,
        baseline: &'static str,
        explicit: &'static str,
        code: [&'static str; 2],
        asked: Vec<String>,
    }

    impl Recorded {
        fn new(native: &'static str, baseline: &'static str, explicit: &'static str) -> Recorded {
            Recorded { native, baseline, explicit, code: ["", ""], asked: Vec::new() }
        }
    }

    fn joined(words: &[OsString]) -> String {
        words.iter().map(|word| word.to_str().unwrap()).collect::<Vec<_>>().join(" ")
    }

    impl NativeCompiler for Recorded {
        fn plan(&mut self, options: &[OsString]) -> Option<String> {
            let options = joined(options);
            let answer = match &options {
                _ if options.contains("=native") => self.native,
                _ if self.asked.len() == 1 && !self.baseline.is_empty() => self.baseline,
                _ => self.explicit,
            };
            self.asked.push(options);
            Some(answer.to_owned())
        }

        fn code(&mut self, options: &[OsString]) -> Option<Vec<u8>> {
            let is_native = joined(options).contains("=native");
            self.asked.push(joined(options));
            Some(self.code[usize::from(!is_native)].as_bytes().to_vec())
        }
    }

    fn command(text: &str) -> NativeCommand {
        let words: Vec<OsString> = text.split(' ').map(OsString::from).collect();
        NativeCommand::of(&words).unwrap()
    }

    #[test]
    fn a_command_is_taken_apart() {
        let command = command("gcc -O2 -march=native -m64 --param x=1 -c -mtune=native a.c");
        assert_eq!(joined(&command.without), "gcc -O2 -m64 --param x=1 -c a.c");
        assert_eq!(joined(&command.asked), "-march=native -m64 --param x=1 -mtune=native");
        assert_eq!(joined(&command.others), "-m64 --param x=1");
        assert!(NativeCommand::of(&["gcc", "-c", "a.c"].map(OsString::from)).is_none());
        assert!(NativeCommand::of(&[]).is_none());
    }

    #[test]
    fn gcc_names_options_and_cache_sizes() {
        let mut gcc = Recorded::new(GCC_NATIVE, GCC_BASELINE, GCC_EXPLICIT);
        let command = command("gcc -march=native -g -mfpmath=sse -c a.c");
        let tuning = command.ask(&mut gcc).unwrap();
        let words = joined(&tuning.words);
        assert!(words.starts_with("-march=znver3 -mmmx -mpopcnt "), "{words}");
        assert!(words.contains(" -mno-avx512fp16 --param l1-cache-size=32 "), "{words}");
        assert!(words.ends_with(" --param l2-cache-size=1024 -mtune=znver3"), "{words}");
        assert_eq!(joined(&command.with(&tuning)), format!("gcc {words} -g -mfpmath=sse -c a.c"));
        assert_eq!(Tuning::from_text(&tuning.to_text()).as_ref(), Some(&tuning));
        // The parameters stand elsewhere among what debug information records.
        assert!(command.differs_in_debug_information(&tuning));
        let silent = super::tests::command("gcc -march=native -g -gno-record-gcc-switches -c a.c");
        assert!(!silent.differs_in_debug_information(&tuning));
    }

    #[test]
    fn gcc_for_arm_names_a_processor() {
        let plan = " /usr/lib/gcc/aarch64-linux-gnu/12/cc1 -quiet /dev/null -dumpbase null \
                    \"-mcpu=cortex-a72+crypto+crc\" -mlittle-endian \"-mabi=lp64\" -o - |\n \
                    as -EL \"-march=armv8-a+crypto+crc\" \"-mabi=lp64\" -o null.o\n";
        let baseline = " /usr/lib/gcc/aarch64-linux-gnu/12/cc1 -quiet /dev/null -dumpbase null \
                        -mlittle-endian \"-mabi=lp64\" -o - |\n as -EL \"-mabi=lp64\" -o null.o\n";
        let command = command("gcc -mcpu=native -g -c a.c");
        let tuning = command.ask(&mut Recorded::new(plan, baseline, plan)).unwrap();
        assert_eq!(joined(&tuning.words), "-mcpu=cortex-a72+crypto+crc");
        assert!(!command.differs_in_debug_information(&tuning));
    }

    #[test]
    fn clang_names_a_processor_and_features() {
        let mut clang = Recorded::new(CLANG_NATIVE, "", CLANG_EXPLICIT);
        clang.code = [CLANG_NATIVE_CODE, CLANG_EXPLICIT_CODE];
        let tuning = command("clang -O2 -march=native -c a.c").ask(&mut clang).unwrap();
        let words = joined(&tuning.words);
        assert!(words.starts_with("-march=znver3 -mno-avx512pf -mno-tsxldtrk -mcx16 "), "{words}");
        assert!(!words.contains("-m64bit") && !words.contains("-mcmov"), "{words}");
        let mut differs = Recorded::new(CLANG_NATIVE, "", CLANG_EXPLICIT);
        differs.code = [CLANG_NATIVE_CODE, "other"];
        assert!(command("clang -march=native -c a.c").ask(&mut differs).is_none());
        let mut silent = Recorded::new(CLANG_NATIVE, "", CLANG_EXPLICIT);
        assert!(command("clang -march=native -c a.c").ask(&mut silent).is_none());
    }

    #[test]
    fn a_compiler_that_takes_the_words_for_something_else_is_not_believed() {
        for (native, baseline, explicit) in [
            ("", "", ""),
            ("gcc: warning: old\n cc1 -mx", " cc1", " cc1 -mx"),
            ("nonsense", "nonsense", "nonsense"),
            (" ", " ", " "),
            (" \"open", " x", " x"),
            (" x -cc1", "", " x -cc1"),
            (" cc1 -march=native -o -", " cc1 -o -", " cc1 -march=native -o -"),
            (" cc1 -march=native -o -", " cc1 -march=native -o -", " cc1 -march=native -o -"),
            (" cc1 -march=x -o -", " cc1 -march=x -o -", " cc1 -march=x -o -"),
            (" cc1 -march=x;id", " cc1", " cc1 -march=x;id"),
            (" cc1 --param", " cc1 --param -mx", " cc1"),
            (" collect2 -march=x", " collect2", " collect2 -march=x"),
            (GCC_NATIVE, GCC_BASELINE, GCC_BASELINE),
            (GCC_NATIVE, GCC_BASELINE, GCC_NATIVE.split_once('\n').unwrap().0),
        ] {
            let mut compiler = Recorded::new(native, baseline, explicit);
            let answer = command("gcc -march=native -mfpmath=sse -c a.c").ask(&mut compiler);
            assert_eq!(answer, None, "{native}");
        }
    }

    #[test]
    fn what_was_kept_is_checked_like_what_is_heard() {
        for text in ["", "in order\n-fplugin=x", "in order\n--param", "in order\n-march=native"] {
            assert_eq!(Tuning::from_text(text), None, "{text}");
        }
        let long = format!("in order\n-m{}", "x".repeat(200));
        assert_eq!(Tuning::from_text(&long), None);
    }

    #[test]
    fn quoted_words_are_read_as_the_drivers_write_them() {
        let words = words_of(" \"a \\\"b\\\\\" --param \"x=1\" c |").unwrap();
        assert_eq!(words, ["a \"b\\", "--param=x=1", "c", "|"]);
        assert!(words_of(" \"a").is_none() && words_of(" a\\").is_none());
    }
}
