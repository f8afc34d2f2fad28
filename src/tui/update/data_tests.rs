#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use crate::{
    data::{Facts, Severity},
    tui::{
        input::action::{Action, Screen},
        state::{data::Sort, folder_browser::Entry},
        testing::{data_fixture, fixture},
        update,
        update::message::Message,
    },
};

fn press(app: &mut App, action: Action) -> Vec<Effect> {
    update(app, Message::Do(action))
}

fn shown(clips: usize, checked: usize) -> App {
    let mut app = fixture::app((120, 40));
    data_fixture::show(&mut app, clips, checked);
    app
}

#[test]
fn data_is_read_and_checked_and_its_first_clip_is_decoded() {
    let mut app = fixture::app((120, 40));
    let effects = data_fixture::show(&mut app, 100, 0);
    assert!(matches!(&effects[0], Effect::ReadData(_, setup) if setup.data == "/data/esc10"));
    assert!(effects.iter().any(|effect| matches!(effect, Effect::LoadClip { .. })));
    assert!(effects.iter().any(|effect| matches!(effect, Effect::CheckData(..))));
    // Shown again, nothing is read again; with other settings it is.
    press(&mut app, Action::Show(Screen::Train));
    assert!(press(&mut app, Action::Show(Screen::Data)).is_empty());
    press(&mut app, Action::Show(Screen::Train));
    press(&mut app, Action::Set("fold".into(), "2".into()));
    let effects = press(&mut app, Action::Show(Screen::Data));
    assert!(matches!(&effects[..], [Effect::StopCheck, Effect::ReadData(..)]), "{effects:?}");
    assert!(app.data.read().is_some(), "the data stays on show while it is read again");
}

#[test]
fn data_that_is_read_again_is_decoded_again() {
    let mut app = shown(100, 100);
    data_fixture::decoded(&mut app);
    let name = app.data.clip.clip.clone().unwrap().name;
    let effects = press(&mut app, Action::Refresh);
    let Some(Effect::ReadData(ticket, _)) = effects.last() else { panic!("{effects:?}") };
    let view = app.data.read().unwrap().clone();
    let effects = update(&mut app, Message::DataRead(*ticket, Ok(view)));
    assert!(effects.iter().any(|effect| matches!(effect, Effect::LoadClip { .. })), "{effects:?}");
    assert_eq!(app.data.clip.clip.as_ref().unwrap().name, name);
}

#[test]
fn what_a_check_finds_adds_up_and_late_news_changes_nothing() {
    let mut app = shown(100, 40);
    let view = app.data.read().unwrap().clone();
    let of_class: f64 = app.data.check.seconds[1..].iter().sum();
    assert!((app.data.check.seconds[0] - of_class).abs() < 1e-6 && app.data.check.seconds[0] > 190.0);
    let Stage::Running(ticket) = app.data.check.stage else { panic!("{:?}", app.data.check.stage) };
    assert_eq!(press(&mut app, Action::CheckData), [Effect::StopCheck]);
    assert_eq!(app.data.check.stage, Stage::Stopped);
    let before = app.data.check.clone();
    update(&mut app, Message::DataFound(ticket, Box::new(data_fixture::found(&view, 100))));
    update(&mut app, Message::DataChecked(ticket, Ok(Vec::new())));
    assert_eq!((app.data.check.progress, &app.data.check.seconds), (before.progress, &before.seconds));
    // Begun again, it counts from nothing.
    let effects = press(&mut app, Action::CheckData);
    assert!(matches!(&effects[..], [Effect::CheckData(again, _)] if *again != ticket));
    assert_eq!(app.data.check.seconds[0], 0.0);
}

#[test]
fn a_problem_leads_to_its_clip() {
    let mut app = shown(100, 100);
    assert_eq!((app.data.check.stage.clone(), app.data.check.count(Severity::Error)), (Stage::Done, 1));
    press(&mut app, Action::NextFocus);
    press(&mut app, Action::NextFocus);
    assert_eq!(app.data.part, Part::Problems);
    press(&mut app, Action::Move(Move::Down));
    let problem = app.data.selected_problem().unwrap().clone();
    press(&mut app, Action::Choose);
    let view = app.data.read().unwrap().clone();
    let item = view.item(app.data.selected().unwrap()).unwrap();
    assert_eq!((app.data.part, item.source.path()), (Part::Clips, Some(&*problem.path)));
    assert_eq!(app.data.clip.clip.as_ref().unwrap().path(), Some(&*problem.path));
}

#[test]
fn clips_are_ordered_by_what_is_known_and_the_cursor_stays_on_its_clip() {
    let mut app = shown(100, 60);
    press(&mut app, Action::Choose);
    (0..5).for_each(|_| drop(press(&mut app, Action::Move(Move::Down))));
    let selected = app.data.selected().unwrap();
    for sort in [Sort::Length, Sort::Level] {
        press(&mut app, Action::SortClips);
        assert_eq!((app.data.sort, app.data.selected()), (sort, Some(selected)));
        let value = |place: &u32| {
            let facts = app.data.check.facts[*place as usize];
            let of = |facts: Facts| if sort == Sort::Length { facts.seconds } else { facts.rms_dbfs };
            facts.map_or(f32::INFINITY, of)
        };
        let values: Vec<f32> = app.data.clips().iter().map(value).collect();
        assert!(values.is_sorted() && values[60] == f32::INFINITY, "{values:?}");
    }
    // Another class begins with its first clip.
    press(&mut app, Action::Back);
    press(&mut app, Action::Move(Move::Down));
    assert_eq!((app.data.class, app.data.row), (1, 0));
}

