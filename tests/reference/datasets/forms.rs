//! Tests rows and passages in SQuAD's format, converted and checked, and files that are large,
//! special or of another program.

use super::*;

const CONTEXT: &str = "The old mill at Bramley was built in 1742 by Peter Voss.";

fn row(id: &str, question: &str, texts: Value, starts: Value) -> Value {
    json!({"id": id, "title": "T", "context": CONTEXT, "question": question,
        "answers": {"text": texts, "answer_start": starts}})
}

fn rows() -> [Value; 3] {
    [
        row("a", "Who built it?", json!(["Peter Voss"]), json!([45])),
        row(
            "b",
            "When was it built?",
            json!(["1742", "in 1742"]),
            json!([37, 34]),
        ),
        row("c", "Who sold it?", json!([]), json!([])),
    ]
}

fn lines() -> String {
    rows().map(|row| row.to_string() + "\n").concat()
}

/// Returns the rows in SQuAD 2.0's format.
fn expected() -> Value {
    let question = |id: &str, question: &str, answers: Value| {
        let impossible = answers.as_array().unwrap().is_empty();
        json!({"id": id, "question": question, "answers": answers, "is_impossible": impossible})
    };
    let answer = |text: &str, start: usize| json!({"text": text, "answer_start": start});
    json!({"data": [{"paragraphs": [{"context": CONTEXT, "qas": [
        question("a", "Who built it?", json!([answer("Peter Voss", 45)])),
        question("b", "When was it built?", json!([answer("1742", 37), answer("in 1742", 34)])),
        question("c", "Who sold it?", json!([])),
    ]}]}], "version": "2.0"})
}

#[test]
fn rows_become_squad_2() {
    let csv = {
        let mut csv = csv::Writer::from_writer(Vec::new());
        csv.write_record(["", "id", "context", "question", "answers"])
            .unwrap();
        for (number, row) in rows().iter().enumerate() {
            let text = |key: &str| row[key].as_str().unwrap().to_owned();
            let answers = &row["answers"];
            let answers = format!(
                "{{'text': array({}, dtype=object), 'answer_start': array({}, dtype=int32)}}",
                answers["text"].to_string().replace('"', "'"),
                answers["answer_start"]
            );
            let cells = [
                number.to_string(),
                text("id"),
                text("context"),
                text("question"),
                answers,
            ];
            csv.write_record(cells).unwrap();
        }
        String::from_utf8(csv.into_inner().unwrap()).unwrap()
    };
    for text in [
        lines(),
        json!(rows()).to_string(),
        json!({"version": "0.1.0", "data": rows()}).to_string(),
        csv,
        expected()["data"][0]["paragraphs"].to_string(),
        expected().to_string(),
    ] {
        let (squad, dropped) = made(Source::Squad, &text);
        assert_eq!(squad, expected(), "{text}");
        assert_eq!(dropped, json!({"questions": {}, "answers": {}}));
        assert_placed(&squad);
    }
    let folder = Folder::new();
    let packed = folder.with("rows.jsonl.gz", gzip(lines().as_bytes()));
    assert_eq!(converted(Source::Squad, &packed).0, expected());
    // The archive is used in place of the missing file.
    let (squad, _) = converted(Source::Squad, &folder.path("rows.jsonl"));
    assert_eq!(squad, expected());
}

#[test]
fn conversion_to_squad_says_what_it_leaves_out() {
    let mut texts = rows().to_vec();
    texts.push(row("a", "Again?", json!([]), json!([])));
    texts.push(row("blank", " ", json!([]), json!([])));
    texts.push(row("moved", "Who?", json!(["Peter Voss"]), json!([44])));
    texts.push(row("past", "Who?", json!(["Peter Voss"]), json!([450])));
    texts.push(row("nowhere", "Who?", json!(["Peter Voss"]), json!(null)));
    texts.push(row("case", "Who?", json!(["peter voss"]), json!([45])));
    let mut both = row("both", "Who?", json!(["Peter Voss"]), json!([45]));
    both["is_impossible"] = json!(true);
    texts.push(both);
    let (squad, dropped) = made(Source::Squad, &json!(texts).to_string());
    assert_placed(&squad);
    let kept = questions(&squad);
    let ids: Vec<_> = kept
        .iter()
        .map(|(_, q)| q["id"].as_str().unwrap())
        .collect();
    assert_eq!(ids, ["a", "b", "c", "case", "both"]);
    assert_eq!(kept[3].1["answers"][0]["text"], "Peter Voss");
    assert_eq!(kept[4].1["is_impossible"], true);
    assert_eq!(
        dropped,
        json!({
            "questions": {
                "empty_question": example("blank", "row 5"),
                "repeated_id": example("a", "row 4"),
                "no_place": example("nowhere", "row 8"),
                "outside_passage": example("past", "row 7"),
                "not_at_place": example("moved", "row 6"),
            },
            "answers": {
                "no_place": example("nowhere", "row 8"),
                "outside_passage": example("past", "row 7"),
                "not_at_place": example("moved", "row 6"),
                "impossible": example("both", "row 10"),
            },
        })
    );
}

