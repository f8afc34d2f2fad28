//! view(state) -> frame: the header, a screen, the footer, and overlays.

pub mod clip_panel;
mod command_line;
mod header;
mod overlay;
pub mod picture;
pub mod screens;
pub mod widgets;

use std::borrow::Cow;

use ratatui::{
    buffer::Buffer,
    layout::{Constraint, Layout, Position, Rect},
    text::{Line, Span},
    widgets::{Clear, Widget},
};

use self::{
    overlay::over,
    picture::Picture,
    widgets::{Panel, paragraph},
};
use crate::tui::{
    input::{
        action::{Action, Screen, Verdict},
        keymap::{Context, Keymap},
        pointer::Target,
    },
    state::{
        app::{App, Notice, Overlay},
        review::DIGITS,
    },
    text,
    theme::Theme,
};

/// The least size at which everything is readable.
pub const LEAST: (u16, u16) = (80, 24);

/// Draws everything. Returns a picture that the terminal draws over it, if any.
pub fn draw(app: &App, buffer: &mut Buffer) -> Option<Picture> {
    let area = buffer.area;
    let theme = app.theme();
    buffer.set_style(area, theme.base());
    if area.width < LEAST.0 || area.height < LEAST.1 {
        too_small(app, area, buffer);
        return None;
    }
    let [head, body, foot] = areas(area);
    header::draw(app, head, buffer);
    let mut picture = None;
    match app.screen {
        _ if app.browser().is_some() => screens::browser::draw(app, body, buffer),
        Screen::Train => screens::train::draw(app, body, buffer),
        Screen::Layers => screens::layers::draw(app, body, buffer),
        Screen::Parameters => screens::parameters::draw(app, body, buffer),
        Screen::Live => picture = screens::live::draw(app, body, buffer),
        Screen::Sessions => match &app.sweep {
            Some(table) => screens::sweep::draw(table, app, body, buffer),
            None => screens::sessions::draw(app, body, buffer),
        },
        Screen::Data => picture = screens::data::draw(app, body, buffer),
        Screen::Results => picture = screens::results::draw(app, body, buffer),
        Screen::Review => picture = screens::review::draw(app, body, buffer),
        Screen::Scan => picture = screens::scan::draw(app, body, buffer),
    }
    footer(app, foot, buffer);
    match &app.overlay {
        Some(Overlay::Help(scroll)) => screens::help::draw(*scroll, &app.keys, theme, body, buffer),
        Some(Overlay::Question { question, detail, .. }) => ask(question, detail, &app.keys, theme, body, buffer),
        Some(Overlay::Export(exporting)) => screens::export::draw(exporting, theme, body, buffer),
        Some(Overlay::CommandLine(line)) => command_line::draw(line, &app.keys, theme, foot, buffer),
        None => {}
    }
    picture
}

/// The header, the screen, the footer.
fn areas(area: Rect) -> [Rect; 3] {
    Layout::vertical([Constraint::Length(1), Constraint::Fill(1), Constraint::Length(1)]).areas(area)
}

/// What the mouse points at in this column and row of the screen; `None` where nothing is.
pub fn hit(app: &App, column: u16, row: u16) -> Option<Target> {
    let area = Rect::new(0, 0, app.size.0, app.size.1);
    if area.width < LEAST.0 || area.height < LEAST.1 {
        return None;
    }
    if app.overlay.is_some() {
        return Some(Target::Overlay);
    }
    let place = Position::new(column, row);
    let [head, body, foot] = areas(area);
    if app.notice.as_ref().is_some_and(|message| notice_area(message, foot).contains(place)) {
        return Some(Target::Notice);
    }
    header::hit(app, head, place).or_else(|| match app.screen {
        _ if app.browser().is_some() => screens::browser::hit(app, body, place),
        Screen::Train => screens::train::hit(app, body, place),
        Screen::Parameters => screens::parameters::hit(app, body, place),
        Screen::Sessions if app.sweep.is_some() => None,
        Screen::Sessions => screens::sessions::hit(app, body, place),
        Screen::Data => screens::data::hit(app, body, place),
        Screen::Scan => screens::scan::hit(app, body, place),
        Screen::Live => screens::live::hit(app, body, place),
        Screen::Layers | Screen::Results | Screen::Review => None,
    })
}

fn too_small(app: &App, area: Rect, buffer: &mut Buffer) {
    let words = format!(
        "This window is {} x {}; aat-tui needs {} x {}. Make it larger, or the letters smaller. {} quits.",
        area.width,
        area.height,
        LEAST.0,
        LEAST.1,
        app.key(&Action::Quit)
    );
    let wide = area.width.min(46);
    let inner = Rect {
        x: area.x + (area.width - wide) / 2,
        width: wide,
        y: area.y + area.height / 3,
        height: area.height - area.height / 3,
    };
    paragraph(inner, &words, app.theme().base(), buffer);
}

