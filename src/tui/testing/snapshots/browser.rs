//! Snapshots of the browser.

use super::{super::browser_fixture, *};
use crate::tui::state::browser::Listed;

#[test]
fn browser() {
    both_sizes("data_browser", |size| {
        let mut app = fixture::app(size);
        browser_fixture::browse_data(&mut app);
        act(&mut app, [Move::Down, Move::Down, Move::Down].map(Action::Move));
        app
    });
    let models = |size| {
        let mut app = fixture::app(size);
        browser_fixture::browse_models(&mut app);
        app
    };
    both_sizes("browser_models", models);
    both_sizes("browser_damaged", |size| {
        let mut app = models(size);
        act(&mut app, [Action::Move(Move::End), Action::Choose]);
        app
    });
    both_sizes("browser_recipes", |size| {
        let mut app = fixture::app(size);
        browser_fixture::browse_recipes(&mut app);
        act(&mut app, [Action::Move(Move::End)]);
        app
    });
    both_sizes("browser_sounds", |size| {
        let mut app = on(fixture::app(size), Screen::Live);
        browser_fixture::browse_sounds(&mut app, Choice::Sound);
        act(&mut app, [Action::Move(Move::End), Action::Move(Move::Up)]);
        app
    });
    both_sizes("browser_recordings", |size| {
        let mut app = on(fixture::app(size), Screen::Scan);
        browser_fixture::browse_sounds(&mut app, Choice::Recordings);
        act(&mut app, [Action::Move(Move::Down)]);
        app
    });
    both_sizes("browser_reading", |size| {
        let mut app = on(fixture::app(size), Screen::Scan);
        act(&mut app, [Action::Browse(Choice::Recordings)]);
        app
    });
    let listed = |size, entries| {
        let mut app = on(fixture::app(size), Screen::Scan);
        let effects = update(&mut app, Message::Do(Action::Browse(Choice::Recordings)));
        let listed = Listed { folder: Some("/rec/none".into()), entries, left_out: None };
        update(&mut app, Message::Folder(browser_fixture::asked(&effects), listed));
        app
    };
    both_sizes("browser_empty", |size| listed(size, Ok(Vec::new())));
    both_sizes("browser_unread", |size| listed(size, Err("/rec/none: permission denied".into())));
    check("browser_models_200x50", &models((200, 50)));
    let mut app = models(LARGE);
    app.theme = 3;
    check("browser_monochrome_120x40", &app);
}
