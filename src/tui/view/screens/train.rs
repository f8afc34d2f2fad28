//! Train: A and B side by side, with progress, results and remaining time.

mod beneath;
mod notes;

use ratatui::{
    buffer::Buffer,
    layout::{Constraint, Layout, Position, Rect},
    text::{Line, Span},
};

use super::{side_title, status};
use crate::{
    model,
    plot::{self, Side},
    session::Status,
    tui::{
        input::{
            action::{Action, Screen},
            pointer::Target,
        },
        state::{
            app::{App, SMOOTHING},
            run_slot::RunSlot,
        },
        text,
        view::widgets::{Panel, chart, fields, gauge, hint, paragraph},
    },
};
use beneath::{adapter_ratios, compare, epoch_times};
use notes::notes;

/// The runs, the curves, and what is beneath them.
fn areas(area: Rect) -> [Rect; 3] {
    let bottom = if area.height >= 28 { 5 } else { 4 };
    Layout::vertical([Constraint::Length(5), Constraint::Fill(1), Constraint::Length(bottom)]).areas(area)
}

/// What the mouse points at.
pub fn hit(_: &App, area: Rect, place: Position) -> Option<Target> {
    let [top, ..] = areas(area);
    let [a, b] = Layout::horizontal([Constraint::Fill(1), Constraint::Fill(1)]).areas(top);
    [(a, Side::A), (b, Side::B)].into_iter().find(|(area, _)| area.contains(place)).map(|(_, side)| Target::Side(side))
}

/// Draws the screen.
pub fn draw(app: &App, area: Rect, buffer: &mut Buffer) {
    let [top, middle, bottom] = areas(area);
    let halves = Layout::horizontal([Constraint::Fill(1), Constraint::Fill(1)]);
    let [a, b] = halves.areas(top);
    slot(app, Side::A, a, buffer);
    slot(app, Side::B, b, buffer);
    if app.runs().is_empty() {
        return welcome(app, Rect { height: middle.height + bottom.height, ..middle }, buffer);
    }
    let [left, right] = Layout::horizontal([Constraint::Fill(11), Constraint::Fill(10)]).areas(middle);
    curves(app, left, right, buffer);
    if area.width >= 110 {
        let [times, ratios, difference] =
            Layout::horizontal([Constraint::Fill(10), Constraint::Fill(8), Constraint::Fill(10)]).areas(bottom);
        epoch_times(app, times, buffer);
        adapter_ratios(app, ratios, buffer);
        compare(app, difference, buffer);
    } else {
        let [times, difference] = halves.areas(bottom);
        epoch_times(app, times, buffer);
        compare(app, difference, buffer);
    }
}

/// One run: progress, results, what trains.
fn slot(app: &App, side: Side, area: Rect, buffer: &mut Buffer) {
    let theme = app.theme();
    let slot = app.slot(side);
    let focused = app.focus == side;
    let words = format!("{}{}", slot.shown_method().title(), app.on_backbone(side));
    let mut title = side_title(app, side, &words);
    if let Some(config) = &slot.state.config
        && area.width > 50
    {
        title.push_span(Span::styled(format!("  {}", text::fit(&config.session, 30)), theme.dim()));
    }
    let border = if focused { theme.side(side) } else { theme.border() };
    let inner = Panel::new(title, theme).right(status(app, slot)).border(border).draw(area, buffer);
    notes(&slot.state, theme, area, buffer);
    if slot.is_empty() {
        match &slot.problem {
            Some(problem) if !slot.is_busy() => {
                paragraph(inner, problem, theme.bad(), buffer);
            }
            _ => not_yet(app, slot, inner, buffer),
        }
        return;
    }
    progress(app, slot, inner, buffer);
    let row = |y: u16| Rect { y: inner.y + y, height: 1, ..inner };
    let failed = if let Status::Failed(why) = &slot.state.status { Some(why) } else { None };
    // The reason why it could not be resumed is newer than the reason why it ended.
    if let Some(why) = slot.problem.as_ref().or(failed.filter(|_| !slot.is_busy())) {
        paragraph(Rect { y: inner.y + 1, height: 2, ..inner }, why, theme.bad(), buffer);
        return;
    }
    let stops: &[u16] = if inner.width >= 52 { &[0, 27, 41] } else { &[0, 21] };
    let last = slot.state.epochs.last().map(|(_, epoch)| *epoch);
    let metric = slot.state.config.as_ref().map_or("metric", |config| config.recipe.metric.name());
    let best = match (slot.state.best(), last) {
        (Some(best), Some(last)) if best.epoch == last.epoch => Span::styled("best", theme.good()),
        (Some(best), _) if inner.width >= 52 => Span::styled(format!("best {:.3}", best.value), theme.dim()),
        _ => Span::raw(""),
    };
    let value = last.map_or("–".into(), |epoch| text::value(epoch.value));
    let (loss, lr) = match slot.state.newest_step() {
        Some(step) => (f64::from(step.loss), step.lr),
        None => (f64::NAN, last.map_or(f64::NAN, |epoch| epoch.lr)),
    };
    let loss = last.filter(|_| slot.state.is_over()).map_or(loss, |epoch| f64::from(epoch.train_loss));
    let none = Span::raw("");
    fields(
        row(1),
        stops,
        &[
            (metric, Span::styled(value, theme.strong()), best),
            ("loss", Span::styled(text::value(loss), theme.strong()), none.clone()),
            ("lr", Span::styled(text::rate(lr), theme.base()), none.clone()),
        ],
        theme,
        buffer,
    );
    let inventory = &slot.state.inventory;
    let share = inventory.trainable as f64 / inventory.total.max(1) as f64;
    let of = format!("of {}", text::short(inventory.total as u64));
    let remark = if inner.width >= 52 { of } else { text::percent(share) };
    fields(
        row(2),
        if inner.width >= 52 { stops } else { &[0, 26] },
        &[
            (
                "trains",
                Span::styled(text::short(inventory.trainable as u64), theme.base()),
                Span::styled(remark, theme.dim()),
            ),
            if inner.width >= 52 {
                ("", Span::styled(text::percent(share), theme.base()), none.clone())
            } else {
                ("", Span::styled(text::bytes(slot.state.moment_bytes), theme.base()), none.clone())
            },
            ("moments", Span::styled(text::bytes(slot.state.moment_bytes), theme.base()), none),
        ],
        theme,
        buffer,
    );
}

