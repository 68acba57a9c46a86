//! A fine-tuned model opened from its folder alone, for `electra predict`, `ask` and `serve`.
//!
//! [`FineTuned::ask`] asks it one thing. The individual steps allow asking many things at once,
//! whatever the task: [`FineTuned::featurize`] turns an input into rows, [`FineTuned::compute`]
//! returns an output for each row of a batch, and [`FineTuned::reply`] turns the outputs into the
//! reply.

pub mod described;
mod error;
mod questions;

use std::{ops::ControlFlow, path::Path, path::PathBuf};

use burn::tensor::Device;

use self::error::instead;
pub use self::{
    described::{Described, TaskChoice, answering},
    error::Error,
};
use crate::{
    batch::FeatureSet,
    config::{Config, Precision},
    device::Chosen,
    kernels::autotune::AutotuneCache,
    model::{arithmetic::Arithmetic, folder, parameters::ParameterSource, record},
    tasks::{
        asked::Asked,
        asking::Asking,
        featurized::Featurized,
        head::{self, TaskHead},
        model::Model,
        output::{Output, outputs},
        predict::predict,
        reply::Reply,
    },
    text::tokenizer::Tokenizer,
    train::prediction_memory::{PredictionFootprint, weights},
};

/// A model with its heads, its vocabulary and the hyper-parameters of its training; one of its tasks
/// answers.
///
/// # Examples
///
/// ```no_run
/// use std::path::Path;
///
/// use electra::{
///     config::Precision,
///     device::{DeviceRequest, choose},
///     fine_tuned::FineTuned,
///     tasks::{asked::Asked, reply::Reply},
/// };
///
/// let device = choose(DeviceRequest::Auto)?;
/// let model = FineTuned::open(Path::new("my_model"), &device, Precision::Auto)?;
/// match model.ask(&Asked::question("Who wrote it?", "Ada wrote it in 1843."))? {
///     Reply::Question(reply) => println!("{} at {:?}", reply.answer, reply.place()),
///     other => println!("{other:?}"),
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct FineTuned {
    pub config: Config,
    pub tokenizer: Tokenizer,
    /// Folder of its record.
    pub folder: PathBuf,
    /// Number format that it computes in.
    pub precision: &'static str,
    /// The task that answers.
    pub asking: Asking,
    model: Model,
    /// The heads of all its tasks, in order.
    heads: Vec<TaskHead>,
    /// Index of the head that answers.
    head: usize,
    device: Device,
    arithmetic: Arithmetic,
    /// Rows of the longest that are computed at once, at most.
    at_once: usize,
}

impl FineTuned {
    /// Opens a folder with `model.bpk`, including the checkpoint of a run, or a TF checkpoint with
    /// a head, which is converted. If there are several tasks, the first answers.
    ///
    /// # Errors
    /// As for [`Described::of`] and [`FineTuned::of`], and if there is no model at `path`.
    pub fn open(path: &Path, chosen: &Chosen, precision: Precision) -> Result<Self, Error> {
        let found = folder::find(path, &mut |_, _| {})?;
        Self::of(Described::of(&found, TaskChoice::First)?, chosen, precision)
    }

    /// Opens a described model.
    ///
    /// # Errors
    /// If it is damaged or has no head that answers, or if the device fails.
    pub fn of(described: Described, chosen: &Chosen, precision: Precision) -> Result<Self, Error> {
        let Described {
            config,
            folder,
            tokenizer,
            asking,
            heads,
            head,
        } = described;
        let mut stored = record::open(&folder.join("model.bpk"))?;
        let tokens = config.predict_batch_size * config.max_seq_length;
        let arithmetic = Arithmetic::on(
            chosen,
            precision,
            &config.encoder(),
            tokens,
            &AutotuneCache::of_user(),
        )?;
        let device = chosen.device.clone();
        let mut source = ParameterSource::new(device.clone(), config.seed, Some(&mut stored))
            .with_arithmetic(arithmetic);
        let model = Model::new(&mut source, &config.encoder(), &heads)?;
        if let Some(parameter) = source.finish().initialised.pop() {
            return Err(Error::NoHead {
                instead: instead(&folder),
                path: folder,
                parameter,
                head: asking.head(),
            });
        }
        Ok(Self {
            at_once: config.predict_batch_size,
            config,
            tokenizer,
            folder,
            precision: arithmetic.word(),
            asking,
            model,
            heads,
            head,
            device,
            arithmetic,
        })
    }

