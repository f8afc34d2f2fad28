//! Recordings with tables of marks: a table beside each recording, one for all of them, or a manifest with start and end.
//! Clips are windows of the recordings.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    Layout, Reading, ending_in, file_name, id_of, name_of,
    walk::{Tree, tree},
};
use crate::{
    audio::SAMPLE_RATE,
    data::{
        DataError, Dataset, FileCount, Item, Label, LeftOut, Part, Problem, Reason, Source, Split, length,
        marks::{
            self, Event, Mark, Marked, Marks, Options, Recording, Window,
            sounds::{Lost, Sounds},
        },
        parallel,
    },
    random::KeyedRng,
};

/// Its name, as in [`Dataset::layout`].
pub(super) const NAME: &str = "marks";

pub(super) const LAYOUT: Layout = Layout {
    name: NAME,
    about: "recordings with tables of marks (Audacity, Raven, DCASE, ...) beside them or one for all, or a manifest with start \
            and end",
    recognise: |path| !tables_at(path).is_empty(),
    read,
};

/// Endings of files that may be tables of marks.
const TABLES: &[&str] = &["txt", "csv", "tsv", "jsonl", "ndjson", "srt", "vtt"];
/// Names of tables that mean all that lies in their folder.
const LISTS: &[&str] = &["manifest", "metadata"];
/// Files below a folder that are looked at before it is taken for something else.
const LOOKED_AT: usize = 500;
/// Findings of one kind that are listed one by one.
const LISTED: usize = 100;
/// Frames of a window where nothing is said: 3 seconds in whole patches.
const FRAMES: usize = 304;

/// The tables of marks at a path: the file itself, or those in and below a folder.
fn tables_at(path: &Path) -> Vec<PathBuf> {
    let is_table = |file: &PathBuf| ending_in(file, TABLES) && marks::sniff(file).is_some();
    if !path.is_dir() {
        return Some(path.to_owned()).filter(is_table).into_iter().collect();
    }
    // A manifest or Hugging Face's table speaks for the folder, whatever else lies there.
    let lists = LISTS.iter().flat_map(|name| TABLES.iter().map(move |ending| path.join(format!("{name}.{ending}"))));
    let list = lists.into_iter().find(|file| file.is_file());
    if let Some(list) = list {
        return Some(list).filter(is_table).into_iter().collect();
    }
    let Ok(Tree { sounds, left_out }) = tree(path) else { return Vec::new() };
    if sounds.is_empty() {
        return Vec::new();
    }
    let mut candidates: Vec<PathBuf> = left_out
        .into_iter()
        .filter(|one| one.reason == Reason::Document && ending_in(&one.path, TABLES))
        .map(|one| one.path)
        .collect();
    candidates.sort();
    // Transcripts beside a hundred thousand clips are no marks, and a look at some of them shows it.
    if !candidates.iter().take(LOOKED_AT).any(is_table) {
        return Vec::new();
    }
    candidates.retain(is_table);
    candidates
}

/// What the tables say of one recording.
#[derive(Default)]
struct Gathered {
    marks: Vec<Mark>,
    /// A table says that it holds nothing.
    silent: bool,
    fold: BTreeSet<String>,
    split: BTreeSet<String>,
    group: BTreeSet<String>,
}

