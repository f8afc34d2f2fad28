//! What a scan prints.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{
    super::{CliError, Output},
    progress::Meter,
};
use crate::{
    audio::Note,
    digits::{duration, size, thousands},
    scan::{Event, Format, Plan, Row, Summary},
    train::peak_rss_bytes,
};

/// Something that happened, as JSON.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(super) enum Happened<'a> {
    Begin { files: usize, bytes: u64, window_s: f64, hop_s: f64, out: &'a Path, thresholds: &'a str },
    File { file: &'a str, seconds: f64, detections: usize, began: Option<String>, known: bool, notes: &'a [Note] },
    Failed { file: &'a str, error: &'a str },
    Note { message: &'a str },
}

/// A detection, as JSON.
#[derive(Serialize)]
struct DetectionLine<'a> {
    detection: bool,
    #[serde(flatten)]
    row: &'a Row,
}

/// What it came to, as JSON.
#[derive(Serialize)]
struct SummaryLine<'a> {
    summary: bool,
    files: usize,
    failed: usize,
    hours: f64,
    /// Seconds of sound scored in a second.
    speed: f64,
    detections: u64,
    clips: Option<usize>,
    /// Recordings whose scores an earlier run had kept.
    known: usize,
    scored_hours: f64,
    seconds: f64,
    peak_rss_bytes: u64,
    written: &'a [PathBuf],
}

/// What is about to be done.
pub(super) fn about(plan: &Plan, output: &mut Output) -> Result<(), CliError> {
    let (found, grid) = (&plan.found, plan.grid);
    output.line(format!(
        "{} recordings, {}, by {}: windows of {} s, one every {} s; results in {}",
        thousands(found.recordings.len()),
        size(found.bytes()),
        plan.session,
        grid.window_s(),
        grid.hop_s(),
        plan.out.display()
    ))?;
    if found.again > 0 {
        output.line(format!("{} recordings were given more than once and are scanned once", found.again))?;
    }
    let left_out = found.left_out.len();
    if left_out > 0 {
        output.line(format!("{left_out} other files are not scanned; scan.json counts them by reason"))?;
    }
    if plan.formats.contains(&Format::Audacity) {
        output.line("an Audacity label track names no file: there is one for each recording and none for all")?;
    }
    Ok(())
}

/// Prints an event.
pub(super) fn report(event: Event<'_>, plan: &Plan, meter: &mut Meter, output: &mut Output) -> Result<(), CliError> {
    match event {
        Event::Begin { files, bytes } => {
            meter.begin(files);
            let (window_s, hop_s) = (plan.grid.window_s(), plan.grid.hop_s());
            let (out, thresholds) = (plan.out.as_path(), plan.thresholds.as_str());
            output.object(&Happened::Begin { files, bytes, window_s, hop_s, out, thresholds })
        }
        Event::Progress(progress) => meter.progress(progress, output),
        Event::File { file, seconds, rows, began, notes, known } => {
            let began = began.map(|began| began.after(0.0));
            output.object(&Happened::File { file, seconds, detections: rows.len(), began, known, notes })?;
            rows.iter().try_for_each(|row| output.object(&DetectionLine { detection: true, row }))?;
            // An earlier run printed it already.
            if known || output.is_json() {
                return Ok(());
            }
            let length = duration(seconds);
            let count = thousands(rows.len());
            let line = format!("{file}: {length}, {count} detection{}", if rows.len() == 1 { "" } else { "s" });
            let notes: Vec<String> = notes.iter().map(|note| format!("  {file}: {note}")).collect();
            meter.print(std::iter::once(line).chain(notes), output)
        }
        Event::Failed(unread) => {
            output.object(&Happened::Failed { file: &unread.file, error: &unread.error })?;
            meter.print([format!("not read: {}", unread.error)], output)
        }
    }
}

/// Prints what a scan came to; an error where recordings could not be read.
pub(super) fn end(plan: &Plan, summary: &Summary, meter: &Meter, output: &mut Output) -> Result<(), CliError> {
    let seconds = meter.seconds();
    let speed = summary.scored_hours * 3_600.0 / seconds.max(1e-9);
    let Summary { files, known, failed, hours, scored_hours, detections, cut, written } = summary;
    let peak_rss_bytes = peak_rss_bytes();
    output.object(&SummaryLine {
        summary: true,
        files: *files,
        failed: failed.len(),
        hours: *hours,
        speed,
        detections: *detections,
        clips: cut.map(|cut| cut.clips),
        known: *known,
        scored_hours: *scored_hours,
        seconds,
        peak_rss_bytes,
        written,
    })?;
    let again = match known {
        0 => String::new(),
        known => format!(", {} of them scored before", thousands(*known)),
    };
    output.line(format!(
        "{} detections in {} recordings{again}, {}; scored {} in {} ({speed:.0} x), {} MiB at most",
        thousands(usize::try_from(*detections).unwrap_or(usize::MAX)),
        thousands(*files),
        duration(hours * 3_600.0),
        duration(scored_hours * 3_600.0),
        duration(seconds),
        peak_rss_bytes >> 20
    ))?;
    let paths: Vec<String> = written.iter().map(|path| path.display().to_string()).collect();
    output.line(format!(
        "written: {}, and each recording's own under {}",
        paths.join(", "),
        plan.out.join("files").display()
    ))?;
    if let (Some(cut), Some(clips)) = (cut, &plan.clips) {
        let folder = clips.folder.display();
        output.line(format!(
            "{} clips in {folder}; {} detections left out by --per-class and --per-file, {} clips shortened by --longest",
            thousands(cut.clips),
            thousands(cut.left_out),
            thousands(cut.shortened)
        ))?;
        output.line("a machine chose their folders: listen to them before you train on them")?;
    }
    if failed.is_empty() {
        return Ok(());
    }
    output.line("not read:")?;
    for unread in failed {
        output.line(format!("  {}", unread.error))?;
    }
    let all = files + failed.len();
    Err(CliError::Failed(format!("{} of {all} recordings could not be read; scan.json lists them", failed.len())))
}
