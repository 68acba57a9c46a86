//! An opened checkpoint of either framework: what its variables are, checked against the real lengths
//! of its data files. A path enters; variables leave, streamed in the order of their bytes, so
//! that an archive is read in one pass and no more than one tensor is in memory here.

use std::borrow::Cow;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::Error;
use crate::config::ModelShape;
use crate::framework::Framework;
use crate::head_shape::HeadShape;
use crate::hugging_face::{self, Beside, Tokenizer};
use crate::names;
use crate::source::{self, Source};
use crate::tensor::{Facts, Index, ShardReader, Variable};
use crate::transpose::transpose;
use crate::vocabulary;

/// A checkpoint whose variables are known and can be read.
pub(crate) struct Checkpoint {
    pub index: Index,
    origin: Origin,
    /// Name and stated length of each data file.
    files: Vec<(String, u64)>,
    beside: Beside,
}

enum Origin {
    TensorFlow(Source),
    HuggingFace(Box<hugging_face::Model>),
}

/// Whether there is a checkpoint to convert at `path`: a folder, zip archive or prefix of a
/// TensorFlow checkpoint, or the folder of a Hugging Face model. Nothing is read but names.
pub fn is_checkpoint(path: &Path) -> bool {
    source::is_tensorflow(path) || hugging_face::is_model(path)
}

/// Whether `path` is a Hugging Face model, whose `config.json` a record in the same folder would
/// replace.
pub fn is_hugging_face(path: &Path) -> bool {
    !source::holds_index(path) && hugging_face::is_model(path)
}

