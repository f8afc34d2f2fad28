"""Speech from espeak-ng and flite: words, letters and sentences, in many
voices, speeds and pitches drawn from a seed.
usage: speech.py POOL [digits|words|letters|running ...]"""

import random
import subprocess
import sys

import common
import words

ENGLISH = ["en-gb", "en-us", "en-gb-scotland", "en-gb-x-gbclan", "en-gb-x-rp",
           "en-gb-x-gbcwmd", "en-029", "en-us-nyc"]
VARIANTS = """ f1 f2 f3 f4 f5 m1 m2 m3 m4 m5 m6 m7 m8 croak whisper whisperf Alex Alicia Andrea
Andy Annie Denis Diogo Gene Gene2 Henrique Hugo Jacky Lee Marco Mario Michael Mike Nguyen Tweaky
adam anika antonio aunty belinda benjamin boris caleb david ed edward edward2 grandma grandpa
gustave iven iven2 iven3 john kaukovalta klatt klatt2 klatt3 klatt4 linda marcelo max michel miguel
norbert pablo paul pedro quincy rob robert sandro shelby steph steph2 steph3 travis victor zac""".split(" ")
VARIANTS = [v for w in VARIANTS for v in w.split("\n")]
FLITE = ["kal", "kal16", "rms", "slt", "awb"]


def espeak(text, voice, speed, pitch, amp=100):
    r = subprocess.run(["espeak-ng", "-v", voice, "-s", str(speed), "-p", str(pitch),
                        "-a", str(amp), "--stdout", text],
                       stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return r.stdout


def flite(text, voice, stretch, rng):
    args = ["flite", "-voice", voice, "--setf", "duration_stretch=%.2f" % stretch]
    if voice in ("kal", "kal16"):
        args += ["--setf", "int_f0_target_mean=%d" % rng.randint(80, 160)]
    tmp = "/dev/stdout"
    r = subprocess.run(args + ["-t", text, "-o", tmp], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return r.stdout


def say(pool, cls, name, text, rng, languages, with_flite=True):
    """One rendering; the same draws are made whether or not the clip exists."""
    use_flite = with_flite and rng.random() < 0.35
    telephone = rng.choice(["", "", "8k", "mulaw"])
    # A change of speed moves the formants too: another size of speaker.
    size = rng.uniform(0.84, 1.22)
    voice = rng.choice(languages) + (lambda v: "+" + v if v else "")(rng.choice(VARIANTS))
    speed, pitch, amp = rng.randint(105, 230), rng.randint(15, 85), rng.randint(40, 140)
    fvoice, stretch = rng.choice(FLITE[1:]), rng.uniform(0.75, 1.4)
    inner = random.Random(rng.random())
    if pool.has(cls, name):
        return
    if use_flite:
        wav, source = flite(text, fvoice, stretch, inner), "flite"
        speeding = ["speed", "%.3f" % size]
    else:
        wav, source = espeak(text, voice, speed, pitch, amp), "espeak-ng"
        speeding = ["speed", "%.3f" % size] if inner.random() < 0.5 else []
    if len(wav) < 200:
        return
    # both write the header of a stream, whose length sox is told to ignore
    chain = ["--ignore-length", "-t", "wav", "-"]
    band = ["rate", "8000"] if telephone else []
    if telephone == "mulaw":
        narrow = common.sox(chain + ["-t", "wav", "-e", "mu-law", "-b", "8", "-r", "8000", "-c", "1", "-"] + speeding, wav)
        raw = common.sox(["--ignore-length", "-t", "wav", "-", "-t", "raw", "-e", "signed", "-b", "16", "-c", "1",
                          "-r", "16000", "-"], narrow)
    else:
        raw = common.sox(chain + ["-t", "raw", "-e", "signed", "-b", "16", "-c", "1", "-"] + speeding + band
                         + ["rate", "16000"], wav)
    a = common.trim(common.samples(raw), keep=inner.randint(200, 3000))
    pool.put(cls, name, a, source)


def main():
    pool = common.Pool(sys.argv[1], "speech")
    stages = sys.argv[2:] or ["digits", "words", "letters", "running"]
    if "digits" in stages:
        rng = random.Random("digits-1")
        for i in range(260):
            for w in words.DIGITS:
                say(pool, "word-en-" + w, "tts-%04d" % i, w, rng, ENGLISH)
    if "words" in stages:
        rng = random.Random("words-1")
        for i in range(16):
            for w in words.WORDS:
                say(pool, "word-en-" + w, "tts-%04d" % i, w, rng, ENGLISH)
    if "letters" in stages:
        rng = random.Random("letters-1")
        for i in range(10):
            for w in words.LETTERS:
                say(pool, "letter-en-" + w, "tts-%04d" % i, w.upper() + ".", rng, ENGLISH)
    if "running" in stages:
        rng = random.Random("running-1")
        for i in range(12):
            for lang in list(words.SENTENCES) + words.MORE_LANGUAGES:
                n = 1 if lang in words.SENTENCES else 0
                if i >= (12 if n else 5):
                    continue
                text = " ".join(rng.sample(words.SENTENCES[lang], 2)) if n else rng.choice(words.NUMBERS)
                voices = {"en": ENGLISH, "fr": ["fr-fr", "fr-be", "fr-ch"], "es": ["es", "es-419"],
                          "pt": ["pt", "pt-br"]}.get(lang, [lang])
                say(pool, "speech-" + lang, "tts-%04d" % i, text, rng, voices, with_flite=lang == "en")
    print("speech: %d clips, %.2f h" % (pool.count, pool.seconds / 3600))


if __name__ == "__main__":
    main()
