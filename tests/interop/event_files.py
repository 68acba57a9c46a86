"""Reads the event files of a run with TensorBoard itself and compares them with the run's own files.

    pip install tensorboard
    python tests/interop/event_files.py DATA/models/NAME/finetuning_models/squad_model_1 \
        DATA/models/NAME/results/squad_results.json

Every step's loss, learning rate and gradient norm must be that of train_log.jsonl (as float32), and
the evaluation's figures those of the results file for this trial.
"""

import json
import struct
import sys
from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator


def as_float32(value):
    return struct.unpack("f", struct.pack("f", value))[0]


def main(model_dir, results):
    events = EventAccumulator(str(model_dir), size_guidance={"scalars": 0})
    events.Reload()
    tags = events.Tags()["scalars"]
    log = [json.loads(line) for line in (model_dir / "train_log.jsonl").read_text().splitlines()]
    compared = 0
    for tag, value in [
        ("train/loss", lambda row: row["loss"]),
        ("train/learning_rate", lambda row: row["learning_rate"]),
        ("train/grad_norm", lambda row: row["grad_norm"]),
        ("train/features_per_second", lambda row: row["features"] / row["seconds"]),
        ("train/tokens_per_second", lambda row: row["tokens"] / row["seconds"]),
    ]:
        shown = [(event.step, event.value) for event in events.Scalars(tag)]
        expected = [(row["step"], as_float32(value(row))) for row in log]
        if shown != expected:
            sys.exit(f"{tag}: TensorBoard shows {shown[:3]}…, the log has {expected[:3]}…")
        compared += len(shown)
    trial = int(model_dir.name.rsplit("_", 1)[1])
    for task, figures in json.loads(results.read_text())[trial - 1].items():
        for key, figure in figures.items():
            shown = events.Scalars(f"eval/{task}/{key}")[-1].value
            if shown != as_float32(figure):
                sys.exit(f"eval/{task}/{key}: TensorBoard shows {shown}, the results have {figure}")
            compared += 1
    print(f"{len(tags)} tags, {len(log)} steps, {compared} values: all equal")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
