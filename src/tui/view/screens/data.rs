//! Data: the set before training. Its classes with their parts, the clips of a class, problems, and one clip.

mod clips;
mod problems;

use ratatui::{
    buffer::Buffer,
    layout::{Constraint, Layout, Position, Rect},
    style::Style,
    text::{Line, Span},
};

use crate::{
    data::{Severity, Split},
    digits::counted,
    tui::{
        input::{
            action::Action,
            choice::Choice,
            pointer::{List, Target},
        },
        state::{
            app::App,
            data::{DataPart, Stage},
            data_view::{ClassRow, DataView},
        },
        text,
        theme::Theme,
        view::{
            clip_panel,
            picture::Picture,
            widgets::{Panel, Rows, gauge, hint, middle},
        },
    },
};

/// Columns of a class's name, at most.
const NAME: usize = 24;
/// Columns of the bar of a class, at least: without room for them there is none.
const BAR: usize = 4;

/// The row of all clips.
const ALL: &str = "all classes";
/// Below this width panels are short of words.
const NARROW: u16 = 44;

/// Draws the screen. Returns a picture that the terminal draws over it, if any.
pub fn draw(app: &App, area: Rect, buffer: &mut Buffer) -> Option<Picture> {
    let theme = app.theme();
    let view = match &app.data.view {
        Some(Ok(view)) => view,
        Some(Err(problem)) => {
            let title =
                Line::from(vec![Span::raw("data  "), Span::styled(text::clean(&app.setup.data), theme.strong())]);
            let inner = Panel::new(title, theme).border(theme.bad()).draw(area, buffer);
            middle(
                inner,
                &text::one_line(problem),
                theme.bad(),
                &format!(
                    "{} chooses other data; {} reads it again",
                    app.key(&Action::Browse(Choice::Data)),
                    app.key(&Action::Refresh)
                ),
                theme,
                buffer,
            );
            return None;
        }
        None => {
            let inner = Panel::new("data", theme).draw(area, buffer);
            hint(inner, &format!("reading {} …", text::clean(&app.setup.data)), &[], theme, buffer);
            return None;
        }
    };
    let areas = Areas::of(area);
    heading(app, view, areas.head, buffer);
    classes(app, view, areas.classes, buffer);
    problems::draw(app, view, areas.problems, buffer);
    clips::draw(app, view, areas.clips, buffer);
    clip_panel::draw(app, &app.data.clip, "no clip is chosen", areas.sound, buffer)
}

/// What the mouse points at.
pub fn hit(app: &App, area: Rect, place: Position) -> Option<Target> {
    app.data.read()?;
    let areas = Areas::of(area);
    let inner = Panel::inner;
    let of_list = match place {
        place if areas.classes.contains(place) => Some((List::Classes, class_rows(app, inner(areas.classes)))),
        place if areas.clips.contains(place) => Some((List::Clips, clips::rows(app, inner(areas.clips)))),
        place if areas.problems.contains(place) => Some((List::Problems, problems::rows(app, inner(areas.problems)))),
        _ => None,
    };
    let of_list = of_list.map(|(list, rows)| Target::List(list, rows.at(place)));
    of_list.or_else(|| clip_panel::share_at(&app.data.clip, areas.sound, place).map(Target::Clip))
}

/// The parts of the screen.
struct Areas {
    head: Rect,
    classes: Rect,
    problems: Rect,
    clips: Rect,
    sound: Rect,
}

impl Areas {
    fn of(area: Rect) -> Self {
        let rows = |area: Rect, above: Constraint, beneath: Constraint| -> [Rect; 2] {
            Layout::vertical([above, beneath]).areas(area)
        };
        let [head, body] = rows(area, Constraint::Length(2), Constraint::Fill(1));
        let left = (area.width * 2 / 5).clamp(36, 76);
        let [left, right] = Layout::horizontal([Constraint::Length(left), Constraint::Fill(1)]).areas(body);
        let low = Constraint::Length((body.height / 3).clamp(6, 14));
        let [classes, problems] = rows(left, Constraint::Fill(1), low);
        let low = Constraint::Length((body.height * 11 / 20).max(10));
        let [clips, sound] = rows(right, Constraint::Fill(1), low);
        Self { head, classes, problems, clips, sound }
    }
}

/// The rows of the classes, beneath their header.
fn class_rows(app: &App, inner: Rect) -> Rows {
    let area = Rect { y: inner.y + 1, height: inner.height.saturating_sub(1), ..inner };
    Rows::new(area, app.data.class, app.data.read().map_or(0, |view| view.rows.len()))
}