    /// Computes no more rows at once than fit a memory budget of so many bytes; returns how many, and the
    /// bytes that they need.
    ///
    /// # Errors
    /// If not even one fits.
    pub fn within(&mut self, budget: u64) -> Result<(usize, u64), Error> {
        let encoder = self.config.encoder();
        let footprint = PredictionFootprint {
            held: weights(&encoder, self.arithmetic, head::shapes(&self.heads)),
            encoder: &encoder,
            arithmetic: self.arithmetic,
            beam_size: self.config.beam_size,
            longest: self.config.max_seq_length,
        };
        self.at_once = footprint.rows(self.config.predict_batch_size, budget)?;
        Ok((self.at_once, footprint.needed(self.at_once)))
    }

    /// Returns the model once for each of its tasks, in order, so that each can answer; they share
    /// the weights.
    ///
    /// # Errors
    /// If a head has invalid tags.
    pub fn for_each_task(&self) -> Result<Vec<Self>, Error> {
        let heads = self.heads.iter().enumerate();
        heads
            .map(|(place, head)| {
                Ok(Self {
                    config: self.config.clone(),
                    tokenizer: self.tokenizer.clone(),
                    folder: self.folder.clone(),
                    precision: self.precision,
                    asking: Asking::of(head)?,
                    model: self.model.clone(),
                    heads: self.heads.clone(),
                    head: place,
                    device: self.device.clone(),
                    arithmetic: self.arithmetic,
                    at_once: self.at_once,
                })
            })
            .collect()
    }

    /// Returns the name of the task that answers.
    pub fn task(&self) -> &str {
        self.asking.task()
    }

    /// Asks one thing, and warns about text that the vocabulary does not know and text that is cut
    /// off, since the model says little about it.
    ///
    /// # Errors
    /// As for [`FineTuned::featurize`], [`FineTuned::compute`] and [`FineTuned::reply`].
    pub fn ask(&self, asked: &Asked) -> Result<Reply, Error> {
        let asked = self.featurize(asked)?;
        for warning in self.warnings(&asked) {
            log::warn!("{warning}");
        }
        let rows = asked.rows(0..asked.row_count());
        let outputs = self.compute(&FeatureSet::of_rows([rows]), &mut |_, _| {})?;
        self.reply(&asked, outputs)
    }

    /// Turns an input into the rows that the model reads.
    ///
    /// # Errors
    /// If the task takes something else, a text is blank, or a text leaves no room in
    /// `max_seq_length`.
    pub fn featurize(&self, asked: &Asked) -> Result<Featurized, Error> {
        let featurized = self.asking.featurize(asked, &self.tokenizer, &self.config);
        Ok(featurized?)
    }

    /// Returns warnings about an input, to be shown before it is answered.
    pub fn warnings(&self, asked: &Featurized) -> Vec<String> {
        asked.warnings(self.tokenizer.vocab().unk_id())
    }

    /// Runs the model on rows of one or several requests; the outputs are in row order. `progress`
    /// receives how many rows are done and how many there are.
    ///
    /// # Errors
    /// If the device fails.
    pub fn compute(
        &self,
        rows: &FeatureSet<'_>,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Vec<Output>, Error> {
        let (count, beam_size) = (rows.len(), self.config.beam_size);
        let computed = predict(
            rows,
            self.at_once,
            self.model.electra.most_tokens(&self.device),
            &self.device,
            |input, batch| outputs(&self.model, self.head, input, batch, beam_size),
            &mut |done| {
                progress(done, count);
                ControlFlow::Continue(())
            },
        );
        Ok(computed?)
    }

    /// Builds the reply to an input from the model's outputs for all its rows, in order.
    ///
    /// # Errors
    /// If the outputs belong to other rows or are not finite.
    pub fn reply(&self, asked: &Featurized, outputs: Vec<Output>) -> Result<Reply, Error> {
        let reply = self
            .asking
            .reply(asked, outputs, &self.tokenizer, &self.config);
        Ok(reply?)
    }

    /// Returns the most tokens in a row, and how many tokens fill the device at once.
    pub fn tokens_at_once(&self) -> (usize, usize) {
        let row = self.config.max_seq_length;
        (row, row * self.at_once)
    }
}
