"""Writes sources.tsv: each package that gave sounds, its version and the
licences its copyright notes name. usage: sources.py POOL BUILD"""

import collections
import glob
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
# Notes that are not machine-readable, or whose fields say nothing: read by eye.
BY_HAND = {}


def main():
    root, build = sys.argv[1:3]
    secs, clips = collections.Counter(), collections.Counter()
    for line in open(os.path.join(root, "index.tsv")):
        f = line.rstrip("\n").split("\t")
        if f[0] != "path":
            secs[f[2]] += float(f[3])
            clips[f[2]] += 1
    with open(os.path.join(HERE, "byhand.tsv")) as f:
        BY_HAND.update(l.rstrip("\n").split("\t") for l in f if "\t" in l)
    with open(os.path.join(HERE, "sources.tsv"), "w") as out:
        out.write("package\tversion\tclips\thours\tlicences\n")
        for p in sorted(secs):
            version, licences = "", BY_HAND.get(p, "")
            folder = os.path.join(build, "x", p)
            if os.path.exists(os.path.join(folder, ".control")):
                version = re.search(r"Version: (\S+)", open(os.path.join(folder, ".control")).read()).group(1)
            elif p != "nature.py":
                version = os.popen("dpkg-query -W -f '${Version}' %s" % p).read()
            notes = glob.glob(os.path.join(folder, "usr/share/doc/*/copyright")) or glob.glob("/usr/share/doc/%s/copyright" % p)
            if not licences and notes:
                found = set()
                text = open(notes[0], encoding="utf-8", errors="replace").read()
                paragraphs = re.split(r"\n\s*\n", text)
                for para in paragraphs:
                    m = re.search(r"^License: *(\S.*)$", para, re.M)
                    if m and para.lstrip().startswith("Files:") and not re.search(r"Files: *debian/", para):
                        found.add(m.group(1).strip())
                licences = "; ".join(sorted(found))
            out.write("%s\t%s\t%d\t%.3f\t%s\n" % (p, version, clips[p], secs[p] / 3600, licences or "see its copyright notes"))


if __name__ == "__main__":
    main()
