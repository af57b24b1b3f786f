//! Debian's pump, with a module that works in the place of one that does not.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};
use support::{run, workspace};

/// Long enough for a few copies on a busy machine.
const LIMIT: Duration = Duration::from_secs(120);

/// Makes it in `folder`, and gives the program.
pub(crate) fn make(folder: &Path) -> Result<PathBuf> {
    let script = workspace().join("tests/interop/working-pump");
    let made = run(Command::new("bash").arg(script).arg(folder), LIMIT);
    ensure!(
        made.code == 0,
        "no pump (apt-get install distcc-pump): {}",
        String::from_utf8_lossy(&made.stderr)
    );
    Ok(folder.join("pump"))
}
