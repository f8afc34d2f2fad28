//! The weights of one model, each a candle variable under its name.

use std::collections::{HashMap, HashSet};

use candle_core::{DType, Device, Tensor, Var};

use super::{Method, ModelConfig, ModelError, ParamSpec, checkpoint};

/// To the host, row-major.
pub(super) fn to_host(tensor: &Tensor) -> Result<Vec<f32>, ModelError> {
    Ok(tensor.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?)
}

/// The weights of one model in the order of their [`ParamSpec`]s: the only place they live. They are single precision,
/// but for the blocks' frozen matrices, which are bf16 where the CPU's products are.
pub struct ParamStore {
    specs: Vec<ParamSpec>,
    vars: Vec<Var>,
    index: HashMap<String, usize>,
    device: Device,
}

impl ParamStore {
    /// Joins specifications and variables, in the same order and of the same shapes.
    ///
    /// # Errors
    /// When a shape or the number differs.
    pub fn new(specs: Vec<ParamSpec>, vars: Vec<Var>, device: Device) -> Result<Self, ModelError> {
        if specs.len() != vars.len() {
            return Err(ModelError::Shape(format!("{} parameters but {} tensors", specs.len(), vars.len())));
        }
        if let Some((spec, var)) = specs.iter().zip(&vars).find(|(spec, var)| spec.shape != var.dims()) {
            return Err(ModelError::Shape(format!("{} is {:?} but must be {:?}", spec.name, var.dims(), spec.shape)));
        }
        let index = specs.iter().enumerate().map(|(i, spec)| (spec.name.clone(), i)).collect();
        Ok(Self { specs, vars, index, device })
    }

    /// The same weights, not a copy: what is set here is set there.
    #[must_use]
    pub fn shared(&self) -> Self {
        let (specs, vars, index) = (self.specs.clone(), self.vars.clone(), self.index.clone());
        Self { specs, vars, index, device: self.device.clone() }
    }

    /// The same weights with positions for clips of another length.
    ///
    /// # Errors
    /// When this model has no positions of the first shape, or too few for the second.
    pub fn resized(&self, from: &ModelConfig, to: &ModelConfig) -> Result<Self, ModelError> {
        let (mut specs, mut vars) = (self.specs.clone(), self.vars.clone());
        let (wanted, mut found) = (super::specs(to, Method::head()), false);
        for (spec, var) in specs.iter_mut().zip(&mut vars).filter(|(spec, _)| checkpoint::are_positions(&spec.name)) {
            let fitted = checkpoint::fit_positions(&spec.name, &to_host(var)?, from, to);
            spec.shape[1] = fitted.len() / to.hidden.max(1);
            // A Whisper encoder's positions are cut, and none are made beyond those that there are.
            if wanted.iter().all(|other| (&other.name, &other.shape) != (&spec.name, &spec.shape)) {
                let (there, asked) = (spec.shape[1], to.tokens());
                return Err(ModelError::Shape(format!(
                    "there are positions of {there} tokens, and {asked} are asked for"
                )));
            }
            *var = Var::from_vec(fitted, spec.shape.as_slice(), &self.device)?;
            found = true;
        }
        if !found {
            return Err(ModelError::Shape("there are no positions".into()));
        }
        Self::new(specs, vars, self.device.clone())
    }

    /// The same weights with those of these names kept in bf16.
    ///
    /// # Errors
    /// When the device has no room.
    pub(super) fn rounded(mut self, names: &HashSet<String>) -> Result<Self, ModelError> {
        for (_, var) in self.specs.iter().zip(&mut self.vars).filter(|(spec, _)| names.contains(&spec.name)) {
            if var.dtype() != DType::BF16 {
                *var = Var::from_tensor(&var.as_detached_tensor().to_dtype(DType::BF16)?)?;
            }
        }
        Ok(self)
    }

    /// The parameters' specifications, in order.
    pub fn specs(&self) -> &[ParamSpec] {
        &self.specs
    }

    /// Where the weights are.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The variable of this name, if the model has it.
    pub fn get(&self, name: &str) -> Option<&Var> {
        self.index.get(name).map(|&i| &self.vars[i])
    }

    /// Specification and variable of this name, if the model has it.
    pub fn entry(&self, name: &str) -> Option<(&ParamSpec, &Var)> {
        self.index.get(name).map(|&i| (&self.specs[i], &self.vars[i]))
    }

    /// Specification and variable of every parameter, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&ParamSpec, &Var)> {
        self.specs.iter().zip(&self.vars)
    }

    /// The trainable ones, in order: the order of every list of gradients and moments.
    pub fn trainable(&self) -> impl Iterator<Item = (&ParamSpec, &Var)> {
        self.iter().filter(|(spec, _)| spec.trains)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use crate::model::{ModelConfig, Request, open};

    #[test]
    fn positions_of_a_whisper_encoder_are_cut_and_never_made_up() {
        let opened = open(&Request { frames: Some(64), classes: Some(2), ..Request::new("box") }).unwrap();
        let own = &opened.config;
        let resized = |frames| {
            let config = ModelConfig { stem: own.stem.with_frames(frames), ..own.clone() };
            opened.store.resized(own, &config).map(|store| store.get("pos_embed").unwrap().dims()[1])
        };
        assert_eq!((resized(32).unwrap(), resized(64).unwrap()), (16, 32));
        let error = resized(128).err().unwrap().to_string();
        assert!(error.contains("positions of 32 tokens") && error.contains("64 are asked for"), "{error}");
    }
}
