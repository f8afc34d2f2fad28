//! Made-up data for the Data screen, of any size, and a decoded clip.

use std::{path::PathBuf, sync::Arc};

use super::fixture::{noise, open, opened, siren};
use crate::{
    audio::{LogMel, playback},
    data::{Dataset, Facts, FileCount, Item, Label, LeftOut, Problem, Reading, Reason, Source},
    model::Method,
    plot::Side,
    scan::{Progress, Row, Unread},
    train::Request,
    tui::{
        input::action::{Action, Screen},
        state::{
            app::App, clip_panel::Loaded, data::Found, data_view::DataView, run_slot::Purpose, scanning::ScanNews,
            ticket::Ticket,
        },
        update,
        update::{effect::Effect, message::Message},
    },
};

/// Classes of the made-up set.
const CLASSES: [&str; 10] = [
    "dog",
    "rooster",
    "rain",
    "sea_waves",
    "crackling_fire",
    "crying_baby",
    "sneezing",
    "clock_tick",
    "helicopter",
    "chainsaw",
];

/// A clip of two seconds that was decoded: a siren at 44.1 kHz.
pub fn clip_sound() -> Arc<Loaded> {
    const FRAMES: usize = 198;
    let wave = |n: usize, rate: usize| 0.4 * (n as f32 / rate as f32 * 2765.0).sin();
    let sound =
        |rate: usize| playback::Sound { samples: (0..2 * rate).map(|n| wave(n, rate)).collect(), rate: rate as u32 };
    let extremes = (0..200).map(|n| {
        let swell = 0.1 + 0.3 * (n as f32 / 25.0).sin().abs();
        (-swell + 0.1 * noise(n), swell + 0.1 * noise(n + 1000))
    });
    let mel = LogMel { frames: FRAMES, bins: 128, data: (0..FRAMES as u64).flat_map(|n| siren(n).to_vec()).collect() };
    Arc::new(Loaded {
        original: sound(44_100),
        channels: 2,
        model: sound(16_000),
        mel,
        extremes: extremes.collect(),
        peak: 0.45,
        notes: Vec::new(),
    })
}

/// So many clips in ten classes of different sizes, five folds, with some files left out.
pub fn view(clips: usize) -> Arc<DataView> {
    let item = |n: usize| {
        // Squares: the first classes are larger than the last.
        let class = CLASSES.len() - 1 - ((n * 99 % 100) as f64).sqrt() as usize;
        let id = format!("audio/{}-{}-A-{class}.wav", n % 5 + 1, 100_000 + n);
        Item {
            source: Source::File(PathBuf::from("/data/esc10").join(&id)),
            id,
            label: Label::One(class),
            fold: Some(n as u32 % 5 + 1),
            split: None,
            group: None,
        }
    };
    let left_out = vec![
        LeftOut::new("/data/esc10/audio/old.amr", Reason::Kind),
        LeftOut::new("/data/esc10/notes.txt", Reason::Document),
    ];
    let dataset = Dataset {
        name: "esc10".into(),
        root: Some("/data/esc10".into()),
        layout: "esc50",
        classes: CLASSES.map(str::to_owned).into(),
        items: (0..clips).map(item).collect(),
        recipe: Some("esc50"),
        found: FileCount::of(clips, &left_out),
        ..Dataset::default()
    };
    let setup = Request { data: "/data/esc10".into(), ..Request::default() };
    Arc::new(DataView::of(&setup, Reading { dataset, problems: Vec::new(), left_out }))
}

/// How long and how loud clip `n` is.
fn facts(n: u64) -> Facts {
    let rms_dbfs = -24.0 + 30.0 * noise(n);
    Facts { seconds: 5.0 + 2.0 * noise(n + 7_000), rms_dbfs, peak_dbfs: (rms_dbfs + 14.0).min(0.0) }
}

