//! Code bases that nobody here wrote, and how they are compiled. Their sources come from crates.io
//! and Debian, and are never committed.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use support::{Packages, Wanted};

use crate::unit::Unit;

/// Debian packages that have headers, sources and compilers.
pub const DEBIAN_PACKAGES: [&str; 13] = [
    "gcc",
    "g++",
    "clang",
    "make",
    "perl",
    "xz-utils",
    "libboost-dev",
    "libeigen3-dev",
    "libfreetype-dev",
    "llvm-14-dev",
    "linux-headers-amd64",
    "linux-source",
    "libstdc++-12-dev",
];

/// Those of them that the short form needs.
pub const SHORT_DEBIAN_PACKAGES: [&str; 5] =
    ["gcc", "g++", "clang", "libstdc++-12-dev", "libfreetype-dev"];

const CRATES: [Wanted<'static>; 8] = [
    ("lua-src", "\"=547.0.0\""),
    ("zstd-sys", "\"=2.0.15\""),
    ("openssl-src", "\"=300.6.1\""),
    ("freetype-sys", "\"=0.20.1\""),
    ("libgit2-sys", "\"=0.17.0\""),
    ("harfbuzz-sys", "{ version = \"=0.6.1\", default-features = false }"),
    ("aws-lc-sys", "\"=0.2.2\""),
    ("librocksdb-sys", "\"=0.17.3\""),
];

/// One code base: units with the same options.
#[derive(Debug)]
pub struct CodeBase {
    /// What it is called.
    pub name: &'static str,
    /// Its units.
    pub units: Vec<Unit>,
}

/// Fetches and unpacks them all below `folder`.
///
/// # Errors
/// When one cannot be had.
pub fn all(folder: &Path, show: &dyn Fn(&str)) -> Result<Vec<CodeBase>> {
    show("fetching sources from crates.io");
    let crates = Packages::fetch(&folder.join("fetch"), &CRATES)?;
    let mut code_bases = Vec::new();
    for recipe in &RECIPES {
        let root = crates.folder(recipe.package)?.join(recipe.folder);
        let root = match recipe.prepare {
            Some(prepare) => {
                let copied = folder.join(recipe.name);
                if !copied.exists() {
                    show(&format!("preparing {}", recipe.name));
                    let unfinished = folder.join("unfinished");
                    let _ = std::fs::remove_dir_all(&unfinished);
                    copy(&root, &unfinished)?;
                    prepare(&unfinished)?;
                    std::fs::rename(&unfinished, &copied)?;
                }
                copied
            }
            None => root,
        };
        code_bases.push(recipe.code_base(&root)?);
    }
    show("unpacking the kernel's sources");
    code_bases.push(kernel(folder)?);
    code_bases.extend(headers(folder)?);
    Ok(code_bases)
}

/// Those that need no more than the packages of [`SHORT_DEBIAN_PACKAGES`].
///
/// # Errors
/// When one cannot be had.
pub fn short(folder: &Path) -> Result<Vec<CodeBase>> {
    HEADER_SETS.iter().take(3).map(|set| set.code_base(folder)).collect()
}

/// How a crate's sources are compiled.
struct Recipe {
    name: &'static str,
    package: &'static str,
    /// Where in the package its sources are; options and names start there.
    folder: &'static str,
    /// Makes what its build would make first, in a copy.
    prepare: Option<fn(&Path) -> Result<()>>,
    /// Folders with sources.
    below: &'static [&'static str],
    /// Parts of names of sources that are for other systems.
    leave_out: &'static [&'static str],
    options: &'static [&'static str],
}

