//! How every screen looks: snapshots of text and styles, at 120 x 40 and 80 x 24.
//!
//! A snapshot holds the frame's text, then for each row the runs of one style, by letters that a legend
//! explains. `AAT_TUI_FRAMES=FOLDER` writes the frames as escape sequences too, to be looked at.

#![allow(clippy::unwrap_used)]

use std::{collections::BTreeMap, fmt::Write as _};

use ratatui::{buffer::Buffer, layout::Rect, style::Style};

use super::{
    action::{Action, Message, Move, Part, Purpose, Screen},
    app::App,
    fixture,
    graphics::Graphics,
    theme,
    ticket::Ticket,
    update, view,
};
use crate::{
    live::{Lesson, LiveEvent, Opinion},
    model::Method,
    plot::Side,
    session::{Event, Summary},
    train::News,
};

const LARGE: (u16, u16) = (120, 40);
const SMALL: (u16, u16) = (80, 24);

fn frame(app: &App) -> Buffer {
    let mut buffer = Buffer::empty(Rect::new(0, 0, app.size.0, app.size.1));
    view::draw(app, &mut buffer);
    buffer
}

/// Text, runs of styles, legend.
fn written(buffer: &Buffer) -> String {
    let (mut text, mut runs) = (String::new(), String::new());
    let mut letters: BTreeMap<String, String> = BTreeMap::new();
    let width = usize::from(buffer.area.width);
    for (y, row) in buffer.content.chunks(width).enumerate() {
        let line: String = row.iter().map(|cell| cell.symbol()).collect();
        let _ = writeln!(text, "{}", line.trim_end());
        let _ = write!(runs, "{y:>2}");
        for run in row.chunk_by(|a, b| a.style() == b.style()) {
            let style = theme::describe(Style { underline_color: None, ..run[0].style() });
            let next = letter(letters.len());
            let letter = letters.entry(style).or_insert(next);
            let _ = write!(runs, " {}{letter}", run.len());
        }
        runs.push('\n');
    }
    let mut legend: Vec<_> = letters.into_iter().map(|(style, letter)| (letter, style)).collect();
    legend.sort_by_key(|(letter, _)| (letter.len(), letter.clone()));
    let legend: String = legend.into_iter().fold(String::new(), |mut out, (letter, style)| {
        let _ = writeln!(out, "{letter} {style}");
        out
    });
    format!("{text}\n{runs}\n{legend}")
}

/// a, b, ..., z, aa, ab, ...
fn letter(n: usize) -> String {
    let of = |n: usize| char::from(b'a' + (n % 26) as u8);
    if n < 26 { of(n).to_string() } else { format!("{}{}", of(n / 26 - 1), of(n)) }
}

fn check(name: &str, app: &App) {
    let buffer = frame(app);
    if let Some(folder) = std::env::var_os("AAT_TUI_FRAMES") {
        let path = std::path::Path::new(&folder).join(format!("{name}.ansi"));
        let _ = std::fs::write(path, escapes(&buffer));
    }
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!(name, written(&buffer));
    });
}

/// The frame as escape sequences.
fn escapes(buffer: &Buffer) -> String {
    use ratatui::style::{Color, Modifier};
    let color = |color: Option<Color>, base: u8| match color {
        Some(Color::Rgb(r, g, b)) => format!(";{};2;{r};{g};{b}", base + 8),
        _ => format!(";{}", base + 9),
    };
    let mut out = format!("{} {}\n", buffer.area.width, buffer.area.height);
    for row in buffer.content.chunks(usize::from(buffer.area.width)) {
        for cell in row {
            let style = cell.style();
            let mut codes = String::from("0");
            for (modifier, code) in [
                (Modifier::BOLD, ";1"),
                (Modifier::DIM, ";2"),
                (Modifier::UNDERLINED, ";4"),
                (Modifier::REVERSED, ";7"),
            ] {
                if style.add_modifier.contains(modifier) {
                    codes += code;
                }
            }
            let _ = write!(out, "\x1b[{codes}{}{}m{}", color(style.fg, 30), color(style.bg, 40), cell.symbol());
        }
        out.push_str("\x1b[0m\r\n");
    }
    out
}

fn on(mut app: App, screen: Screen) -> App {
    app.screen = screen;
    app
}

fn act(app: &mut App, actions: impl IntoIterator<Item = Action>) {
    for action in actions {
        update(app, Message::Do(action));
    }
}

fn both_sizes(name: &str, make: impl Fn((u16, u16)) -> App) {
    check(&format!("{name}_120x40"), &make(LARGE));
    check(&format!("{name}_80x24"), &make(SMALL));
}

