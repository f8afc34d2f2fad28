//! `aat-tui models`: what a checkpoint is, whether it is whole, and into Hugging Face's form.

use std::path::PathBuf;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::{CliError, Output, run_args::Place};
use crate::{
    audio::{FrontEnd, Normalisation},
    digits::thousands,
    dumb::draws_bars,
    model::{self, Description, Family, PUBLISHED, hub::Watcher},
};

/// List models, describe a checkpoint, check it, or convert it.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
    /// JSON objects instead of text.
    #[arg(long, global = true, env = "AAT_TUI_JSON")]
    json: bool,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// The models that have a name, and their sizes.
    List,
    /// What a model is: its shape, labels, parameters, and what of its file is not used.
    Show {
        /// A name of `models list`, a checkpoint's file or folder, hf:ORG/NAME, or a session.
        model: String,
        #[command(flatten)]
        place: Place,
    },
    /// Read every weight of a checkpoint.
    Check {
        /// A checkpoint's file or folder, a name of `models list`, or hf:ORG/NAME.
        file: String,
    },
    /// Write a checkpoint as Hugging Face's AST, for transformers; CED and Dasheng in their own form.
    Convert {
        /// A checkpoint's file or folder, a name of `models list`, or hf:ORG/NAME.
        from: String,
        /// The folder to write.
        to: PathBuf,
    },
}

/// Does what is asked.
///
/// # Errors
/// When a model cannot be used or the output is closed.
pub fn run(args: Args) -> Result<(), CliError> {
    let mut output = Output::stdout(args.json);
    match args.what {
        What::List => list(&mut output),
        What::Show { model, place } => {
            fetch(&model)?;
            let description = model::describe(&place.model(&model))?;
            output.object(&description)?;
            lines(&description).into_iter().try_for_each(|line| output.line(line))
        }
        What::Check { file } => {
            fetch(&file)?;
            let weights = model::check(&file)?;
            output.object(&json!({ "model": file, "ok": true, "weights": weights }))?;
            output.line(format!("{file}: all {weights} weights are there and are numbers"))
        }
        What::Convert { from, to } => {
            fetch(&from)?;
            let notes = model::convert(&from, &to)?;
            output.object(&json!({ "from": from, "to": to, "notes": notes }))?;
            notes.iter().try_for_each(|note| output.line(note))?;
            let how = match model::describe(&to.to_string_lossy())?.shape.family() {
                Family::Ced => "loads here as --model, and with its makers' code for transformers".to_owned(),
                _ => format!("loads with transformers: AutoModel.from_pretrained(\"{}\")", to.display()),
            };
            output.line(format!("{} {how}", to.display()))
        }
    }
}

fn list(output: &mut Output) -> Result<(), CliError> {
    output.line("In the program, or from random weights:")?;
    for name in model::names() {
        let description = model::describe(name)?;
        output.object(&json!({
            "model": name,
            "format": description.format,
            "parameters": description.parameters,
            "hidden": description.shape.hidden,
            "blocks": description.shape.depth,
            "heads": description.shape.heads,
            "notes": description.notes,
        }))?;
        let parameters = thousands(description.parameters);
        output.line(format!("  {name:<20}{parameters:>14}   {}", description.notes.join("; ")))?;
    }
    output.line("")?;
    output.line(
        "Downloaded from the Hugging Face hub when first used (parameters of the backbone, licence, what for):",
    )?;
    for published in &PUBLISHED {
        let (shape, parameters) = (published.shape(), published.parameters());
        output.object(&json!({
            "model": published.name,
            "repository": published.repository,
            "parameters": parameters,
            "hidden": shape.hidden,
            "blocks": shape.depth,
            "heads": shape.heads,
            "license": published.license,
            "good_for": published.good_for,
        }))?;
        let (name, license, parameters) = (published.name, published.license, thousands(parameters));
        output.line(format!("  {name:<20}{parameters:>14}   {license:<14}{}", published.good_for))?;
    }
    output.line("")?;
    output.line(
        "Also: a checkpoint's file or folder (AST, SSAST, distilled DeiT, CED, Dasheng, Whisper's encoder, our own), \
         hf:ORG/NAME, or a session.",
    )
}

fn lines(description: &Description) -> Vec<String> {
    let shape = &description.shape;
    let mut lines = vec![format!("{}: {}", description.model, description.format)];
    let mut fact = |name: &str, value: String| lines.push(format!("  {name:<14}{value}"));
    if let Some(file) = &description.file {
        fact("file", file.clone());
    }
    if let Some(base) = &description.base {
        fact("backbone", base.clone());
    }
    // A backbone without a head was pretrained, not adapted.
    if let Some(method) = description.method.filter(|_| shape.classes > 0) {
        fact("adapted by", method.to_string());
    }
    fact("shape", format!("{} blocks, hidden size {}, {} heads", shape.depth, shape.hidden, shape.heads));
    let bank = shape.front_end().map_or("a filter bank that is not known here", FrontEnd::title);
    let (frames, bins, tokens) = (shape.frames(), shape.mel_bins(), description.tokens);
    fact("input", format!("{frames} frames of {bins} mel bins ({bank}): {tokens} tokens"));
    fact("parameters", thousands(description.parameters));
    fact(
        "classes",
        match (shape.classes, &description.labels) {
            (0, _) => "no head".into(),
            (n, None) => format!("{n}, without names"),
            (n, Some(labels)) => format!(
                "{n}: {}{}",
                labels.iter().take(5).cloned().collect::<Vec<_>>().join(", "),
                if n > 5 { ", ..." } else { "" }
            ),
        },
    );
    if let Some(n) = description.normalisation {
        let raw = n == Normalisation::NONE;
        fact(
            "features",
            if raw { "used as they are".into() } else { format!("mean {}, standard deviation {}", n.mean, n.std) },
        );
    }
    for note in &description.notes {
        fact("note", note.clone());
    }
    for ignored in &description.ignored {
        fact("not used", format!("{} ({})", ignored.name, ignored.why));
    }
    lines
}

/// Prints the progress of downloads on a terminal.
pub(super) fn bar() -> Box<dyn Watcher> {
    Box::new(Bar(None))
}

/// Downloads what a name means on the hub, with a bar where a person watches; anything else is there already.
fn fetch(source: &str) -> Result<(), CliError> {
    Ok(model::fetch(source, &mut *bar())?)
}

/// A progress bar on standard error, once the first byte is here.
struct Bar(Option<(String, ProgressBar)>);

impl Watcher for Bar {
    fn downloaded(&mut self, file: &str, done: u64, total: u64) {
        if !draws_bars() {
            return;
        }
        if self.0.as_ref().is_none_or(|(shown, _)| shown != file) {
            let bar = ProgressBar::new(total);
            if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {bytes}/{total_bytes} {eta}") {
                bar.set_style(style);
            }
            bar.set_message(file.to_owned());
            self.0 = Some((file.to_owned(), bar));
        }
        if let Some((_, bar)) = &self.0 {
            bar.set_position(done);
            if done >= total {
                bar.finish();
            }
        }
    }
}
