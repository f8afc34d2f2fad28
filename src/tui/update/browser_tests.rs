#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use crate::tui::{
    input::keymap::Context,
    state::browser::Entry,
    testing::{browser_fixture, data_fixture, findings, fixture},
    update,
    update::message::Message,
};

fn press(app: &mut App, action: Action) -> Vec<Effect> {
    update(app, Message::Do(action))
}

/// Moves the cursor to an entry.
fn go_to(app: &mut App, spec: &str) {
    press(app, Action::Move(Move::Home));
    while app.browser().unwrap().selected().unwrap().spec != spec {
        let row = app.browser().unwrap().row;
        press(app, Action::Move(Move::Down));
        assert_ne!(app.browser().unwrap().row, row, "there is no {spec}");
    }
}

#[test]
fn data_is_chosen_in_the_browser_and_remembered() {
    let mut app = fixture::app((120, 40));
    browser_fixture::browse_data(&mut app);
    let browser = app.browser().unwrap();
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
    browser_fixture::browse_data_again(&mut app);
    (0..4).for_each(|_| drop(press(&mut app, Action::Move(Move::Down))));
    let effects = press(&mut app, Action::Choose);
    assert_eq!((app.setup.data.as_str(), app.browser().is_none()), ("/data/digits", true));
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
    browser_fixture::browse_data(&mut app);
    let before = app.browser().cloned().unwrap();
    press(&mut app, Action::Move(Move::Left));
    update(&mut app, Message::Folder(before.ticket, Listed { folder: Some("/other".into()), ..Listed::default() }));
    update(&mut app, Message::Recognised(before.ticket, "demo".into(), Look::fits("late")));
    let browser = app.browser().unwrap();
    assert_eq!((browser.folder.as_deref(), browser.is_listed), (Some("/".as_ref()), false));
    assert!(browser.entries.iter().all(|entry| entry.look.is_none()));
}

#[test]
fn a_folder_that_cannot_be_read_is_left_upward_and_the_cursor_is_where_one_came_from() {
    let mut app = fixture::app((120, 40));
    browser_fixture::browse_data(&mut app);
    let answer = |app: &mut App, effects: &[Effect], entries: Result<Vec<Entry>, String>| {
        let [Effect::Browse { ticket, place: Place::In(folder), .. }] = effects else { panic!("{effects:?}") };
        update(app, Message::Folder(*ticket, Listed { folder: Some(folder.clone()), entries, left_out: None }));
        folder.clone()
    };
    while app.browser().unwrap().selected().unwrap().spec != "/data/music" {
        press(&mut app, Action::Move(Move::Down));
    }
    let effects = press(&mut app, Action::Choose);
    assert_eq!(answer(&mut app, &effects, Err("/data/music: permission denied".into())), PathBuf::from("/data/music"));
    assert!(app.browser().unwrap().problem.is_some());
    let effects = press(&mut app, Action::Move(Move::Left));
    let entries = ["digits", "music", "noise"].map(|name| Entry::found(format!("/data/{name}").as_ref(), true));
    assert_eq!(answer(&mut app, &effects, Ok(entries.into())), PathBuf::from("/data"));
    let browser = app.browser().unwrap();
    assert_eq!((browser.selected().unwrap().spec.as_str(), &browser.problem), ("/data/music", &None));
    // Into a folder the cursor goes to what is in it.
    let effects = press(&mut app, Action::Move(Move::Right));
    answer(&mut app, &effects, Ok(vec![Entry::found("/data/music/loud".as_ref(), true)]));
    assert_eq!(app.browser().unwrap().selected().unwrap().spec, "/data/music/loud");
}

#[test]
fn a_table_that_is_not_recognised_is_not_chosen_in_silence() {
    let mut app = fixture::app((120, 40));
    browser_fixture::browse_data(&mut app);
    press(&mut app, Action::Move(Move::End));
    let ticket = app.browser().unwrap().ticket;
    let look = Look::of_data(&crate::data::Glance::default(), false);
    update(&mut app, Message::Recognised(ticket, "/data/labels.csv".into(), look));
    let data = app.setup.data.clone();
    assert!(press(&mut app, Action::Choose).is_empty());
    assert!(app.notice.as_ref().unwrap().text.contains("labels.csv: it is not recognised"));
    assert_eq!(app.setup.data, data);
    // Tab moves between the lists behind the browser, not in it.
    let part = app.data.part;
    press(&mut app, Action::NextFocus);
    assert_eq!(app.data.part, part);
}

#[test]
fn a_model_is_chosen_on_the_screen_where_it_was_asked_for() {
    let mut app = fixture::app((120, 40));
    browser_fixture::browse_models(&mut app);
    assert_eq!((app.screen, app.context()), (Screen::Train, Context::Browser));
    go_to(&mut app, "ced-tiny");
    let effects = press(&mut app, Action::Choose);
    assert_eq!((app.setup.model.as_str(), app.browser().is_none(), app.screen), ("ced-tiny", true, Screen::Train));
    assert!(effects.contains(&Effect::LeaveBrowser), "{effects:?}");
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Shape(_, setup) if setup.model == "ced-tiny")));
    let kept = effects.iter().find_map(|effect| match effect {
        Effect::SavePreferences(kept) => Some(kept.recent_models.join(" ")),
        _ => None,
    });
    assert_eq!(kept.as_deref(), Some("ced-tiny /models/ced-mini.safetensors"));
    // A folder that is a model is chosen by Enter and opened by the arrow; a damaged file says why.
    browser_fixture::browse_models(&mut app);
    go_to(&mut app, "/models/half.pth");
    assert!(press(&mut app, Action::Choose).is_empty());
    let notice = app.notice.clone().unwrap();
    assert!(notice.trouble && notice.text.contains("not a whole zip archive"), "{notice:?}");
    go_to(&mut app, "/models/ast");
    let effects = press(&mut app, Action::Move(Move::Right));
    let in_ast = |place: &Place| matches!(place, Place::In(folder) if folder.ends_with("ast"));
    assert!(matches!(&effects[..], [Effect::Browse { choice: Choice::Model, place, .. }] if in_ast(place)));
    browser_fixture::browse_models(&mut app);
    go_to(&mut app, "/models/ast");
    press(&mut app, Action::Choose);
    assert_eq!(app.setup.model, "/models/ast");
}

