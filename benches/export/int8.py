#!/usr/bin/env python3
"""What int8 costs and saves: exported sessions in onnxruntime in f32 and quantised, on their own validation clips.

    python int8.py AAT_TUI DATA SESSION...     needs onnxruntime, onnx, numpy, scipy, soundfile

DATA is the folder that clips' names are relative to (of ESC-10 its `audio`). Accuracy is that of both files on the clips that the session holds out, on the same
samples; times are medians of one clip as long as the session's window, on THREADS threads, alternated with the program's `bench infer`
in f32 and bf16 (front end left out). Run it on a quiet machine.
"""
import csv
import json
import pathlib
import statistics
import sys
import tempfile
import time

import onnx

from exported import Program, noise, quantised, runtime, score, sound

ALTERNATIONS = 7
program_file, data, *sessions = sys.argv[1:]
data, program = pathlib.Path(data), Program(program_file)


def seconds(work):
    begun = time.perf_counter()
    for _ in range(3):
        work()
    return (time.perf_counter() - begun) / 3 * 1000


print("| session | clips | f32 | int8 | first classes that changed | onnxruntime f32, ms | int8, ms | ours f32, ms | ours bf16, ms |")
print("|---|---|---|---|---|---|---|---|---|")
for session in sessions:
    with tempfile.TemporaryDirectory() as folder:
        plain, small, table = (f"{folder}/{name}" for name in ("f32.onnx", "int8.onnx", "clips.csv"))
        program("eval", session, "--errors", table)
        program("export", session, plain, "--verify", "none")
        graph = onnx.load(plain)
        quantised(graph, plain, small)
        about = {line.key: line.value for line in graph.metadata_props}
        labels, models = json.loads(about["labels"]), [runtime(plain), runtime(small)]
        right, changed, clips = [0, 0], 0, list(csv.DictReader(open(table)))
        for clip in clips:
            samples = sound(data / clip["clip"])
            first = [labels[int(score(model, samples).argmax())] for model in models]
            right = [count + (label == clip["label"]) for count, label in zip(right, first)]
            changed += first[0] != first[1]
        window = noise(float(about["window_seconds"]))
        bench = ["bench", "infer", "--model", about["base"], "--method", about["method"], "--frames", about["frames"]]
        works = [lambda model=model: seconds(lambda: score(model, window)) for model in models]
        works += [lambda dtype=dtype: program(*bench, "--dtype", dtype)[0]["ms"] for dtype in ("f32", "bf16")]
        rounds = [[work() for work in works] for _ in range(ALTERNATIONS)]
        ms = [f"{statistics.median(column):.1f}" for column in zip(*rounds)]
        shares = [f"{count / len(clips):.3f}" for count in right]
        print(f"| {session} | {len(clips)} | {' | '.join(shares)} | {changed} | {' | '.join(ms)} |", flush=True)
