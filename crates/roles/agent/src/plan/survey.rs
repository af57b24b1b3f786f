//! What a client of distcc 3.4 sends for a job. Its server puts a folder of its own in front of the
//! absolute names in a command, has the compiler's own headers by itself, and gives the object away
//! unjudged.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use agent_wire::Errand;
use compiler_args::{MacroWord, Reading};
use includes::{Closure, FileId, Files, Found, Operand};

use super::{Core, Doubt, GroupKey, Knowledge, MOST_NAMES, Settled, gone};
use crate::names::{absolute, folder_of};
use crate::setting::Setting;
use crate::tree::Tree;

/// How often `..` stands before the parts of a link to a folder of the server's own, beside once for
/// each part of its name. Source: distcc 3.4, observed.
const CLIMB: usize = 20;

/// The mark of its encoding that a text may begin with.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A file to be sent, in one of its contents and under one of its names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Copied {
    /// Where it is, without links and detours.
    pub(crate) place: Vec<u8>,
    /// The name that the compiler has to show for it, where that is an absolute one: on the server it
    /// opens another.
    pub(crate) shown: Option<Arc<[u8]>>,
    /// The content.
    pub(crate) id: FileId,
}

/// What is sent for a job.
#[derive(Debug, Default)]
pub(crate) struct Survey {
    /// Files; of those that are not at hand, the content as it travels.
    pub(crate) files: Vec<(Copied, Option<Arc<[u8]>>)>,
    /// Links, with what stands in them.
    pub(crate) links: Vec<(Vec<u8>, Vec<u8>)>,
    /// Folders in which nothing lies.
    pub(crate) folders: Vec<Vec<u8>>,
}

/// The files that are sent, with the names that are shown for them.
type SentTree = Tree<(Option<Arc<[u8]>>, FileId)>;

/// What is remarkable in a text.
#[derive(Clone, Copy, Debug, Default)]
struct Remark {
    /// It may show the name of a file.
    shows_name: bool,
    /// It may show the name of the source.
    shows_source: bool,
}

impl Remark {
    fn of(text: &[u8]) -> Remark {
        let has = |text: &[u8], part: &str| memchr::memmem::find(text, part.as_bytes()).is_some();
        Remark {
            shows_name: ["__FILE__", "__builtin_FILE", "__builtin_source_location"]
                .iter()
                .any(|word| has(text, word)),
            shows_source: has(text, "__BASE_FILE__"),
        }
    }
}

/// Remarks by content.
#[derive(Default)]
pub(super) struct Remarks {
    known: HashMap<FileId, Remark>,
}

impl Knowledge {
    /// What a client of distcc 3.4 is to send for a job, where `is_at_hand` tells which contents it
    /// has already.
    pub(crate) fn survey(
        &self,
        errand: &Errand,
        is_at_hand: &mut dyn FnMut(&Copied) -> bool,
    ) -> Result<Survey, Doubt> {
        // Nobody looks again after the compile, so everything is looked at from now on.
        let since = Instant::now();
        let (reading, setting) = self.read(errand)?;
        let mut core = self.core();
        core.keep_small();
        let settled = core.settle(errand, &reading, &setting, since)?;
        let survey = core.survey(&settled, &reading, &setting, Headers::OfServer, is_at_hand);
        match core.files.take_disturbed() {
            Some(name) => Err(gone(&name)),
            None => survey,
        }
    }
}

/// Whose headers of the system the compiler is to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Headers {
    /// The server's own, as distcc 3.4 has it.
    OfServer,
    /// Those of this machine: they are sent, and the command names their folders.
    Sent,
}

/// Which files a server has by itself.
struct Own<'a> {
    /// The compiler's own folders.
    folders: Vec<&'a [u8]>,
    /// Other folders in which it looks.
    asked: Vec<&'a [u8]>,
    /// Whether some of those are for headers of the system.
    asks_system: bool,
}

