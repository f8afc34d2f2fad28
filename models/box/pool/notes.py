"""Single notes, chords, melodies, drums and small ensembles, composed here
from a seed and rendered with fluidsynth through General MIDI sound fonts.
usage: notes.py POOL BUILD [FONT ...]"""

import glob
import os
import random
import subprocess
import sys

import common

GM = """acoustic-grand-piano bright-piano electric-grand honky-tonk rhodes-piano chorused-piano harpsichord clavinet
celesta glockenspiel music-box vibraphone marimba xylophone tubular-bells dulcimer
drawbar-organ percussive-organ rock-organ church-organ reed-organ accordion harmonica bandoneon
nylon-guitar steel-guitar jazz-guitar clean-guitar muted-guitar overdriven-guitar distorted-guitar guitar-harmonics
acoustic-bass finger-bass pick-bass fretless-bass slap-bass-1 slap-bass-2 synth-bass-1 synth-bass-2
violin viola cello contrabass tremolo-strings pizzicato-strings harp timpani
strings slow-strings synth-strings-1 synth-strings-2 choir-aahs voice-oohs synth-voice orchestra-hit
trumpet trombone tuba muted-trumpet french-horn brass synth-brass-1 synth-brass-2
soprano-sax alto-sax tenor-sax baritone-sax oboe english-horn bassoon clarinet
piccolo flute recorder pan-flute bottle-blow shakuhachi whistle ocarina
square-lead saw-lead calliope-lead chiff-lead charang-lead voice-lead fifths-lead bass-lead
new-age-pad warm-pad polysynth-pad choir-pad bowed-pad metallic-pad halo-pad sweep-pad
rain-fx soundtrack-fx crystal-fx atmosphere-fx brightness-fx goblins-fx echoes-fx sci-fi-fx
sitar banjo shamisen koto kalimba bagpipe fiddle shanai
tinkle-bell agogo steel-drums woodblock taiko melodic-tom synth-drum reverse-cymbal
fret-noise breath-noise seashore bird-tweet telephone helicopter applause gunshot""".split()
# The effects among the programs share the class of the recorded sound.
EFFECTS = {121: "env-breath", 122: "env-sea-waves", 123: "env-bird", 124: "env-telephone",
           125: "env-helicopter", 126: "env-applause", 127: "env-gunshot"}
LOW = {32: 1, 33: 1, 34: 1, 35: 1, 36: 1, 37: 1, 38: 1, 39: 1, 42: 1, 43: 1, 47: 1, 58: 1, 57: 1, 67: 1, 70: 1}
HIGH = {8: 1, 9: 1, 10: 1, 13: 1, 72: 1, 78: 1, 40: 1, 73: 1, 112: 1}
DRUMS = """bass-drum-2 bass-drum side-stick snare hand-clap snare-2 low-floor-tom closed-hihat high-floor-tom
pedal-hihat low-tom open-hihat low-mid-tom high-mid-tom crash-cymbal high-tom ride-cymbal chinese-cymbal
ride-bell tambourine splash-cymbal cowbell crash-cymbal-2 vibraslap ride-cymbal-2 high-bongo low-bongo
mute-conga open-conga low-conga high-timbale low-timbale high-agogo low-agogo cabasa maracas
short-whistle long-whistle short-guiro long-guiro claves high-woodblock low-woodblock mute-cuica open-cuica
mute-triangle open-triangle""".split()
TICKS = 480                # at 120 beats a minute: 960 ticks a second
SCALES = [(0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10), (0, 2, 4, 7, 9), (0, 3, 5, 6, 7, 10), (0, 2, 3, 5, 7, 9, 10)]


def label(program):
    return EFFECTS.get(program, "inst-%03d-%s" % (program, GM[program]))


def varlen(n):
    out = [n & 127]
    while n > 127:
        n >>= 7
        out.append((n & 127) | 128)
    return bytes(reversed(out))


def midi(events):
    """A one-track MIDI file of (second, bytes) events."""
    body, last = b"", 0
    for t, e in sorted(events, key=lambda x: (x[0], x[1][0] & 0xF0 != 0xC0, x[1][0] & 0xF0 != 0x80)):
        tick = round(t * 2 * TICKS)
        body += varlen(max(0, tick - last)) + e
        last = max(last, tick)
    body += b"\x00\xff\x2f\x00"
    return (b"MThd" + (6).to_bytes(4, "big") + b"\0\0\0\1" + TICKS.to_bytes(2, "big")
            + b"MTrk" + len(body).to_bytes(4, "big") + body)


def note(ev, t, length, key, vel, ch=0):
    key = min(108, max(21, key))
    ev.append((t, bytes([0x90 | ch, key, vel])))
    ev.append((t + length, bytes([0x80 | ch, key, 0])))


def melody(ev, rng, t, seconds, centre, ch=0, vel=None):
    scale, beat = rng.choice(SCALES), rng.choice((0.15, 0.2, 0.25, 0.3, 0.4, 0.5))
    step, end = rng.randint(-3, 3), t + seconds
    base = centre + rng.randint(-5, 5)
    while t < end - 0.2:
        n = min(beat * rng.choice((1, 1, 1, 2, 2, 3, 4)), end - t)
        if rng.random() > 0.12:
            o, d = divmod(step, len(scale))
            note(ev, t, n * rng.uniform(0.5, 1.05), base + 12 * o + scale[d], vel or rng.randint(60, 120), ch)
        step = max(-8, min(8, step + rng.choice((-2, -1, -1, 0, 1, 1, 2, 3, -3))))
        t += n


