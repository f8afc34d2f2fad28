#!/usr/bin/env python3
"""Makes field recordings of which it is known what sounds where: ESC-10's clips at drawn times in noise.

    python tools/field_recording.py ESC10 OUT [--minutes 30] [--snr 10 0] [--folds 4] [--seed 1] [--events-per-minute 8]

ESC10 is a folder in the layout of ESC-50 (audio/, meta/esc50.csv). For each SNR one recording is written, OUT/fold4_10dB.wav
(16 kHz, mono, 16 bits), with its marks beside it as an Audacity label track, OUT/fold4_10dB.txt, and the marks of all in
OUT/manifest.csv, with the fold of each recording: those of one fold hold the same clips. Everything that sounds is marked, so
`--marked-in-full` is true of these recordings.

A clip's silence is cut away: an event is what is within 30 dB of the clip's loudest 50 ms, at most five seconds. Its level is
set by the SNR: the event's mean power against that of the noise, over the whole band. The noise is pink between 50 Hz and 8 kHz
with a level that wanders by up to 3 dB. Events do not overlap. The same seed makes the same bytes.

Needs numpy and soundfile (to read ESC-10's Vorbis).
"""

import argparse
import csv
import wave
from pathlib import Path

import numpy as np
import soundfile

RATE = 16_000


def pink(rng, samples):
    """Noise whose power falls by 3 dB an octave, rms 1."""
    spectrum = rng.standard_normal(samples // 2 + 1) + 1j * rng.standard_normal(samples // 2 + 1)
    hertz = np.fft.rfftfreq(samples, 1 / RATE)
    spectrum *= np.where(hertz >= 50, 1 / np.sqrt(np.maximum(hertz, 50)), 0)
    noise = np.fft.irfft(spectrum, samples)
    knots = rng.uniform(-3, 3, samples // (20 * RATE) + 2)
    wander = np.interp(np.arange(samples), np.arange(len(knots)) * 20 * RATE, knots)
    noise *= 10 ** (wander / 20)
    return noise / np.sqrt(np.mean(noise**2))


def event(path):
    """What sounds in a clip, from its first loud 50 ms to its last."""
    sound, rate = soundfile.read(path, dtype="float64", always_2d=True)
    if rate != RATE:
        raise SystemExit(f"{path}: {rate} Hz, and {RATE} Hz are expected")
    sound = sound.mean(axis=1)
    frame = RATE // 20
    power = np.array([np.mean(sound[i : i + frame] ** 2) for i in range(0, len(sound) - frame + 1, frame)])
    loud = np.flatnonzero(power > power.max() * 1e-3)
    if power.max() == 0 or len(loud) == 0:
        return None
    cut = sound[loud[0] * frame : (loud[-1] + 1) * frame]
    fade = min(80, len(cut) // 2)
    cut[:fade] *= np.linspace(0, 1, fade)
    cut[-fade:] *= np.linspace(1, 0, fade)
    return cut / np.sqrt(np.mean(cut**2))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("esc10", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--snr", type=float, nargs="+", default=[10, 0], help="decibels, a recording for each")
    parser.add_argument("--folds", type=int, nargs="+", default=[4], help="a recording for each, of its clips alone")
    parser.add_argument("--events-per-minute", type=float, default=8)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    with open(args.esc10 / "meta/esc50.csv", newline="") as file:
        rows = sorted(csv.DictReader(file), key=lambda row: row["filename"])
    args.out.mkdir(parents=True, exist_ok=True)
    samples = int(args.minutes * 60 * RATE)
    manifest = ["path,start,end,label,fold\n"]
    for fold in args.folds:
        clips = [(row["category"], args.esc10 / "audio" / row["filename"]) for row in rows if int(row["fold"]) == fold]
        events = [(label, event(path)) for label, path in clips]
        events = [(label, sound) for label, sound in events if sound is not None]
        if not events:
            raise SystemExit(f"{args.esc10} has no clips in fold {fold}")
        for snr in args.snr:
            rng = np.random.default_rng([args.seed, fold, int(round(snr * 10)) + 1000])
            sound = pink(rng, samples)
            slots = int(args.minutes * args.events_per_minute)
            room = samples // slots
            marks = []
            for slot in range(slots):
                # Every clip once before any comes again.
                if slot % len(events) == 0:
                    order = rng.permutation(len(events))
                label, clip = events[order[slot % len(events)]]
                clip = clip[: room - RATE // 2]
                start = slot * room + int(rng.integers(0, room - len(clip)))
                sound[start : start + len(clip)] += clip * 10 ** (snr / 20)
                marks.append((start / RATE, (start + len(clip)) / RATE, label))
            name = args.out / f"fold{fold}_{snr:g}dB"
            sound *= 0.7 / np.abs(sound).max()
            with wave.open(f"{name}.wav", "wb") as file:
                file.setnchannels(1)
                file.setsampwidth(2)
                file.setframerate(RATE)
                file.writeframes(np.round(sound * 32767).astype("<i2").tobytes())
            with open(f"{name}.txt", "w") as file:
                file.writelines(f"{start:.6f}\t{end:.6f}\t{label}\n" for start, end, label in marks)
            manifest += [f"{name.name}.wav,{a:.6f},{b:.6f},{label},{fold}\n" for a, b, label in marks]
            seconds = sum(end - start for start, end, _ in marks)
            print(f"{name}.wav: {args.minutes:g} min, {len(marks)} events, {seconds:.0f} s of sound at {snr:g} dB")
    (args.out / "manifest.csv").write_text("".join(manifest))


main()
