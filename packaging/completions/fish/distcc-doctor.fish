# Made by `cargo xtask completions` from what `distcc-doctor --help` says.
complete -c distcc-doctor -f
