mod support;
use electra::{data::example::Split, model::ModelInput, train::{gradients::*, loss::Targets}};
use burn::tensor::Device;
#[test]
fn t() {
    for run in support::runs() {
        let d = Device::flex().autodiff();
        let model = run.model("init", &d);
        let trained = run.model("trained", &d);
        let f = run.features(Split::Train);
        for step in 0..4 {
            let b = run.training_batch(&f, step);
            for (n, m) in [("init", &model), ("trained", &trained)] {
            let (l, g) = loss_and_gradients(m, &ModelInput::new(&b, &d), &Targets::new(&b, &d), &b.task, 0.5, Trainable::All);
            println!("{} {n} step {step} {} {}", run.name, l.into_scalar::<f32>(), g.global_norm(m).into_scalar::<f32>());
            }
            println!("   ref {}", run.trajectory["steps"][step]);
        }
    }
}
