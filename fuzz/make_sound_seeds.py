#!/usr/bin/env python3
"""Small sound files of every kind for the fuzzer to start from: seeds/sound. Encoded ones are those of tests/sounds."""
import pathlib
import shutil
import struct

here = pathlib.Path(__file__).parent
seeds = here / "seeds" / "sound"
seeds.mkdir(parents=True, exist_ok=True)
for path in (here.parent / "tests" / "sounds" / "data").iterdir():
    if path.stat().st_size < 9000:
        shutil.copy(path, seeds)

samples = struct.pack("<64h", *range(-3200, 3200, 100))


def fmt(tag, channels, rate, bits, extra=b""):
    block = channels * bits // 8
    return struct.pack("<HHIIHH", tag, channels, rate, rate * block, block, bits) + extra


def chunk(name, body, size=None):
    return name + struct.pack("<I", len(body) if size is None else size) + body + b"\0" * (len(body) % 2)


def riff(name, *chunks):
    body = b"WAVE" + b"".join(chunks)
    return chunk(name, body)


guid = b"\1\0\0\0\0\0\x10\0\x80\0\0\xaa\0\x38\x9b\x71"
extensible = fmt(0xFFFE, 6, 48000, 16, struct.pack("<HHI", 22, 16, 0x3F) + guid)
w64 = lambda name, body: name + b"\xf3\xac\xd3\x11\x8c\xd1\0\xc0\x4f\x8e\xdb\x8a" + struct.pack("<Q", len(body) + 24) + body
files = {
    "pcm.wav": riff(b"RIFF", chunk(b"fmt ", fmt(1, 2, 44100, 16)), chunk(b"LIST", b"INFO\0"), chunk(b"data", samples)),
    "piped.wav": riff(b"RIFF", chunk(b"fmt ", fmt(3, 1, 8000, 32)), chunk(b"data", samples, 0xFFFFFFFF)),
    "extensible.wav": riff(b"RIFF", chunk(b"fmt ", extensible), chunk(b"data", samples)),
    "rf64.wav": riff(b"RF64", chunk(b"ds64", struct.pack("<QQQI", 200, 128, 64, 0)), chunk(b"fmt ", fmt(1, 1, 96000, 24)),
                     chunk(b"data", samples, 0xFFFFFFFF)),
    "law.wav": riff(b"RIFX", chunk(b"fmt ", fmt(7, 1, 8000, 8)), chunk(b"data", samples)),
    "sony.w64": b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\0\0" + struct.pack("<Q", 300)
                + b"wave\xf3\xac\xd3\x11\x8c\xd1\0\xc0\x4f\x8e\xdb\x8a" + w64(b"fmt ", fmt(1, 1, 16000, 16)) + w64(b"data", samples),
    "sun.au": b".snd" + struct.pack(">5I", 24, 128, 3, 16000, 1) + samples,
}
for name, content in files.items():
    (seeds / name).write_bytes(content)