#[test]
fn rows_of_csv_without_answers_are_impossible() {
    for columns in [
        "answers\na,Who?,\"{'text': ['mill'], 'answer_start': [8]}\"\nb,When?,\n",
        "answer_text,answer_start\na,Who?,mill,8\nb,When?,,\n",
    ] {
        let rows = format!("id,question,{columns}").replace("?,", "?,The old mill.,");
        let rows = rows.replacen("question,", "question,context,", 1);
        let folder = Folder::new();
        let (squad, conversion) = converted(Source::Squad, &folder.with("rows.csv", &rows));
        assert_placed(&squad);
        let written = (conversion.written.answerable, conversion.written.impossible);
        assert_eq!(written, (1, 1), "{rows}");
    }
}

/// QuAC's file without the key by which its own readers recognise it.
#[test]
fn quac_is_known_by_its_word_for_no_answer() {
    let folder = Folder::new();
    let whole = fs::read_to_string(golden("dataset/quac.json")).unwrap();
    let stripped = folder.with("c.json", whole.replace("\"orig_answer\"", "\"orig\""));
    let message = convert(Source::Squad, &stripped, &folder.path("out.json"))
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("electra data quac") && message.contains("(question C_e25"),
        "{message}"
    );

    let (code, found, stderr) = checked(&stripped, &[]);
    assert_eq!((code, &found["errors"]), (Some(2), &json!(3)), "{stderr}");
    let problem = &found["problems"][0];
    assert_eq!(problem["kind"], "cannot_answer");
    assert_eq!(problem["place"], "article 1, paragraph 1");

    // The message's advice works: each question has one answer, which is the dialogue's.
    let (squad, conversion) = converted(QUAC, &stripped);
    let written = conversion.written;
    assert_eq!((written.answerable, written.impossible), (9, 3));
    assert_eq!(written.answers, 9);
    assert_placed(&squad);

    // If annotators disagree, it is unknown with which answer the dialogue continued.
    let mixed = json!({"data": [dialogue("An oak. CANNOTANSWER", &[
        ("a", "What?", &[("oak", 3), ("CANNOTANSWER", 8)], ("oak", 3)),
    ])]});
    let mixed = mixed.to_string().replace("\"orig_answer\"", "\"orig\"");
    let message = convert(
        QUAC,
        &folder.with("mixed.json", mixed),
        &folder.path("out.json"),
    )
    .unwrap_err()
    .to_string();
    assert!(
        message.contains("question a: expected QuAC's \"orig_answer\"")
            && message.contains("some say CANNOTANSWER"),
        "{message}"
    );
}

#[test]
fn an_annotator_s_word_for_no_answer_does_not_stand_in_for_a_misplaced_answer() {
    let file = json!({"data": [dialogue("An oak. CANNOTANSWER", &[
        ("a", "What?", &[("CANNOTANSWER", 8)], ("oak", 4)),
        ("b", "What?", &[("CANNOTANSWER", 8)], ("oak", 3)),
    ])]});
    let (squad, dropped) = made(QUAC, &file.to_string());
    assert_eq!(questions(&squad).len(), 1);
    assert_eq!(questions(&squad)[0].1["id"], "b");
    assert_eq!(
        dropped["questions"],
        json!({"not_at_place": example("a", "article 1, turn 1")})
    );
}

#[test]
fn other_data_sets_are_not_taken_for_squad() {
    let folder = Folder::new();
    let output = folder.path("out.json");
    let quac = golden("dataset/quac.json");
    let told = |input: &Path| {
        convert(Source::Squad, input, &output)
            .unwrap_err()
            .to_string()
    };
    assert!(told(&quac).contains("electra data quac"), "{}", told(&quac));
    let newsqa = golden("dataset/newsqa.csv");
    assert!(told(&newsqa).contains("electra data newsqa"));
    let mrqa = folder.with("lines.jsonl", mrqa_lines());
    assert!(told(&mrqa).contains("MRQA"), "{}", told(&mrqa));
    let parquet = folder.with("train.parquet", "PAR1....");
    assert!(told(&parquet).contains(".to_json("));
    assert!(!output.exists());
}

