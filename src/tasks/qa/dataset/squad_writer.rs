//! Writes SQuAD 2.0 JSON paragraph by paragraph, so that memory does not grow with the file.
//!
//! The layout is that of Python's `json.dump(…, indent=2, sort_keys=True, ensure_ascii=False)`,
//! with every paragraph as its own article: the form of the converters that this follows.

use std::io::{self, Write};

use serde::Serialize;

use crate::tasks::qa::raw::paragraph;

/// An answer at its position in the passage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// Code points before it.
    pub answer_start: usize,
    pub text: String,
}

/// A question with its answers; none if it is impossible.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Question {
    pub answers: Vec<Answer>,
    /// QuAC's flags, if the source has them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub followup: Option<String>,
    pub id: String,
    pub is_impossible: bool,
    pub question: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub yesno: Option<String>,
}

impl Question {
    /// Creates a question from that of a data file, with those of its answers that are in the
    /// passage.
    pub fn new(question: &paragraph::Question, answers: Vec<Answer>) -> Self {
        Self {
            answers,
            followup: question.followup.clone(),
            id: question.id.clone(),
            is_impossible: question.is_impossible,
            question: question.text.clone(),
            yesno: question.yesno.clone(),
        }
    }
}

/// A passage and questions on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Paragraph<'a> {
    pub context: &'a str,
    /// Its position in the source, for example `line 3`.
    #[serde(skip)]
    pub place: &'a str,
    pub qas: Vec<Question>,
}

#[derive(Serialize)]
struct Article<'a> {
    paragraphs: [&'a Paragraph<'a>; 1],
}

/// Writes the articles of one file.
pub struct SquadWriter<'a> {
    out: &'a mut dyn Write,
    articles: usize,
}

impl<'a> SquadWriter<'a> {
    /// # Errors
    /// If writing to `out` fails, here and below.
    pub fn new(out: &'a mut dyn Write) -> io::Result<Self> {
        out.write_all(b"{\n  \"data\": [")?;
        Ok(Self { out, articles: 0 })
    }

    /// Adds a paragraph as its own article.
    pub fn paragraph(&mut self, paragraph: &Paragraph<'_>) -> io::Result<()> {
        if self.articles > 0 {
            self.out.write_all(b",")?;
        }
        self.articles += 1;
        let article = Article {
            paragraphs: [paragraph],
        };
        // JSON escapes line breaks in strings, so each of these lines belongs to the layout.
        for line in serde_json::to_string_pretty(&article)?.split('\n') {
            write!(self.out, "\n    {line}")?;
        }
        Ok(())
    }

    /// Completes the file.
    pub fn finish(self) -> io::Result<()> {
        let end = if self.articles > 0 { "\n  ]" } else { "]" };
        write!(self.out, "{end},\n  \"version\": \"2.0\"\n}}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(paragraphs: &[Paragraph<'_>]) -> String {
        let mut bytes = Vec::new();
        let mut writer = SquadWriter::new(&mut bytes).unwrap();
        for paragraph in paragraphs {
            writer.paragraph(paragraph).unwrap();
        }
        writer.finish().unwrap();
        String::from_utf8(bytes).unwrap()
    }

    /// Equal to the output of Python's `json.dump` for the same values.
    #[test]
    fn the_layout_is_that_of_python() {
        let question = Question {
            answers: vec![Answer {
                answer_start: 4,
                text: "\"é\"".to_owned(),
            }],
            followup: None,
            id: "q".to_owned(),
            is_impossible: false,
            question: "Line\nbreak?".to_owned(),
            yesno: Some("x".to_owned()),
        };
        let impossible = Question {
            answers: Vec::new(),
            is_impossible: true,
            yesno: None,
            ..question.clone()
        };
        let expected = r#"{
  "data": [
    {
      "paragraphs": [
        {
          "context": "An \"é\"",
          "qas": [
            {
              "answers": [
                {
                  "answer_start": 4,
                  "text": "\"é\""
                }
              ],
              "id": "q",
              "is_impossible": false,
              "question": "Line\nbreak?",
              "yesno": "x"
            }
          ]
        }
      ]
    },
    {
      "paragraphs": [
        {
          "context": "",
          "qas": [
            {
              "answers": [],
              "id": "q",
              "is_impossible": true,
              "question": "Line\nbreak?"
            }
          ]
        }
      ]
    }
  ],
  "version": "2.0"
}"#;
        let first = Paragraph {
            context: "An \"é\"",
            place: "line 1",
            qas: vec![question],
        };
        let second = Paragraph {
            context: "",
            place: "line 2",
            qas: vec![impossible],
        };
        assert_eq!(written(&[first, second]), expected);
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&written(&[])).unwrap(),
            serde_json::json!({"data": [], "version": "2.0"})
        );
    }
}
