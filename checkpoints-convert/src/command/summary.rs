//! Summarises a checkpoint or a record for a terminal of 80 columns: layers are merged, and ignored
//! variables are counted by reason.

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::{Inspection, RecordInspection, printable};
use crate::config::RecordConfig;
use crate::counted::counted;
use crate::report::VariableReport;

/// Width of the narrowest supported terminal.
const COLUMNS: usize = 80;

pub(super) fn checkpoint(out: &mut dyn Write, found: &Inspection) -> io::Result<()> {
    let source = &found.source;
    let kind = match source.kind {
        "zip" => "a TensorFlow checkpoint in a zip archive",
        "hugging-face" => "a Hugging Face model",
        _ => "a TensorFlow checkpoint",
    };
    let totals = &found.totals;
    line(out, 0, &format!("{}: {kind}", source.path))?;
    let files = counted(source.data_files.len(), "data file");
    let what = format!(
        "{}; {}; {}, {} bytes",
        source.prefix,
        counted(totals.variables, "variable"),
        files,
        grouped(totals.bytes)
    );
    line(out, 2, &what)?;

    let reasons = reasons(&found.variables);
    let Some(config) = &found.config else {
        line(out, 0, "cannot be converted; standard error says why")?;
        return parts(
            out,
            found.variables.iter().map(|row| (scope(&row.name), row)),
        );
    };
    let encoder = found.variables.iter().filter(|row| {
        let parameter = row.parameter.as_deref();
        parameter.is_some_and(|path| path.starts_with("electra."))
    });
    let mut complete = format!("encoder complete: {}", counted(encoder.count(), "variable"));
    if totals.ignored > 0 {
        let mut labels: Vec<&str> = Vec::new();
        for why in reasons.iter().map(|(why, _)| label(why)) {
            if !labels.contains(&why) {
                labels.push(why);
            }
        }
        complete += &format!("; {} not needed ({})", totals.ignored, labels.join(", "));
    }
    line(out, 0, &complete)?;
    heads(out, config, |task| {
        let rows = found.variables.iter().filter(|row| is_of_head(row, task));
        counted(rows.count(), "variable")
    })?;
    for missing in &found.unfilled {
        line(out, 0, &format!("no variable for {missing}"))?;
    }
    model(out, config)?;
    let used = found.variables.iter().filter_map(|row| {
        let path = row.parameter.as_deref()?;
        Some((module(path), row))
    });
    parts(out, used)?;
    if !reasons.is_empty() {
        line(out, 0, "left out:")?;
    }
    for (why, names) in &reasons {
        let listed = match *why == crate::plan::UNKNOWN {
            true => format!(": {}", some(names)),
            false => String::new(),
        };
        line(out, 2, &format!("{:>4}  {why}{listed}", names.len()))?;
    }
    line(out, 0, "--all lists each variable")
}

pub(super) fn record(out: &mut dyn Write, found: &RecordInspection) -> io::Result<()> {
    line(out, 0, &format!("{}: a record of this program", found.path))?;
    let what = format!(
        "{}; {} values, {} bytes",
        counted(found.tensors.len(), "tensor"),
        grouped(found.values),
        grouped(found.bytes)
    );
    line(out, 2, &what)?;
    if let Some(source) = &found.converted_from {
        line(out, 2, &format!("converted from {source}"))?;
    }
    let prefixed = |prefix: &str| {
        let rows = found.tensors.iter().filter(|t| !t.foreign);
        rows.filter(|t| t.name.starts_with(prefix)).count()
    };
    let lacks = found.missing.iter().filter(|p| p.starts_with("electra."));
    match lacks.count() {
        0 => {
            let count = counted(prefixed("electra."), "parameter");
            line(out, 0, &format!("encoder complete: {count}"))?;
        }
        count => line(
            out,
            0,
            &format!("encoder incomplete: lacks {}", counted(count, "parameter")),
        )?,
    }
    let config = &found.config;
    heads(out, config, |task| {
        counted(prefixed(&format!("heads.{task}.")), "parameter")
    })?;
    for missing in found.missing.iter().take(8) {
        line(out, 0, &format!("missing: {missing}"))?;
    }
    let foreign: Vec<&str> = found
        .tensors
        .iter()
        .filter(|t| t.foreign)
        .map(|t| t.name.as_str())
        .collect();
    if !foreign.is_empty() {
        let names = some(&foreign);
        line(
            out,
            0,
            &format!(
                "{} that config.json does not name: {names}",
                counted(foreign.len(), "tensor")
            ),
        )?;
    }
    model(out, config)?;
    line(out, 0, "--all lists each tensor")
}

