"""The recordings in the fetched packages, classed by path.
usage: recordings.py POOL BUILD [PACKAGE ...]"""

import hashlib
import os
import random
import re
import struct
import sys
import zipfile
import zlib

import common
import words

HERE = os.path.dirname(os.path.abspath(__file__))
SOUNDS = (".wav", ".ogg", ".oga", ".opus", ".mp3", ".flac", ".aif", ".aiff", ".au", ".snd", ".g722", ".gsm")
HOURS_A_PACKAGE = 0.15     # of music and unknown sounds; the rest comes whole
NAMES = {"zh": "cmn", "zh_tw": "cmn", "zh_cn": "cmn", "nn": "nb", "no": "nb"}


def patterns():
    table = []
    with open(os.path.join(HERE, "patterns.tsv"), encoding="utf-8") as f:
        for line in f:
            if line.strip() and not line.startswith("#"):
                expr, cls = line.rstrip("\n").rsplit("\t", 1)
                whole = expr.startswith("@")
                table.append((re.compile(expr[whole:]), whole, cls))
    return table


def guess(table, path):
    path = path.lower()
    name = "/" + os.path.basename(path)
    return next((c for e, whole, c in table if e.search(path if whole else name)), "unlabelled")


def language(code):
    code = re.sub(r"@.*", "", code).lower()
    return NAMES.get(code, code.split("_")[0])


def speech(package, path):
    """The class of a spoken recording, "" when it isn't one."""
    name = os.path.basename(path).rsplit(".", 1)[0]
    if package.startswith("asterisk-"):
        if "moh" in package:
            return "music-game"
        m = re.search(r"sounds/([a-z]{2})[_/-]", path) or re.search(r"asterisk-(?:core-sounds|prompt)-([a-z]{2})", package)
        lang = m.group(1) if m else "en"
        if "beep" in name or "silence" in path:
            return "env-click-beep" if "beep" in name else "-"
        m = re.search(r"digits/(\d)$", path.rsplit(".", 1)[0])
        if m:
            return "word-en-" + words.DIGITS[int(m.group(1))] if lang == "en" else "word-%s-%s" % (lang, m.group(1))
        m = re.search(r"letters/([a-z])$", path.rsplit(".", 1)[0])
        if m and lang == "en":
            return "letter-en-" + m.group(1)
        m = re.search(r"digits/(ten|1[0-2]|20|30|hundred|thousand|day-\d|mon-\d+)$", path.rsplit(".", 1)[0])
        if m and lang == "en":
            w = m.group(1)
            days = "sunday monday tuesday wednesday thursday friday saturday".split()
            w = {"10": "ten", "11": "eleven", "12": "twelve", "20": "twenty", "30": "thirty", "mon-0": "january",
                 "mon-3": "april", "mon-9": "october"}.get(w, days[int(w[4:])] if w.startswith("day-") else w)
            return "word-en-" + w if w in words.WORDS else "speech-en"
        return "speech-" + lang
    if package == "klettres-data":
        lang = re.search(r"klettres/([^/]+)/", path).group(1)
        if lang in ("en", "en_GB") and "/alpha/" in path and re.fullmatch(r"[a-z](-\d)?", name.lower()):
            return "letter-en-" + name[0].lower()
        return "syllables-" + language(lang)
    if package == "ktuberling-data":
        return "speech-" + language(re.search(r"sounds/([^/]+)/", path).group(1))
    if package == "qabcs-data" and "/all/noises/" not in path:
        m = re.search(r"abcs/([^/]+)/sounds/", path)
        if m and m.group(1) != "all":
            if m.group(1) == "en" and re.fullmatch(r"[a-z]", name):
                return "letter-en-" + name
            return "speech-" + language(m.group(1))
        return "unlabelled"
    if package == "tuxpaint-stamps-default":
        m = re.search(r"_desc(?:_([a-zA-Z_@]+))?$", name)
        if m:
            lang = language(m.group(1) or "en")
            d = re.search(r"symbols/numbers?/.*?(\d)_desc", path) or re.match(r"0*(\d)_desc", name)
            if lang == "en" and d and "money" not in path:
                return "word-en-" + words.DIGITS[int(d.group(1))]
            return "speech-" + lang
        m = re.search(r"([a-zA-Z0-9])(?:_(?:filled|outline))?_([a-z]{2}(?:_[a-zA-Z]+)?)$", name)
        if m:
            lang, c = language(m.group(2)), m.group(1).lower()
            if lang == "en":
                return "word-en-" + words.DIGITS[int(c)] if c.isdigit() else "letter-en-" + c
            return "speech-" + lang
    if package == "gcin-voice":
        return "speech-cmn"
    if package.startswith("fillets-ng-data"):
        m = re.search(r"/(cs|nl|en|de|fr)/[^/]+$", path)
        if m:
            return "speech-" + m.group(1)
    if package == "hedgewars-data" and "/voices/" in path:
        return "speech-shouts"
    if package == "boswars-data" and re.search(r"\.(ready|underattack|attacked|completed)\.", path):
        return "speech-shouts"
    if re.search(r"/voices?/|/speech/|merchant|_(ack|select|sel)\d*\.|/announcer/|/vox/|/talk/", path):
        return "speech-shouts"
    return ""