/// The border of a part: bright where keys move.
fn border(app: &App, part: DataPart) -> Style {
    if app.data.part == part { app.theme().accent() } else { app.theme().border() }
}

/// The style and the glyph of a part of the data, so that the three differ without colours.
fn of_split(split: Split, theme: &Theme) -> (&'static str, Style) {
    match split {
        Split::Train => ("█", theme.accent()),
        Split::Val => ("▓", theme.good()),
        Split::Test => ("░", theme.warn()),
    }
}

/// The set in one line, and how far its check is in another.
fn heading(app: &App, view: &DataView, area: Rect, buffer: &mut Buffer) {
    let theme = app.theme();
    let dataset = view.dataset();
    let [train, val, test] = view.rows.first().map_or([0; 3], |all| all.parts);
    let mut facts = vec![
        format!("{} layout", dataset.layout),
        format!("{} in {} classes", counted(dataset.items.len(), "clip"), dataset.classes.len()),
    ];
    if view.undivided.is_none() {
        let test = if test > 0 { format!(", {} test", text::count(test as u64)) } else { String::new() };
        facts.push(format!("{} train, {} validate{test}", text::count(train as u64), text::count(val as u64)));
    }
    if let Ok((name, seconds)) = &view.recipe {
        facts.push(format!("recipe {name}: {seconds:.2} s"));
    }
    let mut line = Line::from(Span::styled(text::clean(&dataset.name), theme.strong()));
    for fact in facts {
        line.push_span(Span::styled("  ·  ", theme.faint()));
        line.push_span(Span::styled(fact, theme.base()));
    }
    buffer.set_line(area.x + 1, area.y, &line, area.width.saturating_sub(2));
    if area.height > 1 {
        progress(
            app,
            view,
            Rect { x: area.x + 1, y: area.y + 1, width: area.width.saturating_sub(2), height: 1 },
            buffer,
        );
    }
}

/// How far the check is, or what it came to.
fn progress(app: &App, view: &DataView, row: Rect, buffer: &mut Buffer) {
    /// Columns of the bar.
    const BAR: usize = 24;
    let theme = app.theme();
    let check = &app.data.check;
    let (done, total) = check.progress;
    let numbers = format!("{} of {}", text::count(done as u64), text::count(total as u64));
    let mut line = Line::default();
    match &check.stage {
        Stage::Running(_) => {
            line.push_span(Span::styled("checking  ", theme.dim()));
            line.spans.extend(gauge(done as f64 / total.max(1) as f64, BAR, theme.accent(), theme).spans);
            line.push_span(Span::styled(format!("  {numbers}"), theme.dim()));
        }
        Stage::Waiting => {
            let words = format!("not checked: {} decodes every clip", app.key(&Action::CheckData));
            line.push_span(Span::styled(words, theme.dim()));
        }
        Stage::Stopped => {
            let words = format!("stopped after {numbers}: {} checks from the beginning", app.key(&Action::CheckData));
            line.push_span(Span::styled(words, theme.warn()));
        }
        Stage::Failed(problem) => line.push_span(Span::styled(format!("✗ {}", text::one_line(problem)), theme.bad())),
        Stage::Done => {
            let minutes = check.seconds.first().copied().unwrap_or(0.0) / 60.0;
            let (sign, style) = match check.count(Severity::Error) {
                0 => ("✓ checked", theme.good()),
                _ => ("✗ checked", theme.bad()),
            };
            line.push_span(Span::styled(sign, style));
            if minutes > 0.0 {
                line.push_span(Span::styled(format!("  {minutes:.1} min of sound"), theme.dim()));
            }
        }
    }
    let found = &view.dataset().found;
    if found.is_notable() {
        let whole = found.to_string();
        // Where there is no room for the reasons, the numbers are left; the problems list each file.
        let fits = line.width() + 5 + text::width(&whole) <= usize::from(row.width);
        let words = if fits { whole } else { whole.split(':').next().unwrap_or_default().to_owned() };
        line.push_span(Span::styled(format!("  ·  {words}"), theme.warn()));
    }
    buffer.set_line(row.x, row.y, &line, row.width);
}

