//! `cargo xtask install`: programs, man pages and systemd's units in their places.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::{build, completions, root};

/// Where systemd and its settings are shared by all: elsewhere nobody would look for units.
const SYSTEM_PREFIXES: [&str; 2] = ["/usr", "/usr/local"];

/// The units, below `packaging/systemd`.
const UNITS: [&str; 3] = ["distccd.service", "distccd.socket", "distccd@.service"];

/// What systemd reads beside units, below `packaging/systemd`, each in the folder of that name beside
/// that of the units.
const BESIDE_UNITS: [&str; 2] = ["sysusers.d", "tmpfiles.d"];

/// Where the units that we ship expect programs.
const PLACE_IN_UNITS: &str = "/usr/bin/";

/// What the words of the command ask for.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    prefix: PathBuf,
    /// What to put in front of all places, to make a package.
    destdir: Option<PathBuf>,
    builds: bool,
    /// Where the programs are; default where they are built.
    programs: Option<PathBuf>,
}

impl Asked {
    fn read(words: &[String]) -> Result<Asked> {
        let mut asked =
            Asked { prefix: "/usr/local".into(), destdir: None, builds: true, programs: None };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let (option, value) = match word.split_once('=') {
                Some((option, value)) => (option, Some(value)),
                None => (word.as_str(), None),
            };
            let mut folder = || {
                let folder = value.or_else(|| words.next().map(String::as_str)).map(PathBuf::from);
                let folder = folder.filter(|folder| folder.is_absolute());
                folder.with_context(|| format!("`{option}` takes a folder with its absolute name"))
            };
            match option {
                "--prefix" => asked.prefix = folder()?,
                "--destdir" => asked.destdir = Some(folder()?),
                "--programs" => asked.programs = Some(folder()?),
                "--no-build" if value.is_none() => asked.builds = false,
                _ => bail!("`{word}` is no option of install"),
            }
        }
        Ok(asked)
    }

    /// Where what belongs at `place` is put now.
    fn to(&self, place: &Path) -> PathBuf {
        match (&self.destdir, place.strip_prefix("/")) {
            (Some(destdir), Ok(place)) => destdir.join(place),
            _ => place.to_path_buf(),
        }
    }

    fn is_for_the_system(&self) -> bool {
        SYSTEM_PREFIXES.iter().any(|prefix| Path::new(prefix) == self.prefix)
    }

    /// Copies files into the folder that belongs at `place`, and says so. What belongs to the system
    /// is root's, so sudo does it where we are not.
    fn copy(&self, mode: &str, files: &[PathBuf], place: &Path) -> Result<()> {
        let is_roots = self.destdir.is_none() && self.is_for_the_system();
        let mut words = Vec::new();
        if is_roots && !rustix::process::geteuid().is_root() {
            words.push("sudo".to_owned());
        }
        words.extend(["install", "-D", "--mode", mode, "--target-directory"].map(str::to_owned));
        words.push(self.to(place).display().to_string());
        words.extend(files.iter().map(|file| file.display().to_string()));
        eprintln!("xtask: {}", words.join(" "));
        let status = Command::new(&words[0]).args(&words[1..]).status();
        let status = status.with_context(|| format!("could not start `{}`", words[0]))?;
        ensure!(status.success(), "`{}` failed: {status}", words[0]);
        Ok(())
    }
}

