//! A table of names: which TensorFlow variable is which parameter of the record, with its shape.
//! Turns a configuration into the full list of its parameters; the same table serves both
//! directions. Kernels keep TensorFlow's layout `[in, out]`, so nothing is transposed. Names follow
//! the reference's variable scopes (`model/modeling.py`, `finetune/qa/qa_tasks.py`,
//! `finetune/classification/classification_tasks.py`, `finetune/tagging/tagging_tasks.py`).

mod pretraining;
mod reason;

use crate::config::{ModelShape, RecordConfig};
use crate::head_shape::{DenseKind, HeadShape, SpanShape};

pub use pretraining::pretraining_path;
pub(crate) use pretraining::{
    CLOZE_HEAD, DISCRIMINATOR_HEAD, GENERATOR, TOKEN_HEAD, TOWERS, discriminator_head_parameters,
    generator_parameters, token_head_parameters,
};
pub(crate) use reason::{NO_QA_HEAD, reason};

/// A parameter of the model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Its path in the record, e.g. `electra.layers.0.attention.query.weight`.
    pub path: String,
    /// Its TensorFlow name, e.g. `electra/encoder/layer_0/attention/self/query/kernel`.
    pub variable: String,
    pub shape: Vec<u64>,
}

/// A size given by the configuration.
#[derive(Clone, Copy)]
enum Size {
    Vocabulary,
    Embedding,
    Positions,
    TokenTypes,
    Hidden,
    Intermediate,
    One,
    /// Two concatenated hidden states.
    TwoHidden,
    HeadHidden,
    Outputs,
}

use Size::*;

/// TensorFlow's scope, the record's module, and the shapes of its tensors.
enum Row {
    /// `variable`, `parameter`, shape.
    Table(&'static str, &'static str, [Size; 2]),
    /// `gamma` and `beta`, which have the same names on both sides.
    Norm(&'static str, &'static str, Size),
    /// `kernel` → `weight` `[in, out]`, `bias` → `bias` `[out]`.
    Dense(&'static str, &'static str, [Size; 2]),
    /// One tensor of one axis.
    Vector(&'static str, &'static str, Size),
}

use Row::*;

const EMBEDDINGS: [Row; 4] = [
    Table(
        "embeddings/word_embeddings",
        "embeddings.word.weight",
        [Vocabulary, Embedding],
    ),
    Table(
        "embeddings/token_type_embeddings",
        "embeddings.token_type.weight",
        [TokenTypes, Embedding],
    ),
    Table(
        "embeddings/position_embeddings",
        "embeddings.position.weight",
        [Positions, Embedding],
    ),
    Norm("embeddings/LayerNorm", "embeddings.layer_norm", Embedding),
];

/// Only if embedding and hidden size differ.
const PROJECTION: [Row; 1] = [Dense(
    "embeddings_project",
    "embeddings.project",
    [Embedding, Hidden],
)];

/// The parameters of layer i, under `electra/encoder/layer_i/` and `electra.layers.i.`.
const LAYER: [Row; 8] = [
    Dense("attention/self/query", "attention.query", [Hidden, Hidden]),
    Dense("attention/self/key", "attention.key", [Hidden, Hidden]),
    Dense("attention/self/value", "attention.value", [Hidden, Hidden]),
    Dense(
        "attention/output/dense",
        "attention.output",
        [Hidden, Hidden],
    ),
    Norm("attention/output/LayerNorm", "attention.layer_norm", Hidden),
    Dense(
        "intermediate/dense",
        "feed_forward.intermediate",
        [Hidden, Intermediate],
    ),
    Dense(
        "output/dense",
        "feed_forward.output",
        [Intermediate, Hidden],
    ),
    Norm("output/LayerNorm", "feed_forward.layer_norm", Hidden),
];