/// Classes as bars, divided into parts.
fn classes(app: &App, view: &DataView, area: Rect, buffer: &mut Buffer) {
    let theme = app.theme();
    let space = if area.width < NARROW { "" } else { " " };
    let legend = [Split::Train, Split::Val, Split::Test].into_iter().flat_map(|split| {
        let (glyph, style) = of_split(split, theme);
        [Span::styled(glyph, style), Span::styled(format!("{space}{} ", split.name()), theme.dim())]
    });
    let mut legend: Vec<Span<'_>> = legend.collect();
    if let Some(last) = legend.last_mut() {
        *last = Span::styled(last.content.trim_end().to_owned(), last.style);
    }
    let legend = Line::from(legend);
    let inner = Panel::new("classes", theme).border(border(app, DataPart::Classes)).right(legend).draw(area, buffer);
    if inner.height < 2 {
        return;
    }
    let longest = view.rows.iter().map(|row| text::width(&row.name)).max().unwrap_or(0).max(ALL.len());
    let (clips, seconds, heading) = if area.width < NARROW { (6, 7, "s") } else { (7, 9, "seconds") };
    // Names come before bars.
    let room = usize::from(inner.width).saturating_sub(clips + seconds);
    let name = longest.min(NAME).min(room);
    let bar = Some(room.saturating_sub(name + 1)).filter(|bar| *bar >= BAR).unwrap_or(0);
    let head = format!("{}{}{}", text::left("class", name), text::right("clips", clips), text::right(heading, seconds));
    buffer.set_stringn(inner.x, inner.y, head, usize::from(inner.width), theme.dim());
    let most = view.rows.iter().skip(1).map(|row| row.clips.len()).max().unwrap_or(1).max(1);
    let rows = class_rows(app, inner);
    for i in rows.shown() {
        let (row, place) = (&view.rows[i], rows.line(i));
        let all = i == 0;
        let label = if all { ALL } else { row.name.as_str() };
        let length = app.data.check.seconds.get(i).copied().filter(|length| *length > 0.0);
        let length = length.map_or_else(|| "–".to_owned(), |length| format!("{length:.1}"));
        let mut line = Line::from(vec![
            Span::styled(text::left(label, name), if all { theme.dim() } else { theme.base() }),
            Span::styled(text::right(&text::count(row.clips.len() as u64), clips), theme.strong()),
            Span::styled(text::right(&length, seconds), theme.dim()),
            Span::raw(" "),
        ]);
        if !all && bar > 0 {
            line.spans.extend(parts(row, row.clips.len() as f64 / most as f64, bar, theme));
        }
        buffer.set_line(inner.x, place.y, &line, inner.width);
        if i == app.data.class {
            buffer.set_style(place, theme.selected());
        }
    }
}

/// A class's bar: its parts beside each other. A part that is there is at least one column, where there is room.
fn parts(row: &ClassRow, share: f64, columns: usize, theme: &Theme) -> Vec<Span<'static>> {
    let all = row.clips.len().max(1) as f64;
    let wide = ((share * columns as f64).round() as usize).clamp(usize::from(!row.clips.is_empty()), columns);
    let exact = |clips: usize| ((clips as f64 / all * wide as f64).round() as usize).max(usize::from(clips > 0));
    let mut own = row.parts.map(exact);
    // The largest part gives and takes what rounding left over.
    let largest = (0..own.len()).max_by_key(|part| own[*part]).unwrap_or(0);
    let others = own.iter().sum::<usize>() - own[largest];
    own[largest] = wide.saturating_sub(others).max(usize::from(row.parts[largest] > 0));
    let split = [Split::Train, Split::Val, Split::Test].into_iter().zip(own);
    split
        .map(|(split, own)| {
            let (glyph, style) = of_split(split, theme);
            Span::styled(glyph.repeat(own), style)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_class_is_never_drawn_as_nothing() {
        let theme = Theme::all(None, false).0.remove(0);
        let row = |parts: [usize; 3]| ClassRow {
            name: "dog".into(),
            clips: (0..parts.iter().sum::<usize>() as u32).collect(),
            parts,
        };
        let drawn = |parts: [usize; 3], share| {
            let spans = super::parts(&row(parts), share, 10, &theme);
            spans.into_iter().map(|span| span.content.into_owned()).collect::<String>()
        };
        assert_eq!(drawn([8, 2, 0], 1.0), "████████▓▓");
        assert_eq!(drawn([98, 1, 1], 0.5), "███▓░");
        assert_eq!((drawn([0, 0, 0], 0.0), drawn([3, 0, 0], 0.001)), (String::new(), "█".into()));
    }
}
