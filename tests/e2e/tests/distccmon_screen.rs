//! `distccmon`'s screen in a real terminal, tmux's, while a build runs.

mod common;

use std::path::PathBuf;
use std::process::Command;

use common::build::{held_servers, start_build};
use common::held::Held;
use common::{World, finish};
use support::{program, wait_until};

/// A terminal of a test's own, in which a shell runs the monitor. It goes with the test.
struct Terminal {
    socket: PathBuf,
}

impl Terminal {
    /// Starts the monitor, given `words`, in a terminal of that size. Behind it the shell tells its
    /// exit status, and notes how the terminal is set before and after.
    fn start(world: &World, hosts: &str, size: (u16, u16), words: &str) -> Terminal {
        let folder = world.folder("terminal");
        let shell = format!(
            "cd {}; stty -g > before; {} {words}; echo status $?; stty -g > after; exec sleep 600",
            folder.display(),
            program("distccmon").display(),
        );
        Terminal::of(world, hosts, size, &shell)
    }

    /// Starts a shell in a terminal of a test's own.
    fn of(world: &World, hosts: &str, size: (u16, u16), shell: &str) -> Terminal {
        let terminal = Terminal { socket: world.path().join("tmux") };
        let mut command = world.command("tmux");
        command.env("DISTCC_HOSTS", hosts).env_remove("TMUX").env_remove("NO_COLOR");
        command.arg("-S").arg(&terminal.socket).args([
            "-u",
            "-f",
            "/dev/null",
            "new-session",
            "-d",
        ]);
        command.args(["-x", &size.0.to_string(), "-y", &size.1.to_string(), shell]);
        let ran = finish(&mut command);
        assert_eq!(ran.code, 0, "tmux: {}", ran.stderr);
        terminal
    }

    fn tmux(&self, words: &[&str]) -> String {
        let mut command = Command::new("tmux");
        let ran = finish(command.arg("-S").arg(&self.socket).args(words));
        assert_eq!(ran.code, 0, "tmux {words:?}: {}", ran.stderr);
        ran.stdout
    }

    /// The monitor's process id.
    fn monitor(&self) -> String {
        let shell = self.tmux(&["display-message", "-p", "#{pane_pid}"]);
        finish(Command::new("pgrep").args(["-P", shell.trim()])).stdout.trim().to_owned()
    }

    fn shown(&self) -> String {
        self.tmux(&["capture-pane", "-p"])
    }

    /// What the terminal shows, with colors, as escape sequences.
    fn shown_with_colors(&self) -> String {
        self.tmux(&["capture-pane", "-p", "-e"])
    }

    fn press(&self, key: &str) {
        self.tmux(&["send-keys", key]);
    }

    /// Waits until the terminal shows all of `parts`, and gives what it shows.
    #[track_caller]
    fn wait_for(&self, parts: &[&str]) -> String {
        let mut shown = String::new();
        wait_until(&format!("the screen has {parts:?}"), || {
            shown = self.shown();
            parts.iter().all(|part| shown.contains(part))
        });
        shown
    }

    /// Waits for the monitor's end with that status, and checks that the terminal is as before.
    #[track_caller]
    fn wait_for_end(&self, world: &World, status: u8) {
        let shown = self.wait_for(&[&format!("status {status}")]);
        assert!(!shown.contains("distccmon   "), "the screen is still there:\n{shown}");
        let settings = |name: &str| {
            std::fs::read_to_string(world.folder("terminal").join(name)).unwrap_or_default()
        };
        wait_until("the shell has noted how the terminal is set", || !settings("after").is_empty());
        assert_eq!(settings("before"), settings("after"));
        assert_eq!(
            self.tmux(&["display-message", "-p", "#{cursor_flag} #{alternate_on}"]),
            "1 0\n"
        );
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = Command::new("tmux").arg("-S").arg(&self.socket).arg("kill-server").status();
    }
}

