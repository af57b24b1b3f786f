//! Files that clients name again in further jobs: a header travels once, not with every compile.
//!
//! A client finds a content again by a key that it has made up and nobody can guess, and that it
//! gives to no other content ([`FileKey`]). What is kept is never changed, only forgotten: what was
//! used longest ago first, and all of it with the process. A client that names what is gone is told
//! so ([`wire::Lack::Files`]), and sends everything.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use wire::{Content, FileKey, Tree};

/// What a file takes beside its bytes, roughly.
const FILE_BYTES: usize = 128;

/// The files that are kept.
#[derive(Debug)]
pub(crate) struct KeptFiles {
    most_bytes: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    files: HashMap<FileKey, KeptFile>,
    n_bytes: usize,
    clock: u64,
}

#[derive(Debug)]
struct KeptFile {
    content: Arc<Vec<u8>>,
    used: u64,
}

impl KeptFiles {
    /// Room for so many bytes; 0: nothing is kept.
    pub(crate) fn new(most_bytes: usize) -> KeptFiles {
        KeptFiles { most_bytes, state: Mutex::default() }
    }

    /// Whether anything is kept.
    pub(crate) fn keeps(&self) -> bool {
        self.most_bytes > 0
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts what is kept into a client's tree. Gives how many files those were, or how many of them
    /// are not here; then the tree is of no use.
    pub(crate) fn fill_in(&self, tree: &mut Tree) -> Result<usize, usize> {
        let mut state = self.state();
        state.clock += 1;
        let clock = state.clock;
        let (mut n_kept, mut n_gone) = (0, 0);
        for entry in &mut tree.entries {
            let Content::Kept(key) = &entry.content else { continue };
            match state.files.get_mut(key) {
                Some(file) => {
                    file.used = clock;
                    entry.content = Content::File(Arc::clone(&file.content));
                    n_kept += 1;
                }
                None => n_gone += 1,
            }
        }
        if n_gone == 0 { Ok(n_kept) } else { Err(n_gone) }
    }

    /// Keeps what a client wishes to name again.
    pub(crate) fn keep(&self, tree: &Tree) {
        if !self.keeps() || tree.to_keep.is_empty() {
            return;
        }
        let mut state = self.state();
        for (number, key) in &tree.to_keep {
            let Some(Content::File(content)) =
                tree.entries.get(*number).map(|entry| &entry.content)
            else {
                continue;
            };
            if size(content) > self.most_bytes / 4 || state.files.contains_key(key) {
                continue;
            }
            state.n_bytes += size(content);
            let file = KeptFile { content: Arc::clone(content), used: state.clock };
            state.files.insert(*key, file);
            state.make_room(self.most_bytes);
        }
    }
}

fn size(content: &[u8]) -> usize {
    content.len() + FILE_BYTES
}

impl State {
    /// Forgets what was used longest ago, when there is too much.
    fn make_room(&mut self, most_bytes: usize) {
        if self.n_bytes <= most_bytes {
            return;
        }
        let mut by_use: Vec<(u64, FileKey)> =
            self.files.iter().map(|(key, file)| (file.used, *key)).collect();
        by_use.sort_unstable_by_key(|(used, _)| *used);
        for (_, key) in by_use {
            if self.n_bytes <= most_bytes / 4 * 3 {
                return;
            }
            if let Some(file) = self.files.remove(&key) {
                self.n_bytes -= size(&file.content);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::TreeEntry;

    fn key(number: u64) -> FileKey {
        FileKey::new([1; 16], number)
    }

    fn tree(contents: Vec<Content>, to_keep: Vec<(usize, FileKey)>) -> Tree {
        let entries = contents
            .into_iter()
            .enumerate()
            .map(|(number, content)| TreeEntry { name: format!("/{number}").into(), content })
            .collect();
        Tree { folder: b"/".to_vec(), entries, to_keep }
    }

    fn file(bytes: &[u8]) -> Content {
        Content::File(Arc::new(bytes.to_vec()))
    }

    #[test]
    fn what_is_kept_is_found_by_its_key_alone() {
        let kept = KeptFiles::new(1 << 20);
        kept.keep(&tree(vec![file(b"a"), file(b"b"), file(b"c")], vec![(0, key(7)), (2, key(9))]));
        // A key stands for its first content for ever.
        kept.keep(&tree(vec![file(b"other")], vec![(0, key(7))]));
        let mut again =
            tree(vec![Content::Kept(key(9)), file(b"x"), Content::Kept(key(7))], Vec::new());
        assert_eq!(kept.fill_in(&mut again), Ok(2));
        assert_eq!(again, tree(vec![file(b"c"), file(b"x"), file(b"a")], Vec::new()));
        for unknown in [key(8), FileKey::new([2; 16], 7)] {
            let mut again = tree(vec![Content::Kept(key(7)), Content::Kept(unknown)], Vec::new());
            assert_eq!(kept.fill_in(&mut again), Err(1));
        }
    }

    #[test]
    fn what_was_used_longest_ago_goes_first() {
        let most = 16 * (1000 + FILE_BYTES);
        let kept = KeptFiles::new(most);
        for number in 0..100 {
            kept.keep(&tree(vec![file(&[b'x'; 1000])], vec![(0, key(number))]));
            let mut first = tree(vec![Content::Kept(key(0))], Vec::new());
            assert_eq!(kept.fill_in(&mut first), Ok(1), "after {number}");
            assert!(kept.state().n_bytes <= most);
        }
        let has = |number| kept.fill_in(&mut tree(vec![Content::Kept(key(number))], Vec::new()));
        assert_eq!((has(99), has(1)), (Ok(1), Err(1)));
        // One that would drive out much of the rest.
        kept.keep(&tree(vec![file(&[b'x'; 8000])], vec![(0, key(200))]));
        assert_eq!((has(200), has(99)), (Err(1), Ok(1)));
    }

    #[test]
    fn without_room_nothing_is_kept() {
        let kept = KeptFiles::new(0);
        kept.keep(&tree(vec![file(b"")], vec![(0, key(1))]));
        assert!(!kept.keeps());
        assert_eq!(kept.fill_in(&mut tree(vec![Content::Kept(key(1))], Vec::new())), Err(1));
    }
}
