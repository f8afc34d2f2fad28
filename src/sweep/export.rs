//! The results of a sweep as a table (CSV, Markdown, LaTeX), as a figure (SVG, PNG), or task by task (CSV, JSON lines).

mod groups_csv;
mod task_rows;
mod written;

use std::{io::Write as _, path::Path};

use self::{
    groups_csv::csv,
    task_rows::{task_lines, task_table},
    written::{latex, markdown_of},
};
use super::{Group, Interval, Paired, Snapshot, SweepError, bases, metrics, pairs};
use crate::{
    atomic,
    digits::{signed, thousands},
    plot::{self, Point, Scatter},
};

/// What to write.
#[derive(Clone, Debug, Default)]
pub struct Export {
    /// The group that the others of its data set are compared with, by its name, with or without the data set; the first
    /// where there is none.
    pub against: Option<String>,
    /// A row for each task instead of each group.
    pub tasks: bool,
}

/// A row of the table.
struct Row<'a> {
    group: &'a Group,
    /// The group that it is compared with: itself, another one of its data set, or none.
    base: Option<&'a Group>,
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
            let figure = figure(snapshot, &rows)?;
            plot::export_scatter(to, &figure).map_err(|error| SweepError::Request(error.to_string()))
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
    let rows = rows(snapshot, what.against.as_deref())?;
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

fn rows<'a>(snapshot: &'a Snapshot, against: Option<&str>) -> Result<Vec<Row<'a>>, SweepError> {
    let bases = bases(&snapshot.groups, against).map_err(|names| {
        let against = against.unwrap_or_default();
        let near = crate::data::nearest(against, names.iter().map(String::as_str));
        let hint = near.map_or_else(String::new, |name| format!(" (did you mean `{name}`?)"));
        SweepError::Request(format!("there is no group `{against}`{hint}; there are: {}", names.join("; ")))
    })?;
    let paired = pairs(&snapshot.plan, &snapshot.standings, &snapshot.groups, &bases);
    let row = |((group, paired), base): ((&'a Group, Option<Paired>), Option<usize>)| {
        let base = base.and_then(|base| snapshot.groups.get(base));
        Row { group, base, paired }
    };
    Ok(snapshot.groups.iter().zip(paired).zip(bases).map(row).collect())
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
            format!("{} ({} to {})", signed(100.0 * value.mean, 1), points(low), points(high))
        }
        _ => signed(100.0 * value.mean, 1),
    }
}

