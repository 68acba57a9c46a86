"""Hugging Face's transformers and PyTorch as the judges of what is read and written for them.

Needs: pip install torch transformers; the program checkpoints-convert, built.

    python tests/interop/hf.py target/debug/checkpoints-convert [FOLDER …]

FOLDER holds `init/` and `trained/` (TensorFlow checkpoints) and `forward.init.safetensors` and
`forward.trained.safetensors` (what Google's code computed with them), as
tests/golden/squad2-tiny-projected does, which is always looked at. A folder of a tagging task has
the features of the same texts beside them, features.dev.jsonl.

Out: each checkpoint is converted and exported, loaded by transformers, and its hidden states, or the
logits of a tagging head, are compared with Google's. In: the model is saved in every form that
transformers and PyTorch have, converted, and its values are compared bit by bit. Prints the largest
differences; exits with 1 where something differs.
"""

import json
import lzma
import pathlib
import shutil
import subprocess
import sys
import tempfile

import torch
import transformers
from safetensors.torch import load_file

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
GOLDEN = REPOSITORY / "tests/golden"
VOCABULARY = GOLDEN / "../../assets/quickstart/vocab.txt"
# Two float32 computations of the same values by other programs.
TOLERANCE = 2e-4


transformers.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()


def convert(*arguments):
    subprocess.run([PROGRAM, "-q", *map(str, arguments)], check=True)


def exported(source, work, name):
    """The Hugging Face folder that the program makes of a checkpoint."""
    record, folder = work / f"{name}.record", work / f"{name}.hf"
    convert("convert", source, record)
    if not (record / "vocab.txt").exists():
        shutil.copy(VOCABULARY, record)
    convert("verify", source, record)
    convert("export", "--format", "hf", record, folder)
    return folder


