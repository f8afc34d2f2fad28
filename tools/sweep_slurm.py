#!/usr/bin/env python3
"""A sweep through a real SLURM of one node, with everything that goes wrong on the way, compared with the same sweep on
this machine to the bit.

    tools/sweep_slurm.py --program target/release/aat-tui --slurm PATH/one-node-slurm --data PATH/ESC-10

`one-node-slurm start DIR` starts slurmctld, slurmd and munged with their files in DIR and prints `export` lines;
`one-node-slurm stop DIR` stops them. Needs root (a small disk is mounted, to be filled). Standard library only. Skipped,
with exit code 0, where SLURM is not installed.

In the middle of the sweep a training is killed with -9, running tasks are preempted by a job of higher priority and
requeued, the controller is restarted, the disk of the sessions fills up, and one task meets its time limit. Then the sweep
is run again until nothing is left. Checked: each session began once and finished once, has each epoch once, and holds the
same weights and epoch values as the same task run locally by one worker and by four.
"""

import argparse
import json
import os
import re
import resource
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time

TABLE = """
name = "table"
folder = "{folder}"

[fixed]
data = "{data}"
recipe = "few"
device = "cpu"
frames = {frames}
epochs = {epochs}

[axes]
method = ["head", "aat"]
fold = "all"
seed = [1, 2]

[slurm]
cpus = 1
time = "{time}"
grace = {grace}
partition = "{partition}"
{more}
"""


def say(words):
    print(f"{time.strftime('%H:%M:%S')} {words}", flush=True)


def need(what, words):
    if not what:
        raise SystemExit(f"failed: {words}")


class Bench:
    def __init__(self, arguments):
        self.a = arguments
        self.work = tempfile.mkdtemp(prefix="sw", dir="/tmp")
        self.disk = os.path.join(self.work, "disk")
        os.mkdir(self.disk)
        self.environment = dict(os.environ, AAT_TUI_CACHE=os.path.join(self.work, "cache"))

    def table(self, name, folder, more="", partition="main", limit="1:00:00", grace=30):
        path = os.path.join(self.work, name)
        with open(path, "w") as file:
            file.write(
                TABLE.format(
                    folder=folder,
                    data=os.path.abspath(self.a.data),
                    frames=self.a.frames,
                    epochs=self.a.epochs,
                    more=more,
                    partition=partition,
                    time=limit,
                    grace=grace,
                )
            )
        return path

    def call(self, *arguments):
        command = [self.a.program, *arguments]
        return subprocess.run(command, env=self.environment, text=True, capture_output=True)

    def sweep(self, *arguments):
        """The lines of a sweep's output, and its exit code."""
        output = self.call("sweep", *arguments, "--json")
        return [json.loads(line) for line in output.stdout.splitlines()], output

    def slurm(self, *command):
        return subprocess.run(command, env=self.environment, text=True, capture_output=True)

    def queue(self):
        output = self.slurm("squeue", "-h", "-r", "-o", "%F_%K %T %P %j")
        return [line.split() for line in output.stdout.splitlines()] if output.returncode == 0 else None

    # SLURM

    def start(self):
        self.cluster = os.path.join(self.work, "slurm")
        output = subprocess.run([self.a.slurm, "start", self.cluster], text=True, capture_output=True)
        need(output.returncode == 0, f"SLURM did not start: {output.stderr}")
        for name, value in re.findall(r"export (\w+)='?([^'\n]*)'?", output.stdout):
            self.environment[name] = value
        conf = self.environment["SLURM_CONF"]
        node = re.search(r"^NodeName=(\S+)", open(conf).read(), re.M).group(1)
        with open(conf, "a") as file:
            file.write("PreemptType=preempt/partition_prio\nPreemptMode=REQUEUE\nEnforcePartLimits=ALL\n")
            file.write(f"PartitionName=urgent Nodes={node} PriorityTier=10 MaxTime=INFINITE State=UP\n")
            file.write(f"PartitionName=closed Nodes={node} AllowAccounts=lab MaxTime=INFINITE State=UP\n")
        self.restart()

    def stop(self):
        subprocess.run([self.a.slurm, "stop", self.cluster], capture_output=True)

    def restart(self, pause=0.0):
        """Ends the controller, waits, and starts it again with the state that it saved."""
        pid = int(open(os.path.join(self.cluster, "slurmctld.pid")).read())
        os.kill(pid, signal.SIGTERM)
        while os.path.exists(f"/proc/{pid}") and open(f"/proc/{pid}/stat").read().split(") ")[1][0] not in "ZX":
            time.sleep(0.1)
        time.sleep(pause)
        subprocess.run(["slurmctld", "-f", self.environment["SLURM_CONF"]], env=self.environment, check=True)
        deadline = time.time() + 60
        while self.queue() is None:
            need(time.time() < deadline, "the controller did not come back")
            time.sleep(0.5)

    # What runs

    def trainings(self, folder):
        """Processes of `train` and `resume` for this folder's sessions: number and session."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                words = open(f"/proc/{pid}/cmdline", "rb").read().decode().split("\0")
            except OSError:
                continue
            if len(words) > 2 and words[1] in ("train", "resume") and folder in words:
                name = words[2] if words[1] == "resume" else words[words.index("--name") + 1]
                found.append((int(pid), name))
        return found

    def until(self, what, seconds, words):
        deadline = time.time() + seconds
        while True:
            result = what()
            if result:
                return result
            need(time.time() < deadline, f"it did not happen in time: {words}")
            time.sleep(0.3)

    def steps(self, folder, name):
        try:
            text = open(os.path.join(folder, name, "events.jsonl"), "rb").read()
        except OSError:
            return 0
        return text.count(b'"event":"step"')


def records(folder, name):
    lines = open(os.path.join(folder, name, "events.jsonl"), "rb").read().splitlines()
    return [json.loads(line) for line in lines if line.strip()]


def epochs(events):
    """Each epoch's values after what was resumed is taken back, as the program folds its log."""
    kept = []
    for event in events:
        if event["event"] == "resumed":
            kept = [epoch for epoch in kept if epoch["epoch"] <= event["epochs"]]
        if event["event"] == "epoch":
            kept.append(event)
    keys = ("epoch", "step", "train_loss", "val_loss", "value", "lr")
    return [tuple(epoch[key] for key in keys) for epoch in kept]


