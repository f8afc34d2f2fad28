//! Steps one after another: every engine with this project's loss and optimizer against the oracle with plain ones.

use aat_tui::{
    data::{Loss, Targets},
    model::{MemoryOptions, Method, Pooling},
    train::{AdamW, Criterion},
};
use candle_core::{D, DType, Device, Result, Tensor, Var, backprop::GradStore};

use crate::{
    cases::{ENGINES, convolutions, difference, features, moved, patches, precise, values, wide},
    model::Oracle,
};

const STEPS: usize = 10;
const LR: f64 = 1e-3;
const DECAY: f64 = 0.05;
const CLIPS: usize = 3;

/// Cross entropy of the clips' classes, a mean over clips.
fn cross_entropy(logits: &Tensor, classes: &Tensor) -> Result<Tensor> {
    let centred = logits.broadcast_sub(&logits.max_keepdim(D::Minus1)?.detach())?;
    let log_shares = centred.broadcast_sub(&centred.exp()?.sum_keepdim(D::Minus1)?.log()?)?;
    log_shares.gather(&classes.unsqueeze(1)?, 1)?.mean_all()?.neg()
}

/// AdamW as its paper has it (Loshchilov and Hutter, arXiv 1711.05101), with decay apart from the gradient.
struct PlainAdamW {
    step: i32,
    /// Each parameter with the running means of its gradient and of its square.
    moments: Vec<(Var, Tensor, Tensor)>,
}

impl PlainAdamW {
    const BETAS: [f64; 2] = [0.9, 0.999];
    const EPS: f64 = 1e-8;

    fn new(vars: impl Iterator<Item = Var>) -> Result<Self> {
        let moments = vars.map(|var| {
            let zeros = var.as_tensor().zeros_like()?.detach();
            Ok((var, zeros.clone(), zeros))
        });
        Ok(Self { step: 0, moments: moments.collect::<Result<_>>()? })
    }

    fn step(&mut self, gradients: &GradStore) -> Result<()> {
        self.step += 1;
        let [first, second] = Self::BETAS;
        for (var, mean, square) in &mut self.moments {
            let Some(gradient) = gradients.get(var) else { continue };
            *mean = ((&*mean * first)? + (gradient * (1.0 - first))?)?;
            *square = ((&*square * second)? + (gradient.sqr()? * (1.0 - second))?)?;
            let mean = (&*mean / (1.0 - first.powi(self.step)))?;
            let deviation = (&*square / (1.0 - second.powi(self.step)))?.sqrt()?;
            let decayed = (var.as_detached_tensor() * (1.0 - LR * DECAY))?;
            var.set(&(decayed - ((mean / (deviation + Self::EPS)?)? * LR)?)?)?;
        }
        Ok(())
    }
}

/// Losses of some steps and the weights they lead to; what is frozen stays as it was to the bit.
#[test]
fn ten_steps_lead_where_the_oracle_goes() {
    let labels: Vec<u32> = (0..CLIPS as u32).map(|clip| 2 * clip).collect();
    for config in [patches(23, [5, 4], 2, Pooling::ClassTokens), convolutions(23, 2)] {
        let input = features(&config, CLIPS);
        for method in Method::all() {
            let single = moved(&config, method, 0.05);
            let exact = precise(&single, DType::F64);
            let mut optimizer = PlainAdamW::new(exact.trainable().map(|(_, var)| var.clone())).unwrap();
            let classes = Tensor::from_slice(&labels, CLIPS, &Device::Cpu).unwrap();
            let mut expected = Vec::new();
            for _ in 0..STEPS {
                let logits = Oracle::new(&config, method, &exact).forward(&input).unwrap().logits;
                let loss = cross_entropy(&logits, &classes).unwrap();
                expected.push(loss.to_scalar::<f64>().unwrap());
                optimizer.step(&loss.backward().unwrap()).unwrap();
            }

            for (name, _, make) in ENGINES {
                let store = precise(&single, DType::F32);
                let mut targets =
                    Targets { classes: config.classes, values: vec![0.0; CLIPS * config.classes], mask: None };
                labels
                    .iter()
                    .enumerate()
                    .for_each(|(clip, l)| targets.values[clip * config.classes + *l as usize] = 1.0);
                let criterion = Criterion::new(Loss::CrossEntropy, &targets);
                let mut engine = make(&config, method, MemoryOptions::default());
                let mut optimizer = AdamW::new(&store, DECAY).unwrap();
                let mut losses = Vec::new();
                for _ in 0..STEPS {
                    let mut loss = |range, logits: &[f32]| criterion.share(range, logits);
                    let step = engine.step(&store, &input, &mut loss, false).unwrap();
                    losses.push(step.loss);
                    optimizer.update(&store, &step.gradients, 1.0, |_| LR).unwrap();
                }
                let apart = difference(&wide(&losses), &expected);
                assert!(apart < 1e-3, "{name}, {method}: losses differ by {apart}: {losses:?} {expected:?}");
                assert!(losses[STEPS - 1] < losses[0], "{name}, {method}: {losses:?}");
                for ((spec, var), ((_, exact), (_, start))) in store.iter().zip(exact.iter().zip(single.iter())) {
                    let [mut found, expected, start] = [var, exact, start].map(|var| values(var));
                    if spec.name.ends_with("qkv.bias") {
                        // Softmax takes no notice of a bias of keys: its gradient is nothing but rounding.
                        let third = found.len() / 3;
                        found[third..2 * third].copy_from_slice(&expected[third..2 * third]);
                    }
                    if spec.trains {
                        // A step divides by a gradient's size, so it passes on how far a tiny one is off.
                        let moved = difference(&expected, &start);
                        let apart = difference(&found, &expected);
                        assert!(apart < 0.2 * moved, "{name}, {method}: {} is off by {apart} of {moved}", spec.name);
                    } else {
                        assert_eq!(found, start, "{name}, {method}: {} is frozen", spec.name);
                    }
                }
            }
        }
    }
}