impl<'a> Own<'a> {
    fn of(
        key: &'a GroupKey,
        reading: &'a Reading,
        setting: &'a Setting,
        headers: Headers,
    ) -> Result<Own<'a>, Doubt> {
        if headers == Headers::Sent {
            return Ok(Own { folders: Vec::new(), asked: Vec::new(), asks_system: true });
        }
        let folders: Vec<&[u8]> = setting.folders.iter().map(Vec::as_slice).collect();
        // These come before their likes of the compiler's own, which counts no more.
        if let Some(name) =
            reading.system.iter().chain(&key.quoted).find(|name| folders.contains(&name.as_slice()))
        {
            return Err(system_folder(name));
        }
        let searched = key.quoted.iter().chain(&key.all).map(Vec::as_slice);
        let named = [&reading.source].into_iter().chain(&reading.included);
        let named = named.chain(&reading.macro_files).filter(|name| name.starts_with(b"/"));
        let asked = searched
            .filter(|name| name.starts_with(b"/") && !folders.contains(name))
            .chain(named.map(|name| folder_of(name)))
            .collect();
        let asks_system = !reading.system.is_empty() || !reading.after.is_empty();
        Ok(Own { folders, asked, asks_system })
    }

    /// Whether the compiler finds that file in a folder of its own, also on the server.
    fn has(&self, name: &[u8]) -> bool {
        lies_in(name, &self.folders) && !lies_in(name, &self.asked)
    }

    /// Whether the compiler does not come across that name. The scanner tells also the true names of
    /// files, by which GCC opens headers of the system where they are shorter.
    fn never_names(&self, name: &[u8]) -> bool {
        let is_elsewhere = || !lies_in(name, &self.folders) && !lies_in(name, &self.asked);
        name.starts_with(b"/") && !self.asks_system && is_elsewhere()
    }
}

/// Whether `name` begins with one of `folders`.
fn lies_in(name: &[u8], folders: &[&[u8]]) -> bool {
    folders.iter().any(|folder| lies_below(name, folder))
}

/// Whether `name` begins with the folder `folder`.
fn lies_below(name: &[u8], folder: &[u8]) -> bool {
    let rest = name.strip_prefix(folder);
    rest.is_some_and(|rest| rest.starts_with(b"/") || (folder.ends_with(b"/") && !rest.is_empty()))
}

impl Core {
    pub(super) fn survey(
        &mut self,
        settled: &Settled,
        reading: &Reading,
        setting: &Setting,
        headers: Headers,
        is_at_hand: &mut dyn FnMut(&Copied) -> bool,
    ) -> Result<Survey, Doubt> {
        let Settled { key, closure, .. } = settled;
        let own = Own::of(key, reading, setting, headers)?;
        let mut tree = self.sent_files(key, closure, &own)?;
        self.judge_texts(key, closure, reading, &own, &tree)?;
        let linked = self.add_folders(key, &own, &mut tree)?;
        let is_servers = |name: &[u8]| {
            linked.iter().any(|folder| name == folder.as_slice() || lies_below(name, folder))
        };
        let mut survey = Survey::default();
        for folder in &linked {
            survey.links.push((folder.clone(), climbing_link(folder)));
        }
        for (name, target) in &tree.links {
            if !is_servers(name) {
                survey.links.push((name.clone(), target.clone()));
            }
        }
        let folders = tree.empty_folders().filter(|folder| !is_servers(folder));
        survey.folders = folders.map(<[u8]>::to_vec).collect();
        for (place, (shown, id)) in tree.files {
            let copied = Copied { place, shown, id };
            let content =
                if is_at_hand(&copied) { None } else { Some(self.content(key, &copied)?) };
            survey.files.push((copied, content));
        }
        Ok(survey)
    }

