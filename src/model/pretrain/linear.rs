//! A linear layer of an objective's head, forward and backward, by its parameters' name.

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

/// `x W^T + b` for rows x (rows, input): (rows, out).
pub(super) fn forward(weights: &WeightsByName<'_>, name: &str, x: &[f32], input: usize) -> Result<Vec<f32>> {
    let bias = weights.get(&format!("{name}.bias"))?;
    let mut out = vec![0.0; x.len() / input * bias.len()];
    columns::fill(&mut out, bias);
    let weight = Mat::new(weights.get(&format!("{name}.weight"))?, input);
    product(MatMut::new(&mut out, bias.len()), Into::Add, 1.0, Mat::new(x, input), weight.t());
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
    let dy = Mat::new(dy, weight.len() / input);
    if let Some(gradient) = gradients.get_mut(format!("{name}.bias").as_str()) {
        columns::add_sums(gradient, dy, 0);
    }
    if let Some(gradient) = gradients.get_mut(format!("{name}.weight").as_str()) {
        product(MatMut::new(gradient, input), Into::Add, 1.0, dy.t(), Mat::new(x, input));
    }
    let mut dx = vec![0.0; x.len()];
    product(MatMut::new(&mut dx, input), Into::Set, 1.0, dy, Mat::new(weight, input));
    Ok(dx)
}
