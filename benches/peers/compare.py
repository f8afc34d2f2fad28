"""Alternates `aat-tui bench` and its PyTorch peer, and prints the ratio of each row.

    python benches/peers/compare.py [--rounds 5] [--only tiny] [--dtype bf16] [--compile] [--before PROGRAM] [--csv FILE]

Both run with two threads, each in a process of its own, one after the other, `--rounds` times; a row's ratio is that
of the medians over the rounds. `--dtype` is of both sides. With `--compile` PyTorch runs a second time, through torch.compile, which needs a C++
compiler; its time to compile is not counted. `--before` alternates another build of the program with both, which shows what a
change cost. Run by `make bench-peers`, which sets up PyTorch.
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
CED_TINY, CED_SMALL = (["--model", f"ced-{size}", "--frames", "1001"] for size in ("tiny", "small"))
# Name, arguments of both, repetitions in a process, and the ratio aimed at.
ROWS = [
    ("tiny, aat, 66 tokens, batch 16", ["step", *TINY, "--method", "aat", "--batch", "16"], 10, 0.80),
    ("tiny, full, 66 tokens, batch 16", ["step", *TINY, "--method", "full", "--batch", "16"], 10, 1.00),
    ("base, aat, 602 tokens, batch 2", ["step", *BASE, "--method", "aat", "--batch", "2"], 3, 0.85),
    ("base, full, 602 tokens, batch 2", ["step", *BASE, "--method", "full", "--batch", "2"], 3, 1.00),
    ("tiny, one clip's answer", ["infer", *TINY], 30, 0.90),
    ("base, one clip's answer", ["infer", *BASE], 5, 0.90),
    ("filter bank of 10 s", ["fbank"], 30, 0.25),
    ("ced-tiny, aat, 248 tokens, batch 8", ["step", *CED_TINY, "--method", "aat", "--batch", "8"], 5, 0.85),
    ("ced-small, aat, 248 tokens, batch 4", ["step", *CED_SMALL, "--method", "aat", "--batch", "4"], 5, 0.85),
    ("ced-tiny, one clip's answer", ["infer", *CED_TINY], 30, 0.85),
    ("ced-small, one clip's answer", ["infer", *CED_SMALL], 15, 0.85),
    ("ced-tiny, 10 s of sound to answer", ["answer", *CED_TINY], 30, 0.85),
]


FIELDS = ["work", "ours_ms", "torch_ms", "ratio", "aim", "ours_mib", "torch_mib", "mib_ratio", "compiled_ms", "compiled_ratio", "compiled_mib",
          "before_ms", "before_ratio"]


def run(command):
    threads = dict(os.environ, RAYON_NUM_THREADS="2", OMP_NUM_THREADS="2", MKL_NUM_THREADS="2")
    return json.loads(subprocess.run(command, env=threads, check=True, stdout=subprocess.PIPE).stdout)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="", help="rows whose name contains this")
    parser.add_argument("--dtype", default="f32", choices=["f32", "bf16"])
    parser.add_argument("--compile", action="store_true", help="PyTorch through torch.compile beside eager PyTorch")
    parser.add_argument("--before", help="another build of the program, alternated with this one")
    parser.add_argument("--csv", help="also write the rows to this file")
    args = parser.parse_args()
    columns = ["ours ms", "torch ms", "ratio", "aim", "ours MiB", "torch MiB", "ratio"]
    columns += ["compiled", "ratio", "MiB"] if args.compile else []
    columns += ["before", "ratio"] if args.before else []
    widths = [10, 10, 8, 6, 10, 10, 8, *([10, 8, 8] if args.compile else []), 10, 8]
    print(f"{'':36}" + "".join(f"{column:>{width}}" for column, width in zip(columns, widths)))
    rows, instructions = [], {}
    for name, what, repeats, aim in ROWS:
        if args.only not in name:
            continue
        if args.dtype != "f32" and what[0] not in ("step", "infer"):
            continue
        common = [*what, "--repeats", str(repeats), *(["--dtype", args.dtype] if what[0] in ("step", "infer") else [])]
        ours = ["bench", *common, "--json"]
        peer = [sys.executable, str(HERE / "torch_peer.py"), *common]
        commands = {"ours": [str(PROGRAM), *ours], "torch": peer}
        if args.compile and what[0] not in ("fbank", "answer"):
            commands["compiled"] = [*peer, "--compile"]
        if args.before:
            commands["before"] = [args.before, *ours]
        found = {side: [] for side in commands}
        for _ in range(args.rounds):
            for side, command in commands.items():
                found[side].append(run(command))
        for side in ("ours", "torch"):
            instructions[side] = found[side][-1].get("instructions", "")
        ms = {side: statistics.median(r["ms"] for r in runs) for side, runs in found.items()}
        mib = {side: statistics.median(r["peak_rss_bytes"] for r in runs) / 2**20 for side, runs in found.items()}
        row = [name, ms["ours"], ms["torch"], ms["ours"] / ms["torch"], aim, mib["ours"], mib["torch"], mib["ours"] / mib["torch"]]
        text = "{:36}{:10.1f}{:10.1f}{:8.2f}{:6.2f}{:10.0f}{:10.0f}{:8.2f}".format(*row)
        compiled = [ms["compiled"], ms["ours"] / ms["compiled"], mib["compiled"]] if "compiled" in ms else None
        if args.compile:
            text += "{:10.1f}{:8.2f}{:8.0f}".format(*compiled) if compiled else " " * 26
        before = [ms["before"], ms["ours"] / ms["before"]] if args.before else None
        text += "{:10.1f}{:8.3f}".format(*before) if before else ""
        row += [*(compiled or [""] * 3), *(before or [""] * 2)]
        rows.append(row)
        print(text, flush=True)
    print(", ".join(f"{side}: {name}" for side, name in instructions.items()))
    if args.csv:
        with open(args.csv, "w", newline="") as file:
            csv.writer(file).writerows([FIELDS, *rows])


if __name__ == "__main__":
    main()
