//! Scan: how far a scan of recordings is, what it has found by class, and the sound of one detection.

use ratatui::{
    buffer::Buffer,
    layout::{Constraint, Layout, Position, Rect},
    style::Style,
    text::{Line, Span},
};

use crate::{
    digits::counted,
    scan::Row,
    tui::{
        input::{
            action::{Action, Screen},
            choice::Choice,
            pointer::{List, Target},
        },
        state::{
            app::App,
            scanning::{ScanPart, Stage},
        },
        text,
        view::{
            clip_panel,
            picture::Picture,
            widgets::{Panel, Rows, bar, bars::meter, gauge, hint, paragraph},
        },
    },
};

/// Columns of the bar of a score, where there is room.
const METER: usize = 8;
/// Below this width the classes are short of words.
const NARROW: u16 = 34;

/// Draws the screen. Returns a picture that the terminal draws over it, if any.
pub fn draw(app: &App, area: Rect, buffer: &mut Buffer) -> Option<Picture> {
    let theme = app.theme();
    if app.scanning.stage == Stage::Idle {
        let inner = Panel::new("scan", theme).draw(area, buffer);
        let [sessions, browse] =
            [Action::Show(Screen::Sessions), Action::Browse(Choice::Recordings)].map(|action| app.key(&action));
        let keys = [
            (&*browse, "choose recordings in the browser".to_owned()),
            (":scan PATH", "a recording, or a folder of them at any depth".to_owned()),
            (&*sessions, "Sessions: choose the model that scans, A ● or B ▲ in focus".to_owned()),
        ];
        hint(inner, "Find a model's classes in recordings of any length.", &keys, theme, buffer);
        return None;
    }
    let areas = Areas::of(area);
    progress(app, areas.progress, buffer);
    classes(app, areas.classes, buffer);
    rows(app, areas.rows, buffer);
    clip_panel::draw(app, &app.scanning.clip, "no detection is chosen", areas.sound, buffer)
}

/// What the mouse points at.
pub fn hit(app: &App, area: Rect, place: Position) -> Option<Target> {
    if app.scanning.stage == Stage::Idle {
        return None;
    }
    let areas = Areas::of(area);
    if areas.classes.contains(place) {
        return Some(Target::List(List::ScanClasses, class_rows(app, Panel::inner(areas.classes)).at(place)));
    }
    if areas.rows.contains(place) {
        return Some(Target::List(List::Detections, found_rows(app, Panel::inner(areas.rows)).at(place)));
    }
    clip_panel::share_at(&app.scanning.clip, areas.sound, place).map(Target::Clip)
}

/// The parts of the screen.
struct Areas {
    progress: Rect,
    classes: Rect,
    rows: Rect,
    sound: Rect,
}

impl Areas {
    fn of(area: Rect) -> Self {
        let [progress, body] = Layout::vertical([Constraint::Length(5), Constraint::Fill(1)]).areas(area);
        let left = (area.width * 3 / 10).clamp(26, 50);
        let [classes, right] = Layout::horizontal([Constraint::Length(left), Constraint::Fill(1)]).areas(body);
        let low = Constraint::Length((body.height / 2).max(8));
        let [rows, sound] = Layout::vertical([Constraint::Fill(1), low]).areas(right);
        Self { progress, classes, rows, sound }
    }
}

/// The border of a list: bright where keys move.
fn border(app: &App, part: ScanPart) -> Style {
    if app.scanning.part == part { app.theme().accent() } else { app.theme().border() }
}

