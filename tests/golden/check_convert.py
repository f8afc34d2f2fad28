#!/usr/bin/env python3
"""Whether transformers loads what `aat-tui models convert` wrote, and answers as before.

    python check_convert.py CASE CONVERTED      CASE: a folder of make_models.py; CONVERTED: the written folder
"""
import pathlib
import sys

import torch
from safetensors.torch import load_file
from transformers import ASTForAudioClassification, ASTModel, AutoConfig

case, converted = map(pathlib.Path, sys.argv[1:])
expected = load_file(case / "expected.safetensors")
kind = ASTForAudioClassification if "logits" in expected else ASTModel
model, report = kind.from_pretrained(converted, output_loading_info=True)
assert not report["missing_keys"] and not report["unexpected_keys"], report
print(AutoConfig.from_pretrained(converted).id2label)
with torch.no_grad():
    out = model.eval()(expected["input"])
if "logits" in expected:
    print("logits differ by", (out.logits - expected["logits"]).abs().max().item())
