#!/usr/bin/env python3
"""CED and Dasheng at tiny shapes, with what their makers' code computes with them, and their front end.

    python tests/golden/make_ced.py                writes beside this script and into models/ (committed)
    python tests/golden/make_ced.py --large DIR    writes published shapes with random weights instead, for
                                                   AAT_TUI_GOLDEN_MODELS

ced_*.npy       log-mels in decibels, (frames, 64), in double precision
ced-hf          CED as Hugging Face's repositories have it: model.safetensors, config.json, preprocessor_config.json
ced-raw         the same weights under the raw file's names: {"model": ...} with torchaudio's tables
dasheng-hf      Dasheng in Hugging Face's form; two heads of 8 values, which only config.json says
dasheng-raw     the same weights as the raw file: {"model": ..., "config": ...}

Models of both families are the class Dasheng of PyPI's `dasheng`: CED's encoder is the same with patches of 16 x 16
(equal to the bit, ../shared/reference/backbones.md). Norms, batch norm and biases are far from their starts, so that a part
that is left out shows. Each case holds `expected-SAMPLES.safetensors` for sounds of three lengths (`synthetic` below) and
`recording-SAMPLES.safetensors` for the beginning of recorded speech at the same lengths: the
tokens after each block and, of CED, logits: mean of all tokens after the final norm, LayerNorm of 1e-5, linear layer.
Weights are kept in half precision; references are computed in double precision from the waveform, each clip alone
(torchaudio's `top_db` takes the loudest bin of the whole batch). The longest sound fills the models' own length.

Made with torch 2.11.0, torchaudio 2.11.0, dasheng 0.0.9, einops 0.8.2, safetensors 0.8.0; the spoken digits in ../shared.
"""
import argparse
import json
import pathlib

import numpy as np
import torch
import torch.nn.functional as F
from dasheng.pretrained.pretrained import Dasheng
from safetensors.torch import save_file

HERE = pathlib.Path(__file__).parent
LENGTHS = (160 * 31, 160 * 90 + 77, 160 * 163 + 11)
LABELS = ["dog", "rain", "clock tick"]
PATCH = {"ced": [16, 16], "dasheng": [64, 4]}
OWN_LENGTH = {"ced": 164, "dasheng": 164}


