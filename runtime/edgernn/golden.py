"""Golden samples: inputs that every machine can generate from seeds, so that a card stores only their answers.

They detect damage, and backends that misread a file. They are not a signature: anyone can create new ones for any file.

There are two rules. With the exporter's kernels (`edgernn.kernels`) the answers must have the exporter's digest; one
changed weight changes it. Other kernels round differently: their answers must be within the promised tolerance.
"""

import math
from collections.abc import Callable

import numpy as np

from edgernn.arrays import ArrayLike, Arrays, Float32, Int64, Uint8, Uint32
from edgernn.card import BASE64, SEED_DIGITS, Card, Golden, damaged
from edgernn.digests import sha256
from edgernn.errors import ArtifactError
from edgernn.metrics import scale_of

# From this tolerance on, the artifact rounds its activations.
ROUNDING_TOLERANCE = 0.01
# Where activations are rounded, other kernels may decide differently on a sample near the border of two classes. The
# exporter avoids such samples. Still, one of at least `_MIN_FORGIVING` samples may differ by three times the tolerance.
_FORGIVEN = 3
_MIN_FORGIVING = 4
# The constant part of a sample has this many values, each for a quarter of the steps. Noise alone averages out.
_HELD = 4
_HASH_BITS = 22
# Answers are rounded for a digest to steps of about 2^-13 of the largest one.
_DIGEST_BITS = 13
# Base64 digits of an output if every sample must agree; otherwise an output has one digit.
_EXACT_DIGITS = 3
_BITS = 6  # a digit of base64
_ALPHABET = BASE64.encode()


