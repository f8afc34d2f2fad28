//! Made-up findings for tests and for the benchmark of drawing: predictions of a validation, and a list to review.

use std::sync::Arc;

use super::{data_fixture, fixture};
use crate::{
    data::{
        Chosen, Corrections, CorrectionsFile, CorrectionsPlace, CorrectionsRecord, Dataset, Decision, Item, Label,
        Sighting, Source,
    },
    findings::{Against, KeptAnswers, SessionFindings},
    model::Method,
    session::Event,
    train::{Predictions, Request},
    tui::{
        input::action::Screen,
        state::{
            app::App,
            clip_panel::{Clip, ClipPanel},
            review::{About, Detections, Kind, Made, ReviewItem, ReviewList},
            scanning::clip_of,
        },
    },
};

const CLASSES: [&str; 10] = [
    "chainsaw",
    "clock_tick",
    "crackling_fire",
    "crying_baby",
    "dog",
    "helicopter",
    "rain",
    "rooster",
    "sea_waves",
    "sneezing",
];

/// A small noise that depends only on its position.
fn noise(i: u64) -> f32 {
    let mut x = i.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    x ^= x >> 31;
    x = x.wrapping_mul(0xBF58_476D_1CE4_E5B9);
    (x >> 40) as f32 / (1u64 << 24) as f32 - 0.5
}

/// A data set of so many clips, ten classes in turn.
pub fn dataset(clips: usize) -> Dataset {
    let item = |index: usize| Item {
        id: format!("audio/{}-{}-A-{}.ogg", 1 + index % 4, 100_032 + 977 * index, index % CLASSES.len()),
        source: Source::Demo { class: index % 12, index: (index / 12) as u64 },
        label: Label::One(index % CLASSES.len()),
        fold: None,
        split: None,
        group: None,
    };
    Dataset {
        name: "esc10".into(),
        layout: "esc50",
        classes: CLASSES.map(str::to_owned).to_vec(),
        items: (0..clips).map(item).collect(),
        corrections: Some(Box::new(Corrections {
            file: CorrectionsFile::at("../data/esc10/corrections.jsonl"),
            place: Some(CorrectionsPlace { path: "../data/esc10/corrections.jsonl".into(), apart: false }),
            record: CorrectionsRecord::default(),
            filed: Default::default(),
            decided: Default::default(),
            summary: None,
        })),
        ..Dataset::default()
    }
}

/// What a session with so many validation clips gets wrong. Others of the same `seed` get others wrong.
pub fn overview(method: Method, clips: usize, seed: u64) -> SessionFindings {
    let events = fixture::events(method, 0);
    let Some(Event::Started { config, .. }) = events.first().map(|record| &record.event) else {
        unreachable!("a log begins with its configuration")
    };
    let mut config = (**config).clone();
    config.labels = CLASSES.map(str::to_owned).to_vec();
    let mut predictions = Predictions::new(CLASSES.len());
    for clip in 0..clips {
        let truth = clip % CLASSES.len();
        for class in 0..CLASSES.len() {
            let own = seed.wrapping_mul(7_919) + (clip * CLASSES.len() + class) as u64;
            let likeness = if class == truth {
                3.2
            } else if class == (truth + 3) % CLASSES.len() {
                1.1
            } else {
                0.0
            };
            predictions.scores.push(likeness + 4.2 * noise(own));
            predictions.targets.push(f32::from(u8::from(class == truth)));
        }
    }
    let set = dataset(clips);
    let items = (0..set.items.len()).collect();
    SessionFindings::of(KeptAnswers {
        config,
        predictions,
        items,
        dataset: Some(Arc::new(set)),
        step: 840,
        averaged: false,
        between_epochs: false,
        calibration: None,
        notes: Vec::new(),
    })
}

/// Another session beside one.
pub fn against(found: &SessionFindings) -> Against {
    Against::of(found, &overview(Method::full(), found.clips.len(), 2))
}

/// Some clips to review.
pub fn review_list() -> ReviewList {
    list_of(80, 14)
}

