"""What was pre-trained, in Hugging Face's transformers: both networks' logits against Google's code.

Needs: pip install transformers torch; the program electra or checkpoints-convert, built; and records of
Google's code: a folder with forward/forward.safetensors, and of each variant a folder variants/NAME with
forward.safetensors, info.json and its checkpoint, init.

    python tests/interop/pretraining.py target/debug/electra REFERENCE [RUN …]

Checkpoints that Google's code wrote are converted with their generators and exported, each network by
itself; transformers computes the recorded batch, and masked-language-model logits at the masked places and
discriminator logits at the real tokens are compared with Google's. Of each RUN, a folder that `electra
pretrain` left, both networks are exported and read back. Prints the largest differences; exits with 1 where
something differs, or where a network is refused or exported that should not be.
"""

import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

import numpy
import safetensors.torch
import torch
import transformers

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
# Two float32 computations of the same values by other programs.
TOLERANCE = 2e-5

transformers.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()

CLASSES = {
    "discriminator": transformers.ElectraForPreTraining,
    "generator": transformers.ElectraForMaskedLM,
}
TOWERS = "two towers that read from either side"
# What is to be exported of each variant, or what is said instead.
VARIANTS = {
    "electra_disallow": {},
    "electra_no_projection": {},
    "electra_tied_generator": {},
    "electra_untied_embeddings": {},
    "electra_uniform": {"generator": "uniform_generator=true"},
    "electra_two_tower": {"generator": TOWERS},
    "mlm": {"discriminator": "electra_objective=false"},
}


def electra(*arguments):
    return subprocess.run(
        [PROGRAM, "-q", *map(str, arguments)], capture_output=True, text=True
    )


def load(network, folder):
    model, info = CLASSES[network].from_pretrained(folder, output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"], info
    assert not info["mismatched_keys"], info
    return model.eval()


def export(record, network, work, expected=None):
    """The exported network, or none if it is refused with what was expected."""
    out = work / network
    done = electra("export", "--format", "hf", "--network", network, record, out)
    if expected is not None:
        assert done.returncode == 2 and expected in done.stderr, done
        return None
    assert done.returncode == 0, done.stderr
    return load(network, out)


def difference(name, network, found, expected):
    found, expected = found.double(), expected.double()
    assert found.shape == expected.shape, (found.shape, expected.shape)
    worst, largest = float((found - expected).abs().max()), float(expected.abs().max())
    print(f"{name}: {network}: {found.numel()} logits up to {largest:.2f} within {worst:.2g}")
    return worst


def of_variant(folder, work):
    """The checkpoint of a variant beside the number of its attention heads, which no variable tells."""
    settings = json.loads((folder / "info.json").read_text())["hparams"]["model_hparam_overrides"]
    checkpoint = work / "checkpoint"
    checkpoint.mkdir()
    for file in (folder / "init").iterdir():
        shutil.copyfile(file, checkpoint / file.name)
    sizes = {key: settings[key] for key in ["hidden_size", "num_attention_heads"]}
    (checkpoint / "config.json").write_text(json.dumps(sizes))
    return checkpoint


def compare(name, source, vocabulary, recorded, refused):
    """Both networks of a checkpoint against the batch that Google's code recorded."""
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        record = work / "record"
        checkpoint = of_variant(source, work) if source.is_dir() else source
        done = electra("convert", "--with-generator", checkpoint, record)
        assert done.returncode == 0, done.stderr
        if not (record / "vocab.txt").exists():
            shutil.copy(vocabulary, record / "vocab.txt")
        batch = safetensors.torch.load_file(recorded)
        mask = batch["input_mask"].long()
        inputs = {"attention_mask": mask, "token_type_ids": batch["segment_ids"].long()}
        worst = 0.0
        generator = export(record, "generator", work, refused.get("generator"))
        if generator is not None:
            with torch.no_grad():
                ids = batch["masked_input_ids"].long()
                logits = generator(input_ids=ids, **inputs).logits
            places = batch["masked_lm_positions"].long()
            logits = logits[torch.arange(len(ids))[:, None], places]
            real = batch["masked_lm_weights"] > 0
            expected = batch["mlm_logits"].reshape(logits.shape)
            worst = difference(name, "generator", logits[real], expected[real])
        discriminator = export(record, "discriminator", work, refused.get("discriminator"))
        if discriminator is not None:
            with torch.no_grad():
                ids = batch["fake_input_ids"].long()
                logits = discriminator(input_ids=ids, **inputs).logits
            real = mask > 0
            found = difference(
                name, "discriminator", logits[real], batch["disc_logits"][real]
            )
            worst = max(worst, found)
        assert generator is not None or discriminator is not None, name
        return worst


def read_back(run):
    """Both networks of a run: what they share is one, and their tokenizer is the run's."""
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        networks = {name: export(run, name, work) for name in CLASSES}
        words = (run / "vocab.txt").read_text().splitlines()
        for name, model in networks.items():
            tokenizer = transformers.AutoTokenizer.from_pretrained(work / name)
            assert tokenizer.convert_ids_to_tokens(list(range(len(words)))) == words
            encoded = tokenizer("the film was good", return_tensors="pt")
            with torch.no_grad():
                logits = model(**encoded).logits
            assert torch.isfinite(logits).all(), name
        settings = json.loads((run / "config.json").read_text()).get("pretraining", {})
        if not settings.get("untied_generator_embeddings", False):
            tables = [m.get_input_embeddings().weight for m in networks.values()]
            assert torch.equal(*tables), "the embeddings are not one"
        head = networks["generator"].get_output_embeddings()
        assert torch.equal(head.weight, networks["generator"].get_input_embeddings().weight)
        print(f"{run}: both networks are read")


def main():
    print(f"transformers {transformers.__version__}, torch {torch.__version__}")
    worst = compare(
        "electra_tiny",
        REPOSITORY / "tests/golden/models/electra_tiny.zip",
        REPOSITORY / "assets/quickstart/vocab.txt",
        REFERENCE / "forward/forward.safetensors",
        {},
    )
    for name, refused in VARIANTS.items():
        folder = REFERENCE / "variants" / name
        vocabulary = REFERENCE / "variants/vocab.txt"
        found = compare(name, folder, vocabulary, folder / "forward.safetensors", refused)
        worst = max(worst, found)
    for run in RUNS:
        read_back(run)
    print(f"largest difference {worst:.2g}")
    if not numpy.isfinite(worst) or worst >= TOLERANCE:
        sys.exit(1)


PROGRAM = sys.argv[1]
REFERENCE, *RUNS = map(pathlib.Path, sys.argv[2:])
main()
