//! Scores predicted tags sentence by sentence.

use super::Sentence;
use crate::{
    eval::judged::{Judged, Told},
    tasks::tagging::{scorer::SpanCounts, sentence::Sentence as Words, span::Span},
};

/// Computes the scorer's metrics, over the spans of all sentences together.
pub(super) fn judged(sentences: &[Sentence]) -> Judged {
    let mut judged = Judged::new("sentence", "fewer wrong spans", 5);
    for Sentence {
        gold,
        predicted,
        words,
        loss,
        ..
    } in sentences
    {
        let correct = predicted.iter().filter(|span| gold.contains(span)).count();
        let wrong = gold.len() + predicted.len() - 2 * correct;
        let [correct, predicted, gold, words] =
            [correct, predicted.len(), gold.len(), *words].map(|count| count as f64);
        judged.push(&[correct, predicted, gold, words, *loss], -(wrong as f64));
    }
    judged
        .figure("precision", |sums| spans(sums).precision())
        .figure("recall", |sums| spans(sums).recall())
        .figure("f1", |sums| spans(sums).f1())
        .figure("loss", |sums| sums[4] / sums[3].max(1.0))
}

/// Sums of counts are integers.
fn spans(sums: &[f64]) -> SpanCounts {
    SpanCounts {
        correct: sums[0] as usize,
        predicted: sums[1] as usize,
        gold: sums[2] as usize,
    }
}

/// Shows a sentence with its spans and the predicted ones.
pub(super) fn told(words: &Words, sentence: &Sentence) -> Told {
    let shown = |spans: &[Span]| {
        let spans = spans.iter().map(|span| {
            let text = words.words.get(span.start..=span.end).unwrap_or_default();
            format!("{} ({})", text.join(" "), span.kind)
        });
        let spans: Vec<String> = spans.collect();
        match spans.is_empty() {
            true => "no span".to_owned(),
            false => spans.join(" | "),
        }
    };
    Told {
        id: format!("line {}", words.line),
        text: words.words.join(" "),
        gold: shown(&sentence.gold),
        answer: shown(&sentence.predicted),
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        eval::figures::Figure,
        report::Sections,
        tasks::tagging::report::{TagReport, tests::data_in},
    };

    #[test]
    fn the_figures_of_all_sentences_are_the_scorer_s() {
        let folder = tempfile::tempdir().unwrap();
        let data = data_in(folder.path(), "a B-A\nb I-A\nc O\n\nd B-A\ne O\n");
        let path = folder.path().join("p.jsonl");
        let gold: Vec<&[u32]> = data.features.iter().map(|f| f.kept_labels()).collect();
        // Correct; and another word instead of the first.
        let lines = [
            (0, gold[0], gold[0].to_vec(), 0.5),
            (1, gold[1], gold[1].iter().rev().copied().collect(), 1.25),
        ];
        let lines = lines.map(|(eid, labels, predictions, loss)| {
            serde_json::json!({
                "eid": eid, "labels": labels, "predictions": predictions, "loss": loss,
            })
        });
        std::fs::write(&path, format!("{}\n{}\n", lines[0], lines[1])).unwrap();
        let report = TagReport::read(&data, &path).unwrap();
        let judged = report.judged();
        let expected: Vec<(&str, f64)> = report
            .scores()
            .iter()
            .map(|(key, figure): (&str, Figure)| (key, figure.value()))
            .collect();
        let found = judged.keys().zip(judged.figures_of_all());
        assert_eq!(found.collect::<Vec<_>>(), expected);
        assert_eq!(expected[2], ("f1", 50.0));
        assert_eq!(judged.worth(), [0.0, -2.0]);
        let told = report.told(1);
        assert_eq!((told.id.as_str(), told.text.as_str()), ("line 5", "d e"));
        assert_eq!(
            (told.gold.as_str(), told.answer.as_str()),
            ("d (A)", "e (A)")
        );
    }
}