def golden_inputs(seeds: ArrayLike, shape: tuple[int, ...], low: ArrayLike, high: ArrayLike, first: int = 1) -> Float32:
    """Generate inputs between `low` and `high` from an integer hash: the same bits on every machine.

    A sample mixes noise with values that stay constant for a quarter of its steps, in the shares (4 - m) : m, where m
    is the seed modulo 4. Both are the upper 22 bits of the 32-bit finalizer of MurmurHash3 (Appleby, public domain):
    value i of a sample, counted from `first` through the noise and then through the constant values, is the hash of
    seed × 0x9E3779B9 + i.

    Args:
        seeds: one per sample.
        shape: shape of a sample, (steps, features).
        low, high: a number each, or one for each feature.
        first: number of the first value; each input of a model continues to count where the one before it ended.

    Returns:
        float32 [samples, *shape].
    """
    numbers = np.asarray(seeds, np.uint32)[:, np.newaxis, np.newaxis]
    steps, features = shape[0], math.prod(shape[1:])
    index = np.arange(first, first + _count_hashes(shape), dtype=np.uint32).reshape(-1, features)
    values = _hash(numbers * np.uint32(0x9E3779B9) + index) >> np.uint32(32 - _HASH_BITS)
    noise, held = values[:, :steps], values[:, steps:][:, np.arange(steps) * _HELD // steps]
    share = numbers & np.uint32(3)
    mixed = share * held + (np.uint32(4) - share) * noise  # below 2^24, so exact in float32
    fraction = mixed.astype(np.float32) / np.float32(4 << _HASH_BITS)
    start, end = np.asarray(low, np.float32), np.asarray(high, np.float32)
    inputs: Float32 = start + fraction.reshape(len(numbers), *shape) * (end - start)
    return inputs


def inputs_of(golden: Golden, card: Card) -> Arrays:
    """Return the inputs of a card's golden samples: float32 [samples, *shape] for each input of the card."""
    seeds, first, inputs = read_digits(golden.seeds, SEED_DIGITS), 1, []
    for number, spec in enumerate(card.inputs):
        ranges = np.array(golden.ranges[number] if golden.ranges else [spec.range], np.float32)
        features = spec.shape[-1]
        low, high = ranges[np.arange(features) * len(ranges) // features].T
        values = golden_inputs(seeds, spec.shape, low=low, high=high, first=first)
        inputs.append(values if spec.mask_value is None else _masked(values, seeds, spec.mask_value))
        first += _count_hashes(spec.shape)
    return tuple(inputs)


def _masked(inputs: Float32, seeds: Int64, mask_value: float) -> Float32:
    """Fill rows of samples with odd seeds, so that the model masks them.

    Of a sample with the seed s, 1 + (s >> 2) % steps rows are kept, and the rest is filled. If s is 3 modulo 4, the
    second row is filled, too.
    """
    steps = np.arange(inputs.shape[1])
    kept = 1 + (seeds[:, np.newaxis] >> 2) % len(steps)
    filled = (seeds[:, np.newaxis] % 2 == 1) & ((steps >= kept) | ((seeds[:, np.newaxis] % 4 == 3) & (steps == 1)))
    return np.where(filled[..., np.newaxis], np.float32(mask_value), inputs)


def digits_of(tolerance: float) -> int:
    """Return the number of base64 digits of an output."""
    return 1 if tolerance >= ROUNDING_TOLERANCE else _EXACT_DIGITS


def max_number(digits: int) -> int:
    """Return the largest whole number that fits into `digits` base64 digits."""
    return (1 << _BITS * digits) - 1


def read_digits(text: str, digits: int) -> Int64:
    """Read whole numbers from base64 text, `digits` digits each, the highest digit first."""
    values = np.full(256, -1)
    values[np.frombuffer(_ALPHABET, np.uint8)] = np.arange(len(_ALPHABET))
    found = values[np.frombuffer(text.encode(), np.uint8)].reshape(-1, digits)
    places: Int64 = 1 << _BITS * np.arange(digits)[::-1]
    return found @ places


def write_digits(values: Int64, digits: int) -> str:
    """Write whole numbers as the base64 text that `read_digits` reads."""
    places = values.ravel()[:, np.newaxis] >> _BITS * np.arange(digits)[::-1] & (1 << _BITS) - 1
    digit_values: Uint8 = np.frombuffer(_ALPHABET, np.uint8)[places]
    return digit_values.tobytes().decode("ascii")


def expected_outputs(golden: Golden) -> Arrays:
    """Read the numbers that a card promises: float32 [samples, kept] for each output of the card."""
    digits = digits_of(golden.tolerance)
    outputs = []
    for text, (low, high) in zip(golden.outputs, golden.between, strict=True):
        shares = read_digits(text, digits) / max_number(digits)
        outputs.append((low + shares * (high - low)).astype(np.float32).reshape(golden.samples, -1))
    return tuple(outputs)


def spread(answers: Float32, kept: int, seeds: ArrayLike) -> Float32:
    """Select `kept` evenly spread numbers of each answer; the sample's seed says where they begin.

    Args:
        answers: float32 [samples, *output_shape].
        kept: count of selected numbers per answer.
        seeds: the samples' seeds.

    Returns:
        float32 [samples, kept], in the order of the answer.
    """
    flat = answers.reshape(len(answers), -1)
    size = flat.shape[1]
    places = np.sort((np.arange(kept) * size // kept + np.asarray(seeds)[:, np.newaxis]) % size)
    return np.take_along_axis(flat, places, axis=1)


def digest_step(scale: float) -> float:
    """Return the step that answers are rounded to before their digest; `scale` is their `scale_of`."""
    return 2.0 ** (math.floor(math.log2(scale)) - _DIGEST_BITS)


def digest(answers: Arrays) -> str:
    """Return the digest of finite answers, one array for each output: 8 digits of a SHA-256.

    It is computed over the answers' whole steps, as little-endian int64.
    """
    sha = sha256(b"")
    for each in answers:
        sha.update(np.rint(each.astype(np.float64) / digest_step(scale_of(each))).astype("<i8").tobytes())
    return sha.hexdigest()[:8]


def check_golden(
    card: Card,
    golden: Golden,
    outputs: Arrays,
    backend: str,
    *,
    streamed: bool = False,
    same_kernels: Callable[[], bool] = lambda: False,
) -> None:
    """Check that `outputs` are the answers that the card promises.

    Args:
        card: the artifact's card.
        golden: its golden samples.
        outputs: the backend's answers to `inputs_of(golden, card)`: float32 [samples, *shape] for each output.
        backend: its name, for messages.
        streamed: True if it answered row by row.
        same_kernels: returns True if the backend has the kernels that computed the digests. Called only after a digest
            that does not match, since it takes some milliseconds.

    Raises:
        ArtifactError: the backend's answers differ from the exporter's.
    """
    found, shapes = ([each.shape for each in outputs], [(golden.samples, *spec.shape) for spec in card.outputs])
    if found != shapes:
        raise ArtifactError(
            f"{backend} answers with shape {', '.join(map(str, found))}, its card expects "
            f"{', '.join(map(str, shapes))}; export the model again"
        )
    promised = golden.digests[-1 if streamed else 0] if golden.digests else ""
    if promised and all(np.isfinite(each).all() for each in outputs) and digest(outputs) == promised:
        return
    difference = _largest_difference(card, golden, outputs)
    # Not (… <= …) rather than (… > …): a NaN must fail too.
    if not difference <= golden.tolerance:
        raise ArtifactError(
            f"{backend} misreads this {card.quantization} artifact: its answers to the golden samples are "
            f"{difference:.3g} off, at most {golden.tolerance:.3g} was promised; use another backend "
            "or another quantization"
        )
    if promised and same_kernels():
        raise ArtifactError(
            f"damaged: {backend} answers the golden samples differently from the same kernels at the export; copy the "
            "file again or export it again"
        )


def _largest_difference(card: Card, golden: Golden, outputs: Arrays) -> float:
    """Return the largest `_difference` of all outputs; NaN if one is NaN."""
    seeds = read_digits(golden.seeds, SEED_DIGITS)
    kept = [_count_kept(golden, len(text), spec.shape) for text, spec in zip(golden.outputs, card.outputs, strict=True)]
    differences = [
        _difference(spread(answers, count, seeds), expected, golden.tolerance)
        for answers, count, expected in zip(outputs, kept, expected_outputs(golden), strict=True)
    ]
    return float(np.max(differences))


def _count_kept(golden: Golden, found: int, shape: tuple[int, ...]) -> int:
    """Count the numbers of an answer that the card stores: it has `found` digits for answers of this shape."""
    digits, outputs = digits_of(golden.tolerance), math.prod(shape)
    kept, rest = divmod(found, golden.samples * digits)
    if rest or not 1 <= kept <= outputs:
        raise damaged(
            f"{found} digits of outputs, expected {digits} for each of 1 to {outputs} numbers of "
            f"{golden.samples} samples"
        )
    return kept


def _count_hashes(shape: tuple[int, ...]) -> int:
    """Count the values that a sample is mixed from: its noise and its constant values."""
    steps, *features = shape
    return (steps + _HELD) * math.prod(features)


def _difference(answers: Float32, expected: Float32, tolerance: float) -> float:
    """Return the largest difference relative to the answers' scale; a forgiven one counts a third, NaN remains NaN."""
    # Divide by the smaller scale: one huge promised number must not make all differences small.
    largest = np.abs(answers - expected).max(axis=1) / min(scale_of(expected), scale_of(answers))
    ordered = np.sort(largest)  # NaN comes last; np.partition and np.quantile would import more of NumPy
    last = float(ordered[-1])
    if tolerance < ROUNDING_TOLERANCE or len(ordered) < _MIN_FORGIVING or math.isnan(last):
        return last
    return max(float(ordered[-2]), last / _FORGIVEN)


def _hash(index: Uint32) -> Uint32:
    """Apply the 32-bit finalizer of MurmurHash3 (Appleby, public domain)."""
    index = index ^ index >> np.uint32(16)
    index = index * np.uint32(0x85EBCA6B)
    index ^= index >> np.uint32(13)
    index *= np.uint32(0xC2B2AE35)
    return index ^ index >> np.uint32(16)
