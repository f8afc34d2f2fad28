//! The listeners' predictions side by side, and how the desk changes them.

use ratatui::{
    buffer::Buffer,
    layout::{Constraint, Layout, Rect},
    style::Style,
    text::{Line, Span},
};

use crate::{
    live::{ListenerState, LiveState, LiveStatus},
    plot::Side,
    tui::{
        state::app::App,
        text,
        view::{
            screens::side_title,
            widgets::{Panel, bar, hint},
        },
    },
};

/// A difference of two scores of the same class from which it is marked.
const CLEAR: f32 = 0.5;
/// Columns of a score without gains and its change: `  0.91 ▼ 0.14`.
const SHIFT: usize = 13;

/// The predictions side by side.
pub(super) fn draw(app: &App, state: &LiveState, area: Rect, buffer: &mut Buffer) {
    if state.listeners.is_empty() {
        return waiting(app, state, area, buffer);
    }
    let disagree = state.agreement() == Some(false);
    let n = state.listeners.len().min(2);
    let areas = Layout::horizontal(vec![Constraint::Fill(1); n]).split(area);
    for (i, (listener, area)) in state.listeners.iter().zip(areas.iter()).enumerate() {
        let side = app.live.sides.get(i).copied().unwrap_or(Side::BOTH[i.min(1)]);
        let other = state.listeners.get(1 - i.min(1)).filter(|_| disagree);
        classes(app, listener, side, other, *area, buffer);
    }
}

/// Before there is any sound: the sessions that will listen, or that there are none.
fn waiting(app: &App, state: &LiveState, area: Rect, buffer: &mut Buffer) {
    let theme = app.theme();
    if app.live.sides.is_empty() {
        let inner = Panel::new("classes", theme).draw(area, buffer);
        return hint(inner, "No session listens: open one as A ● or B ▲ first (5).", &[], theme, buffer);
    }
    let words = match state.status {
        LiveStatus::Failed(_) => "no sound was read",
        _ => "predicts as soon as there is sound",
    };
    let areas = Layout::horizontal(vec![Constraint::Fill(1); app.live.sides.len()]).split(area);
    for (side, area) in app.live.sides.iter().zip(areas.iter()) {
        let config = app.slot(*side).state.config.as_ref();
        let name = config.map_or_else(String::new, |config| text::fit(&config.session, 36));
        let inner = Panel::new(side_title(app, *side, &name), theme).draw(*area, buffer);
        buffer.set_stringn(inner.x, inner.y, words, usize::from(inner.width), theme.dim());
    }
}

/// The most likely classes of one listener. Where the other's first class differs, both are marked.
fn classes(
    app: &App,
    listener: &ListenerState,
    side: Side,
    disagrees_with: Option<&ListenerState>,
    area: Rect,
    buffer: &mut Buffer,
) {
    let theme = app.theme();
    let title = side_title(app, side, &text::fit(&listener.name, 36));
    let mut right = Line::default();
    if disagrees_with.is_some() {
        right.push_span(Span::styled(if area.width > 50 { "◆ they disagree   " } else { "◆  " }, theme.warn()));
    }
    if !listener.scores.is_empty() {
        let of_model = if area.width > 50 { format!(", model {:.0}", listener.compute_ms) } else { String::new() };
        right.push_span(Span::styled(format!("{:.0} ms{of_model}", listener.latency_ms), theme.dim()));
        if listener.untouched.is_some() {
            let words = if area.width > 50 { "with the desk, without, shift" } else { "now  was  shift" };
            right = Line::from(Span::styled(words, theme.warn()));
        }
    }
    let border = if disagrees_with.is_some() { theme.warn() } else { theme.border() };
    let inner = Panel::new(title, theme).border(border).right(right).draw(area, buffer);
    if listener.scores.is_empty() {
        buffer.set_string(inner.x, inner.y, "listening to its first window …", theme.dim());
        return;
    }
    let names =
        listener.scores.iter().take(usize::from(inner.height)).map(|score| text::width(&text::clean(&score.label)));
    let name_width = names.max().unwrap_or(0).clamp(8, usize::from(inner.width / 3).max(8));
    let shift = if listener.untouched.is_some() { SHIFT } else { 0 };
    let room = usize::from(inner.width).saturating_sub(name_width + 2 + 7 + shift);
    let lead_of_other = disagrees_with.and_then(|other| other.scores.first());
    for (row, score) in listener.scores.iter().take(usize::from(inner.height)).enumerate() {
        let leads = row == 0;
        let shared = lead_of_other.is_some_and(|lead| lead.label == score.label);
        let far = lead_of_other.is_some_and(|lead| shared && (lead.score - score.score).abs() > CLEAR);
        let name = if leads { theme.strong() } else { theme.base() };
        let style: Style = if leads || score.score > 0.1 { theme.side(side) } else { theme.side_thin(side) };
        let mut line = Line::from(vec![
            Span::styled(text::left(&score.label, name_width), name),
            Span::raw("  "),
            Span::styled(text::left(&bar(f64::from(score.score), room), room), style),
            Span::styled(format!("  {:>4.2}", score.score), if leads { theme.strong() } else { theme.dim() }),
        ]);
        if let Some(untouched) = &listener.untouched {
            let before = untouched.iter().find(|before| before.label == score.label).map_or(0.0, |before| before.score);
            let moved = score.score - before;
            let (sign, style) = match moved {
                0.005.. => ("▲", theme.accent()),
                ..=-0.005 => ("▼", theme.warn()),
                _ => ("=", theme.dim()),
            };
            line.push_span(Span::styled(format!("  {before:>4.2} "), theme.dim()));
            line.push_span(Span::styled(format!("{sign} {:>4.2}", moved.abs()), style));
        }
        if shared {
            line.push_span(Span::styled(if far { "◆" } else { "◇" }, theme.warn()));
        }
        buffer.set_line(inner.x, inner.y + row as u16, &line, inner.width);
    }
}
