#!/usr/bin/env python3
"""Writes clips of the sets in ../shared/data as 16 kHz WAV files, so that every runtime is given the same samples.

    python wavs.py DATA OUT     needs numpy, scipy, soundfile; 40 of esc10 and 20 of digits, evenly over their files
"""
import pathlib
import sys

import numpy as np
import soundfile
from scipy.signal import resample_poly

data, out = map(pathlib.Path, sys.argv[1:])
for kind, pattern, count in (("esc10", "audio/*", 40), ("digits", "*/*.flac", 20)):
    files = sorted((data / kind).glob(pattern))
    (out / kind).mkdir(parents=True, exist_ok=True)
    for path in files[:: len(files) // count][:count]:
        samples, rate = soundfile.read(path, dtype="float64", always_2d=True)
        samples = samples.mean(1)
        if rate != 16000:
            samples = resample_poly(samples, 16000, rate)
        name = f"{path.parent.name}-{path.stem}.wav"
        soundfile.write(out / kind / name, np.float32(samples), 16000, subtype="FLOAT")
