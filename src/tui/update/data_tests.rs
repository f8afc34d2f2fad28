#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use crate::{
    data::{Facts, Severity},
    tui::{
        input::action::{Action, Screen},
        state::data::Sort,
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
    assert_eq!(app.data.part, DataPart::Problems);
    press(&mut app, Action::Move(Move::Down));
    let problem = app.data.selected_problem().unwrap().clone();
    press(&mut app, Action::Choose);
    let view = app.data.read().unwrap().clone();
    let item = view.item(app.data.selected().unwrap()).unwrap();
    assert_eq!((app.data.part, item.source.path()), (DataPart::Clips, Some(&*problem.path)));
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
