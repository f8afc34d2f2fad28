"""What the stages of the pool share: reading sounds, measuring, cutting,
writing. Python's standard library and the sox, ffmpeg and flac programs."""

import array
import ctypes
import math
import os
import re
import subprocess
import sys

RATE = 16000
PIECE = 10 * RATE          # the longest clip
SHORTEST = RATE // 2       # the shortest; what is shorter is padded to it
MOST_PIECES = 30           # a recording gives no more than this
FLOOR = 32768.0 * 10 ** (-60 / 20)


def samples(raw):
    raw = raw[: len(raw) // 2 * 2]
    a = array.array("h")
    a.frombytes(raw)
    if sys.byteorder == "big":
        a.byteswap()
    return a


def rms(a):
    thin = a[:: max(1, len(a) // 20000)]
    return math.sqrt(sum(x * x for x in thin) / len(thin)) if thin else 0.0


def decode(path, extra=()):
    """16 kHz mono samples of a sound file, or None. `extra` goes before -i."""
    if not extra and not path.lower().endswith((".g722", ".mp3", ".opus")):
        raw = sox([path, "-t", "raw", "-e", "signed", "-b", "16", "-c", "1", "-", "trim", "0", "330",
                   "rate", str(RATE)])
        if raw:
            return samples(raw)
    cmd = ["ffmpeg", "-v", "error", "-nostdin", "-threads", "1", *extra, "-i", path,
           "-t", "330", "-vn", "-ac", "1", "-ar", str(RATE), "-f", "s16le", "-"]
    try:
        r = subprocess.run(cmd, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=120)
    except subprocess.TimeoutExpired:
        return None
    return samples(r.stdout) if r.stdout else None


def sox(args, data=b""):
    r = subprocess.run(["sox", "-V0", "-D", *args], input=data,
                       stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return r.stdout


def trim(a, keep=RATE // 10):
    """Without the silence (below about -50 dBFS) before and after."""
    step, lo = 160, 100
    n = len(a) // step
    loud = [i for i in range(n) if max(a[i * step:(i + 1) * step]) > lo]
    if not loud:
        return a[:0]
    return a[max(0, loud[0] * step - keep):min(len(a), (loud[-1] + 1) * step + keep)]


def pieces(a, most=MOST_PIECES, length=PIECE):
    """Cuts of at most ten seconds, silent ones left out; when there are more
    than `most`, an even spread of them."""
    a = trim(a)
    if len(a) < RATE // 20:
        return
    parts = [a[i:i + length] for i in range(0, len(a), length)]
    if len(parts) > 1 and len(parts[-1]) < RATE:
        parts.pop()
    parts = [p for p in parts if rms(p) >= FLOOR]
    if len(parts) > most:
        parts = [parts[i * len(parts) // most] for i in range(most)]
    yield from parts


class Info(ctypes.Structure):
    _fields_ = [("frames", ctypes.c_int64), ("rate", ctypes.c_int), ("channels", ctypes.c_int),
                ("format", ctypes.c_int), ("sections", ctypes.c_int), ("seekable", ctypes.c_int)]


try:
    SNDFILE = ctypes.CDLL("libsndfile.so.1")
    SNDFILE.sf_open.restype = ctypes.c_void_p
    SNDFILE.sf_write_short.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64]
    SNDFILE.sf_write_short.restype = ctypes.c_int64
    SNDFILE.sf_close.argtypes = [ctypes.c_void_p]
except OSError:
    SNDFILE = None


def write_flac(path, a):
    """With libsndfile, in this process; False where it isn't there."""
    if SNDFILE is None:
        return False
    info = Info(0, RATE, 1, 0x170002, 0, 0)
    f = SNDFILE.sf_open(path.encode(), 0x20, ctypes.byref(info))
    if not f:
        return False
    address, n = a.buffer_info()
    done = SNDFILE.sf_write_short(f, address, n)
    SNDFILE.sf_close(f)
    return done == n


def safe(name):
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:80] or "x"


class Pool:
    """The folder of clips and this stage's part of its index."""

    def __init__(self, root, stage):
        self.root = root
        os.makedirs(os.path.join(root, ".parts"), exist_ok=True)
        self.part = os.path.join(root, ".parts", stage + ".tsv")
        self.count, self.seconds = 0, 0.0

    def has(self, cls, name):
        return os.path.exists(os.path.join(self.root, cls, name + ".flac"))

    def put(self, cls, name, a, source):
        """Writes a clip under a temporary name, then renames it."""
        final = os.path.join(self.root, cls, name + ".flac")
        if os.path.exists(final):
            return False
        if rms(a) < FLOOR or len(a) < RATE // 20:
            return False
        if len(a) < SHORTEST:
            a = a + array.array("h", bytes(2 * (SHORTEST - len(a))))
        a = a[:PIECE]
        os.makedirs(os.path.dirname(final), exist_ok=True)
        tmp = os.path.join(self.root, ".parts", "tmp-%d.flac" % os.getpid())
        if not write_flac(tmp, a):
            subprocess.run(["flac", "-s", "-f", "-5", "--force-raw-format", "--endian=little",
                                "--sign=signed", "--channels=1", "--bps=16",
                            "--sample-rate=%d" % RATE, "-o", tmp, "-"],
                           input=a.tobytes(), check=True, stderr=subprocess.DEVNULL)
        os.rename(tmp, final)
        secs = len(a) / RATE
        with open(self.part, "a") as f:
            f.write("%s/%s.flac\t%s\t%s\t%.2f\n" % (cls, name, cls, source, secs))
        self.count += 1
        self.seconds += secs
        return True
