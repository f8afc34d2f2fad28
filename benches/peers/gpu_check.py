"""One call on a machine with an NVIDIA GPU: does the program compute there what it does on the CPU, and how fast is it
beside PyTorch?

    python3 gpu_check.py [--program aat-tui] [--minutes 8] [--json FILE]

Needs PyTorch with CUDA 13 in this Python, the program built with CUDA (`make cuda`) and torch_peer.py beside this file;
nothing else of ours. CUDA's libraries are found where PyTorch keeps them. `make gpu-check` is this on the machine that
built the program; `make gpu-kit` packs what another machine needs. `--device cpu --dry` goes through all of it with
tiny shapes, for testing this script.

First `aat-tui bench agree`: logits, every gradient and 20 steps of every method, in f32 and bf16. Then steps of AAT and
of full fine-tuning and answers, ours and PyTorch's (bf16 autocast, fused attention, as it is and through torch.compile),
medians after warm-up and synchronisation, each in a process of its own, with the most memory of the card that was in use
and the share of the card's bf16 matmul rate, measured in the same call, that the model's own multiplications come to.
Exit code 1 if something does not agree or does not run. What the minutes do not suffice for is left out and named.
"""

import argparse
import ctypes
import json
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
# Both sides take a stride of 10 for base and of 16 for tiny.
BASE, TINY = ["--model", "base", "--frames", "1024"], ["--model", "tiny", "--frames", "1024"]
DRY = ["--model", "tiny", "--frames", "32"]
# Hidden size, tokens.
SHAPES = {"base": (768, 1214), "tiny": (192, 514), "dry": (192, 18)}
# What, shape, method, clips, repetitions.
ROWS = [
    ("step", "base", "aat", 12, 10),
    ("step", "base", "aat", 48, 5),
    ("step", "base", "full", 12, 10),
    ("step", "base", "full", 48, 5),
    ("infer", "base", "aat", 12, 10),
    ("infer", "base", "aat", 48, 5),
    ("infer", "base", "aat", 1, 20),
    ("step", "tiny", "aat", 48, 20),
    ("step", "tiny", "full", 48, 20),
    ("infer", "tiny", "aat", 1, 30),
]
DRY_ROWS = [("infer", "dry", "aat", 1, 2), ("step", "dry", "aat", 2, 2), ("step", "dry", "full", 2, 2)]
DEPTH = 12


