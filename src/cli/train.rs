//! `aat-tui train`: adapts a model to labelled sounds.

use super::{CliError, Output, run_args::RunArgs, watch::watch};
use crate::{
    model::Method,
    train::{Launch, Trainer},
};

/// Adapt a model to labelled sounds.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    run: RunArgs,
    #[arg(long, help = super::run_args::methods(), value_name = "X", env = "AAT_TUI_METHOD", default_value = "aat")]
    method: Method,
}

/// Trains to the end.
///
/// # Errors
/// When the run cannot start, fails, or is interrupted.
pub fn run(args: &Args) -> Result<(), CliError> {
    let store = args.run.place.store();
    let launch = Launch::New(Box::new(args.run.request(args.method)));
    let trainer = Trainer::spawn(store.clone(), vec![launch]);
    let mut output = Output::beside_work(args.run.json);
    watch(&trainer, 1, &store, &mut output)?.summarise(&mut output)
}
