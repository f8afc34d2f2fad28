//! A clip: its name, label, waveform and spectrogram, and a playhead.

use ratatui::{
    buffer::Buffer,
    layout::{Position, Rect},
    text::{Line, Span},
};

use crate::{
    audio::{dbfs, playback::State},
    tui::{
        input::action::{Action, Screen},
        state::{
            app::App,
            clip_panel::{Clip, ClipPanel, Loaded},
        },
        text,
        view::{
            picture::Picture,
            widgets::{
                Panel, hint, middle,
                spectrogram::{Spectrogram, column_of},
                waterfall::TICKS,
                waveform,
            },
        },
    },
};

/// Seconds between the ticks of a time axis: the first that leaves room for the numbers is used.
const STEPS_S: [f64; 16] =
    [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0];
/// Columns from tick to tick, at least.
const TICK: f64 = 9.0;

/// Draws the panel; `empty` is the sentence in it while no clip is chosen. Returns a picture that the terminal draws over
/// it, if any.
pub fn draw(app: &App, panel: &ClipPanel, empty: &str, area: Rect, buffer: &mut Buffer) -> Option<Picture> {
    let theme = app.theme();
    let Some(clip) = &panel.clip else {
        let inner = Panel::new("clip", theme).draw(area, buffer);
        hint(inner, empty, &[], theme, buffer);
        return None;
    };
    let (sign, style) = if panel.is_playing() { ("▶", theme.good()) } else { ("◦", theme.dim()) };
    let title = Line::from(vec![
        Span::styled(format!("{sign} "), style),
        Span::styled(text::last_part(&clip.name), theme.strong()),
    ]);
    let failed = matches!(panel.sound, Some(Err(_)));
    let border = if failed { theme.bad() } else { theme.border() };
    let right = panel.loaded().map(|loaded| Line::styled(about(clip, loaded), theme.dim())).unwrap_or_default();
    let inner = Panel::new(title, theme).border(border).right(right).draw(area, buffer);
    if inner.height == 0 {
        return None;
    }
    let label = text::fit(&clip.label, usize::from(inner.width));
    buffer.set_string(inner.x, inner.y, &label, theme.base());
    let taken = text::width(&label) as u16;
    let rest = Rect { y: inner.y + 1, height: inner.height - 1, ..inner };
    match &panel.sound {
        None => {
            middle(rest, "decoding …", theme.dim(), "", theme, buffer);
            None
        }
        Some(Err(problem)) => {
            middle(rest, &text::one_line(problem), theme.bad(), "", theme, buffer);
            None
        }
        Some(Ok(loaded)) => {
            let row = Rect { x: inner.x + taken, width: inner.width - taken, height: 1, ..inner };
            version(app, panel, clip, loaded, row, buffer);
            sound(app, panel, loaded, rest, buffer)
        }
    }
}

/// The share of the sound on show at a place of the panel's area: anywhere in its columns.
pub fn share_at(panel: &ClipPanel, area: Rect, place: Position) -> Option<f64> {
    panel.loaded()?;
    let inner = Panel::inner(area);
    let sound = Rect { x: inner.x + TICKS, width: inner.width.saturating_sub(TICKS), ..inner };
    let column = f64::from(place.x.checked_sub(sound.x)?);
    sound.contains(place).then(|| column / f64::from(sound.width.saturating_sub(1).max(1)))
}

/// `2.00 s, 44.1 kHz, 2 channels, peak -6 dB`
fn about(clip: &Clip, loaded: &Loaded) -> String {
    let kilohertz = f64::from(loaded.original.rate) / 1e3;
    let channels = if loaded.channels == 1 { "mono".to_owned() } else { format!("{} channels", loaded.channels) };
    let peak = text::decibels(dbfs(loaded.peak));
    let start = clip.start_s();
    let place = if start > 0.0 { format!("from {} on, ", text::clock(start)) } else { String::new() };
    format!("{place}{:.2} s, {kilohertz} kHz {channels}, peak {peak} dBFS", loaded.seconds())
}

/// Which sound is shown and played, at the right of the label's row.
fn version(app: &App, panel: &ClipPanel, clip: &Clip, loaded: &Loaded, row: Rect, buffer: &mut Buffer) {
    let theme = app.theme();
    let cut_s = clip.cut.map(|cut| cut as f64 / 16e3);
    let (words, style) = match (panel.as_model, cut_s) {
        (false, _) => ("original".to_owned(), theme.dim()),
        (true, None) => ("model input: 16 kHz mono".to_owned(), theme.accent()),
        (true, Some(cut)) if cut < loaded.seconds() => {
            (format!("model input: 16 kHz mono, first {cut:.2} s"), theme.accent())
        }
        (true, Some(cut)) => (format!("model input: 16 kHz mono, padded to {cut:.2} s"), theme.accent()),
    };
    let words = text::fit(&words, usize::from(row.width.saturating_sub(2)));
    let x = row.right().saturating_sub(text::width(&words) as u16);
    buffer.set_string(x, row.y, words, style);
}

