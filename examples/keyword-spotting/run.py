"""Keyword spotting: a GRU that recognizes which of ten words, if any, was said in one second of speech."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgernn.arrays import Float32, Int64
from edgernn.system.tensorflow_setup import quiet_tensorflow

sys.path.insert(0, str(Path(__file__).parents[2]))
from examples.common import Example, main

Float64 = npt.NDArray[np.float64]

# One second, a frame every 20 ms, ten MFCCs a frame.
STEPS, FEATURES = 49, 10
# The twelve classes of Speech Commands, as in "Hello Edge", with the sounds of each word.
WORDS = {
    "silence": "",
    "unknown": "",
    "yes": "i ɛ s",
    "no": "n ɔ ʊ",
    "up": "ʌ p",
    "down": "d ɑ ʊ n",
    "left": "l ɛ f t",
    "right": "r ɑ ɪ t",
    "on": "ɑ n",
    "off": "ɔ f",
    "stop": "s t ɑ p",
    "go": "g ɔ ʊ",
}
KEYWORDS = tuple(WORDS)
SILENCE, UNKNOWN = KEYWORDS.index("silence"), KEYWORDS.index("unknown")

# Formants F1, F2, F3 in Hz, and loudness from 0 to 1. Vowels: means of men in Peterson and Barney, "Control methods
# used in a study of the vowels", 1952. Consonants: approximate centres of their energy.
SOUNDS = {
    "i": (270, 2290, 3010, 0.8),
    "ɪ": (390, 1990, 2550, 0.8),
    "ɛ": (530, 1840, 2480, 1.0),
    "ɑ": (730, 1090, 2440, 1.0),
    "ɔ": (570, 840, 2410, 1.0),
    "ʊ": (440, 1020, 2240, 0.8),
    "ʌ": (640, 1190, 2390, 1.0),
    "n": (280, 1500, 2500, 0.3),
    "l": (350, 1200, 2900, 0.4),
    "r": (350, 1100, 1600, 0.4),
    "d": (300, 1700, 2600, 0.1),
    "g": (300, 2000, 2300, 0.1),
    "p": (700, 1200, 2300, 0.02),
    "t": (3000, 4000, 5000, 0.1),
    "f": (2500, 4500, 6500, 0.05),
    "s": (4500, 5500, 6500, 0.3),
}
_BANDS = 40
_FORMANT_WIDTH_MEL = 110.0
_SCALE = 0.3  # most of the cepstrum is then between -2 and 2


def generate(samples: int, seed: int) -> tuple[Float32, Int64]:
    """Generate MFCCs of words: formants that glide from sound to sound, with random voices, tempos and noise.

    Returns:
        float32 [samples, 49, 10], and the words, int64 [samples], equally frequent.
    """
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(samples) % len(KEYWORDS))
    tracks = np.stack([_say(rng, _sounds_of(rng, int(word))) for word in y])
    # Short vocal tracts have high formants: children and women up to a fifth above men.
    voice = rng.uniform(0.95, 1.2, (samples, 1, 1))
    bands = np.linspace(_mel(np.array(60.0)), _mel(np.array(7600.0)), _BANDS)
    distance = (bands - _mel(tracks[:, :, :3, np.newaxis] * voice[..., np.newaxis])) / _FORMANT_WIDTH_MEL
    strength = np.array([1.0, 0.5, 0.25])[:, np.newaxis]
    spectrum = tracks[:, :, 3:] * (strength * np.exp(-(distance**2) / 2)).sum(axis=2)
    volume, noise = rng.lognormal(0, 0.5, (samples, 1, 1)), rng.lognormal(-3.5, 0.8, (samples, 1, 1))
    # Background noise decreases towards high frequencies, by a different slope in each sample.
    noise = noise * np.exp(-rng.uniform(0, 2, (samples, 1, 1)) * np.linspace(0, 1, _BANDS))
    # The energy of a band in one frame of noise has a chi-squared distribution.
    energy = volume * spectrum * rng.chisquare(4, spectrum.shape) / 4 + noise * rng.chisquare(4, spectrum.shape) / 4
    return (_SCALE * (np.log(energy) + 4) @ _dct()).astype(np.float32), y


def _sounds_of(rng: np.random.Generator, word: int) -> Sequence[str]:
    if word == UNKNOWN:
        # Another word of two to four sounds; one in five begins like a keyword.
        sounds = [str(sound) for sound in rng.choice(list(SOUNDS), rng.integers(2, 5))]
        begun = WORDS[KEYWORDS[rng.integers(2, len(KEYWORDS))]].split()[:-1]
        return [*begun, *sounds[len(begun) :]] if rng.random() < 0.2 else sounds
    return WORDS[KEYWORDS[word]].split()


def _say(rng: np.random.Generator, sounds: Sequence[str]) -> Float64:
    """Return tracks [steps, 4] of F1, F2, F3 in Hz and loudness, from sound to sound, with silence around them."""
    if not sounds:
        return np.tile([500.0, 1500.0, 2500.0, 0.0], (STEPS, 1))
    targets = np.array([SOUNDS[sound] for sound in sounds]) * rng.lognormal(0, 0.06, (len(sounds), 4))
    targets = np.concatenate([targets[:1], targets, targets[-1:]])
    targets[[0, -1], 3] = 0
    # 60 to 180 ms a sound; the word begins at a random time in the second.
    lengths = rng.uniform(3, 9, len(targets) - 1)
    times = np.concatenate([[0], np.cumsum(lengths)])
    times += rng.uniform(0, max(STEPS - times[-1], 1))
    return np.stack([np.interp(np.arange(STEPS), times, track) for track in targets.T], axis=1)


def _mel(frequency_hz: Float64) -> Float64:
    return 1127 * np.log1p(frequency_hz / 700)


def _dct() -> Float64:
    """Return the first ten columns [bands, 10] of the orthonormal DCT-II, which maps a log spectrum to a cepstrum."""
    angles = np.pi * (np.arange(_BANDS)[:, np.newaxis] + 0.5) * np.arange(FEATURES) / _BANDS
    return np.cos(angles) * np.where(np.arange(FEATURES) == 0, np.sqrt(1 / _BANDS), np.sqrt(2 / _BANDS))


def build() -> Any:
    """Build the small GRU of "Hello Edge" (see README), float32 [batch, 49, 10] to probabilities [batch, 12]."""
    with quiet_tensorflow():
        import keras

    return keras.Sequential(
        [
            keras.Input((STEPS, FEATURES)),
            keras.layers.GRU(154),
            keras.layers.Dense(len(KEYWORDS), activation="softmax"),
        ]
    )


EXAMPLE = Example(Path(__file__).parent, generate, build, epochs=10, learning_rate=2e-3, labels=KEYWORDS)

if __name__ == "__main__":
    main(obj=EXAMPLE)