def multiplications(what, shape, method, clips):
    """Floating point operations of the model's products, two for each multiplication; nothing that is computed twice
    to save memory, and no gradient of a frozen weight."""
    d, n = SHAPES[shape]
    products = 12 * d * d  # of a block and token: qkv 3, proj 1, MLP 8
    adapters = 4 * d * (d // 4) if method == "aat" else 0  # two of down and up
    attention = 2 * n * d  # scores and what they weigh
    forward = products + adapters + attention
    if what == "infer":
        times = forward
    else:
        weights = products if method == "full" else adapters
        times = 2 * forward + attention + weights  # attention's two operands each have a gradient
    return 2 * DEPTH * clips * n * times


class Memory(threading.Thread):
    """The most memory of the card that was in use, as its driver counts it, beyond what was in use before."""

    def __init__(self, index):
        super().__init__(daemon=True)
        self.going, self.most = True, 0
        try:
            self.nvml = ctypes.CDLL("libnvidia-ml.so.1")
            self.handle = ctypes.c_void_p()
            if self.nvml.nvmlInit_v2() or self.nvml.nvmlDeviceGetHandleByIndex_v2(index, ctypes.byref(self.handle)):
                self.nvml = None
        except OSError:
            self.nvml = None
        self.before = self.used()

    def used(self):
        if self.nvml is None:
            return 0
        figures = (ctypes.c_ulonglong * 3)()  # all, free, used
        return figures[2] if self.nvml.nvmlDeviceGetMemoryInfo(self.handle, figures) == 0 else 0

    def run(self):
        while self.going:
            self.most = max(self.most, self.used() - self.before)
            time.sleep(0.02)

    def stop(self):
        self.going = False
        self.join()
        return self.most


def libraries():
    """An environment in which the program finds CUDA's libraries, PyTorch's wheels' if the system has none."""
    import importlib.util

    spec = importlib.util.find_spec("nvidia")
    folders = [pathlib.Path(folder) for folder in (spec.submodule_search_locations if spec else [])]
    found = sorted({str(lib.parent) for folder in folders for lib in folder.glob("*/lib/*.so.*")})
    # A sound library for machines that have none: the program links to it, nothing here plays.
    found += [str(HERE / "lib")]
    old = os.environ.get("LD_LIBRARY_PATH")
    return dict(os.environ, LD_LIBRARY_PATH=":".join(([old] if old else []) + found))


def run(command, env, seconds):
    """Answers with standard output's lines of JSON and what went wrong."""
    process = subprocess.Popen(
        command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        out, err = process.communicate(timeout=max(seconds, 1))
    except subprocess.TimeoutExpired:
        # Not communicate: torch.compile's workers have sessions of their own and hold on to the pipes for a while.
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return [], f"took more than {seconds:.0f} s"
    lines = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
    last = (err.strip().splitlines() or [f"exit code {process.returncode}"])[-1]
    return lines, None if process.returncode == 0 else last


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", default=str(HERE / "aat-tui"))
    parser.add_argument("--minutes", type=float, default=8)
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument("--dry", action="store_true", help="tiny shapes, to test this script")
    parser.add_argument("--json", help="also write everything to this file")
    args = parser.parse_args()
    env, end = libraries(), time.monotonic() + 60 * args.minutes
    left = lambda: end - time.monotonic()  # noqa: E731
    program, torch = [args.program, "bench"], [sys.executable, str(HERE / "torch_peer.py")]
    where = ["--device", args.device]
    # CPUs go through bf16 the long way.
    dtype = "f32" if args.dry else "bf16"
    everything = {"device": args.device, "agree": [], "rows": [], "problems": []}

    def problem(what, error):
        everything["problems"].append(f"{what}: {error}")
        print(f"  {what}: {error}", flush=True)

    print("against the CPU (distance over size; bounds behind)", flush=True)
    shape = ["--model", "tiny", "--frames", "32", "--batch", "2", "--steps", "2"] if args.dry else ["--batch", "4"]
    lines, error = run([*program, "agree", *where, *shape, "--json"], env, min(left(), 150))
    everything["agree"] = lines
    for line in lines:
        figures = "  ".join(f"{k} {line[k]:.1e} ({line['bounds'][k]:.0e})" for k in ["logits", "gradients", "gradient", "losses"])
        print(f"  {'ok' if line['agrees'] else 'NO':3}{line['method']:9}{line['dtype']:6}{figures}", flush=True)
    if error:
        problem("agree", error)

    size = 1024 if args.dry else 8192
    lines, error = run([*torch, "matmul", *where, "--dtype", dtype, "--size", str(size), "--repeats", "30", "--warmup", "5"], env, left())
    rate = None
    if error:
        problem("matmul", error)
    else:
        rate = 2 * size**3 / (lines[0]["ms"] / 1e3)
        print(f"{lines[0]['device']}: {rate / 1e12:.2f} TFLOP/s in a {dtype} product of {size} x {size}", flush=True)
    everything["matmul_flops"] = rate

    rows = DRY_ROWS if args.dry else ROWS
    sides = {"ours": (program, ["--json"]), "torch": (torch, []), "compiled": (torch, ["--compile"])}
    # Compiling takes longest: what it is for comes first, then as much of it as there is time for.
    work = [(row, side) for row in rows for side in ("ours", "torch")] + [(row, "compiled") for row in rows]
    found, out_of_time = {}, []
    print("\nmedians, as they come", flush=True)
    for row, side in work:
        what, shape, method, clips, repeats = row
        name = f"{shape}, {method if what == 'step' else 'answers'}, batch {clips}"
        if left() < 15:
            out_of_time.append(f"{name}, {side}")
            continue
        command, more = sides[side]
        sizes = {"base": BASE, "tiny": TINY, "dry": DRY}[shape]
        command = [*command, what, *sizes, "--method", method, "--batch", str(clips), *where, "--dtype", dtype]
        memory = Memory(0)
        memory.start()
        lines, error = run([*command, "--repeats", str(repeats), "--warmup", "3", *more], env, min(left(), 150))
        most = memory.stop()
        if error and left() < 15:
            out_of_time.append(f"{name}, {side}")
        elif error or not lines:
            problem(f"{name}, {side}", error or "no answer")
        else:
            ms = lines[0]["ms"]
            share = multiplications(what, shape, method, clips) / (ms / 1e3) / rate if rate else None
            found[row, side] = (name, ms, most, share)
            everything["rows"].append({"work": name, "side": side, "memory_bytes": most, "share": share, **lines[0]})
            print(f"  {name}, {side}: {ms:.2f} ms", flush=True)

    print(f"\n{'':24}{'':10}{'ms':>10}{'of ours':>9}{'MiB':>9}{'of matmul':>11}")
    for row, side in sorted(found, key=lambda place: (rows.index(place[0]), list(sides).index(place[1]))):
        name, ms, most, share = found[row, side]
        of_ours = f"{ms / found[row, 'ours'][1]:.2f}" if (row, "ours") in found else "-"
        memory, share = f"{most >> 20}" if most else "-", f"{share:.1%}" if share else "-"
        print(f"{name:24}{side:10}{ms:10.2f}{of_ours:>9}{memory:>9}{share:>11}")
    everything["out_of_time"] = out_of_time
    if args.json:
        pathlib.Path(args.json).write_text(json.dumps(everything, indent=1))
    print(f"\n{60 * args.minutes - left():.0f} s; " + ("; ".join(everything["problems"]) or "everything agrees and runs"))
    if out_of_time:
        print("there was no time for " + "; ".join(out_of_time))
    sys.exit(1 if everything["problems"] else 0)


if __name__ == "__main__":
    main()
