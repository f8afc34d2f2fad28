#!/usr/bin/env python3
"""Record the workbench as it is: drive the real binary in a pseudo-terminal and draw its screen.

    assets/record.py OUT.{gif,png} [--size 120x36] [--script FILE] [--] COMMAND...

The script has a line for each thing to do: `wait SECONDS`, `key KEYS` (\\t, \\r, \\e as usual), `until TEXT` (at most 120 s),
`skip SECONDS` (time passes unrecorded), `speed FACTOR` (of the picture, from here on). A .png gets the last frame alone.
Needs pyte and Pillow from PyPI, and the DejaVu Sans Mono font.
"""
import argparse, fcntl, os, pathlib, pty, select, struct, subprocess, sys, termios, time

import pyte
from PIL import Image, ImageDraw, ImageFont

FONTS = pathlib.Path("/usr/share/fonts/truetype/dejavu")
FRAME = 0.1  # seconds between two looks
ANSI = dict(zip(
    "black red green brown blue magenta cyan white".split(),
    "1c1f26 e0696b 86b87a d6b26a 6b9fd6 b48ead 6fb7b7 c9ced6".split(),
))
BRIGHT = {f"bright{name}": colour for name, colour in zip(ANSI, "5b6370 f08a8c a4d39a ebcb8b 8fbcf0 cfa7c8 8fd3d3 f2f4f8".split())}

# Octants: 2 x 4 blocks. Those that older characters draw are known by their bits, row by row; the rest have numbers in order.
OLDER = dict(zip(
    (0, 1, 2, 3, 5, 10, 15, 20, 40, 63, 64, 80, 85, 90, 95, 128, 160, 165, 170, 175, 192, 240, 245, 250, 252, 255),
    " \U0001cea8\U0001ceab\U0001fb82▘▝▀\U0001fbe6\U0001fbe7\U0001fb85\U0001cea3▖▌▞▛\U0001cea0▗▚▐▜▂▄▙▟▆█",
))
OCTANTS = {character: bits for bits, character in OLDER.items()}
OCTANTS |= {chr(0x1CD00 + i): bits for i, bits in enumerate(bits for bits in range(256) if bits not in OLDER)}


class Painter:
    def __init__(self, columns, rows, size=15):
        self.faces = [ImageFont.truetype(str(FONTS / name), size) for name in ("DejaVuSansMono.ttf", "DejaVuSansMono-Bold.ttf")]
        self.width = round(self.faces[0].getlength("M"))
        ascent, descent = self.faces[0].getmetrics()
        self.height = ascent + descent
        self.columns, self.rows = columns, rows

    def colour(self, name, default):
        name = {**ANSI, **BRIGHT}.get(name, name)
        return default if name == "default" else "#" + name

    def paint(self, screen):
        image = Image.new("RGB", (self.columns * self.width, self.rows * self.height), "#15171c")
        draw = ImageDraw.Draw(image)
        for y in range(self.rows):
            for x in range(self.columns):
                cell = screen.buffer[y][x]
                front, back = self.colour(cell.fg, "#c9ced6"), self.colour(cell.bg, "#15171c")
                if cell.reverse:
                    front, back = back, front
                at = (x * self.width, y * self.height)
                if back != "#15171c":
                    draw.rectangle([at, (at[0] + self.width - 1, at[1] + self.height - 1)], fill=back)
                if cell.data.strip():
                    self.glyph(draw, at, cell.data, front, cell.bold)
        return image

    def glyph(self, draw, at, text, colour, bold):
        code, (x, y), w, h = ord(text[0]), at, self.width, self.height
        if 0x2800 <= code <= 0x28FF:  # braille as crisp dots
            for bit, (column, row) in enumerate([(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (0, 3), (1, 3)]):
                if code - 0x2800 >> bit & 1:
                    left, top = x + round((column + 0.5) * w / 2 - 1), y + round((row + 0.5) * h / 4 - 1)
                    draw.rectangle([(left, top), (left + 1, top + 1)], fill=colour)
        elif 0x2581 <= code <= 0x2588:  # eighths from below
            draw.rectangle([(x, y + h - round(h * (code - 0x2580) / 8)), (x + w - 1, y + h - 1)], fill=colour)
        elif 0x2589 <= code <= 0x258F:  # eighths from the left
            draw.rectangle([(x, y), (x + max(1, round(w * (0x2590 - code) / 8)) - 1, y + h - 1)], fill=colour)
        elif text[0] in OCTANTS:
            for bit in range(8):
                if OCTANTS[text[0]] >> bit & 1:
                    left, top = x + bit % 2 * w // 2, y + bit // 2 * h // 4
                    draw.rectangle([(left, top), (x + (bit % 2 + 1) * w // 2 - 1, y + (bit // 2 + 1) * h // 4 - 1)], fill=colour)
        else:
            draw.text(at, text, font=self.faces[bold], fill=colour)


class Recording:
    def __init__(self, command, columns, rows):
        self.screen = pyte.Screen(columns, rows)
        self.stream = pyte.ByteStream(self.screen)
        self.painter = Painter(columns, rows)
        self.frames, self.speed = [], 1.0
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        env = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
        self.child = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, close_fds=True, env=env, start_new_session=True)
        os.close(slave)
        self.master = master

    def pump(self, seconds):
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if select.select([self.master], [], [], left)[0]:
                try:
                    self.stream.feed(os.read(self.master, 65536))
                except OSError:
                    return

    def look(self, seconds, record=True):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.pump(FRAME)
            if record:
                self.frames.append((self.painter.paint(self.screen), FRAME / self.speed))

    def play(self, line):
        verb, _, rest = line.strip().partition(" ")
        if verb in ("wait", "skip"):
            self.look(float(rest), record=verb == "wait")
        elif verb == "speed":
            self.speed = float(rest)
        elif verb == "key":
            os.write(self.master, rest.encode().decode("unicode_escape").replace("\\e", "\x1b").encode())
        elif verb == "until":
            for _ in range(1200):
                self.look(FRAME)
                if any(rest in row for row in self.screen.display):
                    return
            sys.exit(f"never saw {rest!r}:\n" + "\n".join(self.screen.display))
        elif verb and not verb.startswith("#"):
            sys.exit(f"cannot do {line!r}")

    def save(self, out):
        if out.suffix == ".png" or not self.frames:
            self.painter.paint(self.screen).save(out)
            return
        kept = []  # equal neighbours become one longer frame
        for image, seconds in self.frames:
            if kept and kept[-1][0].tobytes() == image.tobytes():
                kept[-1][1] += seconds
            else:
                kept.append([image, seconds])
        images = [image.quantize(64, dither=Image.Dither.NONE) for image, _ in kept]
        images[0].save(out, save_all=True, append_images=images[1:], duration=[max(20, round(1000 * s)) for _, s in kept], loop=0, optimize=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--size", default="120x36")
    parser.add_argument("--script", type=argparse.FileType(), default=sys.stdin)
    parser.add_argument("command", nargs="+")
    options = parser.parse_args()
    columns, rows = map(int, options.size.split("x"))
    recording = Recording(options.command, columns, rows)
    for line in options.script:
        recording.play(line)
    recording.save(options.out)
    recording.child.terminate()


main()
