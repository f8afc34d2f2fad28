//! The Layers screen: adapter, block, norms or ratios.

use crate::{model::BlockNorms, plot::Side, tui::input::action::Move};

/// The two adapters of a block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AdapterSite {
    /// After attention.
    #[default]
    Spatial,
    /// In parallel with the MLP.
    Mlp,
}

impl AdapterSite {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::Spatial, Self::Mlp];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Spatial => "Spatial Adapter",
            Self::Mlp => "MLP Adapter",
        }
    }

    /// Its name where there is little room.
    pub fn short_name(self) -> &'static str {
        match self {
            Self::Spatial => "Spatial",
            Self::Mlp => "MLP",
        }
    }

    /// Its norm, or its norm's ratio to the residual stream.
    pub fn value(self, norms: &BlockNorms, ratio: bool) -> f64 {
        f64::from(match (self, ratio) {
            (Self::Spatial, false) => norms.spatial,
            (Self::Spatial, true) => norms.spatial_ratio,
            (Self::Mlp, false) => norms.mlp,
            (Self::Mlp, true) => norms.mlp_ratio,
        })
    }
}

/// The state of the Layers screen.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Layers {
    /// Norms instead of their ratio to the residual stream.
    pub plain: bool,
    /// The map that the cursor is in.
    pub adapter: AdapterSite,
    /// The block under the cursor.
    pub block: usize,
}

impl Layers {
    /// Moves the cursor up and down through the blocks, and from one map to the other.
    pub fn go(&mut self, to: Move, depth: usize) {
        let last = depth.saturating_sub(1);
        match (to, self.adapter) {
            (Move::Up, AdapterSite::Mlp) if self.block == 0 => {
                (self.adapter, self.block) = (AdapterSite::Spatial, last)
            }
            (Move::Up, _) => self.block = self.block.saturating_sub(1),
            (Move::Down, AdapterSite::Spatial) if self.block >= last => {
                (self.adapter, self.block) = (AdapterSite::Mlp, 0)
            }
            (Move::Down, _) => self.block = (self.block + 1).min(last),
            _ => {}
        }
    }

    /// The side whose adapters are on show: the focused one, or the other if only that has any.
    pub fn side(focus: Side, has_norms: impl Fn(Side) -> bool) -> Option<Side> {
        [focus, focus.other()].into_iter().find(|side| has_norms(*side))
    }
}