/// The rows of a notice above the footer: an error takes as many as it needs, up to a few.
fn notice_area(notice: &Notice, foot: Rect) -> Rect {
    /// Most rows of a long one.
    const MOST: u16 = 4;
    let rows = text::wrap(&notice.text, usize::from(notice_room(foot))).len() as u16;
    let shown = rows.clamp(1, if notice.trouble { MOST } else { 1 });
    Rect { y: foot.bottom().saturating_sub(shown), height: shown, ..foot }
}

/// Columns of a notice's words.
fn notice_room(foot: Rect) -> u16 {
    foot.width.saturating_sub(4)
}

/// A notice above everything.
fn notice(notice: &Notice, foot: Rect, theme: &Theme, buffer: &mut Buffer) {
    let (sign, style) = if notice.trouble { ("✗", theme.bad()) } else { ("·", theme.accent()) };
    let (area, room) = (notice_area(notice, foot), notice_room(foot));
    let (rows, shown) = (text::wrap(&notice.text, usize::from(room)), area.height);
    Clear.render(area, buffer);
    buffer.set_style(area, theme.base());
    buffer.set_string(area.x + 1, area.y, sign, style);
    for (row, words) in rows.iter().take(usize::from(shown)).enumerate() {
        let cut = row + 1 == usize::from(shown) && rows.len() > usize::from(shown);
        let words = if cut { text::fit(&format!("{words} …"), usize::from(room)) } else { words.clone() };
        buffer.set_string(area.x + 3, area.y + row as u16, words, theme.base());
    }
}

fn footer(app: &App, area: Rect, buffer: &mut Buffer) {
    let theme = app.theme();
    if let Some(message) = &app.notice {
        return notice(message, area, theme, buffer);
    }
    let contexts = app.contexts();
    let right = screens::footer_right(app);
    let mut room = usize::from(area.width).saturating_sub(right.width() + 4);
    let mut x = area.x + 1;
    let resumes = app.focused().can_resume();
    let lists = matches!(app.screen, Screen::Data | Screen::Scan);
    // Without a clip under review there is nothing to decide.
    let decides = app.screen != Screen::Review || app.review.search.is_none() && app.review.item().is_some();
    let browses = app.browser().is_some();
    let last_digit = || app.key(&Action::Decide(Verdict::Class(DIGITS - 1)));
    let word = |(key, action, word): (String, Action, &'static str)| match action {
        // The browser has one list.
        Action::NextFocus if browses => (key, None),
        Action::Start if resumes => (key, Some(Cow::from("resume"))),
        Action::NextFocus if lists => (key, Some("list".into())),
        Action::Decide(_) | Action::TypeClass | Action::PlayAgain if !decides => (key, None),
        // The first digit stands for all of them.
        Action::Decide(Verdict::Class(0)) => (key, Some(format!("to {} {word}", last_digit()).into())),
        _ => (key, Some(word.into())),
    };
    let hints = contexts.iter().flat_map(|context| app.keys.footer(*context)).map(word).chain(
        // The command line is mentioned at the end of every screen's footer.
        matches!(contexts[0], Context::On(_) | Context::In(_) | Context::Browser)
            .then(|| (app.key(&Action::CommandLine), Some("command".into()))),
    );
    let mut named: Vec<String> = Vec::new();
    for (key, word) in hints {
        // The first context that has a key decides what it does.
        if named.contains(&key) {
            continue;
        }
        named.push(key.clone());
        let Some(word) = word else { continue };
        let line = Line::from(vec![
            Span::styled(key, theme.accent()),
            Span::raw(" "),
            Span::styled(word, theme.dim()),
            Span::raw("   "),
        ]);
        if line.width() > room + 2 {
            break;
        }
        buffer.set_line(x, area.y, &line, line.width() as u16);
        x += line.width() as u16;
        room = room.saturating_sub(line.width());
    }
    let width = right.width() as u16;
    buffer.set_line(area.right().saturating_sub(width + 1), area.y, &right, width);
}

fn ask(question: &str, detail: &str, keys: &Keymap, theme: &Theme, body: Rect, buffer: &mut Buffer) {
    let wide = (text::width(question).max(text::width(detail)) as u16 + 6).clamp(40, body.width.saturating_sub(4));
    let area = over(body, wide, 7, theme, buffer);
    let inner = Panel::new(Span::styled(text::fit(question, usize::from(wide) - 6), theme.strong()), theme)
        .border(theme.warn())
        .draw(area, buffer);
    paragraph(Rect { y: inner.y + 1, height: 2, ..inner }, detail, theme.base(), buffer);
    let mut x = inner.x;
    for (key, _, word) in keys.footer(Context::Question) {
        let line = Line::from(vec![Span::styled(key, theme.accent()), Span::raw(" "), Span::styled(word, theme.dim())]);
        buffer.set_line(x, inner.bottom() - 1, &line, inner.width);
        x += line.width() as u16 + 4;
    }
}
