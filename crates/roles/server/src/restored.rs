//! Where a job's files lie: in its folder, or for restored source in a likeness of the client's
//! folders.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

use compiler_args::ServerJob;
use wire::Exit;

use crate::conversation::{Failure, failed};
use crate::refusal::Refusal;

/// The folder in a job's folder that stands for the client's root.
const ROOT: &str = "root";

/// How many folders a likeness may have.
const MOST_FOLDERS: usize = 200;

/// What the compiler says of the marks in restored source when it is to be pedantic. They are not
/// the source's.
const NOISE: &[u8] = b"style of line directive is a GCC extension";

/// Where a job's files lie, and what the compiler has to be told about it.
pub(crate) struct Layout {
    /// Where the compiler runs.
    pub(crate) folder: PathBuf,
    /// The file to write the source to.
    pub(crate) source: PathBuf,
    /// What the compiler calls it.
    pub(crate) input: OsString,
    /// What the compiler calls the object, and where that is.
    pub(crate) output: OsString,
    pub(crate) object: PathBuf,
    /// The file of debug information beside the object, if there is to be one.
    pub(crate) debug: Option<PathBuf>,
    /// The likeness of the client's root, for restored source.
    pub(crate) root: Option<PathBuf>,
    /// Words for the compiler, after all others.
    pub(crate) words: Vec<OsString>,
}

impl Layout {
    /// Makes the folders for `job` in `folder`, which is its own.
    pub(crate) fn of(job: &ServerJob, folder: &Path) -> Result<Layout, Failure> {
        let Some(client_folder) = job.restored_in() else {
            let input = input_name(job);
            let object = own_object(job, folder);
            return Ok(Layout {
                folder: folder.to_owned(),
                source: folder.join(&input),
                input,
                output: object.clone().into_os_string(),
                object,
                debug: None,
                root: None,
                words: Vec::new(),
            });
        };
        let root = folder.join(ROOT);
        let place = Place::of(Path::new(client_folder), Path::new(job.input_name()))
            .ok_or_else(|| odd_names(job))?;
        for folder in &place.folders {
            std::fs::create_dir_all(root.join(folder))
                .map_err(|error| failed("could not make a folder for the source", &error))?;
        }
        let source = root.join(&place.source);
        let mut words = job.words_for_root(root.as_os_str());
        // Whoever wants to see the source's lines has them.
        words.push("-fno-diagnostics-show-caret".into());
        let working_folder = root.join(&place.working_folder);
        let (output, object, debug) = match job.split_debug() {
            // The object names the second file, by the name that it has for the compiler.
            Some((output, debug)) => {
                let object = working_folder.join(output);
                if object == source {
                    return Err(odd_names(job));
                }
                if let Some(folder) = object.parent() {
                    std::fs::create_dir_all(folder).map_err(|error| {
                        failed("could not make a folder for the object", &error)
                    })?;
                }
                (output.to_owned(), object, Some(working_folder.join(debug)))
            }
            None => {
                let object = own_object(job, folder);
                (object.clone().into_os_string(), object, None)
            }
        };
        Ok(Layout {
            folder: working_folder,
            output,
            object,
            debug,
            input: match Path::new(job.input_name()).is_absolute() {
                true => source.clone().into_os_string(),
                false => job.input_name().to_owned(),
            },
            source,
            root: Some(root),
            words,
        })
    }
}

/// The object's place where its name does not matter.
fn own_object(job: &ServerJob, folder: &Path) -> PathBuf {
    folder.join(format!("output{}", job.output_suffix()))
}

fn odd_names(job: &ServerJob) -> Failure {
    let name = job.input_name().to_string_lossy().escape_debug().to_string();
    let text = format!("the source `{name}` cannot be laid out here under its own name");
    Failure::Refused(Refusal::new(Exit::BAD_ARGUMENTS, text, ""))
}

/// Where things lie below the likeness of the client's root.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    /// The client's working folder.
    working_folder: PathBuf,
    /// The source.
    source: PathBuf,
    /// The folders that have to be there, the one of the source and those that its name passes
    /// through among them.
    folders: Vec<PathBuf>,
}

