"""Trains with each storage format of Adam's moments on the same seeds and prints the scores side by side.

  python3 benches/moments.py --electra target/release/electra --folder OUT [--seeds 5] [--formats f32,bf16,8bit]
      [--kind questions] [--device cpu]
  python3 benches/moments.py --electra target/release/electra [--seeds 5] [--formats f32,8bit] -- FINETUNE'S ARGUMENTS

The first form runs `electra quickstart`, with its built-in model and data, in folders below OUT. The second runs
`electra finetune` with the arguments after `--` (--data-dir, --model-name, --set ..., --device ...): a sweep over the
formats, with one trial per seed. To resume either, repeat the command.

For each metric: mean and standard deviation over the seeds in each format; then the mean difference from the first
format, paired by seed, and its standard error. "train loss" is the mean loss per feature over the last tenth of the
steps, which depends less on the seed than scores do. A difference below two standard errors is not significant.
"""
import argparse, json, math, pathlib, statistics, subprocess, sys


def run(command):
    """Runs a command and returns the JSON that it prints; its messages go to standard error."""
    print(" ".join(command), file=sys.stderr, flush=True)
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f"exit code {done.returncode}: {' '.join(command)}")
    return json.loads(done.stdout)


def train_loss(log):
    """The mean loss per feature over the last tenth of the steps."""
    lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    last = lines[-max(1, len(lines) // 10):]
    return sum(line["loss"] for line in last) / sum(line["features"] for line in last)


def quickstart(args, moments, seed):
    folder = pathlib.Path(args.folder) / f"{args.kind}-{moments}-{seed}"
    told = run([args.electra, "quickstart", "--json", "--kind", args.kind, "--output", str(folder),
                "--device", args.device, "--set", f"optimizer_moments={moments}", "--set", f"seed={seed}"])
    log, = folder.glob("models/*/finetuning_models/*_1/train_log.jsonl")
    return {**told["after"], "train loss": train_loss(log)}


def finetuned(args, formats):
    """The scores of each format's trials, whose seeds are 1, 2, ..."""
    told = run([args.electra, "finetune", "--json", *args.finetune, "--set", f"num_trials={args.seeds}",
                "--set", "keep_all_models=true", "--sweep", "optimizer_moments=" + ",".join(formats)])
    figures = {}
    for made in told["runs"]:
        trials = []
        for trial in made["trials"]:
            if trial["state"] != "finished":
                sys.exit(f"{made['folder']}: trial {trial['trial']} is {trial['state']}; give the same command again")
            of_trial = {}
            for task, scores in trial["results"].items():
                prefix = f"{task} " if len(trial["results"]) > 1 else ""
                numbers = {prefix + key: value for key, value in scores.items() if isinstance(value, (int, float))}
                of_trial.update(numbers)
            log = pathlib.Path(f"{made['folder']}_{trial['trial']}") / "train_log.jsonl"
            trials.append({**of_trial, "train loss": train_loss(log)})
        figures[made["settings"]["optimizer_moments"]] = trials
    return figures


def table(figures, formats):
    first = figures[formats[0]]
    print("| figure | " + " | ".join(formats) + " | " + " | ".join(f"{f} − {formats[0]}" for f in formats[1:]) + " |")
    print("|---" * (2 * len(formats)) + "|")
    for key in first[0]:
        values = {moments: [trial[key] for trial in figures[moments]] for moments in formats}
        if all(value == values[formats[0]][0] for column in values.values() for value in column):
            continue
        cells = [f"{statistics.mean(values[m]):.4g} ± {statistics.stdev(values[m]):.2g}" for m in formats]
        for moments in formats[1:]:
            apart = [ours - theirs for ours, theirs in zip(values[moments], values[formats[0]])]
            error = statistics.stdev(apart) / math.sqrt(len(apart))
            cells.append(f"{statistics.mean(apart):+.3g} ± {error:.2g}")
        print(f"| {key} | " + " | ".join(cells) + " |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--electra", required=True)
    parser.add_argument("--folder", help="where the quickstarts' folders go")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--formats", default="f32,8bit")
    parser.add_argument("--kind", default="questions")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("finetune", nargs="*", help="arguments of electra finetune, behind --")
    args = parser.parse_args()
    formats = args.formats.split(",")
    if args.seeds < 2 or len(formats) < 2:
        parser.error("a comparison takes two seeds and two formats at least")
    if bool(args.folder) == bool(args.finetune):
        parser.error("give either --folder, for quickstarts, or the arguments of electra finetune behind --")
    if args.finetune:
        figures = finetuned(args, formats)
    else:
        seeds = range(1, args.seeds + 1)
        figures = {moments: [quickstart(args, moments, seed) for seed in seeds] for moments in formats}
    print(f"\n{args.seeds} seeds\n")
    table(figures, formats)


if __name__ == "__main__":
    main()
