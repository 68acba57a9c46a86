//! Gradients of a batch's loss for every trainable parameter, accumulated over its parts.

use burn::{
    Tensor,
    module::{Module, ModuleVisitor, Param, ParamId},
    tensor::Device,
};

use super::outgoing::Outgoing;
use crate::{
    kernels::{
        lookup::{Ids, add_by_id},
        square_sum::SquareSum,
    },
    model::{
        layer::EncoderLayer, parameter_gradients::ParameterGradients, record::for_each_parameter,
    },
};

/// Gradients summed over the parts of a batch.
#[derive(Default)]
pub struct Gradients {
    /// By parameter, without the word tables whose rows are counted separately.
    pub parameters: ParameterGradients,
    /// The trained word tables that are only looked up.
    pub(super) word_tables: Vec<WordTable>,
    /// Word tables that also serve as an output matrix: their gradient is one sum and counts as
    /// such.
    whole: Vec<ParamId>,
    /// What takes the gradients of the last part of a rank's share to the other ranks.
    pub outgoing: Option<Outgoing>,
}

/// The gradient of a word table that is only looked up.
pub(super) struct WordTable {
    pub id: ParamId,
    /// `[vocab, embedding]`
    pub sum: Tensor<2>,
    /// Σ over looked-up rows of ‖row gradient‖²: the table's contribution to the squared norm.
    pub rows_square: SquareSum,
}

impl WordTable {
    fn zeros(table: &Param<Tensor<2>>, device: &Device) -> Self {
        Self {
            id: table.id,
            sum: Tensor::zeros(table.val().dims(), device),
            rows_square: SquareSum::new(device),
        }
    }
}

impl Gradients {
    /// Creates the gradients of a model in which these word tables also serve as output matrices.
    pub fn with_whole_tables(whole: Vec<ParamId>) -> Self {
        Self {
            whole,
            ..Self::default()
        }
    }

    /// Adds the gradients `rows` `[tokens, embedding]` of word vectors that were looked up in
    /// `table` by `ids` `[tokens]`; both without autodiff.
    pub fn add_word_rows(&mut self, table: &Param<Tensor<2>>, ids: Ids, rows: Tensor<2>) {
        if self.whole.contains(&table.id) {
            return self.parameters.add_rows(table, ids, rows);
        }
        let before = self.word_tables.iter().position(|t| t.id == table.id);
        let WordTable {
            sum,
            mut rows_square,
            ..
        } = match before {
            Some(place) => self.word_tables.remove(place),
            None => WordTable::zeros(table, &rows.device()),
        };
        rows_square.add(rows.clone());
        // Frees these rows before the next part's arrive.
        rows_square.sum_waiting();
        self.word_tables.push(WordTable {
            id: table.id,
            sum: add_by_id(sum, ids, rows),
            rows_square,
        });
    }

    /// Whether later passes add to the gradients of the layers that the present one leaves.
    pub fn hold(&mut self, is_held: bool) {
        if let Some(outgoing) = &mut self.outgoing {
            outgoing.hold(is_held);
        }
    }

    /// To be called when a pass has left the gradients of a layer.
    pub fn left(&mut self, layer: &EncoderLayer) {
        if let Some(outgoing) = &mut self.outgoing {
            outgoing.left(layer, &mut self.parameters);
        }
    }

    /// Makes the gradient of a table that is only looked up, if no row of it was: zeros.
    pub fn ensure_word_table(&mut self, table: &Param<Tensor<2>>) {
        let is_there = self.word_tables.iter().any(|it| it.id == table.id);
        if !is_there && !self.whole.contains(&table.id) {
            let device = table.val().device().without_autodiff();
            self.word_tables.push(WordTable::zeros(table, &device));
        }
    }

    /// Takes one parameter's gradient, flattened to `[elements]`.
    pub fn take<const D: usize>(&mut self, id: ParamId) -> Option<Tensor<1>> {
        if let Some(place) = self.word_tables.iter().position(|table| table.id == id) {
            return Some(self.word_tables.remove(place).sum.flatten(0, 1));
        }
        let gradient = self.parameters.remove::<D>(id)?;
        let elements = gradient.dims().iter().product::<usize>();
        Some(gradient.reshape([elements]))
    }

    /// Returns every gradient by record name, each `[elements]`, in the order of the modules.
    pub fn into_values(
        mut self,
        model: &impl Module,
        tasks: &[String],
    ) -> Vec<(String, Tensor<1>)> {
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

    /// Returns the norm over all gradients as the reference's clipping computes it, `[1]`.
    pub fn global_norm(&mut self, model: &impl Module) -> Tensor<1> {
        self.square_sum(model).total().sqrt()
    }

    /// Returns the sum of squares of all gradients, the square of their norm.
    pub fn square_sum(&mut self, model: &impl Module) -> SquareSum {
        struct Squares<'a> {
            gradients: &'a mut ParameterGradients,
            /// Norms of the rows of further tables, `[1]`.
            rows: Vec<Tensor<1>>,
            sum: Option<SquareSum>,
        }
        impl ModuleVisitor for Squares<'_> {
            fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<D>>) {
                let device = || parameter.val().device().without_autodiff();
                let sum = self.sum.get_or_insert_with(|| SquareSum::new(&device()));
                for norm in self.rows.drain(..) {
                    sum.add(norm);
                }
                if let Some(gradient) = self.gradients.get::<D>(parameter.id) {
                    sum.add(gradient);
                }
            }
        }
        let mut rows = self.word_tables.iter();
        let mut visitor = Squares {
            gradients: &mut self.parameters,
            // Continues one table's sum.
            sum: rows.next().map(|table| table.rows_square.clone()),
            rows: rows
                .map(|table| table.rows_square.clone().total().sqrt())
                .collect(),
        };
        model.visit(&mut visitor);
        visitor.sum.expect("a model has parameters")
    }
}
