//! The groups of a sweep as a table for a page: Markdown and LaTeX.

use super::{Row, cells, legend};
use crate::sweep::Snapshot;

/// The table as Markdown.
pub(super) fn markdown_of(snapshot: &Snapshot, rows: &[Row<'_>]) -> String {
    let (heads, body) = cells(rows, "±");
    let cell = |text: &String| text.replace('|', "\\|").replace(['\n', '\r'], " ");
    let line = |cells: &[String]| format!("| {} |\n", cells.iter().map(cell).collect::<Vec<_>>().join(" | "));
    let mut text = line(&heads);
    text.push_str(&format!("|{}\n", "---|".repeat(heads.len())));
    body.iter().for_each(|row| text.push_str(&line(row)));
    format!("{text}\n{}\n", legend(snapshot, rows))
}

/// A table of the `booktabs` package.
pub(super) fn latex(snapshot: &Snapshot, rows: &[Row<'_>]) -> String {
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
pub(super) fn escaped(text: &str) -> String {
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
