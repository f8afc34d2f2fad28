//! The one list of fine-tuning methods. A new method is one file and one line in [`METHODS`].

mod aat;
mod aat_m;
mod bitfit;
mod full;
mod head;
mod lora;
mod partial;
mod prompt;

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use lora::LowRank;

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
    /// Size of each block's low-rank updates of query and value.
    pub lora: Option<LowRank>,
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
pub static METHODS: &[&dyn Tuning] = &[
    &aat::Aat,
    &full::Full,
    &aat_m::AatM,
    &partial::Partial,
    &prompt::Prompt,
    &lora::Lora,
    &bitfit::BitFit,
    &head::Head,
];

/// A method from [`METHODS`]; compares, prints, parses and serialises as its name: its id, and a size where it was
/// given one (`lora-r4-a8`).
#[derive(Clone, Copy)]
pub struct Method {
    tuning: &'static dyn Tuning,
    /// Another size than the usual one.
    lora: Option<LowRank>,
}

impl Method {
    /// All methods, in list order.
    pub fn all() -> impl Iterator<Item = Self> {
        METHODS.iter().copied().map(Self::of)
    }

    /// The paper's AAT: Spatial and MLP Adapters and the head.
    pub fn aat() -> Self {
        Self::of(&aat::Aat)
    }

    /// Full fine-tuning.
    pub fn full() -> Self {
        Self::of(&full::Full)
    }

    /// The head alone, on a frozen backbone.
    pub fn head() -> Self {
        Self::of(&head::Head)
    }

    /// The method after this one in the list, around the end.
    pub fn next(self) -> Self {
        let at = METHODS.iter().position(|m| m.id() == self.id()).unwrap_or_default();
        Self::of(METHODS[(at + 1) % METHODS.len()])
    }

    /// What it adds to a backbone of this shape.
    pub fn extras(self, config: &ModelConfig) -> Extras {
        let extras = self.tuning.extras(config);
        Extras { lora: self.lora.or(extras.lora), ..extras }
    }

    /// The names, for people: `aat, full, ... or head`.
    pub fn names() -> String {
        let names: Vec<_> = METHODS.iter().map(|method| method.id()).collect();
        match names.split_last() {
            Some((last, others)) => format!("{} or {last}", others.join(", ")),
            None => String::new(),
        }
    }

    fn of(tuning: &'static dyn Tuning) -> Self {
        Self { tuning, lora: None }
    }

    /// The method whose name is exactly this.
    fn named(name: &str) -> Option<Self> {
        if let Some(method) = Self::all().find(|method| method.id() == name) {
            return Some(method);
        }
        let size = LowRank::parse(name.strip_prefix(lora::Lora.id())?)?;
        Some(Self { tuning: &lora::Lora, lora: (size != LowRank::default()).then_some(size) })
    }
}

impl std::ops::Deref for Method {
    type Target = dyn Tuning;
    fn deref(&self) -> &Self::Target {
        self.tuning
    }
}

impl PartialEq for Method {
    fn eq(&self, other: &Self) -> bool {
        self.id() == other.id() && self.lora == other.lora
    }
}

impl Eq for Method {}

impl fmt::Debug for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.lora {
            None => f.pad(self.id()),
            Some(size) => f.pad(&format!("{}{size}", self.id())),
        }
    }
}

impl FromStr for Method {
    type Err = ModelError;

    fn from_str(given: &str) -> Result<Self, Self::Err> {
        let wanted = given.trim().to_ascii_lowercase();
        let wanted = if wanted == "aat-ms" { "aat" } else { &wanted };
        Self::named(wanted).ok_or_else(|| {
            let near = METHODS.iter().map(|method| (strsim::osa_distance(wanted, method.id()), method.id())).min();
            let near = match near {
                _ if wanted.starts_with("lora-") => "a size is written lora-r4-a8 (rank 4, alpha 8); ".to_owned(),
                Some((distance, id)) if distance <= 2 => format!("did you mean {id}? "),
                _ => String::new(),
            };
            let hint = format!("{near}known: {}", Self::names());
            ModelError::Unknown { what: "method", given: given.to_owned(), hint }
        })
    }
}

impl Serialize for Method {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Method {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let id = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        id.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn names_say_everything() {
        for (given, name) in [
            ("AAT-MS", "aat"),
            ("bitfit", "bitfit"),
            ("lora", "lora"),
            ("lora-r8-a16", "lora"),
            ("lora-r4", "lora-r4"),
            ("lora-a32-r64", "lora-r64-a32"),
        ] {
            let method: Method = given.parse().unwrap();
            assert_eq!(method.to_string(), name);
            assert_eq!(serde_json::from_str::<Method>(&serde_json::to_string(&method).unwrap()).unwrap(), method);
        }
        let config = ModelConfig::ast("tiny", 128, [16, 16], 3).unwrap();
        let size = |name: &str| name.parse::<Method>().unwrap().extras(&config).lora;
        assert_eq!(size("lora"), Some(LowRank { rank: 8, alpha: 16 }));
        assert_eq!(size("lora-r4"), Some(LowRank { rank: 4, alpha: 16 }));
        assert_eq!(size("aat"), None);
        assert_ne!("lora-r4".parse::<Method>().unwrap(), "lora".parse().unwrap());
    }

    #[test]
    fn a_wrong_name_gets_the_nearest() {
        let said = |name: &str| name.parse::<Method>().unwrap_err().to_string();
        assert!(said("bitfot").contains("did you mean bitfit?"));
        assert!(said("prompts").contains("did you mean prompt?"));
        assert!(said("adapter").contains("known: aat, full"));
        for name in ["lora-", "lora-r", "lora-r0", "lora-4", "lora-x4", "loras"] {
            assert!(name.parse::<Method>().is_err(), "{name}");
        }
        assert!(said("lora-r0").contains("lora-r4-a8"));
    }
}
