//! Whether what was written gives the program's scores: clips, and the comparison.

use std::sync::Arc;

use serde::Serialize;

use super::{ExportError, Stage, Verify, Watch};
use crate::{
    audio::FRAME_LENGTH,
    data::{self, Dataset, FeatureSet, Label, Loss, Metric},
    infer::Classifier,
    session::RunConfig,
    train::Predictions,
};

/// Clips that are compared at most.
const CLIPS: usize = 40;
/// Synthesised sounds where a session's own data are gone.
const SYNTHESISED: usize = 8;

/// The most that a score may differ by: what sums in another order come to, many times over.
pub const LIMIT: f32 = 1e-4;
/// The most that a score may differ by where weights are stored in half precision: what was measured is below a tenth
/// of it (docs/deploy.md).
pub const LIMIT_HALF: f32 = 1e-2;

/// How a written file compares with the program.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Checked {
    /// Clips that both answered.
    pub clips: usize,
    /// What they are of.
    pub verified_on: String,
    /// The most that a score differs by.
    pub worst_difference: f32,
    /// Clips whose first class differs.
    pub changed_labels: usize,
    /// What the clips' labels make of both; `None` where the labels are not known.
    pub accuracy: Option<Accuracy>,
}

/// The same metric of the program's scores and the file's.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Accuracy {
    /// `accuracy`, or `mAP` where classes occur together.
    pub metric: &'static str,
    /// The program's.
    pub ours: f64,
    /// The file's.
    pub file: f64,
}

impl Checked {
    /// Refuses a file that differs too much.
    pub(super) fn within(self, limit: f32) -> Result<Self, ExportError> {
        if self.worst_difference <= limit {
            return Ok(self);
        }
        Err(ExportError::Differs(format!(
            "the written file's scores differ from the program's by up to {:.1e} over {} clips of {}, and at most {limit:e} \
             is right, so the file was removed; report this with the session",
            self.worst_difference, self.clips, self.verified_on
        )))
    }
}

/// The clips that are compared.
pub(super) struct Clips {
    set: FeatureSet,
    items: Vec<usize>,
    /// What they are of, for people.
    name: String,
    /// For each class of the data set the model's class of that name.
    classes: Vec<Option<usize>>,
    /// How many samples every clip is cut or filled up to; `None` for the clip's own length.
    samples: Option<usize>,
}

impl Clips {
    /// Chooses clips, evenly over what there is; without data of a session's own, a few synthesised sounds, and says so.
    pub(super) fn choose(
        wanted: &Verify,
        classifier: &Classifier,
        samples: Option<usize>,
        notes: &mut Vec<String>,
    ) -> Result<Self, ExportError> {
        let (dataset, items, name) = match (wanted, classifier.session()) {
            (Verify::Data(data), _) => {
                let dataset = data::open(data)?;
                let all = (0..dataset.items.len()).collect();
                let name = dataset.name.clone();
                (dataset, all, name)
            }
            (_, Some((config, _))) => match held_out(config) {
                Ok((dataset, items)) => {
                    let name = format!("the validation split of {}", dataset.name);
                    (dataset, items, name)
                }
                Err(error) => {
                    notes.push(format!("synthesised sounds were compared, since its data cannot be read ({error})"));
                    synthesised()?
                }
            },
            (_, None) => synthesised()?,
        };
        let most = if name == SYNTHESISED_NAME { SYNTHESISED } else { CLIPS };
        let chosen = most.min(items.len());
        let items = (0..chosen).map(|at| items[at * items.len() / chosen]).collect();
        let place = |class: &String| classifier.labels().iter().position(|label| label == class);
        let classes = dataset.classes.iter().map(place).collect();
        let set = FeatureSet::new(Arc::new(dataset), classifier.front_end(), classifier.frames());
        Ok(Self { set, items, name, classes, samples })
    }

    /// What is known of a clip: 1, 0 or `NaN` (not known) for each of the model's classes; `None` if nothing is.
    fn targets(&self, item: usize, classes: usize) -> Option<Vec<f32>> {
        let item = self.set.dataset().items.get(item)?;
        let place = |class: usize| self.classes.get(class).copied().flatten();
        match &item.label {
            Label::One(class) => {
                let class = place(*class)?;
                Some((0..classes).map(|at| f32::from(u8::from(at == class))).collect())
            }
            Label::Not(_) => None,
            Label::Many(known) => {
                let mut targets = vec![f32::NAN; classes];
                for &(class, present) in known {
                    targets[place(class)?] = f32::from(u8::from(present));
                }
                Some(targets)
            }
        }
    }
}

const SYNTHESISED_NAME: &str = "synthesised sounds";

