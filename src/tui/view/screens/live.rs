//! Live: the sound, and beneath it the predictions, the mixing desk, bookmarks or a lesson.

mod bookmarks;
mod desk;
mod predictions;
mod teach;

use ratatui::{
    buffer::Buffer,
    layout::{
        Constraint::{self, Fill, Length},
        Layout, Position, Rect,
    },
    text::{Line, Span},
};

use crate::{
    live::{LiveState, LiveStatus},
    plot::Side,
    tui::{
        input::{
            action::{Action, LivePanel, Screen},
            choice::Choice,
            pointer::{Place, Target},
        },
        state::app::App,
        text,
        view::{
            picture::Picture,
            widgets::{
                Panel, gauge, hint, middle, paragraph,
                spectrogram::column_of,
                timeline::Timeline,
                waterfall::{TICKS, Waterfall, hz_of_bin},
                waveform,
            },
        },
    },
};

/// The lower end of the meter, dB relative to full scale.
const FLOOR_DBFS: f32 = -60.0;

/// Draws the screen. Returns a picture that the terminal draws over it, if any.
pub fn draw(app: &App, area: Rect, buffer: &mut Buffer) -> Option<Picture> {
    let mut picture = None;
    let state = app.live.shown();
    let is_idle = state.status == LiveStatus::Idle && !app.live.starting;
    match app.live.panel {
        LivePanel::Sound | LivePanel::Desk if is_idle => empty(app, area, buffer),
        LivePanel::Sound => {
            let wave = wave_height(area);
            let [top, bottom] = sound_areas(area);
            picture = sound_panel(app, state, top, wave, buffer);
            predictions::draw(app, state, bottom, buffer);
        }
        LivePanel::Desk => {
            let desk = if area.height >= 30 { 15 } else { 9 };
            let [top, middle, bottom] = rows(area, [Fill(1), Length((area.height / 5).clamp(5, 9)), Length(desk)]);
            picture = sound_panel(app, state, top, 0, buffer);
            predictions::draw(app, state, middle, buffer);
            desk::draw(app, bottom, buffer);
        }
        LivePanel::Bookmarks => {
            let sound = if is_idle || area.height < 30 { 0 } else { area.height / 3 };
            let [top, list, bottom] = rows(area, [Length(sound), Fill(1), Fill(1)]);
            if sound > 0 {
                picture = sound_panel(app, state, top, 0, buffer);
            }
            bookmarks::draw(app, list, bottom, buffer);
        }
        LivePanel::Teach => {
            let answers = if state.listeners.is_empty() { 0 } else { (area.height / 5).clamp(4, 8) };
            let classes = app.live.teaching.lesson.as_ref().map_or(0, |lesson| lesson.classes().count());
            let [top, middle, bottom] = if is_idle {
                rows(area, [Length(0), Length(0), Fill(1)])
            } else {
                let lesson = (classes as u16 + 6).clamp(10, area.height / 2);
                rows(area, [Fill(1), Length(answers), Length(lesson)])
            };
            if !is_idle {
                picture = sound_panel(app, state, top, 0, buffer);
            }
            if !is_idle && answers > 0 {
                predictions::draw(app, state, middle, buffer);
            }
            teach::draw(app, bottom, buffer);
        }
    }
    picture
}

fn rows<const N: usize>(area: Rect, heights: [Constraint; N]) -> [Rect; N] {
    Layout::vertical(heights).areas(area)
}

fn empty(app: &App, area: Rect, buffer: &mut Buffer) {
    let theme = app.theme();
    let inner = Panel::new("live", theme).draw(area, buffer);
    let trained = app.slots.iter().any(|slot| !slot.is_empty());
    let actions = [Action::Listen(None), Action::Panel(LivePanel::Teach), Action::Browse(Choice::Sound)];
    let [listen, teach, file] = actions.map(|action| app.key(&action));
    let [train, sessions] = [Screen::Train, Screen::Sessions].map(|screen| app.key(&Action::Show(screen)));
    let [a, b] = Side::BOTH.map(|side| app.key_on(Screen::Sessions, &Action::ChooseSession(side)));
    let keys = [
        (&*listen, "listen to the microphone".to_owned()),
        (&*file, "choose a recording in the browser; it is played in real time".to_owned()),
        (&*sessions, format!("Sessions: {a} and {b} there choose the models, A ● and B ▲")),
        (&*teach, "teach: classes of your own, from this microphone".to_owned()),
    ];
    let heading = match trained {
        true => "Classify the microphone with the chosen sessions.".to_owned(),
        false => format!("No model yet: train one ({train}), or open an earlier run ({sessions})."),
    };
    hint(inner, &heading, &keys, theme, buffer);
}

