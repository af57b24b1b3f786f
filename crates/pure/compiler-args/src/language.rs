//! Source languages, and the file names that tell them.

/// What a source file is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Language {
    /// C.
    C,
    /// C++.
    Cxx,
    /// Objective-C.
    ObjectiveC,
    /// Objective-C++.
    ObjectiveCxx,
}

/// What an extension says about a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Source to be preprocessed.
    Source(Language),
    /// Source that has been preprocessed.
    Preprocessed(Language),
    /// Assembler source, with or without preprocessing.
    Assembler,
    /// Something else: a header, an object, a library.
    Other,
}

impl Language {
    /// The suffix that makes compilers take a file as preprocessed source of this language.
    #[must_use]
    pub fn preprocessed_suffix(self) -> &'static str {
        match self {
            Language::C => ".i",
            Language::Cxx => ".ii",
            Language::ObjectiveC => ".mi",
            Language::ObjectiveCxx => ".mii",
        }
    }

    /// The language a `++` driver takes a file of this language for.
    pub(crate) fn under_cxx_driver(self) -> Language {
        match self {
            Language::C => Language::Cxx,
            other => other,
        }
    }

    /// The meaning of `-x NAME`, for the languages that can leave this machine.
    pub(crate) fn from_option(name: &[u8]) -> Option<Kind> {
        Some(match name {
            b"c" => Kind::Source(Language::C),
            b"c++" => Kind::Source(Language::Cxx),
            b"objective-c" => Kind::Source(Language::ObjectiveC),
            b"objective-c++" => Kind::Source(Language::ObjectiveCxx),
            b"cpp-output" => Kind::Preprocessed(Language::C),
            b"c++-cpp-output" => Kind::Preprocessed(Language::Cxx),
            b"objective-c-cpp-output" => Kind::Preprocessed(Language::ObjectiveC),
            b"objective-c++-cpp-output" => Kind::Preprocessed(Language::ObjectiveCxx),
            b"assembler" | b"assembler-with-cpp" => Kind::Assembler,
            _ => return None,
        })
    }

    /// Whether `-x NAME` makes a precompiled header or a module of the source.
    pub(crate) fn is_header(name: &[u8]) -> bool {
        [&b"-header"[..], b"-header-unit", b"-module"].iter().any(|end| name.ends_with(end))
    }
}

impl Kind {
    /// What GCC and Clang take a file for by its name. Source: the manual of GCC, "Overall
    /// Options".
    pub(crate) fn of_name(name: &[u8]) -> Kind {
        match extension(name) {
            b"c" => Kind::Source(Language::C),
            b"cc" | b"cp" | b"cxx" | b"cpp" | b"CPP" | b"c++" | b"C" => Kind::Source(Language::Cxx),
            b"m" => Kind::Source(Language::ObjectiveC),
            b"mm" | b"M" => Kind::Source(Language::ObjectiveCxx),
            b"i" => Kind::Preprocessed(Language::C),
            b"ii" => Kind::Preprocessed(Language::Cxx),
            b"mi" => Kind::Preprocessed(Language::ObjectiveC),
            b"mii" => Kind::Preprocessed(Language::ObjectiveCxx),
            b"s" | b"S" | b"sx" => Kind::Assembler,
            _ => Kind::Other,
        }
    }
}

/// The part of a file name after its last dot; empty when it has none.
pub(crate) fn extension(name: &[u8]) -> &[u8] {
    let base = base_name(name);
    match base.iter().rposition(|byte| *byte == b'.') {
        Some(dot) => &base[dot + 1..],
        None => b"",
    }
}

/// The part of a file name after its last slash.
pub(crate) fn base_name(name: &[u8]) -> &[u8] {
    let start = name.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
    &name[start..]
}

/// A file name without its last dot and what follows that; the whole name when it has none.
pub(crate) fn without_extension(name: &[u8]) -> &[u8] {
    let start = name.len() - base_name(name).len();
    match name[start..].iter().rposition(|byte| *byte == b'.') {
        Some(dot) => &name[..start + dot],
        None => name,
    }
}

/// Whether a program of this name is Clang.
pub(crate) fn is_clang_driver(compiler: &[u8]) -> bool {
    base_name(compiler).windows(b"clang".len()).any(|part| part == b"clang")
}

/// Whether a program of this name is a C++ driver: `g++`, `clang++-14`, `c++`.
pub(crate) fn is_cxx_driver(compiler: &[u8]) -> bool {
    let base = base_name(compiler);
    base.windows(2).any(|pair| pair == b"++")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_apart_like_the_compilers_do() {
        assert_eq!(extension(b"a.b/c"), b"");
        assert_eq!(extension(b"dir/a.tab.cc"), b"cc");
        assert_eq!(without_extension(b"a.b/c"), b"a.b/c");
        assert_eq!(without_extension(b"a.b/c.d.o"), b"a.b/c.d");
        assert_eq!(base_name(b"a/b/"), b"");
    }

    #[test]
    fn cxx_drivers_are_known_by_their_name() {
        assert!(is_cxx_driver(b"/usr/bin/x86_64-linux-gnu-g++-12"));
        assert!(!is_cxx_driver(b"/opt/c++/bin/gcc"));
    }
}