/// The heads of the table for people and its cells, row by row.
fn cells(rows: &[Row<'_>], sign: &str) -> (Vec<String>, Vec<Vec<String>>) {
    let metrics = metrics_of(rows);
    let minus = rows.iter().find(|row| row.paired.is_some()).and_then(|row| row.base).map(Group::name_within);
    let mut heads: Vec<String> = match rows.first().map(|row| &row.group.axes) {
        Some(axes) if !axes.is_empty() => axes.iter().map(|(axis, _)| axis.clone()).collect(),
        _ => vec!["group".to_owned()],
    };
    heads.push("runs".to_owned());
    match metrics.as_slice() {
        [metric] => heads.extend([format!("last {metric}"), format!("best {metric}")]),
        _ => heads.extend(["metric", "last", "best"].map(str::to_owned)),
    }
    heads.extend(["trainable".to_owned(), "seconds a run".to_owned()]);
    heads.extend(minus.map(|minus| format!("minus {minus}, points")));
    let body = rows.iter().map(|Row { group, paired, .. }| {
        let mut row: Vec<String> = match group.axes.as_slice() {
            [] => vec![group.name()],
            axes => axes.iter().map(|(_, label)| label.clone()).collect(),
        };
        let runs = match group.counts.all() {
            all if all == group.counts.done => all.to_string(),
            all => format!("{} of {all}", group.counts.done),
        };
        row.push(runs);
        if metrics.len() != 1 {
            row.push(group.metric.to_owned());
        }
        row.extend([with_half(&group.last, sign), with_half(&group.best, sign)]);
        row.extend([thousands(group.parameters.0), format!("{:.1}", group.seconds)]);
        if row.len() < heads.len() {
            row.push(paired.as_ref().map_or_else(String::new, |paired| points(&paired.last)));
        }
        row
    });
    let body = body.collect();
    (heads, body)
}

fn metrics_of(rows: &[Row<'_>]) -> Vec<&'static str> {
    let groups: Vec<Group> = rows.iter().map(|row| row.group.clone()).collect();
    metrics(&groups)
}

/// What the numbers of a table are, in sentences.
fn legend(snapshot: &Snapshot, rows: &[Row<'_>]) -> String {
    let has = |axis: &str| snapshot.plan.axes.iter().any(|known| known == axis);
    let interval = "with the half width of its 95 % interval by Student's t";
    let shared = "folds share training clips, so the interval is somewhat too narrow.";
    let mut text = match (has("fold"), has("seed")) {
        (false, false) => "Single runs.".to_owned(),
        (false, true) => format!("Mean over seeds {interval}."),
        (true, false) => format!("Mean over folds {interval}; {shared}"),
        (true, true) => format!(
            "Mean over folds {interval}, each fold being the mean over its seeds (where there is one fold: over seeds); {shared}"
        ),
    };
    if let Some(row) = rows.iter().find(|row| row.paired.is_some()) {
        let minus = row.base.map(Group::name_within).unwrap_or_default();
        let within = if rows.iter().any(|row| row.group.name_within() != row.group.name()) {
            " of the same data set and precision"
        } else {
            ""
        };
        text.push_str(&format!(
            " Differences: each group minus {minus}{within}, paired by fold and seed, after the last epoch, in points, with \
             the 95 % interval."
        ));
    }
    for row in rows {
        text.push_str(&left_out(row));
    }
    let open = snapshot.counts.all() - snapshot.counts.done;
    if open > 0 {
        text.push_str(&format!(" {open} of {} runs are not finished.", snapshot.counts.all()));
    }
    text
}

/// What a group's difference leaves out, in a sentence.
fn left_out(row: &Row<'_>) -> String {
    let name = row.group.name();
    match (&row.paired, row.base) {
        (Some(paired), _) if paired.left_out.all() > 0 => {
            let parts = [
                (paired.left_out.other_clips, "trained on other clips"),
                (paired.left_out.unfinished, "not finished"),
                (paired.left_out.without_partner, "without a run of the same fold and seed there"),
            ];
            let parts: Vec<String> =
                parts.iter().filter(|(count, _)| *count > 0).map(|(count, why)| format!("{count} {why}")).collect();
            let all = paired.left_out.all() + paired.last.runs;
            format!(
                " {name} minus {}: {} of {all} pairs are left out ({}).",
                paired.minus,
                paired.left_out.all(),
                parts.join(", ")
            )
        }
        (None, None) => {
            format!(" {name} is compared with nothing: there is no such group of its data set and precision.")
        }
        (None, Some(base)) if base.metric != row.group.metric => {
            format!(
                " {name} is not compared with {}: they report {} and {}.",
                base.name(),
                row.group.metric,
                base.metric
            )
        }
        _ => String::new(),
    }
}

/// Score against trainable parameters: the paper's figure.
fn figure(snapshot: &Snapshot, rows: &[Row<'_>]) -> Result<Scatter, SweepError> {
    let metrics = metrics_of(rows);
    let [metric] = metrics.as_slice() else {
        return Err(SweepError::Request(format!(
            "a figure shows one metric, and the groups of {} report {}; export a table instead",
            snapshot.plan.file.name,
            metrics.join(" and ")
        )));
    };
    let point = |(look, Row { group, .. }): (usize, &Row<'_>)| Point {
        name: group.name(),
        remark: format!("{}, {} runs, {:.1} s each", with_half(&group.last, "±"), group.last.runs, group.seconds),
        x: group.parameters.0 as f64,
        y: group.last.mean,
        spread: group.last.high.map(|high| high - group.last.mean),
        look,
    };
    let shown = rows.iter().enumerate().filter(|(_, row)| row.group.last.count > 0 && row.group.parameters.0 > 0);
    let title = format!("{}: {metric} after the last epoch, mean and 95 % interval", snapshot.plan.file.name);
    Ok(Scatter::new(title, ("trainable parameters", metric), shown.map(point).collect()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::{fs, sync::Arc};

    use super::*;
    use crate::{
        model::Precision,
        sweep::results::testing::{finished, plan as of_text, table},
    };

    fn snapshot() -> Snapshot {
        let (plan, standings) = table();
        Snapshot::of(&Arc::new(plan), standings)
    }

    fn file(name: &str, what: &Export) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        export(&snapshot(), what, &path).unwrap();
        String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned()
    }

    #[test]
    fn every_form_has_means_intervals_and_paired_differences() {
        let text = file("t.md", &Export::default());
        assert!(
            text.starts_with(
                "| method | runs | last accuracy | best accuracy | trainable | seconds a run | minus head, points |\n"
            ),
            "{text}"
        );
        assert!(text.contains("| aat | 3 of 4 | 0.860 ± 0.762 |"), "{text}");
        assert!(text.contains("| +10.5 (4.1 to 16.9) |") && text.contains("1 of 8 runs are not finished"), "{text}");
        assert!(text.contains("aat minus head: 1 of 4 pairs are left out (1 not finished)."), "{text}");
        let tex = file("t.tex", &Export::default());
        assert!(tex.contains("\\begin{tabular}{lrrrrrr}") && tex.contains("0.860 $\\pm$ 0.762"), "{tex}");
        let csv = file("t.csv", &Export { against: Some("aat".into()), tasks: false });
        let mut reader = csv::Reader::from_reader(csv.as_bytes());
        let rows: Vec<std::collections::HashMap<String, String>> = reader.deserialize().map(Result::unwrap).collect();
        assert_eq!((rows[0]["compared_with"].as_str(), rows[0]["pairs"].as_str()), ("aat", "3"));
        assert!((rows[0]["last_difference"].parse::<f64>().unwrap() + 0.105).abs() < 1e-12);
        assert!(file("t.svg", &Export::default()).contains("trainable parameters"));
        let tasks = Export { tasks: true, against: None };
        assert_eq!(file("t.csv", &tasks).lines().count(), 9);
        assert!(file("t.csv", &tasks).starts_with("id,session,state,method,fold,seed,epochs,"));
        assert!(
            file("t.jsonl", &tasks)
                .lines()
                .next()
                .unwrap()
                .contains("\"axes\":{\"fold\":\"1\",\"method\":\"head\",\"seed\":\"1\"}")
        );
    }

    /// Each group has its own metric, and a figure has one.
    #[test]
    fn several_data_sets_are_a_table_with_a_column_of_metrics() {
        let text = "[axes]\ndata = [\"esc\", \"mic\"]\nmethod = [\"head\", \"aat\"]\n";
        let plan = Arc::new(of_text(text));
        let value = |metric, value| finished(metric, Precision::F32, value);
        let standings = vec![value("accuracy", 0.5), value("accuracy", 0.7), value("mAP", 0.25), value("mAP", 0.5)];
        let snapshot = Snapshot::of(&plan, standings);
        let table = markdown(&snapshot, &Export::default()).unwrap();
        let head = "| data | method | runs | metric | last | best | trainable | seconds a run | minus head, points |\n";
        assert!(table.starts_with(head), "{table}");
        assert!(table.contains("| esc | aat | 1 | accuracy | 0.700 |") && table.contains("| +20.0 |"), "{table}");
        assert!(table.contains("| mic | aat | 1 | mAP | 0.500 |") && table.contains("| +25.0 |"), "{table}");
        let folder = tempfile::tempdir().unwrap();
        let said = export(&snapshot, &Export::default(), &folder.path().join("t.svg")).unwrap_err().to_string();
        assert!(said.contains("a figure shows one metric") && said.contains("accuracy and mAP"), "{said}");
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
        assert_eq!(written::escaped("a_b & 5 % – $x$"), "a\\_b \\& 5 \\% -- \\$x\\$");
        assert_eq!(written::escaped("0.9 $\\pm$ 0.1"), "0.9 $\\pm$ 0.1");
    }
}
