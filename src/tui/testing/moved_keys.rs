//! Sentences on screens and in notices name the keys that a person has, not those of the table.
#![allow(clippy::unwrap_used)]

use ratatui::{buffer::Buffer, layout::Rect};

use super::{findings, fixture};
use crate::{
    plot::Side,
    tui::{
        input::{
            action::{Action, Screen},
            keymap::Keymap,
        },
        state::app::App,
        update::{self, message::Message},
        view,
    },
};

/// Moves every key that a sentence below names.
const KEYS: &str = r#"
[Everywhere]
"?" = "F1"
1 = "Ctrl-t"
5 = "Ctrl-s"
7 = "Ctrl-e"
Tab = "Ctrl-o"
[Train]
Enter = "F2"
m = "F3"
S = "F4"
[Parameters]
m = "F9"
[Results]
Esc = "F2"
u = "F3"
R = "F4"
[Review]
a = "F2"
x = "F3"
"-" = "F4"
Space = "F5"
r = "F6"
Backspace = "F7"
"/" = "F8"
T = "F9"
e = "F10"
1 = "F11"
9 = "Ctrl-y"
Esc = "F12"
["Review: while a class is typed"]
Enter = "F2"
Esc = "F3"
"#;

fn app(screen: Screen) -> App {
    let (keys, problems) = Keymap::read(KEYS);
    assert_eq!(problems, Vec::<String>::new());
    App { keys, screen, ..fixture::app((120, 40)) }
}

fn text(app: &App) -> String {
    let mut buffer = Buffer::empty(Rect::new(0, 0, app.size.0, app.size.1));
    view::draw(app, &mut buffer);
    let rows = buffer.content.chunks(usize::from(app.size.0));
    rows.map(|row| row.iter().map(|cell| cell.symbol()).collect::<String>() + "\n").collect()
}

fn shows(app: &App, sentences: &[&str]) {
    let text = text(app);
    for sentence in sentences {
        assert!(text.contains(sentence), "\"{sentence}\" is missing:\n{text}");
    }
}

fn notice(app: &mut App, action: Action) -> String {
    update::update(app, Message::Do(action));
    app.notice.clone().unwrap().text
}

#[test]
fn results_names_the_keys_as_they_are() {
    let mut app = app(Screen::Results);
    shows(&app, &["Ctrl-s   Sessions: open one", "Ctrl-t   Train: start a run", "F1 help", "Ctrl-e Results"]);
    app.results.overview = Some(Err("it is damaged".into()));
    shows(&app, &["F3 reads it again; Ctrl-s Sessions opens another"]);
}

#[test]
fn review_names_the_keys_as_they_are() {
    let mut app = app(Screen::Review);
    shows(&app, &["F10   look for labels", "Ctrl-e   Results: F4 there reviews"]);
    app.review.list = Some(Err("it is damaged".into()));
    shows(&app, &["F10 looks for likely wrong labels"]);
    findings::show_review(&mut app);
    shows(
        &app,
        &["F2 yes, ", "F3 not ", "F4 none of the classes", "F5 unsure", "F6 again", "F11 sneezing", "F8 types one of"],
    );
    shows(&app, &["F11 to Ctrl-y decide"]);
    update::update(&mut app, Message::Do(Action::TypeClass));
    shows(&app, &["F2 takes the first, F3 none", "F9 train again with these"]);
    app.review.typing = Some("no such class".into());
    assert_eq!(notice(&mut app, Action::Confirm), "no class has such a name; F3 leaves the label as it is");
    app.review.typing = None;
    app.review.at = app.review.current().unwrap().items.len();
    app.notice = None;
    shows(&app, &["F9   train again", "F7   take the last", "F10   look for", "F12   back to Results"]);
    assert_eq!(
        notice(&mut app, Action::Decide(crate::tui::input::action::Verdict::Yes)),
        "the list is at its end; F7 takes the last decision back"
    );
    assert!(notice(&mut app, Action::TrainAgain).contains("; Ctrl-e Results then compares it"));
}

#[test]
fn train_and_parameters_name_the_keys_as_they_are() {
    let mut app = app(Screen::Train);
    shows(&app, &["F2 starts it   F3 ", "Ctrl-o moves to this side"]);
    app.screen = Screen::Parameters;
    shows(&app, &["F9 the next one; what runs is not touched"]);
    let mut app = App { slots: fixture::training((120, 40), (40, 40)).slots, ..self::app(Screen::Review) };
    app.focus = Side::A;
    findings::show_review(&mut app);
    assert!(notice(&mut app, Action::TrainAgain).contains("stop it first (F4 on Train)"));
}
