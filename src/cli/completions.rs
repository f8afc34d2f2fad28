//! `completions SHELL` and `man`: files for packagers to install.

use std::io::{self, Write};

use clap::CommandFactory;

use super::{Cli, CliError};

/// The shell.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// bash, zsh, fish, elvish or powershell.
    #[arg(value_enum)]
    shell: clap_complete::Shell,
}

/// Prints the shell's completions.
///
/// # Errors
/// When the output cannot be written.
pub fn run(args: &Args) -> Result<(), CliError> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "aat-tui", &mut text);
    Ok(io::stdout().write_all(&text)?)
}

/// Prints the manual page.
///
/// # Errors
/// When the output cannot be written.
pub fn man() -> Result<(), CliError> {
    let mut text = Vec::new();
    clap_mangen::Man::new(Cli::command()).render(&mut text)?;
    Ok(io::stdout().write_all(&text)?)
}
