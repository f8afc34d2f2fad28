//! The figures of a session on recordings with marks: it scans them, and its detections are compared with the marks.

mod picture;
mod text;

use std::{collections::HashSet, ops::ControlFlow, path::Path};

use serde::Serialize;

use super::{
    super::{CliError, Interrupt},
    thresholds::{self, Choice, Goal},
};
use crate::{
    audio::SAMPLE_RATE,
    data::{
        Dataset, Metric,
        marks::{Presence, Timeline},
    },
    infer::Classifier,
    scan::{
        self, ClassRule, Grid, Rules, Scores, Thresholds,
        measure::{Compared, Counts, Figures, Matching, Scored, Span, by_score, match_events, segments},
    },
    train::Predictions,
};

/// DCASE's tolerance: seconds, and share of a mark's length by which its end may differ.
const DCASE: Matching = Matching { collar_s: 0.2, share: 0.5 };
/// Seconds of a segment.
const SEGMENT_S: f64 = 1.0;

/// How recordings are scanned and compared.
#[derive(Clone, Copy, Debug)]
pub(super) struct ScanOptions {
    pub(super) hop_s: Option<f64>,
    pub(super) collar_s: Option<f64>,
    pub(super) goal: Goal,
}

/// What a session does on recordings with marks.
#[derive(Serialize)]
pub(super) struct MarksReport {
    recordings: usize,
    hours: f64,
    /// Recordings that were marked in full.
    complete: usize,
    marks: usize,
    window_s: f64,
    hop_s: f64,
    /// Where the thresholds came from.
    thresholds: String,
    /// Events with DCASE's tolerance, then with a wider one.
    event: Vec<FiguresReport>,
    segment: FiguresReport,
    /// Average precision over the scan's windows.
    windows: WindowsReport,
    /// The threshold of each class that was chosen.
    chosen: Vec<Choice>,
    /// The same figures with the chosen thresholds.
    with_chosen: Option<[FiguresReport; 2]>,
    /// Precision and recall of detections by threshold, for all classes together and for each.
    curves: Vec<ThresholdCurve>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) notes: Vec<String>,
}

/// The figures of one options to count.
#[derive(Serialize)]
struct FiguresReport {
    /// Of events: by how many seconds, and by which share of a mark's length at its end, a detection may be off.
    collar_s: Option<f64>,
    offset_share: Option<f64>,
    /// Of segments.
    segment_s: Option<f64>,
    f1: Option<f64>,
    precision: f64,
    recall: Option<f64>,
    /// Mean F1 of the classes that occur.
    macro_f1: Option<f64>,
    error_rate: Option<f64>,
    per_class: Vec<ClassFigures>,
}

#[derive(Serialize)]
struct ClassFigures {
    label: String,
    #[serde(flatten)]
    counts: Counts,
    precision: f64,
    recall: Option<f64>,
    f1: Option<f64>,
}

impl FiguresReport {
    fn of(figures: &Figures, labels: &[String], matching: Option<Matching>) -> Self {
        let all = figures.all();
        let class = |(label, counts): (&String, &Counts)| ClassFigures {
            label: label.clone(),
            counts: *counts,
            precision: counts.precision(),
            recall: counts.recall(),
            f1: counts.f1(),
        };
        Self {
            collar_s: matching.map(|matching| matching.collar_s),
            offset_share: matching.map(|matching| matching.share),
            segment_s: matching.is_none().then_some(SEGMENT_S),
            f1: all.f1(),
            precision: all.precision(),
            recall: all.recall(),
            macro_f1: figures.macro_f1(),
            error_rate: figures.error_rate(),
            per_class: labels.iter().zip(&figures.by_class).map(class).collect(),
        }
    }
}

#[derive(Serialize)]
struct WindowsReport {
    windows: usize,
    #[serde(rename = "mAP")]
    mean_average_precision: f64,
    mean_auc: Option<f64>,
    average_precision: Vec<Option<f64>>,
}

#[derive(Clone, Serialize)]
struct ThresholdCurve {
    /// None for all classes together.
    label: Option<String>,
    points: Vec<CurvePoint>,
}

