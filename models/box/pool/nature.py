"""Sounds of the world made by rule from a seed: rain, wind, sea, fire, clock,
engine, helicopter, saw, footsteps, siren, drops, crickets. They are only
likenesses; they share the class of the recordings.
usage: nature.py POOL [HOW-MANY-OF-EACH]"""

import array
import math
import random
import sys

import common

R = common.RATE


def lowpass(x, f):
    k, y, out = 1 - math.exp(-2 * math.pi * f / R), 0.0, []
    for v in x:
        y += k * (v - y)
        out.append(y)
    return out


def band(x, lo, hi):
    a = lowpass(x, hi)
    b = lowpass(a, lo)
    return [p - q for p, q in zip(a, b)]


def noise(rng, n):
    r = rng.random
    return [r() - 0.5 for _ in range(n)]


def slow(rng, n, seconds, lo=0.2, hi=1.0):
    """A wandering envelope with a new goal every so many seconds."""
    out, v = [], rng.uniform(lo, hi)
    while len(out) < n:
        m = max(1, int(rng.uniform(0.5, 1.5) * seconds * R))
        goal = rng.uniform(lo, hi)
        out += [v + (goal - v) * (0.5 - 0.5 * math.cos(math.pi * i / m)) for i in range(m)]
        v = goal
    return out[:n]


def ring(x, at, f, decay, amp):
    """Adds a struck, dying tone."""
    n = min(len(x) - at, int(decay * 6 * R))
    w, k = 2 * math.pi * f / R, math.exp(-1 / (decay * R))
    e = amp
    for i in range(max(0, n)):
        x[at + i] += e * math.sin(w * i)
        e *= k


def burst(x, rng, at, seconds, amp, lo=300, hi=6000):
    b = band(noise(rng, int(seconds * R)), lo, hi)
    n = len(b)
    for i in range(min(n, len(x) - at)):
        x[at + i] += amp * b[i] * math.exp(-5 * i / n)


def rain(rng, n):
    x = [v * 0.6 for v in band(noise(rng, n), rng.uniform(300, 1500), rng.uniform(3000, 7500))]
    for _ in range(int(n / R * rng.uniform(5, 60))):
        ring(x, rng.randrange(n), rng.uniform(900, 5000), rng.uniform(0.002, 0.01), rng.uniform(0.02, 0.3))
    return x


def wind(rng, n):
    lo = rng.uniform(80, 300)
    x = band(noise(rng, n), lo, lo * rng.uniform(2, 5))
    e = slow(rng, n, rng.uniform(0.6, 2.5), 0.05, 1)
    return [a * b for a, b in zip(x, e)]


def sea(rng, n):
    x, p = band(noise(rng, n), rng.uniform(60, 200), rng.uniform(1200, 5000)), rng.uniform(3.0, 8.0)
    o, s = rng.random(), rng.uniform(1.5, 4)
    return [v * (0.1 + (0.5 + 0.5 * math.sin(2 * math.pi * (i / R / p + o))) ** s) for i, v in enumerate(x)]


def fire(rng, n):
    x = [v * rng.uniform(0.8, 1) for v in lowpass(noise(rng, n), rng.uniform(150, 500))]
    for _ in range(int(n / R * rng.uniform(8, 40))):
        burst(x, rng, rng.randrange(n), rng.uniform(0.002, 0.012), rng.uniform(0.1, 1.4) ** 2, 800, 7500)
    return x


def clock(rng, n):
    x, step = [v * 0.002 for v in noise(rng, n)], rng.choice((1.0, 1.0, 0.5, 0.25, 0.2)) * R
    f, d, odd, t, k = rng.uniform(1200, 5500), rng.uniform(0.002, 0.012), rng.uniform(0.6, 1.4), rng.uniform(0, step), 0
    while t < n:
        for h in (1, 1.7, 2.6):
            ring(x, int(t), f * h * (odd if k % 2 else 1) % 7500, d, 0.4 / h)
        t += step
        k += 1
    return x


def engine(rng, n, buzz=False):
    f = rng.uniform(70, 130) if buzz else rng.uniform(22, 60)
    e, ph, out = slow(rng, n, 1.0, 0.8, 1.8 if buzz else 1.3), 0.0, []
    h = [(k, rng.random() / k ** (0.4 if buzz else 0.9)) for k in range(1, 24 if buzz else 12)]
    table = [sum(a * math.sin(2 * math.pi * k * i / 512) for k, a in h) for i in range(512)]
    ns = noise(rng, n)
    for i in range(n):
        ph = (ph + f * e[i] / R) % 1.0
        out.append(table[int(ph * 512)] * (1 + 0.6 * ns[i]) + (0.5 if buzz else 0.2) * ns[i])
    return lowpass(out, rng.uniform(2500, 6000) if buzz else rng.uniform(500, 2500))


