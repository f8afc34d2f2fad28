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
        view::widgets::{Panel, Rows, paragraph},
    },
};

/// Rows of what the layout under the cursor looks like.
const ABOUT: u16 = 2;

/// Draws it.
pub(super) fn draw(app: &App, browser: &FolderBrowser, area: Rect, buffer: &mut Buffer) {
    let theme = app.theme();
    let folder = browser.folder.as_ref().map_or_else(|| "…".to_owned(), |folder| folder.display().to_string());
    // The end of a long path says more than its beginning.
    let folder = text::ending(&folder, usize::from(area.width).saturating_sub(20));
    let title =
        Line::from(vec![Span::raw("choose data  "), Span::styled(folder.trim_end().to_owned(), theme.strong())]);
    let inner = Panel::new(title, theme).border(theme.accent()).draw(area, buffer);
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
                buffer.set_line(list.x, on.y, &line(app, &browser.entries[*at], name), list.width);
                if *at == browser.row {
                    buffer.set_style(on, theme.selected());
                }
            }
        }
    }
    let about = browser.selected().and_then(|entry| entry.glance?.layout).map(about);
    let words = about.unwrap_or("data is a folder of class folders, a known layout, or a table with paths and labels");
    paragraph(Rect { y: inner.bottom() - ABOUT, height: ABOUT, ..inner }, words, theme.dim(), buffer);
}

/// The entry at a place of the screen's area.
pub(super) fn at(browser: &FolderBrowser, area: Rect, place: Position) -> Option<usize> {
    let lines = lines(browser);
    match lines.get(rows(browser, &lines, Panel::inner(area)).at(place)?)? {
        Row::Words(_) => None,
        Row::Entry(at) => Some(*at),
    }
}

/// The lines of the list: beneath a problem, above what the layout looks like.
fn rows(browser: &FolderBrowser, lines: &[Row<'_>], inner: Rect) -> Rows {
    let problem = u16::from(browser.problem.is_some());
    let area = Rect { y: inner.y + problem, height: inner.height.saturating_sub(ABOUT + 1 + problem), ..inner };
    let cursor = lines.iter().position(|row| matches!(row, Row::Entry(i) if *i == browser.row)).unwrap_or(0);
    Rows::new(area, cursor, lines.len())
}

enum Row<'a> {
    Words(&'a str),
    Entry(usize),
}

/// Recent data, then what is in the folder, each under its heading; then what is left out.
fn lines(browser: &FolderBrowser) -> Vec<Row<'_>> {
    let entries = &browser.entries;
    let recent = entries.iter().take_while(|entry| entry.is_recent).count();
    let mut rows = Vec::with_capacity(entries.len() + 3);
    rows.push(Row::Words("used before"));
    rows.extend((0..recent).map(Row::Entry));
    rows.push(Row::Words(match (&browser.problem, browser.is_listed) {
        (Some(_), _) => "this folder cannot be read",
        (None, false) => "reading the folder …",
        (None, true) if recent == entries.len() => "no folder and no table is in this folder",
        (None, true) => "in this folder",
    }));
    rows.extend((recent..entries.len()).map(Row::Entry));
    rows.extend(browser.left_out.as_deref().map(Row::Words));
    rows
}

fn line(app: &App, entry: &Entry, name: usize) -> Line<'static> {
    let theme = app.theme();
    let words = if entry.is_recent { text::clean(&entry.spec) } else { text::last_part(&entry.spec) };
    let words = if entry.is_folder && !entry.is_recent { format!("{words}/") } else { words };
    let (sign, style) = if entry.is_data() { ("●", theme.good()) } else { (" ", theme.dim()) };
    let (what, what_style) = match &entry.glance {
        None => ("…".to_owned(), theme.faint()),
        Some(glance) if glance.is_unread => ("cannot be read".to_owned(), theme.warn()),
        Some(glance) => match glance.layout {
            Some(layout) => (layout.to_owned() + &amount(glance), theme.base()),
            None if !entry.is_folder => ("not recognised".to_owned(), theme.dim()),
            None => (amount(glance).trim_start_matches(", ").to_owned(), theme.dim()),
        },
    };
    Line::from(vec![
        Span::styled(format!("  {sign} "), style),
        Span::styled(
            if entry.is_recent { text::ending(&words, name) } else { text::left(&words, name) },
            if entry.is_data() { theme.strong() } else { theme.base() },
        ),
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
            some if glance.looked_into < glance.folders => {
                format!(", {some} of the first {} with sounds", glance.looked_into)
            }
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
