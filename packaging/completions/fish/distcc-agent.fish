# Made by `cargo xtask completions` from what `distcc-agent --help` says.
complete -c distcc-agent -f
complete -c distcc-agent -l version -d 'print its version'
complete -c distcc-agent -l help -d 'print how it is used'
complete -c distcc-agent -l foreground -d 'stay in the foreground, and log to standard error'
complete -c distcc-agent -l status -d 'say how it is going'
complete -c distcc-agent -l stop -d 'end the agent that is running'
complete -c distcc-agent -l include-server -x -a '(__fish_complete_directories)' -d 'serve clients of distcc 3.4 at FOLDER/socket'
complete -c distcc-agent -l addresses -x -d 'print the addresses of a host, one on each line'
