//! A session's bookmarks, and the replay of one of them by every checkpoint.

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    style::Style,
    text::{Line, Span},
};

use crate::{
    digits::counted,
    infer::Replay,
    live::{Bookmark, BookmarkedPrediction},
    tui::{
        input::action::{Action, Screen},
        state::app::App,
        text,
        view::widgets::{Panel, hint, paragraph},
    },
};

/// Columns of a checkpoint in the table.
const ANSWER: usize = 12;

/// Draws the list and, below it, the replay.
pub(super) fn draw(app: &App, list: Rect, replays: Rect, buffer: &mut Buffer) {
    let theme = app.theme();
    let bookmarks = &app.live.bookmarks;
    let side = app.focus;
    let mut title = Line::from(vec![Span::raw("bookmarks  ")]);
    title.push_span(Span::styled(format!("{} {} ", side.letter(), side.marker()), theme.side(side)));
    let name = bookmarks.session.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    title.push_span(Span::styled(text::fit(&name, 40), theme.strong()));
    let count = counted(bookmarks.list.as_ref().map_or(0, Vec::len), "clip");
    let right = match bookmarks.unread {
        0 => Line::styled(count, theme.dim()),
        unread => Line::styled(format!("{count}, {unread} cannot be read"), theme.warn()),
    };
    let inner = Panel::new(title, theme).border(theme.accent()).right(right).draw(list, buffer);
    match &bookmarks.list {
        _ if app.focused().is_empty() => {
            let key = app.key(&Action::Show(Screen::Sessions));
            let keys = [(&*key, "Sessions".to_owned())];
            hint(inner, "No session on this side: bookmarks are saved in one.", &keys, theme, buffer);
        }
        None => hint(inner, "reading …", &[], theme, buffer),
        Some(list) if list.is_empty() => {
            let key = app.key(&Action::Bookmark);
            let keys =
                [(&*key, "while listening: saves the last seconds, with the predictions of each side".to_owned())];
            hint(inner, "No bookmarks yet.", &keys, theme, buffer);
        }
        Some(list) => rows(app, list, inner, buffer),
    }
    replayed(app, replays, buffer);
}

/// Time, source, and each listener's first class.
fn rows(app: &App, list: &[Bookmark], area: Rect, buffer: &mut Buffer) {
    let theme = app.theme();
    let height = usize::from(area.height.saturating_sub(1));
    let row = app.live.bookmarks.row;
    let first = (row + 1).saturating_sub(height);
    let predictions = usize::from(area.width).saturating_sub(34);
    let heading = format!("{:>6}  {:<16}{:>8}  {}", "age", "source", "at", "predictions, by session");
    buffer.set_stringn(area.x, area.y, heading, usize::from(area.width), theme.dim());
    for (at, bookmark) in list.iter().enumerate().skip(first).take(height) {
        let y = area.y + 1 + (at - first) as u16;
        let age = text::ago(app.now_ms.saturating_sub(bookmark.at_ms) / 1000);
        let start = format!("{age:>6}  {}{:>6.1} s  ", text::left(&bookmark.source, 16), bookmark.time_s);
        let mut line = Line::from(vec![Span::styled(start, theme.base())]);
        let disagree = matches!(&bookmark.predictions[..], [a, b] if lead(a).map(|s| &s.0) != lead(b).map(|s| &s.0));
        line.push_span(Span::styled(if disagree { "◆ " } else { "  " }, theme.warn()));
        let each = predictions.saturating_sub(2) / bookmark.predictions.len().max(1);
        for predictions in &bookmark.predictions {
            let Some((label, score)) = lead(predictions) else { continue };
            let turned = if predictions.gains.is_empty() { "" } else { ", desk turned" };
            let words = format!("{} {score:.2} ({}{turned})", text::clean(label), text::clean(&predictions.listener));
            line.push_span(Span::styled(text::left(&words, each.saturating_sub(1)) + " ", theme.base()));
        }
        buffer.set_line(area.x, y, &line, area.width);
        if at == row {
            buffer.set_style(Rect { y, height: 1, ..area }, theme.selected());
        }
    }
}

fn lead(predictions: &BookmarkedPrediction) -> Option<&(String, f32)> {
    predictions.scores.first()
}

