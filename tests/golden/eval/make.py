"""Makes the files of this folder; README.md says what they are.

    python3 make.py CHECKOUT SHARED

CHECKOUT: a checkout of google-research/electra at 8a46635, whose answer writer and copies of the
official scorers are run here. SHARED: the folder that ELECTRA_SHARED names. Needs numpy below 2
(sums of its float32 and Python's float are double there, as in TensorFlow 1.15's days) and six.
"""
import itertools
import json
import lzma
import os
import random
import struct
import sys
import tempfile
import types

import numpy

HERE = os.path.dirname(os.path.abspath(__file__))
VOCAB = os.path.join(HERE, "..", "models", "electra_tiny", "vocab.txt")


def reference(checkout):
    """Imports the reference with stand-ins for what does not compute: TensorFlow and plots."""
    def module(name, **entries):
        sys.modules[name] = types.ModuleType(name)
        vars(sys.modules[name]).update(entries)

    class Plot:
        def __getattr__(self, name):
            return lambda *args, **keywords: None

    files = types.SimpleNamespace(
        GFile=lambda path, mode="r": open(path, mode, encoding="utf-8"),
        makedirs=lambda path: os.makedirs(path, exist_ok=True))
    module("tensorflow")
    module("tensorflow.compat")
    module("tensorflow.compat.v1", io=types.SimpleNamespace(gfile=files))
    sys.modules["tensorflow.compat"].v1 = sys.modules["tensorflow.compat.v1"]
    module("configure_finetuning", FinetuningConfig=object)
    sys.path.insert(0, checkout)
    from finetune.qa import mrqa_official_eval, qa_metrics, squad_official_eval
    from finetune.qa import squad_official_eval_v1
    from model import tokenization
    squad_official_eval.plt = Plot()
    return types.SimpleNamespace(
        squad2=squad_official_eval, squad1=squad_official_eval_v1, mrqa=mrqa_official_eval,
        qa_metrics=qa_metrics, tokenization=tokenization)


