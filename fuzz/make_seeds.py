#!/usr/bin/env python3
"""Small valid files of every format for the fuzzers to start from: seeds/checkpoint, seeds/pickle, seeds/folder."""
import json
import pathlib
import struct
import zipfile

import torch

here = pathlib.Path(__file__).parent / "seeds"
for kind in ("checkpoint", "pickle", "folder"):
    (here / kind).mkdir(parents=True, exist_ok=True)


def block(prefix, hidden, mlp):
    shapes = {"norm1": [hidden], "norm2": [hidden], "attn.qkv": [3 * hidden, hidden], "attn.proj": [hidden, hidden],
              "mlp.fc1": [mlp, hidden], "mlp.fc2": [hidden, mlp]}
    for name, shape in shapes.items():
        yield f"{prefix}{name}.weight", torch.ones(shape)
        yield f"{prefix}{name}.bias", torch.ones(shape[:1])


def gong():
    d = 2
    tensors = {"module.v.cls_token": torch.ones(1, 1, d), "module.v.dist_token": torch.ones(1, 1, d),
               "module.v.pos_embed": torch.ones(1, 6, d), "module.v.patch_embed.proj.weight": torch.ones(d, 1, 128, 2),
               "module.v.patch_embed.proj.bias": torch.ones(d), "module.v.norm.weight": torch.ones(d),
               "module.v.norm.bias": torch.ones(d)} | dict(block("module.v.blocks.0.", d, 3))
    number = lambda n: torch.nn.Parameter(torch.tensor(n), requires_grad=False)
    return tensors | {"module.p_input_fdim": number(128), "module.p_input_tdim": number(8)}


