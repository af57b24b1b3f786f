//! What a command reads beside its source, and where it looks for it.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

use crate::Language;
use crate::parse::{Command, Item};
use crate::table::Effect;

/// Variables that add folders in which compilers look for headers.
pub const FOLDER_VARIABLES: [&str; 4] =
    ["CPATH", "C_INCLUDE_PATH", "CPLUS_INCLUDE_PATH", "OBJC_INCLUDE_PATH"];

/// What decides which files a compile reads, as its words say it. Names are as they stand there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// The source.
    pub source: Vec<u8>,
    /// What follows `-x` for a source of its language.
    pub language: &'static str,
    /// Folders for names in quotes (`-iquote`).
    pub quoted: Vec<Vec<u8>>,
    /// Folders for all names (`-I`).
    pub all: Vec<Vec<u8>>,
    /// Folders after those, before the compiler's own (`-isystem`).
    pub system: Vec<Vec<u8>>,
    /// Folders behind the compiler's own (`-idirafter`).
    pub after: Vec<Vec<u8>>,
    /// Files of `-imacros`, in order.
    pub macro_files: Vec<Vec<u8>>,
    /// Files of `-include`, in order.
    pub included: Vec<Vec<u8>>,
    /// What stands behind `-D` and `-U`, in order.
    pub macros: Vec<MacroWord>,
    /// Whether `__FILE__` may be another name than the file's.
    pub maps_names: bool,
    /// Whether trigraphs are asked for.
    pub has_trigraphs: bool,
    /// The words that decide about the compiler's own folders and macros.
    pub setting: Vec<OsString>,
}

/// A macro of the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MacroWord {
    /// `-D`: `NAME`, `NAME=VALUE` or `NAME(PARAMETERS)=VALUE`.
    Define(Vec<u8>),
    /// `-U`: the name.
    Undefine(Vec<u8>),
}

/// Options with a value that the compiler compiles into the object or prints, and that no macro of
/// its own tells: they differ from file to file, or from build to build.
const WITHOUT_MACROS: [&[u8]; 8] = [
    b"-W",
    b"-w",
    b"-g",
    b"-frandom-seed=",
    b"-fdebug-prefix-map=",
    b"-ffile-prefix-map=",
    b"-fdiagnostics-",
    b"-fmessage-length=",
];

/// Options that ask for trigraphs, beside strict standards.
const HAS_TRIGRAPHS: [&str; 4] = ["-trigraphs", "--trigraphs", "-ansi", "--ansi"];

/// Options that change what `__FILE__` is.
const MAPS_NAMES: [&[u8]; 2] = [b"-fmacro-prefix-map=", b"-ffile-prefix-map="];

impl Reading {
    /// What `words`, a command with the compiler first, says.
    ///
    /// # Errors
    /// The word that leaves open what is read; empty where it is the command as a whole.
    pub fn of(words: &[OsString]) -> Result<Reading, OsString> {
        let command = Command::read(words).map_err(|stay| stay.word)?;
        let mut reading = Reading {
            source: command.source.name.as_bytes().to_vec(),
            language: command.source.language.option(),
            ..Reading::default()
        };
        for item in &command.items {
            if let Item::Option { row, words, value } = item {
                reading.take(row.name, row.effect, words, value)?;
            }
        }
        Ok(reading)
    }

    fn take(
        &mut self,
        name: &str,
        effect: Effect,
        words: &[OsString],
        value: &[u8],
    ) -> Result<(), OsString> {
        let unclear = || Err(words[0].clone());
        match effect {
            Effect::Preprocess => {}
            Effect::PreprocessorWords if names_dependencies_alone(value) => return Ok(()),
            Effect::PreprocessorWords => return unclear(),
            Effect::Compile | Effect::Columns | Effect::Target => {
                let word = words[0].as_bytes();
                self.has_trigraphs |= HAS_TRIGRAPHS.iter().any(|own| words[0] == *own);
                self.maps_names |= MAPS_NAMES.iter().any(|start| word.starts_with(start));
                if !WITHOUT_MACROS.iter().any(|start| word.starts_with(start)) {
                    self.setting.extend_from_slice(words);
                }
                return Ok(());
            }
            _ => return Ok(()),
        }
        match name {
            "-D" | "--define-macro" | "--define-macro=" => {
                self.macros.push(MacroWord::Define(value.to_vec()));
            }
            "-U" | "--undefine-macro" | "--undefine-macro=" => {
                self.macros.push(MacroWord::Undefine(value.to_vec()));
            }
            "-include" | "--include" | "--include=" => self.included.push(value.to_vec()),
            "-imacros" | "--imacros" | "--imacros=" => self.macro_files.push(value.to_vec()),
            "-I" | "--include-directory" | "--include-directory=" => {
                return put_folder(&mut self.all, words, value);
            }
            "-iquote" => return put_folder(&mut self.quoted, words, value),
            "-isystem" => return put_folder(&mut self.system, words, value),
            "-idirafter" | "--include-directory-after" | "--include-directory-after=" => {
                return put_folder(&mut self.after, words, value);
            }
            "-MG"
            | "--print-missing-file-dependencies"
            | "-MP"
            | "-MV"
            | "-Mno-modules"
            | "-Mmodules" => {}
            "-isysroot"
            | "--sysroot"
            | "--sysroot="
            | "-stdlib="
            | "--stdlib="
            | "-nostdinc"
            | "--no-standard-includes"
            | "-nostdinc++"
            | "-nostdlibinc"
            | "-nobuiltininc"
            | "-ibuiltininc"
            | "-resource-dir"
            | "-resource-dir="
            | "--gcc-toolchain="
            | "--gcc-install-dir="
            | "--gcc-triple="
            | "-no-canonical-prefixes"
            | "--no-canonical-prefixes"
            | "-canonical-prefixes" => self.setting.extend_from_slice(words),
            _ => return unclear(),
        }
        Ok(())
    }
}

