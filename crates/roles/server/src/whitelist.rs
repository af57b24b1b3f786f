//! Which compilers may run, and which of them a client means.

mod rule;
mod survey;

use std::ffi::{OsStr, OsString};
use std::io;
use std::net::IpAddr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use compiler_args::WantedCompiler;
use inventory::{
    About, Acquaintances, Found, Places, Surroundings, Unknown, X_TOOLS, folders_of, is_same,
};
use toolchain::{Compiler, CompilerName, Driver, Family, Finder, is_same_target};
use wire::Exit;

use crate::options::Options;
use crate::targets::Targets;
use crate::{Environment, Failure};

use rule::{Rule, bare_name, folder_paths, folders, is_executable, lines, links, listed};
pub(crate) use survey::{Survey, Surveyed};

/// Where compilers of the system are, whatever our `PATH` says.
const SYSTEM_FOLDERS: &str = "/usr/local/bin:/usr/bin:/bin";

/// The rule by which compilers are allowed, where they are found, and what is known of them.
///
/// No compiler is asked what it is but those that may run: nothing off the list is ever started.
#[derive(Debug)]
pub(crate) struct Whitelist {
    rule: Rule,
    places: Places,
    surroundings: Surroundings,
    acquaintances: Acquaintances,
    targets: Targets,
}

/// A compiler that may run.
#[derive(Clone, Debug)]
pub(crate) struct Allowed {
    pub(crate) compiler: Compiler,
    /// Its own name as it is told. GCC and Clang find their parts by it.
    pub(crate) name: OsString,
}

/// A compiler that may run, and what it says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    /// A name by which it may run.
    pub(crate) name: String,
    pub(crate) about: About,
}

/// Why a compiler does not run.
#[derive(Debug)]
pub(crate) enum Denied {
    /// Its name is not on the list, which is there; what puts it on it.
    NotListed { name: String, place: String, remedy: String },
    /// It names a file somewhere else than where compilers are.
    ElsewhereNamed,
    /// The list could not be read: then nothing is allowed.
    NoList { file: PathBuf, error: io::Error },
    /// It is allowed and not there.
    NotFound { path: String },
    /// It is allowed, and in a folder of the system that is not in our `PATH`, which is `path`.
    OutsidePath { name: String, folder: PathBuf, path: String },
    /// Its name is on the list, and means another that is found earlier.
    Hidden { by: PathBuf },
    /// It is allowed, and does not say for which machine it compiles.
    Silent { path: PathBuf, why: Unknown },
    /// Of those that may run none compiles for the machine; for which others they do.
    NoTarget { wanted: String, target: String, others: Vec<String> },
    /// Those for the machine are of these other versions.
    NoVersion { wanted: WantedCompiler, others: Vec<String> },
}

impl Whitelist {
    /// The rule that options and environment ask for.
    ///
    /// # Errors
    /// When no compiler at all could run.
    pub(crate) fn new(
        options: &Options,
        environment: &Environment,
        targets: Targets,
    ) -> Result<Whitelist, Failure> {
        let rule = if options.any_compiler {
            Rule::Any
        } else if let Some(file) = &environment.command_list {
            std::fs::read(file).map_err(|error| {
                Failure::new(
                    Exit::COMPILER_MISSING,
                    format!("could not read DISTCC_CMDLIST {}: {error}", file.display()),
                    "without it no compiler may run; make it readable, or unset DISTCC_CMDLIST",
                )
            })?;
            Rule::List { file: file.clone(), n_words: environment.n_command_words }
        } else {
            Rule::Folders(folders(options)?)
        };
        Ok(Whitelist::with(rule, options, environment, targets))
    }

    /// The same to look at: also where nothing may run.
    pub(crate) fn to_show(options: &Options, environment: &Environment) -> Whitelist {
        let rule = match &environment.command_list {
            _ if options.any_compiler => Rule::Any,
            Some(file) => Rule::List { file: file.clone(), n_words: environment.n_command_words },
            None => Rule::Folders(folder_paths(options)),
        };
        Whitelist::with(rule, options, environment, Targets::default())
    }