def safetensors(tensors):
    header, data = {}, b""
    for name, t in tensors.items():
        raw = t.detach().half().numpy().tobytes()
        header[name] = {"dtype": "F16", "shape": list(t.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


state = {name: t.half() if t.is_floating_point() else t for name, t in gong().items()}
torch.save(state, here / "checkpoint" / "ssast.pth")
with zipfile.ZipFile(here / "checkpoint" / "ssast.pth") as archive:
    (here / "pickle" / "ssast.pkl").write_bytes(archive.read("ssast/data.pkl"))
module = torch.nn.DataParallel(torch.nn.Linear(2, 1))
torch.save({"model": module.state_dict(), "epoch": 3}, here / "checkpoint" / "nested.pth")
with zipfile.ZipFile(here / "checkpoint" / "nested.pth") as archive:
    (here / "pickle" / "nested.pkl").write_bytes(archive.read("nested/data.pkl"))
deit = {name.removeprefix("module.v."): t for name, t in gong().items() if ".v." in name}
deit["patch_embed.proj.weight"] = torch.ones(2, 3, 4, 4)
(here / "checkpoint" / "deit.safetensors").write_bytes(safetensors(deit))
blob = struct.pack("<i11i", 0x67676D6C, 2, 4, 2, 1, 1, 4, 2, 1, 1, 80, 1) + struct.pack("<2i", 1, 1) + bytes(4)
blob += struct.pack("<i", 1) + struct.pack("<i", 1) + b"!"
for name, shape in {"encoder.conv1.weight": [2, 80, 3], "encoder.conv1.bias": [2, 1],
                    "encoder.blocks.0.attn.query.weight": [2, 2]}.items():
    raw = torch.ones(shape).half().numpy().tobytes()
    blob += struct.pack("<3i", len(shape), len(name), 1) + struct.pack(f"<{len(shape)}i", *shape[::-1]) + name.encode() + raw
(here / "checkpoint" / "whisper.ggml").write_bytes(blob)

# Wrappers: a dict of copies with numbers and an optimizer's state beside them, and OpenAI's Whisper.
whisper = {}
for name, shape in {"conv1": [2, 80, 3], "conv2": [2, 2, 3], "ln_post": [2], "blocks.0.attn_ln": [2], "blocks.0.mlp_ln": [2],
                    "blocks.0.attn.query": [2, 2], "blocks.0.attn.value": [2, 2], "blocks.0.attn.out": [2, 2],
                    "blocks.0.mlp.0": [3, 2], "blocks.0.mlp.2": [2, 3]}.items():
    whisper |= {f"encoder.{name}.weight": torch.ones(shape).half(), f"encoder.{name}.bias": torch.ones(shape[:1]).half()}
whisper |= {"encoder.blocks.0.attn.key.weight": torch.ones(2, 2).half(), "encoder.positional_embedding": torch.ones(4, 2).half()}
copies = {"epoch": 3, "ema": state, "model": state, "optimizer": {"state": {0: {"step": 7, "exp_avg": torch.ones(1)}}}}
openai = {"dims": {"n_mels": 80, "n_audio_head": 1}, "model_state_dict": whisper}
for name, content in (("copies", copies), ("openai", openai)):
    torch.save(content, here / "checkpoint" / f"{name}.pth")
    with zipfile.ZipFile(here / "checkpoint" / f"{name}.pth") as archive:
        (here / "pickle" / f"{name}.pkl").write_bytes(archive.read(f"{name}/data.pkl"))
(here / "checkpoint" / "lfs.safetensors").write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:aa\nsize 9\n")
(here / "checkpoint" / "page.bin").write_bytes(b"<!DOCTYPE html><html></html>")

# Folders: the order of names is that of fuzz_targets/folder.rs.
NAMES = ["config.json", "preprocessor_config.json", "model.safetensors", "model.safetensors.index.json",
         "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "pytorch_model.bin",
         "pytorch_model.bin.index.json", "adapter_config.json", "adapter_model.safetensors", "adapter_model.bin",
         "weights.pth"]


def folder(name, files):
    blob = b"".join(bytes([NAMES.index(file)]) + struct.pack("<I", len(content)) + content for file, content in files.items())
    (here / "folder" / name).write_bytes(blob)


d, a = 2, "audio_spectrogram_transformer."
ast = {f"{a}embeddings.cls_token": torch.ones(1, 1, d), f"{a}embeddings.distillation_token": torch.ones(1, 1, d),
       f"{a}embeddings.position_embeddings": torch.ones(1, 14, d),
       f"{a}embeddings.patch_embeddings.projection.weight": torch.ones(d, 1, 16, 16),
       f"{a}embeddings.patch_embeddings.projection.bias": torch.ones(d)}
for name, shape in {"encoder.layer.0.layernorm_before": [d], "encoder.layer.0.layernorm_after": [d], "layernorm": [d],
                    "encoder.layer.0.attention.attention.query": [d, d], "encoder.layer.0.attention.attention.key": [d, d],
                    "encoder.layer.0.attention.attention.value": [d, d], "encoder.layer.0.attention.output.dense": [d, d],
                    "encoder.layer.0.intermediate.dense": [3, d], "encoder.layer.0.output.dense": [d, 3]}.items():
    ast |= {f"{a}{name}.weight": torch.ones(shape), f"{a}{name}.bias": torch.ones(shape[:1])}
ast |= {"classifier.layernorm.weight": torch.ones(d), "classifier.layernorm.bias": torch.ones(d),
        "classifier.dense.weight": torch.ones(2, d), "classifier.dense.bias": torch.ones(2)}
config = json.dumps({"model_type": "audio-spectrogram-transformer", "hidden_act": "gelu", "num_attention_heads": 1,
                     "max_length": 16, "num_mel_bins": 128, "qkv_bias": True, "id2label": {"0": "a", "1": "b"}}).encode()
features = json.dumps({"sampling_rate": 16000, "mean": -4.2, "std": 4.5, "do_normalize": True, "max_length": 16}).encode()
names = list(ast)
first, second = ({n: ast[n] for n in names[::2]}, {n: ast[n] for n in names[1::2]})
parts = NAMES[4:6]
index = json.dumps({"weight_map": {n: parts[n in second] for n in names}}).encode()
lora = {f"base_model.model.{a}layers.0.attention.q_proj.lora_{k}.weight": torch.ones(shape)
        for k, shape in (("A", [2, 32]), ("B", [32, 2]))}
adapter = json.dumps({"peft_type": "LORA", "base_model_name_or_path": "../base", "r": 2, "lora_alpha": 4}).encode()
folder("ast", {"config.json": config, "preprocessor_config.json": features, "model.safetensors": safetensors(ast)})
folder("parts", {"config.json": config, NAMES[3]: index, parts[0]: safetensors(first), parts[1]: safetensors(second)})
folder("lora", {"adapter_config.json": adapter, "adapter_model.safetensors": safetensors(lora)})
head = {"encoder.conv1.weight": [2, 80, 3], "encoder.layers.0.self_attn.q_proj.weight": [2, 2], "projector.weight": [3, 2],
        "projector.bias": [3], "classifier.weight": [2, 3], "classifier.bias": [2]}
folder("whisper", {"config.json": b'{"model_type": "whisper", "encoder_attention_heads": 1}',
                   "model.safetensors": safetensors({n: torch.ones(s) for n, s in head.items()})})
