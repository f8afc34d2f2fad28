//! What requests would train, without decoding a clip: for planning many runs at once.

use std::{
    collections::{HashMap, HashSet},
    rc::Rc,
};

use super::{
    Request, TrainError,
    plan::{open, settle_on},
};
use crate::{
    data::{Dataset, Metric},
    model::{Inventory, Method, ModelConfig, specs},
};

/// What is known of a run before it begins.
#[derive(Clone, Debug)]
pub struct Prospect {
    /// Short name of the data set.
    pub data_name: String,
    /// What is reported.
    pub metric: Metric,
    /// How the backbone is adapted.
    pub method: Method,
    /// The backbone's shape, with head.
    pub shape: ModelConfig,
    /// Passes over the training split.
    pub epochs: u32,
    /// Clips in a step.
    pub batch: usize,
    /// Whether training clips differ from epoch to epoch.
    pub augments: bool,
    /// Whether the mean of the last epochs' weights is evaluated and kept too.
    pub averages: bool,
    /// Steps between two measurements of the adapters' norms (0: never).
    pub norms_every: u64,
    /// Clips that train and clips that validate; those of the first fold where it has folds.
    pub clips: (usize, usize),
    /// Parameters that train.
    pub trainable: usize,
    /// Parameters in all.
    pub total: usize,
}

impl Prospect {
    /// Optimizer steps of an epoch.
    pub fn steps_per_epoch(&self) -> u64 {
        self.clips.0.div_ceil(self.batch.max(1)) as u64
    }
}

/// Looks at requests one after another; each data set is opened once, each configuration is resolved once.
#[derive(Default)]
pub struct Prospects {
    data: HashMap<String, Rc<Dataset>>,
    known: HashMap<String, Prospect>,
    divided: HashSet<(String, Option<u32>)>,
}

impl Prospects {
    /// What a request would train. The device is not looked at: it is that of another machine, perhaps.
    ///
    /// # Errors
    /// When data, fold, recipe, model and settings do not fit together; the message says what to change.
    pub fn of(&mut self, request: &Request) -> Result<Prospect, TrainError> {
        let request = Request { device: "cpu".to_owned(), name: None, paired_with: None, ..request.clone() };
        let (key, dataset) = self.dataset(&request)?;
        // A fold is the same clips whatever the seed; other divisions leave about as many clips on each side.
        if self.divided.insert((key, request.fold)) {
            dataset.divide(request.fold, request.seed)?;
        }
        let alike = Request { fold: None, seed: 1, ..request };
        let key = format!("{alike:?}");
        if let Some(known) = self.known.get(&key) {
            return Ok(known.clone());
        }
        let (division, config) = settle_on(&alike, &dataset)?;
        let inventory = Inventory::of(&specs(&config.shape, config.method));
        let prospect = Prospect {
            data_name: config.data_name,
            metric: config.recipe.metric,
            method: config.method,
            epochs: config.recipe.epochs,
            batch: config.recipe.batch,
            augments: config.recipe.augments(),
            averages: config.recipe.average_last > 0,
            norms_every: config.norms_every,
            clips: (division.train.len(), division.val.len()),
            trainable: inventory.trainable,
            total: inventory.total,
            shape: config.shape,
        };
        self.known.insert(key, prospect.clone());
        Ok(prospect)
    }

    /// The folds of a request's data set, ascending; empty when it has none.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn folds(&mut self, request: &Request) -> Result<Vec<u32>, TrainError> {
        Ok(self.dataset(request)?.1.folds())
    }

    fn dataset(&mut self, request: &Request) -> Result<(String, Rc<Dataset>), TrainError> {
        // Windows of marked recordings have the recipe's length.
        let key = format!("{:?}", (&request.data, &request.marks, request.frames, &request.recipe));
        if let Some(known) = self.data.get(&key) {
            return Ok((key, Rc::clone(known)));
        }
        let dataset = Rc::new(open(request)?);
        self.data.insert(key.clone(), Rc::clone(&dataset));
        Ok((key, dataset))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::train::testing::Bench;

    #[test]
    fn what_would_train_is_known_and_a_fold_that_is_not_there_is_named() {
        let bench = Bench::new("");
        let mut prospects = Prospects::default();
        let request = bench.request();
        let found = prospects.of(&request).unwrap();
        assert_eq!(found.clips.0 + found.clips.1, prospects.dataset(&request).unwrap().1.items.len());
        assert!(found.trainable > 0 && found.trainable <= found.total && found.steps_per_epoch() > 0);
        assert_eq!(prospects.of(&Request { seed: 9, ..request.clone() }).unwrap().trainable, found.trainable);
        assert_eq!(prospects.data.len(), 1);
        let error = prospects.of(&Request { fold: Some(77), ..request }).unwrap_err().to_string();
        assert!(error.contains("77"), "{error}");
    }
}
