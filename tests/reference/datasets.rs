//! Tests the conversion and checking of data sets: against the files of the original converters,
//! with hand-made cases for every reason to leave something out, and, for arbitrary text, that
//! every answer is at its position.
//!
//! Larger samples are looked for in the folder named by ELECTRA_SHARED (or ../shared); a line says
//! so if it is absent.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use crate::support::place::{golden, shared, tiny_vocabulary};
use electra::{
    data::split::Split,
    tasks::qa::{
        dataset::{
            convert::{Conversion, Source, convert},
            dropped::Dropped,
            newsqa, quac,
            squad_writer::Paragraph,
        },
        reader::read_task,
    },
};
use proptest::prelude::*;
use serde_json::{Value, json};

const QUAC: Source = Source::Quac { history: 0 };

/// A folder with a source file in it.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn with(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        fs::write(self.path(name), bytes).unwrap();
        self.path(name)
    }
}

fn json_of(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// Converts a file and reads what was written.
fn converted(source: Source, input: &Path) -> (Value, Conversion) {
    let folder = Folder::new();
    let output = folder.path("out.json");
    let conversion = convert(source, input, &output).unwrap();
    (json_of(&output), conversion)
}

/// Converts the text of a source; returns what was written, and what was left out.
fn made(source: Source, text: &str) -> (Value, Value) {
    let folder = Folder::new();
    let (squad, conversion) = converted(source, &folder.with("in", text));
    (squad, serde_json::to_value(conversion.dropped).unwrap())
}

/// Returns the questions of a SQuAD file with their passages, in order.
fn questions(squad: &Value) -> Vec<(&str, &Value)> {
    let items = |value: &Value, key: &str| value[key].as_array().unwrap().len();
    let mut questions = Vec::new();
    for article in 0..items(squad, "data") {
        let article = &squad["data"][article];
        for paragraph in 0..items(article, "paragraphs") {
            let paragraph = &article["paragraphs"][paragraph];
            let context = paragraph["context"].as_str().unwrap();
            let qas = paragraph["qas"].as_array().unwrap();
            questions.extend(qas.iter().map(|question| (context, question)));
        }
    }
    questions
}

/// Asserts that every answer is in its passage, at its position in code points.
fn assert_placed(squad: &Value) {
    for (context, question) in questions(squad) {
        let answers = question["answers"].as_array().unwrap();
        assert_eq!(question["is_impossible"], answers.is_empty(), "{question}");
        for answer in answers {
            let start = answer["answer_start"].as_u64().unwrap() as usize;
            let text = answer["text"].as_str().unwrap();
            let found: String = context
                .chars()
                .skip(start)
                .take(text.chars().count())
                .collect();
            assert_eq!(found, text, "{question}");
            assert!(!text.trim().is_empty(), "{question}");
        }
    }
}

/// Removes what only our files have: QuAC's flags, which the original converters omit.
fn without_flags(mut squad: Value) -> Value {
    for article in squad["data"].as_array_mut().unwrap() {
        for paragraph in article["paragraphs"].as_array_mut().unwrap() {
            for question in paragraph["qas"].as_array_mut().unwrap() {
                let question = question.as_object_mut().unwrap();
                assert!(question.remove("followup").is_some());
                assert!(question.remove("yesno").is_some());
            }
        }
    }
    squad
}

/// Returns the text of a SQuAD file with the questions' ids removed.
fn without_ids(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let lines = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("\"id\": "));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn quac_is_converted_as_the_reference_converts_it() {
    let (squad, conversion) = converted(QUAC, &golden("dataset/quac.json"));
    let flags: Vec<_> = questions(&squad)
        .iter()
        .map(|(_, question)| (question["followup"].clone(), question["yesno"].clone()))
        .collect();
    assert_eq!(flags[2], (json!("m"), json!("x")));
    assert_eq!(
        without_flags(squad),
        json_of(&golden("dataset/quac.expected.json"))
    );
    let counts = serde_json::to_value(&conversion.written).unwrap();
    assert_eq!(
        counts,
        json!({"passages": 2, "questions": 12, "answerable": 9, "impossible": 3, "answers": 18})
    );
    assert_eq!(conversion.dropped.question_count(), 0);
    assert!(conversion.dropped.answers.is_empty());
}

#[test]
fn newsqa_is_converted_as_the_reference_converts_it() {
    let folder = Folder::new();
    let output = folder.path("out.json");
    convert(Source::NewsQa, &golden("dataset/newsqa.csv"), &output).unwrap();
    // Byte for byte, except for the random ids.
    assert_eq!(
        without_ids(&output),
        without_ids(&golden("dataset/newsqa.expected.json"))
    );
    let ids: Vec<String> = questions(&json_of(&output))
        .iter()
        .map(|(_, question)| question["id"].as_str().unwrap().to_owned())
        .collect();
    // The checksum computed bit by bit from its definition.
    assert_eq!(ids[0], "3c363836cf4e16666669a25da280a1865c2d2874_ddbc2fb3");
    assert_eq!(ids.len(), 6);
}

#[test]
fn whole_samples_are_converted_as_the_reference_converts_them() {
    let Some(data) = shared("data") else { return };
    for name in ["train", "val"] {
        let source = data.join(format!("quac/{name}_v0.2.json"));
        let (squad, conversion) = converted(QUAC, &source);
        assert_placed(&squad);
        assert_eq!(
            without_flags(squad),
            json_of(&data.join(format!("quac/{name}.expected_squad.json")))
        );
        assert_eq!(conversion.dropped.question_count(), 0);
    }

    let (squad, conversion) = converted(Source::NewsQa, &data.join("newsqa/train.csv"));
    assert_placed(&squad);
    assert_eq!(conversion.dropped.question_count(), 0);
    let expected = json_of(&data.join("newsqa/train.expected_squad.json"));
    let ours = questions(&squad);
    let theirs = questions(&expected);
    assert_eq!(ours.len(), theirs.len());
    let mut differing = Vec::new();
    for ((our_context, ours), (their_context, theirs)) in ours.into_iter().zip(theirs) {
        assert_eq!(our_context, their_context);
        assert_eq!(ours["question"], theirs["question"]);
        if ours["answers"] != theirs["answers"] || ours["is_impossible"] != theirs["is_impossible"]
        {
            let texts = [ours, theirs].map(|question| question["answers"].clone());
            differing.push((ours["question"].as_str().unwrap(), texts));
        }
    }
    // A name that also occurs earlier, and answers with a double space and a line break, which a
    // search for single spaces does not find.
    let answer = |start: usize, text: &str| json!([{"answer_start": start, "text": text}]);
    assert_eq!(
        differing,
        [
            (
                "Where was the ship leaving from ?",
                [answer(243, "Port Ellis"), answer(90, "Port Ellis")]
            ),
            (
                "Who is the mayor of \"North Bay\" , Ontario ?",
                [answer(98, "Mayor Ruth  Okafor"), json!([])]
            ),
            (
                "Which text spans the line break ?",
                [answer(152, "a day .\nA new bridge"), json!([])]
            ),
        ]
    );
}

/// An answer's text and position.
type Placed<'a> = (&'a str, i64);

