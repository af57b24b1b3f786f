# Made by `cargo xtask completions` from what `pump --help` says.
complete -c pump -f
complete -c distcc-pump -w pump
complete -c pump -x -a '(__fish_complete_subcommand)'
complete -c pump -l help -d 'print how it is used'
complete -c pump -l version -d 'print its version'
complete -c pump -l startup -d 'print the variables for a shell to set, as in `eval "$(pump --startup)"'
complete -c pump -l shutdown -d 'end what --startup has started'