def load(kind, folder):
    model, info = kind.from_pretrained(folder, output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"], info
    assert not info["mismatched_keys"], info
    return model.eval()


def compare_hidden_states(folder, forward):
    """Largest difference of any hidden state at a real token from what Google's code computed."""
    model = load(transformers.ElectraModel, folder)
    golden = load_file(forward)
    mask = golden["input_mask"].bool()
    with torch.no_grad():
        states = model(
            input_ids=golden["input_ids"].long(),
            attention_mask=golden["input_mask"].long(),
            token_type_ids=golden["segment_ids"].long(),
            output_hidden_states=True,
        ).hidden_states
    worst = 0.0
    compared = 0
    for number, state in enumerate(states):
        name = f"layer_{number - 1}" if number else "embedding_output"
        expected = golden.get(name)
        # The first state is already projected where embeddings are narrower than the layers.
        if expected is None or expected.shape != state.shape:
            continue
        worst = max(worst, (state - expected)[mask].abs().max().item())
        compared += 1
    assert compared >= model.config.num_hidden_layers, f"{compared} states compared"
    return worst, compared


def compute_tags(folder, golden):
    """Hidden states and logits of a tagging model on the texts that Google's code was given."""
    model = load(transformers.ElectraForTokenClassification, folder)
    with torch.no_grad():
        found = model(
            input_ids=golden["input_ids"].long(),
            attention_mask=golden["input_mask"].long(),
            token_type_ids=golden["segment_ids"].long(),
            output_hidden_states=True,
        )
    return [*found.hidden_states, found.logits]


def compare_logits(folder, golden, features):
    """Largest difference of a tagging head's logits at a word from what Google's code computed."""
    *_, logits = compute_tags(folder, golden)
    places = {
        feature["eid"]: feature["labeled_positions"]
        for feature in map(json.loads, features.read_text().splitlines())
    }
    worst, words = 0.0, 0
    for row, eid in enumerate(golden["eid"].tolist()):
        expected = golden["logits"][row, : len(places[eid])]
        worst = max(worst, (logits[row, places[eid]] - expected).abs().max().item())
        words += len(places[eid])
    assert words == int(golden["labels_mask"].sum()), f"{words} words compared"
    return worst, words


def check_back(folder, golden, work, name):
    """What is read from the export and exported again computes the same bits."""
    again = exported(folder, work, name)
    pairs = zip(compute_tags(folder, golden), compute_tags(again, golden), strict=True)
    for first, second in pairs:
        assert torch.equal(first.view(torch.int32), second.view(torch.int32)), name
    assert (again / "config.json").read_bytes() == (folder / "config.json").read_bytes()


def check_labels(folder, work):
    """Labels and task of a model that transformers saved come back from a record."""
    labels = {0: "O", 1: "B-PER", 2: "I-PER"}
    model = transformers.ElectraForTokenClassification.from_pretrained(
        folder, id2label=labels, label2id={label: number for number, label in labels.items()}
    )
    # As the scripts of transformers do that train a tagging model.
    model.config.finetuning_task = "ner"
    source = work / "labelled"
    shutil.copytree(folder, source)
    (source / "model.safetensors").unlink()
    model.save_pretrained(source)
    back = exported(source, work, "labelled.back")
    config = transformers.ElectraConfig.from_pretrained(back)
    assert (config.id2label, config.finetuning_task) == (labels, "ner"), config
    found = load(transformers.ElectraForTokenClassification, back).state_dict()
    for name, value in model.state_dict().items():
        assert torch.equal(value, found[name]), name


def check_tokenizer(folder):
    """Questions have the ids that Google's tokenizer gave them."""
    tokenizer = transformers.ElectraTokenizer.from_pretrained(folder)
    text = json.loads((GOLDEN / "data/squad2-tiny.dev.json").read_text())
    questions = {
        question["id"]: question["question"]
        for article in text["data"]
        for paragraph in article["paragraphs"]
        for question in paragraph["qas"]
    }
    seen = set()
    with lzma.open(GOLDEN / "data/features.squad2-tiny.256.dev.jsonl.xz", "rt") as lines:
        for feature in map(json.loads, lines):
            seen.add(feature["qas_id"])
            ids = tokenizer(questions[feature["qas_id"]])["input_ids"]
            assert feature["input_ids"][: len(ids)] == ids, feature["qas_id"]
    return len(seen)


def forms(model, folder, work):
    """Saves the model in every form; yields each with its folder and the values it holds."""
    state = {name: value.clone() for name, value in model.state_dict().items()}

    def fresh(name):
        path = work / name
        path.mkdir()
        for file in ["config.json", "tokenizer_config.json", "vocab.txt"]:
            shutil.copy(folder / file, path)
        return path

    path = fresh("safetensors")
    model.save_pretrained(path)
    yield "save_pretrained", path, state
    path = fresh("shards")
    model.save_pretrained(path, max_shard_size="1MB")
    assert (path / "model.safetensors.index.json").exists()
    yield "save_pretrained, several files", path, state
    for legacy in [False, True]:
        name = "legacy" if legacy else "zip"
        path = fresh(name)
        torch.save(
            state,
            path / "pytorch_model.bin",
            _use_new_zipfile_serialization=not legacy,
        )
        yield f"torch.save, {name}", path, state
        path = fresh(f"{name}-module")
        torch.save(
            model.state_dict(),
            path / "pytorch_model.bin",
            _use_new_zipfile_serialization=not legacy,
        )
        yield f"torch.save, {name}, a module's own state dict", path, state
        path = fresh(f"{name}-transposed")
        transposed = {
            name: value.t().contiguous().t() if value.dim() == 2 else value
            for name, value in state.items()
        }
        torch.save(
            transposed,
            path / "pytorch_model.bin",
            _use_new_zipfile_serialization=not legacy,
        )
        yield f"torch.save, {name}, transposed views", path, state
        path = fresh(f"{name}-parameters")
        torch.save(
            {name: torch.nn.Parameter(value) for name, value in state.items()},
            path / "pytorch_model.bin",
            _use_new_zipfile_serialization=not legacy,
        )
        yield f"torch.save, {name}, parameters", path, state
    for dtype in [torch.float16, torch.bfloat16]:
        name = str(dtype).removeprefix("torch.")
        rounded = {key: value.to(dtype) for key, value in state.items()}
        path = fresh(name)
        small = type(model)(model.config).to(dtype)
        small.load_state_dict(rounded)
        small.save_pretrained(path)
        yield f"save_pretrained, {name}", path, rounded
        for legacy in [False, True]:
            path = fresh(f"{name}-{legacy}")
            torch.save(
                rounded,
                path / "pytorch_model.bin",
                _use_new_zipfile_serialization=not legacy,
            )
            yield f"torch.save, {name}, {'legacy' if legacy else 'zip'}", path, rounded


def check_forms(kind, folder, work):
    """Every form gives every bit of the values of encoder and head; returns how many forms there were."""
    model = kind.from_pretrained(folder)
    # torch.save writes no configuration: that of the model, which names its class, is copied.
    source = work / "source"
    shutil.copytree(folder, source)
    model.config.architectures = [kind.__name__]
    model.config.save_pretrained(source)
    count = 0
    for name, path, state in forms(model, source, work):
        found = load_file(exported(path, work, f"{path.name}.back") / "model.safetensors")
        expected = {
            key if key.startswith(("electra.", "classifier.", "qa_outputs.")) else f"electra.{key}": value
            for key, value in state.items()
            if "position_ids" not in key and "token_type_ids" not in key
        }
        heads = ["electra.discriminator_predictions"]
        if "transposed" in name:
            # Its two rows do not lie in one piece each.
            heads.append("qa_outputs")
        heads = tuple(heads)
        expected = {key: value for key, value in expected.items() if not key.startswith(heads)}
        assert expected.keys() == found.keys(), (name, expected.keys() ^ found.keys())
        for key, value in expected.items():
            equal = torch.equal(value.float().view(torch.int32), found[key].view(torch.int32))
            assert equal, f"{name}: {key} differs"
        count += 1
    return count


def main():
    print(f"transformers {transformers.__version__}, torch {torch.__version__}")
    sources = [GOLDEN / "squad2-tiny-projected", *map(pathlib.Path, sys.argv[2:])]
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        for number, source in enumerate(sources):
            for state in ["init", "trained"]:
                folder = exported(source / state, work, f"{number}.{state}")
                forward = source / f"forward.{state}.safetensors"
                golden = load_file(forward)
                if "labels_mask" in golden:
                    features = source / "features.dev.jsonl"
                    worst, words = compare_logits(folder, golden, features)
                    print(f"{source.name}/{state}: logits of {words} words within {worst:.3g}")
                    assert worst < TOLERANCE
                    check_back(folder, golden, work, f"{number}.{state}.back")
                    print(f"{source.name}/{state}: read back and written again, the same bits")
                    continue
                worst, compared = compare_hidden_states(folder, forward)
                print(f"{source.name}/{state}: {compared} hidden states within {worst:.3g}")
                assert worst < TOLERANCE
        for name in ["electra_tiny", "electra_tiny_projected"]:
            folder = exported(GOLDEN / f"models/{name}.zip", work, name)
            print(f"{name}: {check_tokenizer(folder)} questions have the same ids")
            for kind in [
                transformers.ElectraModel,
                transformers.ElectraForPreTraining,
                transformers.ElectraForQuestionAnswering,
                transformers.ElectraForSequenceClassification,
                transformers.ElectraForTokenClassification,
            ]:
                count = check_forms(kind, folder, work / f"{name}.{kind.__name__}")
                print(f"{name}: {kind.__name__} in {count} forms, every bit equal")
        check_labels(work / "electra_tiny.hf", work)
        print("labels and task of a tagging model come back")


PROGRAM = sys.argv[1]
main()