/// A turn: id, question, answers and the first annotator's answer.
type Turn<'a> = (&'a str, &'a str, &'a [Placed<'a>], Placed<'a>);

/// Returns one dialogue in QuAC's format.
fn dialogue(context: &str, turns: &[Turn<'_>]) -> Value {
    let answer = |&(text, start): &Placed<'_>| json!({"text": text, "answer_start": start});
    let turns = turns.iter().map(|(id, question, answers, original)| {
        json!({"id": id, "question": question, "followup": "y", "yesno": "x",
            "answers": answers.iter().map(answer).collect::<Vec<_>>(),
            "orig_answer": answer(original)})
    });
    json!({"title": "t", "paragraphs": [{"context": context, "id": "d",
        "qas": turns.collect::<Vec<_>>()}]})
}

fn example(id: &str, place: &str) -> Value {
    json!({"count": 1, "examples": [{"id": id, "place": place}]})
}

#[test]
fn quac_says_what_it_leaves_out() {
    const OAK: Placed<'_> = ("old 🌳", 3);
    const NONE: Placed<'_> = ("CANNOTANSWER", 9);
    let file = json!({"data": [
        dialogue("An old 🌳. CANNOTANSWER", &[
            ("kept", "What?", &[OAK], OAK),
            ("kept", "Again?", &[OAK], OAK),
            ("blank", " \n", &[OAK], OAK),
            ("none", "Who?", &[OAK, NONE], NONE),
            ("past", "Where?", &[("CANNOTANSWER.", 10)], ("🌳 CANNOTANSWER", 20)),
            ("other", "When?", &[("An", 1)], ("an", 0)),
            ("minus", "Why?", &[("An", -1)], ("An", -1)),
            ("some", "Which?", &[("old", 2), ("An", 0)], ("", 0)),
        ]),
        dialogue(" ", &[("empty", "What?", &[OAK], OAK)]),
    ]});
    let (squad, dropped) = made(QUAC, &file.to_string());
    let paragraph = |id: &str, question: &str, answers: Value| {
        json!({"paragraphs": [{"context": "An old 🌳. CANNOTANSWER", "qas": [{
            "answers": answers, "followup": "y", "id": id,
            "is_impossible": answers == json!([]), "question": question, "yesno": "x"}]}]})
    };
    let oak = json!({"answer_start": 3, "text": "old 🌳"});
    assert_eq!(
        squad,
        json!({"data": [
            paragraph("kept", "What?", json!([oak, oak])),
            paragraph("none", "Who?", json!([])),
            paragraph("some", "Which?", json!([{"answer_start": 0, "text": "An"}])),
        ], "version": "2.0"})
    );
    let two = |id: &str, place: &str| json!({"count": 2, "examples": [{"id": id, "place": place}]});
    let turn = |number: usize| format!("article 1, turn {number}");
    assert_eq!(
        dropped,
        json!({
            "questions": {
                "empty_passage": example("empty", "article 2, turn 1"),
                "empty_question": example("blank", &turn(3)),
                "repeated_id": example("kept", &turn(2)),
                "no_place": example("minus", &turn(7)),
                "outside_passage": example("past", &turn(5)),
                "not_at_place": example("other", &turn(6)),
            },
            "answers": {
                "other_annotators": example("none", &turn(4)),
                "no_place": two("minus", &turn(7)),
                "outside_passage": two("past", &turn(5)),
                "not_at_place": {"count": 4, "examples": [
                    {"id": "other", "place": turn(6)}, {"id": "some", "place": turn(8)},
                ]},
            },
        })
    );
}

#[test]
fn quac_questions_follow_the_dialogue_before_them() {
    let said = |history: usize| -> Vec<String> {
        let path = golden("dataset/quac.json");
        let (squad, _) = converted(Source::Quac { history }, &path);
        let questions = questions(&squad).into_iter();
        questions
            .map(|(_, question)| question["question"].as_str().unwrap().to_owned())
            .collect()
    };
    let alone = said(0);
    assert_eq!(alone[3], "Did it win any prizes?");
    let one = said(1);
    assert_eq!(one[0], alone[0]);
    assert_eq!(
        one[1],
        "When did she join the orchestra? Ilse Varnhagen joined the harbour orchestra of \
         Kestrel Bay in 1951 Was she the leader?"
    );
    let two = said(2);
    assert_eq!(
        two[4],
        "What did she record? In 1957 she recorded the \"Tidewater Suite\" with the pianist \
         Oskar Brandt; Did it win any prizes? CANNOTANSWER Did they stop touring?"
    );
    // Another dialogue begins: nothing precedes its first question.
    assert_eq!(two[6], alone[6]);
    let all = said(32);
    assert!(all[5].starts_with("When did she join") && all[5].ends_with(&alone[5]));
}

#[test]
fn newsqa_says_what_it_leaves_out() {
    let csv = "more,story_id,question,answer_token_ranges,story_text\n\
        1,./s/a.story,Who ?,\"3:5,0:1\",The oak . The  oak fell .\n\
        2,./s/a.story,Who ?,0:1,The oak . The  oak fell .\n\
        3,./s/a.story,\" \",0:1,The oak .\n\
        4,./s/b.story,What ?,0:1,\" \n\"\n\
        5,./s/b.story,When ?,,The oak .\n\
        6,./s/b.story,Why ?,None,The oak .\n\
        7,./s/b.story,How ?,2:2,The oak .\n\
        8,./s/b.story,Which ?,2:4,The oak .\n";
    let (squad, dropped) = made(Source::NewsQa, csv);
    // CRC-32C of "Who ?".
    let paragraph = |id: &str, start: usize, text: &str| {
        json!({"paragraphs": [{"context": "The oak . The  oak fell .", "qas": [{
            "answers": [{"answer_start": start, "text": text}], "id": id,
            "is_impossible": false, "question": "Who ?"}]}]})
    };
    assert_eq!(
        squad,
        json!({"data": [
            paragraph("a_a44bec70", 10, "The  oak"),
            paragraph("a_a44bec70-2", 0, "The"),
        ], "version": "2.0"})
    );
    assert_eq!(
        dropped,
        json!({
            "questions": {
                "empty_passage": example("b_8e15ea84", "line 5"),
                "empty_question": example("a_72c0dd8f", "line 4"),
                "no_place": example("b_f2abca35", "line 7"),
                "bad_range": {"count": 2, "examples": [
                    {"id": "b_055867ed", "place": "line 8"}, {"id": "b_178b73f3", "place": "line 9"}]},
                "outside_passage": example("b_6be4d84f", "line 10"),
            },
            "answers": {"further_place": example("a_a44bec70", "line 2")},
        })
    );
}

/// Returns a line of an MRQA file; questions have an id, text, answers and detected answers.
fn passage(context: &str, questions: &[(&str, &str, &[&str], Value)]) -> String {
    let questions = questions.iter().map(|(id, question, answers, detected)| {
        json!({"qid": id, "question": question, "answers": answers, "detected_answers": detected})
    });
    json!({"context": context, "qas": questions.collect::<Vec<_>>()}).to_string()
}

fn mrqa_lines() -> String {
    let oak = json!([{"text": "old 🌳", "char_spans": [[3, 7], [16, 20]]}]);
    let lines = [
        json!({"header": {"dataset": "Made up"}}).to_string(),
        String::new(),
        passage(
            "An old 🌳. It is old 🌳.",
            &[
                ("kept", "What?", &["old 🌳", "tree"], oak.clone()),
                ("kept", "Again?", &["old 🌳"], oak.clone()),
                ("blank", " ", &["old 🌳"], oak.clone()),
                ("none", "Who?", &["elm"], json!([])),
                (
                    "span",
                    "Where?",
                    &["elm"],
                    json!([{"text": "elm", "char_spans": []}]),
                ),
                (
                    "past",
                    "When?",
                    &["."],
                    json!([{"text": ".", "char_spans": [[21, 22]]}]),
                ),
                (
                    "back",
                    "Why?",
                    &["An"],
                    json!([{"text": "An", "char_spans": [[1, 0]]}]),
                ),
                (
                    "other",
                    "How?",
                    &["elm"],
                    json!([{"text": "elm", "char_spans": [[0, 2]]}]),
                ),
                (
                    "case",
                    "Which?",
                    &["AN OLD", "elm"],
                    json!([{"text": "elm", "char_spans": [[0, 2]]},
                        {"text": "AN OLD", "char_spans": [[0, 5]]}]),
                ),
            ],
        ),
        passage(" ", &[("empty", "What?", &["old"], oak)]),
    ];
    lines.join("\n")
}

#[test]
fn mrqa_says_what_it_leaves_out() {
    let (squad, dropped) = made(Source::Mrqa, &mrqa_lines());
    assert_eq!(
        squad,
        json!({"data": [{"paragraphs": [{"context": "An old 🌳. It is old 🌳.", "qas": [
            {"answers": [{"answer_start": 3, "text": "old 🌳"}], "id": "kept",
             "is_impossible": false, "question": "What?"},
            {"answers": [{"answer_start": 0, "text": "An old"}], "id": "case",
             "is_impossible": false, "question": "Which?"},
        ]}]}], "version": "2.0"})
    );
    let at = |id: &str| example(id, "line 3");
    let several = |ids: &[&str]| {
        let examples: Vec<_> = ids
            .iter()
            .map(|id| json!({"id": id, "place": "line 3"}))
            .collect();
        json!({"count": ids.len(), "examples": examples})
    };
    assert_eq!(
        dropped,
        json!({
            "questions": {
                "empty_passage": example("empty", "line 4"),
                "empty_question": at("blank"),
                "repeated_id": at("kept"),
                "no_place": several(&["none", "span"]),
                "bad_range": at("back"),
                "outside_passage": at("past"),
                "not_at_place": at("other"),
            },
            "answers": {
                "no_place": several(&["kept", "none", "span"]),
                "bad_range": at("back"),
                "outside_passage": at("past"),
                "not_at_place": several(&["other", "case"]),
                "further_place": at("kept"),
            },
        })
    );
}

/// Compresses some bytes with gzip.
fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn mrqa_archives_are_unpacked() {
    let folder = Folder::new();
    let lines = mrqa_lines();
    let packed = folder.with("lines.jsonl.gz", gzip(lines.as_bytes()));
    let (squad, conversion) = converted(Source::Mrqa, &packed);
    let dropped = serde_json::to_value(conversion.dropped).unwrap();
    assert_eq!((squad, dropped), made(Source::Mrqa, &lines));
}

/// After conversion, MRQA's questions give the same training data as read directly from its lines.
#[test]
fn mrqa_teaches_the_same_converted() {
    let folder = Folder::new();
    let detected = |text: &str, first: usize| {
        let last = first + text.chars().count() - 1;
        json!({"text": text, "char_spans": [[first, last], [0, 0]]})
    };
    let oaks = passage(
        "An old 🌳. It is  old.",
        &[
            (
                "a",
                "What?",
                &["old"],
                json!([detected("old", 17), detected("An", 0)]),
            ),
            ("b", "How old?", &["🌳"], json!([detected("🌳", 7)])),
        ],
    );
    let elms = passage("Elm", &[("c", "Which?", &[], json!([detected("Elm", 0)]))]);
    let lines = folder.with("lines.jsonl", format!("{oaks}\n{elms}\n"));
    let mut files = vec![(lines, 3)];
    files.extend(shared("data/newsqa-mrqa/train.jsonl").map(|file| (file, 17)));
    let squad = folder.path("out.json");
    for (file, count) in files {
        convert(Source::Mrqa, &file, &squad).unwrap();
        assert_placed(&json_of(&squad));
        let direct = read_task(&file, "newsqa", Split::Train).unwrap();
        let converted = read_task(&squad, "squadv1", Split::Train).unwrap();
        assert_eq!(converted, direct);
        assert_eq!(converted.examples.len(), count);
    }
}

#[test]
fn what_stands_at_the_output_stays_when_the_input_is_bad() {
    let folder = Folder::new();
    let output = folder.with("out.json", "earlier");
    let good = fs::read_to_string(golden("dataset/quac.json")).unwrap();
    for (source, text, told) in [
        (QUAC, "", "EOF"),
        (QUAC, &good[..good.len() / 2], "after question id"),
        (
            QUAC,
            &good
                .replace("\"orig_answer\"", "\"orig\"")
                .replace("\"answers\"", "\"given\""),
            "orig_answer",
        ),
        (QUAC, "{\"data\": []}", "found none;"),
        (Source::NewsQa, "", "no story_id"),
        (Source::NewsQa, "story_id,question\n", "no story_text"),
        (
            Source::NewsQa,
            "story_id,story_text,question,answer_token_ranges\na,b,c\n",
            "line 2: expected 4 columns, found 3",
        ),
        (
            Source::NewsQa,
            "story_id,story_text,question,answer_token_ranges\na,b,c,\n",
            "found none (left out: 1 no_place)",
        ),
        (Source::Mrqa, "{\"context\": 3}", "line 1"),
        (Source::Mrqa, "{\"header\": 3}", "found none"),
    ] {
        let input = folder.with("in", text);
        let message = convert(source, &input, &output).unwrap_err().to_string();
        assert!(
            message.contains(told) && message.contains(input.to_str().unwrap()),
            "{message}"
        );
        assert_eq!(fs::read_to_string(&output).unwrap(), "earlier");
    }
    let same = convert(QUAC, &output, &output).unwrap_err().to_string();
    assert!(same.contains("the output is the input"), "{same}");
    // Neither a partial file nor a temporary one.
    assert_eq!(fs::read_dir(folder.0.path()).unwrap().count(), 2);
    // Missing folders are created; a file cannot be one.
    let nowhere = folder.path("in/out.json");
    let input = golden("dataset/quac.json");
    let message = convert(QUAC, &input, &nowhere).unwrap_err().to_string();
    assert!(message.contains("cannot be written"), "{message}");
}

/// Collects paragraphs as the file would contain them.
fn collected(
    read: impl FnOnce(
        &mut Dropped,
        &mut dyn FnMut(Paragraph<'_>) -> Result<(), electra::tasks::qa::dataset::Error>,
    ) -> Result<(), electra::tasks::qa::dataset::Error>,
) -> (Value, usize) {
    let mut articles = Vec::new();
    let mut dropped = Dropped::new(0);
    read(&mut dropped, &mut |paragraph| {
        articles.push(json!({"paragraphs": [serde_json::to_value(&paragraph).unwrap()]}));
        Ok(())
    })
    .unwrap();
    (json!({"data": articles}), dropped.question_count())
}

proptest! {
    #[test]
    fn every_converted_answer_stands_at_its_place(
        words in proptest::collection::vec("[a-c.é🌳\u{A0}]{1,3}", 1..20),
        gaps in proptest::collection::vec("[ \n\t\u{202F}]{1,2}", 20),
        start in 0usize..22, length in 0usize..4, wrong in 0i64..3,
    ) {
        let mut story = String::new();
        for (word, gap) in words.iter().zip(&gaps) {
            story += word;
            story += gap;
        }
        let mut csv = csv::Writer::from_writer(Vec::new());
        csv.write_record(["story_id", "story_text", "question", "answer_token_ranges"]).unwrap();
        let range = format!("{start}:{}", start + length);
        csv.write_record(["s", &story, "Which ?", &range]).unwrap();
        let csv = csv.into_inner().unwrap();
        let (squad, dropped) = collected(|dropped, emit| {
            newsqa::parse(csv.as_slice(), "s.csv", dropped, emit)
        });
        assert_placed(&squad);
        // The words of the answer are those of the range, as split by Python.
        let tokens: Vec<&str> = story.split_whitespace().collect();
        let wanted = tokens.get(start..start + length).filter(|wanted| !wanted.is_empty());
        match (wanted, questions(&squad).as_slice()) {
            (Some(wanted), [(_, question)]) => {
                let text = question["answers"][0]["text"].as_str().unwrap();
                prop_assert_eq!(text.split_whitespace().collect::<Vec<_>>(), wanted);
            }
            (None, []) => prop_assert_eq!(dropped, 1),
            other => prop_assert!(false, "{:?}", other),
        }

        // An answer that begins at a word, and whose stated start is up to two code points earlier.
        let points: Vec<char> = story.chars().collect();
        let begin = start % points.len();
        let text: String = points[begin..].iter().take(length).collect();
        let answer = (text.as_str(), begin as i64 - wrong);
        let file = json!({"data": [dialogue(&story, &[("q", "Which?", &[answer], answer)])]});
        let (squad, dropped) = collected(|dropped, emit| {
            quac::parse(&file.to_string(), "q.json", 0, dropped, emit)
        });
        assert_placed(&squad);
        prop_assert_eq!(questions(&squad).len() + dropped, 1);
        if wrong == 0 && !text.trim_matches(|c: char| c.is_whitespace()).is_empty() {
            prop_assert_eq!(&questions(&squad)[0].1["answers"][0]["text"], &json!(text));
        }
    }
}

/// Runs `electra data` with these arguments.
fn electra_data(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_electra"))
        .arg("data")
        .args(arguments)
        .output()
        .unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn checked(path: &Path, flags: &[&str]) -> (Option<i32>, Value, String) {
    let arguments = [&["check", path.to_str().unwrap(), "--json"], flags].concat();
    let output = electra_data(&arguments);
    let found = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    let stderr = String::from_utf8(output.stderr).unwrap();
    (output.status.code(), found, stderr)
}

/// Compares windows and answers with the features that Google's code made from the same files.
#[test]
fn windows_are_those_of_the_reference() {
    let vocab = tiny_vocabulary();
    let unpack = |name: &str| {
        let mut text = Vec::new();
        let packed = fs::read(golden(&format!("data/{name}.xz"))).unwrap();
        lzma_rs::xz_decompress(&mut packed.as_slice(), &mut text).unwrap();
        String::from_utf8(text).unwrap()
    };
    for (split, counts) in [
        ("dev", [2, 7, 60, 32, 28, 122]),
        ("train", [2, 9, 60, 29, 31, 29]),
    ] {
        for (length, stride) in [("192", "64"), ("256", "128")] {
            let file = golden(&format!("data/squad2-tiny.{split}.json"));
            let windows = ["--max-seq-length", length, "--doc-stride", stride];
            let vocab = ["--vocab", vocab.to_str().unwrap()];
            let (code, found, stderr) = checked(&file, &[windows.as_slice(), &vocab].concat());
            assert_eq!(code, Some(0), "{stderr}");
            let features = unpack(&format!("features.squad2-tiny.{length}.{split}.jsonl"));
            assert_eq!(
                found["windows"],
                features.lines().count(),
                "{split} {length}"
            );
            assert_eq!(found["vocabulary_size"], 2048);
            let keys = [
                "articles",
                "passages",
                "questions",
                "answerable",
                "impossible",
                "answers",
            ];
            assert_eq!(keys.map(|key| found[key].as_u64().unwrap()), counts);
            assert_eq!(found["format"], "SQuAD 2.0");
        }
    }

    // All kinds of scripts, many answers in no window; with the program's vocabulary.
    let folder = Folder::new();
    let file = folder.with("made-up.json", unpack("made-up.json"));
    let flags = ["--max-seq-length", "40", "--doc-stride", "11"];
    let (_, found, _) = checked(&file, &flags);
    let lines = |split: &str| -> Vec<Value> {
        let text = unpack(&format!("features.made-up.40.{split}.jsonl"));
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    };
    assert_eq!(found["vocabulary_size"], 30522);
    assert_eq!(found["windows"], lines("dev").len());
    let problems = found["problems"].as_array().unwrap();
    let named = |kind: &str| -> Vec<&str> {
        let of_kind = problems.iter().filter(|problem| problem["kind"] == kind);
        of_kind
            .map(|problem| problem["id"].as_str().unwrap())
            .collect()
    };
    let train = lines("train");
    let lost = |id: &str| {
        let mut windows = train.iter().filter(|line| line["qas_id"] == id);
        windows.all(|line| line["end"] == 0)
    };
    let measured: Vec<&str> = train
        .iter()
        .filter(|line| line["is_impossible"] == false)
        .map(|line| line["qas_id"].as_str().unwrap())
        .filter(|id| {
            problems
                .iter()
                .all(|p| p["id"] != **id || p["kind"] == "in_no_window")
        })
        .collect();
    let mut expected: Vec<&str> = measured.into_iter().filter(|id| lost(id)).collect();
    expected.dedup();
    assert_eq!(named("in_no_window"), expected);
    assert!(expected.len() > 3, "{expected:?}");
    // What training leaves out has no feature.
    for id in named("left_out") {
        assert!(train.iter().all(|line| line["qas_id"] != id), "{id}");
    }
}

#[test]
fn every_problem_is_named_with_its_place() {
    let question = |id: &str, text: &str, answers: Value, impossible: bool| json!({"id": id, "question": text, "answers": answers, "is_impossible": impossible});
    let answer = |text: &str, start: i64| json!([{"text": text, "answer_start": start}]);
    let file = json!({"version": "v2.0", "data": [
        {"title": "Oaks", "paragraphs": [{"context": "An old oak.", "qas": [
            question("fine", "What?", answer("oak", 7), false),
            question("fine", "Again?", answer("oak", 7), false),
            question("moved", "What?", answer("oak", 6), false),
            question("case", "What?", answer("OAK", 7), false),
            question("past", "What?", answer("oak.", 8), false),
            question("minus", "What?", answer("oak", -1), false),
            question("blank", "What?", answer(" ", 2), false),
            question("bare", "What?", json!([]), false),
            question("both", "What?", answer("oak", 7), true),
            question("mute", "", json!([]), true),
        ]}]},
        {"title": "Nothing", "paragraphs": [{"context": "", "qas": [
            question("empty", "What?", json!([]), true),
        ]}]},
    ]});
    let folder = Folder::new();
    let path = folder.with("dev.json", file.to_string());
    let (code, found, stderr) = checked(&path, &[]);
    assert_eq!(code, Some(2));
    assert!(stderr.contains("errors in its questions: 7;"), "{stderr}");
    let problem = |severity: &str, kind: &str, id: &str, text: &str| {
        let place = if id == "empty" {
            "article 2, paragraph 1"
        } else {
            "article 1, paragraph 1"
        };
        let mut problem =
            json!({"severity": severity, "kind": kind, "id": id, "place": place, "found": text});
        if text.is_empty() {
            problem.as_object_mut().unwrap().remove("found");
        }
        problem
    };
    assert_eq!(
        found["problems"],
        json!([
            problem("error", "repeated_id", "fine", ""),
            problem("error", "empty_passage", "empty", ""),
            problem("error", "empty_answer", "blank", ""),
            problem(
                "error",
                "not_at_place",
                "moved",
                "\" oa\" at 6, not \"oak\""
            ),
            problem("error", "outside_passage", "past", "\"oak.\" at 8"),
            problem("error", "impossible_with_answers", "both", "\"oak\""),
            problem("error", "answerable_without_answers", "bare", ""),
            problem("warning", "empty_question", "mute", ""),
            problem("warning", "no_place", "minus", "\"oak\""),
            problem(
                "warning",
                "other_spelling",
                "case",
                "\"oak\" at 7, not \"OAK\""
            ),
        ])
    );
    assert_eq!(
        (found["errors"].clone(), found["warnings"].clone()),
        (json!(7), json!(3))
    );

    let output = electra_data(&["check", path.to_str().unwrap()]);
    let text = stdout(&output);
    assert!(
        text.contains(
            "2 articles, 2 passages, 11 questions: 8 answerable, 3 impossible; 8 answers\n"
        ),
        "{text}"
    );
    assert!(
        text.contains(
            "error not_at_place (1): the passage has another text at the answer's place\n  \
             moved (article 1, paragraph 1): \" oa\" at 6, not \"oak\"\n"
        ),
        "{text}"
    );
}

#[test]
fn files_without_answers_are_test_files() {
    let file = r#"{"data": [{"paragraphs": [{"context": "An oak.", "qas": [
        {"id": "a", "question": "What?"}, {"id": "b", "question": "Who?", "answers": []}]}]}]}"#;
    let folder = Folder::new();
    let (code, found, stderr) = checked(&folder.with("test.json", file), &[]);
    assert_eq!(
        (code, &found["problems"]),
        (Some(0), &json!([])),
        "{stderr}"
    );
    assert_eq!(found["format"], "SQuAD 1.1");
}

