# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_importctl_global_optspecs
    string join \n h/help version no-pager no-legend no-ask-password H/host= M/machine= system user read-only q/quiet progress= json= j verify= format= force class= m P S C keep-download= N standalone image-root= dry-run superseded older-than= mirror= limit-rate= retries= connect-timeout= stall-timeout= connections= keep-partial=
end

function __fish_importctl_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_importctl_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_importctl_using_subcommand
    set -l cmd (__fish_importctl_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c importctl -n "__fish_importctl_needs_command" -s H -l host -d 'Talk to the service of another host, by ssh' -r
complete -c importctl -n "__fish_importctl_needs_command" -s M -l machine -d 'Talk to the service of a container' -r
complete -c importctl -n "__fish_importctl_needs_command" -l progress -d 'How a transfer shows how far it is (auto, bar, plain, json, none)' -r -f -a "auto\t''
bar\t''
plain\t''
json\t''
none\t''"
complete -c importctl -n "__fish_importctl_needs_command" -l json -d 'Print JSON (pretty, short, off)' -r -f -a "pretty\t''
short\t''
off\t''"
complete -c importctl -n "__fish_importctl_needs_command" -l verify -d 'What a download must prove (no, checksum, signature)' -r -f -a "no\t''
checksum\t''
signature\t''"
complete -c importctl -n "__fish_importctl_needs_command" -l format -d 'Compression of an export (uncompressed, xz, gzip, bzip2, zstd, lz4)' -r -f -a "uncompressed\t''
xz\t''
gzip\t''
bzip2\t''
zstd\t''
lz4\t''"
complete -c importctl -n "__fish_importctl_needs_command" -l class -d 'Class of the image (machine, portable, sysext, confext)' -r -f -a "machine\t''
portable\t''
sysext\t''
confext\t''"
complete -c importctl -n "__fish_importctl_needs_command" -l keep-download -d 'Whether a download is kept as it came (default: yes for machine, no otherwise)' -r -f -a "yes\t''
no\t''"
complete -c importctl -n "__fish_importctl_needs_command" -l image-root -d 'Folder of images, instead of the class\'s (needs --standalone)' -r -f -a "(__fish_complete_directories)"
complete -c importctl -n "__fish_importctl_needs_command" -l older-than -d 'With clean: only what is at least this old (as in 30d, 12h)' -r
complete -c importctl -n "__fish_importctl_needs_command" -l mirror -d 'Another address of the same file, tried when one fails; repeatable (needs --standalone)' -r -f
complete -c importctl -n "__fish_importctl_needs_command" -l limit-rate -d 'Most bytes a second, with K, M or G (needs --standalone)' -r
complete -c importctl -n "__fish_importctl_needs_command" -l retries -d 'How often to try again while nothing comes (needs --standalone)' -r
complete -c importctl -n "__fish_importctl_needs_command" -l connect-timeout -d 'Give up a server that cannot be connected to in that time (needs --standalone)' -r
complete -c importctl -n "__fish_importctl_needs_command" -l stall-timeout -d 'Give up a connection that brings nothing for that time (needs --standalone)' -r
complete -c importctl -n "__fish_importctl_needs_command" -l connections -d 'Over how many connections to fetch a large body (needs --standalone)' -r
complete -c importctl -n "__fish_importctl_needs_command" -l keep-partial -d 'Whether to keep what there is of an unfinished download (needs --standalone)' -r
complete -c importctl -n "__fish_importctl_needs_command" -s h -l help -d 'Show this help'
complete -c importctl -n "__fish_importctl_needs_command" -l version -d 'Show the version'
complete -c importctl -n "__fish_importctl_needs_command" -l no-pager -d 'Do not pipe output into a pager'
complete -c importctl -n "__fish_importctl_needs_command" -l no-legend -d 'Show neither headers nor footers'
complete -c importctl -n "__fish_importctl_needs_command" -l no-ask-password -d 'Do not ask for passwords'
complete -c importctl -n "__fish_importctl_needs_command" -l system -d 'Act on images of the system (default)'
complete -c importctl -n "__fish_importctl_needs_command" -l user -d 'Act on images of the calling user'
complete -c importctl -n "__fish_importctl_needs_command" -l read-only -d 'Make the image read-only'
complete -c importctl -n "__fish_importctl_needs_command" -s q -l quiet -d 'Show only warnings and errors'
complete -c importctl -n "__fish_importctl_needs_command" -s j -d 'Same as --json=pretty on a terminal, --json=short elsewhere'
complete -c importctl -n "__fish_importctl_needs_command" -l force -d 'Replace an image of the same name'
complete -c importctl -n "__fish_importctl_needs_command" -s m -d 'Same as --class=machine: a virtual machine or container'
complete -c importctl -n "__fish_importctl_needs_command" -s P -d 'Same as --class=portable: a portable service'
complete -c importctl -n "__fish_importctl_needs_command" -s S -d 'Same as --class=sysext: a system extension'
complete -c importctl -n "__fish_importctl_needs_command" -s C -d 'Same as --class=confext: a configuration extension'
complete -c importctl -n "__fish_importctl_needs_command" -s N -d 'Same as --keep-download=no'
complete -c importctl -n "__fish_importctl_needs_command" -l standalone -d 'Do the work in this process\'s children, without the service'
complete -c importctl -n "__fish_importctl_needs_command" -l dry-run -d 'Tell what a download or clean would do, and do nothing'
complete -c importctl -n "__fish_importctl_needs_command" -l superseded -d 'With clean: only downloads that a newer one supersedes'
complete -c importctl -n "__fish_importctl_needs_command" -f -a "pull-tar" -d 'Download an archive as a tree image'
complete -c importctl -n "__fish_importctl_needs_command" -f -a "pull-raw" -d 'Download a disk image'
complete -c importctl -n "__fish_importctl_needs_command" -f -a "pull-oci" -d 'Download an OCI container image'
complete -c importctl -n "__fish_importctl_needs_command" -f -a "import-tar" -d 'Import an archive as a tree image'
complete -c importctl -n "__fish_importctl_needs_command" -f -a "import-raw" -d 'Import a disk image'
complete -c importctl -n "__fish_importctl_needs_command" -f -a "import-fs" -d 'Import a directory as a tree image'
complete -c importctl -n "__fish_importctl_needs_command" -f -a "export-tar" -d 'Write a tree image as an archive'
complete -c importctl -n "__fish_importctl_needs_command" -f -a "export-raw" -d 'Write a disk image to a file'
complete -c importctl -n "__fish_importctl_needs_command" -f -a "list-transfers" -d 'List running transfers (default)'
complete -c importctl -n "__fish_importctl_needs_command" -f -a "cancel-transfer" -d 'End transfers before they are done'
complete -c importctl -n "__fish_importctl_needs_command" -f -a "list-images" -d 'List installed images'
complete -c importctl -n "__fish_importctl_needs_command" -f -a "help" -d 'Show this help'
complete -c importctl -n "__fish_importctl_needs_command" -f -a "verify" -d 'Explain what a download would be proven by, compare a file with it'
complete -c importctl -n "__fish_importctl_needs_command" -f -a "clean" -d 'Remove kept downloads'
complete -c importctl -n "__fish_importctl_using_subcommand pull-tar" -s H -l host -d 'Talk to the service of another host, by ssh' -r
complete -c importctl -n "__fish_importctl_using_subcommand pull-tar" -s M -l machine -d 'Talk to the service of a container' -r
complete -c importctl -n "__fish_importctl_using_subcommand pull-tar" -l progress -d 'How a transfer shows how far it is (auto, bar, plain, json, none)' -r -f -a "auto\t''
bar\t''
plain\t''
json\t''
none\t''"
complete -c importctl -n "__fish_importctl_using_subcommand pull-tar" -l json -d 'Print JSON (pretty, short, off)' -r -f -a "pretty\t''
short\t''
off\t''"
complete -c importctl -n "__fish_importctl_using_subcommand pull-tar" -l verify -d 'What a download must prove (no, checksum, signature)' -r -f -a "no\t''
checksum\t''
signature\t''"
complete -c importctl -n "__fish_importctl_using_subcommand pull-tar" -l format -d 'Compression of an export (uncompressed, xz, gzip, bzip2, zstd, lz4)' -r -f -a "uncompressed\t''
xz\t''
gzip\t''
bzip2\t''
zstd\t''
lz4\t''"
complete -c importctl -n "__fish_importctl_using_subcommand pull-tar" -l class -d 'Class of the image (machine, portable, sysext, confext)' -r -f -a "machine\t''
portable\t''
sysext\t''
confext\t''"
complete -c importctl -n "__fish_importctl_using_subcommand pull-tar" -l keep-download -d 'Whether a download is kept as it came (default: yes for machine, no otherwise)' -r -f -a "yes\t''
no\t''"
complete -c importctl -n "__fish_importctl_using_subcommand pull-tar" -l image-root -d 'Folder of images, instead of the class\'s (needs --standalone)' -r -f -a "(__fish_complete_directories)"
complete -c importctl -n "__fish_importctl_using_subcommand pull-tar" -l older-than -d 'With clean: only what is at least this old (as in 30d, 12h)' -r
complete -c importctl -n "__fish_importctl_using_subcommand pull-tar" -l mirror -d 'Another address of the same file, tried when one fails; repeatable (needs --standalone)' -r -f
complete -c importctl -n "__fish_importctl_using_subcommand pull-tar" -l limit-rate -d 'Most bytes a second, with K, M or G (needs --standalone)' -r
complete -c importctl -n "__fish_importctl_using_subcommand pull-tar" -l retries -d 'How often to try again while nothing comes (needs --standalone)' -r
complete -c importctl -n "__fish_importctl_using_subcommand pull-tar" -l connect-timeout -d 'Give up a server that cannot be connected to in that time (needs --standalone)' -r
complete -c importctl -n "__fish_importctl_using_subcommand pull-tar" -l stall-timeout -d 'Give up a connection that brings nothing for that time (needs --standalone)' -r
complete -c importctl -n "__fish_importctl_using_subcommand pull-tar" -l connections -d 'Over how many connections to fetch a large body (needs --standalone)' -r
complete -c importctl -n "__fish_importctl_using_subcommand pull-tar" -l keep-partial -d 'Whether to keep what there is of an unfinished download (needs --standalone)' -r
complete -c importctl -n "__fish_importctl_using_subcommand pull-tar" -s h -l help -d 'Show this help'
complete -c importctl -n "__fish_importctl_using_subcommand pull-tar" -l version -d 'Show the version'
complete -c importctl -n "__fish_importctl_using_subcommand pull-tar" -l no-pager -d 'Do not pipe output into a pager'
complete -c importctl -n "__fish_importctl_using_subcommand pull-tar" -l no-legend -d 'Show neither headers nor footers'
complete -c importctl -n "__fish_importctl_using_subcommand pull-tar" -l no-ask-password -d 'Do not ask for passwords'
complete -c importctl -n "__fish_importctl_using_subcommand pull-tar" -l system -d 'Act on images of the system (default)'
complete -c importctl -n "__fish_importctl_using_subcommand pull-tar" -l user -d 'Act on images of the calling user'
complete -c importctl -n "__fish_importctl_using_subcommand pull-tar" -l read-only -d 'Make the image read-only'
complete -c importctl -n "__fish_importctl_using_subcommand pull-tar" -s q -l quiet -d 'Show only warnings and errors'
complete -c importctl -n "__fish_importctl_using_subcommand pull-tar" -s j -d 'Same as --json=pretty on a terminal, --json=short elsewhere'
complete -c importctl -n "__fish_importctl_using_subcommand pull-tar" -l force -d 'Replace an image of the same name'
complete -c importctl -n "__fish_importctl_using_subcommand pull-tar" -s m -d 'Same as --class=machine: a virtual machine or container'
complete -c importctl -n "__fish_importctl_using_subcommand pull-tar" -s P -d 'Same as --class=portable: a portable service'
complete -c importctl -n "__fish_importctl_using_subcommand pull-tar" -s S -d 'Same as --class=sysext: a system extension'
complete -c importctl -n "__fish_importctl_using_subcommand pull-tar" -s C -d 'Same as --class=confext: a configuration extension'
complete -c importctl -n "__fish_importctl_using_subcommand pull-tar" -s N -d 'Same as --keep-download=no'
complete -c importctl -n "__fish_importctl_using_subcommand pull-tar" -l standalone -d 'Do the work in this process\'s children, without the service'
complete -c importctl -n "__fish_importctl_using_subcommand pull-tar" -l dry-run -d 'Tell what a download or clean would do, and do nothing'
complete -c importctl -n "__fish_importctl_using_subcommand pull-tar" -l superseded -d 'With clean: only downloads that a newer one supersedes'
complete -c importctl -n "__fish_importctl_using_subcommand pull-raw" -s H -l host -d 'Talk to the service of another host, by ssh' -r
complete -c importctl -n "__fish_importctl_using_subcommand pull-raw" -s M -l machine -d 'Talk to the service of a container' -r
complete -c importctl -n "__fish_importctl_using_subcommand pull-raw" -l progress -d 'How a transfer shows how far it is (auto, bar, plain, json, none)' -r -f -a "auto\t''
bar\t''
plain\t''
json\t''
none\t''"
complete -c importctl -n "__fish_importctl_using_subcommand pull-raw" -l json -d 'Print JSON (pretty, short, off)' -r -f -a "pretty\t''
short\t''
off\t''"
complete -c importctl -n "__fish_importctl_using_subcommand pull-raw" -l verify -d 'What a download must prove (no, checksum, signature)' -r -f -a "no\t''
checksum\t''
signature\t''"
complete -c importctl -n "__fish_importctl_using_subcommand pull-raw" -l format -d 'Compression of an export (uncompressed, xz, gzip, bzip2, zstd, lz4)' -r -f -a "uncompressed\t''
xz\t''
gzip\t''
bzip2\t''
zstd\t''
lz4\t''"
complete -c importctl -n "__fish_importctl_using_subcommand pull-raw" -l class -d 'Class of the image (machine, portable, sysext, confext)' -r -f -a "machine\t''
portable\t''
sysext\t''
confext\t''"
complete -c importctl -n "__fish_importctl_using_subcommand pull-raw" -l keep-download -d 'Whether a download is kept as it came (default: yes for machine, no otherwise)' -r -f -a "yes\t''
no\t''"
complete -c importctl -n "__fish_importctl_using_subcommand pull-raw" -l image-root -d 'Folder of images, instead of the class\'s (needs --standalone)' -r -f -a "(__fish_complete_directories)"
complete -c importctl -n "__fish_importctl_using_subcommand pull-raw" -l older-than -d 'With clean: only what is at least this old (as in 30d, 12h)' -r
complete -c importctl -n "__fish_importctl_using_subcommand pull-raw" -l mirror -d 'Another address of the same file, tried when one fails; repeatable (needs --standalone)' -r -f
complete -c importctl -n "__fish_importctl_using_subcommand pull-raw" -l limit-rate -d 'Most bytes a second, with K, M or G (needs --standalone)' -r
complete -c importctl -n "__fish_importctl_using_subcommand pull-raw" -l retries -d 'How often to try again while nothing comes (needs --standalone)' -r
complete -c importctl -n "__fish_importctl_using_subcommand pull-raw" -l connect-timeout -d 'Give up a server that cannot be connected to in that time (needs --standalone)' -r
complete -c importctl -n "__fish_importctl_using_subcommand pull-raw" -l stall-timeout -d 'Give up a connection that brings nothing for that time (needs --standalone)' -r
complete -c importctl -n "__fish_importctl_using_subcommand pull-raw" -l connections -d 'Over how many connections to fetch a large body (needs --standalone)' -r
complete -c importctl -n "__fish_importctl_using_subcommand pull-raw" -l keep-partial -d 'Whether to keep what there is of an unfinished download (needs --standalone)' -r
complete -c importctl -n "__fish_importctl_using_subcommand pull-raw" -s h -l help -d 'Show this help'
complete -c importctl -n "__fish_importctl_using_subcommand pull-raw" -l version -d 'Show the version'
complete -c importctl -n "__fish_importctl_using_subcommand pull-raw" -l no-pager -d 'Do not pipe output into a pager'
complete -c importctl -n "__fish_importctl_using_subcommand pull-raw" -l no-legend -d 'Show neither headers nor footers'
complete -c importctl -n "__fish_importctl_using_subcommand pull-raw" -l no-ask-password -d 'Do not ask for passwords'
complete -c importctl -n "__fish_importctl_using_subcommand pull-raw" -l system -d 'Act on images of the system (default)'
complete -c importctl -n "__fish_importctl_using_subcommand pull-raw" -l user -d 'Act on images of the calling user'
complete -c importctl -n "__fish_importctl_using_subcommand pull-raw" -l read-only -d 'Make the image read-only'
complete -c importctl -n "__fish_importctl_using_subcommand pull-raw" -s q -l quiet -d 'Show only warnings and errors'
complete -c importctl -n "__fish_importctl_using_subcommand pull-raw" -s j -d 'Same as --json=pretty on a terminal, --json=short elsewhere'
complete -c importctl -n "__fish_importctl_using_subcommand pull-raw" -l force -d 'Replace an image of the same name'
complete -c importctl -n "__fish_importctl_using_subcommand pull-raw" -s m -d 'Same as --class=machine: a virtual machine or container'
complete -c importctl -n "__fish_importctl_using_subcommand pull-raw" -s P -d 'Same as --class=portable: a portable service'
complete -c importctl -n "__fish_importctl_using_subcommand pull-raw" -s S -d 'Same as --class=sysext: a system extension'
complete -c importctl -n "__fish_importctl_using_subcommand pull-raw" -s C -d 'Same as --class=confext: a configuration extension'
complete -c importctl -n "__fish_importctl_using_subcommand pull-raw" -s N -d 'Same as --keep-download=no'
complete -c importctl -n "__fish_importctl_using_subcommand pull-raw" -l standalone -d 'Do the work in this process\'s children, without the service'
complete -c importctl -n "__fish_importctl_using_subcommand pull-raw" -l dry-run -d 'Tell what a download or clean would do, and do nothing'
complete -c importctl -n "__fish_importctl_using_subcommand pull-raw" -l superseded -d 'With clean: only downloads that a newer one supersedes'
complete -c importctl -n "__fish_importctl_using_subcommand pull-oci" -s H -l host -d 'Talk to the service of another host, by ssh' -r
complete -c importctl -n "__fish_importctl_using_subcommand pull-oci" -s M -l machine -d 'Talk to the service of a container' -r
complete -c importctl -n "__fish_importctl_using_subcommand pull-oci" -l progress -d 'How a transfer shows how far it is (auto, bar, plain, json, none)' -r -f -a "auto\t''
bar\t''
plain\t''
json\t''
none\t''"
complete -c importctl -n "__fish_importctl_using_subcommand pull-oci" -l json -d 'Print JSON (pretty, short, off)' -r -f -a "pretty\t''
short\t''
off\t''"
complete -c importctl -n "__fish_importctl_using_subcommand pull-oci" -l verify -d 'What a download must prove (no, checksum, signature)' -r -f -a "no\t''
checksum\t''
signature\t''"
complete -c importctl -n "__fish_importctl_using_subcommand pull-oci" -l format -d 'Compression of an export (uncompressed, xz, gzip, bzip2, zstd, lz4)' -r -f -a "uncompressed\t''
xz\t''
gzip\t''
bzip2\t''
zstd\t''
lz4\t''"
complete -c importctl -n "__fish_importctl_using_subcommand pull-oci" -l class -d 'Class of the image (machine, portable, sysext, confext)' -r -f -a "machine\t''
portable\t''
sysext\t''
confext\t''"
complete -c importctl -n "__fish_importctl_using_subcommand pull-oci" -l keep-download -d 'Whether a download is kept as it came (default: yes for machine, no otherwise)' -r -f -a "yes\t''
no\t''"
complete -c importctl -n "__fish_importctl_using_subcommand pull-oci" -l image-root -d 'Folder of images, instead of the class\'s (needs --standalone)' -r -f -a "(__fish_complete_directories)"
complete -c importctl -n "__fish_importctl_using_subcommand pull-oci" -l older-than -d 'With clean: only what is at least this old (as in 30d, 12h)' -r
complete -c importctl -n "__fish_importctl_using_subcommand pull-oci" -l mirror -d 'Another address of the same file, tried when one fails; repeatable (needs --standalone)' -r -f
complete -c importctl -n "__fish_importctl_using_subcommand pull-oci" -l limit-rate -d 'Most bytes a second, with K, M or G (needs --standalone)' -r
complete -c importctl -n "__fish_importctl_using_subcommand pull-oci" -l retries -d 'How often to try again while nothing comes (needs --standalone)' -r
complete -c importctl -n "__fish_importctl_using_subcommand pull-oci" -l connect-timeout -d 'Give up a server that cannot be connected to in that time (needs --standalone)' -r
complete -c importctl -n "__fish_importctl_using_subcommand pull-oci" -l stall-timeout -d 'Give up a connection that brings nothing for that time (needs --standalone)' -r
complete -c importctl -n "__fish_importctl_using_subcommand pull-oci" -l connections -d 'Over how many connections to fetch a large body (needs --standalone)' -r
complete -c importctl -n "__fish_importctl_using_subcommand pull-oci" -l keep-partial -d 'Whether to keep what there is of an unfinished download (needs --standalone)' -r
complete -c importctl -n "__fish_importctl_using_subcommand pull-oci" -s h -l help -d 'Show this help'
complete -c importctl -n "__fish_importctl_using_subcommand pull-oci" -l version -d 'Show the version'
complete -c importctl -n "__fish_importctl_using_subcommand pull-oci" -l no-pager -d 'Do not pipe output into a pager'
complete -c importctl -n "__fish_importctl_using_subcommand pull-oci" -l no-legend -d 'Show neither headers nor footers'
complete -c importctl -n "__fish_importctl_using_subcommand pull-oci" -l no-ask-password -d 'Do not ask for passwords'
complete -c importctl -n "__fish_importctl_using_subcommand pull-oci" -l system -d 'Act on images of the system (default)'
complete -c importctl -n "__fish_importctl_using_subcommand pull-oci" -l user -d 'Act on images of the calling user'
complete -c importctl -n "__fish_importctl_using_subcommand pull-oci" -l read-only -d 'Make the image read-only'
complete -c importctl -n "__fish_importctl_using_subcommand pull-oci" -s q -l quiet -d 'Show only warnings and errors'
complete -c importctl -n "__fish_importctl_using_subcommand pull-oci" -s j -d 'Same as --json=pretty on a terminal, --json=short elsewhere'
complete -c importctl -n "__fish_importctl_using_subcommand pull-oci" -l force -d 'Replace an image of the same name'
complete -c importctl -n "__fish_importctl_using_subcommand pull-oci" -s m -d 'Same as --class=machine: a virtual machine or container'
complete -c importctl -n "__fish_importctl_using_subcommand pull-oci" -s P -d 'Same as --class=portable: a portable service'
complete -c importctl -n "__fish_importctl_using_subcommand pull-oci" -s S -d 'Same as --class=sysext: a system extension'
complete -c importctl -n "__fish_importctl_using_subcommand pull-oci" -s C -d 'Same as --class=confext: a configuration extension'
complete -c importctl -n "__fish_importctl_using_subcommand pull-oci" -s N -d 'Same as --keep-download=no'
complete -c importctl -n "__fish_importctl_using_subcommand pull-oci" -l standalone -d 'Do the work in this process\'s children, without the service'
complete -c importctl -n "__fish_importctl_using_subcommand pull-oci" -l dry-run -d 'Tell what a download or clean would do, and do nothing'
complete -c importctl -n "__fish_importctl_using_subcommand pull-oci" -l superseded -d 'With clean: only downloads that a newer one supersedes'
complete -c importctl -n "__fish_importctl_using_subcommand import-tar" -s H -l host -d 'Talk to the service of another host, by ssh' -r
complete -c importctl -n "__fish_importctl_using_subcommand import-tar" -s M -l machine -d 'Talk to the service of a container' -r
complete -c importctl -n "__fish_importctl_using_subcommand import-tar" -l progress -d 'How a transfer shows how far it is (auto, bar, plain, json, none)' -r -f -a "auto\t''
bar\t''
plain\t''
json\t''
none\t''"
complete -c importctl -n "__fish_importctl_using_subcommand import-tar" -l json -d 'Print JSON (pretty, short, off)' -r -f -a "pretty\t''
short\t''
off\t''"
complete -c importctl -n "__fish_importctl_using_subcommand import-tar" -l verify -d 'What a download must prove (no, checksum, signature)' -r -f -a "no\t''
checksum\t''
signature\t''"
complete -c importctl -n "__fish_importctl_using_subcommand import-tar" -l format -d 'Compression of an export (uncompressed, xz, gzip, bzip2, zstd, lz4)' -r -f -a "uncompressed\t''
xz\t''
gzip\t''
bzip2\t''
zstd\t''
lz4\t''"
complete -c importctl -n "__fish_importctl_using_subcommand import-tar" -l class -d 'Class of the image (machine, portable, sysext, confext)' -r -f -a "machine\t''
portable\t''
sysext\t''
confext\t''"
complete -c importctl -n "__fish_importctl_using_subcommand import-tar" -l keep-download -d 'Whether a download is kept as it came (default: yes for machine, no otherwise)' -r -f -a "yes\t''
no\t''"
complete -c importctl -n "__fish_importctl_using_subcommand import-tar" -l image-root -d 'Folder of images, instead of the class\'s (needs --standalone)' -r -f -a "(__fish_complete_directories)"
complete -c importctl -n "__fish_importctl_using_subcommand import-tar" -l older-than -d 'With clean: only what is at least this old (as in 30d, 12h)' -r
complete -c importctl -n "__fish_importctl_using_subcommand import-tar" -l mirror -d 'Another address of the same file, tried when one fails; repeatable (needs --standalone)' -r -f
complete -c importctl -n "__fish_importctl_using_subcommand import-tar" -l limit-rate -d 'Most bytes a second, with K, M or G (needs --standalone)' -r
complete -c importctl -n "__fish_importctl_using_subcommand import-tar" -l retries -d 'How often to try again while nothing comes (needs --standalone)' -r
complete -c importctl -n "__fish_importctl_using_subcommand import-tar" -l connect-timeout -d 'Give up a server that cannot be connected to in that time (needs --standalone)' -r
complete -c importctl -n "__fish_importctl_using_subcommand import-tar" -l stall-timeout -d 'Give up a connection that brings nothing for that time (needs --standalone)' -r
complete -c importctl -n "__fish_importctl_using_subcommand import-tar" -l connections -d 'Over how many connections to fetch a large body (needs --standalone)' -r
complete -c importctl -n "__fish_importctl_using_subcommand import-tar" -l keep-partial -d 'Whether to keep what there is of an unfinished download (needs --standalone)' -r
complete -c importctl -n "__fish_importctl_using_subcommand import-tar" -s h -l help -d 'Show this help'
complete -c importctl -n "__fish_importctl_using_subcommand import-tar" -l version -d 'Show the version'
complete -c importctl -n "__fish_importctl_using_subcommand import-tar" -l no-pager -d 'Do not pipe output into a pager'
complete -c importctl -n "__fish_importctl_using_subcommand import-tar" -l no-legend -d 'Show neither headers nor footers'
complete -c importctl -n "__fish_importctl_using_subcommand import-tar" -l no-ask-password -d 'Do not ask for passwords'
complete -c importctl -n "__fish_importctl_using_subcommand import-tar" -l system -d 'Act on images of the system (default)'
complete -c importctl -n "__fish_importctl_using_subcommand import-tar" -l user -d 'Act on images of the calling user'
complete -c importctl -n "__fish_importctl_using_subcommand import-tar" -l read-only -d 'Make the image read-only'
complete -c importctl -n "__fish_importctl_using_subcommand import-tar" -s q -l quiet -d 'Show only warnings and errors'
complete -c importctl -n "__fish_importctl_using_subcommand import-tar" -s j -d 'Same as --json=pretty on a terminal, --json=short elsewhere'
complete -c importctl -n "__fish_importctl_using_subcommand import-tar" -l force -d 'Replace an image of the same name'
complete -c importctl -n "__fish_importctl_using_subcommand import-tar" -s m -d 'Same as --class=machine: a virtual machine or container'
complete -c importctl -n "__fish_importctl_using_subcommand import-tar" -s P -d 'Same as --class=portable: a portable service'
complete -c importctl -n "__fish_importctl_using_subcommand import-tar" -s S -d 'Same as --class=sysext: a system extension'
complete -c importctl -n "__fish_importctl_using_subcommand import-tar" -s C -d 'Same as --class=confext: a configuration extension'
complete -c importctl -n "__fish_importctl_using_subcommand import-tar" -s N -d 'Same as --keep-download=no'
complete -c importctl -n "__fish_importctl_using_subcommand import-tar" -l standalone -d 'Do the work in this process\'s children, without the service'
complete -c importctl -n "__fish_importctl_using_subcommand import-tar" -l dry-run -d 'Tell what a download or clean would do, and do nothing'
complete -c importctl -n "__fish_importctl_using_subcommand import-tar" -l superseded -d 'With clean: only downloads that a newer one supersedes'
complete -c importctl -n "__fish_importctl_using_subcommand import-raw" -s H -l host -d 'Talk to the service of another host, by ssh' -r
complete -c importctl -n "__fish_importctl_using_subcommand import-raw" -s M -l machine -d 'Talk to the service of a container' -r
complete -c importctl -n "__fish_importctl_using_subcommand import-raw" -l progress -d 'How a transfer shows how far it is (auto, bar, plain, json, none)' -r -f -a "auto\t''
bar\t''
plain\t''
json\t''
none\t''"
complete -c importctl -n "__fish_importctl_using_subcommand import-raw" -l json -d 'Print JSON (pretty, short, off)' -r -f -a "pretty\t''
short\t''
off\t''"
complete -c importctl -n "__fish_importctl_using_subcommand import-raw" -l verify -d 'What a download must prove (no, checksum, signature)' -r -f -a "no\t''
checksum\t''
signature\t''"
complete -c importctl -n "__fish_importctl_using_subcommand import-raw" -l format -d 'Compression of an export (uncompressed, xz, gzip, bzip2, zstd, lz4)' -r -f -a "uncompressed\t''
xz\t''
gzip\t''
bzip2\t''
zstd\t''
lz4\t''"
complete -c importctl -n "__fish_importctl_using_subcommand import-raw" -l class -d 'Class of the image (machine, portable, sysext, confext)' -r -f -a "machine\t''
portable\t''
sysext\t''
confext\t''"
complete -c importctl -n "__fish_importctl_using_subcommand import-raw" -l keep-download -d 'Whether a download is kept as it came (default: yes for machine, no otherwise)' -r -f -a "yes\t''
no\t''"
complete -c importctl -n "__fish_importctl_using_subcommand import-raw" -l image-root -d 'Folder of images, instead of the class\'s (needs --standalone)' -r -f -a "(__fish_complete_directories)"
complete -c importctl -n "__fish_importctl_using_subcommand import-raw" -l older-than -d 'With clean: only what is at least this old (as in 30d, 12h)' -r
complete -c importctl -n "__fish_importctl_using_subcommand import-raw" -l mirror -d 'Another address of the same file, tried when one fails; repeatable (needs --standalone)' -r -f
complete -c importctl -n "__fish_importctl_using_subcommand import-raw" -l limit-rate -d 'Most bytes a second, with K, M or G (needs --standalone)' -r
complete -c importctl -n "__fish_importctl_using_subcommand import-raw" -l retries -d 'How often to try again while nothing comes (needs --standalone)' -r
complete -c importctl -n "__fish_importctl_using_subcommand import-raw" -l connect-timeout -d 'Give up a server that cannot be connected to in that time (needs --standalone)' -r
complete -c importctl -n "__fish_importctl_using_subcommand import-raw" -l stall-timeout -d 'Give up a connection that brings nothing for that time (needs --standalone)' -r
complete -c importctl -n "__fish_importctl_using_subcommand import-raw" -l connections -d 'Over how many connections to fetch a large body (needs --standalone)' -r
complete -c importctl -n "__fish_importctl_using_subcommand import-raw" -l keep-partial -d 'Whether to keep what there is of an unfinished download (needs --standalone)' -r
complete -c importctl -n "__fish_importctl_using_subcommand import-raw" -s h -l help -d 'Show this help'
complete -c importctl -n "__fish_importctl_using_subcommand import-raw" -l version -d 'Show the version'
complete -c importctl -n "__fish_importctl_using_subcommand import-raw" -l no-pager -d 'Do not pipe output into a pager'
complete -c importctl -n "__fish_importctl_using_subcommand import-raw" -l no-legend -d 'Show neither headers nor footers'
complete -c importctl -n "__fish_importctl_using_subcommand import-raw" -l no-ask-password -d 'Do not ask for passwords'
complete -c importctl -n "__fish_importctl_using_subcommand import-raw" -l system -d 'Act on images of the system (default)'
complete -c importctl -n "__fish_importctl_using_subcommand import-raw" -l user -d 'Act on images of the calling user'
complete -c importctl -n "__fish_importctl_using_subcommand import-raw" -l read-only -d 'Make the image read-only'
complete -c importctl -n "__fish_importctl_using_subcommand import-raw" -s q -l quiet -d 'Show only warnings and errors'
complete -c importctl -n "__fish_importctl_using_subcommand import-raw" -s j -d 'Same as --json=pretty on a terminal, --json=short elsewhere'
complete -c importctl -n "__fish_importctl_using_subcommand import-raw" -l force -d 'Replace an image of the same name'
complete -c importctl -n "__fish_importctl_using_subcommand import-raw" -s m -d 'Same as --class=machine: a virtual machine or container'
complete -c importctl -n "__fish_importctl_using_subcommand import-raw" -s P -d 'Same as --class=portable: a portable service'
complete -c importctl -n "__fish_importctl_using_subcommand import-raw" -s S -d 'Same as --class=sysext: a system extension'
complete -c importctl -n "__fish_importctl_using_subcommand import-raw" -s C -d 'Same as --class=confext: a configuration extension'
complete -c importctl -n "__fish_importctl_using_subcommand import-raw" -s N -d 'Same as --keep-download=no'
complete -c importctl -n "__fish_importctl_using_subcommand import-raw" -l standalone -d 'Do the work in this process\'s children, without the service'
complete -c importctl -n "__fish_importctl_using_subcommand import-raw" -l dry-run -d 'Tell what a download or clean would do, and do nothing'
complete -c importctl -n "__fish_importctl_using_subcommand import-raw" -l superseded -d 'With clean: only downloads that a newer one supersedes'
complete -c importctl -n "__fish_importctl_using_subcommand import-fs" -s H -l host -d 'Talk to the service of another host, by ssh' -r
complete -c importctl -n "__fish_importctl_using_subcommand import-fs" -s M -l machine -d 'Talk to the service of a container' -r
complete -c importctl -n "__fish_importctl_using_subcommand import-fs" -l progress -d 'How a transfer shows how far it is (auto, bar, plain, json, none)' -r -f -a "auto\t''
bar\t''
plain\t''
json\t''
none\t''"
complete -c importctl -n "__fish_importctl_using_subcommand import-fs" -l json -d 'Print JSON (pretty, short, off)' -r -f -a "pretty\t''
short\t''
off\t''"
complete -c importctl -n "__fish_importctl_using_subcommand import-fs" -l verify -d 'What a download must prove (no, checksum, signature)' -r -f -a "no\t''
checksum\t''
signature\t''"
complete -c importctl -n "__fish_importctl_using_subcommand import-fs" -l format -d 'Compression of an export (uncompressed, xz, gzip, bzip2, zstd, lz4)' -r -f -a "uncompressed\t''
xz\t''
gzip\t''
bzip2\t''
zstd\t''
lz4\t''"
complete -c importctl -n "__fish_importctl_using_subcommand import-fs" -l class -d 'Class of the image (machine, portable, sysext, confext)' -r -f -a "machine\t''
portable\t''
sysext\t''
confext\t''"
complete -c importctl -n "__fish_importctl_using_subcommand import-fs" -l keep-download -d 'Whether a download is kept as it came (default: yes for machine, no otherwise)' -r -f -a "yes\t''
no\t''"
complete -c importctl -n "__fish_importctl_using_subcommand import-fs" -l image-root -d 'Folder of images, instead of the class\'s (needs --standalone)' -r -f -a "(__fish_complete_directories)"
complete -c importctl -n "__fish_importctl_using_subcommand import-fs" -l older-than -d 'With clean: only what is at least this old (as in 30d, 12h)' -r
complete -c importctl -n "__fish_importctl_using_subcommand import-fs" -l mirror -d 'Another address of the same file, tried when one fails; repeatable (needs --standalone)' -r -f
complete -c importctl -n "__fish_importctl_using_subcommand import-fs" -l limit-rate -d 'Most bytes a second, with K, M or G (needs --standalone)' -r
complete -c importctl -n "__fish_importctl_using_subcommand import-fs" -l retries -d 'How often to try again while nothing comes (needs --standalone)' -r
complete -c importctl -n "__fish_importctl_using_subcommand import-fs" -l connect-timeout -d 'Give up a server that cannot be connected to in that time (needs --standalone)' -r
complete -c importctl -n "__fish_importctl_using_subcommand import-fs" -l stall-timeout -d 'Give up a connection that brings nothing for that time (needs --standalone)' -r
complete -c importctl -n "__fish_importctl_using_subcommand import-fs" -l connections -d 'Over how many connections to fetch a large body (needs --standalone)' -r
complete -c importctl -n "__fish_importctl_using_subcommand import-fs" -l keep-partial -d 'Whether to keep what there is of an unfinished download (needs --standalone)' -r
complete -c importctl -n "__fish_importctl_using_subcommand import-fs" -s h -l help -d 'Show this help'
complete -c importctl -n "__fish_importctl_using_subcommand import-fs" -l version -d 'Show the version'
complete -c importctl -n "__fish_importctl_using_subcommand import-fs" -l no-pager -d 'Do not pipe output into a pager'
complete -c importctl -n "__fish_importctl_using_subcommand import-fs" -l no-legend -d 'Show neither headers nor footers'
complete -c importctl -n "__fish_importctl_using_subcommand import-fs" -l no-ask-password -d 'Do not ask for passwords'
complete -c importctl -n "__fish_importctl_using_subcommand import-fs" -l system -d 'Act on images of the system (default)'
complete -c importctl -n "__fish_importctl_using_subcommand import-fs" -l user -d 'Act on images of the calling user'
complete -c importctl -n "__fish_importctl_using_subcommand import-fs" -l read-only -d 'Make the image read-only'
complete -c importctl -n "__fish_importctl_using_subcommand import-fs" -s q -l quiet -d 'Show only warnings and errors'
complete -c importctl -n "__fish_importctl_using_subcommand import-fs" -s j -d 'Same as --json=pretty on a terminal, --json=short elsewhere'
complete -c importctl -n "__fish_importctl_using_subcommand import-fs" -l force -d 'Replace an image of the same name'
complete -c importctl -n "__fish_importctl_using_subcommand import-fs" -s m -d 'Same as --class=machine: a virtual machine or container'
complete -c importctl -n "__fish_importctl_using_subcommand import-fs" -s P -d 'Same as --class=portable: a portable service'
complete -c importctl -n "__fish_importctl_using_subcommand import-fs" -s S -d 'Same as --class=sysext: a system extension'
complete -c importctl -n "__fish_importctl_using_subcommand import-fs" -s C -d 'Same as --class=confext: a configuration extension'
complete -c importctl -n "__fish_importctl_using_subcommand import-fs" -s N -d 'Same as --keep-download=no'
complete -c importctl -n "__fish_importctl_using_subcommand import-fs" -l standalone -d 'Do the work in this process\'s children, without the service'
complete -c importctl -n "__fish_importctl_using_subcommand import-fs" -l dry-run -d 'Tell what a download or clean would do, and do nothing'
complete -c importctl -n "__fish_importctl_using_subcommand import-fs" -l superseded -d 'With clean: only downloads that a newer one supersedes'
complete -c importctl -n "__fish_importctl_using_subcommand export-tar" -s H -l host -d 'Talk to the service of another host, by ssh' -r
complete -c importctl -n "__fish_importctl_using_subcommand export-tar" -s M -l machine -d 'Talk to the service of a container' -r
complete -c importctl -n "__fish_importctl_using_subcommand export-tar" -l progress -d 'How a transfer shows how far it is (auto, bar, plain, json, none)' -r -f -a "auto\t''
bar\t''
plain\t''
json\t''
none\t''"
complete -c importctl -n "__fish_importctl_using_subcommand export-tar" -l json -d 'Print JSON (pretty, short, off)' -r -f -a "pretty\t''
short\t''
off\t''"
complete -c importctl -n "__fish_importctl_using_subcommand export-tar" -l verify -d 'What a download must prove (no, checksum, signature)' -r -f -a "no\t''
checksum\t''
signature\t''"
complete -c importctl -n "__fish_importctl_using_subcommand export-tar" -l format -d 'Compression of an export (uncompressed, xz, gzip, bzip2, zstd, lz4)' -r -f -a "uncompressed\t''
xz\t''
gzip\t''
bzip2\t''
zstd\t''
lz4\t''"
complete -c importctl -n "__fish_importctl_using_subcommand export-tar" -l class -d 'Class of the image (machine, portable, sysext, confext)' -r -f -a "machine\t''
portable\t''
sysext\t''
confext\t''"
complete -c importctl -n "__fish_importctl_using_subcommand export-tar" -l keep-download -d 'Whether a download is kept as it came (default: yes for machine, no otherwise)' -r -f -a "yes\t''
no\t''"
complete -c importctl -n "__fish_importctl_using_subcommand export-tar" -l image-root -d 'Folder of images, instead of the class\'s (needs --standalone)' -r -f -a "(__fish_complete_directories)"
complete -c importctl -n "__fish_importctl_using_subcommand export-tar" -l older-than -d 'With clean: only what is at least this old (as in 30d, 12h)' -r
complete -c importctl -n "__fish_importctl_using_subcommand export-tar" -l mirror -d 'Another address of the same file, tried when one fails; repeatable (needs --standalone)' -r -f
complete -c importctl -n "__fish_importctl_using_subcommand export-tar" -l limit-rate -d 'Most bytes a second, with K, M or G (needs --standalone)' -r
complete -c importctl -n "__fish_importctl_using_subcommand export-tar" -l retries -d 'How often to try again while nothing comes (needs --standalone)' -r
complete -c importctl -n "__fish_importctl_using_subcommand export-tar" -l connect-timeout -d 'Give up a server that cannot be connected to in that time (needs --standalone)' -r
complete -c importctl -n "__fish_importctl_using_subcommand export-tar" -l stall-timeout -d 'Give up a connection that brings nothing for that time (needs --standalone)' -r
complete -c importctl -n "__fish_importctl_using_subcommand export-tar" -l connections -d 'Over how many connections to fetch a large body (needs --standalone)' -r
complete -c importctl -n "__fish_importctl_using_subcommand export-tar" -l keep-partial -d 'Whether to keep what there is of an unfinished download (needs --standalone)' -r
complete -c importctl -n "__fish_importctl_using_subcommand export-tar" -s h -l help -d 'Show this help'
complete -c importctl -n "__fish_importctl_using_subcommand export-tar" -l version -d 'Show the version'
complete -c importctl -n "__fish_importctl_using_subcommand export-tar" -l no-pager -d 'Do not pipe output into a pager'
complete -c importctl -n "__fish_importctl_using_subcommand export-tar" -l no-legend -d 'Show neither headers nor footers'
complete -c importctl -n "__fish_importctl_using_subcommand export-tar" -l no-ask-password -d 'Do not ask for passwords'
complete -c importctl -n "__fish_importctl_using_subcommand export-tar" -l system -d 'Act on images of the system (default)'
complete -c importctl -n "__fish_importctl_using_subcommand export-tar" -l user -d 'Act on images of the calling user'
complete -c importctl -n "__fish_importctl_using_subcommand export-tar" -l read-only -d 'Make the image read-only'
complete -c importctl -n "__fish_importctl_using_subcommand export-tar" -s q -l quiet -d 'Show only warnings and errors'
complete -c importctl -n "__fish_importctl_using_subcommand export-tar" -s j -d 'Same as --json=pretty on a terminal, --json=short elsewhere'
complete -c importctl -n "__fish_importctl_using_subcommand export-tar" -l force -d 'Replace an image of the same name'
complete -c importctl -n "__fish_importctl_using_subcommand export-tar" -s m -d 'Same as --class=machine: a virtual machine or container'
complete -c importctl -n "__fish_importctl_using_subcommand export-tar" -s P -d 'Same as --class=portable: a portable service'
complete -c importctl -n "__fish_importctl_using_subcommand export-tar" -s S -d 'Same as --class=sysext: a system extension'
complete -c importctl -n "__fish_importctl_using_subcommand export-tar" -s C -d 'Same as --class=confext: a configuration extension'
complete -c importctl -n "__fish_importctl_using_subcommand export-tar" -s N -d 'Same as --keep-download=no'
complete -c importctl -n "__fish_importctl_using_subcommand export-tar" -l standalone -d 'Do the work in this process\'s children, without the service'
complete -c importctl -n "__fish_importctl_using_subcommand export-tar" -l dry-run -d 'Tell what a download or clean would do, and do nothing'
complete -c importctl -n "__fish_importctl_using_subcommand export-tar" -l superseded -d 'With clean: only downloads that a newer one supersedes'
complete -c importctl -n "__fish_importctl_using_subcommand export-raw" -s H -l host -d 'Talk to the service of another host, by ssh' -r
complete -c importctl -n "__fish_importctl_using_subcommand export-raw" -s M -l machine -d 'Talk to the service of a container' -r
complete -c importctl -n "__fish_importctl_using_subcommand export-raw" -l progress -d 'How a transfer shows how far it is (auto, bar, plain, json, none)' -r -f -a "auto\t''
bar\t''
plain\t''
json\t''
none\t''"
complete -c importctl -n "__fish_importctl_using_subcommand export-raw" -l json -d 'Print JSON (pretty, short, off)' -r -f -a "pretty\t''
short\t''
off\t''"
complete -c importctl -n "__fish_importctl_using_subcommand export-raw" -l verify -d 'What a download must prove (no, checksum, signature)' -r -f -a "no\t''
checksum\t''
signature\t''"
complete -c importctl -n "__fish_importctl_using_subcommand export-raw" -l format -d 'Compression of an export (uncompressed, xz, gzip, bzip2, zstd, lz4)' -r -f -a "uncompressed\t''
xz\t''
gzip\t''
bzip2\t''
zstd\t''
lz4\t''"
complete -c importctl -n "__fish_importctl_using_subcommand export-raw" -l class -d 'Class of the image (machine, portable, sysext, confext)' -r -f -a "machine\t''
portable\t''
sysext\t''
confext\t''"
complete -c importctl -n "__fish_importctl_using_subcommand export-raw" -l keep-download -d 'Whether a download is kept as it came (default: yes for machine, no otherwise)' -r -f -a "yes\t''
no\t''"
complete -c importctl -n "__fish_importctl_using_subcommand export-raw" -l image-root -d 'Folder of images, instead of the class\'s (needs --standalone)' -r -f -a "(__fish_complete_directories)"
complete -c importctl -n "__fish_importctl_using_subcommand export-raw" -l older-than -d 'With clean: only what is at least this old (as in 30d, 12h)' -r
complete -c importctl -n "__fish_importctl_using_subcommand export-raw" -l mirror -d 'Another address of the same file, tried when one fails; repeatable (needs --standalone)' -r -f
complete -c importctl -n "__fish_importctl_using_subcommand export-raw" -l limit-rate -d 'Most bytes a second, with K, M or G (needs --standalone)' -r
complete -c importctl -n "__fish_importctl_using_subcommand export-raw" -l retries -d 'How often to try again while nothing comes (needs --standalone)' -r
complete -c importctl -n "__fish_importctl_using_subcommand export-raw" -l connect-timeout -d 'Give up a server that cannot be connected to in that time (needs --standalone)' -r
complete -c importctl -n "__fish_importctl_using_subcommand export-raw" -l stall-timeout -d 'Give up a connection that brings nothing for that time (needs --standalone)' -r
complete -c importctl -n "__fish_importctl_using_subcommand export-raw" -l connections -d 'Over how many connections to fetch a large body (needs --standalone)' -r
complete -c importctl -n "__fish_importctl_using_subcommand export-raw" -l keep-partial -d 'Whether to keep what there is of an unfinished download (needs --standalone)' -r
complete -c importctl -n "__fish_importctl_using_subcommand export-raw" -s h -l help -d 'Show this help'
complete -c importctl -n "__fish_importctl_using_subcommand export-raw" -l version -d 'Show the version'
complete -c importctl -n "__fish_importctl_using_subcommand export-raw" -l no-pager -d 'Do not pipe output into a pager'
complete -c importctl -n "__fish_importctl_using_subcommand export-raw" -l no-legend -d 'Show neither headers nor footers'
complete -c importctl -n "__fish_importctl_using_subcommand export-raw" -l no-ask-password -d 'Do not ask for passwords'
complete -c importctl -n "__fish_importctl_using_subcommand export-raw" -l system -d 'Act on images of the system (default)'
complete -c importctl -n "__fish_importctl_using_subcommand export-raw" -l user -d 'Act on images of the calling user'
complete -c importctl -n "__fish_importctl_using_subcommand export-raw" -l read-only -d 'Make the image read-only'
complete -c importctl -n "__fish_importctl_using_subcommand export-raw" -s q -l quiet -d 'Show only warnings and errors'
complete -c importctl -n "__fish_importctl_using_subcommand export-raw" -s j -d 'Same as --json=pretty on a terminal, --json=short elsewhere'
complete -c importctl -n "__fish_importctl_using_subcommand export-raw" -l force -d 'Replace an image of the same name'
complete -c importctl -n "__fish_importctl_using_subcommand export-raw" -s m -d 'Same as --class=machine: a virtual machine or container'
complete -c importctl -n "__fish_importctl_using_subcommand export-raw" -s P -d 'Same as --class=portable: a portable service'
complete -c importctl -n "__fish_importctl_using_subcommand export-raw" -s S -d 'Same as --class=sysext: a system extension'
complete -c importctl -n "__fish_importctl_using_subcommand export-raw" -s C -d 'Same as --class=confext: a configuration extension'
complete -c importctl -n "__fish_importctl_using_subcommand export-raw" -s N -d 'Same as --keep-download=no'
complete -c importctl -n "__fish_importctl_using_subcommand export-raw" -l standalone -d 'Do the work in this process\'s children, without the service'
complete -c importctl -n "__fish_importctl_using_subcommand export-raw" -l dry-run -d 'Tell what a download or clean would do, and do nothing'
complete -c importctl -n "__fish_importctl_using_subcommand export-raw" -l superseded -d 'With clean: only downloads that a newer one supersedes'
complete -c importctl -n "__fish_importctl_using_subcommand list-transfers" -s H -l host -d 'Talk to the service of another host, by ssh' -r
complete -c importctl -n "__fish_importctl_using_subcommand list-transfers" -s M -l machine -d 'Talk to the service of a container' -r
complete -c importctl -n "__fish_importctl_using_subcommand list-transfers" -l progress -d 'How a transfer shows how far it is (auto, bar, plain, json, none)' -r -f -a "auto\t''
bar\t''
plain\t''
json\t''
none\t''"
complete -c importctl -n "__fish_importctl_using_subcommand list-transfers" -l json -d 'Print JSON (pretty, short, off)' -r -f -a "pretty\t''
short\t''
off\t''"
complete -c importctl -n "__fish_importctl_using_subcommand list-transfers" -l verify -d 'What a download must prove (no, checksum, signature)' -r -f -a "no\t''
checksum\t''
signature\t''"
complete -c importctl -n "__fish_importctl_using_subcommand list-transfers" -l format -d 'Compression of an export (uncompressed, xz, gzip, bzip2, zstd, lz4)' -r -f -a "uncompressed\t''
xz\t''
gzip\t''
bzip2\t''
zstd\t''
lz4\t''"
complete -c importctl -n "__fish_importctl_using_subcommand list-transfers" -l class -d 'Class of the image (machine, portable, sysext, confext)' -r -f -a "machine\t''
portable\t''
sysext\t''
confext\t''"
complete -c importctl -n "__fish_importctl_using_subcommand list-transfers" -l keep-download -d 'Whether a download is kept as it came (default: yes for machine, no otherwise)' -r -f -a "yes\t''
no\t''"
complete -c importctl -n "__fish_importctl_using_subcommand list-transfers" -l image-root -d 'Folder of images, instead of the class\'s (needs --standalone)' -r -f -a "(__fish_complete_directories)"
complete -c importctl -n "__fish_importctl_using_subcommand list-transfers" -l older-than -d 'With clean: only what is at least this old (as in 30d, 12h)' -r
complete -c importctl -n "__fish_importctl_using_subcommand list-transfers" -l mirror -d 'Another address of the same file, tried when one fails; repeatable (needs --standalone)' -r -f
complete -c importctl -n "__fish_importctl_using_subcommand list-transfers" -l limit-rate -d 'Most bytes a second, with K, M or G (needs --standalone)' -r
complete -c importctl -n "__fish_importctl_using_subcommand list-transfers" -l retries -d 'How often to try again while nothing comes (needs --standalone)' -r
complete -c importctl -n "__fish_importctl_using_subcommand list-transfers" -l connect-timeout -d 'Give up a server that cannot be connected to in that time (needs --standalone)' -r
complete -c importctl -n "__fish_importctl_using_subcommand list-transfers" -l stall-timeout -d 'Give up a connection that brings nothing for that time (needs --standalone)' -r
complete -c importctl -n "__fish_importctl_using_subcommand list-transfers" -l connections -d 'Over how many connections to fetch a large body (needs --standalone)' -r
complete -c importctl -n "__fish_importctl_using_subcommand list-transfers" -l keep-partial -d 'Whether to keep what there is of an unfinished download (needs --standalone)' -r
complete -c importctl -n "__fish_importctl_using_subcommand list-transfers" -s h -l help -d 'Show this help'
complete -c importctl -n "__fish_importctl_using_subcommand list-transfers" -l version -d 'Show the version'
complete -c importctl -n "__fish_importctl_using_subcommand list-transfers" -l no-pager -d 'Do not pipe output into a pager'
complete -c importctl -n "__fish_importctl_using_subcommand list-transfers" -l no-legend -d 'Show neither headers nor footers'
complete -c importctl -n "__fish_importctl_using_subcommand list-transfers" -l no-ask-password -d 'Do not ask for passwords'
complete -c importctl -n "__fish_importctl_using_subcommand list-transfers" -l system -d 'Act on images of the system (default)'
complete -c importctl -n "__fish_importctl_using_subcommand list-transfers" -l user -d 'Act on images of the calling user'
complete -c importctl -n "__fish_importctl_using_subcommand list-transfers" -l read-only -d 'Make the image read-only'
complete -c importctl -n "__fish_importctl_using_subcommand list-transfers" -s q -l quiet -d 'Show only warnings and errors'
complete -c importctl -n "__fish_importctl_using_subcommand list-transfers" -s j -d 'Same as --json=pretty on a terminal, --json=short elsewhere'
complete -c importctl -n "__fish_importctl_using_subcommand list-transfers" -l force -d 'Replace an image of the same name'
complete -c importctl -n "__fish_importctl_using_subcommand list-transfers" -s m -d 'Same as --class=machine: a virtual machine or container'
complete -c importctl -n "__fish_importctl_using_subcommand list-transfers" -s P -d 'Same as --class=portable: a portable service'
complete -c importctl -n "__fish_importctl_using_subcommand list-transfers" -s S -d 'Same as --class=sysext: a system extension'
complete -c importctl -n "__fish_importctl_using_subcommand list-transfers" -s C -d 'Same as --class=confext: a configuration extension'
complete -c importctl -n "__fish_importctl_using_subcommand list-transfers" -s N -d 'Same as --keep-download=no'
complete -c importctl -n "__fish_importctl_using_subcommand list-transfers" -l standalone -d 'Do the work in this process\'s children, without the service'
complete -c importctl -n "__fish_importctl_using_subcommand list-transfers" -l dry-run -d 'Tell what a download or clean would do, and do nothing'
complete -c importctl -n "__fish_importctl_using_subcommand list-transfers" -l superseded -d 'With clean: only downloads that a newer one supersedes'
complete -c importctl -n "__fish_importctl_using_subcommand cancel-transfer" -s H -l host -d 'Talk to the service of another host, by ssh' -r
complete -c importctl -n "__fish_importctl_using_subcommand cancel-transfer" -s M -l machine -d 'Talk to the service of a container' -r
complete -c importctl -n "__fish_importctl_using_subcommand cancel-transfer" -l progress -d 'How a transfer shows how far it is (auto, bar, plain, json, none)' -r -f -a "auto\t''
bar\t''
plain\t''
json\t''
none\t''"
complete -c importctl -n "__fish_importctl_using_subcommand cancel-transfer" -l json -d 'Print JSON (pretty, short, off)' -r -f -a "pretty\t''
short\t''
off\t''"
complete -c importctl -n "__fish_importctl_using_subcommand cancel-transfer" -l verify -d 'What a download must prove (no, checksum, signature)' -r -f -a "no\t''
checksum\t''
signature\t''"
complete -c importctl -n "__fish_importctl_using_subcommand cancel-transfer" -l format -d 'Compression of an export (uncompressed, xz, gzip, bzip2, zstd, lz4)' -r -f -a "uncompressed\t''
xz\t''
gzip\t''
bzip2\t''
zstd\t''
lz4\t''"
complete -c importctl -n "__fish_importctl_using_subcommand cancel-transfer" -l class -d 'Class of the image (machine, portable, sysext, confext)' -r -f -a "machine\t''
portable\t''
sysext\t''
confext\t''"
complete -c importctl -n "__fish_importctl_using_subcommand cancel-transfer" -l keep-download -d 'Whether a download is kept as it came (default: yes for machine, no otherwise)' -r -f -a "yes\t''
no\t''"
complete -c importctl -n "__fish_importctl_using_subcommand cancel-transfer" -l image-root -d 'Folder of images, instead of the class\'s (needs --standalone)' -r -f -a "(__fish_complete_directories)"
complete -c importctl -n "__fish_importctl_using_subcommand cancel-transfer" -l older-than -d 'With clean: only what is at least this old (as in 30d, 12h)' -r
complete -c importctl -n "__fish_importctl_using_subcommand cancel-transfer" -l mirror -d 'Another address of the same file, tried when one fails; repeatable (needs --standalone)' -r -f
complete -c importctl -n "__fish_importctl_using_subcommand cancel-transfer" -l limit-rate -d 'Most bytes a second, with K, M or G (needs --standalone)' -r
complete -c importctl -n "__fish_importctl_using_subcommand cancel-transfer" -l retries -d 'How often to try again while nothing comes (needs --standalone)' -r
complete -c importctl -n "__fish_importctl_using_subcommand cancel-transfer" -l connect-timeout -d 'Give up a server that cannot be connected to in that time (needs --standalone)' -r
complete -c importctl -n "__fish_importctl_using_subcommand cancel-transfer" -l stall-timeout -d 'Give up a connection that brings nothing for that time (needs --standalone)' -r
complete -c importctl -n "__fish_importctl_using_subcommand cancel-transfer" -l connections -d 'Over how many connections to fetch a large body (needs --standalone)' -r
complete -c importctl -n "__fish_importctl_using_subcommand cancel-transfer" -l keep-partial -d 'Whether to keep what there is of an unfinished download (needs --standalone)' -r
complete -c importctl -n "__fish_importctl_using_subcommand cancel-transfer" -s h -l help -d 'Show this help'
complete -c importctl -n "__fish_importctl_using_subcommand cancel-transfer" -l version -d 'Show the version'
complete -c importctl -n "__fish_importctl_using_subcommand cancel-transfer" -l no-pager -d 'Do not pipe output into a pager'
complete -c importctl -n "__fish_importctl_using_subcommand cancel-transfer" -l no-legend -d 'Show neither headers nor footers'
complete -c importctl -n "__fish_importctl_using_subcommand cancel-transfer" -l no-ask-password -d 'Do not ask for passwords'
complete -c importctl -n "__fish_importctl_using_subcommand cancel-transfer" -l system -d 'Act on images of the system (default)'
complete -c importctl -n "__fish_importctl_using_subcommand cancel-transfer" -l user -d 'Act on images of the calling user'
complete -c importctl -n "__fish_importctl_using_subcommand cancel-transfer" -l read-only -d 'Make the image read-only'
complete -c importctl -n "__fish_importctl_using_subcommand cancel-transfer" -s q -l quiet -d 'Show only warnings and errors'
complete -c importctl -n "__fish_importctl_using_subcommand cancel-transfer" -s j -d 'Same as --json=pretty on a terminal, --json=short elsewhere'
complete -c importctl -n "__fish_importctl_using_subcommand cancel-transfer" -l force -d 'Replace an image of the same name'
complete -c importctl -n "__fish_importctl_using_subcommand cancel-transfer" -s m -d 'Same as --class=machine: a virtual machine or container'
complete -c importctl -n "__fish_importctl_using_subcommand cancel-transfer" -s P -d 'Same as --class=portable: a portable service'
complete -c importctl -n "__fish_importctl_using_subcommand cancel-transfer" -s S -d 'Same as --class=sysext: a system extension'
complete -c importctl -n "__fish_importctl_using_subcommand cancel-transfer" -s C -d 'Same as --class=confext: a configuration extension'
complete -c importctl -n "__fish_importctl_using_subcommand cancel-transfer" -s N -d 'Same as --keep-download=no'
complete -c importctl -n "__fish_importctl_using_subcommand cancel-transfer" -l standalone -d 'Do the work in this process\'s children, without the service'
complete -c importctl -n "__fish_importctl_using_subcommand cancel-transfer" -l dry-run -d 'Tell what a download or clean would do, and do nothing'
complete -c importctl -n "__fish_importctl_using_subcommand cancel-transfer" -l superseded -d 'With clean: only downloads that a newer one supersedes'
complete -c importctl -n "__fish_importctl_using_subcommand list-images" -s H -l host -d 'Talk to the service of another host, by ssh' -r
complete -c importctl -n "__fish_importctl_using_subcommand list-images" -s M -l machine -d 'Talk to the service of a container' -r
complete -c importctl -n "__fish_importctl_using_subcommand list-images" -l progress -d 'How a transfer shows how far it is (auto, bar, plain, json, none)' -r -f -a "auto\t''
bar\t''
plain\t''
json\t''
none\t''"
complete -c importctl -n "__fish_importctl_using_subcommand list-images" -l json -d 'Print JSON (pretty, short, off)' -r -f -a "pretty\t''
short\t''
off\t''"
complete -c importctl -n "__fish_importctl_using_subcommand list-images" -l verify -d 'What a download must prove (no, checksum, signature)' -r -f -a "no\t''
checksum\t''
signature\t''"
complete -c importctl -n "__fish_importctl_using_subcommand list-images" -l format -d 'Compression of an export (uncompressed, xz, gzip, bzip2, zstd, lz4)' -r -f -a "uncompressed\t''
xz\t''
gzip\t''
bzip2\t''
zstd\t''
lz4\t''"
complete -c importctl -n "__fish_importctl_using_subcommand list-images" -l class -d 'Class of the image (machine, portable, sysext, confext)' -r -f -a "machine\t''
portable\t''
sysext\t''
confext\t''"
complete -c importctl -n "__fish_importctl_using_subcommand list-images" -l keep-download -d 'Whether a download is kept as it came (default: yes for machine, no otherwise)' -r -f -a "yes\t''
no\t''"
complete -c importctl -n "__fish_importctl_using_subcommand list-images" -l image-root -d 'Folder of images, instead of the class\'s (needs --standalone)' -r -f -a "(__fish_complete_directories)"
complete -c importctl -n "__fish_importctl_using_subcommand list-images" -l older-than -d 'With clean: only what is at least this old (as in 30d, 12h)' -r
complete -c importctl -n "__fish_importctl_using_subcommand list-images" -l mirror -d 'Another address of the same file, tried when one fails; repeatable (needs --standalone)' -r -f
complete -c importctl -n "__fish_importctl_using_subcommand list-images" -l limit-rate -d 'Most bytes a second, with K, M or G (needs --standalone)' -r
complete -c importctl -n "__fish_importctl_using_subcommand list-images" -l retries -d 'How often to try again while nothing comes (needs --standalone)' -r
complete -c importctl -n "__fish_importctl_using_subcommand list-images" -l connect-timeout -d 'Give up a server that cannot be connected to in that time (needs --standalone)' -r
complete -c importctl -n "__fish_importctl_using_subcommand list-images" -l stall-timeout -d 'Give up a connection that brings nothing for that time (needs --standalone)' -r
complete -c importctl -n "__fish_importctl_using_subcommand list-images" -l connections -d 'Over how many connections to fetch a large body (needs --standalone)' -r
complete -c importctl -n "__fish_importctl_using_subcommand list-images" -l keep-partial -d 'Whether to keep what there is of an unfinished download (needs --standalone)' -r
complete -c importctl -n "__fish_importctl_using_subcommand list-images" -s h -l help -d 'Show this help'
complete -c importctl -n "__fish_importctl_using_subcommand list-images" -l version -d 'Show the version'
complete -c importctl -n "__fish_importctl_using_subcommand list-images" -l no-pager -d 'Do not pipe output into a pager'
complete -c importctl -n "__fish_importctl_using_subcommand list-images" -l no-legend -d 'Show neither headers nor footers'
complete -c importctl -n "__fish_importctl_using_subcommand list-images" -l no-ask-password -d 'Do not ask for passwords'
complete -c importctl -n "__fish_importctl_using_subcommand list-images" -l system -d 'Act on images of the system (default)'
complete -c importctl -n "__fish_importctl_using_subcommand list-images" -l user -d 'Act on images of the calling user'
complete -c importctl -n "__fish_importctl_using_subcommand list-images" -l read-only -d 'Make the image read-only'
complete -c importctl -n "__fish_importctl_using_subcommand list-images" -s q -l quiet -d 'Show only warnings and errors'
complete -c importctl -n "__fish_importctl_using_subcommand list-images" -s j -d 'Same as --json=pretty on a terminal, --json=short elsewhere'
complete -c importctl -n "__fish_importctl_using_subcommand list-images" -l force -d 'Replace an image of the same name'
complete -c importctl -n "__fish_importctl_using_subcommand list-images" -s m -d 'Same as --class=machine: a virtual machine or container'
complete -c importctl -n "__fish_importctl_using_subcommand list-images" -s P -d 'Same as --class=portable: a portable service'
complete -c importctl -n "__fish_importctl_using_subcommand list-images" -s S -d 'Same as --class=sysext: a system extension'
complete -c importctl -n "__fish_importctl_using_subcommand list-images" -s C -d 'Same as --class=confext: a configuration extension'
complete -c importctl -n "__fish_importctl_using_subcommand list-images" -s N -d 'Same as --keep-download=no'
complete -c importctl -n "__fish_importctl_using_subcommand list-images" -l standalone -d 'Do the work in this process\'s children, without the service'
complete -c importctl -n "__fish_importctl_using_subcommand list-images" -l dry-run -d 'Tell what a download or clean would do, and do nothing'
complete -c importctl -n "__fish_importctl_using_subcommand list-images" -l superseded -d 'With clean: only downloads that a newer one supersedes'
complete -c importctl -n "__fish_importctl_using_subcommand help" -s H -l host -d 'Talk to the service of another host, by ssh' -r
complete -c importctl -n "__fish_importctl_using_subcommand help" -s M -l machine -d 'Talk to the service of a container' -r
complete -c importctl -n "__fish_importctl_using_subcommand help" -l progress -d 'How a transfer shows how far it is (auto, bar, plain, json, none)' -r -f -a "auto\t''
bar\t''
plain\t''
json\t''
none\t''"
complete -c importctl -n "__fish_importctl_using_subcommand help" -l json -d 'Print JSON (pretty, short, off)' -r -f -a "pretty\t''
short\t''
off\t''"
complete -c importctl -n "__fish_importctl_using_subcommand help" -l verify -d 'What a download must prove (no, checksum, signature)' -r -f -a "no\t''
checksum\t''
signature\t''"
complete -c importctl -n "__fish_importctl_using_subcommand help" -l format -d 'Compression of an export (uncompressed, xz, gzip, bzip2, zstd, lz4)' -r -f -a "uncompressed\t''
xz\t''
gzip\t''
bzip2\t''
zstd\t''
lz4\t''"
complete -c importctl -n "__fish_importctl_using_subcommand help" -l class -d 'Class of the image (machine, portable, sysext, confext)' -r -f -a "machine\t''
portable\t''
sysext\t''
confext\t''"
complete -c importctl -n "__fish_importctl_using_subcommand help" -l keep-download -d 'Whether a download is kept as it came (default: yes for machine, no otherwise)' -r -f -a "yes\t''
no\t''"
complete -c importctl -n "__fish_importctl_using_subcommand help" -l image-root -d 'Folder of images, instead of the class\'s (needs --standalone)' -r -f -a "(__fish_complete_directories)"
complete -c importctl -n "__fish_importctl_using_subcommand help" -l older-than -d 'With clean: only what is at least this old (as in 30d, 12h)' -r
complete -c importctl -n "__fish_importctl_using_subcommand help" -l mirror -d 'Another address of the same file, tried when one fails; repeatable (needs --standalone)' -r -f
complete -c importctl -n "__fish_importctl_using_subcommand help" -l limit-rate -d 'Most bytes a second, with K, M or G (needs --standalone)' -r
complete -c importctl -n "__fish_importctl_using_subcommand help" -l retries -d 'How often to try again while nothing comes (needs --standalone)' -r
complete -c importctl -n "__fish_importctl_using_subcommand help" -l connect-timeout -d 'Give up a server that cannot be connected to in that time (needs --standalone)' -r
complete -c importctl -n "__fish_importctl_using_subcommand help" -l stall-timeout -d 'Give up a connection that brings nothing for that time (needs --standalone)' -r
complete -c importctl -n "__fish_importctl_using_subcommand help" -l connections -d 'Over how many connections to fetch a large body (needs --standalone)' -r
complete -c importctl -n "__fish_importctl_using_subcommand help" -l keep-partial -d 'Whether to keep what there is of an unfinished download (needs --standalone)' -r
complete -c importctl -n "__fish_importctl_using_subcommand help" -s h -l help -d 'Show this help'
complete -c importctl -n "__fish_importctl_using_subcommand help" -l version -d 'Show the version'
complete -c importctl -n "__fish_importctl_using_subcommand help" -l no-pager -d 'Do not pipe output into a pager'
complete -c importctl -n "__fish_importctl_using_subcommand help" -l no-legend -d 'Show neither headers nor footers'
complete -c importctl -n "__fish_importctl_using_subcommand help" -l no-ask-password -d 'Do not ask for passwords'
complete -c importctl -n "__fish_importctl_using_subcommand help" -l system -d 'Act on images of the system (default)'
complete -c importctl -n "__fish_importctl_using_subcommand help" -l user -d 'Act on images of the calling user'
complete -c importctl -n "__fish_importctl_using_subcommand help" -l read-only -d 'Make the image read-only'
complete -c importctl -n "__fish_importctl_using_subcommand help" -s q -l quiet -d 'Show only warnings and errors'
complete -c importctl -n "__fish_importctl_using_subcommand help" -s j -d 'Same as --json=pretty on a terminal, --json=short elsewhere'
complete -c importctl -n "__fish_importctl_using_subcommand help" -l force -d 'Replace an image of the same name'
complete -c importctl -n "__fish_importctl_using_subcommand help" -s m -d 'Same as --class=machine: a virtual machine or container'
complete -c importctl -n "__fish_importctl_using_subcommand help" -s P -d 'Same as --class=portable: a portable service'
complete -c importctl -n "__fish_importctl_using_subcommand help" -s S -d 'Same as --class=sysext: a system extension'
complete -c importctl -n "__fish_importctl_using_subcommand help" -s C -d 'Same as --class=confext: a configuration extension'
complete -c importctl -n "__fish_importctl_using_subcommand help" -s N -d 'Same as --keep-download=no'
complete -c importctl -n "__fish_importctl_using_subcommand help" -l standalone -d 'Do the work in this process\'s children, without the service'
complete -c importctl -n "__fish_importctl_using_subcommand help" -l dry-run -d 'Tell what a download or clean would do, and do nothing'
complete -c importctl -n "__fish_importctl_using_subcommand help" -l superseded -d 'With clean: only downloads that a newer one supersedes'
complete -c importctl -n "__fish_importctl_using_subcommand verify" -s H -l host -d 'Talk to the service of another host, by ssh' -r
complete -c importctl -n "__fish_importctl_using_subcommand verify" -s M -l machine -d 'Talk to the service of a container' -r
complete -c importctl -n "__fish_importctl_using_subcommand verify" -l progress -d 'How a transfer shows how far it is (auto, bar, plain, json, none)' -r -f -a "auto\t''
bar\t''
plain\t''
json\t''
none\t''"
complete -c importctl -n "__fish_importctl_using_subcommand verify" -l json -d 'Print JSON (pretty, short, off)' -r -f -a "pretty\t''
short\t''
off\t''"
complete -c importctl -n "__fish_importctl_using_subcommand verify" -l verify -d 'What a download must prove (no, checksum, signature)' -r -f -a "no\t''
checksum\t''
signature\t''"
complete -c importctl -n "__fish_importctl_using_subcommand verify" -l format -d 'Compression of an export (uncompressed, xz, gzip, bzip2, zstd, lz4)' -r -f -a "uncompressed\t''
xz\t''
gzip\t''
bzip2\t''
zstd\t''
lz4\t''"
complete -c importctl -n "__fish_importctl_using_subcommand verify" -l class -d 'Class of the image (machine, portable, sysext, confext)' -r -f -a "machine\t''
portable\t''
sysext\t''
confext\t''"
complete -c importctl -n "__fish_importctl_using_subcommand verify" -l keep-download -d 'Whether a download is kept as it came (default: yes for machine, no otherwise)' -r -f -a "yes\t''
no\t''"
complete -c importctl -n "__fish_importctl_using_subcommand verify" -l image-root -d 'Folder of images, instead of the class\'s (needs --standalone)' -r -f -a "(__fish_complete_directories)"
complete -c importctl -n "__fish_importctl_using_subcommand verify" -l older-than -d 'With clean: only what is at least this old (as in 30d, 12h)' -r
complete -c importctl -n "__fish_importctl_using_subcommand verify" -l mirror -d 'Another address of the same file, tried when one fails; repeatable (needs --standalone)' -r -f
complete -c importctl -n "__fish_importctl_using_subcommand verify" -l limit-rate -d 'Most bytes a second, with K, M or G (needs --standalone)' -r
complete -c importctl -n "__fish_importctl_using_subcommand verify" -l retries -d 'How often to try again while nothing comes (needs --standalone)' -r
complete -c importctl -n "__fish_importctl_using_subcommand verify" -l connect-timeout -d 'Give up a server that cannot be connected to in that time (needs --standalone)' -r
complete -c importctl -n "__fish_importctl_using_subcommand verify" -l stall-timeout -d 'Give up a connection that brings nothing for that time (needs --standalone)' -r
complete -c importctl -n "__fish_importctl_using_subcommand verify" -l connections -d 'Over how many connections to fetch a large body (needs --standalone)' -r
complete -c importctl -n "__fish_importctl_using_subcommand verify" -l keep-partial -d 'Whether to keep what there is of an unfinished download (needs --standalone)' -r
complete -c importctl -n "__fish_importctl_using_subcommand verify" -s h -l help -d 'Show this help'
complete -c importctl -n "__fish_importctl_using_subcommand verify" -l version -d 'Show the version'
complete -c importctl -n "__fish_importctl_using_subcommand verify" -l no-pager -d 'Do not pipe output into a pager'
complete -c importctl -n "__fish_importctl_using_subcommand verify" -l no-legend -d 'Show neither headers nor footers'
complete -c importctl -n "__fish_importctl_using_subcommand verify" -l no-ask-password -d 'Do not ask for passwords'
complete -c importctl -n "__fish_importctl_using_subcommand verify" -l system -d 'Act on images of the system (default)'
complete -c importctl -n "__fish_importctl_using_subcommand verify" -l user -d 'Act on images of the calling user'
complete -c importctl -n "__fish_importctl_using_subcommand verify" -l read-only -d 'Make the image read-only'
complete -c importctl -n "__fish_importctl_using_subcommand verify" -s q -l quiet -d 'Show only warnings and errors'
complete -c importctl -n "__fish_importctl_using_subcommand verify" -s j -d 'Same as --json=pretty on a terminal, --json=short elsewhere'
complete -c importctl -n "__fish_importctl_using_subcommand verify" -l force -d 'Replace an image of the same name'
complete -c importctl -n "__fish_importctl_using_subcommand verify" -s m -d 'Same as --class=machine: a virtual machine or container'
complete -c importctl -n "__fish_importctl_using_subcommand verify" -s P -d 'Same as --class=portable: a portable service'
complete -c importctl -n "__fish_importctl_using_subcommand verify" -s S -d 'Same as --class=sysext: a system extension'
complete -c importctl -n "__fish_importctl_using_subcommand verify" -s C -d 'Same as --class=confext: a configuration extension'
complete -c importctl -n "__fish_importctl_using_subcommand verify" -s N -d 'Same as --keep-download=no'
complete -c importctl -n "__fish_importctl_using_subcommand verify" -l standalone -d 'Do the work in this process\'s children, without the service'
complete -c importctl -n "__fish_importctl_using_subcommand verify" -l dry-run -d 'Tell what a download or clean would do, and do nothing'
complete -c importctl -n "__fish_importctl_using_subcommand verify" -l superseded -d 'With clean: only downloads that a newer one supersedes'
complete -c importctl -n "__fish_importctl_using_subcommand clean" -s H -l host -d 'Talk to the service of another host, by ssh' -r
complete -c importctl -n "__fish_importctl_using_subcommand clean" -s M -l machine -d 'Talk to the service of a container' -r
complete -c importctl -n "__fish_importctl_using_subcommand clean" -l progress -d 'How a transfer shows how far it is (auto, bar, plain, json, none)' -r -f -a "auto\t''
bar\t''
plain\t''
json\t''
none\t''"
complete -c importctl -n "__fish_importctl_using_subcommand clean" -l json -d 'Print JSON (pretty, short, off)' -r -f -a "pretty\t''
short\t''
off\t''"
complete -c importctl -n "__fish_importctl_using_subcommand clean" -l verify -d 'What a download must prove (no, checksum, signature)' -r -f -a "no\t''
checksum\t''
signature\t''"
complete -c importctl -n "__fish_importctl_using_subcommand clean" -l format -d 'Compression of an export (uncompressed, xz, gzip, bzip2, zstd, lz4)' -r -f -a "uncompressed\t''
xz\t''
gzip\t''
bzip2\t''
zstd\t''
lz4\t''"
complete -c importctl -n "__fish_importctl_using_subcommand clean" -l class -d 'Class of the image (machine, portable, sysext, confext)' -r -f -a "machine\t''
portable\t''
sysext\t''
confext\t''"
complete -c importctl -n "__fish_importctl_using_subcommand clean" -l keep-download -d 'Whether a download is kept as it came (default: yes for machine, no otherwise)' -r -f -a "yes\t''
no\t''"
complete -c importctl -n "__fish_importctl_using_subcommand clean" -l image-root -d 'Folder of images, instead of the class\'s (needs --standalone)' -r -f -a "(__fish_complete_directories)"
complete -c importctl -n "__fish_importctl_using_subcommand clean" -l older-than -d 'With clean: only what is at least this old (as in 30d, 12h)' -r
complete -c importctl -n "__fish_importctl_using_subcommand clean" -l mirror -d 'Another address of the same file, tried when one fails; repeatable (needs --standalone)' -r -f
complete -c importctl -n "__fish_importctl_using_subcommand clean" -l limit-rate -d 'Most bytes a second, with K, M or G (needs --standalone)' -r
complete -c importctl -n "__fish_importctl_using_subcommand clean" -l retries -d 'How often to try again while nothing comes (needs --standalone)' -r
complete -c importctl -n "__fish_importctl_using_subcommand clean" -l connect-timeout -d 'Give up a server that cannot be connected to in that time (needs --standalone)' -r
complete -c importctl -n "__fish_importctl_using_subcommand clean" -l stall-timeout -d 'Give up a connection that brings nothing for that time (needs --standalone)' -r
complete -c importctl -n "__fish_importctl_using_subcommand clean" -l connections -d 'Over how many connections to fetch a large body (needs --standalone)' -r
complete -c importctl -n "__fish_importctl_using_subcommand clean" -l keep-partial -d 'Whether to keep what there is of an unfinished download (needs --standalone)' -r
complete -c importctl -n "__fish_importctl_using_subcommand clean" -s h -l help -d 'Show this help'
complete -c importctl -n "__fish_importctl_using_subcommand clean" -l version -d 'Show the version'
complete -c importctl -n "__fish_importctl_using_subcommand clean" -l no-pager -d 'Do not pipe output into a pager'
complete -c importctl -n "__fish_importctl_using_subcommand clean" -l no-legend -d 'Show neither headers nor footers'
complete -c importctl -n "__fish_importctl_using_subcommand clean" -l no-ask-password -d 'Do not ask for passwords'
complete -c importctl -n "__fish_importctl_using_subcommand clean" -l system -d 'Act on images of the system (default)'
complete -c importctl -n "__fish_importctl_using_subcommand clean" -l user -d 'Act on images of the calling user'
complete -c importctl -n "__fish_importctl_using_subcommand clean" -l read-only -d 'Make the image read-only'
complete -c importctl -n "__fish_importctl_using_subcommand clean" -s q -l quiet -d 'Show only warnings and errors'
complete -c importctl -n "__fish_importctl_using_subcommand clean" -s j -d 'Same as --json=pretty on a terminal, --json=short elsewhere'
complete -c importctl -n "__fish_importctl_using_subcommand clean" -l force -d 'Replace an image of the same name'
complete -c importctl -n "__fish_importctl_using_subcommand clean" -s m -d 'Same as --class=machine: a virtual machine or container'
complete -c importctl -n "__fish_importctl_using_subcommand clean" -s P -d 'Same as --class=portable: a portable service'
complete -c importctl -n "__fish_importctl_using_subcommand clean" -s S -d 'Same as --class=sysext: a system extension'
complete -c importctl -n "__fish_importctl_using_subcommand clean" -s C -d 'Same as --class=confext: a configuration extension'
complete -c importctl -n "__fish_importctl_using_subcommand clean" -s N -d 'Same as --keep-download=no'
complete -c importctl -n "__fish_importctl_using_subcommand clean" -l standalone -d 'Do the work in this process\'s children, without the service'
complete -c importctl -n "__fish_importctl_using_subcommand clean" -l dry-run -d 'Tell what a download or clean would do, and do nothing'
complete -c importctl -n "__fish_importctl_using_subcommand clean" -l superseded -d 'With clean: only downloads that a newer one supersedes'
