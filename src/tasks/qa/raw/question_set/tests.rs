//! Every form and type in users' files, and the messages about broken ones.

use std::io::Write;

use super::*;
use crate::{
    data::split::Split,
    tasks::qa::{
        example::{Answer, Examples},
        raw::{paragraph::Place, summary::Form},
        reader::ReadOptions,
    },
};

const SQUAD: ReadOptions<'_> = ReadOptions {
    task: "squad",
    split: Split::Train,
};
const DEV: ReadOptions<'_> = ReadOptions {
    task: "squad",
    split: Split::Dev,
};
const MRQA: ReadOptions<'_> = ReadOptions {
    task: "newsqa",
    split: Split::Train,
};

fn examples(text: &str, file: &str, options: ReadOptions<'_>) -> Result<Examples, Error> {
    let family = crate::tasks::qa::reader::family_of(options.task)?;
    QuestionSet::parse(text, file, Some(family))?.examples(options)
}

fn error(text: &str, options: ReadOptions<'_>) -> String {
    examples(text, "some.json", options)
        .unwrap_err()
        .to_string()
}

fn file(qas: &str) -> String {
    format!(
        r#"{{"version": "v2.0", "data": [{{"title": "Oaks", "paragraphs": [{{"context": "An old oak. \ud83c\udf33 An elm.",
"qas": [{qas}]}}]}}]}}"#
    )
}

const ANSWERED: &str = r#"{"id": "q1", "question": "What?", "answers": [{"text": "elm", "answer_start": 17}, {"text": "oak", "answer_start": 7}], "is_impossible": false}"#;
const IMPOSSIBLE: &str = r#"{"id": "q2", "question": "Who?", "plausible_answers": [{"text": "oak", "answer_start": 7}], "answers": [], "is_impossible": true}"#;
const LOST: &str = r#"{"id": "q3", "question": "Where?", "answers": [{"text": "elm", "answer_start": 7}], "is_impossible": false}"#;

const HEADER: &str = r#"{"header": {"dataset": "NewsQA", "split": "dev"}}"#;
const ENTRY: &str = r#"{"context": "\ud83c\udf33 An old header oak.", "qas": [{"qid": "m1", "id": "other", "question": "What?", "answers": ["oak"], "detected_answers": [{"text": "oak", "char_spans": [[16, 18], [0, 2]], "token_spans": [[4, 4]]}, {"text": "An", "char_spans": [[2, 3]]}]}]}"#;

#[test]
fn training_takes_the_first_answer_and_leaves_out_lost_ones() {
    let text = file(&[LOST, ANSWERED, IMPOSSIBLE].join(","));
    let all = examples(&text, "train.json", SQUAD).unwrap();
    assert_eq!(all.passages.len(), 1);
    assert_eq!(
        all.passages[0].words,
        ["An", "old", "oak.", "🌳", "An", "elm."]
    );
    assert_eq!(all.skipped.len(), 1);
    assert_eq!(all.skipped[0].qas_id, "q3");
    let [answered, impossible] = all.examples.as_slice() else {
        panic!("{:?}", all.examples)
    };
    assert_eq!((answered.eid, answered.qas_id.as_str()), (0, "q1"));
    assert_eq!(
        answered.answer,
        Some(Answer {
            text: "elm".to_owned(),
            start_word: 5,
            end_word: 5
        })
    );
    assert_eq!((impossible.eid, impossible.is_impossible), (1, true));
    assert_eq!(impossible.answer, None);
}

#[test]
fn other_splits_carry_no_answers() {
    let text = file(&[LOST, ANSWERED, IMPOSSIBLE].join(","));
    for split in [Split::Dev, Split::Test] {
        let options = ReadOptions {
            task: "squad",
            split,
        };
        let all = examples(&text, "dev.json", options).unwrap();
        assert_eq!(all.examples.len(), 3);
        assert!(all.skipped.is_empty());
        assert!(
            all.examples
                .iter()
                .all(|example| example.answer.is_none() && !example.is_impossible)
        );
    }
}