#[test]
fn every_format_is_recognised_and_its_problems_are_told() {
    let folder = Folder::new();
    let lines = mrqa_lines();
    for (file, code, format, counts, problems) in [
        (golden("dataset/quac.json"), 0, "QuAC", [2, 12, 0], vec![]),
        (golden("dataset/newsqa.csv"), 0, "NewsQA", [2, 6, 0], vec![]),
        (
            folder.with("lines.jsonl.gz", gzip(lines.as_bytes())),
            2,
            "MRQA",
            [1, 2, 8],
            vec![
                ("repeated_id", "kept"),
                ("empty_passage", "empty"),
                ("not_at_place", "other"),
                ("not_at_place", "case"),
                ("outside_passage", "past"),
                ("bad_range", "back"),
                ("empty_question", "blank"),
                ("no_place", "none"),
                ("no_place", "span"),
            ],
        ),
    ] {
        let (ended, found, stderr) = checked(&file, &[]);
        assert_eq!(ended, Some(code), "{stderr}");
        assert_eq!(found["format"], format);
        let keys = ["passages", "questions", "left_out"];
        assert_eq!(
            keys.map(|key| found[key].as_u64().unwrap()),
            counts,
            "{format}"
        );
        assert_eq!(found.get("articles"), None);
        let told: Vec<_> = found["problems"].as_array().unwrap().iter().collect();
        let told: Vec<_> = told
            .iter()
            .map(|p| (p["kind"].as_str().unwrap(), p["id"].as_str().unwrap()))
            .collect();
        assert_eq!(told, problems, "{format}");
    }
}

