//! A watched sweep: how many tasks stand where, results by group, and every task.

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    style::Style,
    text::{Line, Span},
};

use crate::{
    sweep::{Counts, Group, Snapshot, Standing, State, Task, metrics},
    tui::{
        input::action::Action,
        state::{app::App, sweep::SweepTable},
        text,
        theme::Theme,
        view::widgets::{Panel, gauge, hint, middle, scrolled},
    },
};

/// Rows of the upper parts at most, so that tasks keep room.
const AXES: usize = 6;

/// Rows of the reason of a failure at most.
const WHY: usize = 3;

/// Draws the screen.
pub fn draw(table: &SweepTable, app: &App, area: Rect, buffer: &mut Buffer) {
    let theme = app.theme();
    let title = format!("sweep {}", text::clean(&table.title));
    if let Some(problem) = &table.problem {
        let inner = Panel::new(title, theme).draw(area, buffer);
        return middle(
            inner,
            problem,
            theme.bad(),
            &format!("{}: back to the sessions", app.key(&Action::LeaveSweep)),
            theme,
            buffer,
        );
    }
    let Some(snapshot) = &table.snapshot else {
        let inner = Panel::new(title, theme).draw(area, buffer);
        return hint(inner, "reading …", &[], theme, buffer);
    };
    let axes = snapshot.by_axis.len().min(AXES);
    let groups = snapshot.groups.len().clamp(1, usize::from(area.height).saturating_sub(axes + 12).max(3));
    let heights = [axes as u16 + 3, groups as u16 + 3];
    let upper = Rect { height: heights[0], ..area };
    let center = Rect { y: upper.bottom(), height: heights[1], ..area };
    let lower = Rect { y: center.bottom(), height: area.height.saturating_sub(heights[0] + heights[1]), ..area };
    progress(snapshot, title, theme, upper, buffer);
    results(snapshot, groups, theme, center, buffer);
    tasks(table, app, lower, buffer);
}

/// The sign, the word and the style of a state.
fn shown(state: &State, theme: &Theme) -> (&'static str, Style) {
    match state {
        State::Done => ("✓", theme.good()),
        State::Running => ("◌", theme.accent()),
        State::Waiting => ("·", theme.dim()),
        State::Failed => ("✗", theme.bad()),
    }
}

/// The numbers that are not 0, each with its sign.
fn counted(counts: &Counts, theme: &Theme) -> Vec<Span<'static>> {
    let mut spans = Vec::new();
    for state in State::ALL.iter().filter(|state| counts.of_state(state) > 0) {
        let (sign, style) = shown(state, theme);
        spans.push(Span::styled(format!("{sign}{} ", text::count(counts.of_state(state) as u64)), style));
    }
    spans
}

/// How many tasks stand where: in all, and for each value of each axis.
fn progress(snapshot: &Snapshot, title: String, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    let counts = &snapshot.counts;
    let right = format!("{} of {} done", text::count(counts.done as u64), text::count(counts.all() as u64));
    let inner = Panel::new(title, theme).right(Span::styled(right, theme.dim())).draw(area, buffer);
    let bar = usize::from(inner.width) / 4;
    let mut line = gauge(counts.done as f64 / counts.all().max(1) as f64, bar, theme.good(), theme);
    line.push_span(Span::raw("  "));
    for state in &State::ALL {
        let (sign, style) = shown(state, theme);
        let count = text::count(counts.of_state(state) as u64);
        line.push_span(Span::styled(format!("{sign} {count} {}  ", state.name()), style));
    }
    buffer.set_line(inner.x, inner.y, &line, inner.width);
    let name = snapshot.by_axis.iter().map(|(axis, _)| text::width(axis)).max().unwrap_or(0).min(16);
    for ((axis, values), y) in snapshot.by_axis.iter().take(AXES).zip(inner.y + 1..inner.bottom()) {
        let mut line = Line::from(Span::styled(text::left(axis, name) + "  ", theme.dim()));
        let mut left = values.len();
        for (label, counts) in values {
            let mut part = vec![Span::styled(text::fit(label, 20) + " ", theme.base())];
            part.extend(counted(counts, theme));
            part.push(Span::raw("  "));
            let width: usize = part.iter().map(Span::width).sum();
            if line.width() + width + 8 > usize::from(inner.width) {
                break;
            }
            line.spans.extend(part);
            left -= 1;
        }
        if left > 0 {
            line.push_span(Span::styled(format!("… {left} more"), theme.dim()));
        }
        buffer.set_line(inner.x, y, &line, inner.width);
    }
}

/// Means with their intervals, by group.
fn results(snapshot: &Snapshot, rows: usize, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    let metrics = metrics(&snapshot.groups);
    let metric = if let [metric] = metrics.as_slice() { metric } else { "metric" };
    let all = snapshot.groups.len();
    let title = match all > rows {
        true => format!("results over folds and seeds, {rows} of {all} groups"),
        false => "results over folds and seeds".to_owned(),
    };
    let inner = Panel::new(title, theme).draw(area, buffer);
    let name = usize::from(inner.width).saturating_sub(9 + 27 + 9 + 13 + 10).clamp(8, 40);
    let head = format!(
        "{} {} {} {} {} {}",
        text::left("group", name),
        text::right("done", 8),
        text::left(&format!("  last {metric}, 95 %"), 26),
        text::right("best", 8),
        text::right("trainable", 12),
        text::right("s a run", 9)
    );
    buffer.set_stringn(inner.x, inner.y, head, usize::from(inner.width), theme.dim());
    for (group, y) in snapshot.groups.iter().take(rows).zip(inner.y + 1..inner.bottom()) {
        buffer.set_line(inner.x, y, &result(group, metrics.len() > 1, name, theme), inner.width);
    }
}

