//! Made-up states for tests and for the benchmark of drawing: two paired runs, a session list, a sound.
//!
//! Deterministic and realistic: the figures are plausible, not measured. The file is long because every
//! screen's state is made here, of the same two runs.

use std::{path::PathBuf, sync::Arc};

use crate::{
    audio::Normalisation,
    comparison::{Facts, Row, Spread},
    data::{Loss, Metric, Recipe, Schedule},
    export::{Accuracy, Checked, Report},
    infer::{Replay, Score},
    live::{Bookmark, BookmarkList, BookmarkedPrediction, Example, Lesson, LiveEvent, Prediction},
    model::{BlockNorms, Inventory, Method, ModelConfig, specs},
    plot::Side,
    session::{Best, EpochRecord, Event, Notes, Record, RunConfig, RunState, Status, StepRecord, Summary},
    train::{Difference, News, Request},
    tui::{
        state::{
            app::App,
            run_slot::{Opened, Opening, Purpose},
            sessions::Listing,
            ticket::Ticket,
            together::{Overlaid, ReadTogether},
        },
        theme::Theme,
        update::{effect::Effect, message::Message, update},
    },
};

/// The time of all made-up events, ms since the Unix epoch.
pub const THEN: u64 = 1_780_000_000_000;
const STEPS_PER_EPOCH: u64 = 40;
const EPOCHS: u32 = 25;

/// An empty workbench of this size.
pub fn app(size: (u16, u16)) -> App {
    let mut app = App::new(Request::default(), Theme::all(None, false).0, size);
    app.now_ms = THEN + 600_000;
    app.cores = 2;
    app
}

/// A small noise that depends only on its position.
pub(super) fn noise(i: u64) -> f32 {
    let x = (i.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40) as f32 / (1u64 << 24) as f32;
    x - 0.5
}

fn recipe() -> Recipe {
    Recipe {
        name: "esc50".into(),
        frames: 512,
        stride: [10, 10],
        normalisation: None,
        freq_mask: 24,
        time_mask: 96,
        mixup: 0.0,
        noise: false,
        loss: Loss::CrossEntropy,
        metric: Metric::Accuracy,
        lr_full: 1e-5,
        lr: 1e-4,
        weight_decay: 0.05,
        schedule: Schedule { warmup_steps: 0, constant_until: 5.0, factor: 0.85, every: 1.0 },
        batch: 8,
        epochs: EPOCHS,
        balanced: false,
        average_last: 0,
        rates: Default::default(),
        pooling: None,
        random: None,
        gain: 0.0,
        clip_norm: 0.0,
        patience: 0,
    }
}

