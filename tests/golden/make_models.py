#!/usr/bin/env python3
"""Checkpoints of every maker at tiny shapes, and what the makers' own code computes with them.

    python make_models.py RECORDINGS                    writes models/ beside this script (committed)
    python make_models.py RECORDINGS --large DIR [--whisper FOLDER]
                                                        published shapes, for AAT_TUI_GOLDEN_MODELS=DIR

RECORDINGS is a folder of ESC-10 (audio/*.ogg). Each case is a folder with a checkpoint and
`expected.safetensors`: `input` (1, frames, bins), `hidden.N` after block N, `logits` where the file has a head; its
metadata names the checkpoint, and the frames and stride it is opened with. What is in float64 is compared in float64.
Made with torch 2.11.0, transformers 5.23.0, timm 1.0.31.
"""
import argparse
import json
import pathlib
import struct

import soundfile
import torch
import torchaudio
from safetensors.torch import load_file, save_file
from timm.models.deit import VisionTransformerDistilled
from torch import nn
from transformers import ASTConfig, ASTForAudioClassification, ASTModel, WhisperConfig, WhisperModel

MEAN, STD = -4.2677393, 4.5689974


def features(folder, frames, bins=128):
    """Normalised log-mel of a real recording, (1, frames, bins); beyond 128 bins' front end, any bins will do."""
    path = sorted(pathlib.Path(folder).glob("audio/*.ogg"))[3]
    sound, rate = soundfile.read(path, dtype="float32")
    sound = torch.tensor(sound if sound.ndim == 1 else sound.mean(1))[None]
    sound = torchaudio.functional.resample(sound, rate, 16000)
    mel = torchaudio.compliance.kaldi.fbank(
        sound, htk_compat=True, sample_frequency=16000, use_energy=False, window_type="hanning",
        num_mel_bins=bins, dither=0.0, frame_shift=10)
    mel = torch.nn.functional.pad(mel[:frames], (0, 0, 0, max(0, frames - len(mel))))
    return ((mel - MEAN) / (2 * STD))[None]


def randomise(model, half):
    """Weights large enough that a mistake shows, exact in half precision where the file keeps that."""
    for name, p in model.named_parameters():
        if not p.is_floating_point() or "embed_positions" in name:
            continue
        norm = ("norm" in name and name.endswith("weight")) or name.endswith("mlp_head.0.weight")
        value = 1 + 0.1 * torch.randn_like(p) if norm else torch.randn_like(p) * (0.3 / max(p.shape[-1], 1) ** 0.5 + 0.02)
        p.data = value.half().float() if half else value


def watch(blocks):
    """Collects each block's output."""
    seen = []
    for block in blocks:
        block.register_forward_hook(lambda _m, _i, out: seen.append((out[0] if isinstance(out, tuple) else out).detach()))
    return seen


def write(case, checkpoint, x, seen, logits=None, frames=None, stride=None):
    tensors = {"input": x.contiguous()} | {f"hidden.{i}": h.contiguous() for i, h in enumerate(seen)}
    if logits is not None:
        tensors["logits"] = logits.detach().contiguous()
    meta = {"checkpoint": checkpoint, "frames": str(frames or x.shape[1])}
    if stride:
        meta["stride"] = str(stride)
    save_file(tensors, case / "expected.safetensors", metadata=meta)


class Ast(nn.Module):
    """Gong's ASTModel (YuanGongND/ast, src/models/ast_models.py) and SSAST's ASTModel, on timm's distilled DeiT."""

    def __init__(self, size, patch, stride, grid, classes=None, colours=1):
        super().__init__()
        hidden, heads, depth, mlp = size
        self.v = VisionTransformerDistilled(img_size=32, patch_size=16, embed_dim=hidden, depth=depth, num_heads=heads,
                                            mlp_ratio=mlp / hidden, num_classes=5)
        self.v.patch_embed.proj = nn.Conv2d(colours, hidden, patch, stride)
        self.v.pos_embed = nn.Parameter(torch.zeros(1, grid[0] * grid[1] + 2, hidden))
        self.mlp_head = nn.Sequential(nn.LayerNorm(hidden), nn.Linear(hidden, classes)) if classes else nn.Identity()

    def forward(self, x):
        x = x.unsqueeze(1).transpose(2, 3)
        v = self.v
        x = v.patch_embed.proj(x).flatten(2).transpose(1, 2)
        x = torch.cat((v.cls_token.expand(len(x), -1, -1), v.dist_token.expand(len(x), -1, -1), x), 1) + v.pos_embed
        for block in v.blocks:
            x = block(x)
        x = v.norm(x)
        return self.mlp_head((x[:, 0] + x[:, 1]) / 2)


