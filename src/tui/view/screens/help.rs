//! The keys and commands, from their tables.

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    text::{Line, Span},
};

use crate::tui::{
    input::{
        commands::COMMANDS,
        keymap::{Context, Keymap},
    },
    text,
    theme::Theme,
    view::{overlay, widgets::Panel},
};

/// Draws the help over the screen, from this line on.
pub fn draw(scroll: u16, keys: &Keymap, theme: &Theme, body: Rect, buffer: &mut Buffer) {
    let lines = lines(keys, theme);
    let wide = lines.iter().map(Line::width).max().unwrap_or(0) as u16 + 4;
    let area = overlay::over(body, wide.max(60), (lines.len() as u16 + 2).min(body.height), theme, buffer);
    let last = (lines.len() as u16).saturating_sub(area.height - 2);
    let scroll = scroll.min(last);
    let more = match (scroll > 0, scroll < last) {
        (false, false) => "",
        (false, true) => "↓ more",
        (true, false) => "↑ more",
        (true, true) => "↑↓ more",
    };
    let inner = Panel::new("keys and commands", theme)
        .right(Line::styled(more, theme.accent()))
        .border(theme.accent())
        .draw(area, buffer);
    for (row, line) in lines.iter().skip(usize::from(scroll)).take(usize::from(inner.height)).enumerate() {
        buffer.set_line(inner.x, inner.y + row as u16, line, inner.width);
    }
}

fn lines(keys: &Keymap, theme: &Theme) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    let heading = |lines: &mut Vec<Line<'static>>, title: &str| {
        if !lines.is_empty() {
            lines.push(Line::default());
        }
        lines.push(Line::styled(title.to_owned(), theme.strong()));
    };
    let row = |key: String, words: &str| {
        Line::from(vec![
            Span::styled(text::left(&key, 18), theme.accent()),
            Span::styled(words.to_owned(), theme.base()),
        ])
    };
    // The overlays' own keys are in the footer while they are open.
    for context in Context::ALL.into_iter().filter(|context| context.is_in_help()) {
        heading(&mut lines, context.title());
        lines.extend(keys.help(context).map(|(keys, words)| row(keys, words)));
    }
    heading(&mut lines, "Commands, after :");
    lines.extend(COMMANDS.iter().map(|(name, rest, words)| row(format!("{name} {rest}"), words)));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_help_is_as_long_as_its_keys_scroll() {
        let theme = Theme::all(None, false).0.remove(0);
        let keys = Keymap::default();
        assert_eq!(usize::from(keys.help_lines()), lines(&keys, &theme).len());
    }

    #[test]
    fn no_line_is_cut_at_80_columns() {
        let theme = Theme::all(None, false).0.remove(0);
        // Borders and a column of padding on both sides.
        let room = 80 - 4;
        let cut: Vec<_> = lines(&Keymap::default(), &theme).into_iter().filter(|line| line.width() > room).collect();
        assert!(cut.is_empty(), "{cut:?}");
    }
}
