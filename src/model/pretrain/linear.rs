//! A linear layer of an objective's head, forward and backward, by its parameters' name; on all cores, in pieces whose
//! sizes do not depend on how many there are.

use rayon::prelude::*;

use crate::{
    model::{
        ModelError,
        tokens::{GradientsByName, WeightsByName},
    },
    ops::{
        Mat, MatMut, columns,
        mat::{Into, product},
    },
};

type Result<T> = std::result::Result<T, ModelError>;

/// Rows that one core takes at a time.
const ROWS: usize = 256;

/// `x W^T + b` for rows x (rows, input): (rows, out).
pub(super) fn forward(weights: &WeightsByName<'_>, name: &str, x: &[f32], input: usize) -> Result<Vec<f32>> {
    let bias = weights.get(&format!("{name}.bias"))?;
    let mut out = vec![0.0; x.len() / input * bias.len()];
    let weight = Mat::new(weights.get(&format!("{name}.weight"))?, input);
    out.par_chunks_mut(ROWS * bias.len()).zip(x.par_chunks(ROWS * input)).for_each(|(out, x)| {
        columns::fill(out, bias);
        product(MatMut::new(out, bias.len()), Into::Add, 1.0, Mat::new(x, input), weight.t());
    });
    Ok(out)
}

/// Adds the layer's gradients and gives that of x, from that of its answer `dy` (rows, out).
pub(super) fn backward(
    weights: &WeightsByName<'_>,
    gradients: &mut GradientsByName<'_>,
    name: &str,
    x: &[f32],
    dy: &[f32],
    input: usize,
) -> Result<Vec<f32>> {
    let weight = weights.get(&format!("{name}.weight"))?;
    let outputs = weight.len() / input;
    let all = Mat::new(dy, outputs);
    if let Some(gradient) = gradients.get_mut(format!("{name}.bias").as_str()) {
        columns::add_sums(gradient, all, 0);
    }
    if let Some(gradient) = gradients.get_mut(format!("{name}.weight").as_str()) {
        gradient.par_chunks_mut(ROWS * input).enumerate().for_each(|(i, gradient)| {
            let own = all.columns_at(i * ROWS, gradient.len() / input);
            product(MatMut::new(gradient, input), Into::Add, 1.0, own.t(), Mat::new(x, input));
        });
    }
    let mut dx = vec![0.0; x.len()];
    dx.par_chunks_mut(ROWS * input).zip(dy.par_chunks(ROWS * outputs)).for_each(|(dx, dy)| {
        product(MatMut::new(dx, input), Into::Set, 1.0, Mat::new(dy, outputs), Mat::new(weight, input));
    });
    Ok(dx)
}
