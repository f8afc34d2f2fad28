//! Compares a device's results with this project's CPU kernels, for every method, in single precision and bf16.

use candle_core::{DType, Device, Tensor};
use serde::Serialize;

use super::{Args, prepare, targets};
use crate::{
    cli::{CliError, Output},
    data::Loss,
    model::{self, Compute, Engine, Features, MemoryOptions, Method, ModelError, Opened, ParamStore, Precision},
    train::{AdamW, Criterion},
};

/// Learning rate of the compared steps.
const LR: f64 = 1e-4;

/// Largest allowed differences between a device and the CPU, as Euclidean norms relative to the CPU's.
#[derive(Clone, Copy, Serialize)]
struct Bounds {
    logits: f64,
    /// Of all gradients together.
    gradients: f64,
    /// Of the worst parameter's gradient. A query's is the small rest of large terms in softmax.
    gradient: f64,
    /// Of the losses of all steps.
    losses: f64,
}

impl Bounds {
    fn of(precision: Precision) -> Self {
        match precision {
            // 24 bits, sums of some hundred terms in another order, through a dozen blocks and back. A step of AdamW
            // divides by a gradient's size, so it passes on the relative error of a small one, too.
            Precision::F32 => Self { logits: 1e-4, gradients: 1e-4, gradient: 1e-3, losses: 1e-3 },
            // 8 bits: operands and results of every product of a block are off by up to 0.4 %, at random, which adds up
            // in squares to some percent over a dozen blocks of four products.
            Precision::Bf16 => Self { logits: 0.05, gradients: 0.1, gradient: 0.5, losses: 0.05 },
        }
    }
}

#[derive(Serialize)]
struct Report {
    what: &'static str,
    device: String,
    card: Option<String>,
    /// What computed it: `cpu`, the CPU's kernels, or `accelerator`.
    engine: &'static str,
    dtype: Precision,
    method: Method,
    logits: f64,
    gradients: f64,
    gradient: f64,
    /// The parameter with the worst.
    gradient_of: String,
    losses: f64,
    /// Losses of the first and the last step, the CPU's and the device's.
    first_losses: [f64; 2],
    last_losses: [f64; 2],
    bounds: Bounds,
    agrees: bool,
}

/// The results of one side.
struct Side {
    logits: Vec<f32>,
    /// Name and values of each gradient of the first step.
    gradients: Vec<(String, Vec<f32>)>,
    losses: Vec<f32>,
}

/// Compares and prints the result.
///
/// # Errors
/// When something does not agree, there is no such model or device, or the output is closed.
pub(super) fn run(args: &Args) -> Result<(), CliError> {
    let mut output = Output::stdout(args.json);
    let mut failed = Vec::new();
    for method in Method::all() {
        let of = |device: &str, dtype: &str| {
            let args = Args { device: device.into(), dtype: dtype.into(), method, ..args.clone() };
            prepare(&args).and_then(|prepared| moved(&prepared.0.store).map(|()| prepared))
        };
        let (opened, features) = of("cpu", "f32")?;
        let mut cpu = model::engine_by(Compute::Cpu, &opened.config, method, MemoryOptions::default())?;
        let expected = side(&mut *cpu, &opened, &features, args.steps)?;
        // The engine for accelerators, on the CPU as well, where the CPU's own bf16 is compared too.
        let own = (args.device == "cpu").then_some((Compute::Cpu, "bf16"));
        let others = [(Compute::Accelerator, "f32"), (Compute::Accelerator, "bf16")];
        for (compute, dtype) in others.into_iter().chain(own) {
            let (opened, features) = of(&args.device, dtype)?;
            let memory = MemoryOptions { precision: opened.precision, training: true, ..MemoryOptions::default() };
            let mut engine = model::engine_by(compute, &opened.config, method, memory)?;
            let found = side(&mut *engine, &opened, &features, args.steps)?;
            let report = compare(&expected, &found, (compute, opened.precision), method, opened.store.device());
            print(&mut output, &report)?;
            if !report.agrees {
                failed.push(format!("{method} in {dtype}"));
            }
        }
    }
    if failed.is_empty() {
        return Ok(());
    }
    Err(CliError::Failed(format!("{} does not agree with the CPU: {}", args.device, failed.join(", "))))
}

/// Moves every trainable parameter away from its initial value: at zero, an adapter's `up` would hide everything before
/// it.
fn moved(store: &ParamStore) -> Result<(), CliError> {
    for (spec, var) in store.trainable() {
        let phase = spec.name.bytes().map(f32::from).sum::<f32>();
        let noise: Vec<f32> = (0..spec.count()).map(|i| 0.02 * (i as f32 * 7.77 + phase).sin()).collect();
        let noise = Tensor::from_vec(noise, spec.shape.as_slice(), store.device()).map_err(ModelError::from)?;
        (var.as_detached_tensor() + noise).and_then(|value| var.set(&value)).map_err(ModelError::from)?;
    }
    Ok(())
}

