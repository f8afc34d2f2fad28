//! The first row: the screens, then model, methods and their runs' status.

use ratatui::{
    buffer::Buffer,
    layout::{Position, Rect},
    text::{Line, Span},
};

use super::screens::{self, Standing};
use crate::tui::{
    input::{
        action::{Action, Screen},
        keymap::Context,
        pointer::Target,
    },
    state::{app::App, run_slot::RunSlot},
    text,
};

/// How the screens are written, from the widest form to the narrowest: the program's name before them, their names in full,
/// in short, or only that of the screen on show, and the columns between them.
const FORMS: [(bool, Names, usize); 6] = [
    (true, Names::Full, 2),
    (false, Names::Full, 2),
    (false, Names::Short, 2),
    (false, Names::Short, 1),
    (false, Names::Shown, 2),
    (false, Names::Shown, 1),
];

/// Which names of screens are written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Names {
    Full,
    Short,
    /// Only that of the screen on show; the others have their digits.
    Shown,
}

/// Fewest useful columns of a model's name.
const LEAST_MODEL: usize = 4;

/// Draws it.
pub fn draw(app: &App, area: Rect, buffer: &mut Buffer) {
    let theme = app.theme();
    let (line, _) = fitting(app, area);
    buffer.set_line(area.x, area.y, &line, area.width);
    let right = about(app, left(app, area, &line));
    let help = Line::from(vec![Span::styled(help_key(app), theme.accent()), Span::styled(HELP, theme.dim())]);
    let x = area.right() - help.width() as u16;
    buffer.set_line(x, area.y, &help, help.width() as u16);
    let x = x.saturating_sub((right.width() + GAP) as u16);
    buffer.set_line(x, area.y, &right, right.width() as u16);
}

/// The words behind the key of the help.
const HELP: &str = " help ";
/// Columns around the models in the middle.
const GAP: usize = 2;

/// The key of the help, also while it is typed somewhere.
fn help_key(app: &App) -> String {
    app.keys.name(Context::Everywhere, &Action::Help)
}

/// Columns between the screens and the help.
fn left(app: &App, area: Rect, line: &Line<'_>) -> usize {
    usize::from(area.width).saturating_sub(line.width() + text::width(&help_key(app)) + HELP.len() + 2 * GAP)
}

/// The screens in the widest form that leaves room: methods and the status of their runs are worth more than the names of
/// screens. The name of the data is worth more than wide gaps, but not than all other screens' names.
fn fitting(app: &App, area: Rect) -> (Line<'static>, Vec<Tab>) {
    let width = |detail| sides(app, detail).iter().map(Span::width).sum::<usize>();
    let [data, model, _] = names(app);
    let whole = Span::raw(format!("{data} · {model}")).width() + width(Detail::Spaced);
    let least = width(Detail::Signs) + LEAST_MODEL;
    let forms = || FORMS.iter().map(|form| (form.1, tabs(app, *form)));
    let with_names = forms().filter(|(names, _)| *names != Names::Shown);
    let mut in_order = with_names.map(|form| (whole, form)).chain(forms().map(|form| (least, form)));
    let narrowest = tabs(app, FORMS[FORMS.len() - 1]);
    in_order.find(|(room, (_, (line, _)))| left(app, area, line) >= *room).map_or(narrowest, |(_, (_, form))| form)
}

/// What the mouse points at in the header.
pub fn hit(app: &App, area: Rect, place: Position) -> Option<Target> {
    if !area.contains(place) {
        return None;
    }
    let column = usize::from(place.x - area.x);
    if column + text::width(&help_key(app)) + HELP.len() >= usize::from(area.width) {
        return Some(Target::Help);
    }
    let (_, tabs) = fitting(app, area);
    tabs.into_iter().find(|(columns, _)| columns.contains(&column)).map(|(_, screen)| Target::Tab(screen))
}

/// The columns of a screen's key and name.
type Tab = (std::ops::Range<usize>, Screen);

