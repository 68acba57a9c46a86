"""What no tensor's shape tells, in a run: `tokenizers` and transformers as the judges.

Needs: pip install torch transformers; the programs and the example, built.

    python tests/interop/settings.py target/debug/electra target/debug/examples/hidden_states

Three Hugging Face folders are made up: a cased one, a German one that is lower-cased but keeps its
accents, and one with 4 attention heads where the reference's rule gives 1. Each is fine-tuned for a
step with a learning rate that changes nothing, with no hyper-parameter of the model given. Its
features are compared with the ids that `tokenizers` gives, and the hidden states of the fine-tuned
model with those that transformers computes from the folder. Prints what was compared; exits with 1
where something differs.
"""

import json
import pathlib
import subprocess
import sys
import tempfile

import tokenizers
import torch
import transformers

transformers.utils.logging.disable_progress_bar()

# Two float32 computations of the same values by other programs.
TOLERANCE = 2e-5

PASSAGES = [
    (
        "Peter Müller möchte eine Mühle in Köln kaufen. Die Mühle gehört Frau Strauß, und sie "
        "kostet 1.200 Mark; Émile Zola schrieb nichts darüber.",
        [
            ("Was möchte Peter Müller kaufen?", "eine Mühle"),
            ("Wem gehört die Mühle?", "Frau Strauß"),
            ("Wie viel kostet sie?", "1.200 Mark"),
        ],
    ),
    (
        "ÅNGSTRÖM lebte in Uppsala. İstanbul liegt am Bosporus — 東京 nicht. Das Café „Größe“ hat "
        "über 40 naïve Gäste und ΑΘΗΝΑ heißt Athen.",
        [
            ("Wo lebte Ångström?", "Uppsala"),
            ("Was heißt ΑΘΗΝΑ?", "Athen"),
            ("Wie viele Gäste hat das Café?", "über 40"),
        ],
    ),
]


def data():
    """The passages in SQuAD's form."""
    paragraphs = []
    for number, (context, questions) in enumerate(PASSAGES):
        qas = [
            {
                "id": f"{number}-{place}",
                "question": question,
                "is_impossible": False,
                "answers": [{"text": answer, "answer_start": context.index(answer)}],
            }
            for place, (question, answer) in enumerate(questions)
        ]
        paragraphs.append({"context": context, "qas": qas})
    return {"version": "v2.0", "data": [{"title": "t", "paragraphs": paragraphs}]}


def vocabulary(normalizer):
    """Special tokens, every second word of the texts, and every character both ways."""
    texts = [text for context, pairs in PASSAGES for text in [context, *sum(pairs, ())]]
    split = tokenizers.pre_tokenizers.BertPreTokenizer()
    words = {
        word
        for text in texts
        for word, _ in split.pre_tokenize_str(normalizer.normalize_str(text))
    }
    letters = sorted({letter for word in words for letter in word})
    some = sorted(word for word in words if len(word) > 1)[::2]
    return [
        *["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"],
        *some,
        *letters,
        *[f"##{letter}" for letter in letters],
    ]


def run(*arguments):
    done = subprocess.run([*map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, f"{arguments}\n{done.stdout}{done.stderr}"
    return done.stdout


def model(folder, words, heads):
    """A random encoder of 64, large enough values that every setting shows."""
    torch.manual_seed(7)
    config = transformers.ElectraConfig(
        vocab_size=len(words),
        embedding_size=32,
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=heads,
        intermediate_size=96,
        max_position_embeddings=128,
        initializer_range=0.2,
    )
    model = transformers.ElectraModel(config).eval()
    model.save_pretrained(folder)
    return model


def check(name, settings, heads, lower_case, strip_accents, work):
    base = work / name
    folder = base / "models" / name
    folder.mkdir(parents=True)
    normalizer = tokenizers.normalizers.BertNormalizer(
        lowercase=lower_case, strip_accents=strip_accents
    )
    words = vocabulary(normalizer)
    judge = model(folder, words, heads)
    (folder / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    for file, value in settings.items():
        (folder / file).write_text(json.dumps(value))
    squad = base / "finetuning_data/squad"
    squad.mkdir(parents=True)
    for split in ["train", "dev"]:
        (squad / f"{split}.json").write_text(json.dumps(data()))
    hparams = {
        "task_names": ["squad"],
        "max_seq_length": 128,
        "num_train_epochs": 1,
        "train_batch_size": 8,
        "learning_rate": 1e-30,
    }
    shared = ["--data-dir", base, "--model-name", name, "--hparams", json.dumps(hparams)]
    run(ELECTRA, "finetune", *shared, "--device", "cpu", "-q")
    features = base / "features.jsonl"
    run(ELECTRA, "features", *shared, "--split", "dev", "--output", features)

    tokenizer = tokenizers.Tokenizer(
        tokenizers.models.WordPiece(
            {word: number for number, word in enumerate(words)}, unk_token="[UNK]"
        )
    )
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = tokenizers.processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    pairs = [(question, context) for context, asked in PASSAGES for question, _ in asked]
    lines = [json.loads(line) for line in features.read_text().splitlines()]
    assert len(lines) == len(pairs), f"{name}: {len(lines)} windows"
    unknown = 0
    for line, (question, context) in zip(lines, pairs):
        expected = tokenizer.encode(question, context)
        assert line["input_ids"] == expected.ids, (
            f"{name}: {question}\n"
            f"{[words[i] for i in line['input_ids']]}\n{expected.tokens}"
        )
        assert line["segment_ids"] == expected.type_ids, f"{name}: {question}"
        unknown += expected.ids.count(1)

    tuned = folder / "finetuning_models/squad_model_1"
    states = run(HIDDEN_STATES, tuned, features).splitlines()
    worst = 0.0
    with torch.no_grad():
        for line, found in zip(lines, states, strict=True):
            expected = judge(
                input_ids=torch.tensor([line["input_ids"]]),
                token_type_ids=torch.tensor([line["segment_ids"]]),
            ).last_hidden_state[0]
            found = torch.tensor(json.loads(found))
            assert found.shape == expected.shape
            worst = max(worst, (found - expected).abs().max().item())
    print(
        f"{name}: {len(lines)} features have the ids of tokenizers ({unknown} [UNK]); "
        f"hidden states within {worst:.3g}"
    )
    assert worst < TOLERANCE


def main():
    print(f"tokenizers {tokenizers.__version__}, transformers {transformers.__version__}")
    cases = [
        (
            "cased",
            {"tokenizer_config.json": {"do_lower_case": False}},
            *[1, False, None],
        ),
        (
            "german",
            {"tokenizer_config.json": {"do_lower_case": True, "strip_accents": False}},
            *[1, True, False],
        ),
        ("four_heads", {}, *[4, True, None]),
        (
            "plain_accents",
            {"tokenizer_config.json": {"do_lower_case": False, "strip_accents": True}},
            *[2, False, True],
        ),
    ]
    with tempfile.TemporaryDirectory() as work:
        for name, settings, heads, lower_case, strip_accents in cases:
            check(name, settings, heads, lower_case, strip_accents, pathlib.Path(work))


ELECTRA, HIDDEN_STATES = sys.argv[1:]
main()
