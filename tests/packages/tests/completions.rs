//! Shells complete the options of our programs, all those that a program itself tells of.

use std::process::Command;

use packages::{must, xtask};
use support::{World, workspace};

/// What a shell's command prints, with the file of completions for a program in place of `FILE`.
#[track_caller]
fn check(shell: &[&str], file: &str, script: &str, expected: &str) {
    let file = workspace().join("packaging/completions").join(file);
    let script = script.replace("FILE", &file.display().to_string());
    // fish makes folders there.
    let home = World::new();
    let mut command = Command::new(shell[0]);
    let said = must(
        command
            .args(&shell[1..])
            .args(["-c", &script])
            .env("HOME", home.path())
            .env("PATH", "/usr/bin"),
    );
    assert_eq!(said.trim(), expected, "{script}");
}

/// A completion as bash asks for it: of the last of these words.
fn in_bash(function: &str, words: &[&str]) -> String {
    format!(
        "source /usr/share/bash-completion/bash_completion; source FILE; COMP_WORDS=({}); \
         COMP_CWORD={}; COMP_LINE=\"${{COMP_WORDS[*]}}\"; COMP_POINT=${{#COMP_LINE}}; {function} 2>/dev/null; \
         echo \"${{COMPREPLY[*]}}\"",
        words.join(" "),
        words.len() - 1,
    )
}

#[test]
fn the_files_are_those_of_the_programs() {
    xtask(&["completions", "--check"]);
}

#[test]
fn bash_completes_options_values_and_commands() {
    let check = |program: &str, words: &[&str], expected: &str| {
        let function = format!("_{}", program.replace('-', "_"));
        check(
            &["bash", "--norc"],
            &format!("bash/{program}"),
            &in_bash(&function, words),
            expected,
        );
    };
    check("distccd", &["distccd", "--allow-"], "--allow-private");
    check("distccd", &["distccd", "--log-level", "w"], "warning");
    check("distccd", &["distccd", "--port", "''"], "");
    check("distcc", &["distcc", "--sh"], "--show-hosts --show-principal");
    check("distcc", &["distcc", "bunzip"], "bunzip2");
    check(
        "update-distcc-symlinks",
        &["update-distcc-symlinks", "--dir", "/usr/shar"],
        "/usr/share",
    );
    check("lsdistcc", &["lsdistcc", "--z"], "--zeroconf");
    check("distcc-agent", &["distcc-agent", "--st"], "--status --stop");
}

#[test]
fn fish_completes_options() {
    let script = "source FILE; complete --do-complete 'distccd --allow-'";
    check(
        &["fish", "--no-config"],
        "fish/distccd.fish",
        script,
        "--allow-private\tserve private networks and this machine",
    );
}

#[test]
fn zsh_takes_the_files() {
    for program in support::PROGRAMS {
        let script = format!(
            "fpath=(${{:-FILE}}(:h) $fpath); autoload -Uz compinit && compinit -u -D && \
             print $_comps[{program}] && autoload +X _{program} && print $+functions[_{program}]"
        );
        let expected = format!("_{program}\n1");
        check(&["zsh", "--no-rcs"], &format!("zsh/_{program}"), &script, &expected);
    }
}
