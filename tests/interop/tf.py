"""TensorFlow as the judge of the checkpoints that are written for it.

Needs: pip install tensorflow-cpu; the program checkpoints-convert, built.

    python tests/interop/tf.py target/debug/checkpoints-convert [CHECKPOINT …]

Each checkpoint (a zip archive or a folder) is converted to a record, exported to TensorFlow, read
by TensorFlow, and compared with the source bit by bit. Prints how many variables and values were
compared; exits with 1 where something differs.
"""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import zipfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import numpy
import tensorflow as tf

GOLDEN = pathlib.Path(__file__).resolve().parents[2] / "tests/golden"
VOCABULARY = GOLDEN / "../../assets/quickstart/vocab.txt"


def convert(*arguments):
    subprocess.run([PROGRAM, "-q", *map(str, arguments)], check=True)


def reader_of(folder):
    prefix = tf.train.latest_checkpoint(str(folder))
    if prefix is None:
        prefix = str(next(folder.glob("*.index")).with_suffix(""))
    return tf.train.load_checkpoint(prefix)


def unpacked(source, work):
    """The folder of a checkpoint that may be in an archive."""
    if source.is_dir():
        return source
    with zipfile.ZipFile(source) as archive:
        archive.extractall(work / "source")
    return next((work / "source").glob("**/*.index")).parent


def check(source):
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        record, out = work / "record", work / "tf"
        convert("convert", source, record)
        if not (record / "vocab.txt").exists():
            shutil.copy(VOCABULARY, record)
        convert("export", "--format", "tf", record, out)
        expected, found = reader_of(unpacked(source, work)), reader_of(out)
        names = [
            name
            for name in expected.get_variable_to_shape_map()
            if name.startswith(("electra/", "task_specific/"))
        ]
        assert sorted(names) == sorted(found.get_variable_to_shape_map()), "other variables"
        values = 0
        for name in names:
            first, second = expected.get_tensor(name), found.get_tensor(name)
            assert first.dtype == second.dtype == numpy.float32, name
            assert first.shape == second.shape, name
            assert first.tobytes() == second.tobytes(), f"{name} differs"
            values += first.size
        print(f"{source}: {len(names)} variables, {values} values, every bit equal")


def main():
    print(f"tensorflow {tf.__version__}")
    sources = [
        GOLDEN / "models/electra_tiny.zip",
        GOLDEN / "models/electra_tiny_projected.zip",
        GOLDEN / "squad2-tiny-projected/init",
        GOLDEN / "squad2-tiny-projected/trained",
        *map(pathlib.Path, sys.argv[2:]),
    ]
    for source in sources:
        check(source)


PROGRAM = sys.argv[1]
main()
