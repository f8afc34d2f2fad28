//! Parameters: what trains and what is frozen, module by module, and what each method would cost.

use ratatui::{
    buffer::Buffer,
    layout::{Constraint, Layout, Position, Rect},
    style::Style,
    text::{Line, Span},
};

use super::side_title;
use crate::{
    model::METHODS,
    tui::{
        input::{
            action::Action,
            pointer::{List, Target},
        },
        state::{
            app::App,
            parameters::{MOMENT_BYTES, MethodCount, Node},
        },
        text,
        theme::Theme,
        view::widgets::{Panel, Rows, bar},
    },
};

/// Rows of the methods, their header and the panel's frame.
const TABLE: u16 = METHODS.len() as u16 + 3;

/// Draws the screen.
pub fn draw(app: &App, area: Rect, buffer: &mut Buffer) {
    let [left, right] = areas(area);
    tree(app, left, buffer);
    if area.width >= WIDE {
        let [top, bottom] = Layout::vertical([Constraint::Length(TABLE + 2), Constraint::Fill(1)]).areas(right);
        methods(app, top, buffer);
        facts(app, bottom, buffer);
    } else {
        methods(app, right, buffer);
    }
}

/// From this width on, the tree and the methods are beside each other.
const WIDE: u16 = 112;

/// The tree, and the rest.
fn areas(area: Rect) -> [Rect; 2] {
    if area.width >= WIDE {
        Layout::horizontal([Constraint::Fill(1), Constraint::Length(48)]).areas(area)
    } else {
        Layout::vertical([Constraint::Fill(1), Constraint::Length(TABLE)]).areas(area)
    }
}

/// What the mouse points at.
pub fn hit(app: &App, area: Rect, place: Position) -> Option<Target> {
    let [tree, _] = areas(area);
    tree.contains(place).then(|| Target::List(List::Modules, rows(app, Panel::inner(tree)).at(place)))
}

/// The rows of the tree: between its header and its sum.
fn rows(app: &App, inner: Rect) -> Rows {
    let area = Rect { y: inner.y + 1, height: inner.height.saturating_sub(2), ..inner };
    Rows::new(area, app.parameters.cursor(), app.parameters.rows().count())
}

/// Sign of what trains: all, some, none.
fn sign(total: u64, trains: u64) -> &'static str {
    match trains {
        0 => "○",
        _ if trains == total => "●",
        _ => "◐",
    }
}

fn tree(app: &App, area: Rect, buffer: &mut Buffer) {
    let theme = app.theme();
    let parameters = &app.parameters;
    let words = format!("{}{}", parameters.method().title(), app.on_backbone(app.focus));
    let mut title = side_title(app, app.focus, &words);
    title.push_span(Span::raw(", parameters by module"));
    let legend = Line::styled("● trains  ◐ in part  ○ frozen", theme.dim());
    let inner = Panel::new(title, theme).border(theme.side(app.focus)).right(legend).draw(area, buffer);
    let widths = [13, 13, 8, 9];
    let numbers: u16 = widths.iter().sum();
    let name_width = inner.width.saturating_sub(numbers + 2);
    let header = ["total", "trains", "share", "moments"];
    let mut x = inner.x + name_width + 2;
    buffer.set_string(inner.x + 2, inner.y, "module", theme.dim());
    for (name, width) in header.iter().zip(widths) {
        buffer.set_string(x, inner.y, text::right(name, usize::from(width)), theme.dim());
        x += width;
    }
    let rows = self::rows(app, inner);
    let nodes: Vec<&Node> = parameters.rows().collect();
    for i in rows.shown() {
        let (node, line_area) = (nodes[i], rows.line(i));
        let y = line_area.y;
        let here = i == parameters.cursor();
        if here {
            buffer.set_style(line_area, theme.selected());
        }
        let trains = node.trains > 0;
        let (mark, words) = if trains { (theme.side(app.focus), theme.base()) } else { (theme.faint(), theme.dim()) };
        let branch = match (node.below, parameters.is_open(node)) {
            (0, _) => " ",
            (_, true) => "▾",
            (_, false) => "▸",
        };
        let mut line = Line::from(vec![
            Span::styled(sign(node.total, node.trains), mark),
            Span::raw(" ".repeat(1 + 2 * node.depth)),
            Span::styled(branch, theme.accent()),
            Span::raw(" "),
            Span::styled(node.name.clone(), if node.below > 0 && trains { theme.strong() } else { words }),
        ]);
        if let Some(shape) = &node.shape {
            let shape: Vec<_> = shape.iter().map(usize::to_string).collect();
            let shape = format!("  {}", shape.join(" x "));
            if line.width() + shape.len() <= usize::from(name_width) {
                line.push_span(Span::styled(shape, theme.faint()));
            }
        }
        // Only the style's additions, so that the selection's background stays.
        buffer.set_line(inner.x, y, &line, name_width + 2);
        let cells = numbers_of(node.total, node.trains, widths, words, theme);
        buffer.set_line(inner.x + name_width + 2, y, &cells, numbers);
        if here {
            buffer.set_style(line_area, theme.selected());
        }
    }
    let (total, trains) = parameters.totals();
    let y = inner.bottom().saturating_sub(1);
    buffer.set_string(inner.x + 2, y, "all", theme.strong());
    let cells = numbers_of(total, trains, widths, theme.strong(), theme);
    buffer.set_line(inner.x + name_width + 2, y, &cells, numbers);
    if rows.shown().len() < rows.count {
        let words = format!("{}-{} of {} rows", rows.first + 1, rows.shown().end, rows.count);
        buffer.set_string(inner.x + 8, y, words, theme.faint());
    }
}

