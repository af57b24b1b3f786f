//! One compile, and what the compiler says of it.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use includes::{Compile, MacroOption, Search, Setting};

/// A translation unit: a command as it would be given, without `-c` and outputs.
#[derive(Clone, Debug)]
pub struct Unit {
    /// `gcc`, `clang++` ...
    pub compiler: &'static str,
    /// Its options. Values of `-D`, `-U`, `-I` and the like stand in the same word.
    pub options: Arc<Vec<String>>,
    /// The source, as it is named.
    pub source: String,
    /// The working folder.
    pub folder: Arc<PathBuf>,
}

impl Unit {
    /// What the scanner is asked.
    #[must_use]
    pub fn compile(&self) -> Compile {
        let mut compile = Compile { source: self.source.clone().into(), ..Compile::default() };
        let mut words = self.options.iter();
        while let Some(word) = words.next() {
            let mut list = |list: &mut Vec<Vec<u8>>| {
                list.extend(words.next().map(|name| name.clone().into_bytes()));
            };
            match word.as_str() {
                "-include" => list(&mut compile.included),
                "-imacros" => list(&mut compile.macro_files),
                word => compile.macros.extend(macro_option(word)),
            }
        }
        compile
    }

    /// The options that all units with the same setting share.
    #[must_use]
    pub fn shared_options(&self) -> Vec<String> {
        let mut shared = Vec::new();
        let mut words = self.options.iter();
        while let Some(word) = words.next() {
            match word.as_str() {
                "-include" | "-imacros" => drop(words.next()),
                word if macro_option(word).is_none() => shared.push(word.to_owned()),
                _ => {}
            }
        }
        shared.push(format!("-x{}", self.language()));
        shared
    }

    fn language(&self) -> &'static str {
        match Path::new(&self.source).extension().and_then(|extension| extension.to_str()) {
            Some("c") => "c",
            Some("S") => "assembler-with-cpp",
            _ => "c++",
        }
    }

    /// The names of the files that the compiler reads, by `-M`; `None` where it fails.
    ///
    /// # Errors
    /// When the compiler does not start.
    pub fn opened(&self) -> Result<Option<BTreeSet<Vec<u8>>>> {
        let output = self
            .command()
            .args(self.options.iter())
            .args(["-w", "-M", &self.source])
            .output()
            .with_context(|| format!("could not start {}", self.compiler))?;
        Ok(output.status.success().then(|| names_of_rule(&output.stdout)))
    }

    /// What the compiler makes of the source in a folder, and the names of the files that it
    /// reads; `None` where it fails.
    ///
    /// # Errors
    /// When the compiler does not start.
    pub fn preprocessed(&self, folder: &Path) -> Result<Option<(Vec<u8>, BTreeSet<Vec<u8>>)>> {
        let rule = folder.with_extension("d");
        let output = self
            .command()
            .current_dir(folder)
            .args(self.options.iter())
            .args(["-w", "-E", "-P", &self.source, "-MD", "-MF"])
            .arg(&rule)
            .output()
            .with_context(|| format!("could not start {}", self.compiler))?;
        if !output.status.success() {
            return Ok(None);
        }
        Ok(Some((output.stdout, names_of_rule(&std::fs::read(rule)?))))
    }

    fn command(&self) -> Command {
        let mut command = Command::new(self.compiler);
        command.current_dir(&*self.folder).stdin(Stdio::null()).env("LC_ALL", "C");
        command
    }
}

fn macro_option(word: &str) -> Option<MacroOption> {
    let value = |begin| word.strip_prefix(begin).map(|value: &str| value.as_bytes().to_vec());
    value("-D").map(MacroOption::Define).or_else(|| value("-U").map(MacroOption::Undefine))
}

/// Settings, each asked of the compiler once.
#[derive(Debug, Default)]
pub struct Settings(HashMap<(&'static str, PathBuf, Vec<String>), Arc<Setting>>);

impl Settings {
    /// The setting of a unit.
    ///
    /// # Errors
    /// When the compiler does not tell it.
    pub fn of(&mut self, unit: &Unit) -> Result<Arc<Setting>> {
        let options = unit.shared_options();
        let key = (unit.compiler, (*unit.folder).clone(), options.clone());
        if let Some(setting) = self.0.get(&key) {
            return Ok(setting.clone());
        }
        let ask = |words: &[&str]| -> Result<std::process::Output> {
            let output = unit.command().args(&options).args(words).arg("/dev/null").output()?;
            ensure!(
                output.status.success(),
                "{} {options:?} {words:?}: {}",
                unit.compiler,
                String::from_utf8_lossy(&output.stderr)
            );
            Ok(output)
        };
        let setting = Arc::new(Setting {
            search: search_of(&ask(&["-E", "-v"])?.stderr),
            own_macros: Some(ask(&["-dM", "-E"])?.stdout.into()),
            has_trigraphs: options.iter().any(|word| word == "-trigraphs" || word == "-ansi"),
            maps_names: options.iter().any(|word| word.contains("-prefix-map")),
        });
        self.0.insert(key, setting.clone());
        Ok(setting)
    }
}

/// The lists that `-E -v` prints.
fn search_of(printed: &[u8]) -> Search {
    let mut search = Search::default();
    let mut list = None;
    for line in printed.split(|byte| *byte == b'\n') {
        match line {
            b"#include \"...\" search starts here:" => list = Some(&mut search.quoted),
            b"#include <...> search starts here:" => list = Some(&mut search.all),
            b"End of search list." => list = None,
            line => {
                if let (Some(list), [b' ', folder @ ..]) = (&mut list, line) {
                    list.push(folder.to_vec());
                }
            }
        }
    }
    search
}

/// The prerequisites of a rule for make.
fn names_of_rule(rule: &[u8]) -> BTreeSet<Vec<u8>> {
    let start = rule.windows(2).position(|two| two == b": ").map_or(0, |at| at + 2);
    let mut names = BTreeSet::new();
    let mut name = Vec::new();
    let mut bytes = rule[start..].iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        match (byte, bytes.peek()) {
            (b'\\', Some(b'\n')) => drop(bytes.next()),
            (b'\\', Some(b' ' | b'#')) | (b'$', Some(b'$')) => name.extend(bytes.next()),
            (b' ' | b'\n', _) => {
                if !name.is_empty() {
                    names.insert(std::mem::take(&mut name));
                }
            }
            _ => name.push(byte),
        }
    }
    names
}

/// A name as `-M` writes it: without `./` at its beginning.
#[must_use]
pub fn as_in_rule(name: &[u8]) -> &[u8] {
    let mut name = name;
    while let Some(rest) = name.strip_prefix(b"./") {
        name = rest;
        while let Some(rest) = name.strip_prefix(b"/") {
            name = rest;
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_names_its_files() {
        let names = names_of_rule(b"a.o: a.c x/y.h \\\n  a\\ b.h \\\n c$$.h d\\#.h\n");
        let expected = ["a b.h", "a.c", "c$.h", "d#.h", "x/y.h"];
        assert_eq!(names, expected.map(|name| name.as_bytes().to_vec()).into());
        assert_eq!(as_in_rule(b".//./x/./y.h"), b"x/./y.h");
    }

    #[test]
    fn search_lists_are_read() {
        let printed = b"x\n#include \"...\" search starts here:\n q\n#include <...> search starts here:\n a b\n c\nEnd of search list.\n d\n";
        let search = search_of(printed);
        assert_eq!(search.quoted, [b"q"]);
        assert_eq!(search.all, [&b"a b"[..], b"c"]);
    }
}
