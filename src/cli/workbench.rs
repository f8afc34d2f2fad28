//! The program without a subcommand: opens the workbench.

use std::path::{Path, PathBuf};

use super::{CliError, run_args::Marks};
use crate::{
    session::Store,
    sweep::Plan,
    train::Request,
    tui::{self, Options, TuiError},
};

/// The workbench's first settings. All of them can be changed inside.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Workbench")]
pub struct Args {
    /// The data to train on: a folder, a manifest, or demo [default: as last time, at first demo].
    #[arg(long, env = "AAT_TUI_DATA")]
    pub data: Option<String>,
    #[command(flatten)]
    pub marks: Marks,
    /// The model to adapt: box, tiny, small, base, a checkpoint, hf:ORG/NAME [default: as last time, at first box].
    #[arg(long, env = "AAT_TUI_MODEL")]
    pub model: Option<String>,
    /// The fold held out for validation.
    #[arg(long, env = "AAT_TUI_FOLD")]
    pub fold: Option<u32>,
    /// Passes over the training split.
    #[arg(long, env = "AAT_TUI_EPOCHS")]
    pub epochs: Option<u32>,
    /// Seed of initial weights, batch order and augmentation.
    #[arg(long, env = "AAT_TUI_SEED", default_value_t = Request::default().seed)]
    pub seed: u64,
    /// Where the arithmetic is done: auto, cpu, cuda, cuda:N, metal.
    #[arg(long, env = "AAT_TUI_DEVICE", default_value = "auto")]
    pub device: String,
    /// Folder of the sessions.
    #[arg(long, env = "AAT_TUI_SESSIONS")]
    pub sessions: Option<PathBuf>,
    /// The theme: dark, light, colour-blind, monochrome, or your own [default: as last time, at first dark].
    #[arg(long, env = "AAT_TUI_THEME")]
    pub theme: Option<String>,
    /// Graphics of the spectrogram: half, octant, kitty, or auto, the finest that the terminal supports [default: as last
    /// time, at first auto].
    #[arg(long, env = "AAT_TUI_GRAPHICS")]
    pub graphics: Option<String>,
}

/// Opens the workbench.
///
/// # Errors
/// When there is no terminal, or no such theme.
pub fn run(args: Args) -> Result<(), CliError> {
    let Args { data, marks, model, fold, epochs, seed, device, sessions, theme, graphics } = args;
    let setup = Request { marks: marks.options(), fold, epochs, seed, device, ..Request::default() };
    let store = sessions.map_or_else(Store::of_user, Store::at);
    open(Options { setup, data, model, store, theme, graphics, sweep: None })
}

/// Opens the workbench on a sweep, with its folder as the folder of sessions.
///
/// # Errors
/// When the file is not one of a sweep, or there is no terminal.
pub(super) fn watch_sweep(file: &Path) -> Result<(), CliError> {
    let plan = Plan::read(file)?;
    let theme = std::env::var("AAT_TUI_THEME").ok().filter(|theme| !theme.is_empty());
    let (setup, store, sweep) = (Request::default(), plan.place.store(), Some(plan.file.path.clone()));
    open(Options { setup, data: None, model: None, store, theme, graphics: None, sweep })
}

fn open(options: Options) -> Result<(), CliError> {
    tui::run(options).map_err(|error| match error {
        TuiError::NoTerminal | TuiError::Dumb | TuiError::Theme { .. } | TuiError::Graphics(_) => {
            CliError::Usage(error.to_string())
        }
        TuiError::Terminal(_) => CliError::Failed(error.to_string()),
    })
}
