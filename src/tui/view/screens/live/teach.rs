//! Teaching: classes with their examples and levels, the recording, the progress of training.

use ratatui::{
    buffer::Buffer,
    layout::{Constraint, Layout, Rect},
    text::{Line, Span},
};

use crate::{
    live::{BACKGROUND, Example, Lesson},
    tui::{
        input::action::Action,
        state::app::App,
        text,
        view::widgets::{Panel, columns, gauge, hint},
    },
};

/// An example quieter than this is probably silent.
const QUIET_DBFS: f32 = -55.0;
/// Recommended examples of a class: fewer are marked.
const WANTED: usize = 5;

/// Draws the lesson.
pub(super) fn draw(app: &App, area: Rect, buffer: &mut Buffer) {
    let theme = app.theme();
    let teaching = &app.live.teaching;
    let Some(lesson) = teaching.lesson.as_deref() else {
        let inner = Panel::new("teach", theme).border(theme.accent()).draw(area, buffer);
        return hint(inner, "opening the lesson …", &[], theme, buffer);
    };
    let folder = lesson.root().display().to_string();
    let title = Line::from(vec![
        Span::raw("teach  "),
        Span::styled(text::ending(&folder, 44).trim_end().to_owned(), theme.dim()),
    ]);
    let right = match &teaching.recording {
        Some(recording) => {
            let seconds = (app.live.state.time_s - recording.since_s).max(0.0);
            Line::styled(format!("● recording {} {seconds:.1} s", text::fit(&recording.class, 20)), theme.bad().bold())
        }
        None => Line::styled(goal(lesson), theme.dim()),
    };
    let border = if teaching.recording.is_some() { theme.bad() } else { theme.accent() };
    let inner = Panel::new(title, theme).border(border).right(right).draw(area, buffer);
    let [table, detail, status] =
        Layout::vertical([Constraint::Fill(1), Constraint::Length(1), Constraint::Length(1)]).areas(inner);
    classes(app, lesson, table, buffer);
    if lesson.classes().all(|(_, examples)| examples.is_empty()) {
        let used = (lesson.classes().count() as u16 + 1).min(table.height);
        let rest = Rect { y: table.y + used, height: table.height - used, ..table };
        let actions = [Action::Listen(None), Action::Begin("class "), Action::Record, Action::Learn];
        let [listen, name, record, learn] = actions.map(|action| app.key(&action));
        let keys = [
            (&*listen, "listen to the microphone; :listen FILE plays a recording".to_owned()),
            (&*name, "name a class; the background is the room itself".to_owned()),
            (&*record, "record the class under ▸: press, or hold, while it sounds".to_owned()),
            (&*learn, "train, then listen with the result".to_owned()),
        ];
        if rest.height >= 6 {
            hint(rest, "A few seconds of each class, a minute of training:", &keys, theme, buffer);
        }
    }
    self::detail(app, detail, buffer);
    progress(app, lesson, status, buffer);
}

/// How much is recorded.
fn goal(lesson: &Lesson) -> String {
    let clips: usize = lesson.classes().map(|(_, examples)| examples.len()).sum();
    let taught = lesson.classes().filter(|(_, examples)| !examples.is_empty()).count();
    format!("{taught} class{}, {clips} clip{}", if taught == 1 { "" } else { "es" }, if clips == 1 { "" } else { "s" })
}

/// A row for each class: number, length and level of examples, and a column for each.
fn classes(app: &App, lesson: &Lesson, area: Rect, buffer: &mut Buffer) {
    let theme = app.theme();
    let teaching = &app.live.teaching;
    let names = lesson.classes().map(|(name, _)| text::width(name)).max().unwrap_or(0).clamp(10, 20);
    let heading = format!(
        "  {}{:>7}{:>9}{:>11}   each, -60 to 0 dBFS",
        text::left("class", names),
        "clips",
        "seconds",
        "mean dBFS"
    );
    buffer.set_stringn(area.x, area.y, heading, usize::from(area.width), theme.dim());
    let height = usize::from(area.height.saturating_sub(1));
    let first = (teaching.class + 1).saturating_sub(height);
    for (at, (name, examples)) in lesson.classes().enumerate().skip(first).take(height) {
        let y = area.y + 1 + (at - first) as u16;
        let selected = at == teaching.class;
        let recorded = teaching.recording.as_ref().is_some_and(|recording| recording.class == name);
        let sign = if recorded {
            "●"
        } else if selected {
            "▸"
        } else {
            " "
        };
        let seconds = examples.iter().fold(0.0, |sum, example| sum + example.seconds);
        let few = examples.len() < WANTED;
        let mut line = Line::from(vec![
            Span::styled(format!("{sign} "), if recorded { theme.bad() } else { theme.accent() }),
            Span::styled(text::left(name, names), if selected { theme.strong() } else { theme.base() }),
            Span::styled(format!("{:>7}", examples.len()), if few { theme.warn() } else { theme.good() }),
            Span::styled(format!("{seconds:>9.1}"), theme.base()),
        ]);
        if examples.is_empty() {
            let what = if name == BACKGROUND { "records the room itself" } else { "records it" };
            let what = format!("{} {what}", app.key(&Action::Record));
            line.push_span(Span::styled(format!("{:>11}   {what}", "–"), theme.dim()));
            buffer.set_line(area.x, y, &line, area.width);
            continue;
        }
        let mean = examples.iter().map(level).sum::<f32>() / examples.len() as f32;
        line.push_span(Span::styled(format!("{:>11}   ", text::decibels(mean)), theme.base()));
        let x = area.x + line.width() as u16;
        buffer.set_line(area.x, y, &line, area.width);
        let room = usize::from(area.right().saturating_sub(x)).max(1);
        let shown = if selected { teaching.example } else { 0 };
        let skip = (shown + 1).saturating_sub(room);
        for (column, (place, example)) in examples.iter().enumerate().skip(skip).take(room).enumerate() {
            let height = f64::from((level(example) + 60.0) / 60.0).clamp(0.05, 1.0);
            let style = match () {
                () if selected && place == teaching.example => theme.selected(),
                () if level(example) < QUIET_DBFS => theme.warn(),
                () => theme.side(app.focus),
            };
            columns((x + column as u16, y), 1, 1, &[height], style, buffer);
        }
    }
}

