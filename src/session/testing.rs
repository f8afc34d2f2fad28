//! A short run as events, for tests.

use super::{Best, EpochRecord, Event, Record, RunConfig, StepRecord, Summary};
use crate::{
    audio::Normalisation,
    data::{Loss, Metric, Recipe, Schedule},
    model::{BlockNorms, Inventory, Method, ModelConfig},
};

/// A configuration like the demo set's.
pub(crate) fn config() -> RunConfig {
    let recipe = Recipe {
        name: "demo".to_owned(),
        frames: 96,
        stride: [16, 16],
        normalisation: Some(Normalisation { mean: -6.0, std: 4.0 }),
        freq_mask: 0,
        time_mask: 0,
        mixup: 0.0,
        noise: false,
        loss: Loss::CrossEntropy,
        metric: Metric::Accuracy,
        lr_full: 1e-4,
        lr: 1e-3,
        weight_decay: 0.05,
        schedule: Schedule { warmup_steps: 0, constant_until: 5.0, factor: 0.85, every: 1.0 },
        batch: 4,
        epochs: 2,
        balanced: false,
        average_last: 0,
        rates: Default::default(),
        pooling: None,
        random: None,
        gain: 0.0,
        clip_norm: 0.0,
        patience: 0,
    };
    #[allow(clippy::unwrap_used)]
    let shape = ModelConfig::ast("tiny", recipe.frames, recipe.stride, 3).unwrap();
    RunConfig {
        session: "demo-aat".to_owned(),
        data: "demo".to_owned(),
        data_name: "demo".to_owned(),
        dataset: None,
        marks: crate::data::marks::Options::default(),
        labels: ["bell", "dog", "siren"].map(str::to_owned).to_vec(),
        fold: None,
        model: "tiny".to_owned(),
        shape,
        method: Method::aat(),
        lr: recipe.lr,
        normalisation: Normalisation { mean: -6.0, std: 4.0 },
        recipe,
        seed: 7,
        device: "cpu".to_owned(),
        dtype: Default::default(),
        micro_batch: 4,
        norms_every: 2,
        recompute: crate::model::Recompute::Nothing,
        on_nan: crate::session::OnNan::Stop,
        paired_with: None,
        pretrain: None,
    }
}

/// Two epochs of two steps each, with a checkpoint, a pause and an end.
pub(crate) fn records() -> Vec<Record> {
    let inventory = Inventory { total: 100, trainable: 10, groups: Vec::new() };
    let step = |step: u64, epoch| {
        Event::Step(StepRecord { step, epoch, loss: 1.0 / step as f32, lr: 1e-3, data_ms: 0.5, compute_ms: 20.0 })
    };
    let epoch = |epoch: u32, value| {
        Event::Epoch(EpochRecord {
            epoch,
            step: u64::from(epoch) * 2,
            train_loss: 0.5,
            val_loss: 0.6,
            value,
            seconds: 0.04,
            data_seconds: 0.001,
            eval_seconds: 0.01,
            lr: 1e-3,
        })
    };
    let summary = Summary {
        best: Some(Best { epoch: 1, value: 0.75 }),
        last: Some(Best { epoch: 2, value: 0.5 }),
        averaged: None,
        trainable: 10,
        epoch_seconds: 0.04,
        peak_rss_bytes: 1 << 20,
    };
    let events = vec![
        Event::Started {
            config: Box::new(config()),
            inventory,
            tokens: 50,
            train_clips: 8,
            val_clips: 4,
            steps_per_epoch: 2,
            moment_bytes: 80,
        },
        Event::Preparing { done: 12, total: 12 },
        step(1, 1),
        Event::Norms { step: 1, blocks: vec![BlockNorms::default(); 12], cost_ms: 0.1 },
        step(2, 1),
        Event::Evaluating { done: 4, total: 4 },
        epoch(1, 0.75),
        Event::Checkpoint { step: 2, file: "checkpoint-2.safetensors".to_owned(), bytes: 1000 },
        Event::Paused,
        Event::Continued,
        step(3, 2),
        Event::Warning { message: "a warning".to_owned() },
        step(4, 2),
        epoch(2, 0.5),
        Event::Checkpoint { step: 4, file: "checkpoint-4.safetensors".to_owned(), bytes: 1000 },
        Event::Finished { summary },
    ];
    (0..).zip(events).map(|(i, event)| Record { at_ms: 1_700_000_000_000 + 100 * i, event }).collect()
}