/// Source, level, waveform and waterfall.
fn sound_panel(app: &App, state: &LiveState, area: Rect, wave: u16, buffer: &mut Buffer) -> Option<Picture> {
    let theme = app.theme();
    let trouble = match &state.status {
        LiveStatus::Trouble(why) | LiveStatus::Failed(why) => Some(why),
        _ => None,
    };
    let (sign, words, style) = match (&state.status, &app.live.held) {
        (_, Some(_)) => ("‖", "held", theme.warn()),
        _ if trouble.is_some() => ("✗", "no sound", theme.bad()),
        _ if app.live.starting => ("◌", "opening", theme.dim()),
        (LiveStatus::Listening, _) => ("●", "listening", theme.good()),
        _ => ("◦", "ended", theme.dim()),
    };
    let mut title = Line::from(vec![Span::styled(format!("{sign} {words}  "), style)]);
    title.push_span(Span::styled(text::fit(&source_name(app, state), 32), theme.strong()));
    if state.rate > 0 {
        title.push_span(Span::raw(format!("  {} kHz → 16 kHz", trimmed(f64::from(state.rate) / 1e3))));
    }
    let border = if trouble.is_some() { theme.bad() } else { theme.border() };
    let inner = Panel::new(title, theme).border(border).right(losses(app, state)).draw(area, buffer);
    if inner.height < 4 {
        return None;
    }
    level(app, state, Rect { height: 1, ..inner }, buffer);
    let rest = Rect { y: inner.y + 1, height: inner.height - 1, ..inner };
    if state.frame_count == 0 {
        match trouble {
            Some(why) => middle(rest, why, theme.bad(), &remedy(app, state), theme, buffer),
            None if app.live.starting => {
                let what = app.live.file.as_ref().map_or("the microphone".into(), |file| file.display().to_string());
                middle(rest, &format!("opening {what} …"), theme.dim(), "", theme, buffer);
            }
            None => middle(rest, "no sound yet", theme.dim(), "", theme, buffer),
        }
        return None;
    }
    let parts = Parts::of(app, state, inner, wave);
    if let Some(why) = trouble {
        paragraph(parts.trouble, why, theme.bad(), buffer);
    }
    if parts.strip.height > 0 {
        strip(app, parts.strip, buffer);
    }
    let timeline = Timeline::new(state.frame_count, app.live.late(), parts.map.width.saturating_sub(TICKS));
    if wave > 0 {
        newest_waveform(app, state, timeline, strip_columns(parts.wave), buffer);
    }
    let held = app.live.held.is_some();
    let waterfall = Waterfall {
        frames: &state.frames,
        timeline,
        cursor: held.then_some((app.live.place.frame, app.live.place.bin)),
        graphics: app.graphics_now(),
    };
    let picture = waterfall.draw(parts.map, buffer, theme);
    time_axis(app, strip_columns(parts.axis), timeline, buffer);
    picture
}

/// Rows of the overview of a file that is played, where there is room for it.
fn strip_height(app: &App, rows: u16) -> u16 {
    if app.live.overview.is_some() && rows >= 8 { 2 } else { 0 }
}

/// The columns of a part: right of its words.
fn strip_columns(area: Rect) -> Rect {
    Rect { x: area.x + TICKS, width: area.width.saturating_sub(TICKS), ..area }
}

/// All of the file that is played, and where it is.
fn strip(app: &App, area: Rect, buffer: &mut Buffer) {
    let theme = app.theme();
    let Some(overview) = &app.live.overview else { return };
    let columns = strip_columns(area);
    let loudest = overview.extremes.iter().fold(0.0f32, |most, (low, high)| most.max(-low).max(*high));
    waveform::whole(&overview.extremes, loudest, columns, theme, buffer);
    let x = column_of(app.live.position_s / overview.seconds.max(1e-9), columns);
    for y in columns.y..columns.bottom() {
        buffer.set_string(x, y, "┃", theme.accent());
    }
    let words = |seconds: f64| match seconds {
        hours if hours >= 3600.0 => format!("{}h{:02}", hours as u64 / 3600, hours as u64 / 60 % 60),
        minutes => text::clock(minutes),
    };
    buffer.set_string(area.x, area.y, words(app.live.position_s), theme.strong());
    buffer.set_string(area.x, area.y + 1, words(overview.seconds), theme.dim());
}

