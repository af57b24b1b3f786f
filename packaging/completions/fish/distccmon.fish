# Made by `cargo xtask completions` from what `distccmon --help` says.
complete -c distccmon -f
complete -c distccmon -l json -d 'write one JSON object a line, again and again'
complete -c distccmon -l once -d 'write one object and no more'
complete -c distccmon -l web -x -d 'serve a page for browsers'
complete -c distccmon -l trace -r -F -d 'write the last build for Perfetto and Chrome\'s DevTools'
complete -c distccmon -l interval -x -d 'how often to look'
complete -c distccmon -l help -d 'print how it is used'
complete -c distccmon -l version -d 'print its version'
