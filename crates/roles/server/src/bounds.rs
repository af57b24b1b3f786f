//! All limits of the server, in one place. `docs/threat-model.md` lists them; `tests/hostile`
//! tries them.

use std::time::Duration;

use wire::Limits;

/// How much one request may hold. A preprocessed source of this size is far beyond any real one.
/// Of the command, `Limits::DEFAULT`: 16,384 words, 2 MiB together.
pub(crate) const REQUEST: Limits =
    Limits { body_bytes: 256 << 20, unpacked_bytes: 512 << 20, ..Limits::DEFAULT };

/// How many bytes of sources and objects may be in our memory at once, over all connections; less
/// on machines with less than four times as much.
pub(crate) const MOST_MEMORY_BYTES: u64 = 1 << 30;

/// Jobs that may wait for each one that runs.
pub(crate) const WAITING_PER_JOB: usize = 16;

/// The fewest jobs that may wait.
pub(crate) const LEAST_WAITING: usize = 64;

/// Connections beyond those that run or wait: peers that are still sending, or being refused.
pub(crate) const MORE_CONNECTIONS: usize = 256;

/// Descriptors that a connection takes at most, and those that it does not count.
pub(crate) const DESCRIPTORS_PER_CONNECTION: usize = 8;
pub(crate) const OTHER_DESCRIPTORS: usize = 320;

/// What one address may have of connections and of places in the queue, in quarters: nobody can
/// keep everybody else out alone.
pub(crate) const QUARTERS_FOR_ONE: usize = 3;

/// Clients that are told why they are turned away, all at once. More are told in a hurry.
pub(crate) const MOST_AT_THE_DOOR: usize = 256;

/// How long a client that is turned away gets to say in which version it wants to hear that.
pub(crate) const DOOR_PATIENCE: Duration = Duration::from_secs(2);

/// How long the command may take from the first to the last word.
pub(crate) const COMMAND_PATIENCE: Duration = Duration::from_secs(30);

/// How long a source or a reply may take whatever its size.
pub(crate) const BODY_PATIENCE: Duration = Duration::from_secs(60);

/// How much of it has to pass in a second after that, on the whole: an old modem's.
pub(crate) const LEAST_BYTES_A_SECOND: u64 = 4 << 10;

/// How long a client that was refused has to read why.
pub(crate) const LAST_WORDS_PATIENCE: Duration = Duration::from_secs(10);

/// The same when the server is about to end.
pub(crate) const STOPPING_PATIENCE: Duration = Duration::from_millis(500);

/// How much a refused client may still send meanwhile.
pub(crate) const LAST_WORDS_BYTES: u64 = 64 << 20;

/// How much a client may send beyond its request before it counts as gone.
pub(crate) const MOST_EXTRA_BYTES: usize = 64 << 10;

/// How much of a compiler's output is sent on, each stream.
pub(crate) const MOST_MESSAGE_BYTES: u64 = 16 << 20;

/// The largest object that is sent back: what our clients take.
pub(crate) const MOST_OBJECT_BYTES: u64 = Limits::DEFAULT.body_bytes as u64;

/// How much memory has to be free for one more compiler beside others. `--job-memory`.
pub(crate) const JOB_MEMORY_MIB: u64 = 256;

/// How much memory is for files that clients name again, on a machine that has sixteen times as much;
/// and the most that can be wished. `--keep-files`.
pub(crate) const KEPT_MIB: usize = 256;
pub(crate) const MOST_KEPT_MIB: usize = 1 << 20;

/// Compilers that have just started are about to take memory that still seems free: so many of them
/// together as much as one is given.
pub(crate) const YOUNG_PER_JOB_MEMORY: u64 = 4;

/// How long a compiler counts as just started.
pub(crate) const YOUNG: Duration = Duration::from_secs(2);

/// For how long what was found out about free memory holds.
pub(crate) const SEEN_FOR: Duration = Duration::from_millis(100);

/// How often to look whether there is memory.
pub(crate) const LOOK_FOR_MEMORY: Duration = Duration::from_millis(200);

/// How long a job waits for memory before the log hears of it, and before it is sent home.
pub(crate) const MEMORY_NOTICE: Duration = Duration::from_secs(10);
pub(crate) const MEMORY_PATIENCE: Duration = Duration::from_secs(300);

/// Folders of a client's that are made for one job. Its files are limited with [`REQUEST`].
pub(crate) const MOST_TREE_FOLDERS: usize = 16_384;

/// How deep a client's files may lie: whoever removes them has all folders above open.
pub(crate) const MOST_TREE_DEPTH: usize = 64;

/// Folders of this machine that one job may see covered, and files of a client's among those of the
/// machine.
pub(crate) const MOST_COVERED: usize = 256;

/// Files and folders that there may be in the memory of one job beside those that were sent: its
/// folders, and what the compiler makes.
pub(crate) const MORE_TREE_FILES: u64 = MOST_TREE_FOLDERS as u64 + 1024;

/// What a file takes on the disk, or in memory, beside its bytes.
pub(crate) const BLOCK_BYTES: u64 = 4 << 10;

/// How much of the disk with the temporary folder has to be free before a job is taken, beside what
/// it needs itself, and how many more files have to fit there.
pub(crate) const LEAST_DISK_BYTES: u64 = 16 << 20;
pub(crate) const LEAST_DISK_FILES: u64 = 64;

/// How much room is kept for a compiler's messages: that the disk is full has to fit on it.
pub(crate) const RESERVED_BYTES: u64 = 16 << 10;
