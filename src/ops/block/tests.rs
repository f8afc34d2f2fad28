//! Gradients of a whole block against differences of its forward pass, for every trainable parameter.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::ops::{
    Mat,
    packed::{Arithmetic, HalfMat, Packed},
    stack::{Recompute, Stack},
};

const D: usize = 24;
const MLP: usize = 40;
const INNER: usize = 6;
const PROMPTS: usize = 3;
const RANK: usize = 2;

fn wave(n: usize, seed: f32, scale: f32) -> Vec<f32> {
    (0..n).map(|i| ((i as f32 + 1.0) * 0.7311 + seed * 5.1).sin() * scale).collect()
}

fn linear(outputs: usize, inputs: usize, seed: f32) -> Linear<Vec<f32>> {
    let scale = 1.5 / (inputs as f32).sqrt();
    Linear { weight: wave(outputs * inputs, seed, scale), bias: wave(outputs, seed + 0.5, 0.2) }
}

fn norm(seed: f32) -> Linear<Vec<f32>> {
    let weight = wave(D, seed, 0.3).into_iter().map(|w| w + 1.0).collect();
    Linear { weight, bias: wave(D, seed + 0.5, 0.2) }
}

fn block(seed: f32, adapters: bool, prompts: bool) -> Block<Vec<f32>> {
    let adapter = |seed| Adapter { down: linear(INNER, D, seed), up: linear(D, INNER, seed + 0.1) };
    Block {
        prompt: prompts.then(|| wave(PROMPTS * D, seed, 1.0)),
        norm1: norm(seed + 0.01),
        qkv: linear(3 * D, D, seed + 0.02),
        proj: linear(D, D, seed + 0.03),
        lora: None,
        spatial: adapters.then(|| adapter(seed + 0.04)),
        norm2: norm(seed + 0.05),
        fc1: linear(MLP, D, seed + 0.06),
        fc2: linear(D, MLP, seed + 0.07),
        adapter: adapters.then(|| adapter(seed + 0.08)),
    }
}

fn with_lora(seed: f32) -> Block<Vec<f32>> {
    let update = |seed| LowRank { down: wave(RANK * D, seed, 0.2), up: wave(D * RANK, seed + 0.1, 0.3) };
    Block { lora: Some(Lora { q: update(seed + 0.2), v: update(seed + 0.3) }), ..block(seed, false, false) }
}

/// Central differences of fourth order.
fn slope(moved: &mut dyn FnMut(f32) -> f64, h: f32) -> f64 {
    let near = moved(h) - moved(-h);
    let far = moved(2.0 * h) - moved(-2.0 * h);
    (8.0 * near - far) / (12.0 * f64::from(h))
}

fn check(shape: Shape, adapters: bool, prompts: bool, before: bool, trains: impl Fn(usize, usize) -> bool) {
    check_blocks(shape, [block(1.0, adapters, prompts), block(2.0, adapters, prompts)], before, trains);
}

