"""Heads both ways, with Hugging Face's transformers, its pipelines and onnxruntime as the judges.

Needs: pip install "transformers<5" torch "optimum[onnxruntime]" optimum-onnx; the program electra, built.
(transformers 5 has no pipeline for questions; with it, that part and ONNX are left out, and said.)

    python tests/interop/heads.py target/debug/electra [QUESTIONS.json]

QUESTIONS.json is a file in SQuAD's form; without one, tests/golden/data/squad2-tiny.dev.json is taken.

In: small models with random weights are made by transformers, of each class, and asked by electra; every
logit that it tells is compared with the one that transformers computes. Out: heads are trained for a
moment by electra and exported; logits are compared again, the answers of pipelines with those of
`electra predict`, and the front matter of the model cards is read by huggingface_hub. ONNX: optimum
exports the exports, and onnxruntime answers. Prints the largest differences; exits with 1 where
something differs.
"""

import collections
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile

import huggingface_hub
import numpy
import torch
import transformers

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
VOCABULARY = REPOSITORY / "assets/quickstart/vocab.txt"
# Two float32 computations of the same values by other programs.
TOLERANCE = 2e-5
IS_4 = transformers.__version__.startswith("4.")

transformers.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()

QUESTIONS = transformers.ElectraForQuestionAnswering
TEXTS = transformers.ElectraForSequenceClassification
WORDS = transformers.ElectraForTokenClassification
LABELS = ["B-PER", "I-PER", "O"]


