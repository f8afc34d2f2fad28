//! The portable engine against the fast one on random shapes, for every method, in single precision and in bf16.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;
use crate::model::{
    Fast, Pooling, Stem,
    fast::tests::{double, features, loss, moved, values},
};

/// The Euclidean norm of what lies between, over the second's: what rounding at random adds up to.
pub(in crate::model) fn difference<'a>(pairs: impl Iterator<Item = (&'a f32, &'a f32)>) -> f64 {
    let (mut between, mut all) = (0.0, 1e-30);
    for (a, b) in pairs {
        between += (f64::from(*a) - f64::from(*b)).powi(2);
        all += f64::from(*b).powi(2);
    }
    f64::sqrt(between / all)
}

/// Shapes of both stems, small but with odd sizes.
pub(in crate::model) fn shapes() -> impl Strategy<Value = ModelConfig> {
    let sizes = (1usize..4, 1usize..4, 3usize..13, 5usize..70, 8usize..60);
    (sizes, [3usize..8, 3usize..8], any::<[bool; 3]>()).prop_map(
        |((depth, heads, size, mlp_hidden, frames), stride, [patches, mean, head_norm])| ModelConfig {
            stem: match patches {
                true => Stem::Patches { mel_bins: 20, frames, patch: [6, 5], stride },
                false => Stem::Convolutions { mel_bins: 20, frames },
            },
            hidden: 4 * heads * size,
            depth,
            heads,
            mlp_hidden,
            norm_eps: 1e-6,
            head_eps: 1e-5,
            head_norm,
            pooling: match (mean, patches) {
                (true, _) => Pooling::Mean,
                (false, true) => Pooling::ClassTokens,
                (false, false) => Pooling::All,
            },
            classes: 7,
        },
    )
}

/// Weights that leave attention undecided, as trained ones mostly do: where one score towers, what remains of the others
/// is rounding in any precision.
fn store(config: &ModelConfig, method: Method) -> ParamStore {
    moved(config, method, 0.05)
}

/// A step and an answer by this engine.
fn outcome(engine: &mut dyn Engine, store: &ParamStore, input: &Features) -> (StepOutput, Vec<f32>) {
    (engine.step(store, input, &mut loss, true).unwrap(), engine.logits(store, input).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn single_precision_is_the_fast_engines(config in shapes(), batch in 1usize..4) {
        for method in Method::all().filter(|&method| Fast::supports(&config, method)) {
            let (store, input) = (store(&config, method), features(&config, batch));
            let mut fast = Fast::new(config.clone(), method, Thrift::default()).unwrap();
            let (expected, answer) = outcome(&mut fast, &store, &input);
            let (found, own) = outcome(&mut Portable::new(config.clone(), method), &store, &input);
            let logits = difference(found.logits.iter().zip(&expected.logits));
            prop_assert!(logits < 1e-5, "{method}: logits differ by {logits}");
            let answers = difference(own.iter().zip(&answer));
            prop_assert!(answers < 1e-5, "{method}: answers differ by {answers}");
            let all = |output: &StepOutput| output.gradients.iter().flat_map(values).collect::<Vec<_>>();
            let gradients = difference(all(&found).iter().zip(&all(&expected)));
            prop_assert!(gradients < 1e-5, "{method}: gradients differ by {gradients}");
            for ((spec, _), (a, b)) in store.trainable().zip(found.gradients.iter().zip(&expected.gradients)) {
                // Of a query's gradient softmax leaves little of large terms, and of a low-rank update's, that is all.
                let each = difference(values(a).iter().zip(&values(b)));
                prop_assert!(each < 1e-4, "{method}: the gradient of {} differs by {each}", spec.name);
            }
        }
    }

    /// bf16 keeps 8 bits where f32 keeps 24, so a product's rounding is 2^16 times as large, and so is what a model
    /// makes of it: a few percent, more where a gradient is the little that is left of large terms, as f32's own
    /// distance from f64 tells. Twice that is allowed, and twice the rounding of 2^-21 where f32 was lucky. A wrong
    /// transpose or a lost bias would be off by everything.
    #[test]
    fn bf16_is_single_precision_rounded(config in shapes(), batch in 1usize..4) {
        for method in Method::all() {
            let (store, input) = (store(&config, method), features(&config, batch));
            let thrift = Thrift { precision: Precision::Bf16, ..Thrift::default() };
            let (found, _) = outcome(&mut Portable::with(config.clone(), method, thrift), &store, &input);
            let (single, _) = outcome(&mut Portable::new(config.clone(), method), &store, &input);
            let (exact, _) = outcome(&mut Portable::new(config.clone(), method), &double(&store), &input);
            let all = |output: &StepOutput| output.gradients.iter().flat_map(values).collect::<Vec<_>>();
            let logits = |output: &StepOutput| output.logits.clone();
            for (what, of) in [("logits", &logits as &dyn Fn(&_) -> _), ("gradients", &all)] {
                let [found, single] = [&found, &single].map(|side| difference(of(side).iter().zip(&of(&exact))));
                prop_assert!(found > 1e-5, "{method}: {what} were not rounded");
                let most = f64::from(1 << 17) * (single + f64::powi(2.0, -21));
                prop_assert!(found < most.min(0.5), "{method}: {what} differ by {found}, {single} in f32");
            }
            prop_assert!(found.gradients.iter().all(|gradient| gradient.dtype() == DType::F32));
        }
    }
}

fn patches() -> ModelConfig {
    ModelConfig {
        stem: Stem::Patches { mel_bins: 20, frames: 23, patch: [6, 5], stride: [5, 4] },
        hidden: 36,
        depth: 2,
        heads: 3,
        mlp_hidden: 50,
        norm_eps: 1e-6,
        head_eps: 1e-5,
        head_norm: true,
        pooling: Pooling::ClassTokens,
        classes: 7,
    }
}

/// Parts of a batch add up to the whole, in the order of the clips.
#[test]
fn parts_of_a_batch_add_up() {
    let (config, method) = (patches(), Method::aat());
    let (store, input) = (store(&config, method), features(&config, 5));
    let (whole, answers) = outcome(&mut Portable::new(config.clone(), method), &store, &input);
    let thrift = Thrift { micro_batch: Some(2), ..Thrift::default() };
    // The tests' loss gives a clip other weights in another place, so each part is asked for its own.
    let mut of_clips = |range: std::ops::Range<usize>, logits: &[f32]| {
        let all = loss(0..5, &[vec![0.0; range.start * 7], logits.to_vec(), vec![0.0; (5 - range.end) * 7]].concat());
        let own = all.1[range.start * 7..range.end * 7].to_vec();
        (logits.iter().zip(&own).map(|(l, g)| l * g).sum(), own)
    };
    let mut portable = Portable::with(config, method, thrift);
    let parts = portable.step(&store, &input, &mut of_clips, true).unwrap();
    assert!(difference(parts.logits.iter().zip(&whole.logits)) < 1e-6);
    assert!(difference(portable.logits(&store, &input).unwrap().iter().zip(&answers)) < 1e-6);
    assert!((parts.loss - whole.loss).abs() < 1e-5 * whole.loss.abs().max(1.0));
    for (a, b) in parts.gradients.iter().zip(&whole.gradients) {
        assert!(difference(values(a).iter().zip(&values(b))) < 1e-5);
    }
    assert_eq!(parts.norms.unwrap().len(), 2);
    assert_eq!(portable.note(), None);
}
