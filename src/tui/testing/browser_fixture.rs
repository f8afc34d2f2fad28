//! The browser in made-up folders, for each choice.

use crate::{
    audio::AudioError,
    data::{DataError, Glance, Recipe},
    model::{self, ModelError, ModelGlance},
    tui::{
        input::{
            action::{Action, Screen},
            choice::Choice,
        },
        state::{
            app::App,
            browser::{Entry, Listed},
            look::{Look, SoundGlance},
            ticket::Ticket,
        },
        update,
        update::{effect::Effect, message::Message},
    },
};

/// The browser of data, in a folder with data and other things.
pub fn browse_data(app: &mut App) {
    app.preferences.choose(Choice::Data, "/data/old set");
    app.preferences.choose(Choice::Data, "../ESC-50");
    let effects = update(app, Message::Do(Action::Show(Screen::Data)));
    data_listed(app, &effects);
}

/// The same, opened by its key.
pub fn browse_data_again(app: &mut App) {
    let effects = update(app, Message::Do(Action::Browse(Choice::Data)));
    data_listed(app, &effects);
}

/// The request of the browser among these effects.
pub fn asked(effects: &[Effect]) -> Ticket {
    let ticket = effects.iter().find_map(|effect| match effect {
        Effect::Browse { ticket, .. } => Some(*ticket),
        _ => None,
    });
    let Some(ticket) = ticket else { unreachable!("it is a browser: {effects:?}") };
    ticket
}

fn data_listed(app: &mut App, effects: &[Effect]) {
    let folders = ["bats 2025", "digits", "music", "openmic-mini"].map(|name| format!("/data/{name}"));
    let entries = folders.iter().map(|path| Entry::found(path.as_ref(), true));
    let entries = entries.chain([Entry::found("/data/labels.csv".as_ref(), false)]).collect();
    let glance = |layout, folders, with_sounds, sounds| Glance {
        layout,
        folders,
        looked_into: folders,
        with_sounds,
        sounds,
        is_unread: false,
    };
    let looks = [
        ("demo", Look::of_data(&glance(Some("demo"), 0, 0, 0), false)),
        ("../ESC-50", Look::of_data(&glance(Some("esc50"), 2, 1, 0), true)),
        ("/data/old set", Look::of_data(&Glance { is_unread: true, ..Glance::default() }, false)),
        ("/data/bats 2025", Look::of_data(&glance(Some("marks"), 0, 0, 48), true)),
        ("/data/digits", Look::of_data(&glance(Some("folders"), 10, 10, 0), true)),
        ("/data/labels.csv", Look::of_data(&glance(Some("manifest"), 0, 0, 0), false)),
        ("/data/music", Look::of_data(&glance(None, 31, 1, 2), true)),
        ("/data/openmic-mini", Look::of_data(&glance(Some("openmic"), 3, 0, 0), true)),
    ];
    show(app, asked(effects), "/data", entries, looks);
}

fn show(
    app: &mut App,
    ticket: Ticket,
    folder: &str,
    entries: Vec<Entry>,
    looks: impl IntoIterator<Item = (impl Into<String>, Look)>,
) {
    let listed = Listed { folder: Some(folder.into()), entries: Ok(entries), left_out: None };
    update(app, Message::Folder(ticket, listed));
    for (spec, look) in looks {
        update(app, Message::Recognised(ticket, spec.into(), look));
    }
}

