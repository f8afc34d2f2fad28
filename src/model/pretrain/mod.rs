//! What a backbone learns before it is adapted: objectives over the tokens of a batch of sounds.
//!
//! Three, of which any may be combined by weight: `labels` (the class of the sound), `distill` (what a frozen teacher makes of
//! the same sound, column by column and as a whole) and `ssast` (hidden patches, found and redrawn). Each has a head
//! of its own that is thrown away afterwards.

mod distill;
mod labels;
mod linear;
mod masked;
#[cfg(test)]
mod tests;

use candle_core::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::{
    Features, Init, Method, ModelConfig, ModelError, ParamSpec, ParamStore, Part, Pooling, Precision, initialise,
    select,
    tokens::{GradientsByName, MASK_TOKEN, Places, TokenEngine, WeightsByName},
};

pub use super::tokens::Selection;

type Result<T> = std::result::Result<T, ModelError>;

/// How much each objective counts; 0 leaves it out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Objectives {
    /// Cross entropy of the sounds' classes, from the pooled tokens.
    pub labels: f64,
    /// Squared distance from a teacher's standardised features.
    pub distill: f64,
    /// SSAST's: InfoNCE of hidden patches, and ten times the squared error of redrawing them (arXiv 2110.09784).
    pub ssast: f64,
}

impl Objectives {
    /// Names and weights of those that count.
    pub fn named(&self) -> impl Iterator<Item = (&'static str, f64)> {
        [("labels", self.labels), ("distill", self.distill), ("ssast", self.ssast)]
            .into_iter()
            .filter(|(_, weight)| *weight > 0.0)
    }
}

/// Sizes of what the objectives' heads answer with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heads {
    /// Classes of the labels.
    pub classes: usize,
    /// Features of the teacher.
    pub teacher: usize,
}

/// A batch of sounds with all that the objectives want of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sounds {
    /// Normalised log-mels, cut to one length.
    pub features: Features,
    /// Patches that the backbone is shown.
    pub selection: Selection,
    /// Class of each sound, where it is known.
    pub labels: Vec<Option<usize>>,
    /// The teacher's standardised features, (batch, columns, features); empty without one.
    pub teacher: Vec<f32>,
    /// Columns of each sound that are sound and not padding.
    pub columns: Vec<usize>,
}

/// What one objective came to on a batch.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Its loss before its weight.
    pub loss: f64,
    /// How well it was met, at most 1: accuracy, share of variance explained, share of hidden patches found.
    pub score: f64,
    /// Sounds, columns or patches that the score is a mean over.
    pub terms: f64,
}

/// The parameters of a backbone in pretraining: its own and those of the objectives' heads.
pub fn specs(config: &ModelConfig, objectives: Objectives, heads: Heads) -> Vec<ParamSpec> {
    let mut specs = super::specs(config, Method::full());
    for spec in specs.iter_mut().filter(|spec| spec.part == Part::Head) {
        spec.trains = objectives.labels > 0.0;
    }
    let d = config.hidden;
    let mut push = |name: &str, shape: &[usize], init| {
        let (name, shape) = (name.to_owned(), shape.to_vec());
        specs.push(ParamSpec { name, shape, part: Part::Objective, block: None, trains: true, init });
    };
    let mut linear = |name: &str, out: usize, input: usize| {
        push(&format!("{name}.weight"), &[out, input], Init::TruncatedNormal(0.02));
        push(&format!("{name}.bias"), &[out], Init::Zeros);
    };
    if objectives.distill > 0.0 {
        linear("distill.columns", heads.teacher, d);
        linear("distill.clip", 2 * heads.teacher, d);
    }
    if objectives.ssast > 0.0 {
        let pixels = config.patch_pixels();
        for head in ["ssast.find", "ssast.draw"] {
            linear(&format!("{head}.0"), d, d);
            linear(&format!("{head}.1"), pixels, d);
        }
        push(MASK_TOKEN, &[1, 1, d], Init::TruncatedNormal(0.02));
    }
    specs
}

/// A backbone at its objectives. Its blocks run where its weights are, the objectives' heads on the CPU.
pub struct Pretrainer {
    engine: Box<dyn TokenEngine>,
    objectives: Objectives,
}

impl Pretrainer {
    /// For a backbone of this shape whose weights are on this device.
    pub fn new(config: ModelConfig, objectives: Objectives, device: &Device, precision: Precision) -> Self {
        Self { engine: select::token_engine(config, device, precision), objectives }
    }

    /// The parameters to begin with: a backbone's, with fresh heads.
    ///
    /// # Errors
    /// When the device cannot hold them.
    pub fn store(
        config: &ModelConfig,
        own: &ParamStore,
        objectives: Objectives,
        heads: Heads,
        seed: u64,
    ) -> Result<ParamStore> {
        let specs = specs(config, objectives, heads);
        let (given, fresh): (Vec<_>, Vec<_>) = specs.into_iter().partition(|spec| own.get(&spec.name).is_some());
        let device = own.device().clone();
        let fresh = initialise(fresh, seed, &device)?;
        let vars = given.iter().filter_map(|spec| own.get(&spec.name).cloned());
        let vars = vars.chain(fresh.iter().map(|(_, var)| var.clone())).collect();
        let specs = given.into_iter().chain(fresh.specs().iter().cloned()).collect();
        ParamStore::new(specs, vars, device)
    }

