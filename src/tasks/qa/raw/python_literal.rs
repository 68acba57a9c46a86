//! Parses values as Python prints them into a csv cell: `{'text': array(['An oak'], dtype=object),
//! 'answer_start': array([4])}`, and JSON, which is nearly the same.

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Literal {
    /// `None`, `nan`, `null`.
    Nothing,
    Text(String),
    /// A number as written.
    Number(String),
    List(Vec<Literal>),
    Map(Vec<(String, Literal)>),
}

/// Deepest nesting of values.
const DEPTH: usize = 8;

/// Parses a cell; `None` if it holds anything else or more than one value.
pub(super) fn parse(cell: &str) -> Option<Literal> {
    let mut parser = Parser { rest: cell };
    let value = parser.value(DEPTH)?;
    parser.blank();
    parser.rest.is_empty().then_some(value)
}

struct Parser<'a> {
    rest: &'a str,
}

impl Parser<'_> {
    fn blank(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn take(&mut self, token: &str) -> bool {
        self.blank();
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn value(&mut self, depth: usize) -> Option<Literal> {
        let inner = depth.checked_sub(1)?;
        self.blank();
        match self.rest.chars().next()? {
            '[' | '(' => self.list(inner),
            '{' => self.map(inner),
            '\'' | '"' => self.text().map(Literal::Text),
            _ => self.word(inner),
        }
    }

    /// numpy prints the items of an array without commas.
    fn list(&mut self, depth: usize) -> Option<Literal> {
        self.rest = &self.rest[1..];
        let mut items = Vec::new();
        loop {
            if self.take("]") || self.take(")") {
                return Some(Literal::List(items));
            }
            items.push(self.value(depth)?);
            self.take(",");
        }
    }

    fn map(&mut self, depth: usize) -> Option<Literal> {
        self.rest = &self.rest[1..];
        let mut items = Vec::new();
        loop {
            if self.take("}") {
                return Some(Literal::Map(items));
            }
            self.blank();
            let key = self.text()?;
            if !self.take(":") {
                return None;
            }
            items.push((key, self.value(depth)?));
            self.take(",");
        }
    }

    /// A number, a constant or `array(…, dtype=…)`.
    fn word(&mut self, depth: usize) -> Option<Literal> {
        let end = self
            .rest
            .find(|c: char| !(c.is_alphanumeric() || matches!(c, '.' | '_' | '+' | '-')));
        let (word, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        match word {
            "" => None,
            "None" | "null" | "nan" | "NaN" => Some(Literal::Nothing),
            "array" | "np.array" => {
                if !self.take("(") {
                    return None;
                }
                let value = self.value(depth)?;
                if self.take(",") {
                    // dtype=object, dtype='<U9'
                    let end = self.rest.find(')')?;
                    self.rest = &self.rest[end..];
                }
                self.take(")").then_some(value)
            }
            _ if word.starts_with(|c: char| c.is_ascii_digit() || c == '-') => {
                Some(Literal::Number(word.to_owned()))
            }
            // np.int64(45), as numpy 2 prints a number.
            _ if word.starts_with("np.") && self.take("(") => {
                let value = self.value(depth)?;
                self.take(")").then_some(value)
            }
            _ => None,
        }
    }

    fn text(&mut self) -> Option<String> {
        let quote = self
            .rest
            .chars()
            .next()
            .filter(|c| matches!(c, '\'' | '"'))?;
        let mut text = String::new();
        let mut chars = self.rest.char_indices().skip(1);
        while let Some((at, c)) = chars.next() {
            if c == quote {
                self.rest = &self.rest[at + 1..];
                return Some(text);
            }
            if c != '\\' {
                text.push(c);
                continue;
            }
            let (_, escape) = chars.next()?;
            let digits = match escape {
                'x' => 2,
                'u' => 4,
                'U' => 8,
                _ => 0,
            };
            if digits > 0 {
                let mut code = 0;
                for _ in 0..digits {
                    code = code * 16 + chars.next()?.1.to_digit(16)?;
                }
                text.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
                continue;
            }
            match escape {
                'n' => text.push('\n'),
                'r' => text.push('\r'),
                't' => text.push('\t'),
                '\\' | '\'' | '"' | '/' => text.push(escape),
                // Python keeps an escape that it does not know.
                _ => text.extend(['\\', escape]),
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Literal {
        Literal::Text(text.to_owned())
    }

    fn number(number: &str) -> Literal {
        Literal::Number(number.to_owned())
    }

    #[test]
    fn cells_of_pandas_datasets_and_json_are_read() {
        let answers = |texts: Vec<Literal>, starts: Vec<Literal>| {
            let entry = |key: &str, items| (key.to_owned(), Literal::List(items));
            Some(Literal::Map(vec![
                entry("text", texts),
                entry("answer_start", starts),
            ]))
        };
        let one = answers(vec![text("Ada's \"oak\"")], vec![number("45")]);
        for cell in [
            r#"{'text': ['Ada\'s "oak"'], 'answer_start': [45]}"#,
            r#"{"text": ["Ada's \"oak\""], "answer_start": [45]}"#,
            r#"{'text': array(["Ada's \"oak\""], dtype=object), 'answer_start': array([45], dtype=int32)}"#,
            r#" {'text': array(['Ada\x27s \u0022oak"'], dtype='<U9'), 'answer_start': array([np.int64(45)])} "#,
        ] {
            assert_eq!(parse(cell), one, "{cell}");
        }
        let none = answers(vec![], vec![]);
        assert_eq!(
            parse("{'text': array([], dtype=object), 'answer_start': array([], dtype=int32)}"),
            none
        );
        assert_eq!(
            parse("['a' 'b'\n 'c']"),
            Some(Literal::List(vec![text("a"), text("b"), text("c")]))
        );
        assert_eq!(parse("nan"), Some(Literal::Nothing));
        assert_eq!(parse(r"'\d'"), Some(text(r"\d")));
    }

    #[test]
    fn other_cells_are_none() {
        for cell in [
            "", "An oak", "{'a' 1}", "['a'", "'a", "[1] 2", "array", "'\\u12'", "é(",
        ] {
            assert_eq!(parse(cell), None, "{cell}");
        }
        assert_eq!(parse(&"[".repeat(100_000)), None);
    }
}
