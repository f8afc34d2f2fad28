//! Every engine against the oracle in double precision, on random shapes, for every method: answers, states, pooled
//! vectors, norms and every value of every gradient.

use aat_tui::model::{
    BlockNorms, Family, Features, MemoryOptions, Method, ModelConfig, ParamStore, Pooling, Precision, Recompute, Stem,
};
use candle_core::DType;
use proptest::prelude::*;

use crate::{
    cases::{
        ENGINES, Make, ced, convolutions, difference, features, loss, moved, of_graph, patches, precise, towards,
        values, wide,
    },
    model::Oracle,
};

/// Shapes of both stems and every family, small but with odd sizes.
fn shapes() -> impl Strategy<Value = ModelConfig> {
    let sizes = (1usize..4, 1usize..4, 3usize..13, 5usize..70, 8usize..60);
    (sizes, [3usize..8, 3usize..8], any::<[bool; 4]>()).prop_map(
        |((depth, heads, size, mlp_hidden, frames), stride, [patches, mean, head_norm, ced])| ModelConfig {
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
            family: (patches && ced).then_some(Family::Ced),
            pooling: match (mean, patches) {
                (true, _) => Pooling::Mean,
                (false, true) => Pooling::ClassTokens,
                (false, false) => Pooling::All,
            },
            classes: 7,
        },
    )
}

/// How far an engine may be off, relative to the size of what is compared.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    values: f64,
    /// A query's is the little that softmax leaves of large terms.
    gradient: f64,
    norms: f64,
}

impl Bounds {
    fn of(dtype: DType) -> Self {
        match dtype {
            DType::F32 => Self { values: 1e-5, gradient: 5e-5, norms: 1e-5 },
            // Double precision inside; what comes out is single, and so are the head and the gradient that leaves it.
            _ => Self { values: 1e-6, gradient: 1e-5, norms: 1e-6 },
        }
    }
}

fn of_norms(norms: &[BlockNorms]) -> Vec<f64> {
    wide(&norms.iter().flat_map(|n| [n.spatial, n.spatial_ratio, n.mlp, n.mlp_ratio]).collect::<Vec<_>>())
}

/// Everything that an engine gives, against the oracle.
fn check(
    (name, dtype, make): (&str, DType, Make),
    config: &ModelConfig,
    method: Method,
    single: &ParamStore,
    input: &Features,
    memory: MemoryOptions,
) {
    let (store, bounds) = (precise(single, dtype), Bounds::of(dtype));
    let exact = precise(single, DType::F64);
    let oracle = Oracle::new(config, method, &exact);
    let (expected, graph) = oracle.gradients(input, &towards(0..input.batch * config.classes)).unwrap();
    let what = |of: &str| format!("{of} of {name}, {method}, {memory:?}, batch {}, {config:?}", input.batch);
    let near = |of: &str, found: &[f64], expected: &[f64], bound: f64| {
        let apart = difference(found, expected);
        assert!(apart < bound, "{} differ by {apart}", what(of));
    };
    let logits = values(&expected.logits);
    let mut engine = make(config, method, memory);
    for norms in [false, true] {
        let step = engine.step(&store, input, &mut loss(config.classes), norms).unwrap();
        near("a step's logits", &wide(&step.logits), &logits, bounds.values);
        let all: f64 = logits.iter().zip(towards(0..logits.len())).map(|(l, t)| l * f64::from(t)).sum();
        assert!((f64::from(step.loss) - all).abs() < 1e-4 * all.abs().max(1.0), "{}", what("the loss"));
        assert_eq!(step.gradients.len(), store.trainable().count(), "{}", what("the gradients"));
        for (((spec, _), found), expected) in store.trainable().zip(&step.gradients).zip(of_graph(&exact, &graph)) {
            assert_eq!((found.dims(), found.dtype()), (spec.shape.as_slice(), dtype), "{}", what(&spec.name));
            near(&format!("gradients of {}", spec.name), &values(found), &expected, bounds.gradient);
        }
        let measured = norms && !expected.norms.is_empty();
        assert_eq!(step.norms.is_some(), measured, "{}", what("the norms"));
        if let Some(found) = step.norms {
            near("a step's norms", &of_norms(&found), &of_norms(&expected.norms), bounds.norms);
        }
    }
    near("logits", &wide(&engine.logits(&store, input).unwrap()), &logits, bounds.values);
    let (observed, norms) = engine.observe(&store, input).unwrap();
    near("observed logits", &wide(&observed), &logits, bounds.values);
    near("observed norms", &of_norms(&norms), &of_norms(&expected.norms), bounds.norms);
    near("pooled vectors", &wide(&engine.pooled(&store, input).unwrap()), &values(&expected.pooled), bounds.values);
    let after: Vec<usize> = (1..=config.depth).collect();
    let states = engine.states(&store, input, &after).unwrap();
    for (found, expected) in states.iter().zip(&expected.states) {
        near("states", &wide(found), &values(expected), bounds.values);
    }
    assert_eq!(engine.states(&store, input, &after[..1]).unwrap(), states[..1], "{}", what("the first state"));
    assert!(engine.states(&store, input, &[config.depth + 1]).is_err() && engine.states(&store, input, &[0]).is_err());
}

