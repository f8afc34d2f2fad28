#!/usr/bin/env python3
"""One prediction from ten seconds of sound, front end on both sides: an exported session in onnxruntime beside the program.

    python answer.py AAT_TUI WORK     needs onnxruntime, onnx, numpy, scipy, soundfile

Sessions of the methods and backbones of WHAT, with windows of ten seconds, are trained on `demo` for one epoch in WORK/sessions unless
they are there: times do not depend on weights. THREADS threads each, alternated: medians over the rounds and the median of their
ratios, since virtual cores change their speed from second to second, and the fastest round of each side. Run it on a quiet machine.
"""
import pathlib
import statistics
import sys
import time

from exported import Program, noise, runtime, score

ROUNDS, FRAMES = 25, 1000
WHAT = [("box", "head"), ("tiny", "head")]

program_file, work = sys.argv[1], pathlib.Path(sys.argv[2]).resolve()
work.mkdir(parents=True, exist_ok=True)
program = Program(program_file, work / "sessions")

print("| backbone | method | ours, ms | onnxruntime, ms | ratio | fastest: ours, ms | onnxruntime, ms | ratio |")
print("|---|---|---|---|---|---|---|---|")
for backbone, method in WHAT:
    name = f"{backbone}-{method}-10s"
    shape = ["--model", backbone, "--method", method, "--frames", FRAMES] + (["--stride", 10] if backbone == "tiny" else [])
    if not (work / "sessions" / name).exists():
        program("train", "--data", "demo", *shape, "--epochs", 1, "--name", name)
    file = work / f"{name}.onnx"
    if not file.exists():
        program("export", name, file, "--verify", "none")
    model, sound = runtime(file), noise(10)
    times = [], []
    for _ in range(ROUNDS):
        times[0].append(program("bench", "answer", *shape)[0]["ms"])
        score(model, sound)
        begun = time.perf_counter()
        for _ in range(5):
            score(model, sound)
        times[1].append((time.perf_counter() - begun) / 5 * 1000)
    ours, theirs = map(statistics.median, times)
    ratio = statistics.median(a / b for a, b in zip(*times))
    ours_min, theirs_min = map(min, times)
    fastest = f"{ours_min:.1f} | {theirs_min:.1f} | {ours_min / theirs_min:.2f}"
    print(f"| {backbone} | {method} | {ours:.1f} | {theirs:.1f} | {ratio:.2f} | {fastest} |", flush=True)
    del model