def render(font, events, build, seconds):
    mid, wav = os.path.join(build, "notes.mid"), os.path.join(build, "notes.raw")
    with open(mid, "wb") as f:
        f.write(midi(events))
    subprocess.run(["fluidsynth", "-ni", "-q", "-g", "0.7", "-r", "32000", "-R", "0", "-C", "0",
                    "-T", "raw", "-O", "s16", "-F", wav, font, mid],
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=300)
    raw = common.sox(["-t", "raw", "-r", "32000", "-e", "signed", "-b", "16", "-c", "2", wav, "-t", "raw",
                      "-e", "signed", "-b", "16", "-c", "1", "-", "rate", "16000"])
    os.remove(wav)
    return common.samples(raw)


def cut(pool, a, slots, source):
    for cls, name, t, seconds in slots:
        s = a[round(t * common.RATE): round((t + seconds) * common.RATE)]
        pool.put(cls, name, common.trim(s, keep=800), source)


def program(pool, font, tag, source, p, build, rng):
    ev, slots, t = [(0.0, bytes([0xC0, p]))], [], 0.05
    centre = 43 if p in LOW else 74 if p in HIGH else 60
    for i in range(5):
        n = rng.uniform(0.25, 2.0)
        note(ev, t, n, centre + rng.randint(-13, 14), rng.randint(45, 125))
        slots.append((label(p), "%s-note-%d" % (tag, i), t - 0.03, 2.5))
        t += 2.8
    key = centre + rng.randint(-8, 8)
    for k in rng.choice(((0, 4, 7), (0, 3, 7), (0, 4, 7, 11), (0, 3, 7, 10), (0, 7), (0, 12))):
        note(ev, t, 1.6, key + k, rng.randint(60, 110))
    slots.append((label(p), tag + "-chord", t - 0.03, 2.5))
    t += 2.8
    for i in range(2):
        melody(ev, rng, t, 6.0, centre)
        slots.append((label(p), "%s-melody-%d" % (tag, i), t - 0.03, 7.0))
        t += 7.5
    if not all(pool.has(c, n) for c, n, _, _ in slots[:3]):
        cut(pool, render(font, ev, build, t), slots, source)


def drums(pool, font, tag, source, build, rng):
    for kit in (0, 8, 16, 24, 25, 40):
        ev, slots, t = [(0.0, bytes([0xC9, kit]))], [], 0.05
        for i, name in enumerate(DRUMS):
            note(ev, t, 0.4, 35 + i, rng.randint(60, 127), 9)
            slots.append(("drum-" + name, "%s-kit%d" % (tag, kit), t - 0.02, 1.1))
            t += 1.3
        cut(pool, render(font, ev, build, t), slots, source)


def ensembles(pool, font, tag, source, build, rng, count=40):
    for n in range(count):
        ev, t = [], 0.05
        with_drums = rng.random() < 0.6
        parts = [rng.randrange(0, 112) for _ in range(rng.randint(1, 3))] + [rng.randrange(32, 40)]
        beat, scale = rng.uniform(0.28, 0.6), rng.choice(SCALES)
        base = rng.randint(55, 65)
        for ch, p in enumerate(parts):
            ev.append((0.0, bytes([0xC0 | ch, p])))
            if 32 <= p < 40:
                x = t
                while x < 9.5:
                    note(ev, x, beat * 0.9, base - 24 + rng.choice(scale), 90, ch)
                    x += beat
            elif ch == 0 or rng.random() < 0.5:
                melody(ev, rng, t, 9.5, base + 5, ch)
            else:
                x = t
                while x < 9.5:
                    d = rng.randrange(len(scale))
                    for k in (0, 2, 4):
                        o, i = divmod(d + k, len(scale))
                        note(ev, x, beat * 3.8, base - 5 + 12 * o + scale[i], 70, ch)
                    x += beat * 4
        if with_drums:
            for b in range(int(9.5 / (beat / 2))):
                x = t + b * beat / 2
                note(ev, x, 0.1, 42, 70 + 20 * (b % 2 == 0), 9)
                if b % 4 == 2:
                    note(ev, x, 0.1, 38, 105, 9)
                if b % 4 == 0 or rng.random() < 0.15:
                    note(ev, x, 0.1, 36, 110, 9)
        name = "%s-%03d" % (tag, n)
        cls = "music-ensemble-drums" if with_drums else "music-ensemble"
        if not pool.has(cls, name):
            cut(pool, render(font, ev, build, 10), [(cls, name, 0, 10.0)], source)


def main():
    root, build = sys.argv[1:3]
    pool = common.Pool(root, "notes")
    want = sys.argv[3:]
    fonts = sorted(glob.glob(os.path.join(build, "x", "*", "usr", "share", "sounds", "sf[23]", "*.sf[23]")))
    for font in fonts:
        if os.path.islink(font) or (want and not any(w in font for w in want)):
            continue
        source = os.path.relpath(font, os.path.join(build, "x")).split(os.sep)[0]
        tag = common.safe(os.path.basename(font).rsplit(".", 1)[0])
        for p in range(128):
            program(pool, font, tag, source, p, build, random.Random("program-%s-%d" % (tag, p)))
        drums(pool, font, tag, source, build, random.Random("drums-" + tag))
        ensembles(pool, font, tag, source, build, random.Random("ensembles-" + tag))
        print("%s: %d clips, %.2f h" % (tag, pool.count, pool.seconds / 3600), flush=True)


if __name__ == "__main__":
    main()