#[test]
fn conversions_are_reported() {
    let folder = Folder::new();
    let input = folder.with("in.jsonl", mrqa_lines());
    let output = folder.path("out.json");
    let paths = [input.to_str().unwrap(), output.to_str().unwrap()];
    let told = electra_data(&[&["mrqa"], paths.as_slice()].concat());
    assert_eq!(told.status.code(), Some(0));
    let text = stdout(&told).replace(paths[1], "out.json");
    assert!(
        text.starts_with(
            "out.json: 2 questions on 1 passage: 2 answerable, 0 impossible, 2 answers\n\
             left out questions: 1 empty_passage (the passage is blank): empty (line 4)\n"
        ),
        "{text}"
    );
    let told = electra_data(&[&["mrqa", "--json"], paths.as_slice()].concat());
    let report: Value = serde_json::from_slice(&told.stdout).unwrap();
    let folder = Folder::new();
    let (_, conversion) = converted(Source::Mrqa, &folder.with("in", mrqa_lines()));
    assert_eq!(report["questions"], 2);
    assert_eq!(report["input"], paths[0]);
    assert_eq!(
        report["dropped"],
        serde_json::to_value(conversion.dropped).unwrap()
    );

    let history = folder.path("history.json");
    let quac = golden("dataset/quac.json");
    let told = electra_data(&[
        "quac",
        quac.to_str().unwrap(),
        history.to_str().unwrap(),
        "--history",
        "2",
    ]);
    assert_eq!(told.status.code(), Some(0));
    let first = json_of(&history);
    assert!(
        questions(&first)[1].1["question"]
            .as_str()
            .unwrap()
            .starts_with("When did she join the orchestra? ")
    );
    let told = electra_data(&["quac", "a", "b", "--history", "33"]);
    assert_eq!(told.status.code(), Some(2));
}

mod forms;
