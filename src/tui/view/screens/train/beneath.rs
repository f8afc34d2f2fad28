//! Beneath the curves: the time of an epoch, the adapters' ratios, and A against B.

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    text::{Line, Span},
};

use crate::{
    digits::signed,
    plot::Side,
    session::RunConfig,
    tui::{
        state::{
            app::App,
            layers::{AdapterSite, Layers},
            run_slot::RunSlot,
        },
        text,
        view::widgets::{Panel, bar, columns, fields},
    },
};

/// Median epoch, waiting for data apart.
pub(super) fn epoch_times(app: &App, area: Rect, buffer: &mut Buffer) {
    let theme = app.theme();
    let inner =
        Panel::new("epoch time, s", theme).right(Line::styled("▂ data  ▇ compute", theme.dim())).draw(area, buffer);
    let times = Side::BOTH.map(|side| app.slot(side).epoch_seconds());
    let longest = times.iter().flatten().map(|(total, _)| *total).fold(0.0, f64::max);
    if longest == 0.0 {
        buffer.set_stringn(inner.x, inner.y, "after the first epoch", usize::from(inner.width), theme.faint());
        return;
    }
    let room = usize::from(inner.width).saturating_sub(12);
    let mut y = inner.y;
    for (side, time) in Side::BOTH.into_iter().zip(times) {
        let Some((total, data)) = time.filter(|_| y < inner.bottom()) else { continue };
        let data = data.min(total);
        let waiting = ((data / longest * room as f64).round() as usize).max(usize::from(data > 0.02 * total));
        let compute = bar((total / longest) - waiting as f64 / room.max(1) as f64, room);
        let line = Line::from(vec![
            Span::styled(format!("{} {} ", side.letter(), side.marker()), theme.side(side)),
            Span::styled(format!("{total:>6.1}  "), theme.strong()),
            Span::styled("▂".repeat(waiting), theme.side(side)),
            Span::styled(compute, theme.side(side)),
        ]);
        buffer.set_line(inner.x, y, &line, inner.width);
        y += 1;
    }
    if y < inner.bottom() {
        let waits: Vec<_> = Side::BOTH
            .into_iter()
            .zip(times)
            .filter_map(|(side, time)| {
                time.map(|(total, data)| format!("{} {}", side.marker(), text::percent(data / total.max(1e-9))))
            })
            .collect();
        let words = format!("waited for data: {}", waits.join("   "));
        buffer.set_stringn(inner.x, y, words, usize::from(inner.width), theme.dim());
    }
}

/// The adapters' ratios now, block by block.
pub(super) fn adapter_ratios(app: &App, area: Rect, buffer: &mut Buffer) {
    let theme = app.theme();
    let side = Layers::side(app.focus, |side| !app.slot(side).state.norms.is_empty());
    let Some((side, norms)) = side.and_then(|side| Some((side, app.slot(side).state.norms.last()?))) else {
        let inner = Panel::new("adapters, |Δ|/|x| by block", theme).draw(area, buffer);
        buffer.set_stringn(
            inner.x,
            inner.y,
            if app.slots.iter().any(|slot| matches!(slot.shown_method().id(), "aat" | "aat-m")) {
                "not measured yet"
            } else {
                "these methods have none"
            },
            usize::from(inner.width),
            theme.faint(),
        );
        return;
    };
    let title =
        Line::from(vec![Span::raw("adapters, |Δ|/|x| by block "), Span::styled(side.marker(), theme.side(side))]);
    let inner = Panel::new(title, theme).draw(area, buffer);
    let greatest = AdapterSite::BOTH
        .iter()
        .flat_map(|adapter| norms.blocks.iter().map(|block| adapter.value(block, true)))
        .fold(0.0, f64::max)
        .max(1e-9);
    let wide = if u32::from(inner.width) >= 16 + 3 * norms.blocks.len() as u32 { 2 } else { 1 };
    for (row, adapter) in AdapterSite::BOTH.into_iter().enumerate() {
        let y = inner.y + row as u16;
        if y >= inner.bottom() {
            break;
        }
        let values: Vec<_> = norms.blocks.iter().map(|block| adapter.value(block, true) / greatest).collect();
        let name = if adapter == AdapterSite::Spatial { "spatial" } else { "mlp" };
        buffer.set_string(inner.x, y, name, theme.dim());
        columns((inner.x + 9, y), 1, wide, &values, theme.side(side), buffer);
    }
    if inner.height > 2 {
        let words = format!("greatest {}", text::value(greatest));
        buffer.set_stringn(inner.x, inner.y + 2, words, usize::from(inner.width), theme.dim());
    }
}

