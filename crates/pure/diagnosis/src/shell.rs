//! Words and commands for a shell.

/// A word as a shell takes it literally.
#[must_use]
pub fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-:=+,@%".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// The command by which the daemon that runs is started anew with all its options: `before` stands
/// in front of it, `after` behind it.
#[must_use]
pub fn restarted(before: &str, after: &str) -> String {
    format!(
        "old=$(tr '\\0' ' ' < /proc/$(pgrep -xo distccd)/cmdline) && \
         while pkill -x distccd; do sleep 0.2; done && {}",
        old_with(before, after)
    )
}

/// The same of one daemon among others, by its process id.
#[must_use]
pub fn restarted_process(pid: u32, before: &str, after: &str) -> String {
    format!(
        "old=$(tr '\\0' ' ' < /proc/{pid}/cmdline) && kill {pid} && \
         while kill -0 {pid} 2> /dev/null; do sleep 0.2; done && {}",
        old_with(before, after)
    )
}

fn old_with(before: &str, after: &str) -> String {
    let words = [before, "$old", after].into_iter().filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ")
}

/// What has the firewall of a machine let connections to a port in: a rule at the front of each
/// chain that sees what comes in, whoever made the chain.
#[must_use]
pub fn let_in(port: u16) -> String {
    format!(
        "nft list chains | awk '/^table (inet|ip|ip6) /{{t=$2\" \"$3}} /^table [^i]/{{t=\"\"}} \
         /chain /{{c=$2}} /hook input/{{if (t) print \"insert rule\",t,c,\"tcp dport {port} accept\"}}' \
         | nft -f -"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_mean_themselves() {
        for (word, expected) in [
            ("red:3632/4", "red:3632/4"),
            ("a b", "'a b'"),
            ("$(rm)", "'$(rm)'"),
            ("it's", r"'it'\''s'"),
            ("", "''"),
        ] {
            assert_eq!(quoted(word), expected);
        }
    }

    #[test]
    fn a_restart_keeps_the_options() {
        assert!(restarted("PATH=/usr/bin", "").ends_with("done && PATH=/usr/bin $old"));
        assert!(restarted("", "--allow ::1").ends_with("done && $old --allow ::1"));
        assert!(restarted_process(7, "A=b", "-x").ends_with("done && A=b $old -x"));
    }
}
