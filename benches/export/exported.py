"""What the scripts of this folder share: the program, exported files in onnxruntime, sounds."""
import json
import os
import subprocess
import sys

import numpy as np
import onnxruntime
import soundfile
from onnxruntime.quantization import quantize_dynamic
from scipy.signal import resample_poly

RATE, THREADS = 16000, 2


class Program:
    """The program at a path, on THREADS threads, with sessions in a folder of their own where one is given."""

    def __init__(self, path, sessions=None):
        self.path, self.env = path, os.environ | {"RAYON_NUM_THREADS": str(THREADS)}
        if sessions:
            self.env = {"AAT_TUI_SESSIONS": str(sessions)} | self.env

    def __call__(self, *args):
        said = subprocess.run([self.path, *map(str, args), "--json"], capture_output=True, text=True, env=self.env)
        if said.returncode:
            sys.exit(f"{' '.join(map(str, args))}: {said.stderr}")
        return [json.loads(line) for line in said.stdout.splitlines()]


def runtime(path, profile=None):
    """An exported file in onnxruntime, on THREADS threads; with a profile in files whose names begin so."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    if profile:
        options.enable_profiling, options.profile_file_prefix = True, str(profile)
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def score(model, samples):
    return model.run(["scores"], {"waveform": samples[None]})[0][0]


def quantised(graph, plain, small):
    """Writes an exported file with int8 weights; the front end needs single precision."""
    front = [node.name for node in graph.graph.node if node.name.startswith("front/")]
    quantize_dynamic(plain, small, op_types_to_quantize=["MatMul", "Gemm"], per_channel=True, nodes_to_exclude=front)


def sound(path):
    """A file as mono samples at RATE."""
    samples, rate = soundfile.read(path, dtype="float64", always_2d=True)
    return np.float32(resample_poly(samples.mean(1), RATE, rate) if rate != RATE else samples.mean(1))


def noise(seconds):
    return np.float32(0.1 * np.random.default_rng(1).standard_normal(round(RATE * seconds)))