/// `epoch  7/25  ━━━━━━━╸─────  1:12 left`
fn progress(app: &App, slot: &RunSlot, inner: Rect, buffer: &mut Buffer) {
    let theme = app.theme();
    let state = &slot.state;
    let epochs = state.config.as_ref().map_or(0, |config| config.recipe.epochs);
    let step = state.step();
    let epoch = match state.steps_per_epoch {
        0 => 0,
        per => (step.div_ceil(per) as u32).max(1).min(epochs),
    };
    let digits = epochs.to_string().len();
    let left = if inner.width >= 52 { "epoch  " } else { "" };
    let count = format!("{epoch:>digits$}/{epochs}");
    let (share, time) = match &slot.status() {
        Status::New => (slot.progress(), "resuming".to_owned()),
        Status::Preparing(done, total) => (*done as f64 / (*total).max(1) as f64, "reading the data".to_owned()),
        _ if slot.can_resume() && inner.width < 52 => (slot.progress(), format!("{} resumes", app.key(&Action::Start))),
        _ if slot.can_resume() => {
            let [resume, anew] = [Action::Start, Action::Anew].map(|action| app.key(&action));
            (slot.progress(), format!("{resume} resumes, {anew} starts anew"))
        }
        Status::Finished | Status::Failed(_) | Status::Stopped => {
            (slot.progress(), format!("{} steps", text::count(step)))
        }
        _ if !slot.is_busy() => (slot.progress(), format!("{} steps", text::count(step))),
        _ => (slot.progress(), slot.seconds_left().map_or("–:–– left".into(), |s| format!("{} left", text::clock(s)))),
    };
    let room = usize::from(inner.width).saturating_sub(left.len() + count.len() + text::width(&time) + 4);
    let mut line =
        Line::from(vec![Span::styled(left, theme.dim()), Span::styled(count, theme.strong()), Span::raw("  ")]);
    line.spans.extend(gauge(share, room, theme.side(slot.side), theme).spans);
    line.push_span(Span::raw("  "));
    line.push_span(Span::styled(time, theme.base()));
    buffer.set_line(inner.x, inner.y, &line, inner.width);
}

/// A side without a run.
fn not_yet(app: &App, slot: &RunSlot, inner: Rect, buffer: &mut Buffer) {
    let theme = app.theme();
    if slot.is_busy() {
        if let Status::Preparing(done, total) = slot.status() {
            let room = usize::from(inner.width).saturating_sub(18);
            let mut line = gauge(done as f64 / total.max(1) as f64, room, theme.side(slot.side), theme);
            line.push_span(Span::styled("  reading the data", theme.dim()));
            buffer.set_line(inner.x, inner.y, &line, inner.width);
        } else {
            buffer.set_string(inner.x, inner.y, "starting …", theme.dim());
        }
        return;
    }
    let width = usize::from(inner.width);
    let trains = text::fit(&format!("trains {}", slot.method.trains_what()), width);
    buffer.set_string(inner.x, inner.y, trains, theme.base());
    /// Between the keys that start a run and that choose another method.
    const STARTS: &str = " starts it   ";
    let [start, method, side] = [Action::Start, Action::NextMethod, Action::NextFocus].map(|action| app.key(&action));
    let other = slot.method.next().title();
    let room = width.saturating_sub(text::width(&start) + STARTS.len() + text::width(&method));
    let whole = format!(" {other} instead");
    let other = if text::width(&whole) <= room { whole } else { text::fit(&format!(" {other}"), room) };
    let line = if app.focus == slot.side {
        Line::from(vec![
            Span::styled(start, theme.accent()),
            Span::styled(STARTS, theme.dim()),
            Span::styled(method, theme.accent()),
            Span::styled(other, theme.dim()),
        ])
    } else {
        Line::from(vec![Span::styled(side, theme.accent()), Span::styled(" moves to this side", theme.dim())])
    };
    buffer.set_line(inner.x, inner.y + 2, &line, inner.width);
}

