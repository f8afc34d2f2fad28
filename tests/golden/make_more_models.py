#!/usr/bin/env python3
"""Three more checkpoints at tiny shapes, with what the makers' own code computes with them.

    python tests/golden/make_more_models.py        writes into models/ beside this script (committed)

hf-whisper-128          Whisper's encoder for 128 mel bins, as large-v3 and turbo have
hf-whisper-classifier   WhisperForAudioClassification: the encoder with its projector and classifier
hf-ast-lora             a folder that PEFT saved: LoRA of queries and values of ../hf-ast, and a classifier of its own

Each holds `expected.safetensors` as make_models.py describes it. `input` comes from WhisperFeatureExtractor, or for
AST from random numbers. Made with torch 2.11.0, transformers 5.23.0, peft 0.21.2; needs neither timm nor torchaudio.
"""
import json
import pathlib

import numpy as np
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file
from transformers import (ASTForAudioClassification, WhisperConfig, WhisperFeatureExtractor,
                          WhisperForAudioClassification)

MODELS = pathlib.Path(__file__).parent / "models"
FRAMES = 80
LABELS = ["dog", "rain", "clock tick"]


def synthetic(samples):
    """The sound of make_fbank.py: a chirp and noise of a linear congruential generator."""
    state, noise = 1, []
    for _ in range(samples):
        state = (state * 1_664_525 + 1_013_904_223) % 2**32
        noise.append((state >> 8) / 2**23 - 1.0)
    t = np.arange(samples) / 16_000
    chirp = 0.3 * np.sin(2 * np.pi * (100 * t + 4_000 * t * t))
    return (chirp + 0.01 * np.array(noise) * t).astype(np.float32)


def whisper_features(bins):
    """(1, bins, FRAMES)"""
    extractor = WhisperFeatureExtractor(feature_size=bins)
    mel = extractor._np_extract_fbank_features(synthetic(160 * FRAMES)[None].astype(np.float64), "cpu")
    return torch.tensor(np.asarray(mel), dtype=torch.float32)


def randomise(model):
    """Weights far from their starts, exact in half precision."""
    for name, p in model.named_parameters():
        if "embed_positions" in name:
            continue
        norm = "norm" in name and name.endswith("weight")
        value = 1 + 0.1 * torch.randn_like(p) if norm else torch.randn_like(p) * (0.3 / p.shape[-1] ** 0.5 + 0.02)
        p.data = value.half().float()


def watch(blocks):
    seen = []
    for block in blocks:
        block.register_forward_hook(lambda _m, _i, out: seen.append((out[0] if isinstance(out, tuple) else out).detach()))
    return seen


def write(case, x, seen, logits=None):
    tensors = {"input": x.contiguous()} | {f"hidden.{i}": h.contiguous() for i, h in enumerate(seen)}
    if logits is not None:
        tensors["logits"] = logits.detach().contiguous()
    save_file(tensors, case / "expected.safetensors", metadata={"checkpoint": "", "frames": str(x.shape[1])})


def whisper(name, bins, head):
    config = WhisperConfig(d_model=32, encoder_layers=2, encoder_attention_heads=4, encoder_ffn_dim=48,
                           decoder_layers=1, decoder_attention_heads=4, decoder_ffn_dim=48, vocab_size=8,
                           num_mel_bins=bins, max_source_positions=FRAMES // 2, max_target_positions=4, pad_token_id=0,
                           bos_token_id=0, eos_token_id=0, decoder_start_token_id=0, begin_suppress_tokens=None,
                           suppress_tokens=None, classifier_proj_size=16, id2label=dict(enumerate(LABELS)),
                           label2id={label: i for i, label in enumerate(LABELS)})
    model = WhisperForAudioClassification(config).eval()
    randomise(model)
    case = MODELS / name
    case.mkdir(exist_ok=True)
    state = {n: t.half().contiguous() for n, t in model.state_dict().items()}
    if not head:
        state = {"model." + n: t for n, t in state.items() if n.startswith("encoder.")}
    save_file(state, case / "model.safetensors", metadata={"format": "pt"})
    if head:
        config.architectures = ["WhisperForAudioClassification"]
    (case / "config.json").write_text(config.to_json_string(use_diff=False))
    WhisperFeatureExtractor(feature_size=bins, chunk_length=1).save_pretrained(case)
    # Read again, so that the positions are of half precision here too.
    model.load_state_dict({n: t.half().float() for n, t in model.state_dict().items()})
    x = whisper_features(bins)
    seen = watch(model.encoder.layers)
    logits = model(x).logits
    write(case, x.transpose(1, 2), seen, logits if head else None)


def lora():
    base = ASTForAudioClassification.from_pretrained(MODELS / "hf-ast").eval()
    config = LoraConfig(r=4, lora_alpha=6, target_modules=["q_proj", "v_proj"], modules_to_save=["classifier"],
                        rank_pattern={"layers.1.attention.v_proj": 2}, alpha_pattern={"layers.1.attention.v_proj": 5})
    model = get_peft_model(base, config).eval()
    for name, p in model.named_parameters():
        if "lora_" in name or "modules_to_save" in name:
            p.data = torch.randn_like(p) * 0.2
    case = MODELS / "hf-ast-lora"
    model.save_pretrained(case)
    settings = json.loads((case / "adapter_config.json").read_text())
    settings["base_model_name_or_path"] = "../hf-ast"
    (case / "adapter_config.json").write_text(json.dumps(settings, indent=1) + "\n")
    (case / "README.md").unlink(missing_ok=True)
    x = torch.randn(1, 64, 128)
    seen = watch(base.audio_spectrogram_transformer.layers)
    logits = model(x).logits
    write(case, x, seen, logits)


torch.manual_seed(2401)
with torch.no_grad():
    whisper("hf-whisper-128", 128, False)
    whisper("hf-whisper-classifier", 80, True)
    lora()