def rcc_files(path):
    """(name, bytes) of the files in a Qt resource file."""
    with open(path, "rb") as f:
        b = f.read()
    if b[:4] != b"qres":
        return
    version, tree, data, names = struct.unpack(">4I", b[4:20])
    size = 22 if version >= 2 else 14

    def name(off):
        n = struct.unpack(">H", b[names + off:names + off + 2])[0]
        return b[names + off + 6:names + off + 6 + 2 * n].decode("utf-16-be", "replace")

    todo = [(0, "")]
    while todo:
        i, prefix = todo.pop()
        p = tree + i * size
        n, flags = struct.unpack(">IH", b[p:p + 6])
        full = prefix + "/" + name(n) if i else ""
        if flags & 2:
            count, first = struct.unpack(">2I", b[p + 6:p + 14])
            todo += [(first + k, full) for k in range(count)]
            continue
        off = struct.unpack(">I", b[p + 10:p + 14])[0]
        n = struct.unpack(">I", b[data + off:data + off + 4])[0]
        raw = b[data + off + 4:data + off + 4 + n]
        if flags & 1:
            raw = zlib.decompress(raw[4:])
        yield full, raw


def unpack(folder):
    """Sounds inside archives are laid beside them, once."""
    for top, _, files in os.walk(folder):
        for f in files:
            p = os.path.join(top, f)
            if top.endswith(".d"):
                continue
            try:
                if f.endswith(".rcc"):
                    inside = rcc_files(p)
                elif f.endswith((".pk3", ".zip", ".wz")) and zipfile.is_zipfile(p):
                    z = zipfile.ZipFile(p)
                    inside = ((n, z.read(n)) for n in z.namelist() if n.lower().endswith(SOUNDS))
                elif f.endswith((".ocg", ".ocd", ".ocs")):
                    inside = group_files(p)
                elif f.endswith(".cat"):
                    inside = cat_files(p)
                else:
                    continue
                for n, raw in inside:
                    if n.lower().endswith(SOUNDS):
                        q = os.path.join(p + ".d", n.lstrip("/"))
                        if ".." not in n and not os.path.exists(q):
                            os.makedirs(os.path.dirname(q), exist_ok=True)
                            with open(q, "wb") as out:
                                out.write(raw)
            except (OSError, ValueError, IndexError, struct.error, zlib.error, zipfile.BadZipFile) as e:
                print("%s: %s" % (f, e), file=sys.stderr)


def cat_files(path):
    """(name, bytes) of a sound catalogue of OpenTTD."""
    with open(path, "rb") as f:
        b = f.read()
    count = struct.unpack("<I", b[:4])[0] // 8
    for i in range(count):
        off, n = struct.unpack("<2I", b[i * 8:i * 8 + 8])
        off &= 0x7FFFFFFF
        k = b[off]
        name = b[off + 1:off + k].decode("latin-1").rstrip("\0")
        yield "%03d-%s.wav" % (i, common.safe(name)), b[off + k + 1:off + k + 1 + n]


