#!/usr/bin/env python3
"""Memory over a long time of listening, or of training in the workbench; Linux only.

    tools/soak.py listen SESSION --minutes 60
    tools/soak.py train --minutes 60

Samples the resident memory of the process each second and prints, for each minute, the median and the greatest value. At
the end: by how much the greatest minute exceeds the second one, the slope by least squares from the second minute on, and
what was dropped. The exit status is 1 if memory grew by more than 5 MB after the first minute or a sample was dropped.
"""

import argparse
import json
import os
import pty
import random
import re
import select
import statistics
import struct
import subprocess
import sys
import tempfile
import time

ALLOWED = 5_000_000


def resident(pid):
    """Resident memory in bytes."""
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmRSS:"))


def sound(path, seconds):
    """Bursts of noise and silence, 8 kHz and 8 bits."""
    frames = 8_000 * seconds
    with open(path, "wb") as file:
        file.write(b"RIFF" + struct.pack("<I", 36 + frames) + b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, 8_000, 8_000, 1, 8))
        file.write(b"data" + struct.pack("<I", frames))
        numbers = random.Random(1)
        for second in range(seconds):
            file.write(numbers.randbytes(8_000) if second % 3 else b"\x80" * 8_000)


def watch(pid, minutes, over):
    """Samples until time is up or `over`; the minutes, each as its samples."""
    begun, seen = time.monotonic(), []
    for second in range(1, 60 * minutes + 1):
        if over(max(0.0, begun + second - time.monotonic())):
            break
        minute = (second - 1) // 60
        if minute == len(seen):
            if seen:
                report(seen, minute)
            seen.append([])
        seen[-1].append(resident(pid))
    report(seen, len(seen))
    return [minute for minute in seen if len(minute) >= 50]


def report(seen, number):
    if not seen:
        sys.exit("the program ended in its first second")
    values = seen[-1]
    print(f"minute {number}: median {statistics.median(values) / 1e6:.2f} MB, greatest {max(values) / 1e6:.2f} MB", flush=True)


def judge(minutes, dropped):
    """Prints the figures; true if they are as they should be."""
    medians = [statistics.median(minute) for minute in minutes[1:]]
    grown = max(medians) - medians[0]
    slope = statistics.linear_regression(range(len(medians)), medians).slope * 60 if len(medians) > 1 else 0.0
    print(
        f"{len(minutes)} minutes: second minute {medians[0] / 1e6:.2f} MB, greatest minute {max(medians) / 1e6:.2f} MB"
        f" (medians), grown by {grown / 1e6:.2f} MB, slope {slope / 1e6:+.2f} MB an hour; {dropped}"
    )
    return grown <= ALLOWED


def listen(args):
    with tempfile.TemporaryDirectory() as home:
        path = os.path.join(home, "long.wav")
        sound(path, 60 * args.minutes + 5)
        line = [args.program, "listen", args.session, "--input", path, "--seconds", str(60 * args.minutes + 3), "--json"]
        output = open(os.path.join(home, "out"), "w+")
        child = subprocess.Popen(line, stdout=output, stdin=subprocess.DEVNULL)
        time.sleep(1)

        def over(seconds):
            time.sleep(seconds)
            return child.poll() is not None

        minutes = watch(child.pid, args.minutes, over)
        child.wait(60)
        output.seek(0)
        summary = json.loads(output.readlines()[-1])
        dropped = f"{summary['dropped']} samples dropped, {summary['skipped']} windows skipped, {summary['answers']} predictions"
        return judge(minutes, dropped) and summary["dropped"] == 0


def train(args):
    with tempfile.TemporaryDirectory() as home:
        environment = dict(os.environ, TERM="xterm-256color", HOME=home, AAT_TUI_SESSIONS=os.path.join(home, "sessions"))
        environment.update({f"XDG_{kind}_HOME": os.path.join(home, kind.lower()) for kind in ("DATA", "CACHE", "CONFIG", "STATE")})
        pid, screen = pty.fork()
        if pid == 0:
            line = [args.program, "--data", "demo", "--model", "tiny", "--epochs", "1000000", "--device", "cpu"]
            os.execve(args.program, line, environment)
        import fcntl
        import termios

        fcntl.ioctl(screen, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        started = [False]

        def over(seconds):
            """Reads what the workbench draws, as a terminal does."""
            end = time.monotonic() + seconds
            while (left := end - time.monotonic()) > 0:
                if select.select([screen], [], [], left)[0]:
                    try:
                        os.read(screen, 1 << 16)
                    except OSError:
                        return True
            if not started[0]:
                os.write(screen, b"\r")
                started[0] = True
            return False

        over(5)
        minutes = watch(pid, args.minutes, over)
        (name,) = os.listdir(environment["AAT_TUI_SESSIONS"])
        with open(os.path.join(environment["AAT_TUI_SESSIONS"], name, "events.jsonl")) as log:
            events = log.read()
        epochs, steps = events.count('"event":"epoch"'), len(re.findall('"event":"step"', events))
        os.write(screen, b"q")
        over(2)
        os.write(screen, b"y")
        end = time.monotonic() + 60
        while time.monotonic() < end and not over(0.2):
            pass
        os.waitpid(pid, 0)
        return judge(minutes, f"{epochs} epochs, {steps} steps") and epochs > 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default="target/release/aat-tui")
    commands = parser.add_subparsers(dest="what", required=True)
    one = commands.add_parser("listen")
    one.add_argument("session")
    one.add_argument("--minutes", type=int, default=60)
    two = commands.add_parser("train")
    two.add_argument("--minutes", type=int, default=60)
    args = parser.parse_args()
    args.program = os.path.abspath(args.program)
    sys.exit(0 if (listen if args.what == "listen" else train)(args) else 1)


main()
