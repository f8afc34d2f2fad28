//! The browser: recent ones first, then those that have a name, then what is in a folder, each with what it is recognised as.

use ratatui::{
    buffer::Buffer,
    layout::{Position, Rect},
    text::{Line, Span},
};

use crate::tui::{
    input::{
        choice::Choice,
        pointer::{List, Target},
    },
    state::{
        app::App,
        browser::{Browser, Entry, Origin},
        look::Recognised,
    },
    text,
    theme::Theme,
    view::widgets::{Panel, Rows, paragraph},
};

/// Rows of what is known about the entry under the cursor.
const ABOUT: u16 = 2;
/// Columns before a name, and between it and what it is recognised as.
const AROUND: usize = 6;

/// Draws the browser on show.
pub fn draw(app: &App, area: Rect, buffer: &mut Buffer) {
    let Some(browser) = app.browser() else { return };
    let theme = app.theme();
    let title = title(browser.choice);
    let folder = browser.folder.as_ref().map_or_else(|| "…".to_owned(), |folder| folder.display().to_string());
    // The end of a long path says more than its beginning.
    let room = usize::from(area.width).saturating_sub(text::width(title) + 26);
    let folder = text::ending(&folder, room).trim_end().to_owned();
    let title = Line::from(vec![Span::raw(title), Span::raw("  "), Span::styled(folder, theme.strong())]);
    let (at, all) = ((browser.row + 1).min(browser.entries.len()), browser.entries.len());
    let right = Line::styled(format!("{at} of {}", text::count(all as u64)), theme.dim());
    let inner = Panel::new(title, theme).border(theme.accent()).right(right).draw(area, buffer);
    if inner.height < ABOUT + 3 {
        return;
    }
    if let Some(problem) = &browser.problem {
        let words = format!("✗ {}", text::one_line(problem));
        buffer.set_string(inner.x, inner.y, text::fit(&words, usize::from(inner.width)), theme.bad());
    }
    let lines = lines(browser);
    let rows = rows(browser, &lines, inner);
    let list = rows.area;
    let name = usize::from(list.width * 2 / 5).clamp(20, 60);
    for i in rows.shown() {
        let on = rows.line(i);
        match &lines[i] {
            Row::Words(words) => {
                buffer.set_string(list.x, on.y, text::fit(words, usize::from(list.width)), theme.dim());
            }
            Row::Entry(at) => {
                let line = line(browser, &browser.entries[*at], [name, usize::from(list.width)], theme);
                buffer.set_line(list.x, on.y, &line, list.width);
                if *at == browser.row {
                    buffer.set_style(on, theme.selected());
                }
            }
        }
    }
    let about = browser.selected().and_then(|entry| entry.look.as_ref()?.about.clone());
    let words = about.unwrap_or_else(|| asked(browser.choice).to_owned());
    paragraph(Rect { y: inner.bottom() - ABOUT, height: ABOUT, ..inner }, &words, theme.dim(), buffer);
}

/// What the mouse points at.
pub fn hit(app: &App, area: Rect, place: Position) -> Option<Target> {
    let browser = app.browser().filter(|_| area.contains(place))?;
    let lines = lines(browser);
    let row = rows(browser, &lines, Panel::inner(area)).at(place);
    let entry = row.and_then(|row| match lines.get(row)? {
        Row::Words(_) => None,
        Row::Entry(at) => Some(*at),
    });
    Some(Target::List(List::Browser, entry))
}

