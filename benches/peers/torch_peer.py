"""The work of `aat-tui bench`, done by PyTorch: the same shapes, the same output.

    python torch_peer.py step  --model tiny --method aat --frames 128 --batch 16
    python torch_peer.py infer --model base --frames 512
    python torch_peer.py fbank
    python torch_peer.py step --model ced-tiny --method aat --frames 1001 --batch 8
    python torch_peer.py answer --model ced-tiny --frames 1001
    python torch_peer.py step  --model base --frames 1024 --batch 12 --device cuda --dtype bf16 --compile
    python torch_peer.py matmul --device cuda --dtype bf16

`matmul` is the product of two large square matrices, whose rate nothing else can exceed. With `--dtype bf16` models
go through autocast; on CUDA times are taken after synchronisation. The model is AST with AAT's adapters as a PyTorch user would write it: modules, fused attention
(scaled_dot_product_attention), frozen parameters without gradients, fused AdamW. `--compile` puts it
through torch.compile. CED is its makers' own PyTorch: the class Dasheng of PyPI's `dasheng` with CED's patches (equal to CED's
to the bit), to whose blocks AAT's adapters are added; `answer` is from ten seconds of sound on, through their front end.
"""

import argparse
import contextlib
import json
import resource
import statistics
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn

SIZES = {"tiny": (192, 3, 16), "small": (384, 6, 10), "base": (768, 12, 10)}
DEPTH, MEL_BINS, PATCH = 12, 128, 16
CED = {"ced-tiny": (192, 3), "ced-small": (384, 6)}
CED_BINS, CED_FRAMES = 64, 1012


class Adapter(nn.Module):
    def __init__(self, hidden):
        super().__init__()
        self.down, self.up = nn.Linear(hidden, hidden // 4), nn.Linear(hidden // 4, hidden)

    def forward(self, x):
        return self.up(F.gelu(self.down(x)))


class Block(nn.Module):
    def __init__(self, hidden, heads, spatial, parallel):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(hidden, eps=1e-6), nn.LayerNorm(hidden, eps=1e-6)
        self.qkv, self.proj = nn.Linear(hidden, 3 * hidden), nn.Linear(hidden, hidden)
        self.fc1, self.fc2 = nn.Linear(hidden, 4 * hidden), nn.Linear(4 * hidden, hidden)
        self.spatial = Adapter(hidden) if spatial else None
        self.adapter = Adapter(hidden) if parallel else None

    def forward(self, x):
        batch, tokens, hidden = x.shape
        qkv = self.qkv(self.norm1(x)).view(batch, tokens, 3, self.heads, hidden // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        h = self.proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(x.shape))
        x = x + (h + self.spatial(h) if self.spatial else h)
        n = self.norm2(x)
        y = self.fc2(F.gelu(self.fc1(n)))
        return x + (y + self.adapter(n) if self.adapter else y)


class Ast(nn.Module):
    def __init__(self, size, method, frames, classes=50):
        super().__init__()
        hidden, heads, self.stride = SIZES[size]
        grid = [(n - PATCH) // self.stride + 1 for n in (MEL_BINS, frames)]
        self.tokens = 2 + grid[0] * grid[1]
        self.patch = nn.Conv2d(1, hidden, PATCH, self.stride)
        self.cls = nn.Parameter(torch.randn(1, 2, hidden) * 0.02)
        self.pos = nn.Parameter(torch.randn(1, self.tokens, hidden) * 0.02)
        self.blocks = nn.ModuleList(
            Block(hidden, heads, method == "aat", method in ("aat", "aat-m")) for _ in range(DEPTH)
        )
        self.norm = nn.LayerNorm(hidden, eps=1e-6)
        self.head = nn.Sequential(nn.LayerNorm(hidden), nn.Linear(hidden, classes))
        for name, parameter in self.named_parameters():
            parameter.requires_grad = (
                method == "full"
                or name.startswith("head.")
                or (method == "partial" and name.startswith("blocks.") and int(name.split(".")[1]) >= DEPTH // 2)
                or (method in ("aat", "aat-m") and (".spatial." in name or ".adapter." in name))
            )

    def forward(self, features):
        x = self.patch(features.transpose(1, 2).unsqueeze(1)).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls.expand(len(x), -1, -1), x], dim=1) + self.pos
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x[:, :2]).mean(1))


class CedBlock(nn.Module):
    """A block of the makers' code with AAT's adapters."""

    def __init__(self, block, hidden, method):
        super().__init__()
        self.block = block
        self.spatial = Adapter(hidden) if method == "aat" else None
        self.adapter = Adapter(hidden) if method in ("aat", "aat-m") else None

    def forward(self, x, **kwargs):
        h = self.block.attn(self.block.norm1(x), **kwargs)
        x = x + (h + self.spatial(h) if self.spatial else h)
        n = self.block.norm2(x)
        y = self.block.mlp(n)
        return x + (y + self.adapter(n) if self.adapter else y)


