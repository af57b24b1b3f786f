//! Compilers that count how many of them run, and wait for a word.

use std::path::{Path, PathBuf};

use support::{Kind, Server, ServerOptions, script};

use super::World;

/// The names by which clients ask for gcc.
const NAMES: [&str; 2] = ["gcc", "x86_64-linux-gnu-gcc"];

/// A place where gcc counts its runs and waits for [`Held::release`].
pub(crate) struct Held {
    folder: PathBuf,
}

impl Held {
    /// Puts such compilers into the world. Runs that only preprocess, or that ask the compiler
    /// about itself, do not wait and are not counted.
    pub(crate) fn new(world: &World, name: &str) -> Held {
        let folder = world.open_folder(name);
        let running = world.open_folder(&format!("{name}/running"));
        let counts = folder.join("counts");
        std::fs::write(&counts, "").unwrap();
        std::fs::set_permissions(&counts, std::os::unix::fs::PermissionsExt::from_mode(0o666))
            .unwrap();
        for name in NAMES {
            // The last one to come sees all that run, and none that is still seen has ended.
            let text = format!(
                "case \" $* \" in *' -E '*|*' /dev/null '*|*' -dump'*|*' --version '*) exec /usr/bin/{name} \"$@\";; esac
                 mkdir {running}/$$
                 ls {running} | wc -l >> {folder}/counts
                 while [ ! -e {folder}/go ]; do sleep 0.05; done
                 /usr/bin/{name} \"$@\"
                 code=$?
                 rmdir {running}/$$
                 exit $code",
                running = running.display(),
                folder = folder.display()
            );
            script(&folder.join(name), &text);
        }
        Held { folder }
    }

    /// A server that has these compilers and would run any number of them.
    pub(crate) fn server(&self, world: &World, name: &str, kind: Kind) -> Server {
        let mut options = ServerOptions::new(kind);
        options.path = Some(self.path());
        options.n_jobs = 20;
        world.server(name, &options)
    }

    /// A `PATH` in which these compilers come first.
    pub(crate) fn path(&self) -> String {
        format!("{}:/usr/bin:/bin", self.folder.display())
    }

    /// The folder of the compilers.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// How many run now.
    pub(crate) fn n_running(&self) -> usize {
        std::fs::read_dir(self.folder.join("running")).unwrap().count()
    }

    /// How many ran, and how many of them at once at most.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let text = std::fs::read_to_string(self.folder.join("counts")).unwrap();
        let counts: Vec<usize> = text.lines().map(|line| line.trim().parse().unwrap()).collect();
        (counts.len(), counts.into_iter().max().unwrap_or(0))
    }

    /// Lets them all go on.
    pub(crate) fn release(&self) {
        std::fs::write(self.folder.join("go"), "").unwrap();
    }
}