def fit(pos, source, wanted):
    """Gong's rule: cut around the middle, else bilinear."""
    two, grid = pos[:, :2], pos[:, 2:].transpose(1, 2).reshape(1, -1, *source)
    (f, t), (wf, wt) = source, wanted
    if wt <= t:
        grid = grid[..., t // 2 - wt // 2:][..., :wt]
    else:
        grid = torch.nn.functional.interpolate(grid, size=(f, wt), mode="bilinear")
    if wf <= f:
        grid = grid[..., f // 2 - wf // 2:, :][..., :wf, :]
    else:
        grid = torch.nn.functional.interpolate(grid, size=(wf, wt), mode="bilinear")
    return torch.cat((two, grid.reshape(1, pos.shape[-1], -1).transpose(1, 2)), 1)


def save_pth(model, path, half, extra=None, prefix="module."):
    state = model.state_dict()
    cast = lambda t: t.half() if half and t.is_floating_point() else t
    renamed = type(state)((prefix + name, cast(t)) for name, t in state.items())
    renamed.update(extra or {})
    renamed._metadata = state._metadata
    torch.save(renamed, path)


def hugging_face(out, recordings, size, frames, half, labels):
    hidden, heads, depth, mlp = size
    config = ASTConfig(hidden_size=hidden, num_attention_heads=heads, num_hidden_layers=depth, intermediate_size=mlp,
                       max_length=frames, id2label=dict(enumerate(labels)), label2id={l: i for i, l in enumerate(labels)})
    model = ASTForAudioClassification(config).eval()
    randomise(model, half)
    x = features(recordings, frames)
    seen = watch(model.audio_spectrogram_transformer.layers)
    logits = model(x).logits
    case = out / "hf-ast"
    model.save_pretrained(case)
    preprocessor = {"feature_extractor_type": "ASTFeatureExtractor", "mean": MEAN, "std": STD, "max_length": frames,
                    "num_mel_bins": 128, "sampling_rate": 16000, "do_normalize": True}
    (case / "preprocessor_config.json").write_text(json.dumps(preprocessor) + "\n")
    write(case, "", x, seen, logits)
    # The names that transformers 5 has in memory, as torch.save writes them.
    bare = out / "hf-ast-in-memory"
    bare.mkdir(exist_ok=True)
    torch.save(model.state_dict(), bare / "weights.bin")
    (bare / "config.json").write_text((case / "config.json").read_text())
    write(bare, "weights.bin", x, seen, logits)
    # SSAST in this form: strides of 16, no classifier; opened at stride 10 and another length.
    config = ASTConfig(hidden_size=hidden, num_attention_heads=heads, num_hidden_layers=depth, intermediate_size=mlp,
                       max_length=frames, frequency_stride=16, time_stride=16)
    model = ASTModel(config).eval()
    randomise(model, half)
    case = out / "hf-ssast"
    model.save_pretrained(case)
    adapt_hf(model, config, recordings, case, frames)


def adapt_hf(model, config, recordings, case, frames):
    wanted_frames = frames + 32
    grid, wanted = (8, (frames - 16) // 16 + 1), (12, (wanted_frames - 16) // 10 + 1)
    e = model.embeddings
    e.position_embeddings = nn.Parameter(fit(e.position_embeddings.data, grid, wanted))
    e.patch_embeddings.projection.stride = (10, 10)
    seen = watch(model.layers)
    x = features(recordings, wanted_frames)
    model(x)
    write(case, "", x, seen, stride=10)


def gong(out, recordings, size, frames, half):
    grid = (12, (frames - 16) // 10 + 1)
    model = Ast(size, (16, 16), (10, 10), grid, classes=7).eval()
    randomise(model, half)
    case = out / "gong-ast"
    case.mkdir(exist_ok=True)
    save_pth(model, case / "weights.pth", half)
    x = features(recordings, frames)
    seen = watch(model.v.blocks)
    write(case, "weights.pth", x, seen, model(x), frames=frames)
    # A shorter clip: positions cut around the middle.
    short = frames - 20
    case = out / "gong-ast-short"
    case.mkdir(exist_ok=True)
    model.v.pos_embed = nn.Parameter(fit(model.v.pos_embed.data, grid, (12, (short - 16) // 10 + 1)))
    seen.clear()
    x = features(recordings, short)
    logits = model(x)
    write(case, "../gong-ast/weights.pth", x, seen, logits, frames=short)


def ssast(out, recordings, size, frames, half):
    for kind, patch in (("patch", (16, 16)), ("frame", (128, 2))):
        grid = (128 // patch[0], frames // patch[1])
        model = Ast(size, patch, patch, grid).eval()
        randomise(model, half)
        case = out / f"gong-ssast-{kind}"
        case.mkdir(exist_ok=True)
        number = lambda n: nn.Parameter(torch.tensor(n), requires_grad=False)
        hidden, pixels = size[0], patch[0] * patch[1]
        extra = {"module.p_input_fdim": number(128), "module.p_input_tdim": number(frames),
                 "module.mask_embed": torch.zeros(1, 1, hidden), "module.cpredlayer.0.weight": torch.zeros(4, hidden),
                 "module.gpredlayer.0.weight": torch.zeros(4, hidden), "module.gpredlayer.2.bias": torch.zeros(pixels)}
        save_pth(model, case / "weights.pth", half, extra)
        if kind == "patch":
            wanted_frames, stride, wanted = frames + 32, 10, (12, (frames + 32 - 16) // 10 + 1)
            model.v.patch_embed.proj.stride = (10, 10)
        else:
            wanted_frames, stride, wanted = frames - 24, None, (1, (frames - 24) // 2)
        model.v.pos_embed = nn.Parameter(fit(model.v.pos_embed.data, grid, wanted))
        seen = watch(model.v.blocks)
        x = features(recordings, wanted_frames)
        model(x)
        write(case, "weights.pth", x, seen, stride=stride)


def deit(out, recordings, size, side, half):
    model = Ast(size, (16, 16), (16, 16), (side, side), colours=3).eval()
    randomise(model, half)
    case = out / "deit"
    case.mkdir(exist_ok=True)
    state = {name.removeprefix("v."): t.half() if half else t for name, t in model.state_dict().items()}
    save_file(state, case / "model.safetensors")
    frames = 16 * side
    conv = nn.Conv2d(1, size[0], 16, 10)
    conv.weight = nn.Parameter(model.v.patch_embed.proj.weight.data.sum(1, keepdim=True))
    conv.bias = model.v.patch_embed.proj.bias
    model.v.patch_embed.proj = conv
    model.v.pos_embed = nn.Parameter(fit(model.v.pos_embed.data, (side, side), (12, (frames - 16) // 10 + 1)))
    seen = watch(model.v.blocks)
    x = features(recordings, frames)
    model(x)
    write(case, "model.safetensors", x, seen)


def whisper(out, recordings, size, frames, folder=None):
    hidden, heads, depth, mlp = size
    config = WhisperConfig(d_model=hidden, encoder_layers=depth, encoder_attention_heads=heads, encoder_ffn_dim=mlp,
                           decoder_layers=1, decoder_attention_heads=heads, decoder_ffn_dim=mlp, vocab_size=8,
                           max_source_positions=frames // 2, max_target_positions=4, pad_token_id=0, bos_token_id=0,
                           eos_token_id=0, decoder_start_token_id=0, begin_suppress_tokens=None, suppress_tokens=None)
    model = WhisperModel(config).eval()
    encoder = model.encoder
    if folder:
        weights = load_file(pathlib.Path(folder, "model.safetensors"))
        encoder.load_state_dict({n.removeprefix("model.encoder."): t.float() for n, t in weights.items()})
        # Its stream grows beyond 100, where float32 differs from float64 by 6e-4 whoever computes it.
        encoder.double()
    else:
        randomise(model, True)
        case = out / "hf-whisper"
        case.mkdir(exist_ok=True)
        state = {"model." + n: t.contiguous() for n, t in model.state_dict().items() if n.startswith("encoder.")}
        save_file(state | {"model.decoder.layer_norm.weight": torch.ones(hidden)}, case / "model.safetensors")
        (case / "config.json").write_text(json.dumps({"encoder_attention_heads": heads}) + "\n")
    seen = watch(encoder.layers)
    x = features(recordings, frames, 80)
    encoder(x.transpose(1, 2).to(encoder.conv1.weight.dtype))
    if not folder:
        write(case, "", x, seen)
        ggml(out, encoder, config, x, seen)
    short = frames - 38
    table = encoder.embed_positions.weight.data[:short // 2]
    encoder.embed_positions = nn.Embedding.from_pretrained(table)
    encoder.max_source_positions = config.max_source_positions = short // 2
    seen.clear()
    x = features(recordings, short, 80)
    encoder(x.transpose(1, 2).to(encoder.conv1.weight.dtype))
    case = out / ("hf-whisper-short" if not folder else "whisper-tiny-short")
    case.mkdir(exist_ok=True)
    write(case, "../hf-whisper" if not folder else str(pathlib.Path(folder).resolve()), x, seen)


def ggml(out, encoder, config, x, seen):
    """As whisper.cpp's convert-pt-to-ggml.py writes it, encoder and one tensor of a decoder."""
    names = {"self_attn_layer_norm": "attn_ln", "self_attn.q_proj": "attn.query", "self_attn.k_proj": "attn.key",
             "self_attn.v_proj": "attn.value", "self_attn.out_proj": "attn.out", "final_layer_norm": "mlp_ln",
             "fc1": "mlp.0", "fc2": "mlp.2"}
    blob = struct.pack("<i11i", 0x67676D6C, 2, config.max_source_positions, config.d_model, config.encoder_attention_heads,
                       config.encoder_layers, 4, config.d_model, config.encoder_attention_heads, 1, 80, 1)
    blob += struct.pack("<2i", 80, 3) + bytes(4 * 80 * 3) + struct.pack("<i", 2)
    for word in (b"!", b"two"):
        blob += struct.pack("<i", len(word)) + word
    for name, t in list(encoder.state_dict().items()) + [("decoder", torch.ones(3))]:
        if name == "embed_positions.weight":
            name = "positional_embedding"
        elif name.startswith("layers."):
            _, i, rest = name.split(".", 2)
            module, leaf = rest.rsplit(".", 1)
            name = f"blocks.{i}.{names[module]}.{leaf}"
        else:
            name = name.replace("layer_norm", "ln_post")
        if name in ("conv1.bias", "conv2.bias"):
            t = t.reshape(-1, 1)
        name = ("encoder." + name if name != "decoder" else "decoder.ln.bias").encode()
        half = t.ndim >= 2 and "bias" not in name.decode() and "positional" not in name.decode()
        blob += struct.pack("<3i", t.ndim, len(name), int(half)) + struct.pack(f"<{t.ndim}i", *reversed(t.shape)) + name
        blob += t.detach().numpy().astype("<f2" if half else "<f4").tobytes()
    case = out / "ggml-whisper"
    case.mkdir(exist_ok=True)
    (case / "weights.bin").write_bytes(blob)
    write(case, "weights.bin", x, seen)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recordings")
    parser.add_argument("--large", type=pathlib.Path)
    parser.add_argument("--whisper", help="folder of the real Whisper-tiny encoder")
    args = parser.parse_args()
    torch.manual_seed(2401)
    out = args.large or pathlib.Path(__file__).parent / "models"
    out.mkdir(parents=True, exist_ok=True)
    with torch.no_grad():
        if not args.large:
            hugging_face(out, args.recordings, (32, 4, 2, 48), 64, False, ["dog", "rain", "clock tick"])
            gong(out, args.recordings, (64, 1, 2, 64), 66, True)
            ssast(out, args.recordings, (64, 1, 2, 64), 64, True)
            deit(out, args.recordings, (64, 1, 2, 64), 6, True)
            whisper(out, args.recordings, (32, 4, 2, 48), 80)
            return
        for name, size in (("tiny", (192, 3, 12, 768)), ("base", (768, 12, 12, 3072))):
            at = out / name
            at.mkdir(exist_ok=True)
            hugging_face(at, args.recordings, size, 1024 if name == "base" else 512, False, [f"label {i}" for i in range(527)])
            gong(at, args.recordings, size, 1024 if name == "base" else 516, False)
            ssast(at, args.recordings, size, 1024, False)
            deit(at, args.recordings, size, 24, False)
        if args.whisper:
            whisper(out, args.recordings, (384, 6, 4, 1536), 3000, args.whisper)


if __name__ == "__main__":
    main()