#[test]
fn train_empty() {
    both_sizes("train_empty", fixture::app);
}

#[test]
fn train_on_two_backbones() {
    both_sizes("train_two_backbones", |size| {
        let mut app = fixture::app(size);
        act(&mut app, [Action::NextBackbone]);
        app
    });
}

#[test]
fn train_running() {
    both_sizes("train_running", |size| fixture::training(size, (275, 192)));
}

#[test]
fn train_with_crosshair_on_the_clock_and_logarithmic() {
    both_sizes("train_crosshair", |size| {
        let mut app = fixture::training(size, (275, 192));
        act(&mut app, [Action::NextX, Action::ToggleLog, Action::NextSmooth]);
        app.cursor = Some(120);
        app
    });
}

#[test]
fn train_before_the_first_step() {
    both_sizes("train_preparing", |size| {
        let mut app = fixture::training(size, (0, 0));
        fixture::tell(&mut app, Side::A, Event::Preparing { done: 70, total: 400 });
        app
    });
}

#[test]
fn train_finished_beside_paused() {
    both_sizes("train_finished", |size| {
        let mut app = fixture::training(size, (1000, 400));
        fixture::tell(&mut app, Side::B, Event::Paused);
        app
    });
}

#[test]
fn train_failed() {
    both_sizes("train_failed", |size| {
        let mut app = fixture::training(size, (275, 192));
        let message =
            "/data/sessions/esc10-f1-aat: cannot write: No space left on device; make room, then resume".into();
        fixture::tell(&mut app, Side::A, Event::Failed { message });
        let why = "nothing at /data/\x1b[31mesc10: give a folder, a manifest, or demo";
        let run = app.tickets.draw();
        app.slot_mut(Side::B).start(run);
        update(&mut app, Message::RunOver(run, Some(why.into())));
        app
    });
}

#[test]
fn train_stopped() {
    both_sizes("train_stopped", |size| {
        let mut app = fixture::training(size, (275, 192));
        fixture::tell(&mut app, Side::A, Event::Stopped);
        app
    });
}

#[test]
fn train_that_cannot_be_resumed() {
    both_sizes("train_not_resumed", |size| {
        let mut app = fixture::training(size, (275, 192));
        fixture::tell(&mut app, Side::A, Event::Stopped);
        act(&mut app, [Action::Start]);
        let message =
            "../data/esc10 no longer has the classes that esc10-f1-aat was trained on;\nrestore the data".into();
        fixture::tell(&mut app, Side::A, Event::Failed { message });
        app
    });
}

#[test]
fn train_on_two_folds_has_no_difference() {
    both_sizes("train_two_folds", |size| {
        let mut app = fixture::training(size, (275, 0));
        let run = fixture::run_of(&mut app, Side::B);
        for mut record in fixture::events(Method::full(), 192) {
            if let Event::Started { config, .. } = &mut record.event {
                config.fold = Some(2);
            }
            update(&mut app, Message::Run(run, News::Now(record)));
        }
        app
    });
}

#[test]
fn what_is_told_with_line_breaks_is_read_whole() {
    both_sizes("notice_with_line_breaks", |size| {
        let mut app = fixture::training(size, (275, 192));
        let told = "/home/ada/recordings/2026/november/dog park/recorder 3/broken.wav: cannot be decoded:\nno audio \
                    track in it;\ngive WAV, FLAC, Ogg Vorbis or MP3";
        update(&mut app, Message::Trouble(told.into()));
        app
    });
}

#[test]
fn train_in_other_themes() {
    for (i, name) in [(1, "light"), (2, "colour_blind"), (3, "monochrome")] {
        let mut app = fixture::training(LARGE, (275, 192));
        app.theme = i;
        check(&format!("train_{name}_120x40"), &app);
    }
}

#[test]
fn layers() {
    both_sizes("layers_empty", |size| on(fixture::app(size), Screen::Layers));
    both_sizes("layers_running", |size| {
        let mut app = on(fixture::training(size, (600, 400)), Screen::Layers);
        app.layers.block = 6;
        app.cursor = Some(300);
        app
    });
    let mut app = on(fixture::training(LARGE, (600, 400)), Screen::Layers);
    app.theme = 3;
    check("layers_monochrome_120x40", &app);
}