fn check_blocks(shape: Shape, mut blocks: [Block<Vec<f32>>; 2], before: bool, trains: impl Fn(usize, usize) -> bool) {
    let trains: Vec<Block<bool>> = blocks
        .iter()
        .enumerate()
        .map(|(at, block)| {
            let mut i = 0;
            block.map(|_| {
                i += 1;
                trains(at, i - 1)
            })
        })
        .collect();
    let mut x = wave(shape.batch * shape.tokens * D, 0.3, 1.0);
    let dy = wave(shape.batch * shape.keep * D, 9.0, 1.0);
    let run = |stack: &mut Stack, blocks: &[Block<Vec<f32>>; 2], x: &[f32], train: bool| -> f64 {
        let weights: Vec<_> = blocks.iter().map(|block| Weights::from(block.map(Vec::as_slice))).collect();
        stack.tokens(&shape).copy_from_slice(x);
        let y = stack.forward(&shape, &weights, train, &mut []);
        y.iter().zip(&dy).map(|(y, dy)| f64::from(*y) * f64::from(*dy)).sum()
    };
    let mut found = Vec::new();
    for (recompute, _) in Recompute::ALL {
        let mut stack = Stack::new(&trains, before, recompute, false);
        let mut gradients: Vec<Block<Option<Vec<f32>>>> = blocks
            .iter()
            .zip(&trains)
            .map(|(block, trains)| {
                let mut trains = trains.list().into_iter();
                block.map(|values| trains.next().unwrap().then(|| vec![0.0; values.len()]))
            })
            .collect();
        // Twice: the second time in used memory, and added to the first.
        let mut dx = None;
        for _ in 0..2 {
            run(&mut stack, &blocks, &x, true);
            let weights: Vec<_> = blocks.iter().map(|block| Weights::from(block.map(Vec::as_slice))).collect();
            let mut views: Vec<Gradients<'_>> =
                gradients.iter_mut().map(|block| block.map_mut(Option::as_deref_mut)).collect();
            dx = stack.backward(&shape, &weights, &dy, &mut views).map(<[f32]>::to_vec);
        }
        assert_eq!(dx.is_some(), before);
        found.push((gradients, dx));
    }
    let (gradients, dx) = found.remove(0);
    for again in &found {
        assert_eq!(dx, again.1, "what is computed again changes the input's gradient");
    }

    let mut stack = Stack::new(&trains, before, Recompute::Nothing, false);
    let close = |found: f64, differences: f64, what: &str| {
        assert!((found - differences).abs() < 5e-3 * (1.0 + differences.abs()), "{what}: {found} {differences}");
    };
    for at in 0..2 {
        let of_block = gradients[at].list();
        for (i, gradient) in of_block.iter().enumerate() {
            for again in &found {
                assert_eq!(*gradient, again.0[at].list()[i], "what is computed again changes {i} of block {at}");
            }
            let Some(gradient) = gradient else { continue };
            let direction = wave(gradient.len(), 3.3, 1.0);
            let mut moved = |by: f32| {
                let original = blocks[at].clone();
                let mut j = 0;
                blocks[at] = original.map(|values| {
                    j += 1;
                    if j - 1 != i {
                        return values.clone();
                    }
                    values.iter().zip(&direction).map(|(v, d)| v + by * d).collect()
                });
                let loss = run(&mut stack, &blocks, &x, false);
                blocks[at] = original;
                loss
            };
            // Low-rank updates of queries change scores a lot.
            let step = if trains[at].lora.is_some() && (6..8).contains(&i) { 1e-3 } else { 3e-3 };
            let differences = slope(&mut moved, step);
            let along: f64 = gradient.iter().zip(&direction).map(|(g, d)| f64::from(g * d)).sum();
            close(along / 2.0, differences, &format!("block {at}, parameter {i}"));
        }
    }
    if let Some(dx) = dx {
        for i in (0..x.len()).step_by(x.len() / 9 + 1) {
            let mut moved = |by: f32| {
                x[i] += by;
                let loss = run(&mut stack, &blocks, &x, false);
                x[i] -= by;
                loss
            };
            close(f64::from(dx[i]), slope(&mut moved, 1e-2), &format!("input {i}"));
        }
    }
}

fn shape(batch: usize, tokens: usize, keep: usize) -> Shape {
    Shape { batch, tokens, keep, hidden: D, heads: 3, eps: 1e-6, lora_scale: 1.6 }
}

#[test]
fn everything_trains() {
    check(shape(3, 7, 7), false, false, true, |_, _| true);
    check(shape(2, 35, 2), true, false, true, |_, _| true);
}

#[test]
fn adapters_train() {
    // Their four tensors come after norm1, qkv and proj, and at the end.
    let adapters = |_, i: usize| (6..10).contains(&i) || i >= 16;
    check(shape(1, 9, 2), true, false, false, adapters);
    check(shape(5, 40, 40), true, false, false, adapters);
    check(shape(2, 9, 2), true, false, false, |at, i| adapters(at, i) && i >= 16);
}