/// The screens, each with its key, and where they are.
fn tabs(app: &App, (program, names, gap): (bool, Names, usize)) -> (Line<'static>, Vec<Tab>) {
    let theme = app.theme();
    let mut tabs = Vec::new();
    let mut line = Line::from(if program { Span::styled(" aat-tui ", theme.strong()) } else { Span::raw("") });
    for (i, screen) in Screen::ALL.into_iter().enumerate() {
        let active = screen == app.screen;
        let (key, name) = if active { (theme.accent().bold(), theme.strong()) } else { (theme.faint(), theme.dim()) };
        line.push_span(Span::raw(" ".repeat(if i == 0 && !program { 1 } else { gap })));
        let from = line.width();
        line.push_span(Span::styled(app.keys.name(Context::Everywhere, &Action::Show(screen)), key));
        let words = match names {
            Names::Full => screen.name(),
            Names::Short => screen.short_name(),
            Names::Shown if active => screen.name(),
            Names::Shown => "",
        };
        if !words.is_empty() {
            line.push_span(Span::raw(" "));
            line.push_span(Span::styled(words, if active { name.underlined() } else { name }));
        }
        tabs.push((from..line.width(), screen));
    }
    (line, tabs)
}

/// The level of detail.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Detail {
    /// `●aat◌`
    Signs,
    /// `● aat ◌`
    Spaced,
    /// `● aat training`
    Words,
}

/// Model, methods and the status of their runs, with data and device if there is room.
fn about(app: &App, room: usize) -> Line<'static> {
    let theme = app.theme();
    let [data, model, device] = names(app);
    let line = |before: String, detail| {
        let mut line = Line::from(vec![Span::styled(before, theme.dim()), Span::styled(model.clone(), theme.base())]);
        line.spans.extend(sides(app, detail));
        line
    };
    let mut whole = line(format!("{data} · "), Detail::Words);
    whole.spans.insert(2, Span::styled(format!(" · {device}"), theme.dim()));
    let lines = [
        whole,
        line(format!("{data} · "), Detail::Words),
        line(format!("{data} · "), Detail::Spaced),
        line(String::new(), Detail::Words),
        line(String::new(), Detail::Spaced),
        line(String::new(), Detail::Signs),
    ];
    lines.into_iter().find(|line| line.width() <= room).unwrap_or_else(|| {
        // Two names cut in half are useless; the sides' panels show both.
        if app.two_backbones().is_some() {
            return Line::from(sides(app, Detail::Spaced));
        }
        let sides = sides(app, Detail::Signs);
        let taken: usize = sides.iter().map(Span::width).sum();
        let model = text::fit(&model, room.saturating_sub(taken).max(LEAST_MODEL));
        Line::from_iter([vec![Span::styled(model, theme.base())], sides].concat())
    })
}

/// Each side that has a run, or both if none has.
fn sides(app: &App, detail: Detail) -> Vec<Span<'static>> {
    let theme = app.theme();
    let idle = |slot: &RunSlot| slot.is_empty() && !slot.is_busy();
    let none = app.slots.iter().all(idle);
    let mut spans = Vec::new();
    for slot in app.slots.iter().filter(|slot| none || !idle(slot)) {
        let space = if detail == Detail::Signs { "" } else { " " };
        spans.push(Span::raw(if detail == Detail::Signs { " " } else { "  " }));
        spans.push(Span::styled(format!("{}{space}", slot.side.marker()), theme.side(slot.side)));
        spans.push(Span::styled(slot.shown_method().id(), theme.strong()));
        if let Some(Standing { sign, word, style, .. }) = screens::standing(app, slot) {
            let status = if detail == Detail::Words { word } else { sign };
            spans.push(Span::styled(format!("{space}{status}"), style));
        }
    }
    spans
}

/// What is trained, or would be: data and fold, model, device.
fn names(app: &App) -> [String; 3] {
    let running = [app.focused(), app.slot(app.focus.other())].into_iter().find_map(|slot| slot.state.config.as_ref());
    let (data, fold, model, device) = match running {
        Some(config) => (config.data_name.clone(), config.fold, config.model.clone(), config.device.clone()),
        None => (text::last_part(&app.setup.data), app.setup.fold, app.setup.model.clone(), app.setup.device.clone()),
    };
    let model = match app.two_backbones() {
        Some(both) => both.map(|name| text::last_part(&name)).join(" | "),
        None => text::last_part(&model),
    };
    let fold = fold.map_or(String::new(), |fold| format!(" fold {fold}"));
    let device = match device.as_str() {
        "cpu" | "auto" => format!("{} core{}", app.cores, if app.cores == 1 { "" } else { "s" }),
        other => other.to_owned(),
    };
    [format!("{}{fold}", text::clean(&data)), model, text::clean(&device)]
}
