#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use crate::{
    data::Source,
    model::Method,
    plot::Side,
    scan::{Progress, Row},
    tui::{
        input::action::Action,
        state::{run_slot::Purpose, scanning::Stage},
        testing::{data_fixture, fixture},
        update,
        update::message::Message,
    },
};

fn press(app: &mut App, action: Action) -> Vec<Effect> {
    update(app, Message::Do(action))
}

#[test]
fn a_scan_needs_a_model_and_there_is_one_at_a_time() {
    let mut app = fixture::app((120, 40));
    assert!(press(&mut app, Action::Scan("night.flac".into())).is_empty());
    assert!(app.notice.as_ref().unwrap().text.contains("open a session first"));
    fixture::open(&mut app, Side::B, Purpose::Look, fixture::opened(Method::aat()));
    let effects = press(&mut app, Action::Scan("night.flac".into()));
    let [Effect::SavePreferences(kept), Effect::Scan(_, request)] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!(kept.recent_recordings, ["night.flac"]);
    assert_eq!((request.session.as_os_str(), request.threshold), ("/sessions/esc10-f1-aat".as_ref(), LEAST));
    assert_eq!(app.screen, Screen::Scan);
    assert!(press(&mut app, Action::Scan("other.flac".into())).is_empty());
    assert_eq!(press(&mut app, Action::StopScan), [Effect::StopScan]);
}

#[test]
fn detections_come_in_while_it_goes_and_lead_to_their_sound() {
    let mut app = fixture::app((120, 40));
    let ticket = data_fixture::scanning(&mut app);
    assert_eq!((app.scanning.stage.clone(), app.scanning.count(0)), (Stage::Running, 7));
    let clip = app.scanning.clip.clip.clone().unwrap();
    let Source::Part(part) = &clip.source else { panic!("{clip:?}") };
    // The best one, with half a second on each side.
    assert_eq!(
        (part.path.to_string_lossy().as_ref(), part.start(), part.samples),
        ("/rec/night 1.wav", 989_600, 56_000)
    );
    assert_eq!(clip.label, "dog 0.98");
    press(&mut app, Action::Choose);
    press(&mut app, Action::Move(Move::Down));
    assert_eq!(app.scanning.selected().unwrap().label, "rooster");
    press(&mut app, Action::Threshold(-4));
    assert_eq!(app.scanning.count(0), 10);
    // Late news of a scan before it.
    let other = app.tickets.draw();
    let row = Row { file: "x".into(), start: 0.0, end: 1.0, label: "dog".into(), score: 1.0, margin: 1.0, time: None };
    update(&mut app, Message::Scan(other, Box::new(ScanNews::Found(vec![row]))));
    assert_eq!(app.scanning.count(0), 10);
    update(&mut app, Message::Scan(ticket, Box::new(ScanNews::Progress(Progress { files: 3, ..Progress::default() }))));
    assert_eq!(app.scanning.progress.files, 3);
}

#[test]
fn tables_are_written_again_at_the_threshold_on_show() {
    let mut app = fixture::app((120, 40));
    let ticket = data_fixture::scanning(&mut app);
    assert!(press(&mut app, Action::WriteScan).is_empty(), "not while it goes");
    update(&mut app, Message::Scan(ticket, Box::new(ScanNews::Over(Ok((2.0, vec!["scan.csv".into()]))))));
    press(&mut app, Action::Threshold(3));
    let effects = press(&mut app, Action::WriteScan);
    let Some(Effect::Scan(again, request)) = effects.last() else { panic!("{effects:?}") };
    assert!(*again != ticket && (request.threshold - 0.65).abs() < 1e-6, "{request:?}");
    assert_eq!(app.scanning.threshold, request.threshold, "what is listed stays as it was");
    let (again, found) = (*again, app.scanning.listed().cloned().collect());
    let rain = app.scanning.labels.clone();
    update(&mut app, Message::Scan(again, Box::new(ScanNews::Begun { labels: rain, files: 2, out: "scan".into() })));
    update(&mut app, Message::Scan(again, Box::new(ScanNews::Found(found))));
    update(&mut app, Message::Scan(again, Box::new(ScanNews::Over(Ok((2.0, vec!["scan.csv".into()]))))));
    press(&mut app, Action::Threshold(-3));
    assert_eq!(app.scanning.count(0), 7, "each once");
    press(&mut app, Action::Threshold(-4));
    assert_eq!(app.scanning.count(0), 10, "those below the threshold of the tables are still listed");
}

#[test]
fn a_scan_that_was_stopped_goes_on_before_its_tables_are_written() {
    let mut app = fixture::app((120, 40));
    let ticket = data_fixture::scanning(&mut app);
    press(&mut app, Action::StopScan);
    update(&mut app, Message::Scan(ticket, Box::new(ScanNews::Over(Err("stopped".into())))));
    let effects = press(&mut app, Action::WriteScan);
    let Some(Effect::Scan(_, request)) = effects.last() else { panic!("{effects:?}") };
    assert_eq!((request.threshold, app.scanning.count(0)), (LEAST, 0));
    assert!(app.notice.as_ref().unwrap().text.contains("goes on"));
}

#[test]
fn what_was_found_on_another_screen_has_its_sound_on_return() {
    let mut app = fixture::app((120, 40));
    let ticket = data_fixture::scanning(&mut app);
    press(&mut app, Action::Show(Screen::Train));
    clips::clear(&mut app.scanning.clip);
    let row = Row { file: "x".into(), start: 5.0, end: 6.0, label: "dog".into(), score: 1.0, margin: 1.0, time: None };
    assert!(update(&mut app, Message::Scan(ticket, Box::new(ScanNews::Found(vec![row])))).is_empty());
    let effects = press(&mut app, Action::Show(Screen::Scan));
    assert!(matches!(&effects[..], [Effect::LoadClip { .. }]), "{effects:?}");
    assert!(press(&mut app, Action::Show(Screen::Scan)).is_empty(), "it is awaited already");
}
