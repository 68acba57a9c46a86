//! Tests classification, regression, tagging and several tasks at once: logits, gradients and
//! trajectories of the reference's runs, from the reference's features.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use burn::{
    Tensor,
    module::Param,
    tensor::{Device, TensorData},
};
use electra::{
    batch::{Batch, FeatureSet, Row},
    config::Config,
    model::{ModelInput, arithmetic::Arithmetic, dropout::Mode, parameters::ParameterSource},
    tasks::{
        head::{Head, HeadConfig, TaskHead},
        label::Label,
        model::Model,
        qa::span_head::SpanHeadConfig,
        tagging::head::WordRows,
    },
    train::{
        adam::Adam,
        gradients::Gradients,
        objective::{Objective, Trainable},
        schedule::{LayerDecay, Schedule},
        step::{StepSettings, accumulate, step_gradients},
    },
};
use serde_json::Value;

use crate::support::{
    Arrays, converted, devices, distance_and_norm, golden, max_difference, shared,
};

/// One run of the reference on some tasks.
struct TaskRun {
    folder: PathBuf,
    name: String,
    config: Config,
    trajectory: Value,
    heads: Vec<TaskHead>,
    features: Vec<Feature>,
}

/// A training feature in the reference's file.
struct Feature {
    task: usize,
    input_ids: Vec<u32>,
    first_segment: usize,
    label: Label,
}

fn numbers(value: &Value) -> Vec<u32> {
    let numbers = value.as_array().unwrap().iter();
    numbers
        .map(|value| value.as_u64().unwrap() as u32)
        .collect()
}

fn label(feature: &Value) -> Label {
    let number = |key: &str| feature[key].as_u64().unwrap() as u32;
    if feature.get("label_id").is_some() {
        Label::Class(number("label_id"))
    } else if let Some(target) = feature["target"].as_f64() {
        Label::Value(target as f32)
    } else if feature.get("labels").is_some() {
        let positions: Arc<[u32]> = numbers(&feature["labeled_positions"]).into();
        let tags = numbers(&feature["labels"]);
        Label::Tags {
            tags: tags[..positions.len()].into(),
            positions,
        }
    } else {
        Label::Span {
            start: number("start"),
            end: number("end"),
            impossible: feature["is_impossible"]
                .as_bool()
                .unwrap_or_else(|| number("is_impossible") == 1),
        }
    }
}

impl TaskRun {
    fn open(folder: PathBuf) -> Self {
        let text = std::fs::read_to_string(folder.join("trajectory.json")).unwrap();
        let trajectory: Value = serde_json::from_str(&text).unwrap();
        let mut given = trajectory["hparams"].as_object().unwrap().clone();
        let overrides = given["model_hparam_overrides"].as_object_mut().unwrap();
        overrides.insert("hidden_dropout_prob".into(), 0.0.into());
        overrides.insert("attention_probs_dropout_prob".into(), 0.0.into());
        let (config, _) = Config::resolve(Path::new("data"), "model", &given).unwrap();
        let task = |name: &str| {
            config
                .task_names
                .iter()
                .position(|task| task == name)
                .unwrap()
        };
        let lines = std::fs::read_to_string(folder.join("features.train.jsonl")).unwrap();
        let features = lines.lines().map(|line| {
            let feature: Value = serde_json::from_str(line).unwrap();
            let segments = numbers(&feature["segment_ids"]);
            Feature {
                task: feature["task"].as_str().map_or(0, task),
                input_ids: numbers(&feature["input_ids"]),
                first_segment: segments.iter().take_while(|&&segment| segment == 0).count(),
                label: label(&feature),
            }
        });
        let features: Vec<Feature> = features.collect();
        let outputs = |count: usize| -> Arc<[String]> {
            (0..count).map(|number| number.to_string()).collect()
        };
        let heads = config.task_names.iter().map(|task| TaskHead {
            task: task.clone(),
            config: match task.as_str() {
                "squad" => HeadConfig::Span(SpanHeadConfig::of(&config)),
                "sts" => HeadConfig::Value {
                    range: None,
                    texts: None,
                    columns: None,
                    hidden_layer: false,
                },
                "mnli" => HeadConfig::Classes {
                    labels: outputs(3),
                    texts: None,
                    columns: None,
                    hidden_layer: false,
                },
                "chunk" => HeadConfig::Tags {
                    tags: outputs(14),
                    segment: None,
                    columns: None,
                },
                _ => HeadConfig::Classes {
                    labels: outputs(2),
                    texts: None,
                    columns: None,
                    hidden_layer: false,
                },
            },
        });
        Self {
            heads: heads.collect(),
            name: folder.file_name().unwrap().to_string_lossy().into_owned(),
            folder,
            config,
            trajectory,
            features,
        }
    }