/// Waveform, spectrogram, time axis and the state of playback.
fn sound(app: &App, panel: &ClipPanel, loaded: &Loaded, area: Rect, buffer: &mut Buffer) -> Option<Picture> {
    let theme = app.theme();
    if area.height < 3 || area.width <= TICKS + 4 {
        return None;
    }
    let share = panel.shown_share();
    let seconds = loaded.seconds() * share;
    let playhead = panel.playhead_s().map(|at| at / seconds.max(1e-9));
    let mut rest = Rect { height: area.height - 2, ..area };
    if !loaded.notes.is_empty() && rest.height > 4 {
        let words = text::fit(&format!("! {}", loaded.notes.join("; ")), usize::from(area.width));
        buffer.set_string(rest.x, rest.y, words, theme.warn());
        rest = Rect { y: rest.y + 1, height: rest.height - 1, ..rest };
    }
    let wave = match rest.height {
        0..8 => 0,
        8..14 => 2,
        _ => 4,
    };
    let of_time = |area: Rect| Rect { x: area.x + TICKS, width: area.width - TICKS, ..area };
    if wave > 0 {
        let row = of_time(Rect { height: wave, ..rest });
        let shown = ((loaded.extremes.len() as f64 * share).ceil() as usize).clamp(1, loaded.extremes.len().max(1));
        let extremes = loaded.extremes.get(..shown).unwrap_or_default();
        waveform::whole(extremes, loaded.peak, row, theme, buffer);
        if let Some(share) = playhead {
            let x = column_of(share, row);
            for y in row.y..row.bottom() {
                buffer.set_string(x, y, "│", theme.strong());
            }
        }
        rest = Rect { y: rest.y + wave, height: rest.height - wave, ..rest };
    }
    let frames = ((loaded.mel.frames as f64 * share).ceil() as usize).max(1);
    let spectrogram = Spectrogram { mel: &loaded.mel, frames, playhead, graphics: app.graphics_now() };
    let picture = spectrogram.draw(rest, buffer, theme);
    let axis = of_time(Rect { y: rest.bottom(), height: 1, ..rest });
    time_axis(app, panel, loaded, seconds, axis, buffer);
    state(app, panel, seconds, Rect { y: axis.y + 1, ..Rect { x: area.x, width: area.width, ..axis } }, buffer);
    picture
}

/// Seconds from the clip's beginning, and where the model's part ends.
fn time_axis(app: &App, panel: &ClipPanel, loaded: &Loaded, seconds: f64, row: Rect, buffer: &mut Buffer) {
    let theme = app.theme();
    let most = f64::from(row.width) / TICK;
    let step = STEPS_S.into_iter().find(|step| seconds / step <= most).unwrap_or(1200.0);
    let digits = if step < 0.1 { 2 } else { usize::from(step < 1.0) };
    let share = loaded.share_of(panel.clip.as_ref().and_then(|clip| clip.cut));
    let ends = (share < 1.0 && !panel.as_model).then(|| {
        const WORDS: &str = "model ◂";
        let width = text::width(WORDS) as u16;
        let x = column_of(share, row).saturating_sub(width - 1).max(row.x);
        buffer.set_string(x, row.y, WORDS, theme.accent());
        x..x + width
    });
    let mut at = 0.0;
    while at <= seconds {
        let words = if at >= 60.0 { text::clock(at) } else { format!("{at:.digits$} s") };
        let x = column_of(at / seconds.max(1e-9), row);
        let end = x + text::width(&words) as u16;
        // Times that would touch the end of the model's part give way to it.
        let clear = ends.as_ref().is_none_or(|ends| end < ends.start || ends.end < x);
        if end <= row.right() && clear {
            buffer.set_string(x, row.y, words, theme.dim());
        }
        at += step;
    }
}

/// `▶ 1.20 s   loop   vol 70 %`, or why nothing plays.
fn state(app: &App, panel: &ClipPanel, seconds: f64, row: Rect, buffer: &mut Buffer) {
    let theme = app.theme();
    if let Some(problem) = panel.playback_problem() {
        let words = text::fit(&format!("✗ {}", text::one_line(&problem)), usize::from(row.width));
        buffer.set_string(row.x, row.y, words, theme.bad());
        return;
    }
    let opening = panel.played.as_ref().is_some_and(|played| played.status.state == State::Opening);
    let (words, style) = match panel.playhead_s() {
        Some(_) if opening => ("▶ opening the speaker …".to_owned(), theme.dim()),
        Some(at) => (format!("▶ {at:.2} s of {seconds:.2} s"), theme.good()),
        // On Review, Space is a decision.
        None if app.screen == Screen::Review => (format!("◦ {} plays it", app.key(&Action::PlayAgain)), theme.dim()),
        None => (format!("◦ {} plays it", app.key(&Action::PlayClip)), theme.dim()),
    };
    let mut line = Line::from(Span::styled(words, style));
    if panel.looped {
        line.push_span(Span::styled("   loop", theme.accent()));
    }
    if panel.volume_percent() < 100 {
        line.push_span(Span::styled(format!("   vol {} %", panel.volume_percent()), theme.dim()));
    }
    let gaps = panel.played.as_ref().map_or(0, |played| played.status.gaps);
    if gaps > 0 {
        let gaps = format!("   {gaps} gap{}: the machine is too busy", if gaps == 1 { "" } else { "s" });
        line.push_span(Span::styled(gaps, theme.warn()));
    }
    buffer.set_line(row.x, row.y, &line, row.width);
}