const RECIPES: [Recipe; 8] = [
    Recipe {
        name: "Lua",
        package: "lua-src",
        folder: "",
        prepare: None,
        below: &["lua-5.4.7", "lua-5.3.6"],
        leave_out: &[],
        options: &["-DLUA_USE_LINUX"],
    },
    Recipe {
        name: "zstd",
        package: "zstd-sys",
        folder: "zstd/lib",
        prepare: None,
        below: &["."],
        leave_out: &[],
        options: &["-I.", "-Icommon", "-DZSTD_LEGACY_SUPPORT=1"],
    },
    Recipe {
        name: "OpenSSL",
        package: "openssl-src",
        folder: "openssl",
        prepare: Some(configure_openssl),
        below: &["crypto", "ssl", "providers", "apps"],
        leave_out: &[],
        options: &[
            "-I.",
            "-Iinclude",
            "-Iapps/include",
            "-Iproviders/common/include",
            "-Iproviders/implementations/include",
            "-Icrypto",
            "-DOPENSSLDIR=\"/etc/ssl\"",
            "-DENGINESDIR=\"/usr/lib\"",
            "-DMODULESDIR=\"/usr/lib\"",
        ],
    },
    Recipe {
        name: "FreeType",
        package: "freetype-sys",
        folder: "freetype2",
        prepare: None,
        below: &["src"],
        leave_out: &["/tools/"],
        options: &["-Iinclude", "-DFT2_BUILD_LIBRARY"],
    },
    Recipe {
        name: "libgit2",
        package: "libgit2-sys",
        folder: "libgit2",
        prepare: Some(configure_libgit2),
        below: &["src", "deps/xdiff", "deps/llhttp"],
        leave_out: &["/win32/"],
        options: &[
            "-Ibuild",
            "-Iinclude",
            "-Isrc/util",
            "-Isrc/libgit2",
            "-isystemdeps/xdiff",
            "-isystemdeps/llhttp",
            "-isystemdeps/pcre",
        ],
    },
    Recipe {
        name: "HarfBuzz",
        package: "harfbuzz-sys",
        folder: "harfbuzz",
        prepare: None,
        below: &["src"],
        leave_out: &[],
        options: &["-Isrc", "-DHAVE_PTHREAD", "-std=c++17"],
    },
    Recipe {
        name: "AWS-LC",
        package: "aws-lc-sys",
        folder: "deps/aws-lc",
        prepare: None,
        below: &["crypto"],
        leave_out: &[],
        options: &[
            "-Iinclude",
            "-Ithird_party/s2n-bignum/include",
            "-Ithird_party/googletest/include",
            "-DBORINGSSL_IMPLEMENTATION",
        ],
    },
    Recipe {
        name: "RocksDB",
        package: "librocksdb-sys",
        folder: "rocksdb",
        prepare: None,
        below: &["."],
        leave_out: &["/port/win/", "/java/"],
        options: &[
            "-I.",
            "-Iinclude",
            "-Ithird-party/gtest-1.8.1/fused-src",
            "-std=c++17",
            "-DOS_LINUX",
            "-DROCKSDB_PLATFORM_POSIX",
            "-DROCKSDB_LIB_IO_POSIX",
        ],
    },
];

impl Recipe {
    fn code_base(&self, root: &Path) -> Result<CodeBase> {
        let mut sources = Vec::new();
        for below in self.below {
            find(&root.join(below), &|name| is_source(name), &mut sources)?;
        }
        let names = sources.iter().filter_map(|path| path.strip_prefix(root).ok()?.to_str());
        let names = names.filter(|name| {
            let name = format!("/{name}");
            !self.leave_out.iter().any(|part| name.contains(part))
        });
        let names: Vec<String> = names.map(str::to_owned).collect();
        ensure!(!names.is_empty(), "no sources of {} in {}", self.name, root.display());
        let options = self.options.iter().map(|&word| word.to_owned()).collect();
        Ok(CodeBase { name: self.name, units: units(root, &names, options) })
    }
}

fn is_source(name: &str) -> bool {
    [".c", ".cc", ".cpp", ".S"].iter().any(|end| name.ends_with(end))
}

/// Each source once with GCC and once with Clang.
fn units(root: &Path, names: &[String], options: Vec<String>) -> Vec<Unit> {
    let (folder, options) = (Arc::new(root.to_owned()), Arc::new(options));
    let unit = |name: &String, compiler| Unit {
        compiler,
        options: options.clone(),
        source: name.clone(),
        folder: folder.clone(),
    };
    let both = |name| [unit(name, "gcc"), unit(name, "clang")];
    names.iter().flat_map(both).collect()
}