fn read(path: &Path, options: &Options) -> Result<Reading, DataError> {
    let files = tables_at(path);
    let root = if path.is_dir() { path } else { path.parent().unwrap_or(Path::new("")) };
    let folder = if root.as_os_str().is_empty() { Path::new(".") } else { root };
    let Tree { sounds, left_out } = tree(folder)?;
    let mut tables = Vec::with_capacity(files.len());
    for file in &files {
        tables.push(marks::read(file, options)?);
    }
    let trusted = trust(&tables, options)?;

    let (sounds, mut problems) = (Sounds::of(sounds), Vec::new());
    let mut gathered: BTreeMap<usize, Gathered> = BTreeMap::new();
    let mut marked = Marked { tables: tables.len(), trusted, ..Marked::default() };
    for table in &tables {
        marked.unlabelled += table.unlabelled;
        gather(table, &sounds, folder, &mut gathered, &mut problems);
    }
    let classes: Vec<String> = gathered
        .values()
        .flat_map(|one| one.marks.iter().map(|mark| mark.label.clone()))
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect();

    let by_folder = splits(&sounds, gathered.keys().copied(), folder);
    let places: Vec<usize> = gathered.keys().copied().collect();
    let go_on = &mut |_: usize, _: usize| ControlFlow::Continue(());
    let lengths = parallel::map(places.len(), || (), |(), at| length::samples(sounds.path(places[at])), go_on);
    for ((place, one), length) in gathered.into_iter().zip(lengths.unwrap_or_default()) {
        let path = sounds.path(place).to_owned();
        let length = match length {
            Ok(length) => length,
            Err(error) => {
                problems.push(error.into());
                continue;
            }
        };
        let id = id_of(folder, &path);
        let complete = options.marked_in_full || one.silent && one.marks.is_empty();
        let events = events(&one.marks, length, &classes, &mut marked);
        let mut single = |what: &str, of: &BTreeSet<String>| {
            if of.len() > 1 {
                let named = of.iter().map(|one| format!("`{one}`")).collect::<Vec<_>>().join(" and ");
                let problem = format!("its rows give it more than one {what}: {named}");
                problems.push(Problem::error(&path, problem, format!("give all of its rows the same {what}")));
            }
            of.first().cloned()
        };
        let (fold, split) = (single("fold", &one.fold), single("split", &one.split));
        let group = single("group", &one.group).unwrap_or_else(|| id.clone());
        let fold = fold.and_then(|fold| match fold.strip_suffix(".0").unwrap_or(&fold).parse() {
            Ok(fold) => Some(fold),
            Err(_) => {
                problems.push(Problem::error(&path, format!("`{fold}` is not a fold"), "number folds 1, 2, ..."));
                None
            }
        });
        let split = match split.as_deref().map(|name| (name, Split::from_name(name))) {
            None => by_folder.get(&place).copied(),
            Some((_, Some(split))) => Some(split),
            Some((name, None)) => {
                let problem = format!("`{name}` is not a split");
                problems.push(Problem::error(&path, problem, "write train, val or test"));
                None
            }
        };
        marked.recordings.push(Recording { id, path, samples: length, events, complete, fold, split, group });
    }
    uneven(&marked.recordings, files.first().map_or(folder, PathBuf::as_path), &mut problems);
    marked.frames = options.frames.unwrap_or(FRAMES);
    let items = items(&mut marked, classes.len());

    let used: BTreeSet<&Path> = marked.recordings.iter().map(|recording| recording.path.as_path()).collect();
    let mut unused: Vec<LeftOut> = sounds
        .paths()
        .iter()
        .filter(|path| !used.contains(path.as_path()))
        .map(|path| LeftOut::new(path, Reason::Unlisted))
        .collect();
    unused.extend(left_out.into_iter().filter(|one| !files.contains(&one.path)));
    let stem = || path.file_stem().map_or_else(|| NAME.to_owned(), |stem| stem.to_string_lossy().into_owned());
    let dataset = Dataset {
        name: if path.is_dir() { name_of(path) } else { stem() },
        root: Some(root.to_owned()),
        layout: NAME,
        classes,
        found: FileCount::of(marked.recordings.len(), &unused),
        items,
        recipe: None,
        notes: marked.notes(),
        marks: Some(Arc::new(marked)),
    };
    Ok(Reading { dataset, problems, left_out: unused })
}

/// Refuses tables that a machine made, unless somebody trusts them: then the number of such rows.
fn trust(tables: &[Marks], options: &Options) -> Result<usize, DataError> {
    let detections = tables.iter().filter_map(|table| Some((table, table.detections()?)));
    let mut trusted = 0;
    for (table, (rows, line)) in detections {
        if !options.trust_detections {
            let (rows, are) = if rows == 1 { ("1 row".to_owned(), "is") } else { (format!("{rows} rows"), "are") };
            return Err(DataError::Unusable {
                path: table.file.clone(),
                problem: format!(
                    "{rows} of {} {are} what a machine detected (the first in line {line}), and no truth to train on or to judge by",
                    table.form.title()
                ),
                remedy: "review them and save them without scores, or say --trust-detections".into(),
            });
        }
        trusted += rows;
    }
    Ok(trusted)
}

/// Adds what a table says to the recordings that it names.
fn gather(
    table: &Marks,
    sounds: &Sounds,
    root: &Path,
    all: &mut BTreeMap<usize, Gathered>,
    problems: &mut Vec<Problem>,
) {
    let beside = table.file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(root);
    let mut lost = 0;
    let mut known: BTreeMap<(String, Option<String>), Option<usize>> = BTreeMap::new();
    let mut find = |audio: &str, path: Option<&str>, line: Option<u64>| {
        let key = (audio.to_owned(), path.map(str::to_owned));
        if let Some(known) = known.get(&key) {
            return *known;
        }
        let found = sounds.find(audio, path, beside);
        let by_line = line.map_or_else(String::new, |line| format!("line {line}: "));
        let problem = match &found {
            Ok(_) => None,
            Err(Lost::Missing) => Some((
                format!("{by_line}there is no recording `{audio}` in or below {}", root.display()),
                "put it there, or take its rows out".to_owned(),
            )),
            Err(Lost::Several(first, second)) => Some((
                format!("{by_line}`{audio}` may be {} or {}", first.display(), second.display()),
                "give its folder in the table as well".to_owned(),
            )),
        };
        if let Some((problem, remedy)) = problem {
            lost += 1;
            if lost <= LISTED {
                problems.push(Problem::error(&table.file, problem, remedy));
            }
        }
        *known.entry(key).or_insert(found.ok())
    };
    for mark in &table.marks {
        if let Some(place) = find(&mark.audio, mark.path.as_deref(), Some(mark.line)) {
            let one = all.entry(place).or_default();
            one.fold.extend(mark.fold.clone());
            one.split.extend(mark.split.clone());
            one.group.extend(mark.group.clone());
            one.marks.push(mark.clone());
        }
    }
    for audio in &table.silent {
        if let Some(place) = find(audio, None, None) {
            all.entry(place).or_default().silent = true;
        }
    }
    if lost > LISTED {
        let problem = format!("and {} more names lead to no recording", lost - LISTED);
        problems.push(Problem::error(&table.file, problem, "put the recordings there, or take their rows out"));
    }
}

