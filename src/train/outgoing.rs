//! A rank's gradients on their way to the sums of all ranks.
//!
//! The gradients of a layer are whole when its backward pass for the last part of a batch is done. They are
//! read then, and summed with those of the other ranks while the layers below are computed. A device is
//! only told to read; it goes on with its work.

use std::{
    collections::{HashSet, VecDeque},
    mem::take,
    ops::Range,
};

use burn::{
    Tensor,
    module::{Module, ParamId, list_param_ids},
    tensor::{Device, TensorData},
};

use crate::{
    device::{Coming, DeviceError},
    model::{
        layer::EncoderLayer, parameter_gradients::ParameterGradients, record::for_each_parameter,
    },
    ranks::{Exchange, Piece, Ranks, Wire},
};

/// Values that are read and summed at once, if they are not one parameter's.
const AT_ONCE: usize = 1 << 22;

/// A parameter whose gradient is exchanged.
#[derive(Debug, Clone, PartialEq)]
pub struct Place {
    pub id: ParamId,
    pub shape: Vec<usize>,
}

impl Place {
    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }
}

/// The gradients of a step that a rank gives to the sums.
pub struct Outgoing {
    exchange: Exchange,
    wire: Wire,
    /// Without autodiff.
    device: Device,
    /// Every trained parameter, in the order in which all ranks give them, and which of them make a piece.
    places: Vec<Place>,
    pieces: Vec<Range<usize>>,
    /// Parameters whose gradients are whole.
    whole: HashSet<ParamId>,
    /// Whether later passes add to the gradients that the present one leaves.
    is_held: bool,
    /// Pieces that follow those given to the exchange.
    reads: VecDeque<Coming>,
    failed: Option<DeviceError>,
}