#[test]
fn only_squad_reads_is_impossible() {
    let v1 = ReadOptions {
        task: "squadv1",
        split: Split::Train,
    };
    let marked = ANSWERED.replace("false", "true");
    let all = examples(&file(&marked), "train.json", v1).unwrap();
    assert!(!all.examples[0].is_impossible && all.examples[0].answer.is_some());
    let all = examples(&file(&marked), "train.json", SQUAD).unwrap();
    assert!(all.examples[0].is_impossible && all.examples[0].answer.is_none());

    let message = error(&file(IMPOSSIBLE), v1);
    assert!(
        message.contains("some.json") && message.contains("q2") && message.contains("task squad"),
        "{message}"
    );
}

#[test]
fn equal_contexts_in_a_row_are_one_passage() {
    let paragraph = |id: &str| {
        format!(
            r#"{{"context": "An oak.", "qas": [{{"id": "{id}", "question": "?", "answers": []}}]}}"#
        )
    };
    let text = format!(
        r#"{{"data": [{{"paragraphs": [{}, {}]}}]}}"#,
        paragraph("a"),
        paragraph("b")
    );
    let all = examples(&text, "dev.json", DEV).unwrap();
    assert_eq!(all.passages.len(), 1);
    assert_eq!(all.examples[1].passage, 0);
    assert_eq!(all.examples[1].qas_id, "b");
}

