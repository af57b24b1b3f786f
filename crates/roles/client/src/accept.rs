//! Whether an object may take the place of the one that the compiler here would make, and
//! putting it there.

use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use compiler_args::{Job, Language};
use toolchain::{CompilerVersion, Object, ObjectKind};

use crate::remote::Trouble;
use crate::{Context, local};

/// What the compiler of this machine makes with a job's options.
#[derive(Debug)]
pub(crate) struct Expected {
    kind: ObjectKind,
    version: Option<CompilerVersion>,
}

impl Expected {
    /// Asks the compiler by having it compile nothing, or remembers what it answered before.
    /// `words` is the job's own command.
    pub(crate) fn of(context: &Context, words: &[OsString], job: &Job) -> io::Result<Expected> {
        let name = words.first().ok_or(io::ErrorKind::InvalidInput)?;
        let key = key(context.find(name)?.identity(), job);
        let recalled = context.state.as_ref().and_then(|state| state.recall(&key));
        if let Some(expected) = recalled.and_then(|text| Expected::from_bytes(&text)) {
            return Ok(expected);
        }
        let expected = Expected::ask(context, name, job)?;
        if let Some(state) = &context.state {
            let _ = state.keep(&key, expected.to_text().as_bytes());
        }
        Ok(expected)
    }

    /// The compiler, as it names itself in its objects.
    pub(crate) fn version(&self) -> Option<&CompilerVersion> {
        self.version.as_ref()
    }

    /// The family of the compiler and the first number of its version, if its objects tell.
    pub(crate) fn family(&self) -> Option<(&'static str, u32)> {
        let version = self.version.as_ref()?;
        Some((version.family, version.version.split('.').next()?.parse().ok()?))
    }

    fn ask(context: &Context, name: &OsStr, job: &Job) -> io::Result<Expected> {
        let folder = match &context.state {
            Some(state) => state.path().to_owned(),
            None => context.settings.temporary.clone(),
        };
        let folder = folder.join(format!("probe-{}", std::process::id()));
        std::fs::DirBuilder::new().mode(0o700).create(&folder)?;
        let answer = Expected::ask_in(&folder, context, name, job);
        let _ = std::fs::remove_dir_all(&folder);
        answer
    }

    fn ask_in(folder: &Path, context: &Context, name: &OsStr, job: &Job) -> io::Result<Expected> {
        let output = folder.join("probe.o");
        let mut words = vec![name.to_owned()];
        words.extend(job.target_options.iter().cloned());
        words.extend(
            ["-x", language_option(job.language), "-c", "/dev/null", "-o"].map(OsString::from),
        );
        words.push(output.clone().into_os_string());
        let mut command = local::command(context, &words)
            .map_err(|_| io::Error::from(io::ErrorKind::NotFound))?;
        for name in local::DEPENDENCY_VARIABLES {
            command.env_remove(name);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let status = within(PROBE_LIMIT, &mut command)?;
        if !status.success() {
            return Err(io::Error::other(format!("it cannot compile an empty file: {status}")));
        }
        let bytes = std::fs::read(&output)?;
        let kind = ObjectKind::of(&bytes)
            .ok_or_else(|| io::Error::other("it makes objects of a kind not known here"))?;
        Ok(Expected { kind, version: Object::new(&bytes).compiler_versions().pop() })
    }

    fn to_text(&self) -> String {
        let version = self.version.as_ref().map(ToString::to_string).unwrap_or_default();
        format!("{}\n{version}", self.kind)
    }

    fn from_bytes(bytes: &[u8]) -> Option<Expected> {
        let (kind, version) = std::str::from_utf8(bytes).ok()?.split_once('\n')?;
        Some(Expected {
            kind: ObjectKind::from_text(kind)?,
            version: CompilerVersion::from_text(version),
        })
    }

    /// Judges an object that a server sent.
    pub(crate) fn judge(&self, object: &[u8]) -> Result<(), Trouble> {
        let got = ObjectKind::of(object);
        if got != Some(self.kind) {
            return Err(Trouble::WrongKind { got, expected: self.kind });
        }
        let Some(expected) = &self.version else { return Ok(()) };
        // An object without a version (-fno-ident) cannot be judged by it; one with several
        // (`#ident`) has to have ours among them.
        let mut versions = Object::new(object).compiler_versions();
        match versions.pop() {
            Some(got) if got != *expected && !versions.contains(expected) => {
                Err(Trouble::WrongVersion { got, expected: expected.clone() })
            }
            _ => Ok(()),
        }
    }
}

/// How long the compiler may take to compile nothing: much longer than the slowest board does.
const PROBE_LIMIT: Duration = Duration::from_secs(60);

/// How often to look whether it has ended.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// Runs a command, which may take so long at most. A signal that ends us ends it as well.
fn within(limit: Duration, command: &mut Command) -> io::Result<ExitStatus> {
    let mut child = sys::tidy_on_signal::spawn(command)?;
    let start = Instant::now();
    let status = loop {
        match child.try_wait() {
            Ok(None) if start.elapsed() < limit => std::thread::sleep(LOOK_EVERY),
            Ok(None) => {
                let _ = child.kill();
                let _ = child.wait();
                break Err(io::ErrorKind::TimedOut.into());
            }
            Ok(Some(status)) => break Ok(status),
            Err(error) => break Err(error),
        }
    };
    sys::tidy_on_signal::forget_child();
    status
}

/// All that the answer depends on.
fn key(identity: &str, job: &Job) -> Vec<u8> {
    let mut key = identity.as_bytes().to_vec();
    for word in &job.target_options {
        key.push(b'\n');
        key.extend_from_slice(word.as_encoded_bytes());
    }
    key.push(b'\n');
    key.extend_from_slice(language_option(job.language).as_bytes());
    key
}

fn language_option(language: Language) -> &'static str {
    match language {
        Language::C => "c",
        Language::Cxx => "c++",
        Language::ObjectiveC => "objective-c",
        Language::ObjectiveCxx => "objective-c++",
    }
}