def tensors(path):
    """The bytes of every tensor of a safetensors file."""
    data = open(path, "rb").read()
    (size,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + size])
    body = data[8 + size :]
    out = {}
    for name, tensor in header.items():
        if name != "__metadata__":
            begin, end = tensor["data_offsets"]
            out[name] = (tensor["dtype"], tuple(tensor["shape"]), body[begin:end])
    return out


def results(folder):
    """By session: epoch values, and the weights and moments of the last and the best checkpoint."""
    out = {}
    for name in sorted(os.listdir(folder)):
        if not os.path.exists(os.path.join(folder, name, "events.jsonl")):
            continue
        files = os.listdir(os.path.join(folder, name))
        last = max(file for file in files if file.startswith("checkpoint-") and file.endswith(".safetensors"))
        weights = [tensors(os.path.join(folder, name, file)) for file in (last, "best.safetensors")]
        out[name] = (epochs(records(folder, name)), weights)
    return out


def same(one, other, words):
    need(sorted(one) == sorted(other), f"{words}: other sessions: {set(one) ^ set(other)}")
    for name in one:
        need(one[name][0] == other[name][0], f"{words}: other epochs in {name}:\n{one[name][0]}\n{other[name][0]}")
        need(one[name][1] == other[name][1], f"{words}: other weights in {name}")
    say(f"{words}: {len(one)} sessions, epoch values and weights equal to the bit")


def local(bench, name, workers):
    """The sweep on this machine: seconds, and the highest sum of resident memory of its trainings."""
    folder = os.path.join(bench.work, name)
    table = bench.table(f"{name}.toml", folder)
    begun, peak = time.time(), 0
    command = [bench.a.program, "sweep", table, "--workers", str(workers), "--json"]
    with open(os.path.join(bench.work, f"{name}.log"), "w") as log:
        child = subprocess.Popen(command, env=bench.environment, stdout=log, stderr=log)
        while child.poll() is None:
            total = 0
            for pid, _ in bench.trainings(folder):
                try:
                    total += int(re.search(r"VmRSS:\s+(\d+)", open(f"/proc/{pid}/status").read()).group(1))
                except (OSError, AttributeError):
                    pass
            peak = max(peak, total)
            time.sleep(0.2)
    need(child.returncode == 0, f"the local sweep ended with {child.returncode}: {open(log.name).read()[-2000:]}")
    seconds = time.time() - begun
    say(f"local, {workers} workers: {seconds:.0f} s, at most {peak / 1024:.0f} MB resident in all trainings")
    return folder, seconds, peak


