"""Merges the stages' parts into POOL/index.tsv and prints totals.
usage: index.py POOL"""

import glob
import os
import sys


def main():
    root = sys.argv[1]
    rows, families = {}, {}
    for part in sorted(glob.glob(os.path.join(root, ".parts", "*.tsv"))):
        for line in open(part):
            f = line.rstrip("\n").split("\t")
            if len(f) == 4 and os.path.exists(os.path.join(root, f[0])):
                rows[f[0]] = f
    tmp = os.path.join(root, ".parts", "index.tmp")
    with open(tmp, "w") as out:
        out.write("path\tclass\tsource\tseconds\n")
        for k in sorted(rows):
            out.write("\t".join(rows[k]) + "\n")
    os.rename(tmp, os.path.join(root, "index.tsv"))
    for path, cls, source, secs in rows.values():
        t = families.setdefault(cls.split("-")[0], [0, 0.0, set()])
        t[0] += 1
        t[1] += float(secs)
        t[2].add(cls)
    for k, (n, s, c) in sorted(families.items()):
        print("%-12s %6d clips %4d classes %7.2f h" % (k, n, len(c), s / 3600))
    print("%-12s %6d clips %4d classes %7.2f h" % ("all", len(rows), len({r[1] for r in rows.values()}),
                                                 sum(float(r[3]) for r in rows.values()) / 3600))


if __name__ == "__main__":
    main()