    /// The files that the server does not have, with the ways to them.
    fn sent_files(
        &mut self,
        key: &GroupKey,
        closure: &Closure,
        own: &Own<'_>,
    ) -> Result<SentTree, Doubt> {
        let mut tree = Tree::new();
        let mut with_two_names = None;
        for name in closure.files.iter().filter(|name| !own.has(name) && !own.never_names(name)) {
            let at = absolute(&key.folder, name);
            let Found::File(id) = self.files.look(&at) else { return Err(gone(name)) };
            let route = self.places.route(&at).ok_or_else(|| gone(name))?;
            let shown = name.starts_with(b"/").then(|| Arc::clone(name));
            if shown.is_some() && !name.iter().copied().all(can_be_shown) {
                return Err(doubt("unusual-file", name, "has an unusual name"));
            }
            let known: Option<&(Option<Arc<[u8]>>, FileId)> = tree.files.get(&route.end);
            if known.is_some_and(|(other, _)| *other != shown) {
                with_two_names.get_or_insert(name);
            }
            tree.add_file(&route, (shown, id));
        }
        if let Some(name) = with_two_names
            && self.finds_remark(key, closure, |remark| remark.shows_name)?
        {
            return Err(doubt("two-names", name, "is read by two names, which may show"));
        }
        Ok(tree)
    }

    /// Finds what a server of 3.4 would compile differently, or not at all.
    fn judge_texts(
        &mut self,
        key: &GroupKey,
        closure: &Closure,
        reading: &Reading,
        own: &Own<'_>,
        tree: &SentTree,
    ) -> Result<(), Doubt> {
        let is_absolute = reading.source.starts_with(b"/");
        if is_absolute && self.finds_remark(key, closure, |remark| remark.shows_source)? {
            return Err(doubt("base-file", &reading.source, "shows its name"));
        }
        let mut operands = Vec::new();
        let mut is_computed = false;
        for (_, id) in tree.files.values() {
            let facts = self.files.seen_from(&key.folder, &mut self.places).facts(*id);
            operands.extend(facts.includes.iter().map(|(include, _)| include.operand.clone()));
            is_computed |=
                facts.doubts.iter().any(|(told, _)| *told == includes::Doubt::ComputedInclude);
        }
        let mut macros = HashSet::new();
        while let Some(operand) = operands.pop() {
            match operand {
                Operand::Quoted(name) | Operand::Angled(name) => {
                    if name.starts_with(b"/") && !own.has(&name) {
                        return Err(doubt("absolute-include", &name, "is named absolutely"));
                    }
                }
                Operand::Macro(name) if name == b"__FILE__" => {
                    if let Some((name, _)) =
                        tree.files.iter().find(|(_, (shown, _))| shown.is_some())
                    {
                        return Err(doubt("absolute-include", name, "may name itself"));
                    }
                }
                Operand::Macro(name) => {
                    if macros.insert(name.clone()) {
                        for value in self.values(key, closure, reading, &name)? {
                            match includes::operand_of_value(&value) {
                                Some(operand) => operands.push(operand),
                                None => is_computed = true,
                            }
                        }
                    }
                }
            }
        }
        // The scanner has carried it out; whether an absolute name came of it, it does not tell.
        let may_be_absolute = || {
            tree.files.values().any(|(shown, _)| shown.is_some())
                || closure.files.iter().any(|name| own.never_names(name))
        };
        if is_computed && may_be_absolute() {
            return Err(doubt("computed-include", &reading.source, "may name files absolutely"));
        }
        Ok(())
    }

    /// What a macro may stand for in an `#include`.
    fn values(
        &mut self,
        key: &GroupKey,
        closure: &Closure,
        reading: &Reading,
        name: &[u8],
    ) -> Result<Vec<Vec<u8>>, Doubt> {
        let mut values: Vec<Vec<u8>> = Vec::new();
        for word in &reading.macros {
            if let MacroWord::Define(text) = word
                && let Some(rest) = text.strip_prefix(name)
                && let Some(value) = rest.strip_prefix(b"=")
            {
                values.push(value.to_vec());
            }
        }
        for file in &closure.files {
            let Found::File(id) = self.files.look(&absolute(&key.folder, file)) else {
                return Err(gone(file));
            };
            let mut files = self.files.seen_from(&key.folder, &mut self.places);
            if files.facts(id).defines.iter().any(|(defined, _)| defined == name) {
                values.extend(includes::definitions(&files.text(id), name).values);
            }
        }
        Ok(values)
    }