/// The events of a run up to this step; complete at its last one.
pub fn events(method: Method, steps: u64) -> Vec<Record> {
    let aat = method == Method::aat();
    let shape = ModelConfig::ast("tiny", 512, [10, 10], 10).unwrap_or_else(|| unreachable!("AST has a tiny size"));
    let inventory = Inventory::of(&specs(&shape, method));
    let config = RunConfig {
        session: format!("esc10-f1-{}", method.id()),
        data: "../data/esc10".into(),
        data_name: "esc10".into(),
        dataset: None,
        marks: crate::data::marks::Options::default(),
        labels: vec!["dog".into(), "rooster".into()],
        fold: Some(1),
        model: "tiny".into(),
        shape,
        method,
        recipe: recipe(),
        normalisation: Normalisation { mean: -6.6, std: 5.4 },
        lr: if aat { 1e-4 } else { 1e-5 },
        seed: 1,
        device: "cpu".into(),
        dtype: Default::default(),
        micro_batch: 8,
        norms_every: 10,
        recompute: crate::model::Recompute::Nothing,
        on_nan: crate::session::OnNan::Stop,
        paired_with: aat.then(|| "esc10-f1-full".into()),
        pretrain: None,
    };
    let moment_bytes = 8 * inventory.trainable as u64;
    let mut at = THEN;
    let mut out = vec![Event::Started {
        config: Box::new(config),
        inventory,
        tokens: 602,
        train_clips: 320,
        val_clips: 80,
        steps_per_epoch: STEPS_PER_EPOCH,
        moment_bytes,
    }];
    let (data_ms, compute_ms) = if aat { (4.0, 148.0) } else { (5.0, 230.0) };
    let (start, floor, speed) = if aat { (2.3, 0.12, 130.0) } else { (2.3, 0.22, 210.0) };
    for step in 1..=steps {
        let t = step as f32;
        let loss = (floor + (start - floor) * (-t / speed).exp()) * (1.0 + 0.5 * noise(step * 7 + u64::from(aat)));
        let epoch = (step - 1) / STEPS_PER_EPOCH + 1;
        let lr = if aat { 1e-4 } else { 1e-5 } * 0.85f64.powi(epoch.saturating_sub(5) as i32);
        out.push(Event::Step(StepRecord { step, epoch: epoch as u32, loss, lr, data_ms, compute_ms }));
        if aat && step.is_multiple_of(10) {
            let blocks = (0..12u64).map(|block| {
                let grown = 1.0 - (-t / 300.0).exp();
                let bump = (-(block as f32 - 7.0).powi(2) / 14.0).exp();
                let spatial = 0.02 + 0.3 * grown * bump + 0.02 * noise(step * 12 + block);
                let mlp = 0.03 + 0.22 * grown * (block as f32 / 11.0) + 0.02 * noise(step * 31 + block);
                BlockNorms { spatial: 3.0 * spatial, spatial_ratio: spatial, mlp: 4.0 * mlp, mlp_ratio: mlp }
            });
            out.push(Event::Norms { step, blocks: blocks.collect(), cost_ms: 0.4 });
        }
        if step.is_multiple_of(STEPS_PER_EPOCH) {
            let e = epoch as f32;
            let value = (if aat { 0.91 } else { 0.87 }) * (1.0 - (-e / if aat { 2.2 } else { 3.4 }).exp());
            out.push(Event::Epoch(EpochRecord {
                epoch: epoch as u32,
                step,
                train_loss: loss,
                val_loss: 0.35 + 1.9 * (-e / if aat { 2.4 } else { 3.6 }).exp() + 0.06 * noise(epoch),
                value: f64::from(value + 0.03 * noise(epoch * 5)),
                seconds: f64::from((data_ms + compute_ms) * STEPS_PER_EPOCH as f32) / 1e3,
                data_seconds: f64::from(data_ms * STEPS_PER_EPOCH as f32) / 1e3,
                eval_seconds: 1.1,
                lr,
            }));
            out.push(Event::Checkpoint { step, file: "checkpoint.safetensors".into(), bytes: 9_000_000 });
        }
    }
    if steps >= u64::from(EPOCHS) * STEPS_PER_EPOCH {
        out.push(Event::Finished {
            summary: Summary {
                best: Some(Best { epoch: 21, value: 0.9 }),
                last: Some(Best { epoch: EPOCHS, value: 0.89 }),
                averaged: None,
                trainable: 450_442,
                epoch_seconds: 6.1,
                peak_rss_bytes: 300_000_000,
            },
        });
    }
    out.into_iter()
        .map(|event| {
            at += match &event {
                Event::Step(step) => (step.data_ms + step.compute_ms) as u64,
                Event::Epoch(epoch) => (epoch.eval_seconds * 1e3) as u64,
                _ => 0,
            };
            Record { at_ms: at, event }
        })
        .collect()
}

/// Two paired runs in training.
pub fn training(size: (u16, u16), steps: (u64, u64)) -> App {
    let mut app = app(size);
    for (side, method, steps) in [(Side::A, Method::aat(), steps.0), (Side::B, Method::full(), steps.1)] {
        let run = app.tickets.draw();
        app.slot_mut(side).start(run);
        for record in events(method, steps) {
            update(&mut app, Message::Run(run, News::Now(record)));
        }
    }
    app
}

