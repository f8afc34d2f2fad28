#![allow(clippy::unwrap_used)]
use super::*;

/// One golden case; made by `tests/golden/sed_eval_cases.py` with sed_eval.
#[derive(serde::Deserialize)]
struct Case {
    name: String,
    classes: usize,
    files: Vec<File>,
    event: Vec<Event>,
    segment: Segment,
}

/// Spans are (class, start, end).
#[derive(serde::Deserialize)]
struct File {
    seconds: f64,
    marks: Vec<(usize, f64, f64)>,
    detections: Vec<(usize, f64, f64)>,
}

#[derive(serde::Deserialize)]
struct Event {
    collar: f64,
    share: f64,
    f1: Option<f64>,
    precision: f64,
    recall: Option<f64>,
    macro_f1: Option<f64>,
    class_f1: Vec<Option<f64>>,
}

#[derive(serde::Deserialize)]
struct Segment {
    f1: Option<f64>,
    precision: f64,
    recall: Option<f64>,
    macro_f1: Option<f64>,
    class_f1: Vec<Option<f64>>,
    error_rate: Option<f64>,
}

fn spans(of: &[(usize, f64, f64)]) -> Vec<Span> {
    of.iter().map(|&(class, start, end)| Span { class, start, end, score: 1.0 }).collect()
}

fn close(ours: Option<f64>, theirs: Option<f64>) -> bool {
    match (ours, theirs) {
        (Some(a), Some(b)) => (a - b).abs() < 1e-6,
        (a, b) => a.is_none() && b.is_none(),
    }
}

#[test]
fn every_figure_is_sed_evals() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("../../../tests/golden/sed_eval.json")).unwrap();
    assert!(cases.len() >= 8);
    for case in cases {
        let recordings: Vec<Compared> = case
            .files
            .iter()
            .map(|file| Compared {
                seconds: file.seconds,
                marks: spans(&file.marks),
                detections: spans(&file.detections),
            })
            .collect();
        for event in &case.event {
            let name = format!("{}, collar {}", case.name, event.collar);
            let figures =
                match_events(&recordings, case.classes, &Matching { collar_s: event.collar, share: event.share });
            assert!(close(figures.all().f1(), event.f1), "{name}: {:?} {:?}", figures.all().f1(), event.f1);
            assert!(close(Some(figures.all().precision()), Some(event.precision)), "{name}");
            assert!(close(figures.all().recall(), event.recall), "{name}");
            assert!(close(figures.macro_f1(), event.macro_f1), "{name}: {:?} {:?}", figures.macro_f1(), event.macro_f1);
            for (counts, theirs) in figures.by_class.iter().zip(&event.class_f1) {
                assert!(close(counts.f1(), *theirs), "{name}: {counts:?} {theirs:?}");
            }
        }
        let (figures, name) = (segments(&recordings, case.classes, 1.0), &case.name);
        assert!(close(figures.all().f1(), case.segment.f1), "{name}");
        assert!(close(Some(figures.all().precision()), Some(case.segment.precision)), "{name}");
        assert!(close(figures.all().recall(), case.segment.recall), "{name}");
        assert!(close(figures.macro_f1(), case.segment.macro_f1), "{name}");
        assert!(close(figures.error_rate(), case.segment.error_rate), "{name}");
        for (counts, theirs) in figures.by_class.iter().zip(&case.segment.class_f1) {
            assert!(close(counts.f1(), *theirs), "{name}");
        }
    }
}

/// A detection that came first gives its mark up where it can have another.
#[test]
fn as_many_events_as_can_be_are_matched() {
    let recordings = Compared {
        seconds: 10.0,
        marks: spans(&[(0, 1.0, 2.0), (0, 1.3, 2.3)]),
        detections: spans(&[(0, 1.15, 2.15), (0, 0.9, 1.9)]),
    };
    let figures = match_events(&[recordings], 1, &Matching { collar_s: 0.2, share: 0.0 });
    assert_eq!(figures.all(), Counts { reference: 2, detected: 2, right: 2 });
}