/// Adds the files below `folder` whose names are wanted, in order.
fn find(folder: &Path, is_wanted: &dyn Fn(&str) -> bool, found: &mut Vec<PathBuf>) -> Result<()> {
    let entries = std::fs::read_dir(folder)
        .with_context(|| format!("could not read {}", folder.display()))?;
    let mut paths: Vec<PathBuf> = entries.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    paths.sort();
    for path in paths {
        if path.is_dir() && !path.is_symlink() {
            find(&path, is_wanted, found)?;
        } else if path.to_str().is_some_and(is_wanted) {
            found.push(path);
        }
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    let mut command = Command::new("cp");
    run(command.arg("-r").arg(from).arg(to))
}

fn run(command: &mut Command) -> Result<()> {
    let output = command.stdin(Stdio::null()).output();
    let output = output.with_context(|| format!("could not start {command:?}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    let last: Vec<&str> = said.lines().rev().take(5).collect();
    ensure!(output.status.success(), "{command:?} failed: {}", last.join("; "));
    Ok(())
}

/// Makes the headers that OpenSSL's build generates.
fn configure_openssl(folder: &Path) -> Result<()> {
    let words = ["linux-x86_64", "no-asm", "no-shared", "no-module", "no-tests", "no-legacy"];
    run(Command::new("perl").arg("Configure").args(words).current_dir(folder))?;
    run(Command::new("make").args(["-s", "build_generated"]).current_dir(folder))
}

/// Makes the header that libgit2's build generates.
fn configure_libgit2(folder: &Path) -> Result<()> {
    std::fs::create_dir(folder.join("build"))?;
    let lines = ["GIT_THREADS", "GIT_ARCH_64", "GIT_SHA1_COLLISIONDETECT", "GIT_REGEX_REGCOMP"];
    let lines = lines.map(|name| format!("#define {name} 1\n"));
    Ok(std::fs::write(folder.join("build/git2_features.h"), lines.concat())?)
}

/// What the kernel's own makefiles give both compilers, as far as sources depend on it.
const KERNEL_OPTIONS: [&str; 20] = [
    "-nostdinc",
    "-D__KERNEL__",
    "-DKBUILD_MODNAME=\"x\"",
    "-DKBUILD_MODFILE=\"x\"",
    "-DCC_USING_FENTRY",
    "-pg",
    "-mfentry",
    "-std=gnu11",
    "-O2",
    "-fshort-wchar",
    "-fno-strict-aliasing",
    "-fno-PIE",
    "-fno-asynchronous-unwind-tables",
    "-mcmodel=kernel",
    "-mno-red-zone",
    "-mno-sse",
    "-mno-mmx",
    "-mno-80387",
    "-Wno-address-of-packed-member",
    "-Wno-pointer-sign",
];

/// Parts of the kernel that is configured by Debian's headers for it.
fn kernel(folder: &Path) -> Result<CodeBase> {
    let (mut common, mut own) = (None, None);
    for entry in std::fs::read_dir("/usr/src")? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.starts_with("linux-headers-") && name.ends_with("-common") {
            common = Some(path);
        } else if name.starts_with("linux-headers-") && name.ends_with("-amd64") {
            own = Some(path);
        } else if name.starts_with("linux-source-") && name.ends_with(".tar.xz") {
            unpack_kernel(&path, &folder.join("kernel"))?;
        }
    }
    let common = common.context("no headers of the kernel in /usr/src")?.display().to_string();
    let own = own.context("no headers of the kernel in /usr/src")?.display().to_string();
    let mut options: Vec<String> = KERNEL_OPTIONS.map(str::to_owned).into();
    options.extend([
        format!("-I{common}/arch/x86/include"),
        format!("-I{own}/arch/x86/include/generated"),
        format!("-I{common}/include"),
        format!("-I{own}/include"),
        format!("-I{common}/arch/x86/include/uapi"),
        format!("-I{own}/arch/x86/include/generated/uapi"),
        format!("-I{common}/include/uapi"),
        format!("-I{own}/include/generated/uapi"),
    ]);
    for name in ["compiler-version", "kconfig", "compiler_types"] {
        options.extend(["-include".to_owned(), format!("{common}/include/linux/{name}.h")]);
    }
    let root = folder.join("kernel");
    let mut sources = Vec::new();
    find(&root, &|name| name.ends_with(".c"), &mut sources)?;
    let names = sources.iter().filter_map(|path| path.strip_prefix(&root).ok()?.to_str());
    let names: Vec<String> = names.map(str::to_owned).collect();
    Ok(CodeBase { name: "Linux", units: units(&root, &names, options) })
}

fn unpack_kernel(archive: &Path, folder: &Path) -> Result<()> {
    if folder.exists() {
        return Ok(());
    }
    let unfinished = folder.with_extension("unfinished");
    let _ = std::fs::remove_dir_all(&unfinished);
    std::fs::create_dir(&unfinished)?;
    let mut command = Command::new("tar");
    command.args(["--strip-components=1", "--wildcards", "--no-wildcards-match-slash"]);
    command.arg("-xf").arg(archive).current_dir(&unfinished);
    let parts = ["kernel", "mm", "lib", "fs/ext4", "net/core", "arch/x86/kernel"];
    run(command.args(parts.map(|part| format!("linux-source-*/{part}"))))?;
    Ok(std::fs::rename(&unfinished, folder)?)
}

/// Headers, each included by a source of its own.
struct HeaderSet {
    name: &'static str,
    root: &'static str,
    below: &'static str,
    ends: &'static [&'static str],
    options: &'static [&'static str],
    /// The source's text, with the header's name for `@`.
    text: &'static str,
    extension: &'static str,
}

