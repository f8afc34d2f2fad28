//! Framed parts of the screen, and the lines of text inside them.

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    style::Style,
    text::{Line, Span},
    widgets::{Block, BorderType, Widget},
};

use crate::tui::{text, theme::Theme};

/// A frame with a title.
pub struct Panel<'a> {
    title: Line<'a>,
    right: Option<Line<'a>>,
    border: Style,
}

impl<'a> Panel<'a> {
    /// A frame with a title.
    pub fn new(title: impl Into<Line<'a>>, theme: &Theme) -> Self {
        Self { title: title.into().style(theme.title()), right: None, border: theme.border() }
    }

    /// Puts a text at the frame's right.
    #[must_use]
    pub fn right(mut self, line: impl Into<Line<'a>>) -> Self {
        self.right = Some(line.into());
        self
    }

    /// Draws the frame in this style, such as that of the focus.
    #[must_use]
    pub fn border(mut self, style: Style) -> Self {
        self.border = style;
        self
    }

    /// Draws it, and returns the area inside, one column free at each side.
    pub fn draw(self, area: Rect, buffer: &mut Buffer) -> Rect {
        let block = Block::bordered().border_type(BorderType::Rounded).border_style(self.border);
        let inner = block.inner(area);
        block.render(area, buffer);
        if area.width > 4 {
            let room = usize::from(area.width) - 4;
            let right = self.right.filter(|right| right.width() > 0 && right.width() + 2 < room);
            let taken = right.as_ref().map_or(0, |right| right.width() + 3);
            // Names in a title come from files.
            let title = pad(truncate(cleaned(self.title), room.saturating_sub(taken + 2)));
            buffer.set_line(area.x + 2, area.y, &title, title.width() as u16);
            if let Some(right) = right {
                let right = pad(right);
                let width = right.width() as u16;
                buffer.set_line(area.right() - 2 - width, area.y, &right, width);
            }
        }
        Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), ..inner }
    }

    /// The area inside a panel in this area, as [`draw`](Self::draw) returns it.
    pub fn inner(area: Rect) -> Rect {
        let inner = Block::bordered().inner(area);
        Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), ..inner }
    }
}

/// The line with its control characters made visible.
fn cleaned(mut line: Line<'_>) -> Line<'_> {
    for span in &mut line.spans {
        span.content = text::clean(&span.content).into();
    }
    line
}

fn pad(mut line: Line<'_>) -> Line<'_> {
    line.spans.insert(0, Span::raw(" "));
    line.spans.push(Span::raw(" "));
    line
}

/// The line in at most this many columns.
fn truncate(line: Line<'_>, columns: usize) -> Line<'_> {
    if line.width() <= columns {
        return line;
    }
    let mut left = columns;
    let mut spans = Vec::new();
    for span in line.spans {
        let fitted = text::fit(&span.content, left);
        left = left.saturating_sub(text::width(&fitted));
        let done = fitted != span.content;
        spans.push(Span::styled(fitted, span.style));
        if done || left == 0 {
            break;
        }
    }
    Line::from(spans).style(line.style)
}

/// One field of a row of fields: name, value, unit or remark.
pub type Field<'a> = (&'a str, Span<'a>, Span<'a>);

/// A row of fields, one at each of the stops; those that do not fit are left out.
pub fn fields(row: Rect, stops: &[u16], fields: &[Field<'_>], theme: &Theme, buffer: &mut Buffer) {
    for (i, ((name, value, remark), stop)) in fields.iter().zip(stops).enumerate() {
        let mut line = Line::default();
        if !name.is_empty() {
            line.push_span(Span::styled(format!("{name}  "), theme.dim()));
        }
        line.push_span(value.clone());
        if !remark.content.is_empty() {
            line.push_span(Span::raw(" "));
            line.push_span(remark.clone());
        }
        let end = stops.get(i + 1).filter(|_| i + 1 < fields.len()).map_or(row.width, |next| next.saturating_sub(1));
        if *stop >= row.width {
            break;
        }
        let room = end.saturating_sub(*stop);
        if line.width() > usize::from(room) {
            if i > 0 {
                continue;
            }
            line = truncate(line, usize::from(room));
        }
        buffer.set_line(row.x + stop, row.y, &line, room);
    }
}

/// Hints on keys: `[key] what it does`, one per line, in the middle of the area.
pub fn hint(area: Rect, heading: &str, keys: &[(&str, String)], theme: &Theme, buffer: &mut Buffer) {
    let column = keys.iter().map(|(key, _)| text::width(key)).max().unwrap_or(0).max(6);
    let widest = keys.iter().map(|(_, what)| column + 3 + text::width(what)).max().unwrap_or(0);
    let widest = widest.max(text::width(heading)).min(usize::from(area.width)) as u16;
    let gap = u16::from(!heading.is_empty() && !keys.is_empty() && area.height > keys.len() as u16 + 2);
    let height = keys.len() as u16 + u16::from(!heading.is_empty()) + gap;
    let mut y = area.y + area.height.saturating_sub(height) / 2;
    let x = area.x + (area.width - widest) / 2;
    if !heading.is_empty() && y < area.bottom() {
        let shown = text::fit(heading, usize::from(area.width));
        let at = area.x + (area.width - text::width(&shown) as u16) / 2;
        buffer.set_string(at, y, shown, if keys.is_empty() { theme.dim() } else { theme.base() });
        y += 1 + gap;
    }
    for (key, what) in keys {
        if y >= area.bottom() {
            break;
        }
        let line = Line::from(vec![
            Span::styled(text::right(key, column), theme.accent()),
            Span::raw("   "),
            Span::styled(text::fit(what, usize::from(widest).saturating_sub(column + 3)), theme.dim()),
        ]);
        buffer.set_line(x, y, &line, widest);
        y += 1;
    }
}

/// Text broken at spaces over the area's rows; returns the rows used.
pub fn paragraph(area: Rect, words: &str, style: Style, buffer: &mut Buffer) -> u16 {
    let lines = text::wrap(words, usize::from(area.width));
    let rows = (lines.len() as u16).min(area.height);
    for (y, line) in (area.y..area.y + rows).zip(lines) {
        buffer.set_string(area.x, y, line, style);
    }
    rows
}

/// A central sentence, in the middle of the area, and beneath it what can be done.
pub fn middle(area: Rect, words: &str, style: Style, remedy: &str, theme: &Theme, buffer: &mut Buffer) {
    /// Columns of a line that is easy to read.
    const EASY: u16 = 76;
    let wide = area.width.saturating_sub(4).min(EASY);
    let lines = text::wrap(words, usize::from(wide));
    let rows = (lines.len() as u16 + 2).min(area.height);
    let mut y = area.y + (area.height - rows) / 2;
    let x = |line: &str| area.x + (area.width.saturating_sub(text::width(line) as u16)) / 2;
    for line in &lines {
        if y >= area.bottom() {
            return;
        }
        buffer.set_string(x(line), y, line, style);
        y += 1;
    }
    if y + 1 < area.bottom() {
        let remedy = text::fit(remedy, usize::from(area.width));
        buffer.set_string(x(&remedy), y + 1, &remedy, theme.dim());
    }
}