impl Checkpoint {
    /// Finds the checkpoint at `path` and reads what its variables are.
    ///
    /// # Errors
    /// No checkpoint there, a damaged index or header, a data file missing or too short.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let checkpoint = match is_hugging_face(path) {
            true => match hugging_face::Model::open(path)? {
                None => match hugging_face::incomplete(path) {
                    Some(error) => return Err(error.into()),
                    None => None,
                },
                model => model,
            },
            false => None,
        };
        let checkpoint = checkpoint.map(Self::of_hugging_face).transpose()?;
        let checkpoint = match checkpoint {
            Some(checkpoint) => checkpoint,
            None => Self::open_tensorflow(path)?,
        };
        for warning in checkpoint.warnings() {
            log::warn!("{}: {warning}", path.display());
        }
        log::info!(
            "{}: {} variables in {} data file(s)",
            checkpoint.display(),
            checkpoint.index.variables.len(),
            checkpoint.files.len()
        );
        Ok(checkpoint)
    }

    fn open_tensorflow(path: &Path) -> Result<Self, Error> {
        let mut source = Source::open(path)?;
        let bytes = source.index()?;
        let index = Index::parse(&source.display(&source.index_name()), &bytes)?;
        let names: Vec<String> = (0..index.shards)
            .map(|shard| source.shard_name(shard, index.shards))
            .collect();
        let mut files = Vec::new();
        for name in &names {
            let length = source.length(name)?;
            files.push((source.display(name), length));
        }
        source.check_packed(&names)?;
        index.check_places(&files)?;
        let beside = source.beside()?;
        Ok(Self {
            index,
            origin: Origin::TensorFlow(source),
            files,
            beside,
        })
    }

    fn of_hugging_face(mut model: hugging_face::Model) -> Result<Self, Error> {
        let index = std::mem::take(&mut model.index);
        Ok(Self {
            index,
            files: model.files.clone(),
            beside: model.beside()?,
            origin: Origin::HuggingFace(Box::new(model)),
        })
    }

    pub fn framework(&self) -> Framework {
        match self.origin {
            Origin::TensorFlow(_) => Framework::TensorFlow,
            Origin::HuggingFace(_) => Framework::HuggingFace,
        }
    }

    /// Puts what the configuration beside the weights says into a model that was inferred from
    /// shapes; returns whether it says how many attention heads there are.
    ///
    /// # Errors
    /// It contradicts the shapes, or asks for another computation.
    pub fn apply_settings(&self, model: &mut ModelShape) -> Result<bool, Error> {
        match &self.origin {
            Origin::HuggingFace(own) => {
                own.apply_settings(model)?;
                Ok(true)
            }
            Origin::TensorFlow(_) => match self.beside.settings()? {
                Some((file, settings)) => {
                    settings.apply(file, model)?;
                    Ok(settings.says_heads())
                }
                None => Ok(false),
            },
        }
    }

    /// Puts what else is known of a head into one that was inferred from shapes: the labels and the
    /// kind of a dense one.
    ///
    /// # Errors
    /// The configuration contradicts the shapes.
    pub fn apply_head_settings(&self, task: &str, head: &mut HeadShape) -> Result<(), Error> {
        let HeadShape::Dense(dense) = head else {
            return Ok(());
        };
        match &self.origin {
            Origin::HuggingFace(own) => own.apply_head_settings(dense)?,
            Origin::TensorFlow(_) => dense.kind = names::dense_kind(task, dense.outputs),
        }
        Ok(())
    }

    /// The no-answer threshold that belongs to a head of the checkpoint, with the head's task; `None`
    /// where the reference's default counts.
    ///
    /// # Errors
    /// The configuration says one that is no number.
    pub fn threshold(&self) -> Result<Option<(&str, f64)>, Error> {
        match &self.origin {
            Origin::TensorFlow(_) => Ok(None),
            Origin::HuggingFace(model) => Ok(model.threshold()?),
        }
    }

    /// The reference's name of a variable; `None` where the reference has no such variable.
    pub fn reference<'a>(&self, name: &'a str) -> Option<Cow<'a, str>> {
        match &self.origin {
            Origin::TensorFlow(_) => Some(name.into()),
            Origin::HuggingFace(model) => model.reference(name).map(Cow::from),
        }
    }

    /// What the files beside the weights say of the tokenizer.
    ///
    /// # Errors
    /// A tokenizer that is not reproduced, or files that contradict each other.
    pub fn tokenizer(&self) -> Result<Tokenizer, Error> {
        let class = match &self.origin {
            Origin::HuggingFace(model) => model.tokenizer_class(),
            Origin::TensorFlow(_) => None,
        };
        let class = class.as_ref().map(|(file, class)| (file.as_str(), *class));
        Ok(self.beside.tokenizer(class)?)
    }

    /// The files beside the weights that say whether text is lower-cased.
    ///
    /// # Errors
    /// As [`tokenizer`](Self::tokenizer).
    pub fn case_files(&self) -> Result<Vec<String>, Error> {
        Ok(self.beside.case_files()?)
    }

    /// As the user gave it.
    pub fn path(&self) -> &Path {
        match &self.origin {
            Origin::TensorFlow(source) => &source.path,
            Origin::HuggingFace(model) => &model.path,
        }
    }

    /// "zip", "folder" or "hugging-face".
    pub fn kind(&self) -> &'static str {
        match &self.origin {
            Origin::TensorFlow(source) => source.kind(),
            Origin::HuggingFace(_) => "hugging-face",
        }
    }

    /// Name of the checkpoint in its folder.
    pub fn prefix(&self) -> &str {
        match &self.origin {
            Origin::TensorFlow(source) => &source.prefix,
            Origin::HuggingFace(model) => &model.weights,
        }
    }

    /// Names of the files with the values.
    pub fn data_files(&self) -> Vec<String> {
        match &self.origin {
            Origin::TensorFlow(source) => (0..self.index.shards)
                .map(|shard| source.shard_name(shard, self.index.shards))
                .collect(),
            Origin::HuggingFace(model) => model.data_files.clone(),
        }
    }

    /// The files to read for the values.
    pub fn weight_files(&self) -> Vec<PathBuf> {
        match &self.origin {
            Origin::TensorFlow(source) => vec![source.path.clone()],
            Origin::HuggingFace(model) => model.data_files.iter().map(|n| model.file(n)).collect(),
        }
    }

    /// What was assumed to find it.
    pub fn warnings(&self) -> &[String] {
        match &self.origin {
            Origin::TensorFlow(source) => &source.warnings,
            Origin::HuggingFace(_) => &[],
        }
    }

    /// What a user is to know of the model before fine-tuning it.
    pub fn model_warnings(&self) -> Vec<String> {
        match &self.origin {
            Origin::TensorFlow(_) => Vec::new(),
            Origin::HuggingFace(model) => model.warnings(&self.index.variables),
        }
    }

    /// The vocabulary beside the checkpoint, if there is one, for embeddings with so many rows.
    ///
    /// # Errors
    /// `tokenizer.json` has none that can be a `vocab.txt`, or another one than that is.
    pub fn vocabulary(&self, rows: usize) -> Result<Option<Vec<u8>>, Error> {
        let bytes = self.beside.vocabulary()?;
        Ok(bytes.map(|bytes| vocabulary::tokens(&bytes, rows).to_vec()))
    }

    /// How errors call the checkpoint as a whole.
    pub fn display(&self) -> String {
        match &self.origin {
            Origin::TensorFlow(source) => source.display(&source.index_name()),
            Origin::HuggingFace(model) => model.display(&model.weights),
        }
    }

    /// Reads the variables that are `wanted` and hands their number and facts to `each`, with
    /// their values as little-endian float32 in the record's layout. Where the checkpoint has
    /// checksums for them, the others are read too and handed over without values. `progress`
    /// hears bytes done and bytes in all.
    ///
    /// # Errors
    /// A damaged or missing data file, and what `each` returns.
    pub fn stream(
        &mut self,
        wanted: &dyn Fn(usize) -> bool,
        each: &mut dyn FnMut(usize, Facts, Option<Vec<u8>>) -> Result<(), Error>,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<(), Error> {
        self.read(wanted, true, each, progress)
    }

    /// Reads the same as [`stream`](Self::stream), but keeps no values.
    ///
    /// # Errors
    /// A damaged or missing data file.
    pub fn check(
        &mut self,
        wanted: &dyn Fn(usize) -> bool,
        each: &mut dyn FnMut(usize, Facts),
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<(), Error> {
        let mut each = |number, facts, _| {
            each(number, facts);
            Ok(())
        };
        self.read(wanted, false, &mut each, progress)
    }

    fn read(
        &mut self,
        wanted: &dyn Fn(usize) -> bool,
        keep: bool,
        each: &mut dyn FnMut(usize, Facts, Option<Vec<u8>>) -> Result<(), Error>,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<(), Error> {
        let order = self.reading_order(wanted);
        // A storage that only what is left out lies in need not be read.
        let shards: Vec<u32> = match self.framework() {
            Framework::TensorFlow => (0..self.index.shards).collect(),
            Framework::HuggingFace => order
                .chunk_by(|&a, &b| self.variable(a).shard == self.variable(b).shard)
                .map(|numbers| self.variable(numbers[0]).shard)
                .collect(),
        };
        let length = |shard: u32| self.files[shard as usize].1;
        let total = shards.iter().map(|&shard| length(shard)).sum();
        let mut done = 0;
        let mut on_bytes = |count| {
            done += count;
            progress(done, total);
        };
        let mut rest = &order[..];
        for shard in shards {
            let here = rest
                .iter()
                .take_while(|&&number| self.variable(number).shard == shard)
                .count();
            let (numbers, after) = rest.split_at(here);
            rest = after;
            let (file, length) = &self.files[shard as usize];
            let exchanged: Vec<Option<[u64; 2]>> = numbers
                .iter()
                .map(|&number| self.exchanged(number))
                .collect();
            let variables = &self.index.variables;
            let mut read = |reader: &mut dyn Read| {
                let mut reader = ShardReader::new(file, reader, *length, &mut on_bytes);
                for (&number, exchanged) in numbers.iter().zip(&exchanged) {
                    if keep && wanted(number) {
                        let (facts, mut values) = reader.values(&variables[number])?;
                        if let Some([rows, columns]) = *exchanged {
                            values = transpose(&values, rows as usize, columns as usize);
                        }
                        each(number, facts, Some(values))?;
                    } else {
                        each(number, reader.check(&variables[number])?, None)?;
                    }
                }
                reader.finish().map_err(Error::from)
            };
            match &mut self.origin {
                Origin::TensorFlow(source) => {
                    let name = source.shard_name(shard, self.index.shards);
                    source.with_reader(&name, |reader| read(reader))?;
                }
                Origin::HuggingFace(model) => model.with_reader(shard, |reader| read(reader))?,
            }
        }
        Ok(())
    }

    /// Numbers of the variables that [`stream`](Self::stream) reads, in the order of their bytes.
    pub fn reading_order(&self, wanted: &dyn Fn(usize) -> bool) -> Vec<usize> {
        let all = self.framework() == Framework::TensorFlow;
        let order = self.index.reading_order();
        order.filter(|&number| all || wanted(number)).collect()
    }

    fn variable(&self, number: usize) -> &Variable {
        &self.index.variables[number]
    }

    /// The rows and columns of a matrix, in the order of its bytes, where the record has its axes the
    /// other way round.
    fn exchanged(&self, number: usize) -> Option<[u64; 2]> {
        let variable = self.variable(number);
        let &[rows, columns] = variable.shape.as_slice() else {
            return None;
        };
        let column_major = match &self.origin {
            Origin::TensorFlow(_) => false,
            Origin::HuggingFace(model) => model.column_major[number],
        };
        let reference = self.reference(&variable.name)?;
        match (self.framework().is_transposed(&reference), column_major) {
            (true, false) => Some([rows, columns]),
            (false, true) => Some([columns, rows]),
            // Column after column of `[out, in]` is row after row of `[in, out]`.
            (true, true) | (false, false) => None,
        }
    }
}
