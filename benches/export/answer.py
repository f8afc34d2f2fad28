#!/usr/bin/env python3
"""One prediction from ten seconds of sound, front end on both sides: an exported session in onnxruntime beside the program.

    python answer.py AAT_TUI WORK     needs onnxruntime, onnx, numpy

Sessions of the methods and backbones of WHAT, with windows of ten seconds, are trained on `demo` for one epoch in WORK/sessions unless
they are there: times do not depend on weights. THREADS threads each, medians of alternated rounds. Run it on a quiet machine.
"""
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

import numpy as np
import onnxruntime

RATE, ROUNDS, THREADS, FRAMES = 16000, 9, 2, 1000
WHAT = [("box", "head"), ("tiny", "head")]

program_file, work = sys.argv[1], pathlib.Path(sys.argv[2]).resolve()
work.mkdir(parents=True, exist_ok=True)
env = os.environ | {"AAT_TUI_SESSIONS": str(work / "sessions"), "RAYON_NUM_THREADS": str(THREADS)}


def program(*args):
    said = subprocess.run([program_file, *map(str, args), "--json"], capture_output=True, text=True, env=env)
    if said.returncode:
        sys.exit(f"{' '.join(map(str, args))}: {said.stderr}")
    return [json.loads(line) for line in said.stdout.splitlines()]


print("| backbone | method | ours, ms | onnxruntime, ms | ratio |")
print("|---|---|---|---|---|")
for backbone, method in WHAT:
    name = f"{backbone}-{method}-10s"
    shape = ["--model", backbone, "--method", method, "--frames", FRAMES] + (["--stride", 10] if backbone == "tiny" else [])
    if not (work / "sessions" / name).exists():
        program("train", "--data", "demo", *shape, "--epochs", 1, "--name", name)
    file = work / f"{name}.onnx"
    if not file.exists():
        program("export", name, file, "--verify", "none")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    model = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    sound = np.float32(0.1 * np.random.default_rng(1).standard_normal(10 * RATE))[None]
    times = [], []
    for _ in range(ROUNDS):
        times[0].append(program("bench", "answer", *shape)[0]["ms"])
        model.run(["scores"], {"waveform": sound})
        begun = time.perf_counter()
        for _ in range(5):
            model.run(["scores"], {"waveform": sound})
        times[1].append((time.perf_counter() - begun) / 5 * 1000)
    ours, theirs = map(statistics.median, times)
    print(f"| {backbone} | {method} | {ours:.1f} | {theirs:.1f} | {ours / theirs:.2f} |", flush=True)
    del model
