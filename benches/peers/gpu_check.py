"""On a machine with an NVIDIA GPU: does the program compute there what it does on the CPU, and how fast is it beside
PyTorch?

    python3 gpu_check.py [--program aat-tui] [--part 1/2] [--rounds 3] [--minutes 8] [--json FILE]
    python3 gpu_check.py --plan [--part 1/2]
    python3 gpu_check.py --table FILE FILE

Needs PyTorch with CUDA 13 in this Python, the program built with CUDA (`make cuda`) and torch_peer.py beside this file;
nothing else of ours. CUDA's libraries are found where PyTorch keeps them. `make gpu-check` is this on the machine that
built the program; `make gpu-kit` packs what another machine needs. `--device cpu --dry` goes through all of it with
tiny shapes, for testing this script; `--plan` only prints what would run.

First `aat-tui bench agree`: logits, every gradient and 20 steps of every method, in f32 and bf16. While it runs,
torch.compile compiles every row once, so that the timed processes find the results in its cache. Then what is to be chosen
by measurement: attention's backward pass as the trainer does it and with five products (`bench attention`), and a batch's
way to the card (`bench upload`). Then, row by row, steps of AAT and of full fine-tuning and answers, ours and PyTorch's
(bf16 autocast, fused attention, as it is and through torch.compile), each in a process of its own. A round times each
side once, after warm-up and synchronisation, one after another; PyTorch's processes wait in between, for they start
slowly. The table has the median of the rounds' medians with the smallest and the largest of them, the most memory of the
card that a side's first round took, and the share of the card's bf16 matmul rate, measured in the same call, that the
model's own multiplications come to.

Where one call may not take long enough for everything, `--part 1/2` and `--part 2/2` do half of the rows each, the first
with `bench agree`; `--table` prints the table of all of their JSON files. Exit code 1 if something does not agree or does
not run. What the minutes do not suffice for is left out and named.
"""

import argparse
import ctypes
import json
import os
import pathlib
import queue
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
# Both sides take a stride of 10 for base and of 16 for tiny.
BASE, TINY = ["--model", "base", "--frames", "1024"], ["--model", "tiny", "--frames", "1024"]
DRY = ["--model", "tiny", "--frames", "32"]
# Hidden size, tokens.
SHAPES = {"base": (768, 1214), "tiny": (192, 514), "dry": (192, 18)}
# What, shape, method, clips, repetitions of a round. Neighbours go to different parts.
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
# Clips for which attention's backward pass and an upload are measured alone.
ALONE, DRY_ALONE = [12, 48], [2]
SIDES = ["ours", "torch", "compiled"]
DEPTH, WARMUP = 12, 3
# Seconds that one answer of a process may take.
PATIENCE = 150


def name_of(row):
    what, shape, method, clips, _ = row
    return f"{shape}, {method if what == 'step' else 'answers'}, batch {clips}"


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


class Process:
    """A process that answers with lines of JSON on standard output."""

    def __init__(self, command, env):
        self.errors = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, text=True, start_new_session=True
        )
        self.lines = queue.Queue()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            if line.startswith("{"):
                self.lines.put(json.loads(line))
        self.lines.put(None)

    def go_on(self):
        try:
            self.process.stdin.write("\n")
            self.process.stdin.flush()
        except OSError:
            pass  # It has ended; what it says then tells.

    def next(self, seconds):
        """The next line, or None at the end, and what went wrong."""
        try:
            line = self.lines.get(timeout=max(seconds, 1))
        except queue.Empty:
            self.kill()
            return None, f"took more than {seconds:.0f} s"
        if line is not None:
            return line, None
        code = self.process.wait()
        self.errors.seek(0)
        last = (self.errors.read().strip().splitlines() or [f"exit code {code}"])[-1]
        return None, None if code == 0 else last

    def rest(self, seconds):
        """All lines until the end, and what went wrong."""
        found, end = [], time.monotonic() + seconds
        while True:
            line, error = self.next(end - time.monotonic())
            if line is None:
                return found, error
            found.append(line)

    def kill(self):
        # The whole session: torch.compile's workers go with it.
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()


