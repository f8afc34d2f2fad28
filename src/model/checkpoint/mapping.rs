//! Where each of our parameters comes from in a file of other names.

use std::collections::BTreeMap;

use super::tensors::Tensors;
use crate::model::{ModelError, init};

/// How a parameter is made of a file's tensors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    /// One below the other: one tensor as it is, or queries, keys, values.
    Stack,
    /// A convolution over colours, (out, 3, ..): the sum over them.
    SumColours,
    /// The product of two matrices.
    Product,
    /// A matrix times a vector, plus another vector.
    Affine,
    /// A matrix turned around: (in, out) of the file as our (out, in).
    Turn,
    /// The scales of a batch norm in eval mode, of its weight and variance.
    BatchScale,
    /// Its shifts, of its weight, variance, bias and mean.
    BatchShift,
    /// Of nothing in the file: Whisper's sinusoids for so many positions of so many values.
    Sinusoids([usize; 2]),
    /// Of nothing in the file: so many zeros.
    Zeros(usize),
}

/// A tensor of the file and the shape it must have.
type Part = (String, Vec<usize>);
/// The values of a tensor, row-major.
type Values = Vec<f32>;

/// Our names, and what each is made of.
#[derive(Debug, Default)]
pub(super) struct Mapping {
    entries: BTreeMap<String, (How, Vec<Part>)>,
}

impl Mapping {
    fn put(&mut self, ours: impl Into<String>, how: How, parts: Vec<Part>) {
        self.entries.insert(ours.into(), (how, parts));
    }

    /// Our parameter `ours` of this shape is the file's tensor `theirs`.
    pub fn copy(&mut self, ours: impl Into<String>, theirs: impl Into<String>, shape: &[usize]) {
        self.put(ours, How::Stack, vec![(theirs.into(), shape.to_vec())]);
    }

    /// Weight (out, in) and bias of a linear layer.
    pub fn linear(&mut self, ours: &str, theirs: &str, out: usize, input: usize) {
        self.copy(format!("{ours}.weight"), format!("{theirs}.weight"), &[out, input]);
        self.copy(format!("{ours}.bias"), format!("{theirs}.bias"), &[out]);
    }

    /// Weight and bias of a norm.
    pub fn norm(&mut self, ours: &str, theirs: &str, size: usize) {
        self.copy(format!("{ours}.weight"), format!("{theirs}.weight"), &[size]);
        self.copy(format!("{ours}.bias"), format!("{theirs}.bias"), &[size]);
    }

    /// Our parameter is several of the file's, each of this shape, one below the other.
    pub fn stack(&mut self, ours: impl Into<String>, theirs: Vec<String>, each: &[usize]) {
        self.put(ours, How::Stack, theirs.into_iter().map(|name| (name, each.to_vec())).collect());
    }

    /// Our patch projection is the sum of a colour one's three, (out, 3, ..).
    pub fn sum_colours(&mut self, ours: &str, theirs: &str, shape: &[usize]) {
        self.put(ours, How::SumColours, vec![(theirs.into(), shape.to_vec())]);
    }

    /// Our linear layer (out, in) is two of the file's, one after the other, with `inner` values between them.
    pub fn two_linears(&mut self, ours: &str, [first, second]: [&str; 2], [out, inner, input]: [usize; 3]) {
        let weight = |name: &str, shape: &[usize]| (format!("{name}.weight"), shape.to_vec());
        let bias = |name: &str, size: usize| (format!("{name}.bias"), vec![size]);
        let outer = weight(second, &[out, inner]);
        self.put(format!("{ours}.weight"), How::Product, vec![outer.clone(), weight(first, &[inner, input])]);
        self.put(format!("{ours}.bias"), How::Affine, vec![outer, bias(first, inner), bias(second, out)]);
    }

    /// Our parameter (rows, columns) is the file's tensor (columns, rows).
    pub fn turn(&mut self, ours: impl Into<String>, theirs: impl Into<String>, [rows, columns]: [usize; 2]) {
        self.put(ours, How::Turn, vec![(theirs.into(), vec![columns, rows])]);
    }

    /// Our layer of a scale and a shift for each value is the file's batch norm as it answers outside training, with
    /// [`BATCH_EPS`] beside its variance.
    pub fn batch_norm(&mut self, ours: &str, theirs: &str, size: usize) {
        let part = |name: &str| (format!("{theirs}.{name}"), vec![size]);
        let (weight, variance) = (part("weight"), part("running_var"));
        self.put(format!("{ours}.weight"), How::BatchScale, vec![weight.clone(), variance.clone()]);
        let parts = vec![weight, variance, part("bias"), part("running_mean")];
        self.put(format!("{ours}.bias"), How::BatchShift, parts);
    }

    /// Our parameter is Whisper's table of this many positions.
    pub fn sinusoids(&mut self, ours: &str, positions: usize, hidden: usize) {
        self.put(ours, How::Sinusoids([positions, hidden]), Vec::new());
    }

    /// Our parameter is so many zeros.
    pub fn zeros(&mut self, ours: impl Into<String>, count: usize) {
        self.put(ours, How::Zeros(count), Vec::new());
    }

    /// Whether the file gives this parameter of ours.
    pub fn has(&self, ours: &str) -> bool {
        self.entries.contains_key(ours)
    }

    /// Names of ours that the file gives.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    /// Whether a tensor of the file is used for anything.
    pub fn uses(&self, theirs: &str) -> bool {
        self.entries.values().any(|(_, parts)| parts.iter().any(|(name, _)| name == theirs))
    }

