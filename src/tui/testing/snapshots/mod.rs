//! Snapshots of every screen, text and styles, at 120 x 40 and 80 x 24.
//!
//! A snapshot holds the frame's text, then for each row the runs of one style, by letters that a legend explains. With
//! `AAT_TUI_FRAMES=FOLDER` the frames are also written as escape sequences, for viewing.

#![allow(clippy::unwrap_used)]

mod browser;
mod data;
mod findings;
mod live;
mod train;

use std::{collections::BTreeMap, fmt::Write as _, sync::Arc};

use ratatui::{buffer::Buffer, layout::Rect, style::Style};

use super::{fixture, sweep_fixture};
use crate::{
    live::{Lesson, LiveEvent, Prediction},
    model::Method,
    plot::Side,
    session::{Event, Summary},
    train::News,
    tui::{
        input::{
            action::{Action, LivePanel, Move, Screen, TogetherView},
            choice::Choice,
        },
        state::{app::App, run_slot::Purpose, ticket::Ticket},
        terminal::graphics::Graphics,
        theme, update,
        update::{effect::Effect, message::Message},
        view,
    },
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
    both_sizes("sessions_filter", |size| {
        let mut app = on(fixture::app(size), Screen::Sessions);
        let mut list = fixture::listings();
        list[1].notes.tags.extend(["paper".to_owned(), "best".to_owned()]);
        list[1].notes.note = "the one in the table".into();
        list[3].notes.archived = true;
        update(&mut app, Message::Sessions(Ok(list)));
        act(&mut app, [Action::MarkSession, Action::SortSessions, Action::FilterSessions("esc10".into())]);
        act(&mut app, [Action::Move(Move::End)]);
        app
    });
    both_sizes("sessions_filtered_away", |size| {
        let mut app = on(fixture::app(size), Screen::Sessions);
        update(&mut app, Message::Sessions(Ok(fixture::listings())));
        act(&mut app, [Action::FilterSessions("esc50".into())]);
        app
    });
    both_sizes("sessions_curves", |size| together(size, TogetherView::Curves));
    both_sizes("sessions_compared", |size| together(size, TogetherView::Results));
    both_sizes("sessions_delete", |size| {
        let mut app = on(fixture::app(size), Screen::Sessions);
        update(&mut app, Message::Sessions(Ok(fixture::listings())));
        act(&mut app, [Move::Down; 2].map(Action::Move));
        act(&mut app, [Action::DeleteSession]);
        app
    });
}

/// Three marked sessions, read.
fn together(size: (u16, u16), view: TogetherView) -> App {
    let mut app = on(fixture::app(size), Screen::Sessions);
    update(&mut app, Message::Sessions(Ok(fixture::listings())));
    act(&mut app, [Action::MarkSession, Action::MarkSession, Action::MarkSession, Action::Move(Move::Home)]);
    act(&mut app, [Action::Together(view)]);
    let ticket = app.sessions.together.as_ref().map(|together| together.ticket).unwrap();
    update(&mut app, Message::Together(ticket, Arc::new(fixture::read_together())));
    app
}

#[test]
fn sweeps() {
    both_sizes("sweep_reading", |size| {
        let mut app = fixture::app(size);
        act(&mut app, [Action::WatchSweep(Some("/sweeps/table.toml".into()))]);
        app
    });
    both_sizes("sweep_unreadable", |size| {
        let mut app = fixture::app(size);
        let effects = update(&mut app, Message::Do(Action::WatchSweep(None)));
        let [Effect::WatchSweep(ticket, None)] = effects.as_slice() else { unreachable!("{effects:?}") };
        let why = "no sweep was run in /sessions; type :sweep and the sweep's file".to_owned();
        update(&mut app, Message::Sweep(*ticket, Err(why)));
        app
    });
    both_sizes("sweep", |size| {
        let mut app = sweep_fixture::watching(size, 3);
        act(&mut app, [Move::Down, Move::Down].map(Action::Move));
        app
    });
    both_sizes("sweep_failed_only", |size| {
        let mut app = sweep_fixture::watching(size, 30);
        act(&mut app, [Action::NextFilter, Action::NextFilter]);
        app
    });
}

