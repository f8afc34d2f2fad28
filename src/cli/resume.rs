//! `aat-tui resume`: resumes from a session's last checkpoint.

use super::{CliError, Output, run_args::Place, watch::watch};
use crate::train::{Launch, Trainer};

/// Resume from a session's last checkpoint.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The session: its name, its folder, or `last`.
    session: String,
    #[command(flatten)]
    place: Place,
    /// Print one JSON object per line instead of text.
    #[arg(long, env = "AAT_TUI_JSON")]
    json: bool,
}

/// Trains to the end.
///
/// # Errors
/// When the run cannot resume, fails, or is interrupted.
pub fn run(args: &Args) -> Result<(), CliError> {
    let store = args.place.store();
    let folder = store.find(&args.session)?;
    let trainer = Trainer::spawn(store.clone(), vec![Launch::Resume { session: folder, began_ms: None }]);
    let mut output = Output::beside_work(args.json);
    watch(&trainer, 1, &store, &mut output)?.summarise(&mut output)
}
