//! Classifies a WAV file of 16 kHz by a model that `aat-tui export SESSION model.onnx` wrote, with rten and nothing of this
//! program.
//!
//!     cargo run --release --example classify_onnx model.onnx sound.wav

use std::{env, error::Error, fs};

use rten::Model;
use rten_tensor::{NdTensor, Tensor, prelude::*};

#[allow(clippy::print_stdout)]
fn main() -> Result<(), Box<dyn Error>> {
    let [file, sound] =
        env::args().skip(1).collect::<Vec<_>>().try_into().map_err(|_| "give a model and a WAV file")?;
    let model = Model::load(fs::read(file)?)?;
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
    let ids = (model.node_id("waveform")?, model.node_id("scores")?);
    let [scores] = model.run_n(vec![(ids.0, waveform.into())], [ids.1], None)?;
    let scores: Tensor<f32> = scores.try_into()?;
    let mut ranked: Vec<_> = labels.iter().zip(scores.to_vec()).collect();
    ranked.sort_by(|a, b| b.1.total_cmp(&a.1));
    for (label, score) in ranked.iter().take(3) {
        println!("{label} {score:.3}");
    }
    Ok(())
}