#[test]
fn data_is_chosen_in_the_browser_and_remembered() {
    let mut app = fixture::app((120, 40));
    data_fixture::browse(&mut app);
    let browser = app.data.browser.as_ref().unwrap();
    assert_eq!(
        browser.entries.iter().take(3).map(|e| e.spec.as_str()).collect::<Vec<_>>(),
        ["../ESC-50", "/data/old set", "demo"]
    );
    // A folder that is no data set is opened.
    (0..5).for_each(|_| drop(press(&mut app, Action::Move(Move::Down))));
    let effects = press(&mut app, Action::Choose);
    assert!(
        matches!(&effects[..], [Effect::Browse { place: Place::In(folder), .. }] if folder.ends_with("music")),
        "{effects:?}"
    );
    // One that is, is chosen.
    data_fixture::browse_again(&mut app);
    (0..4).for_each(|_| drop(press(&mut app, Action::Move(Move::Down))));
    let effects = press(&mut app, Action::Choose);
    assert_eq!((app.setup.data.as_str(), app.data.browser.is_none()), ("/data/digits", true));
    assert!(effects.iter().any(|effect| matches!(effect, Effect::ReadData(..))));
    let kept =
        effects.iter().find_map(|effect| if let Effect::SavePreferences(kept) = effect { Some(kept) } else { None });
    assert_eq!(
        (kept.unwrap().data.as_deref(), kept.unwrap().recent[0].as_str()),
        (Some("/data/digits"), "/data/digits")
    );
}

#[test]
fn late_news_of_another_folder_is_not_listed() {
    let mut app = fixture::app((120, 40));
    data_fixture::browse(&mut app);
    let before = app.data.browser.clone().unwrap();
    press(&mut app, Action::Move(Move::Left));
    update(&mut app, Message::Folder(before.ticket, Listed { folder: Some("/other".into()), ..Listed::default() }));
    update(&mut app, Message::Glanced(before.ticket, "demo".into(), Glance::default()));
    let browser = app.data.browser.as_ref().unwrap();
    assert_eq!((browser.folder.as_deref(), browser.is_listed), (Some("/".as_ref()), false));
    assert!(browser.entries.iter().all(|entry| entry.spec != "demo" || entry.is_data()));
}

#[test]
fn a_folder_that_cannot_be_read_is_left_upward_and_the_cursor_is_where_one_came_from() {
    let mut app = fixture::app((120, 40));
    data_fixture::browse(&mut app);
    let answer = |app: &mut App, effects: &[Effect], entries: Result<Vec<Entry>, String>| {
        let [Effect::Browse { ticket, place: Place::In(folder), .. }] = effects else { panic!("{effects:?}") };
        update(app, Message::Folder(*ticket, Listed { folder: Some(folder.clone()), entries, left_out: None }));
        folder.clone()
    };
    while app.data.browser.as_ref().unwrap().selected().unwrap().spec != "/data/music" {
        press(&mut app, Action::Move(Move::Down));
    }
    let effects = press(&mut app, Action::Choose);
    assert_eq!(answer(&mut app, &effects, Err("/data/music: permission denied".into())), PathBuf::from("/data/music"));
    assert!(app.data.browser.as_ref().unwrap().problem.is_some());
    let effects = press(&mut app, Action::Move(Move::Left));
    let entries = ["digits", "music", "noise"].map(|name| Entry::found(format!("/data/{name}").as_ref(), true));
    assert_eq!(answer(&mut app, &effects, Ok(entries.into())), PathBuf::from("/data"));
    let browser = app.data.browser.as_ref().unwrap();
    assert_eq!((browser.selected().unwrap().spec.as_str(), &browser.problem), ("/data/music", &None));
    // Into a folder the cursor goes to what is in it.
    let effects = press(&mut app, Action::Move(Move::Right));
    answer(&mut app, &effects, Ok(vec![Entry::found("/data/music/loud".as_ref(), true)]));
    assert_eq!(app.data.browser.as_ref().unwrap().selected().unwrap().spec, "/data/music/loud");
}

#[test]
fn a_table_that_is_not_recognised_is_not_chosen_in_silence() {
    let mut app = fixture::app((120, 40));
    data_fixture::browse(&mut app);
    press(&mut app, Action::Move(Move::End));
    let browser = app.data.browser.as_mut().unwrap();
    let ticket = browser.ticket;
    update(&mut app, Message::Glanced(ticket, "/data/labels.csv".into(), Glance::default()));
    let data = app.setup.data.clone();
    assert!(press(&mut app, Action::Choose).is_empty());
    assert!(app.notice.as_ref().unwrap().text.contains("labels.csv: it is not recognised"));
    assert_eq!(app.setup.data, data);
    // Tab moves between the lists behind the browser, not in it.
    let part = app.data.part;
    press(&mut app, Action::NextFocus);
    assert_eq!(app.data.part, part);
}
