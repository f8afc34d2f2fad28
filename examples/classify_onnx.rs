//! Classifies a WAV file of 16 kHz by a model that `aat-tui export SESSION model.onnx` wrote, with rten and nothing of this
//! program.
//!
//!     cargo run --release --example classify_onnx model.onnx sound.wav

use std::{env, error::Error, fs, path::Path};

use rten::Model;
use rten_tensor::{NdTensor, Tensor, prelude::*};

/// The classes of a sound, most likely first.
///
/// # Errors
/// When the model or the sound cannot be read, or they do not fit together.
pub fn classify(model: &Path, sound: &Path) -> Result<Vec<(String, f32)>, Box<dyn Error>> {
    let model = Model::load(fs::read(model)?)?;
    let about = |name: &str| model.metadata().get(name).ok_or(format!("the model does not say its {name}"));
    let labels: Vec<String> = serde_json::from_str(about("labels")?)?;
    let rate: u32 = about("sample_rate")?.parse()?;

    let mut wav = hound::WavReader::open(sound)?;
    let spec = wav.spec();
    if (spec.sample_rate, spec.channels) != (rate, 1) {
        return Err(format!("the model takes one channel of {rate} samples a second").into());
    }
    let samples: Vec<f32> = match spec.sample_format {
        hound::SampleFormat::Float => wav.samples().collect::<Result<_, _>>()?,
        hound::SampleFormat::Int => {
            let loudest = (1u32 << (spec.bits_per_sample - 1)) as f32;
            wav.samples::<i32>().map(|sample| sample.map(|value| value as f32 / loudest)).collect::<Result<_, _>>()?
        }
    };

    let waveform = NdTensor::from_data([1, samples.len()], samples);
    let (input, output) = (model.node_id("waveform")?, model.node_id("scores")?);
    let [scores] = model.run_n(vec![(input, waveform.into())], [output], None)?;
    let scores: Tensor<f32> = scores.try_into()?;
    let mut ranked: Vec<_> = labels.into_iter().zip(scores.to_vec()).collect();
    ranked.sort_by(|a, b| b.1.total_cmp(&a.1));
    Ok(ranked)
}

#[allow(dead_code, reason = "a test includes this file as a module and calls `classify` alone")]
#[allow(clippy::print_stdout, reason = "an example prints its result")]
fn main() -> Result<(), Box<dyn Error>> {
    let [model, sound] =
        env::args().skip(1).collect::<Vec<_>>().try_into().map_err(|_| "give a model and a WAV file")?;
    for (label, score) in classify(Path::new(&model), Path::new(&sound))?.into_iter().take(3) {
        println!("{label} {score:.3}");
    }
    Ok(())
}