/// The lines of the list: beneath a problem, above what is known about the entry under the cursor.
fn rows(browser: &Browser, lines: &[Row<'_>], inner: Rect) -> Rows {
    let problem = u16::from(browser.problem.is_some());
    let area = Rect { y: inner.y + problem, height: inner.height.saturating_sub(ABOUT + 1 + problem), ..inner };
    let cursor = lines.iter().position(|row| matches!(row, Row::Entry(i) if *i == browser.row)).unwrap_or(0);
    Rows::new(area, cursor, lines.len())
}

enum Row<'a> {
    Words(&'a str),
    Entry(usize),
}

/// What was used before, what has a name, then what is in the folder, each under its heading; then what is left out.
fn lines(browser: &Browser) -> Vec<Row<'_>> {
    let entries = &browser.entries;
    let of = |origin: Origin| (0..entries.len()).filter(move |at| entries[*at].origin == origin).map(Row::Entry);
    let has = |origin: Origin| entries.iter().any(|entry| entry.origin == origin);
    let mut rows = Vec::with_capacity(entries.len() + 4);
    for (origin, words) in [(Origin::Recent, "used before"), (Origin::Named, "by name")] {
        rows.extend(has(origin).then_some(Row::Words(words)));
        rows.extend(of(origin));
    }
    rows.push(Row::Words(match (&browser.problem, browser.is_listed) {
        (Some(_), _) => "this folder cannot be read",
        (None, false) => "reading the folder …",
        (None, true) if has(Origin::Found) => "in this folder",
        (None, true) => nothing(browser.choice),
    }));
    rows.extend(of(Origin::Found));
    rows.extend(browser.left_out.as_deref().map(Row::Words));
    rows
}

/// A line of `[name, all]` columns.
fn line(browser: &Browser, entry: &Entry, [name, all]: [usize; 2], theme: &Theme) -> Line<'static> {
    let is_this = browser.folder.as_deref().is_some_and(|folder| folder.as_os_str() == entry.spec.as_str());
    let words = match entry.origin {
        Origin::Found if is_this && browser.choice == Choice::Recordings => "all of this folder".to_owned(),
        Origin::Found if is_this => "this folder".to_owned(),
        Origin::Found if entry.is_folder => format!("{}/", text::last_part(&entry.spec)),
        Origin::Found => text::last_part(&entry.spec),
        Origin::Recent | Origin::Named => text::clean(&entry.spec),
    };
    let (sign, style) = if entry.fits() { ("●", theme.good()) } else { (" ", theme.dim()) };
    let (what, what_style) = match &entry.look {
        None => ("…".to_owned(), theme.faint()),
        Some(look) => {
            let style = match look.recognised {
                Recognised::Fits => theme.base(),
                Recognised::Other => theme.dim(),
                Recognised::Unusable => theme.warn(),
            };
            (text::fit(&text::one_line(&look.what), all.saturating_sub(name + AROUND)), style)
        }
    };
    Line::from(vec![
        Span::styled(format!("  {sign} "), style),
        Span::styled(
            if entry.origin == Origin::Recent { text::ending(&words, name) } else { text::left(&words, name) },
            if entry.fits() { theme.strong() } else { theme.base() },
        ),
        Span::raw("  "),
        Span::styled(what, what_style),
    ])
}

/// What is being chosen.
fn title(choice: Choice) -> &'static str {
    match choice {
        Choice::Data => "choose data",
        Choice::Model => "choose a model to adapt",
        Choice::Recipe => "choose a recipe",
        Choice::Sound => "choose a sound to listen to",
        Choice::Recordings => "choose recordings to scan",
        Choice::Lesson => "choose a folder for examples",
        Choice::Sweep => "choose a sweep to watch",
    }
}

/// What is looked for, where nothing more is known about the entry under the cursor.
fn asked(choice: Choice) -> &'static str {
    match choice {
        Choice::Data => "data is a folder of class folders, a known layout, or a table with paths and labels",
        Choice::Model => "a model is a checkpoint's file or folder, a session, or a name: kind, parameters, licence",
        Choice::Recipe => "a recipe is one of the program's, or a TOML file with what differs from one of them",
        Choice::Sound => "a sound file is played in real time, and classified while it plays",
        Choice::Recordings => "a recording, or a folder: everything below it is scanned",
        Choice::Lesson => "recorded examples are added to this folder, in a folder for each class",
        Choice::Sweep => "a sweep's file: TOML with [fixed] and [axes]",
    }
}

/// The heading of a folder that has nothing to list.
fn nothing(choice: Choice) -> &'static str {
    match choice {
        Choice::Data => "no folder and no table is in this folder",
        Choice::Model => "no folder and no checkpoint is in this folder",
        Choice::Recipe => "no folder and no TOML file is in this folder",
        Choice::Sound | Choice::Recordings => "no folder and no sound is in this folder",
        Choice::Lesson => "no folder is in this folder",
        Choice::Sweep => "no folder and no TOML file is in this folder",
    }
}