fn check_all(config: &ModelConfig, batch: usize, memory: MemoryOptions) {
    for method in Method::all() {
        // Where one score towers, what remains of the others is rounding in any precision.
        let (single, input) = (moved(config, method, 0.05), features(config, batch));
        ENGINES.iter().for_each(|engine| check(*engine, config, method, &single, &input, memory));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_engine_is_the_oracle_on_any_shape(config in shapes(), batch in 1usize..4) {
        check_all(&config, batch, MemoryOptions::default());
    }

    /// bf16 keeps 8 bits where f32 keeps 24, so a product's rounding is 2^16 times as large, and so is what a model
    /// makes of it: a few percent, more where a gradient is the little that is left of large terms, as f32's own
    /// distance from f64 tells. Twice that is allowed, and twice the rounding of 2^-21 where f32 was lucky. A wrong
    /// transpose or a lost bias would be off by everything.
    #[test]
    fn bf16_is_the_same_rounded(config in shapes(), batch in 1usize..4) {
        let (name, _, make) = ENGINES[1];
        for method in Method::all() {
            let (store, input) = (moved(&config, method, 0.05), features(&config, batch));
            let side = |precision, store: &ParamStore| {
                let mut engine = make(&config, method, MemoryOptions { precision, ..MemoryOptions::default() });
                let step = engine.step(store, &input, &mut loss(config.classes), false).unwrap();
                prop_assert!(step.gradients.iter().all(|gradient| gradient.dtype() == DType::F32));
                Ok([wide(&step.logits), step.gradients.iter().flat_map(values).collect()])
            };
            let (rounded, single) = (side(Precision::Bf16, &store)?, side(Precision::F32, &store)?);
            let exact = precise(&store, DType::F64);
            let oracle = Oracle::new(&config, method, &exact);
            let (pass, graph) = oracle.gradients(&input, &towards(0..batch * config.classes)).unwrap();
            let expected = [values(&pass.logits), of_graph(&exact, &graph).concat()];
            for (what, i) in [("logits", 0), ("gradients", 1)] {
                let [found, single] = [&rounded, &single].map(|side| difference(&side[i], &expected[i]));
                prop_assert!(found > 1e-5, "{name}, {method}: {what} were not rounded");
                let most = f64::from(1 << 17) * (single + f64::powi(2.0, -21));
                prop_assert!(found < most.min(0.5), "{name}, {method}: {what} differ by {found}, {single} in f32");
            }
        }
    }
}

#[test]
fn one_token_and_one_clip_are_enough() {
    check_all(&ced(5, 2), 1, MemoryOptions::default());
    check_all(&patches(5, [20, 20], 2, Pooling::ClassTokens), 1, MemoryOptions::default());
    check_all(&convolutions(1, 2), 1, MemoryOptions::default());
}

/// An odd number of frames, more tokens than a tile, and enough for weights to be laid out anew.
#[test]
fn more_tokens_than_a_tile_agree() {
    check_all(&convolutions(281, 2), 3, MemoryOptions::default());
}

/// No clip fills its room: of the last block the tokens of the longest are computed and no more.
#[test]
fn short_clips_agree_too() {
    for config in [convolutions(30, 2), patches(30, [7, 5], 2, Pooling::Mean), ced(33, 2)] {
        let method = Method::full();
        let input = Features { valid: vec![9, 0, 14], ..features(&config, 3) };
        let single = moved(&config, method, 0.05);
        ENGINES.iter().for_each(|engine| check(*engine, &config, method, &single, &input, MemoryOptions::default()));
    }
}

/// Parts of a batch add up to the whole, norms among them; what is computed again is the same.
#[test]
fn saving_memory_changes_nothing() {
    for config in [patches(23, [5, 4], 3, Pooling::ClassTokens), convolutions(23, 3), ced(23, 3)] {
        check_all(
            &config,
            5,
            MemoryOptions { micro_batch: Some(2), recompute: Recompute::Block, ..MemoryOptions::default() },
        );
        check_all(
            &config,
            3,
            MemoryOptions { micro_batch: Some(1), recompute: Recompute::Mlp, ..MemoryOptions::default() },
        );
    }
}

/// The same model with another number of clips, up and down: memory from before must not show.
#[test]
fn batches_of_different_sizes_follow_one_another() {
    let config = patches(23, [5, 4], 2, Pooling::ClassTokens);
    let single = moved(&config, Method::aat(), 0.05);
    for (name, dtype, make) in ENGINES {
        let store = precise(&single, dtype);
        let mut engine = make(&config, Method::aat(), MemoryOptions::default());
        for batch in [3, 5, 1, 4] {
            let input = features(&config, batch);
            let mut fresh = make(&config, Method::aat(), MemoryOptions::default());
            let steps = [(&mut engine, batch == 1), (&mut fresh, false)]
                .map(|(engine, norms)| engine.step(&store, &input, &mut loss(7), norms).unwrap());
            for (a, b) in steps[0].gradients.iter().zip(&steps[1].gradients) {
                assert!(difference(&values(a), &values(b)) < 1e-5, "{name}, batch {batch}");
            }
        }
    }
}

/// A clip's vector depends on that clip alone, to the bit, and leads to the same step and the same answers.
#[test]
fn what_a_frozen_backbone_makes_of_a_clip_may_be_kept() {
    for config in [patches(43, [3, 4], 2, Pooling::ClassTokens), convolutions(30, 2)] {
        let single = moved(&config, Method::head(), 0.2);
        for (name, dtype, make) in ENGINES {
            let (store, input) = (precise(&single, dtype), features(&config, 5));
            let mut engine = make(&config, Method::head(), MemoryOptions::default());
            let pooled = engine.pooled(&store, &input).unwrap();
            for (clip, kept) in pooled.chunks(config.hidden).enumerate() {
                assert_eq!(engine.pooled(&store, &input.part(clip..clip + 1)).unwrap(), kept, "{name}");
            }
            let whole = engine.step(&store, &input, &mut loss(7), true).unwrap();
            let head = engine.head_step(&store, &pooled, &mut loss(7)).unwrap();
            let logits = wide(&engine.logits(&store, &input).unwrap());
            for found in [&whole.logits, &head.logits, &engine.head_logits(&store, &pooled).unwrap()] {
                assert!(difference(&wide(found), &logits) < 1e-5, "{name}");
            }
            for (a, b) in whole.gradients.iter().zip(&head.gradients) {
                assert!(difference(&values(a), &values(b)) < 1e-5, "{name}");
            }
        }
    }
}

/// Adapters start as if they were not there: logits equal the backbone's exactly.
#[test]
fn untrained_adapters_change_nothing() {
    for config in [patches(23, [5, 4], 3, Pooling::ClassTokens), convolutions(23, 3)] {
        let input = features(&config, 2);
        for (name, _, make) in ENGINES {
            let logits = |method: &str| {
                let method: Method = method.parse().unwrap();
                let store =
                    aat_tui::model::initialise(aat_tui::model::specs(&config, method), 11, &candle_core::Device::Cpu);
                wide(&make(&config, method, MemoryOptions::default()).logits(&store.unwrap(), &input).unwrap())
            };
            let backbone = logits("full");
            for method in ["aat", "aat-m", "head", "partial", "lora", "lora-r3-a1", "bitfit"] {
                assert!(difference(&logits(method), &backbone) < 1e-6, "{name}, {method}");
            }
            assert!(difference(&logits("prompt"), &backbone) > 1e-3, "{name}");
        }
    }
}

#[test]
fn what_does_not_fit_is_an_error() {
    let config = patches(23, [5, 4], 2, Pooling::ClassTokens);
    let store = moved(&config, Method::aat(), 0.05);
    let input = Features { frames: 22, ..features(&config, 2) };
    for (name, _, make) in ENGINES {
        let mut engine = make(&config, Method::aat(), MemoryOptions::default());
        let said = engine.logits(&store, &input).unwrap_err().to_string();
        assert!(said.contains("23 frames of 20 mel bins but was given 22"), "{name}: {said}");
        let pooled = engine.pooled(&store, &features(&config, 1)).unwrap();
        assert!(engine.head_step(&store, &pooled, &mut loss(7)).is_err(), "{name}: more than the head trains");
    }
}
