//! The command line, in the footer's row; completions are in the row above.

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    text::{Line, Span},
};

use crate::model::Published;
use crate::tui::{
    input::{
        action::Action,
        choice::Choice,
        commands::COMMANDS,
        keymap::{Context, Keymap},
    },
    state::command_line::{CommandLine, Completion},
    text,
    theme::Theme,
};

/// Draws it in this row.
pub fn draw(line: &CommandLine, keys: &Keymap, theme: &Theme, row: Rect, buffer: &mut Buffer) {
    buffer.set_style(row, theme.selected());
    buffer.set_string(row.x, row.y, " ".repeat(usize::from(row.width)), theme.selected());
    buffer.set_string(row.x + 1, row.y, ":", theme.accent());
    // As much before the cursor as fits, so that the cursor is always visible.
    let room = usize::from(row.width).saturating_sub(4);
    let before: String = line.text().chars().take(line.cursor()).collect();
    let after: String = line.text().chars().skip(line.cursor()).collect();
    let (before, after) = (text::clean(&before), text::clean(&after));
    let skip = text::width(&before).saturating_sub(room);
    let before: String = before.chars().skip(skip).collect();
    let left = room.saturating_sub(text::width(&before));
    let after = if text::width(&after) > left { text::fit(&after, left) } else { after };
    buffer.set_string(row.x + 2, row.y, &before, theme.strong());
    let cursor = row.x + 2 + text::width(&before) as u16;
    buffer.set_string(cursor, row.y, "▏", theme.accent());
    buffer.set_string(cursor + 1, row.y, &after, theme.strong());
    let end = cursor + text::width(&after) as u16;
    if let Some(completion) = &line.completion {
        words(completion, theme, Rect { y: row.y.saturating_sub(1), ..row }, buffer);
    }
    let (beside, style) = match (&line.problem, usage(line.text())) {
        (Some(problem), _) => (text::one_line(problem), theme.bad()),
        (None, Some(usage)) => (usage + &browser(line.text(), keys), theme.dim()),
        (None, None) => return,
    };
    let beside = text::fit(&beside, usize::from(row.right().saturating_sub(end + 4)));
    let x = row.right().saturating_sub(text::width(&beside) as u16 + 1);
    buffer.set_string(x, row.y, beside, style);
}

/// The key that opens the browser, where it chooses what the command asks for.
fn browser(line: &str, keys: &Keymap) -> String {
    let key = keys.name(Context::CommandLine, &Action::BrowseForCommand);
    Choice::of_line(line).map_or_else(String::new, |_| format!("; {key} chooses in the browser"))
}

/// The arguments of the typed command, and what it does; after the name of a published backbone, its description.
fn usage(line: &str) -> Option<String> {
    let mut words = line.split_whitespace();
    let word = words.next()?;
    if let Some(published) = words.next().filter(|_| word == "model").and_then(Published::find) {
        let millions = published.parameters() as f64 / 1e6;
        return Some(format!("{millions:.1} M parameters, {}: {}", published.license, published.good_for));
    }
    let (_, rest, what) = COMMANDS.iter().find(|(name, ..)| *name == word)?;
    Some(if rest.is_empty() { (*what).to_owned() } else { format!("{rest}: {what}") })
}

/// The words that fit, around the inserted one; how many are out of sight.
fn words(completion: &Completion, theme: &Theme, row: Rect, buffer: &mut Buffer) {
    /// Columns for `+12345 more`.
    const MORE: usize = 14;
    let room = usize::from(row.width).saturating_sub(MORE);
    let wide = |word: &String| text::width(&text::clean(word)) + 2;
    let chosen = completion.chosen.unwrap_or(0);
    let mut first = 0;
    while first < chosen && completion.words[first..=chosen].iter().map(wide).sum::<usize>() > room {
        first += 1;
    }
    let (mut spans, mut used) = (vec![Span::raw(" ")], 0);
    let mut shown = 0;
    for (at, word) in completion.words.iter().enumerate().skip(first) {
        if used + wide(word) > room && shown > 0 {
            break;
        }
        let style = if completion.chosen == Some(at) { theme.strong() } else { theme.dim() };
        spans.push(Span::styled(text::fit(&text::clean(word), room), style));
        spans.push(Span::raw("  "));
        used += wide(word);
        shown += 1;
    }
    let hidden = completion.words.len() - shown;
    if hidden > 0 {
        spans.push(Span::styled(format!("+{hidden} more"), theme.dim()));
    }
    buffer.set_style(row, theme.selected());
    buffer.set_string(row.x, row.y, " ".repeat(usize::from(row.width)), theme.selected());
    buffer.set_line(row.x, row.y, &Line::from(spans), row.width);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_published_backbone_is_described_beside_its_name() {
        let shown = usage("model ced-tiny").unwrap();
        assert!(
            shown.contains("5.4 M parameters") && shown.contains("Apache-2.0") && shown.contains("ESC-50"),
            "{shown}"
        );
        assert!(usage("model box").unwrap().contains("adapt box"));
        assert_eq!(browser("model ", &Keymap::default()), "; Ctrl-o chooses in the browser");
        assert_eq!(browser("theme ", &Keymap::default()), "");
    }
}
