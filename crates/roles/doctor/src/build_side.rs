//! What a build on this machine needs before it gets to any host.

use std::ffi::OsStr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

use crate::Surroundings;
use crate::compilers::first_in_path;
use diagnosis::shell::quoted;
use diagnosis::{Finding, Machine, Status};

/// Folders of links that lead to us: those of `update-distcc-symlinks`, and of other systems.
const MASQUERADE: [&str; 5] = [
    "/usr/lib/distcc/bin",
    "/usr/lib/distcc",
    "/usr/local/lib/distcc/bin",
    "/usr/local/lib/distcc",
    "/usr/lib64/distcc",
];

/// The folder in which slots, back-off and the ledger are kept.
pub(crate) fn state_folder(surroundings: &Surroundings) -> Finding {
    let find = |status, code, text| Finding::here("state folder", status, code, text);
    let Some(folder) = surroundings.state_folder() else {
        let text = "there is neither HOME nor DISTCC_DIR: slots are not shared between jobs";
        return find(Status::Warning, "no-state-folder", text.to_owned()).mended_by(
            Machine::This,
            &[ELSEWHERE],
            "",
        );
    };
    let shown = folder.display();
    if is_writable(&folder) {
        return find(Status::Ok, "state-folder", format!("{shown} can be written"));
    }
    let text = format!("{shown} (DISTCC_DIR) cannot be written: slots and back-off do not work");
    let finding = find(Status::Failed, "state-folder-unwritable", text);
    let own = rustix::process::geteuid().as_raw();
    if std::fs::metadata(&folder)
        .is_ok_and(|found| found.is_dir() && found.uid() == own && own != 0)
    {
        let command = format!("chmod u+rwx {}", quoted(&shown.to_string()));
        return finding.mended_by(Machine::This, &[&command], "");
    }
    let home = surroundings.home.as_ref().map(|home| Path::new(home).join(".distcc"));
    match home.filter(|home| surroundings.state_dir.is_some() && is_writable(home)) {
        Some(_) => {
            finding.mended_by(Machine::This, &["unset DISTCC_DIR"], "~/.distcc can be written")
        }
        None => finding.mended_by(Machine::This, &[ELSEWHERE], ""),
    }
}

/// A state folder where everybody has one.
const ELSEWHERE: &str = "export DISTCC_DIR=/tmp/distcc-$(id -u)";

/// Whether a folder can be written, or be made.
fn is_writable(folder: &Path) -> bool {
    match std::fs::metadata(folder) {
        // Root may write all but what the file system refuses, which `access` tells as well.
        Ok(found) => found.is_dir() && access(folder, Access::WRITE_OK | Access::EXEC_OK).is_ok(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            folder.parent().is_some_and(|parent| {
                parent.is_dir() && access(parent, Access::WRITE_OK | Access::EXEC_OK).is_ok()
            })
        }
        Err(_) => false,
    }
}

/// Whether the compilers that `make` calls are us.
pub(crate) fn masquerade(surroundings: &Surroundings) -> Finding {
    let find = |status, code, text| Finding::here("masquerade", status, code, text);
    let names_us = |command: &String| {
        command
            .split_ascii_whitespace()
            .next()
            .is_some_and(|word| base(Path::new(word)) == "distcc")
    };
    if let Some(command) = surroundings.compilers.iter().find(|command| names_us(command)) {
        return find(Status::Ok, "named", format!("CC or CXX is `{command}`"));
    }
    let first =
        |name| first_in_path(&surroundings.path, name).map(|found| (leads_to(&found), found));
    let found: Vec<(Leads, PathBuf)> =
        ["gcc", "cc", "g++", "c++", "clang"].into_iter().filter_map(first).collect();
    let by_ccache = found.iter().find(|(leads, _)| *leads == Leads::Ccache);
    if let Some((_, link)) = by_ccache {
        if base(Path::new(surroundings.ccache_prefix.split(' ').next().unwrap_or_default()))
            == "distcc"
        {
            return find(
                Status::Ok,
                "behind-ccache",
                format!("ccache ({}) calls distcc", link.display()),
            );
        }
        let text = format!("{} is ccache, which calls the compiler without us", link.display());
        return find(Status::Failed, "ccache-in-the-way", text).mended_by(
            Machine::This,
            &["export CCACHE_PREFIX=distcc"],
            "",
        );
    }
    let Some((_, compiler)) = found.iter().find(|(leads, _)| *leads == Leads::Compiler) else {
        return match found.first() {
            Some((_, link)) => {
                find(Status::Ok, "masqueraded", format!("{} is distcc", link.display()))
            }
            None => find(Status::Warning, "no-compiler", "there is no compiler in PATH".to_owned()),
        };
    };
    let name = base(compiler);
    let text = format!("what make calls `{name}` is {}, not distcc", compiler.display());
    let finding = find(Status::Failed, "not-masqueraded", text);
    let folder =
        MASQUERADE.iter().find(|folder| leads_to(&Path::new(folder).join(&name)) == Leads::Distcc);
    let note = format!("or, for make alone: make CC='distcc {name}'");
    match folder {
        Some(folder) => {
            let command = format!("export PATH={folder}:$PATH");
            finding.mended_by(Machine::This, &[&command], &note)
        }
        None => finding.mended_by(
            Machine::This,
            &["update-distcc-symlinks", "export PATH=/usr/lib/distcc/bin:$PATH"],
            &format!("the first as root; {note}"),
        ),
    }
}

/// What a program in `PATH` is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leads {
    Distcc,
    Ccache,
    Compiler,
    Nowhere,
}

fn leads_to(program: &Path) -> Leads {
    match std::fs::canonicalize(program) {
        Ok(file) if base(&file) == "distcc" => Leads::Distcc,
        Ok(file) if base(&file) == "ccache" => Leads::Ccache,
        Ok(_) => Leads::Compiler,
        Err(_) => Leads::Nowhere,
    }
}

fn base(path: &Path) -> String {
    path.file_name().unwrap_or(OsStr::new("")).to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[track_caller]
    fn check(linked_to: &str, compiler: Option<&str>, prefix: &str, expected: &str) {
        let world = tempfile::tempdir().unwrap();
        let program = world.path().join(linked_to);
        std::fs::write(&program, "").unwrap();
        std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
        let folder = world.path().join("bin");
        std::fs::create_dir(&folder).unwrap();
        symlink(&program, folder.join("gcc")).unwrap();
        let surroundings = Surroundings {
            hosts: None,
            state_dir: None,
            home: None,
            path: folder.into(),
            temporary: "/tmp".into(),
            ccache_prefix: prefix.to_owned(),
            compilers: compiler.map(str::to_owned).into_iter().collect(),
        };
        let finding = masquerade(&surroundings);
        assert_eq!(finding.code, expected);
        assert_eq!(finding.remedy.is_some(), finding.status == Status::Failed);
    }

    #[test]
    fn what_make_calls_is_followed_to_its_end() {
        check("distcc", None, "", "masqueraded");
        check("gcc-12", None, "", "not-masqueraded");
        check("gcc-12", Some("/usr/bin/distcc gcc"), "", "named");
        check("gcc-12", Some("gcc"), "", "not-masqueraded");
        check("ccache", None, "", "ccache-in-the-way");
        check("ccache", None, "/usr/bin/distcc", "behind-ccache");
    }
}
