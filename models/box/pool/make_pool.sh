#!/bin/sh
# Makes the sound pool: make_pool.sh BUILD POOL (see README.md)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1" "$2"
build=$(cd "$1" && pwd)
pool=$(cd "$2" && pwd)
"$here/fetch.sh" "$build"
python3 "$here/recordings.py" "$pool" "$build"
python3 "$here/notes.py" "$pool" "$build"
python3 "$here/speech.py" "$pool"
python3 "$here/nature.py" "$pool"
python3 "$here/index.py" "$pool"
python3 "$here/sources.py" "$pool" "$build"
