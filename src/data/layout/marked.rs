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
    recordings::{Gathered, Places, gather},
    walk::{Listing, Tree, tree},
};
use crate::{
    audio::{SAMPLE_RATE, frames_of},
    data::{
        DataError, Dataset, FileCount, Item, Label, LeftOut, Part, Problem, Reason, Source, Split, length,
        marks::{self, Event, Form, Mark, Marked, Marks, Options, Recording, Window},
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
/// Names of tables that mean all that is in their folder.
const LISTS: &[&str] = &["manifest", "metadata"];
/// Files below a folder that are looked at before it is taken for something else.
const LOOKED_AT: usize = 500;
/// Frames of a window by default: 3 seconds in whole patches.
const FRAMES: usize = 304;

/// The tables of marks at a path: the file itself, or those in and below a folder.
fn tables_at(path: &Path) -> Vec<PathBuf> {
    let is_table = |file: &PathBuf| ending_in(file, TABLES) && marks::sniff(file).is_some();
    if !path.is_dir() {
        return Some(path.to_owned()).filter(is_table).into_iter().collect();
    }
    // A manifest or Hugging Face's table decides for the whole folder, whatever else is in it.
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

fn read(path: &Path, options: &Options) -> Result<Reading, DataError> {
    let files = tables_at(path);
    let root = if path.is_dir() { path } else { path.parent().unwrap_or(Path::new("")) };
    let folder = if root.as_os_str().is_empty() { Path::new(".") } else { root };
    let mut tables = Vec::with_capacity(files.len());
    for file in &files {
        tables.push(marks::read(file, options)?);
    }
    let trusted = trust(&tables, options)?;

    let (mut places, mut problems) = (Places::below(folder), Vec::new());
    let mut gathered: BTreeMap<PathBuf, Gathered> = BTreeMap::new();
    let mut marked = Marked { tables: tables.len(), trusted, ..Marked::default() };
    for table in &tables {
        marked.unlabelled += table.unlabelled;
        gather(table, &mut places, &mut gathered, &mut problems)?;
    }
    let classes: Vec<String> = gathered
        .values()
        .flat_map(|one| one.marks.iter().map(|mark| mark.label.clone()))
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect();
    recordings(gathered, folder, options, &classes, &mut marked, &mut problems);
    uneven(&marked.recordings, files.first().map_or(folder, PathBuf::as_path), &mut problems);
    let manifest = tables.iter().all(|table| table.form == Form::Generic);
    marked.frames = options.frames.unwrap_or_else(|| if manifest { typical(&marked) } else { FRAMES });
    let items = items(&mut marked, classes.len());

    let left_out = unused(path, &marked.recordings, &files)?;
    let stem = || path.file_stem().map_or_else(|| NAME.to_owned(), |stem| stem.to_string_lossy().into_owned());
    let dataset = Dataset {
        name: if path.is_dir() { name_of(path) } else { stem() },
        root: Some(root.to_owned()),
        layout: NAME,
        classes,
        found: FileCount::of(marked.recordings.len(), &left_out),
        items,
        recipe: None,
        notes: marked.notes(),
        marks: Some(Arc::new(marked)),
        corrections: None,
    };
    Ok(Reading { dataset, problems, left_out })
}

/// Frames of a window where a manifest gives parts of files: as long as nine of ten of them, in whole patches, at most 3 seconds.
/// A longer window would hold what is beside a part.
fn typical(marked: &Marked) -> usize {
    /// The least that is proposed, as for clips.
    const LEAST: usize = 32;
    let spans = marked.recordings.iter().flat_map(|recording| &recording.events).map(|event| &event.span);
    let mut lengths: Vec<u64> = spans.map(|span| span.end - span.start).filter(|length| *length > 0).collect();
    lengths.sort_unstable();
    let ninth = lengths.get(lengths.len().saturating_sub(1) * 9 / 10).copied();
    ninth.map_or(FRAMES, |samples| frames_of(samples as usize).next_multiple_of(16).clamp(LEAST, FRAMES))
}

/// Makes recordings of what was gathered: their lengths, their events, their parts.
fn recordings(
    gathered: BTreeMap<PathBuf, Gathered>,
    folder: &Path,
    options: &Options,
    classes: &[String],
    marked: &mut Marked,
    problems: &mut Vec<Problem>,
) {
    let paths: Vec<PathBuf> = gathered.keys().cloned().collect();
    let by_folder = splits(&paths, folder);
    let go_on = &mut |_: usize, _: usize| ControlFlow::Continue(());
    let lengths = parallel::map(paths.len(), || (), |(), at| length::samples(&paths[at]), go_on);
    for ((path, one), length) in gathered.into_iter().zip(lengths.unwrap_or_default()) {
        let length = match length {
            Ok(length) => length,
            Err(error) => {
                problems.push(error.into());
                continue;
            }
        };
        let id = id_of(folder, &path);
        let complete = options.marked_in_full || one.silent && one.marks.is_empty();
        let single = one.decided;
        let events = events(&one.marks, length, classes, marked);
        let mut agreed = |what: &str, of: &BTreeSet<String>| {
            if of.len() > 1 {
                let named = of.iter().map(|one| format!("`{one}`")).collect::<Vec<_>>().join(" and ");
                let problem = format!("its rows give it more than one {what}: {named}");
                problems.push(Problem::error(&path, problem, format!("give all of its rows the same {what}")));
            }
            of.first().cloned()
        };
        let (fold, split) = (agreed("fold", &one.fold), agreed("split", &one.split));
        let group = agreed("group", &one.group).unwrap_or_else(|| id.clone());
        let fold = fold.and_then(|fold| match fold.strip_suffix(".0").unwrap_or(&fold).parse() {
            Ok(fold) => Some(fold),
            Err(_) => {
                problems.push(Problem::error(&path, format!("`{fold}` is not a fold"), "number folds 1, 2, ..."));
                None
            }
        });
        let split = match split.as_deref().map(|name| (name, Split::from_name(name))) {
            None => by_folder.get(&path).copied(),
            Some((_, Some(split))) => Some(split),
            Some((name, None)) => {
                let problem = format!("`{name}` is not a split");
                problems.push(Problem::error(&path, problem, "write train, val or test"));
                None
            }
        };
        marked.recordings.push(Recording { id, path, samples: length, events, complete, single, fold, split, group });
    }
}

/// Files that are there and not used: all below a folder; of a table alone, those beside its recordings.
fn unused(given: &Path, recordings: &[Recording], tables: &[PathBuf]) -> Result<Vec<LeftOut>, DataError> {
    let used: BTreeSet<&Path> = recordings.iter().map(|recording| recording.path.as_path()).collect();
    let (mut sounds, mut left_out) = (Vec::new(), Vec::new());
    if given.is_dir() {
        let tree = tree(given)?;
        (sounds, left_out) = (tree.sounds, tree.left_out);
    } else {
        let folders: BTreeSet<&Path> = used.iter().filter_map(|path| path.parent()).collect();
        for folder in folders {
            let Ok(listing) = Listing::of(folder) else { continue };
            sounds.extend(listing.sounds);
            left_out.extend(listing.left_out);
        }
    }
    left_out.retain(|one| !tables.contains(&one.path));
    let others = sounds.into_iter().filter(|path| !used.contains(path.as_path()));
    left_out.extend(others.map(|path| LeftOut::new(path, Reason::Unlisted)));
    Ok(left_out)
}

/// Refuses tables that a machine made, unless they are trusted: then the number of such rows.
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
                remedy: "review them and save them without scores, or give --trust-detections".into(),
            });
        }
        trusted += rows;
    }
    Ok(trusted)
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
            events.push(Event { span: start..end.min(length), class, presence: mark.presence });
        }
    }
    events.sort_by_key(|event| (event.span.start, event.span.end, event.class));
    events.dedup();
    events
}

/// Which part each recording is of, where all are in folders of parts.
fn splits(paths: &[PathBuf], root: &Path) -> BTreeMap<PathBuf, Split> {
    let part = |path: &PathBuf| {
        let names = path.strip_prefix(root).ok()?.parent()?.components();
        names.map(|name| file_name(Path::new(name.as_os_str()))).find_map(|name| Split::from_name(&name))
    };
    let parts: Vec<Option<Split>> = paths.iter().map(part).collect();
    let different: BTreeSet<&str> = parts.iter().flatten().map(|part| part.name()).collect();
    if parts.iter().all(Option::is_some) && different.contains("train") && different.len() > 1 {
        paths.iter().cloned().zip(parts.into_iter().flatten()).collect()
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
        let windows = marks::windows(&one.id, one.samples, size, &one.events, (one.complete, one.single), classes);
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