/// What the mouse points at: the file at a place of its overview, or a place of the spectrogram.
pub fn hit(app: &App, area: Rect, place: Position) -> Option<Target> {
    let state = app.live.shown();
    if app.live.panel != LivePanel::Sound || state.frame_count == 0 {
        return None;
    }
    let [top, _] = sound_areas(area);
    let Parts { strip, map, .. } = Parts::of(app, state, Panel::inner(top), wave_height(area));
    let columns = strip_columns(strip);
    if columns.contains(place) {
        let last = f64::from(columns.width.saturating_sub(1).max(1));
        return Some(Target::File(f64::from(place.x - columns.x) / last));
    }
    let map = strip_columns(map);
    if !map.contains(place) {
        return None;
    }
    let timeline = Timeline::new(state.frame_count, app.live.late(), map.width);
    let frame = usize::from(map.right() - 1 - place.x) * timeline.per_cell;
    let bins = state.frames.back().map_or(0, |frame| frame.len());
    let rows = usize::from(map.height.max(1));
    let bin = (2 * (rows - 1 - usize::from(place.y - map.y)) + 1) * bins / (2 * rows);
    Some(Target::Waterfall(Place { frame, bin }))
}

/// Rows of the waveform.
fn wave_height(area: Rect) -> u16 {
    if area.height >= 30 { 4 } else { 0 }
}

/// The parts of the sound's panel beneath the level.
struct Parts {
    trouble: Rect,
    strip: Rect,
    wave: Rect,
    map: Rect,
    axis: Rect,
}

impl Parts {
    fn of(app: &App, state: &LiveState, inner: Rect, wave: u16) -> Self {
        let trouble = match &state.status {
            LiveStatus::Trouble(why) | LiveStatus::Failed(why) => {
                text::wrap(why, usize::from(inner.width)).len().min(2) as u16
            }
            _ => 0,
        };
        let left = inner.height.saturating_sub(1 + trouble);
        let heights = [Length(1), Length(trouble), Length(strip_height(app, left)), Length(wave), Fill(1), Length(1)];
        let [_, trouble, strip, wave, map, axis] = rows(inner, heights);
        Self { trouble, strip, wave, map, axis }
    }
}

/// The sound, and the predictions.
fn sound_areas(area: Rect) -> [Rect; 2] {
    rows(area, [Fill(1), Length((area.height / 3).clamp(6, 12))])
}

/// The source, or the requested one.
fn source_name(app: &App, state: &LiveState) -> String {
    match &app.live.file {
        _ if !app.live.starting && !state.source.is_empty() => state.source.clone(),
        Some(file) => text::last_part(&file.to_string_lossy()),
        None => "microphone".to_owned(),
    }
}

/// What a user can do when there is no sound.
fn remedy(app: &App, state: &LiveState) -> String {
    match state.status {
        LiveStatus::Failed(_) => {
            let key = app.key(&Action::Listen(None));
            format!("{key} listens to the microphone; :listen FILE plays another recording")
        }
        _ => "it is retried automatically; :listen FILE plays a recording instead".to_owned(),
    }
}

fn trimmed(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn losses(app: &App, state: &LiveState) -> Line<'static> {
    let theme = app.theme();
    let style = |n: u64| if n > 0 { theme.warn() } else { theme.dim() };
    if state.window_s == 0.0 {
        return Line::styled("window –, hop –", theme.dim());
    }
    Line::from(vec![
        Span::styled(format!("dropped {}", text::count(state.dropped)), style(state.dropped)),
        Span::styled(format!("  skipped {}", text::count(state.skipped)), style(state.skipped)),
        Span::styled(
            format!("  window {} s, hop {} s", trimmed(f64::from(state.window_s)), trimmed(f64::from(state.hop_s))),
            theme.dim(),
        ),
    ])
}

