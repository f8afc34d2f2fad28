#!/bin/sh
# Fetches the packages of packages.txt with apt and unpacks the sounds (and
# the copyright notes) of each into BUILD/x/PACKAGE. Nothing is installed.
# usage: fetch.sh BUILD
set -u
here=$(cd "$(dirname "$0")" && pwd)
build=$1
mkdir -p "$build/debs" "$build/x"
cd "$build/debs" || exit 1
grep -v '^#' "$here/packages.txt" | while read -r p; do
    [ -n "$p" ] || continue
    [ -e "$build/x/$p/.done" ] && continue
    if ! apt-get -q download "$p" >"$build/apt.log" 2>&1; then
        echo "$p: not found, skipped" >&2
        continue
    fi
    deb=$(ls -t "$p"_*.deb | head -1)
    rm -rf "$build/x/$p"
    mkdir -p "$build/x/$p"
    dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$build/x/$p" --wildcards \
        '*.wav' '*.WAV' '*.ogg' '*.oga' '*.opus' '*.mp3' '*.flac' '*.aif' \
        '*.aiff' '*.au' '*.snd' '*.g722' '*.gsm' '*.sf2' '*.sf3' '*.rcc' \
        '*.pk3' '*.wad' '*.zip' '*.ocs' '*.ocd' '*.wz' '*.pat' '*.tar' '*.raw' \
        '*.dat' '*.ocg' '*.cat' \
        '*/copyright' 2>/dev/null
    dpkg-deb -f "$deb" Package Version >"$build/x/$p/.control"
    rm -f "$deb"
    touch "$build/x/$p/.done"
done