/// Writes the model as text.
fn model(out: &mut dyn Write, config: &RecordConfig) -> io::Result<()> {
    let model = &config.model;
    let shape = format!(
        "model: {} of {}, {}, feed-forward {}, {} words of {}, {} positions, {}, epsilon {:e}",
        counted(model.num_hidden_layers, "layer"),
        model.hidden_size,
        counted(model.num_attention_heads, "attention head"),
        model.intermediate_size,
        model.vocab_size,
        model.embedding_size,
        model.max_position_embeddings,
        model.hidden_act,
        model.layer_norm_eps,
    );
    line(out, 0, &shape)?;
    let text = [
        match config.do_lower_case {
            true => "lower-cased",
            false => "as written",
        },
        match config.strips_accents() {
            true => "without accents",
            false => "with its accents",
        },
        match config.tokenize_chinese_chars {
            true => "ideographs split",
            false => "ideographs not split",
        },
    ];
    line(out, 0, &format!("text: {}", text.join(", ")))
}

fn heads(
    out: &mut dyn Write,
    config: &RecordConfig,
    count: impl Fn(&str) -> String,
) -> io::Result<()> {
    if config.heads.is_empty() {
        return Ok(());
    }
    let named = config.heads.iter();
    let named: Vec<String> = named
        .map(|(task, head)| format!("{task} ({head})"))
        .collect();
    line(out, 0, &format!("heads: {}", named.join(", ")))?;
    for task in config.heads.keys() {
        line(out, 0, &format!("head {task} complete: {}", count(task)))?;
    }
    Ok(())
}

fn is_of_head(row: &VariableReport, task: &str) -> bool {
    let path = row.parameter.as_deref();
    path.and_then(|path| path.strip_prefix("heads.")?.strip_prefix(task))
        .is_some_and(|rest| rest.starts_with('.'))
}

/// Writes the variables and values of each part, in the order of names, with all layers merged.
fn parts<'a>(
    out: &mut dyn Write,
    rows: impl Iterator<Item = (String, &'a VariableReport)>,
) -> io::Result<()> {
    let mut parts: BTreeMap<String, (usize, u64)> = BTreeMap::new();
    for (part, row) in rows {
        let (count, values) = parts.entry(part).or_default();
        *count += 1;
        *values += row.shape.iter().product::<u64>();
    }
    // A checkpoint of another model may have any number of parts.
    for (part, (count, values)) in parts.iter().take(12) {
        let part = shortened(part, 36);
        let (count, values) = (counted(*count, "variable"), grouped(*values));
        line(
            out,
            2,
            &format!("{part:<36} {count:>14} {values:>15} values"),
        )?;
    }
    if parts.len() > 12 {
        line(out, 2, &format!("and {} more", parts.len() - 12))?;
    }
    Ok(())
}

/// Returns the module that a parameter belongs to, with all layers merged.
fn module(path: &str) -> String {
    let mut steps = path.split('.');
    match (steps.next(), steps.next()) {
        (Some("electra"), Some(part)) => part.into(),
        (Some("heads"), Some(task)) => format!("head {task}"),
        _ => path.into(),
    }
}

/// Returns the first component of a name of either framework.
fn scope(name: &str) -> String {
    let end = name.find(['/', '.']).unwrap_or(name.len());
    name[..end].into()
}

/// Groups the variables by the reason for leaving them out.
fn reasons(rows: &[VariableReport]) -> Vec<(&str, Vec<&str>)> {
    let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
    for row in rows {
        let Some(why) = row.ignored.as_deref() else {
            continue;
        };
        match reasons.iter_mut().find(|(known, _)| *known == why) {
            Some((_, names)) => names.push(&row.name),
            None => reasons.push((why, vec![&row.name])),
        }
    }
    // Largest first, so that the line begins with what matters.
    reasons.sort_by_key(|(_, names)| std::cmp::Reverse(names.len()));
    reasons
}