    fn with(
        rule: Rule,
        options: &Options,
        environment: &Environment,
        targets: Targets,
    ) -> Whitelist {
        let path = &environment.path;
        let more = &options.compiler_folders;
        Whitelist {
            rule,
            places: Places::new(path.clone(), more, Path::new(X_TOOLS)),
            surroundings: Surroundings {
                path: path.clone(),
                variables: environment.for_compilers.clone(),
            },
            acquaintances: Acquaintances::default(),
            targets,
        }
    }

    /// The compiler to run for a client's command.
    ///
    /// A client that says which compiler it means gets that one, whatever it is called here. To one
    /// that does not, a name without a target means what `--target` says, or else the compiler of
    /// that name.
    pub(crate) fn find(&self, words: &[OsString], peer: Option<IpAddr>) -> Result<Allowed, Denied> {
        let name = words.first().map_or(OsStr::new(""), OsString::as_os_str);
        let names_target = compiler_args::names_target(words);
        if let Some(wanted) = WantedCompiler::of_command(words) {
            return self.pick(name, &wanted, names_target);
        }
        let parsed = parse(name);
        match (self.targets.of(peer), &parsed) {
            (Some(target), Some(parsed)) if parsed.prefix.is_none() && !names_target => {
                self.for_target(name, parsed, target)
            }
            _ => self.by_name(name),
        }
    }

    /// The compiler of that name.
    fn by_name(&self, name: &OsStr) -> Result<Allowed, Denied> {
        let wanted = match &self.rule {
            Rule::Any => name.to_owned(),
            Rule::Folders(folders) => {
                let bare = bare_name(name.as_bytes()).ok_or(Denied::ElsewhereNamed)?;
                if !folders.iter().any(|folder| is_executable(&folder.join(bare))) {
                    return self.by_other_name(name).ok_or_else(|| self.not_listed(name));
                }
                name.to_owned()
            }
            Rule::List { file, n_words } => {
                let list = std::fs::read(file)
                    .map_err(|error| Denied::NoList { file: file.clone(), error })?;
                let line = listed(&list, name.as_bytes(), *n_words);
                OsStr::from_bytes(line.ok_or_else(|| self.not_listed(name))?).to_owned()
            }
        };
        let compiler = self.places.find(&wanted).map_err(|_| {
            self.outside_path(&wanted)
                .unwrap_or_else(|| Denied::NotFound { path: wanted.to_string_lossy().into_owned() })
        })?;
        Ok(self.allowed(compiler, name))
    }

    /// The compiler of a name that has no link of its own, where it is a compiler that has one by
    /// another name: `gcc` and `x86_64-linux-gnu-gcc`.
    fn by_other_name(&self, name: &OsStr) -> Option<Allowed> {
        let parsed = parse(name)?;
        let compiler = self.places.find(name).ok()?;
        let is_this = |(other, listed): &(String, Compiler)| {
            CompilerName::parse(other).is_some_and(|other| parsed.may_be_same(&other))
                && is_same(&listed.program, &compiler.program)
                // One file may do another thing by another name, as wrappers do.
                && self.about(listed).is_ok_and(|about| self.about(&compiler) == Ok(about))
        };
        self.listed().iter().any(is_this).then(|| self.allowed(compiler, name))
    }

