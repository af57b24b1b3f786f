//! What is asked of the scanner and what it answers.

use std::sync::Arc;

use crate::facts::Doubt;

/// What all compiles with the same options share.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Setting {
    /// Where the compiler looks.
    pub search: Search,
    /// The macros that the compiler defines by itself, as `-dM -E` prints them. `None`: not known,
    /// and any may be defined.
    pub own_macros: Option<Arc<[u8]>>,
    /// Whether `__FILE__` may be another name than the file's (`-fmacro-prefix-map`,
    /// `-ffile-prefix-map`).
    pub maps_names: bool,
    /// Whether `-trigraphs` is given. A strict standard has them without it.
    pub has_trigraphs: bool,
}

/// Where the compiler looks for files, in order: the lists that `gcc -v` and `clang -v` print.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Search {
    /// Folders for names in quotes alone (`-iquote`).
    pub quoted: Vec<Vec<u8>>,
    /// Folders for names in either form (`-I`, `-isystem`, the compiler's own, `-idirafter`).
    pub all: Vec<Vec<u8>>,
}

/// One compile, as far as its files go.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Compile {
    /// The source.
    pub source: Vec<u8>,
    /// Files of `-imacros`, in order. The compiler reads them first.
    pub macro_files: Vec<Vec<u8>>,
    /// Files of `-include`, in order.
    pub included: Vec<Vec<u8>>,
    /// `-D` and `-U`, in order.
    pub macros: Vec<MacroOption>,
}

/// A macro of the command line.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum MacroOption {
    /// `-D`, and what stands behind it: `NAME`, `NAME=VALUE`, `NAME(PARAMETERS)=VALUE`.
    Define(Vec<u8>),
    /// `-U`, and the name.
    Undefine(Vec<u8>),
}

impl MacroOption {
    /// The name of a macro that is defined, and its value; whether it has parameters.
    pub(crate) fn definition(&self) -> Option<(&[u8], &[u8], bool)> {
        let MacroOption::Define(text) = self else { return None };
        let end = text.iter().position(|byte| *byte == b'=').unwrap_or(text.len());
        let head = &text[..end];
        let value = text.get(end + 1..).unwrap_or(b"1");
        match head.iter().position(|byte| *byte == b'(') {
            Some(at) => Some((&head[..at], value, true)),
            None => Some((head, value, false)),
        }
    }
}

/// What a compile may read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Closure {
    /// The names under which the compiler may open files, each once, the source first.
    pub files: Vec<Arc<[u8]>>,
    /// Folders in which it looks for a file that is not there, each once; the folder need not be
    /// there either. As long as nothing appears directly in one of them (or, where the folder is
    /// missing, the folder itself), and no file of the closure changes, neither does the closure.
    pub missed_in: Vec<Arc<[u8]>>,
    /// What cannot be followed, and in which file. With one of these, nothing else is certain.
    pub doubts: Vec<(Arc<[u8]>, ClosureDoubt)>,
}

/// Why a closure is not certain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClosureDoubt {
    /// A file says what cannot be followed.
    Told(Doubt),
    /// There is a precompiled header, which may be read instead of the header.
    PrecompiledHeader,
    /// The file, or one of `-include`, is not there.
    Missing,
}