/// Enter opens the session of the task under the cursor; one that has not begun is said to have none; Esc goes back.
#[test]
fn a_task_of_a_sweep_is_opened_as_any_session() {
    let mut app = sweep_fixture::watching(LARGE, 3);
    let effects = update(&mut app, Message::Do(Action::OpenSession));
    let [Effect::Open(_, path)] = effects.as_slice() else { unreachable!("{effects:?}") };
    let name = path.file_name().unwrap().to_string_lossy().into_owned();
    assert!(path.starts_with("/sweeps/table-sweep") && name.starts_with("head-f1-s1-"), "{name}");
    act(&mut app, [Move::Down; 11].map(Action::Move));
    assert!(update(&mut app, Message::Do(Action::OpenSession)).is_empty());
    assert!(app.notice.as_ref().unwrap().text.contains("has no session yet"));
    let effects = update(&mut app, Message::Do(Action::LeaveSweep));
    assert!(app.sweep.is_none() && effects.contains(&Effect::LeaveSweep) && effects.contains(&Effect::List));
    // A late reading of the sweep that was left changes nothing.
    let before = sweep_fixture::watching(LARGE, 1).sweep.unwrap();
    update(&mut app, Message::Sweep(before.ticket, Ok(before.snapshot.unwrap())));
    assert!(app.sweep.is_none());
}

#[test]
fn exporting() {
    let asked = |size| {
        let mut app = on(fixture::app(size), Screen::Sessions);
        update(&mut app, Message::Sessions(Ok(fixture::listings())));
        act(&mut app, [Action::ExportSession]);
        app
    };
    // Only some results have arrived.
    let written = |size, reply: &dyn Fn(Ticket) -> Message| {
        let mut app = asked(size);
        let effects = update(&mut app, Message::Do(Action::Confirm));
        let [Effect::ExportSession(ticket, _)] = effects.as_slice() else { unreachable!("{effects:?}") };
        let message = reply(*ticket);
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
    both_sizes("command_line_completed", |size| {
        let mut app = fixture::training(size, (100, 90));
        act(&mut app, [Action::CommandLine]);
        act(&mut app, "method ".chars().map(Action::Type));
        act(&mut app, [Action::Complete(false), Action::Complete(false), Action::Complete(false)]);
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
            frame(&sweep_fixture::watching((width, height), 7));
            if screen == Screen::Scan {
                super::data_fixture::scanning(&mut app);
                act(&mut app, [Action::Cancel, Action::Threshold(-3), Action::Choose]);
                frame(&app);
            }
            if screen == Screen::Data {
                for choice in Choice::ALL {
                    act(&mut app, [Action::Cancel, Action::Browse(choice)]);
                    frame(&app);
                }
                app.browsing = None;
                super::data_fixture::show(&mut app, 60, 40);
                super::data_fixture::decoded(&mut app);
                frame(&app);
            }
            if matches!(screen, Screen::Results | Screen::Review) {
                super::findings::show_results(&mut app, 40);
                super::findings::show_review(&mut app);
                act(&mut app, [Action::Cancel, Action::NextConfusion, Action::Choose, Action::TypeClass]);
                frame(&app);
                act(&mut app, [Action::Cancel, Action::Move(Move::End)]);
                frame(&app);
            }
            update(&mut app, Message::Bookmarks("session".into(), fixture::bookmark_list()));
            update(&mut app, Message::Lesson(Box::new(fixture::lesson())));
            for panel in LivePanel::ALL {
                app.live.panel = panel;
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
    let [Effect::Export(_, charts)] = effects.as_slice() else { unreachable!("{effects:?}") };
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