#[derive(Clone, Copy, Serialize)]
struct CurvePoint {
    threshold: f64,
    precision: Option<f64>,
    recall: Option<f64>,
}

/// Scans the recordings that some of a data set's clips are windows of, and compares.
///
/// # Errors
/// When the session cannot scan, a recording cannot be read, or after Ctrl-C.
pub(super) fn evaluate(
    classifier: &mut Classifier,
    session: &Path,
    dataset: &Dataset,
    items: &[usize],
    options: ScanOptions,
    interrupt: &Interrupt,
) -> Result<Option<MarksReport>, CliError> {
    let Some(marked) = &dataset.marks else { return Ok(None) };
    let wanted: HashSet<&Path> = items.iter().filter_map(|&item| dataset.items.get(item)?.source.path()).collect();
    let all = items.len() == dataset.items.len();
    // Recordings of which no window was kept are judged with the others: what is detected in them is wrong.
    let recordings: Vec<_> =
        marked.recordings.iter().filter(|one| all || wanted.contains(one.path.as_path())).collect();
    let labels = classifier.labels().to_vec();
    let window_s = classifier.frames() as f64 / 100.0;
    let hop_s = options.hop_s.unwrap_or((window_s / 2.0).min(1.0));
    let grid = Grid::new(classifier.frames(), None, Some(hop_s)).map_err(CliError::Usage)?;
    let paths: Vec<_> = recordings.iter().map(|one| one.path.clone()).collect();
    let mut progress = |_| if interrupt.is_asked() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
    let scores = scan::score_recordings(classifier, &paths, grid, &mut progress)?;

    let mut notes = Vec::new();
    let (own, from) = match Thresholds::of_session(session).map_err(CliError::from)? {
        Some((path, own)) => (own, path.display().to_string()),
        None => (Thresholds::default(), "0.5 for every class".to_owned()),
    };
    let classes = own.rules(&labels).map_err(CliError::Failed)?;
    let low = own.low.unwrap_or(scan::LOW);
    // Everything that any threshold could detect: a threshold moves no boundary.
    let lowest = classes
        .iter()
        .map(|rule| {
            let low = rule.map_or(low, |rule| rule.low);
            Some(ClassRule { threshold: low, low })
        })
        .collect();
    let lowest = Rules { classes: lowest, smooth: 0, min_duration: 0, max_gap: 0 };
    let compared: Vec<Compared> = recordings
        .iter()
        .zip(&scores)
        .map(|(recording, scores)| Compared {
            seconds: seconds(scores.samples),
            marks: recording
                .events
                .iter()
                .filter(|event| event.presence == Presence::Present)
                .map(|event| Span {
                    class: event.class,
                    start: seconds(event.span.start),
                    end: seconds(event.span.end),
                    score: 1.0,
                })
                .collect(),
            detections: scores
                .detections(&lowest)
                .into_iter()
                .map(|one| Span {
                    class: one.class,
                    start: seconds(one.start),
                    end: seconds(one.end),
                    score: one.score,
                })
                .collect(),
        })
        .collect();
    let wide = Matching { collar_s: options.collar_s.unwrap_or(grid.window_s() / 2.0), share: DCASE.share };
    let above = |threshold: &dyn Fn(usize) -> f32| -> Vec<Compared> {
        let kept = |one: &Compared| Compared {
            detections: one.detections.iter().copied().filter(|d| d.score >= threshold(d.class)).collect(),
            ..one.clone()
        };
        compared.iter().map(kept).collect()
    };
    let in_force = above(&|class| classes[class].map_or(f32::INFINITY, |rule| rule.threshold));
    let events = |compared: &[Compared], matching: Matching| {
        FiguresReport::of(&match_events(compared, labels.len(), &matching), &labels, Some(matching))
    };
    let in_segments =
        |compared: &[Compared]| FiguresReport::of(&segments(compared, labels.len(), SEGMENT_S), &labels, None);

    let by_class: Vec<(Vec<Scored>, Option<u64>)> = (0..labels.len())
        .map(|class| by_score(&compared, class, &wide))
        .map(|(scored, reference)| (scored, Some(reference)))
        .collect();
    let chosen = thresholds::choose_all(&labels, &by_class, options.goal);
    let with_chosen = chosen.iter().any(|choice| choice.threshold.is_some()).then(|| {
        let compared = above(&|class| chosen[class].threshold.unwrap_or(f32::INFINITY));
        [events(&compared, wide), in_segments(&compared)]
    });
    let complete = recordings.iter().filter(|recording| recording.complete).count();
    if complete < recordings.len() {
        notes.push(format!(
            "it is not known that {} of {} recordings were marked in full: a detection without a mark counts as wrong; give --marked-in-full \
             if they were",
            recordings.len() - complete,
            recordings.len()
        ));
    }
    notes.push(format!(
        "the chosen thresholds are judged on the recordings that they were chosen on{}",
        match options.goal.precision {
            Some(_) => "",
            None => ": others will do somewhat worse",
        }
    ));
    Ok(Some(MarksReport {
        recordings: recordings.len(),
        hours: compared.iter().map(|one| one.seconds).sum::<f64>() / 3_600.0,
        complete,
        marks: compared.iter().map(|one| one.marks.len()).sum(),
        window_s: grid.window_s(),
        hop_s: grid.hop_s(),
        thresholds: from,
        event: vec![events(&in_force, DCASE), events(&in_force, wide)],
        segment: in_segments(&in_force),
        windows: windows_report(&recordings, &scores, labels.len(), grid),
        with_chosen,
        curves: curves(&labels, &by_class),
        chosen,
        notes,
    }))
}

