//! Operations with hand-written gradients, as nodes of the autodiff graph.

use burn::backend::{
    Autodiff, Backend,
    autodiff::{
        checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
        grads::Gradients,
        ops::{Backward, NodeGuard, Ops, OpsKind},
    },
    tensor::FloatTensor,
};

/// Computes the gradients of an operation's inputs from the saved state, the gradient of its
/// result, and which inputs are tracked; the gradient of an untracked input may be omitted.
type Gradient<B, S, const N: usize> =
    fn(S, FloatTensor<B>, [bool; N]) -> [Option<FloatTensor<B>>; N];

/// A node of the graph with `N` inputs and saved state `S`.
#[derive(Debug)]
struct Operation<B: Backend, S, const N: usize>(Gradient<B, S, N>);

impl<B, S, const N: usize> Backward<B, N> for Operation<B, S, N>
where
    B: Backend,
    S: Clone + Send + std::fmt::Debug + 'static,
{
    type State = S;

    fn backward(self, ops: Ops<S, N>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let grad = grads.consume::<B>(&ops.node);
        let tracked = ops.parents.each_ref().map(Option::is_some);
        let gradients = self.0(ops.state, grad, tracked);
        for (parent, gradient) in ops.parents.into_iter().zip(gradients) {
            if let (Some(node), Some(gradient)) = (parent, gradient) {
                grads.register::<B>(node.id, gradient);
            }
        }
    }
}

/// Attaches `gradient` to `output`, which was computed from the inputs of `nodes`. If no input is
/// tracked, the output is not tracked either and nothing is saved.
pub(super) fn with_gradient<B, C, S, const N: usize>(
    nodes: [NodeGuard; N],
    output: FloatTensor<B>,
    keep: impl FnOnce() -> S,
    gradient: Gradient<B, S, N>,
) -> FloatTensor<Autodiff<B, C>>
where
    B: Backend,
    C: CheckpointStrategy,
    S: Clone + Send + std::fmt::Debug + 'static,
{
    let operation = Operation(gradient).prepare::<C>(nodes);
    match operation.compute_bound().stateful() {
        OpsKind::Tracked(prep) => prep.finish(keep(), output),
        OpsKind::UnTracked(prep) => prep.finish(output),
    }
}
