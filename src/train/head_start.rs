//! Where the head's bias starts when each class is a question of its own.
//!
//! With the binary loss most answers are "no". A head that starts at zero answers one half everywhere, and the first
//! steps then push all logits down together, through the adapters too: at the rates that suit one class a clip, they push
//! the adapters to where every clip looks the same. A bias that starts at the log odds of each class's share (T.-Y. Lin et
//! al., arXiv 1708.02002, section 4.1) leaves the first steps to what distinguishes the clips.

use candle_core::Tensor;

use crate::{
    data::{Dataset, Label, Loss},
    model::{HEAD_BIAS, ModelError, ParamStore},
};

/// Sets a fresh head's bias, (classes), for this loss and these training clips, given by index. With cross entropy it
/// stays at zero.
///
/// # Errors
/// When the device cannot take the values.
pub(super) fn start(store: &ParamStore, loss: Loss, dataset: &Dataset, train: &[usize]) -> Result<(), ModelError> {
    let (Loss::Binary, Some(bias)) = (loss, store.get(HEAD_BIAS)) else { return Ok(()) };
    let labels = train.iter().map(|&item| &dataset.items[item].label);
    let values = log_odds(labels, dataset.classes.len());
    Ok(bias.set(&Tensor::from_vec(values, bias.shape().clone(), store.device())?)?)
}

/// The log odds of each class among the clips of which it is known, one clip of each kind added (Laplace's rule): finite
/// for a class that every clip or none holds, zero for one of which nothing is known.
fn log_odds<'a>(labels: impl Iterator<Item = &'a Label>, classes: usize) -> Vec<f32> {
    let mut counts = vec![[1u32; 2]; classes];
    let mut count = |class: usize, here: bool| {
        if let Some(count) = counts.get_mut(class) {
            count[usize::from(here)] += 1;
        }
    };
    for label in labels {
        match label {
            Label::One(one) => (0..classes).for_each(|class| count(class, class == *one)),
            Label::Many(known) => known.iter().for_each(|&(class, here)| count(class, here)),
            Label::Not(absent) => absent.iter().for_each(|&class| count(class, false)),
        }
    }
    counts.iter().map(|&[absent, present]| (f64::from(present) / f64::from(absent)).ln() as f32).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use candle_core::Device;

    use super::*;
    use crate::model::{Method, ModelConfig, initialise, specs};

    #[test]
    fn what_is_unknown_does_not_count() {
        let labels = [
            Label::Many(vec![(0, true), (1, false)]),
            Label::Many(vec![(0, true)]),
            Label::Not(vec![1]),
            Label::One(2),
        ];
        // Present and absent, each and one more: 3 : 2, 1 : 4, 2 : 1, 1 : 2.
        let expected = [1.5f32, 0.25, 2.0, 0.5].map(f32::ln);
        assert_eq!(log_odds(labels.iter(), 4), expected);
        assert_eq!(log_odds([].iter(), 2), [0.0, 0.0]);
    }

    #[test]
    fn only_the_binary_loss_moves_the_bias() {
        let config = ModelConfig::ast("tiny", 64, [16, 16], 2).unwrap();
        let store = initialise(specs(&config, Method::aat()), 1, &Device::Cpu).unwrap();
        let item = |label| crate::data::Item {
            id: String::new(),
            source: crate::data::Source::File(Default::default()),
            label,
            fold: None,
            split: None,
            group: None,
        };
        let labels = [Label::Many(vec![(0, false)]), Label::Many(vec![(0, false), (1, true)]), Label::One(0)];
        let items = labels.into_iter().map(item).collect();
        let dataset = Dataset { classes: vec!["a".into(), "b".into()], items, ..Dataset::default() };
        let bias = || store.get(HEAD_BIAS).unwrap().to_vec1::<f32>().unwrap();
        start(&store, Loss::CrossEntropy, &dataset, &[0, 1]).unwrap();
        assert_eq!(bias(), [0.0, 0.0]);
        start(&store, Loss::Binary, &dataset, &[0, 1]).unwrap();
        assert_eq!(bias(), [(1.0f32 / 3.0).ln(), 2f32.ln()], "the third clip does not train");
    }
}
