"""The intervals of `electra compare` recomputed by NumPy: the same draws, other code for metrics and quantiles.

Needs: pip install numpy; the program, built; two finished runs of one classification or regression task.

    python3 tests/interop/bootstrap.py target/release/electra RUN RUN PREDICTIONS PREDICTIONS

RUN is what `electra compare` takes, PREDICTIONS the run's `T_dev.jsonl`. The draws are those of the program: words
of ChaCha with 8 rounds, keyed by the seed, one stream per resample. Metrics are computed from the predictions of
each resample, not from sums, and the bounds by numpy.quantile. Prints both intervals of every metric; exits with 1
if a bound differs by more than 1e-6, or if a metric is not recomputed here.
"""

import json
import pathlib
import subprocess
import sys

import numpy as np

# Bounds are printed with all their digits. The program sums in another order.
TOLERANCE = 1e-6


def key_of(seed):
    """The eight words that rand_core's seed_from_u64 derives from a seed, by PCG32."""
    state, words = seed, []
    for _ in range(8):
        state = (state * 6364136223846793005 + 11634580027462260723) % 2**64
        mixed = (((state >> 18) ^ state) >> 27) % 2**32
        turn = state >> 59
        words.append(((mixed >> turn) | (mixed << (32 - turn))) % 2**32)
    return words


def rotated(words, by):
    return (words << np.uint32(by)) | (words >> np.uint32(32 - by))


def chacha8(seed, streams, words):
    """The first `words` 32-bit words of each stream, `[streams, words]`."""
    blocks = -(-words // 16)
    shape = (len(streams), blocks)
    counter = np.broadcast_to(np.arange(blocks, dtype=np.uint32), shape)
    stream = np.broadcast_to(np.asarray(streams, np.uint32)[:, None], shape)
    constants = [0x61707865, 0x3320646E, 0x79622D32, 0x6B206574]
    first = [np.full(shape, word, np.uint32) for word in constants + key_of(seed)]
    first += [counter, np.zeros(shape, np.uint32), stream, np.zeros(shape, np.uint32)]
    state = [word.copy() for word in first]
    columns = [(0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15)]
    diagonals = [(0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14)]
    for a, b, c, d in (columns + diagonals) * 4:
        for by, (to, other, turned) in zip((16, 12, 8, 7), ((a, b, d), (c, d, b)) * 2):
            state[to] = state[to] + state[other]
            state[turned] = rotated(state[turned] ^ state[to], by)
    out = np.stack([now + was for now, was in zip(state, first)], axis=-1)
    return out.reshape(len(streams), blocks * 16)[:, :words]


def ranks(values):
    """Ranks from 1; equal values share their mean."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[inverse]


def pearson(a, b):
    return 100 * np.corrcoef(a, b)[0, 1]


def mcc(predicted, gold):
    return 100 * np.corrcoef(predicted, gold)[0, 1] if len(set(predicted)) > 1 and len(set(gold)) > 1 else 0.0


def f1(predicted, gold, label):
    right = np.sum((predicted == label) & (gold == label))
    return 200 * right / max(1, np.sum(predicted == label) + np.sum(gold == label))


# Metrics of predicted values, right values and losses, `[examples]`; those with F1 are of two classes.
METRICS = {
    "pearson": lambda a, b, _: pearson(a, b),
    "spearman": lambda a, b, _: pearson(ranks(a), ranks(b)),
    "mse": lambda a, b, _: np.mean((a - b) ** 2),
    "accuracy": lambda a, b, _: 100 * np.mean(a == b),
    "mcc": lambda a, b, _: mcc(a, b),
    "f1": lambda a, b, _: f1(a, b, 1),
    "macro_f1": lambda a, b, _: (f1(a, b, 0) + f1(a, b, 1)) / 2,
    "loss": lambda _a, _b, loss: np.mean(loss),
}


def read(file):
    """Predictions, right values and losses of a file's lines, `[3][examples]`."""
    lines = [json.loads(line) for line in pathlib.Path(file).read_text(encoding="utf-8").splitlines()]
    right = "target" if "target" in lines[0] else "label_id"
    return [np.array([line[key] for line in lines]) for key in ("prediction", right, "loss")]


def main():
    electra, *runs, first, other = sys.argv[1:]
    done = subprocess.run([electra, "compare", "--json", *runs], stdout=subprocess.PIPE, text=True, check=True)
    told = json.loads(done.stdout.splitlines()[0])
    settings = told["bootstrap"]
    (task,) = told["comparisons"][0]["tasks"].values()
    sides = [read(first), read(other)]
    examples = task["examples"]
    assert all(len(values) == examples for side in sides for values in side), "other predictions"

    words = chacha8(settings["seed"], np.arange(settings["resamples"]), examples)
    draws = (words.astype(np.uint64) * np.uint64(examples)) >> np.uint64(32)
    outside = (1 - settings["confidence"]) / 2
    wrong = 0
    for key, figure in task["figures"].items():
        if key not in METRICS:
            print(f"{key:10} is not recomputed here")
            wrong += 1
            continue
        metric = METRICS[key]
        with np.errstate(invalid="ignore", divide="ignore"):
            of = [[metric(*(values[draw] for values in side)) for draw in draws] for side in sides]
        differences = np.array(of[1]) - np.array(of[0])
        differences = differences[np.isfinite(differences)]
        own = np.quantile(differences, [outside, 1 - outside])
        bounds = np.array([figure["interval"]["low"], figure["interval"]["high"]])
        gap = np.max(np.abs(own - bounds))
        wrong += gap > TOLERANCE
        print(f"{key:10} {examples} examples  electra {bounds[0]:.6f} {bounds[1]:.6f}  "
              f"NumPy {own[0]:.6f} {own[1]:.6f}  differ by {gap:.1e}")
    sys.exit(1 if wrong else 0)


main()
