# Made from the command line of importctl by its tests: change it there.

function __importctl_asked
    for word in (commandline -opc)
        string match -r -- '^(-[mPSC]|--system|--user|--standalone|--class=.*)$' $word | head -n 1
    end
end

function __importctl_images
    importctl --no-ask-password --json=short (__importctl_asked) list-images 2>/dev/null |
        string replace -a '},{' \n | string match -rg '"name":"([^"]*)"'
end

function __importctl_transfers
    importctl --no-ask-password --json=short (__importctl_asked) list-transfers 2>/dev/null |
        string replace -a '},{' \n | string match -rg '"id":([0-9]+)'
end

function __importctl_words
    set -l words (commandline -opc)
    set -e words[1]
    argparse -i H/host=+ M/machine=+ progress=+ json=+ verify=+ format=+ class=+ keep-download=+ image-root=+ older-than=+ arch=+ tag=+ entrypoint=+ cmd=+ env=+ run-as=+ workdir=+ mirror=+ limit-rate=+ retries=+ connect-timeout=+ stall-timeout=+ connections=+ keep-partial=+ -- $words 2>/dev/null
    string match -v -- '-*' $argv
end

function __importctl_no_verb
    test (count (__importctl_words)) -eq 0
end

function __importctl_at
    set -l words (__importctl_words)
    test (count $words) -gt 0; and test "$words[1]" = $argv[1]
    and begin; test $argv[2] = any; or test (count $words) -eq (math $argv[2] + 1); end
end