/// The screen of a build of nine files and one that stays, at two servers with five slots: all
/// lanes and files, then the totals.
#[track_caller]
fn check(size: (u16, u16)) {
    let world = World::new();
    let held = Held::new(&world, "held");
    let (servers, hosts) = held_servers(&world, &held);
    let mut build = start_build(&world, &hosts, 9, Some(&held));
    let terminal = Terminal::start(&world, &hosts, size, "--interval 0.2");
    let [one, two] = servers.each_ref().map(|server| server.host(""));
    let mut shown = String::new();
    wait_until("the screen has six compiles and four that wait", || {
        shown = terminal.shown();
        shown.contains("building: 6 running, 4 waiting") && shown.matches(" compile ").count() == 6
    });
    let (width, height) = (usize::from(size.0), usize::from(size.1));
    assert_eq!(shown.lines().count(), height, "{shown}");
    assert!(shown.lines().all(|line| line.chars().count() <= width), "{shown}");
    for host in [(&one, "██ 2 of 2, 0 done"), (&two, "███ 3 of 3, 0 done")] {
        let line = shown.lines().find(|line| line.starts_with(&format!(" {}", host.0)));
        assert!(line.is_some_and(|line| line.contains(host.1)), "{host:?}:\n{shown}");
    }
    let lanes = |phase: &str| -> Vec<&str> {
        let is_lane = |line: &&str| line.split_whitespace().any(|word| word == phase);
        shown.lines().filter(is_lane).collect()
    };
    assert_eq!(lanes("compile").len(), 6, "{shown}");
    assert_eq!(lanes("blocked").len(), 4, "{shown}");
    let here = lanes("compile").into_iter().find(|line| line.contains("stays.c"));
    assert!(here.is_some_and(|line| line.contains(" profile ")), "the reason:\n{shown}");
    for n in 0..9 {
        assert_eq!(shown.matches(&format!(" unit{n}.c ")).count(), 1, "unit{n}.c:\n{shown}");
    }
    held.release();
    assert!(build.wait().unwrap().success());
    terminal.wait_for(&[
        "nothing runs; the last job ended",
        " 11 jobs in ",
        ": servers 9, here 2, nowhere 0",
        "here because of not-a-compile 1, profile 1",
        "estimated speed-up",
    ]);
    terminal.press("q");
    terminal.wait_for_end(&world, 0);
}

#[test]
fn a_terminal_of_80_by_24_has_lanes_files_and_totals() {
    check((80, 24));
}

#[test]
fn a_terminal_of_200_by_50_has_lanes_files_and_totals() {
    check((200, 50));
}

#[test]
fn keys_and_a_new_size_are_answered() {
    let world = World::new();
    let terminal = Terminal::start(&world, "red/3 blue/2", (80, 24), "");
    let shown = terminal.wait_for(&[" red:3632", " blue:3632", "    2 idle", "q quit"]);
    assert!(shown.contains("no job is in the ledger"), "{shown}");
    assert!(terminal.shown_with_colors().contains("\x1b["));
    terminal.press("f");
    terminal.wait_for(&["      3 idle", "      2 idle"]);
    terminal.press("?");
    terminal.wait_for(&["q, Esc, Ctrl-C   quit"]);
    terminal.press("x");
    terminal.press("p");
    terminal.wait_for(&["[paused"]);
    terminal.tmux(&["resize-window", "-x", "60", "-y", "12"]);
    wait_until("the keys are in the last of twelve lines", || {
        terminal.shown().lines().nth(11).is_some_and(|line| line.contains("q quit"))
    });
    terminal.press("C-c");
    terminal.wait_for_end(&world, 0);
}

#[test]
fn a_signal_leaves_the_terminal_as_it_was() {
    let world = World::new();
    let terminal = Terminal::start(&world, "red", (80, 24), "");
    terminal.wait_for(&[" red:3632"]);
    let ran = finish(Command::new("kill").args(["-TERM", &terminal.monitor()]));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    terminal.wait_for_end(&world, 143);
}

