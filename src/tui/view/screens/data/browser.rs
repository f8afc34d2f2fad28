//! The browser of folders: recent data first, each with what it is recognised as.

use ratatui::{
    buffer::Buffer,
    layout::{Position, Rect},
    text::{Line, Span},
};

use crate::{
    data::{Glance, LAYOUTS},
    digits::counted,
    tui::{
        state::{
            app::App,
            folder_browser::{Entry, FolderBrowser},
        },
        text,
        view::widgets::{Panel, Rows, hint, paragraph},
    },
};

/// Draws it.
pub(super) fn draw(app: &App, browser: &FolderBrowser, area: Rect, buffer: &mut Buffer) {
    let theme = app.theme();
    let folder = browser.folder.as_ref().map_or_else(|| "…".to_owned(), |folder| folder.display().to_string());
    let title = Line::from(vec![Span::raw("choose data  "), Span::styled(text::clean(&folder), theme.strong())]);
    let inner = Panel::new(title, theme).border(theme.accent()).draw(area, buffer);
    if inner.height < 4 {
        return;
    }
    if let Some(problem) = &browser.problem {
        let words = format!("✗ {}", text::one_line(problem));
        buffer.set_string(inner.x, inner.y, text::fit(&words, usize::from(inner.width)), theme.bad());
    }
    let lines = lines(&browser.entries, browser.folder.is_some());
    let rows = rows(browser, &lines, inner);
    let list = rows.area;
    let name = usize::from(list.width * 2 / 5).clamp(20, 60);
    for i in rows.shown() {
        let on = rows.line(i);
        match &lines[i] {
            Row::Heading(words) => buffer.set_string(list.x, on.y, words, theme.dim()),
            Row::Entry(at) => {
                buffer.set_line(list.x, on.y, &line(app, &browser.entries[*at], name), list.width);
                if *at == browser.row {
                    buffer.set_style(on, theme.selected());
                }
            }
        }
    }
    if browser.entries.is_empty() && browser.folder.is_some() {
        hint(list, "no folder and no table is in this folder", &[], theme, buffer);
    }
    let about = browser.selected().and_then(|entry| entry.glance?.layout).map(about);
    let words = about.unwrap_or("data is a folder of class folders, a known layout, or a table with paths and labels");
    paragraph(Rect { y: inner.bottom() - 1, height: 1, ..inner }, words, theme.dim(), buffer);
}

/// The entry at a place of the screen's area.
pub(super) fn at(browser: &FolderBrowser, area: Rect, place: Position) -> Option<usize> {
    let lines = lines(&browser.entries, browser.folder.is_some());
    match lines.get(rows(browser, &lines, Panel::inner(area)).at(place)?)? {
        Row::Heading(_) => None,
        Row::Entry(at) => Some(*at),
    }
}

/// The lines of the list: beneath a problem, above what the layout looks like.
fn rows(browser: &FolderBrowser, lines: &[Row], inner: Rect) -> Rows {
    let problem = u16::from(browser.problem.is_some());
    let area = Rect { y: inner.y + problem, height: inner.height.saturating_sub(2 + problem), ..inner };
    let cursor = lines.iter().position(|row| matches!(row, Row::Entry(i) if *i == browser.row)).unwrap_or(0);
    Rows::new(area, cursor, lines.len())
}

enum Row {
    Heading(&'static str),
    Entry(usize),
}

/// Recent data, then what is in the folder, each under its heading.
fn lines(entries: &[Entry], is_listed: bool) -> Vec<Row> {
    let recent = entries.iter().take_while(|entry| entry.is_recent).count();
    let mut rows = Vec::with_capacity(entries.len() + 2);
    rows.push(Row::Heading("used before"));
    rows.extend((0..recent).map(Row::Entry));
    rows.push(Row::Heading(if is_listed { "in this folder" } else { "reading the folder …" }));
    rows.extend((recent..entries.len()).map(Row::Entry));
    rows
}

fn line(app: &App, entry: &Entry, name: usize) -> Line<'static> {
    let theme = app.theme();
    let words = if entry.is_recent { text::clean(&entry.spec) } else { text::last_part(&entry.spec) };
    let words = if entry.is_folder && !entry.is_recent { format!("{words}/") } else { words };
    let (sign, style) = if entry.is_data() { ("●", theme.good()) } else { (" ", theme.dim()) };
    let (what, what_style) = match &entry.glance {
        None => ("…".to_owned(), theme.faint()),
        Some(glance) => match glance.layout {
            Some(layout) => (layout.to_owned() + &amount(glance), theme.base()),
            None => (amount(glance).trim_start_matches(", ").to_owned(), theme.dim()),
        },
    };
    Line::from(vec![
        Span::styled(format!("  {sign} "), style),
        Span::styled(text::left(&words, name), if entry.is_data() { theme.strong() } else { theme.base() }),
        Span::raw("  "),
        Span::styled(what, what_style),
    ])
}

/// `, 12 folders, 10 with sounds, 340 sounds`
fn amount(glance: &Glance) -> String {
    let mut words = String::new();
    if glance.folders > 0 {
        words += &format!(", {}", counted(glance.folders, "folder"));
        words += &match glance.with_sounds {
            0 => String::new(),
            all if all == glance.folders => " with sounds".to_owned(),
            some => format!(", {some} with sounds"),
        };
    }
    if glance.sounds > 0 {
        words += &format!(", {}", counted(glance.sounds, "sound"));
    }
    words
}

/// What a layout looks like.
fn about(layout: &'static str) -> &'static str {
    let found = LAYOUTS.iter().find(|known| known.name == layout);
    found.map_or("sounds that the program synthesises from a seed", |layout| layout.about)
}
