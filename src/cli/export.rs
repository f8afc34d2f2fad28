//! `aat-tui export`: writes a trained model for use elsewhere.

use std::{ops::ControlFlow, path::PathBuf};

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use super::{CliError, Interrupt, Output, eval::WeightsArg, run_args::Place};
use crate::{
    dumb::draws_bars,
    export::{self, ExportError, Report, Request, Stage, Storage, Verify},
    infer::Which,
};

/// How to make int8: onnxruntime's own quantiser is the measured way.
const INT8: &str = "int8 is made from the f32 file by onnxruntime's quantiser: export FILE.onnx first, then run the \
                    three lines in docs/deploy.md under \"int8\"";

/// Write a trained model for use elsewhere.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A session (name, folder or `last`), or a model whose checkpoint has labels.
    source: String,
    /// The file or folder to write: a file that ends in .onnx (raw 16 kHz samples in, scores out), or a folder in the
    /// form of Hugging Face's libraries.
    target: PathBuf,
    /// The type of the stored weights; f16 halves the file. The arithmetic stays in f32.
    #[arg(long, env = "AAT_TUI_DTYPE", value_enum, default_value_t = Dtype::F32)]
    dtype: Dtype,
    /// Take only sounds of this many samples, which some runtimes need; without it, any length from 400 samples on.
    #[arg(long, value_name = "N", env = "AAT_TUI_SAMPLES")]
    samples: Option<usize>,
    /// Also output logits: scores before softmax or sigmoid.
    #[arg(long, env = "AAT_TUI_LOGITS")]
    logits: bool,
    /// Also output each sound's embedding: the mean of the pooled tokens, before the head.
    #[arg(long, env = "AAT_TUI_EMBEDDINGS")]
    embeddings: bool,
    /// Compare the file with the program on up to 40 clips of this data set; without it, on the session's own
    /// validation clips. `none` keeps the file unchecked.
    #[arg(long, value_name = "DATA", env = "AAT_TUI_VERIFY")]
    verify: Option<String>,
    /// The weights: those of the best epoch, of the last checkpoint, or the mean of the last epochs' [default: those
    /// that `classify` uses].
    #[arg(long, env = "AAT_TUI_WEIGHTS", value_enum)]
    weights: Option<WeightsArg>,
    /// For a folder: only what was trained, without the backbone; LoRA on an AST in the form of `peft`.
    #[arg(long, env = "AAT_TUI_ADAPTER")]
    adapter: bool,
    #[command(flatten)]
    place: Place,
    /// Print one JSON object instead of text.
    #[arg(long, env = "AAT_TUI_JSON")]
    json: bool,
}

/// The type of the weights, as on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Dtype {
    F32,
    F16,
    /// Refused, with instructions.
    Int8,
}

#[derive(Serialize)]
struct Summary<'a> {
    summary: bool,
    #[serde(flatten)]
    report: &'a Report,
}

/// Writes it and prints the comparison with the program.
///
/// # Errors
/// When the model cannot be exported as asked, or the file differs from it.
pub fn run(args: &Args) -> Result<(), CliError> {
    let storage = match args.dtype {
        Dtype::F32 => Storage::F32,
        Dtype::F16 => Storage::F16,
        Dtype::Int8 => return Err(CliError::Usage(INT8.to_owned())),
    };
    let request = Request {
        source: args.source.clone(),
        target: args.target.clone(),
        weights: args.weights.map(Which::from),
        storage,
        samples: args.samples,
        logits: args.logits,
        embeddings: args.embeddings,
        verify: match args.verify.as_deref() {
            None => Verify::Own,
            Some("none") => Verify::Nothing,
            Some(data) => Verify::Data(data.to_owned()),
        },
        adapter: args.adapter,
    };
    let interrupt = Interrupt::watch()?;
    let mut bar = Bar::default();
    let report = export::export(&request, &args.place.store(), &mut |stage| {
        bar.show(stage);
        if interrupt.is_asked() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    bar.end();
    let report = report.map_err(|error| match error {
        ExportError::Interrupted => CliError::Interrupted,
        error => CliError::Failed(error.to_string()),
    })?;
    let mut output = Output::stdout(args.json);
    output.object(&Summary { summary: true, report: &report })?;
    report.lines().into_iter().try_for_each(|line| output.line(line))
}

/// A progress bar on standard error, if that is a terminal.
#[derive(Default)]
struct Bar(Option<ProgressBar>);

impl Bar {
    fn show(&mut self, stage: Stage) {
        let Stage::Verifying(done, total) = stage else { return };
        if !draws_bars() {
            return;
        }
        let bar = self.0.get_or_insert_with(|| {
            let bar = ProgressBar::new(total as u64);
            if let Ok(style) = ProgressStyle::with_template("comparing with the program {wide_bar} {pos}/{len} {eta}") {
                bar.set_style(style);
            }
            bar
        });
        bar.set_position(done as u64);
    }

    fn end(&self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}
