//! Attention's backward pass alone: as the trainer does it, and with five products instead of seven, which is to be
//! chosen by this measurement.

use candle_core::{D, DType, Device, Tensor};
use serde::Serialize;

use super::{Args, CLASSES, measure, stride};
use crate::{
    cli::{CliError, Output},
    model::{self, ModelError, Precision, Request},
    ops::fused::{Heads, attention},
};

/// Passes of one measurement, so that waiting for the device counts little.
const AT_ONCE: usize = 10;
/// Tiles of 64 keys that a block of the five products takes, where there are as many.
const TILES: [usize; 8] = [1, 2, 3, 4, 5, 8, 10, 16];

#[derive(Serialize)]
struct Report<'a> {
    what: &'static str,
    device: &'a str,
    dtype: Precision,
    batch: usize,
    heads: usize,
    tokens: usize,
    products: usize,
    /// Of the five products: tiles of keys of a block.
    tiles: Option<usize>,
    /// Milliseconds of a backward pass.
    ms: f64,
    ms_min: f64,
    /// Distance from what the trainer computes, relative to its size.
    apart: f64,
    /// Whether two passes gave the same bits.
    repeats: bool,
}

/// Measures and prints every way that the device has.
///
/// # Errors
/// When there is no such model or device, arithmetic fails, or the output is closed.
pub(super) fn run(args: &Args) -> Result<(), CliError> {
    let device = model::device(&args.device)?;
    let dtype = Precision::named(&args.dtype, &device)?;
    let request = Request {
        frames: Some(args.frames),
        stride: stride(args).map(|stride| [stride; 2]),
        classes: Some(CLASSES),
        ..Request::new(args.model.as_str())
    };
    let config = model::shape(&request)?;
    let (tokens, heads, size) = (config.tokens(), config.heads, config.hidden / config.heads);
    let heads = Heads { batch: args.batch, tokens, queries: tokens, heads, size };
    let kind = if dtype.is_single() { DType::F32 } else { DType::BF16 };
    let noise = |width, seed| noise((args.batch * tokens, width), seed, kind, &device);
    let (_, kept) = attention(noise(3 * config.hidden, 1.0)?, heads).map_err(ModelError::from)?;
    let grad = noise(config.hidden, 2.0)?;

    let mut output = Output::stdout(args.json);
    let seven = || Ok(Some(kept.clone().back(&grad, heads)?));
    let Some(expected) = seven().map_err(ModelError::from)? else { return Ok(()) };
    let mut show = |products, tiles, pass: &dyn Fn() -> candle_core::Result<Option<Tensor>>| -> Result<(), CliError> {
        let Some(found) = pass().map_err(ModelError::from)? else {
            let none = "there is no kernel with five products here: it is for heads of 64 in bf16 on CUDA";
            return output.line(none);
        };
        let again = pass().map_err(ModelError::from)?.unwrap_or_else(|| found.clone());
        let times = measure(args, || {
            for _ in 0..AT_ONCE {
                pass().map_err(ModelError::from)?;
            }
            Ok(device.synchronize().map_err(ModelError::from)?)
        })?;
        let of_pass = |i: usize| times.get(i).map_or(0.0, |ms| ms / AT_ONCE as f64);
        let report = Report {
            what: "attention",
            device: &args.device,
            dtype,
            batch: args.batch,
            heads: heads.heads,
            tokens,
            products,
            tiles,
            ms: of_pass(times.len() / 2),
            ms_min: of_pass(0),
            apart: apart(&found, &expected).map_err(ModelError::from)?,
            repeats: apart(&again, &found).map_err(ModelError::from)? == 0.0,
        };
        output.object(&report)?;
        let of_tiles = tiles.map(|tiles| format!(", {tiles} tiles of keys a block")).unwrap_or_default();
        let bits = if report.repeats { "the same bits twice" } else { "NOT the same bits twice" };
        output.line(format!(
            "{products} products{of_tiles}: {:.3} ms (fastest {:.3}), {:.1e} from the first, {bits}",
            report.ms, report.ms_min, report.apart
        ))
    };
    show(7, None, &seven)?;
    let most = tokens.div_ceil(64);
    for tiles in TILES.into_iter().filter(|tiles| *tiles < most).chain([most]) {
        show(5, Some(tiles), &|| kept.back_at_once(&grad, heads, tiles))?;
        if !device.is_cuda() {
            break;
        }
    }
    Ok(())
}

/// Reproducible values in (-1, 1).
fn noise(shape: (usize, usize), seed: f64, dtype: DType, device: &Device) -> Result<Tensor, CliError> {
    let values: Vec<f32> = (0..shape.0 * shape.1).map(|i| (i as f64 * 12.9898 + seed * 78.233).sin() as f32).collect();
    let noise = Tensor::from_vec(values, shape, device).and_then(|noise| noise.to_dtype(dtype));
    Ok(noise.map_err(ModelError::from)?)
}

/// The distance of two tensors over the size of the second.
fn apart(a: &Tensor, b: &Tensor) -> candle_core::Result<f64> {
    let (a, b) = (a.to_dtype(DType::F32)?, b.to_dtype(DType::F32)?);
    // Row by row first: one sum over everything would lose digits.
    let size = |t: Tensor| t.sqr()?.sum(D::Minus1)?.sum_all()?.to_scalar::<f32>();
    Ok((f64::from(size((a - &b)?)?) / f64::from(size(b)?).max(f64::MIN_POSITIVE)).sqrt())
}
