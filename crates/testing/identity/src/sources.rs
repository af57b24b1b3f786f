//! The sources that cases compile: those of this package, made for trouble, and those of others.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use support::{Packages, Wanted};

/// What a source is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    C,
    Cxx,
    ObjectiveC,
    ObjectiveCxx,
    Assembler,
}

impl Language {
    fn of_extension(extension: &str) -> Option<Language> {
        match extension {
            "c" | "i" | "inc" => Some(Language::C),
            "cc" | "cpp" | "cxx" | "C" | "ii" => Some(Language::Cxx),
            "m" => Some(Language::ObjectiveC),
            "mm" => Some(Language::ObjectiveCxx),
            "s" | "S" => Some(Language::Assembler),
            _ => None,
        }
    }

    pub(crate) fn is_cxx(self) -> bool {
        matches!(self, Language::Cxx | Language::ObjectiveCxx)
    }
}

/// A file to compile.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    /// Below the folder of a case.
    pub(crate) path: String,
    pub(crate) language: Language,
}

/// A folder of sources.
#[derive(Debug)]
pub(crate) struct Tree {
    /// Its name below the folder of a case; empty: that folder itself.
    pub(crate) name: &'static str,
    /// Where it really is.
    pub(crate) pristine: PathBuf,
    pub(crate) sources: Vec<Source>,
    /// The include folders that its sources need, below it.
    pub(crate) includes: &'static [&'static str],
    /// Other options that they need.
    pub(crate) options: &'static [&'static str],
    /// How often a case takes its source from here.
    pub(crate) weight: usize,
}

const PACKAGES: [Wanted<'static>; 8] = [
    ("lua-src", "\"=547.0.0\""),
    ("harfbuzz-sys", "{ version = \"=0.6.1\", default-features = false }"),
    ("zstd-sys", "{ version = \"=2.0.15\", default-features = false }"),
    ("onig_sys", "{ version = \"=69.9.3\", default-features = false }"),
    ("libz-sys", "{ version = \"=1.1.31\", default-features = false, features = [\"static\"] }"),
    ("brotli-sys", "\"=0.3.2\""),
    ("leveldb-sys", "{ version = \"=2.0.9\", default-features = false }"),
    ("libsqlite3-sys", "{ version = \"=0.35.0\", default-features = false }"),
];

/// A project among the packages.
struct Project {
    name: &'static str,
    package: &'static str,
    /// Its sources in the package.
    folder: &'static str,
    includes: &'static [&'static str],
    options: &'static [&'static str],
    /// Files that its configuration would write.
    made: &'static [(&'static str, &'static str)],
    /// The largest source that is compiled, in bytes: cases are to be cheap.
    largest: u64,
    /// What the paths of sources may not contain: slow ones, parts of others, other systems.
    without: &'static [&'static str],
    weight: usize,
}

impl Project {
    const fn new(name: &'static str, package: &'static str, folder: &'static str) -> Project {
        Project {
            name,
            package,
            folder,
            includes: &[],
            options: &[],
            made: &[],
            largest: 40_000,
            without: &[],
            weight: 1,
        }
    }
}

const PROJECTS: [Project; 8] = [
    Project {
        options: &["-DLUA_USE_POSIX"],
        weight: 14,
        ..Project::new("lua", "lua-src", "lua-5.4.7")
    },
    Project {
        without: &["legacy/", "divsufsort", "zstd_fast", "double_fast"],
        weight: 8,
        ..Project::new("zstd", "zstd-sys", "zstd/lib")
    },
    Project {
        made: &[(
            "config.h",
            "#define SIZEOF_INT 4\n#define SIZEOF_LONG 8\n#define SIZEOF_LONG_LONG 8\n\
             #define SIZEOF_VOIDP 8\n#define HAVE_ALLOCA_H 1\n#define HAVE_STDINT_H 1\n",
        )],
        // Those are included by others.
        without: &["_data", "mktable", "_prop"],
        weight: 6,
        ..Project::new("onig", "onig_sys", "oniguruma/src")
    },
    Project { without: &["contrib"], weight: 6, ..Project::new("zlib", "libz-sys", "src/zlib") },
    Project {
        includes: &["include"],
        without: &["backward", "splitter", "bit_stream", "fragment", "encode", "static_dict"],
        weight: 4,
        ..Project::new("brotli", "brotli-sys", "brotli")
    },
    Project {
        includes: &[".", "include"],
        options: &["-DLEVELDB_PLATFORM_POSIX=1"],
        made: &[("port/port_config.h", "#define HAVE_FDATASYNC 1\n")],
        without: &["_test", "windows", "bench", "testutil"],
        weight: 5,
        ..Project::new("leveldb", "leveldb-sys", "deps/leveldb-1.22")
    },
    Project {
        options: &["-fno-exceptions", "-fno-rtti", "-DHAVE_PTHREAD"],
        largest: 12_000,
        without: &[
            "test",
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
            "main",
            "harfbuzz",
            "wasm",
            "graph/",
        ],
        weight: 2,
        ..Project::new("harfbuzz", "harfbuzz-sys", "harfbuzz/src")
    },
    Project {
        largest: u64::MAX,
        without: &["wasm"],
        weight: 0,
        ..Project::new("sqlite", "libsqlite3-sys", "sqlite3")
    },
];

