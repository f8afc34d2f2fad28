//! Tokens instead of answers: what pretraining trains, from chosen patches of each clip.
//!
//! Blocks run on the device; what an objective makes of the tokens is small, and done on the host.

use std::collections::HashMap;

use candle_core::Tensor;

use super::{Fused, Gradients, Kept, Result, Rounded, Through, Watch, Weights, makes_tokens};
use crate::{
    model::{
        Method, ModelConfig, ParamStore, Part, Thrift,
        portable::{self, to_host},
        tokens::{GradientsByName, MASK_TOKEN, Places, TokenEngine, TokenLook, TokenLoss, WeightsByName},
    },
    ops::{fused::Normed, portable::linear},
};

impl Fused {
    /// An engine for a backbone that is asked for its tokens, of which it keeps every one.
    pub(in crate::model) fn of_tokens(config: ModelConfig, thrift: Thrift) -> Self {
        Self { every_token: true, ..Self::new(config, Method::full(), thrift) }
    }

    /// Tokens as they enter the blocks, (batch, class tokens + kept, D), and as they leave the final norm.
    fn token_pass(
        &self,
        weights: &mut Weights<'_>,
        places: &Places<'_>,
        graph: bool,
    ) -> Result<(Tensor, Normed, Vec<Kept>)> {
        let tokens = embed(&self.config, &portable::Weights::new(weights.store, graph), places)?;
        let Through { last, kept, .. } = self.blocks(weights, &tokens, Watch { graph, ..Watch::default() })?;
        Ok((tokens, last, kept))
    }

    fn token_gradients(
        &self,
        weights: &mut Weights<'_>,
        places: &Places<'_>,
        loss: TokenLoss<'_>,
    ) -> Result<(f32, Vec<Tensor>)> {
        let (tokens, last, blocks) = self.token_pass(weights, places, true)?;
        let store = weights.store;
        let heads = heads(store)?;
        let mut buffers: HashMap<&str, Vec<f32>> = store
            .trainable()
            .filter(|(spec, _)| heads.contains_key(spec.name.as_str()))
            .map(|(spec, _)| (spec.name.as_str(), vec![0.0; spec.count()]))
            .collect();
        let mut gradients: GradientsByName<'_> =
            buffers.iter_mut().map(|(name, buffer)| (*name, buffer.as_mut_slice())).collect();
        let (total, dnormed) = loss(&to_host(&last.norm)?, &by_name(&heads), &mut gradients)?;
        drop(gradients);
        let mut found = Gradients::default();
        for (name, buffer) in buffers {
            let gradient = Tensor::from_vec(buffer, heads[name].len(), store.device())?;
            found.put(weights, name, &gradient)?;
        }
        let through = Tensor::from_vec(dnormed, last.norm.shape(), store.device())?.to_dtype(last.norm.dtype())?;
        self.blocks_back(weights, &tokens, blocks, &last, &through, &mut found)?;
        Ok((total, found.in_order(store)?))
    }
}

impl TokenEngine for Fused {
    fn shape(&self) -> &ModelConfig {
        &self.config
    }

    fn token_step(&mut self, store: &ParamStore, of: &Places<'_>, loss: TokenLoss<'_>) -> Result<(f32, Vec<Tensor>)> {
        let mut rounded = std::mem::take(&mut self.rounded);
        rounded.begin();
        let outcome = self.token_gradients(&mut self.weights(store, &mut rounded), of, loss);
        self.rounded = rounded;
        outcome
    }

    fn tokens(&mut self, store: &ParamStore, of: &Places<'_>, look: TokenLook<'_>) -> Result<()> {
        let mut rounded = Rounded::default();
        let (_, last, _) = self.token_pass(&mut self.weights(store, &mut rounded), of, false)?;
        look(&to_host(&last.norm)?, &by_name(&heads(store)?))
    }
}

/// The weights of heads, on the host.
fn heads(store: &ParamStore) -> Result<HashMap<&str, Vec<f32>>> {
    let of_heads = store.iter().filter(|(spec, _)| matches!(spec.part, Part::Head | Part::Objective));
    let of_heads = of_heads.filter(|(spec, _)| !makes_tokens(spec));
    of_heads.map(|(spec, var)| Ok((spec.name.as_str(), to_host(&var.as_detached_tensor())?))).collect()
}

fn by_name<'a>(heads: &'a HashMap<&str, Vec<f32>>) -> WeightsByName<'a> {
    WeightsByName::over(heads.iter().map(|(name, values)| (*name, values.as_slice())))
}

/// Class tokens, then the chosen patches, positions added, (batch, class tokens + kept, D).
fn embed(config: &ModelConfig, weights: &portable::Weights<'_>, places: &Places<'_>) -> Result<Tensor> {
    let (d, first, batch, kept) = (config.hidden, places.first, places.batch, places.kept);
    let (dtype, device) = (weights.dtype(), weights.device());
    let pixels = Tensor::from_slice(places.all_pixels(), (batch, kept, places.size), device)?.to_dtype(dtype)?;
    let mut patches = linear(&pixels, &weights.get("patch.weight")?, Some(&weights.get("patch.bias")?))?;
    if weights.has(MASK_TOKEN) {
        let hidden = places.all_hidden().iter().map(|hidden| f32::from(u8::from(*hidden))).collect();
        let hidden = Tensor::from_vec(hidden, (batch, kept, 1), device)?.to_dtype(dtype)?;
        let shown = patches.broadcast_mul(&hidden.affine(-1.0, 1.0)?)?;
        patches = (shown + hidden.broadcast_mul(&weights.get(MASK_TOKEN)?)?)?;
    }
    let positions = weights.get("pos_embed")?.squeeze(0)?;
    let rows = (0..batch).flat_map(|clip| (0..kept).map(move |i| places.position(clip, i) as u32)).collect();
    let rows = Tensor::from_vec(rows, batch * kept, device)?;
    let patches = (patches + positions.index_select(&rows, 0)?.reshape((batch, kept, d))?)?;
    let class = Tensor::cat(&[weights.get("cls_token")?, weights.get("dist_token")?], 1)?;
    let class = class.broadcast_add(&positions.narrow(0, 0, first)?)?.broadcast_as((batch, first, d))?;
    Ok(Tensor::cat(&[&class, &patches], 1)?)
}
