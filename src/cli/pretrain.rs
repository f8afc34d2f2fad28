//! `aat-tui pretrain`: trains a backbone on sounds, before it is adapted.

use super::{CliError, Output, count, run_args::Place, watch::watch};
use crate::{
    model::pretrain::Objectives,
    train::{Launch, PretrainRequest, Trainer},
};

/// Pretrain a backbone on sounds, labelled or not.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Folders of sounds (each subfolder is a class, except `unlabelled`), or `demo`.
    #[arg(long, value_name = "D", env = "AAT_TUI_DATA", num_args = 1.., required = true)]
    data: Vec<String>,
    /// Initial weights: tiny, small, base (random weights), or a checkpoint.
    #[arg(long, value_name = "M", env = "AAT_TUI_MODEL", default_value = "tiny")]
    model: String,
    /// The objectives: ssast, labels, distill, or several with weights: distill=1,labels=0.5.
    #[arg(long, value_name = "O", env = "AAT_TUI_OBJECTIVE", default_value = "ssast", value_parser = objectives)]
    objective: Objectives,
    /// The teacher of distill, which is frozen: a checkpoint.
    #[arg(long, value_name = "T", env = "AAT_TUI_TEACHER")]
    teacher: Option<String>,
    /// The numbers of the teacher's blocks whose features are learned.
    #[arg(long, value_name = "N,..", env = "AAT_TUI_TEACHER_LAYERS", value_delimiter = ',', default_value = "2,4")]
    teacher_layers: Vec<usize>,
    /// Frames of 10 ms of the longest crops.
    #[arg(long, value_name = "T", env = "AAT_TUI_FRAMES", default_value_t = 512)]
    frames: usize,
    /// Longest crops in a step; crops of a half or a quarter come in twice or four times that number. On a CPU many
    /// small steps train better in a given time; a GPU needs 48 and more.
    #[arg(long, value_name = "B", env = "AAT_TUI_BATCH", default_value_t = 8, value_parser = count::clips)]
    batch: usize,
    /// Passes over the amount of sound in the corpus.
    #[arg(long, value_name = "N", env = "AAT_TUI_EPOCHS", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    epochs: u32,
    /// Highest learning rate.
    #[arg(long, env = "AAT_TUI_LR", default_value_t = 1e-3)]
    lr: f64,
    /// Share of patches of each crop that the backbone gets [default: 0.5, with ssast 1].
    #[arg(long, value_name = "P", env = "AAT_TUI_KEEP")]
    keep: Option<f32>,
    /// Share of patches that ssast masks (400 of 512 in the paper).
    #[arg(long, value_name = "P", env = "AAT_TUI_HIDE", default_value_t = 0.78)]
    hide: f32,
    /// Strength of augmentation (level, spectral tilt, bandwidth, background sounds), from 0 to 1.
    #[arg(long, value_name = "A", env = "AAT_TUI_AUGMENT", default_value_t = 1.0)]
    augment: f32,
    /// Seed of weights, crops and everything else random.
    #[arg(long, value_name = "S", env = "AAT_TUI_SEED", default_value_t = 1)]
    seed: u64,
    /// Where the arithmetic is done: auto, cpu, cuda, cuda:N, metal.
    #[arg(long, env = "AAT_TUI_DEVICE", default_value = "auto")]
    device: String,
    /// Precision of the backbone's products: f32, bf16, or auto: bf16 on CUDA, else f32.
    #[arg(long, env = "AAT_TUI_DTYPE", default_value = "auto")]
    dtype: String,
    /// The session's name.
    #[arg(long, env = "AAT_TUI_NAME")]
    name: Option<String>,
    #[command(flatten)]
    place: Place,
    /// Print one JSON object per line instead of text.
    #[arg(long, env = "AAT_TUI_JSON")]
    json: bool,
}

/// `distill=1,labels=0.5`, or names alone, with weight 1.
fn objectives(given: &str) -> Result<Objectives, String> {
    let mut found = Objectives::default();
    for part in given.split(',') {
        let (name, weight) = part.split_once('=').unwrap_or((part, "1"));
        let weight: f64 = weight.trim().parse().map_err(|_| format!("`{weight}` is not a weight"))?;
        match name.trim() {
            "labels" => found.labels = weight,
            "distill" => found.distill = weight,
            "ssast" => found.ssast = weight,
            other => return Err(format!("there is no objective `{other}`; there are ssast, labels and distill")),
        }
    }
    Ok(found)
}

/// Pretrains to the end.
///
/// # Errors
/// When the run cannot start, fails, or is interrupted.
pub fn run(args: &Args) -> Result<(), CliError> {
    let store = args.place.store();
    let request = PretrainRequest {
        data: args.data.clone(),
        model: args.model.clone(),
        objectives: args.objective,
        teacher: args.teacher.clone(),
        teacher_layers: args.teacher_layers.clone(),
        frames: args.frames,
        batch: args.batch,
        epochs: args.epochs,
        lr: args.lr,
        keep: args.keep.unwrap_or(if args.objective.ssast > 0.0 { 1.0 } else { 0.5 }),
        hide: args.hide,
        augment: args.augment,
        seed: args.seed,
        device: args.device.clone(),
        dtype: args.dtype.clone(),
        name: args.name.clone(),
    };
    let trainer = Trainer::spawn(store.clone(), vec![Launch::Pretrain(Box::new(request))]);
    let mut output = Output::beside_work(args.json);
    watch(&trainer, 1, &store, &mut output)?.summarise(&mut output)
}
