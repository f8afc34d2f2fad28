//! The network's parameters in one typed arrangement: the one place beside [`spec`](super::spec) that knows their names.
//!
//! What trains is a [`Model<bool>`], weights are a `Model` of whatever a device keeps them as, gradients a `Model` of
//! options. Kernels and engines know fields, not names.

use std::collections::{HashMap, HashSet};

use candle_core::Tensor;

use super::{
    Extras, ModelConfig, ModelError, ParamSpec, ParamStore, Positions, Precision, Stem as StemConfig,
    spec::{AXES, BIN_NORM, CLASS_TOKENS, POSITIONS},
};
use crate::ops::block::{Adapter, Block, Linear, Lora, LowRank};

/// The parameter that stands in the place of a hidden patch's embedding in pretraining, (1, 1, D).
pub(super) const MASK_TOKEN: &str = "mask_token";

/// The parameters behind one tensor of the network, by name.
#[derive(Clone, Debug)]
pub(super) enum Names {
    /// One parameter.
    One(String),
    /// The packed bias (3 D) of queries, keys and values where keys have none (Whisper): that of the queries and that of
    /// the values.
    QueryValue([String; 2]),
    /// Positions (1, rows * columns, D) of a grid whose rows and columns have vectors of their own, (1, rows, D) and
    /// (1, columns, D): their sums.
    Axes([String; 2], [usize; 2]),
}

impl Names {
    /// Every name.
    pub fn all(&self) -> &[String] {
        match self {
            Self::One(name) => std::slice::from_ref(name),
            Self::QueryValue(names) | Self::Axes(names, _) => names,
        }
    }

    /// The values of the tensor from those of the parameters behind it.
    pub fn pack(&self, parts: &[&[f32]]) -> Vec<f32> {
        match (self, parts) {
            (Self::QueryValue(_), [q, v]) => [*q, &vec![0.0; q.len()], v].concat(),
            (Self::Axes(_, grid), [rows, columns]) => sums_of_axes(rows, columns, *grid),
            _ => parts.concat(),
        }
    }

    /// The same of tensors.
    ///
    /// # Errors
    /// When the device fails.
    pub fn pack_tensors(&self, parts: &[Tensor]) -> Result<Tensor, ModelError> {
        Ok(match (self, parts) {
            (Self::QueryValue(_), [q, v]) => Tensor::cat(&[q, &q.zeros_like()?, v], 0)?,
            (Self::Axes(_, [rows, columns]), [of_rows, of_columns]) => {
                let d = of_rows.dim(2)?;
                let of_rows = of_rows.reshape((*rows, 1, d))?;
                of_rows.broadcast_add(&of_columns.reshape((1, *columns, d))?)?.reshape((1, rows * columns, d))?
            }
            (_, [one]) => one.clone(),
            _ => return Err(ModelError::Shape(format!("{:?} are not one tensor", self.all()))),
        })
    }

    /// Values of the tensor, where its parameters have so many.
    pub fn count(&self, of: impl Fn(&String) -> usize) -> usize {
        match self {
            Self::One(name) => of(name),
            // The keys' third of a packed bias is no parameter.
            Self::QueryValue([q, _]) => 3 * of(q),
            Self::Axes([of_rows, _], [_, columns]) => of(of_rows) * columns,
        }
    }

    /// The gradients of the parameters from that of the tensor.
    fn unpack(&self, gradient: &Tensor) -> Result<Vec<(&str, Tensor)>, ModelError> {
        Ok(match self {
            Self::One(name) => vec![(name.as_str(), gradient.clone())],
            Self::QueryValue([q, v]) => {
                let third = gradient.elem_count() / 3;
                let gradient = gradient.flatten_all()?;
                let part = |at: usize| gradient.narrow(0, at * third, third)?.force_contiguous();
                vec![(q, part(0)?), (v, part(2)?)]
            }
            Self::Axes([of_rows, of_columns], [rows, columns]) => {
                let grid = gradient.reshape((*rows, *columns, gradient.elem_count() / (rows * columns).max(1)))?;
                vec![(of_rows, grid.sum(1)?), (of_columns, grid.sum(0)?)]
            }
        })
    }
}