#[test]
fn parameters() {
    both_sizes("parameters", |size| {
        let mut app = on(fixture::training(size, (10, 0)), Screen::Parameters);
        act(&mut app, [Move::Home, Move::Down, Move::Down, Move::Down, Move::Down, Move::Down].map(Action::Move));
        act(&mut app, [Move::Right, Move::Down, Move::Right].map(Action::Move));
        app
    });
}

#[test]
fn live() {
    both_sizes("live_empty", |size| on(fixture::app(size), Screen::Live));
    both_sizes("live_listening", |size| {
        let mut app = on(fixture::training(size, (10, 10)), Screen::Live);
        fixture::listening(&mut app);
        app
    });
    both_sizes("live_trouble", |size| {
        let mut app = on(fixture::training(size, (10, 10)), Screen::Live);
        fixture::listening(&mut app);
        let why = "built-in mic: the device was closed";
        fixture::hear(&mut app, LiveEvent::Problem(why.into()));
        act(&mut app, [Action::Freeze, Action::Move(Move::Left)]);
        app
    });
    both_sizes("live_octants", |size| {
        let mut app = on(fixture::training(size, (10, 10)), Screen::Live);
        fixture::listening(&mut app);
        app.graphics = Graphics::Octant;
        act(&mut app, [Action::Freeze, Action::Move(Move::Left)]);
        app
    });
    let mut app = on(fixture::training(LARGE, (10, 10)), Screen::Live);
    fixture::listening(&mut app);
    app.theme = 3;
    check("live_monochrome_120x40", &app);
}

#[test]
fn live_without_sound() {
    let asked = |size, file: Option<&str>| {
        let mut app = on(fixture::training(size, (10, 10)), Screen::Live);
        act(&mut app, [Action::Listen(file.map(Into::into))]);
        app
    };
    both_sizes("live_opening", |size| asked(size, None));
    both_sizes("live_no_microphone", |size| {
        let mut app = asked(size, None);
        let why = "no microphone was found;\nconnect one, or start the sound server";
        fixture::hear(&mut app, LiveEvent::Problem(why.into()));
        app
    });
    both_sizes("live_undecodable_file", |size| {
        let mut app = asked(size, Some("recordings/broken.wav"));
        let why = "recordings/broken.wav: cannot be decoded: no audio track in it; give WAV, FLAC, Ogg Vorbis or MP3";
        fixture::hear(&mut app, LiveEvent::Problem(why.into()));
        fixture::hear(&mut app, LiveEvent::Closed);
        app
    });
}

#[test]
fn what_is_not_known_is_a_dash_and_no_message_is_marked() {
    let mut app = on(fixture::training(LARGE, (10, 10)), Screen::Live);
    act(&mut app, [Action::Listen(None)]);
    fixture::hear(&mut app, LiveEvent::Problem("no microphone was found;\nconnect one".into()));
    let shown = written(&frame(&app));
    for unknown in ["dBFS", "0 kHz", "window 0", "hop 0", "No session answers", "\u{FFFD}"] {
        assert!(!shown.contains(unknown), "{unknown}:\n{shown}");
    }
    assert!(shown.contains("no microphone was found; connect one"), "{shown}");
    // The sentence stands in the middle of the sound's panel.
    let rows: Vec<_> = shown.lines().take(usize::from(LARGE.1)).collect();
    let at = rows.iter().position(|row| row.contains("no microphone was found")).unwrap();
    assert!((8..20).contains(&at), "row {at}:\n{shown}");
    // Stopped by hand, it is forgotten.
    act(&mut app, [Action::Listen(None)]);
    fixture::hear(&mut app, LiveEvent::Closed);
    assert!(!written(&frame(&app)).contains("no microphone was found"));
}

/// The Live screen with this part beneath the sound.
fn part(size: (u16, u16), part: Part) -> App {
    let mut app = fixture::training(size, (10, 10));
    fixture::listening(&mut app);
    act(&mut app, [Action::Show(Screen::Live), Action::Part(part)]);
    app
}

/// A desk with something muted, something alone and something louder, and what that changed.
fn desk(size: (u16, u16)) -> App {
    let mut app = part(size, Part::Desk);
    act(&mut app, [Action::Turn(3), Action::Move(Move::Right), Action::Move(Move::Right), Action::Mute]);
    act(&mut app, [Action::Move(Move::Down), Action::Move(Move::Right), Action::Turn(-4)]);
    let mut opinion = Opinion { norms: app.live.state.ears[0].norms.clone(), ..Opinion::default() };
    opinion.untouched = Some(app.live.state.ears[0].scores.clone());
    opinion.scores = opinion.untouched.clone().unwrap();
    for (score, moved) in opinion.scores.iter_mut().zip([-0.14, 0.13, 0.01, 0.0, 0.0]) {
        score.score += moved;
    }
    opinion.norms[2].spatial_ratio = 0.0;
    let answer = LiveEvent::Answer { ear: 0, time_s: 7.0, opinion, latency_ms: 29.0, compute_ms: 28.0 };
    fixture::hear(&mut app, answer);
    app
}

