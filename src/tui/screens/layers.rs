//! Layers: what each block's adapters add to the residual stream, now and over the run.

use ratatui::{
    buffer::Buffer,
    layout::{Constraint, Layout, Rect},
    text::{Line, Span},
};

use super::side_title;
use crate::{
    plot::{Axis, Chart, Curve, Kind, Side, Unit},
    session::NormsRecord,
    tui::{
        app::App,
        layers::{Adapter, Layers},
        text,
        widgets::{Panel, chart, heat_map, hint},
    },
};

/// Columns left of a map for the blocks' numbers.
const NUMBERS: u16 = 5;
/// Columns right of it for the scale.
const SCALE: u16 = 9;

/// Draws the screen.
pub fn draw(app: &App, area: Rect, buffer: &mut Buffer) {
    let Some(side) = Layers::side(app.focus, |side| !app.slot(side).state.norms.is_empty()) else {
        return empty(app, area, buffer);
    };
    let state = &app.slot(side).state;
    let norms = state.norms.as_slice();
    let depth = norms.last().map_or(0, |norms| norms.blocks.len());
    let block = app.layers.block.min(depth.saturating_sub(1));
    let ratio = !app.layers.plain;
    let curve_height = (area.height / 4).clamp(7, 12);
    let [maps, below] = Layout::vertical([Constraint::Fill(1), Constraint::Length(curve_height)]).areas(area);
    let greatest = app.slot(side).peaks.map(|peaks| peaks[usize::from(ratio)]);
    // Twelve blocks below one another twice, or side by side where the window is low.
    let stacked = maps.height >= 2 * (depth as u16 + 3);
    let direction = if stacked { Layout::vertical } else { Layout::horizontal };
    let areas: [Rect; 2] = direction([Constraint::Fill(1), Constraint::Fill(1)]).areas(maps);
    for ((adapter, area), greatest) in Adapter::BOTH.into_iter().zip(areas).zip(greatest) {
        let quantity = if ratio { "|Δ|/|x|" } else { "norm" };
        let narrow = area.width < 64;
        let mut title = side_title(app, side, if narrow { adapter.short_name() } else { adapter.name() });
        title.push_span(Span::raw(if narrow { format!(", {quantity}") } else { format!(", {quantity} by block") }));
        let focused = app.layers.adapter == adapter;
        let border = if focused { app.theme().side(side) } else { app.theme().border() };
        let inner = Panel::new(title, app.theme())
            .border(border)
            .right(if focused { reading(app, norms, adapter, block, ratio, narrow) } else { Line::default() })
            .draw(area, buffer);
        let map = Map { norms, adapter, ratio, greatest, depth, row: focused.then_some(block), cursor: app.cursor };
        map.draw(inner, app, buffer);
    }
    row_curve(app, side, block, ratio, below, buffer);
}

fn empty(app: &App, area: Rect, buffer: &mut Buffer) {
    let theme = app.theme();
    let inner = Panel::new("adapters, |Δ|/|x| by block and step", theme).draw(area, buffer);
    let running = app.slots.iter().any(|slot| !slot.is_empty());
    if running {
        let keys = [("1", "back to Train".to_owned()), ("5", "open a session that was trained with AAT".to_owned())];
        hint(inner, "These runs have no adapters to measure, or have not been measured yet.", &keys, theme, buffer);
    } else {
        let keys = [("1", "Train: start a run with AAT ●".to_owned()), ("5", "open what ran before".to_owned())];
        hint(inner, "What each block's adapters add to what passes through it, step by step.", &keys, theme, buffer);
    }
}

/// The value under the cursor.
fn reading(
    app: &App,
    norms: &[NormsRecord],
    adapter: Adapter,
    block: usize,
    ratio: bool,
    narrow: bool,
) -> Line<'static> {
    let theme = app.theme();
    let at = at_step(norms, app.cursor);
    let Some(record) = norms.get(at) else { return Line::default() };
    let value = record.blocks.get(block).map_or(f64::NAN, |norms| adapter.value(norms, ratio));
    Line::from(vec![
        Span::styled(
            if narrow {
                format!("block {}  ", block + 1)
            } else {
                format!("block {} at step {}  ", block + 1, text::count(record.step))
            },
            theme.dim(),
        ),
        Span::styled(text::value(value), theme.strong()),
    ])
}

/// The measurement nearest before a step; the newest without one.
fn at_step(norms: &[NormsRecord], step: Option<u64>) -> usize {
    match step {
        Some(step) => norms.partition_point(|record| record.step <= step).saturating_sub(1),
        None => norms.len().saturating_sub(1),
    }
}

struct Map<'a> {
    norms: &'a [NormsRecord],
    adapter: Adapter,
    ratio: bool,
    greatest: f64,
    depth: usize,
    row: Option<usize>,
    cursor: Option<u64>,
}

