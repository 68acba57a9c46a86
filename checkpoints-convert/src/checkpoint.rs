//! An opened checkpoint of either framework. Its variables are checked against the actual lengths
//! of its data files, then streamed in the order of their bytes, so that an archive is read in one
//! pass and at most one tensor is in memory here.

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

/// Returns whether there is a checkpoint to convert at `path`: a folder, zip archive or prefix of a
/// TensorFlow checkpoint, or the folder of a Hugging Face model. Reads only names.
pub fn is_checkpoint(path: &Path) -> bool {
    source::is_tensorflow(path) || hugging_face::is_model(path)
}

/// Returns whether `path` is a Hugging Face model, whose `config.json` a record in the same folder
/// would replace.
pub fn is_hugging_face(path: &Path) -> bool {
    !source::holds_index(path) && hugging_face::is_model(path)
}

impl Checkpoint {
    /// Finds the checkpoint at `path` and reads the metadata of its variables.
    ///
    /// # Errors
    /// If there is no checkpoint, its index or header is damaged, or a data file is missing or too
    /// short.
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

    /// Applies the configuration beside the weights to a model that was inferred from shapes;
    /// returns whether it states the number of attention heads.
    ///
    /// # Errors
    /// If it contradicts the shapes, or requests a different computation.
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

    /// Completes a head that was inferred from shapes: adds the labels and the kind of a dense one.
    ///
    /// # Errors
    /// If the configuration contradicts the shapes.
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

    /// Returns the no-answer threshold of a head of the checkpoint, with the head's task; `None` if
    /// the reference's default applies.
    ///
    /// # Errors
    /// If the configuration gives one that is not a number.
    pub fn threshold(&self) -> Result<Option<(&str, f64)>, Error> {
        match &self.origin {
            Origin::TensorFlow(_) => Ok(None),
            Origin::HuggingFace(model) => Ok(model.threshold()?),
        }
    }

    /// Returns the reference's name of a variable; `None` if the reference has no such variable.
    pub fn reference<'a>(&self, name: &'a str) -> Option<Cow<'a, str>> {
        match &self.origin {
            Origin::TensorFlow(_) => Some(name.into()),
            Origin::HuggingFace(model) => model.reference(name).map(Cow::from),
        }
    }

    /// Returns the tokenizer settings that the files beside the weights state.
    ///
    /// # Errors
    /// If the tokenizer is not one that this project reproduces, or the files contradict each
    /// other.
    pub fn tokenizer(&self) -> Result<Tokenizer, Error> {
        let class = match &self.origin {
            Origin::HuggingFace(model) => model.tokenizer_class(),
            Origin::TensorFlow(_) => None,
        };
        let class = class.as_ref().map(|(file, class)| (file.as_str(), *class));
        Ok(self.beside.tokenizer(class)?)
    }

    /// Returns the files beside the weights that state whether text is lower-cased.
    ///
    /// # Errors
    /// As for [`tokenizer`](Self::tokenizer).
    pub fn case_files(&self) -> Result<Vec<String>, Error> {
        Ok(self.beside.case_files()?)
    }

    /// Returns the path as the user gave it.
    pub fn path(&self) -> &Path {
        match &self.origin {
            Origin::TensorFlow(source) => &source.path,
            Origin::HuggingFace(model) => &model.path,
        }
    }

    /// Returns "zip", "folder" or "hugging-face".
    pub fn kind(&self) -> &'static str {
        match &self.origin {
            Origin::TensorFlow(source) => source.kind(),
            Origin::HuggingFace(_) => "hugging-face",
        }
    }

    /// Returns the name of the checkpoint in its folder.
    pub fn prefix(&self) -> &str {
        match &self.origin {
            Origin::TensorFlow(source) => &source.prefix,
            Origin::HuggingFace(model) => &model.weights,
        }
    }

    /// Returns the names of the files with the values.
    pub fn data_files(&self) -> Vec<String> {
        match &self.origin {
            Origin::TensorFlow(source) => (0..self.index.shards)
                .map(|shard| source.shard_name(shard, self.index.shards))
                .collect(),
            Origin::HuggingFace(model) => model.data_files.clone(),
        }
    }

    /// Returns the files to read for the values.
    pub fn weight_files(&self) -> Vec<PathBuf> {
        match &self.origin {
            Origin::TensorFlow(source) => vec![source.path.clone()],
            Origin::HuggingFace(model) => model.data_files.iter().map(|n| model.file(n)).collect(),
        }
    }

    /// Returns the assumptions that were made to find it.
    pub fn warnings(&self) -> &[String] {
        match &self.origin {
            Origin::TensorFlow(source) => &source.warnings,
            Origin::HuggingFace(_) => &[],
        }
    }

    /// Returns what a user should know about the model before fine-tuning it.
    pub fn model_warnings(&self) -> Vec<String> {
        match &self.origin {
            Origin::TensorFlow(_) => Vec::new(),
            Origin::HuggingFace(model) => model.warnings(&self.index.variables),
        }
    }

    /// Returns the vocabulary beside the checkpoint, if there is one, for embeddings with `rows`
    /// rows.
    ///
    /// # Errors
    /// If `tokenizer.json` has a vocabulary that cannot be written as `vocab.txt`, or that differs
    /// from the `vocab.txt` that is there.
    pub fn vocabulary(&self, rows: usize) -> Result<Option<Vec<u8>>, Error> {
        let bytes = self.beside.vocabulary()?;
        Ok(bytes.map(|bytes| vocabulary::tokens(&bytes, rows).to_vec()))
    }

    /// Returns the name of the checkpoint as a whole, for error messages.
    pub fn display(&self) -> String {
        match &self.origin {
            Origin::TensorFlow(source) => source.display(&source.index_name()),
            Origin::HuggingFace(model) => model.display(&model.weights),
        }
    }

    /// Reads the variables that are `wanted` and passes their index and facts to `each`, with their
    /// values as little-endian float32 in the record's layout. If the checkpoint has checksums, the
    /// other variables are read too and passed on without values. `progress` receives the bytes
    /// done and the total.
    ///
    /// # Errors
    /// If a data file is damaged or missing, or `each` fails.
    pub fn stream(
        &mut self,
        wanted: &dyn Fn(usize) -> bool,
        each: &mut dyn FnMut(usize, Facts, Option<Vec<u8>>) -> Result<(), Error>,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<(), Error> {
        self.read(wanted, true, each, progress)
    }

    /// Reads the same data as [`stream`](Self::stream), but keeps no values.
    ///
    /// # Errors
    /// If a data file is damaged or missing.
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
        // A storage that holds only ignored variables need not be read.
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

    /// Returns the indices of the variables that [`stream`](Self::stream) reads, in the order of
    /// their bytes.
    pub fn reading_order(&self, wanted: &dyn Fn(usize) -> bool) -> Vec<usize> {
        let all = self.framework() == Framework::TensorFlow;
        let order = self.index.reading_order();
        order.filter(|&number| all || wanted(number)).collect()
    }

    fn variable(&self, number: usize) -> &Variable {
        &self.index.variables[number]
    }

    /// Returns the rows and columns of a matrix, in the order of its bytes, if the record stores it
    /// transposed.
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
            // `[out, in]` in column-major order is `[in, out]` in row-major order.
            (true, true) | (false, false) => None,
        }
    }
}