#[test]
fn live_desk() {
    both_sizes("live_desk", desk);
    both_sizes("live_desk_solo", |size| {
        let mut app = desk(size);
        act(&mut app, [Action::Solo]);
        app
    });
    both_sizes("live_desk_without_adapters", |size| {
        let mut app = part(size, Part::Desk);
        act(&mut app, [Action::NextFocus]);
        app
    });
    for (theme, name) in [(2, "colour_blind"), (3, "monochrome")] {
        let mut app = desk(LARGE);
        app.theme = theme;
        check(&format!("live_desk_{name}_120x40"), &app);
    }
}

#[test]
fn live_bookmarks() {
    let session = std::path::PathBuf::from("esc10-f1-aat");
    both_sizes("live_bookmarks_empty", |size| {
        let mut app = part(size, Part::Bookmarks);
        update(&mut app, Message::Bookmarks(session.clone(), Vec::new()));
        app
    });
    let replayed = |size| {
        let mut app = part(size, Part::Bookmarks);
        update(&mut app, Message::Bookmarks(session.clone(), fixture::bookmarks()));
        let at_ms = fixture::bookmarks()[1].at_ms;
        act(&mut app, [Action::Replay]);
        update(&mut app, Message::Replayed(at_ms, Ok(fixture::replays())));
        app
    };
    both_sizes("live_bookmarks_replayed", replayed);
    both_sizes("live_bookmarks_delete", |size| {
        let mut app = replayed(size);
        act(&mut app, [Action::Move(Move::Down), Action::DeleteBookmark]);
        app
    });
    let mut app = replayed(LARGE);
    app.theme = 3;
    check("live_bookmarks_monochrome_120x40", &app);
}

#[test]
fn live_teach() {
    let taught = |size| {
        let mut app = part(size, Part::Teach);
        update(&mut app, Message::Lesson(Box::new(fixture::lesson())));
        act(&mut app, [Move::Down, Move::Down, Move::Down, Move::Right, Move::Right].map(Action::Move));
        app
    };
    both_sizes("live_teach_not_listening", |size| {
        let mut app = on(fixture::app(size), Screen::Live);
        act(&mut app, [Action::Part(Part::Teach)]);
        update(&mut app, Message::Lesson(Box::new(Lesson::of("/lessons/mine", [("background".into(), vec![])]))));
        app
    });
    both_sizes("live_teach", taught);
    both_sizes("live_teach_recording", |size| {
        let mut app = taught(size);
        act(&mut app, [Action::Record]);
        app.live.state.time_s += 1.3;
        app
    });
    both_sizes("live_teach_learning", |size| {
        let mut app = taught(size);
        fixture::over(&mut app, Side::A);
        act(&mut app, [Action::Learn]);
        let run = fixture::run_of(&mut app, Side::A);
        for record in fixture::events(Method::aat(), 410) {
            update(&mut app, Message::Run(run, News::Now(record)));
        }
        app
    });
    let mut app = taught(LARGE);
    app.theme = 3;
    check("live_teach_monochrome_120x40", &app);
}

#[test]
fn sessions() {
    both_sizes("sessions_empty", |size| {
        let mut app = on(fixture::app(size), Screen::Sessions);
        update(&mut app, Message::Sessions(Ok(Vec::new())));
        app
    });
    both_sizes("sessions", |size| {
        let mut app = on(fixture::training(size, (275, 192)), Screen::Sessions);
        update(&mut app, Message::Sessions(Ok(fixture::listings())));
        act(&mut app, [Action::Move(Move::Down), Action::Move(Move::Down)]);
        app
    });
    both_sizes("sessions_chosen", |size| {
        let mut app = on(fixture::app(size), Screen::Sessions);
        update(&mut app, Message::Sessions(Ok(fixture::listings())));
        act(&mut app, [Action::ChooseSession(Side::A)]);
        fixture::open(&mut app, Side::A, Purpose::Choose, fixture::opened(Method::aat()));
        act(&mut app, [Action::Move(Move::Down)]);
        app
    });
    both_sizes("sessions_delete", |size| {
        let mut app = on(fixture::app(size), Screen::Sessions);
        update(&mut app, Message::Sessions(Ok(fixture::listings())));
        act(&mut app, [Move::Down; 2].map(Action::Move));
        act(&mut app, [Action::DeleteSession]);
        app
    });
}