#[test]
fn it_stops_for_the_shell_and_goes_on() {
    let world = World::new();
    let shell = "PS1='ready> ' exec bash --norc --noprofile --noediting -i";
    let terminal = Terminal::of(&world, "red", (80, 24), shell);
    terminal.wait_for(&["ready>"]);
    let is_screen = || terminal.tmux(&["display-message", "-p", "#{alternate_on}"]) == "1\n";
    let settings = |name: &str| {
        let file = world.path().join(name);
        terminal.tmux(&["send-keys", &format!("stty -g > {}", file.display()), "Enter"]);
        wait_until("the shell has noted how the terminal is set", || {
            std::fs::read_to_string(&file).is_ok_and(|text| text.ends_with('\n'))
        });
        std::fs::read_to_string(&file).unwrap()
    };
    let before = settings("before");
    terminal.tmux(&["send-keys", program("distccmon").to_str().unwrap(), "Enter"]);
    for round in 0..2 {
        terminal.wait_for(&[" red:3632", "q quit"]);
        assert!(is_screen());
        // Over the help as well.
        if round == 1 {
            terminal.press("?");
            terminal.wait_for(&["Ctrl-Z           back to the shell"]);
        }
        terminal.press("C-z");
        terminal.wait_for(&["Stopped", "ready>"]);
        assert!(!is_screen());
        assert_eq!(settings(&format!("stopped{round}")), before);
        terminal.tmux(&["send-keys", "clear; fg", "Enter"]);
    }
    // Something else had the terminal without a word.
    terminal.wait_for(&["Ctrl-Z           back to the shell"]);
    let monitor = terminal.monitor();
    assert_eq!(finish(Command::new("kill").args(["-STOP", &monitor])).code, 0);
    terminal.wait_for(&["Stopped"]);
    terminal.tmux(&["send-keys", "clear; fg", "Enter"]);
    terminal.press("x");
    terminal.wait_for(&[" red:3632", "q quit"]);
    terminal.press("q");
    terminal.wait_for(&["ready>"]);
    assert!(!is_screen());
    assert_eq!(settings("after"), before);
}

#[test]
fn a_monitor_whose_terminal_is_gone_ends() {
    let world = World::new();
    let terminal = Terminal::start(&world, "red", (80, 24), "");
    terminal.wait_for(&[" red:3632"]);
    let monitor = terminal.monitor();
    let stat = PathBuf::from(format!("/proc/{monitor}/stat"));
    assert!(stat.exists(), "{monitor}");
    drop(terminal);
    wait_until("the monitor has ended", || {
        std::fs::read_to_string(&stat).map_or(true, |stat| stat.contains(") Z "))
    });
}

#[test]
fn names_cannot_write_on_the_screen() {
    let world = World::new();
    // The record of a job whose file and host are named by an enemy.
    let mut record = Vec::new();
    for number in [296_u64, 0x4449_4800, u64::from(std::process::id())] {
        record.extend(number.to_ne_bytes());
    }
    for name in [&b"\x1b]0;title\x07\x1b[2J\xff.c"[..], b"r\red"] {
        record.extend_from_slice(name);
        record.resize(record.len() + 128 - name.len(), 0);
    }
    record.extend([0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    std::fs::create_dir_all(world.state().join("state")).unwrap();
    std::fs::write(world.state().join("state/binstate_1"), record).unwrap();
    let terminal = Terminal::start(&world, "red", (80, 24), "");
    terminal.wait_for(&["?]0;title??[2J\u{fffd}.c", " r?ed"]);
    assert_ne!(terminal.tmux(&["display-message", "-p", "#{pane_title}"]), "title\n");
}

#[test]
fn without_a_terminal_it_says_what_to_do() {
    let world = World::new();
    let ran = finish(&mut world.command(program("distccmon")));
    assert_eq!((ran.code, ran.stdout.as_str()), (101, ""));
    assert!(ran.stderr.contains("no terminal"), "{}", ran.stderr);
    assert!(ran.stderr.contains("hint: distccmon --json"), "{}", ran.stderr);
}
