//! A file of questions as raw items, alongside what the question reader makes of it.

use std::{borrow::Cow, collections::HashSet, ops::Range, path::Path};

use serde_json::{Map, Value};

use super::{
    error::Error,
    item_file::{Body, Frame, Item, ItemFile, Layout},
};
use crate::tasks::qa::raw::{
    paragraph::{Paragraph, Question},
    question_set::QuestionSet,
};

/// A file of questions. Passages and questions are numbered across the whole file.
#[derive(Debug)]
pub(super) struct QuestionItems {
    pub set: QuestionSet,
    pub frame: Frame,
    /// The header before MRQA's lines.
    pub header: Option<Item>,
    items: Vec<Item>,
    /// Index of each item's first passage, followed by the total.
    passages: Vec<usize>,
    /// Index of each passage's first question, followed by the total.
    questions: Vec<usize>,
}

impl QuestionItems {
    /// # Errors
    /// If the file cannot be read, is malformed, or cannot be written again as it is.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let set = QuestionSet::read(path, None)?;
        let mut file = ItemFile::read(path, Layout::Questions)?;
        let has_header = file.frame == Frame::JsonLines
            && file.items.first().is_some_and(|item| is_header(&item.body));
        let header = has_header.then(|| file.items.remove(0));
        let mut passages = vec![0];
        let mut counts = Vec::new();
        for item in &file.items {
            counts.extend(question_counts(&item.body));
            passages.push(counts.len());
        }
        // Both have read the same bytes; this guards against a form that only one of them knows.
        if !counts
            .iter()
            .copied()
            .eq(set.paragraphs.iter().map(|p| p.questions.len()))
        {
            return Err(Error::NotAsItIs {
                file: set.file,
                found: "keys that stand twice in an object, or several files in one".to_owned(),
            });
        }
        let mut questions = vec![0];
        for count in counts {
            questions.push(questions[questions.len() - 1] + count);
        }
        Ok(Self {
            set,
            frame: file.frame,
            header,
            items: file.items,
            passages,
            questions,
        })
    }

    /// Returns the number of questions.
    pub fn count(&self) -> usize {
        self.questions[self.questions.len() - 1]
    }

    /// Iterates over the questions with their passages, in order.
    pub fn all(&self) -> impl Iterator<Item = (&Question, &Paragraph)> {
        let passages = self.set.paragraphs.iter();
        passages.flat_map(|passage| passage.questions.iter().map(move |one| (one, passage)))
    }

    /// Returns the article of each question: its index, or the title of a row or passage; `None` if
    /// the file has neither.
    pub fn articles(&self) -> Option<Vec<Cow<'_, str>>> {
        let title_column = match &self.frame {
            Frame::Csv(Some(names)) => names.iter().position(|name| name.trim() == "title"),
            _ => None,
        };
        let mut articles = Vec::with_capacity(self.count());
        for (number, item) in self.items.iter().enumerate() {
            let article: Cow<'_, str> = match &item.body {
                Body::Json(Value::Object(one)) if one.contains_key("paragraphs") => {
                    number.to_string().into()
                }
                Body::Json(one) => one.get("title")?.as_str()?.into(),
                Body::Cells(cells) => cells.get(title_column?)?.into(),
                Body::Text(_) => return None,
            };
            let questions = self.of_item(number);
            articles.extend(questions.map(|_| article.clone()));
        }
        Some(articles)
    }

    /// Returns the questions of an item.
    fn of_item(&self, item: usize) -> Range<usize> {
        self.questions[self.passages[item]]..self.questions[self.passages[item + 1]]
    }

    /// Returns the items, restricted to the questions whose index `keep` accepts; with `bare`, also
    /// those that never had questions.
    pub fn kept<'a>(
        &'a self,
        keep: &'a dyn Fn(usize) -> bool,
        bare: bool,
    ) -> impl Iterator<Item = Cow<'a, Body>> {
        let header = self.header.iter().map(|item| Cow::Borrowed(&item.body));
        let items = self.items.iter().enumerate();
        header.chain(items.filter_map(move |(number, item)| {
            let mut questions = self.of_item(number);
            let (all, any) = (questions.clone().all(keep), questions.any(keep));
            match (all, any) {
                (true, true) => Some(Cow::Borrowed(&item.body)),
                (true, false) if bare => Some(Cow::Borrowed(&item.body)),
                (false, true) => Some(Cow::Owned(self.part(number, keep, bare))),
                _ => None,
            }
        }))
    }

    /// Returns an article or a passage without some of its questions.
    fn part(&self, number: usize, keep: &dyn Fn(usize) -> bool, bare: bool) -> Body {
        let mut body = self.items[number].body.clone();
        let mut passage = self.passages[number];
        let mut of_passage = |one: &mut Value| {
            let mut question = self.questions[passage];
            passage += 1;
            if let Some(Value::Array(questions)) = one.get_mut("qas") {
                let had_any = !questions.is_empty();
                questions.retain(|_| {
                    question += 1;
                    keep(question - 1)
                });
                return if had_any { !questions.is_empty() } else { bare };
            }
            bare
        };
        if let Body::Json(one) = &mut body {
            match one.get_mut("paragraphs") {
                Some(Value::Array(passages)) => passages.retain_mut(of_passage),
                _ => {
                    of_passage(one);
                }
            }
        }
        body
    }

    /// Changes the id of a question.
    pub fn rename(&mut self, question: usize, id: &str) {
        let passage = self.questions.partition_point(|first| *first <= question) - 1;
        let item = self.passages.partition_point(|first| *first <= passage) - 1;
        let (of_item, of_passage) = (
            passage - self.passages[item],
            question - self.questions[passage],
        );
        let key = self.set.summary.family.id_key();
        let column = match &self.frame {
            Frame::Csv(Some(names)) => names.iter().position(|name| name.trim() == "id"),
            _ => None,
        };
        match &mut self.items[item].body {
            Body::Json(one) => {
                if let Some(one) = question_of(one, of_item, of_passage) {
                    one.insert(key.to_owned(), id.into());
                }
            }
            Body::Cells(cells) => {
                if let Some(cell) = column.and_then(|column| cells.get_mut(column)) {
                    id.clone_into(cell);
                }
            }
            Body::Text(_) => {}
        }
        if let Some(question) = self.set.paragraphs[passage].questions.get_mut(of_passage) {
            id.clone_into(&mut question.id);
        }
    }

    /// Returns whether the questions have ids of their own; rows without ids are identified by
    /// number.
    pub fn has_ids(&self) -> bool {
        self.set.summary.nameless < self.count()
    }

    /// Returns the distinct passages of the questions that `keep` accepts.
    pub fn passages_of(&self, keep: &dyn Fn(usize) -> bool) -> HashSet<&str> {
        let all = self.all().enumerate().filter(|(number, _)| keep(*number));
        all.map(|(_, (_, passage))| passage.context.as_str())
            .collect()
    }
}

