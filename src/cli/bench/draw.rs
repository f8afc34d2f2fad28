//! The time to draw one frame of each screen of the workbench, and the bytes it writes to the terminal.

use std::time::Instant;

use serde::Serialize;

use super::Args;
use crate::{
    cli::{CliError, Output},
    tui::{graphics, testing::draw_bench::stages},
};

/// Columns and rows of a terminal, written `120x40`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size(u16, u16);

impl std::str::FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let sides = text.split_once('x').and_then(|(columns, rows)| Some((columns.parse().ok()?, rows.parse().ok()?)));
        match sides {
            Some((columns @ 1..=1000, rows @ 1..=1000)) => Ok(Self(columns, rows)),
            _ => Err("a size is columns and rows, both up to 1000: 120x40".into()),
        }
    }
}

#[derive(Serialize)]
struct Report {
    what: &'static str,
    screen: &'static str,
    columns: u16,
    rows: u16,
    graphics: &'static str,
    ms: f64,
    ms_max: f64,
    bytes: usize,
}

/// Measures and prints medians, and the slowest frame.
pub(super) fn run(args: &Args) -> Result<(), CliError> {
    let Size(columns, rows) = args.size;
    let graphics = graphics::chosen(&args.graphics).map_err(CliError::Usage)?.unwrap_or_default();
    let mut output = Output::stdout(args.json);
    output.line(format!("{columns} x {rows}, {:8}       ms  slowest    bytes", graphics.name()))?;
    for mut stage in stages((columns, rows), graphics).map_err(failed)? {
        for _ in 0..args.warmup {
            stage.draw().map_err(failed)?;
        }
        let (mut times, mut bytes) = (Vec::new(), Vec::new());
        for _ in 0..args.repeats.max(1) {
            let start = Instant::now();
            bytes.push(stage.draw().map_err(failed)?);
            times.push(start.elapsed().as_secs_f64() * 1e3);
        }
        times.sort_by(f64::total_cmp);
        bytes.sort_unstable();
        let report = Report {
            what: "draw",
            screen: stage.name,
            columns,
            rows,
            graphics: graphics.name(),
            ms: times[times.len() / 2],
            ms_max: times[times.len() - 1],
            bytes: bytes[bytes.len() / 2],
        };
        output.object(&report)?;
        output.line(format!("{:20} {:8.2} {:8.2} {:8}", report.screen, report.ms, report.ms_max, report.bytes))?;
    }
    Ok(())
}

fn failed(error: std::io::Error) -> CliError {
    CliError::Failed(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_columns_and_rows() {
        assert_eq!("200x50".parse(), Ok(Size(200, 50)));
        for wrong in ["", "200", "0x50", "200x", "5000x50", "-1x2"] {
            assert!(wrong.parse::<Size>().is_err(), "{wrong}");
        }
    }
}