impl Map<'_> {
    fn draw(&self, area: Rect, app: &App, buffer: &mut Buffer) {
        let theme = app.theme();
        let (Some(last), true) = (self.norms.last(), area.width > NUMBERS + SCALE + 8 && area.height >= 3) else {
            return;
        };
        let columns = area.width - NUMBERS - SCALE;
        let rows = (area.height - 1)
            .min(self.depth as u16 * (area.height.saturating_sub(1) / self.depth.max(1) as u16).max(1));
        // With less than a row for each block, two blocks share the halves of a cell.
        let halves = usize::from(area.height - 1) < self.depth;
        let per_block = (rows / self.depth.max(1) as u16).max(1);
        let used = if halves { (self.depth as u16).div_ceil(2) } else { per_block * self.depth as u16 };
        let at = |column: u16| at_step(self.norms, Some((u64::from(column) + 1) * last.step / u64::from(columns)));
        let shade = |record: &NormsRecord, block: usize| {
            let value = record.blocks.get(block).map_or(0.0, |norms| self.adapter.value(norms, self.ratio));
            theme.shade(value / self.greatest.max(1e-12))
        };
        for column in 0..columns {
            let record = &self.norms[at(column)];
            for row in 0..used {
                let to = (area.x + NUMBERS + column, area.y + row);
                if halves {
                    let block = usize::from(row) * 2;
                    heat_map::paint_halves(buffer, to, shade(record, block), shade(record, block + 1), theme.base());
                } else {
                    heat_map::paint(buffer, to, shade(record, usize::from(row / per_block)), theme.base());
                }
            }
        }
        self.numbers(area, used, if halves { None } else { Some(per_block) }, app, buffer);
        let scale = Rect { x: area.right() - SCALE + 2, width: SCALE - 2, height: used, ..area };
        heat_map::scale(scale, &text::value(self.greatest), "0", theme, buffer);
        buffer.set_string(area.x, area.y + used, "step", theme.faint());
        self.steps(Rect { x: area.x + NUMBERS, y: area.y + used, width: columns, height: 1 }, last.step, app, buffer);
        if let Some(step) = self.cursor {
            let column =
                (step.saturating_mul(u64::from(columns)) / last.step.max(1)).min(u64::from(columns) - 1) as u16;
            for row in 0..used {
                if let Some(cell) = buffer.cell_mut((area.x + NUMBERS + column, area.y + row)) {
                    let ink = heat_map::ink_on(theme.shade(0.0));
                    cell.set_char('│').set_style(ink);
                }
            }
        }
    }

    /// Blocks' numbers, the row under the cursor marked.
    fn numbers(&self, area: Rect, used: u16, per_block: Option<u16>, app: &App, buffer: &mut Buffer) {
        let theme = app.theme();
        for row in 0..used {
            let (block, show) = match per_block {
                Some(per) => (usize::from(row / per), row % per == 0),
                None => (usize::from(row) * 2, true),
            };
            let here = match per_block {
                Some(_) => self.row == Some(block) && show,
                None => self.row.is_some_and(|selected| selected / 2 == block / 2),
            };
            if show {
                let number = if here { self.row.unwrap_or(block) } else { block };
                let style = if here { theme.accent().bold() } else { theme.dim() };
                let sign = if here { "▸" } else { " " };
                buffer.set_string(area.x, area.y + row, format!("{sign}{:>2}", number + 1), style);
            }
        }
    }

    fn steps(&self, area: Rect, last: u64, app: &App, buffer: &mut Buffer) {
        let theme = app.theme();
        let axis = Axis::covering("step", Unit::Count, false, [0.0, last as f64], usize::from(area.width / 14).max(2));
        for tick in axis.ticks() {
            let words = axis.text(*tick);
            let at = (tick / (last as f64) * f64::from(area.width - 1)) as u16;
            let at = at
                .saturating_sub(text::width(&words) as u16 / 2)
                .min(area.width.saturating_sub(text::width(&words) as u16));
            buffer.set_string(area.x + at, area.y, words, theme.dim());
        }
    }
}

/// The row under the cursor over the run, of every run that has one.
fn row_curve(app: &App, side: Side, block: usize, ratio: bool, area: Rect, buffer: &mut Buffer) {
    let theme = app.theme();
    let adapter = app.layers.adapter;
    let quantity = if ratio { "|Δ|/|x|" } else { "norm" };
    let title = format!("{}, block {}, {quantity} by step", adapter.name(), block + 1);
    let inner = Panel::new(title, theme).draw(area, buffer);
    let curve = |of: Side| {
        let norms = &app.slot(of).state.norms;
        // Two points of a column say as much as all of them.
        let stride = (norms.len() / (2 * usize::from(inner.width).max(1))).max(1);
        let point = |record: &NormsRecord| Some((record.step as f64, adapter.value(record.blocks.get(block)?, ratio)));
        let points: Vec<_> = norms.iter().step_by(stride).chain(norms.last()).filter_map(point).collect();
        let end_label = points.last().map(|(_, y)| text::value(*y));
        Curve { side: of, kind: Kind::Line, points, best: None, end_label }
    };
    let curves: Vec<_> = [side.other(), side].map(curve).into_iter().filter(|curve| !curve.points.is_empty()).collect();
    let points = || curves.iter().flat_map(|curve| curve.points.iter());
    let ticks = (usize::from(inner.width / 14).max(2), usize::from(inner.height / 2).max(2));
    let chart = Chart {
        title: quantity.into(),
        x: Axis::covering("step", Unit::Count, false, points().map(|p| p.0).chain([0.0]), ticks.0),
        y: Axis::covering(quantity, Unit::Number, false, points().map(|p| p.1).chain([0.0]), ticks.1),
        cursor: app.cursor.map(|step| step as f64),
        names: Vec::new(),
        curves,
    };
    chart::draw(&chart, inner, buffer, theme);
}