#[test]
fn prompts_train() {
    check(shape(2, 9, 2), false, true, false, |_, i| i == 0);
    check(shape(3, 5, 5), false, true, true, |_, i| i == 0);
}

#[test]
fn low_rank_updates_train() {
    // Their four tensors come after norm1, qkv and proj.
    let lora = |i: usize| (6..10).contains(&i);
    let blocks = || [with_lora(1.0), with_lora(2.0)];
    check_blocks(shape(2, 9, 2), blocks(), false, |_, i| lora(i));
    check_blocks(shape(3, 40, 40), blocks(), true, |_, i| lora(i));
    check_blocks(shape(2, 7, 3), blocks(), true, |_, _| true);
    // Frozen, but between the output and what trains.
    check_blocks(shape(2, 7, 3), blocks(), true, |_, _| false);
    for alone in 0..20 {
        check_blocks(shape(2, 5, 2), blocks(), false, |at, i| at == 0 && i == alone);
    }
}

#[test]
fn biases_train() {
    // Norms, qkv, proj and both layers of the MLP, each a weight and then a bias.
    check(shape(2, 9, 2), false, false, true, |_, i| i % 2 == 1);
    check(shape(2, 9, 9), false, false, false, |_, i| i % 2 == 1);
}

#[test]
fn some_train() {
    check(shape(2, 9, 2), false, false, false, |at, _| at == 1);
    // Each tensor alone.
    for alone in 0..20 {
        check(shape(2, 5, 2), true, false, false, |at, i| at == 0 && i == alone);
    }
    check(shape(2, 5, 2), false, false, false, |_, _| false);
}

/// How a block's own matrices are given to the kernels.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Given {
    Values,
    Packed(Arithmetic),
    Half(Arithmetic),
}

/// The output of two blocks and the gradients of what trains, the input's first.
fn passes(
    shape: Shape,
    blocks: &[Block<Vec<f32>>; 2],
    given: Given,
    trains: impl Fn(usize) -> bool,
    recompute: Recompute,
) -> Vec<Vec<f32>> {
    let bf16 = matches!(given, Given::Half(_)) || matches!(given, Given::Packed(arithmetic) if arithmetic.is_bf16());
    let trains = blocks.each_ref().map(|block| {
        let mut i = 0;
        block.map(|_| {
            i += 1;
            trains(i - 1)
        })
    });
    let mut stack = Stack::new(&trains, true, recompute, bf16);
    let columns = |linear: &Linear<Vec<f32>>| linear.weight.len() / linear.bias.len();
    let packed = blocks.each_ref().map(|block| {
        block.own().map(|linear| {
            let Given::Packed(arithmetic) = given else { return [None, None] };
            let matrix = Mat::new(&linear.weight, columns(linear));
            [matrix.t(), matrix].map(|matrix| Some(Packed::new(matrix, arithmetic)))
        })
    });
    let half = blocks.each_ref().map(|block| {
        block.own().map(|linear| linear.weight.iter().map(|&value| half::bf16::from_f32(value)).collect::<Vec<_>>())
    });
    let weights: Vec<_> = (0..2)
        .map(|at| {
            let own = blocks[at].own();
            let [qkv, proj, fc1, fc2] = std::array::from_fn(|i| {
                let half = HalfMat::new(&half[at][i], columns(own[i]));
                let [forward, backward] = match given {
                    Given::Half(arithmetic) => [half.t(), half].map(|matrix| Some(View::of_half(matrix, arithmetic))),
                    _ => packed[at][i].each_ref().map(|packed| packed.as_ref().map(Packed::view)),
                };
                Views { forward, backward }
            });
            let mut values = blocks[at].map(Vec::as_slice);
            if let Given::Half(_) = given {
                // They are not there in single precision.
                for weight in [&mut values.qkv, &mut values.proj, &mut values.fc1, &mut values.fc2] {
                    weight.weight = &[];
                }
            }
            Weights { values, matrices: Matrices { qkv, proj, fc1, fc2, bf16 } }
        })
        .collect();
    stack.tokens(&shape).copy_from_slice(&wave(shape.batch * shape.tokens * D, 0.3, 1.0));
    let y = stack.forward(&shape, &weights, true, &mut []).to_vec();
    let mut gradients = [0, 1].map(|at| {
        let mut trains = trains[at].list().into_iter();
        blocks[at].map(|values| trains.next().unwrap().then(|| vec![0.0; values.len()]))
    });
    let mut views: Vec<Gradients<'_>> = gradients.iter_mut().map(|block| block.map_mut(Option::as_deref_mut)).collect();
    let dx = stack.backward(&shape, &weights, &y, &mut views).unwrap().to_vec();
    let gradients = gradients.iter().flat_map(|block| block.list().into_iter().flatten().cloned().collect::<Vec<_>>());
    [y, dx].into_iter().chain(gradients).collect()
}

