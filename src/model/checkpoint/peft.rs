//! PEFT's LoRA: what it saves in a folder of its own, merged into the base model's weights as they are read, and whole
//! state dicts of a model that still has its adapters inside.

use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
};

use super::{
    foreign::read_text,
    hugging_face,
    keys::LORA,
    place::Place,
    settings::Settings,
    tensors::{LowRank, Tensors},
};
use crate::{limits, model::ModelError};

/// The settings of an adapter.
pub(super) const SETTINGS: &str = "adapter_config.json";
/// Its weights, the better form first.
pub(super) const WEIGHTS: [&str; 2] = ["adapter_model.safetensors", "adapter_model.bin"];

/// Whether this is a folder that PEFT saved.
pub(super) fn is_folder(path: &Path) -> bool {
    path.join(SETTINGS).is_file() && WEIGHTS.iter().any(|name| path.join(name).is_file())
}

/// An adapter's folder, looked at.
pub struct Lora {
    folder: PathBuf,
    settings: Settings,
    /// The base model as the adapter names it: a folder, or a repository.
    pub base: String,
}

impl Lora {
    /// The adapter of a folder, or of a file in it, if PEFT saved one there.
    ///
    /// # Errors
    /// When its settings cannot be read, or are not LoRA as it is computed here.
    pub fn find(path: &Path) -> Result<Option<Self>, ModelError> {
        let named = |name: &&str| path.file_name().is_some_and(|file| file == *name);
        let folder = match path.parent() {
            Some(parent) if WEIGHTS.iter().any(named) => parent,
            _ => path,
        };
        if !is_folder(folder) {
            return Ok(None);
        }
        let settings = read(folder)?;
        let base = settings.text("base_model_name_or_path")?.filter(|base| !base.is_empty()).ok_or_else(|| {
            let remedy = "write the base model's folder there as \"base_model_name_or_path\"";
            ModelError::checkpoint(
                &folder.join(SETTINGS),
                "it does not say which base model these weights change",
                remedy,
            )
        })?;
        Ok(Some(Self { folder: folder.to_owned(), settings, base }))
    }

    /// The base model's folder or file, where one is at the place that is named: as seen from the adapter's folder, or
    /// from here.
    pub fn base_here(&self) -> Option<PathBuf> {
        [self.folder.join(&self.base), PathBuf::from(&self.base)].into_iter().find(|path| path.exists())
    }

    /// Why the base model is not at hand, and what to do.
    pub fn without_base(&self, why: &str) -> ModelError {
        let problem = format!("these are LoRA weights for {}, which is not here ({why})", self.base);
        let remedy = format!(
            "put the base model into a folder and name it as \"base_model_name_or_path\" in {SETTINGS}, or save the whole \
             model in Python: PEFT's merge_and_unload, then save_pretrained(\"merged\")"
        );
        ModelError::checkpoint(&self.folder, problem, remedy)
    }

    /// The base's tensors with the adapter merged in; and what a person should know.
    ///
    /// # Errors
    /// When a tensor does not fit the base.
    pub(super) fn merge(
        &self,
        base: Tensors,
        open: impl Fn(&Path) -> Result<Tensors, ModelError>,
    ) -> Result<(Tensors, Vec<String>), ModelError> {
        let file = WEIGHTS.iter().map(|name| self.folder.join(name)).find(|file| file.is_file());
        let adapter = open(&file.unwrap_or_else(|| self.folder.join(WEIGHTS[0])))?.rename(|name| Some(plain(name)));
        let mut base = base.rename(|name| Some(hugging_face::published(name)));
        base.path.clone_from(&adapter.path);
        let patches = base.patch(adapter);
        let merged = merge(&mut base, patches, &self.settings)?;
        let mut notes = vec![format!("{} of {}", merged, self.base)];
        notes.extend(self.settings.unknown(LORA));
        Ok((base, notes))
    }
}

fn read(folder: &Path) -> Result<Settings, ModelError> {
    let path = folder.join(SETTINGS);
    let text = read_text(&path, limits::SETTINGS)?;
    Settings::of(path, SETTINGS, &text, LORA)
}

/// Whether a state dict has adapters inside that were not merged.
pub(super) fn is_unmerged(tensors: &Tensors) -> bool {
    tensors.iter().any(|(name, _)| name.contains(".lora_A."))
}

/// A whole state dict with the adapters inside it merged; what they are multiplied by is in the settings beside it.
///
/// # Errors
/// When these are not there, or something does not fit.
pub(super) fn merge_inside(tensors: Tensors) -> Result<(Tensors, Vec<String>), ModelError> {
    let folder = tensors.path.parent().unwrap_or(Path::new(".")).to_owned();
    if !folder.join(SETTINGS).is_file() {
        let problem =
            format!("it holds LoRA adapters that were not merged, and no {SETTINGS} beside it says their scale");
        let remedy = "save the merged model in Python: PEFT's merge_and_unload, then save_pretrained(\"merged\")";
        return Err(ModelError::checkpoint(&tensors.path, problem, remedy));
    }
    let settings = read(&folder)?;
    // What PEFT keeps of a module that it trains whole is the copy under modules_to_save.
    let left_out = |name: &str| name.contains(".original_module.");
    let mut tensors = tensors.rename(|name| (!left_out(name)).then(|| hugging_face::published(&plain(name))));
    let names: Vec<String> =
        tensors.iter().map(|(name, _)| name).filter(|name| name.contains(".lora_")).map(str::to_owned).collect();
    let patches = names.into_iter().filter_map(|name| Some((name.clone(), tensors.remove(&name)?))).collect();
    let merged = merge(&mut tensors, patches, &settings)?;
    Ok((tensors, vec![format!("{merged} of the same file")]))
}

