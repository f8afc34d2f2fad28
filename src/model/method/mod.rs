//! The one list of fine-tuning methods. A new method is one file and one line in [`METHODS`].

mod aat;
mod aat_m;
mod full;
mod head;
mod partial;
mod prompt;

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{ModelConfig, ModelError, ParamSpec};

/// What a method adds to the backbone's computation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extras {
    /// Inner width of each block's Spatial Adapter, after attention.
    pub spatial: Option<usize>,
    /// Inner width of each block's MLP Adapter, parallel to the MLP.
    pub mlp: Option<usize>,
    /// Prompt tokens that each block sees after the class tokens (VPT-deep).
    pub prompts: usize,
    /// Rank of the low-rank update of query and value.
    pub lora: Option<usize>,
}

/// One fine-tuning method: what it adds and what it trains.
pub trait Tuning: Sync {
    /// The name on the command line and in files: `aat-m`.
    fn id(&self) -> &'static str;
    /// The name for people: `AAT, MLP Adapters only`.
    fn title(&self) -> &'static str;
    /// What trains, in a few words.
    fn trains_what(&self) -> &'static str;
    /// What it adds to a backbone of this shape.
    fn extras(&self, config: &ModelConfig) -> Extras;
    /// Whether this parameter trains.
    fn trains(&self, param: &ParamSpec, config: &ModelConfig) -> bool;
}

/// Every method, in the order that lists show them.
pub static METHODS: &[&dyn Tuning] =
    &[&aat::Aat, &full::Full, &aat_m::AatM, &partial::Partial, &prompt::Prompt, &head::Head];

/// A method from [`METHODS`]; compares, prints, parses and serialises as its id.
#[derive(Clone, Copy)]
pub struct Method(&'static dyn Tuning);

impl Method {
    /// All methods, in list order.
    pub fn all() -> impl Iterator<Item = Self> {
        METHODS.iter().map(|m| Self(*m))
    }

    /// The paper's AAT: Spatial and MLP Adapters and the head.
    pub fn aat() -> Self {
        Self(&aat::Aat)
    }

    /// Full fine-tuning.
    pub fn full() -> Self {
        Self(&full::Full)
    }

    /// The method after this one in the list, around the end.
    pub fn next(self) -> Self {
        let at = METHODS.iter().position(|m| m.id() == self.id()).unwrap_or_default();
        Self(METHODS[(at + 1) % METHODS.len()])
    }
}

impl std::ops::Deref for Method {
    type Target = dyn Tuning;
    fn deref(&self) -> &Self::Target {
        self.0
    }
}

impl PartialEq for Method {
    fn eq(&self, other: &Self) -> bool {
        self.id() == other.id()
    }
}

impl Eq for Method {}

impl fmt::Debug for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

impl FromStr for Method {
    type Err = ModelError;

    fn from_str(given: &str) -> Result<Self, Self::Err> {
        let wanted = given.trim().to_ascii_lowercase();
        let wanted = if wanted == "aat-ms" { "aat" } else { &wanted };
        Self::all().find(|m| m.id() == wanted).ok_or_else(|| {
            let names: Vec<_> = METHODS.iter().map(|m| m.id()).collect();
            ModelError::Unknown {
                what: "method",
                given: given.to_owned(),
                hint: format!("known: {}", names.join(", ")),
            }
        })
    }
}

impl Serialize for Method {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.id())
    }
}

impl<'de> Deserialize<'de> for Method {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let id = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        id.parse().map_err(serde::de::Error::custom)
    }
}
