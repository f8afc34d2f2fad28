//! The clips of the class under the cursor, with length and level.

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    text::{Line, Span},
};

use crate::tui::{
    state::{
        app::App,
        data::{DataPart, Sort},
        data_view::DataView,
    },
    text,
    view::widgets::{Panel, Rows, bars::meter, hint},
};

/// The lower end of the level's bar, dB relative to full scale.
const FLOOR_DBFS: f32 = -60.0;
/// Columns of that bar.
const METER: usize = 8;

/// Draws the list.
pub(super) fn draw(app: &App, view: &DataView, area: Rect, buffer: &mut Buffer) {
    let theme = app.theme();
    let data = &app.data;
    let class = view.rows.get(data.class).map_or("", |row| row.name.as_str());
    let title = Line::from(vec![
        Span::raw("clips  "),
        Span::styled(if class.is_empty() { "of all classes".to_owned() } else { text::clean(class) }, theme.strong()),
    ]);
    let sorted = if data.sort == Sort::Data { "" } else { data.sort.name() };
    let inner = Panel::new(title, theme)
        .border(super::border(app, DataPart::Clips))
        .right(Line::styled(sorted, theme.dim()))
        .draw(area, buffer);
    let clips = data.clips();
    if clips.is_empty() {
        return hint(inner, "no clip holds this class", &[], theme, buffer);
    }
    if inner.height < 2 {
        return;
    }
    // Part 6, length 8, level 9 and its bar, peak 8.
    let (bar, of_peak) = (if inner.width >= 60 { METER + 1 } else { 0 }, if inner.width >= 52 { 8 } else { 0 });
    let name = usize::from(inner.width).saturating_sub(6 + 8 + 9 + bar + of_peak).max(8);
    let head = format!(
        "{} {}{}{}{}",
        text::left("clip", name - 1),
        text::left("part", 6),
        text::right("length", 8),
        text::right("level", 9 + bar),
        text::right("peak", of_peak),
    );
    buffer.set_stringn(inner.x, inner.y, head, usize::from(inner.width), theme.dim());
    let rows = rows(app, inner);
    for i in rows.shown() {
        let place = &clips[i];
        let Some(item) = view.item(*place) else { continue };
        let on = rows.line(i);
        let facts = data.check.facts.get(*place as usize).copied().flatten();
        let seconds = facts.map(|facts| facts.seconds).or_else(|| view.seconds_of(*place));
        let unknown = || "–".to_owned();
        let decibels = |value: f32| if value.is_finite() { text::decibels(value) + " dB" } else { "silent".to_owned() };
        let (split, style) = view
            .parts
            .get(*place as usize)
            .map_or(("", theme.dim()), |split| (split.name(), super::of_split(*split, theme).1));
        // The end of a long path says more than its beginning.
        let mut line = Line::from(vec![
            Span::styled(text::ending(&item.id, name - 1), theme.base()),
            Span::styled(format!(" {}", text::left(split, 6)), style),
            Span::styled(text::right(&seconds.map_or_else(unknown, |s| format!("{s:.2} s")), 8), theme.base()),
            Span::styled(text::right(&facts.map_or_else(unknown, |facts| decibels(facts.rms_dbfs)), 9), theme.strong()),
        ]);
        if bar > 0 {
            let share = facts.map_or(0.0, |facts| f64::from((facts.rms_dbfs - FLOOR_DBFS) / -FLOOR_DBFS));
            let filled = meter(share.clamp(0.0, 1.0), METER);
            line.push_span(Span::styled(format!(" {}", text::left(&filled, METER)), theme.good()));
        }
        let peak = facts.map_or_else(unknown, |facts| decibels(facts.peak_dbfs));
        let clipped = facts.is_some_and(|facts| facts.peak_dbfs > -0.1);
        if of_peak > 0 {
            let style = if clipped { theme.warn() } else { theme.dim() };
            line.push_span(Span::styled(text::right(&peak, of_peak), style));
        }
        buffer.set_line(inner.x, on.y, &line, inner.width);
        if i == data.row {
            buffer.set_style(on, theme.selected());
        }
    }
    if rows.shown().len() < clips.len() {
        let words = format!(" {} of {} ", text::count(data.row as u64 + 1), text::count(clips.len() as u64));
        let x = area.right().saturating_sub(text::width(&words) as u16 + 2);
        buffer.set_string(x, area.bottom() - 1, words, theme.dim());
    }
}

/// The rows of the list, beneath its header.
pub(super) fn rows(app: &App, inner: Rect) -> Rows {
    let area = Rect { y: inner.y + 1, height: inner.height.saturating_sub(1), ..inner };
    Rows::new(area, app.data.row, app.data.clips().len())
}