/// The sum of each row's vector and each column's, (rows * columns, D).
pub(super) fn sums_of_axes(of_rows: &[f32], of_columns: &[f32], [rows, columns]: [usize; 2]) -> Vec<f32> {
    let d = of_rows.len() / rows.max(1);
    let mut sums = Vec::with_capacity(columns * of_rows.len());
    for row in of_rows.chunks_exact(d.max(1)) {
        for column in of_columns.chunks_exact(d.max(1)).take(columns) {
            sums.extend(row.iter().zip(column).map(|(a, b)| a + b));
        }
    }
    sums
}

/// One thing for each parameter of a model.
#[derive(Clone, Debug)]
pub(super) struct Model<T> {
    /// The scale and shift of each mel bin, (mel bins) each, where the family has them. They never train.
    pub bins: Option<Linear<T>>,
    pub backbone: Backbone<T>,
    pub head: Head<T>,
}

/// What makes one vector of a sound.
#[derive(Clone, Debug)]
pub(super) struct Backbone<T> {
    pub stem: Stem<T>,
    /// In the place of hidden patches, in pretraining.
    pub mask: Option<T>,
    pub blocks: Vec<Block<T>>,
    /// LayerNorm after the last block.
    pub norm: Linear<T>,
}

/// What makes tokens of a spectrogram.
#[derive(Clone, Debug)]
pub(super) enum Stem<T> {
    /// Patches, projected, after class tokens.
    Patches {
        /// (D, pixels of a patch).
        projection: Linear<T>,
        /// (1, 1, D) each.
        class: Vec<T>,
        /// (1, tokens, D).
        positions: T,
    },
    /// Two convolutions along time.
    Convolutions {
        /// (D, mel bins, 3) and (D, D, 3).
        layers: [Linear<T>; 2],
        /// (1, tokens, D).
        positions: T,
    },
}

/// What makes logits of a vector.
#[derive(Clone, Debug)]
pub(super) struct Head<T> {
    /// LayerNorm, where the head has one.
    pub norm: Option<Linear<T>>,
    /// (classes, D).
    pub linear: Linear<T>,
}

/// The names of a model's parameters; with `mask` also of the mask token.
pub(super) fn names(config: &ModelConfig, extras: &Extras, mask: bool) -> Model<Names> {
    let one = |name: &str| Names::One(name.to_owned());
    let positions = match config.facts().positions {
        Positions::Axes => Names::Axes(AXES.map(str::to_owned), config.grid()),
        Positions::Tokens | Positions::Sinusoids => one(POSITIONS),
    };
    let stem = match config.stem {
        StemConfig::Patches { .. } => {
            let class = CLASS_TOKENS[..config.class_tokens()].iter().map(|name| one(name)).collect();
            Stem::Patches { projection: linear("patch"), class, positions }
        }
        StemConfig::Convolutions { .. } => {
            Stem::Convolutions { layers: ["stem.conv1", "stem.conv2"].map(linear), positions }
        }
    };
    let backbone = Backbone {
        stem,
        mask: mask.then(|| one(MASK_TOKEN)),
        blocks: (0..config.depth).map(|block| block_names(config, extras, &format!("blocks.{block}"))).collect(),
        norm: linear("norm"),
    };
    let head = Head { norm: config.head_norm.then(|| linear("head.norm")), linear: linear("head.linear") };
    Model { bins: config.facts().bin_norm.then(|| linear(BIN_NORM)), backbone, head }
}

fn block_names(config: &ModelConfig, extras: &Extras, block: &str) -> Block<Names> {
    let name = |part: &str| format!("{block}.{part}");
    let adapter =
        |part: &str| Adapter { down: linear(&name(&format!("{part}.down"))), up: linear(&name(&format!("{part}.up"))) };
    let low_rank = |part: &str| LowRank {
        down: Names::One(name(&format!("{part}.down.weight"))),
        up: Names::One(name(&format!("{part}.up.weight"))),
    };
    let mut qkv = linear(&name("attn.qkv"));
    if !config.key_bias() {
        qkv.bias = Names::QueryValue([name("attn.q_bias"), name("attn.v_bias")]);
    }
    Block {
        prompt: (extras.prompts > 0).then(|| Names::One(name("prompt"))),
        norm1: linear(&name("norm1")),
        qkv,
        proj: linear(&name("attn.proj")),
        lora: extras.lora.map(|_| Lora { q: low_rank("attn.lora_q"), v: low_rank("attn.lora_v") }),
        spatial: extras.spatial.map(|_| adapter("spatial")),
        norm2: linear(&name("norm2")),
        fc1: linear(&name("mlp.fc1")),
        fc2: linear(&name("mlp.fc2")),
        adapter: extras.mlp.map(|_| adapter("adapter")),
    }
}

