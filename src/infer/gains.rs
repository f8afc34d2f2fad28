//! Gains: what each adapter's output is multiplied by in inference.
//!
//! An adapter's output is linear in its up-projection, `up(GELU(down(h)))`, so multiplying that projection's weight and
//! bias multiplies the output exactly, on every engine. The trained weights are kept as well.

use std::{fmt, path::Path, str::FromStr};

use candle_core::Tensor;
use serde::{Deserialize, Serialize};

use super::Mix;
use crate::{
    limits,
    model::{ModelError, ParamStore, Part},
    regular,
};

/// The largest gain.
pub const LOUDEST: f32 = 2.0;

/// One gain, 0 to [`LOUDEST`], for each block's Spatial and MLP Adapter; 1 where none is given.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Gains(Vec<Strip>);

/// The gains of one block.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Strip {
    /// Of the Spatial Adapter.
    pub spatial: f32,
    /// Of the MLP Adapter.
    pub mlp: f32,
}

impl Default for Strip {
    fn default() -> Self {
        Self { spatial: 1.0, mlp: 1.0 }
    }
}

/// Gains that cannot be parsed or are out of range.
#[derive(Debug, thiserror::Error, PartialEq)]
#[error("{0}; gains are written like \"3.spatial=0,7.mlp=0.5,spatial=1.2\", blocks counted from 0, from 0 to 2")]
pub struct GainsError(String);

impl Gains {
    /// The gains of this block.
    pub fn strip(&self, block: usize) -> Strip {
        self.0.get(block).copied().unwrap_or_default()
    }

    /// The gains of this block, to change.
    pub fn strip_mut(&mut self, block: usize) -> &mut Strip {
        if self.0.len() <= block {
            self.0.resize(block + 1, Strip::default());
        }
        &mut self.0[block]
    }

    /// Whether every gain is 1.
    pub fn are_neutral(&self) -> bool {
        self.0.iter().all(|strip| *strip == Strip::default())
    }

    fn of(&self, part: Part, block: usize) -> f32 {
        match part {
            Part::Spatial => self.strip(block).spatial,
            _ => self.strip(block).mlp,
        }
    }

    /// Reads `SPEC`, as below, or a file that [`Gains::to_json`] or [`Mix::save`] wrote.
    ///
    /// # Errors
    /// When it is neither.
    pub fn read(given: &str, blocks: usize) -> Result<Self, GainsError> {
        if Path::new(given).is_file() {
            let text = regular::read_up_to(given.as_ref(), limits::SETTINGS)
                .map_err(|error| GainsError(format!("{given}: {error}")))?;
            if let Ok(gains) = serde_json::from_slice::<Self>(&text) {
                return gains.checked(blocks);
            }
            let mix: Mix = serde_json::from_slice(&text).map_err(|error| GainsError(format!("{given}: {error}")))?;
            return mix.gains(mix.len().max(blocks)).checked(blocks);
        }
        let mut gains = Self::default();
        for part in given.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let Turn { block, spatial, gain } = part.parse()?;
            let turned = block.map_or(0..blocks, |block| block..block + 1);
            for block in turned {
                let strip = gains.strip_mut(block);
                *(if spatial { &mut strip.spatial } else { &mut strip.mlp }) = gain;
            }
        }
        gains.checked(blocks)
    }

    /// As they are stored in a file.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    fn checked(self, blocks: usize) -> Result<Self, GainsError> {
        if self.0.len() > blocks {
            return Err(GainsError(format!("there is no block {}; the model has {blocks}", self.0.len() - 1)));
        }
        let usable = |gain: f32| (0.0..=LOUDEST).contains(&gain);
        match self.0.iter().position(|strip| !usable(strip.spatial) || !usable(strip.mlp)) {
            Some(block) => Err(GainsError(format!("a gain of block {block} is not from 0 to {LOUDEST}"))),
            None => Ok(self),
        }
    }
}

impl fmt::Display for Gains {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut apart = "";
        for (block, strip) in self.0.iter().enumerate() {
            for (name, gain) in [("spatial", strip.spatial), ("mlp", strip.mlp)] {
                if gain != 1.0 {
                    write!(f, "{apart}{block}.{name}={gain}")?;
                    apart = ",";
                }
            }
        }
        Ok(())
    }
}

/// One item of a `SPEC`.
struct Turn {
    /// All blocks without it.
    block: Option<usize>,
    spatial: bool,
    gain: f32,
}

impl FromStr for Turn {
    type Err = GainsError;