/// A recording's events in samples, cut to its length; counts what is outside.
fn events(marks: &[Mark], length: u64, classes: &[String], counts: &mut Marked) -> Vec<Event> {
    let sample = |seconds: f64| (seconds * f64::from(SAMPLE_RATE)).round() as u64;
    let mut events = Vec::with_capacity(marks.len());
    for mark in marks {
        let (start, end) = (sample(mark.start), sample(mark.end));
        if start >= length {
            counts.outside += 1;
            continue;
        }
        // Times are rounded when they are written: a hundredth of a second over the end is none.
        counts.beyond += usize::from(end > length + u64::from(SAMPLE_RATE) / 100);
        if let Ok(class) = classes.binary_search(&mark.label) {
            events.push(Event { span: start..end.min(length), class, says: mark.says });
        }
    }
    events.sort_by_key(|event| (event.span.start, event.span.end, event.class));
    events.dedup();
    events
}

/// Which part each recording is of, where all lie in folders of parts.
fn splits(sounds: &Sounds, places: impl Iterator<Item = usize>, root: &Path) -> BTreeMap<usize, Split> {
    let part = |place: usize| {
        let below = sounds.path(place).strip_prefix(root).ok()?;
        let names = below.parent()?.components();
        names.map(|name| file_name(Path::new(name.as_os_str()))).find_map(|name| Split::from_name(&name))
    };
    let parts: Vec<(usize, Option<Split>)> = places.map(|place| (place, part(place))).collect();
    let different: BTreeSet<&str> = parts.iter().filter_map(|(_, part)| Some(part.as_ref()?.name())).collect();
    if different.contains("train") && different.len() > 1 {
        parts.into_iter().filter_map(|(place, part)| Some((place, part?))).collect()
    } else {
        BTreeMap::new()
    }
}

/// Some recordings with a fold or part and some without.
fn uneven(recordings: &[Recording], file: &Path, problems: &mut Vec<Problem>) {
    for (what, some) in [
        ("fold", recordings.iter().filter(|recording| recording.fold.is_some()).count()),
        ("split", recordings.iter().filter(|recording| recording.split.is_some()).count()),
    ] {
        if some > 0 && some < recordings.len() {
            let problem = format!("{} of {} recordings have no {what}", recordings.len() - some, recordings.len());
            problems.push(Problem::error(file, problem, format!("give every recording its {what}, or none")));
        }
    }
}

/// The windows of all recordings, as clips.
fn items(marked: &mut Marked, classes: usize) -> Vec<Item> {
    let size = crate::audio::FrontEnd::Kaldi.samples_of(marked.frames) as u64;
    let mut all: Vec<(usize, Window)> = Vec::new();
    for (place, one) in marked.recordings.iter().enumerate() {
        let windows = marks::windows(&one.id, one.samples, size, &one.events, one.complete, classes);
        all.extend(windows.into_iter().map(|window| (place, window)));
    }
    // Hours without an event would drown the events.
    let is_spare = |(place, _): &(usize, Window)| marked.recordings[*place].events.is_empty();
    let with_events = all.iter().filter(|(_, window)| !window.is_background()).count();
    let between = all.iter().filter(|one| one.1.is_background() && !is_spare(one)).count();
    let room = (marks::windows::BACKGROUND * with_events).saturating_sub(between);
    let mut silent: Vec<usize> = (0..all.len()).filter(|&at| is_spare(&all[at])).collect();
    KeyedRng::new(0, "silent recordings", 0, 0).shuffle(&mut silent);
    let drop: BTreeSet<usize> = silent.into_iter().skip(room).collect();
    marked.spare = drop.len();
    let mut at = 0;
    all.retain(|_| {
        at += 1;
        !drop.contains(&(at - 1))
    });

    marked.with_events = with_events;
    marked.background = all.len() - with_events;
    marked.masked = all.iter().filter(|(_, window)| window.known.len() < classes).count();
    let item = |(place, window): (usize, Window)| {
        let recording = &marked.recordings[place];
        let start = window.starts.first().copied().unwrap_or(0) as f64 / f64::from(SAMPLE_RATE);
        let seconds = format!("{start:.5}");
        let seconds = seconds.trim_end_matches('0').trim_end_matches('.');
        Item {
            id: format!("{}@{seconds}", recording.id),
            source: Source::Part(Part { path: recording.path.clone(), starts: window.starts, samples: size }),
            label: Label::Many(window.known),
            fold: recording.fold,
            split: recording.split,
            group: Some(recording.group.clone()),
        }
    };
    all.into_iter().map(item).collect()
}
