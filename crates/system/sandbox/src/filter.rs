//! The filter of system calls: what compilers need, and nothing else.
//!
//! It is a positive list, so that calls which nobody has thought of, and those of later kernels,
//! do not exist for a job. Our own few lines make the program for the kernel, because the crates
//! for it either know no 32-bit machines or bring a C library.

use libc::{c_long, sock_filter};

use crate::Level;

/// System calls that every machine has.
const ALLOWED: &[c_long] = &[
    // Files.
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_openat,
    libc::SYS_close,
    libc::SYS_lseek,
    libc::SYS_pread64,
    libc::SYS_pwrite64,
    libc::SYS_readv,
    libc::SYS_writev,
    libc::SYS_preadv,
    libc::SYS_pwritev,
    libc::SYS_statx,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_readlinkat,
    libc::SYS_getdents64,
    libc::SYS_getcwd,
    libc::SYS_chdir,
    libc::SYS_fchdir,
    libc::SYS_mkdirat,
    libc::SYS_unlinkat,
    libc::SYS_linkat,
    libc::SYS_symlinkat,
    libc::SYS_renameat2,
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    libc::SYS_umask,
    libc::SYS_utimensat,
    libc::SYS_ftruncate,
    libc::SYS_truncate,
    libc::SYS_fallocate,
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_flock,
    libc::SYS_fstatfs,
    libc::SYS_statfs,
    libc::SYS_copy_file_range,
    libc::SYS_sendfile,
    libc::SYS_splice,
    libc::SYS_readahead,
    libc::SYS_dup,
    libc::SYS_dup3,
    libc::SYS_pipe2,
    libc::SYS_fcntl,
    libc::SYS_eventfd2,
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_ppoll,
    libc::SYS_pselect6,
    libc::SYS_close_range,
    // Memory.
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_mprotect,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_msync,
    libc::SYS_mincore,
    libc::SYS_membarrier,
    // Processes and threads.
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_wait4,
    libc::SYS_waitid,
    libc::SYS_set_tid_address,
    libc::SYS_set_robust_list,
    libc::SYS_get_robust_list,
    libc::SYS_rseq,
    libc::SYS_futex,
    libc::SYS_prctl,
    libc::SYS_prlimit64,
    libc::SYS_getrusage,
    libc::SYS_getpriority,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_getparam,
    libc::SYS_sched_getscheduler,
    libc::SYS_sched_get_priority_max,
    libc::SYS_sched_get_priority_min,
    libc::SYS_getcpu,
    libc::SYS_restart_syscall,
    // Who and where.
    libc::SYS_getpid,
    libc::SYS_getppid,
    libc::SYS_gettid,
    libc::SYS_getpgid,
    libc::SYS_getsid,
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getegid,
    libc::SYS_getresuid,
    libc::SYS_getresgid,
    libc::SYS_getgroups,
    libc::SYS_capget,
    libc::SYS_uname,
    libc::SYS_sysinfo,
    libc::SYS_getrandom,
    // Signals and time.
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_rt_sigpending,
    libc::SYS_rt_sigsuspend,
    libc::SYS_rt_sigtimedwait,
    libc::SYS_sigaltstack,
    libc::SYS_nanosleep,
    libc::SYS_clock_nanosleep,
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_gettimeofday,
    libc::SYS_times,
    libc::SYS_getitimer,
    libc::SYS_setitimer,
];

/// The older forms that 64-bit PCs still have.
#[cfg(target_arch = "x86_64")]
const ALLOWED_HERE: &[c_long] = &[
    libc::SYS_open,
    libc::SYS_creat,
    libc::SYS_stat,
    libc::SYS_fstat,
    libc::SYS_lstat,
    libc::SYS_newfstatat,
    libc::SYS_access,
    libc::SYS_readlink,
    libc::SYS_getdents,
    libc::SYS_mkdir,
    libc::SYS_rmdir,
    libc::SYS_unlink,
    libc::SYS_link,
    libc::SYS_symlink,
    libc::SYS_rename,
    libc::SYS_renameat,
    libc::SYS_chmod,
    libc::SYS_utime,
    libc::SYS_utimes,
    libc::SYS_futimesat,
    libc::SYS_dup2,
    libc::SYS_pipe,
    libc::SYS_poll,
    libc::SYS_select,
    libc::SYS_epoll_create,
    libc::SYS_epoll_wait,
    libc::SYS_eventfd,
    libc::SYS_mmap,
    libc::SYS_fadvise64,
    libc::SYS_fork,
    libc::SYS_vfork,
    libc::SYS_getpgrp,
    libc::SYS_getrlimit,
    libc::SYS_setrlimit,
    libc::SYS_arch_prctl,
    libc::SYS_alarm,
    libc::SYS_time,
];

/// What 64-bit ARM has besides, and other machines with no older forms.
#[cfg(any(target_arch = "aarch64", target_arch = "riscv64"))]
const ALLOWED_HERE: &[c_long] =
    &[libc::SYS_fstat, libc::SYS_newfstatat, libc::SYS_mmap, libc::SYS_fadvise64];

