#!/usr/bin/env python3
"""The table of docs/deploy.md: exports sessions, runs them in onnxruntime, compares with the program.

    python measure.py AAT_TUI SOUNDS SESSION...     needs onnxruntime, onnx, numpy, soundfile

SOUNDS: a folder of 16 kHz WAV files, one subfolder for each kind (see `wavs.py`). Prints one line of the table a session as it is
done. Times are of one clip as long as the session's window, on two threads: onnxruntime with the front end, the program's
`bench infer` without it; medians of alternated runs. Run it on a quiet machine.
"""
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np
import onnx
import onnxruntime
import soundfile
from onnxruntime.quantization import quantize_dynamic

ALTERNATIONS = 7


def program(*args):
    said = subprocess.run([PROGRAM, *map(str, args), "--json"], capture_output=True, text=True)
    if said.returncode:
        sys.exit(f"{' '.join(map(str, args))}: {said.stderr}")
    return [json.loads(line) for line in said.stdout.splitlines()]


def runtime(path):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 2
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def score(model, samples):
    return model.run(["scores"], {"waveform": samples[None]})[0][0]


def worst(model, labels, clips, expected):
    apart, changed = 0.0, 0
    for samples, ours in zip(clips, expected):
        scores = score(model, samples)
        apart = max(apart, max(abs(ours[label] - value) for label, value in zip(labels, scores)))
        changed += labels[int(scores.argmax())] != max(ours, key=ours.get)
    return apart, changed


PROGRAM, sounds, *sessions = sys.argv[1:]
kinds = {kind.name: sorted(kind.glob("*.wav")) for kind in sorted(pathlib.Path(sounds).iterdir()) if kind.is_dir()}
clips = [soundfile.read(path, dtype="float32")[0] for paths in kinds.values() for path in paths]
files = [path for paths in kinds.values() for path in paths]
print("| backbone | method | f32: worst difference | MB | f16: worst difference | MB | int8: worst, changed labels | MB "
      "| onnxruntime : program, one clip |")
print("|---|---|---|---|---|---|---|---|---|")
for session in sessions:
    shown = program("sessions", "show", session)[0]
    config = shown.get("config", shown)
    with tempfile.TemporaryDirectory() as folder:
        plain, half, small = (f"{folder}/{name}.onnx" for name in ("f32", "f16", "int8"))
        program("export", session, plain, "--verify", "none")
        program("export", session, half, "--dtype", "f16", "--verify", "none")
        graph = onnx.load(plain)
        onnx.checker.check_model(graph, full_check=True)
        front = [node.name for node in graph.graph.node if node.name.startswith("front/")]
        quantize_dynamic(plain, small, op_types_to_quantize=["MatMul", "Gemm"], per_channel=True, nodes_to_exclude=front)
        about = {line.key: line.value for line in graph.metadata_props}
        labels = json.loads(about["labels"])
        answers = program("classify", session, *files, "--top", len(labels))
        expected = [{top["label"]: top["score"] for top in answer["top"]} for answer in answers]
        models = [runtime(path) for path in (plain, half, small)]
        found = [worst(model, labels, clips, expected) for model in models]
        size = [pathlib.Path(path).stat().st_size / 1e6 for path in (plain, half, small)]
        window = np.float32(np.random.default_rng(1).standard_normal(round(16000 * float(about["window_seconds"])))) * 0.1
        times = {"file": [], "program": []}
        bench = ["bench", "infer", "--model", about["base"], "--method", about["method"], "--frames", about["frames"], "--batch", 1]
        if "stride" in config.get("recipe", {}):
            bench += ["--stride", config["recipe"]["stride"][0]]
        score(models[0], window)
        for _ in range(ALTERNATIONS):
            begun = time.perf_counter()
            for _ in range(3):
                score(models[0], window)
            times["file"].append((time.perf_counter() - begun) / 3 * 1000)
            times["program"].append(program(*bench)[0]["ms"])
        file, ours = (statistics.median(times[who]) for who in ("file", "program"))
    print(f"| {about['base']} | {about['method']} | {found[0][0]:.1e} | {size[0]:.1f} | {found[1][0]:.1e} | {size[1]:.1f} "
          f"| {found[2][0]:.2f}, {found[2][1]} of {len(clips)} | {size[2]:.1f} | {file:.0f} : {ours:.0f} ms = {file / ours:.2f} |",
          flush=True)
print()
print(f"Clips: {', '.join(f'{len(paths)} of {kind}' for kind, paths in kinds.items())}. onnxruntime {onnxruntime.__version__}.")
