//! Lists for Review: detections of a scan, Live's bookmarks, clips that are like one.

use std::{
    collections::HashSet,
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use super::{inbox::Inbox, session_files::resolved};
use crate::{
    audio::SoundFile,
    data::{self, Chosen, CorrectionsFile, Dataset, Item, Label, Sighting, Source},
    digits::{counted, thousands},
    findings::{self, Detected, detections_to_review},
    live::{Bookmark, BookmarkList},
    scan::Row,
    session::{self, RunConfig, Store},
    train::{self, Request},
    tui::{
        input::action::Screen,
        state::{
            review::{About, Detections, ReviewItem, ReviewList, ToReview},
            scanning::clip_of,
            ticket::Ticket,
        },
        text,
        update::message::Message,
    },
};

/// Detections of a list, at most: those that are left come when it is decided.
const MOST: usize = 500;
/// Clips of a list of those that are like one.
const ALIKE: usize = 50;

/// A list of detections.
pub(super) fn detections(store: &Store, ticket: Ticket, wanted: ToReview) -> Message {
    let list = match wanted {
        ToReview::Scan { session, recordings, rows } => of_scan(store, &session, &recordings, rows),
        ToReview::Bookmarks(session) => of_bookmarks(store, &session),
    };
    Message::Searched(ticket, list.map(Arc::new))
}

/// A session that detected something.
struct Detector {
    folder: PathBuf,
    name: String,
    config: RunConfig,
}

impl Detector {
    fn find(store: &Store, session: &Path) -> Result<Self, String> {
        let folder = store.find(&session.to_string_lossy()).map_err(|error| error.to_string())?;
        let state = session::outline(&folder).map_err(|error| error.to_string())?;
        let name = text::file_name(&folder);
        let config = state.config.ok_or_else(|| format!("{name}: its log does not say what was trained"))?;
        Ok(Self { folder, name, config: *config })
    }

    fn class(&self, label: &str) -> Option<usize> {
        self.config.labels.iter().position(|own| own == label)
    }
}

/// A detection with what is shown of it.
struct Shown {
    sighting: Sighting,
    class: usize,
    name: String,
    source: Source,
    /// Classes with their scores, the highest first, as far as they are known.
    also: Vec<(usize, f32)>,
}

/// The detections of a scan that nobody has decided about yet.
fn of_scan(store: &Store, session: &Path, recordings: &Path, rows: Vec<Row>) -> Result<ReviewList, String> {
    let detector = Detector::find(store, session)?;
    let file = CorrectionsFile::of_recordings(recordings);
    let all = rows.len();
    let mut open: Vec<(Sighting, Row)> = rows.into_iter().map(|row| (sighting_of(&row), row)).collect();
    let known = decided(&file)?;
    open.retain(|(sighting, _)| !is_decided(&known, &file, sighting));
    let candidates: Vec<Detected<'_>> = open.iter().map(|(_, row)| detected_of(row)).collect();
    // Another list is another draw.
    let chosen = detections_to_review(&candidates, MOST, known.len() as u64);
    if chosen.is_empty() {
        return Err(format!("everything that is listed is decided: {}", counted(all, "detection")));
    }
    let shown: Vec<Shown> = chosen
        .iter()
        .filter_map(|&(place, why)| {
            let (sighting, row) = open.get(place)?;
            let class = detector.class(&row.label)?;
            let clip = clip_of(&row.file, row.start, row.end);
            let sighting = Sighting { chosen: Some(why), ..sighting.clone() };
            Some(Shown { sighting, class, name: clip.name, source: clip.source, also: vec![(class, row.score)] })
        })
        .collect();
    let mut notes = Vec::new();
    if open.len() > shown.len() {
        notes.push(format!(
            "{} of {} that are open: a fifth at random, at most three from a minute, few from one recording",
            thousands(shown.len()),
            thousands(open.len())
        ));
    }
    if all > open.len() {
        notes.push(format!("{} decided before", counted(all - open.len(), "detection")));
    }
    let what = text::last_part(&recordings.display().to_string());
    let title = format!("what {} detects in {what}", detector.name);
    list(title, &detector, file, shown, Screen::Scan, notes)
}

/// A detection of a scan, with the place of its recording.
fn sighting_of(row: &Row) -> Sighting {
    let recording = Path::new(&row.file);
    let recording = std::path::absolute(recording).unwrap_or_else(|_| recording.to_owned());
    Sighting { recording, start: row.start, end: row.end, detected: row.label.clone(), score: row.score, chosen: None }
}

fn detected_of(row: &Row) -> Detected<'_> {
    Detected { file: &row.file, start: row.start, label: &row.label, score: row.score, margin: row.margin }
}

