//! Our LZO1X against liblzo2's: speed, size, and whether each unpacks what the other packed; and the
//! speed of unpacking against lzokay's.

use std::ffi::{c_int, c_ulong, c_void};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bench::median;
use libloading::{Library, Symbol};

/// Our packing speed has to be this part of liblzo2's, or more.
const LEAST_SPEED: f64 = 0.60;
/// Our unpacking speed likewise.
const LEAST_UNPACKING_SPEED: f64 = 0.70;
/// Our output may be this many times liblzo2's, or less.
const LARGEST_SIZE: f64 = 1.10;

/// How long each input is measured, and how often at least.
const MEASURE_FOR: Duration = Duration::from_secs(2);
const LEAST_ROUNDS: usize = 15;

const CPP_SOURCE: &str = "\
#include <bits/stdc++.h>
#include <regex>
std::map<std::string, std::vector<int>> index_of(const std::vector<std::string>& words) {
    std::map<std::string, std::vector<int>> index;
    std::regex letters(\"[a-z]+\");
    for (std::size_t i = 0; i < words.size(); ++i)
        if (std::regex_match(words[i], letters)) index[words[i]].push_back(int(i));
    return index;
}
";

const C_SOURCE: &str = "\
#include <arpa/inet.h>
#include <dirent.h>
#include <math.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
int main(void) { return puts(\"words\"); }
";

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("bench lzo: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Measures every input; false when one misses the bar.
fn run() -> Result<bool> {
    let original = Original::load()?;
    let files: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let inputs = if files.is_empty() { make_inputs()? } else { read_inputs(&files)? };
    println!(
        "{:<18} {:>9} | {:>9} {:>9} {:>6} | {:>9} {:>9} {:>6} | {:>9} {:>9} {:>6} {:>9} {:>6}",
        "",
        "bytes",
        "packed",
        "liblzo2",
        "ratio",
        "pack MB/s",
        "liblzo2",
        "ratio",
        "unp. MB/s",
        "liblzo2",
        "ratio",
        "lzokay",
        "ratio"
    );
    let mut all_good = true;
    for input in &inputs {
        let row = measure(&original, input).with_context(|| input.name.clone())?;
        println!("{row}");
        for complaint in row.complaints() {
            println!("  MISSED: {complaint}");
            all_good = false;
        }
    }
    Ok(all_good)
}

struct Input {
    name: String,
    bytes: Vec<u8>,
}

fn make_inputs() -> Result<Vec<Input>> {
    let folder = tempfile::tempdir().context("could not make a temporary folder")?;
    let (c, cpp) = (folder.path().join("a.c"), folder.path().join("a.cc"));
    std::fs::write(&c, C_SOURCE)?;
    std::fs::write(&cpp, CPP_SOURCE)?;
    let compile = |name: &str, compiler: &str, options: &[&str], source: &Path| {
        let output = folder.path().join("output");
        let mut command = Command::new(compiler);
        command.args(options).arg(source).arg("-o").arg(&output);
        let status = command.status().with_context(|| format!("could not start {compiler}"))?;
        ensure!(status.success(), "`{compiler} {}` failed: {status}", options.join(" "));
        Ok(Input { name: name.to_owned(), bytes: std::fs::read(&output)? })
    };
    Ok(vec![
        compile("preprocessed C++", "g++", &["-E"], &cpp)?,
        compile("preprocessed C", "gcc", &["-D_GNU_SOURCE", "-E"], &c)?,
        compile("C++ object, -g", "g++", &["-g", "-O1", "-c"], &cpp)?,
        compile("C++ object", "g++", &["-O2", "-c"], &cpp)?,
    ])
}

fn read_inputs(files: &[PathBuf]) -> Result<Vec<Input>> {
    let read = |file: &PathBuf| {
        let bytes =
            std::fs::read(file).with_context(|| format!("could not read {}", file.display()))?;
        ensure!(!bytes.is_empty(), "{} is empty", file.display());
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Input { name, bytes })
    };
    files.iter().map(read).collect()
}

/// What one input gave.
struct Row {
    name: String,
    n_bytes: usize,
    n_packed: Pair<usize>,
    pack: Pair<Duration>,
    unpack: Pair<Duration>,
    unpack_lzokay: Duration,
}

/// One thing, measured on both sides.
struct Pair<T> {
    ours: T,
    original: T,
}

impl Row {
    /// How often our packing fits into liblzo2's time.
    fn pack_ratio(&self) -> f64 {
        self.pack.original.as_secs_f64() / self.pack.ours.as_secs_f64()
    }

    fn unpack_ratio(&self) -> f64 {
        self.unpack.original.as_secs_f64() / self.unpack.ours.as_secs_f64()
    }

    fn size_ratio(&self) -> f64 {
        self.n_packed.ours as f64 / self.n_packed.original as f64
    }

    fn complaints(&self) -> Vec<String> {
        let mut complaints = Vec::new();
        if self.pack_ratio() < LEAST_SPEED {
            complaints.push(format!("packing below {LEAST_SPEED:.2} of liblzo2's speed"));
        }
        if self.unpack_ratio() < LEAST_UNPACKING_SPEED {
            let least = LEAST_UNPACKING_SPEED;
            complaints.push(format!("unpacking below {least:.2} of liblzo2's speed"));
        }
        if self.size_ratio() > LARGEST_SIZE {
            complaints.push(format!("more than {LARGEST_SIZE:.2} of liblzo2's size"));
        }
        complaints
    }
}

impl std::fmt::Display for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let speed = |time: Duration| self.n_bytes as f64 / 1e6 / time.as_secs_f64();
        write!(
            f,
            "{:<18} {:>9} | {:>9} {:>9} {:>6.2} | {:>9.0} {:>9.0} {:>6.2} | {:>9.0} {:>9.0} {:>6.2} {:>9.0} {:>6.2}",
            self.name,
            self.n_bytes,
            self.n_packed.ours,
            self.n_packed.original,
            self.size_ratio(),
            speed(self.pack.ours),
            speed(self.pack.original),
            self.pack_ratio(),
            speed(self.unpack.ours),
            speed(self.unpack.original),
            self.unpack_ratio(),
            speed(self.unpack_lzokay),
            self.unpack_lzokay.as_secs_f64() / self.unpack.ours.as_secs_f64(),
        )
    }
}

/// Checks that each side unpacks what the other packed, then lets them take turns.
fn measure(original: &Original, input: &Input) -> Result<Row> {
    let bytes = &input.bytes[..];
    let (by_us, by_original) = (wire::lzo::compress(bytes), original.compress(bytes)?);
    let unpacked = original.decompress(&by_us, bytes.len()).context("liblzo2 refused our block")?;
    ensure!(unpacked == bytes, "liblzo2 unpacked our block to something else");
    let unpacked =
        wire::lzo::decompress(&by_original, bytes.len()).context("we refused liblzo2's block")?;
    ensure!(unpacked == bytes, "we unpacked liblzo2's block to something else");

    // As in a server, the reader knows no size, only a limit.
    let limit = wire::Limits::DEFAULT.unpacked_bytes;
    let mut times: [Vec<Duration>; 5] = Default::default();
    let start = Instant::now();
    while times[0].len() < LEAST_ROUNDS || start.elapsed() < MEASURE_FOR {
        times[0].push(time(|| wire::lzo::compress(bytes)));
        times[1].push(time(|| original.compress(bytes)));
        times[2].push(time(|| wire::lzo::decompress(&by_original, limit)));
        times[3].push(time(|| original.decompress(&by_original, bytes.len())));
        times[4].push(time(|| {
            let mut output = vec![0; bytes.len()];
            lzokay::decompress::decompress(&by_original, &mut output).map(|_| output)
        }));
    }
    let [pack, pack_original, unpack, unpack_original, unpack_lzokay] = times.map(median);
    Ok(Row {
        name: input.name.clone(),
        n_bytes: bytes.len(),
        n_packed: Pair { ours: by_us.len(), original: by_original.len() },
        pack: Pair { ours: pack, original: pack_original },
        unpack: Pair { ours: unpack, original: unpack_original },
        unpack_lzokay,
    })
}

fn time<T>(work: impl FnOnce() -> T) -> Duration {
    let start = Instant::now();
    std::hint::black_box(work());
    start.elapsed()
}

/// `int lzo1x_...(const unsigned char *src, lzo_uint src_len, unsigned char *dst,
/// lzo_uint *dst_len, void *work)`; `lzo_uint` is as wide as a pointer on Linux.
type Transform =
    unsafe extern "C" fn(*const u8, c_ulong, *mut u8, *mut c_ulong, *mut c_void) -> c_int;

/// `LZO1X_1_MEM_COMPRESS`: 16384 pointers.
const WORK_BYTES: usize = 16_384 * size_of::<usize>();

/// liblzo2, loaded when the program runs.
struct Original {
    library: Library,
}

impl Original {
    fn load() -> Result<Original> {
        // SAFETY: liblzo2 has no start-up code that could be in our way.
        let library = unsafe { Library::new("liblzo2.so.2") }
            .context("could not load liblzo2.so.2 (Debian: apt install liblzo2-2)")?;
        Ok(Original { library })
    }

    fn compress(&self, input: &[u8]) -> Result<Vec<u8>> {
        let most = input.len() + input.len() / 16 + 64 + 3;
        self.call(b"lzo1x_1_compress", input, most)
    }

    fn decompress(&self, input: &[u8], n_bytes: usize) -> Result<Vec<u8>> {
        self.call(b"lzo1x_decompress_safe", input, n_bytes)
    }

    /// `most` must be what the function may write without being told the room: it holds
    /// liblzo2's worst case for packing, and the room for unpacking, which is checked there.
    fn call(&self, name: &[u8], input: &[u8], most: usize) -> Result<Vec<u8>> {
        let mut output: Vec<u8> = Vec::with_capacity(most);
        let mut n_written = most as c_ulong;
        let mut work = WORK.take();
        work.resize(WORK_BYTES / size_of::<u64>(), 0);
        // SAFETY: both functions used here have this type, by the manual of liblzo2.
        let function: Symbol<'_, Transform> = unsafe { self.library.get(name) }?;
        // SAFETY: `input` is readable for its length, `output` writable for `most` bytes, which
        // is enough (see above), `work` as large and aligned as packing needs.
        let code = unsafe {
            function(
                input.as_ptr(),
                input.len() as c_ulong,
                output.as_mut_ptr(),
                &raw mut n_written,
                work.as_mut_ptr().cast(),
            )
        };
        WORK.set(work);
        ensure!(code == 0, "{} returned {code}", String::from_utf8_lossy(name));
        // SAFETY: the function has written so many bytes, which is no more than `most`.
        unsafe { output.set_len(n_written as usize) };
        Ok(output)
    }
}

thread_local! {
    /// liblzo2's working memory: it need not be cleared, so making it is not measured.
    static WORK: std::cell::Cell<Vec<u64>> = const { std::cell::Cell::new(Vec::new()) };
}
