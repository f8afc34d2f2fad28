//! Where each of our parameters comes from in a file of other names.

use std::collections::BTreeMap;

use super::tensors::Tensors;
use crate::model::{ModelError, init};

/// What a parameter is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// One tensor, as it is.
    Copy(String),
    /// Several, one below the other: queries, keys, values.
    Stack(Vec<String>),
    /// A convolution over colours, (out, 3, ..): the sum over them.
    SumColours(String),
    /// Nothing in the file: Whisper's sinusoids, where a file leaves them out.
    Sinusoids,
}

/// Our names, their origins and the shapes they must have there.
#[derive(Debug, Default)]
pub(super) struct Mapping {
    entries: BTreeMap<String, (Origin, Vec<usize>)>,
}

impl Mapping {
    /// Our parameter `ours` of this shape is the file's tensor `theirs`.
    pub fn copy(&mut self, ours: impl Into<String>, theirs: impl Into<String>, shape: &[usize]) {
        self.entries.insert(ours.into(), (Origin::Copy(theirs.into()), shape.to_vec()));
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
        self.entries.insert(ours.into(), (Origin::Stack(theirs), each.to_vec()));
    }

    /// Our patch projection is the sum of a colour one's three, (out, 3, ..).
    pub fn sum_colours(&mut self, ours: &str, theirs: &str, shape: &[usize]) {
        self.entries.insert(ours.into(), (Origin::SumColours(theirs.into()), shape.to_vec()));
    }

    /// Our parameter is Whisper's table of this many positions.
    pub fn sinusoids(&mut self, ours: &str, positions: usize, hidden: usize) {
        self.entries.insert(ours.into(), (Origin::Sinusoids, vec![positions, hidden]));
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
        self.entries.values().any(|(origin, _)| match origin {
            Origin::Copy(name) | Origin::SumColours(name) => name == theirs,
            Origin::Stack(names) => names.iter().any(|name| name == theirs),
            Origin::Sinusoids => false,
        })
    }

    /// Whether everything is there and of the right shape.
    ///
    /// # Errors
    /// A list of what is not.
    pub fn check(&self, tensors: &Tensors) -> Result<(), ModelError> {
        let (mut missing, mut misfits) = (Vec::new(), Vec::new());
        for (origin, shape) in self.entries.values() {
            let names = match origin {
                Origin::Copy(name) | Origin::SumColours(name) => std::slice::from_ref(name),
                Origin::Stack(names) => names,
                Origin::Sinusoids => &[],
            };
            for name in names {
                match tensors.get(name) {
                    None => missing.push(name.clone()),
                    Some(place) if !same(&place.shape, shape) => {
                        misfits.push(format!("{name} is {:?}, not {shape:?}", place.shape));
                    }
                    Some(_) => {}
                }
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
        let (origin, shape) = self.entries.get(ours).ok_or_else(|| {
            ModelError::checkpoint(&tensors.path, format!("it does not give {ours}"), "give a complete checkpoint")
        })?;
        let mut values = Vec::new();
        match origin {
            Origin::Copy(name) => tensors.read(name, &mut values)?,
            Origin::Stack(names) => {
                values.reserve_exact(names.len() * shape.iter().product::<usize>());
                for name in names {
                    tensors.read(name, &mut values)?;
                }
            }
            Origin::SumColours(name) => {
                let mut colours = Vec::new();
                tensors.read(name, &mut colours)?;
                let (kernels, pixels) = (shape[1], shape[2..].iter().product::<usize>());
                values = colours
                    .chunks(kernels * pixels)
                    .flat_map(|out| (0..pixels).map(move |i| out.iter().skip(i).step_by(pixels).sum()))
                    .collect();
            }
            Origin::Sinusoids => values = init::sinusoids(shape[0], shape[1]),
        }
        Ok(values)
    }
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