fn side(engine: &mut dyn Engine, opened: &Opened, features: &Features, steps: usize) -> Result<Side, CliError> {
    let mut optimizer = AdamW::new(&opened.store, 0.05)?;
    let targets = targets(features.batch);
    let criterion = Criterion::new(Loss::CrossEntropy, &targets);
    let mut found = Side { logits: engine.logits(&opened.store, features)?, gradients: Vec::new(), losses: Vec::new() };
    for step in 0..steps.max(1) {
        let mut loss = |range, logits: &[f32]| criterion.share(range, logits);
        let output = engine.step(&opened.store, features, &mut loss, false)?;
        found.losses.push(output.loss);
        if step == 0 {
            let names = opened.store.trainable().map(|(spec, _)| spec.name.clone());
            for (name, gradient) in names.zip(&output.gradients) {
                found.gradients.push((name, values(gradient).map_err(ModelError::from)?));
            }
        }
        optimizer.update(&opened.store, &output.gradients, 1.0, |_| LR)?;
    }
    Ok(found)
}

fn values(tensor: &Tensor) -> candle_core::Result<Vec<f32>> {
    tensor.to_dtype(DType::F32)?.flatten_all()?.to_vec1()
}

fn compare(
    cpu: &Side,
    other: &Side,
    (compute, dtype): (Compute, Precision),
    method: Method,
    device: &Device,
) -> Report {
    let bounds = Bounds::of(dtype);
    let all = |side: &Side| side.gradients.iter().flat_map(|(_, values)| values.clone()).collect::<Vec<f32>>();
    let each = cpu.gradients.iter().zip(&other.gradients).map(|(a, b)| (difference(&b.1, &a.1), a.0.clone()));
    let (gradient, gradient_of) = each.max_by(|a, b| a.0.total_cmp(&b.0)).unwrap_or_default();
    let logits = difference(&other.logits, &cpu.logits);
    let gradients = difference(&all(other), &all(cpu));
    let losses = difference(&other.losses, &cpu.losses);
    let at = |place: fn(&[f32]) -> Option<&f32>| {
        [cpu, other].map(|side| place(&side.losses).copied().map_or(f64::NAN, f64::from))
    };
    Report {
        what: "agree",
        device: model::device_name(device),
        card: model::describe_device(device),
        engine: if compute == Compute::Cpu { "cpu" } else { "accelerator" },
        dtype,
        method,
        logits,
        gradients,
        gradient,
        gradient_of,
        losses,
        first_losses: at(<[f32]>::first),
        last_losses: at(<[f32]>::last),
        bounds,
        // Written so that a value that is not a number does not agree.
        agrees: logits <= bounds.logits
            && gradients <= bounds.gradients
            && gradient <= bounds.gradient
            && losses <= bounds.losses,
    }
}

/// The Euclidean norm of the difference of two lists, relative to the second's.
fn difference(found: &[f32], expected: &[f32]) -> f64 {
    if found.len() != expected.len() {
        return f64::INFINITY;
    }
    let squares = |values: &mut dyn Iterator<Item = f64>| values.map(|value| value * value).sum::<f64>().sqrt();
    let between = squares(&mut found.iter().zip(expected).map(|(a, b)| f64::from(*a) - f64::from(*b)));
    between / squares(&mut expected.iter().copied().map(f64::from)).max(f64::MIN_POSITIVE)
}

fn print(output: &mut Output, report: &Report) -> Result<(), CliError> {
    output.object(report)?;
    let Report { method, logits, gradients, gradient, gradient_of, losses, first_losses, last_losses, .. } = report;
    let dtype = if report.dtype.is_single() { "f32" } else { "bf16" };
    output.line(format!(
        "{} {:<8}{:<12}{dtype:<5} logits {logits:.1e}, gradients {gradients:.1e}, worst {gradient:.1e} ({gradient_of}), \
         losses {losses:.1e} ({:.3} to {:.3}, CPU {:.3})",
        if report.agrees { "✓" } else { "✗" },
        method.to_string(),
        report.engine,
        first_losses[1],
        last_losses[1],
        last_losses[0],
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_is_not_a_number_does_not_agree() {
        let side = |value: f32| Side {
            logits: vec![value, 1.0],
            gradients: vec![("head".into(), vec![1.0, 0.0])],
            losses: vec![1.0; 3],
        };
        let agrees =
            |a: f32, dtype| compare(&side(1.0), &side(a), (Compute::Cpu, dtype), Method::head(), &Device::Cpu).agrees;
        assert!(agrees(1.0, Precision::F32) && agrees(1.01, Precision::Bf16));
        assert!(!agrees(1.01, Precision::F32) && !agrees(f32::NAN, Precision::Bf16));
        assert_eq!(difference(&[1.0], &[1.0, 2.0]), f64::INFINITY);
        assert!((difference(&[3.0, 0.0], &[0.0, 4.0]) - 1.25).abs() < 1e-12);
    }
}
