use super::*;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// A tree of sources, and somebody who knows it for long.
struct World {
    folder: tempfile::TempDir,
    knowledge: Knowledge,
}

/// What the compile reads: `x.h` by two links, `y.h` beside the source, `z.h` by a detour, and `o.h`
/// where there is one.
const COMMAND: &str = "gcc -Ifirst -Ilink -Imissing/deep -Iside/../inc/sub -c a.c";

const SOURCE: &str = "#include <x.h>\n#include \"y.h\"\n#include <z.h>\n\
                      #if __has_include(<o.h>)\n#include <o.h>\n#endif\n";

impl World {
    fn new() -> World {
        let world = World {
            folder: tempfile::tempdir().unwrap(),
            knowledge: Knowledge::new(1 << 20, None),
        };
        for folder in ["first", "inc/sub", "other", "side", "away"] {
            fs::create_dir_all(world.path(folder)).unwrap();
        }
        world.write("a.c", SOURCE);
        world.write("inc/x.h", "int x;\n");
        world.write("other/x.h", "int o;\n");
        world.write("inc/sub/z.h", "int z;\n");
        world.write("y.h", "int y;\n");
        symlink("hop", world.path("link")).unwrap();
        symlink("inc", world.path("hop")).unwrap();
        world
    }

    fn root(&self) -> PathBuf {
        self.folder.path().canonicalize().unwrap()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn plan_by(&self, knowledge: &Knowledge) -> Result<Plan, Doubt> {
        let errand = Errand {
            folder: self.root().as_os_str().as_bytes().to_vec(),
            compiler: b"/usr/bin/gcc".to_vec(),
            path: b"/usr/bin:/bin".to_vec(),
            command: COMMAND.split(' ').map(|word| word.as_bytes().to_vec()).collect(),
            sent: vec![b"gcc".to_vec()],
            way: Way::Whole,
            keeping: Keeping::Nothing,
        };
        knowledge.plan(&errand, None)
    }

    fn judge(&self, plan: &Plan) -> Judgment {
        self.knowledge.judge(plan, self.root().as_os_str().as_bytes(), b"a.o:\n")
    }

    /// Plans until a plan holds. Where files can be watched, until all of it is.
    fn settle(&self) -> Result<Plan, Doubt> {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let plan = self.plan_by(&self.knowledge)?;
            let holds = self.judge(&plan) == Judgment::Holds;
            if holds && (!self.can_watch() || self.is_watched(&plan)) {
                return Ok(plan);
            }
            assert!(Instant::now() < deadline, "it is not watched");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn is_watched(&self, plan: &Plan) -> bool {
        plan.layout.is_unchanged(self.knowledge.core().files.catch_up())
    }

    fn can_watch(&self) -> bool {
        [Path::new("/"), self.folder.path()].iter().all(|place| crate::watch::is_whole(*place))
    }
}

fn text(plan: Result<Plan, Doubt>) -> Result<Vec<u8>, Doubt> {
    plan.map(|plan| plan.pieces.iter().flat_map(|piece| piece.bytes().to_vec()).collect())
}

#[test]
fn whatever_changes_is_noticed_while_it_is_watched() {
    type Change = fn(&World);
    let changes: [(&str, bool, Change); 17] = [
        ("an object comes", false, |world| world.write("a.o", "1")),
        ("an object goes", false, |world| fs::remove_file(world.path("a.o")).unwrap()),
        ("a header is written", true, |world| world.write("inc/x.h", "int u;\n")),
        ("a header is replaced", true, |world| {
            world.write("away/new", "int v;\n");
            fs::rename(world.path("away/new"), world.path("inc/x.h")).unwrap();
        }),
        ("a header is written by a further link to it", true, |world| {
            fs::hard_link(world.path("y.h"), world.path("away/y")).unwrap();
            world.settle().unwrap();
            world.write("away/y", "int w;\n");
        }),
        ("a header comes where it is found earlier", true, |world| {
            world.write("first/x.h", "int f;\n");
        }),
        ("it goes again", true, |world| fs::remove_file(world.path("first/x.h")).unwrap()),
        ("a header comes that was nowhere", true, |world| world.write("inc/o.h", "int o;\n")),
        ("folders come in which one is found earlier", true, |world| {
            fs::create_dir_all(world.path("missing/deep")).unwrap();
            world.write("missing/deep/z.h", "int d;\n");
        }),
        ("a link leads elsewhere", true, |world| {
            fs::remove_file(world.path("hop")).unwrap();
            symlink("other", world.path("hop")).unwrap();
        }),
        ("a folder is replaced", true, |world| {
            fs::rename(world.path("other"), world.path("away/other")).unwrap();
            fs::create_dir(world.path("other")).unwrap();
            world.write("other/x.h", "int p;\n");
        }),
        ("something else comes into its folder", false, |world| {
            fs::create_dir(world.path("other/unheard-of")).unwrap();
        }),
        ("a folder becomes a link", true, |world| {
            fs::rename(world.path("other"), world.path("away/again")).unwrap();
            world.write("away/other/x.h", "int q;\n");
            symlink("away/other", world.path("other")).unwrap();
        }),
        ("the folder behind it is written to", true, |world| {
            world.write("away/other/x.h", "int r;\n");
        }),
        ("a folder is closed", false, |world| {
            let mode = fs::Permissions::from_mode(0o700);
            fs::set_permissions(world.path("away"), mode).unwrap();
        }),
        ("the source is written", true, |world| world.write("a.c", "#include <x.h>\n\n")),
        ("a header goes", true, |world| fs::remove_file(world.path("away/other/x.h")).unwrap()),
    ];
    let world = World::new();
    for (what, matters, change) in changes {
        let plan = world.settle().unwrap();
        change(&world);
        let is_changed = matches!(world.judge(&plan), Judgment::Changed(_));
        assert_eq!(is_changed, matters, "{what}");
        // And what is sent next is what somebody sends who sees it for the first time.
        let fresh = text(world.plan_by(&Knowledge::new(1 << 20, None)));
        assert_eq!(text(world.settle()), fresh, "{what}");
    }
}

#[test]
fn an_edited_source_is_sent_as_it_is_although_it_was_watched() {
    let world = World::new();
    for text in ["int a;\n", "int b;\n"] {
        world.settle().unwrap();
        // By now the source is old, so that one more look at it is the last.
        world.write("y.h", text);
        world.settle().unwrap();
        world.write("a.c", text);
        let plan = world.plan_by(&world.knowledge).unwrap();
        assert_eq!(world.judge(&plan), Judgment::Holds);
    }
}

#[test]
fn what_is_watched_is_not_looked_at_again() {
    let world = World::new();
    let plan = world.settle().unwrap();
    world.write("a.o", "1");
    world.write("away/x.h", "1");
    assert_eq!(world.is_watched(&plan), world.can_watch());
    world.write("inc/x.h", "int x;\n");
    assert!(!world.is_watched(&plan));
}
