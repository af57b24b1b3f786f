//! The files themselves.

use std::fmt::Write as _;

use crate::help::{Opt, Program, Values};

/// The head of each file.
fn head(program: &Program) -> String {
    format!("# Made by `cargo xtask completions` from what `{} --help` says.\n", program.name)
}

/// All names of a program, its own first.
fn names_of(program: &Program) -> Vec<&str> {
    let mut names = vec![program.name.as_str()];
    // Debian's.
    names.extend((program.name == "pump").then_some("distcc-pump"));
    names
}

/// For bash, whose bash-completion loads it when the command is first completed.
pub(crate) fn bash(program: &Program) -> String {
    let name = &program.name;
    let function = format!("_{}", name.replace('-', "_"));
    let mut text = format!(
        "{}{function}() {{\n    local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD - 1]}}\n    \
         COMPREPLY=()\n",
        head(program)
    );
    if program.runs_commands {
        text.push_str(
            "    # The words of the command that it runs.\n    \
             if ((COMP_CWORD > 1)) && [[ ${COMP_WORDS[1]} != -* ]]; then\n        \
             declare -F _command_offset > /dev/null && _command_offset 1\n        return\n    fi\n",
        );
    }
    let mut cases = String::new();
    for option in program.options.iter().filter(|option| !option.is_joined) {
        let Some(values) = option.values() else { continue };
        let reply = match values {
            Values::Files => {
                "compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- \"$word\")".to_owned()
            }
            Values::Folders => {
                "compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- \"$word\")".to_owned()
            }
            Values::Words(words) => {
                format!("mapfile -t COMPREPLY < <(compgen -W '{}' -- \"$word\")", words.join(" "))
            }
            Values::Free => ":".to_owned(),
        };
        let _ = writeln!(cases, "    {}) {reply}; return ;;", option.names.join(" | "));
    }
    if !cases.is_empty() {
        let _ = write!(text, "    case $before in\n{cases}    esac\n");
    }
    let names: Vec<&str> =
        program.options.iter().flat_map(|option| &option.names).map(String::as_str).collect();
    let _ = write!(
        text,
        "    if [[ $word == -* ]]; then\n        \
         mapfile -t COMPREPLY < <(compgen -W '{}' -- \"$word\")\n",
        names.join(" ")
    );
    if program.runs_commands {
        text.push_str("    else\n        mapfile -t COMPREPLY < <(compgen -c -- \"$word\")\n");
    }
    let _ = write!(text, "    fi\n}}\ncomplete -F {function} {}\n", names_of(program).join(" "));
    text
}

/// For zsh.
pub(crate) fn zsh(program: &Program) -> String {
    let mut text =
        format!("#compdef {}\n{}_arguments -S", names_of(program).join(" "), head(program));
    for option in &program.options {
        let names = option.names.join(" ");
        for name in &option.names {
            let _ = write!(text, " \\\n  '({names}){name}");
            if option.is_joined {
                text.push('-');
            }
            let _ = write!(text, "[{}]{}'", zsh_text(option.few_words()), zsh_value(option));
        }
    }
    if program.runs_commands {
        text.push_str(" \\\n  '(-)1:command:_command_names -e' \\\n  '*::arguments:_normal'");
    }
    text.push('\n');
    text
}

fn zsh_text(text: &str) -> String {
    text.replace('\'', "'\\''").replace('[', "\\[").replace(']', "\\]").replace(':', "\\:")
}

fn zsh_value(option: &Opt) -> String {
    let value = option.value.as_deref().unwrap_or_default().to_lowercase();
    match option.values() {
        None => String::new(),
        Some(Values::Files) => format!(":{value}:_files"),
        Some(Values::Folders) => format!(":{value}:_files -/"),
        Some(Values::Words(words)) => format!(":{value}:({})", words.join(" ")),
        Some(Values::Free) => format!(":{value}: "),
    }
}

/// For fish.
pub(crate) fn fish(program: &Program) -> String {
    let name = &program.name;
    let mut text = format!("{}complete -c {name} -f\n", head(program));
    for other in &names_of(program)[1..] {
        let _ = writeln!(text, "complete -c {other} -w {name}");
    }
    if program.runs_commands {
        let _ = writeln!(text, "complete -c {name} -x -a '(__fish_complete_subcommand)'");
    }
    for option in &program.options {
        let _ = write!(text, "complete -c {name}");
        for option_name in &option.names {
            match option_name.strip_prefix("--") {
                Some(long) => drop(write!(text, " -l {long}")),
                None => drop(write!(text, " -s {}", option_name.trim_start_matches('-'))),
            }
        }
        match option.values() {
            None => {}
            Some(Values::Files) => text.push_str(" -r -F"),
            Some(Values::Folders) => text.push_str(" -x -a '(__fish_complete_directories)'"),
            Some(Values::Words(words)) => drop(write!(text, " -x -a '{}'", words.join(" "))),
            Some(Values::Free) => text.push_str(" -x"),
        }
        if !option.text.is_empty() {
            let _ = write!(
                text,
                " -d '{}'",
                option.few_words().replace('\\', "\\\\").replace('\'', "\\'")
            );
        }
        text.push('\n');
    }
    text
}
