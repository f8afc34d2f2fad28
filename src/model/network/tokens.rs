//! Tokens instead of answers: what pretraining trains. Blocks run on the device; what an objective makes of the tokens is
//! small, and done on the host.

use std::collections::HashMap;

use candle_core::{Device, Tensor};

use super::{Network, Result};
use crate::model::{
    ModelConfig, ParamStore, Part,
    arch::{self, MASK_TOKEN, Model, Names},
    backend::{Backend, Input, Sizes, Watch},
    store::to_host,
    tokens::{GradientsByName, Places, TokenEngine, TokenLook, TokenLoss, WeightsByName},
};

impl<B: Backend> Network<B> {
    /// The names of a store's parameters, which may have a mask token.
    fn token_names(&self, store: &ParamStore) -> Model<Names> {
        arch::names(&self.config, &self.extras, store.get(MASK_TOKEN).is_some())
    }
}

impl<B: Backend> TokenEngine for Network<B> {
    fn shape(&self) -> &ModelConfig {
        &self.config
    }

    fn token_step(&mut self, store: &ParamStore, of: &Places<'_>, loss: TokenLoss<'_>) -> Result<(f32, Vec<Tensor>)> {
        let names = self.token_names(store);
        let weights = self.backend.weights(&names.backbone, store)?;
        let mut gradients = self.backend.gradients(&names.backbone, store)?;
        let heads = heads(store)?;
        let mut of_heads: HashMap<&str, Vec<f32>> = store
            .trainable()
            .filter_map(|(spec, _)| Some((spec.name.as_str(), vec![0.0; heads.get(spec.name.as_str())?.len()])))
            .collect();
        let mut by_name: GradientsByName<'_> =
            of_heads.iter_mut().map(|(name, buffer)| (*name, buffer.as_mut_slice())).collect();
        let (sizes, input) = (sizes(of), Input::Patches(of));
        B::begin_part(&mut gradients);
        let total = B::run(|| -> Result<f32> {
            let watch = Watch { train: true, norms: false };
            let (tokens, saved) = self.through(&weights, sizes, input, watch)?;
            let (normed, end) = self.backend.normed(&weights, sizes, tokens)?;
            let (total, towards) = loss(&normed, &weights_of(&heads), &mut by_name)?;
            let towards = self.backend.normed_back(&weights, sizes, end, &towards, &mut gradients)?;
            self.through_back(&weights, sizes, input, saved, towards, &mut gradients)?;
            B::end_part(&mut gradients)?;
            Ok(total)
        })?;
        drop(by_name);
        let mut found = arch::by_name(&names.backbone, B::found(gradients)?)?;
        for (name, gradient) in of_heads {
            let count = gradient.len();
            found.insert(name, Tensor::from_vec(gradient, count, &Device::Cpu)?);
        }
        Ok((total, arch::in_order(store, found)?))
    }

    fn tokens(&mut self, store: &ParamStore, of: &Places<'_>, look: TokenLook<'_>) -> Result<()> {
        let names = self.token_names(store);
        let weights = self.backend.weights(&names.backbone, store)?;
        let sizes = sizes(of);
        let normed = B::run(|| -> Result<_> {
            let (tokens, _) = self.through(&weights, sizes, Input::Patches(of), Watch::default())?;
            Ok(self.backend.normed(&weights, sizes, tokens)?.0)
        })?;
        look(&normed, &weights_of(&heads(store)?))
    }
}

/// Every token is carried on.
fn sizes(of: &Places<'_>) -> Sizes {
    let tokens = of.first + of.kept;
    Sizes { batch: of.batch, tokens, keep: tokens }
}

/// The weights of heads, on the host.
fn heads(store: &ParamStore) -> Result<HashMap<&str, Vec<f32>>> {
    let of_heads = store.iter().filter(|(spec, _)| matches!(spec.part, Part::Head | Part::Objective));
    let of_heads = of_heads.filter(|(spec, _)| spec.name != MASK_TOKEN);
    of_heads.map(|(spec, var)| Ok((spec.name.as_str(), to_host(&var.as_detached_tensor())?))).collect()
}

fn weights_of<'a>(heads: &'a HashMap<&str, Vec<f32>>) -> WeightsByName<'a> {
    WeightsByName::over(heads.iter().map(|(name, values)| (*name, values.as_slice())))
}