/// The browser of models: names, two checkpoints, a session, a damaged file.
pub fn browse_models(app: &mut App) {
    app.preferences.choose(Choice::Model, "/models/ced-mini.safetensors");
    let effects = update(app, Message::Do(Action::Browse(Choice::Model)));
    let names = app.browser().map(|browser| browser.known().map(|entry| entry.spec.clone()).collect::<Vec<_>>());
    let of_name = |name: String| (name.clone(), Look::of_model(&model::glance_at_name(&name)));
    let names = names.unwrap_or_default().into_iter().filter(|name| !name.contains('/')).map(of_name);
    let model = |kind: &str, parameters, classes| {
        let about = "12 blocks, hidden size 768, 12 heads; its head of 527 classes names AudioSet's".to_owned();
        let glance = ModelGlance { kind: kind.into(), parameters: Some(parameters), classes, license: None, about };
        Look::of_model(&Ok(Some(glance)))
    };
    let damaged = ModelError::Checkpoint {
        path: "/models/half.pth".into(),
        problem: "not a whole zip archive (invalid end of central directory)".into(),
        remedy: "it was cut short: download or copy it again".into(),
    };
    let found = [
        ("/models/ced-mini.safetensors", model("CED (Hugging Face)", 9_600_000, 527)),
        ("/models/ast", model("Hugging Face AST", 86_600_000, 527).of_folder()),
        ("/models/runs", Look::other("14 folders").of_folder()),
        ("/models/dog-rain", model("aat-tui session (Whisper)", 8_300_000, 12).of_folder()),
        ("/models/half.pth", Look::of_model(&Err(damaged))),
    ]
    .map(|(spec, look)| (spec.to_owned(), look));
    let folders = ["/models/ast", "/models/dog-rain", "/models/runs"].map(|path| Entry::found(path.as_ref(), true));
    let files = ["/models/ced-mini.safetensors", "/models/half.pth"].map(|path| Entry::found(path.as_ref(), false));
    let entries = folders.into_iter().chain(files).collect();
    show(app, asked(&effects), "/models", entries, names.chain(found));
}

/// The browser of recipes: those of the program, one file, and one that is none.
pub fn browse_recipes(app: &mut App) {
    let effects = update(app, Message::Do(Action::Browse(Choice::Recipe)));
    let names = Recipe::names().map(|name| (name.to_owned(), Look::of_recipe(&Recipe::named(name))));
    let broken = DataError::Unusable {
        path: "/recipes/theme.toml".into(),
        problem: "there is no key `accent`".into(),
        remedy: "correct the key".into(),
    };
    let found = [
        ("/recipes/long.toml".to_owned(), Look::of_recipe(&Recipe::named("esc50"))),
        ("/recipes/theme.toml".to_owned(), Look::of_recipe(&Err(broken))),
    ];
    let entries = ["/recipes/long.toml", "/recipes/theme.toml"].map(|path| Entry::found(path.as_ref(), false)).into();
    show(app, asked(&effects), "/recipes", entries, names.chain(found));
}

/// The browser of sounds or of recordings: folders, sounds, one that cannot be read.
pub fn browse_sounds(app: &mut App, choice: Choice) {
    app.preferences.choose(choice, "/rec/night 1.flac");
    let effects = update(app, Message::Do(Action::Browse(choice)));
    let sound =
        |rate, channels, seconds| Look::of_sound(&Ok(SoundGlance { rate, channels, seconds, bytes: 9_400_000 }));
    let broken = AudioError::Unusable {
        path: "/rec/night 3.wav".into(),
        problem: "it is cut short: it does not reach its end".into(),
        remedy: "copy or download it again, or leave it out".into(),
    };
    let found = [
        ("/rec", Look::fits("1 folder, 3 sounds").of_folder().about("everything below this folder is scanned")),
        ("/rec/may", Look { recognised: sounds_of(choice), ..Look::other("31 sounds").of_folder() }),
        ("/rec/night 1.flac", sound(48_000, 1, Some(28_800.0))),
        ("/rec/night 2.mp3", sound(44_100, 2, None)),
        ("/rec/night 3.wav", Look::of_sound(&Err(broken))),
    ];
    let all = (choice == Choice::Recordings).then(|| Entry::found("/rec".as_ref(), true));
    let files = ["night 1.flac", "night 2.mp3", "night 3.wav"].map(|name| format!("/rec/{name}"));
    let files = files.iter().map(|path| Entry::found(path.as_ref(), false));
    let entries = all.into_iter().chain([Entry::found("/rec/may".as_ref(), true)]).chain(files).collect();
    show(app, asked(&effects), "/rec", entries, found);
}

/// Whether a folder with sounds can be chosen.
fn sounds_of(choice: Choice) -> crate::tui::state::look::Recognised {
    let look = if choice == Choice::Recordings { Look::fits("") } else { Look::other("") };
    look.recognised
}