fn linear(layer: &str) -> Linear<Names> {
    Linear { weight: Names::One(format!("{layer}.weight")), bias: Names::One(format!("{layer}.bias")) }
}

/// What trains of a backbone with these parameters.
pub(super) fn training(names: &Backbone<Names>, specs: &[ParamSpec]) -> Backbone<bool> {
    let training: HashSet<_> = specs.iter().filter(|spec| spec.trains).map(|spec| spec.name.as_str()).collect();
    names.map(|names| names.all().iter().any(|name| training.contains(name.as_str())))
}

/// The parameters that are kept in bf16 where the CPU's products are of this precision: the blocks' own matrices that do
/// not train. Products would round them in every step, and nothing that is written reads them.
pub(super) fn rounded(
    config: &ModelConfig,
    extras: &Extras,
    specs: &[ParamSpec],
    precision: Precision,
) -> HashSet<String> {
    if precision.is_single() {
        return HashSet::new();
    }
    let names = names(config, extras, false);
    let own = names.backbone.blocks.iter().flat_map(|block| block.own().map(|layer| &layer.weight));
    let own: HashSet<&String> = own.flat_map(Names::all).collect();
    specs.iter().filter(|spec| !spec.trains && own.contains(&spec.name)).map(|spec| spec.name.clone()).collect()
}

/// Whether any of these parameters trains in a store.
pub(super) fn trains(store: &ParamStore) -> impl Fn(&Names) -> bool + Copy + '_ {
    move |names: &Names| names.all().iter().any(|name| store.entry(name).is_some_and(|(spec, _)| spec.trains))
}

/// A backbone's gradients in the arrangement's order, by their parameters' names.
///
/// # Errors
/// When the device fails.
pub(super) fn by_name(
    names: &Backbone<Names>,
    found: Vec<Option<Tensor>>,
) -> Result<HashMap<&str, Tensor>, ModelError> {
    let mut all = HashMap::new();
    for (names, gradient) in names.list().into_iter().zip(found) {
        if let Some(gradient) = gradient {
            all.extend(names.unpack(&gradient)?);
        }
    }
    Ok(all)
}

/// A gradient for each trainable parameter of a store in its order, in its shape and type and on its device.
///
/// # Errors
/// When one is missing, or the device fails.
pub(super) fn in_order(store: &ParamStore, mut found: HashMap<&str, Tensor>) -> Result<Vec<Tensor>, ModelError> {
    let all = store.trainable().map(|(spec, var)| {
        let gradient = found.remove(spec.name.as_str());
        let gradient = gradient.ok_or_else(|| ModelError::Shape(format!("{} received no gradient", spec.name)))?;
        Ok(gradient.reshape(spec.shape.as_slice())?.to_device(store.device())?.to_dtype(var.dtype())?)
    });
    all.collect()
}

impl<T> Head<T> {
    /// The same arrangement of other things.
    ///
    /// # Errors
    /// The first that `f` gives.
    pub fn try_map<'a, U, E>(&'a self, f: &mut impl FnMut(&'a T) -> Result<U, E>) -> Result<Head<U>, E> {
        let norm = self.norm.as_ref().map(|norm| norm.try_map(f)).transpose()?;
        Ok(Head { norm, linear: self.linear.try_map(f)? })
    }

    /// The same where nothing can fail.
    pub fn map<'a, U>(&'a self, mut f: impl FnMut(&'a T) -> U) -> Head<U> {
        let Ok(mapped) = self.try_map(&mut |one| Ok::<_, std::convert::Infallible>(f(one)));
        mapped
    }

    /// Everything in its order.
    pub fn list(&self) -> Vec<&T> {
        let mut all = Vec::new();
        self.map(|one| all.push(one));
        all
    }
}