/// Whether nothing can be written to `output`, whatever the compiler makes: it is a folder, or is to
/// be in one that is not there.
pub(crate) fn has_no_place(output: &Path) -> bool {
    match std::fs::metadata(output) {
        Ok(found) => found.is_dir(),
        Err(_) => {
            output.parent().is_some_and(|folder| !folder.as_os_str().is_empty() && !folder.is_dir())
        }
    }
}

/// Writes an object in one step: into a temporary file beside it, which then takes its name. A
/// reader never sees half an object, and a full disk leaves the old one.
pub(crate) fn put(object: &[u8], output: &Path) -> io::Result<()> {
    let is_special = std::fs::symlink_metadata(output).is_ok_and(|found| {
        // Compilers replace a link to a file, and write through others.
        let through_link = || std::fs::metadata(output).is_ok_and(|found| found.is_file());
        !(found.is_file() || found.is_symlink() && through_link())
    });
    if is_special {
        return File::create(output)?.write_all(object);
    }
    let temporary = temporary_beside(output);
    let opened = OpenOptions::new().write(true).create_new(true).mode(0o666).open(&temporary);
    let mut file = match opened {
        Ok(file) => file,
        // A folder in which nothing may be made, but this file may be written.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            return File::create(output)?.write_all(object);
        }
        Err(error) => return Err(error),
    };
    let _on_signal = sys::tidy_on_signal::register(&temporary);
    let written = file.write_all(object).and_then(|()| statedir::replace(&temporary, output));
    written.inspect_err(|_| {
        let _ = std::fs::remove_file(&temporary);
    })
}

fn temporary_beside(output: &Path) -> PathBuf {
    let name = output.file_name().unwrap_or_default();
    // A name close to the longest allowed would become too long.
    let name = &name.as_encoded_bytes()[..name.len().min(200)];
    let name = String::from_utf8_lossy(name);
    output.with_file_name(format!(".{name}.distcc-{}", std::process::id()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn elf(machine: u8) -> Vec<u8> {
        let mut bytes = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0];
        bytes.resize(16, 0);
        bytes.extend([1, 0, machine, 0]);
        bytes
    }

    #[test]
    fn an_object_for_another_machine_is_not_accepted() {
        let kind = ObjectKind::of(&elf(183)).unwrap();
        let expected = Expected { kind, version: None };
        assert!(expected.judge(&elf(183)).is_ok());
        let trouble = expected.judge(&elf(62)).unwrap_err();
        assert_eq!(
            trouble.says(),
            "its object is ELF 64-bit little-endian machine 62=x86-64, and the compiler of this \
             machine makes ELF 64-bit little-endian machine 183=aarch64"
        );
        assert!(expected.judge(b"").is_err());
    }

    #[test]
    fn what_is_expected_survives_being_remembered() {
        let expected = Expected {
            kind: ObjectKind::of(&elf(62)).unwrap(),
            version: CompilerVersion::from_text("GCC 12.2.0"),
        };
        let again = Expected::from_bytes(expected.to_text().as_bytes()).unwrap();
        assert_eq!((again.kind, again.version), (expected.kind, expected.version));
        assert!(Expected::from_bytes(b"nonsense").is_none());
    }

    #[test]
    fn an_object_takes_the_place_of_an_older_one() {
        let folder = std::env::temp_dir().join(format!("distcc-rs-put-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let output = folder.join("a.o");
        put(b"old", &output).unwrap();
        put(b"new", &output).unwrap();
        assert_eq!(std::fs::read(&output).unwrap(), b"new");
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
        std::os::unix::fs::symlink("a.o", folder.join("b.o")).unwrap();
        put(b"newer", &folder.join("b.o")).unwrap();
        assert_eq!(std::fs::read(&output).unwrap(), b"new");
        assert!(!folder.join("b.o").is_symlink());
        assert!(put(b"x", &folder.join("missing/a.o")).is_err());
        assert!(has_no_place(&folder) && has_no_place(&folder.join("missing/a.o")));
        assert!(!has_no_place(&output) && !has_no_place(&folder.join("new.o")));
        assert!(!has_no_place(Path::new("new.o")));
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
