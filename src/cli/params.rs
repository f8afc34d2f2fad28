//! `aat-tui params`: exact counts of what trains and what is frozen, without any weights.

use std::fmt::Write as _;

use serde::Serialize;

use super::{CliError, Output, count, run_args::Place};
use crate::{
    digits::thousands,
    model::{self, Cost, Inventory, MemoryOptions, Method, ModelConfig, ParamSpec, Part, Recompute, Request},
};

/// Count what a method trains on a model.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The backbone: box, ced-tiny or another name of `models list`, a checkpoint's file or folder, hf:ORG/NAME, or a
    /// session.
    #[arg(long, env = "AAT_TUI_MODEL", default_value = "box")]
    model: String,
    #[arg(long, help = super::run_args::methods(), env = "AAT_TUI_METHOD", default_value = "aat")]
    method: Method,
    /// Classes of the head [default: the checkpoint's, if it has a head].
    #[arg(long, env = "AAT_TUI_CLASSES")]
    classes: Option<usize>,
    /// Frames of 10 ms of a clip.
    #[arg(long, env = "AAT_TUI_FRAMES")]
    frames: Option<usize>,
    /// Stride of the patches along both axes [default: the checkpoint's].
    #[arg(long, env = "AAT_TUI_STRIDE")]
    stride: Option<usize>,
    /// Clips of the training step whose cost is counted.
    #[arg(long, env = "AAT_TUI_BATCH", default_value_t = 16, value_parser = count::clips)]
    batch: usize,
    /// What the counted step recomputes instead of saving it: nothing, mlp or block.
    #[arg(long, env = "AAT_TUI_RECOMPUTE", default_value_t = Recompute::Nothing)]
    recompute: Recompute,
    #[command(flatten)]
    place: Place,
    /// Print one JSON object instead of a table.
    #[arg(long, env = "AAT_TUI_JSON")]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    model: String,
    method: Method,
    classes: usize,
    frames: usize,
    tokens: usize,
    total: usize,
    trainable: usize,
    share: f64,
    groups: Vec<Group>,
    layers: Vec<Layer>,
    /// The cost of a training step on the CPU, and of one of full fine-tuning; `None` where the CPU backend does not
    /// support the method.
    step: Option<[Cost; 2]>,
}

/// A part of the model over all its blocks.
#[derive(Serialize)]
struct Group {
    name: &'static str,
    #[serde(skip)]
    title: &'static str,
    total: usize,
    trainable: usize,
}

/// A block: frozen scalars, and those that a method added.
#[derive(Serialize)]
struct Layer {
    index: usize,
    frozen: usize,
    spatial: usize,
    mlp: usize,
    lora: usize,
}

/// Counts and prints the counts.
///
/// # Errors
/// When there is no such model, or the output is closed.
pub fn run(args: Args) -> Result<(), CliError> {
    let request = Request {
        classes: args.classes,
        frames: args.frames,
        stride: args.stride.map(|stride| [stride; 2]),
        ..Request::new(args.place.model(&args.model))
    };
    let config = model::shape_by_name(&request)?;
    let specs = model::specs(&config, args.method);
    let inventory = Inventory::of(&specs);
    let report = Report {
        model: args.model,
        method: args.method,
        classes: config.classes,
        frames: config.frames(),
        tokens: config.tokens(),
        total: inventory.total,
        trainable: inventory.trainable,
        share: inventory.trainable as f64 / inventory.total as f64,
        groups: groups(&inventory),
        layers: (0..config.depth).map(|index| layer(&specs, index)).collect(),
        step: cost(&config, args.method, args.batch, args.recompute),
    };
    let mut output = Output::stdout(args.json);
    output.object(&report)?;
    for line in table(&report).lines() {
        output.line(line)?;
    }
    Ok(())
}