/// Returns whether this is the header line before MRQA's passages.
fn is_header(body: &Body) -> bool {
    match body {
        Body::Json(one) => {
            let has = |key: &str| one.get(key).is_some();
            has("header") && !["qas", "paragraphs", "question"].iter().any(|key| has(key))
        }
        _ => false,
    }
}

/// Returns the number of questions of each passage of an item.
fn question_counts(body: &Body) -> Vec<usize> {
    let count = |one: &Value| match one.get("qas") {
        Some(Value::Array(questions)) => questions.len(),
        _ => 1,
    };
    match body {
        Body::Json(one) => match one.get("paragraphs") {
            Some(Value::Array(passages)) => passages.iter().map(count).collect(),
            _ => vec![count(one)],
        },
        _ => vec![1],
    }
}

fn question_of(
    one: &mut Value,
    passage: usize,
    question: usize,
) -> Option<&mut Map<String, Value>> {
    let passage = match one.get("paragraphs").is_some() {
        true => one.get_mut("paragraphs")?.get_mut(passage)?,
        false => one,
    };
    let question = match passage.get("qas").is_some() {
        true => passage.get_mut("qas")?.get_mut(question)?,
        false => passage,
    };
    question.as_object_mut()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tasks::data_files::item_file::write;

    fn read(name: &str, text: &str) -> QuestionItems {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        QuestionItems::read(&path).unwrap()
    }

    fn written(file: &QuestionItems, keep: &[usize], bare: bool) -> String {
        let mut out = Vec::new();
        let keep = |number: usize| keep.contains(&number);
        write(&file.frame, file.kept(&keep, bare), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    const DOCUMENT: &str = concat!(
        r#"{"version": "v2.0", "data": [{"title":"T","paragraphs":[{"context":"An oak.","qas":["#,
        r#"{"id":"a","question":"A?","answers":[]},{"id":"b","question":"B?","answers":[]}]},"#,
        r#"{"context":"Bare.","qas":[]},"#,
        r#"{"context":"An elm.","qas":[{"id":"c","question":"C?","answers":[]}]}]},"#,
        r#"{"title":"U","paragraphs":[{"context":"An oak.","qas":[{"id":"d","question":"D?","answers":[]}]}]}]}"#,
    );

    #[test]
    fn parts_of_a_document_keep_its_form() {
        let file = read("a.json", DOCUMENT);
        assert_eq!(file.count(), 4);
        assert_eq!(file.articles().unwrap(), ["0", "0", "0", "1"]);
        let ids: Vec<&str> = file
            .all()
            .map(|(question, _)| question.id.as_str())
            .collect();
        assert_eq!(ids, ["a", "b", "c", "d"]);
        assert_eq!(file.passages_of(&|number| number != 2).len(), 1);
        assert_eq!(
            written(&file, &[1, 3], false),
            concat!(
                "{\"version\": \"v2.0\", \"data\": [\n",
                r#"{"title":"T","paragraphs":[{"context":"An oak.","qas":[{"id":"b","question":"B?","answers":[]}]}]},"#,
                "\n",
                r#"{"title":"U","paragraphs":[{"context":"An oak.","qas":[{"id":"d","question":"D?","answers":[]}]}]}"#,
                "\n]}\n"
            )
        );
        let other = written(&file, &[0, 2], true);
        assert!(
            other.contains("Bare.") && !other.contains("\"U\""),
            "{other}"
        );
        // All questions together give the original file.
        let all: Value = serde_json::from_str(&written(&file, &[0, 1, 2, 3], true)).unwrap();
        assert_eq!(all, serde_json::from_str::<Value>(DOCUMENT).unwrap());
    }

    #[test]
    fn rows_and_lines_are_parted_and_renamed() {
        let mut rows = read(
            "a.csv",
            "id,title,context,question,answers\nx,T,An oak.,What?,\ny,U,An elm.,Which?,\n",
        );
        assert_eq!(rows.articles().unwrap(), ["T", "U"]);
        rows.rename(1, "y-2");
        assert_eq!(
            written(&rows, &[1], true),
            "id,title,context,question,answers\ny-2,U,An elm.,Which?,\n"
        );
        let header = r#"{"header":{"dataset":"X"}}"#;
        let line = |context: &str, qas: &str| format!(r#"{{"context":"{context}","qas":[{qas}]}}"#);
        let question = |id: &str| {
            format!(r#"{{"qid":"{id}","question":"Q?","answers":[],"detected_answers":[]}}"#)
        };
        let first = line("An oak.", &[question("1"), question("2")].join(","));
        let second = line("An elm.", &question("3"));
        let text = format!("{header}\n{first}\n{second}\n");
        let mut lines = read("a.jsonl", &text);
        assert!(lines.articles().is_none());
        assert_eq!(written(&lines, &[0, 1, 2], true), text);
        assert_eq!(
            written(&lines, &[2], false),
            format!("{header}\n{second}\n")
        );
        lines.rename(1, "new");
        let part = line("An oak.", &question("new"));
        assert_eq!(written(&lines, &[1], false), format!("{header}\n{part}\n"));
        assert_eq!(lines.all().nth(1).unwrap().0.id, "new");
    }
}