/// Shortens a reason to a word or two.
fn label(why: &str) -> &'static str {
    let starts = |start: &str| why.starts_with(start);
    if starts("generator") || starts("the generator") {
        "generator"
    } else if starts("pre-training head") {
        "pre-training heads"
    } else if starts("step counter") {
        "step counter"
    } else if starts("optimiser state") {
        "optimiser state"
    } else if starts("the numbers") {
        "position numbers"
    } else if starts("a plain head") {
        "plain question-answering head"
    } else if starts("head ") {
        "incomplete heads"
    } else if why == crate::plan::UNKNOWN {
        "unknown names"
    } else {
        "heads of other tasks"
    }
}

/// Returns the first few items of a list.
fn some(names: &[&str]) -> String {
    let shown: Vec<String> = names
        .iter()
        .take(3)
        .map(|name| shortened(name, 60))
        .collect();
    let more = match names.len() > 3 {
        true => ", …",
        false => "",
    };
    format!("{}{more}", shown.join(", "))
}

/// Formats a number with commas between thousands.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// Shortens text to at most `most` characters by cutting its middle.
fn shortened(text: &str, most: usize) -> String {
    let characters: Vec<char> = text.chars().collect();
    if characters.len() <= most {
        return text.into();
    }
    let half = (most - 1) / 2;
    let start: String = characters[..most - 1 - half].iter().collect();
    let end: String = characters[characters.len() - half..].iter().collect();
    format!("{start}…{end}")
}

/// Writes an indented paragraph, wrapped between words; a word longer than a line is shortened.
fn line(out: &mut dyn Write, indent: usize, text: &str) -> io::Result<()> {
    let text = printable(text);
    let mut width = indent;
    write!(out, "{:indent$}", "")?;
    let mut is_first = true;
    for word in text.split(' ') {
        let word = shortened(word, COLUMNS - indent - 4);
        let length = word.chars().count();
        if is_first {
            width += length;
        } else if width + 1 + length > COLUMNS {
            write!(out, "\n{:1$}", "", indent + 4)?;
            width = indent + 4 + length;
        } else {
            write!(out, " ")?;
            width += 1 + length;
        }
        write!(out, "{word}")?;
        is_first = false;
    }
    writeln!(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hugging_face;
    use crate::names;

    #[test]
    fn a_paragraph_fits_the_columns_and_holds_nothing_that_a_terminal_obeys() {
        let mut out = Vec::new();
        let path = "x".repeat(300);
        line(
            &mut out,
            2,
            &format!("{path}: a \u{1b}[2J {}", "word ".repeat(40)),
        )
        .unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(
            text.lines().all(|line| line.chars().count() <= COLUMNS),
            "{text}"
        );
        assert!(text.contains(r"\u{1b}[2J") && text.contains('…'), "{text}");
        assert_eq!(text.matches("word").count(), 40);
    }

    #[test]
    fn every_reason_has_a_word_of_its_own() {
        for (variable, expected) in [
            ("generator/a", "generator"),
            ("discriminator_predictions/dense/bias", "pre-training heads"),
            ("global_step", "step counter"),
            ("a/adam_m", "optimiser state"),
            ("task_specific/mnli/dense/bias", "heads of other tasks"),
        ] {
            assert_eq!(label(names::reason(variable).unwrap()), expected);
        }
        for (tensor, expected) in [
            ("generator_lm_head.weight", "generator"),
            ("electra.embeddings.position_ids", "position numbers"),
            ("qa_outputs.bias", "plain question-answering head"),
            ("classifier.dense.bias", "heads of other tasks"),
        ] {
            assert_eq!(label(hugging_face::reason(tensor).unwrap()), expected);
        }
    }

    #[test]
    fn numbers_and_names_are_short() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(grouped(123), "123");
        assert_eq!(shortened("abcdefghij", 5), "ab…ij");
        assert_eq!(shortened("abcde", 5), "abcde");
        assert_eq!(module("electra.layers.11.output.weight"), "layers");
        assert_eq!(module("heads.squad.end.bias"), "head squad");
    }
}