    /// The compiler that a client means, whatever it is called here.
    fn pick(
        &self,
        name: &OsStr,
        wanted: &WantedCompiler,
        names_target: bool,
    ) -> Result<Allowed, Denied> {
        // Clang compiles for any machine that it is told.
        let is_for = |about: &About| {
            about.family.name() == wanted.family()
                && (is_same_target(&about.target, wanted.target())
                    || (about.family == Family::Clang && names_target))
        };
        let fits = |about: &About| is_for(about) && about.version == wanted.version();
        let by_name = self.by_name(name);
        let mut silent = None;
        if let Ok(allowed) = &by_name {
            match self.about(&allowed.compiler) {
                Ok(about) if fits(&about) => return by_name,
                Ok(_) => {}
                Err(why) => {
                    let path = allowed.compiler.program.clone();
                    silent = Some(Denied::Silent { path, why });
                }
            }
        }
        let mut known = Vec::new();
        for (_, compiler) in self.listed_of(driver(name)) {
            let Ok(about) = self.about(&compiler) else { continue };
            if fits(&about) {
                return Ok(by_path(compiler));
            }
            known.push(about);
        }
        if let Some(denied) = silent {
            return Err(denied);
        }
        // It is here under the very name, and only a link is missing.
        if let Err(denied @ Denied::NotListed { .. }) = by_name
            && self.places.find(name).is_ok()
        {
            return Err(denied);
        }
        let others = distinct(known.iter().filter(|about| is_for(about)), |about| &about.version);
        if !others.is_empty() {
            return Err(Denied::NoVersion { wanted: wanted.clone(), others });
        }
        // None is known of this kind because none is found.
        if let Some(denied) = self.listed_outside_path(driver(name)).filter(|_| known.is_empty()) {
            return Err(denied);
        }
        Err(self.no_target(wanted.family(), wanted.target(), driver(name), &known))
    }

    /// The compiler of a plain name for a machine that `--target` names.
    fn for_target(
        &self,
        name: &OsStr,
        parsed: &CompilerName<'_>,
        target: &str,
    ) -> Result<Allowed, Denied> {
        let is_for = |compiler: &Compiler| {
            self.about(compiler).is_ok_and(|about| is_same_target(&about.target, target))
        };
        if let Ok(allowed) = self.by_name(name)
            && is_for(&allowed.compiler)
        {
            return Ok(allowed);
        }
        let mut candidates: Vec<(String, Compiler)> = self.listed_of(parsed.driver()).collect();
        candidates.retain(|(other, _)| {
            CompilerName::parse(other).is_some_and(|other| {
                parsed.may_be_same(&other)
                    && (parsed.version.is_none() || parsed.version == other.version)
            })
        });
        // `gcc` is rather `aarch64-linux-gnu-gcc` than `aarch64-linux-gnu-gcc-9`.
        candidates.sort_by_key(|(other, _)| {
            CompilerName::parse(other).is_some_and(|other| other.version != parsed.version)
        });
        if let Some((_, compiler)) = candidates.iter().find(|(_, compiler)| is_for(compiler)) {
            return Ok(by_path(compiler.clone()));
        }
        let known: Vec<About> =
            candidates.iter().filter_map(|(_, compiler)| self.about(compiler).ok()).collect();
        let wanted = name.to_string_lossy();
        Err(self.no_target(&wanted, target, parsed.driver(), &known))
    }

    /// Why there is none for `target`: perhaps one lacks a link only, going by its name.
    fn no_target(&self, wanted: &str, target: &str, driver: Driver, known: &[About]) -> Denied {
        let is_one = |found: &Found| {
            CompilerName::parse(&found.name).is_some_and(|name| {
                name.driver() == driver
                    && name.target().is_some_and(|other| is_same_target(other, target))
                    && self.by_name(OsStr::new(&found.name)).is_err()
            })
        };
        if let Some(found) = self.places.all().iter().find(|found| is_one(found)) {
            return self.not_listed(OsStr::new(&found.name));
        }
        Denied::NoTarget {
            wanted: wanted.to_owned(),
            target: target.to_owned(),
            others: distinct(known, |about| &about.target),
        }
    }