fn apart(a: &[f32], b: &[f32]) -> f32 {
    let size = b.iter().map(|b| b * b).sum::<f32>().sqrt();
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f32>().sqrt() / size.max(1e-3)
}

#[test]
fn packed_matrices_give_the_same_results() {
    let pass = |shape, blocks: &_, given| passes(shape, blocks, given, |_| true, Recompute::Nothing);
    for (tokens, keep) in [(7, 7), (70, 2)] {
        let shape = Shape { batch: 2, tokens, keep, hidden: D, heads: 3, eps: 1e-5, lora_scale: 0.0 };
        let blocks = [block(1.0, true, false), block(2.0, true, false)];
        let plain = pass(shape, &blocks, Given::Values);
        if let Some(arithmetic) = Arithmetic::f32() {
            let packed = pass(shape, &blocks, Given::Packed(arithmetic));
            for (i, (packed, plain)) in packed.iter().zip(&plain).enumerate() {
                assert!(apart(packed, plain) < 1e-3, "{i}: {}", apart(packed, plain));
            }
        }
        let half = pass(shape, &blocks, Given::Packed(Arithmetic::Bf16Portable));
        let rounding: Vec<f32> = half.iter().zip(&plain).map(|(half, plain)| apart(half, plain)).collect();
        assert!(rounding[0] > 1e-4 && rounding.iter().all(|&apart| apart < 0.1), "{rounding:?}");
        for arithmetic in [Arithmetic::Bf16Avx512, Arithmetic::Bf16Avx2, Arithmetic::Bf16Dot] {
            if arithmetic.is_here() {
                assert_eq!(pass(shape, &blocks, Given::Packed(arithmetic)), half, "{arithmetic:?}");
            }
        }
    }
}

/// Frozen matrices that are kept in bf16 alone give the bits of those that are packed, whatever is computed again.
#[test]
fn matrices_kept_in_bf16_give_the_bits_of_packed_ones() {
    let adapters = |i: usize| (6..10).contains(&i) || i >= 16;
    for (tokens, keep) in [(7, 7), (70, 2)] {
        let shape = Shape { batch: 2, tokens, keep, hidden: D, heads: 3, eps: 1e-5, lora_scale: 0.0 };
        let blocks = [block(1.0, true, false), block(2.0, true, false)];
        let pass = |given, recompute| passes(shape, &blocks, given, adapters, recompute);
        let packed = pass(Given::Packed(Arithmetic::bf16()), Recompute::Nothing);
        for (recompute, name) in Recompute::ALL {
            assert_eq!(pass(Given::Half(Arithmetic::bf16()), recompute), packed, "{name}");
        }
        // Slopes in 16 bits are a small part of what rounding does.
        let single = pass(Given::Values, Recompute::Nothing);
        let rounding: Vec<f32> = packed.iter().zip(&single).map(|(half, single)| apart(half, single)).collect();
        assert!(rounding.iter().all(|&apart| apart < 0.1), "{rounding:?}");
    }
}