def load(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def save(name, value, indent=None):
    with open(os.path.join(HERE, name), "w", encoding="utf-8") as file:
        json.dump(value, file, indent=indent)
        file.write("\n")


def cut_beams(source, target, windows):
    """Keeps the span scores of the first windows of a forward pass."""
    with open(source, "rb") as file:
        length, = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        data = file.read()
    names = ["start_top_log_probs", "start_top_index", "end_top_log_probs", "end_top_index",
             "answerable_logit"]
    cut, parts, place = {}, [], 0
    for name in names:
        start, end = header[name]["data_offsets"]
        batch, *rest = header[name]["shape"]
        size = (end - start) // batch * windows
        parts.append(data[start:start + size])
        cut[name] = {"dtype": header[name]["dtype"], "shape": [windows, *rest],
                     "data_offsets": [place, place + size]}
        place += size
    text = json.dumps(cut).encode()
    text += b" " * (-len(text) % 8)
    with open(os.path.join(HERE, target), "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(parts))


# Pieces of text on which the scorers' normalisation can be got wrong.
PIECES = ["a", "an", "the", "The", "A.", "AN", "oak", "Oak", "oaks", "oak's", "U.S.", "the–end",
          "a–b", "a\u0301", "a\u0345b", "中", "中a", "的", "ß", "SS", "İstanbul", "ΟΔΟΣ", "οδος",
          "x\u00a0y", "x\u2003y", "x\u200by", "x\u001fy", "x\u0085y", "1,000", "1000", "½", "²a",
          "_a_", "-", "...", "«the»", "“a”", "\U0001d49c", "\U0001f333", "हिन्दी", "the हि", "", "$5",
          "then", "another", "\n", "\t"]


def made_up_answer(draw):
    return draw.choice([" ", " ", "-", "", "  "]).join(
        draw.choice(PIECES) for _ in range(draw.choice([1, 1, 2, 3, 5])))


def made_up(draw, count):
    """Questions with gold answers, predictions and no-answer scores with many ties."""
    questions, predictions, odds = [], {}, {}
    for number in range(count):
        name = "q%03d" % number
        answers = [made_up_answer(draw) for _ in range(draw.choice([0, 0, 1, 1, 2, 4]))]
        questions.append({"id": name, "question": "?", "is_impossible": not answers,
                          "answers": [{"text": text, "answer_start": 0} for text in answers]})
        near = draw.choice(answers) if answers and draw.random() < 0.5 else made_up_answer(draw)
        predictions[name] = draw.choice([near, near, near + " oak", near.upper(), ""])
        odds[name] = draw.choice([-2, -1.5, -0.5, 0.0, -0.0, 0.5, 1, 2.25])
    names = list(odds)
    draw.shuffle(names)
    return questions, predictions, {name: odds[name] for name in names}


def made_up_windows(draw, tokenization, lower):
    """A passage of awkward words in overlapping windows, as the reference's features."""
    tokenizer = tokenization.FullTokenizer(VOCAB, do_lower_case=lower)
    words = "".join(draw.choice(PIECES + ["oxygen", "Élodie’s", "(1895-1943).", "한국", "日本"])
                    + draw.choice([" ", " ", " ", "", "-"]) for _ in range(draw.randint(4, 14)))
    words = [word for word in words.replace("\n", " ").replace("\t", " ").split(" ") if word]
    pieces = [(piece, number) for number, word in enumerate(words)
              for piece in tokenizer.tokenize(word)]
    question = ["[CLS]", "what", "?", "[SEP]"][:draw.choice([2, 4])]
    features = []
    size, stride = 12, 8
    for start in range(0, len(pieces), stride):
        window = pieces[start:start + size]
        tokens = question + [piece for piece, _ in window] + ["[SEP]"]
        features.append({
            "tokens": tokens,
            "input_ids": tokenizer.convert_tokens_to_ids(tokens),
            "question_length": len(question),
            "token_to_orig": [number for _, number in window],
            # Any pattern will do here.
            "max_context": [draw.random() < 0.8 for _ in window],
        })
        if start + size >= len(pieces):
            break
    return words, features


def made_up_output(draw, length, beam):
    """Scores in quarters, so that many tie and all are exact in float32."""
    def scores(count):
        return [draw.randint(-12, 0) / 4 for _ in range(count)]

    def falling(count):
        return sorted(scores(count), reverse=True)

    return {
        "start_top_log_probs": falling(beam),
        "start_top_index": draw.sample(range(length), beam),
        "end_top_log_probs": [falling(beam) for _ in range(beam)],
        "end_top_index": [draw.sample(range(length), beam) for _ in range(beam)],
        "start_logits": scores(length),
        "end_logits": scores(length),
        "answerable_logit": scores(1)[0],
    }


def reference_answers(qa_metrics, questions, options, scratch):
    """What the reference writes for the questions, and the n-best lists that it keeps to itself."""
    task = "squad" if options["v2"] else "squadv1"
    path = os.path.join(scratch, "%s.json")
    config = types.SimpleNamespace(
        debug=False, qa_preds_file=lambda name: path % "preds",
        qa_na_file=lambda name: path % "null_odds", **options)
    outputs, features = [], {}
    for number, question in enumerate(questions):
        features[number] = []
        for window, feature in enumerate(question["features"]):
            first = feature["question_length"]
            places = range(first, first + len(feature["token_to_orig"]))
            features[number].append({
                task + "_eid": 1000 * number + window,
                task + "_tokens": feature["tokens"],
                task + "_token_to_orig_map": dict(zip(places, feature["token_to_orig"])),
                task + "_token_is_max_context": dict(zip(places, feature["max_context"])),
            })
            output = {key: numpy.array(value, numpy.int32 if "index" in key else numpy.float32)
                      for key, value in feature["output"].items()}
            # With joint prediction the reference has no end logits but zeros.
            if options["joint_prediction"]:
                output["end_logits"] = numpy.zeros_like(output["end_logits"])
            output["answerable_logit"] = output["answerable_logit"][()]
            outputs.append(qa_metrics.RawResult(unique_id=1000 * number + window, **output))
    examples = [types.SimpleNamespace(number=number, qas_id=question["id"],
                                      doc_tokens=question["words"])
                for number, question in enumerate(questions)]
    stub = types.SimpleNamespace(
        name=task, get_examples=lambda split: examples,
        featurize=lambda example, *_, **__: features[example.number])
    scorer = qa_metrics.SpanBasedQAScorer(config, stub, "dev", options["v2"])
    scorer._all_results = outputs

    texts, nbest = [], []
    project, softmax = qa_metrics.get_final_text, qa_metrics._compute_softmax

    def heard_project(*args):
        texts.append(project(*args))
        return texts[-1]

    def heard_softmax(scores):
        shares = softmax(scores)
        distinct = list(dict.fromkeys(texts)) or ["empty"]
        nbest.append([[text, float(score), float(share)]
                      for text, score, share in zip(distinct, scores, shares)])
        texts.clear()
        return shares

    qa_metrics.get_final_text, qa_metrics._compute_softmax = heard_project, heard_softmax
    scorer.write_predictions()
    qa_metrics.get_final_text, qa_metrics._compute_softmax = project, softmax
    written = {"options": options, "preds": load(path % "preds"), "nbest": nbest}
    if options["v2"]:
        written["null_odds"] = load(path % "null_odds")
    return written


def made_up_answers(draw, modules, scratch):
    """Made-up windows and scores, and the reference's answers in all its ways of choosing."""
    sets = []
    for lower in [True, False]:
        questions = []
        for number in range(15):
            words, features = made_up_windows(draw, modules.tokenization, lower)
            for feature in features:
                feature["output"] = made_up_output(draw, len(feature["tokens"]),
                                                   min(6, len(feature["tokens"])))
            questions.append({"id": "n%02d" % number, "words": words, "features": features})
        answers = [
            reference_answers(modules.qa_metrics, questions, {
                "joint_prediction": joint, "answerable_classifier": classifier, "v2": v2,
                "n_best_size": draw.choice([3, 20]), "max_answer_length": draw.choice([2, 30]),
                "do_lower_case": lower}, scratch)
            for joint, classifier, v2 in itertools.product([True, False], repeat=3)]
        for question in questions:
            for feature in question["features"]:
                del feature["tokens"]
        sets.append({"do_lower_case": lower, "questions": questions, "answers": answers})
    return sets


def main(checkout, shared):
    modules = reference(checkout)
    squad2, squad1, mrqa = modules.squad2, modules.squad1, modules.mrqa
    scratch = tempfile.mkdtemp()

    def figures_2(data, predictions, odds=None, threshold=1.0, plots=None):
        out = os.path.join(scratch, "out.json")
        squad2.OPTS = types.SimpleNamespace(
            data_file=data, pred_file=os.path.join(HERE, predictions),
            na_prob_file=odds and os.path.join(HERE, odds), na_prob_thresh=threshold,
            out_image_dir=plots, out_file=out, verbose=False)
        squad2.main()
        return load(out)

    # What real systems answered to the questions of ../data/squad2-tiny.dev.json.
    tiny = os.path.join(HERE, "..", "data", "squad2-tiny.dev.json")
    ids = [question["id"] for article in load(tiny)["data"]
           for paragraph in article["paragraphs"] for question in paragraph["qas"]]
    official = load(os.path.join(shared, "data", "official_eval.json"))["squad2"]
    figures = {}
    for system in ["bert", "bidaf"]:
        for kind, source in [("preds", official[system]["prediction_file"]),
                             ("null_odds", "na_prob/odds_%s.json" % system)]:
            values = load(os.path.join(shared, "data", source))
            save("squad2-tiny.%s.%s.json" % (system, kind), {id: values[id] for id in ids})
        names = ["squad2-tiny.%s.%s.json" % (system, kind) for kind in ("preds", "null_odds")]
        figures[system] = {
            "plain": figures_2(tiny, names[0]),
            "null_odds": figures_2(tiny, *names),
            "threshold_and_curves": figures_2(tiny, *names, -2.75, scratch),
        }
    save("squad2-tiny.figures.json", figures, 1)

    # Made-up questions with awkward texts.
    questions, predictions, odds = made_up(random.Random(1), 240)
    answerable = [question for question in questions if question["answers"]]
    save("made-up.squad2.json", {"version": "v2.0", "data": [
        {"title": "", "paragraphs": [{"context": "", "qas": questions}]}]})
    save("made-up.squad1.json", {"version": "1.1", "data": [
        {"title": "", "paragraphs": [{"context": "", "qas": [
            {key: question[key] for key in ("id", "question", "answers")}
            for question in answerable]}]}]})
    with open(os.path.join(HERE, "made-up.mrqa.jsonl"), "w", encoding="utf-8") as file:
        file.write(json.dumps({"header": {"dataset": "made-up", "split": "dev"}}) + "\n")
        for question in answerable:
            file.write(json.dumps({"context": "", "qas": [{
                "qid": question["id"], "question": "?",
                "answers": [answer["text"] for answer in question["answers"]],
                "detected_answers": []}]}) + "\n")
    save("made-up.preds.json", predictions)
    save("made-up.null_odds.json", odds)
    # Some questions without a prediction, for the two scorers that allow it.
    some = {id: text for id, text in predictions.items() if id[-1] != "7"}
    save("made-up.some.preds.json", some)
    path = lambda name: os.path.join(HERE, name)
    names = ["made-up.preds.json", "made-up.null_odds.json"]
    data = load(path("made-up.squad1.json"))["data"]
    answers = mrqa.read_answers(path("made-up.mrqa.jsonl"))
    save("made-up.figures.json", {
        "squad2": {
            "plain": figures_2(path("made-up.squad2.json"), names[0]),
            "null_odds": figures_2(path("made-up.squad2.json"), *names),
            "threshold_and_curves": figures_2(path("made-up.squad2.json"), *names, -0.5, scratch),
        },
        "squad1": {"preds": squad1.evaluate(data, predictions),
                   "some.preds": squad1.evaluate(data, some)},
        "mrqa": {"preds": mrqa.evaluate(answers, predictions, True),
                 "some.preds": mrqa.evaluate(answers, some, True)},
    }, 1)

    with lzma.open(path("made-up.nbest.json.xz"), "wt", preset=9) as file:
        json.dump(made_up_answers(random.Random(2), modules, scratch), file)

    # What the reference's model says of the first windows, and what the reference makes of it:
    # all windows of the first questions.
    for run, name, windows in [("qa-squad2-tiny", "tiny", 6),
                               ("qa-squad2-tiny-projected", "projected", 8)]:
        for weights in ["init", "trained"]:
            folder = os.path.join(shared, "reference", run)
            cut_beams(os.path.join(folder, "forward.%s.safetensors" % weights),
                      "%s.%s.safetensors" % (name, weights), windows)
            for kind in ["preds", "null_odds", "eval"]:
                save("%s.%s.%s.json" % (name, weights, kind),
                     load(os.path.join(folder, "eval", "squad_%s.%s.json" % (kind, weights))))


main(*sys.argv[1:])