impl<T> Backbone<T> {
    /// The same arrangement of other things.
    ///
    /// # Errors
    /// The first that `f` gives.
    pub fn try_map<'a, U, E>(&'a self, mut f: impl FnMut(&'a T) -> Result<U, E>) -> Result<Backbone<U>, E> {
        let f = &mut f;
        let stem = match &self.stem {
            Stem::Patches { projection, class, positions } => Stem::Patches {
                projection: projection.try_map(f)?,
                class: class.iter().map(&mut *f).collect::<Result<_, E>>()?,
                positions: f(positions)?,
            },
            Stem::Convolutions { layers: [first, second], positions } => {
                Stem::Convolutions { layers: [first.try_map(f)?, second.try_map(f)?], positions: f(positions)? }
            }
        };
        Ok(Backbone {
            stem,
            mask: self.mask.as_ref().map(&mut *f).transpose()?,
            blocks: self.blocks.iter().map(|block| block.try_map(f)).collect::<Result<_, E>>()?,
            norm: self.norm.try_map(f)?,
        })
    }

    /// The same where nothing can fail.
    pub fn map<'a, U>(&'a self, mut f: impl FnMut(&'a T) -> U) -> Backbone<U> {
        let Ok(mapped) = self.try_map(|one| Ok::<_, std::convert::Infallible>(f(one)));
        mapped
    }

    /// The same from mutable things.
    pub fn map_mut<'a, U>(&'a mut self, mut f: impl FnMut(&'a mut T) -> U) -> Backbone<U> {
        let f = &mut f;
        let stem = match &mut self.stem {
            Stem::Patches { projection, class, positions } => Stem::Patches {
                projection: projection.map_mut(f),
                class: class.iter_mut().map(&mut *f).collect(),
                positions: f(positions),
            },
            Stem::Convolutions { layers: [first, second], positions } => {
                Stem::Convolutions { layers: [first.map_mut(f), second.map_mut(f)], positions: f(positions) }
            }
        };
        Backbone {
            stem,
            mask: self.mask.as_mut().map(&mut *f),
            blocks: self.blocks.iter_mut().map(|block| block.map_mut(&mut *f)).collect(),
            norm: self.norm.map_mut(f),
        }
    }

    /// Everything in its order.
    pub fn list(&self) -> Vec<&T> {
        let mut all = Vec::new();
        self.map(|one| all.push(one));
        all
    }
}

impl Stem<bool> {
    /// Whether anything before the first block trains.
    pub fn any(&self) -> bool {
        match self {
            Self::Patches { projection, class, positions } => {
                projection.weight || projection.bias || *positions || class.contains(&true)
            }
            Self::Convolutions { layers, positions } => *positions || layers.iter().any(|l| l.weight || l.bias),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::BTreeSet;

    use super::*;
    use crate::model::{Family, Method, Pooling, specs};

    /// The arrangement names every parameter of the specification once, and no other.
    #[test]
    fn every_parameter_has_its_place() {
        let patches = ModelConfig { depth: 3, ..ModelConfig::ast("tiny", 64, [16, 16], 5).unwrap() };
        let stem = StemConfig::Convolutions { mel_bins: 80, frames: 64 };
        let convolutions = ModelConfig { stem, pooling: Pooling::Mean, ..patches.clone() };
        let bare = ModelConfig { head_norm: false, pooling: Pooling::All, ..convolutions.clone() };
        let ced = ModelConfig { family: Some(Family::Ced), pooling: Pooling::Mean, ..patches.clone() };
        for config in [patches, convolutions, bare, ced] {
            for method in Method::all() {
                let names = names(&config, &method.extras(&config), false);
                let bins = names.bins.iter().flat_map(|bins| [&bins.weight, &bins.bias]);
                let tensors = names.backbone.list().into_iter().chain(names.head.list()).chain(bins);
                let placed: Vec<_> = tensors.flat_map(Names::all).cloned().collect();
                let unique: BTreeSet<_> = placed.iter().cloned().collect();
                assert_eq!(unique.len(), placed.len(), "{method}");
                assert_eq!(unique, specs(&config, method).into_iter().map(|spec| spec.name).collect(), "{method}");
            }
        }
    }
}
