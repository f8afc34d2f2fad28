//! The class of the sound: the model's own head on the tokens that it pools, by cross entropy, where the class is known.

use super::{Into, Outcome, Result, View, WeightsByName, linear};
use crate::ops::{
    columns,
    layer_norm::{self, LayerNorm},
    softmax::{argmax, cross_entropy},
};

pub(super) fn outcome(
    view: &View<'_>,
    eps: f32,
    weight: f64,
    weights: &WeightsByName<'_>,
    into: Into<'_, '_>,
) -> Result<Outcome> {
    let d = view.hidden;
    let pooled = view.pooled();
    let norm = LayerNorm { weight: weights.get("head.norm.weight")?, bias: weights.get("head.norm.bias")?, eps };
    let mut normed = vec![0.0; pooled.len()];
    layer_norm::forward(norm, &pooled, &mut normed);
    let logits = linear::forward(weights, "head.linear", &normed, d)?;
    let classes = logits.len() / view.batch().max(1);
    let known = view.sounds.labels.iter().flatten().count();
    let scale = if known > 0 { 1.0 / known as f64 } else { 0.0 };
    let (mut loss, mut right) = (0.0, 0);
    let mut dlogits = vec![0.0; logits.len()];
    for ((logits, dlogits), label) in
        logits.chunks_exact(classes).zip(dlogits.chunks_exact_mut(classes)).zip(&view.sounds.labels)
    {
        let Some(label) = label.filter(|label| *label < classes) else { continue };
        loss += scale * cross_entropy(logits, label, weight * scale, dlogits);
        right += usize::from(argmax(logits) == label);
    }
    if let Some((gradients, dtokens)) = into {
        let dnormed = linear::backward(weights, gradients, "head.linear", &normed, &dlogits, d)?;
        let [mut dweight, mut dbias] = [vec![0.0; d], vec![0.0; d]];
        layer_norm::backward_weights(eps, &pooled, &dnormed, &mut dweight, &mut dbias);
        for (name, gradient) in [("head.norm.weight", dweight), ("head.norm.bias", dbias)] {
            if let Some(sum) = gradients.get_mut(name) {
                columns::add(sum, &gradient);
            }
        }
        let mut dpooled = vec![0.0; pooled.len()];
        layer_norm::backward(norm, &pooled, &dnormed, &mut dpooled);
        view.add_pooled(&dpooled, dtokens);
    }
    Ok(Outcome { loss, score: right as f64 / known.max(1) as f64, terms: known as f64 })
}
