//! The mixing desk: a channel strip for each block, with a meter and a fader for each of its adapters.

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    style::Style,
    text::{Line, Span},
};

use crate::{
    infer::Mix,
    live::ListenerState,
    plot::Side,
    tui::{
        input::action::Action,
        state::{app::App, desk::fader, layers::AdapterSite},
        text, update,
        view::widgets::{Panel, columns, hint},
    },
};

/// Columns left of the strips for their names.
const NAMES: u16 = 9;
/// Columns right of them for the meters' scale.
const SCALE: u16 = 7;
/// The narrowest and the widest strip.
const STRIP: (u16, u16) = (5, 13);

/// Draws the desk of the side in focus.
pub(super) fn draw(app: &App, area: Rect, buffer: &mut Buffer) {
    let theme = app.theme();
    let side = update::desk_side(app);
    let shown = side.and_then(|side| Some((side, app.live.shown().listeners.get(app.live.listener_of(side)?)?)));
    let Some((side, listener)) = shown else {
        let inner = Panel::new("mixing desk", theme).draw(area, buffer);
        let heading =
            format!("No model with adapters is listening: {} starts listening.", app.key(&Action::Listen(None)));
        return hint(inner, &heading, &[], theme, buffer);
    };
    let mix = app.live.desk.mix(&listener.name);
    let title = Line::from(vec![
        Span::raw("mixing desk  "),
        Span::styled(format!("{} {} ", side.letter(), side.marker()), theme.side(side)),
        Span::styled(text::fit(&listener.name, 40), theme.strong()),
    ]);
    let turned = if mix.is_neutral() { "as trained" } else { "adjusted" };
    let style = if mix.is_neutral() { theme.dim() } else { theme.warn() };
    let inner = Panel::new(title, theme)
        .border(theme.accent())
        .right(Line::from(vec![
            Span::styled(turned, style),
            Span::styled(
                if area.width < 100 { "" } else { "   meters: what each adapter adds, over the stream" },
                theme.dim(),
            ),
        ]))
        .draw(area, buffer);
    if !update::has_adapters(app, side) {
        let heading = "This run has no adapters to adjust: it was trained without any.";
        let other = app.key(&Action::NextFocus);
        let keys = [(&*other, "the desk of the other side".to_owned())];
        return hint(inner, heading, &keys, theme, buffer);
    }
    strips(app, listener, side, &mix, inner, buffer);
}

fn strips(app: &App, listener: &ListenerState, side: Side, mix: &Mix, area: Rect, buffer: &mut Buffer) {
    let theme = app.theme();
    let blocks = update::blocks(app, side).max(listener.norms.len());
    let room = area.width.saturating_sub(NAMES + SCALE);
    let wide = (room / blocks.max(1) as u16).clamp(STRIP.0, STRIP.1);
    let fit = usize::from(room / wide).max(1);
    // A desk that does not fit shows the blocks around the cursor.
    let cursor = app.live.desk.block.min(blocks.saturating_sub(1));
    let first = cursor.saturating_sub(fit / 2).min(blocks.saturating_sub(fit));
    let last = (first + fit).min(blocks);
    let x_of = |block: usize| area.x + NAMES + (block - first) as u16 * wide;

    buffer.set_string(area.x, area.y, "block", theme.dim());
    for block in first..last {
        let style = if block == cursor { theme.accent() } else { theme.dim() };
        buffer.set_string(x_of(block), area.y, text::right(&block.to_string(), usize::from(wide) - 1), style);
    }
    let meters = area.height.saturating_sub(3) / 2;
    for (row, adapter) in AdapterSite::BOTH.into_iter().enumerate() {
        let y = area.y + 1 + row as u16 * (meters + 1);
        if y + meters >= area.bottom() {
            break;
        }
        buffer.set_string(area.x, y + meters - 1, adapter.short_name(), theme.base());
        buffer.set_string(area.x, y + meters, "gain", theme.dim());
        let scale = f64::from(listener.peaks[row]).max(1e-6);
        let top = if listener.norms.is_empty() { String::new() } else { text::value(scale) };
        buffer.set_string(area.right() - SCALE + 1, y, text::right(&top, 6), theme.dim());
        if meters > 1 {
            buffer.set_string(area.right() - SCALE + 1, y + meters - 1, text::right("0", 6), theme.faint());
        }
        for block in first..last {
            let fader = fader(mix.channel(block), adapter);
            let audible = mix.audible(fader) > 0.0;
            let value = listener.norms.get(block).map_or(0.0, |norms| adapter.value(norms, true));
            let style = if audible { theme.side(side) } else { theme.faint() };
            // One more column of space than the strip's edge, so that neighbours stay apart.
            let bar = wide - 2;
            for cell in 0..bar {
                columns((x_of(block) + 1 + cell, y), meters, 1, &[value / scale], style, buffer);
            }
            let at_cursor = block == cursor && adapter == app.live.desk.adapter;
            let flag = match (fader.muted, fader.solo) {
                (true, _) => "M",
                (_, true) => "S",
                _ => " ",
            };
            let style = match () {
                () if at_cursor => theme.selected(),
                () if fader.solo && audible => theme.good(),
                () if !audible => theme.warn(),
                () if fader.gain != 1.0 => theme.accent(),
                () => theme.dim(),
            };
            let words = format!("{flag}{:.1}", fader.gain);
            let style: Style = if at_cursor { style.bold() } else { style };
            buffer.set_string(x_of(block), y + meters, text::right(&words, usize::from(wide) - 1), style);
        }
    }
    let more = match (first > 0, last < blocks) {
        (false, false) => return,
        (true, false) => "← more",
        (false, true) => "more →",
        (true, true) => "← →",
    };
    buffer.set_string(area.right() - SCALE + 1, area.y, more, theme.faint());
}
