//! From words to options and operands, and from those to what a command is.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use crate::inner_words::{
    assembler_words_are_harmless, is_stream, judged_by_value, preprocessor_words_are_known,
};
use crate::language::{Kind, Language, base_name, is_clang_driver, is_cxx_driver};
use crate::table::{Effect, Row, Shape, find};
use crate::{Reason, Stay};

/// One option with its value, or one operand.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Item<'a> {
    /// An option of the table: its one or two words, and its value if its shape has one.
    Option { row: &'static Row, words: &'a [OsString], value: &'a [u8] },
    /// A file name.
    Operand(&'a OsString),
    /// Something that keeps a job here for itself.
    Odd(&'a OsString, Reason),
}

/// Reads the words after the compiler. With `ends_options`, as for Clang, the word `--` says that
/// only file names follow.
pub(crate) fn items(mut words: &[OsString], ends_options: bool) -> Vec<Item<'_>> {
    let mut items = Vec::with_capacity(words.len());
    while let [word, rest @ ..] = words {
        if ends_options && word == "--" {
            items.extend(rest.iter().map(operand));
            break;
        }
        let item = item(word, words);
        words = match item {
            Item::Option { words, .. } if words.len() == 2 => &rest[1..],
            _ => rest,
        };
        items.push(item);
    }
    items
}

/// A word after `--`. What is made of it has no `--`, so it must not look like an option.
fn operand(word: &OsString) -> Item<'_> {
    match word.as_bytes() {
        b"-" => Item::Odd(word, Reason::StandardInput),
        [b'-' | b'@', ..] => Item::Odd(word, Reason::UnknownInput),
        _ => Item::Operand(word),
    }
}

fn item<'a>(word: &'a OsString, words: &'a [OsString]) -> Item<'a> {
    match word.as_bytes() {
        b"-" => return Item::Odd(word, Reason::StandardInput),
        [b'@', ..] => return Item::Odd(word, Reason::ResponseFile),
        [b'-', ..] => {}
        _ => return Item::Operand(word),
    }
    let Some(row) = find(word.as_bytes()) else {
        return Item::Odd(word, Reason::UnknownOption);
    };
    let joined = &word.as_bytes()[row.name.len()..];
    let names_no_file = row.shape == Shape::Family || row.effect == Effect::Target;
    let stays = matches!(row.effect, Effect::Stay(_));
    if names_no_file && !stays && joined.contains(&b'/') {
        return Item::Odd(word, Reason::UnknownOption);
    }
    let is_separate = match row.shape {
        Shape::Alone | Shape::Joined | Shape::Family => false,
        Shape::Separate => true,
        Shape::JoinedOrSeparate => joined.is_empty(),
    };
    if !is_separate {
        return Item::Option { row, words: &words[..1], value: joined };
    }
    match words.get(1) {
        // Drivers put a file's words in its place before they ask what they belong to.
        Some(value) if value.as_bytes().starts_with(b"@") && !stays => {
            Item::Odd(value, Reason::ResponseFile)
        }
        Some(value) if names_no_file && !stays && value.as_bytes().contains(&b'/') => {
            Item::Odd(value, Reason::UnknownOption)
        }
        Some(value) => {
            let value = value.as_bytes();
            Item::Option { row: judged_by_value(row, value), words: &words[..2], value }
        }
        None => Item::Odd(word, Reason::MissingValue),
    }
}

/// What a command is to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Product {
    /// An object: `-c`.
    Object,
    /// Assembler text: `-S`.
    Assembler,
}

/// A source among the operands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Source<'a> {
    pub(crate) name: &'a OsString,
    pub(crate) language: Language,
    pub(crate) is_preprocessed: bool,
}

/// A command that compiles one source of a known language into one file, with options that are
/// all known.
#[derive(Debug)]
pub(crate) struct Command<'a> {
    pub(crate) compiler: &'a OsString,
    pub(crate) items: Vec<Item<'a>>,
    pub(crate) product: Product,
    pub(crate) source: Source<'a>,
    /// The name after `-o`.
    pub(crate) output: Option<&'a OsStr>,
    /// Whether debug information is asked for.
    pub(crate) debug: bool,
    /// The option that has debug information written to a file of its own.
    pub(crate) split_debug: Option<&'a OsString>,
    /// Whether a dependency file is written.
    pub(crate) dependencies: bool,
}

