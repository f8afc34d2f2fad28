//! The results of a sweep as a table (CSV, Markdown, LaTeX), as a figure (SVG, PNG), or task by task (CSV, JSON lines).

use std::{io::Write as _, path::Path};

use serde::Serialize;

use super::{Group, Interval, Paired, Snapshot, State, SweepError, pairs};
use crate::{
    atomic,
    digits::thousands,
    plot::{self, Point, Scatter},
};

/// What to write.
#[derive(Clone, Debug, Default)]
pub struct Export {
    /// The group that the others are compared with, by its name; the first where there is none.
    pub against: Option<String>,
    /// A row for each task instead of each group.
    pub tasks: bool,
}

/// A row of the table.
struct Row<'a> {
    group: &'a Group,
    paired: Option<Paired>,
}

/// Writes a file; its extension decides the form: `.csv`, `.md`, `.tex`, `.svg`, `.png`, and `.jsonl` for tasks.
///
/// # Errors
/// When the extension is another one, no such group is there, nothing is finished, or the file cannot be written.
pub fn export(snapshot: &Snapshot, what: &Export, to: &Path) -> Result<(), SweepError> {
    let extension = to.extension().and_then(|extension| extension.to_str()).unwrap_or_default().to_ascii_lowercase();
    if what.tasks {
        return match extension.as_str() {
            "csv" => write(to, task_table(snapshot)?),
            "jsonl" => write(to, task_lines(snapshot)),
            _ => Err(SweepError::Request(format!("{}: a file of tasks ends in .csv or .jsonl", to.display()))),
        };
    }
    let rows = finished_rows(snapshot, what)?;
    match extension.as_str() {
        "csv" => write(to, csv(&rows)?),
        "md" => write(to, markdown_of(snapshot, &rows)),
        "tex" => write(to, latex(snapshot, &rows)),
        "svg" | "png" => {
            plot::export_scatter(to, &figure(snapshot, &rows)).map_err(|error| SweepError::Request(error.to_string()))
        }
        _ => Err(SweepError::Request(format!(
            "{}: the results of a sweep end in .csv, .md, .tex, .svg or .png",
            to.display()
        ))),
    }
}

/// The table as Markdown.
///
/// # Errors
/// When no such group is there, or nothing is finished.
pub fn markdown(snapshot: &Snapshot, what: &Export) -> Result<String, SweepError> {
    Ok(markdown_of(snapshot, &finished_rows(snapshot, what)?))
}

fn finished_rows<'a>(snapshot: &'a Snapshot, what: &Export) -> Result<Vec<Row<'a>>, SweepError> {
    let rows = rows(snapshot, base(snapshot, what.against.as_deref())?);
    if rows.iter().all(|row| row.group.last.count == 0) {
        return Err(SweepError::Request(format!(
            "no task of {} is finished yet, so there is nothing to export",
            snapshot.plan.file.name
        )));
    }
    Ok(rows)
}

fn write(to: &Path, content: impl AsRef<[u8]>) -> Result<(), SweepError> {
    atomic::write(to, |file| file.write_all(content.as_ref())).map_err(SweepError::io(to, "write"))
}

/// The place of the group that others are compared with.
fn base(snapshot: &Snapshot, against: Option<&str>) -> Result<usize, SweepError> {
    let Some(against) = against else { return Ok(0) };
    let names: Vec<String> = snapshot.groups.iter().map(Group::name).collect();
    names.iter().position(|name| name == against).ok_or_else(|| {
        let near = crate::data::nearest(against, names.iter().map(String::as_str));
        let hint = near.map_or_else(String::new, |name| format!(" (did you mean `{name}`?)"));
        SweepError::Request(format!("there is no group `{against}`{hint}; there are: {}", names.join("; ")))
    })
}

fn rows(snapshot: &Snapshot, base: usize) -> Vec<Row<'_>> {
    let paired = pairs(&snapshot.plan, &snapshot.standings, &snapshot.groups, base);
    snapshot.groups.iter().zip(paired).map(|(group, paired)| Row { group, paired }).collect()
}

/// A value with the half width of its interval: `0.925 ± 0.042`.
fn with_half(value: &Interval, sign: &str) -> String {
    match (value.count, value.high) {
        (0, _) => "–".to_owned(),
        (_, Some(high)) => format!("{:.3} {sign} {:.3}", value.mean, high - value.mean),
        (_, None) => format!("{:.3}", value.mean),
    }
}