class Ced(nn.Module):
    def __init__(self, size, method, frames, classes=50):
        super().__init__()
        # torchaudio refuses a PyTorch of another CUDA than its own, though nothing of CUDA is used here.
        cuda, torch.version.cuda = torch.version.cuda, None
        from dasheng.pretrained.pretrained import Dasheng

        torch.version.cuda = cuda
        hidden, heads = CED[size]
        patch = [PATCH, PATCH]
        self.encoder = Dasheng(embed_dim=hidden, num_heads=heads, depth=DEPTH, target_length=CED_FRAMES, patch_size=patch,
                               patch_stride=patch)
        # The batch norm answers as outside training, as here.
        self.encoder.init_bn.eval()
        self.tokens = (CED_BINS // PATCH) * (min(frames, CED_FRAMES) // PATCH)
        for i, block in enumerate(self.encoder.blocks):
            self.encoder.blocks[i] = CedBlock(block, hidden, method)
        self.head = nn.Sequential(nn.LayerNorm(hidden), nn.Linear(hidden, classes))
        for name, parameter in self.named_parameters():
            adapter = method in ("aat", "aat-m") and (".spatial." in name or ".adapter." in name)
            parameter.requires_grad = method == "full" or name.startswith("head.") or adapter

    def forward(self, features):
        """(batch, frames, 64) decibels to logits."""
        x = self.encoder.init_bn(features.transpose(1, 2).unsqueeze(1))
        return self.head(self.encoder.forward_spectrogram(x).mean(1))

    def of_sound(self, samples):
        return self.head(self.encoder(samples).mean(1))


def model_of(args):
    """The model and the bins that it takes."""
    kind, bins = (Ced, CED_BINS) if args.model in CED else (Ast, MEL_BINS)
    return kind(args.model, args.method, args.frames).to(args.device), bins


def precision(args):
    if args.dtype == "bf16":
        return torch.autocast(args.device, torch.bfloat16)
    return contextlib.nullcontext()


def step(args):
    torch.manual_seed(0)
    model, bins = model_of(args)
    trainable = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trainable, lr=1e-5, weight_decay=0.05, fused=True)
    forward = torch.compile(model) if args.compile else model
    features = torch.randn(args.batch, args.frames, bins, device=args.device)
    targets = torch.randint(0, 50, (args.batch,), device=args.device)

    def run():
        with precision(args):
            loss = F.cross_entropy(forward(features), targets)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return run, model.tokens


def infer(args):
    torch.manual_seed(0)
    model, bins = model_of(args)
    model = model.eval()
    forward = torch.compile(model) if args.compile else model
    features = torch.randn(args.batch, args.frames, bins, device=args.device)

    def run():
        with torch.inference_mode(), precision(args):
            forward(features).float().cpu()

    return run, model.tokens


def answer(args):
    torch.manual_seed(0)
    model, _ = model_of(args)
    model, samples = model.eval(), torch.randn(1, 160_000) * 0.1

    def run():
        with torch.inference_mode():
            model.of_sound(samples).float().cpu()

    return run, model.tokens


def fbank(args):
    # torchaudio refuses a PyTorch of another CUDA than its own, though nothing of CUDA is used here.
    cuda, torch.version.cuda = torch.version.cuda, None
    import torchaudio

    torch.version.cuda = cuda
    samples = torch.randn(1, 160_000) * 0.1

    def run():
        torchaudio.compliance.kaldi.fbank(
            samples, htk_compat=True, sample_frequency=16000, use_energy=False, window_type="hanning",
            num_mel_bins=MEL_BINS, dither=0.0, frame_shift=10,
        )  # fmt: skip

    return run, 0


def matmul(args):
    dtype = torch.bfloat16 if args.dtype == "bf16" else torch.float32
    a, b = (torch.randn(args.size, args.size, device=args.device, dtype=dtype) for _ in range(2))
    return lambda: a @ b, args.size


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["step", "infer", "answer", "fbank", "matmul"])
    parser.add_argument("--model", default="tiny", choices=[*SIZES, *CED])
    parser.add_argument("--method", default="aat", choices=["full", "head", "partial", "aat-m", "aat"])
    parser.add_argument("--frames", type=int, default=128)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--warmup", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--dtype", default="f32", choices=["f32", "bf16"])
    parser.add_argument("--size", type=int, default=8192, help="rows and columns of matmul's matrices")
    parser.add_argument("--rounds", type=int, default=1, help="each but the first begins with a line on standard input")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    wait = torch.cuda.synchronize if args.device == "cuda" else lambda: None
    run, tokens = {"step": step, "infer": infer, "answer": answer, "fbank": fbank, "matmul": matmul}[args.what](args)
    for _ in range(args.warmup):
        run()
    wait()
    for turn in range(args.rounds):
        if turn > 0 and not sys.stdin.readline():
            return
        print(json.dumps(measured(args, run, wait, tokens)), flush=True)


def measured(args, run, wait, tokens):
    """One round."""
    times = []
    for _ in range(args.repeats):
        start = time.perf_counter()
        run()
        wait()
        times.append((time.perf_counter() - start) * 1e3)
    ms = statistics.median(times)
    return {
        "what": args.what,
        "model": args.model,
        "method": args.method,
        "batch": args.batch,
        "tokens": tokens,
        "ms": ms,
        "ms_min": min(times),
        "samples_per_s": args.batch * 1e3 / ms,
        "peak_rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "dtype": args.dtype,
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "device": f"PyTorch {torch.__version__}, "
        + (torch.cuda.get_device_name() if args.device == "cuda" else f"{args.threads} threads"),
    }


if __name__ == "__main__":
    main()