class Check:
    """One call of this script; `cache` is a folder for what torch.compile finds."""

    def __init__(self, args, cache):
        self.args, self.env, self.begun = args, libraries(), time.monotonic()
        # Compiled once, found again by the processes that are timed.
        self.env["TORCHINDUCTOR_CACHE_DIR"] = cache
        # CPUs go through bf16 the long way.
        self.dtype = "f32" if args.dry else "bf16"
        self.rate = None
        self.result = {"device": args.device, "part": args.part, "agree": [], "attention": [], "upload": [], "rows": [], "problems": [], "out_of_time": []}

    def left(self):
        return 60 * self.args.minutes - (time.monotonic() - self.begun)

    def problem(self, what, error):
        self.result["problems"].append(f"{what}: {error}")
        print(f"  {what}: {error}", flush=True)

    def command(self, row, side, repeats=None, warmup=WARMUP, rounds=1):
        what, shape, method, clips, own = row
        sizes = {"base": BASE, "tiny": TINY, "dry": DRY}[shape]
        work = [what, *sizes, "--method", method, "--batch", str(clips), "--device", self.args.device, "--dtype", self.dtype]
        work += ["--repeats", str(repeats or own), "--warmup", str(warmup)]
        if side == "ours":
            return [self.args.program, "bench", *work, "--json"]
        more = ["--compile"] if side == "compiled" else []
        return [*self.torch(), *work, "--rounds", str(rounds), *more]

    def torch(self):
        return [sys.executable, str(HERE / "torch_peer.py")]

    def agree_command(self):
        shape = ["--batch", "4"]
        if self.args.dry:
            shape = ["--model", "tiny", "--frames", "32", "--batch", "2", "--steps", "2"]
        return [self.args.program, "bench", "agree", "--device", self.args.device, *shape, "--json"]

    def matmul_command(self):
        size = 1024 if self.args.dry else 8192
        work = ["matmul", "--device", self.args.device, "--dtype", self.dtype, "--size", str(size)]
        return [*self.torch(), *work, "--repeats", "30", "--warmup", "5"]

    def alone_command(self, what, clips):
        shape = DRY if self.args.dry else BASE
        where = ["--device", self.args.device, "--dtype", self.dtype]
        return [self.args.program, "bench", what, *shape, "--batch", str(clips), *where, "--repeats", "10", "--json"]

    def alone(self, what, clips):
        """The lines of JSON of one of our own measurements."""
        process = Process(self.alone_command(what, clips), self.env)
        lines, error = process.rest(min(self.left(), PATIENCE))
        process.kill()
        self.result[what] += lines
        if error:
            self.problem(f"{what} alone, batch {clips}", error)
        return lines

    def attention(self, clips):
        """The backward pass of attention alone, as it is and with five products."""
        for line in self.alone("attention", clips):
            way = f"{line['products']} products" + (f", {line['tiles']} tiles of keys a block" if line["tiles"] else "")
            bits = "" if line["repeats"] else "  NOT THE SAME BITS TWICE"
            print(f"  batch {clips}, {way}: {line['ms']:.3f} ms (fastest {line['ms_min']:.3f}), {line['apart']:.1e} apart{bits}")

    def upload(self, clips):
        """A batch to the card, from ordinary and from page-locked memory."""
        for line in self.alone("upload", clips):
            bits = "" if line["arrives"] else "  NOT WHAT WAS SENT"
            print(f"  batch {clips}, {line['memory']}: {line['ms']:.3f} ms, the host's part {line['ms_host']:.3f}{bits}")

    def compile(self, rows):
        """Begins to compile every row, a few at a time; nothing of it is timed."""
        waiting = queue.Queue()
        for row in rows:
            waiting.put(row)

        def work():
            while True:
                try:
                    row = waiting.get_nowait()
                except queue.Empty:
                    return
                # The comparison with the CPU needs the cores meanwhile.
                command = ["nice", "-n", "10", *self.command(row, "compiled", repeats=1, warmup=1)]
                process = Process(command, self.env)
                _, error = process.rest(min(self.left(), 2 * PATIENCE))
                process.kill()
                if error:
                    # The timed process compiles for itself then, and says what is wrong.
                    print(f"  compiling {name_of(row)} ahead: {error}", flush=True)

        workers = [threading.Thread(target=work, daemon=True) for _ in range(self.args.compilers)]
        for worker in workers:
            worker.start()
        return workers

    def agree(self):
        print("against the CPU (distance over size; bounds behind)", flush=True)
        process = Process(self.agree_command(), self.env)
        lines, error = process.rest(min(self.left(), 2 * PATIENCE))
        process.kill()
        self.result["agree"] = lines
        for line in lines:
            keys = ["logits", "gradients", "gradient", "losses"]
            figures = "  ".join(f"{key} {line[key]:.1e} ({line['bounds'][key]:.0e})" for key in keys)
            print(f"  {'ok' if line['agrees'] else 'NO':3}{line['method']:9}{line['dtype']:6}{figures}", flush=True)
        if error:
            self.problem("agree", error)

    def matmul(self):
        process = Process(self.matmul_command(), self.env)
        lines, error = process.rest(min(self.left(), PATIENCE))
        process.kill()
        if error or not lines:
            self.problem("matmul", error or "no answer")
            return
        self.rate = 2 * lines[0]["tokens"] ** 3 / (lines[0]["ms"] / 1e3)
        size = lines[0]["tokens"]
        print(f"{lines[0]['device']}: {self.rate / 1e12:.2f} TFLOP/s in a {self.dtype} product of {size} x {size}", flush=True)
        self.result["matmul_flops"] = self.rate

    def row(self, row):
        """All rounds of one row."""
        name, rounds = name_of(row), self.args.rounds
        found, processes, failed = {side: [] for side in SIDES}, {}, set()
        memory = {}
        for turn in range(rounds):
            for side in SIDES:
                if side in failed:
                    continue
                if self.left() < 15:
                    self.result["out_of_time"].append(f"{name}, {side}, round {turn + 1}")
                    continue
                first = turn == 0
                if first:
                    watch = Memory(0)
                    watch.start()
                if side == "ours" or first:
                    processes[side] = Process(self.command(row, side, rounds=rounds), self.env)
                else:
                    if side not in processes:
                        continue  # There was no time for its first round.
                    processes[side].go_on()
                line, error = processes[side].next(min(self.left(), PATIENCE))
                if first:
                    memory[side] = watch.stop()
                if line is None:
                    failed.add(side)
                    if self.left() < 15:
                        self.result["out_of_time"].append(f"{name}, {side}, round {turn + 1}")
                    else:
                        self.problem(f"{name}, {side}", error or "no answer")
                else:
                    found[side].append(line)
                    print(f"  {name}, {side}, round {turn + 1}: {line['ms']:.2f} ms", flush=True)
                if side == "ours":
                    # Its memory is free again before others are measured.
                    processes[side].rest(10)
                    processes[side].kill()
        for process in processes.values():
            process.kill()
        what, shape, method, clips, _ = row
        operations = multiplications(what, shape, method, clips)
        for side in SIDES:
            if found[side]:
                times = [line["ms"] for line in found[side]]
                share = operations / (statistics.median(times) / 1e3) / self.rate if self.rate else None
                own = {"work": name, "side": side, "times_ms": times, "memory_bytes": memory[side], "share": share}
                self.result["rows"].append({**found[side][0], **own})