    /// Why a compiler that is allowed is not found, where only a folder of the system is missing in
    /// our `PATH`.
    fn outside_path(&self, name: &OsStr) -> Option<Denied> {
        if self.places.find(name).is_ok() || name.as_bytes().contains(&b'/') {
            return None;
        }
        let found = Finder::new(SYSTEM_FOLDERS.into()).find(name).ok()?;
        Some(Denied::OutsidePath {
            name: name.to_string_lossy().into_owned(),
            folder: found.program.parent()?.to_owned(),
            path: self.surroundings.path.to_string_lossy().into_owned(),
        })
    }

    /// The same for any compiler of that kind that has a link.
    fn listed_outside_path(&self, driver: Driver) -> Option<Denied> {
        let Rule::Folders(folders) = &self.rule else { return None };
        let is_one = |name: &String| {
            CompilerName::parse(name)
                .is_some_and(|name| name.driver() == driver && name.family().is_some())
        };
        let names = links(folders);
        names
            .iter()
            .filter(|name| is_one(name))
            .find_map(|name| self.outside_path(OsStr::new(name)))
    }

    fn not_listed(&self, name: &OsStr) -> Denied {
        let name = name.to_string_lossy().into_owned();
        let bare = || OsStr::new(&name).as_bytes().rsplit(|byte| *byte == b'/').next();
        let shown = String::from_utf8_lossy(bare().unwrap_or_default()).escape_debug().to_string();
        let (place, remedy) = match &self.rule {
            Rule::Any => (String::new(), String::new()),
            Rule::Folders(folders) => {
                let named: Vec<_> =
                    folders.iter().map(|folder| folder.display().to_string()).collect();
                (named.join(" or "), format!("ln -s /usr/bin/distcc {}/{shown}", named[0]))
            }
            Rule::List { file, .. } => {
                let file = file.display().to_string();
                let remedy = format!("add the path of `{shown}` to {file}");
                (file, remedy)
            }
        };
        Denied::NotListed { name, place, remedy }
    }

    /// Version and target of each gcc that may run, for those who look for a server.
    pub(crate) fn gccs(&self) -> Vec<(String, String)> {
        let known =
            self.listed_of(Driver::C).filter_map(|(_, compiler)| self.about(&compiler).ok());
        let mut gccs: Vec<(String, String)> = known
            .filter(|about| about.family == Family::Gcc)
            .map(|about| (about.version, about.target))
            .collect();
        gccs.sort_unstable();
        gccs.dedup();
        gccs
    }

    /// The compilers that may run and say what they are, by their names.
    pub(crate) fn known(&self) -> Vec<Known> {
        let mut known: Vec<Known> = self
            .listed()
            .into_iter()
            .filter_map(|(name, compiler)| {
                let about = self.about(&compiler).ok()?;
                Some(Known { name, about })
            })
            .collect();
        known.sort_by(|one, other| one.name.cmp(&other.name));
        known
    }

    /// The same of one compiler that may run, by the name of its file. `None`: it is called like no
    /// compiler, which is then not asked, or does not say what it is.
    pub(crate) fn known_as(&self, compiler: &Compiler) -> Option<Known> {
        let name = compiler.program.file_name()?.to_str()?;
        CompilerName::parse(name)?;
        Some(Known { name: name.to_owned(), about: self.about(compiler).ok()? })
    }

    /// Where the compilers live that may run, beside the folders of `PATH`; none is started for it.
    pub(crate) fn homes(&self) -> Vec<PathBuf> {
        let mut homes = self.places.folders_beyond_path();
        for (_, compiler) in self.listed() {
            homes.extend(folders_of(&compiler.program));
        }
        homes.sort_unstable();
        homes.dedup();
        homes
    }

    /// What a compiler that may run says of itself.
    fn about(&self, compiler: &Compiler) -> Result<About, Unknown> {
        self.acquaintances.ask(compiler, &self.surroundings)
    }

