//! Sessions: the list of all sessions.

use ratatui::{
    buffer::Buffer,
    layout::{Position, Rect},
    text::{Line, Span},
};

use crate::{
    session::Status,
    tui::{
        input::{
            action::{Action, Screen},
            pointer::{List, Target},
        },
        state::{app::App, sessions::Listing},
        text,
        view::widgets::{Panel, Rows, gauge, hint, paragraph},
    },
};

/// Draws the screen.
pub fn draw(app: &App, area: Rect, buffer: &mut Buffer) {
    let theme = app.theme();
    let inner = Panel::new("sessions, newest first", theme).draw(area, buffer);
    let sessions = &app.sessions;
    if let Some(problem) = &sessions.problem {
        let room = Rect { y: inner.y + 1, ..inner };
        paragraph(room, problem, theme.bad(), buffer);
        return;
    }
    let Some(list) = &sessions.list else {
        return hint(inner, "reading …", &[], theme, buffer);
    };
    if list.is_empty() {
        let (train, both) = (app.key(&Action::Show(Screen::Train)), app.key_on(Screen::Train, &Action::StartBoth));
        let keys = [(&*train, "Train: start one".to_owned()), (&*both, "there: two at once, paired".to_owned())];
        return hint(inner, "No sessions yet.", &keys, theme, buffer);
    }
    let columns = Columns::fit(inner.width);
    columns.header(inner, app, buffer);
    let rows = rows(app, inner);
    for (i, listing) in list.iter().enumerate().skip(rows.first).take(rows.shown().len()) {
        let line = rows.line(i);
        columns.row(listing, Rect { x: inner.x, width: inner.width, ..line }, app, buffer);
        if i == sessions.cursor() {
            buffer.set_style(line, theme.selected());
        }
    }
}

/// The rows of the list, beneath its header.
fn rows(app: &App, inner: Rect) -> Rows {
    let area = Rect { y: inner.y + 1, height: inner.height.saturating_sub(1), ..inner };
    Rows::new(area, app.sessions.cursor(), app.sessions.list.as_ref().map_or(0, Vec::len))
}

/// What the mouse points at.
pub fn hit(app: &App, area: Rect, place: Position) -> Option<Target> {
    area.contains(place).then(|| Target::List(List::Sessions, rows(app, Panel::inner(area)).at(place)))
}

/// Widths of the columns in the available width.
struct Columns {
    name: usize,
    data: usize,
    bar: usize,
}

impl Columns {
    fn fit(width: u16) -> Self {
        // side 2, method 8, metric 18, epochs 8, status 13, when 7 and their gaps.
        let rest = usize::from(width).saturating_sub(2 + 9 + 19 + 9 + 14 + 8);
        let bar = if rest > 60 { 12 } else { 0 };
        let rest = rest - if bar > 0 { bar + 2 } else { 0 };
        let data = if rest > 38 { (rest / 3).min(26) } else { 0 };
        Self { name: rest.saturating_sub(data + 1).min(44), data, bar }
    }

    fn header(&self, inner: Rect, app: &App, buffer: &mut Buffer) {
        let bar = if self.bar > 0 { " ".repeat(self.bar + 2) } else { String::new() };
        let data = if self.data > 0 { text::left("data", self.data) + " " } else { String::new() };
        let head = format!(
            "  {} {} {data}{} {} {bar}{} {}",
            text::left("name", self.name),
            text::left("method", 8),
            text::right("best", 18),
            text::right("epochs", 7) + " ",
            text::left("  status", 13),
            text::right("changed", 7),
        );
        buffer.set_stringn(inner.x, inner.y, head, usize::from(inner.width), app.theme().dim());
    }

    fn row(&self, listing: &Listing, row: Rect, app: &App, buffer: &mut Buffer) {
        let theme = app.theme();
        let side = app
            .slots
            .iter()
            .find(|slot| slot.state.config.as_ref().is_some_and(|config| config.session == listing.name));
        let (mark, mark_style) = side.map_or((" ", theme.dim()), |slot| (slot.side.marker(), theme.side(slot.side)));
        let best = listing.best.map_or("–".into(), |best| format!("{} {:.3}", listing.metric, best.value));
        let (done, all) = listing.epochs;
        let (sign, words, style) = match (&listing.status, listing.in_use) {
            (Status::Finished, _) => ("✓", "done", theme.good()),
            (Status::Failed(_), _) => ("✗", "failed", theme.bad()),
            (Status::Stopped, _) => ("◦", "stopped", theme.warn()),
            (Status::Paused, true) => ("‖", "paused", theme.warn()),
            (_, true) => ("◌", "training", theme.accent()),
            (_, false) => ("◦", "interrupted", theme.warn()),
        };
        let mut line = Line::from(vec![
            Span::styled(format!("{mark} "), mark_style),
            Span::styled(text::left(&listing.name, self.name), theme.base()),
            Span::raw(" "),
            Span::styled(text::left(listing.method.map_or("–", |method| method.id()), 8), theme.dim()),
            Span::raw(" "),
        ]);
        if self.data > 0 {
            line.push_span(Span::styled(text::left(&listing.data, self.data) + " ", theme.dim()));
        }
        line.push_span(Span::styled(text::right(&best, 18), theme.strong()));
        line.push_span(Span::styled(format!(" {}  ", text::right(&format!("{done}/{all}"), 7)), theme.base()));
        if self.bar > 0 {
            line.spans.extend(gauge(f64::from(done) / f64::from(all.max(1)), self.bar, theme.dim(), theme).spans);
            line.push_span(Span::raw("  "));
        }
        line.push_span(Span::styled(text::left(&format!("{sign} {words}"), 13), style));
        let ago = app.now_ms.saturating_sub(listing.changed_ms) / 1000;
        line.push_span(Span::styled(format!(" {}", text::right(&text::ago(ago), 7)), theme.dim()));
        buffer.set_line(row.x, row.y, &line, row.width);
    }
}
