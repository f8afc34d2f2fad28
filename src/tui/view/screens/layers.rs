//! Layers: what each block's adapters add to the residual stream, now and over the run.

use ratatui::{
    buffer::Buffer,
    layout::{Constraint, Layout, Rect},
    text::{Line, Span},
};

use super::side_title;
use crate::{
    model::BlockNorms,
    plot::{Axis, Chart, Curve, Kind, Side, Unit},
    session::{Norms, NormsBucket},
    tui::{
        input::action::{Action, Screen},
        state::{
            app::App,
            layers::{AdapterSite, Layers},
        },
        text,
        view::widgets::{Panel, chart, heat_map, hint},
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
    let norms = &state.norms;
    let depth = norms.depth();
    let block = app.layers.block.min(depth.saturating_sub(1));
    let ratio = !app.layers.plain;
    let curve_height = (area.height / 4).clamp(7, 12);
    let [maps, below] = Layout::vertical([Constraint::Fill(1), Constraint::Length(curve_height)]).areas(area);
    let greatest = AdapterSite::BOTH.map(|adapter| adapter.value(&norms.peak(), ratio));
    // Twelve blocks below one another twice, or side by side where the window is low.
    let stacked = maps.height >= 2 * (depth as u16 + 3);
    let direction = if stacked { Layout::vertical } else { Layout::horizontal };
    let areas: [Rect; 2] = direction([Constraint::Fill(1), Constraint::Fill(1)]).areas(maps);
    for ((adapter, area), greatest) in AdapterSite::BOTH.into_iter().zip(areas).zip(greatest) {
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
    let [train, sessions] = [Screen::Train, Screen::Sessions].map(|screen| app.key(&Action::Show(screen)));
    let running = app.slots.iter().any(|slot| !slot.is_empty());
    if running {
        let keys = [
            (&*train, "back to Train".to_owned()),
            (&*sessions, "open a session that was trained with AAT".to_owned()),
        ];
        hint(inner, "These runs have no adapters to measure, or have not been measured yet.", &keys, theme, buffer);
    } else {
        let keys =
            [(&*train, "Train: start a run with AAT ●".to_owned()), (&*sessions, "open an earlier run".to_owned())];
        hint(inner, "What each block's adapters add to what passes through it, step by step.", &keys, theme, buffer);
    }
}

/// The value under the cursor.
fn reading(app: &App, norms: &Norms, adapter: AdapterSite, block: usize, ratio: bool, narrow: bool) -> Line<'static> {
    let theme = app.theme();
    let Some(bucket) = norms.at(app.cursor) else { return Line::default() };
    let value = |blocks: &[BlockNorms]| blocks.get(block).map_or(f64::NAN, |norms| adapter.value(norms, ratio));
    // Of many measurements at one position the greatest is shown, as on the map.
    let value = if app.cursor.is_some() { value(&bucket.greatest) } else { value(&bucket.blocks) };
    Line::from(vec![
        Span::styled(
            if narrow {
                format!("block {}  ", block + 1)
            } else {
                format!("block {} at step {}  ", block + 1, text::count(bucket.last))
            },
            theme.dim(),
        ),
        Span::styled(text::value(value), theme.strong()),
    ])
}

/// What was measured after the first and up to the second step; if nothing was, the measurement before.
fn between(norms: &Norms, after: u64, until: u64) -> &[NormsBucket] {
    let all = norms.buckets();
    let begun = |step: u64| all.partition_point(|bucket| bucket.first <= step);
    let end = begun(until).max(1).min(all.len());
    // The bucket of the first step may reach further.
    let reaches = all.partition_point(|bucket| bucket.last <= after);
    &all[reaches.min(end.saturating_sub(1))..end]
}

struct Map<'a> {
    norms: &'a Norms,
    adapter: AdapterSite,
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
        // With less than a row for each block, two blocks share a cell.
        let halves = usize::from(area.height - 1) < self.depth;
        let per_block = (rows / self.depth.max(1) as u16).max(1);
        let used = if halves { (self.depth as u16).div_ceil(2) } else { per_block * self.depth as u16 };
        let end = |column: u16| u64::from(column) * last.last / u64::from(columns);
        // The greatest of all values in a column: no spike is lost between two columns.
        let shade = |buckets: &[NormsBucket], block: usize| {
            let values = buckets.iter().filter_map(|bucket| bucket.greatest.get(block));
            let greatest = values.map(|norms| self.adapter.value(norms, self.ratio)).fold(0.0, f64::max);
            theme.shade(greatest / self.greatest.max(1e-12))
        };
        for column in 0..columns {
            let record = between(self.norms, end(column), end(column + 1));
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
        self.steps(Rect { x: area.x + NUMBERS, y: area.y + used, width: columns, height: 1 }, last.last, app, buffer);
        if let Some(step) = self.cursor {
            let column =
                (step.saturating_mul(u64::from(columns)) / last.last.max(1)).min(u64::from(columns) - 1) as u16;
            for row in 0..used {
                if let Some(cell) = buffer.cell_mut((area.x + NUMBERS + column, area.y + row)) {
                    let ink = heat_map::ink_on(theme.shade(0.0));
                    cell.set_char('│').set_style(ink);
                }
            }
        }
    }

    /// Blocks' numbers, with the cursor's row marked.
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

/// The cursor's block over the run, of every run that has adapters.
fn row_curve(app: &App, side: Side, block: usize, ratio: bool, area: Rect, buffer: &mut Buffer) {
    let theme = app.theme();
    let adapter = app.layers.adapter;
    let quantity = if ratio { "|Δ|/|x|" } else { "norm" };
    let title = format!("{}, block {}, {quantity} by step", adapter.name(), block + 1);
    let inner = Panel::new(title, theme).draw(area, buffer);
    let curve = |of: Side| {
        let point = |bucket: &NormsBucket, blocks: &[BlockNorms]| {
            Some((bucket.last as f64, adapter.value(blocks.get(block)?, ratio)))
        };
        let stroke = |bucket: &NormsBucket| {
            let extremes = [&bucket.least, &bucket.greatest].map(|blocks| point(bucket, blocks));
            // The newest last: the curve's end label shows it.
            let newest = point(bucket, &bucket.blocks);
            let extremes = if bucket.count > 1 { extremes } else { [None, None] };
            extremes.into_iter().chain([newest]).flatten()
        };
        let points: Vec<_> = app.slot(of).state.norms.buckets().iter().flat_map(stroke).collect();
        let end_label = points.last().map(|(_, y)| format!("{} {}", of.letter(), text::value(*y)));
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
