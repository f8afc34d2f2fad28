//! The fused operations on the CPU against plain ones, by candle's graph.
#![allow(clippy::unwrap_used)]

use candle_core::{D, DType, Device, Tensor, Var};

use super::*;

/// A variable of reproducible values in (-1, 1), double precision.
pub(super) fn noise(shape: &[usize], seed: u64) -> Var {
    let count: usize = shape.iter().product();
    let values: Vec<f64> = (0..count).map(|i| ((i as f64 + 1.0) * 12.9898 + seed as f64 * 78.233).sin()).collect();
    Var::from_tensor(&Tensor::from_vec(values, shape, &Device::Cpu).unwrap()).unwrap()
}

pub(super) fn values(t: &Tensor) -> Vec<f64> {
    t.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

fn close(a: &Tensor, b: &Tensor) {
    let (a, b) = (values(a), values(b));
    assert_eq!(a.len(), b.len());
    for (a, b) in a.iter().zip(&b) {
        assert!((a - b).abs() < 1e-10 * (1.0 + b.abs()), "{a} is not {b}");
    }
}

#[test]
fn norms_and_their_gradients() {
    let [x, weight, bias] = [noise(&[5, 6], 1), noise(&[6], 2), noise(&[6], 3)];
    let [a, a_bias, through, grad] = [(&[5, 6][..], 4), (&[6], 5), (&[5, 6], 6), (&[5, 6], 8)]
        .map(|(shape, seed)| noise(shape, seed).as_detached_tensor());
    let layer = LayerNorm { weight: weight.as_detached_tensor(), bias: bias.as_detached_tensor(), eps: 1e-3 };
    let added = Added { values: vec![a.clone(), a.clone()], biases: vec![a_bias.clone()] };
    let normed = add_norm(&x.as_detached_tensor(), &added, &layer, DType::F64).unwrap();

    let stream = ((x.as_tensor() + (&a * 2.0).unwrap()).unwrap()).broadcast_add(&a_bias).unwrap();
    close(&normed.stream, &stream);
    close(&add(&x.as_detached_tensor(), &added).unwrap(), &stream);
    let centred = stream.broadcast_sub(&stream.mean_keepdim(D::Minus1).unwrap()).unwrap();
    let deviation = (centred.sqr().unwrap().mean_keepdim(D::Minus1).unwrap() + 1e-3).unwrap().sqrt().unwrap();
    let normal = centred.broadcast_div(&deviation).unwrap();
    let result = normal.broadcast_mul(&weight).unwrap().broadcast_add(&bias).unwrap();
    close(&normed.norm, &result);
    let sum = ((result * &through).unwrap() + (stream * &grad).unwrap()).unwrap().sum_all().unwrap();
    let found = sum.backward().unwrap();
    let [towards, rounded] = norm_back(&through, &normed, &layer.weight, &grad).unwrap();
    close(&towards, found.get(&x).unwrap());
    close(&rounded, found.get(&x).unwrap());
    let [of_weight, of_bias] = norm_sums(&through, &normed, &mut Pending::default()).unwrap();
    close(&of_weight, found.get(&weight).unwrap());
    close(&of_bias, found.get(&bias).unwrap());
}

#[test]
fn gelu_and_its_gradient() {
    let [x, bias] = [noise(&[4, 3], 1), noise(&[3], 2)];
    let grad = noise(&[4, 3], 3).as_detached_tensor();
    let (plain, of_bias) = (x.as_detached_tensor(), bias.as_detached_tensor());
    let biased = x.as_tensor().broadcast_add(&bias).unwrap();
    // By erf, whose gradient candle computes exactly; that of its own GELU has six digits.
    let share = ((&biased / std::f64::consts::SQRT_2).unwrap().erf().unwrap() + 1.0).unwrap();
    let result = ((&biased * share).unwrap() / 2.0).unwrap();
    close(&gelu(&plain, &of_bias).unwrap(), &result);
    close(&add_bias(plain.clone(), &of_bias).unwrap(), &biased);
    let found = (&result * &grad).unwrap().sum_all().unwrap().backward().unwrap();
    let (towards, again) = gelu_back(&plain, &of_bias, grad, true).unwrap();
    close(&towards, found.get(&x).unwrap());
    close(&again.unwrap(), &result);
    close(&column_sums(&towards, &of_bias, &mut Pending::default()).unwrap(), found.get(&bias).unwrap());
}

#[test]
fn products_onto_what_is_there() {
    let [to, x, w] =
        [(&[4, 5][..], 1), (&[4, 3], 2), (&[3, 5], 3)].map(|(shape, seed)| noise(shape, seed).as_detached_tensor());
    let expected = (&to + x.matmul(&w).unwrap()).unwrap();
    close(&product_onto(to.clone(), &x, &w).unwrap(), &expected);
    close(&matrix_gradient(&to, &x, DType::F64).unwrap(), &to.t().unwrap().matmul(&x).unwrap());
}

#[test]
fn patches_and_updates_are_left_to_others_on_the_cpu() {
    assert!(unfold_patches(&[0.0; 4], [2, 2], [1, 1], [2, 2], [2, 2], &Device::Cpu).unwrap().is_none());
}
