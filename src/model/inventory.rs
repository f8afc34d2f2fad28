//! Who counts what: parameters by part and block, from the specifications alone.

use serde::{Deserialize, Serialize};

use super::{ParamSpec, Part};

/// Counts of one part of the model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GroupCount {
    /// The part.
    pub part: Part,
    /// The block, for parts that live in one.
    pub block: Option<usize>,
    /// Scalars.
    pub total: usize,
    /// Scalars that train.
    pub trainable: usize,
}

/// What a model is made of, by part and block.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Inventory {
    /// Scalars of backbone, additions and head.
    pub total: usize,
    /// Those that train.
    pub trainable: usize,
    /// By part and block, in the model's order.
    pub groups: Vec<GroupCount>,
}

impl Inventory {
    /// Counts a model's parameters; no weights are needed.
    pub fn of<'a>(specs: impl IntoIterator<Item = &'a ParamSpec>) -> Self {
        let mut inventory = Self::default();
        for spec in specs {
            let count = spec.count();
            let trainable = if spec.trains { count } else { 0 };
            inventory.total += count;
            inventory.trainable += trainable;
            let same = |group: &&mut GroupCount| group.part == spec.part && group.block == spec.block;
            match inventory.groups.iter_mut().find(same) {
                Some(group) => {
                    group.total += count;
                    group.trainable += trainable;
                }
                None => {
                    inventory.groups.push(GroupCount { part: spec.part, block: spec.block, total: count, trainable })
                }
            }
        }
        inventory
    }
}