fn seconds(samples: u64) -> f64 {
    samples as f64 / f64::from(SAMPLE_RATE)
}

/// Average precision over all windows of the scan, each labelled as training would label it.
fn windows_report(
    recordings: &[&crate::data::marks::Recording],
    scores: &[Scores],
    classes: usize,
    grid: Grid,
) -> WindowsReport {
    let mut predictions = Predictions::new(classes);
    for (recording, scores) in recordings.iter().zip(scores) {
        let timeline = Timeline::new(&recording.events, classes, recording.complete, recording.single);
        predictions.scores.extend_from_slice(&scores.values);
        for &start in &scores.starts {
            let mut row = vec![f32::NAN; classes];
            for (class, here) in timeline.holds(&(start..start + grid.size())) {
                row[class] = f32::from(u8::from(here));
            }
            predictions.targets.extend(row);
        }
    }
    WindowsReport {
        windows: predictions.clips(),
        mean_average_precision: predictions.value(Metric::MeanAveragePrecision),
        mean_auc: predictions.mean_auc(),
        average_precision: (0..classes).map(|class| predictions.average_precision(class)).collect(),
    }
}

/// Precision and recall of detections at thresholds from 0.05 to 0.95.
fn curves(labels: &[String], by_class: &[(Vec<Scored>, Option<u64>)]) -> Vec<ThresholdCurve> {
    let points = |lists: &[(Vec<Scored>, Option<u64>)]| -> Vec<CurvePoint> {
        let reference: u64 = lists.iter().filter_map(|(_, reference)| *reference).sum();
        let at = |step: u32| {
            let threshold = f64::from(step) / 20.0;
            let above = || lists.iter().flat_map(|(scored, _)| scored).filter(|one| f64::from(one.score) >= threshold);
            let (detected, right) = (above().count() as u64, above().filter(|one| one.right).count() as u64);
            let counts = Counts { reference, detected, right };
            CurvePoint { threshold, precision: (detected > 0).then(|| counts.precision()), recall: counts.recall() }
        };
        (1..20).map(at).collect()
    };
    let all = ThresholdCurve { label: None, points: points(by_class) };
    let own = labels
        .iter()
        .zip(by_class)
        .map(|(label, one)| ThresholdCurve { label: Some(label.clone()), points: points(std::slice::from_ref(one)) });
    std::iter::once(all).chain(own).collect()
}