    fn has(&self, part: &str) -> bool {
        self.folder.join(part).exists()
    }

    fn model(&self, weights: &str, device: &Device) -> Model {
        if self.has("head.safetensors") {
            return self.committed(device);
        }
        let mut stored = converted(&self.folder.join(weights).join("model.ckpt"));
        let mut source = ParameterSource::new(device.clone(), 1, Some(&mut stored))
            .with_arithmetic(Arithmetic::default());
        let model = Model::new(&mut source, &self.config.encoder(), &self.heads).unwrap();
        let origin = source.finish();
        assert_eq!(
            origin.initialised, [""; 0],
            "parameters that nothing filled"
        );
        assert_eq!(origin.unused, [""; 0], "parameters without a place");
        model
    }

    /// Returns the model before its first step: the pre-trained one, with the head stored beside
    /// the run.
    fn committed(&self, device: &Device) -> Model {
        let mut stored = converted(&golden("models/electra_tiny_projected.zip"));
        let mut source = ParameterSource::new(device.clone(), 1, Some(&mut stored));
        let mut model = Model::new(&mut source, &self.config.encoder(), &self.heads).unwrap();
        assert_eq!(
            source.finish().initialised.len(),
            2,
            "the head alone is new"
        );
        let arrays = Arrays::read(&self.folder.join("head.safetensors"));
        let dense = match &mut model.heads[0] {
            Head::Sequence(head) => &mut head.dense,
            Head::Word(head) => &mut head.dense,
            Head::Span(_) => panic!("a head of questions"),
        };
        let kernel = TensorData::new(arrays.floats("kernel"), dense.weight.val().dims());
        dense.weight = Param::from_tensor(Tensor::from_data(kernel, device));
        let bias = TensorData::new(arrays.floats("bias"), dense.bias.val().dims());
        dense.bias = Param::from_tensor(Tensor::from_data(bias, device));
        model
    }

    fn set(&self) -> FeatureSet<'_> {
        let rows = |task: usize| {
            let of_task = self
                .features
                .iter()
                .filter(move |feature| feature.task == task);
            of_task.map(|feature| Row {
                input_ids: &feature.input_ids,
                first_segment: feature.first_segment,
                label: feature.label.clone(),
            })
        };
        FeatureSet::of_rows((0..self.heads.len()).map(rows))
    }

    /// Returns the batch of a step, in the order of the reference's file.
    fn batch(&self, set: &FeatureSet, step: usize) -> Batch {
        let used = &self.trajectory["steps"][step]["features"];
        let [from, to] = [0, 1].map(|end| used[end].as_u64().unwrap() as usize);
        let numbers: Vec<usize> = (from..to.min(self.features.len()))
            .map(|index| {
                let task = self.features[index].task;
                let before = self.features[..index]
                    .iter()
                    .filter(|f| f.task == task)
                    .count();
                let others = self.features.iter().filter(|f| f.task < task).count();
                others + before
            })
            .collect();
        Batch::collate(set, &numbers).unwrap()
    }

    fn adam(&self) -> Adam {
        Adam::new(
            self.config.weight_decay_rate,
            LayerDecay {
                decay: self.config.layerwise_lr_decay,
                layers: self.config.encoder().num_hidden_layers,
                variant: self.config.lr_decay_variant,
            },
        )
    }
}

fn objective() -> Objective {
    Objective {
        trainable: Trainable::All,
        recompute_layers: false,
        loss_scale: 1.0,
    }
}

fn runs() -> Vec<TaskRun> {
    let Some(reference) = shared("reference") else {
        return ["glue/sts", "chunk"]
            .map(|run| TaskRun::open(golden(run)))
            .into();
    };
    let glue = ["rte", "mnli", "sts", "cola", "mrpc", "sst", "qnli", "qqp"];
    let mut folders: Vec<PathBuf> = glue
        .iter()
        .map(|task| reference.join("glue").join(task))
        .collect();
    folders.push(reference.join("chunk"));
    folders.push(reference.join("multitask/rte_squad"));
    folders.push(reference.join("multitask/cola_sts_chunk"));
    folders.into_iter().map(TaskRun::open).collect()
}

/// Returns TensorFlow's name of each parameter of the record.
fn variables(run: &TaskRun) -> BTreeMap<String, String> {
    let folder = tempfile::tempdir().unwrap();
    let init = run.folder.join("init/model.ckpt");
    checkpoints_convert::convert(&init, folder.path(), &mut |_, _| {}).unwrap();
    let config =
        checkpoints_convert::RecordConfig::read(&folder.path().join("config.json")).unwrap();
    let parameters = checkpoints_convert::parameters(&config).into_iter();
    parameters
        .map(|parameter| (parameter.path, parameter.variable))
        .collect()
}

