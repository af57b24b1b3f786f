# Made by `cargo xtask completions` from what `update-distcc-symlinks --help` says.
complete -c update-distcc-symlinks -f
complete -c update-distcc-symlinks -s n -l dry-run -d 'say what would be done, and do nothing'
complete -c update-distcc-symlinks -l dir -x -a '(__fish_complete_directories)' -d 'another folder than /usr/lib/distcc'
complete -c update-distcc-symlinks -l compiler-folder -x -a '(__fish_complete_directories)' -d 'look for compilers in DIR, too'
complete -c update-distcc-symlinks -l distcc -r -F -d 'what the links lead to'
complete -c update-distcc-symlinks -l help -d 'print how it is used'
complete -c update-distcc-symlinks -l version -d 'print its version'
