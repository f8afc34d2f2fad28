"""Makes the golden filter banks that tests/features.rs compares with.

Run from the repository's root, with the recordings of ../shared beside it:
    python tests/golden/make_fbank.py
Needs numpy, soundfile, torch, torchaudio and transformers. The tests need none of them: recordings are read from
../shared, and only features are kept here.

References are computed in double precision: torchaudio's own single precision is off by up to 3e-3 in quiet bins.
"""

import numpy as np
import soundfile
import torch
import torchaudio
from torchaudio.compliance import kaldi
from transformers import WhisperFeatureExtractor

HERE = "tests/golden/"
SHARED = "../shared/data/"
SAMPLES = 9_600  # 0.6 s at 16 kHz


def fbank(samples):
    return kaldi.fbank(
        torch.as_tensor(samples, dtype=torch.float64)[None],
        htk_compat=True,
        sample_frequency=16_000,
        use_energy=False,
        window_type="hanning",
        num_mel_bins=128,
        dither=0.0,
        frame_shift=10,
    ).numpy()


def to_16_khz(samples, rate):
    """torchaudio's resampler at the settings its documentation calls those of librosa's kaiser_best."""
    return torchaudio.functional.resample(
        torch.as_tensor(samples, dtype=torch.float64),
        rate,
        16_000,
        lowpass_filter_width=64,
        rolloff=0.9475937167399596,
        resampling_method="sinc_interp_kaiser",
        beta=14.769656459379492,
    ).numpy()


def synthetic():
    """A chirp and noise of a linear congruential generator; tests/features.rs has the same formula."""
    state, noise = 1, []
    for _ in range(SAMPLES):
        state = (state * 1_664_525 + 1_013_904_223) % 2**32
        noise.append((state >> 8) / 2**23 - 1.0)
    t = np.arange(SAMPLES) / 16_000
    chirp = 0.3 * np.sin(2 * np.pi * (100 * t + 4_000 * t * t))
    return (chirp + 0.01 * np.array(noise) * t).astype(np.float32)


def at_44_1_khz(samples):
    """Sinc interpolation over 64 samples on either side, Hann window; tests/features.rs has the same formula."""
    out = np.zeros(len(samples) * 441 // 160)
    for m in range(len(out)):
        at = m * 160 / 441
        k = np.arange(max(0, int(np.floor(at)) - 63), min(len(samples), int(np.floor(at)) + 65))
        d = at - k
        out[m] = np.sum(samples[k].astype(np.float64) * np.sinc(d) * (0.5 + 0.5 * np.cos(np.pi * d / 65)))
    return out.astype(np.float32)


def save(name, features):
    np.save(HERE + name, features.astype(np.float32))


rain, rate = soundfile.read(SHARED + "esc10/audio/1-17367-A-10.ogg", dtype="float32")
assert rate == 16_000
dog, _ = soundfile.read(SHARED + "esc10/audio/1-100032-A-0.ogg", dtype="float32")
digit, digit_rate = soundfile.read(SHARED + "digits/seven/george_nohash_7.flac", dtype="float32")
assert digit_rate == 8_000

save("fbank_synthetic.npy", fbank(synthetic()))
save("fbank_16k.npy", fbank(rain[:SAMPLES]))
save("fbank_8k.npy", fbank(to_16_khz(digit, 8_000)))
save("fbank_44k.npy", fbank(to_16_khz(at_44_1_khz(dog[:SAMPLES]), 44_100)))

for bins, name in ((80, "whisper"), (128, "whisper128")):
    whisper = WhisperFeatureExtractor(feature_size=bins)
    for sound, samples in (("synthetic", synthetic()), ("16k", rain[:SAMPLES])):
        features = whisper._np_extract_fbank_features(samples[None].astype(np.float64), "cpu")
        save(f"{name}_{sound}.npy", np.asarray(features)[0].T)
