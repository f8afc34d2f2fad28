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
use super::{Group, Interval, Paired, Snapshot, SweepError, pairs};
use crate::{
    atomic,
    digits::{signed, thousands},
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
            format!("{} ({} to {})", signed(100.0 * value.mean, 1), points(low), points(high))
        }
        _ => signed(100.0 * value.mean, 1),
    }
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
        [] => "Single runs".to_owned(),
        axes => format!("Mean over {}", axes.iter().map(|axis| format!("{axis}s")).collect::<Vec<_>>().join(" and ")),
    };
    let mut text = format!(
        "{over} with the half width of its 95 % interval by Student's t; folds share training clips, so it is \
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
        assert!(text.contains("| aat | 3 of 4 | 0.880 ± 0.179 |"), "{text}");
        assert!(text.contains("| +10.7 (7.8 to 13.5) |") && text.contains("1 of 8 runs are not finished"), "{text}");
        let tex = file("t.tex", &Export::default());
        assert!(tex.contains("\\begin{tabular}{lrrrrrr}") && tex.contains("0.880 $\\pm$ 0.179"), "{tex}");
        let csv = file("t.csv", &Export { against: Some("aat".into()), tasks: false });
        let mut reader = csv::Reader::from_reader(csv.as_bytes());
        let rows: Vec<std::collections::HashMap<String, String>> = reader.deserialize().map(Result::unwrap).collect();
        assert_eq!((rows[0]["compared_with"].as_str(), rows[0]["pairs"].as_str()), ("aat", "3"));
        assert!((rows[0]["last_difference"].parse::<f64>().unwrap() + 0.32 / 3.0).abs() < 1e-12);
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
