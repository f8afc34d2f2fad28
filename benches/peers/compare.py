"""Alternates `aat-tui bench` and its PyTorch peer, and prints the ratio of each row.

    python benches/peers/compare.py [--rounds 5] [--only tiny] [--compile] [--csv FILE]

Both run with two threads, each in a process of its own, one after the other, `--rounds` times; a row's ratio is that
of the medians over the rounds. Run by `make bench-peers`, which sets up PyTorch.
"""

import argparse
import csv
import json
import os
import pathlib
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).parent
PROGRAM = HERE.parent.parent / "target" / "release" / "aat-tui"
TINY, BASE = ["--model", "tiny", "--frames", "128"], ["--model", "base", "--frames", "512"]
# Name, arguments of both, repetitions in a process, and the ratio aimed at.
ROWS = [
    ("tiny, aat, 66 tokens, batch 16", ["step", *TINY, "--method", "aat", "--batch", "16"], 10, 0.80),
    ("tiny, full, 66 tokens, batch 16", ["step", *TINY, "--method", "full", "--batch", "16"], 10, 1.00),
    ("base, aat, 602 tokens, batch 2", ["step", *BASE, "--method", "aat", "--batch", "2"], 3, 0.85),
    ("base, full, 602 tokens, batch 2", ["step", *BASE, "--method", "full", "--batch", "2"], 3, 1.00),
    ("tiny, one clip's answer", ["infer", *TINY], 30, 0.90),
    ("base, one clip's answer", ["infer", *BASE], 5, 0.90),
    ("filter bank of 10 s", ["fbank"], 30, 0.25),
]


def run(command):
    threads = dict(os.environ, RAYON_NUM_THREADS="2", OMP_NUM_THREADS="2", MKL_NUM_THREADS="2")
    return json.loads(subprocess.run(command, env=threads, check=True, stdout=subprocess.PIPE).stdout)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="", help="rows whose name contains this")
    parser.add_argument("--compile", action="store_true", help="PyTorch through torch.compile")
    parser.add_argument("--csv", help="also write the rows to this file")
    args = parser.parse_args()
    print(f"{'':34}{'ours ms':>10}{'torch ms':>10}{'ratio':>8}{'aim':>6}{'ours MiB':>10}{'torch MiB':>10}{'ratio':>8}")
    rows = []
    for name, what, repeats, aim in ROWS:
        if args.only not in name:
            continue
        common = [*what, "--repeats", str(repeats)]
        ours_command = [str(PROGRAM), "bench", *common, "--json"]
        torch_command = [sys.executable, str(HERE / "torch_peer.py"), *common, *(["--compile"] if args.compile else [])]
        ours, torch = [], []
        for _ in range(args.rounds):
            ours.append(run(ours_command))
            torch.append(run(torch_command))
        ms = [statistics.median(r["ms"] for r in side) for side in (ours, torch)]
        mib = [statistics.median(r["peak_rss_bytes"] for r in side) / 2**20 for side in (ours, torch)]
        row = [name, ms[0], ms[1], ms[0] / ms[1], aim, mib[0], mib[1], mib[0] / mib[1]]
        rows.append(row)
        print("{:34}{:10.1f}{:10.1f}{:8.2f}{:6.2f}{:10.0f}{:10.0f}{:8.2f}".format(*row), flush=True)
    if args.csv:
        with open(args.csv, "w", newline="") as file:
            csv.writer(file).writerows([["work", "ours_ms", "torch_ms", "ratio", "aim", "ours_mib", "torch_mib", "mib_ratio"], *rows])


if __name__ == "__main__":
    main()
