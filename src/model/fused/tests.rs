//! The engine for accelerators against the portable one, on random shapes, for every method.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;
use crate::model::{
    Portable, StepOutput, engine,
    fast::tests::{double, features, loss, moved, values},
    portable::agreement::{difference, shapes},
};

/// A step and an answer by this engine.
fn outcome(engine: &mut dyn Engine, store: &ParamStore, input: &Features) -> (StepOutput, Vec<f32>) {
    (engine.step(store, input, &mut loss, true).unwrap(), engine.logits(store, input).unwrap())
}

fn all(output: &StepOutput) -> Vec<f32> {
    output.gradients.iter().flat_map(values).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, failure_persistence: None, ..ProptestConfig::default() })]

    /// In double precision, so that nothing but a wrong formula can come between.
    #[test]
    fn gradients_are_the_portable_engines(config in shapes(), batch in 1usize..4) {
        for method in Method::all() {
            let (store, input) = (double(&moved(&config, method, 0.1)), features(&config, batch));
            let (expected, answer) = outcome(&mut Portable::new(config.clone(), method), &store, &input);
            let (found, own) = outcome(&mut Fused::new(config.clone(), method, Thrift::default()), &store, &input);
            // Logits and gradients are read in single precision.
            let logits = difference(found.logits.iter().zip(&expected.logits));
            prop_assert!(logits < 1e-6, "{method}: logits differ by {logits}");
            let answers = difference(own.iter().zip(&answer));
            prop_assert!(answers < 1e-6, "{method}: answers differ by {answers}");
            for ((spec, _), (a, b)) in store.trainable().zip(found.gradients.iter().zip(&expected.gradients)) {
                let each = difference(values(a).iter().zip(&values(b)));
                prop_assert!(each < 1e-6, "{method}: the gradient of {} differs by {each}", spec.name);
            }
            prop_assert_eq!(found.norms.is_some(), expected.norms.is_some());
        }
    }

    /// bf16 rounds activations to 8 bits; a wrong transpose or a lost bias would be off by everything.
    #[test]
    fn bf16_is_the_same_rounded(config in shapes(), batch in 1usize..4) {
        for method in Method::all() {
            let (store, input) = (moved(&config, method, 0.05), features(&config, batch));
            let thrift = Thrift { precision: Precision::Bf16, ..Thrift::default() };
            let (found, _) = outcome(&mut Fused::new(config.clone(), method, thrift), &store, &input);
            let (single, _) = outcome(&mut Portable::new(config.clone(), method), &store, &input);
            let (exact, _) = outcome(&mut Portable::new(config.clone(), method), &double(&store), &input);
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

/// What one step of a method keeps is gone with it, and the head's own steps are those of whole steps.
#[test]
fn the_head_alone_is_the_same_step() {
    let config = ModelConfig { depth: 2, ..ModelConfig::ast("tiny", 64, [16, 16], 7).unwrap() };
    let (store, input) = (moved(&config, Method::head(), 0.1), features(&config, 3));
    let mut engine = Fused::new(config, Method::head(), Thrift::default());
    let whole = engine.step(&store, &input, &mut loss, false).unwrap();
    let pooled = engine.pooled(&store, &input).unwrap();
    let short = engine.head_step(&store, &pooled, &mut loss).unwrap();
    assert!(difference(short.logits.iter().zip(&whole.logits)) < 1e-5);
    assert!(difference(all(&short).iter().zip(&all(&whole))) < 1e-5);
    assert!(difference(engine.head_logits(&store, &pooled).unwrap().iter().zip(&whole.logits)) < 1e-5);
}

/// Asking for bf16 on the CPU is heeded: the kernels that know single precision only are passed over.
#[test]
fn bf16_on_the_cpu_is_this_engines() {
    let (config, method) =
        (ModelConfig { depth: 2, ..ModelConfig::ast("tiny", 64, [16, 16], 7).unwrap() }, Method::aat());
    let (store, input) = (moved(&config, method, 0.1), features(&config, 2));
    let thrift = Thrift { precision: Precision::Bf16, ..Thrift::default() };
    let chosen = engine(&config, method, store.device(), thrift).logits(&store, &input).unwrap();
    assert_eq!(chosen, Fused::new(config, method, thrift).logits(&store, &input).unwrap());
}
