"""Classifies the microphone, or a sound file, by a model that `aat-tui export SESSION model.onnx` wrote.

    python listen.py model.onnx [sound.wav]    needs onnxruntime and numpy; soundfile for files, sounddevice for the microphone
"""
import json
import sys

import numpy as np
import onnxruntime

model = onnxruntime.InferenceSession(sys.argv[1])
about = model.get_modelmeta().custom_metadata_map
labels, rate = json.loads(about["labels"]), int(about["sample_rate"])
window = round(rate * float(about["window_seconds"]))  # the samples that one answer is about


def classify(samples):
    scores = model.run(["scores"], {"waveform": np.float32(samples)[None]})[0][0]
    print("  ".join(f"{labels[i]} {scores[i]:.3f}" for i in np.argsort(-scores)[:3]), flush=True)


if len(sys.argv) > 2:
    import soundfile

    sound, given = soundfile.read(sys.argv[2], dtype="float32", always_2d=True)
    if given != rate:
        sys.exit(f"{sys.argv[2]} has {given} samples a second and the model takes {rate}; resample it first")
    classify(sound.mean(axis=1))
else:
    import sounddevice

    heard = np.zeros(0, np.float32)
    with sounddevice.InputStream(samplerate=rate, channels=1, dtype="float32") as microphone:
        while True:
            new, _ = microphone.read(rate // 2)
            heard = np.concatenate([heard, new[:, 0]])[-window:]
            classify(heard)
