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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeSet;

    use clap::{Args as _, Command, FromArgMatches};

    use super::*;
    use crate::train::{Request, SETTINGS, SWITCHES};

    /// An axis of a sweep is a flag of `train`: every one of them, and with the same meaning.
    #[test]
    fn every_flag_is_a_setting_of_sweeps_and_means_the_same() {
        let command = || Args::augment_args(Command::new("train").no_binary_name(true));
        let of_the_sweep = ["name", "sessions", "json"];
        let command_line = command();
        let flags: BTreeSet<&str> = command_line
            .get_arguments()
            .filter_map(clap::Arg::get_long)
            .filter(|name| !of_the_sweep.contains(name))
            .collect();
        assert_eq!(flags, SETTINGS.into_iter().collect());
        for name in SETTINGS {
            let value = match name {
                "data" => "sounds",
                "model" => "tiny",
                "method" => "lora-r4",
                "recompute" => "block",
                "on-nan" => "skip",
                "lr" => "3e-4",
                "dtype" => "bf16",
                "device" => "cuda:1",
                _ if SWITCHES.contains(&name) => "yes",
                _ => "3",
            };
            let flag = format!("--{name}");
            let mut line = if name == "data" { Vec::new() } else { vec!["--data", "demo"] };
            line.push(&flag);
            line.extend((!SWITCHES.contains(&name)).then_some(value));
            let args = Args::from_arg_matches(&command().try_get_matches_from(line).unwrap()).unwrap();
            let mut request = Request::default();
            request.set(name, value).unwrap();
            assert_eq!(args.run.request(args.method), request, "{name}");
        }
    }
}
