# Made by `cargo xtask completions` from what `distccmon-text --help` says.
complete -c distccmon-text -f