/// A group's line, with its metric where the groups report several.
fn result(group: &Group, with_metric: bool, name: usize, theme: &Theme) -> Line<'static> {
    let last = match (group.last.count, group.last.low, group.last.high) {
        (0, ..) => "–".to_owned(),
        (_, Some(low), Some(high)) => format!("{:.3}  {low:.3} to {high:.3}", group.last.mean),
        _ => format!("{:.3}", group.last.mean),
    };
    let best = if group.best.count > 0 { format!("{:.3}", group.best.mean) } else { "–".to_owned() };
    let known = |text: String| if group.last.count > 0 { text } else { "–".to_owned() };
    let rest = format!(
        " {} {} {}",
        text::right(&best, 8),
        text::right(&known(text::short(group.parameters.0 as u64)), 12),
        text::right(&known(text::value(group.seconds)), 9)
    );
    let called = match group.metric {
        metric if with_metric && !metric.is_empty() => format!("{} ({metric})", group.name()),
        _ => group.name(),
    };
    Line::from(vec![
        Span::styled(text::left(&called, name), theme.base()),
        Span::styled(
            format!(" {}", text::right(&format!("{}/{}", group.counts.done, group.counts.all()), 8)),
            theme.dim(),
        ),
        Span::styled(text::left(&format!("   {last}"), 27), theme.strong()),
        Span::styled(rest, theme.dim()),
    ])
}

/// The list of tasks.
fn tasks(table: &SweepTable, app: &App, area: Rect, buffer: &mut Buffer) {
    let theme = app.theme();
    let title = table.only.as_ref().map_or_else(|| "tasks".to_owned(), |only| format!("tasks, {} only", only.name()));
    let inner = Panel::new(title, theme).draw(area, buffer);
    if table.is_empty() {
        let key = app.key(&Action::NextFilter);
        return hint(inner, "None.", &[(&key, "list others".to_owned())], theme, buffer);
    }
    // Why the task under the cursor failed, in full.
    let selected = table.row(table.cursor()).map(|(_, standing)| standing);
    let why = selected.filter(|standing| standing.state == State::Failed).and_then(|standing| standing.note.as_ref());
    let why = why.map_or_else(Vec::new, |why| text::wrap(why, usize::from(inner.width)));
    let below = (why.len().min(WHY) as u16).min(inner.height.saturating_sub(2));
    for (words, y) in why.iter().zip(inner.bottom() - below..inner.bottom()) {
        buffer.set_string(inner.x, y, words, theme.bad());
    }
    let inner = Rect { height: inner.height - below, ..inner };
    let room = usize::from(inner.height);
    let first = scrolled(table.cursor(), table.len(), room);
    for (row, y) in (first..table.len()).zip(inner.y..inner.bottom()) {
        let Some((task, standing)) = table.row(row) else { continue };
        buffer.set_line(inner.x, y, &line(task, standing, app, usize::from(inner.width)), inner.width);
        if row == table.cursor() {
            let at = Rect { x: inner.x - 1, y, width: inner.width + 2, height: 1 };
            buffer.set_style(at, theme.selected());
        }
    }
}

fn line(task: &Task, standing: &Standing, app: &App, width: usize) -> Line<'static> {
    let theme = app.theme();
    let side = app.slots.iter().find(|slot| slot.is_called(standing.name(task)));
    let (mark, mark_style) = side.map_or((" ", theme.dim()), |slot| (slot.side.marker(), theme.side(slot.side)));
    let (sign, style) = shown(&standing.state, theme);
    let word = if standing.is_half_done() { "half done" } else { standing.state.name() };
    let name = (width / 3).clamp(20, 44);
    let epochs = match standing.epochs {
        (_, 0) => "–".to_owned(),
        (done, all) => format!("{done}/{all}"),
    };
    let value = standing.last.map_or("–".to_owned(), |last| format!("{:.3}", last.value));
    let when =
        if standing.at_ms == 0 { String::new() } else { text::ago(app.now_ms.saturating_sub(standing.at_ms) / 1000) };
    let failed = standing.note.as_ref().filter(|_| standing.state == State::Failed);
    let more = failed.or(standing.warning.as_ref()).or(standing.host.as_ref()).cloned().unwrap_or_default();
    let left = width.saturating_sub(2 + name + 1 + 12 + 8 + 8 + 9 + 2);
    Line::from(vec![
        Span::styled(format!("{mark} "), mark_style),
        Span::styled(text::left(standing.name(task), name) + " ", theme.base()),
        Span::styled(text::left(&format!("{sign} {word}"), 12), style),
        Span::styled(text::right(&epochs, 7) + " ", theme.base()),
        Span::styled(text::right(&value, 7) + " ", theme.strong()),
        Span::styled(text::right(&when, 8) + "  ", theme.dim()),
        Span::styled(text::fit(&text::one_line(&more), left), if failed.is_some() { theme.bad() } else { theme.dim() }),
    ])
}
