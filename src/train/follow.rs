//! A training run as every rank but the first has it: its share of each step, and nothing that is
//! written.

use std::sync::atomic::Ordering;

use burn::{module::Module, tensor::Device};

use super::{
    adam::Adam,
    course::{Begin, Course, agree_on_weights, compare_last_weights},
    run::{Error, Run, Trained},
};
use crate::{
    model::{folder, parameters::StoredParameters},
    progress::Progress,
    tasks::model::Model,
};

impl Run<'_> {
    /// Trains along with rank 0, to the last step or to where that ends.
    ///
    /// # Errors
    /// As for [`Run::train`].
    pub fn follow(
        &self,
        mut adam: Adam,
        build: impl Fn(&Device, Option<&mut StoredParameters>) -> Result<Model, folder::Error>,
        progress: &Progress,
    ) -> Result<Trained, Error> {
        let device = self.device.clone().autodiff();
        let steps = self.schedule.steps;
        let begin = Begin::hear(self.ranks)?;
        let model = begin.model::<_, Error>(self.model_dir, self.tasks, &mut adam, |stored| {
            Ok(build(&device, stored)?)
        })?;
        let (mut model, loss_scale) = self.begun(model, &mut adam, begin.loss_scale);
        agree_on_weights(self.ranks, &model, self.tasks)?;
        let mut pace = self.pace(&device, loss_scale, progress);
        let mut plan = self.plan.clone();
        let mut step = begin.step;
        let mut course = Course::GoOn.of_first(self.ranks);
        while step < steps && course == Course::GoOn {
            let rows = plan.features(step as usize);
            let gradients = self.gradients(&model, rows, step, &mut pace, progress)?;
            let rate = self.schedule.update_rate(step);
            model = gradients.update(model, &mut adam, rate, &pace.settings);
            step += 1;
            let is_stopped = self.ranks.any(self.stop.load(Ordering::Relaxed)) && step < steps;
            course = match is_stopped {
                true => Course::Stopped,
                false => Course::GoOn.of_first(self.ranks),
            };
        }
        if course == Course::Stopped {
            return Err(Error::Stopped { step, steps });
        }
        compare_last_weights(self.ranks, &model, self.tasks)?;
        Ok(Trained {
            model: model.valid(),
            steps: step,
        })
    }
}