def group_files(path):
    """(name, bytes) of a Clonk group file: gzip under another magic number,
    scrambled tables, groups in groups."""
    with open(path, "rb") as f:
        b = f.read()
    if b[:2] != b"\x1e\x8c":
        return
    d = zlib.decompressobj(31)
    todo = [("", d.decompress(b"\x1f\x8b" + b[2:]))]
    while todo:
        prefix, g = todo.pop()
        head = bytearray(x ^ 237 for x in g[:204])
        for i in range(0, 202, 3):
            head[i], head[i + 2] = head[i + 2], head[i]
        if not head.startswith(b"RedWolf"):
            continue
        count = struct.unpack("<i", head[36:40])[0]
        for k in range(count):
            e = g[204 + 316 * k:204 + 316 * (k + 1)]
            name = prefix + "/" + e[:260].split(b"\0")[0].decode("latin-1")
            _, child, size, _, off = struct.unpack("<5i", e[260:280])
            raw = g[204 + 316 * count + off:][:size]
            if child:
                todo.append((name, raw))
            else:
                yield name, raw


def main():
    root, build = sys.argv[1:3]
    pool = common.Pool(root, "recordings")
    table, seen = patterns(), set()
    everything = [l.strip() for l in open(os.path.join(HERE, "packages.txt")) if l.strip() and l[0] != "#"]
    for package in sys.argv[3:] or everything:
        folder = os.path.join(build, "x", package)
        if not os.path.exists(os.path.join(folder, ".done")) or os.path.exists(os.path.join(folder, ".used")):
            continue
        unpack(folder)
        files = sorted(os.path.join(t, f) for t, _, fs in os.walk(folder) for f in fs
                       if f.lower().endswith(SOUNDS) and not os.path.islink(os.path.join(t, f)))
        random.Random(package).shuffle(files)
        start, loose, bad, speech_left = pool.seconds, 0.0, 0, {}
        for path in files:
            rel = os.path.relpath(path, os.path.join(build, "x"))
            try:
                rel.encode("utf-8")
            except UnicodeEncodeError:
                continue
            cls = speech(package, rel)
            if not cls:
                cls = guess(table, rel)
            if cls == "-":
                continue
            if cls.startswith(("speech-", "syllables-")):
                key = (package, cls)
                speech_left[key] = speech_left.get(key, 0) + 1
                if speech_left[key] > (400 if cls == "speech-en" else 60):
                    continue
            if cls == "unlabelled" or cls.startswith("music-"):
                if loose > HOURS_A_PACKAGE * 3600:
                    continue
            stem = common.safe(os.path.splitext(os.path.basename(path))[0])[:40]
            name = "%s-%s-%s" % (package.split("-data")[0][:24], stem, hashlib.sha1(rel.encode()).hexdigest()[:6])
            if pool.has(cls, name) or pool.has(cls, name + "-00"):
                continue
            with open(path, "rb") as f:
                digest = hashlib.sha1(f.read()).digest()
            if digest in seen:
                continue
            seen.add(digest)
            # before the headerless kinds are guessed wrongly
            extra = {".g722": ("-f", "g722"), ".gsm": ("-f", "gsm")}.get(os.path.splitext(path)[1].lower(), ())
            a = common.decode(path, extra)
            if a is None:
                bad += 1
                continue
            most = 12 if cls.startswith("music-") or cls == "unlabelled" else common.MOST_PIECES
            cuts = list(common.pieces(a, most))
            before = pool.seconds
            for i, c in enumerate(cuts):
                pool.put(cls, name if len(cuts) == 1 else "%s-%02d" % (name, i), c, package)
            if cls == "unlabelled" or cls.startswith("music-"):
                loose += pool.seconds - before
        open(os.path.join(folder, ".used"), "w").close()
        print("%s: %d files, %d unreadable, %.2f h; %.2f h so far"
              % (package, len(files), bad, (pool.seconds - start) / 3600, pool.seconds / 3600), flush=True)


if __name__ == "__main__":
    main()