#[test]
fn exporting() {
    let asked = |size| {
        let mut app = on(fixture::app(size), Screen::Sessions);
        update(&mut app, Message::Sessions(Ok(fixture::listings())));
        act(&mut app, [Action::ExportSession]);
        app
    };
    // As far as the world tells of it.
    let written = |size, tell: &dyn Fn(Ticket) -> Message| {
        let mut app = asked(size);
        let effects = update(&mut app, Message::Do(Action::Confirm));
        let [super::Effect::ExportSession(ticket, _)] = effects.as_slice() else { unreachable!("{effects:?}") };
        let message = tell(*ticket);
        update(&mut app, message);
        app
    };
    both_sizes("export_asked", |size| {
        let mut app = asked(size);
        act(&mut app, [Action::Move(Move::Right), Action::Move(Move::Right)]);
        app
    });
    both_sizes("export_working", |size| written(size, &|ticket| Message::Exporting(ticket, 12, 40)));
    both_sizes("export_written", |size| {
        written(size, &|ticket| Message::Exported(ticket, Ok(Box::new(fixture::exported()))))
    });
    let why =
        "out/m.onnx: cannot write: No space left on device; make room or choose another place; nothing was written";
    both_sizes("export_failed", |size| written(size, &|ticket| Message::Exported(ticket, Err(why.into()))));
}

#[test]
fn help_command_line_and_a_small_window() {
    both_sizes("help", |size| {
        let mut app = fixture::app(size);
        act(&mut app, [Action::Help]);
        app
    });
    both_sizes("command_line", |size| {
        let mut app = fixture::training(size, (100, 90));
        act(&mut app, [Action::CommandLine]);
        act(&mut app, "set epochs many".chars().map(Action::Type));
        act(&mut app, [Action::Confirm]);
        app
    });
    check("too_small", &fixture::app((60, 20)));
}

#[test]
fn a_frame_never_panics_at_any_size() {
    for (width, height) in
        [(0, 0), (1, 1), (79, 24), (80, 23), (80, 24), (81, 25), (97, 31), (132, 43), (200, 50), (300, 90)]
    {
        for screen in Screen::ALL {
            let mut app = on(fixture::training((width, height), (275, 192)), screen);
            frame(&app);
            fixture::listening(&mut app);
            update(&mut app, Message::Sessions(Ok(fixture::listings())));
            act(&mut app, [Action::Freeze, Action::Help]);
            frame(&app);
            update(&mut app, Message::Bookmarks("session".into(), fixture::bookmarks()));
            update(&mut app, Message::Lesson(Box::new(fixture::lesson())));
            for part in Part::ALL {
                app.live.part = part;
                act(&mut app, [Action::Cancel, Action::Move(Move::Right), Action::Replay]);
                frame(&app);
            }
        }
    }
}

#[test]
fn a_finished_run_reads_the_same_from_disk_as_it_did_live() {
    let live = fixture::training(LARGE, (1000, 0));
    let mut read = fixture::app(LARGE);
    fixture::open(&mut read, Side::A, Purpose::Look, fixture::opened(Method::aat()));
    assert_eq!(live.slot(Side::A).state, read.slot(Side::A).state);
    let Some(Summary { best: Some(_), .. }) = &read.slot(Side::A).state.summary else {
        unreachable!("the made-up run is complete");
    };
}

#[test]
fn what_is_exported_is_what_was_on_the_screen() {
    let mut app = fixture::training(LARGE, (1000, 640));
    let effects = update(&mut app, Message::Do(Action::Export(None)));
    let [super::Effect::Export(_, charts)] = effects.as_slice() else { unreachable!("{effects:?}") };
    let temporary = tempfile::tempdir().unwrap();
    let kept = std::env::var_os("AAT_TUI_FRAMES").map(std::path::PathBuf::from);
    let folder = kept.as_deref().unwrap_or(temporary.path());
    for name in ["curves.svg", "curves.png"] {
        let path = folder.join(name);
        assert!(crate::plot::export(&path, charts).is_ok(), "{}", path.display());
        assert!(std::fs::metadata(&path).is_ok_and(|file| file.len() > 10_000), "{}", path.display());
    }
    let svg = std::fs::read_to_string(folder.join("curves.svg")).unwrap();
    assert!(svg.contains("AAT · esc10-f1-aat") && svg.contains("accuracy by step"));
}
