"""Writes sed_eval.json: marks, detections and what sed_eval makes of them.

    python -m venv venv && venv/bin/pip install sed_eval==0.2.1
    venv/bin/python tests/golden/sed_eval_cases.py

Spans are [class, start, end]. A figure that sed_eval gives as NaN is null.
"""

import json
import math
import random
from pathlib import Path

import sed_eval


def events(spans):
    return [{"event_label": f"c{c}", "event_onset": a, "event_offset": b, "file": "x.wav"} for c, a, b in spans]


def number(value):
    return None if value is None or math.isnan(value) else float(value)


def figures(metrics, classes):
    overall = metrics.overall_f_measure()
    own = [number(metrics.class_wise_f_measure(f"c{c}")["f_measure"]) for c in range(classes)]
    known = [f for f in own if f is not None]
    found = {
        "f1": number(overall["f_measure"]),
        "precision": number(overall["precision"]),
        "recall": number(overall["recall"]),
        "macro_f1": number(metrics.results_class_wise_average_metrics()["f_measure"]["f_measure"]) if known else None,
        "class_f1": own,
    }
    return found


def case(name, classes, files):
    labels = [f"c{c}" for c in range(classes)]
    found = {"name": name, "classes": classes, "files": files, "event": []}
    for collar, share in [(0.2, 0.5), (0.2, 0.2), (1.5, 0.5)]:
        metrics = sed_eval.sound_event.EventBasedMetrics(
            labels, t_collar=collar, percentage_of_length=share, empty_system_output_handling="zero_score"
        )
        for file in files:
            metrics.evaluate(events(file["marks"]), events(file["detections"]))
        found["event"].append({"collar": collar, "share": share, **figures(metrics, classes)})
    metrics = sed_eval.sound_event.SegmentBasedMetrics(labels, time_resolution=1.0)
    # Its methods ask for it, and its constructor does not take it.
    metrics.empty_system_output_handling = "zero_score"
    for file in files:
        metrics.evaluate(events(file["marks"]), events(file["detections"]), evaluated_length_seconds=file["seconds"])
    found["segment"] = {
        **figures(metrics, classes),
        "error_rate": number(metrics.overall_error_rate()["error_rate"]),
    }
    return found


def spans(rng, count, classes, seconds, longest):
    found = []
    for _ in range(count):
        start = round(rng.uniform(0, seconds - longest), 3)
        found.append([rng.randrange(classes), start, round(start + rng.uniform(0.05, longest), 3)])
    return found


def near(rng, marks, classes, spread, missed, wrong, seconds):
    """Detections: marks moved, some missed, some of another class, and some of nothing."""
    found = []
    for c, a, b in marks:
        if rng.random() < missed:
            continue
        if rng.random() < wrong:
            c = rng.randrange(classes)
        a = round(max(0.0, a + rng.gauss(0, spread)), 3)
        b = round(min(seconds, max(a + 0.01, b + rng.gauss(0, spread))), 3)
        found.append([c, a, b])
    found += spans(rng, len(marks) // 3, classes, seconds, 2.0)
    rng.shuffle(found)
    return found


def main():
    rng = random.Random(7)
    cases = []
    for name, classes, count, spread in [
        ("few, near", 3, 8, 0.05),
        ("many, near", 2, 40, 0.1),
        ("far", 3, 20, 0.6),
        ("crowded, so that the matching matters", 1, 60, 0.3),
    ]:
        files = []
        for seconds in [30.0, 47.3]:
            marks = spans(rng, count, classes, seconds, 3.0)
            files.append({"seconds": seconds, "marks": marks,
                          "detections": near(rng, marks, classes, spread, 0.15, 0.1, seconds)})
        cases.append(case(name, classes, files))
    one = {"seconds": 10.0, "marks": [[0, 1.0, 2.0]], "detections": [[0, 1.2, 2.5]]}
    cases.append(case("exactly at the collar", 1, [one]))
    cases.append(case("nothing detected", 2, [{"seconds": 10.0, "marks": [[0, 1, 2]], "detections": []}]))
    cases.append(case("a class that is not marked", 2, [{"seconds": 10.0, "marks": [[0, 1, 2]],
                                                         "detections": [[1, 1, 2], [0, 1, 2]]}]))
    silent = {"seconds": 12.0, "marks": [], "detections": [[0, 3.0, 4.5]]}
    cases.append(case("a recording without marks", 1, [one, silent]))
    whole = {"seconds": 9.5, "marks": [[0, 0.0, 9.5]], "detections": [[0, 0.0, 3.0], [0, 3.0, 9.5]]}
    cases.append(case("one event detected in two", 1, [whole]))
    path = Path(__file__).with_name("sed_eval.json")
    lines = ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases)
    path.write_text(f"[\n{lines}\n]\n")
    print(path, path.stat().st_size, "bytes")


main()
