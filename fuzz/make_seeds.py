#!/usr/bin/env python3
"""Small valid files of every format for the fuzzers to start from: seeds/checkpoint and seeds/pickle."""
import json
import pathlib
import struct
import zipfile

import torch

here = pathlib.Path(__file__).parent / "seeds"
for kind in ("checkpoint", "pickle"):
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