/// A name without what PEFT puts in.
fn plain(name: &str) -> String {
    let name = name.strip_prefix("base_model.model.").unwrap_or(name);
    let mut kept: Vec<&str> = Vec::new();
    let mut parts = name.split('.').peekable();
    while let Some(part) = parts.next() {
        match part {
            "base_layer" => {}
            // Followed by the adapter's name.
            "modules_to_save" => drop(parts.next()),
            "lora_A" | "lora_B" => {
                kept.push(part);
                if parts.peek().is_some_and(|next| *next != "weight") {
                    parts.next();
                }
            }
            _ => kept.push(part),
        }
    }
    kept.join(".")
}

/// Puts an adapter's tensors into a base's; answers with what was done, as the beginning of a sentence.
fn merge(base: &mut Tensors, patches: Vec<(String, Place)>, settings: &Settings) -> Result<String, ModelError> {
    let path = base.path.clone();
    let refuse = |problem: String| {
        let remedy = "save the merged model in Python: PEFT's merge_and_unload, then save_pretrained(\"merged\")";
        Err(ModelError::checkpoint(&path, problem, remedy))
    };
    let mut pairs: BTreeMap<String, [Option<Place>; 2]> = BTreeMap::new();
    let mut whole: Vec<(String, Place)> = Vec::new();
    for (name, place) in patches {
        match [".lora_A.weight", ".lora_B.weight"].iter().position(|end| name.ends_with(end)) {
            Some(half) => {
                let module = name[..name.len() - ".lora_A.weight".len()].to_owned();
                pairs.entry(hugging_face::published(&format!("{module}.weight"))).or_default()[half] = Some(place);
            }
            None if name.contains(".lora_") => {
                return refuse(format!("{name} is a kind of LoRA that is not read here"));
            }
            None => whole.push((hugging_face::published(&name), place)),
        }
    }
    let alpha = settings.number("lora_alpha")?.unwrap_or(8.0);
    let patterns: HashMap<String, f64> = settings.map("alpha_pattern")?.unwrap_or_default();
    if let Some(pattern) = patterns.keys().find(|key| key.contains(['*', '^', '$', '[', '(', '\\', '|', '+', '?'])) {
        return Err(settings.refuse(
            "alpha_pattern",
            &format!("{pattern} is a regular expression"),
            "write module names there",
        ));
    }
    let by_root = settings.flag("use_rslora")?.unwrap_or(false);
    let (mut updated, replaced) = (0, whole.len());
    for (weight, halves) in pairs {
        let [Some(down), Some(up)] = halves else {
            return refuse(format!("{weight} has one half of an update only"));
        };
        let ([rank, _], [_, _]) = (&down.shape[..], &up.shape[..]) else {
            return refuse(format!("the update of {weight} is not of a linear layer"));
        };
        if *rank == 0 {
            return refuse(format!("the update of {weight} has no rank"));
        }
        let module = weight.trim_end_matches(".weight");
        let published = |key: &str| hugging_face::published(&format!("{key}.weight"));
        let own = patterns.iter().find(|(key, _)| ends_with(&weight, &published(key)) || ends_with(module, key));
        let alpha = own.map_or(alpha, |(_, alpha)| *alpha);
        let scale = if by_root { alpha / (*rank as f64).sqrt() } else { alpha / *rank as f64 };
        let name = fitting(base, &weight).map_err(|why| {
            let remedy = "name the base model that they were trained on in adapter_config.json";
            ModelError::checkpoint(&base.path, why, remedy)
        })?;
        base.update(name, LowRank { down, up, scale: scale as f32 });
        updated += 1;
    }
    for (name, place) in whole {
        let name = fitting(base, &name).unwrap_or(name);
        base.insert(name, place);
    }
    if updated + replaced == 0 {
        return refuse("this adapter holds no tensors".to_owned());
    }
    let replaced = match replaced {
        0 => String::new(),
        n => format!(" and {n} tensors replaced"),
    };
    Ok(format!("LoRA was merged into {updated} weights{replaced}"))
}

/// The base's tensor of this name, whichever wrapper either has around it.
fn fitting(base: &Tensors, name: &str) -> Result<String, String> {
    if base.has(name) {
        return Ok(name.to_owned());
    }
    let found: Vec<&str> = base
        .iter()
        .map(|(theirs, _)| theirs)
        .filter(|theirs| ends_with(theirs, name) || ends_with(name, theirs))
        .collect();
    match found[..] {
        [only] => Ok(only.to_owned()),
        [] => Err(format!("these adapters change {name}, which the base model does not have")),
        _ => Err(format!("these adapters change {name}, which the base model has {} times", found.len())),
    }
}

/// Whether a name ends in whole parts of it.
fn ends_with(name: &str, end: &str) -> bool {
    name.strip_suffix(end).is_some_and(|before| before.is_empty() || before.ends_with('.'))
}

/// Where one of our parameters is in the file; `None` for those that are the base's.
pub(super) fn name_of(ours: &str) -> Option<String> {
    if let Some(rest) = ours.strip_prefix("head.") {
        return Some(format!(
            "base_model.model.classifier.{}",
            rest.replace("norm.", "layernorm.").replace("linear.", "dense.")
        ));
    }
    let (block, rest) = ours.strip_prefix("blocks.")?.split_once('.')?;
    let leaf = match rest {
        "attn.lora_q.down.weight" => "q_proj.lora_A.weight",
        "attn.lora_q.up.weight" => "q_proj.lora_B.weight",
        "attn.lora_v.down.weight" => "v_proj.lora_A.weight",
        "attn.lora_v.up.weight" => "v_proj.lora_B.weight",
        _ => return None,
    };
    Some(format!("base_model.model.audio_spectrogram_transformer.layers.{block}.attention.{leaf}"))
}
