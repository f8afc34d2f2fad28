//! Sessions: the list of all sessions; beneath it, the curves or results of several.

use ratatui::{
    buffer::Buffer,
    layout::{Position, Rect},
    text::{Line, Span},
};

use crate::tui::{
    input::{
        action::{Action, Screen},
        pointer::{List, Target},
    },
    state::{
        app::App,
        sessions::{Listing, Sessions},
    },
    text,
    view::{
        screens::together,
        widgets::{Panel, Rows, gauge, hint, paragraph},
    },
};

/// From this height on, the last line says more about the session under the cursor.
const ROOMY: u16 = 8;

/// Draws the screen.
pub fn draw(app: &App, area: Rect, buffer: &mut Buffer) {
    let theme = app.theme();
    let sessions = &app.sessions;
    let (area, beneath) = areas(sessions, area);
    if let (Some(beneath), Some(shown)) = (beneath, &sessions.together) {
        together::draw(app, shown, beneath, buffer);
    }
    let inner = Panel::new(title(sessions), theme).right(aside(app)).draw(area, buffer);
    if let Some(problem) = &sessions.problem {
        let room = Rect { y: inner.y + 1, ..inner };
        paragraph(room, problem, theme.bad(), buffer);
        return;
    }
    if !sessions.is_read() {
        return hint(inner, "reading …", &[], theme, buffer);
    }
    if sessions.count() == 0 {
        let (train, both) = (app.key(&Action::Show(Screen::Train)), app.key_on(Screen::Train, &Action::StartBoth));
        let keys = [(&*train, "Train: start one".to_owned()), (&*both, "there: two at once, paired".to_owned())];
        return hint(inner, "No sessions yet.", &keys, theme, buffer);
    }
    if sessions.rows().len() == 0 {
        let (why, (key, what)) = match sessions.filter().is_empty() {
            true => {
                let keys = (app.key(&Action::ShowArchived), "list archived sessions too".to_owned());
                ("Every session is archived.".to_owned(), keys)
            }
            false => {
                let why = format!("No session matches \"{}\".", text::clean(sessions.filter()));
                (why, (app.key(&Action::LeaveSessions), "remove the filter".to_owned()))
            }
        };
        return hint(inner, &why, &[(&*key, what)], theme, buffer);
    }
    let columns = Columns::fit(inner.width, sessions.differing());
    columns.header(inner, app, buffer);
    let rows = rows(sessions, inner);
    for (i, listing) in sessions.rows().enumerate().skip(rows.first).take(rows.shown().len()) {
        let line = rows.line(i);
        columns.row(listing, Rect { x: inner.x, width: inner.width, ..line }, app, buffer);
        if i == sessions.cursor() {
            buffer.set_style(line, theme.selected());
        }
    }
    if inner.height >= ROOMY
        && let Some(session) = sessions.selected()
    {
        let style = if session.notes_problem.is_some() { theme.bad() } else { theme.dim() };
        let more = text::fit(&more(session, sessions.differing()), usize::from(inner.width));
        buffer.set_stringn(inner.x, inner.bottom() - 1, more, usize::from(inner.width), style);
    }
}

/// The list's part of the screen, and the part beneath it while several sessions are shown.
fn areas(sessions: &Sessions, area: Rect) -> (Rect, Option<Rect>) {
    if sessions.together.is_none() {
        return (area, None);
    }
    let below = (area.height * 3 / 5).min(area.height.saturating_sub(5));
    let [list, below] =
        [(area.y, area.height - below), (area.bottom() - below, below)].map(|(y, height)| Rect { y, height, ..area });
    (list, Some(below))
}

fn title(sessions: &Sessions) -> String {
    match sessions.filter() {
        "" => format!("sessions, {}", sessions.order().name()),
        filter => format!("sessions with \"{}\", {}", text::clean(filter), sessions.order().name()),
    }
}

/// What the rows do not say: how many are marked, and how many are not on show.
fn aside(app: &App) -> String {
    let (sessions, key) = (&app.sessions, app.key(&Action::ShowArchived));
    let marked = Some(sessions.marks()).filter(|n| *n > 0).map(|n| format!("{n} marked"));
    let hidden = Some(sessions.hidden()).filter(|n| *n > 0).map(|n| format!("{n} archived ({key})"));
    marked.into_iter().chain(hidden).collect::<Vec<_>>().join(" · ")
}

/// Tags, note and what differs, in one line.
fn more(session: &Listing, differing: &[String]) -> String {
    if let Some(problem) = &session.notes_problem {
        return text::one_line(problem);
    }
    let archived = session.notes.archived.then(|| "archived".to_owned());
    let tags: Vec<String> = session.notes.tags.iter().map(|tag| format!("#{tag}")).collect();
    let note = Some(&session.notes.note).filter(|note| !note.is_empty()).map(|note| format!("\"{note}\""));
    let facts = differing.iter().map(|name| format!("{} {}", short(name), session.facts.short(name)));
    let parts = archived.into_iter().chain((!tags.is_empty()).then(|| tags.join(" "))).chain(note).chain(facts);
    text::one_line(&parts.collect::<Vec<_>>().join(" · "))
}