def synthetic(samples):
    """The sound of make_fbank.py, with a pause: a chirp and noise of a linear congruential generator."""
    state, noise = 1, []
    for _ in range(samples):
        state = (state * 1_664_525 + 1_013_904_223) % 2**32
        noise.append((state >> 8) / 2**23 - 1.0)
    t = np.arange(samples) / 16_000
    chirp = 0.3 * np.sin(2 * np.pi * (100 * t + 4_000 * t * t))
    sound = chirp + 0.01 * np.array(noise) * t
    sound[(np.arange(samples) // 1000) % 5 == 3] *= 1e-4
    return sound.astype(np.float32)


def plain(samples):
    """The sound of make_fbank.py, repeated: tests/features.rs has the same."""
    state, noise = 1, []
    for _ in range(9_600):
        state = (state * 1_664_525 + 1_013_904_223) % 2**32
        noise.append((state >> 8) / 2**23 - 1.0)
    t = np.arange(9_600) / 16_000
    chirp = 0.3 * np.sin(2 * np.pi * (100 * t + 4_000 * t * t))
    return np.resize((chirp + 0.01 * np.array(noise) * t).astype(np.float32), samples)


def recording():
    """Recorded speech: george's sevens one behind the other, their samples taken at 16 kHz (FLAC, so that every decoder gives the
    same ones); None where they are missing."""
    try:
        import soundfile
    except ImportError as why:
        print("no recording:", why)
        return None
    files = [HERE / f"../../../shared/data/digits/seven/george_nohash_{i}.flac" for i in range(12)]
    if not files[0].exists():
        print("no recording:", files[0])
        return None
    return np.concatenate([soundfile.read(file, dtype="float32")[0] for file in files])


def randomise(model, generator):
    draw = lambda p: torch.randn(p.shape, generator=generator)
    for name, p in list(model.named_parameters()) + list(model.named_buffers()):
        if name.startswith("front_end") or not p.dtype.is_floating_point:
            continue
        if name.endswith("running_mean"):
            value = -30 + 12 * draw(p)
        elif name.endswith("running_var"):
            value = 150 + 100 * torch.rand(p.shape, generator=generator)
        elif "norm" in name or "init_bn" in name or name == "outputlayer.0.weight":
            value = (1.0 if name.endswith("weight") else 0.0) + 0.3 * draw(p)
        elif "pos_embed" in name:
            value = 0.5 * draw(p)
        else:
            value = draw(p) * (1.0 / p.shape[-1] ** 0.5 if p.dim() > 1 else 0.2)
            if "patch_embed.proj.weight" in name:
                value = draw(p) * (0.5 / p[0].numel() ** 0.5)
        p.data = value.half().to(p.dtype)


class Ced(Dasheng):
    """With CED's head."""

    def __init__(self, classes, **settings):
        super().__init__(**settings)
        d = settings["embed_dim"]
        self.outputlayer = torch.nn.Sequential(torch.nn.LayerNorm(d), torch.nn.Linear(d, classes))


def make(family, embed_dim, depth, heads, target_length, classes, seed):
    settings = dict(embed_dim=embed_dim, depth=depth, num_heads=heads, target_length=target_length,
                    patch_size=PATCH[family], patch_stride=PATCH[family])
    generator = torch.Generator().manual_seed(seed)
    model = (Ced(classes, **settings) if family == "ced" else Dasheng(**settings)).eval()
    randomise(model, generator)
    return model


def run(model, sound):
    """Features (1, T, 64), tokens after each block, logits or None."""
    seen = []
    hooks = [b.register_forward_hook(lambda _m, _i, out: seen.append(out.detach())) for b in model.blocks]
    wave = torch.as_tensor(sound, dtype=next(model.parameters()).dtype)[None]
    mel = model.front_end(wave)
    end = model(wave)
    for hook in hooks:
        hook.remove()
    logits = model.outputlayer(end.mean(1)) if hasattr(model, "outputlayer") else None
    return mel.transpose(1, 2), seen, logits


def expected(path, model, sound, with_input=None):
    mel, seen, logits = run(model, sound)
    tensors = {f"hidden.{i}": h.float().contiguous() for i, h in enumerate(seen)}
    if logits is not None:
        tensors["logits"] = logits.float().contiguous()
    metadata = {}
    if with_input:
        tensors["input"] = mel.float().contiguous()
        metadata = {"checkpoint": with_input, "frames": str(mel.shape[1])}
    save_file(tensors, path, metadata=metadata)


def hub_names(family, state):
    """The raw file's names as Hugging Face's repositories have them."""
    renamed = {}
    for name, value in state.items():
        if name.startswith("front_end"):
            continue
        if family == "ced":
            name = name.replace("init_bn.1.", "init_bn.")
        renamed[name if name.startswith("outputlayer") else f"encoder.{name}"] = value
    return renamed


def write_hub(case, family, model, heads, half=True):
    case.mkdir(parents=True, exist_ok=True)
    state = {n: (t.half() if half and t.dtype.is_floating_point else t).contiguous() for n, t in
             hub_names(family, model.state_dict()).items()}
    save_file(state, case / "model.safetensors", metadata={"format": "pt"})
    depth, d = len(model.blocks), model.embed_dim
    common = dict(center=True, f_max=8000, f_min=0, hop_size=160, n_fft=512, win_size=512)
    if family == "ced":
        config = dict(model_type="ced", architectures=["CedForAudioClassification"], name=None, embed_dim=d, depth=depth,
                      num_heads=heads, mlp_ratio=4.0, outputdim=model.outputlayer[1].out_features, patch_size=16,
                      patch_stride=16, pooling="mean", eval_avg="mean", qkv_bias=True, pad_last=True,
                      target_length=model.target_length, attn_drop_rate=0.0, drop_rate=0.0, drop_path_rate=0.0, n_mels=64,
                      **common)
        if model.outputlayer[1].out_features == len(LABELS):
            config["id2label"] = {str(i): label for i, label in enumerate(LABELS)}
            config["label2id"] = {label: i for i, label in enumerate(LABELS)}
        features = dict(feature_extractor_type="CedFeatureExtractor", feature_size=64, sampling_rate=16000,
                        padding_value=0.0, padding_side="right", return_attention_mask=True, **common)
    else:
        encoder = dict(embed_dim=d, depth=depth, num_heads=heads, target_length=model.target_length,
                       patch_size=[64, 4], patch_stride=[64, 4])
        config = dict(model_type="dasheng", architectures=["DashengModel"], name="dasheng-base", loss="BCELoss",
                      encoder_kwargs=encoder)
        features = dict(feature_extractor_type="DashengFeatureExtractor", feature_size=64, sampling_rate=16000,
                        padding_value=0.0, padding_side="right", return_attention_mask=False, **common)
    (case / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    (case / "preprocessor_config.json").write_text(json.dumps(features, indent=1) + "\n")


def write_raw(case, family, model, heads):
    case.mkdir(parents=True, exist_ok=True)
    state = {n: t.half() if t.dtype.is_floating_point and not n.startswith("front_end") else t.clone()
             for n, t in model.state_dict().items()}
    # Torchaudio's table of filters is 66 kB; its name is what matters here.
    state["front_end.0.mel_scale.fb"] = state["front_end.0.mel_scale.fb"][:1].clone()
    file = {"model": dict(state)}
    if family == "dasheng":
        file["config"] = dict(embed_dim=model.embed_dim, depth=len(model.blocks), num_heads=heads,
                              target_length=model.target_length, patch_size=[64, 4], patch_stride=[64, 4])
    torch.save(file, case / "weights.pt")


def small():
    for family, seed in (("ced", 25), ("dasheng", 26)):
        model = make(family, 16, 2, 2, OWN_LENGTH[family], len(LABELS), seed)
        write_hub(HERE / "models" / f"{family}-hf", family, model, 2)
        write_raw(HERE / "models" / f"{family}-raw", family, model, 2)
        model = model.double()
        speech = recording()
        for samples in LENGTHS:
            folder = HERE / "models" / f"{family}-hf"
            expected(folder / f"expected-{samples}.safetensors", model, synthetic(samples))
            if speech is not None:
                expected(folder / f"recording-{samples}.safetensors", model, speech[:samples])


def front_end():
    # Window and filters in double precision as well: those of single precision are off by up to 0.002 dB in bins that are
    # 80 dB below the loudest.
    torch.set_default_dtype(torch.float64)
    front = Dasheng(embed_dim=16, num_heads=2, depth=1).front_end
    torch.set_default_dtype(torch.float32)
    save = lambda name, sound: np.save(HERE / name, front(torch.as_tensor(sound, dtype=torch.float64)[None])[0].T.float().numpy())
    for samples in (9_600, 4_001, 16_000):
        save(f"ced_{samples}.npy", plain(samples))
    if (speech := recording()) is not None:
        for samples in (4_001, 9_600, 16_000):
            save(f"ced_recording_{samples}.npy", speech[:samples])


# Published shapes: width, blocks, heads, own length.
LARGE = {"ced-tiny": ("ced", 192, 12, 3, 1012), "ced-small": ("ced", 384, 12, 6, 1012),
         "dasheng-base": ("dasheng", 768, 12, 12, 1008)}


def large(folder):
    for name, (family, d, depth, heads, length) in LARGE.items():
        model = make(family, d, depth, heads, length, 527, 27)
        write_hub(folder / name, family, model, heads, half=False)
        for seconds in (1, 5, 10):
            case = folder / name / f"{seconds}s"
            case.mkdir(exist_ok=True)
            expected(case / "expected.safetensors", model, synthetic(16_000 * seconds), with_input="..")


parser = argparse.ArgumentParser()
parser.add_argument("--large", type=pathlib.Path)
arguments = parser.parse_args()
with torch.no_grad():
    if arguments.large:
        large(arguments.large)
    else:
        small()
        front_end()