/// A session's bookmarks that nobody has decided about yet.
fn of_bookmarks(store: &Store, session: &Path) -> Result<ReviewList, String> {
    let detector = Detector::find(store, session)?;
    let BookmarkList { bookmarks, unread } = Bookmark::list(&detector.folder).map_err(|error| error.to_string())?;
    let folder = bookmarks.first().and_then(|one| one.clip(&detector.folder).parent().map(Path::to_owned));
    let Some(folder) = folder else { return Err(format!("{} has no bookmarks", detector.name)) };
    let file = CorrectionsFile::of_recordings(&folder);
    let known = decided(&file)?;
    let mut open: Vec<(Shown, f32)> = Vec::new();
    let (mut before, mut unknown) = (0, 0);
    for bookmark in &bookmarks {
        let Some((shown, margin)) = of_bookmark(&detector, bookmark) else {
            unknown += 1;
            continue;
        };
        if is_decided(&known, &file, &shown.sighting) {
            before += 1;
        } else {
            open.push((shown, margin));
        }
    }
    let files: Vec<String> = open.iter().map(|(shown, _)| shown.sighting.recording.display().to_string()).collect();
    let candidates: Vec<Detected<'_>> = open
        .iter()
        .zip(&files)
        .map(|((shown, margin), file)| Detected {
            file,
            start: 0.0,
            label: &shown.sighting.detected,
            score: shown.sighting.score,
            margin: *margin,
        })
        .collect();
    let chosen = detections_to_review(&candidates, open.len(), known.len() as u64);
    let mut open: Vec<Option<Shown>> = open.into_iter().map(|(shown, _)| Some(shown)).collect();
    let shown: Vec<Shown> = chosen
        .into_iter()
        .filter_map(|(place, why)| {
            let mut shown = open.get_mut(place)?.take()?;
            shown.sighting.chosen = Some(why);
            Some(shown)
        })
        .collect();
    if shown.is_empty() {
        return Err(format!("every bookmark of {} is decided, or has no answer of it", detector.name));
    }
    let mut notes = Vec::new();
    if before > 0 {
        notes.push(format!("{} decided before", counted(before, "bookmark")));
    }
    if unknown > 0 {
        notes.push(format!("{} without an answer of this session, or without sound", counted(unknown, "bookmark")));
    }
    if unread > 0 {
        notes.push(format!("{} cannot be read and left out", counted(unread, "bookmark")));
    }
    list(format!("bookmarks of {}", detector.name), &detector, file, shown, Screen::Live, notes)
}

/// A bookmark as a detection of what its session answered, and the margin of that.
fn of_bookmark(detector: &Detector, bookmark: &Bookmark) -> Option<(Shown, f32)> {
    let own = bookmark.predictions.iter().find(|one| one.listener == detector.name).or(bookmark.predictions.first())?;
    let known = own.scores.iter().filter_map(|(label, score)| Some((detector.class(label)?, *score)));
    let also: Vec<(usize, f32)> = known.collect();
    let &(class, score) = also.first()?;
    let margin = score - also.get(1).map_or(0.0, |one| one.1);
    let path = bookmark.clip(&detector.folder);
    let path = std::path::absolute(&path).unwrap_or(path);
    let sound = SoundFile::open(&path).ok()?;
    let end = sound.length()? as f64 / f64::from(sound.rate().max(1));
    let detected = detector.config.labels[class].clone();
    let sighting = Sighting { recording: path.clone(), start: 0.0, end, detected, score, chosen: None };
    let name = format!("{} at {}", bookmark.source, text::clock(bookmark.time_s));
    Some((Shown { sighting, class, name, source: Source::File(path), also }, margin))
}

/// What decisions there are about.
fn decided(file: &CorrectionsFile) -> Result<HashSet<data::SightingKey>, String> {
    let Some(path) = file.path() else { return Ok(HashSet::new()) };
    let reviews = data::reviews(path).map_err(|error| error.to_string())?;
    Ok(reviews.standing.iter().map(|(_, review)| review.key()).collect())
}

fn is_decided(known: &HashSet<data::SightingKey>, file: &CorrectionsFile, sighting: &Sighting) -> bool {
    !known.is_empty() && file.path().is_some_and(|path| known.contains(&sighting.key(path)))
}