def chosen(rows, part):
    """The rows of a part, given as (which, of how many)."""
    which, parts = part
    return rows[which - 1 :: parts]


def part_of(text):
    try:
        which, parts = map(int, text.split("/"))
    except ValueError:
        which, parts = 0, 0
    if not 1 <= which <= parts:
        raise argparse.ArgumentTypeError("must be like 1/2: the first of two parts")
    return which, parts


def table(rows):
    """The table's lines: a side of a row each, in the order of ROWS."""
    names = [name_of(row) for row in [*ROWS, *DRY_ROWS]]
    ours = {row["work"]: statistics.median(row["times_ms"]) for row in rows if row["side"] == "ours"}
    lines = [f"{'':24}{'':10}{'ms':>10}{'min':>10}{'max':>10}{'rounds':>8}{'of ours':>9}{'MiB':>9}{'of matmul':>11}"]
    for row in sorted(rows, key=lambda row: (names.index(row["work"]), SIDES.index(row["side"]))):
        times = row["times_ms"]
        ms = statistics.median(times)
        of_ours = f"{ms / ours[row['work']]:.2f}" if row["work"] in ours else "-"
        memory = f"{row['memory_bytes'] >> 20}" if row["memory_bytes"] else "-"
        share = f"{row['share']:.1%}" if row["share"] else "-"
        figures = f"{ms:10.2f}{min(times):10.2f}{max(times):10.2f}{len(times):8}"
        lines.append(f"{row['work']:24}{row['side']:10}{figures}{of_ours:>9}{memory:>9}{share:>11}")
    return lines