/// Our own sources: how often a case takes one, against the projects' weights.
const OWN_WEIGHT: usize = 32;

/// The large source is taken once in so many cases.
pub(crate) const SQLITE_ONCE_IN: usize = 1000;

/// Our own sources once more, under names that make tools quote.
const COPIES: [(&str, &str); 6] = [
    ("plain.c", "sub dir/a file.c"),
    ("common.h", "sub dir/common.h"),
    ("macro_warnings.c", "odd#name$.c"),
    ("hash_warning.c", "gr\u{fc}\u{df}e.c"),
    ("plain.c", "two.dots.c"),
    ("small.cxx", "it's.cc"),
];

/// Fetches the packages and lays all sources out below `folder`, ours first.
pub(crate) fn lay_out(folder: &Path) -> Result<Vec<Tree>> {
    let packages = Packages::fetch(&folder.join("packages"), &PACKAGES)?;
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("sources");
    let pristine = folder.join("own");
    copy(&own, &pristine, &|_| true)?;
    for (from, to) in COPIES {
        let to = pristine.join(to);
        std::fs::create_dir_all(to.parent().context("a path has a parent")?)?;
        std::fs::copy(own.join(from), to)?;
    }
    let mut trees = vec![Tree {
        name: "",
        sources: sources("", &pristine, u64::MAX, &[])?,
        pristine,
        includes: &[],
        options: &[],
        weight: OWN_WEIGHT,
    }];
    for project in &PROJECTS {
        let pristine = folder.join(project.name);
        let from = packages.folder(project.package)?.join(project.folder);
        copy(&from, &pristine, &is_code)?;
        for (path, text) in project.made {
            std::fs::write(pristine.join(path), text)?;
        }
        trees.push(Tree {
            name: project.name,
            sources: sources(project.name, &pristine, project.largest, project.without)?,
            pristine,
            includes: project.includes,
            options: project.options,
            weight: project.weight,
        });
    }
    Ok(trees)
}

fn is_code(name: &str) -> bool {
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    matches!(extension, "h" | "hh" | "hpp" | "rl" | "def" | "inc" | "c" | "cc" | "cpp" | "s" | "S")
}

/// Copies those files of a folder, and of the folders below it, whose names are wanted.
fn copy(from: &Path, to: &Path, wanted: &dyn Fn(&str) -> bool) -> Result<()> {
    std::fs::create_dir_all(to)?;
    let entries = std::fs::read_dir(from).with_context(|| format!("{}", from.display()))?;
    for entry in entries {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target, wanted)?;
        } else if wanted(&entry.file_name().to_string_lossy()) {
            std::fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}

/// The sources below a folder, in an order of their own.
fn sources(name: &str, folder: &Path, largest: u64, without: &[&str]) -> Result<Vec<Source>> {
    let mut found = Vec::new();
    collect(folder, Path::new(name), largest, &mut found)?;
    found.retain(|source| {
        let within = source.path.strip_prefix(name).unwrap_or(&source.path);
        !without.iter().any(|part| within.contains(part))
    });
    found.sort_by(|left, right| left.path.cmp(&right.path));
    ensure!(!found.is_empty(), "no sources in {}", folder.display());
    Ok(found)
}

fn collect(folder: &Path, shown: &Path, largest: u64, found: &mut Vec<Source>) -> Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let path = shown.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), &path, largest, found)?;
            continue;
        }
        let extension = path.extension().unwrap_or_default().to_string_lossy().into_owned();
        let language = Language::of_extension(&extension);
        if let Some(language) =
            language.filter(|_| entry.metadata().is_ok_and(|m| m.len() <= largest))
        {
            found.push(Source { path: path.to_string_lossy().into_owned(), language });
        }
    }
    Ok(())
}