def saw(rng, n):
    return engine(rng, n, True)


def helicopter(rng, n):
    f, s = rng.uniform(9, 22), rng.uniform(2, 7)
    x = lowpass(noise(rng, n), rng.uniform(300, 1200))
    hum = engine(rng, n)
    return [v * (0.15 + (0.5 + 0.5 * math.sin(2 * math.pi * f * i / R)) ** s * 2) + 0.05 * hum[i] for i, v in enumerate(x)]


def footsteps(rng, n):
    x, step, t = [v * 0.001 for v in noise(rng, n)], rng.uniform(0.28, 0.8) * R, rng.uniform(0, 4000)
    lo, hi, d = rng.uniform(60, 700), rng.uniform(1000, 6500), rng.uniform(0.04, 0.2)
    while t < n:
        burst(x, rng, int(t), d, rng.uniform(0.5, 1), lo, hi)
        burst(x, rng, min(n - 1, int(t + 0.35 * d * R)), d, rng.uniform(0.1, 0.5), lo * 2, hi)
        t += step * rng.uniform(0.92, 1.08)
    return x


def siren(rng, n):
    lo = rng.uniform(350, 800)
    hi, p, kind, ph, out = lo * rng.uniform(1.3, 2.2), rng.uniform(0.25, 4), rng.randrange(3), 0.0, []
    for i in range(n):
        u = (i / R / p) % 1.0
        f = lo + (hi - lo) * ((0.5 - 0.5 * math.cos(2 * math.pi * u)) if kind == 0 else (u > 0.5) if kind == 1 else u)
        ph += f / R
        out.append(0.5 * math.sin(2 * math.pi * ph) + 0.2 * math.sin(4 * math.pi * ph) + 0.1 * math.sin(6 * math.pi * ph))
    return out


def drops(rng, n):
    x, t = [v * 0.002 for v in noise(rng, n)], 0.0
    while t < n:
        f, m, ph = rng.uniform(500, 1500), int(rng.uniform(0.03, 0.1) * R), 0.0
        up = rng.uniform(0.5, 1.8)
        for i in range(min(m, n - int(t))):
            ph += f * (1 + up * i / m) / R
            x[int(t) + i] += math.sin(2 * math.pi * ph) * math.exp(-4 * i / m) * 0.5
        t += rng.uniform(0.1, 1.2) * R
    return x


def crickets(rng, n):
    f, rate, chirp = rng.uniform(2800, 5500), rng.uniform(20, 45), rng.uniform(0.5, 2.5)
    duty = rng.uniform(0.2, 0.7)
    return [math.sin(2 * math.pi * f * i / R) * max(0.0, math.sin(2 * math.pi * rate * i / R)) ** 2
            * ((i / R * chirp) % 1.0 < duty) * 0.5 + rng.random() * 0.01 for i in range(n)]


KINDS = [("env-rain", rain), ("env-wind", wind), ("env-sea-waves", sea), ("env-fire", fire),
         ("env-clock-tick", clock), ("env-engine", engine), ("env-saw", saw), ("env-helicopter", helicopter),
         ("env-footsteps", footsteps), ("env-siren", siren), ("env-water-drops", drops),
         ("env-insects-crickets", crickets)]


def main():
    pool = common.Pool(sys.argv[1], "nature")
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 40
    for i in range(count):
        for cls, make in KINDS:
            rng = random.Random("%s-%d" % (cls, i))
            name = "made-%03d" % i
            if pool.has(cls, name):
                continue
            x = make(rng, int(rng.uniform(2.5, 5.0) * R))
            # a room's noise and level of its own
            room, top = rng.uniform(0, 0.01), max(map(abs, x)) or 1.0
            g = 32000 * rng.uniform(0.1, 0.95)
            fade = min(len(x) // 8, 400)
            a = array.array("h", (int(max(-1, min(1, v / top + room * (rng.random() - 0.5)))
                                      * g * min(1, j / fade, (len(x) - j) / fade)) for j, v in enumerate(x)))
            pool.put(cls, name, a, "nature.py")
    print("nature: %d clips, %.2f h" % (pool.count, pool.seconds / 3600))


if __name__ == "__main__":
    main()