fn level(example: &Example) -> f32 {
    example.rms_dbfs.max(-60.0)
}

/// The example under the cursor.
fn detail(app: &App, row: Rect, buffer: &mut Buffer) {
    let theme = app.theme();
    let teaching = &app.live.teaching;
    let Some((class, examples)) = teaching.selected() else { return };
    let Some(example) = examples.get(teaching.example) else { return };
    let file = example.path.file_name().unwrap_or_default().to_string_lossy();
    let remark = match example.rms_dbfs < QUIET_DBFS {
        true => format!("   ◇ nearly silent: {} removes it", app.key(&Action::RemoveExample)),
        false => String::new(),
    };
    let line = Line::from(vec![
        Span::styled(
            format!("  {} {} of {}: ", text::fit(class, 20), teaching.example + 1, examples.len()),
            theme.dim(),
        ),
        Span::styled(
            format!("{:.1} s, {} dBFS, {}", example.seconds, text::decibels(level(example)), text::clean(&file)),
            theme.base(),
        ),
        Span::styled(remark, theme.warn()),
    ]);
    buffer.set_line(row.x, row.y, &line, row.width);
}

/// What is missing, or the progress of training.
fn progress(app: &App, lesson: &Lesson, row: Rect, buffer: &mut Buffer) {
    let theme = app.theme();
    let Some(side) = app.live.teaching.learning else {
        let words = match lesson.missing(2) {
            Some(missing) => Span::styled(format!("  {missing}"), theme.warn()),
            None => {
                let key = app.key(&Action::Learn);
                Span::styled(format!("  {key} trains AAT on these and listens with the result"), theme.accent())
            }
        };
        buffer.set_line(row.x, row.y, &Line::from(words), row.width);
        return;
    };
    let slot = app.slot(side);
    let epochs = slot.state.config.as_ref().map_or(0, |config| config.recipe.epochs);
    let best = slot.state.best().map_or_else(String::new, |best| format!("   best accuracy {:.2}", best.value));
    let left = slot.seconds_left().map_or_else(String::new, |left| format!("   {} left", text::clock(left)));
    let epoch = (slot.state.epochs.len() as u32 + 1).min(epochs.max(1));
    let before = format!("  {} {} learns, epoch {epoch}/{epochs}  ", side.letter(), side.marker());
    let after = format!("{best}{left}");
    let room = usize::from(row.width).saturating_sub(text::width(&before) + text::width(&after)).min(40);
    let mut line = Line::from(vec![Span::styled(before, theme.side(side))]);
    line.spans.extend(gauge(slot.progress(), room, theme.side(side), theme).spans);
    line.push_span(Span::styled(after, theme.base()));
    buffer.set_line(row.x, row.y, &line, row.width);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::tui::testing::fixture;

    #[test]
    fn a_level_that_rounds_to_nothing_has_no_sign() {
        let mut app = fixture::app((120, 40));
        let example = Example { path: "/lessons/mine/horn/0001.wav".into(), seconds: 1.0, rms_dbfs: -0.2 };
        app.live.teaching.show(Lesson::of("/lessons/mine", [("horn".to_owned(), vec![example])]));
        let area = Rect::new(0, 0, 80, 10);
        let mut buffer = Buffer::empty(area);
        draw(&app, area, &mut buffer);
        let mut rows = buffer.content.chunks(80).map(|row| row.iter().map(|cell| cell.symbol()).collect::<String>());
        let row = rows.find(|row| row.contains("▸ horn")).unwrap();
        assert_eq!(row.split_whitespace().nth(5), Some("0"), "{row}");
    }
}
