#!/bin/sh
# The small encoded files that tests/sounds changes and joins: a third of a second of a rising tone, in each codec.
# Needs ffmpeg. The files are committed; run this only to add one.
set -eu
cd "$(dirname "$0")/data"
tone="aevalsrc=0.4*sin(2*PI*(300+900*t)*t)+0.05*sin(2*PI*2500*t):s=16000:d=0.33"
make() {
    out=$1
    shift
    ffmpeg -v error -y -f lavfi -i "$tone" -fflags +bitexact -flags:a +bitexact -map_metadata -1 "$@" "$out"
}
make lame.mp3 -b:a 32k
make bare.mp3 -b:a 32k -write_xing 0 -id3v2_version 0
make layer2.mp2 -b:a 32k
make tone.flac
# Without the 8 kB of padding that ffmpeg leaves for tags.
python3 - <<END
blocks, data = [], open("tone.flac", "rb").read()
at, last = 4, False
while not last:
    kind, size = data[at], int.from_bytes(data[at + 1:at + 4], "big")
    last = kind & 128
    if kind & 127 != 1:
        blocks.append(bytes([kind & 127]) + data[at + 1:at + 4 + size])
    at += 4 + size
blocks[-1] = bytes([blocks[-1][0] | 128]) + blocks[-1][1:]
open("tone.flac", "wb").write(b"fLaC" + b"".join(blocks) + data[at:])
END
make vorbis.ogg -c:a libvorbis -q:a 0
make opus.opus -c:a libopus -b:a 16k
make opus.webm -c:a libopus -b:a 16k
make aac.m4a -c:a aac -b:a 24k
make alac.m4a -c:a alac -sample_fmt s16p
make aac.aac -c:a aac -b:a 24k
make tone.aiff -t 0.1
make tone.caf -c:a pcm_s16be -t 0.1
make speex.ogg -c:a libspeex
make ima.wav -c:a adpcm_ima_wav
make ms.wav -c:a adpcm_ms
ls -l
