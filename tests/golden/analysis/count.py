"""Counts the errors of SQuAD 2.0 predictions on its own, to check `electra report --json` against.

    python count.py DATA PREDICTIONS NULL_ODDS > FIGURES
"""
import json
import re
import string
import sys
from collections import Counter, defaultdict

TYPES = ["why", "when", "how", "what", "who", "where", "which"]
HOW = ["far", "long", "many", "much", "old", "come"]
WORDS = TYPES + ["whom", "whose", "does"]
data, predictions, odds = (json.load(open(path, encoding="utf-8")) for path in sys.argv[1:4])
questions = [
    (question, paragraph["context"])
    for article in data["data"]
    for paragraph in article["paragraphs"]
    for question in paragraph["qas"]
]


def normalized(text):
    text = "".join(c for c in text.lower() if c not in string.punctuation)
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", text).split())


def f1(gold, predicted):
    gold, predicted = gold.split(), predicted.split()
    if not gold or not predicted:
        return float(gold == predicted)
    shared = sum((Counter(gold) & Counter(predicted)).values())
    if shared == 0:
        return 0.0
    precision, recall = shared / len(predicted), shared / len(gold)
    return 2 * precision * recall / (precision + recall)


def golden(question):
    return [gold for gold in (normalized(a["text"]) for a in question["answers"]) if gold]


def best_f1(question):
    predicted = normalized(predictions[question["id"]])
    return max(f1(gold, predicted) for gold in golden(question) or [""])


def best_threshold():
    """As evaluate-v2.0.py searches: after every question in the order of rising scores."""
    by_id = {question["id"]: question for question, _ in questions}
    total = best = sum(not question["answers"] for question in by_id.values())
    threshold = 0.0
    for id in sorted(odds, key=odds.get):
        if by_id[id]["answers"]:
            total += best_f1(by_id[id])
        elif predictions[id]:
            total -= 1
        if total > best:
            best, threshold = total, odds[id]
    return threshold, 100 * best / len(by_id)


def extremes(lengths):
    lengths = sorted(lengths)
    return {
        "count": len(lengths),
        "min": lengths[0],
        "median": lengths[(len(lengths) - 1) // 2],
        "mean": sum(lengths) / len(lengths),
        "max": lengths[-1],
    }


threshold, best = best_threshold()
tallies = defaultdict(lambda: {"total": 0, "right": 0, "right_relaxed": 0, "f1": 0.0})
classes, class_types, lengths = Counter(), defaultdict(Counter), defaultdict(list)
flags = defaultdict(Counter)
for question, context in questions:
    held_back = odds[question["id"]] > threshold
    answer = "" if held_back else predictions[question["id"]]
    predicted, gold = normalized(answer), golden(question)
    words = re.sub(r"[^\w\s]", "", question["question"]).lower().split()
    followup = question.get("followup")
    found = [word for word in TYPES + ["does"] * (followup is not None) if word in words]
    kind = found[-1] if found else "followup_other" if followup == "y" else "other"
    if held_back:
        right = not question["answers"]
        score = float(right)
    else:
        right, score = predicted in (gold or [""]), best_f1(question)
    relaxed = right
    if not right:
        holds = any(text in predicted for text in gold)
        lies_in = any(predicted in text for text in gold)
        if not question["answers"]:
            letter = "b"
        elif not predicted:
            letter = "a"
        else:
            letter = {(1, 0): "c", (0, 1): "d", (1, 1): "e", (0, 0): "f"}[holds, lies_in]
            relaxed = holds or lies_in
        classes[letter] += 1
        class_types[letter][kind] += 1
    combination = tuple(word for word in WORDS if word in words)
    keys = [("whole", kind), ("answerable" if question["answers"] else "unanswerable", kind)]
    if "how" in words:
        keys += [("how", word) for word in HOW if word in words][:1]
    if len(combination) > 1:
        keys.append(("combination", combination))
    for key in keys:
        tallies[key]["total"] += 1
        tallies[key]["right"] += right
        tallies[key]["right_relaxed"] += relaxed
        tallies[key]["f1"] += score
    for flag in ("followup", "yesno"):
        if question.get(flag):
            for part in ("whole", "answerable" if question["answers"] else "unanswerable"):
                flags[flag, part, "right" if right else "wrong"][question[flag]] += 1
    if answer:
        lengths["predictions"].append(len(answer))
    lengths["questions"].append(len(question["question"]))
    lengths["contexts"].append(len(context))
    lengths["gold_answers"] += [len(a["text"]) for a in question["answers"]]


def table(name):
    return {kind: tally for (part, kind), tally in tallies.items() if part == name}


figures = {
    "threshold": threshold,
    "scores": {"best_f1": best},
    "parts": [
        {"part": part, "types": table(part)} for part in ("whole", "answerable", "unanswerable")
    ],
    "how": table("how"),
    "combinations": [
        {"words": words, **tally}
        for words, tally in sorted(
            table("combination").items(), key=lambda found: (-found[1]["total"], found[0])
        )
    ],
    "classes": [
        {"letter": letter, "count": classes[letter], "types": class_types[letter]}
        for letter in "abcdef"
    ],
    "lengths": {name: extremes(values) for name, values in lengths.items()},
    "flags": [
        {
            "flag": flag,
            "parts": [
                {mark: flags[flag, part, mark] for mark in ("right", "wrong")}
                for part in ("whole", "answerable", "unanswerable")
            ],
        }
        for flag in ("followup", "yesno")
        if (flag, "whole", "right") in flags
    ],
}
json.dump(figures, sys.stdout, indent=1, sort_keys=True)
print()
