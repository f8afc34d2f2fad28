//! What Results and Review ask for: sessions' findings, searches for wrong labels, decisions on the disk.

use std::{
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use super::{inbox::Inbox, review_lists::progress, session_files::resolved};
use crate::{
    clock,
    data::{DataError, Decision},
    digits::counted,
    findings::{self, Against, ClipRow, Penalty, SessionFindings},
    session::Store,
    train::{self, Request},
    tui::{
        state::{
            review::{About, ReviewItem, ReviewList, ranked},
            ticket::Ticket,
        },
        update::message::Message,
    },
};

/// Clips of a list of likely wrong labels: at least so many, and twice as many as are likely; and a quarter of that at
/// random.
const LEAST: usize = 30;

/// A session's folder: a bare name is one of the store's.
fn folder(store: &Store, session: &Path) -> PathBuf {
    if session.components().count() == 1 { store.root().join(session) } else { session.to_owned() }
}

/// Computes what a session gets wrong, then compares the other side's.
pub(super) fn results(store: &Store, inbox: &Inbox, ticket: Ticket, session: &Path, other: Option<&Path>) {
    let found = SessionFindings::of_session(&folder(store, session), None).map(Arc::new);
    if inbox.send(Message::Results(ticket, found.clone())).is_err() {
        return;
    }
    if let (Ok(found), Some(other)) = (found, other) {
        let other = SessionFindings::of_session(&folder(store, other), Some(&found));
        let against = other.map(|other| Against::of(&found, &other));
        let _ = inbox.send(Message::Against(ticket, against.map(Arc::new)));
    }
}

/// Fits a calibration to a session or removes the one that it has, and computes everything again.
pub(super) fn calibrate(
    store: &Store,
    inbox: &Inbox,
    ticket: Ticket,
    session: &Path,
    other: Option<&Path>,
    found: &SessionFindings,
) {
    let at = folder(store, session);
    let done = match &found.calibration {
        Some(_) => findings::remove_calibration(&at),
        None => findings::calibrate(&found.kept, &at),
    };
    let _ = inbox.send(match done {
        Ok(notes) => Message::Notice(notes.join("; ").into()),
        Err(problem) => Message::trouble(problem),
    });
    // The request for what was on show before was replaced by this one, which is answered either way.
    results(store, inbox, ticket, session, other);
}

/// Ranks the labels of a data set, and makes a list of those to look at first.
pub(super) fn search(
    store: &Store,
    inbox: &Inbox,
    ticket: Ticket,
    request: &Request,
    again: Request,
    stop: &AtomicBool,
) -> Message {
    let session = store.find(&request.model).ok();
    let bias = session.filter(|session| findings::is_trained_on(session, &request.data));
    let bias = bias.map(|_| findings::trained_on_these_labels(&request.model));
    let request = resolved(store, request.clone());
    let mut progress = progress(inbox, ticket, stop);
    let list = train::embed(&request, &mut progress).map_err(|error| error.to_string()).and_then(|embeddings| {
        let found = findings::label_errors(&embeddings, Penalty::default(), 1, &mut |_, _| {
            if stop.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
        .ok_or("stopped")?;
        let dataset = Arc::clone(&embeddings.dataset);
        let classes = dataset.classes.len().max(1);
        let open = found.open(&embeddings);
        let most = LEAST.max(2 * open.iter().filter(|suspect| suspect.likely).count());
        // Another list is another draw.
        let decided = dataset.corrections.as_ref().map_or(0, |known| known.decided.len());
        let items: Vec<ReviewItem> = findings::with_random_share(open.len(), most, decided as u64)
            .into_iter()
            .map(|(place, at_random)| (open[place], at_random))
            .map(|(suspect, at_random)| ReviewItem {
                index: embeddings.items[suspect.row],
                proposed: suspect.proposed,
                holds: !dataset.is_multi_label() || !suspect.held,
                of_proposed: suspect.of_proposed,
                of_label: Some(suspect.self_confidence),
                also: ranked(&found.probabilities[suspect.row * classes..(suspect.row + 1) * classes]),
                likely: suspect.likely,
                at_random,
            })
            .collect();
        let shape = &embeddings.config.shape;
        let cut = shape.front_end().ok().map(|front_end| front_end.samples_of(shape.frames()) as u64);
        let title = format!("labels of {} that are likely wrong, by {}", dataset.name, embeddings.config.model);
        // There is room for one line: what makes the list less useful comes first.
        let mut notes: Vec<String> = bias.into_iter().collect();
        if !embeddings.unreadable.is_empty() {
            notes.push(format!("{} could not be read", counted(embeddings.unreadable.len(), "clip")));
        }
        notes.extend(dataset.notes.iter().cloned());
        let (about, again, session) = (About::Labels, Some(Box::new(again)), None);
        Ok(Arc::new(ReviewList { title, about, dataset, items, again, session, notes, cut }))
    });
    Message::Searched(ticket, list)
}

/// Puts a decision on the disk.
pub(super) fn decide(ticket: Ticket, list: &ReviewList, index: usize, decision: Decision) -> Message {
    if let About::Detections(detections) = &list.about {
        let gone = || DataError::Request(format!("there is no detection {index}"));
        let sighting = detections.sightings.get(index).ok_or_else(gone);
        let made = sighting
            .and_then(|one| detections.file.append_review(one, &detections.session, &decision, clock::now_ms()));
        return Message::Saved(ticket, made.map_err(|error| error.to_string()));
    }
    let made = list.dataset.decide(index, decision, &list.title, clock::now_ms()).and_then(|correction| {
        let file = list.dataset.corrections.as_ref().map(|corrections| corrections.file.clone());
        match file {
            Some(file) => file.append(&correction),
            None => Err(DataError::Request("this data set has no place for corrections".to_owned())),
        }
    });
    Message::Saved(ticket, made.map_err(|error| error.to_string()))
}

/// Writes the clips of a session's validation as a table, the highest loss first.
pub(super) fn write_errors(path: &Path, found: &SessionFindings) -> Message {
    let row = |row: &usize| ClipRow::of(&found.clips[*row], found.kept.name(*row), found.labels());
    let rows: Vec<ClipRow> = found.by_loss.iter().map(row).collect();
    let written = findings::write_table(path, &rows);
    match written {
        Ok(()) => Message::Notice(format!("{} clips are in {}", found.clips.len(), path.display()).into()),
        Err(error) => Message::trouble(format!("{}: {error}", path.display())),
    }
}