// The parameters of a head, under `task_specific/<task>/` and `heads.<task>.`. TensorFlow numbers
// unnamed layers in the order of creation.
const START: Row = Dense("dense", "start", [Hidden, One]);
const END_GIVEN_START: [Row; 2] = [
    Dense("qa_hidden", "end_hidden", [TwoHidden, HeadHidden]),
    Dense("dense_1", "end", [HeadHidden, One]),
];
const END: Row = Dense("dense_1", "end", [Hidden, One]);
const ANSWERABLE_FROM_START: [Row; 2] = [
    Dense("dense_2", "answerable_hidden", [TwoHidden, HeadHidden]),
    Dense("dense_3", "answerable", [HeadHidden, One]),
];
const ANSWERABLE: Row = Dense("dense_2", "answerable", [Hidden, One]);
/// The whole of a head that is not for question answering.
const DENSE: Row = Dense("dense", "dense", [Hidden, Outputs]);
/// The same with a hidden layer. The reference has no such head, so these are Hugging Face's names.
const DENSE_BEHIND_HIDDEN: [Row; 2] = [
    Dense("classifier/dense", "hidden", [Hidden, Hidden]),
    Dense("classifier/out_proj", "dense", [Hidden, Outputs]),
];

/// Returns every parameter of a model with this configuration: the encoder's, then each head's.
pub fn parameters(config: &RecordConfig) -> Vec<Parameter> {
    let mut parameters = encoder_parameters(config);
    for (task, head) in &config.heads {
        parameters.extend(head_parameters(config, task, head));
    }
    parameters
}

/// Returns the parameters of embeddings and layers.
pub(crate) fn encoder_parameters(config: &RecordConfig) -> Vec<Parameter> {
    let mut list = List::new(&config.model);
    list.rows(&EMBEDDINGS, "electra/", "electra.");
    if config.model.is_projected() {
        list.rows(&PROJECTION, "electra/", "electra.");
    }
    list.layers("electra");
    list.parameters
}

/// Returns the parameters of one task's head.
pub(crate) fn head_parameters(
    config: &RecordConfig,
    task: &str,
    head: &HeadShape,
) -> Vec<Parameter> {
    let mut list = List::new(&config.model);
    let variable = format!("task_specific/{task}/");
    let path = format!("heads.{task}.");
    match head {
        HeadShape::Span(span) => list.span(span, &variable, &path),
        HeadShape::Dense(dense) => {
            list.outputs = dense.outputs;
            match dense.hidden_layer {
                false => list.rows(&[DENSE], &variable, &path),
                true => list.rows(&DENSE_BEHIND_HIDDEN, &variable, &path),
            }
        }
    }
    list.parameters
}

/// Returns whether a task name may occur in the path of a parameter.
pub(crate) fn is_task_name(name: &str) -> bool {
    let is_allowed = |b: u8| b.is_ascii_alphanumeric() || b"_-".contains(&b);
    !name.is_empty() && name.bytes().all(is_allowed)
}

/// Returns what the reference's task of this name predicts (`finetune/task_builder.py`), if a dense
/// layer with this number of outputs can do so; `None` for a name that the reference does not have.
pub(crate) fn dense_kind(task: &str, outputs: usize) -> Option<DenseKind> {
    match task {
        "cola" | "mnli" | "mrpc" | "qnli" | "qqp" | "rte" | "sst" => {
            Some(DenseKind::Classification)
        }
        "sts" if outputs == 1 => Some(DenseKind::Regression),
        "chunk" => Some(DenseKind::Tagging),
        _ => None,
    }
}

/// The reference's question-answering tasks.
const QUESTIONS: [&str; 6] = [
    "squad",
    "squadv1",
    "newsqa",
    "naturalqs",
    "triviaqa",
    "searchqa",
];

/// Returns whether the reference's task of this name is question answering.
pub(crate) fn is_of_questions(task: &str) -> bool {
    QUESTIONS.contains(&task)
}

/// Returns the labels of the reference's task of this name in the order of its outputs, if it has
/// classes (`finetune/classification/classification_tasks.py`).
pub(crate) fn classes(task: &str) -> Option<&'static [&'static str]> {
    match task {
        "cola" | "mrpc" | "qqp" | "sst" => Some(&["0", "1"]),
        "mnli" => Some(&["contradiction", "entailment", "neutral"]),
        "qnli" | "rte" => Some(&["entailment", "not_entailment"]),
        _ => None,
    }
}

