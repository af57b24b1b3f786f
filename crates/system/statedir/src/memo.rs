//! Small answers that cost a compiler run, kept for the next client.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read};

use crate::StateDir;
use crate::folder::make_folder;
use crate::replace;

impl StateDir {
    /// The answer that was kept for `key`, if there is one. Keys should name all that the answer
    /// depends on; they are compared as a whole.
    #[must_use]
    pub fn recall(&self, key: &[u8]) -> Option<Vec<u8>> {
        let kept = read(&self.memo_file(key))?;
        kept.strip_prefix(key)?.strip_prefix(b"\0").map(<[u8]>::to_vec)
    }

    /// Keeps `answer` for `key`, which must not contain a NUL, in place of an older one.
    ///
    /// # Errors
    /// When it cannot be written; the next client then has to find out again.
    pub fn keep(&self, key: &[u8], answer: &[u8]) -> io::Result<()> {
        make_folder(&self.path().join("memo"))?;
        let path = self.memo_file(key);
        let temporary = path.with_extension(std::process::id().to_string());
        std::fs::write(&temporary, [key, b"\0", answer].concat())?;
        replace(&temporary, &path).inspect_err(|_| {
            let _ = std::fs::remove_file(&temporary);
        })
    }

    /// Forgets the answer that was kept for `key`, if there is one.
    pub fn forget(&self, key: &[u8]) {
        let _ = std::fs::remove_file(self.memo_file(key));
    }

    fn memo_file(&self, key: &[u8]) -> std::path::PathBuf {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        self.path().join("memo").join(format!("{:016x}", hasher.finish()))
    }
}

/// Reads a file in as few system calls as a small one needs: each client reads several.
fn read(file: &std::path::Path) -> Option<Vec<u8>> {
    const MOST_OF_THEM: usize = 2 << 10;
    let mut file = std::fs::File::open(file).ok()?;
    let mut start = [0; MOST_OF_THEM];
    let n_bytes = file.read(&mut start).ok()?;
    let mut content = start[..n_bytes].to_vec();
    if n_bytes == start.len() {
        file.read_to_end(&mut content).ok()?;
    }
    Some(content)
}

#[cfg(test)]
mod tests {
    use crate::folder::tests::Scratch;

    #[test]
    fn an_answer_is_found_by_its_whole_key() {
        let scratch = Scratch::new("memo");
        assert_eq!(scratch.state.recall(b"gcc -m32"), None);
        scratch.state.keep(b"gcc -m32", b"elf32").unwrap();
        scratch.state.keep(b"gcc -m32", b"elf 32").unwrap();
        assert_eq!(scratch.state.recall(b"gcc -m32").as_deref(), Some(&b"elf 32"[..]));
        assert_eq!(scratch.state.recall(b"gcc"), None);
        let long = vec![b'x'; 10_000];
        scratch.state.keep(b"gcc", &long).unwrap();
        assert_eq!(scratch.state.recall(b"gcc"), Some(long));
        scratch.state.forget(b"gcc -m32");
        assert_eq!(scratch.state.recall(b"gcc -m32"), None);
    }
}
