//! A fine-tuned model taken from its folder alone, for `electra predict`, `ask` and `serve`.
//!
//! [`FineTuned::ask`] asks it one thing. The steps alone let many be asked at once, whatever the task:
//! [`FineTuned::featurize`] makes rows of what is asked, [`FineTuned::compute`] says something of each row
//! of a batch, and [`FineTuned::reply`] makes the reply of that.

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
        head::TaskHead,
        model::Model,
        output::{Output, outputs},
        predict::predict,
        reply::Reply,
    },
    text::tokenizer::Tokenizer,
};

/// A model with its heads, its vocabulary and the hyper-parameters it was trained with; of several
/// tasks one answers.
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
    /// Where its record lies.
    pub folder: PathBuf,
    /// The number format that it computes in.
    pub precision: &'static str,
    /// The task that answers.
    pub asking: Asking,
    model: Model,
    /// Of all its tasks, in their order.
    heads: Vec<TaskHead>,
    /// The place of the one that answers.
    head: usize,
    device: Device,
}

impl FineTuned {
    /// Opens a folder with `model.bpk`, the checkpoint of a run included, or a TF checkpoint with a
    /// head, which is converted. Of several tasks the first answers.
    ///
    /// # Errors
    /// As [`Described::of`] and [`FineTuned::of`], and no model at `path`.
    pub fn open(path: &Path, chosen: &Chosen, precision: Precision) -> Result<Self, Error> {
        let found = folder::find(path, &mut |_, _| {})?;
        Self::of(Described::of(&found, TaskChoice::First)?, chosen, precision)
    }

    /// Opens a model that was described.
    ///
    /// # Errors
    /// Damaged, or without a head that answers; a device that fails.
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
            config,
            tokenizer,
            folder,
            precision: arithmetic.word(),
            asking,
            model,
            heads,
            head,
            device,
        })
    }

    /// The same model for each of its tasks, in their order, each of which answers; they share the
    /// weights.
    ///
    /// # Errors
    /// When a head has tags that are none.
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
                })
            })
            .collect()
    }

    /// The name of the task that answers.
    pub fn task(&self) -> &str {
        self.asking.task()
    }

    /// Asks one thing and warns of what it says little about: text that the vocabulary does not know,
    /// text that is cut off.
    ///
    /// # Errors
    /// As [`FineTuned::featurize`], [`FineTuned::compute`] and [`FineTuned::reply`].
    pub fn ask(&self, asked: &Asked) -> Result<Reply, Error> {
        let asked = self.featurize(asked)?;
        for warning in self.warnings(&asked) {
            log::warn!("{warning}");
        }
        let rows = asked.rows(0..asked.row_count());
        let outputs = self.compute(&FeatureSet::of_rows([rows]), &mut |_, _| {})?;
        self.reply(&asked, outputs)
    }

    /// Makes what is asked into the rows that the model reads.
    ///
    /// # Errors
    /// When the task takes something else, when a text is blank, or when it leaves no room in
    /// `max_seq_length`.
    pub fn featurize(&self, asked: &Asked) -> Result<Featurized, Error> {
        let featurized = self.asking.featurize(asked, &self.tokenizer, &self.config);
        Ok(featurized?)
    }

    /// What is to be said of a text before it is answered.
    pub fn warnings(&self, asked: &Featurized) -> Vec<String> {
        asked.warnings(self.tokenizer.vocab().unk_id())
    }

    /// Runs the model over rows, of one request or of several; what it says stands in their order.
    /// `progress` hears how many rows of how many are done.
    ///
    /// # Errors
    /// When the device fails.
    pub fn compute(
        &self,
        rows: &FeatureSet<'_>,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Vec<Output>, Error> {
        let (count, beam_size) = (rows.len(), self.config.beam_size);
        let computed = predict(
            rows,
            self.config.predict_batch_size,
            &self.device,
            |input, batch| outputs(&self.model, self.head, input, batch, beam_size),
            &mut |done| {
                progress(done, count);
                ControlFlow::Continue(())
            },
        );
        Ok(computed?)
    }

    /// The reply to what was asked, from what the model says of all its rows, in their order.
    ///
    /// # Errors
    /// When the outputs are those of other rows, or not finite.
    pub fn reply(&self, asked: &Featurized, outputs: Vec<Output>) -> Result<Reply, Error> {
        let reply = self
            .asking
            .reply(asked, outputs, &self.tokenizer, &self.config);
        Ok(reply?)
    }

    /// The most tokens of a row, and how many of them fill the device in one go.
    pub fn tokens_at_once(&self) -> (usize, usize) {
        let row = self.config.max_seq_length;
        (row, row * self.config.predict_batch_size)
    }
}