    /// The compilers that may run, with the names by which they may. Read anew each time: links and
    /// compilers come and go.
    fn listed(&self) -> Vec<(String, Compiler)> {
        match &self.rule {
            Rule::Any => {
                self.places.all().into_iter().map(|found| (found.name, found.compiler)).collect()
            }
            Rule::Folders(folders) => links(folders)
                .into_iter()
                .filter_map(|name| {
                    let compiler = self.places.find(OsStr::new(&name)).ok()?;
                    Some((name, compiler))
                })
                .collect(),
            Rule::List { file, .. } => {
                let list = std::fs::read(file).unwrap_or_default();
                lines(&list)
                    .filter_map(|line| {
                        let path = Path::new(OsStr::from_bytes(line));
                        let name = path.file_name()?.to_str()?;
                        CompilerName::parse(name)?;
                        Some((name.to_owned(), self.places.find(path.as_os_str()).ok()?))
                    })
                    .collect()
            }
        }
    }

    fn listed_of(&self, driver: Driver) -> impl Iterator<Item = (String, Compiler)> {
        self.listed().into_iter().filter(move |(name, _)| {
            CompilerName::parse(name).is_some_and(|name| name.driver() == driver)
        })
    }

    /// A compiler under the client's name for it; by its path where its name alone would lead it
    /// to look for its parts somewhere else.
    fn allowed(&self, compiler: Compiler, name: &OsStr) -> Allowed {
        if !name.as_bytes().contains(&b'/') && !self.places.is_in_path(&compiler.program) {
            return by_path(compiler);
        }
        Allowed { compiler, name: name.to_owned() }
    }
}

fn by_path(compiler: Compiler) -> Allowed {
    let name = compiler.program.clone().into_os_string();
    Allowed { compiler, name }
}

/// Each word once, in the order of the words.
fn distinct<'a>(
    abouts: impl IntoIterator<Item = &'a About>,
    word: impl Fn(&About) -> &String,
) -> Vec<String> {
    let mut words: Vec<String> = abouts.into_iter().map(|about| word(about).clone()).collect();
    words.sort_unstable();
    words.dedup();
    words
}

/// What a client's name for a compiler says, its folder aside.
fn parse(name: &OsStr) -> Option<CompilerName<'_>> {
    CompilerName::parse(Path::new(name).file_name()?.to_str()?)
}