/// Why two runs have no difference: other clips, or other metrics. A line for each reason.
fn apart(app: &App) -> Option<Vec<String>> {
    let [Some(a), Some(b)] = [Side::A, Side::B].map(|side| app.slot(side).state.config.as_deref()) else { return None };
    let clips = [Side::A, Side::B].map(|side| app.slot(side).state.clips);
    let name = |side: Side, config: &RunConfig| {
        let fold = config.fold.map_or(String::new(), |fold| format!(" fold {fold}"));
        format!("{} {}{fold}", side.marker(), text::clean(&config.data_name))
    };
    let same_set = a.data_name == b.data_name && a.labels == b.labels;
    if !same_set || a.fold != b.fold || clips[0] != clips[1] {
        let mut lines = vec!["They differ in data: no difference.".to_owned()];
        lines.push(format!("{}   {}", name(Side::A, a), name(Side::B, b)));
        if same_set && a.fold == b.fold {
            lines.push(format!(
                "{} and {} clips train, {} and {} validate",
                clips[0].0, clips[1].0, clips[0].1, clips[1].1
            ));
        }
        return Some(lines);
    }
    // Without folds the seed decides which clips are held out.
    if a.fold.is_none() && a.seed != b.seed {
        return Some(vec![
            "They may differ in data: no difference.".to_owned(),
            format!("seeds {} and {} hold out other clips", a.seed, b.seed),
        ]);
    }
    let metrics = [a, b].map(|config| config.recipe.metric);
    (metrics[0] != metrics[1]).then(|| {
        vec![
            "They differ in metric: no difference.".to_owned(),
            format!("● {}   ▲ {}", metrics[0].name(), metrics[1].name()),
        ]
    })
}

/// A against B, at their best epochs.
pub(super) fn compare(app: &App, area: Rect, buffer: &mut Buffer) {
    let theme = app.theme();
    let [a, b] = &app.slots;
    let pairs =
        |slot: &RunSlot| slot.state.config.as_ref().map(|config| (config.session.clone(), config.paired_with.clone()));
    let paired = match (pairs(a), pairs(b)) {
        (Some((a, with_a)), Some((b, with_b))) => with_a.as_ref() == Some(&b) || with_b.as_ref() == Some(&a),
        _ => false,
    };
    if let Some(lines) = apart(app) {
        let inner = Panel::new("A and B", theme).draw(area, buffer);
        for (y, line) in (inner.y..inner.bottom()).zip(lines) {
            let style = if y == inner.y { theme.warn() } else { theme.dim() };
            buffer.set_string(inner.x, y, text::fit(&line, usize::from(inner.width)), style);
        }
        return;
    }
    let inner = Panel::new(if paired { "A - B, paired" } else { "A - B" }, theme).draw(area, buffer);
    let room = usize::from(inner.width);
    let row = |y: u16| Rect { y: inner.y + y, height: 1, ..inner };
    let stops: &[u16] = if room >= 38 { &[0, 22] } else { &[0, 20] };
    let none = Span::raw("");
    let (Some(best_a), Some(best_b)) = (a.state.best(), b.state.best()) else {
        let words =
            if a.is_empty() || b.is_empty() { "b trains both sides, paired" } else { "after both sides' first epoch" };
        buffer.set_stringn(inner.x, inner.y, words, room, theme.faint());
        return;
    };
    let metric = a.state.config.as_ref().map_or("metric", |config| config.recipe.metric.name());
    let difference = best_a.value - best_b.value;
    let style = if difference >= 0.0 { theme.side(Side::A) } else { theme.side(Side::B) };
    let values = format!("● {:.3}   ▲ {:.3}", best_a.value, best_b.value);
    fields(
        row(0),
        stops,
        &[
            (metric, Span::styled(signed(difference, 3), style.bold()), none.clone()),
            ("", Span::styled(values, theme.dim()), none.clone()),
        ],
        theme,
        buffer,
    );
    let time = match (a.epoch_seconds(), b.epoch_seconds()) {
        (Some((a, _)), Some((b, _))) if b > 0.0 => format!("{:.2} x", a / b),
        _ => "–".into(),
    };
    let moments = a.state.moment_bytes as f64 / b.state.moment_bytes.max(1) as f64;
    fields(
        row(1),
        stops,
        &[
            ("epoch time", Span::styled(time, theme.strong()), none.clone()),
            ("moments", Span::styled(format!("{moments:.2} x"), theme.strong()), none.clone()),
        ],
        theme,
        buffer,
    );
    if inner.height > 2 {
        let trains = a.state.inventory.trainable as f64 / b.state.inventory.trainable.max(1) as f64;
        fields(
            row(2),
            stops,
            &[
                ("trains", Span::styled(format!("{trains:.3} x"), theme.base()), none.clone()),
                ("best at", Span::styled(format!("{} and {}", best_a.epoch, best_b.epoch), theme.base()), none),
            ],
            theme,
            buffer,
        );
    }
}