/// The running run of a side; an unused ticket if there is none.
pub fn run_of(app: &mut App, side: Side) -> Ticket {
    app.slot(side).run.map_or_else(|| app.tickets.draw(), |run| run.ticket)
}

/// An event of a run.
pub fn run_event(app: &mut App, side: Side, event: Event) -> Vec<Effect> {
    let at_ms = app.slot(side).state.span_ms.map_or(THEN, |(_, last)| last) + 100;
    let run = run_of(app, side);
    update(app, Message::Run(run, News::Now(Record { at_ms, event })))
}

/// A run's trainer ends.
pub fn over(app: &mut App, side: Side) -> Vec<Effect> {
    let run = run_of(app, side);
    update(app, Message::RunOver(run, None))
}

/// An event of the live pipeline.
pub fn live(app: &mut App, event: LiveEvent) -> Vec<Effect> {
    let ticket = match app.live.ticket {
        Some(ticket) => ticket,
        None => app.tickets.draw(),
    };
    app.live.ticket = Some(ticket);
    update(app, Message::Live(ticket, event))
}

/// A finished run read from disk.
pub fn opened(method: Method) -> Opened {
    let state = RunState::from_records(&events(method, u64::from(EPOCHS) * STEPS_PER_EPOCH));
    Opened { path: PathBuf::from("/sessions/esc10-f1-aat"), name: "esc10-f1-aat".into(), state }
}

/// A side requests a session, and it is read.
pub fn open(app: &mut App, side: Side, purpose: Purpose, opened: Opened) -> Vec<Effect> {
    let ticket = app.tickets.draw();
    app.slot_mut(side).opening = Some(Opening { ticket, path: opened.path.clone(), purpose, early: 0 });
    update(app, Message::Opened(ticket, Ok(Box::new(opened))))
}

/// Some sessions, one with control characters in its name.
pub fn listings() -> Vec<Listing> {
    // Old sessions have another seed.
    let facts = |method, age: u64| {
        let records = events(method, 0);
        let Some(Event::Started { config, .. }) = records.first().map(|record| &record.event) else {
            return Facts::default();
        };
        Facts::of(&RunConfig { seed: if age > 50_000 { 2 } else { 1 }, ..config.as_ref().clone() }).unwrap_or_default()
    };
    let listing = |name: &str, method, best: f64, epochs, status, in_use: bool, age: u64| Listing {
        name: name.into(),
        path: PathBuf::from("/sessions").join(name),
        method: Some(method),
        data: "esc10 fold 1".into(),
        metric: "accuracy",
        best: (best > 0.0).then_some(Best { epoch: 7, value: best }),
        epochs,
        can_resume: !in_use && status != Status::Finished,
        status,
        in_use,
        changed_ms: THEN + 600_000 - age * 1000,
        facts: facts(method, age),
        notes: Notes::default(),
        notes_problem: None,
    };
    vec![
        listing("esc10-f1-aat", Method::aat(), 0.862, (7, 25), Status::Running, true, 3),
        listing("esc10-f1-full", Method::full(), 0.831, (5, 25), Status::Paused, true, 9),
        listing("digits-\x1b[2Jspeakers", Method::aat(), 0.914, (30, 30), Status::Finished, false, 4_000),
        listing("esc10-f2-partial", Method::aat(), 0.7, (11, 25), Status::Running, false, 90_000),
        listing("gtzan-prompt", Method::full(), 0.0, (0, 30), Status::Failed("no space left".into()), false, 900_000),
        listing(
            "demo-head-of-a-rather-long-name-that-must-be-cut",
            Method::full(),
            0.55,
            (3, 10),
            Status::Stopped,
            false,
            1_900_000,
        ),
    ]
}