def arguments(given=None):
    parser = argparse.ArgumentParser(description="Compares a card with the CPU, and the program with PyTorch.")
    parser.add_argument("--program", default=str(HERE / "aat-tui"))
    parser.add_argument("--part", type=part_of, default=(1, 1), help="which of how many parts of the rows, like 1/2")
    parser.add_argument("--rounds", type=int, default=3, help="how often each side of a row is timed")
    parser.add_argument("--minutes", type=float, default=8)
    parser.add_argument("--compilers", type=int, default=3, help="rows that torch.compile compiles ahead at a time")
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument("--dry", action="store_true", help="tiny shapes, to test this script")
    parser.add_argument("--plan", action="store_true", help="print what would run, and end")
    parser.add_argument("--json", help="also write everything to this file")
    parser.add_argument("--table", nargs="+", metavar="FILE", help="print the table of files that --json wrote, and end")
    args = parser.parse_args(given)
    if args.rounds < 1:
        parser.error("--rounds must be at least 1")
    return args


def plan(check, rows, alone):
    """What a call runs, a line each."""
    lines = []
    if check.args.part[0] == 1:
        lines.append(" ".join(check.agree_command()))
    lines.append(" ".join(check.matmul_command()))
    lines += [" ".join(check.alone_command(what, clips)) for what in ["attention", "upload"] for clips in alone]
    for row in rows:
        lines.append(f"{name_of(row)}: {check.args.rounds} rounds of")
        lines += ["  " + " ".join(check.command(row, side, rounds=check.args.rounds)) for side in SIDES]
    return lines


def main():
    args = arguments()
    if args.table:
        files = [json.loads(pathlib.Path(name).read_text()) for name in args.table]
        print("\n".join(table([row for file in files for row in file["rows"]])))
        return
    rows = chosen(DRY_ROWS if args.dry else ROWS, args.part)
    alone = chosen(DRY_ALONE if args.dry else ALONE, args.part)
    with tempfile.TemporaryDirectory(prefix="gpu-check-", ignore_cleanup_errors=True) as cache:
        check = Check(args, cache)
        if args.plan:
            print("\n".join(plan(check, rows, alone)))
            return
        compilers = check.compile(rows)
        if args.part[0] == 1:
            check.agree()
        for compiler in compilers:
            compiler.join(max(check.left(), 1))
        check.matmul()
        print("\nattention's backward pass alone", flush=True)
        for clips in alone:
            check.attention(clips)
        print("\na batch of spectrograms to the card", flush=True)
        for clips in alone:
            check.upload(clips)
        print("\nmedians of each round, as they come", flush=True)
        for row in rows:
            check.row(row)
    result, taken = check.result, 60 * args.minutes - check.left()
    print("\n" + "\n".join(table(result["rows"])))
    if args.json:
        pathlib.Path(args.json).write_text(json.dumps(result, indent=1))
    print(f"\n{taken:.0f} s; " + ("; ".join(result["problems"]) or "everything agrees and runs"))
    if result["out_of_time"]:
        print("there was no time for " + "; ".join(result["out_of_time"]))
    sys.exit(1 if result["problems"] else 0)


if __name__ == "__main__":
    main()