/// `level  ███████▌        -18 dBFS  peak -6`
fn level(app: &App, state: &LiveState, row: Rect, buffer: &mut Buffer) {
    let theme = app.theme();
    let is_known = state.frame_count > 0 && !matches!(state.status, LiveStatus::Trouble(_) | LiveStatus::Failed(_));
    buffer.set_string(row.x, row.y, "level", theme.dim());
    if !is_known {
        buffer.set_string(row.x + TICKS, row.y, "–", theme.dim());
        return;
    }
    let decibels = |level: f32| text::right(&text::decibels(level), 4);
    let numbers = format!("{} dBFS   peak {}", decibels(state.rms_dbfs), decibels(state.peak_dbfs));
    let share = |value: f32| f64::from(((value - FLOOR_DBFS) / -FLOOR_DBFS).clamp(0.0, 1.0));
    let room = usize::from(row.width.saturating_sub(TICKS)).saturating_sub(text::width(&numbers) + 3);
    let style = match state.peak_dbfs {
        peak if peak > -1.0 => theme.bad(),
        peak if peak > -3.0 => theme.warn(),
        _ => theme.good(),
    };
    let line = gauge(share(state.rms_dbfs), room, style, theme);
    let sounding = line.spans.first().map_or(0, |span| text::width(&span.content));
    let peak = ((share(state.peak_dbfs) * room as f64) as usize).min(room.saturating_sub(1));
    buffer.set_line(row.x + TICKS, row.y, &line, room as u16);
    if state.peak_dbfs.is_finite() && peak >= sounding {
        buffer.set_string(row.x + TICKS + peak as u16, row.y, "┃", style);
    }
    let loud = if state.peak_dbfs > -1.0 { theme.bad() } else { theme.base() };
    buffer.set_string(row.x + TICKS + room as u16 + 3, row.y, &numbers, loud);
}

/// Least and greatest sample of each column, as a band of braille around the middle.
fn newest_waveform(app: &App, state: &LiveState, timeline: Timeline, area: Rect, buffer: &mut Buffer) {
    use plotters::drawing::IntoDrawingArea;

    use crate::{plot::Ink, tui::view::widgets::cells};
    let canvas = cells::Cells::new(buffer, area, app.theme()).into_drawing_area();
    let middle = f64::from(area.height) * 2.0;
    let pixels = usize::from(area.width) * 2;
    let color = (cells::LOOK.color)(Ink::Tick);
    let y = |sample: f32| (middle - f64::from(sample.clamp(-1.0, 1.0)) * (middle - 1.0)).round() as i32;
    let mut newest_first = timeline.shown(&state.extremes).peekable();
    while let Some((back, &(mut low, mut high))) = newest_first.next() {
        let pixel = timeline.back(back, 2);
        if pixel >= pixels {
            break;
        }
        while let Some((_, (lower, higher))) = newest_first.next_if(|(back, _)| timeline.back(*back, 2) == pixel) {
            (low, high) = (low.min(*lower), high.max(*higher));
        }
        let x = (pixels - 1 - pixel) as i32;
        let path = plotters::element::PathElement::new(vec![(x, y(high)), (x, y(low))], color);
        let _ = canvas.draw(&path);
    }
    let _ = canvas.present();
}

/// Seconds before now, and the value under the cursor.
fn time_axis(app: &App, row: Rect, timeline: Timeline, buffer: &mut Buffer) {
    let theme = app.theme();
    let columns_per_s = 100.0 / timeline.per_cell as f64;
    let mut seconds = 0;
    loop {
        let back = (f64::from(seconds) * columns_per_s).round() as u16;
        let words = if seconds == 0 { "now".to_owned() } else { format!("-{seconds} s") };
        let width = text::width(&words) as u16;
        if back + width >= row.width {
            break;
        }
        buffer.set_string(row.right() - back - width, row.y, words, theme.dim());
        seconds += 1;
    }
    if let Some(held) = &app.live.held {
        let place = app.live.place;
        let Some(frame) = held.frames.len().checked_sub(place.frame + 1).and_then(|at| held.frames.get(at)) else {
            return;
        };
        // The filter bank's energies are natural logarithms.
        let level = frame.get(place.bin).map_or(f32::NAN, |value| value * 10.0 / std::f32::consts::LN_10);
        let words = format!(
            " cursor: {:.2} s ago, {:.0} Hz, {} dB ",
            place.frame as f64 / 100.0,
            hz_of_bin(place.bin, frame.len()),
            text::decibels(level),
        );
        buffer.set_string(row.x, row.y, words, theme.accent());
    }
}
