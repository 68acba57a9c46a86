"""Measures what several ranks gain on one machine's processor: seconds a step, and what the exchange of gradients costs.

  cargo build --release --features mpi
  python3 benches/ranks.py --electra target/release/electra [--folder OUT] [--ranks 2] [--model-size small]
      [--batch-size 16] [--steps 10] [--runs 1]

Fine-tunes a model with new weights on made-up sentence pairs of 128 tokens: in one process with one thread and with as
many threads as there are ranks, then in ranks of one thread each, with f32 and bf16 gradients, while the ranks compute
and only afterwards. Prints a table in Markdown; a step's seconds are the median of all but the first two steps, the
others the mean. Every line is printed as JSON, too, on standard error.
"""
import argparse, json, os, random, shutil, statistics, subprocess, sys, tempfile

WORDS = 2000


def prepare(folder, vocab_size, examples):
    """A vocabulary and a task with texts that fill 128 tokens."""
    task = os.path.join(folder, "finetuning_data", "rte")
    os.makedirs(task)
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words = [f"w{number}" for number in range(vocab_size - len(special))]
    with open(os.path.join(folder, "vocab.txt"), "w") as out:
        out.write("\n".join(special + words) + "\n")
    draw = random.Random(1)
    text = lambda: " ".join(draw.choices(words[:WORDS], k=70))
    with open(os.path.join(task, "train.tsv"), "w") as out:
        out.write("index\tsentence1\tsentence2\tlabel\n")
        for number in range(examples):
            label = draw.choice(["entailment", "not_entailment"])
            out.write(f"{number}\t{text()}\t{text()}\t{label}\n")


def run(args, name, ranks, threads, exchange="f32", overlap=True):
    folder = os.path.join(args.folder, name)
    shutil.rmtree(folder, ignore_errors=True)
    prepare(folder, 30522, args.batch_size * args.steps)
    hparams = {
        "task_names": ["rte"], "model_size": args.model_size, "init_checkpoint": None, "do_eval": False,
        "vocab_file": os.path.join(folder, "vocab.txt"), "train_batch_size": args.batch_size,
        "num_train_epochs": 1, "max_seq_length": 128, "gradient_exchange": exchange,
    }
    command = [args.electra, "finetune", "--device", "cpu", "--data-dir", folder, "--model-name", "m",
               "--hparams", json.dumps(hparams)]
    if ranks > 1:
        command = ["mpirun", "--allow-run-as-root", "--oversubscribe", "--bind-to", "none", "--quiet",
                   "-n", str(ranks)] + command
    env = dict(os.environ, RAYON_NUM_THREADS=str(threads), ELECTRA_OVERLAP=str(int(overlap)))
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    log = os.path.join(folder, "models/m/finetuning_models/rte_model_1/train_log.jsonl")
    with open(log) as lines:
        steps = [json.loads(line) for line in lines][2:]
    shutil.rmtree(folder)
    figures = {"name": name, "ranks": ranks, "threads": threads, "steps": len(steps),
               "seconds": statistics.median(step["seconds"] for step in steps)}
    if ranks > 1:
        for key in ["bytes", "seconds", "hidden_seconds", "waited_seconds"]:
            figures[f"exchange_{key}"] = statistics.mean(step["exchange"][key] for step in steps)
    print(json.dumps(figures), file=sys.stderr)
    return figures


def row(figures, base):
    cells = [figures["name"], f"{figures['seconds']:.2f} s", f"{base / figures['seconds']:.2f}"]
    if figures["ranks"] == 1:
        return cells + ["–"] * 4
    seconds = figures["exchange_seconds"]
    return cells + [f"{figures['exchange_bytes'] / 1e6:.1f} MB", f"{seconds:.3f} s",
                    f"{100 * figures['exchange_hidden_seconds'] / max(seconds, 1e-9):.0f} %",
                    f"{figures['exchange_waited_seconds']:.3f} s"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--electra", required=True)
    parser.add_argument("--folder", default=tempfile.gettempdir())
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--model-size", default="small")
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--runs", type=int, default=1, help="of which the fastest counts")
    args = parser.parse_args()
    args.electra = os.path.abspath(args.electra)
    several = f"{args.ranks} ranks"
    runs = [
        ("1 process, 1 thread", 1, 1),
        (f"1 process, {args.ranks} threads", 1, args.ranks),
        (f"{several}, f32", args.ranks, 1),
        (f"{several}, f32, summed afterwards", args.ranks, 1, "f32", False),
        (f"{several}, bf16", args.ranks, 1, "bf16"),
        (f"{several}, bf16, summed afterwards", args.ranks, 1, "bf16", False),
    ]
    # In turn, so that a change of the machine's speed meets all of them.
    done = [[run(args, *given) for given in runs] for _ in range(args.runs)]
    best = [min(of, key=lambda figures: figures["seconds"]) for of in zip(*done)]
    heads = ["", "a step", "speed-up", "exchanged", "the sums take", "while computing", "waiting"]
    print("| " + " | ".join(heads) + " |\n|" + "---|" * len(heads))
    for figures in best:
        print("| " + " | ".join(row(figures, best[0]["seconds"])) + " |")


if __name__ == "__main__":
    main()