#[test]
fn a_recipe_a_sound_and_recordings_go_where_their_commands_lead() {
    let mut app = fixture::app((120, 40));
    browser_fixture::browse_recipes(&mut app);
    go_to(&mut app, "few");
    press(&mut app, Action::Choose);
    assert_eq!((app.setup.recipe.as_deref(), &*app.preferences.recent_recipes), (Some("few"), &["few".to_owned()][..]));
    // The one named default is what the data set without a choice has.
    browser_fixture::browse_recipes(&mut app);
    go_to(&mut app, "default");
    press(&mut app, Action::Choose);
    assert_eq!((app.setup.recipe.as_deref(), app.preferences.recent_recipes.len()), (None, 1));

    let mut app = fixture::training((120, 40), (40, 40));
    press(&mut app, Action::Show(Screen::Live));
    browser_fixture::browse_sounds(&mut app, Choice::Sound);
    go_to(&mut app, "/rec/night 2.mp3");
    let effects = press(&mut app, Action::Choose);
    assert!(
        matches!(effects.last(), Some(Effect::Listen(_, Some(file), ..)) if file.ends_with("night 2.mp3")),
        "{effects:?}"
    );
    assert_eq!(app.preferences.recent_sounds, ["/rec/night 2.mp3", "/rec/night 1.flac"]);
    browser_fixture::browse_sounds(&mut app, Choice::Recordings);
    go_to(&mut app, "/rec");
    let effects = press(&mut app, Action::Choose);
    assert!(
        matches!(effects.last(), Some(Effect::Scan(_, request)) if request.paths == [PathBuf::from("/rec")]),
        "{effects:?}"
    );
    assert_eq!(app.screen, Screen::Scan);
}

#[test]
fn the_command_line_opens_the_browser_for_what_its_command_asks() {
    let mut app = fixture::app((120, 40));
    let typed = |app: &mut App, words: &str, then: Action| {
        press(app, Action::CommandLine);
        words.chars().for_each(|c| drop(press(app, Action::Type(c))));
        press(app, then)
    };
    let effects = typed(&mut app, "listen /re", Action::BrowseForCommand);
    assert!(matches!(&effects[..], [Effect::Browse { choice: Choice::Sound, .. }]), "{effects:?}");
    assert!(app.overlay.is_none());
    press(&mut app, Action::Back);
    let effects = typed(&mut app, "set recipe", Action::Confirm);
    assert!(matches!(&effects[..], [Effect::Browse { choice: Choice::Recipe, .. }]), "{effects:?}");
    press(&mut app, Action::Back);
    // Another command says that it has nothing to choose, and stays.
    assert!(typed(&mut app, "theme ", Action::BrowseForCommand).is_empty());
    let Some(crate::tui::state::app::Overlay::CommandLine(line)) = &app.overlay else { panic!() };
    assert!(line.problem.as_ref().unwrap().contains("data, model, recipe"), "{:?}", line.problem);
}

#[test]
fn the_browser_stays_on_its_screen_and_its_keys_mean_nothing_elsewhere() {
    let mut app = fixture::app((120, 40));
    findings::show_results(&mut app, 40);
    app.screen = Screen::Results;
    let clip = app.results.clip.asked;
    browser_fixture::browse_models(&mut app);
    let cell = app.results.cell;
    press(&mut app, Action::Move(Move::Down));
    press(&mut app, Action::NextFocus);
    assert_eq!((app.results.cell, app.results.clip.asked), (cell, clip), "the matrix behind it does not move");
    assert!(app.clip_panel_mut().is_none());
    press(&mut app, Action::Show(Screen::Layers));
    assert_eq!(app.context(), Context::On(Screen::Layers));
    press(&mut app, Action::Show(Screen::Results));
    assert_eq!((app.context(), app.browser().unwrap().row), (Context::Browser, 1));
    assert_eq!(press(&mut app, Action::Back), [Effect::LeaveBrowser]);
    assert_eq!(app.context(), Context::On(Screen::Results));
}

#[test]
fn data_is_chosen_or_read_after_another_choice_on_its_screen() {
    // Without data the browser of data comes again, and is not left as an empty screen.
    let mut app = fixture::app((120, 40));
    browser_fixture::browse_data(&mut app);
    browser_fixture::browse_models(&mut app);
    let effects = press(&mut app, Action::Back);
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Browse { choice: Choice::Data, .. })), "{effects:?}");
    // With data it is on show as it was.
    let mut app = fixture::app((120, 40));
    data_fixture::show(&mut app, 60, 60);
    browser_fixture::browse_models(&mut app);
    assert_eq!(press(&mut app, Action::Back), [Effect::LeaveBrowser]);
    assert!(app.data.read().is_some());
    // Data that is typed ends the choice of it.
    press(&mut app, Action::Browse(Choice::Data));
    let effects = press(&mut app, Action::SetData("/other".into()));
    assert!(app.browser().is_none() && effects.contains(&Effect::LeaveBrowser), "{effects:?}");
    assert!(matches!(effects.last(), Some(Effect::ReadData(..))), "{effects:?}");
}