/// Of the method and of full fine-tuning.
fn cost(config: &ModelConfig, method: Method, batch: usize, recompute: Recompute) -> Option<[Cost; 2]> {
    let of = |method, recompute| {
        Cost::of(config, method, batch, MemoryOptions { recompute, training: true, ..MemoryOptions::default() }).ok()
    };
    Some([of(method, recompute)?, of(Method::full(), Recompute::Nothing)?])
}

fn groups(inventory: &Inventory) -> Vec<Group> {
    let sum = |part: Part| {
        let of_part = inventory.groups.iter().filter(move |group| group.part == part);
        of_part.fold((0, 0), |(total, trainable), group| (total + group.total, trainable + group.trainable))
    };
    Part::NETWORK
        .into_iter()
        .map(|part| (part, sum(part)))
        .filter(|(_, (total, _))| *total > 0)
        .map(|(part, (total, trainable))| Group { name: part.id(), title: part.title(), total, trainable })
        .collect()
}

fn layer(specs: &[ParamSpec], index: usize) -> Layer {
    let sum = |wanted: &dyn Fn(&ParamSpec) -> bool| -> usize {
        specs.iter().filter(|spec| spec.block == Some(index) && wanted(spec)).map(ParamSpec::count).sum()
    };
    Layer {
        index,
        frozen: sum(&|spec| !spec.trains),
        spatial: sum(&|spec| spec.part == Part::Spatial),
        mlp: sum(&|spec| spec.part == Part::Mlp),
        lora: sum(&|spec| spec.part == Part::Lora),
    }
}

fn table(report: &Report) -> String {
    let mut text = format!(
        "{} on {}: {} classes, {} frames ({} tokens)\n\n",
        report.method, report.model, report.classes, report.frames, report.tokens
    );
    let mut row = |name: &str, total: usize, trainable: usize, share: &str| {
        let _ = writeln!(text, "{name:<22}{:>14}{:>14}{share:>10}", thousands(total), thousands(trainable));
    };
    let percent = |trainable: usize| format!("{:.3} %", 100.0 * trainable as f64 / report.total as f64);
    for group in &report.groups {
        row(group.title, group.total, group.trainable, &percent(group.trainable));
    }
    row("all", report.total, report.trainable, &percent(report.trainable));
    let head = format!("{:<22}{:>14}{:>14}{:>10}\n", "", "parameters", "trainable", "of all");
    let mut text = text.replacen("\n\n", &format!("\n\n{head}"), 1);
    if let Some(both) = &report.step {
        step_table(&mut text, report.method, both);
    }
    if report.method.id().starts_with("aat") {
        return text
            + "\nThe paper's \"7.118\" is a count, 7,117,844 parameters or 7.118 million (aat on base, 20 classes), not a share.\n";
    }
    text
}

/// The cost of a training step, beside one of full fine-tuning.
fn step_table(text: &mut String, method: Method, both: &[Cost; 2]) {
    let full = Method::full();
    let _ = writeln!(
        text,
        "\nA training step of {} clips on the CPU: MiB, and thousand million multiplications",
        both[0].batch
    );
    let _ = writeln!(text, "{:<22}{:>14}{:>14}{:>10}", "", method.to_string(), full.to_string(), "ratio");
    let mut row = |name: &str, of: fn(&Cost) -> f64| {
        let [own, of_full] = both.each_ref().map(of);
        let ratio = if of_full > 0.0 { format!("{:.2}", own / of_full) } else { "-".into() };
        let _ = writeln!(text, "{name:<22}{own:>14.1}{of_full:>14.1}{ratio:>10}");
    };
    row("weights", |cost| mib(cost.weights));
    row("packed once more", |cost| mib(cost.packed));
    row("gradients", |cost| mib(cost.gradients));
    row("moments", |cost| mib(cost.moments));
    row("activations", |cost| mib(cost.activations));
    row("moments, activations", |cost| mib(cost.moments + cost.activations));
    row("multiplications", |cost| (cost.forward + cost.backward) as f64 / 1e9);
}

fn mib(bytes: usize) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
