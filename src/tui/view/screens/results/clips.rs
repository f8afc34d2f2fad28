//! The list of clips: of the opened cell, or all, in the chosen order.

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    text::{Line, Span},
};

use super::border;
use crate::{
    digits::{counted, signed},
    findings::{Order, Outcome, SessionFindings},
    plot::Side,
    tui::{
        input::action::Action,
        state::{app::App, results::ResultsPart},
        text,
        view::widgets::{Panel, hint, rows::scrolled},
    },
};

/// Draws the list.
pub(super) fn draw(app: &App, found: &SessionFindings, area: Rect, buffer: &mut Buffer) {
    let theme = app.theme();
    let results = &app.results;
    let name = |class: usize| found.labels().get(class).map_or_else(String::new, |name| text::clean(name));
    let what = match results.opened {
        Some((label, answer)) if label == answer => format!("{} answered rightly", name(label)),
        Some((label, answer)) => format!("{} answered as {}", name(label), name(answer)),
        None => "all clips".to_owned(),
    };
    let title = Line::from(vec![
        Span::styled(what, theme.strong()),
        Span::styled(format!("  by {}", results.order().name()), theme.dim()),
    ]);
    let count = results.rows().len();
    let at = if count == 0 { 0 } else { results.row + 1 };
    let right = Line::styled(format!("{at} of {}", text::count(count as u64)), theme.dim());
    let inner = Panel::new(title, theme).border(border(app, ResultsPart::Clips)).right(right).draw(area, buffer);
    if count == 0 {
        let back = app.key(&Action::Back);
        return hint(inner, "no clip", &[(&*back, "back to the matrix".into())], theme, buffer);
    }
    let notes = found.kept.notes.first().map(|note| text::fit(note, usize::from(inner.width)));
    let against = results.against.as_ref();
    let side = app.results_side();
    let mut rows = inner;
    if let Some(note) = notes.filter(|_| inner.height > 6) {
        buffer.set_string(inner.x, inner.y, note, theme.warn());
        rows = Rect { y: inner.y + 1, height: inner.height - 1, ..inner };
    }
    if let Some(line) =
        against.map(|against| compared(app, found, against.common, rows.width)).filter(|_| rows.height > 5)
    {
        buffer.set_line(rows.x, rows.y, &line, rows.width);
        rows = Rect { y: rows.y + 1, height: rows.height - 1, ..rows };
    }
    let first = scrolled(results.row, count, usize::from(rows.height));
    let answers = if rows.width > 60 { 30 } else { 22 };
    let fixed = 2 + answers + 1 + 6 + if against.is_some() { 5 } else { 0 };
    // A few letters of a name do not name a clip.
    let names = Some(usize::from(rows.width).saturating_sub(fixed + 1)).filter(|names| *names >= 8).unwrap_or(0);
    for (place, &row) in results.rows().iter().enumerate().skip(first).take(usize::from(rows.height)) {
        let Some(clip) = found.clips.get(row) else { continue };
        let y = rows.y + (place - first) as u16;
        let (sign, style) = outcome(app, clip.outcome);
        let held: Vec<String> = clip.truth.iter().map(|class| name(*class)).collect();
        let half = (answers - 3) / 2;
        let said = format!("{} → {}", text::left(&held.join(";"), half), text::left(&name(clip.answer), half));
        let value = match results.order() {
            Order::Loss => clip.of_truth.unwrap_or(0.0),
            Order::Margin => clip.margin,
            Order::Disagreement => against.and_then(|one| one.disagreement.get(row)).copied().unwrap_or(0.0),
        };
        let mut line = Line::from(vec![
            Span::styled(format!("{sign} "), style),
            Span::styled(text::left(&said, answers), theme.base()),
            Span::styled(text::right(&format!("{value:.2}"), 6), theme.strong()),
            Span::raw(" "),
        ]);
        if let Some(against) = against {
            let other = side.other();
            let answer = against.answers.get(row).copied().flatten();
            let (sign, style) = answer.map_or((" ", theme.dim()), |right| outcome(app, right));
            line.push_span(Span::styled(format!("{} ", other.marker()), theme.side(other)));
            line.push_span(Span::styled(format!("{sign}  "), style));
        }
        // Names of clips differ at their ends more than at their beginnings.
        if names > 0 {
            line.push_span(Span::styled(text::ending(&found.kept.name(row), names).trim_end().to_owned(), theme.dim()));
        }
        buffer.set_line(rows.x, y, &line, rows.width);
        if place == results.row {
            let style = if results.part == ResultsPart::Clips { theme.selected() } else { theme.strong() };
            buffer.set_style(Rect { y, height: 1, ..rows }, style);
        }
    }
}

/// Whether an answer is right, by sign and colour.
fn outcome(app: &App, outcome: Outcome) -> (&'static str, ratatui::style::Style) {
    match outcome {
        Outcome::Right => ("✓", app.theme().good()),
        Outcome::Wrong => ("✗", app.theme().bad()),
        Outcome::Unknown => ("–", app.theme().dim()),
    }
}

/// The difference of both sides on the clips that both validated on.
fn compared(app: &App, found: &SessionFindings, common: usize, width: u16) -> Line<'static> {
    let theme = app.theme();
    let [this, that] = [app.results_side(), app.results_side().other()];
    let Some(difference) = app.results.against.as_ref().and_then(|against| against.difference) else {
        let words = format!("{} {} was not validated on these clips", that.letter(), that.marker());
        return Line::styled(words, theme.dim());
    };
    let sides = |side: Side| format!("{} {}", side.letter(), side.marker());
    let [value, low, high] = [difference.difference, difference.low, difference.high].map(|value| signed(value, 3));
    let sides = format!("{} − {}", sides(this), sides(that));
    let letters = format!("{} − {}", this.letter(), that.letter());
    let interval = format!("({low} to {high})");
    // Whole words and numbers: the first form that fits.
    let forms = [
        (format!("{sides}  {} ", found.metric.name()), format!("  {interval}  {}", counted(common, "clip"))),
        (format!("{sides}  {} ", found.metric.name()), format!("  {interval}")),
        (format!("{sides}  "), format!("  {interval}")),
        (format!("{letters} "), format!(" {interval}")),
        (format!("{sides}  {} ", found.metric.name()), String::new()),
    ];
    let fits = |(before, after): &(String, String)| {
        text::width(before) + text::width(&value) + text::width(after) <= usize::from(width)
    };
    let (before, after) = forms.into_iter().find(fits).unwrap_or((format!("{letters} "), String::new()));
    Line::from(vec![
        Span::styled(before, theme.base()),
        Span::styled(value, theme.strong()),
        Span::styled(after, theme.dim()),
    ])
}
