//! What several benchmarks need: our programs as they are installed, a compiler that does next to
//! nothing, a server that has come up, the median of what was measured.

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

/// The compiler of both sides, as a C program: a shell would cost more than what is measured.
const COMPILER: &str = r##"
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
extern const unsigned char object[];
extern const unsigned long object_size;
int main(int argc, char **argv)
{
    static const char text[] = "# 1 \"a.c\"\nint x;\n";
    const char *output = 0;
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "-dumpmachine"))
            return write(1, "x86_64-linux-gnu\n", 17) < 0;
        if (!strcmp(argv[i], "-E"))
            return write(1, text, sizeof text - 1) < 0;
        if (!strcmp(argv[i], "-o") && i + 1 < argc)
            output = argv[++i];
    }
    int file = output ? open(output, O_WRONLY | O_CREAT | O_TRUNC, 0666) : -1;
    return file < 0 || write(file, object, object_size) < 0;
}
"##;

/// A program of ours as it is installed: the main workspace's release build.
///
/// # Errors
/// When it cannot be built.
pub fn built(program: &str) -> Result<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("no main workspace")?;
    let status = Command::new("cargo")
        .args(["build", "--release", "--quiet", "--package", program])
        .current_dir(root)
        .status()?;
    ensure!(status.success(), "{program} cannot be built");
    Ok(root.join("target/release").join(program))
}

/// Makes a folder in `world` with a compiler under each of `names` that writes a fixed object to where
/// `-o` says.
///
/// # Errors
/// When gcc cannot make it.
pub fn make_compilers(world: &Path, names: &[&str]) -> Result<PathBuf> {
    let folder = world.join("compilers");
    std::fs::create_dir(&folder)?;
    let path = |name: &str| world.join(name);
    std::fs::write(path("real.c"), "int x;\n")?;
    gcc(&["-c", "-o"], &path("real.o"), &path("real.c"))?;
    let object = std::fs::read(path("real.o"))?;
    let mut source = format!("{COMPILER}const unsigned long object_size = {};\n", object.len());
    source.push_str("const unsigned char object[] = {");
    source.extend(object.iter().map(|byte| format!("{byte},")));
    source.push_str("};\n");
    std::fs::write(path("compiler.c"), source)?;
    for name in names {
        gcc(&["-O2", "-static", "-o"], &folder.join(name), &path("compiler.c"))?;
    }
    Ok(folder)
}

fn gcc(words: &[&str], output: &Path, source: &Path) -> Result<()> {
    let status = Command::new("gcc").args(words).arg(output).arg(source).status()?;
    ensure!(status.success(), "gcc failed");
    Ok(())
}

/// Waits until a server, `name`, listens.
///
/// # Errors
/// When it ends, or takes longer than 20 s.
pub fn wait_until_it_listens(name: &str, daemon: &mut Child, port: u16) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(20);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        if let Some(status) = daemon.try_wait()? {
            bail!("{name} ended with {status}");
        }
        ensure!(Instant::now() < deadline, "{name} does not listen");
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// The median of times, of which there is one at least; the later of the two in the middle.
///
/// # Panics
/// When there are none.
#[must_use]
pub fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
