//! Chooses column names for the files that are written.

use crate::tasks::description::{Column, Description};

/// Default names of the columns of text, second text, label and id.
const USUAL: [&str; 4] = ["text", "text_b", "label", "id"];

/// A name for each of the columns of text, second text, label and id.
type Names = [Option<String>; 4];

/// Returns the names of the columns that are `there`: those `found` in the user's own table, so
/// that more rows of it can be answered unchanged. A table without a header, or with one name for
/// two of the columns, gets the names that were `given`, or else the defaults.
pub(super) fn column_names(
    found: Option<Names>,
    given: &Description,
    there: [bool; 4],
) -> [Option<Column>; 4] {
    let given = [&given.text, &given.text_b, &given.label, &given.id];
    let given: Names = given.map(|column| match column {
        Some(Column::Name(name)) => Some(name.clone()),
        _ => None,
    });
    let filled = |names: Names| -> Names {
        let mut columns = there.iter().zip(USUAL);
        names.map(|name| {
            let (there, usual) = columns.next()?;
            there.then(|| name.unwrap_or_else(|| usual.to_owned()))
        })
    };
    let mut all = found.into_iter().chain([given]).map(filled);
    let names = all
        .find(are_distinct)
        .unwrap_or_else(|| filled(Names::default()));
    names.map(|name| name.map(Column::Name))
}

fn are_distinct(names: &Names) -> bool {
    let names: Vec<&String> = names.iter().flatten().collect();
    (1..names.len()).all(|at| !names[..at].contains(&names[at]))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::{Request, write_texts};
    use super::*;
    use crate::tasks::description::Kind;

    /// Writes a table's task folder; returns `task.json` without kind, labels and range, and the
    /// rows.
    fn written(name: &str, table: &str, columns: &str) -> (Value, Vec<Value>) {
        let folder = tempfile::tempdir().unwrap();
        let train = folder.path().join(name);
        std::fs::write(&train, table).unwrap();
        let task = folder.path().join("mine");
        let request = Request {
            train,
            dev: None,
            test: None,
            folder: task.clone(),
            dev_share: None,
            seed: 1,
        };
        let columns = format!("{{\"kind\": \"classification\"{columns}}}");
        let columns = Description::parse(&columns, "flags").unwrap();
        write_texts(&request, &columns, None).unwrap();
        let description = Description::read(&task).unwrap();
        let rows = std::fs::read_to_string(task.join("train.jsonl")).unwrap();
        let rows = rows.lines().map(|row| serde_json::from_str(row).unwrap());
        (
            Value::Object(description.columns().unwrap()),
            rows.collect(),
        )
    }

    #[test]
    fn the_columns_keep_the_names_of_the_table() {
        let films = "nr,body,grade\n1,a film,good\n2,the film,bad\n";
        for columns in [
            r#", "text": 1, "label": 2, "header": true"#,
            r#", "text": "body", "label": 2, "header": true"#,
            r#", "text": "body", "label": "grade""#,
        ] {
            let (names, rows) = written("films.csv", films, columns);
            assert_eq!(
                names,
                json!({"text": "body", "label": "grade"}),
                "{columns}"
            );
            assert_eq!(
                rows,
                [
                    json!({"body": "a film", "grade": "good"}),
                    json!({"body": "the film", "grade": "bad"}),
                ]
            );
        }
        let (names, rows) = written("films.csv", films, r#", "text": 1, "label": 2, "id": "nr""#);
        assert_eq!(names, json!({"text": "body", "label": "grade", "id": "nr"}));
        assert_eq!(
            rows[1],
            json!({"body": "the film", "grade": "bad", "nr": "2"})
        );
    }

    #[test]
    fn names_that_were_looked_for_are_kept() {
        let pairs = "sentence1\tsentence2\tscore\na\tb\t0.5\nc\td\t4\n";
        let (names, rows) = written("pairs.tsv", pairs, "");
        assert_eq!(
            names,
            json!({"text": "sentence1", "text_b": "sentence2", "label": "score"})
        );
        assert_eq!(
            rows[0],
            json!({"sentence1": "a", "sentence2": "b", "score": "0.5"})
        );
        let reviews = "{\"label\": 1, \"review\": \"a\"}\n{\"label\": 0, \"review\": \"b\"}\n";
        let (names, rows) = written("reviews.jsonl", reviews, "");
        assert_eq!(names, json!({"text": "review", "label": "label"}));
        assert_eq!(rows[0], json!({"review": "a", "label": "1"}));
    }

    #[test]
    fn a_table_without_names_of_its_own_gets_the_usual_ones() {
        let headless = r#", "text": 0, "label": 1, "header": false"#;
        let (names, rows) = written("films.csv", "a,good\nb,bad\n", headless);
        assert_eq!(names, json!({"text": "text", "label": "label"}));
        assert_eq!(rows[0], json!({"text": "a", "label": "good"}));
        let twice = r#", "text": 0, "label": 1, "header": true"#;
        let (names, rows) = written("films.csv", "x,x\na,good\nb,bad\n", twice);
        assert_eq!(names, json!({"text": "text", "label": "label"}));
        assert_eq!(rows[1], json!({"text": "b", "label": "bad"}));
    }

    #[test]
    fn no_two_columns_are_called_alike() {
        let given = Description {
            id: Some(Column::Name("label".to_owned())),
            ..Description::of(Kind::Classification)
        };
        let found = ["x", "x", "y", "label"].map(|name| Some(name.to_owned()));
        let names = column_names(Some(found), &given, [true; 4]);
        let usual = USUAL.map(|name| Some(Column::Name(name.to_owned())));
        assert_eq!(names, usual);
    }
}