const HEADER_SETS: [HeaderSet; 6] = [
    HeaderSet {
        name: "libstdc++",
        root: "/usr/include/c++/12",
        below: "bits",
        ends: &[".h"],
        options: &["-std=c++20"],
        text: "#include <vector>\n#include <@>\n#include <regex>\n",
        extension: "cc",
    },
    HeaderSet {
        name: "libc",
        root: "/usr/include",
        below: "x86_64-linux-gnu/sys",
        ends: &[".h"],
        options: &["-D_GNU_SOURCE"],
        text: "#include <stdio.h>\n#include <@>\n",
        extension: "c",
    },
    HeaderSet {
        name: "FreeType headers",
        root: "/usr/include/freetype2",
        below: "freetype",
        ends: &[".h"],
        options: &["-I/usr/include/freetype2"],
        text: "#include <ft2build.h>\n#include FT_FREETYPE_H\n#include <@>\n",
        extension: "c",
    },
    HeaderSet {
        name: "Boost",
        root: "/usr/include",
        below: "boost",
        ends: &[".hpp"],
        options: &["-std=c++17"],
        text: "#include <@>\n#include <string>\n",
        extension: "cc",
    },
    HeaderSet {
        name: "Eigen",
        root: "/usr/include/eigen3",
        below: ".",
        ends: &["/Core", "/Dense", "/Sparse", "/Tensor", "Solvers", "Functions", "s", "n", "y"],
        options: &["-I/usr/include/eigen3", "-I/usr/include/eigen3/unsupported", "-std=c++17"],
        text: "#include <@>\n#include <iostream>\n",
        extension: "cc",
    },
    HeaderSet {
        name: "LLVM",
        root: "/usr/lib/llvm-14/include",
        below: "llvm",
        ends: &[".h"],
        options: &["-I/usr/lib/llvm-14/include", "-std=c++17", "-D__STDC_LIMIT_MACROS"],
        text: "#include <@>\n#include <vector>\n",
        extension: "cc",
    },
];

impl HeaderSet {
    fn code_base(&self, folder: &Path) -> Result<CodeBase> {
        let mut headers = Vec::new();
        let is_wanted = |name: &str| self.ends.iter().any(|end| name.ends_with(end));
        find(&Path::new(self.root).join(self.below), &is_wanted, &mut headers)?;
        let folder = folder.join(self.name.replace(' ', "-"));
        std::fs::create_dir_all(&folder)?;
        let mut names = Vec::new();
        for header in &headers {
            let Some(header) = header.strip_prefix(self.root)?.to_str() else { continue };
            let header = header.strip_prefix("x86_64-linux-gnu/").unwrap_or(header);
            let name = format!("{}.{}", header.replace(['/', '.'], "_"), self.extension);
            std::fs::write(folder.join(&name), self.text.replace('@', header))?;
            names.push(name);
        }
        ensure!(!names.is_empty(), "no headers in {}", self.root);
        let options = self.options.iter().map(|&word| word.to_owned()).collect();
        Ok(CodeBase { name: self.name, units: units(&folder, &names, options) })
    }
}

fn headers(folder: &Path) -> Result<Vec<CodeBase>> {
    HEADER_SETS.iter().map(|set| set.code_base(folder)).collect()
}
