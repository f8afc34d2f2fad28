#![allow(clippy::unwrap_used)]

use ratatui::{buffer::Buffer, layout::Rect};

use super::*;
use crate::tui::{
    input::action::Screen,
    testing::{browser_fixture, data_fixture, fixture},
    update,
    update::message::Message,
    view,
};

const SIZES: [(u16, u16); 3] = [(80, 24), (120, 40), (200, 50)];

/// Where these words are on the screen.
fn find(app: &App, words: &str) -> (u16, u16) {
    let mut buffer = Buffer::empty(Rect::new(0, 0, app.size.0, app.size.1));
    view::draw(app, &mut buffer);
    let width = usize::from(app.size.0);
    for (y, row) in buffer.content.chunks(width).enumerate() {
        let line: Vec<&str> = row.iter().map(|cell| cell.symbol()).collect();
        let place = (0..width).find(|x| line[*x..].concat().starts_with(words));
        if let Some(x) = place {
            return (x as u16, y as u16);
        }
    }
    unreachable!("no {words} on the screen")
}

fn at(app: &mut App, words: &str, press: Press) -> Vec<Effect> {
    let (column, row) = find(app, words);
    let target = view::hit(app, column, row);
    update(app, Message::Pointed(target, press))
}

#[test]
fn a_click_on_a_name_in_the_header_shows_that_screen_at_every_size() {
    for size in SIZES {
        let mut app = fixture::training(size, (10, 10));
        for screen in Screen::ALL {
            at(&mut app, &screen.digit().to_string(), Press::Click);
            assert_eq!(app.screen, screen, "{size:?}");
        }
        at(&mut app, "? help", Press::Click);
        assert!(matches!(app.overlay, Some(Overlay::Help(0))));
        let (column, row) = (size.0 / 2, size.1 / 2);
        let target = view::hit(&app, column, row);
        update(&mut app, Message::Pointed(target, Press::Wheel(3)));
        assert!(matches!(app.overlay, Some(Overlay::Help(3))), "the wheel scrolls what is over the screen");
    }
}

#[test]
fn a_click_goes_to_a_row_and_a_second_one_opens_it() {
    for size in SIZES {
        let mut app = fixture::app(size);
        update(&mut app, Message::Do(Action::Show(Screen::Sessions)));
        update(&mut app, Message::Sessions(Ok(fixture::listings())));
        assert!(at(&mut app, "esc10-f2-p", Press::Click).is_empty());
        assert_eq!(app.sessions.cursor(), 3, "{size:?}");
        let effects = at(&mut app, "esc10-f2-p", Press::Click);
        assert!(matches!(&effects[..], [Effect::Open(_, path)] if path.ends_with("esc10-f2-partial")), "{effects:?}");
        at(&mut app, "esc10-f2-p", Press::Wheel(-2));
        assert_eq!(app.sessions.cursor(), 1);
    }
}

#[test]
fn every_list_of_data_is_clicked_and_scrolled() {
    for size in SIZES {
        let mut app = fixture::app(size);
        data_fixture::show(&mut app, 400, 400);
        data_fixture::decoded(&mut app);
        at(&mut app, "sea_w", Press::Click);
        let view = app.data.read().unwrap().clone();
        assert_eq!(
            (app.data.part, view.rows[app.data.class].name.as_str()),
            (DataPart::Classes, "sea_waves"),
            "{size:?}"
        );
        data_fixture::decoded(&mut app);
        at(&mut app, "old.amr", Press::Click);
        assert_eq!((app.data.part, app.data.problem), (DataPart::Problems, 0));
        app.data.part = DataPart::Clips;
        let first = app.data.clips()[0];
        let name = view.item(first).unwrap().id.clone();
        at(&mut app, &name[name.len() - 8..], Press::Wheel(3));
        assert_eq!((app.data.part, app.data.row), (DataPart::Clips, 3));
        data_fixture::decoded(&mut app);
        // In the middle of the spectrogram it plays from there.
        let (left, row) = find(&app, "◦ Space plays it");
        let middle = (left + app.size.0) / 2;
        let target = view::hit(&app, middle, row - 2);
        let effects = update(&mut app, Message::Pointed(target, Press::Click));
        let Some(Effect::Play { from, sound, .. }) = effects.last() else { unreachable!("{effects:?}") };
        let share = *from as f64 / sound.samples.len() as f64;
        assert!((0.4..0.6).contains(&share), "{share}");
    }
}

