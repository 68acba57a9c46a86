//! Gradients of a batch's loss for every trainable parameter, summed part by part.

use burn::{
    Tensor,
    module::{Module, ModuleVisitor, Param, ParamId},
};

use crate::{
    kernels::{
        lookup::{Ids, add_by_id},
        square_sum::SquareSum,
    },
    model::{parameter_gradients::ParameterGradients, record::for_each_parameter},
    tasks::model::Model,
};

/// Gradients summed over the parts of a batch.
#[derive(Default)]
pub struct Gradients {
    /// By parameter, without the word table.
    pub parameters: ParameterGradients,
    /// If it is trained.
    word_table: Option<WordTable>,
}

/// The gradient of the word table.
struct WordTable {
    id: ParamId,
    /// `[vocab, embedding]`
    sum: Tensor<2>,
    /// Σ over looked-up rows of ‖row gradient‖²: what the table adds to the squared norm.
    rows_square: SquareSum,
}

impl Gradients {
    /// Adds the gradients of word vectors, `rows` `[tokens, embedding]`, that were looked up in
    /// `table` by `ids` `[tokens]`; both without autodiff.
    pub fn add_word_rows(&mut self, table: &Param<Tensor<2>>, ids: Ids, rows: Tensor<2>) {
        let (sum, mut rows_square) = match self.word_table.take() {
            Some(before) => (before.sum, before.rows_square),
            None => {
                let zeros = Tensor::zeros(table.val().dims(), &rows.device());
                (zeros, SquareSum::new(&rows.device()))
            }
        };
        rows_square.add(rows.clone());
        // The rows go before the next part's come.
        rows_square.sum_waiting();
        self.word_table = Some(WordTable {
            id: table.id,
            sum: add_by_id(sum, ids, rows),
            rows_square,
        });
    }

    /// Takes one parameter's gradient, flattened to `[elements]`.
    pub fn take<const D: usize>(&mut self, id: ParamId) -> Option<Tensor<1>> {
        if let Some(table) = self.word_table.take_if(|table| table.id == id) {
            return Some(table.sum.flatten(0, 1));
        }
        let gradient = self.parameters.remove::<D>(id)?;
        let elements = gradient.dims().iter().product::<usize>();
        Some(gradient.reshape([elements]))
    }

    /// Every gradient by record name, each `[elements]`, in the order of the modules.
    pub fn into_values(mut self, model: &Model, tasks: &[String]) -> Vec<(String, Tensor<1>)> {
        let mut values = Vec::new();
        for_each_parameter(model, tasks, |parameter| {
            let gradient = match *parameter.shape {
                [_] => self.take::<1>(parameter.id),
                _ => self.take::<2>(parameter.id),
            };
            values.extend(gradient.map(|gradient| (parameter.name.to_owned(), gradient)));
        });
        values
    }

    /// Norm over all gradients as the reference's clipping computes it, `[1]`.
    pub fn global_norm(&mut self, model: &Model) -> Tensor<1> {
        self.square_sum(model).total().sqrt()
    }

    /// The sum of squares that is the square of the norm over all gradients.
    pub fn square_sum(&mut self, model: &Model) -> SquareSum {
        struct Squares<'a> {
            gradients: &'a mut ParameterGradients,
            sum: SquareSum,
        }
        impl ModuleVisitor for Squares<'_> {
            fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<D>>) {
                if let Some(gradient) = self.gradients.get::<D>(parameter.id) {
                    self.sum.add(gradient);
                }
            }
        }
        let device = model.electra.embeddings.word.weight.val().device();
        let sum = match &self.word_table {
            None => SquareSum::new(&device.without_autodiff()),
            Some(table) => table.rows_square.clone(),
        };
        let mut visitor = Squares {
            gradients: &mut self.parameters,
            sum,
        };
        model.visit(&mut visitor);
        visitor.sum
    }
}