/// One column of the table.
struct Column {
    head: [String; 2],
    scores: Vec<(String, f32)>,
}

/// The scores side by side: then, and now by each checkpoint.
fn replayed(app: &App, area: Rect, buffer: &mut Buffer) {
    let theme = app.theme();
    let inner = Panel::new("predictions then, and by each checkpoint now", theme).draw(area, buffer);
    let bookmarks = &app.live.bookmarks;
    let Some(bookmark) = bookmarks.selected() else {
        return hint(inner, "nothing is selected", &[], theme, buffer);
    };
    let mut columns: Vec<Column> = bookmark
        .predictions
        .iter()
        .map(|predictions| Column {
            head: ["then".into(), text::clean(&predictions.listener)],
            scores: predictions.scores.clone(),
        })
        .collect();
    let mut remark = None;
    let how = format!("{} replays it through the best weights and the last checkpoints", app.key(&Action::Replay));
    match bookmarks.replays() {
        None => remark = Some((how.as_str(), theme.dim())),
        Some(None) => remark = Some(("replaying through every checkpoint …", theme.accent())),
        Some(Some(Err(problem))) => remark = Some((problem.as_str(), theme.bad())),
        Some(Some(Ok(replays))) => columns.extend(replays.iter().map(column)),
    }
    let table = Rect { height: inner.height.saturating_sub(u16::from(remark.is_some())), ..inner };
    self::table(app, &columns, table, buffer);
    if let Some((words, style)) = remark {
        paragraph(Rect { y: inner.bottom().saturating_sub(1), height: 1, ..inner }, words, style, buffer);
    }
}

fn column(replay: &Replay) -> Column {
    let epoch = replay.epoch.map_or_else(|| format!("step {}", replay.step), |best| format!("epoch {}", best.epoch));
    let name = if replay.best { "best".to_owned() } else { format!("step {}", replay.step) };
    match &replay.predictions {
        Ok(scores) => Column {
            head: [name, epoch],
            scores: scores.iter().map(|score| (score.label.clone(), score.score)).collect(),
        },
        Err(_) => Column { head: [name, "unreadable".into()], scores: Vec::new() },
    }
}

/// Classes down, checkpoints across; a checkpoint's first class is marked.
fn table(app: &App, columns: &[Column], area: Rect, buffer: &mut Buffer) {
    let theme = app.theme();
    // The classes with the highest scores anywhere, highest first.
    let mut classes: Vec<(&str, f32)> = Vec::new();
    for (label, score) in columns.iter().flat_map(|column| &column.scores) {
        match classes.iter_mut().find(|(known, _)| known == label) {
            Some((_, most)) => *most = most.max(*score),
            None => classes.push((label, *score)),
        }
    }
    classes.sort_by(|a, b| b.1.total_cmp(&a.1));
    let names = classes.iter().map(|(label, _)| text::width(label)).max().unwrap_or(0).clamp(6, 16);
    let fit = usize::from(area.width).saturating_sub(names + 2) / ANSWER;
    for (i, column) in columns.iter().take(fit).enumerate() {
        let x = area.x + (names + 2 + i * ANSWER) as u16;
        let style = if column.head[0] == "then" { theme.dim() } else { theme.strong() };
        for (row, words) in column.head.iter().enumerate().take(usize::from(area.height)) {
            buffer.set_string(x, area.y + row as u16, text::right(words, ANSWER - 1), style);
        }
        for (row, (label, _)) in classes.iter().enumerate().take(usize::from(area.height.saturating_sub(2))) {
            let Some(at) = column.scores.iter().position(|(known, _)| known == label) else { continue };
            let leads = at == 0;
            let style: Style = if leads { theme.strong() } else { theme.base() };
            let words = format!("{} {:.2}", if leads { "◆" } else { " " }, column.scores[at].1);
            buffer.set_string(x, area.y + 2 + row as u16, text::right(&words, ANSWER - 1), style);
        }
    }
    for (row, (label, _)) in classes.iter().enumerate().take(usize::from(area.height.saturating_sub(2))) {
        buffer.set_string(area.x, area.y + 2 + row as u16, text::left(label, names), theme.base());
    }
}