/// The list of these detections, in this order.
fn list(
    title: String,
    detector: &Detector,
    file: CorrectionsFile,
    shown: Vec<Shown>,
    from: Screen,
    mut notes: Vec<String>,
) -> Result<ReviewList, String> {
    let place = file.place();
    let data = place.as_ref().map(|place| place.path.display().to_string());
    let data = data.ok_or("there is no folder for decisions; set AAT_TUI_CORRECTIONS")?;
    let (own, note) = Request::again(&detector.config, detector.config.method);
    notes.extend(note);
    let again = Request { data, marks: Default::default(), fold: None, ..own };
    let items = shown.iter().enumerate().map(|(index, one)| ReviewItem {
        index,
        proposed: one.class,
        holds: true,
        of_proposed: one.sighting.score,
        of_label: Some(one.sighting.score),
        also: one.also.clone(),
        likely: false,
        at_random: one.sighting.chosen == Some(Chosen::Random),
    });
    let items = items.collect();
    let clip = |one: &Shown| Item {
        id: one.name.clone(),
        source: one.source.clone(),
        label: Label::One(one.class),
        fold: None,
        split: None,
        group: None,
    };
    let dataset = Dataset {
        name: title.clone(),
        classes: detector.config.labels.clone(),
        items: shown.iter().map(clip).collect(),
        ..Dataset::default()
    };
    let sightings = shown.into_iter().map(|one| one.sighting).collect();
    let about =
        About::Detections(Box::new(Detections { file, place, session: detector.name.clone(), sightings, from }));
    let (session, again) = (Some(detector.folder.clone()), Some(Box::new(again)));
    Ok(ReviewList { title, about, dataset: Arc::new(dataset), items, again, session, notes, cut: None })
}

/// The clips that are most like one, as a list that proposes its class for each.
pub(super) fn alike(
    store: &Store,
    inbox: &Inbox,
    ticket: Ticket,
    again: Request,
    session: Option<PathBuf>,
    clip: &str,
    stop: &AtomicBool,
) -> Message {
    let mut progress = progress(inbox, ticket, stop);
    let embeddings = train::embed(&resolved(store, again.clone()), &mut progress).map_err(|error| error.to_string());
    let list = embeddings.and_then(|embeddings| {
        let dataset = Arc::clone(&embeddings.dataset);
        let row = embeddings.items.iter().position(|index| dataset.items[*index].id == clip);
        let row = row.ok_or_else(|| format!("{clip} is not in {} any more, or cannot be read", dataset.name))?;
        let label = &dataset.items[embeddings.items[row]].label;
        let class = label.present().first().copied();
        let is_open =
            |index: usize| dataset.corrections.as_ref().is_none_or(|known| !known.decided.contains_key(&index));
        let near = findings::most_like(&embeddings.vectors, embeddings.width, row, embeddings.items.len());
        let items: Vec<ReviewItem> = near
            .into_iter()
            .map(|(other, likeness)| (embeddings.items[other], likeness))
            .filter(|(index, _)| is_open(*index))
            .take(ALIKE)
            .map(|(index, likeness)| {
                let own = dataset.items[index].label.present().first().copied();
                let proposed = class.or(own).unwrap_or(0);
                let of_proposed = likeness;
                ReviewItem {
                    index,
                    proposed,
                    holds: true,
                    of_proposed,
                    of_label: None,
                    also: Vec::new(),
                    likely: false,
                    at_random: false,
                }
            })
            .collect();
        if items.is_empty() {
            return Err(format!("every clip of {} is decided", dataset.name));
        }
        let shape = &embeddings.config.shape;
        let cut = shape.front_end().ok().map(|front_end| front_end.samples_of(shape.frames()) as u64);
        let title = format!("clips like {}, by {}", text::last_part(clip), embeddings.config.model);
        let notes = vec!["the number beside what is proposed is the likeness: 1 for the same vector".to_owned()];
        let (about, again) = (About::Labels, Some(Box::new(again)));
        Ok(Arc::new(ReviewList { title, about, dataset, items, again, session, notes, cut }))
    });
    Message::Searched(ticket, list)
}

/// Sends how far a search is, and ends it where that is asked for.
pub(super) fn progress<'p>(
    inbox: &'p Inbox,
    ticket: Ticket,
    stop: &'p AtomicBool,
) -> impl FnMut(usize, usize) -> ControlFlow<()> + 'p {
    move |done, total| {
        // Not a message for each of thousands of clips.
        let is_due = done == total || done.is_multiple_of((total / 100).max(1));
        if stop.load(Ordering::Relaxed) || is_due && inbox.send(Message::Searching(ticket, done, total)).is_err() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }
}

#[cfg(test)]
#[path = "review_lists_tests.rs"]
mod tests;