/// The first three of those sessions, read together.
pub fn read_together() -> ReadTogether {
    let methods = [Method::aat(), Method::full(), Method::head()];
    let runs = listings().into_iter().zip(methods).map(|(listing, method)| Overlaid {
        path: listing.path,
        state: RunState::from_records(&events(method, 480)).outline(),
    });
    let row = |(method, last, difference): (Method, f64, Option<f64>)| Row {
        aggregate: true,
        method,
        differs: String::new(),
        folds: (1..=5).map(Some).collect(),
        metric: "accuracy",
        best: Spread { mean: last + 0.012, std: Some(0.018) },
        last: Spread { mean: last, std: Some(0.021) },
        averaged: None,
        trainable: method.id().len() * 61_234,
        total: 5_700_000,
        share: 0.08,
        epoch_seconds: 3.4,
        best_difference: None,
        last_difference: difference.map(|d| Difference { difference: d, low: d - 0.02, high: d + 0.02 }),
    };
    let rows = [(methods[0], 0.862, None), (methods[1], 0.851, Some(0.011)), (methods[2], 0.792, Some(0.07))];
    let left_out = vec!["openmic-aat: another metric".to_owned()];
    ReadTogether { runs: runs.collect(), left_out, results: Ok(rows.map(row).into()) }
}

/// A mel frame of a siren in the rain.
pub(super) fn siren(n: u64) -> Arc<[f32]> {
    let tone = 30.0 + 18.0 * (n as f32 / 40.0).sin();
    let bins = (0..128).map(|bin| {
        let b = bin as f32;
        let siren = 7.5 * (-((b - tone) / 4.0).powi(2)).exp() + 4.5 * (-((b - 2.0 * tone) / 4.0).powi(2)).exp();
        -9.0 + siren - b * 0.02 + 1.5 * noise(n * 128 + bin)
    });
    bins.collect()
}

/// The live sound of the `frame`th thirtieth of a second after that.
pub(super) fn with_sound(app: &mut App, frame: usize) {
    let ends = [frame as u64 - 1, frame as u64].map(|frame| 700 + frame * 10 / 3);
    let frames: Vec<_> = (ends[0]..ends[1]).map(siren).collect();
    let extremes = (ends[0]..ends[1]).map(|n| (noise(n) - 0.3, noise(n) + 0.3)).collect();
    let time_s = ends[1] as f64 / 100.0;
    live(app, LiveEvent::Sound { time_s, rms_dbfs: -18.0, peak_dbfs: -5.2, extremes, frames });
}

/// The Live screen with a dog, or a siren.
pub fn listening(app: &mut App) {
    let listeners = vec!["esc10-f1-aat".to_owned(), "esc10-f1-full".to_owned()];
    if app.live.sides.is_empty() {
        app.live.sides = Side::BOTH.into();
    }
    live(
        app,
        LiveEvent::Opened {
            source: "built-in mic".into(),
            rate: 48_000,
            channels: 2,
            window_s: 5.12,
            hop_s: 0.25,
            listeners,
        },
    );
    for i in 0..70u64 {
        let swell = 0.2 + 0.5 * (i as f32 / 9.0).sin().abs();
        live(
            app,
            LiveEvent::Sound {
                time_s: (i + 1) as f64 / 10.0,
                rms_dbfs: -18.0,
                peak_dbfs: -5.2,
                extremes: (0..10).map(|j| (-swell + 0.2 * noise(i * 10 + j), swell + 0.2 * noise(j))).collect(),
                frames: (i * 10..i * 10 + 10).map(siren).collect(),
            },
        );
    }
    let scores = |given: &[(&str, f32)]| -> Vec<Score> {
        given.iter().map(|(label, score)| Score { label: (*label).into(), score: *score }).collect()
    };
    let a = scores(&[("dog", 0.91), ("rooster", 0.04), ("crying_baby", 0.02), ("sneezing", 0.01), ("rain", 0.01)]);
    let b = scores(&[("crying_baby", 0.58), ("dog", 0.29), ("rooster", 0.06), ("sneezing", 0.04), ("rain", 0.02)]);
    let norms = (0..12u64).map(|block| {
        let [spatial_ratio, mlp_ratio] = [noise(block * 3 + 1) + 0.55, 0.3 + 0.05 * block as f32];
        BlockNorms { spatial: 2.0 * spatial_ratio, spatial_ratio, mlp: 3.0 * mlp_ratio, mlp_ratio }
    });
    let opinions = [Prediction { norms: norms.collect(), ..a.into() }, b.into()];
    for (listener, prediction) in opinions.into_iter().enumerate() {
        live(
            app,
            LiveEvent::Prediction {
                listener,
                time_s: 7.0,
                prediction,
                latency_ms: 41.0 + listener as f32,
                compute_ms: 28.0,
            },
        );
    }
}