complete -c importctl -f
complete -c importctl -s h -l help -d 'Show this help'
complete -c importctl -l version -d 'Show the version'
complete -c importctl -l no-pager -d 'Do not pipe output into a pager'
complete -c importctl -l no-legend -d 'Show neither headers nor footers'
complete -c importctl -l no-ask-password -d 'Do not ask for passwords'
complete -c importctl -s H -l host -x -a '(__fish_print_hostnames)' -d 'Talk to the service of another host, by ssh'
complete -c importctl -s M -l machine -x -d 'Talk to the service of a container'
complete -c importctl -l system -d 'Act on images of the system (default)'
complete -c importctl -l user -d 'Act on images of the calling user'
complete -c importctl -l read-only -d 'Make the image read-only'
complete -c importctl -s q -l quiet -d 'Show only warnings and errors'
complete -c importctl -l progress -x -a 'auto bar plain json none' -d 'How a transfer shows how far it is (auto, bar, plain, json, none)'
complete -c importctl -l json -x -a 'pretty short off' -d 'Print JSON (pretty, short, off)'
complete -c importctl -s j -d 'Same as --json=pretty on a terminal, --json=short elsewhere'
complete -c importctl -l verify -x -a 'no checksum signature' -d 'What a download must prove (no, checksum, signature)'
complete -c importctl -l format -x -a 'uncompressed xz gzip bzip2 zstd lz4' -d 'Compression of an export (uncompressed, xz, gzip, bzip2, zstd, lz4)'
complete -c importctl -l force -d 'Replace an image of the same name'
complete -c importctl -l class -x -a 'machine portable sysext confext' -d 'Class of the image (machine, portable, sysext, confext)'
complete -c importctl -s m -d 'Same as --class=machine: a virtual machine or container'
complete -c importctl -s P -d 'Same as --class=portable: a portable service'
complete -c importctl -s S -d 'Same as --class=sysext: a system extension'
complete -c importctl -s C -d 'Same as --class=confext: a configuration extension'
complete -c importctl -l keep-download -x -a 'yes no' -d 'Whether a download is kept as it came (default: yes for machine, no otherwise)'
complete -c importctl -s N -d 'Same as --keep-download=no'
complete -c importctl -l standalone -d 'Do the work in this process\'s children, without the service'
complete -c importctl -l image-root -x -a '(__fish_complete_directories)' -d 'Folder of images, instead of the class\'s (needs --standalone)'
complete -c importctl -l dry-run -d 'Tell what a download or clean would do, and do nothing'
complete -c importctl -l superseded -d 'With clean: only downloads that a newer one supersedes'
complete -c importctl -l older-than -x -d 'With clean: only what is at least this old (as in 30d, 12h)'
complete -c importctl -l arch -x -d 'With images of OCI: for which machine (default: this one)'
complete -c importctl -l flat -d 'With pull-oci, import-oci: one tree, not a stack of layers (always for extensions)'
complete -c importctl -l reset -d 'With pull-oci, import-oci and --force: what was changed in the stack that is replaced goes too'
complete -c importctl -l tag -x -d 'With import-oci, export-oci: name of the image in the layout or archive'
complete -c importctl -l entrypoint -x -d 'With export-oci, push-oci: the program that is started; repeatable, or a JSON list (needs --standalone)'
complete -c importctl -l cmd -x -d 'With export-oci, push-oci: its arguments; repeatable, or a JSON list (needs --standalone)'
complete -c importctl -l env -x -d 'With export-oci, push-oci: a variable of its environment; repeatable (needs --standalone)'
complete -c importctl -l run-as -x -d 'With export-oci, push-oci: who it runs as (needs --standalone)'
complete -c importctl -l workdir -x -d 'With export-oci, push-oci: the folder that it is started in (needs --standalone)'
complete -c importctl -l mirror -x -d 'Another address of the same file, tried when one fails; repeatable (needs --standalone)'
complete -c importctl -l limit-rate -x -d 'Most bytes a second, with K, M or G (needs --standalone)'
complete -c importctl -l retries -x -d 'How often to try again while nothing comes (needs --standalone)'
complete -c importctl -l connect-timeout -x -d 'Give up a server that cannot be connected to in that time (needs --standalone)'
complete -c importctl -l stall-timeout -x -d 'Give up a connection that brings nothing for that time (needs --standalone)'
complete -c importctl -l connections -x -d 'Over how many connections to fetch a large body (needs --standalone)'
complete -c importctl -l keep-partial -x -a 'yes no' -d 'Whether to keep what there is of an unfinished download (needs --standalone)'
complete -c importctl -n __importctl_no_verb -a pull-tar -d 'Download an archive as a tree image'
complete -c importctl -n __importctl_no_verb -a pull-raw -d 'Download a disk image'
complete -c importctl -n __importctl_no_verb -a pull-oci -d 'Download an OCI container image'
complete -c importctl -n __importctl_no_verb -a import-tar -d 'Import an archive as a tree image'
complete -c importctl -n __importctl_no_verb -a import-raw -d 'Import a disk image'
complete -c importctl -n __importctl_no_verb -a import-fs -d 'Import a directory as a tree image'
complete -c importctl -n __importctl_no_verb -a export-tar -d 'Write a tree image as an archive'
complete -c importctl -n __importctl_no_verb -a export-raw -d 'Write a disk image to a file'
complete -c importctl -n __importctl_no_verb -a list-transfers -d 'List running transfers (default)'
complete -c importctl -n __importctl_no_verb -a cancel-transfer -d 'End transfers before they are done'
complete -c importctl -n __importctl_no_verb -a list-images -d 'List installed images'
complete -c importctl -n __importctl_no_verb -a help -d 'Show this help'
complete -c importctl -n __importctl_no_verb -a verify -d 'Explain what a download would be proven by, compare a file with it'
complete -c importctl -n __importctl_no_verb -a clean -d 'Remove kept downloads'
complete -c importctl -n __importctl_no_verb -a import-oci -d 'Import an OCI image from a layout or an archive'
complete -c importctl -n __importctl_no_verb -a export-oci -d 'Write an image as an OCI image'
complete -c importctl -n __importctl_no_verb -a push-oci -d 'Send an image to an OCI registry'
complete -c importctl -n '__importctl_at import-tar 0' -F
complete -c importctl -n '__importctl_at import-raw 0' -F
complete -c importctl -n '__importctl_at import-fs 0' -a '(__fish_complete_directories)'
complete -c importctl -n '__importctl_at export-tar 0' -a '(__importctl_images)'
complete -c importctl -n '__importctl_at export-tar 1' -F
complete -c importctl -n '__importctl_at export-raw 0' -a '(__importctl_images)'
complete -c importctl -n '__importctl_at export-raw 1' -F
complete -c importctl -n '__importctl_at cancel-transfer any' -a '(__importctl_transfers)'
complete -c importctl -n '__importctl_at verify 1' -F
complete -c importctl -n '__importctl_at import-oci 0' -F
complete -c importctl -n '__importctl_at export-oci 0' -a '(__importctl_images)'
complete -c importctl -n '__importctl_at export-oci 1' -F
complete -c importctl -n '__importctl_at push-oci 0' -a '(__importctl_images)'