/// Adds a folder. `-I-` is an old way to say something else, and `=` stands for the root of a
/// system.
fn put_folder(list: &mut Vec<Vec<u8>>, words: &[OsString], value: &[u8]) -> Result<(), OsString> {
    if matches!(value, b"" | b"-") || value.starts_with(b"=") {
        return Err(words[0].clone());
    }
    list.push(value.to_vec());
    Ok(())
}

/// Whether the words of `-Wp,` say nothing but where dependencies go.
fn names_dependencies_alone(value: &[u8]) -> bool {
    let mut words = value.split(|byte| *byte == b',');
    while let Some(word) = words.next() {
        match word {
            b"-MD" | b"-MMD" | b"-MF" | b"-MT" | b"-MQ" => drop(words.next()),
            b"-MP" | b"-MG" => {}
            _ => return false,
        }
    }
    true
}

impl Language {
    /// What follows `-x` for source of this language.
    fn option(self) -> &'static str {
        match self {
            Language::C => "c",
            Language::Cxx => "c++",
            Language::ObjectiveC => "objective-c",
            Language::ObjectiveCxx => "objective-c++",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(command: &str) -> Vec<OsString> {
        command.split(' ').map(OsString::from).collect()
    }

    #[track_caller]
    fn reading(command: &str) -> Reading {
        Reading::of(&words(command)).unwrap_or_else(|word| panic!("{command}: {}", word.display()))
    }

    #[test]
    fn folders_and_files_are_found_in_every_spelling() {
        let found = reading(
            "g++ -Ia -I b --include-directory=c -iquote d -iquotee -isystem f -idirafter g -include \
             x.h -imacros y.h -c a.c -o a.o",
        );
        let list =
            |names: &[&str]| names.iter().map(|name| name.as_bytes().to_vec()).collect::<Vec<_>>();
        assert_eq!(found.all, list(&["a", "b", "c"]));
        assert_eq!(found.quoted, list(&["d", "e"]));
        assert_eq!((found.system, found.after), (list(&["f"]), list(&["g"])));
        assert_eq!((found.included, found.macro_files), (list(&["x.h"]), list(&["y.h"])));
        assert_eq!((&found.source[..], found.language), (&b"a.c"[..], "c++"));
    }

    #[test]
    fn macros_keep_their_order() {
        let found = reading("gcc -DA -D B=2 -UA -DC= -c a.c");
        let define = |text: &str| MacroWord::Define(text.into());
        let undefine = MacroWord::Undefine(b"A".to_vec());
        assert_eq!(found.macros, [define("A"), define("B=2"), undefine, define("C=")]);
        assert!(!found.maps_names && reading("gcc -ffile-prefix-map=/a=/b -c a.c").maps_names);
    }

    #[test]
    fn a_setting_is_what_changes_folders_or_macros() {
        let found = reading(
            "gcc -O2 -std=c11 -m32 -Wall -g -fPIC -frandom-seed=x --sysroot=/x -nostdinc -MD -MF x.d \
             -Wp,-MMD,y.d -pthread -Wl,-x -c a.c",
        );
        assert_eq!(found.setting, words("-O2 -std=c11 -m32 -fPIC --sysroot=/x -nostdinc -pthread"));
    }

    #[test]
    fn what_leaves_the_files_open_is_told() {
        for option in [
            "-I-",
            "-I=/x",
            "-iprefix x",
            "-iwithprefix x",
            "-Fx",
            "-Wp,-include,x.h",
            "-imultilib x",
        ] {
            let word = Reading::of(&words(&format!("gcc {option} -c a.c"))).unwrap_err();
            assert!(option.starts_with(word.to_str().unwrap()), "{option}");
        }
    }
}