/// Two bookmarks, oldest first: on the newer one the predictions differ.
pub fn bookmark_list() -> BookmarkList {
    BookmarkList { bookmarks: bookmarks(), unread: 0 }
}

/// The same one by one.
pub fn bookmarks() -> Vec<Bookmark> {
    let predictions = |listener: &str, scores: &[(&str, f32)]| BookmarkedPrediction {
        listener: listener.into(),
        scores: scores.iter().map(|(label, score)| ((*label).into(), *score)).collect(),
        gains: String::new(),
    };
    let bookmark = |ago: u64, source: &str, time_s, predictions| Bookmark {
        at_ms: THEN + 600_000 - ago * 1000,
        source: source.into(),
        time_s,
        predictions,
    };
    let dog = [("dog", 0.91), ("rooster", 0.04), ("crying_baby", 0.02)];
    let baby = [("crying_baby", 0.58), ("dog", 0.29), ("rooster", 0.06)];
    vec![
        bookmark(900, "street.flac", 41.2, vec![predictions("esc10-f1-aat", &dog)]),
        bookmark(40, "built-in mic", 7.0, vec![predictions("esc10-f1-aat", &dog), predictions("esc10-f1-full", &baby)]),
    ]
}

/// The replay of the newer bookmark by three checkpoints.
pub fn replays() -> Vec<Replay> {
    let score = |(label, score): &(&str, f32)| Score { label: (*label).into(), score: *score };
    let predictions = |scores: &[(&str, f32)]| Ok(scores.iter().map(score).collect());
    let epoch = |epoch| Some(Best { epoch, value: 0.8 });
    vec![
        Replay {
            best: true,
            step: 840,
            epoch: epoch(21),
            predictions: predictions(&[("dog", 0.91), ("rooster", 0.04), ("crying_baby", 0.02)]),
        },
        Replay {
            best: false,
            step: 1000,
            epoch: epoch(25),
            predictions: predictions(&[("dog", 0.72), ("crying_baby", 0.2)]),
        },
        Replay { best: false, step: 960, epoch: epoch(24), predictions: Err("cut short".into()) },
    ]
}

/// An unfinished lesson: one class has enough examples, one has a silent one, one has none.
pub fn lesson() -> Lesson {
    let example = |class: &str, n: u64| Example {
        path: PathBuf::from(format!("/lessons/mine/{class}/{n:04}.wav")),
        seconds: 1.0 + 0.25 * (n % 3) as f64,
        rms_dbfs: if (class, n) == ("whistle", 3) { -71.0 } else { -24.0 + 20.0 * noise(n * 7 + class.len() as u64) },
    };
    let class = |name: &str, clips: u64| (name.to_owned(), (1..=clips).map(|n| example(name, n)).collect());
    Lesson::of("/lessons/mine", [class("background", 12), class("knock", 6), class("whistle", 4), class("kettle", 0)])
}

/// The report of an export.
pub fn exported() -> Report {
    Report {
        file: "esc10-f1-aat.onnx".into(),
        format: "onnx",
        bytes: 34_012_345,
        dtype: "f32",
        checked: Some(Checked {
            clips: 40,
            verified_on: "the validation split of esc10".into(),
            worst_difference: 3.4e-6,
            changed_labels: 0,
            accuracy: Some(Accuracy { metric: "accuracy", ours: 0.925, file: 0.925 }),
        }),
        notes: vec!["it has no best weights yet: those of step 80 are used".into()],
    }
}
