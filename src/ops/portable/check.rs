//! Gradients against central differences, in double precision.
#![allow(clippy::unwrap_used)]

use candle_core::{Device, Result, Tensor, Var};

/// A variable of reproducible values in (-1, 1), double precision.
pub fn noise(shape: &[usize], seed: u64) -> Var {
    let count: usize = shape.iter().product();
    let values: Vec<f64> = (0..count).map(|i| ((i as f64 + 1.0) * 12.9898 + seed as f64 * 78.233).sin()).collect();
    Var::from_tensor(&Tensor::from_vec(values, shape, &Device::Cpu).unwrap()).unwrap()
}

/// Every input's gradient of a weighted sum of the result, against central differences.
pub fn gradients_are_right(inputs: &[Var], compute: impl Fn(&[Tensor]) -> Result<Tensor>) {
    let loss = |inputs: &[Tensor]| {
        let result = compute(inputs).unwrap();
        let weights = noise(result.dims(), 99);
        (result * weights.as_detached_tensor()).unwrap().sum_all().unwrap()
    };
    let tracked: Vec<Tensor> = inputs.iter().map(|v| v.as_tensor().clone()).collect();
    let gradients = loss(&tracked).backward().unwrap();
    let plain: Vec<Tensor> = inputs.iter().map(Var::as_detached_tensor).collect();
    for (place, input) in inputs.iter().enumerate() {
        let analytic: Vec<f64> = gradients.get(input).unwrap().flatten_all().unwrap().to_vec1().unwrap();
        let values: Vec<f64> = input.flatten_all().unwrap().to_vec1().unwrap();
        for (i, &gradient) in analytic.iter().enumerate() {
            let at = |step: f64| {
                let mut moved = values.clone();
                moved[i] += step;
                let mut inputs = plain.clone();
                inputs[place] = Tensor::from_vec(moved, input.dims(), &Device::Cpu).unwrap();
                loss(&inputs).to_scalar::<f64>().unwrap()
            };
            let step = 1e-5;
            let numeric = (at(step) - at(-step)) / (2.0 * step);
            assert!(
                (gradient - numeric).abs() < 1e-7,
                "input {place}, value {i}: {gradient} but differences say {numeric}"
            );
        }
    }
}