/// A difference in points with its interval: `+3.4 (0.0 to 6.9)`.
fn points(value: &Interval) -> String {
    let points = |value: f64| format!("{:.1}", 100.0 * value);
    match (value.count, value.low, value.high) {
        (0, ..) => "–".to_owned(),
        (_, Some(low), Some(high)) => {
            format!("{:+.1} ({} to {})", 100.0 * value.mean, points(low), points(high))
        }
        _ => format!("{:+.1}", 100.0 * value.mean),
    }
}

/// A row of the file of groups.
#[derive(Serialize)]
struct CsvRow<'a> {
    group: String,
    metric: &'a str,
    tasks: usize,
    done: usize,
    running: usize,
    waiting: usize,
    failed: usize,
    last_mean: Option<f64>,
    last_std: Option<f64>,
    last_low: Option<f64>,
    last_high: Option<f64>,
    best_mean: Option<f64>,
    best_std: Option<f64>,
    best_low: Option<f64>,
    best_high: Option<f64>,
    trainable: usize,
    total: usize,
    seconds: f64,
    peak_rss_bytes: u64,
    compared_with: Option<&'a str>,
    pairs: Option<usize>,
    pairs_left_out: Option<usize>,
    last_difference: Option<f64>,
    last_difference_low: Option<f64>,
    last_difference_high: Option<f64>,
    best_difference: Option<f64>,
    best_difference_low: Option<f64>,
    best_difference_high: Option<f64>,
}

