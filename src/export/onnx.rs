//! One ONNX file: its metadata, and how it gets its name.

use std::{cell::RefCell, io::Write};

use serde_json::json;

use super::{
    ExportError, Report, Request, Stage, Storage, Verify, Watch, license,
    verify::{self, Clips},
};
use crate::{
    atomic,
    audio::SAMPLE_RATE,
    data::Loss,
    infer::Classifier,
    model::{
        self,
        export::{Onnx, OnnxOptions, OnnxSource, Runtime, Scores},
    },
};

/// Writes the file, compares it, names it.
pub(super) fn export(request: &Request, classifier: &mut Classifier, watch: Watch<'_>) -> Result<Report, ExportError> {
    let half = request.storage == Storage::F16;
    let options =
        OnnxOptions { samples: request.samples, half, logits: request.logits, embeddings: request.embeddings };
    let mut notes = classifier.notes().to_vec();
    notes.extend(differences(classifier));
    let clips = match &request.verify {
        Verify::Nothing => {
            notes.push("the file was not compared with the program (--verify none)".to_owned());
            None
        }
        wanted => Some(Clips::choose(wanted, classifier, request.samples, &mut notes)?),
    };
    let (mut bytes, mut checked) = (0, None);
    // Both closures below use these, one after the other.
    let shared = RefCell::new((classifier, watch));
    let written = atomic::write_checked(
        &request.target,
        |file| -> Result<(), ExportError> {
            let (classifier, watch) = &mut *shared.borrow_mut();
            let onnx = Onnx::new(source(classifier), &options, metadata(classifier))?;
            bytes = onnx.bytes();
            if watch(Stage::Writing(bytes)).is_break() {
                return Err(ExportError::Interrupted);
            }
            onnx.write(file)?;
            Ok(file.flush()?)
        },
        |path| {
            let Some(clips) = &clips else { return Ok(()) };
            let (classifier, watch) = &mut *shared.borrow_mut();
            let runtime = Runtime::open(path)?;
            let found = verify::compare(clips, classifier, &mut |sound| Ok(runtime.run(sound, 1, "scores")?), watch)?;
            checked = Some(found.within(if half { verify::LIMIT_HALF } else { verify::LIMIT })?);
            Ok(())
        },
    );
    written.map_err(|error| match error {
        ExportError::Io { path, source } if path.as_os_str().is_empty() => ExportError::io(&request.target, source),
        error => error,
    })?;
    Ok(Report { file: request.target.clone(), format: "onnx", bytes, dtype: request.storage.name(), checked, notes })
}

/// What the file does otherwise than the program, for people.
fn differences(classifier: &Classifier) -> Option<String> {
    classifier.takes_any_length().then(|| {
        format!(
            "the file fills clips shorter than {:.2} s with silence, where `classify` takes them as they are",
            classifier.frames() as f64 / 100.0
        )
    })
}

fn source(classifier: &Classifier) -> OnnxSource<'_> {
    OnnxSource {
        config: classifier.config(),
        method: classifier.method(),
        store: classifier.store(),
        normalisation: classifier.normalisation(),
        scores: scores(classifier),
    }
}

fn scores(classifier: &Classifier) -> Scores {
    match classifier.loss() {
        Loss::CrossEntropy => Scores::Softmax,
        Loss::Binary => Scores::Sigmoid,
    }
}

/// What a user of the file has to know, as text, always in this order and without any date, so that the same session
/// gives the same bytes.
fn metadata(classifier: &Classifier) -> Vec<(String, String)> {
    let front_end = classifier.front_end();
    let samples = front_end.samples_of(classifier.frames());
    let normalisation = classifier.normalisation();
    let session = classifier.session();
    let base = model::origin(session.map_or(classifier.name(), |(config, _)| config.model.as_str()));
    let mut lines = vec![
        ("labels", json!(classifier.labels()).to_string()),
        ("sample_rate", SAMPLE_RATE.to_string()),
        ("frames", classifier.frames().to_string()),
        ("window_seconds", (samples as f64 / f64::from(SAMPLE_RATE)).to_string()),
        ("front_end", front_end.card().to_owned()),
        ("normalisation", json!({ "mean": normalisation.mean, "std": normalisation.std }).to_string()),
        ("answers", scores(classifier).name().to_owned()),
        // Scores are the logits' own: nothing divides them. A calibration is in the head's weights already.
        ("temperature", "1".to_owned()),
    ];
    if let Some(calibration) = classifier.calibration() {
        lines.push(("calibration", format!("{}, in the head's weights", calibration.scaling)));
    }
    if scores(classifier) == Scores::Sigmoid {
        lines.push(("threshold", "0.5".to_owned()));
    }
    lines.extend([
        ("method", classifier.method().to_string()),
        ("base", base.clone()),
        ("base_fingerprint", classifier.fingerprint().to_owned()),
        ("base_license", license::of(&base)),
    ]);
    if let Some((config, reached)) = session {
        lines.push(("session", config.session.clone()));
        if let Some(reached) = reached {
            lines.push(("epoch", reached.epoch.to_string()));
        }
    }
    lines.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}