impl<'a> Command<'a> {
    /// Reads a command, the compiler first.
    ///
    /// # Errors
    /// The first thing that keeps it from leaving this machine.
    pub(crate) fn read(words: &'a [OsString]) -> Result<Command<'a>, Stay> {
        let [compiler, rest @ ..] = words else {
            return Err(Stay::without_word(Reason::NotACompile));
        };
        let items = items(rest, is_clang_driver(compiler.as_bytes()));
        let product = product(&items)?;
        if let Some(stay) = items.iter().find_map(oddity) {
            return Err(stay);
        }
        let source = source(&items, is_cxx_driver(compiler.as_bytes()))?;
        let output = output(&items)?;
        let mut command = Command {
            compiler,
            items,
            product,
            source,
            output,
            debug: false,
            split_debug: None,
            dependencies: false,
        };
        for item in &command.items {
            if let Item::Option { row, words, value } = item {
                match row.effect {
                    Effect::Debug { wanted } => command.debug = wanted,
                    Effect::SplitDebug => command.split_debug = words.first(),
                    Effect::Dependencies => command.dependencies = true,
                    Effect::PreprocessorWords if value.starts_with(b"-M") => {
                        command.dependencies = true;
                    }
                    _ => {}
                }
            }
        }
        Ok(command)
    }
}

/// What the mode options ask for; `-E` wins over `-S`, `-S` over `-c`, as in the compilers.
fn product(items: &[Item<'_>]) -> Result<Product, Stay> {
    let find = |effect: Effect| {
        items.iter().find_map(|item| match item {
            Item::Option { row, words, .. } if row.effect == effect => Some(&words[0]),
            _ => None,
        })
    };
    if let Some(word) = find(Effect::Stay(Reason::NotACompile)) {
        return Err(Stay::new(Reason::NotACompile, word));
    }
    if let Some(word) = find(Effect::ToPreprocessed) {
        return Err(Stay::new(Reason::PreprocessOnly, word));
    }
    if find(Effect::ToAssembler).is_some() {
        return Ok(Product::Assembler);
    }
    if find(Effect::ToObject).is_some() {
        return Ok(Product::Object);
    }
    Err(Stay::without_word(Reason::NotACompile))
}

fn oddity(item: &Item<'_>) -> Option<Stay> {
    match *item {
        Item::Odd(word, reason) => Some(Stay::new(reason, word)),
        Item::Operand(_) => None,
        Item::Option { row, words, value } => {
            let reason = match row.effect {
                // The option says it all, whatever its value is.
                Effect::Stay(reason) => return Some(Stay::new(reason, &words[0])),
                Effect::AssemblerWords if !assembler_words_are_harmless(value) => {
                    Reason::AssemblerOption
                }
                Effect::PreprocessorWords if !preprocessor_words_are_known(value) => {
                    Reason::PreprocessorDetails
                }
                Effect::DependencyFile if is_stream(value) => Reason::DependenciesToStream,
                Effect::Output if is_stream(value) || value.is_empty() => Reason::OutputToStream,
                Effect::Language if value == b"none" || Language::from_option(value).is_some() => {
                    return None;
                }
                Effect::Language if Language::is_header(value) => Reason::Modules,
                Effect::Language => Reason::UnknownLanguage,
                _ => return None,
            };
            Some(Stay::new(reason, words.last().unwrap_or(&words[0])))
        }
    }
}

fn source<'a>(items: &[Item<'a>], cxx_driver: bool) -> Result<Source<'a>, Stay> {
    let mut source = None;
    let mut language = None;
    for item in items {
        let name = match *item {
            Item::Option { row: Row { effect: Effect::Language, .. }, value, .. } => {
                language = Language::from_option(value);
                continue;
            }
            Item::Operand(name) => name,
            _ => continue,
        };
        // An explicit language is taken at its word, even by a C++ driver.
        let found = match language {
            Some(kind) => kind,
            None => match Kind::of_name(name.as_bytes()) {
                Kind::Source(c) if cxx_driver => Kind::Source(c.under_cxx_driver()),
                Kind::Preprocessed(c) if cxx_driver => Kind::Preprocessed(c.under_cxx_driver()),
                kind => kind,
            },
        };
        let (language, is_preprocessed) = match found {
            Kind::Source(language) => (language, false),
            Kind::Preprocessed(language) => (language, true),
            Kind::Assembler => return Err(Stay::new(Reason::AssemblerSource, name)),
            Kind::Other => return Err(Stay::new(Reason::UnknownInput, name)),
        };
        if source.is_some() {
            return Err(Stay::new(Reason::SeveralSources, name));
        }
        source = Some(Source { name, language, is_preprocessed });
    }
    source.ok_or_else(|| Stay::without_word(Reason::NoSource))
}