def electra(*arguments):
    # What is converted on the way stays in the test's own folder.
    environment = {**os.environ, "XDG_CACHE_HOME": str(WORK / "cache")}
    done = subprocess.run(
        [ELECTRA, *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=WORK,
        env=environment,
    )
    assert done.returncode == 0, f"{arguments}\n{done.stdout}{done.stderr}"
    return done.stdout


def lines(file):
    return [json.loads(line) for line in file.read_text().splitlines()]


def made(kind, folder, seed, **more):
    """A small model of this class, with values large enough that each of them shows."""
    torch.manual_seed(seed)
    config = transformers.ElectraConfig(
        vocab_size=sum(1 for _ in VOCABULARY.open()),
        embedding_size=32,
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=96,
        initializer_range=0.1,
        **more,
    )
    model = kind(config).eval()
    with torch.no_grad():
        for name, value in model.named_parameters():
            # Those that begin as zeros and ones.
            if name.endswith("bias"):
                value.normal_(0.0, 0.1)
    model.save_pretrained(folder)
    transformers.ElectraTokenizerFast(vocab_file=str(VOCABULARY)).save_pretrained(folder)
    return model


def load(kind, folder):
    model, info = kind.from_pretrained(folder, output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"], info
    assert not info["mismatched_keys"], info
    return model.eval()


class Worst:
    """The largest difference of many."""

    def __init__(self):
        self.difference, self.count, self.largest = 0.0, 0, 0.0

    def add(self, found, expected):
        found, expected = numpy.asarray(found), numpy.asarray(expected)
        assert found.shape == expected.shape, (found.shape, expected.shape)
        self.difference = max(self.difference, float(abs(found - expected).max()))
        self.largest = max(self.largest, float(abs(expected).max()))
        self.count += found.size

    def told(self, what):
        print(f"{what}: {self.count} values up to {self.largest:.2f} within {self.difference:.2g}")
        assert self.difference < TOLERANCE


def asked_questions(file, tokenizer):
    """Questions with passages that one window holds."""
    found = []
    for article in json.loads(file.read_text())["data"]:
        for paragraph in article["paragraphs"]:
            for question in paragraph["qas"]:
                pair = (question["question"], paragraph["context"])
                if len(tokenizer(*pair)["input_ids"]) <= 384:
                    found.append((question["id"], *pair))
    return found


def squad(questions, folder, name="questions.json"):
    """The questions as a file in SQuAD's form."""
    paragraphs = [
        {
            "context": context,
            "qas": [{"id": key, "question": question, "is_impossible": True, "answers": []}],
        }
        for key, question, context in questions
    ]
    file = folder / name
    file.write_text(json.dumps({"data": [{"title": "t", "paragraphs": paragraphs}]}))
    return file


def compare_questions(checkpoint, judge, tokenizer, questions, what):
    """Start and end logits of every answer that is thought of, and the score of no answer."""
    worst = Worst()
    for _, question, context in questions:
        reply = json.loads(
            electra(
                *["ask", "--json", "-q", "--checkpoint", checkpoint, "--device", "cpu"],
                *["--question", question, "--passage", context],
            )
        )
        encoded = tokenizer(question, context, return_tensors="pt")
        with torch.no_grad():
            output = judge(**encoded)
        start, end = output.start_logits[0].numpy(), output.end_logits[0].numpy()
        # An answer is whole words: of a word in pieces its place does not say which piece was chosen.
        pieces = collections.Counter(
            word
            for word, sequence in zip(encoded.word_ids(0), encoded.sequence_ids(0))
            if sequence == 1
        )
        best = None
        for entry in reply["nbest"]:
            if entry["start"] is None:
                continue
            best = entry if best is None else best
            first = encoded.char_to_token(0, entry["start"], 1)
            last = encoded.char_to_token(0, entry["end"] - 1, 1)
            if first is None or last is None:
                continue
            if any(pieces[encoded.token_to_word(0, token)] > 1 for token in (first, last)):
                continue
            worst.add(entry["start_logit"], start[first])
            worst.add(entry["end_logit"], end[last])
        null = start[0] + end[0] - best["start_logit"] - best["end_logit"]
        worst.add(reply["null_odds"], null)
    worst.told(what)


def sentences(count, seed):
    """Made-up sentences of words that the vocabulary has, and of some that it has not."""
    words = [word.strip() for word in VOCABULARY.open(encoding="utf-8")]
    words = [word for word in words if word.isalpha() and len(word) > 2]
    chance = random.Random(seed)
    return [
        [chance.choice(words) + chance.choice(["", "", "qx"]) for _ in range(chance.randint(3, 20))]
        for _ in range(count)
    ]


def compare_texts(checkpoint, judge, tokenizer, range_, what, pairs=True):
    """The logits of texts and of pairs, or their numbers; a task that was trained takes the one or the other."""
    worst = Worst()
    texts = [" ".join(words) for words in sentences(24, 5)]
    for number, text in enumerate(texts):
        pair = [text, texts[number - 1]] if pairs and number % 2 == 0 else [text]
        flags = ["--text", text] + (["--text-b", pair[1]] if len(pair) > 1 else [])
        reply = json.loads(
            electra(*["ask", "--json", "-q", "--checkpoint", checkpoint, "--device", "cpu"], *flags)
        )
        with torch.no_grad():
            expected = judge(**tokenizer(*pair, return_tensors="pt")).logits[0]
        if "logits" in reply:
            worst.add(reply["logits"], expected)
            best = judge.config.id2label[int(expected.argmax())]
            assert reply["label"] == best, (reply["label"], best)
        else:
            assert reply["range"] == range_, reply
            # Numbers of 0 to 5 are five times as far apart as those of 0 to 1.
            scale = range_[1] - range_[0] if range_ else 1.0
            worst.add(reply["value"] / scale, expected[0] / scale)
    worst.told(what)


def compare_words(checkpoint, judge, tokenizer, segment, what):
    """The logits of each word's first token."""
    worst = Worst()
    texts = sentences(24, 9)
    file = WORK / "words.txt"
    file.write_text("\n".join("\n".join(f"{word} O" for word in text) + "\n" for text in texts))
    output = WORK / f"words.{what.replace(' ', '_')}"
    electra(
        *["predict", "-q", "--checkpoint", checkpoint, "--device", "cpu"],
        *["--data", file, "--output", output],
    )
    for text, line in zip(texts, lines(output / "predictions.jsonl"), strict=True):
        encoded = tokenizer(text, is_split_into_words=True, return_tensors="pt")
        owners = encoded.word_ids()
        firsts = [owners.index(number) for number in range(len(text))]
        encoded["token_type_ids"].fill_(segment)
        with torch.no_grad():
            logits = judge(**encoded).logits[0].numpy()
        worst.add(line["logits"], logits[firsts])
    worst.told(what)


def check_in(questions):
    print("in: models that transformers made, asked by electra")
    for seed in [1, 2]:
        folder = WORK / f"in.{seed}"
        qa = made(QUESTIONS, folder / "qa", seed)
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder / "qa")
        what = f"ElectraForQuestionAnswering, {len(questions[:12])} questions"
        compare_questions(folder / "qa", qa, tokenizer, questions[:12], what)
        names = ["bad", "good", "so-so"]
        texts = made(
            TEXTS,
            folder / "texts",
            seed + 10,
            num_labels=3,
            id2label=dict(enumerate(names)),
            label2id={name: number for number, name in enumerate(names)},
        )
        what = "ElectraForSequenceClassification, 3 labels"
        compare_texts(folder / "texts", texts, tokenizer, None, what)
        number = made(TEXTS, folder / "number", seed + 20, num_labels=1, problem_type="regression")
        what = "ElectraForSequenceClassification, a number"
        compare_texts(folder / "number", number, tokenizer, None, what)
        words = made(
            WORDS,
            folder / "words",
            seed + 30,
            num_labels=3,
            id2label=dict(enumerate(LABELS)),
            label2id={name: number for number, name in enumerate(LABELS)},
        )
        what = f"ElectraForTokenClassification {seed}"
        compare_words(folder / "words", words, tokenizer, 0, what)


def trained(task, data, **more):
    """A head that electra trains for a moment on an encoder that transformers made, exported."""
    base = WORK / "out"
    model = base / f"models/{task}"
    if not model.exists():
        made(transformers.ElectraModel, model, 99)
    folder = base / "finetuning_data" / task
    folder.mkdir(parents=True)
    for name, text in data.items():
        (folder / name).write_text(text)
    hparams = {
        "task_names": [task],
        "max_seq_length": 384 if task == "squad" else 128,
        "num_train_epochs": 2,
        "train_batch_size": 8,
        "learning_rate": 1e-3,
        **more,
    }
    electra(
        *["finetune", "--data-dir", base, "--model-name", task, "--device", "cpu"],
        *["--hparams", json.dumps(hparams)],
    )
    tuned = model / f"finetuning_models/{task}_model_1"
    out = WORK / f"{task}-hf"
    electra("export", "--format", "hf", tuned, out)
    card = huggingface_hub.ModelCard.load(out / "README.md")
    figures = {result.metric_type: result.metric_value for result in card.data.eval_results}
    assert card.data.library_name == "transformers" and card.data.license is None
    print(f"{task}: the card's front matter has {card.data.pipeline_tag}, {figures}")
    assert figures
    return tuned, out


def table(rows, columns):
    return "\n".join(["\t".join(columns), *("\t".join(row) for row in rows)]) + "\n"


def predicted(checkpoint, file, name, *more):
    output = WORK / name
    electra(
        *["predict", "-q", "--checkpoint", checkpoint, "--device", "cpu"],
        *["--data", file, "--output", output, *more],
    )
    return output


def answers(ask, questions, **more):
    """What a pipeline answers, as its own words; ours have single blanks."""
    found = {}
    for key, question, context in questions:
        reply = ask(
            question=question,
            context=context,
            max_seq_len=384,
            max_question_len=64,
            max_answer_len=30,
            align_to_words=False,
            **more,
        )
        found[key] = " ".join(reply["answer"].split())
    return found


def check_answers(ask, tuned, questions, what):
    """A pipeline's answers are those of electra, with and without the choice of no answer."""
    file = squad(questions, WORK)
    ours = json.loads((predicted(tuned, file, "plain") / "preds.json").read_text())
    nulls = json.loads((WORK / "plain/null_odds.json").read_text())
    equal = answers(ask, questions)
    differing = {key for key, answer in equal.items() if ours[key] != answer}
    print(f"{what}: {len(equal) - len(differing)} of {len(equal)} answers equal")
    for key in differing:
        print(f"  {key}: {equal[key]!r}, ours {ours[key]!r}")
    held = answers(ask, questions, handle_impossible_answer=True)
    none = {key for key, answer in held.items() if not answer}
    expected = {key for key, odds in nulls.items() if odds > 0.0}
    print(f"{what}: {len(none)} without an answer, {len(none ^ expected)} of them otherwise here")
    assert not differing and none == expected


def check_questions_out(questions, file):
    text = file.read_text()
    tuned, out = trained(
        "squad",
        {"train.json": text, "dev.json": text},
        joint_prediction=False,
        answerable_classifier=False,
        # All spans, as the pipeline looks at all.
        n_best_size=400,
    )
    judge = load(QUESTIONS, out)
    tokenizer = transformers.AutoTokenizer.from_pretrained(out)
    what = "squad: logits of the export"
    compare_questions(tuned, judge, tokenizer, questions[:12], what)
    compare_questions(out, judge, tokenizer, questions[:4], "squad: the same, read back")
    if IS_4:
        ask = transformers.pipeline("question-answering", model=str(out))
        check_answers(ask, tuned, questions, "pipeline")
    return tuned, out


def check_joint_out(file):
    """The joint head stays behind, and the export says so."""
    base = WORK / "joint"
    made(transformers.ElectraModel, base / "models/m", 98)
    folder = base / "finetuning_data/squad"
    folder.mkdir(parents=True)
    for split in ["train", "dev"]:
        (folder / f"{split}.json").write_text(file.read_text())
    hparams = {"task_names": ["squad"], "max_seq_length": 384, "num_train_epochs": 0.5}
    electra(
        *["finetune", "--data-dir", base, "--model-name", "m", "--device", "cpu"],
        *["--hparams", json.dumps(hparams)],
    )
    out = WORK / "joint-hf"
    tuned = base / "models/m/finetuning_models/squad_model_1"
    done = subprocess.run(
        [ELECTRA, "export", "--format", "hf", tuned, out], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "joint head" in done.stderr and "joint head" in (out / "README.md").read_text()
    load(transformers.ElectraModel, out)
    left = json.loads((out / "export.json").read_text())["left_out"]
    print(f"joint head: {len(left)} parameters left out, said on standard error and in the card")


def check_texts_out():
    texts = [" ".join(words) for words in sentences(48, 21)]
    chance = random.Random(3)
    names = ["bad", "good", "so-so"]
    rows = [(text, names[len(text) % 3]) for text in texts]
    data = {
        "task.json": json.dumps({"kind": "classification", "labels": names}),
        "train.tsv": table(rows, ["text", "label"]),
        "dev.tsv": table(rows[:16], ["text", "label"]),
    }
    tuned, out = trained("films", data)
    judge = load(TEXTS, out)
    tokenizer = transformers.AutoTokenizer.from_pretrained(out)
    compare_texts(tuned, judge, tokenizer, None, "films: logits of the export, of one layer here", pairs=False)
    compare_texts(out, judge, tokenizer, None, "films: the same, read back", pairs=False)
    ask = transformers.pipeline("text-classification", model=str(out), top_k=None)
    worst = Worst()
    for text, scores in zip(texts, ask(texts), strict=True):
        reply = json.loads(
            electra(
                *["ask", "--json", "-q", "--checkpoint", tuned, "--device", "cpu"],
                *["--text", text],
            )
        )
        ours = {entry["label"]: entry["probability"] for entry in reply["labels"]}
        worst.add([ours[s["label"]] for s in scores], [s["score"] for s in scores])
        assert scores[0]["label"] == reply["label"]
    worst.told("pipeline: probabilities of labels")

    data = {
        "task.json": json.dumps({"kind": "regression", "range": [1, 5]}),
        "train.tsv": table(
            [(text, f"{chance.uniform(1, 5):.2f}") for text in texts], ["text", "label"]
        ),
        "dev.tsv": table(
            [(text, f"{chance.uniform(1, 5):.2f}") for text in texts[:16]], ["text", "label"]
        ),
    }
    tuned_number, number = trained("stars", data)
    judge = load(TEXTS, number)
    what = "stars: numbers of the export"
    compare_texts(tuned_number, judge, tokenizer, [1, 5], what, pairs=False)
    compare_texts(number, judge, tokenizer, None, "stars: the same, read back", pairs=False)
    ask = transformers.pipeline("text-classification", model=str(number))
    reply = json.loads(
        electra(
            *["ask", "--json", "-q", "--checkpoint", tuned_number, "--device", "cpu"],
            *["--text", texts[0]],
        )
    )
    found = ask(texts[0])[0]["score"]
    print(f"pipeline: a number {found:.5f}, ours {reply['value']:.5f}")
    assert abs(found - reply["value"]) < 4 * TOLERANCE
    return tuned, out


def check_words_out():
    texts = sentences(32, 31)

    def conll(part):
        tagged = [
            "\n".join(f"{word} {'B-PER' if word.endswith('qx') else 'O'}" for word in text)
            for text in part
        ]
        return "\n\n".join(tagged) + "\n"

    data = {
        "task.json": json.dumps({"kind": "tagging"}),
        "train.txt": conll(texts),
        "dev.txt": conll(texts[:12]),
    }
    tuned, out = trained("names", data)
    judge = load(WORDS, out)
    tokenizer = transformers.AutoTokenizer.from_pretrained(out)
    segment = judge.config.tagging_segment
    compare_words(tuned, judge, tokenizer, segment, "names: logits of the export")
    return tuned, out


def check_onnx(exports, questions):
    if not IS_4:
        print("ONNX: left out; optimum exports with transformers 4")
        return
    import onnxruntime
    from optimum.exporters.onnx import main_export
    from optimum.onnxruntime import ORTModelForQuestionAnswering

    print(f"onnxruntime {onnxruntime.__version__}")
    for kind, task, (tuned, out) in exports:
        folder = WORK / f"onnx.{task}"
        main_export(str(out), folder, task=task, do_validation=False)
        session = onnxruntime.InferenceSession(folder / "model.onnx")
        wanted = {given.name for given in session.get_inputs()}
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        judge, worst = load(kind, out), Worst()
        for words in sentences(16, 41):
            encoded = tokenizer(" ".join(words), return_tensors="pt")
            given = {key: value.numpy() for key, value in encoded.items() if key in wanted}
            with torch.no_grad():
                expected = judge(**encoded)
            found = session.run(None, given)
            for output, name in zip(found, [o.name for o in session.get_outputs()], strict=True):
                worst.add(output, expected[name].numpy())
        worst.told(f"onnxruntime, {task}: logits of our export")
        if kind is QUESTIONS:
            model = ORTModelForQuestionAnswering.from_pretrained(folder)
            ask = transformers.pipeline("question-answering", model=model, tokenizer=tokenizer)
            check_answers(ask, tuned, questions, "onnxruntime's pipeline")


def main():
    print(f"transformers {transformers.__version__}, torch {torch.__version__}")
    file = REPOSITORY / "tests/golden/data/squad2-tiny.dev.json"
    if len(sys.argv) > 2:
        file = pathlib.Path(sys.argv[2]).resolve()
    tokenizer = transformers.ElectraTokenizerFast(vocab_file=str(VOCABULARY))
    questions = asked_questions(file, tokenizer)
    print(f"{len(questions)} questions with passages that one window holds")
    check_in(questions)
    print("out: heads that electra trained, in transformers")
    qa = check_questions_out(questions, file)
    check_joint_out(file)
    exports = [
        (QUESTIONS, "question-answering", qa),
        (TEXTS, "text-classification", check_texts_out()),
        (WORDS, "token-classification", check_words_out()),
    ]
    if IS_4:
        print("pipelines: transformers 4")
    else:
        print("pipelines: none for questions in this version of transformers")
    check_onnx(exports, questions)


ELECTRA = pathlib.Path(sys.argv[1]).resolve()
with tempfile.TemporaryDirectory() as work:
    WORK = pathlib.Path(work)
    main()
