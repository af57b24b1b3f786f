# Made by `cargo xtask completions` from what `distcc-doctor --help` says.
complete -c distcc-doctor -f
complete -c distcc-doctor -l json -d 'print the same for programs'
complete -c distcc-doctor -l help -d 'print how it is used'