/// Installs, as the words of the command say.
pub(crate) fn run(words: &[String]) -> Result<()> {
    let asked = Asked::read(words)?;
    if asked.builds && asked.programs.is_none() {
        build::run()?;
    }
    let folder = asked.programs.clone().unwrap_or_else(build::folder);
    let programs = support::PROGRAMS.map(|name| folder.join(name));
    for program in &programs {
        ensure!(program.exists(), "{} is missing: `cargo xtask build`", program.display());
    }
    asked.copy("755", &programs, &asked.prefix.join("bin"))?;
    for section in ["1", "8"] {
        let place = asked.prefix.join(format!("share/man/man{section}"));
        asked.copy("644", &man_pages(section)?, &place)?;
    }
    for shell in &completions::SHELLS {
        asked.copy("644", &completions::files(shell), &asked.prefix.join(shell.place))?;
    }
    if !asked.is_for_the_system() {
        let prefixes = SYSTEM_PREFIXES.join(" and ");
        eprintln!(
            "xtask: no units for systemd: only with the prefixes {prefixes} it would find them"
        );
        return Ok(());
    }
    asked.copy("644", &units(&asked.prefix)?, &asked.prefix.join("lib/systemd/system"))?;
    for name in BESIDE_UNITS {
        let file = root().join("packaging/systemd").join(name).join("distccd.conf");
        asked.copy("644", &[file], &asked.prefix.join("lib").join(name))?;
    }
    let settings = asked.to(Path::new("/etc/conf.d/distccd"));
    if settings.exists() {
        eprintln!("xtask: {} is there, and stays as it is", settings.display());
        return Ok(());
    }
    let ours = root().join("packaging/systemd/conf.d/distccd");
    asked.copy("644", &[ours], Path::new("/etc/conf.d"))
}

fn man_pages(section: &str) -> Result<Vec<PathBuf>> {
    let folder = root().join("docs/man");
    let mut pages = Vec::new();
    for entry in std::fs::read_dir(&folder).context("could not read docs/man")? {
        let page = entry?.path();
        if page.extension().is_some_and(|extension| extension == section) {
            pages.push(page);
        }
    }
    pages.sort();
    Ok(pages)
}

/// The units for programs below `prefix`: our own where these fit, else written beside the programs, to be
/// copied from there.
fn units(prefix: &Path) -> Result<Vec<PathBuf>> {
    if prefix.join("bin") == Path::new(PLACE_IN_UNITS) {
        return Ok(UNITS.map(|name| root().join("packaging/systemd").join(name)).to_vec());
    }
    let folder = build::folder().join("systemd");
    std::fs::create_dir_all(&folder)?;
    let mut units = Vec::new();
    for name in UNITS {
        let text = std::fs::read_to_string(root().join("packaging/systemd").join(name))
            .with_context(|| format!("could not read packaging/systemd/{name}"))?;
        let unit = folder.join(name);
        std::fs::write(&unit, unit_for(&text, prefix))?;
        units.push(unit);
    }
    Ok(units)
}

fn unit_for(text: &str, prefix: &Path) -> String {
    text.replace(PLACE_IN_UNITS, &format!("{}/", prefix.join("bin").display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &[&str]) -> Result<Asked> {
        Asked::read(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn both_ways_of_writing_a_folder_are_read_and_others_refused() {
        let expected = Asked {
            prefix: "/usr".into(),
            destdir: Some("/tmp/pkg".into()),
            builds: false,
            programs: Some("/tmp/bin".into()),
        };
        let words = ["--prefix=/usr", "--no-build", "--programs=/tmp/bin", "--destdir", "/tmp/pkg"];
        assert_eq!(read(&words).unwrap(), expected);
        assert_eq!(expected.to(Path::new("/usr/bin")), Path::new("/tmp/pkg/usr/bin"));
        assert_eq!(read(&[]).unwrap().to(Path::new("/etc")), Path::new("/etc"));
        for words in [&["--prefix"][..], &["--prefix", "usr"], &["--destdir="], &["install"]] {
            assert!(read(words).is_err(), "{words:?}");
        }
    }

    #[test]
    fn units_name_the_programs_where_they_are() {
        let text = "# /usr/bin/distccd\nExecStart=/usr/bin/distccd --daemon\n";
        let expected = "# /usr/local/bin/distccd\nExecStart=/usr/local/bin/distccd --daemon\n";
        assert_eq!(unit_for(text, Path::new("/usr/local")), expected);
        assert_eq!(unit_for(text, Path::new("/usr")), text);
    }

    #[test]
    fn every_unit_and_every_page_is_installed() {
        let files = std::fs::read_dir(root().join("packaging/systemd")).unwrap().flatten();
        let files = files.filter(|entry| entry.path().is_file());
        let mut names: Vec<_> = files.map(|entry| entry.file_name()).collect();
        names.sort();
        assert_eq!(names, UNITS);
        let n_pages = man_pages("1").unwrap().len() + man_pages("8").unwrap().len();
        assert_eq!(n_pages, std::fs::read_dir(root().join("docs/man")).unwrap().count());
    }
}