struct List<'a> {
    model: &'a ModelShape,
    /// Sizes of the head.
    head_hidden: usize,
    outputs: usize,
    parameters: Vec<Parameter>,
}

impl<'a> List<'a> {
    fn new(model: &'a ModelShape) -> Self {
        Self {
            model,
            head_hidden: 0,
            outputs: 0,
            parameters: Vec::new(),
        }
    }

    fn span(&mut self, span: &SpanShape, scope: &str, module: &str) {
        self.head_hidden = span.hidden;
        self.rows(&[START], scope, module);
        match span.joint_prediction {
            true => self.rows(&END_GIVEN_START, scope, module),
            false => self.rows(&[END], scope, module),
        }
        match (
            span.answerable_classifier,
            span.answerable_uses_start_logits,
        ) {
            (true, true) => self.rows(&ANSWERABLE_FROM_START, scope, module),
            (true, false) => self.rows(&[ANSWERABLE], scope, module),
            (false, _) => {}
        }
    }

    /// All layers of the network of this name.
    fn layers(&mut self, network: &str) {
        for layer in 0..self.model.num_hidden_layers {
            let variable = format!("{network}/encoder/layer_{layer}/");
            self.rows(&LAYER, &variable, &format!("{network}.layers.{layer}."));
        }
    }

    fn rows(&mut self, rows: &[Row], scope: &str, module: &str) {
        for row in rows {
            match *row {
                Table(variable, path, shape) => self.add(scope, variable, module, path, &shape),
                Vector(variable, path, size) => self.add(scope, variable, module, path, &[size]),
                Norm(variable, path, size) => {
                    for part in ["gamma", "beta"] {
                        let (variable, path) =
                            (format!("{variable}/{part}"), format!("{path}.{part}"));
                        self.add(scope, &variable, module, &path, &[size]);
                    }
                }
                Dense(variable, path, [input, output]) => {
                    let (kernel, weight) = (format!("{variable}/kernel"), format!("{path}.weight"));
                    self.add(scope, &kernel, module, &weight, &[input, output]);
                    let (variable, path) = (format!("{variable}/bias"), format!("{path}.bias"));
                    self.add(scope, &variable, module, &path, &[output]);
                }
            }
        }
    }

    fn add(&mut self, scope: &str, variable: &str, module: &str, path: &str, shape: &[Size]) {
        self.parameters.push(Parameter {
            path: format!("{module}{path}"),
            variable: format!("{scope}{variable}"),
            shape: shape.iter().map(|&size| self.size(size) as u64).collect(),
        });
    }