#[test]
fn the_curve_of_scores_ends_with_what_all_detections_match() {
    let mut rng = crate::random::KeyedRng::new(5, "measure", 0, 0);
    let mut draw = |count: usize| -> Vec<Span> {
        let span = |_| {
            let start = f64::from(rng.unit()) * 60.0;
            Span { class: rng.below(2), start, end: start + 0.2 + f64::from(rng.unit()), score: rng.unit() }
        };
        (0..count).map(span).collect()
    };
    let recordings: Vec<Compared> =
        (0..3).map(|_| Compared { seconds: 60.0, marks: draw(60), detections: draw(80) }).collect();
    let matching = Matching { collar_s: 0.5, share: 0.5 };
    for class in 0..2 {
        let (scored, reference) = by_score(&recordings, class, &matching);
        let mut thresholds: Vec<f32> = scored.iter().map(|one| one.score).collect();
        thresholds.push(0.0);
        for threshold in thresholds.into_iter().step_by(9) {
            let above: Vec<Compared> = recordings
                .iter()
                .map(|one| Compared {
                    detections: one.detections.iter().copied().filter(|d| d.score >= threshold).collect(),
                    ..one.clone()
                })
                .collect();
            let counts = match_events(&above, 2, &matching).by_class[class];
            let right = scored.iter().filter(|one| one.score >= threshold && one.right).count() as u64;
            assert_eq!((counts.right, counts.reference), (right, reference), "{class} {threshold}");
        }
    }
}

fn scored(rights: &[(f32, bool)]) -> Vec<Scored> {
    rights.iter().map(|&(score, right)| Scored { score, right }).collect()
}

#[test]
fn the_lowest_threshold_with_the_wanted_precision_is_chosen_or_it_is_said_that_there_is_none() {
    let list = scored(&[(0.9, true), (0.8, true), (0.7, false), (0.6, true), (0.5, true), (0.4, false), (0.3, false)]);
    let at = |precision| match choose(&list, precision, 0.0) {
        Chosen::Reached { threshold, detected, right, .. } => Some((threshold, detected, right)),
        Chosen::CannotBeReached { .. } => None,
    };
    assert_eq!(at(0.8), Some((0.5, 5, 4)));
    assert_eq!(at(0.9), Some((0.8, 2, 2)));
    assert_eq!(at(0.5), Some((0.3, 7, 4)));
    // Two of two are no proof of nine in ten.
    let sure = choose(&list, 0.9, 1.645);
    assert!(matches!(sure, Chosen::CannotBeReached { share: 1.0, detected: 7, .. }), "{sure:?}");
    assert!(matches!(choose(&[], 0.5, 0.0), Chosen::CannotBeReached { detected: 0, .. }));
    assert_eq!(at(1.1), None);
    // Equal scores fall on one side together.
    let ties = scored(&[(0.9, true), (0.9, false), (0.9, true)]);
    assert!(matches!(choose(&ties, 0.7, 0.0), Chosen::CannotBeReached { .. }));
}

#[test]
fn wilsons_bound_is_that_of_the_textbook() {
    // statsmodels.stats.proportion.proportion_confint(n, m, 0.10, "wilson")[0]
    for (right, all, bound) in [(8, 10, 0.540_792_81), (40, 40, 0.936_646_55), (0, 5, 0.0), (1, 1, 0.269_865_95)] {
        let ours = wilson(right, all, 1.644_853_627);
        assert!((ours - bound).abs() < 1e-5, "{right} {all}: {ours}");
    }
    assert_eq!((wilson(3, 4, 0.0), wilson(0, 0, 1.0)), (0.75, 0.0));
}

#[test]
fn the_best_threshold_has_the_highest_f1() {
    let list = scored(&[(0.9, true), (0.8, true), (0.7, false), (0.6, true), (0.4, false)]);
    let (threshold, counts) = best_f1(&list, 4).unwrap();
    assert_eq!((threshold, counts), (0.6, Counts { reference: 4, detected: 4, right: 3 }));
    assert_eq!(best_f1(&scored(&[(0.9, false)]), 3), None);
}