    fn from_str(item: &str) -> Result<Self, GainsError> {
        let wrong = || GainsError(format!("\"{}\" is not a gain", item.escape_debug()));
        let (name, gain) = item.split_once('=').ok_or_else(wrong)?;
        let (block, kind) = match name.trim().trim_start_matches("blocks.").split_once('.') {
            Some((block, kind)) => (Some(block.parse().map_err(|_| wrong())?), kind),
            None => (None, name.trim()),
        };
        let spatial = match kind {
            "spatial" => true,
            // `adapter` is the prefix of the MLP Adapter's parameter names.
            "mlp" | "adapter" => false,
            _ => return Err(wrong()),
        };
        Ok(Self { block, spatial, gain: gain.trim().parse().map_err(|_| wrong())? })
    }
}

/// The up-projections of a model's adapters as they were trained.
pub(super) struct TrainedAdapters {
    trained: Vec<(String, Part, usize, Tensor)>,
}

impl TrainedAdapters {
    /// Copies them; `None` when the model has no adapters.
    pub(super) fn new(store: &ParamStore) -> Result<Option<Self>, ModelError> {
        let mut trained = Vec::new();
        for (spec, var) in store.iter() {
            let turns = matches!(spec.part, Part::Spatial | Part::Mlp)
                && (spec.name.ends_with(".up.weight") || spec.name.ends_with(".up.bias"));
            if let (true, Some(block)) = (turns, spec.block) {
                trained.push((spec.name.clone(), spec.part, block, var.as_tensor().copy()?));
            }
        }
        Ok(if trained.is_empty() { None } else { Some(Self { trained }) })
    }

    /// Applies gains to every adapter of the model; neutral gains restore the trained weights to the bit.
    pub(super) fn apply(&self, gains: &Gains, store: &ParamStore) -> Result<(), ModelError> {
        for (name, part, block, trained) in &self.trained {
            let gain = gains.of(*part, *block);
            if let Some(var) = store.get(name) {
                let turned = if gain == 1.0 { trained.clone() } else { (trained * f64::from(gain))? };
                var.set(&turned)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use candle_core::Device;

    use super::*;
    use crate::model::{self, Method};

    #[test]
    fn gains_are_read_as_they_are_written() {
        let gains = Gains::read("spatial=0.5, 3.spatial=0,blocks.7.mlp=1.5", 12).unwrap();
        assert_eq!((gains.strip(0).spatial, gains.strip(3).spatial, gains.strip(11).spatial), (0.5, 0.0, 0.5));
        assert_eq!((gains.strip(7).mlp, gains.strip(6).mlp), (1.5, 1.0));
        assert_eq!(Gains::read(&gains.to_string(), 12).unwrap(), gains);
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), gains.to_json()).unwrap();
        assert_eq!(Gains::read(file.path().to_str().unwrap(), 12).unwrap(), gains);
        assert!(Gains::read("", 12).unwrap().are_neutral());
        for wrong in ["3.spatial", "12.mlp=1", "1.mlp=2.5", "1.mlp=NaN", "1.head=1", "x.mlp=1", "1.mlp=-1"] {
            assert!(Gains::read(wrong, 12).is_err(), "{wrong}");
        }
    }

    #[test]
    fn turning_an_adapter_multiplies_its_projection_and_neutral_brings_it_back() {
        let config = model::ModelConfig::ast("tiny", 48, [16, 16], 3).unwrap();
        let specs = model::specs(&config, Method::aat());
        let store = model::initialise(specs, 1, &Device::Cpu).unwrap();
        // Adapters begin at zero; these have been trained.
        let up = "blocks.2.spatial.up.weight";
        let var = store.get(up).unwrap();
        var.set(&Tensor::rand(-1.0f32, 1.0, var.dims(), &Device::Cpu).unwrap()).unwrap();
        let values = |name: &str| store.get(name).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let trained = values(up);
        let down = values("blocks.2.spatial.down.weight");

        let trained_adapters = TrainedAdapters::new(&store).unwrap().unwrap();
        trained_adapters.apply(&Gains::read("2.spatial=0.5", 12).unwrap(), &store).unwrap();
        let half: Vec<f32> = trained.iter().map(|value| 0.5 * value).collect();
        assert_eq!(values(up), half);
        assert_eq!(values("blocks.2.spatial.down.weight"), down);
        trained_adapters.apply(&Gains::read("2.spatial=0", 12).unwrap(), &store).unwrap();
        assert!(values(up).iter().all(|&value| value == 0.0));
        trained_adapters.apply(&Gains::default(), &store).unwrap();
        assert_eq!(values(up), trained);

        let full = model::initialise(model::specs(&config, Method::full()), 1, &Device::Cpu).unwrap();
        assert!(TrainedAdapters::new(&full).unwrap().is_none());
    }
}
