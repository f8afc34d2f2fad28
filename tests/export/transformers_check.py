"""Whether transformers and peft load what `aat-tui export SESSION DIR` wrote, and answer as the program does.

    python transformers_check.py AAT_TUI FOLDER... --sounds WAV...     needs torch, transformers, peft, soundfile
"""
import json
import pathlib
import subprocess
import sys

import soundfile
import torch
from peft import PeftConfig, PeftModel
from transformers import AutoFeatureExtractor, AutoModelForAudioClassification

program, *rest = sys.argv[1:]
folders, sounds = rest[: rest.index("--sounds")], rest[rest.index("--sounds") + 1 :]
for folder in map(pathlib.Path, folders):
    if (folder / "adapter_model.safetensors").exists():
        base = PeftConfig.from_pretrained(folder).base_model_name_or_path
        model = AutoModelForAudioClassification.from_pretrained(base)
        extractor = AutoFeatureExtractor.from_pretrained(base)
        model = PeftModel.from_pretrained(model, folder)
        labels = model.base_model.model.config.id2label
    else:
        model, report = AutoModelForAudioClassification.from_pretrained(folder, output_loading_info=True)
        assert not report["missing_keys"] and not report["unexpected_keys"], report
        extractor = AutoFeatureExtractor.from_pretrained(folder)
        labels = model.config.id2label
    worst = 0.0
    for sound in sounds:
        said = subprocess.run([program, "classify", folder, sound, "--top", "99999", "--json"], capture_output=True, check=True)
        ours = {top["label"]: top["score"] for top in json.loads(said.stdout)["top"]}
        samples, rate = soundfile.read(sound, dtype="float32")
        features = extractor(samples, sampling_rate=rate, return_tensors="pt")
        with torch.no_grad():
            scores = model.eval()(**features).logits.softmax(-1)[0]
        assert set(ours) == set(labels.values()), (ours, labels)
        worst = max(worst, *(abs(ours[labels[i]] - score.item()) for i, score in enumerate(scores)))
    print(f"{folder}: {type(model).__name__}, scores within {worst:.1e}")
    assert worst <= 1e-4, folder
