//! One parameter of a model: its name, shape, place and whether it trains.

use serde::{Deserialize, Serialize};

/// The part of the model a parameter belongs to; inventories group by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// Patch projection or convolutions, class tokens and position embedding.
    Stem,
    /// A block's own norms, attention and MLP.
    Block,
    /// A block's Spatial Adapter, after attention.
    Spatial,
    /// A block's MLP Adapter, parallel to the MLP.
    Mlp,
    /// A block's prompt tokens.
    Prompt,
    /// A block's low-rank update of query and value.
    Lora,
    /// The norm after the last block.
    FinalNorm,
    /// The classification head.
    Head,
    /// A head of a pretraining objective, thrown away afterwards.
    Objective,
}

impl Part {
    /// Those of the network, in the order of tables; an objective is none of them.
    pub const NETWORK: [Self; 8] =
        [Self::Stem, Self::Block, Self::Spatial, Self::Mlp, Self::Prompt, Self::Lora, Self::FinalNorm, Self::Head];

    /// Its short name, as in a recipe's `rates` and in `params --json`.
    pub fn id(self) -> &'static str {
        match self {
            Self::Stem => "stem",
            Self::Block => "blocks",
            Self::Spatial => "spatial",
            Self::Mlp => "mlp",
            Self::Prompt => "prompt",
            Self::Lora => "lora",
            Self::FinalNorm => "final_norm",
            Self::Head => "head",
            Self::Objective => "objective",
        }
    }

    /// Its name, for people.
    pub fn title(self) -> &'static str {
        match self {
            Self::Stem => "patches and positions",
            Self::Block => "blocks",
            Self::Spatial => "Spatial Adapters",
            Self::Mlp => "MLP Adapters",
            Self::Prompt => "prompts",
            Self::Lora => "low-rank updates",
            Self::FinalNorm => "final norm",
            Self::Head => "head",
            Self::Objective => "objective",
        }
    }
}

/// How a parameter starts when no checkpoint gives it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Init {
    /// All zero.
    Zeros,
    /// All one.
    Ones,
    /// Normal with this standard deviation, truncated at two of them.
    TruncatedNormal(f32),
    /// Uniform in plus and minus this bound.
    Uniform(f32),
    /// Whisper's sinusoids: a fixed table, (positions, hidden).
    Sinusoids,
}

/// One parameter. Names follow timm's: `blocks.3.attn.qkv.weight`, `blocks.3.spatial.down.bias`, `head.linear.weight`.
/// Linear weights are (out, in).
#[derive(Clone, Debug, PartialEq)]
pub struct ParamSpec {
    /// Unique dotted name, also its key in checkpoints.
    pub name: String,
    /// Shape, row-major.
    pub shape: Vec<usize>,
    /// Where it belongs.
    pub part: Part,
    /// The block, for parts that live in one.
    pub block: Option<usize>,
    /// Whether the method trains it.
    pub trains: bool,
    /// How it starts.
    pub init: Init,
}

impl ParamSpec {
    /// Number of scalars.
    pub fn count(&self) -> usize {
        self.shape.iter().product()
    }
}
