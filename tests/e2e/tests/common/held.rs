//! Compilers that count how many of them run at once, and wait for a word.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use support::{Kind, Server, ServerOptions, script};

use super::World;

/// The names by which clients ask for gcc.
const NAMES: [&str; 2] = ["gcc", "x86_64-linux-gnu-gcc"];

/// A place where gcc counts its runs, and waits for [`Held::release`] before it compiles.
pub(crate) struct Held {
    folder: PathBuf,
}

impl Held {
    /// Puts such compilers into the world. A preprocessor is counted and does not wait. Runs that
    /// only ask the compiler about itself are not counted.
    pub(crate) fn new(world: &World, name: &str) -> Held {
        let folder = world.open_folder(name);
        for kind in ["all", "compilers"] {
            let _ = world.open_folder(&format!("{name}/{kind}"));
            let counts = folder.join(format!("{kind}.counts"));
            std::fs::write(&counts, "").unwrap();
            std::fs::set_permissions(&counts, PermissionsExt::from_mode(0o666)).unwrap();
        }
        for name in NAMES {
            // The last one to come sees all that run, and none that is still seen has ended: one that
            // was killed, as a client does with a preprocessor it has no more use for, is left out.
            let text = format!(
                "case \" $* \" in *' /dev/null '*|*' -dump'*|*' --version '*) exec /usr/bin/{name} \"$@\";; esac
                 cd_back=$PWD; cd {folder}
                 kinds='all compilers'; case \" $* \" in *' -E '*) kinds=all;; esac
                 for kind in $kinds; do
                   mkdir $kind/$$; n=0
                   for run in $kind/*; do [ -d /proc/${{run##*/}} ] && n=$((n + 1)); done
                   echo $n >> $kind.counts
                 done
                 if [ \"$kinds\" != all ]; then while [ ! -e go ]; do sleep 0.05; done; fi
                 sleep 0.02
                 cd \"$cd_back\"
                 /usr/bin/{name} \"$@\"
                 code=$?
                 cd {folder}
                 for kind in $kinds; do rmdir $kind/$$; done
                 exit $code",
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

    /// How many compile now.
    pub(crate) fn n_running(&self) -> usize {
        std::fs::read_dir(self.folder.join("compilers")).unwrap().count()
    }

    /// How many compiled, and how many of them at once at most.
    pub(crate) fn compiles(&self) -> (usize, usize) {
        self.counts("compilers")
    }

    /// How many compiled or preprocessed, and how many at once at most.
    pub(crate) fn runs(&self) -> (usize, usize) {
        self.counts("all")
    }

    fn counts(&self, kind: &str) -> (usize, usize) {
        let text = std::fs::read_to_string(self.folder.join(format!("{kind}.counts"))).unwrap();
        let counts: Vec<usize> = text.lines().map(|line| line.trim().parse().unwrap()).collect();
        (counts.len(), counts.into_iter().max().unwrap_or(0))
    }

    /// Lets them all go on.
    pub(crate) fn release(&self) {
        std::fs::write(self.folder.join("go"), "").unwrap();
    }
}
