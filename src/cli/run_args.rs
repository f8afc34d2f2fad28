//! Arguments that `train`, `compare` and similar subcommands share.

use std::{path::PathBuf, str::FromStr};

use super::{CliError, count};
use crate::{
    data::{self, marks},
    model::{Method, Recompute},
    session::{OnNan, Store},
    train::Request,
};

/// Flags of everything that trains.
#[derive(Clone, Debug, clap::Args)]
pub struct RunArgs {
    /// A folder with one subfolder for each class, a data set in a known layout, a CSV manifest, or `demo`.
    #[arg(long, value_name = "D", env = "AAT_TUI_DATA")]
    pub(super) data: String,
    #[command(flatten)]
    pub(super) marks: Marks,
    /// The backbone: box, ced-tiny or another name of `models list`, a checkpoint's file or folder, hf:ORG/NAME, or a
    /// session.
    #[arg(long, value_name = "M", env = "AAT_TUI_MODEL", default_value_t = Request::default().model)]
    model: String,
    /// A recipe by name or file, instead of the one that fits the data set.
    #[arg(long, value_name = "R", env = "AAT_TUI_RECIPE")]
    recipe: Option<String>,
    /// The fold held out for validation.
    #[arg(long, value_name = "K", env = "AAT_TUI_FOLD")]
    pub(super) fold: Option<u32>,
    /// Passes over the training split.
    #[arg(long, value_name = "N", env = "AAT_TUI_EPOCHS", value_parser = clap::value_parser!(u32).range(1..))]
    epochs: Option<u32>,
    /// Clips in a step.
    #[arg(long, value_name = "B", env = "AAT_TUI_BATCH", value_parser = count::clips)]
    batch: Option<usize>,
    /// Clips of a step in memory at once; gradients accumulate over them.
    #[arg(long, value_name = "B", env = "AAT_TUI_MICRO_BATCH", value_parser = count::clips)]
    micro_batch: Option<usize>,
    /// Learning rate.
    #[arg(long, env = "AAT_TUI_LR")]
    lr: Option<f64>,
    /// Frames of 10 ms that a clip is cut or padded to.
    #[arg(long, value_name = "T", env = "AAT_TUI_FRAMES")]
    frames: Option<usize>,
    /// Stride of the patches: 10 as published; 16 gives two and a half times fewer tokens.
    #[arg(long, value_name = "P", env = "AAT_TUI_STRIDE")]
    stride: Option<usize>,
    /// Seed of initial weights, batch order and augmentation.
    #[arg(long, value_name = "S", env = "AAT_TUI_SEED", default_value_t = Request::default().seed)]
    seed: u64,
    /// Where the arithmetic is done: auto, cpu, cuda, cuda:N, metal.
    #[arg(long, env = "AAT_TUI_DEVICE", default_value_t = Request::default().device)]
    device: String,
    /// Precision of the backbone's products: f32, bf16, or auto: bf16 on CUDA, else f32.
    #[arg(long, env = "AAT_TUI_DTYPE", default_value_t = Request::default().dtype)]
    dtype: String,
    /// Steps between two measurements of the adapters' norms (0: never).
    #[arg(long, value_name = "N", env = "AAT_TUI_NORMS_EVERY", default_value_t = Request::default().norms_every)]
    norms_every: u64,
    /// What the backward pass recomputes instead of saving it: nothing, mlp, or block (the least memory, a third more
    /// time). The result is the same. CPU only.
    #[arg(long, value_name = "WHAT", env = "AAT_TUI_RECOMPUTE", default_value_t = Request::default().recompute)]
    recompute: Recompute,
    /// What to do about a step whose loss is not a number: stop the run, or skip the step and continue.
    #[arg(long, env = "AAT_TUI_ON_NAN", value_enum, default_value_t = NotANumber::Stop)]
    on_nan: NotANumber,
    /// The session's name.
    #[arg(long, env = "AAT_TUI_NAME")]
    name: Option<String>,
    #[command(flatten)]
    pub(super) place: Place,
    /// Print one JSON object per line instead of text.
    #[arg(long, env = "AAT_TUI_JSON")]
    pub(super) json: bool,
}

/// What to do about a loss that is not a number, as on the command line.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum NotANumber {
    Stop,
    Skip,
}