fn driver(name: &OsStr) -> Driver {
    let is_cxx = || name.as_bytes().ends_with(b"++");
    parse(name).map_or_else(|| if is_cxx() { Driver::Cxx } else { Driver::C }, |name| name.driver())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use tempfile::TempDir;

    fn whitelist(rule: Rule, path: &str) -> Whitelist {
        let path = OsString::from(path);
        Whitelist {
            rule,
            places: Places::new(path.clone(), &[], Path::new("/nonexistent")),
            surroundings: Surroundings { path: "/usr/bin:/bin".into(), variables: Vec::new() },
            acquaintances: Acquaintances::default(),
            targets: Targets::default(),
        }
    }

    /// A machine of scripts that say they are compilers.
    struct Machine {
        root: TempDir,
        whitelist: Whitelist,
    }

    impl Machine {
        fn new(links: &[&str]) -> Machine {
            let root = tempfile::tempdir().unwrap();
            for name in ["bin", "list", "bin/more"] {
                std::fs::create_dir(root.path().join(name)).unwrap();
            }
            for link in links {
                symlink("/bin/true", root.path().join("list").join(link)).unwrap();
            }
            let bin = root.path().join("bin");
            let rule = Rule::Folders(vec![root.path().join("list")]);
            let whitelist = whitelist(rule, bin.to_str().unwrap());
            Machine { root, whitelist }
        }

        /// A compiler that says what it is, and writes down that it was asked.
        fn compiler(&self, name: &str, target: &str, version_line: &str) {
            let asked = self.root.path().join("asked");
            let text = format!(
                "#!/bin/sh\necho {name} >> {}\ncase $1 in -dumpmachine) echo {target};; \
                 *) echo '{version_line}'; echo 'Free Software Foundation';; esac\n",
                asked.display()
            );
            let path = self.root.path().join("bin").join(name);
            // Never open for writing while another test forks: the file would be busy.
            let beside = self.root.path().join("new");
            std::fs::write(&beside, text).unwrap();
            std::fs::set_permissions(&beside, std::fs::Permissions::from_mode(0o755)).unwrap();
            std::fs::rename(beside, path).unwrap();
        }

        fn gcc(&self, name: &str, target: &str, version: &str) {
            self.compiler(name, target, &format!("gcc (X) {version}"));
        }

        fn link(&self, name: &str, to: &str) {
            symlink(to, self.root.path().join("bin").join(name)).unwrap();
        }

        /// The name of the file that runs for a command, or why none does.
        fn find(&self, command: &str, peer: &str) -> String {
            let words: Vec<OsString> = command.split(' ').map(OsString::from).collect();
            match self.whitelist.find(&words, peer.parse().ok()) {
                Ok(allowed) => {
                    let program = &allowed.compiler.program;
                    program.file_name().unwrap().to_str().unwrap().to_owned()
                }
                Err(Denied::NotListed { name, .. }) => format!("not listed: {name}"),
                Err(Denied::NoTarget { others, .. }) => format!("for {}", others.join(",")),
                Err(Denied::NoVersion { others, .. }) => format!("are {}", others.join(",")),
                Err(Denied::Silent { .. }) => "silent".to_owned(),
                Err(denied) => format!("{denied:?}"),
            }
        }

        #[track_caller]
        fn check(&self, command: &str, expected: &str) {
            assert_eq!(self.find(command, ""), expected, "{command}");
        }
    }

    const ARM: &str = "--distcc-compiler=aarch64-unknown-linux-gnu,GCC,12.2.0";
    const X86: &str = "--distcc-compiler=x86_64-linux-gnu,GCC,12.2.0";

    #[test]
    fn a_client_gets_the_compiler_it_means_whatever_it_is_called() {
        let machine = Machine::new(&["gcc", "gcc-9", "g++", "aarch64-linux-gnu-gcc", "clang"]);
        machine.gcc("gcc", "x86_64-linux-gnu", "12.2.0");
        machine.gcc("gcc-9", "x86_64-linux-gnu", "9.5.0");
        machine.gcc("g++", "x86_64-linux-gnu", "12.2.0");
        machine.gcc("aarch64-linux-gnu-gcc", "aarch64-linux-gnu", "12.2.0");
        machine.gcc("arm-none-eabi-gcc", "arm-none-eabi", "10.2.1");
        machine.compiler("clang", "x86_64-pc-linux-gnu", "clang version 14.0.6");
        machine.check(&format!("gcc {X86} -c a.c"), "gcc");
        machine.check(&format!("gcc {ARM} -c a.c"), "aarch64-linux-gnu-gcc");
        machine.check(&format!("/opt/gcc/bin/cc {ARM} -c a.c"), "aarch64-linux-gnu-gcc");
        machine.check("gcc --distcc-compiler=x86_64-linux-gnu,GCC,9.5.0 -c a.c", "gcc-9");
        machine
            .check("gcc --distcc-compiler=x86_64-linux-gnu,GCC,9.4.0 -c a.c", "are 12.2.0,9.5.0");
        machine.check(&format!("g++ {X86} -c a.cc"), "g++");
        machine.check(&format!("g++ {ARM} -c a.cc"), "for x86_64-linux-gnu");
        machine.check(
            "gcc --distcc-compiler=riscv64-linux-gnu,GCC,12.2.0 -c a.c",
            "for aarch64-linux-gnu,x86_64-linux-gnu,x86_64-pc-linux-gnu",
        );
        machine.check(
            "gcc --distcc-compiler=arm-none-eabi,GCC,10.2.1 -c a.c",
            "not listed: arm-none-eabi-gcc",
        );
        let clang = "clang --distcc-compiler=aarch64-linux-gnu,clang,14.0.6 -c a.c";
        machine.check(clang, "for aarch64-linux-gnu,x86_64-linux-gnu,x86_64-pc-linux-gnu");
        machine.check(&format!("{clang} -target aarch64-linux-gnu"), "clang");
        // Without a word which one is meant, it is as with distcc 3.4.
        machine.check("gcc -c a.c", "gcc");
        // What is not on the list was never started.
        let asked = std::fs::read_to_string(machine.root.path().join("asked")).unwrap();
        assert!(!asked.contains("arm-none-eabi-gcc"), "{asked}");
        // A compiler that comes later is found.
        symlink("/bin/true", machine.root.path().join("list/riscv64-linux-gnu-gcc")).unwrap();
        machine.gcc("riscv64-linux-gnu-gcc", "riscv64-linux-gnu", "12.2.0");
        machine.check(
            "gcc --distcc-compiler=riscv64-linux-gnu,GCC,12.2.0 -c a.c",
            "riscv64-linux-gnu-gcc",
        );
    }

    #[test]
    fn a_compiler_that_does_not_say_what_it_is_serves_nobody_who_asks() {
        let machine = Machine::new(&["gcc"]);
        machine.compiler("gcc", "''", "what?");
        machine.check(&format!("gcc {ARM} -c a.c"), "silent");
        machine.check("gcc -c a.c", "gcc");
    }

    #[test]
    fn a_link_allows_its_compiler_by_all_of_its_names_and_no_other() {
        let machine = Machine::new(&["gcc", "aarch64-linux-gnu-g++", "clang", "wrapped-x-gcc"]);
        machine.gcc("x86_64-linux-gnu-gcc-12", "x86_64-linux-gnu", "12.2.0");
        machine.link("x86_64-linux-gnu-gcc", "x86_64-linux-gnu-gcc-12");
        machine.link("gcc", "x86_64-linux-gnu-gcc");
        machine.link("x86_64-linux-gnu-g++", "x86_64-linux-gnu-gcc-12");
        machine.gcc("x86_64-pc-linux-gnu-gcc", "x86_64-linux-gnu", "12.2.1");
        machine.gcc("aarch64-linux-gnu-g++", "aarch64-linux-gnu", "12.2.0");
        machine.link("g++", "aarch64-linux-gnu-g++");
        machine.compiler("clang", "x86_64-pc-linux-gnu", "clang version 14.0.6");
        machine.link("clang++", "clang");
        for name in ["gcc", "x86_64-linux-gnu-gcc", "x86_64-linux-gnu-gcc-12", "g++"] {
            machine.check(&format!("{name} -c a.c"), name);
        }
        for name in
            ["x86_64-linux-gnu-g++", "x86_64-pc-linux-gnu-gcc", "clang++", "aarch64-linux-gnu-gcc"]
        {
            machine.check(&format!("{name} -c a.c"), &format!("not listed: {name}"));
        }
    }

    #[test]
    fn a_wrapper_with_many_names_is_many_compilers() {
        let machine = Machine::new(&["x-y-gcc"]);
        let wrapper = "case $0 in *z-gcc) t=arm-none-eabi;; *) t=avr;; esac";
        machine.compiler("wrapper", "$t", "gcc (X) 1.0");
        let path = machine.root.path().join("bin/wrapper");
        let text = std::fs::read_to_string(&path).unwrap();
        let beside = machine.root.path().join("new");
        std::fs::write(&beside, text.replacen("\n", &format!("\n{wrapper}\n"), 1)).unwrap();
        std::fs::set_permissions(&beside, std::fs::Permissions::from_mode(0o755)).unwrap();
        std::fs::rename(beside, path).unwrap();
        for name in ["x-y-gcc", "y-gcc-1", "x-z-gcc"] {
            machine.link(name, "wrapper");
        }
        machine.check("x-y-gcc -c a.c", "x-y-gcc");
        machine.check("x-z-gcc -c a.c", "not listed: x-z-gcc");
    }

    #[test]
    fn plain_names_mean_what_the_options_say() {
        let mut machine =
            Machine::new(&["gcc", "aarch64-linux-gnu-gcc-9", "aarch64-linux-gnu-gcc", "g++"]);
        machine.gcc("gcc", "x86_64-linux-gnu", "12.2.0");
        machine.gcc("g++", "x86_64-linux-gnu", "12.2.0");
        machine.gcc("aarch64-linux-gnu-gcc-9", "aarch64-linux-gnu", "9.5.0");
        machine.gcc("aarch64-linux-gnu-gcc", "aarch64-linux-gnu", "12.2.0");
        machine.whitelist.targets.add("10.0.0.0/8=aarch64-unknown-linux-gnu").unwrap();
        let board = |command: &str| machine.find(command, "10.0.0.7");
        assert_eq!(board("gcc -c a.c"), "aarch64-linux-gnu-gcc");
        assert_eq!(board("cc -c a.c"), "aarch64-linux-gnu-gcc");
        assert_eq!(board("gcc-9 -c a.c"), "aarch64-linux-gnu-gcc-9");
        assert_eq!(board("gcc-8 -c a.c"), "for ");
        assert_eq!(board("g++ -c a.cc"), "for x86_64-linux-gnu");
        assert_eq!(board("aarch64-linux-gnu-gcc -c a.c"), "aarch64-linux-gnu-gcc");
        assert_eq!(board(&format!("gcc {X86} -c a.c")), "gcc");
        assert_eq!(machine.find("gcc -c a.c", "192.168.0.7"), "gcc");
        assert_eq!(machine.find("gcc -c a.c", ""), "gcc");
    }

    #[test]
    fn a_compiler_has_to_be_listed_and_there() {
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/bin/sh", folder.path().join("sh")).unwrap();
        std::os::unix::fs::symlink("/bin/sh", folder.path().join("missing-gcc")).unwrap();
        std::fs::write(folder.path().join("plain"), "").unwrap();
        let whitelist = whitelist(Rule::Folders(vec![folder.path().to_owned()]), "/usr/bin:/bin");
        let find = |name: &str| whitelist.find(&[name.into()], None);
        assert!(find("sh").is_ok());
        assert!(matches!(find("missing-gcc"), Err(Denied::NotFound { .. })));
        assert!(matches!(find("cat"), Err(Denied::NotListed { .. })));
        assert!(matches!(find("plain"), Err(Denied::NotListed { .. })));
        assert!(matches!(find("/etc/sh"), Err(Denied::ElsewhereNamed)));
    }

    #[test]
    fn a_path_without_the_systems_folders_is_told_from_a_compiler_that_is_missing() {
        let folder = tempfile::tempdir().unwrap();
        symlink("/bin/true", folder.path().join("gcc")).unwrap();
        let find = |path: &str, words: &[&str]| {
            let whitelist = whitelist(Rule::Folders(vec![folder.path().to_owned()]), path);
            let words: Vec<OsString> = words.iter().map(OsString::from).collect();
            whitelist.find(&words, None)
        };
        for words in [&["gcc", "-c"][..], &["gcc", X86, "-c"], &["x86_64-linux-gnu-gcc", X86]] {
            let found = find("/nonexistent", words);
            let Err(Denied::OutsidePath { folder, .. }) = found else {
                panic!("{words:?}: {found:?}");
            };
            assert_eq!(folder, Path::new("/usr/bin"));
        }
        assert!(find("/usr/bin", &["gcc", "-c"]).is_ok());
    }

    #[test]
    fn a_list_that_cannot_be_read_allows_nothing() {
        let rule = Rule::List { file: "/nonexistent".into(), n_words: 1 };
        let found = whitelist(rule, "/usr/bin:/bin").find(&["sh".into()], None);
        assert!(matches!(found, Err(Denied::NoList { .. })));
    }
}