    fn size(&self, size: Size) -> usize {
        let model = self.model;
        match size {
            Vocabulary => model.vocab_size,
            Embedding => model.embedding_size,
            Positions => model.max_position_embeddings,
            TokenTypes => model.type_vocab_size,
            Hidden => model.hidden_size,
            Intermediate => model.intermediate_size,
            One => 1,
            TwoHidden => model.hidden_size.saturating_mul(2),
            HeadHidden => self.head_hidden,
            Outputs => self.outputs,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::config;
    use crate::config::ModelShape;

    pub(crate) fn config(embedding_size: usize, head: HeadShape) -> RecordConfig {
        RecordConfig {
            model: ModelShape {
                vocab_size: 100,
                embedding_size,
                hidden_size: 8,
                num_hidden_layers: 2,
                num_attention_heads: 1,
                intermediate_size: 32,
                max_position_embeddings: 16,
                type_vocab_size: 2,
                hidden_act: config::gelu(),
                hidden_dropout_prob: config::tenth(),
                attention_probs_dropout_prob: config::tenth(),
                initializer_range: config::fiftieth(),
                layer_norm_eps: config::epsilon(),
            },
            do_lower_case: true,
            strip_accents: None,
            tokenize_chinese_chars: true,
            heads: [("squad".to_owned(), head)].into(),
        }
    }

    pub(crate) fn head(joint: bool, answerable: bool, start_logits: bool) -> HeadShape {
        HeadShape::Span(SpanShape {
            joint_prediction: joint,
            answerable_classifier: answerable,
            answerable_uses_start_logits: start_logits,
            hidden: 512,
        })
    }

    #[test]
    fn every_name_stands_once_on_either_side() {
        let parameters = parameters(&config(4, head(true, true, true)));
        // 5 embedding tensors, 2 of the projection, 16 per layer, 10 of the full head.
        assert_eq!(parameters.len(), 5 + 2 + 2 * 16 + 10);
        for field in [
            |p: &Parameter| p.path.clone(),
            |p: &Parameter| p.variable.clone(),
        ] {
            let mut names: Vec<String> = parameters.iter().map(field).collect();
            names.sort();
            names.dedup();
            assert_eq!(names.len(), parameters.len());
        }
    }

    #[test]
    fn names_and_shapes_are_the_reference_s() {
        let parameters = parameters(&config(4, head(true, true, true)));
        let cases: [(&str, &str, &[u64]); 6] = [
            (
                "electra/embeddings/word_embeddings",
                "electra.embeddings.word.weight",
                &[100, 4],
            ),
            (
                "electra/embeddings_project/kernel",
                "electra.embeddings.project.weight",
                &[4, 8],
            ),
            (
                "electra/encoder/layer_1/output/dense/kernel",
                "electra.layers.1.feed_forward.output.weight",
                &[32, 8],
            ),
            (
                "electra/encoder/layer_0/attention/output/LayerNorm/beta",
                "electra.layers.0.attention.layer_norm.beta",
                &[8],
            ),
            (
                "task_specific/squad/qa_hidden/kernel",
                "heads.squad.end_hidden.weight",
                &[16, 512],
            ),
            (
                "task_specific/squad/dense_3/bias",
                "heads.squad.answerable.bias",
                &[1],
            ),
        ];
        for (variable, path, shape) in cases {
            let found = parameters.iter().find(|p| p.variable == variable).unwrap();
            assert_eq!((found.path.as_str(), found.shape.as_slice()), (path, shape));
        }
    }

    #[test]
    fn the_head_s_unnamed_layers_are_numbered_by_its_parts() {
        let variables = |head| -> Vec<String> {
            let config = config(8, head);
            head_parameters(&config, "t", &config.heads["squad"])
                .into_iter()
                .filter_map(|p| {
                    let kernel = p
                        .variable
                        .strip_prefix("task_specific/t/")?
                        .strip_suffix("/kernel")?;
                    Some(format!("{kernel}={}{:?}", p.path, p.shape))
                })
                .collect()
        };
        assert_eq!(
            variables(head(false, true, false)),
            [
                "dense=heads.t.start.weight[8, 1]",
                "dense_1=heads.t.end.weight[8, 1]",
                "dense_2=heads.t.answerable.weight[8, 1]"
            ]
        );
        assert_eq!(
            variables(head(true, false, false)),
            [
                "dense=heads.t.start.weight[8, 1]",
                "qa_hidden=heads.t.end_hidden.weight[16, 512]",
                "dense_1=heads.t.end.weight[512, 1]"
            ]
        );
    }

    #[test]
    fn a_dense_head_has_one_layer_of_its_outputs() {
        let config = config(4, HeadShape::dense(3));
        let parameters = head_parameters(&config, "mnli", &config.heads["squad"]);
        let expected = [
            (
                "task_specific/mnli/dense/kernel",
                "heads.mnli.dense.weight",
                vec![8, 3],
            ),
            (
                "task_specific/mnli/dense/bias",
                "heads.mnli.dense.bias",
                vec![3],
            ),
        ];
        assert_eq!(parameters.len(), expected.len());
        for (found, (variable, path, shape)) in parameters.iter().zip(expected) {
            assert_eq!((&*found.variable, &*found.path), (variable, path));
            assert_eq!(found.shape, shape);
        }
    }

    #[test]
    fn the_reference_s_names_tell_what_a_dense_head_predicts() {
        assert_eq!(dense_kind("rte", 2), Some(DenseKind::Classification));
        assert_eq!(dense_kind("sts", 1), Some(DenseKind::Regression));
        assert_eq!(dense_kind("sts", 2), None);
        assert_eq!(dense_kind("chunk", 23), Some(DenseKind::Tagging));
        assert_eq!(dense_kind("ner", 9), None);
    }
}