/// Flags on marks in recordings.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Marks {
    /// The column with the labels in a table of marks in recordings, if it has no usual name.
    #[arg(long, value_name = "NAME", env = "AAT_TUI_LABEL_COLUMN")]
    label_column: Option<String>,
    /// Use machine detections as ground truth; without this flag a table with scores is refused.
    #[arg(long, env = "AAT_TUI_TRUST_DETECTIONS")]
    trust_detections: bool,
    /// The recordings of a table of marks are marked completely: everything between marks is background.
    #[arg(long, env = "AAT_TUI_MARKED_IN_FULL")]
    marked_in_full: bool,
}

impl Marks {
    /// The same as the library's options.
    pub(super) fn options(&self) -> marks::Options {
        marks::Options {
            label_column: self.label_column.clone(),
            trust_detections: self.trust_detections,
            marked_in_full: self.marked_in_full,
            frames: None,
        }
    }
}

/// The location of sessions.
#[derive(Clone, Debug, clap::Args)]
pub struct Place {
    /// Folder of the sessions.
    #[arg(long, value_name = "DIR", env = "AAT_TUI_SESSIONS")]
    sessions: Option<PathBuf>,
}

impl Place {
    /// The store of sessions.
    pub fn store(&self) -> Store {
        self.sessions.clone().map_or_else(Store::of_user, Store::at)
    }

    /// The model of `--model`, which may also be a session's name.
    pub fn model(&self, given: &str) -> String {
        self.store().model(given)
    }
}

impl RunArgs {
    /// The request for a run by this method.
    pub fn request(&self, method: Method) -> Request {
        Request {
            data: self.data.clone(),
            marks: self.marks.options(),
            model: self.place.model(&self.model),
            method,
            recipe: self.recipe.clone(),
            fold: self.fold,
            epochs: self.epochs,
            batch: self.batch,
            micro_batch: self.micro_batch,
            lr: self.lr,
            frames: self.frames,
            stride: self.stride,
            seed: self.seed,
            device: self.device.clone(),
            dtype: self.dtype.clone(),
            norms_every: self.norms_every,
            recompute: self.recompute,
            on_nan: match self.on_nan {
                NotANumber::Stop => OnNan::Stop,
                NotANumber::Skip => OnNan::Skip,
            },
            name: self.name.clone(),
            paired_with: None,
        }
    }
}

/// Help of `--method`, with the list of methods.
pub(super) fn methods() -> String {
    format!("How the backbone is adapted: {}; lora-r4-a8 is LoRA of rank 4, alpha 8", Method::names())
}

/// Folds on the command line.
#[derive(Clone, Debug, PartialEq)]
pub enum Folds {
    /// Every fold of the data set.
    All,
    /// These.
    These(Vec<u32>),
}

impl FromStr for Folds {
    type Err = String;

    fn from_str(given: &str) -> Result<Self, Self::Err> {
        if given == "all" {
            return Ok(Self::All);
        }
        let numbers = given.split(',').map(|fold| fold.trim().parse()).collect::<Result<Vec<u32>, _>>();
        let numbers = numbers.map_err(|_| "give `all`, or numbers separated by commas".to_owned())?;
        // A fold that is run twice would count twice in means and intervals.
        match numbers.iter().enumerate().find(|(at, fold)| numbers[..*at].contains(fold)) {
            Some((_, twice)) => Err(format!("fold {twice} is given twice")),
            None => Ok(Self::These(numbers)),
        }
    }
}

impl Folds {
    /// The folds to run: those of `--folds`, else that of `--fold`; `None` leaves the choice to the data set.
    pub(super) fn each(
        asked: Option<&Self>,
        one: Option<u32>,
        spec: &str,
        marks: &marks::Options,
    ) -> Result<Vec<Option<u32>>, CliError> {
        match asked {
            None => Ok(vec![one]),
            Some(Self::These(folds)) => Ok(folds.iter().copied().map(Some).collect()),
            Some(Self::All) => match data::open_with(spec, marks)?.folds() {
                folds if folds.is_empty() => Err(CliError::Failed(format!("{spec} has no folds; leave --folds out"))),
                folds => Ok(folds.into_iter().map(Some).collect()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn folds_are_all_or_a_list() {
        assert_eq!("all".parse(), Ok(Folds::All));
        assert_eq!("1, 3".parse(), Ok(Folds::These(vec![1, 3])));
        assert!("one".parse::<Folds>().is_err());
        assert!("4294967296".parse::<Folds>().is_err());
        for twice in ["1,1", "2, 1,2"] {
            assert!(twice.parse::<Folds>().unwrap_err().ends_with("is given twice"), "{twice}");
        }
    }
}
