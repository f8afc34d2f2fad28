//! The front end as operations: raw samples to the normalised log-mel that the model was trained on.

use super::graph::{Builder, int, ints, text};
use crate::audio::{FRAME_LENGTH, FRAME_SHIFT, FrontEnd, Normalisation, Tables};

/// Natural logarithm of ten.
const LN_10: f32 = std::f32::consts::LN_10;

/// A normalised log-mel, and how much of it is sound.
pub(super) struct LogMel {
    /// Name of the value: (batch, bins, frames).
    pub(super) value: String,
    /// Name of the number of frames that are sound and not padding: (1).
    pub(super) valid: String,
}

/// From `waveform`, (batch, samples), to the log-mel of `frames` frames.
pub(super) fn front_end(g: &mut Builder<'_>, kind: FrontEnd, frames: usize, normalisation: Normalisation) -> LogMel {
    g.at("front");
    match (kind.scale(), kind.range()) {
        (Some(scale), Some(range)) => centred(g, kind, frames, scale, range),
        _ => kaldi(g, frames, normalisation),
    }
}

/// Frames that fit whole into the sound; padding is 0 before normalisation.
fn kaldi(g: &mut Builder<'_>, frames: usize, Normalisation { mean, std }: Normalisation) -> LogMel {
    let window = FRAME_LENGTH + FRAME_SHIFT * frames.saturating_sub(1);
    let sound = g.slice("waveform", 0, window as i64, 1);
    let sound = g.unsqueeze(&sound, 1);
    let log = log_energies(g, &sound, FrontEnd::Kaldi);
    let LogMel { value, valid } = to_length(g, &log, frames, 0.0);
    let (mean, scale) = (g.number(mean), g.number(0.5 / std));
    let centred = g.op("Sub", &[&value, &mean], Vec::new());
    LogMel { value: g.op("Mul", &[&centred, &scale], Vec::new()), valid }
}

/// Frames are centred and reflect at the sound's ends; the floor of Whisper's eight decades and CED's twelve counts from the
/// loudest bin of the whole sound, so the sound is not cut before it.
fn centred(g: &mut Builder<'_>, kind: FrontEnd, frames: usize, [scale, shift]: [f32; 2], range: f32) -> LogMel {
    let Tables { frame, floor, .. } = kind.tables();
    // As many samples on the right as make the program's number of frames, with none to drop.
    let (left, right) = (frame / 2, if kind.has_frame_at_end() { frame / 2 } else { frame / 2 - FRAME_SHIFT });
    let sound = g.unsqueeze("waveform", 1);
    let pads = g.ints(&[0, 0, left as i64, 0, 0, right as i64]);
    let sound = g.op("Pad", &[&sound, &pads], vec![text("mode", "reflect")]);
    let log = log_energies(g, &sound, kind);
    let loudest = g.op("ReduceMax", &[&log], vec![ints("axes", &[1, 2]), int("keepdims", 1)]);
    let below = g.number(range / scale * LN_10);
    let least = g.op("Sub", &[&loudest, &below], Vec::new());
    // Of a soft sound the floor is the lowest value there is.
    let lowest = g.number(floor.ln());
    let floor = g.op("Clip", &[&least, &lowest], Vec::new());
    // Below any floor, so that what is padded becomes the floor: what silence gets beside this sound.
    let LogMel { value, valid } = to_length(g, &log, frames, -1000.0);
    // The greater of both; WebGPU has no Max.
    let below = g.op("Less", &[&value, &floor], Vec::new());
    let cut = g.op("Where", &[&below, &floor, &value], Vec::new());
    let (scale, shift) = (g.number(scale / LN_10), g.number(shift));
    let scaled = g.op("Mul", &[&cut, &scale], Vec::new());
    LogMel { value: g.op("Add", &[&scaled, &shift], Vec::new()), valid }
}

/// (batch, 1, samples) to the natural logarithms of mel energies, (batch, bins, frames).
fn log_energies(g: &mut Builder<'_>, sound: &str, kind: FrontEnd) -> String {
    let Tables { frame, transform, bins, bank, filters, floor } = kind.tables();
    let transform = g.table("front.transform", &[2 * bins, 1, frame], Box::new(move || Ok(transform.clone())));
    let spectrum = g.conv(&[sound, &transform], &[frame], &[FRAME_SHIFT], 0);
    let squares = g.op("Mul", &[&spectrum, &spectrum], Vec::new());
    let [real, imaginary] = g.halves(&squares, 1);
    let power = g.op("Add", &[&real, &imaginary], Vec::new());
    let bank = g.table("front.bank", &[filters, bins], Box::new(move || Ok(bank.clone())));
    let energies = g.op("MatMul", &[&bank, &power], Vec::new());
    let floor = g.number(floor);
    let energies = g.op("Clip", &[&energies, &floor], Vec::new());
    g.op("Log", &[&energies], Vec::new())
}

/// Cuts or pads the frames to the model's.
fn to_length(g: &mut Builder<'_>, log: &str, frames: usize, padding: f32) -> LogMel {
    let cut = g.slice(log, 0, frames as i64, 2);
    let valid = g.op("Shape", &[&cut], vec![int("start", 2)]);
    let (whole, none) = (g.ints(&[frames as i64]), g.ints(&[0; 5]));
    let missing = g.op("Sub", &[&whole, &valid], Vec::new());
    let pads = g.op("Concat", &[&none, &missing], vec![int("axis", 0)]);
    let padding = g.number(padding);
    LogMel { value: g.op("Pad", &[&cut, &pads, &padding], Vec::new()), valid }
}