/// The first keys to press.
fn welcome(app: &App, area: Rect, buffer: &mut Buffer) {
    let theme = app.theme();
    let inner = Panel::new("loss · accuracy", theme).draw(area, buffer);
    let data = text::fit(&app.setup.data, 32);
    let [a, b] = &app.slots;
    let built_in: Vec<&str> = model::built_in().iter().map(|(name, _)| *name).collect();
    if a.is_busy() || b.is_busy() {
        return hint(inner, "The data is being read; curves begin with the first step.", &[], theme, buffer);
    }
    let actions = [Action::StartBoth, Action::Start, Action::NextMethod, Action::Versus];
    let [both, start, method, versus] = actions.map(|action| app.key(&action));
    let [live, sessions] = [Screen::Live, Screen::Sessions].map(|screen| app.key(&Action::Show(screen)));
    let keys = [
        (&*both, format!("train {} ● and {} ▲ side by side on {data}", a.method.title(), b.method.title())),
        (&*start, format!("train {} alone", app.focused().method.title())),
        (&*method, "choose another method for this side".to_owned()),
        (&*versus, format!("train {} on two backbones: {}", app.focused().method.title(), built_in.join(" and "))),
        (":data", "train on a folder of your own sounds".to_owned()),
        (&*live, "listen".to_owned()),
        (&*sessions, "open an earlier run".to_owned()),
    ];
    hint(inner, "Adapt a pretrained audio transformer to new sounds.", &keys, theme, buffer);
}

fn curves(app: &App, left: Rect, right: Rect, buffer: &mut Buffer) {
    let theme = app.theme();
    let runs = app.runs();
    let narrow = left.width < 56;
    let log = if app.log { ", log," } else { "" };
    let title = match SMOOTHING[app.smooth] {
        _ if narrow || app.cursor.is_some() => format!("loss{log} by {}", app.x.name()),
        0 => format!("loss{log} by {} · training, validation ●▲", app.x.name()),
        steps => format!("loss{log} by {} · training (mean of {steps}), validation ●▲", app.x.name()),
    };
    let inner = Panel::new(title, theme).right(reading(app)).draw(left, buffer);
    let view = chart::fit_ticks(app.view(), inner);
    let loss = plot::loss(&runs, &view);
    if loss.curves.iter().all(|curve| curve.points.is_empty()) {
        hint(inner, "after the first step", &[], theme, buffer);
    } else {
        chart::draw(&loss, inner, buffer, theme);
    }

    let metric = plot::metric(&runs, &view);
    let title = format!("{} on validation by {}", metric.title, app.x.name());
    let inner = Panel::new(title, theme).right(metric_reading(app)).draw(right, buffer);
    if metric.curves.iter().all(|curve| curve.points.is_empty()) {
        hint(inner, "after the first epoch", &[], theme, buffer);
    } else {
        chart::draw(&metric, inner, buffer, theme);
    }
}

/// The training losses under the crosshair.
fn reading(app: &App) -> Line<'static> {
    let theme = app.theme();
    let mut line = Line::default();
    let Some(step) = app.cursor else { return line };
    for run in app.runs() {
        if let Some(bucket) = run.state.trace.holding(step) {
            let text = format!("{} {}  ", run.side.marker(), text::value(bucket.mean()));
            line.push_span(Span::styled(text, theme.side(run.side)));
        }
    }
    line
}

/// The metric of each run's last epoch up to the crosshair, and the crosshair's step.
fn metric_reading(app: &App) -> Line<'static> {
    let theme = app.theme();
    let mut line = Line::default();
    let Some(step) = app.cursor else { return line };
    for run in app.runs() {
        if let Some((_, epoch)) = run.state.epochs.iter().rev().find(|(_, epoch)| epoch.step <= step) {
            let text = format!("{} {}  ", run.side.marker(), text::value(epoch.value));
            line.push_span(Span::styled(text, theme.side(run.side)));
        }
    }
    line.push_span(Span::styled(format!("step {}", text::count(step)), theme.accent()));
    line
}