/// Done, speed, time left; what cannot be read; where the tables are.
fn progress(app: &App, area: Rect, buffer: &mut Buffer) {
    let theme = app.theme();
    let scanning = &app.scanning;
    let (sign, word, style) = match &scanning.stage {
        Stage::Idle | Stage::Searching(_) => ("◌", "looking for recordings", theme.dim()),
        Stage::Running => ("◌", "scanning", theme.accent()),
        Stage::Stopping => ("◦", "stopping", theme.warn()),
        Stage::Stopped => ("◦", "stopped: what is done is kept", theme.warn()),
        Stage::Done(..) => ("✓", "done", theme.good()),
        Stage::Failed(_) => ("✗", "failed", theme.bad()),
    };
    let session = scanning.asked.as_ref().map_or_else(String::new, |asked| text::file_name(&asked.session));
    let title = Line::from(vec![Span::raw("scan with "), Span::styled(text::clean(&session), theme.strong())]);
    let right = Line::styled(format!("{sign} {word}"), style);
    let border = if matches!(scanning.stage, Stage::Failed(_)) { theme.bad() } else { theme.border() };
    let inner = Panel::new(title, theme).border(border).right(right).draw(area, buffer);
    if let Stage::Failed(problem) = &scanning.stage {
        paragraph(inner, &text::one_line(problem), theme.bad(), buffer);
        return;
    }
    let progress = scanning.progress;
    let share = progress.bytes as f64 / progress.of_bytes.max(1) as f64;
    let share = if matches!(scanning.stage, Stage::Done(..)) { 1.0 } else { share };
    let columns = usize::from(inner.width.saturating_sub(2)).min(60);
    buffer.set_line(inner.x, inner.y, &gauge(share, columns, theme.accent(), theme), inner.width);
    let (speed, left_s) = scanning.pace(app.now_ms);
    let mut words = match &scanning.stage {
        Stage::Searching(found) => format!("{} so far", counted(*found, "recording")),
        Stage::Done(hours, _) => {
            format!(
                "{} of {}, {hours:.2} h of sound",
                text::count(progress.files as u64),
                counted(scanning.files, "recording")
            )
        }
        _ => {
            let left = left_s.map_or_else(String::new, |left| format!(", {} left", text::clock(left)));
            format!(
                "{} of {}, {} of sound scored, {speed:.0} x real time{left}",
                text::count(progress.files as u64),
                counted(scanning.files, "recording"),
                text::clock(progress.seconds),
            )
        }
    };
    if scanning.unlisted() > 0 {
        words += &format!("; {} more detections are in the tables only", text::count(scanning.unlisted()));
    }
    buffer.set_string(inner.x, inner.y + 1, text::fit(&words, usize::from(inner.width)), theme.base());
    let (words, style) = match (scanning.failed.last(), &scanning.stage, scanning.notes.last()) {
        (Some(unread), ..) => {
            let count = counted(scanning.failed.len(), "file");
            (format!("✗ {count} cannot be read, the last: {}", text::one_line(&unread.error)), theme.bad())
        }
        (None, Stage::Done(_, tables), _) if !tables.is_empty() => {
            let tables: Vec<_> = tables.iter().map(|table| table.display().to_string()).collect();
            let key = app.key(&Action::WriteScan);
            (format!("tables: {}; {key} writes them at another threshold", tables.join(", ")), theme.dim())
        }
        (None, _, Some(note)) => (format!("· {}", text::one_line(note)), theme.dim()),
        _ => (format!("results go to {}", scanning.out.display()), theme.dim()),
    };
    buffer.set_string(inner.x, inner.y + 2, text::fit(&words, usize::from(inner.width)), style);
}

/// Classes with their detections at the threshold.
fn classes(app: &App, area: Rect, buffer: &mut Buffer) {
    let theme = app.theme();
    let scanning = &app.scanning;
    let words = if area.width < NARROW { "≥" } else { "score ≥" };
    let [lower, raise] = [-1, 1].map(|steps| app.key(&Action::Threshold(steps)));
    let right = Line::styled(format!("{words} {:.2}  {lower} {raise}", scanning.threshold), theme.accent());
    let inner = Panel::new("classes", theme).border(border(app, ScanPart::Classes)).right(right).draw(area, buffer);
    let counts: Vec<usize> = (0..=scanning.labels.len()).map(|class| scanning.count(class)).collect();
    let most = counts.iter().skip(1).max().copied().unwrap_or(0).max(1);
    let longest = scanning.labels.iter().map(|label| text::width(label)).max().unwrap_or(0).max(11);
    let name = longest.min(usize::from(inner.width).saturating_sub(14));
    let columns = usize::from(inner.width).saturating_sub(name + 8);
    let rows = class_rows(app, inner);
    for i in rows.shown() {
        let on = rows.line(i);
        let (label, style) = match i.checked_sub(1).and_then(|class| scanning.labels.get(class)) {
            Some(label) => (label.as_str(), theme.base()),
            None => ("all classes", theme.dim()),
        };
        let count = if counts[i] > 0 { theme.strong() } else { theme.faint() };
        let share = if i == 0 { 0.0 } else { counts[i] as f64 / most as f64 };
        let line = Line::from(vec![
            Span::styled(text::left(label, name), style),
            Span::styled(text::right(&text::count(counts[i] as u64), 7), count),
            Span::styled(format!(" {}", bar(share, columns)), theme.accent()),
        ]);
        buffer.set_line(inner.x, on.y, &line, inner.width);
        if i == scanning.class {
            buffer.set_style(on, theme.selected());
        }
    }
}

