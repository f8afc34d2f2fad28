//! A training session as a model for others: what it trained, over the backbone that it names.
//!
//! Of the session's log only the run's beginning is read, and of that only what a model needs; `session/event.rs` writes it.

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
};

use serde::Deserialize;

use super::{Card, card::AdapterCheckpoint, open_tensors};
use crate::{
    audio::Normalisation,
    limits,
    model::{Method, ModelConfig, ModelError},
    regular,
};

/// The log of a session's events.
const LOG: &str = "events.jsonl";
/// The weights of its best epoch.
const BEST: &str = "best.safetensors";
/// Where a pretraining keeps its backbone.
const BACKBONE: &str = "backbone";
/// Metadata of a checkpoint that say where the run stood.
const POSITION: &str = "aat_tui";
/// The recipe whose last weights count, as they do for `classify`: it has too few clips to choose an epoch by.
const LESSON: &str = "lesson";
/// The loss of classes that occur together.
const BINARY: &str = "binary";
/// Lines among which the beginning is looked for.
const FIRST: usize = 50;
/// What stands in the line of a run's beginning.
const STARTED: &str = "\"started\"";

#[derive(Deserialize)]
struct Started {
    config: Config,
}

#[derive(Deserialize)]
struct Config {
    model: String,
    shape: ModelConfig,
    method: Method,
    labels: Vec<String>,
    normalisation: Normalisation,
    seed: u64,
    recipe: Recipe,
    #[serde(default)]
    pretrain: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct Recipe {
    name: String,
    loss: String,
}

#[derive(Deserialize)]
struct Position {
    backbone: String,
}

/// What a session's folder has for others.
pub enum Session {
    /// A pretraining: the folder of its backbone.
    Backbone(PathBuf),
    /// A training: what it changed in a backbone.
    Trained(Box<AdapterCheckpoint>),
}

impl Session {
    /// Looks at a folder; `None` if it is no session's.
    ///
    /// # Errors
    /// When it is one that has no weights yet, or whose log or weights cannot be read.
    pub fn find(folder: &Path) -> Result<Option<Self>, ModelError> {
        let log = folder.join(LOG);
        if !log.is_file() {
            return Ok(None);
        }
        let io = |source| ModelError::Io { path: log.clone(), source };
        let file = regular::open(&log).map_err(io)?;
        let lines = BufReader::new(file.take(limits::LOG_BEGINNING)).lines().take(FIRST).map_while(Result::ok);
        let started = lines.filter(|line| line.contains(STARTED)).find_map(|line| serde_json::from_str(&line).ok());
        let Started { config } = started.ok_or_else(|| {
            ModelError::checkpoint(&log, "it does not say what was trained", "restore the session, or train anew")
        })?;
        if config.pretrain.is_some() {
            return Ok(Some(Self::Backbone(folder.join(BACKBONE))));
        }
        let weights = weights(folder, config.recipe.name == LESSON)?;
        let tensors = open_tensors(&weights)?;
        let position = tensors.metadata.get(POSITION).and_then(|text| serde_json::from_str::<Position>(text).ok());
        let position = position.ok_or_else(|| {
            let problem = "it does not say which backbone it was trained on";
            ModelError::checkpoint(&weights, problem, "another version of this program wrote it; train anew")
        })?;
        let card = Card {
            base: config.model,
            base_fingerprint: position.backbone,
            seed: config.seed,
            method: config.method,
            front_end: config.shape.front_end()?.card().to_owned(),
            shape: config.shape,
            labels: config.labels,
            normalisation: Some(config.normalisation),
            multi_label: Some(config.recipe.loss == BINARY),
        };
        let adapter = AdapterCheckpoint::new(card, "aat-tui session", tensors, |ours| Some(ours.to_owned()))?;
        Ok(Some(Self::Trained(Box::new(adapter))))
    }
}

/// The file of the weights that a session answers with.
fn weights(folder: &Path, last: bool) -> Result<PathBuf, ModelError> {
    let best = folder.join(BEST);
    if best.is_file() && !last {
        return Ok(best);
    }
    let entries = fs::read_dir(folder).map_err(|source| ModelError::Io { path: folder.to_owned(), source })?;
    let step = |path: &PathBuf| {
        let name = path.file_name()?.to_str()?;
        name.strip_prefix("checkpoint-")?.strip_suffix(".safetensors")?.parse::<u64>().ok()
    };
    let found = entries.flatten().map(|entry| entry.path()).filter_map(|path| Some((step(&path)?, path))).max();
    found
        .map(|(_, path)| path)
        .or_else(|| best.is_file().then_some(best))
        .ok_or_else(|| ModelError::checkpoint(folder, "this session has no weights yet", "train it for an epoch first"))
}