#[test]
fn gradients_of_the_first_batch_are_the_references() {
    for run in runs().iter().filter(|run| run.has("gradients.safetensors")) {
        let (variables, theirs) = (
            variables(run),
            Arrays::read(&run.folder.join("gradients.safetensors")),
        );
        for (name, device) in devices() {
            let device = device.autodiff();
            let model = run.model("init", &device);
            let set = run.set();
            let batch = run.batch(&set, 0);
            let input = ModelInput::new(&batch, 0, &device);
            let mut gradients = Gradients::default();
            let losses = accumulate(
                &model,
                &input,
                &batch.labels,
                &batch.task,
                objective(),
                Mode::Predict,
                &mut gradients,
            );
            let losses = losses.try_into_vec_as::<f32>().unwrap();
            let step = &run.trajectory["steps"][0];
            let loss: f64 = losses.iter().copied().map(f64::from).sum();
            assert!(
                (loss / step["loss"].as_f64().unwrap() - 1.0).abs() < 1e-5,
                "{}: {loss}",
                run.name
            );
            if let Some(of_tasks) = step["task_losses"].as_object() {
                for (task, ours) in run.config.task_names.iter().zip(&losses) {
                    let theirs = of_tasks[task].as_f64().unwrap();
                    assert!(
                        (f64::from(*ours) - theirs).abs() <= 1e-5 * theirs,
                        "{task}: {ours}"
                    );
                }
            }
            let norm = gradients
                .global_norm(&model)
                .try_into_scalar::<f32>()
                .unwrap();
            let their_norm = step["grad_norm"].as_f64().unwrap();
            assert!(
                (f64::from(norm) / their_norm - 1.0).abs() < 1e-5,
                "{}: {norm}",
                run.name
            );
            let mut worst = (0.0, String::new());
            let ours = gradients.into_values(&model, &run.config.task_names);
            assert_eq!(ours.len(), variables.len(), "{}", run.name);
            for (parameter, ours) in ours {
                let ours = ours.try_into_vec_as::<f32>().unwrap();
                let (distance, norm) =
                    distance_and_norm(&ours, &theirs.floats(&variables[&parameter]));
                // These biases have no gradient: see the tests of question answering.
                if parameter.ends_with("attention.key.bias")
                    || parameter == "heads.squad.start.bias"
                    || parameter == "heads.squad.end.bias"
                {
                    assert!(
                        distance < 1e-5 * their_norm.max(1.0),
                        "{parameter}: {distance} of {norm}"
                    );
                    continue;
                }
                let relative = distance / norm;
                if relative > worst.0 {
                    worst = (relative, parameter.clone());
                }
                assert!(
                    relative <= 1e-4,
                    "{} {name} {parameter}: {relative}",
                    run.name
                );
            }
            println!(
                "{} {name}: worst gradient {:e} {}",
                run.name, worst.0, worst.1
            );
        }
    }
}

/// Follows the reference for some steps.
fn follow(run: &TaskRun, name: &str, device: &Device, steps: usize) {
    let device = device.clone().autodiff();
    let set = run.set();
    let schedule = Schedule {
        base: run.config.learning_rate,
        steps: run.trajectory["num_train_steps"].as_u64().unwrap(),
        warmup_proportion: run.config.warmup_proportion,
        decay: run.config.lr_schedule,
    };
    let settings = StepSettings {
        device: &device,
        tasks: &run.config.task_names,
        objective: objective(),
        seed: 1,
    };
    let (mut model, mut adam) = (run.model("init", &device), run.adam());
    let mut worst = [0.0_f64; 2];
    for step in 0..steps {
        let theirs = &run.trajectory["steps"][step];
        let number = |key: &str| theirs[key].as_f64().unwrap();
        assert_eq!(
            schedule.learning_rate(step as u64) as f32,
            number("learning_rate") as f32
        );
        let batch = run.batch(&set, step);
        let gradients =
            step_gradients(&model, std::slice::from_ref(&batch), step as u64, &settings).unwrap();
        let figures = gradients.figures;
        if let Some(of_tasks) = theirs["task_losses"].as_object() {
            for (task, ours) in run.config.task_names.iter().zip(&gradients.task_losses) {
                let theirs = of_tasks[task].as_f64().unwrap();
                assert!(
                    (ours - theirs).abs() <= 1e-3 * theirs.max(1e-3),
                    "step {step}, {task}: {ours}, not {theirs}"
                );
            }
        }
        model = gradients.update(model, &mut adam, number("update_learning_rate"), &settings);
        for (key, ours) in [("loss", figures.loss), ("grad_norm", figures.grad_norm)] {
            let relative = (ours / number(key) - 1.0).abs();
            let late = usize::from(step >= 10);
            worst[late] = worst[late].max(relative);
            let tolerance = [1e-3, 1e-2][late];
            assert!(
                relative <= tolerance,
                "{} {name} step {step}: {key} {ours}, not {}",
                run.name,
                number(key)
            );
        }
    }
    println!(
        "{} {name}: {:e} in 10 steps, {:e} in {steps}",
        run.name, worst[0], worst[1]
    );
}