/// What a check has found in the first clips, with its problems.
pub fn found(view: &DataView, done: usize) -> Found {
    let path = |n: usize| {
        let place = view.item(n as u32).and_then(|item| item.source.path());
        place.map_or_else(PathBuf::new, PathBuf::from)
    };
    let mut problems = vec![Problem::warning(
        "/data/esc10/audio/old.amr",
        "this kind of sound file is not read",
        "convert it to WAV or FLAC, or leave it out",
    )];
    let broken = Problem::error(
        path(3),
        "it is cut short: 3.2 s of the 5.0 s that its header promises",
        "copy or download it again, or leave it out",
    );
    let same = format!("it is the same file as {}", path(11).display());
    let twin = Problem::warning(path(12), same, "keep one");
    problems.extend([broken, twin].into_iter().take(if done > 12 { 2 } else { 0 }));
    let facts = (0..done as u32).filter(|n| *n != 3).map(|n| (n, facts(n.into()))).collect();
    Found { progress: (done, view.dataset().items.len()), facts, problems }
}

/// The Data screen with a set of so many clips, of which so many are checked.
pub fn show(app: &mut App, clips: usize, checked: usize) -> Vec<Effect> {
    app.setup.data = "/data/esc10".into();
    let view = view(clips);
    let mut effects = update(app, Message::Do(Action::Show(Screen::Data)));
    let Some(ticket) = app.data.asked else { unreachable!("it is read: {effects:?}") };
    effects.extend(update(app, Message::DataRead(ticket, Ok(view.clone()))));
    let check = effects.iter().find_map(|effect| match effect {
        Effect::CheckData(ticket, _) => Some(*ticket),
        _ => None,
    });
    let Some(check) = check else { unreachable!("it is checked: {effects:?}") };
    let found = found(&view, checked);
    let problems = found.problems.clone();
    update(app, Message::DataFound(check, Box::new(found)));
    if checked == clips {
        update(app, Message::DataChecked(check, Ok(problems)));
    }
    effects
}

/// The clip under the cursor is decoded.
pub fn decoded(app: &mut App) -> Vec<Effect> {
    let Some(ticket) = app.data.clip.asked else { unreachable!("a clip is asked for") };
    update(app, Message::Clip(ticket, Ok(clip_sound())))
}

/// A scan of two recordings of three with a run's session, and what it has found. Returns its ticket.
pub fn scanning(app: &mut App) -> Ticket {
    open(app, Side::A, Purpose::Look, opened(Method::aat()));
    let effects = update(app, Message::Do(Action::Scan("/rec".into())));
    let ticket = effects.iter().find_map(|effect| match effect {
        Effect::Scan(ticket, _) => Some(*ticket),
        _ => None,
    });
    let Some(ticket) = ticket else { unreachable!("it scans: {effects:?}") };
    let mut news = |news: ScanNews| drop(update(app, Message::Scan(ticket, Box::new(news))));
    news(ScanNews::Begun {
        labels: CLASSES.map(str::to_owned).into(),
        files: 3,
        out: "/data/scans/esc10-f1-aat".into(),
    });
    let row = |night: u32, start: f64, label: &str, score: f32| Row {
        file: format!("/rec/night {night}.wav"),
        start,
        end: start + 2.5,
        label: label.to_owned(),
        score,
        margin: 2.0 * score - 1.0,
        time: None,
    };
    news(ScanNews::Found(vec![
        row(1, 62.35, "dog", 0.98),
        row(1, 3_725.0, "rooster", 0.91),
        row(1, 3_790.5, "rooster", 0.44),
        row(1, 9_012.0, "rain", 0.77),
        row(1, 9_050.0, "rain", 0.71),
        row(2, 14.0, "dog", 0.63),
        row(2, 300.0, "clock_tick", 0.32),
        row(2, 451.5, "crackling_fire", 0.83),
        row(2, 452.0, "sea_waves", 0.35),
        row(2, 8_000.0, "rooster", 0.55),
    ]));
    news(ScanNews::Failed(Unread {
        file: "/rec/night 3.wav".into(),
        error: "/rec/night 3.wav: it is cut short; copy it again".into(),
    }));
    news(ScanNews::Progress(Progress { files: 2, seconds: 21_600.0, bytes: 700_000_000, of_bytes: 1_000_000_000 }));
    app.now_ms += 120_000;
    ticket
}