#[test]
fn a_notch_of_the_wheel_decodes_the_clip_that_it_comes_to_and_none_in_between() {
    let mut app = fixture::app((120, 40));
    data_fixture::show(&mut app, 400, 400);
    let view = app.data.read().unwrap().clone();
    let name = view.item(app.data.clips()[0]).unwrap().id.clone();
    let effects = at(&mut app, &name[name.len() - 8..], Press::Wheel(3));
    assert_eq!((app.data.row, effects.len()), (3, 1), "{effects:?}");
    let effects = at(&mut app, "sea_w", Press::Wheel(3));
    let loads = effects.iter().filter(|effect| matches!(effect, Effect::LoadClip { .. })).count();
    assert_eq!((app.data.class, loads), (3, 1), "{effects:?}");
}

#[test]
fn a_drag_acts_only_on_what_it_began_on() {
    let mut app = fixture::app((120, 40));
    data_fixture::show(&mut app, 400, 400);
    data_fixture::decoded(&mut app);
    let (part, class) = (app.data.part, app.data.class);
    at(&mut app, "old.amr", Press::Click);
    (app.data.part, app.data.clip.asked) = (part, None);
    assert!(at(&mut app, "sea_w", Press::Drag).is_empty());
    assert_eq!((app.data.part, app.data.class), (part, class), "a drag over a list changes nothing");
    at(&mut app, "sea_w", Press::Click);
    data_fixture::decoded(&mut app);
    let (left, row) = find(&app, "◦ Space plays it");
    let target = view::hit(&app, left + 20, row - 2);
    assert!(update(&mut app, Message::Pointed(target, Press::Drag)).is_empty(), "it came from a list");
    assert!(!update(&mut app, Message::Pointed(target, Press::Click)).is_empty());
    assert!(!update(&mut app, Message::Pointed(target, Press::Drag)).is_empty());
}

#[test]
fn a_click_on_a_message_removes_it_and_nothing_beneath() {
    let mut app = fixture::app((80, 24));
    data_fixture::show(&mut app, 400, 400);
    data_fixture::decoded(&mut app);
    let before = (app.data.part, app.data.class, app.data.row, app.data.problem);
    update(&mut app, Message::trouble("no speaker was found; ".repeat(10)));
    for (column, row) in [(4, 21), (40, 22), (60, 23)] {
        assert_eq!(view::hit(&app, column, row), Some(Target::Notice));
    }
    assert!(at(&mut app, "✗ no speaker", Press::Click).is_empty());
    assert!(app.notice.is_none());
    assert_eq!((app.data.part, app.data.class, app.data.row, app.data.problem), before);
}

#[test]
fn a_click_in_the_browser_chooses_data() {
    let mut app = fixture::app((120, 40));
    browser_fixture::browse_data(&mut app);
    at(&mut app, "digits", Press::Click);
    assert_eq!(app.browser().unwrap().selected().unwrap().spec, "/data/digits");
    at(&mut app, "digits", Press::Click);
    assert_eq!(app.setup.data, "/data/digits");
}

#[test]
fn a_click_on_a_run_moves_the_focus_and_parameters_open() {
    let mut app = fixture::training((120, 40), (10, 10));
    at(&mut app, "B ▲", Press::Click);
    assert_eq!(app.focus, crate::plot::Side::B);
    update(&mut app, Message::Do(Action::Show(Screen::Parameters)));
    let before = app.parameters.rows().count();
    at(&mut app, "blocks", Press::Click);
    at(&mut app, "blocks", Press::Click);
    assert_ne!(app.parameters.rows().count(), before);
}