#[test]
fn trajectories_follow_the_reference_to_the_end_on_the_cpu() {
    for run in runs()
        .into_iter()
        .filter(|run| run.has("init") || run.has("head.safetensors"))
    {
        let steps = run.trajectory["steps"].as_array().unwrap().len();
        follow(&run, "cpu", &Device::flex(), steps);
    }
}

#[test]
fn steps_follow_the_reference_on_wgpu() {
    if let Some(device) = crate::support::gpu() {
        for run in runs()
            .iter()
            .filter(|run| run.name == "cola_sts_chunk" || run.has("head.safetensors"))
        {
            follow(run, "wgpu", &device, 4);
        }
    }
}

/// Checks predictions of the first dev features.
fn check_forward(run: &TaskRun, weights: &str, name: &str, device: &Device) -> f32 {
    let arrays = Arrays::read(&run.folder.join(format!("forward.{weights}.safetensors")));
    let model = run.model(weights, device);
    let mask = arrays.integers("input_mask");
    let batch = arrays.batch(&mask);
    let input = model.encode(&ModelInput::new(&batch, 0, device));
    let several = run.heads.len() > 1;
    let mut worst = 0.0_f32;
    for (head, task) in model.heads.iter().zip(&run.config.task_names) {
        let key = |name: &str| match several {
            true => format!("{task}.{name}"),
            false => name.to_owned(),
        };
        let values = |logits: Tensor<2>| logits.try_into_vec_as::<f32>().unwrap();
        let (ours, theirs) = match head {
            Head::Span(_) => continue,
            Head::Sequence(head) => {
                let theirs = match task.as_str() {
                    "sts" => arrays.floats(&key("predictions")),
                    _ => arrays.floats(&key("logits")),
                };
                (values(head.logits(&input)), theirs)
            }
            Head::Word(head) => {
                // The features of the dev file tell which tokens represent words.
                let file = match several {
                    true => format!("features.{task}.dev.jsonl"),
                    false => "features.dev.jsonl".to_owned(),
                };
                let lines = std::fs::read_to_string(run.folder.join(file)).unwrap();
                let known: BTreeMap<Vec<u32>, Label> = lines
                    .lines()
                    .map(|line| serde_json::from_str::<Value>(line).unwrap())
                    .map(|feature| (numbers(&feature["input_ids"]), label(&feature)))
                    .collect();
                let none = Label::Tags {
                    positions: [].into(),
                    tags: [].into(),
                };
                let labels: Vec<Label> = (0..batch.size)
                    .map(|row| {
                        let ids = batch.input_ids[input.sequences.rows(row)].iter();
                        let ids: Vec<u32> = ids.map(|&id| id as u32).collect();
                        known.get(&ids).unwrap_or(&none).clone()
                    })
                    .collect();
                let ours = head.logits(&input, &WordRows::new(&input.sequences, &labels));
                let all = arrays.floats(&key("logits"));
                let [_, width, tags] = arrays.shape(&key("logits"))[..] else {
                    panic!("logits of another rank")
                };
                let mut theirs = Vec::new();
                for (row, label) in labels.iter().enumerate() {
                    let Label::Tags { positions, .. } = label else {
                        panic!("{label:?}")
                    };
                    let from = row * width * tags;
                    theirs.extend_from_slice(&all[from..from + positions.len() * tags]);
                }
                // The mixture's batch contains no sentence of this task.
                if theirs.is_empty() {
                    continue;
                }
                (values(ours), theirs)
            }
        };
        worst = worst.max(max_difference(&ours, &theirs));
    }
    println!("{} {weights} {name}: logits differ by {worst:e}", run.name);
    worst
}

#[test]
fn logits_are_the_references() {
    for run in runs() {
        for weights in ["init", "trained", "learned"] {
            if !run.has(&format!("forward.{weights}.safetensors")) || !run.has(weights) {
                continue;
            }
            for (name, device) in devices() {
                let worst = check_forward(&run, weights, name, &device);
                assert!(worst <= 2e-4, "{} {weights} {name}: {worst}", run.name);
            }
        }
    }
}
