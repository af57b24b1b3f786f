# Made by `cargo xtask completions` from what `distccmon --help` says.
complete -c distccmon -f
complete -c distccmon -l json -d 'one JSON object a line, again and again'
complete -c distccmon -l once -d 'one and no more'
complete -c distccmon -l web -x -d 'serve a page for browsers'
complete -c distccmon -l trace -r -F -d 'write the last build for Perfetto and Chrome\'s tracing'
complete -c distccmon -l interval -x -d 'how often to look'
complete -c distccmon -l help
complete -c distccmon -l version