impl Place {
    /// The place of `source` as it is called in `client_folder`; `None` when the folder is no
    /// absolute name in its shortest form, or the source's name leads above the root.
    fn of(client_folder: &Path, source: &Path) -> Option<Place> {
        let mut at = PathBuf::new();
        for component in client_folder.strip_prefix("/").ok()?.components() {
            let Component::Normal(name) = component else { return None };
            at.push(name);
        }
        let working_folder = at.clone();
        let mut folders = vec![at.clone()];
        if source.is_absolute() {
            at = PathBuf::new();
        }
        let mut components = source.components().peekable();
        while let Some(component) = components.next() {
            match component {
                Component::RootDir | Component::CurDir => {}
                Component::ParentDir => {
                    if !at.pop() {
                        return None;
                    }
                }
                Component::Normal(name) => {
                    at.push(name);
                    if components.peek().is_some() {
                        folders.push(at.clone());
                    }
                }
                Component::Prefix(_) => return None,
            }
        }
        let ends_in_name = matches!(source.components().next_back(), Some(Component::Normal(_)));
        let is_folder = at.as_os_str().is_empty() || folders.contains(&at);
        let names_end =
            [client_folder, source].iter().any(|name| name.as_os_str().as_bytes().contains(&0));
        if !ends_in_name || is_folder || names_end || folders.len() > MOST_FOLDERS {
            return None;
        }
        Some(Place { working_folder, source: at, folders })
    }
}

/// The source's name in the job's folder: the client's base name with the suffix that tells it is
/// preprocessed, because the name stands in the object when the text itself names no file.
fn input_name(job: &ServerJob) -> OsString {
    let stem = Path::new(job.input_name()).file_stem().unwrap_or_default().as_bytes();
    let looks_like_a_word = stem.starts_with(b"-") || stem.starts_with(b"@");
    let is_plain = !stem.is_empty() && stem.len() <= 200 && !looks_like_a_word;
    let stem = if is_plain && !stem.contains(&0) { stem } else { b"input" };
    OsString::from_vec([stem, job.input_suffix().as_bytes()].concat())
}

/// What a compiler said of restored source, or nothing if all that it said was about our marks.
pub(crate) fn without_noise(said: &[u8]) -> Vec<u8> {
    let is_noise = |line: &[u8]| {
        memchr::memmem::find(line, NOISE).is_some()
            || line.starts_with(b"In file included from ")
            || line.trim_ascii_start().starts_with(b"from ")
    };
    if said.split(|byte| *byte == b'\n').all(|line| line.is_empty() || is_noise(line)) {
        return Vec::new();
    }
    said.to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(folder: &str, source: &str, expected: Option<(&str, &str)>) {
        let place = Place::of(Path::new(folder), Path::new(source));
        let got = place
            .as_ref()
            .map(|p| (p.working_folder.to_str().unwrap(), p.source.to_str().unwrap()));
        assert_eq!(got, expected);
    }

    #[test]
    fn a_source_lies_where_its_name_says() {
        check("/home/me", "a.c", Some(("home/me", "home/me/a.c")));
        check("/home/me", "./src/a.c", Some(("home/me", "home/me/src/a.c")));
        check("/home/me", "../you/a.c", Some(("home/me", "home/you/a.c")));
        check("/home/me", "/opt/x/../a.c", Some(("home/me", "opt/a.c")));
        check("/", "a.c", Some(("", "a.c")));
    }

    #[test]
    fn nothing_leads_out_of_the_likeness() {
        check("/home/me", "../../../a.c", None);
        check("/home/../me", "a.c", None);
        check("home", "a.c", None);
        check("/home", "", None);
        check("/home", "..", None);
        check("/home", "/", None);
        check("/home/a.c", "../a.c", None);
        check("/home", "/../a.c", None);
    }

    #[test]
    fn the_folders_that_a_name_passes_through_are_there() {
        let place = Place::of(Path::new("/w"), Path::new("x/../a.c")).unwrap();
        assert_eq!(place.folders, [Path::new("w"), Path::new("w/x")]);
    }

    #[test]
    fn noise_about_our_marks_is_not_passed_on() {
        let noise = b"In file included from a.c:1:\n                 from b.h:2:\nb.h:1:3: warning: style of line directive is a GCC extension\n";
        assert_eq!(without_noise(noise), b"");
        let said = [&noise[..], b"a.c:1: warning: x\n"].concat();
        assert_eq!(without_noise(&said), said);
    }

    proptest::proptest! {
        #[test]
        fn no_name_leads_out(folder in "[a./]{0,9}", source in "[a./]{0,12}") {
            if let Some(place) = Place::of(Path::new(&folder), Path::new(&source)) {
                for path in place.folders.iter().chain([&place.source, &place.working_folder]) {
                    proptest::prop_assert!(path.components().all(|part| matches!(part, Component::Normal(_))));
                }
            }
        }
    }
}