    /// Whether any text of a closure is remarkable.
    fn finds_remark(
        &mut self,
        key: &GroupKey,
        closure: &Closure,
        is_meant: fn(&Remark) -> bool,
    ) -> Result<bool, Doubt> {
        if self.remarks.known.len() > MOST_NAMES {
            self.remarks.known.clear();
        }
        for name in &closure.files {
            let Found::File(id) = self.files.look(&absolute(&key.folder, name)) else {
                return Err(gone(name));
            };
            let remark = match self.remarks.known.get(&id) {
                Some(remark) => *remark,
                None => {
                    let text = self.files.seen_from(&key.folder, &mut self.places).text(id);
                    if let Some(name) = self.files.take_disturbed() {
                        return Err(gone(&name));
                    }
                    *self.remarks.known.entry(id).or_insert_with(|| Remark::of(&text))
                }
            };
            if is_meant(&remark) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Adds the folders in which the compiler looks. Gives those of the compiler's own that the
    /// server links to its own: those in which nothing is sent, and which lie in no other.
    fn add_folders(
        &mut self,
        key: &GroupKey,
        own: &Own<'_>,
        tree: &mut SentTree,
    ) -> Result<Vec<Vec<u8>>, Doubt> {
        let mut ends = Vec::new();
        for name in &own.folders {
            if self.files.folder_number(name).is_some() {
                ends.push(self.places.route(name).ok_or_else(|| gone(name))?.end.clone());
            }
        }
        let is_outermost = |end: &&Vec<u8>| !ends.iter().any(|other| lies_below(end, other));
        let holds_files = |end: &&Vec<u8>| tree.files.keys().any(|place| lies_below(place, end));
        let mut linked: Vec<Vec<u8>> =
            ends.iter().filter(is_outermost).filter(|end| !holds_files(end)).cloned().collect();
        linked.sort();
        linked.dedup();
        let searched = key.quoted.iter().chain(&key.all);
        for name in searched.filter(|name| !own.folders.contains(&name.as_slice())) {
            let at = absolute(&key.folder, name);
            let route = self.places.route(&at).ok_or_else(|| gone(name))?;
            let is_linked =
                |end: &[u8]| linked.iter().any(|folder| folder == end || lies_below(end, folder));
            // There it would be another folder than the compiler's own.
            if ends.contains(&route.end) && !is_linked(&route.end) {
                return Err(system_folder(name));
            }
            tree.add_folder(&route);
        }
        let route = self.places.route(&key.folder).ok_or_else(|| gone(&key.folder))?;
        tree.add_folder(&route);
        Ok(linked)
    }

    /// The content of a file as it travels, without its length.
    fn content(&mut self, key: &GroupKey, copied: &Copied) -> Result<Arc<[u8]>, Doubt> {
        let Some(shown) = &copied.shown else {
            let body = self.files.body(copied.id).ok_or_else(|| gone(&copied.place))?;
            return Ok(body[wire::Token::LEN..].into());
        };
        let text = self.files.seen_from(&key.folder, &mut self.places).text(copied.id);
        if let Some(name) = self.files.take_disturbed() {
            return Err(gone(&name));
        }
        Ok(wire::lzo::compress(&named(&text, shown)).into())
    }
}

/// The text with a first line that has the compiler show `name` for its file.
fn named(text: &[u8], name: &[u8]) -> Vec<u8> {
    let (mark, text) = match text.strip_prefix(BYTE_ORDER_MARK) {
        Some(rest) => (BYTE_ORDER_MARK, rest),
        None => (&b""[..], text),
    };
    [mark, b"#line 1 \"", name, b"\"\n", text].concat()
}

/// Whether a byte can stand in a `#line` as it is.
fn can_be_shown(byte: u8) -> bool {
    !byte.is_ascii_control() && byte != b'"' && byte != b'\\'
}

/// What stands in the link that leads from below any root to the folder of that name.
fn climbing_link(folder: &[u8]) -> Vec<u8> {
    let n_parts = folder.iter().filter(|byte| **byte == b'/').count();
    let climb = vec!["..".as_bytes(); CLIMB + n_parts].join(&b'/');
    [&climb, folder].concat()
}

fn system_folder(name: &[u8]) -> Doubt {
    doubt("system-folder", name, "is the compiler's own, and named")
}

fn doubt(code: &'static str, name: &[u8], what: &str) -> Doubt {
    Doubt { code, text: format!("{} {what}", String::from_utf8_lossy(name)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use agent_wire::{Keeping, Way};
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;

    struct World {
        folder: tempfile::TempDir,
        knowledge: Knowledge,
    }

    impl World {
        fn new(files: &[(&str, &str)]) -> World {
            let folder = tempfile::tempdir().unwrap();
            let world = World { folder, knowledge: Knowledge::new(1 << 20, None) };
            files.iter().for_each(|(name, text)| world.write(name, text));
            world
        }

        fn root(&self) -> String {
            self.folder.path().canonicalize().unwrap().display().to_string()
        }

        fn write(&self, name: &str, text: &str) {
            let path = self.folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }

        /// The survey of a command, in which `@` is the folder.
        fn survey(&self, command: &str) -> Result<Survey, Doubt> {
            let command = command.replace('@', &self.root());
            let errand = Errand {
                folder: self.folder.path().canonicalize().unwrap().as_os_str().as_bytes().to_vec(),
                compiler: b"/usr/bin/gcc".to_vec(),
                path: b"/usr/bin:/bin".to_vec(),
                command: command.split(' ').map(|word| word.as_bytes().to_vec()).collect(),
                sent: Vec::new(),
                way: Way::Whole,
                keeping: Keeping::Nothing,
            };
            self.knowledge.survey(&errand, &mut |_| false)
        }

        /// What is sent of the folder, as text, and of the rest what `rest` begins the name of.
        fn sent(&self, command: &str, rest: &str) -> Vec<String> {
            let survey = self.survey(command).unwrap();
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            let files = survey.files.iter().map(|(copied, content)| {
                let content = content.as_ref().unwrap();
                let content = wire::lzo::decompress(content, 1 << 20).unwrap();
                format!("{}={}", text(&copied.place), text(&content))
            });
            let links = survey.links.iter();
            let links = links.map(|(name, target)| format!("{}->{}", text(name), text(target)));
            let folders = survey.folders.iter().map(|name| format!("{}/", text(name)));
            let (root, all) = (self.root(), files.chain(links).chain(folders));
            let all = all.filter(|line| line.starts_with(&root) || line.starts_with(rest));
            let mut all: Vec<String> = all.map(|line| line.replace(&root, "@")).collect();
            all.sort();
            all
        }

        #[track_caller]
        fn check_doubt(&self, command: &str, code: &str) {
            assert_eq!(self.survey(command).unwrap_err().code, code, "{command}");
        }
    }

    #[test]
    fn absolute_names_are_shown_as_they_are() {
        let world = World::new(&[
            ("a.c", "#include <x.h>\n#include \"y.h\"\n#include <stdio.h>\n"),
            ("inc/x.h", "int x;\n"),
            ("y.h", "\u{feff}int y;\n"),
        ]);
        symlink("inc", world.folder.path().join("link")).unwrap();
        let climb = "/usr/include->".to_owned() + &"../".repeat(22) + "usr/include";
        let expected =
            ["/usr/include->", "@/a.c=", "@/inc/x.h=int x;\n", "@/link->inc", "@/y.h=\u{feff}"];
        let sent = world.sent("gcc -Ilink -c a.c", "/usr/include-");
        assert_eq!(sent[0], climb);
        for (line, expected) in sent.iter().zip(expected) {
            assert!(line.starts_with(expected), "{sent:?}");
        }
        assert_eq!(sent.len(), expected.len(), "{sent:?}");
        let sent = world.sent("gcc -I@/inc -c @/a.c", "/none");
        let expected = [
            "@/a.c=#line 1 \"@/a.c\"\n#include <x.h>\n#include \"y.h\"\n#include <stdio.h>\n",
            "@/inc/x.h=#line 1 \"@/inc/x.h\"\nint x;\n",
            "@/y.h=\u{feff}#line 1 \"@/y.h\"\nint y;\n",
        ];
        assert_eq!(sent, expected);
    }

    #[test]
    fn a_folder_below_the_compilers_own_is_sent() {
        let world = World::new(&[("a.c", "#include <types.h>\n")]);
        let sent = world.sent("gcc -I/usr/include/x86_64-linux-gnu/sys -c a.c", "/usr/include");
        let types = "/usr/include/x86_64-linux-gnu/sys/types.h";
        let start = format!("{types}=#line 1 \"{types}\"\n");
        assert!(sent.iter().any(|line| line.starts_with(&start)));
        assert!(!sent.iter().any(|line| line.starts_with("/usr/include->")));
        assert!(!sent.iter().any(|line| line.contains("/bits/types.h=")));
    }

    #[test]
    fn what_is_edited_is_sent_anew() {
        let world = World::new(&[("a.c", "#include \"x.h\"\n"), ("x.h", "1\n")]);
        assert!(world.sent("gcc -c a.c", "/none").contains(&"@/x.h=1\n".to_owned()));
        world.write("x.h", "2\n");
        assert!(world.sent("gcc -c a.c", "/none").contains(&"@/x.h=2\n".to_owned()));
    }

    #[test]
    fn a_name_that_a_server_would_show_is_a_doubt() {
        let world = World::new(&[
            ("two.c", "#include <x.h>\n#include \"inc/x.h\"\n"),
            ("inc/x.h", "const char *f = __FILE__;\n"),
            ("one.c", "#include <x.h>\n"),
            ("mute.c", "#include <y.h>\n#include \"inc/y.h\"\n"),
            ("inc/y.h", "int y;\n"),
            ("base.c", "const char *f = __BASE_FILE__;\n"),
            ("given.c", "#include GIVEN\n"),
            ("text.c", "#define TEXT(x) #x\n#define SAME(x) TEXT(x)\n#include SAME(GIVEN)\n"),
            ("self.c", "#ifndef A\n#define A\n#include __FILE__\n#endif\n"),
        ]);
        let named = format!("#include \"{}/inc/y.h\"\n", world.root());
        world.write("named.c", &named);
        world.check_doubt("gcc -I@/inc -c two.c", "two-names");
        world.check_doubt("gcc -isystem @/inc/../inc/../inc -c one.c", "two-names");
        world.check_doubt("gcc -c @/base.c", "base-file");
        world.check_doubt("gcc -c named.c", "absolute-include");
        world.check_doubt("gcc -DGIVEN=\"@/inc/y.h\" -c given.c", "absolute-include");
        world.check_doubt("gcc -DGIVEN=OTHER -DOTHER=<@/inc/y.h> -c given.c", "absolute-include");
        world.check_doubt("gcc -c @/self.c", "absolute-include");
        world.check_doubt("gcc -DGIVEN=@/inc/y.h -c text.c", "computed-include");
        world.check_doubt("gcc -DGIVEN=inc/y.h -c @/text.c", "computed-include");
        world.check_doubt("gcc -isystem /usr/include -c mute.c", "system-folder");
        for fine in [
            "-Iinc -c two.c",
            "-I@/inc/../inc/../inc -c one.c",
            "-I@/inc -c mute.c",
            "-c base.c",
            "-DGIVEN=\"inc/y.h\" -DROOT=\"@/inc/y.h\" -c given.c",
            "-c self.c",
            "-DGIVEN=inc/y.h -c text.c",
            "-I/usr/include -c mute.c -Iinc",
        ] {
            assert!(world.survey(&format!("gcc {fine}")).is_ok(), "{fine}");
        }
    }
}
