//! The command line: one file for each subcommand, each with its `Args` and its `run`.

mod bench;
mod classify;
mod compare;
mod comparison_report;
mod completions;
mod count;
mod data;
mod devices;
mod eval;
mod export;
mod features;
mod file;
mod interrupt;
mod listen;
mod models;
mod output;
mod params;
mod pretrain;
mod probe;
mod resume;
mod run_args;
mod run_result;
mod scan;
mod sessions;
mod sweep;
mod train;
mod watch;
mod workbench;

use std::process::ExitCode;

use clap::{ArgAction, CommandFactory, FromArgMatches, Parser, Subcommand, builder::BoolishValueParser};

use crate::dumb::is_dumb;

pub use interrupt::Interrupt;
pub use output::{CliError, Output};

/// A workbench for adapting pretrained audio transformers to new sounds.
#[derive(Debug, Parser)]
#[command(name = "aat-tui", version, about, max_term_width = 100, args_conflicts_with_subcommands = true)]
pub struct Cli {
    /// The workbench's first settings.
    #[command(flatten)]
    pub workbench: workbench::Args,

    /// The subcommand; without one, the workbench opens.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What works without a screen.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Adapt a model to labelled sounds.
    Train(train::Args),
    /// Train by several methods on the same batches and compare.
    Compare(compare::Args),
    /// Run a whole table of trainings from a file: here, on SLURM, or by another engine.
    Sweep(sweep::Args),
    /// Pretrain a backbone on sounds.
    Pretrain(pretrain::Args),
    /// Measure how well a frozen backbone separates the classes of a data set.
    Probe(probe::Args),
    /// Resume from a session's last checkpoint.
    Resume(resume::Args),
    /// Evaluate a trained session.
    Eval(eval::Args),
    /// Print the most likely classes of sound files.
    Classify(classify::Args),
    /// Find sounds in recordings, however long, and write where they are.
    Scan(scan::Args),
    /// Write a trained model for use elsewhere: one ONNX file from raw sound to scores.
    Export(export::Args),
    /// List, show, export or remove sessions.
    Sessions(sessions::Args),
    /// Count what a method trains on a model.
    Params(params::Args),
    /// List, check or measure data sets.
    Data(data::Args),
    /// Write the log-mel spectrograms of sound files as .npy.
    Features(features::Args),
    /// Show, check or convert a checkpoint.
    Models(models::Args),
    /// Classify a microphone, or a file in real time, at each hop.
    Listen(listen::Args),
    /// Measure the time and memory of a training step, a prediction, a filter bank or a drawn frame.
    Bench(bench::Args),
    /// List microphones and compute devices, with what is wrong with each.
    Devices(devices::Args),
    /// Print completions for a shell.
    Completions(completions::Args),
    /// Print the manual page.
    Man,
}

/// Environment variables for flags: an empty variable counts as unset, and one for a flag without a value takes 1 and
/// 0, true and false, yes and no, on and off.
fn of_environment(command: clap::Command) -> clap::Command {
    command
        .mut_args(|arg| {
            let Some(name) = arg.get_env() else { return arg };
            if std::env::var_os(name).is_some_and(|value| value.is_empty()) {
                return arg.env(None::<&'static str>);
            }
            match arg.get_action() {
                ArgAction::SetTrue => arg.value_parser(BoolishValueParser::new()),
                _ => arg,
            }
        })
        .mut_subcommands(of_environment)
}

/// Parses the arguments, runs the subcommand, prints its error, and returns the exit code: 0 done, 1 failed, 2 usage,
/// 130 interrupted.
pub fn main() -> ExitCode {
    let mut command = of_environment(Cli::command());
    if is_dumb() {
        // Left to itself, clap colours what it prints wherever `CI` is set.
        command = command.color(clap::ColorChoice::Never);
    }
    let parsed = command
        .try_get_matches_from_mut(std::env::args_os())
        .and_then(|matches| Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut command)));
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version arrive here too; a closed pipe must not turn them into a failure.
            let _ = error.print();
            return ExitCode::from(error.exit_code().try_into().unwrap_or(2));
        }
    };
    interrupt::catch_file_limits();
    if cli.command.is_some() {
        // The workbench owns the terminal and shows downloads itself.
        crate::model::hub::watch(models::bar);
    }
    let outcome = match cli.command {
        None => workbench::run(cli.workbench),
        Some(Command::Data(args)) => data::run(args),
        Some(Command::Features(args)) => features::run(args),
        Some(Command::Train(args)) => train::run(&args),
        Some(Command::Compare(args)) => compare::run(&args),
        Some(Command::Sweep(args)) => sweep::run(args),
        Some(Command::Pretrain(args)) => pretrain::run(&args),
        Some(Command::Probe(args)) => probe::run(&args),
        Some(Command::Resume(args)) => resume::run(&args),
        Some(Command::Eval(args)) => eval::run(&args),
        Some(Command::Classify(args)) => classify::run(&args),
        Some(Command::Scan(args)) => scan::run(args),
        Some(Command::Export(args)) => export::run(&args),
        Some(Command::Sessions(args)) => sessions::run(&args),
        Some(Command::Params(args)) => params::run(args),
        Some(Command::Models(args)) => models::run(args),
        Some(Command::Listen(args)) => listen::run(args),
        Some(Command::Bench(args)) => bench::run(&args),
        Some(Command::Devices(args)) => devices::run(&args),
        Some(Command::Completions(args)) => completions::run(&args),
        Some(Command::Man) => completions::man(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if !matches!(error, CliError::Closed) {
                output::print_error(&error);
            }
            ExitCode::from(error.code())
        }
    }
}