#[test]
fn rows_are_checked_as_what_they_are() {
    let folder = Folder::new();
    let (code, found, stderr) = checked(&folder.with("rows.json", lines()), &[]);
    assert_eq!(
        (code, &found["problems"]),
        (Some(0), &json!([])),
        "{stderr}"
    );
    assert_eq!(found["format"], "SQuAD 2.0, rows");
    let keys = [
        "passages",
        "questions",
        "answerable",
        "impossible",
        "answers",
    ];
    let counts = keys.map(|key| found[key].as_u64().unwrap());
    assert_eq!(counts, [1, 3, 2, 1, 3]);
    assert_eq!(found.get("articles"), None);

    let told = electra_data(&[
        "squad",
        folder.path("rows.json").to_str().unwrap(),
        folder.path("out.json").to_str().unwrap(),
    ]);
    assert_eq!(told.status.code(), Some(0));
    assert!(
        stdout(&told).contains("3 questions on 1 passage: 2 answerable, 1 impossible, 3 answers"),
        "{}",
        stdout(&told)
    );
}

#[test]
fn a_vocabulary_of_another_language_is_told() {
    let folder = Folder::new();
    let vocab = "[PAD]\n[UNK]\n[CLS]\n[SEP]\nthe\nold\nmill\nwho\n?\n.\n";
    let vocab = folder.with("vocab.txt", vocab);
    let rows = folder.with("rows.json", lines());
    let (code, found, _) = checked(&rows, &["--vocab", vocab.to_str().unwrap()]);
    assert_eq!((code, &found["warnings"]), (Some(0), &json!(1)));
    assert_eq!(found["problems"][0]["kind"], "foreign_vocabulary");
    // Thirteen tokens per passage, of which four are in the vocabulary, and the questions' words.
    let tokens = 3 * 13 + 4 + 5 + 4;
    let unknown = 3 * 9 + 2 + 4 + 2;
    assert_eq!(
        found["tokens"],
        json!({"tokens": tokens, "unknown": unknown})
    );
    let arguments = [
        "check",
        rows.to_str().unwrap(),
        "--vocab",
        vocab.to_str().unwrap(),
    ];
    let text = stdout(&electra_data(&arguments));
    let line = format!("{:32}{unknown:>8} of {tokens}", "tokens that are [UNK]");
    assert!(text.contains(&line), "{text}");
}

#[test]
fn newsqa_questions_without_answer_are_impossible() {
    let csv = "story_id,story_text,question,answer_token_ranges\r\n\
        ./s/a.story,The old mill .,What ?,2:3\r\n\
        ./s/a.story,The old mill .,Which ?,-1:-1\r\n\
        ./s/a.story,The old mill .,Who ?,None\r\n";
    let (squad, dropped) = made(Source::NewsQa, csv);
    assert_placed(&squad);
    let impossible: Vec<_> = questions(&squad)
        .iter()
        .map(|(_, question)| question["is_impossible"].clone())
        .collect();
    assert_eq!(impossible, [json!(false), json!(true)]);
    assert_eq!(
        dropped["questions"]["bad_range"]["examples"][0]["place"],
        "line 4"
    );
    let folder = Folder::new();
    let good = csv.lines().take(3).collect::<Vec<_>>().join("\r\n");
    let (code, found, _) = checked(&folder.with("n.csv", good), &[]);
    assert_eq!((code, &found["impossible"]), (Some(0), &json!(1)));
}

/// SQuAD's files are a single line of any length.
#[test]
fn a_document_may_be_one_line_of_any_length() {
    let folder = Folder::new();
    let context = "Ada wrote it in London. ".repeat(4000);
    let mut text = String::from("{\"data\": [{\"paragraphs\": [");
    for number in 0..720 {
        let separator = if number > 0 { "," } else { "" };
        text += &format!(
            "{separator}{{\"context\": \"{context}{number}\", \"qas\": [{{\"id\": \"q{number}\", \
             \"question\": \"Who wrote it?\", \"answers\": [{{\"text\": \"Ada\", \"answer_start\": 0}}]}}]}}"
        );
    }
    text += "]}], \"version\": \"v2.0\"}";
    assert!(text.len() > 64 << 20);
    let path = folder.with("one.json", text);
    let output = folder.path("out.json");
    let conversion = convert(Source::Squad, &path, &output).unwrap();
    assert_eq!(conversion.written.questions, 720);
}