/// The numbers of a row, each in a column of its width.
fn numbers_of(total: u64, trains: u64, widths: [u16; 4], style: Style, theme: &Theme) -> Line<'static> {
    let share = trains as f64 / total.max(1) as f64;
    let cells = [text::count(total), text::count(trains), text::percent(share), text::bytes(trains * MOMENT_BYTES)];
    let cell = |((cell, width), i): ((String, u16), usize)| {
        let (cell, style) = if trains == 0 && i > 0 { ("–".to_owned(), theme.faint()) } else { (cell, style) };
        Span::styled(text::right(&cell, usize::from(width)), style)
    };
    Line::from_iter(cells.into_iter().zip(widths).zip(0..).map(cell))
}

/// Every method on this model; m goes through them.
fn methods(app: &App, area: Rect, buffer: &mut Buffer) {
    let theme = app.theme();
    let inner = Panel::new("methods on this model", theme).draw(area, buffer);
    let most = app.parameters.methods.iter().map(|count| count.trains).max().unwrap_or(1).max(1);
    let room = usize::from(inner.width.saturating_sub(42)).min(24);
    let head = format!(
        "  {} {} {} {}",
        text::left("method", 8),
        text::right("trains", 12),
        text::right("share", 8),
        text::right("moments", 8)
    );
    buffer.set_string(inner.x, inner.y, head, theme.dim());
    for (row, MethodCount { method, total, trains }) in app.parameters.methods.iter().enumerate() {
        let y = inner.y + 1 + row as u16;
        if y >= inner.bottom() {
            break;
        }
        let here = *method == app.parameters.method();
        let style = if here { theme.strong() } else { theme.base() };
        let mut line = Line::from(vec![
            Span::styled(if here { "▸ " } else { "  " }, theme.accent()),
            Span::styled(text::left(method.id(), 8), style),
            Span::styled(format!(" {}", text::right(&text::count(*trains), 12)), style),
            Span::styled(
                format!(" {}", text::right(&text::percent(*trains as f64 / (*total).max(1) as f64), 8)),
                theme.dim(),
            ),
            Span::styled(format!(" {}", text::right(&text::bytes(*trains * MOMENT_BYTES), 8)), theme.dim()),
        ]);
        let share = *trains as f64 / most as f64;
        line.push_span(Span::styled(
            format!("  {}", if room > 3 { bar(share, room) } else { String::new() }),
            if here { theme.side(app.focus) } else { theme.faint() },
        ));
        buffer.set_line(inner.x, y, &line, inner.width);
    }
    if usize::from(inner.height) >= METHODS.len() + 3 {
        let line = Line::from(vec![
            Span::styled(app.key(&Action::NextMethod), theme.accent()),
            Span::styled(" the next one; what runs is not touched", theme.dim()),
        ]);
        buffer.set_line(inner.x, inner.bottom() - 1, &line, inner.width);
    }
}

/// The model's shape, and the paper's figure by the same count.
fn facts(app: &App, area: Rect, buffer: &mut Buffer) {
    let theme = app.theme();
    let inner = Panel::new("model", theme).draw(area, buffer);
    let shape = app.parameters.shape();
    let [rows, columns] = shape.grid();
    let method = app.parameters.method();
    let facts = [
        (
            "hidden size",
            text::count(shape.hidden as u64),
            format!("{} heads of {}", shape.heads, shape.hidden / shape.heads.max(1)),
        ),
        ("blocks", shape.depth.to_string(), format!("MLP of {}", text::count(shape.mlp_hidden as u64))),
        (
            "input",
            format!("{:.1} s", shape.frames() as f64 / 100.0),
            format!("{} x {} mel bins", shape.frames(), shape.mel_bins()),
        ),
        (
            "tokens",
            text::count(shape.tokens() as u64),
            format!("{rows} x {columns} patches + {}", shape.class_tokens()),
        ),
        ("classes", shape.classes.to_string(), String::new()),
    ];
    let mut y = inner.y;
    for (name, value, remark) in facts {
        if y >= inner.bottom() {
            return;
        }
        let line = Line::from(vec![
            Span::styled(text::left(name, 12), theme.dim()),
            Span::styled(text::right(&value, 8), theme.strong()),
            Span::styled(format!("   {remark}"), theme.dim()),
        ]);
        buffer.set_line(inner.x, y, &line, inner.width);
        y += 1;
    }
    let notes = [
        format!("{} trains {}.", method.title(), method.trains_what()),
        format!(
            "AAT on AST-base with n = 20 classes (OpenMIC), by the same count: {}.",
            text::count(app.parameters.preset)
        ),
        "Moments are AdamW's: two float32 for each number that trains.".to_owned(),
    ];
    for note in notes {
        y += 1;
        if y + 1 >= inner.bottom() {
            return;
        }
        let room = Rect { y, height: inner.bottom() - y, ..inner };
        y += crate::tui::view::widgets::paragraph(room, &note, theme.base(), buffer);
    }
}
