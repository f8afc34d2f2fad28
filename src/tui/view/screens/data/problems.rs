//! What is wrong with the data, as the check finds it.

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    style::Style,
    text::{Line, Span},
};

use crate::{
    data::{Problem, Severity},
    digits::counted,
    tui::{
        state::{
            app::App,
            data::{DataPart, Stage},
            data_view::DataView,
        },
        text,
        theme::Theme,
        view::widgets::{Panel, Rows, hint, paragraph},
    },
};

/// Draws the list; where keys move in it, the problem under the cursor is written out beneath.
pub(super) fn draw(app: &App, view: &DataView, area: Rect, buffer: &mut Buffer) {
    let theme = app.theme();
    let (data, check) = (&app.data, &app.data.check);
    let mut counts = Line::default();
    for (severity, word) in [(Severity::Error, "error"), (Severity::Warning, "warning"), (Severity::Note, "note")] {
        let count = check.count(severity);
        if count > 0 {
            let (sign, style) = sign(severity, theme);
            let space = if counts.spans.is_empty() { "" } else { "  " };
            let words = match area.width < super::NARROW {
                true => format!("{space}{sign} {count}"),
                false => format!("{space}{sign} {}", counted(count, word)),
            };
            counts.push_span(Span::styled(words, style));
        }
    }
    let inner =
        Panel::new("problems", theme).border(super::border(app, DataPart::Problems)).right(counts).draw(area, buffer);
    if let Some(problem) = view.undivided.as_ref().filter(|_| check.problems.is_empty()) {
        paragraph(inner, &text::one_line(problem), theme.bad(), buffer);
        return;
    }
    if check.problems.is_empty() {
        let words = match check.stage {
            Stage::Done => "nothing is wrong",
            Stage::Running(_) => "nothing so far",
            _ => "not checked yet",
        };
        return hint(inner, words, &[], theme, buffer);
    }
    let rows = rows(app, inner);
    let (focused, detail) = (data.part == DataPart::Problems, inner.height - rows.area.height);
    for i in rows.shown() {
        let (problem, on) = (&check.problems[i], rows.line(i));
        let (sign, style) = sign(problem.severity, theme);
        let line = Line::from(vec![
            Span::styled(format!("{sign} "), style),
            Span::styled(text::fit(&place(problem, view), 24), theme.strong()),
            Span::styled(format!("  {}", text::one_line(&problem.problem)), theme.dim()),
        ]);
        buffer.set_line(inner.x, on.y, &line, inner.width);
        if focused && i == data.problem {
            buffer.set_style(on, theme.selected());
        }
    }
    if let Some(problem) = data.selected_problem().filter(|_| detail > 0) {
        let words = format!("{}: {}; {}", place(problem, view), problem.problem, problem.remedy);
        let rows = Rect { y: inner.bottom() - detail, height: detail, ..inner };
        paragraph(rows, &words, theme.base(), buffer);
    }
}

/// The rows of the list: above the problem that is written out, where keys move in it.
pub(super) fn rows(app: &App, inner: Rect) -> Rows {
    let detail = if app.data.part == DataPart::Problems { (inner.height / 2).min(4) } else { 0 };
    let area = Rect { height: inner.height - detail, ..inner };
    Rows::new(area, app.data.problem, app.data.check.problems.len())
}

fn sign(severity: Severity, theme: &Theme) -> (&'static str, Style) {
    match severity {
        Severity::Error => ("✗", theme.bad()),
        Severity::Warning => ("!", theme.warn()),
        Severity::Note => ("·", theme.dim()),
    }
}

/// Where a problem is, inside the data where that is possible.
fn place(problem: &Problem, view: &DataView) -> String {
    let root = view.dataset().root.as_deref();
    let inside = root.and_then(|root| problem.path.strip_prefix(root).ok()).filter(|path| !path.as_os_str().is_empty());
    let words = inside.unwrap_or(&problem.path).to_string_lossy();
    if inside.is_none() && root == Some(&*problem.path) { text::last_part(&words) } else { text::clean(&words) }
}
