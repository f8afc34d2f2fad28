#!/usr/bin/env python3
"""The table of docs/deploy.md: sessions exported to ONNX, run in onnxruntime, compared with the program.

    python table.py AAT_TUI DATA WORK [SESSION...]     needs onnxruntime, onnx, numpy, scipy, soundfile

DATA holds the sets esc10 and digits; 40 clips of the one and 20 of the other, evenly over their files, are written as 16 kHz
WAV files, so that both sides get the same samples. The sessions are those in WORK/sessions (or of AAT_TUI_SESSIONS); without names
every method is trained there on every backbone of BACKBONES for one epoch of ESC-10, unless it is there already. The table is
printed row by row and written to WORK/table.md.

Times are of one clip as long as the session's window, on THREADS threads: onnxruntime with the front end, the program's `bench infer`
without it; medians of alternated runs. Run it on a quiet machine: `make bench-export`.
"""
import json
import pathlib
import statistics
import sys
import tempfile
import time

import onnx
import onnxruntime
import soundfile

from exported import RATE, THREADS, Program, noise, quantised, runtime, score, sound

ALTERNATIONS = 7
METHODS = "aat", "aat-m", "full", "partial", "prompt", "lora", "bitfit", "head"
BACKBONES = {"box": [], "box-ssl": [], "tiny": ["--stride", "10"]}

program_file, data, work, *sessions = sys.argv[1:]
data, work = pathlib.Path(data).resolve(), pathlib.Path(work).resolve()
work.mkdir(parents=True, exist_ok=True)
program = Program(program_file, work / "sessions")


def clips():
    """The files of both sets, resampled: name of the set, file, samples."""
    for kind, pattern, count in (("esc10", "audio/*", 40), ("digits", "*/*.flac", 20)):
        files = sorted((data / kind).glob(pattern))
        for path in files[:: max(len(files) // count, 1)][:count]:
            samples = sound(path)
            wav = work / "clips" / kind / f"{path.parent.name}-{path.stem}.wav"
            wav.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(wav, samples, RATE, subtype="FLOAT")
            yield kind, wav, samples


def trained(backbone, method, more):
    """The name of a session of one epoch, which is trained if it is not there."""
    name = f"{backbone}-{method}"
    if not (work / "sessions" / name).exists():
        print(f"training {name}", file=sys.stderr)
        program("train", "--data", data / "esc10", "--recipe", "few", "--fold", 1, "--epochs", 1, "--model", backbone,
                "--method", method, "--name", name, *more)
    return name


def compared(model, labels, sounds, expected):
    """The worst difference of a score, and how many first classes differ."""
    apart, changed = 0.0, 0
    for samples, ours in zip(sounds, expected):
        scores = score(model, samples)
        apart = max(apart, *(abs(ours[label] - value) for label, value in zip(labels, scores)))
        changed += labels[int(scores.argmax())] != max(ours, key=ours.get)
    return apart, changed


def timed(model, about, stride):
    """Medians in ms of one window: onnxruntime, the program."""
    window = noise(float(about["window_seconds"]))
    bench = ["bench", "infer", "--model", about["base"], "--method", about["method"], "--frames", about["frames"]]
    bench += ["--stride", stride] if stride else []
    score(model, window)
    times = [], []
    for _ in range(ALTERNATIONS):
        begun = time.perf_counter()
        for _ in range(3):
            score(model, window)
        times[0].append((time.perf_counter() - begun) / 3 * 1000)
        times[1].append(program(*bench)[0]["ms"])
    return map(statistics.median, times)


kinds, files, sounds = zip(*clips())
sessions = sessions or [trained(backbone, method, more) for backbone, more in BACKBONES.items() for method in METHODS]
table = open(work / "table.md", "w")


def row(*cells):
    line = f"| {' | '.join(map(str, cells))} |"
    print(line, flush=True)
    print(line, file=table, flush=True)


row("backbone", "method", "f32: worst difference", "MB", "f16: worst difference, changed labels", "MB",
    "int8: worst difference, changed labels", "MB", "onnxruntime : program, one clip")
row(*["---"] * 9)
for session in sessions:
    with tempfile.TemporaryDirectory() as folder:
        plain, half, small = paths = [f"{folder}/{name}.onnx" for name in ("f32", "f16", "int8")]
        program("export", session, plain, "--verify", "none")
        program("export", session, half, "--dtype", "f16", "--verify", "none")
        graph = onnx.load(plain)
        onnx.checker.check_model(graph, full_check=True)
        quantised(graph, plain, small)
        about = {line.key: line.value for line in graph.metadata_props}
        labels = json.loads(about["labels"])
        answers = program("classify", session, *files, "--top", len(labels))
        expected = [{top["label"]: top["score"] for top in answer["top"]} for answer in answers if "top" in answer]
        assert len(expected) == len(files), (len(expected), len(files))
        models = [runtime(path) for path in paths]
        found = [compared(model, labels, sounds, expected) for model in models]
        size = [f"{pathlib.Path(path).stat().st_size / 1e6:.1f}" for path in paths]
        stride = next((node.attribute for node in graph.graph.node if node.name.startswith("stem/Conv")), [])
        stride = next((value.ints[0] for value in stride if value.name == "strides" and len(value.ints) == 2), None)
        file, ours = timed(models[0], about, stride)
    (f32, changed), (f16, changed_half), (int8, changed_small) = found
    assert changed == 0, f"{session}: {changed} first classes differ in f32"
    row(about["base"], about["method"], f"{f32:.1e}", size[0], f"{f16:.1e}, {changed_half}", size[1],
        f"{int8:.2f}, {changed_small} of {len(files)}", size[2], f"{file:.0f} : {ours:.0f} ms = {file / ours:.2f}")
print(f"\nClips: {kinds.count('esc10')} of ESC-10, {kinds.count('digits')} of digits. onnxruntime {onnxruntime.__version__}, "
      f"{THREADS} threads.")
