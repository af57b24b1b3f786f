# Made by `cargo xtask completions` from what `distcc --help` says.
complete -c distcc -f
complete -c distcc -x -a '(__fish_complete_subcommand)'
complete -c distcc -l show-hosts -d 'print the host list as it is understood'
complete -c distcc -s j -d 'ask the servers how many jobs they take at once, and print the sum'
complete -c distcc -l doctor -d 'tell what keeps a build at home, and how to mend it'
complete -c distcc -l explain -d 'tell how the command is read, where it would run, and why'
complete -c distcc -l report -d 'tell what became of the jobs of the last build, and why'
complete -c distcc -l last-build
complete -c distcc -l since -x
complete -c distcc -l json
complete -c distcc -l show-principal -d 'print DISTCC_PRINCIPAL'
complete -c distcc -l scan-includes -d 'list what pump mode sends for the command, a line a thing'
complete -c distcc -l help -d 'print how it is used'
complete -c distcc -l version -d 'print its version'