#[test]
fn malformed_files_are_located() {
    let error = |text: &str| error(text, SQUAD);
    let typed = error(&file(
        &[ANSWERED, r#"{"id": "q9", "question": 3}"#].join(","),
    ));
    for part in [
        "some.json",
        "line 2",
        "after question id q9",
        "expected a string",
        "integer `3`",
    ] {
        assert!(typed.contains(part), "{part:?} is not in {typed}");
    }
    let lacking = error(&file(r#"{"id": "q9"}"#));
    assert!(
        lacking.contains("missing field `question`") && lacking.contains("q9"),
        "{lacking}"
    );

    let cut = error(&file(ANSWERED)[..200]);
    assert!(cut.contains("EOF") && cut.contains("q1"), "{cut}");
    assert!(error("").contains("line 1"));
    assert!(error("[]").contains("SQuAD file is one JSON object"));
    assert!(error("{}").contains("missing field `data`"));
    // JSON Lines under a SQuAD task.
    assert!(error("{\"data\": []}\n{\"data\": []}").contains("check the task's name"));
    assert!(error(&format!("{HEADER}\n{ENTRY}")).contains("check the task's name"));
    // Lines are counted from the beginning of the file.
    let below = error(&format!("\n \n{}", file(r#"{"id": "q9", "question": 3}"#)));
    assert!(below.contains("line 4"), "{below}");
    let twice = error(r#"{"data": [], "data": []}"#);
    assert!(twice.contains("stands twice"), "{twice}");
}

#[test]
fn a_place_is_needed_for_training_only() {
    for start in ["", r#", "answer_start": -1"#, r#", "answer_start": null"#] {
        let text = file(&format!(
            r#"{{"id": "q1", "question": "?", "answers": [{{"text": "oak"{start}}}]}}"#
        ));
        let message = error(&text, SQUAD);
        assert!(
            message.contains("q1") && message.contains("answer_start"),
            "{message}"
        );
        assert_eq!(examples(&text, "t.json", DEV).unwrap().examples.len(), 1);
    }
    for huge in ["9000000000000000000", "18446744073709551616", "1e300"] {
        let huge = file(&format!(
            r#"{{"id": "q1", "question": "?", "answers": [{{"text": "oak", "answer_start": {huge}}}]}}"#
        ));
        assert_eq!(examples(&huge, "t.json", SQUAD).unwrap().skipped.len(), 1);
    }
    let none = file(r#"{"id": "q1", "question": "?", "answers": []}"#);
    let message = error(&none, SQUAD);
    assert!(
        message.contains("q1") && message.contains("answers"),
        "{message}"
    );
}

#[test]
fn mrqa_headers_are_skipped_and_the_first_span_taken() {
    let text = format!("{HEADER}\n{ENTRY}\r\n\n");
    let all = examples(&text, "train.jsonl", MRQA).unwrap();
    assert_eq!(all.examples.len(), 1);
    let example = &all.examples[0];
    assert_eq!((example.eid, example.qas_id.as_str()), (0, "m1"));
    let answer = example.answer.as_ref().unwrap();
    assert_eq!((answer.start_word, answer.end_word), (4, 4));
    assert!(!example.is_impossible);
    assert_eq!(all, examples(ENTRY, "train.jsonl", MRQA).unwrap());

    let dev = ReadOptions {
        split: Split::Dev,
        ..MRQA
    };
    let all = examples(&text, "dev.jsonl", dev).unwrap();
    assert_eq!(all.examples[0].answer, None);
}

#[test]
fn malformed_lines_are_located() {
    let text = format!("{HEADER}\n{ENTRY}\n{}\n{{", ENTRY.replace("\"What?\"", "7"));
    let message = error(&text, MRQA);
    for part in [
        "some.json",
        "line 3",
        "question id m1",
        "expected a string",
        "integer `7`",
    ] {
        assert!(message.contains(part), "{part:?} is not in {message}");
    }
    let bytes = [HEADER.as_bytes(), b"\n\n{\"context\": \"\xE9\"}\n"].concat();
    let message = QuestionSet::parse(bytes, "t.jsonl", None).unwrap_err();
    assert!(message.to_string().contains("line 3"), "{message}");
}

#[test]
fn mrqa_training_needs_a_span() {
    for broken in [
        ENTRY.replace("[[16, 18], [0, 2]]", "[]"),
        ENTRY.replace("detected_answers", "others"),
    ] {
        let message = error(&broken, MRQA);
        assert!(
            message.contains("m1") && message.contains("detected_answers"),
            "{message}"
        );
    }
}

/// Everything that Python's reader accepts, with the resulting ids and flags.
#[test]
fn types_are_those_that_python_takes() {
    let question = |rest: &str| {
        let text = file(&format!(r#"{{"id": "q", "question": "?", {rest}}}"#));
        QuestionSet::parse(text, "t.json", None).map(|mut file| {
            let paragraph = file.paragraphs.remove(0);
            paragraph.questions.into_iter().next().unwrap()
        })
    };
    for (flag, expected) in [
        ("null", false),
        ("0", false),
        ("1", true),
        ("0.0", false),
        ("1.0", true),
        ("true", true),
    ] {
        let found = question(&format!(r#""is_impossible": {flag}, "answers": null"#)).unwrap();
        assert_eq!(found.is_impossible, expected, "{flag}");
        assert!(found.answers.is_empty() && found.labelled);
    }
    // Both are true in Python, whatever they say.
    for flag in ["\"false\"", "2", "NaN", "[]"] {
        let message = question(&format!(r#""is_impossible": {flag}"#)).unwrap_err();
        assert!(message.to_string().contains("true, false"), "{message}");
    }
    for (start, expected) in [
        ("7", Some(7)),
        ("7.0", Some(7)),
        ("\"7\"", Some(7)),
        ("\" 7.0\"", Some(7)),
        ("-1", None),
        ("\"-1\"", None),
        ("null", None),
    ] {
        let answers = format!(r#""answers": [{{"text": "oak", "answer_start": {start}}}]"#);
        assert_eq!(question(&answers).unwrap().answers[0].start, expected);
    }
    for start in ["7.5", "\"seven\"", "\"\"", "true", "NaN", "[7]"] {
        let answers = format!(r#""answers": [{{"text": "oak", "answer_start": {start}}}]"#);
        let message = question(&answers).unwrap_err().to_string();
        assert!(message.contains("whole number of code points"), "{message}");
    }
    for (word, expected) in [
        ("false", Some("n")),
        ("true", Some("y")),
        ("\"x\"", Some("x")),
        ("null", None),
        ("{}", None),
    ] {
        let found = question(&format!(r#""yesno": {word}, "followup": {word}"#)).unwrap();
        assert_eq!(found.yesno.as_deref(), expected, "{word}");
        assert_eq!(found.followup.as_deref(), expected, "{word}");
    }
    // Of a duplicate key the last one counts.
    let twice = question(r#""question": "Who?", "id": 7, "answers": [], "id": -8"#).unwrap();
    assert_eq!((twice.text.as_str(), twice.id.as_str()), ("Who?", "-8"));

    let id = |id: &str| question(&format!(r#""id": {id}"#)).map(|question| question.id);
    assert_eq!(id("18446744073709551615").unwrap(), "18446744073709551615");
    assert_eq!(id("5.0").unwrap(), "5.0");
    for lost in ["18446744073709551616", "0.5", "true", "NaN"] {
        assert!(id(lost).is_err(), "{lost}");
    }

    for title in ["1234", "null", "NaN", "-Infinity", "[1, {}]"] {
        let text = file(ANSWERED).replace("\"Oaks\"", title);
        assert_eq!(examples(&text, "t.json", SQUAD).unwrap().examples.len(), 1);
        let text = file(ANSWERED).replace("\"v2.0\"", title);
        assert_eq!(examples(&text, "t.json", SQUAD).unwrap().examples.len(), 1);
    }
    let text = ENTRY.replace("\"m1\"", "17");
    assert_eq!(
        examples(&text, "t.jsonl", MRQA).unwrap().examples[0].qas_id,
        "17"
    );
}

#[test]
fn lone_surrogates_are_counted_and_keep_offsets() {
    let text = file(ANSWERED)
        .replace(r"\ud83c\udf33", r"\ud83c\u0020")
        .replace(": 17", ": 18");
    let found = QuestionSet::parse(text, "t.json", None).unwrap();
    assert_eq!(found.summary.surrogates, 1);
    assert_eq!(found.paragraphs[0].context, "An old oak. \u{FFFD}  An elm.");
    let all = found.examples(SQUAD).unwrap();
    assert_eq!(all.examples[0].answer.as_ref().unwrap().end_word, 5);
    assert!(all.skipped.is_empty());
}

const ROW: &str = r#"{"id": "a", "title": "T", "context": "An old oak.", "question": "What?", "answers": {"text": ["oak"], "answer_start": [7]}}"#;
const EMPTY_ROW: &str = r#"{"id": "b", "title": "T", "context": "An old oak.", "question": "Who?", "answers": {"text": [], "answer_start": []}}"#;

#[test]
fn rows_are_read_in_every_form() {
    let csv = "id,title,context,question,answers\n\
        a,T,An old oak.,What?,\"{'text': array(['oak'], dtype=object), 'answer_start': array([7], dtype=int32)}\"\n\
        b,T,An old oak.,Who?,\"{'text': array([], dtype=object), 'answer_start': array([], dtype=int32)}\"\n";
    let passages = r#"[{"context": "An old oak.", "qas": [
        {"id": "a", "question": "What?", "answers": [{"text": "oak", "answer_start": 7}]},
        {"id": "b", "question": "Who?", "answers": [], "is_impossible": true}]}]"#;
    let article = format!(r#"{{"paragraphs": {passages}}}"#);
    let lines = |ends: &str| [ROW, EMPTY_ROW, ""].join(ends);
    let renamed = lines("\n")
        .replace("\"answers\": {", "")
        .replace("}}", "}")
        .replace("\"text\"", "\"answers.text\"")
        .replace("\"answer_start\"", "\"answers.answer_start\"");
    let autonlp = renamed
        .replace("answers.text", "answers.ans_text")
        .replace("answers.answer_start", "answers.start_idx");
    let texts = [
        lines("\n"),
        lines("\r\n"),
        format!("\n\n  {ROW}\n\n{EMPTY_ROW}"),
        format!("[{ROW},\n {EMPTY_ROW}]"),
        format!(r#"{{"version": "0.1.0", "data": [{ROW}, {EMPTY_ROW}]}}"#),
        format!("{{\n \"data\": [{ROW}, {EMPTY_ROW}]\n}}\n"),
        renamed,
        autonlp,
        csv.to_owned(),
        csv.replace('\n', "\r\n"),
        passages.to_owned(),
        passages.replace('\n', "")[1..]
            .trim_end_matches(']')
            .to_owned()
            + "\n",
        format!("[{article}]"),
        article.replace('\n', ""),
    ];
    for (number, text) in texts.iter().enumerate() {
        for text in [
            text.clone().into_bytes(),
            [b"\xEF\xBB\xBF", text.as_bytes()].concat(),
        ] {
            let file = QuestionSet::parse(text, "rows", Some(Family::Squad))
                .unwrap_or_else(|error| panic!("{number}: {error}"));
            let all = file.examples(SQUAD).unwrap();
            let [what, who] = all.examples.as_slice() else {
                panic!("{number}: {:?}", all.examples)
            };
            assert_eq!((what.qas_id.as_str(), who.qas_id.as_str()), ("a", "b"));
            assert_eq!(what.answer.as_ref().unwrap().text, "oak");
            assert!(who.is_impossible && !what.is_impossible, "{number}");
            assert_eq!(all.passages.len(), 1);
        }
    }
    let file = QuestionSet::parse(texts[0].as_str(), "rows", None).unwrap();
    assert_eq!(file.summary.form, Form::Rows);
    assert_eq!(file.paragraphs[1].place, Place::Line(2));
    let file = QuestionSet::parse(texts[3].as_str(), "rows", None).unwrap();
    assert_eq!(file.paragraphs[1].place, Place::Row(2));
}

#[test]
fn answers_may_be_lists_beside_each_other_in_squads_document_too() {
    let text = file(
        r#"{"id": "a", "question": "?", "answers": {"text": ["elm", "oak"], "answer_start": [17, 7]}}"#,
    );
    let file = QuestionSet::parse(text, "t.json", None).unwrap();
    let question = file.questions().next().unwrap();
    assert_eq!(
        (question.answers[1].start, question.is_impossible),
        (Some(7), false)
    );
    let odd =
        r#"{"id": "a", "question": "?", "answers": {"text": ["elm"], "answer_start": [17, 7]}}"#;
    let message = error(&self::file(odd), SQUAD);
    assert!(
        message.contains("as many answer_start as text"),
        "{message}"
    );
}

#[test]
fn mrqa_rows_of_datasets_are_mrqa() {
    let row = r#"{"subset": "NewsQA", "context": "An old oak.", "context_tokens": {"tokens": ["An"], "offsets": [0]}, "qid": "m1", "question": "What?", "detected_answers": {"text": ["oak"], "char_spans": [{"start": [7], "end": [9]}], "token_spans": [{"start": [2], "end": [2]}]}, "answers": ["oak"]}"#;
    let file = QuestionSet::parse(row, "t.jsonl", None).unwrap();
    assert_eq!(file.summary.family, Family::Mrqa);
    let question = file.questions().next().unwrap();
    assert_eq!(question.detected[0].char_spans, [[7, 9]]);
    let all = examples(row, "t.jsonl", MRQA).unwrap();
    assert_eq!(all.examples[0].answer.as_ref().unwrap().end_word, 2);
    assert!(error(row, SQUAD).contains("missing field `id`"));
}

#[test]
fn rows_without_ids_are_numbered() {
    let row = ROW.replace("\"id\": \"a\", ", "");
    let file = QuestionSet::parse(format!("{row}\n{EMPTY_ROW}\n{row}"), "t.json", None).unwrap();
    let ids: Vec<&str> = file.questions().map(|q| q.id.as_str()).collect();
    assert_eq!((ids, file.summary.nameless), (vec!["0", "b", "2"], 2));
}

#[test]
fn other_files_are_told_what_they_are() {
    let quac = file(
        r#"{"id": "a", "question": "?", "answers": [{"text": "elm", "answer_start": 17}], "orig_answer": {"text": "elm", "answer_start": 17}}"#,
    );
    for options in [SQUAD, DEV] {
        let message = error(&quac, options);
        assert!(message.contains("electra data quac some.json"), "{message}");
    }
    // Only its questions are requested.
    let test = ReadOptions {
        split: Split::Test,
        ..SQUAD
    };
    assert_eq!(examples(&quac, "t.json", test).unwrap().examples.len(), 1);
    // A file that marks unanswerable questions by the flag was converted.
    let flagged = quac.replace("\"id\"", "\"is_impossible\": false, \"id\"");
    assert_eq!(
        examples(&flagged, "t.json", SQUAD).unwrap().examples.len(),
        1
    );

    let newsqa = "story_id,story_text,question,answer_token_ranges\n";
    assert!(error(newsqa, SQUAD).contains("electra data newsqa some.json"));
    assert!(error("PAR1....", SQUAD).contains(".to_json("));
    assert!(error("<!DOCTYPE html>\n", SQUAD).contains("<!DOCTYPE html>"));
    assert!(error("id\tcontext\n", SQUAD).contains("begins with"));
    let columns = r#"{"id": {"0": "a"}, "context": {"0": "An oak."}, "question": {"0": "?"}}"#;
    assert!(error(columns, SQUAD).contains("orient=\"records\""));
}

#[test]
fn quac_s_word_for_no_answer_is_no_answer_in_other_files_either() {
    let row = r#"{"id": "q7", "context": "It was sold. CANNOTANSWER", "question": "Why?", "answers": {"text": ["CANNOTANSWER"], "answer_start": [13]}}"#;
    let told = row.replace("\"id\"", "\"is_impossible\": false, \"id\"");
    let csv = "id,context,question,answer_text,answer_start\n\
               q7,It was sold. CANNOTANSWER,Why?,CANNOTANSWER,13\n";
    for text in [row, &told, csv, &format!("{ROW}\n{row}")] {
        for options in [SQUAD, DEV] {
            let message = error(text, options);
            assert!(
                message.contains("answer CANNOTANSWER (question q7)")
                    && message.contains("electra data quac some.json"),
                "{message}"
            );
        }
    }
    // As one of several annotators' answers it remains what its converter leaves.
    let several = row.replace("[\"CANNOTANSWER\"]", "[\"sold\", \"CANNOTANSWER\"]");
    let several = several.replace("[13]", "[7, 13]");
    assert!(examples(&several, "t.json", DEV).is_ok());
}

#[test]
fn archives_are_read_as_what_they_hold() {
    let gzip = |text: &str| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    for text in [
        file(ANSWERED),
        format!("{HEADER}\n{ENTRY}\n"),
        ROW.to_owned(),
    ] {
        let plain = QuestionSet::parse(text.as_str(), "f", None).unwrap();
        assert_eq!(QuestionSet::parse(gzip(&text), "f", None).unwrap(), plain);
    }
}

/// Lines of several blocks come in order, and blank ones cost nothing.
#[test]
fn long_files_are_read_in_blocks() {
    let mut text = format!("{HEADER}\n");
    for number in 0..3 {
        text += &ENTRY.replace("m1", &format!("m{number}"));
        text += &"\n \r\n".repeat(1 << 20);
    }
    let file = QuestionSet::parse(text, "t.jsonl", None).unwrap();
    let found: Vec<_> = file.paragraphs.iter().map(|p| p.place).collect();
    let line = |number: usize| Place::Line(2 + number * (2 << 20));
    assert_eq!(found, [line(0), line(1), line(2)]);
    let ids: Vec<&str> = file.questions().map(|q| q.id.as_str()).collect();
    assert_eq!(ids, ["m0", "m1", "m2"]);
}

#[test]
fn the_first_questions_are_kept_with_their_passages() {
    let question = |id: &str| format!(r#"{{"id": "{id}", "question": "?", "answers": []}}"#);
    let paragraph = |ids: &[&str]| {
        let qas: Vec<String> = ids.iter().map(|id| question(id)).collect();
        format!(
            r#"{{"context": "An oak {}.", "qas": [{}]}}"#,
            ids.len(),
            qas.join(",")
        )
    };
    let paragraphs = [&["a", "b"][..], &[], &["c", "d", "e"], &["f"]].map(paragraph);
    let text = format!(
        r#"{{"data": [{{"paragraphs": [{}]}}]}}"#,
        paragraphs.join(",")
    );
    let all = QuestionSet::parse(text, "dev.json", None).unwrap();
    for (most, left, passages) in [
        (Some(1), "a", 1),
        (Some(2), "ab", 1),
        (Some(3), "abc", 2),
        (Some(5), "abcde", 2),
        (Some(6), "abcdef", 4),
        (None, "abcdef", 4),
    ] {
        let mut kept = all.clone();
        let taken = kept.keep_first(most);
        let ids: String = kept
            .questions()
            .map(|question| question.id.as_str())
            .collect();
        assert_eq!((ids.as_str(), kept.paragraphs.len()), (left, passages));
        let expected = most.filter(|&most| most < 6);
        assert_eq!(taken, expected.map(|first| Taken { first, of: 6 }));
    }
}
