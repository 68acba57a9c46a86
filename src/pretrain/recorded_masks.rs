//! A recorded run's random choices: which examples each step took, which tokens were masked and which
//! replaced them, so that the run can be reproduced.
//!
//! The file of masks has one line per step, whose `examples` are numbers, from 0, of lines in the file of
//! examples.

use std::path::Path;

use serde::{Deserialize, de::DeserializeOwned};

use super::{
    error::Error,
    example::Example,
    masking::{Masking, Slot},
    part::Masked,
};
use crate::data::line_reader::LineReader;

const ADVICE: &str = "give the recorded masks.jsonl, and with --replay-examples the examples that they \
                      were drawn for";

#[derive(Debug, Deserialize)]
struct Step {
    examples: Vec<Choice>,
}

#[derive(Debug, Deserialize)]
struct Choice {
    example: usize,
    positions: Vec<usize>,
    ids: Vec<u32>,
    replaced_by_mask: Vec<bool>,
    sampled: Vec<u32>,
}

#[derive(Debug, Deserialize)]
struct Line {
    input_ids: Vec<u32>,
    segment_ids: Vec<u8>,
}

/// The batches of a recorded run, in its order.
#[derive(Debug, Clone)]
pub struct RecordedMasks {
    pub steps: Vec<Vec<Masked>>,
}

impl RecordedMasks {
    /// Reads the masks and the examples that they refer to, whose ids must be below `vocab_size`.
    ///
    /// # Errors
    /// If a file cannot be read, or the two do not match.
    pub fn read(
        masks: &Path,
        examples: &Path,
        masking: &Masking,
        vocab_size: usize,
    ) -> Result<Self, Error> {
        let lines: Vec<Line> = lines(examples)?;
        let broken = |file: &Path, problem: String| Error::Replay {
            file: file.display().to_string(),
            problem,
            advice: ADVICE,
        };
        for (number, line) in lines.iter().enumerate() {
            let ids = &line.input_ids;
            if ids.len() != line.segment_ids.len() || ids.is_empty() {
                let problem = format!("line {}: expected a segment for each id", number + 1);
                return Err(broken(examples, problem));
            }
            if ids.iter().any(|&id| id as usize >= vocab_size) {
                let problem = format!("line {}: an id is beyond the vocabulary", number + 1);
                return Err(broken(examples, problem));
            }
        }
        let mut steps = Vec::new();
        for (number, step) in self::lines::<Step>(masks)?.into_iter().enumerate() {
            let masked = step.examples.into_iter().map(|choice| {
                let at = format!("line {}, example {}", number + 1, choice.example);
                choice
                    .of(&lines, masking, vocab_size)
                    .map_err(|problem| broken(masks, format!("{at}: {problem}")))
            });
            steps.push(masked.collect::<Result<_, _>>()?);
        }
        // A run without a step would leave the initial weights as its model.
        if steps.is_empty() {
            return Err(broken(
                masks,
                "expected a line for each step, found none".to_owned(),
            ));
        }
        Ok(Self { steps })
    }
}

impl Choice {
    fn of(self, lines: &[Line], masking: &Masking, vocab_size: usize) -> Result<Masked, String> {
        let line = lines
            .get(self.example)
            .ok_or_else(|| format!("there are {} examples", lines.len()))?;
        let count = self.positions.len();
        if [
            self.ids.len(),
            self.replaced_by_mask.len(),
            self.sampled.len(),
        ] != [count; 3]
        {
            return Err("expected an id, a replacement and a sample for each position".to_owned());
        }
        if self
            .sampled
            .iter()
            .any(|&token| token as usize >= vocab_size)
        {
            return Err("a sample is beyond the vocabulary".to_owned());
        }
        let mut slots = Vec::new();
        for (place, &position) in self.positions.iter().enumerate() {
            let original = self.ids[place];
            if line.input_ids.get(position) != Some(&original) {
                return Err(format!("the id at {position} is not {original}"));
            }
            slots.push(Slot {
                position,
                original,
                is_replaced: self.replaced_by_mask[place],
            });
        }
        let ids = line.input_ids.clone();
        Ok(Masked {
            candidates: masking.is_candidate(&ids),
            example: Example {
                first: line
                    .segment_ids
                    .iter()
                    .take_while(|&&kind| kind == 0)
                    .count(),
                ids,
            },
            slots,
            recorded: Some(self.sampled),
        })
    }
}

fn lines<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, Error> {
    let mut reader = LineReader::open(path)?;
    let mut read = Vec::new();
    while let Some((number, line)) = reader.next_line()? {
        let line = serde_json::from_str(line).map_err(|error| Error::Replay {
            file: path.display().to_string(),
            problem: format!("line {number}: {error}"),
            advice: ADVICE,
        })?;
        read.push(line);
    }
    Ok(read)
}