fn synthesised() -> Result<(Dataset, Vec<usize>, String), ExportError> {
    let dataset = data::open("demo")?;
    let all = (0..dataset.items.len()).collect();
    Ok((dataset, all, SYNTHESISED_NAME.to_owned()))
}

/// A session's data set and what of it was held out.
fn held_out(config: &RunConfig) -> Result<(Dataset, Vec<usize>), data::DataError> {
    let dataset = data::open_with(&config.data_spec(), &config.marks())?;
    let division = dataset.divide(config.fold, config.seed)?;
    Ok((dataset, division.val))
}

/// What was written, as something that answers samples with scores in label order.
pub(super) type Answering<'a> = &'a mut dyn FnMut(&[f32]) -> Result<Vec<f32>, ExportError>;

/// Lets both answer every clip.
pub(super) fn compare(
    clips: &Clips,
    classifier: &mut Classifier,
    file: Answering<'_>,
    watch: Watch<'_>,
) -> Result<Checked, ExportError> {
    let classes = classifier.labels().len();
    let (mut worst, mut changed, mut compared, mut unreadable) = (0f32, 0, 0, 0);
    let [mut ours, mut theirs] = [Predictions::new(classes), Predictions::new(classes)];
    for (done, &item) in clips.items.iter().enumerate() {
        if watch(Stage::Verifying(done, clips.items.len())).is_break() {
            return Err(ExportError::Interrupted);
        }
        // A clip that cannot be read is a fault of the data set, which `data check` lists.
        let Some(sound) = clips.set.sound(item).ok().filter(|sound| sound.len() >= FRAME_LENGTH) else {
            unreadable += 1;
            continue;
        };
        let mut sound = sound.as_ref().clone();
        if let Some(samples) = clips.samples {
            sound.resize(samples, 0.0);
        }
        let (expected, found) = (classifier.answers(&sound)?, file(&sound)?);
        worst = worst.max(difference(&expected, &found));
        changed += usize::from(crate::train::top(&expected) != crate::train::top(&found));
        compared += 1;
        if let Some(targets) = clips.targets(item, classes) {
            for (answers, scores) in [(&mut ours, expected), (&mut theirs, found)] {
                answers.scores.extend(scores);
                answers.targets.extend(&targets);
            }
        }
    }
    let _ = watch(Stage::Verifying(clips.items.len(), clips.items.len()));
    if compared == 0 {
        return Err(ExportError::Refused(format!(
            "none of the {unreadable} clips of {} could be read, so the file cannot be compared with the program; give \
             others with --verify DATA, or --verify none",
            clips.name
        )));
    }
    let metric = match classifier.loss() {
        Loss::CrossEntropy => Metric::Accuracy,
        Loss::Binary => Metric::MeanAveragePrecision,
    };
    let accuracy = (ours.clips() > 0).then(|| Accuracy {
        metric: metric.name(),
        ours: ours.value(metric),
        file: theirs.value(metric),
    });
    let unread = if unreadable > 0 { format!(" ({unreadable} could not be read)") } else { String::new() };
    Ok(Checked {
        clips: compared,
        verified_on: format!("{}{unread}", clips.name),
        worst_difference: worst,
        changed_labels: changed,
        accuracy,
    })
}

/// The most that two lists of scores differ by; anything but a number differs without end.
fn difference(ours: &[f32], theirs: &[f32]) -> f32 {
    if ours.len() != theirs.len() {
        return f32::INFINITY;
    }
    let apart = |(a, b): (&f32, &f32)| if (a - b).is_nan() { f32::INFINITY } else { (a - b).abs() };
    ours.iter().zip(theirs).map(apart).fold(0.0, f32::max)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn what_is_no_number_or_of_another_length_differs_without_end() {
        assert_eq!(difference(&[0.5, 0.25], &[0.5, 0.5]), 0.25);
        assert_eq!(difference(&[0.5], &[f32::NAN]), f32::INFINITY);
        assert_eq!(difference(&[f32::NAN], &[f32::NAN]), f32::INFINITY);
        assert_eq!(difference(&[0.5], &[0.5, 0.5]), f32::INFINITY);
    }

    #[test]
    fn a_file_that_differs_is_refused() {
        let checked = |worst_difference| Checked {
            clips: 3,
            verified_on: "tones".to_owned(),
            worst_difference,
            changed_labels: 0,
            accuracy: None,
        };
        assert!(checked(9e-5).within(LIMIT).is_ok());
        for worst in [1.1e-4, f32::INFINITY] {
            let error = checked(worst).within(LIMIT).unwrap_err().to_string();
            assert!(error.contains("3 clips of tones") && error.contains("removed"), "{error}");
        }
    }
}