/// So many of so many clips to review.
fn list_of(clips: usize, listed: usize) -> ReviewList {
    let found = overview(Method::aat(), clips, 1);
    let rows = found.by_loss.iter().take(listed);
    let items = rows.filter_map(|row| ReviewItem::of_row(&found, *row)).enumerate();
    let items =
        items.map(|(place, item)| ReviewItem { likely: place < 6, at_random: place % 5 == 4, ..item }).collect();
    ReviewList {
        title: "labels of esc10 that are likely wrong, by box".into(),
        about: About::Labels,
        session: None,
        dataset: Arc::new(dataset(clips)),
        items,
        again: Some(Box::new(Request { method: Method::aat(), ..Request::default() })),
        notes: Vec::new(),
        cut: Some(81_920),
    }
}

/// Some detections to review.
pub fn detections_list() -> ReviewList {
    let chosen = [Chosen::Margin, Chosen::Score, Chosen::Margin, Chosen::Spread, Chosen::Random];
    let sightings: Vec<Sighting> = (0..10)
        .map(|n| Sighting {
            recording: format!("/rec/night {}.wav", 1 + n % 4).into(),
            start: 62.35 + 611.5 * n as f64,
            end: 64.85 + 611.5 * n as f64,
            detected: CLASSES[[4, 7, 6][n % 3]].to_owned(),
            score: 0.95 - 0.06 * n as f32,
            chosen: Some(chosen[n % 5]),
        })
        .collect();
    let class = |one: &Sighting| CLASSES.iter().position(|class| *class == one.detected).unwrap_or_default();
    let item = |(index, one): (usize, &Sighting)| ReviewItem {
        index,
        proposed: class(one),
        holds: true,
        of_proposed: one.score,
        of_label: Some(one.score),
        also: vec![(class(one), one.score)],
        likely: false,
        at_random: one.chosen == Some(Chosen::Random),
    };
    let clip = |one: &Sighting| {
        let clip = clip_of(&one.recording.display().to_string(), one.start, one.end);
        Item { id: clip.name, source: clip.source, label: Label::One(class(one)), fold: None, split: None, group: None }
    };
    let place = CorrectionsPlace { path: "/rec/reviewed.jsonl".into(), apart: false };
    ReviewList {
        title: "what esc10-f1-aat detects in rec".into(),
        items: sightings.iter().enumerate().map(item).collect(),
        dataset: Arc::new(Dataset {
            classes: CLASSES.map(str::to_owned).to_vec(),
            items: sightings.iter().map(clip).collect(),
            ..Dataset::default()
        }),
        about: About::Detections(Box::new(Detections {
            file: CorrectionsFile::at(&place.path),
            place: Some(place),
            session: "esc10-f1-aat".into(),
            sightings,
            from: Screen::Scan,
        })),
        again: Some(Box::new(Request { data: "/rec/reviewed.jsonl".into(), ..Request::default() })),
        session: Some("/sessions/esc10-f1-aat".into()),
        notes: vec!["3 detections decided before".into()],
        cut: None,
    }
}

/// Shows what a session with so many validation clips gets wrong, beside another one, with the sound of a clip.
pub fn show_results(app: &mut App, clips: usize) {
    let found = Arc::new(overview(Method::aat(), clips, 1));
    app.results.show(None, Ok(found.clone()));
    app.results.compare(Arc::new(against(&found)));
    app.results.clip = played();
}

/// Shows a list under review, with the sound of a clip.
pub fn show_review(app: &mut App) {
    app.review.show(Ok(Arc::new(review_list())));
    app.review.clip = played();
}

/// Shows all of so many clips under review, every second one decided.
pub fn show_review_of(app: &mut App, clips: usize) {
    show_review(app);
    app.review.show(Ok(Arc::new(list_of(clips, clips))));
    let made = (0..clips).step_by(2).map(|at| Made {
        at,
        decision: Decision::Label { label: CLASSES[at % CLASSES.len()].to_owned() },
        kind: Kind::Changed,
        saving: None,
        undoing: None,
    });
    app.review.made = made.collect();
}

/// A panel with a decoded clip.
fn played() -> ClipPanel {
    let clip = Clip::file("audio/1-100032-A-0.ogg", "audio/1-100032-A-0.ogg").labelled("dog → rooster");
    let mut panel = ClipPanel::default();
    (panel.clip, panel.sound) = (Some(clip), Some(Ok(data_fixture::clip_sound())));
    panel
}