/// What 32-bit machines have besides.
#[cfg(target_arch = "arm")]
const ALLOWED_HERE: &[c_long] = &[
    libc::SYS_open,
    libc::SYS_creat,
    libc::SYS_stat64,
    libc::SYS_fstat64,
    libc::SYS_lstat64,
    libc::SYS_fstatat64,
    libc::SYS_statfs64,
    libc::SYS_fstatfs64,
    libc::SYS_access,
    libc::SYS_readlink,
    libc::SYS__llseek,
    libc::SYS_mkdir,
    libc::SYS_rmdir,
    libc::SYS_unlink,
    libc::SYS_link,
    libc::SYS_symlink,
    libc::SYS_rename,
    libc::SYS_renameat,
    libc::SYS_chmod,
    libc::SYS_utimes,
    libc::SYS_dup2,
    libc::SYS_pipe,
    libc::SYS_poll,
    libc::SYS__newselect,
    libc::SYS_mmap2,
    libc::SYS_fcntl64,
    libc::SYS_ftruncate64,
    libc::SYS_truncate64,
    libc::SYS_sendfile64,
    libc::SYS_fork,
    libc::SYS_vfork,
    libc::SYS_getpgrp,
    libc::SYS_ugetrlimit,
    libc::SYS_setrlimit,
    libc::SYS_getuid32,
    libc::SYS_geteuid32,
    libc::SYS_getgid32,
    libc::SYS_getegid32,
    libc::SYS_getresuid32,
    libc::SYS_getresgid32,
    libc::SYS_getgroups32,
    // Those of ARM alone: breakpoint, cache flush, thread pointer.
    0x000f_0001,
    0x000f_0002,
    0x000f_0005,
];

/// Calls for signals to others. Where a job sees only its own processes it may send them.
const SIGNALS: &[c_long] = &[libc::SYS_kill, libc::SYS_tgkill, libc::SYS_tkill];

/// Calls that give a process a group of its own. Where groups are how a job is ended, it stays in
/// its own.
const GROUPS: &[c_long] = &[libc::SYS_setpgid, libc::SYS_setsid];

/// The `ioctl`s that are allowed: whether it is a terminal and of which size, how much can be
/// read, and the two that `fcntl` can do as well.
const IOCTLS: [u32; 5] = [
    libc::TCGETS as u32,
    libc::TIOCGWINSZ as u32,
    libc::FIONREAD as u32,
    libc::FIOCLEX as u32,
    libc::FIONBIO as u32,
];

/// Other machines have no filter: everything else of a level is the same there.
#[cfg(not(any(
    target_arch = "x86_64",
    target_arch = "aarch64",
    target_arch = "riscv64",
    target_arch = "arm"
)))]
const ALLOWED_HERE: &[c_long] = &[];

/// The machine's own kind of system calls (`linux/audit.h`); `None`: there is no filter for it.
const OWN_KIND: Option<u32> = if cfg!(target_arch = "x86_64") {
    Some(0xc000_003e)
} else if cfg!(target_arch = "aarch64") {
    Some(0xc000_00b7)
} else if cfg!(target_arch = "riscv64") {
    Some(0xc000_00f3)
} else if cfg!(target_arch = "arm") {
    Some(0x4000_0028)
} else {
    None
};

/// Where the kernel shows what it is asked for (`struct seccomp_data`).
const AT_NUMBER: u32 = 0;
const AT_KIND: u32 = 4;

/// Where the lower half of an argument is.
const fn at_argument(index: u32) -> u32 {
    16 + 8 * index + if cfg!(target_endian = "big") { 4 } else { 0 }
}

/// Flags of `clone` that make namespaces.
const NAMESPACES: u32 = (libc::CLONE_NEWNS
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET) as u32;

/// Every other call is answered as by a kernel that does not have it.
const UNKNOWN: u32 = libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32;
const FORBIDDEN: u32 = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;

/// The program for the kernel.
pub(crate) fn program(level: Level) -> Vec<sock_filter> {
    let Some(own_kind) = OWN_KIND else { return vec![answer(libc::SECCOMP_RET_ALLOW)] };
    let mut program = vec![
        load(AT_KIND),
        // A program for another kind of machine would use other numbers.
        skip_if_equal(own_kind, 1, 0),
        answer(UNKNOWN),
        load(AT_NUMBER),
    ];
    let more = match level {
        Level::Namespaces => [SIGNALS, GROUPS].concat(),
        Level::Landlock | Level::Filter => Vec::new(),
    };
    for number in ALLOWED.iter().chain(ALLOWED_HERE).chain(&more) {
        program.extend([skip_if_equal(*number as u32, 0, 1), answer(libc::SECCOMP_RET_ALLOW)]);
    }
    // The number stays loaded for whoever is none of the two.
    let ioctls = IOCTLS
        .iter()
        .flat_map(|request| [skip_if_equal(*request, 0, 1), answer(libc::SECCOMP_RET_ALLOW)]);
    let ioctls: Vec<_> = ioctls.collect();
    program.push(skip_if_equal(libc::SYS_ioctl as u32, 0, ioctls.len() as u8 + 2));
    program.push(load(at_argument(1)));
    program.extend(ioctls);
    program.push(answer(FORBIDDEN));
    program.extend([
        skip_if_equal(libc::SYS_clone as u32, 0, 4),
        load(at_argument(0)),
        skip_if_any(NAMESPACES, 1, 0),
        answer(libc::SECCOMP_RET_ALLOW),
        answer(FORBIDDEN),
        answer(UNKNOWN),
    ]);
    program
}

fn load(at: u32) -> sock_filter {
    instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, at, 0, 0)
}

fn skip_if_equal(value: u32, if_so: u8, if_not: u8) -> sock_filter {
    instruction(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, value, if_so, if_not)
}

fn skip_if_any(bits: u32, if_so: u8, if_not: u8) -> sock_filter {
    instruction(libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K, bits, if_so, if_not)
}

fn answer(value: u32) -> sock_filter {
    instruction(libc::BPF_RET | libc::BPF_K, value, 0, 0)
}

fn instruction(code: u32, value: u32, if_so: u8, if_not: u8) -> sock_filter {
    sock_filter { code: code as u16, jt: if_so, jf: if_not, k: value }
}