    /// Whether everything is there and of the right shape.
    ///
    /// # Errors
    /// A list of what is not.
    pub fn check(&self, tensors: &Tensors) -> Result<(), ModelError> {
        let (mut missing, mut misfits) = (Vec::new(), Vec::new());
        for (name, shape) in self.entries.values().flat_map(|(_, parts)| parts) {
            match tensors.get(name) {
                None => missing.push(name.clone()),
                Some(place) if !same(&place.shape, shape) => {
                    misfits.push(format!("{name} is {:?}, not {shape:?}", place.shape));
                }
                Some(_) => {}
            }
        }
        if !missing.is_empty() {
            let problem = format!("{} tensors are missing: {}", missing.len(), some_of(&missing));
            return Err(ModelError::checkpoint(&tensors.path, problem, "give a complete checkpoint"));
        }
        if !misfits.is_empty() {
            let problem =
                format!("{} tensors have another shape than the rest asks for: {}", misfits.len(), some_of(&misfits));
            return Err(ModelError::checkpoint(&tensors.path, problem, "its parts are of different models"));
        }
        Ok(())
    }

    /// The values of one of our parameters, row-major.
    ///
    /// # Errors
    /// When the file does not give it or cannot be read.
    pub fn read(&self, tensors: &Tensors, ours: &str) -> Result<Vec<f32>, ModelError> {
        let (how, parts) = self.entries.get(ours).ok_or_else(|| {
            ModelError::checkpoint(&tensors.path, format!("it does not give {ours}"), "give a complete checkpoint")
        })?;
        let mut values = Vec::new();
        match how {
            How::Stack => {
                values.reserve_exact(parts.iter().map(|(_, shape)| shape.iter().product::<usize>()).sum());
                for (name, _) in parts {
                    tensors.read(name, &mut values)?;
                }
            }
            How::SumColours => {
                let (colours, shapes) = read_all(tensors, parts)?;
                let [shape] = shapes[..] else { return Ok(values) };
                let (kernels, pixels) = (shape[1], shape[2..].iter().product::<usize>());
                values = colours[0]
                    .chunks(kernels * pixels)
                    .flat_map(|out| (0..pixels).map(move |i| out.iter().skip(i).step_by(pixels).sum()))
                    .collect();
            }
            How::Product => {
                let (matrices, shapes) = read_all(tensors, parts)?;
                let [left, right] = shapes[..] else { return Ok(values) };
                let (inner, input) = (left[1], right[1]);
                values.reserve_exact(left[0] * input);
                for row in matrices[0].chunks_exact(inner.max(1)) {
                    values.extend((0..input).map(|at| dot(row, matrices[1].iter().skip(at).step_by(input)) as f32));
                }
            }
            How::Affine => {
                let (all, _) = read_all(tensors, parts)?;
                let rows = all[0].chunks_exact(all[1].len().max(1));
                values = rows.zip(&all[2]).map(|(row, plus)| (dot(row, &all[1]) + f64::from(*plus)) as f32).collect();
            }
            How::Turn => {
                let (all, shapes) = read_all(tensors, parts)?;
                let [shape] = shapes[..] else { return Ok(values) };
                let rows = shape[1];
                values = (0..rows).flat_map(|row| all[0].iter().skip(row).step_by(rows).copied()).collect();
            }
            How::BatchScale => {
                let (all, _) = read_all(tensors, parts)?;
                values = batch_scales(&all).map(|scale| scale as f32).collect();
            }
            How::BatchShift => {
                let (all, _) = read_all(tensors, parts)?;
                let shifts = batch_scales(&all).zip(&all[2]).zip(&all[3]);
                values =
                    shifts.map(|((scale, bias), mean)| (f64::from(*bias) - scale * f64::from(*mean)) as f32).collect();
            }
            How::Sinusoids([positions, hidden]) => values = init::sinusoids(*positions, *hidden),
            How::Zeros(count) => values = vec![0.0; *count],
        }
        Ok(values)
    }
}

/// What PyTorch adds to a batch norm's variances.
const BATCH_EPS: f64 = 1e-5;

/// The scales of a batch norm, of its weights and variances.
fn batch_scales(parts: &[Values]) -> impl Iterator<Item = f64> {
    let values = parts[0].iter().zip(&parts[1]);
    values.map(|(weight, variance)| f64::from(*weight) / (f64::from(*variance) + BATCH_EPS).sqrt())
}

/// Values and wanted shapes of each part.
fn read_all<'a>(tensors: &Tensors, parts: &'a [Part]) -> Result<(Vec<Values>, Vec<&'a [usize]>), ModelError> {
    let mut all = Vec::new();
    for (name, _) in parts {
        let mut values = Vec::new();
        tensors.read(name, &mut values)?;
        all.push(values);
    }
    Ok((all, parts.iter().map(|(_, shape)| shape.as_slice()).collect()))
}

/// In double precision: what is folded here once is used for ever.
fn dot<'a>(a: &[f32], b: impl IntoIterator<Item = &'a f32>) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

/// Shapes but for axes of one: makers differ in whether they write (D), (D, 1) or (1, 1, D).
fn same(a: &[usize], b: &[usize]) -> bool {
    let long = |shape: &[usize]| shape.iter().copied().filter(|&n| n != 1).collect::<Vec<_>>();
    long(a) == long(b)
}

/// The first few of a list, and how many more there are.
pub(super) fn some_of(names: &[String]) -> String {
    const FEW: usize = 6;
    let mut text = names.iter().take(FEW).cloned().collect::<Vec<_>>().join(", ");
    if names.len() > FEW {
        text += &format!(" and {} more", names.len() - FEW);
    }
    text
}