def refused(bench, words, sentence, *arguments):
    before = bench.queue()
    output = bench.call("sweep", *arguments)
    error = output.stderr.strip()
    need(output.returncode != 0 and len(error.splitlines()) == 1 and sentence in error, f"{words}: {error}")
    need(bench.queue() == before, f"{words}: something was submitted")
    say(f"{words}: {error}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", required=True)
    parser.add_argument("--slurm", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--frames", type=int, default=128)
    parser.add_argument("--keep", action="store_true", help="leave the working folder")
    parser.add_argument("--no-local", action="store_true", help="only the part with SLURM, nothing to compare with")
    arguments = parser.parse_args()
    arguments.program = os.path.abspath(arguments.program)
    if not shutil.which("sbatch") or not os.path.exists(arguments.slurm):
        print("skipped: SLURM is not installed here (one-node-slurm install)")
        return
    bench = Bench(arguments)
    say(f"working in {bench.work}")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1500m", "tmpfs", bench.disk]).returncode == 0
    try:
        bench.start()
        run(bench, mounted)
    finally:
        bench.stop()
        if mounted:
            subprocess.run(["umount", "-l", bench.disk])
        if not arguments.keep:
            shutil.rmtree(bench.work, ignore_errors=True)


def run(bench, mounted):
    folder = os.path.join(bench.disk, "sessions")
    table = bench.table("table.toml", folder)

    lines, output = bench.sweep(table, "--on", "slurm")
    need(output.returncode == 0, output.stderr)
    submitted = [line for line in lines if line.get("event") == "submitted"]
    say(f"submitted: {submitted}")
    lines, _ = bench.sweep(table, "--on", "slurm")
    need(not [line for line in lines if line.get("event") == "submitted"], "submitted twice")

    def stepping(method=""):
        return [
            (pid, name)
            for pid, name in bench.trainings(folder)
            if name.startswith(method) and bench.steps(folder, name) >= 3
        ]

    # 1. A training is killed with SIGKILL.
    pid, name = bench.until(lambda: stepping("aat"), 900, "a training of aat under way")[0]
    os.kill(pid, signal.SIGKILL)
    say(f"killed -9: {name} after {bench.steps(folder, name)} steps")

    # 2. What runs is preempted by a job of higher priority.
    running = bench.until(lambda: stepping("aat"), 900, "another training of aat under way")
    say(f"to be preempted: {[name for _, name in running]}")
    output = bench.slurm("sbatch", "--parsable", "-p", "urgent", "-c", "2", "--output=/dev/null", "--wrap", "sleep 8")
    need(output.returncode == 0, output.stderr)
    bench.until(lambda: not bench.trainings(folder), 60, "the trainings end when they are preempted")
    states = {name: records(folder, name)[-1]["event"] for _, name in running}
    say(f"preempted; the last events of their logs: {states}")
    queued = [line for line in bench.queue() if line[2] == "main"]
    need(queued, "nothing was requeued")

    # 3. The controller is restarted while tasks wait and run.
    bench.restart(pause=3)
    say("the controller was restarted")

    # 4. The disk of the sessions is full for a while.
    if mounted:
        bench.until(lambda: stepping(), 900, "a training under way after that")
        ballast = os.path.join(bench.disk, "ballast")
        with open(ballast, "wb") as file:
            try:
                while True:
                    file.write(b"x" * 1_000_000)
            except OSError:
                pass
        begun = bench.until(lambda: bench.trainings(folder), 60, "a training on the full disk")
        names = {name for _, name in begun}
        say(f"the disk is full under {sorted(names)}")
        bench.until(lambda: names - {name for _, name in bench.trainings(folder)}, 900, "one of them ends")
        time.sleep(3)
        os.remove(ballast)
        say("the disk has room again")
    else:
        say("no disk could be mounted here: a full one is not tried")

    def until_idle():
        bench.until(lambda: bench.queue() == [], 3600, "the queue is empty")
        lines, _ = bench.sweep("status", table)
        return lines[-1], lines

    counts, lines = until_idle()
    say(f"the queue is empty: {counts}")
    for line in lines:
        if line.get("event") == "task" and line["state"] != "done":
            say(f"  {line['session']}: {line['state']} {line['epochs']}/{line['of_epochs']} {line.get('note')}")
    rounds = 0
    while counts["done"] < counts["tasks"]:
        rounds += 1
        need(rounds <= 3, "three more rounds did not complete the sweep")
        more, output = bench.sweep(table, "--on", "slurm")
        need(output.returncode == 0, output.stderr)
        say(f"run again: {[line for line in more if line.get('event') == 'submitted']}")
        counts, lines = until_idle()
        say(f"the queue is empty: {counts}")
    lines, _ = bench.sweep(table, "--on", "slurm")
    need(lines[-1]["ran"] == 0, "something was run although everything is done")

    names = sorted(name for name in os.listdir(folder) if os.path.exists(os.path.join(folder, name, "events.jsonl")))
    need(len(names) == counts["tasks"], f"there are other sessions: {names}")
    resumed = 0
    for name in names:
        kinds = [event["event"] for event in records(folder, name)]
        need(kinds.count("started") == 1 and kinds.count("finished") == 1, f"{name} ran twice: {kinds}")
        numbers = [epoch[0] for epoch in epochs(records(folder, name))]
        need(numbers == list(range(1, bench.a.epochs + 1)), f"{name} has the epochs {numbers}")
        resumed += kinds.count("resumed")
    through_slurm = results(folder)
    say(f"{len(names)} sessions, each begun once and finished once, each epoch once; {resumed} resumptions in all")

    # Refusals: one sentence each, nothing submitted.
    other = os.path.join(bench.work, "other")
    refused(bench, "account", "Invalid account", bench.table("account.toml", other, 'account = "nobody"', "closed"), "--on", "slurm")
    refused(bench, "partition", "nvalid partition", bench.table("partition.toml", other, partition="nowhere"), "--on", "slurm")
    if mounted:
        sealed = os.path.join(bench.work, "sealed")
        os.mkdir(sealed)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", sealed], check=True)
        try:
            refused(bench, "read-only folder", "Read-only file system", bench.table("sealed.toml", os.path.join(sealed, "s")), "--on", "slurm")
        finally:
            subprocess.run(["umount", sealed])

    # 5. A task whose time runs out puts itself back into the queue and goes on.
    timed = os.path.join(bench.disk, "timed")
    path = bench.table("timed.toml", timed, limit="3", grace=60)
    text = open(path).read().replace('["head", "aat"]', '["aat"]').replace('"all"', "[1]").replace("[1, 2]", "[1]")
    open(path, "w").write(text.replace(f"epochs = {bench.a.epochs}", "epochs = 400"))
    lines, output = bench.sweep(path, "--on", "slurm")
    need(output.returncode == 0, output.stderr)
    name = bench.until(lambda: stepping_in(bench, timed), 120, "the timed task under way")[0][1]
    bench.until(lambda: any(event["event"] == "stopped" for event in records(timed, name)), 240, "its time is up")
    at = len(records(timed, name))
    bench.until(lambda: any(event["event"] == "resumed" for event in records(timed, name)[at:]), 300, "it goes on by itself")
    say(f"{name}: stopped before its time was up, requeued itself, resumed")
    output = bench.call("sweep", "cancel", path, "--json")
    say(f"cancelled: {output.stdout.strip()}")
    bench.until(lambda: bench.queue() == [] and not bench.trainings(timed), 60, "cancelled tasks end")
    say(f"after cancel the last event is {records(timed, name)[-1]['event']}")

    if bench.a.no_local:
        return
    bench.stop()
    one, seconds_one, peak_one = local(bench, "one", 1)
    four, seconds_four, peak_four = local(bench, "four", 4)
    same(through_slurm, results(one), "SLURM with faults against one local worker")
    same(results(one), results(four), "one local worker against four")
    print(
        json.dumps(
            {
                "tasks": counts["tasks"],
                "one": {"seconds": round(seconds_one), "rss_mb": peak_one // 1024},
                "four": {"seconds": round(seconds_four), "rss_mb": peak_four // 1024},
                "children_rss_mb": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024,
            }
        )
    )


def stepping_in(bench, folder):
    return [(pid, name) for pid, name in bench.trainings(folder) if bench.steps(folder, name) >= 3]


if __name__ == "__main__":
    sys.exit(main())
