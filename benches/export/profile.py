#!/usr/bin/env python3
"""Where onnxruntime spends the time of one prediction: an exported file, by kind of operation, in milliseconds.

    python profile.py FILE.onnx [SECONDS]     needs onnxruntime, onnx, numpy, scipy, soundfile

What the program does with the same ten seconds is shown by `perf record aat-tui bench answer --model box --frames 1000`.
"""
import collections
import json
import pathlib
import sys
import tempfile

from exported import noise, runtime, score

ROUNDS = 20

sound = noise(float(sys.argv[2]) if len(sys.argv) > 2 else 10)
with tempfile.TemporaryDirectory() as folder:
    model = runtime(sys.argv[1], pathlib.Path(folder) / "profile")
    for _ in range(ROUNDS + 1):
        score(model, sound)
    events = json.loads(pathlib.Path(model.end_profiling()).read_text())

runs = [event for event in events if event["name"] == "model_run"][1:]
begin = runs[0]["ts"]
spent = collections.Counter()
for event in events:
    if event["cat"] == "Node" and event["name"].endswith("_kernel_time") and event["ts"] >= begin:
        spent[event["args"]["op_name"]] += event["dur"]
whole = sum(run["dur"] for run in runs)
print(f"one prediction: {whole / len(runs) / 1000:.2f} ms, mean of {len(runs)}")
for name, micros in spent.most_common():
    if micros * 200 > whole:
        print(f"{name:24} {micros / len(runs) / 1000:8.2f} ms {100 * micros / whole:5.1f} %")