fn output<'a>(items: &[Item<'a>]) -> Result<Option<&'a OsStr>, Stay> {
    let mut output = None;
    for item in items {
        if let Item::Option { row: Row { effect: Effect::Output, .. }, words, value } = *item {
            if output.is_some() {
                return Err(Stay::new(Reason::SeveralOutputs, words.last().unwrap_or(&words[0])));
            }
            output = Some(OsStr::from_bytes(value));
        }
    }
    Ok(output)
}

/// Whether a source is one that a configure script makes to try the compiler.
pub(crate) fn is_configure_test(name: &[u8]) -> bool {
    let base = base_name(name);
    base.starts_with(b"conftest.") || base.starts_with(b"tmp.conftest.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Decision, decide};

    /// Whether a command may leave: `leaves`, or the code of the reason why not.
    #[track_caller]
    fn check(command: &str, expected: &str) {
        let words: Vec<OsString> = command.split(' ').map(OsString::from).collect();
        let got = match decide(&words) {
            Decision::Distribute(_) => "leaves",
            Decision::CompileHere(stay) => stay.reason.code(),
        };
        assert_eq!(got, expected, "{command}");
    }

    #[test]
    fn long_names_mean_what_short_ones_do() {
        check("gcc --compile a.c --output a.o --optimize=2 --debug", "leaves");
        check("gcc --compile a.c --output=/dev/null", "output-to-stream");
        check("gcc --include x.c --define-macro X --language=c++ --compile a.inc", "leaves");
        check("gcc --preprocess a.c", "preprocess-only");
        check("gcc --assemble a.c", "assembler-output");
        check("gcc --dependencies a.c -c", "dependencies-only");
        check("gcc --plugin=x -c a.c", "unknown-option");
    }

    #[test]
    fn two_dashes_end_the_options_of_clang() {
        check("clang -c -o a.o -- a.c", "leaves");
        check("clang-14 -c -- a.c -O2", "unknown-input");
        check("clang -c -- -", "standard-input");
        check("gcc -c -- a.c", "unknown-option");
    }

    #[test]
    fn a_family_names_no_files() {
        check("gcc -c -fnewer-than-this=x a.c", "leaves");
        check("gcc -c -fnewer-than-this=/x a.c", "unknown-option");
        check("gcc -c -frandom-seed=out/x.o a.c", "leaves");
        check("gcc -c -ffile-prefix-map=/a=/b a.c", "leaves");
        check("gcc -c -fplugin=/x a.c", "compiler-parts");
    }

    #[test]
    fn a_value_is_no_response_file() {
        for option in ["--std", "--param", "-G", "-target", "-D", "-o", "-MF", "-Xlinker", "-x"] {
            check(&format!("gcc -c {option} @f a.c"), "response-file");
        }
        check("clang -c -fdebug-compilation-dir @f a.c", "response-file");
        check("gcc -c -D@f a.c", "leaves");
    }

    #[test]
    fn a_target_is_no_path() {
        check("clang -c --target=x86_64-linux-gnu a.c", "leaves");
        check("clang -c --target=../../x a.c", "unknown-option");
        check("clang -c -target ../x a.c", "unknown-option");
    }

    #[test]
    fn native_tuning_hides_behind_a_plus() {
        check("gcc -c -mcpu=native+nofp a.c", "native-tuning");
    }

    #[test]
    fn a_language_option_is_taken_at_its_word() {
        check("gcc -x c -x none -c a.cc", "leaves");
        check("gcc -xassembler -c a.c", "assembler-source");
        check("gcc -x assembler-with-cpp -c a.c", "assembler-source");
        check("gcc -x c-header -c a.h", "modules");
        check("clang++ -x c++-module -c a.cppm", "modules");
        check("gcc -x go -c a.go", "unknown-language");
        check("gcc -x none -c a.h", "unknown-input");
        check("gcc -x c -c -", "standard-input");
    }

    #[test]
    fn harmless_words_for_inner_programs_leave() {
        check("gcc -Xassembler --noexecstack -c a.c", "leaves");
        check("gcc -Xassembler -al=x -c a.c", "assembler-option");
        check("gcc -Xpreprocessor -DX -c a.c", "leaves");
        check("gcc -Xpreprocessor -MD -Xpreprocessor x.d -c a.c", "inner-option");
        check("clang -Xclang -disable-O0-optnone -mllvm -inline-threshold=9 -c a.c", "leaves");
        check("clang -Xclang -load -Xclang x.so -c a.c", "inner-option");
        check("clang -Xarch_x86_64 -O2 -c a.c", "inner-option");
        check("gcc -Wp,-MMD,x -Wp,-MT,y -Wp,-include,x.h -c a.c", "leaves");
    }
}