impl Outgoing {
    /// The gradients of a model, whose backward pass leaves those of `layers` in their order. All others
    /// follow.
    pub fn new<'a>(
        exchange: Exchange,
        wire: Wire,
        model: &impl Module,
        tasks: &[String],
        layers: impl IntoIterator<Item = &'a EncoderLayer>,
        device: Device,
    ) -> Self {
        let mut trained: Vec<Place> = Vec::new();
        for_each_parameter(model, tasks, |parameter| {
            let (id, shape) = (parameter.id, parameter.shape.to_vec());
            if parameter.trained && trained.iter().all(|it| it.id != id) {
                trained.push(Place { id, shape });
            }
        });
        let (places, pieces) = in_order(trained, layers.into_iter().map(list_param_ids));
        Self {
            exchange,
            wire,
            device,
            places,
            pieces,
            whole: HashSet::new(),
            is_held: false,
            reads: VecDeque::new(),
            failed: None,
        }
    }

    /// Every trained parameter, in the same order in all ranks.
    pub fn places(&self) -> &[Place] {
        &self.places
    }

    /// Begins to compute the gradients, for the first time or anew: of those that were given, the exchange
    /// has good ones.
    pub fn begin(&mut self) {
        self.whole.clear();
        self.is_held = false;
        self.reads.clear();
        self.failed = None;
    }

    /// Whether later passes add to the gradients that the present one leaves.
    pub fn hold(&mut self, is_held: bool) {
        self.is_held = is_held;
    }

    /// Takes the gradients of a layer, which are whole unless they are held.
    pub fn left(&mut self, layer: &EncoderLayer, gradients: &mut ParameterGradients) {
        if self.is_held || self.failed.is_some() {
            return;
        }
        self.whole.extend(list_param_ids(layer));
        let before = self.reads.len();
        while let Some(piece) = self.pieces.get(self.exchange.given() + self.reads.len()) {
            let mut places = self.places[piece.clone()].iter();
            if !places.all(|place| self.whole.contains(&place.id)) {
                break;
            }
            let begun = self.read_next(|place| match *place.shape.as_slice() {
                [_] => gradients.remove::<1>(place.id),
                _ => gradients.remove::<2>(place.id).map(|it| it.flatten(0, 1)),
            });
            if let Err(error) = begun {
                self.failed = Some(error);
                return;
            }
        }
        // A device that was told of all layers at once says only after the last that the first were read.
        // This one keeps it at work.
        self.give(before);
    }

    /// Begins to read the next piece. A parameter without a gradient, as that of a head whose task has no
    /// example here, has zeros.
    fn read_next(
        &mut self,
        mut take: impl FnMut(&Place) -> Option<Tensor<1>>,
    ) -> Result<(), DeviceError> {
        let number = self.exchange.given() + self.reads.len();
        let places = &self.places[self.pieces[number].clone()];
        let zeros = |place: &Place| Tensor::zeros([place.elements()], &self.device);
        let mut values: Vec<_> = places
            .iter()
            .map(|place| take(place).unwrap_or_else(|| zeros(place)))
            .collect();
        self.reads.push_back(Coming::ask(match values.len() {
            1 => values.remove(0),
            _ => Tensor::cat(values, 0),
        })?);
        Ok(())
    }

    /// Gives to the exchange what was read, in order; waits for the first `waits` pieces.
    fn give(&mut self, waits: usize) {
        let mut given = 0;
        while self.failed.is_none() {
            let Some(mut read) = self.reads.pop_front() else {
                break;
            };
            if given >= waits && !read.look() {
                return self.reads.push_front(read);
            }
            match read.wait() {
                Ok(values) => {
                    let wire = self.wire;
                    self.exchange.give(Piece { values, wire });
                    given += 1;
                }
                Err(error) => self.failed = Some(error),
            }
        }
    }

    /// Reads and gives what is left. `gradients` has that of each parameter that no layer has, flat, if there
    /// is one; `more` are values that are summed as they are, and is read, too.
    ///
    /// # Errors
    /// If the device fails. The exchange then lacks some pieces: [`begin`](Self::begin) again.
    pub fn finish(
        &mut self,
        mut gradients: impl FnMut(&Place) -> Option<Tensor<1>>,
        more: Vec<Tensor<1>>,
    ) -> Result<(), DeviceError> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        while self.exchange.given() + self.reads.len() < self.pieces.len() {
            self.read_next(&mut gradients)?;
        }
        let more = (!more.is_empty()).then(|| Coming::ask(Tensor::cat(more, 0)));
        let more = more.transpose()?;
        self.give(usize::MAX);
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        let values = more.map_or(Ok(Vec::new()), Coming::wait)?;
        let wire = Wire::F32;
        self.exchange.give(Piece { values, wire });
        Ok(())
    }

    /// The sums over all ranks, on this one's device: of each parameter's gradients, flat, and of the further
    /// values, which were not put there.
    pub fn sums(self, ranks: &Ranks, mut each: impl FnMut(&Place, Tensor<1>)) -> Vec<f32> {
        let mut pieces = self.pieces.iter();
        let mut more = Vec::new();
        ranks.sums(self.exchange, |values| {
            let Some(piece) = pieces.next() else {
                more = values;
                return;
            };
            let mut rest = values.as_slice();
            for place in &self.places[piece.clone()] {
                let (values, others) = rest.split_at(place.elements());
                rest = others;
                let data = TensorData::new(values.to_vec(), [values.len()]);
                each(place, Tensor::from_data(data, &self.device));
            }
        });
        more
    }
}

/// The parameters in the order in which they are given: those of `layers` first. A piece is a parameter, or
/// several in a row that have few values together; those of two layers are in two.
fn in_order(
    trained: Vec<Place>,
    layers: impl Iterator<Item = Vec<ParamId>>,
) -> (Vec<Place>, Vec<Range<usize>>) {
    let mut rest = trained;
    let mut groups = Vec::new();
    for ids in layers {
        let (own, others): (Vec<_>, Vec<_>) = take(&mut rest)
            .into_iter()
            .partition(|it| ids.contains(&it.id));
        groups.push(own);
        rest = others;
    }
    groups.push(rest);
    let (mut places, mut pieces) = (Vec::new(), Vec::new());
    for group in groups {
        let (mut first, mut elements) = (places.len(), 0);
        for place in group {
            if elements + place.elements() > AT_ONCE && first < places.len() {
                pieces.push(first..places.len());
                (first, elements) = (places.len(), 0);
            }
            elements += place.elements();
            places.push(place);
        }
        if first < places.len() {
            pieces.push(first..places.len());
        }
    }
    (places, pieces)
}
