//! Files of questions in any form: SQuAD's document, rows as JSON or csv, MRQA's lines.
//!
//! [`question_reader`] passes on one [`paragraph`] at a time; [`question_set`] holds a whole file,
//! read once, and examples, gold answers and analyses are views of it.

mod csv_rows;
mod facts;
mod first_line;
mod json_answer;
mod json_error;
mod json_form;
mod json_key;
mod json_lines;
mod json_question;
mod json_value;
pub mod paragraph;
mod python_literal;
pub mod question_reader;
pub mod question_set;
pub mod summary;