    /// Forward and backward: the weighted loss, one gradient for each trainable parameter in the store's order, and
    /// what each objective came to, in [`Objectives::named`]'s order.
    ///
    /// # Errors
    /// When the batch is not of this model.
    pub fn step(&mut self, store: &ParamStore, sounds: &Sounds) -> Result<(f32, Vec<Tensor>, Vec<Outcome>)> {
        let (objectives, config) = (self.objectives, self.engine.shape().clone());
        let places = Places::new(&config, &sounds.features, &sounds.selection)?;
        let mut outcomes = Vec::new();
        let mut loss = |tokens: &[f32], weights: &WeightsByName<'_>, gradients: &mut GradientsByName<'_>| {
            let mut dtokens = vec![0.0; tokens.len()];
            outcomes =
                outcomes_of(&config, objectives, (sounds, &places), tokens, weights, Some((gradients, &mut dtokens)))?;
            let total =
                objectives.named().zip(&outcomes).map(|((_, weight), outcome)| weight * outcome.loss).sum::<f64>();
            Ok((total as f32, dtokens))
        };
        let (total, gradients) = self.engine.token_step(store, &places, &mut loss)?;
        Ok((total, gradients, outcomes))
    }

    /// What each objective comes to, without training.
    ///
    /// # Errors
    /// As [`step`](Self::step).
    pub fn outcomes(&mut self, store: &ParamStore, sounds: &Sounds) -> Result<Vec<Outcome>> {
        let (objectives, config) = (self.objectives, self.engine.shape().clone());
        let places = Places::new(&config, &sounds.features, &sounds.selection)?;
        let mut outcomes = Vec::new();
        self.engine.tokens(store, &places, &mut |tokens, weights| {
            outcomes = outcomes_of(&config, objectives, (sounds, &places), tokens, weights, None)?;
            Ok(())
        })?;
        Ok(outcomes)
    }
}

/// Where gradients go: those of parameters by name, and that of the tokens, which is added to.
type Into<'a, 'g> = Option<(&'a mut GradientsByName<'g>, &'a mut [f32])>;

/// What a head sees of a batch's tokens.
struct View<'a> {
    tokens: &'a [f32],
    sounds: &'a Sounds,
    hidden: usize,
    /// Class tokens of each clip.
    first: usize,
    /// Patches of each clip.
    kept: usize,
    /// Tokens of each clip that are pooled.
    pooled: Vec<Vec<usize>>,
}

impl View<'_> {
    fn batch(&self) -> usize {
        self.sounds.features.batch
    }

    /// Where a clip's token `i` is, class tokens first.
    fn at(&self, clip: usize, i: usize) -> std::ops::Range<usize> {
        let from = (clip * (self.first + self.kept) + i) * self.hidden;
        from..from + self.hidden
    }

    /// Mean of the tokens that the model's own head will be given, (batch, D).
    fn pooled(&self) -> Vec<f32> {
        let mut pooled = vec![0.0; self.batch() * self.hidden];
        for (clip, out) in pooled.chunks_exact_mut(self.hidden).enumerate() {
            for &token in &self.pooled[clip] {
                out.iter_mut().zip(&self.tokens[self.at(clip, token)]).for_each(|(sum, x)| *sum += x);
            }
            out.iter_mut().for_each(|sum| *sum /= self.pooled[clip].len() as f32);
        }
        pooled
    }

    /// Adds the gradient of [`pooled`](Self::pooled), scaled, to that of the tokens.
    fn add_pooled(&self, dpooled: &[f32], dtokens: &mut [f32]) {
        for (clip, dpooled) in dpooled.chunks_exact(self.hidden).enumerate() {
            let share = 1.0 / self.pooled[clip].len() as f32;
            for &token in &self.pooled[clip] {
                let out = &mut dtokens[self.at(clip, token)];
                out.iter_mut().zip(dpooled).for_each(|(sum, x)| *sum += share * x);
            }
        }
    }
}

fn outcomes_of(
    config: &ModelConfig,
    objectives: Objectives,
    (sounds, places): (&Sounds, &Places<'_>),
    tokens: &[f32],
    weights: &WeightsByName<'_>,
    mut into: Into<'_, '_>,
) -> Result<Vec<Outcome>> {
    let kept = sounds.selection.kept();
    let first = config.class_tokens();
    // Of the patches that are shown, those that hold sound; all of them where none does.
    let sound = |clip: usize| -> Vec<usize> {
        let patches = sounds.selection.patches[clip * kept..(clip + 1) * kept].iter().enumerate();
        let with_sound = patches.filter(|(_, [_, column])| *column < sounds.columns[clip]).map(|(i, _)| first + i);
        Some(with_sound.collect())
            .filter(|with_sound: &Vec<usize>| !with_sound.is_empty())
            .unwrap_or((first..first + kept).collect())
    };
    let pooled = match config.pooling {
        Pooling::ClassTokens => vec![(0..first).collect(); sounds.features.batch],
        Pooling::Mean | Pooling::All => (0..sounds.features.batch).map(sound).collect(),
    };
    let view = View { tokens, sounds, hidden: config.hidden, first, kept, pooled };
    let mut outcomes = Vec::new();
    for (name, weight) in objectives.named() {
        let into = into.as_mut().map(|(gradients, dtokens)| (&mut **gradients, &mut **dtokens));
        outcomes.push(match name {
            "labels" => labels::outcome(&view, config.head_eps as f32, weight, weights, into)?,
            "distill" => distill::outcome(&view, weight, weights, into)?,
            _ => masked::outcome(&view, places.all_pixels(), weight, weights, into)?,
        });
    }
    Ok(outcomes)
}