fn class_rows(app: &App, inner: Rect) -> Rows {
    Rows::new(inner, app.scanning.class, app.scanning.labels.len() + 1)
}

/// Detections, the highest scores first.
fn rows(app: &App, area: Rect, buffer: &mut Buffer) {
    let theme = app.theme();
    let scanning = &app.scanning;
    let class = scanning.class.checked_sub(1).and_then(|class| scanning.labels.get(class));
    let title = Line::from(vec![
        Span::raw("detections  "),
        Span::styled(class.map_or_else(|| "of all classes".to_owned(), |class| text::clean(class)), theme.strong()),
    ]);
    let right = Line::styled("the highest scores first", theme.dim());
    let inner = Panel::new(title, theme).border(border(app, ScanPart::Rows)).right(right).draw(area, buffer);
    let listed = scanning.listed();
    if listed.len() == 0 {
        let words = match scanning.stage {
            Stage::Done(..) => {
                let key = app.key(&Action::Threshold(-1));
                format!("nothing scores as high as the threshold: {key} lowers it")
            }
            _ => "nothing so far".to_owned(),
        };
        return hint(inner, &words, &[], theme, buffer);
    }
    if inner.height < 2 {
        return;
    }
    let meter_columns = if inner.width >= 60 { METER } else { 0 };
    // Score 6 and its bar, class, start 10, length 8.
    let label = scanning.labels.iter().map(|label| text::width(label)).max().unwrap_or(0).clamp(5, 16);
    let name = usize::from(inner.width).saturating_sub(6 + meter_columns + 2 + label + 10 + 8).max(8);
    let head = format!(
        "{} {} {}{}{}",
        text::left("score", 6 + meter_columns),
        text::left("class", label),
        text::left("recording", name),
        text::right("at", 10),
        text::right("length", 8),
    );
    buffer.set_stringn(inner.x, inner.y, head, usize::from(inner.width), theme.dim());
    let rows = found_rows(app, inner);
    for (i, row) in listed.enumerate().skip(rows.first).take(rows.shown().len()) {
        let on = rows.line(i);
        let Row { file, start, end, label: of, score, .. } = row;
        let line = Line::from(vec![
            Span::styled(format!("{score:.2}  "), theme.strong()),
            Span::styled(text::left(&meter(f64::from(*score), meter_columns), meter_columns), theme.good()),
            Span::styled(format!(" {}", text::left(of, label)), theme.base()),
            Span::styled(format!(" {}", text::left(&text::last_part(file), name)), theme.base()),
            Span::styled(text::right(&text::clock(*start), 10), theme.base()),
            Span::styled(text::right(&format!("{:.1} s", end - start), 8), theme.dim()),
        ]);
        buffer.set_line(inner.x, on.y, &line, inner.width);
        if i == scanning.row {
            buffer.set_style(on, theme.selected());
        }
    }
}

fn found_rows(app: &App, inner: Rect) -> Rows {
    let area = Rect { y: inner.y + 1, height: inner.height.saturating_sub(1), ..inner };
    Rows::new(area, app.scanning.row, app.scanning.count(app.scanning.class))
}
