//! The projects that the demo builds. Their sources come from crates.io and are never committed.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};
use support::{Packages, Wanted};

/// A project and where its sources lie.
pub(crate) struct Project {
    pub(crate) name: &'static str,
    /// The objects, relative to the build folder.
    pub(super) objects: Vec<String>,
    sources: PathBuf,
    /// The extension of its sources, with the dot.
    extension: &'static str,
    /// The make variable of its compiler.
    compiler: &'static str,
    flags: &'static str,
    /// A program that uses it, linked of all objects: its name, its source, its libraries.
    program: Option<(&'static str, &'static str, &'static str)>,
}

/// The packages that carry the sources.
const PACKAGES: [Wanted<'static>; 2] = [
    ("lua-src", "\"=547.0.0\""),
    ("harfbuzz-sys", "{ version = \"=0.6.1\", default-features = false }"),
];

/// A program that tries the Lua library out: the package has none of its own.
const LUA_PROGRAM: &str = r#"#include "lauxlib.h"
#include "lualib.h"
int main(void)
{
    lua_State *lua = luaL_newstate();
    luaL_openlibs(lua);
    return luaL_dostring(lua, "print(_VERSION .. ' says that 6*7 is ' .. 6*7)");
}
"#;

/// Parts of HarfBuzz that need other libraries, are libraries of their own, or are tools.
const NOT_HARFBUZZ: [&str; 13] = [
    "harfbuzz",
    "hb-cairo",
    "hb-coretext",
    "hb-directwrite",
    "hb-ft",
    "hb-gdi",
    "hb-glib",
    "hb-gobject",
    "hb-graphite",
    "hb-icu",
    "hb-subset",
    "hb-uniscribe",
    "hb-wasm",
];

/// Fetches the packages that carry the sources.
pub(crate) fn fetch(folder: &Path) -> Result<Vec<Project>> {
    let packages = Packages::fetch(folder, &PACKAGES)?;
    Ok(vec![
        Project {
            name: "Lua",
            sources: packages.folder("lua-src")?.join("lua-5.4.7"),
            extension: ".c",
            compiler: "CC",
            flags: "-O2 -Wall -std=gnu99 -DLUA_USE_POSIX",
            program: Some(("try", LUA_PROGRAM, "-lm")),
            objects: Vec::new(),
        }
        .with_objects(|_| true)?,
        Project {
            name: "HarfBuzz",
            sources: packages.folder("harfbuzz-sys")?.join("harfbuzz/src"),
            extension: ".cc",
            compiler: "CXX",
            flags: "-O1 -std=c++11 -fno-exceptions -fno-rtti -DHAVE_PTHREAD",
            program: None,
            objects: Vec::new(),
        }
        .with_objects(|stem| {
            stem.starts_with("hb-") && !NOT_HARFBUZZ.iter().any(|name| stem.starts_with(name))
        })?,
    ])
}

impl Project {
    fn with_objects(mut self, wanted: impl Fn(&str) -> bool) -> Result<Project> {
        for entry in std::fs::read_dir(&self.sources)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if let Some(stem) = name.strip_suffix(self.extension).filter(|stem| wanted(stem)) {
                self.objects.push(format!("{stem}.o"));
            }
        }
        self.objects.extend(self.program.map(|(name, ..)| format!("{name}.o")));
        self.objects.sort();
        ensure!(!self.objects.is_empty(), "no sources in {}", self.sources.display());
        Ok(self)
    }

    /// Copies the sources into `folder` and writes a makefile beside them.
    pub(crate) fn lay_out(&self, folder: &Path) -> Result<()> {
        copy(&self.sources, &folder.join("src"))?;
        let mut makefile = format!("OBJECTS = {}\n", self.objects.join(" "));
        match self.program {
            Some((program, source, libraries)) => {
                std::fs::write(folder.join(format!("src/{program}{}", self.extension)), source)?;
                writeln!(makefile, "all: {program}")?;
                writeln!(makefile, "{program}: $(OBJECTS)\n\t$(CC) -o $@ $^ {libraries}")?;
            }
            None => writeln!(makefile, "all: $(OBJECTS)")?,
        }
        let (extension, compiler, flags) = (self.extension, self.compiler, self.flags);
        writeln!(
            makefile,
            "%.o: src/%{extension}\n\t$({compiler}) {flags} -MMD -MF $*.d -c $< -o $@"
        )?;
        Ok(std::fs::write(folder.join("Makefile"), makefile)?)
    }

    /// Runs what was built.
    pub(super) fn try_out(&self, folder: &Path) -> Result<()> {
        let Some((program, ..)) = self.program else { return Ok(()) };
        let output = Command::new(folder.join(program)).output()?;
        ensure!(output.status.success(), "{program} does not run: {}", output.status);
        eprint!("demo: the linked program runs: {}", String::from_utf8_lossy(&output.stdout));
        Ok(())
    }
}

/// Copies the files of a folder, and of those below it.
fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}
