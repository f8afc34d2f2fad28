//! Which files a path means: one of tensors, several with their index, or what a folder has of these.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use super::{foreign, mapping::some_of, peft, tensors::Tensors};
use crate::{limits, model::ModelError};

/// What is opened of a folder, the better form first; an index lists the parts of weights in several files.
pub(super) const WEIGHTS: [&str; 4] =
    ["model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json"];
/// Endings of files of tensors, for folders that name theirs otherwise.
pub const ENDINGS: [&str; 5] = ["safetensors", "pth", "pt", "ckpt", "bin"];
/// Weights of other frameworks.
const ELSEWHERE: [(&str, &str); 4] = [
    ("tf_model.h5", "TensorFlow's"),
    ("flax_model.msgpack", "Flax's"),
    ("model.onnx", "ONNX's"),
    ("rust_model.ot", "rust-bert's"),
];

/// What a path means.
pub(super) enum Files {
    /// One file of tensors.
    One(PathBuf),
    /// Several, with the index that lists them.
    Parts(Index),
}

/// The file of tensors, or the index of several, that a path means; and what a person should know about the choice.
pub(super) fn find(path: &Path) -> Result<(Files, Vec<String>), ModelError> {
    if !path.is_dir() {
        return Ok((of_file(path)?, Vec::new()));
    }
    if let Some(file) = WEIGHTS.iter().map(|name| path.join(name)).find(|file| file.is_file()) {
        return Ok((of_file(&file)?, Vec::new()));
    }
    if peft::is_folder(path) {
        let problem = "this folder holds LoRA weights (PEFT), which change a base model";
        return Err(ModelError::checkpoint(path, problem, "give this folder as --model, with its base where it says"));
    }
    let others = others(path);
    match others.as_slice() {
        [only] => {
            let note = format!("{} is the only file of weights in the folder", name_of(only));
            Ok((of_file(only)?, vec![note]))
        }
        [] => {
            let elsewhere = ELSEWHERE.iter().find(|(name, _)| path.join(name).is_file());
            let problem = match elsewhere {
                Some((name, whose)) => format!("this folder has weights in {whose} form alone ({name})"),
                None => "this folder holds no checkpoint".to_owned(),
            };
            Err(ModelError::checkpoint(path, problem, format!("it needs {} or {}", WEIGHTS[0], WEIGHTS[2])))
        }
        several => {
            let names: Vec<String> = several.iter().map(|file| name_of(file)).collect();
            let problem = format!("this folder has several files that could be meant: {}", some_of(&names));
            let remedy = format!("name the file; of a folder alone it needs {} or {}", WEIGHTS[0], WEIGHTS[2]);
            Err(ModelError::checkpoint(path, problem, remedy))
        }
    }
}

/// Whether [`find`] finds weights in a folder by their names: what it is named after, or a single file of tensors.
pub(in crate::model) fn holds_weights(folder: &Path) -> bool {
    WEIGHTS.iter().any(|name| folder.join(name).is_file()) || others(folder).len() == 1
}

fn of_file(file: &Path) -> Result<Files, ModelError> {
    if name_of(file).ends_with(".index.json") {
        return Ok(Files::Parts(Index::read(file)?));
    }
    // One part of several means all of them.
    let Some(part) = Part::of(file) else { return Ok(Files::One(file.to_owned())) };
    let index = file.with_file_name(format!("{}.{}.index.json", part.stem, part.extension));
    if index.is_file() {
        return Ok(Files::Parts(Index::read(&index)?));
    }
    let files: Vec<String> =
        (1..=part.of).map(|n| format!("{}-{n:05}-of-{:05}.{}", part.stem, part.of, part.extension)).collect();
    Ok(Files::Parts(Index { path: file.to_owned(), files, holders: BTreeMap::new() }))
}

/// Files in a folder that look like tensors, in the order of names.
fn others(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let of_tensors = |file: &PathBuf| {
        let extension = file.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        // What transformers' trainer puts beside weights.
        let beside = ["training_args.bin", "optimizer.pt", "scheduler.pt", "scaler.pt"];
        ENDINGS.contains(&extension) && !beside.contains(&name_of(file).as_str()) && file.is_file()
    };
    let found: BTreeSet<PathBuf> = entries.filter(of_tensors).collect();
    found.into_iter().collect()
}

fn name_of(file: &Path) -> String {
    file.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

/// What the name of one part of several says: `model-00001-of-00002.safetensors`.
struct Part {
    stem: String,
    of: usize,
    extension: String,
}

impl Part {
    fn of(file: &Path) -> Option<Self> {
        let (stem, extension) = (file.file_stem()?.to_str()?, file.extension()?.to_str()?);
        let (rest, of) = stem.rsplit_once("-of-")?;
        let (stem, number) = rest.rsplit_once('-')?;
        let is_number = |text: &str| text.len() == 5 && text.bytes().all(|byte| byte.is_ascii_digit());
        let of: usize = (is_number(of) && is_number(number)).then(|| of.parse().ok()).flatten()?;
        (2..=limits::CHECKPOINT_PARTS).contains(&of).then(|| Self {
            stem: stem.to_owned(),
            of,
            extension: extension.to_owned(),
        })
    }
}

/// The list of a model's parts.
pub(super) struct Index {
    /// The index itself, or the part that was named where there is none.
    pub path: PathBuf,
    /// Names of the parts, all in the same folder.
    files: Vec<String>,
    /// Which part holds which tensor, as far as the index says.
    holders: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Listed {
    weight_map: BTreeMap<String, String>,
}

impl Index {
    fn read(path: &Path) -> Result<Self, ModelError> {
        let text = foreign::read_text(path, limits::CHECKPOINT_INDEX)?;
        let listed: Listed = serde_json::from_str(&text).map_err(|why| {
            ModelError::checkpoint(path, format!("this is no index of weights ({why})"), "download or copy it again")
        })?;
        let files: BTreeSet<String> = listed.weight_map.values().cloned().collect();
        let plain = |name: &&String| Path::new(name).file_name().is_some_and(|file| file == name.as_str());
        if let Some(name) = files.iter().find(|name| !plain(name)) {
            let problem = format!("it names {name}, which is no file of its own folder");
            return Err(ModelError::checkpoint(path, problem, "download or copy it again"));
        }
        if files.is_empty() {
            return Err(ModelError::checkpoint(path, "this index names no file", "download or copy it again"));
        }
        Ok(Self { path: path.to_owned(), files: files.into_iter().collect(), holders: listed.weight_map })
    }

    /// The tensors of every part together.
    pub fn open(self, open: impl Fn(&Path) -> Result<Tensors, ModelError>) -> Result<Tensors, ModelError> {
        let missing: Vec<String> =
            self.files.iter().filter(|name| !self.path.with_file_name(name).is_file()).cloned().collect();
        if !missing.is_empty() {
            let (n, all) = (missing.len(), self.files.len());
            let problem = format!("{n} of its {all} parts are not there: {}", some_of(&missing));
            return Err(ModelError::checkpoint(&self.path, problem, "put all parts into one folder"));
        }
        let mut parts = Vec::new();
        for name in &self.files {
            let part = open(&self.path.with_file_name(name))?;
            let lacking = self.holders.iter().find(|(tensor, holder)| *holder == name && !part.has(tensor));
            if let Some((tensor, _)) = lacking {
                let problem = format!("it says that {name} holds {tensor}, which it does not");
                return Err(ModelError::checkpoint(&self.path, problem, "download or copy all parts again"));
            }
            parts.push(part);
        }
        Tensors::join(&self.path, parts)
    }
}