fn csv(rows: &[Row<'_>]) -> Result<Vec<u8>, SweepError> {
    let mut table = csv::Writer::from_writer(Vec::new());
    for Row { group, paired } in rows {
        let some = |interval: &Interval| Some(interval.mean).filter(|_| interval.count > 0);
        let paired = paired.as_ref();
        let row = CsvRow {
            group: group.name(),
            metric: group.metric,
            tasks: group.counts.all(),
            done: group.counts.done,
            running: group.counts.running,
            waiting: group.counts.waiting,
            failed: group.counts.failed,
            last_mean: some(&group.last),
            last_std: group.last.std,
            last_low: group.last.low,
            last_high: group.last.high,
            best_mean: some(&group.best),
            best_std: group.best.std,
            best_low: group.best.low,
            best_high: group.best.high,
            trainable: group.parameters.0,
            total: group.parameters.1,
            seconds: group.seconds,
            peak_rss_bytes: group.peak_rss_bytes,
            compared_with: paired.map(|paired| paired.minus.as_str()),
            pairs: paired.map(|paired| paired.last.count),
            pairs_left_out: paired.map(|paired| paired.left_out),
            last_difference: paired.map(|paired| paired.last.mean),
            last_difference_low: paired.and_then(|paired| paired.last.low),
            last_difference_high: paired.and_then(|paired| paired.last.high),
            best_difference: paired.map(|paired| paired.best.mean),
            best_difference_low: paired.and_then(|paired| paired.best.low),
            best_difference_high: paired.and_then(|paired| paired.best.high),
        };
        table.serialize(row).map_err(|error| SweepError::Request(format!("cannot make the table: {error}")))?;
    }
    table.into_inner().map_err(|error| SweepError::Request(format!("cannot make the table: {error}")))
}

/// The heads of the table for people and its cells, row by row.
fn cells(rows: &[Row<'_>], sign: &str) -> (Vec<String>, Vec<Vec<String>>) {
    let metric = rows.iter().map(|row| row.group.metric).find(|metric| !metric.is_empty()).unwrap_or("metric");
    let minus = rows.iter().find_map(|row| row.paired.as_ref()).map(|paired| paired.minus.clone());
    let mut heads: Vec<String> = match rows.first().map(|row| &row.group.axes) {
        Some(axes) if !axes.is_empty() => axes.iter().map(|(axis, _)| axis.clone()).collect(),
        _ => vec!["group".to_owned()],
    };
    heads.extend(["runs".to_owned(), format!("last {metric}"), format!("best {metric}")]);
    heads.extend(["trainable".to_owned(), "seconds a run".to_owned()]);
    heads.extend(minus.map(|minus| format!("minus {minus}, points")));
    let body = rows.iter().map(|Row { group, paired }| {
        let mut row: Vec<String> = match group.axes.as_slice() {
            [] => vec![group.name()],
            axes => axes.iter().map(|(_, label)| label.clone()).collect(),
        };
        let runs = match group.counts.all() {
            all if all == group.counts.done => all.to_string(),
            all => format!("{} of {all}", group.counts.done),
        };
        row.extend([runs, with_half(&group.last, sign), with_half(&group.best, sign)]);
        row.extend([thousands(group.parameters.0), format!("{:.1}", group.seconds)]);
        if row.len() < heads.len() {
            row.push(paired.as_ref().map_or_else(String::new, |paired| points(&paired.last)));
        }
        row
    });
    let body = body.collect();
    (heads, body)
}

/// What the numbers of a table are, in a sentence.
fn legend(snapshot: &Snapshot, rows: &[Row<'_>]) -> String {
    let over: Vec<&str> =
        snapshot.plan.axes.iter().map(String::as_str).filter(|axis| ["fold", "seed"].contains(axis)).collect();
    let over = match over.as_slice() {
        [] => "single runs".to_owned(),
        axes => format!("runs over {}", axes.iter().map(|axis| format!("{axis}s")).collect::<Vec<_>>().join(" and ")),
    };
    let mut text = format!(
        "Mean over {over} with the half width of its 95 % interval by Student's t; folds share training clips, so it is \
         somewhat too narrow."
    );
    if let Some(paired) = rows.iter().find_map(|row| row.paired.as_ref()) {
        let last = "after the last epoch, in points, with its 95 % interval";
        text.push_str(&format!(" Differences: each group minus {}, paired by fold and seed, {last}.", paired.minus));
    }
    let left_out: usize = rows.iter().filter_map(|row| row.paired.as_ref()).map(|paired| paired.left_out).sum();
    if left_out > 0 {
        text.push_str(&format!(" {left_out} pairs are left out because their clips differ."));
    }
    let open = snapshot.counts.all() - snapshot.counts.done;
    if open > 0 {
        text.push_str(&format!(" {open} of {} runs are not finished.", snapshot.counts.all()));
    }
    text
}

fn markdown_of(snapshot: &Snapshot, rows: &[Row<'_>]) -> String {
    let (heads, body) = cells(rows, "±");
    let cell = |text: &String| text.replace('|', "\\|").replace(['\n', '\r'], " ");
    let line = |cells: &[String]| format!("| {} |\n", cells.iter().map(cell).collect::<Vec<_>>().join(" | "));
    let mut text = line(&heads);
    text.push_str(&format!("|{}\n", "---|".repeat(heads.len())));
    body.iter().for_each(|row| text.push_str(&line(row)));
    format!("{text}\n{}\n", legend(snapshot, rows))
}

/// A table of the `booktabs` package.
fn latex(snapshot: &Snapshot, rows: &[Row<'_>]) -> String {
    let (heads, body) = cells(rows, "$\\pm$");
    let names = rows.first().map_or(1, |row| row.group.axes.len().max(1));
    let columns = "l".repeat(names) + &"r".repeat(heads.len() - names);
    let line = |cells: &[String]| {
        let cells: Vec<String> = cells.iter().map(|cell| escaped(cell)).collect();
        format!("{} \\\\\n", cells.join(" & "))
    };
    let mut text = format!("% {}\n", legend(snapshot, rows));
    text.push_str(&format!("\\begin{{tabular}}{{{columns}}}\n\\toprule\n{}\\midrule\n", line(&heads)));
    body.iter().for_each(|row| text.push_str(&line(row)));
    text + "\\bottomrule\n\\end{tabular}\n"
}

/// A text as LaTeX shows it. The sign of an interval is LaTeX already.
fn escaped(text: &str) -> String {
    let part = |text: &str| {
        let mut out = String::with_capacity(text.len());
        for c in text.chars() {
            match c {
                '&' | '%' | '$' | '#' | '_' | '{' | '}' => out.extend(['\\', c]),
                '\\' => out.push_str("\\textbackslash{}"),
                '~' => out.push_str("\\textasciitilde{}"),
                '^' => out.push_str("\\textasciicircum{}"),
                '–' => out.push_str("--"),
                c if c.is_control() => out.push(' '),
                c => out.push(c),
            }
        }
        out
    };
    text.split("$\\pm$").map(part).collect::<Vec<_>>().join("$\\pm$")
}

/// Score against trainable parameters: the paper's figure.
fn figure(snapshot: &Snapshot, rows: &[Row<'_>]) -> Scatter {
    let metric = rows.iter().map(|row| row.group.metric).find(|metric| !metric.is_empty()).unwrap_or("metric");
    let point = |(look, Row { group, .. }): (usize, &Row<'_>)| Point {
        name: group.name(),
        remark: format!("{}, {} runs, {:.1} s each", with_half(&group.last, "±"), group.last.count, group.seconds),
        x: group.parameters.0 as f64,
        y: group.last.mean,
        spread: group.last.high.map(|high| high - group.last.mean),
        look,
    };
    let shown = rows.iter().enumerate().filter(|(_, row)| row.group.last.count > 0 && row.group.parameters.0 > 0);
    let title = format!("{}: {metric} after the last epoch, mean and 95 % interval", snapshot.plan.file.name);
    Scatter::new(title, ("trainable parameters", metric), shown.map(point).collect())
}

/// A task in a file.
#[derive(Serialize)]
struct TaskLine<'a> {
    id: &'a str,
    session: &'a str,
    state: &'static str,
    axes: serde_json::Map<String, serde_json::Value>,
    epochs: u32,
    of_epochs: u32,
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

fn task_lines(snapshot: &Snapshot) -> Vec<u8> {
    let mut out = Vec::new();
    for index in 0..snapshot.plan.tasks.len() {
        out.extend(serde_json::to_vec(&task_line(snapshot, index)).unwrap_or_default());
        out.push(b'\n');
    }
    out
}

/// The same with a column for each axis.
fn task_table(snapshot: &Snapshot) -> Result<Vec<u8>, SweepError> {
    let failed = |error: csv::Error| SweepError::Request(format!("cannot make the table: {error}"));
    let mut table = csv::Writer::from_writer(Vec::new());
    let mut heads: Vec<&str> = vec!["id", "session", "state"];
    heads.extend(snapshot.plan.axes.iter().map(String::as_str));
    heads.extend([
        "epochs",
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::{fs, sync::Arc};

    use super::*;
    use crate::sweep::results::testing::table;

    fn snapshot() -> Snapshot {
        let (plan, standings) = table();
        Snapshot::of(&Arc::new(plan), standings)
    }

    fn written(name: &str, what: &Export) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        export(&snapshot(), what, &path).unwrap();
        String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned()
    }

    #[test]
    fn every_form_has_means_intervals_and_paired_differences() {
        let text = written("t.md", &Export::default());
        assert!(
            text.starts_with(
                "| method | runs | last accuracy | best accuracy | trainable | seconds a run | minus head, points |\n"
            ),
            "{text}"
        );
        assert!(text.contains("| aat | 3 of 4 | 0.880 ± 0.179 |"), "{text}");
        assert!(text.contains("| +10.7 (7.8 to 13.5) |") && text.contains("1 of 8 runs are not finished"), "{text}");
        let tex = written("t.tex", &Export::default());
        assert!(tex.contains("\\begin{tabular}{lrrrrrr}") && tex.contains("0.880 $\\pm$ 0.179"), "{tex}");
        let csv = written("t.csv", &Export { against: Some("aat".into()), tasks: false });
        let mut reader = csv::Reader::from_reader(csv.as_bytes());
        let rows: Vec<std::collections::HashMap<String, String>> = reader.deserialize().map(Result::unwrap).collect();
        assert_eq!((rows[0]["compared_with"].as_str(), rows[0]["pairs"].as_str()), ("aat", "3"));
        assert!((rows[0]["last_difference"].parse::<f64>().unwrap() + 0.32 / 3.0).abs() < 1e-12);
        assert!(written("t.svg", &Export::default()).contains("trainable parameters"));
        let tasks = Export { tasks: true, against: None };
        assert_eq!(written("t.csv", &tasks).lines().count(), 9);
        assert!(written("t.csv", &tasks).starts_with("id,session,state,method,fold,seed,epochs,"));
        assert!(
            written("t.jsonl", &tasks)
                .lines()
                .next()
                .unwrap()
                .contains("\"axes\":{\"fold\":\"1\",\"method\":\"head\",\"seed\":\"1\"}")
        );
    }

    #[test]
    fn what_cannot_be_exported_is_one_sentence() {
        let said = |what: &Export, name: &str| export(&snapshot(), what, Path::new(name)).unwrap_err().to_string();
        assert!(said(&Export::default(), "t.docx").contains(".csv, .md, .tex, .svg or .png"));
        let other = Export { against: Some("aaat".into()), tasks: false };
        assert!(said(&other, "t.md").contains("did you mean `aat`?"));
        assert!(said(&Export { tasks: true, against: None }, "t.md").contains(".csv or .jsonl"));
    }

    #[test]
    fn latex_shows_every_character() {
        assert_eq!(escaped("a_b & 5 % – $x$"), "a\\_b \\& 5 \\% -- \\$x\\$");
        assert_eq!(escaped("0.9 $\\pm$ 0.1"), "0.9 $\\pm$ 0.1");
    }
}