/// The last part of a fact's name: `recipe.epochs` as `epochs`.
fn short(fact: &str) -> &str {
    fact.rsplit('.').next().unwrap_or(fact)
}

/// The rows of the list, beneath its header.
fn rows(sessions: &Sessions, inner: Rect) -> Rows {
    let below = u16::from(inner.height >= ROOMY);
    let area = Rect { y: inner.y + 1, height: inner.height.saturating_sub(1 + below), ..inner };
    Rows::new(area, sessions.cursor(), sessions.rows().len())
}

/// What the mouse points at.
pub fn hit(app: &App, area: Rect, place: Position) -> Option<Target> {
    let (area, _) = areas(&app.sessions, area);
    area.contains(place).then(|| Target::List(List::Sessions, rows(&app.sessions, Panel::inner(area)).at(place)))
}

/// Widths of the columns in the available width.
struct Columns<'a> {
    name: usize,
    data: usize,
    bar: usize,
    /// Facts that differ, each in a column of [`Self::FACT`].
    facts: &'a [String],
}

impl<'a> Columns<'a> {
    /// Width of a fact's column.
    const FACT: usize = 10;

    fn fit(width: u16, differing: &'a [String]) -> Self {
        // side 2, method 8, metric 18, epochs 8, status 13, when 7 and their gaps.
        let rest = usize::from(width).saturating_sub(2 + 9 + 19 + 9 + 14 + 8);
        let data = if rest > 38 { (rest / 3).min(20) } else { 0 };
        // A name has 26 columns before a fact gets its own, and 40 before there is a bar.
        let free = rest.saturating_sub(data + 1);
        let facts = &differing[..differing.len().min(3).min(free.saturating_sub(26) / (Self::FACT + 1))];
        let free = free - facts.len() * (Self::FACT + 1);
        let bar = if free > 40 + 14 { 12 } else { 0 };
        let name = if bar > 0 { free - bar - 2 } else { free };
        Self { name: name.min(44), data, bar, facts }
    }

    fn header(&self, inner: Rect, app: &App, buffer: &mut Buffer) {
        let bar = if self.bar > 0 { " ".repeat(self.bar + 2) } else { String::new() };
        let data = if self.data > 0 { text::left("data", self.data) + " " } else { String::new() };
        let facts: String = self.facts.iter().map(|fact| text::left(short(fact), Self::FACT) + " ").collect();
        let head = format!(
            "  {} {} {data}{facts}{} {} {bar}{} {}",
            text::left("name", self.name),
            text::left("method", 8),
            text::right("best", 18),
            text::right("epochs", 7) + " ",
            text::left("  status", 13),
            text::right("changed", 7),
        );
        buffer.set_stringn(inner.x, inner.y, head, usize::from(inner.width), app.theme().dim());
    }

    /// The first column: a session's number in the chart, its side, or its mark.
    fn mark<'t>(listing: &Listing, app: &'t App) -> Span<'t> {
        let theme = app.theme();
        let sessions = &app.sessions;
        if let Some(number) = sessions.together.as_ref().and_then(|together| together.number(&listing.path)) {
            return Span::styled(text::left(&number.to_string(), 2), theme.accent());
        }
        let holds = |slot: &&crate::tui::state::run_slot::RunSlot| {
            slot.state.config.as_ref().is_some_and(|config| config.session == listing.name)
        };
        match (sessions.is_marked(listing), app.slots.iter().find(holds)) {
            (true, _) => Span::styled("* ", theme.accent()),
            (false, Some(slot)) => Span::styled(format!("{} ", slot.side.marker()), theme.side(slot.side)),
            (false, None) => Span::styled("  ", theme.dim()),
        }
    }

    fn row(&self, listing: &Listing, row: Rect, app: &App, buffer: &mut Buffer) {
        let theme = app.theme();
        let best = listing.best.map_or("–".into(), |best| format!("{} {:.3}", listing.metric, best.value));
        let (done, all) = listing.epochs;
        let words = listing.status_word();
        let (sign, style) = match words {
            "done" => ("✓", theme.good()),
            "failed" => ("✗", theme.bad()),
            "paused" => ("‖", theme.warn()),
            "training" => ("◌", theme.accent()),
            _ => ("◦", theme.warn()),
        };
        let name = if listing.notes.archived { theme.dim() } else { theme.base() };
        let mut line = Line::from(vec![
            Self::mark(listing, app),
            Span::styled(text::left(&listing.name, self.name), name),
            Span::raw(" "),
            Span::styled(text::left(listing.method.map_or("–", |method| method.id()), 8), theme.dim()),
            Span::raw(" "),
        ]);
        if self.data > 0 {
            line.push_span(Span::styled(text::left(&listing.data, self.data) + " ", theme.dim()));
        }
        for fact in self.facts {
            let value = text::left(&text::one_line(&listing.facts.short(fact)), Self::FACT);
            line.push_span(Span::styled(value + " ", theme.base()));
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
