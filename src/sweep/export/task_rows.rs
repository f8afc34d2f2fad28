//! The tasks of a sweep one by one.

use serde::Serialize;

use crate::{
    model::Precision,
    sweep::{Snapshot, State, SweepError},
};

/// A task in a file.
#[derive(Serialize)]
struct TaskLine<'a> {
    id: &'a str,
    session: &'a str,
    state: &'static str,
    axes: serde_json::Map<String, serde_json::Value>,
    epochs: u32,
    of_epochs: u32,
    dtype: Option<Precision>,
    metric: &'a str,
    best: Option<f64>,
    best_epoch: Option<u32>,
    last: Option<f64>,
    averaged: Option<f64>,
    seconds: f64,
    peak_rss_bytes: u64,
    host: Option<&'a str>,
    note: Option<&'a str>,
}

fn task_line(snapshot: &Snapshot, index: usize) -> TaskLine<'_> {
    let (task, standing) = (&snapshot.plan.tasks[index], &snapshot.standings[index]);
    let axes = snapshot.plan.axes.iter().cloned().zip(task.labels.iter().map(|label| label.as_str().into())).collect();
    TaskLine {
        id: &task.id,
        session: standing.name(task),
        state: standing.state.name(),
        axes,
        epochs: standing.epochs.0,
        of_epochs: standing.epochs.1,
        dtype: standing.dtype,
        metric: standing.metric,
        best: standing.best.map(|best| best.value),
        best_epoch: standing.best.map(|best| best.epoch),
        last: standing.last.map(|last| last.value),
        averaged: standing.averaged.map(|averaged| averaged.value),
        seconds: standing.seconds,
        peak_rss_bytes: standing.peak_rss_bytes,
        host: standing.host.as_deref(),
        note: standing.note.as_deref().filter(|_| standing.state != State::Done),
    }
}

/// A JSON object for each task.
pub(super) fn task_lines(snapshot: &Snapshot) -> Vec<u8> {
    let mut out = Vec::new();
    for index in 0..snapshot.plan.tasks.len() {
        out.extend(serde_json::to_vec(&task_line(snapshot, index)).unwrap_or_default());
        out.push(b'\n');
    }
    out
}

/// A row for each task, with a column for each axis.
pub(super) fn task_table(snapshot: &Snapshot) -> Result<Vec<u8>, SweepError> {
    let failed = |error: csv::Error| SweepError::Request(format!("cannot make the table: {error}"));
    let mut table = csv::Writer::from_writer(Vec::new());
    let mut heads: Vec<&str> = vec!["id", "session", "state"];
    heads.extend(snapshot.plan.axes.iter().map(String::as_str));
    heads.extend([
        "epochs",
        "dtype",
        "metric",
        "best",
        "best_epoch",
        "last",
        "averaged",
        "seconds",
        "peak_rss_bytes",
        "host",
        "note",
    ]);
    table.write_record(heads).map_err(failed)?;
    let number = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
    for index in 0..snapshot.plan.tasks.len() {
        let line = task_line(snapshot, index);
        let mut row: Vec<String> = [line.id, line.session, line.state].map(str::to_owned).to_vec();
        row.extend(snapshot.plan.tasks[index].labels.iter().cloned());
        row.extend([
            line.epochs.to_string(),
            line.dtype.map_or_else(String::new, |dtype| dtype.to_string()),
            line.metric.to_owned(),
            number(line.best),
            line.best_epoch.map_or_else(String::new, |epoch| epoch.to_string()),
            number(line.last),
            number(line.averaged),
            line.seconds.to_string(),
            line.peak_rss_bytes.to_string(),
            line.host.unwrap_or("").to_owned(),
            line.note.unwrap_or("").to_owned(),
        ]);
        table.write_record(row).map_err(failed)?;
    }
    table.into_inner().map_err(|error| SweepError::Request(format!("cannot make the table: {error}")))
}
