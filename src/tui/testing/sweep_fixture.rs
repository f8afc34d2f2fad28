//! A made-up sweep, for tests and for the benchmark of drawing.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use super::fixture::{THEN, app, noise};
use crate::{
    model::Method,
    session::Best,
    sweep::{self, Plan, Snapshot, Standing, State},
    tui::{
        input::action::Action,
        state::app::App,
        update::{effect::Effect, message::Message, update},
    },
};

/// A sweep of two methods, five folds and this many seeds, most of it finished, and a workbench that watches it.
pub fn watching(size: (u16, u16), seeds: usize) -> App {
    let mut app = app(size);
    let effects = update(&mut app, Message::Do(Action::WatchSweep(Some(PathBuf::from("/sweeps/table.toml")))));
    if let Some(Effect::WatchSweep(ticket, _)) = effects.last() {
        let read = sweep(seeds).map(Arc::new);
        update(&mut app, Message::Sweep(*ticket, read));
    }
    app
}

fn sweep(seeds: usize) -> Result<Snapshot, String> {
    let seeds: Vec<String> = (1..=seeds).map(|seed| seed.to_string()).collect();
    let text = format!(
        "[fixed]\ndata = \"demo\"\n[axes]\nmethod = [\"head\", \"aat\"]\nfold = [1, 2, 3, 4, 5]\nseed = [{}]\n",
        seeds.join(", ")
    );
    let file = sweep::File::of(Path::new("/sweeps/table.toml"), &text).map_err(|error| error.to_string())?;
    let plan = Arc::new(Plan::of(file).map_err(|error| error.to_string())?);
    let standing = |task: &sweep::Task| {
        let n = task.index as u64;
        let aat = task.request.method == Method::aat();
        let value = if aat { 0.92 } else { 0.87 } + 0.05 * f64::from(noise(n * 3));
        let (state, epochs, note) = match n % 29 {
            7 => (State::Running, (4, 10), None),
            11 => (State::Waiting, (0, 0), None),
            13 => (State::Waiting, (6, 10), Some("half done: resumes after step 300".to_owned())),
            17 => (State::Failed, (2, 10), Some("the disk \u{1b}[2J is full; make room".to_owned())),
            _ => (State::Done, (10, 10), None),
        };
        let best = |epoch, value| (epochs.0 > 0).then_some(Best { epoch, value });
        Standing {
            metric: if epochs.0 > 0 { "accuracy" } else { "" },
            last: best(epochs.0, value),
            best: best(epochs.0.min(7), value + 0.01),
            seconds: 186.0,
            parameters: if aat { (598_282, 8_230_666) } else { (4_618, 7_637_002) },
            host: (epochs.0 > 0).then(|| format!("node{} (job 4711_{n})", n % 4)),
            at_ms: if epochs.0 > 0 { THEN + 600_000 - 1000 * n } else { 0 },
            begun: epochs.0 > 0,
            state,
            epochs,
            note,
            ..Standing::default()
        }
    };
    Ok(Snapshot::of(&plan, plan.tasks.iter().map(standing).collect()))
}
