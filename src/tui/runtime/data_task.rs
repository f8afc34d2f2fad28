//! Data for the workbench: reads it, checks it, and looks at folders.

use std::{
    fs,
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use super::inbox::Inbox;
use crate::{
    data::{self, DataError, Listing, Reason, Seen},
    digits::counted,
    tui::{
        state::{
            data::Found,
            data_view::DataView,
            folder_browser::{Entry, Listed},
            ticket::Ticket,
        },
        update::{effect::Place, message::Message},
    },
};

/// How often what a check has found is sent.
const NEWS: Duration = Duration::from_millis(100);
/// Most entries of a folder that are shown.
const MOST: usize = 2_000;

/// Decodes every clip of the data until it is asked to stop, and sends what it finds.
pub(super) fn check(inbox: &Inbox, ticket: Ticket, view: &DataView, stop: &AtomicBool) {
    let (mut found, mut shown) = (Found::default(), view.reading.problems.len());
    let mut sent = Instant::now();
    let mut watch = |seen: Seen<'_>| {
        match seen {
            Seen::Progress(done, total) => found.progress = (done, total),
            Seen::Clip(place, facts) => found.facts.push((place as u32, facts)),
            // Those of the structure come first, and are on show already.
            Seen::Problem(_) if shown > 0 => shown -= 1,
            Seen::Problem(problem) => found.problems.push(problem.clone()),
        }
        let is_last = found.progress.0 == found.progress.1;
        if sent.elapsed() >= NEWS || (is_last && found.progress.1 > 0) {
            sent = Instant::now();
            let news = Found { progress: found.progress, ..std::mem::take(&mut found) };
            found.progress = news.progress;
            if inbox.send(Message::DataFound(ticket, Box::new(news))).is_err() {
                return ControlFlow::Break(());
            }
        }
        if stop.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let checked = data::check_reading(view.reading.clone(), &view.spec, &mut watch);
    let message = match checked {
        Ok(report) => Message::DataChecked(ticket, Ok(report.problems)),
        // A stop that was requested needs no message.
        Err(DataError::Cancelled) => return,
        Err(error) => Message::DataChecked(ticket, Err(error.to_string())),
    };
    let _ = inbox.send(message);
}

/// Lists a folder, then sends what each entry looks like; ends early when `newest` is another request's number.
pub(super) fn browse(
    inbox: &Inbox,
    ticket: Ticket,
    place: &Place,
    recent: Vec<String>,
    newest: &Arc<AtomicU64>,
    number: u64,
) {
    let listed = list(place);
    let entries = listed.entries.clone().unwrap_or_default();
    if inbox.send(Message::Folder(ticket, listed)).is_err() {
        return;
    }
    // What is in the folder is what a person looks at first.
    for spec in entries.into_iter().map(|entry| entry.spec).chain(recent) {
        if newest.load(Ordering::Relaxed) != number {
            return;
        }
        let glance = data::glance(Path::new(&spec));
        if spec != "demo" && inbox.send(Message::Glanced(ticket, spec, glance)).is_err() {
            return;
        }
    }
}

/// A folder's path from the root on, and the folders and tables in it.
fn list(place: &Place) -> Listed {
    let folder = match place {
        Place::In(folder) => folder.clone(),
        Place::Around(data) => {
            let path = Path::new(data);
            let above = path.canonicalize().ok().and_then(|path| path.parent().map(Path::to_owned));
            above.unwrap_or_else(|| PathBuf::from("."))
        }
    };
    let folder = match folder.canonicalize() {
        Ok(folder) => folder,
        Err(error) => {
            let problem = format!("{}: {error}", folder.display());
            return Listed { folder: Some(folder), entries: Err(problem), left_out: None };
        }
    };
    let listing = match Listing::of(&folder) {
        Ok(listing) => listing,
        Err(error) => return Listed { folder: Some(folder), entries: Err(error.to_string()), left_out: None },
    };
    let tables = listing.left_out.iter().filter(|one| one.reason == Reason::Document && is_table(&one.path));
    let folders = listing.folders.iter().map(|path| (path, true));
    let (named, unnamed): (Vec<_>, Vec<_>) = folders
        .chain(tables.map(|one| (&one.path, false)))
        // Data is given as text.
        .partition(|(path, _)| path.to_str().is_some());
    let mut left_out = Vec::new();
    if named.len() > MOST {
        left_out.push(format!("{} more are not listed: type :data and the path", named.len() - MOST));
    }
    if !unnamed.is_empty() {
        let names = counted(unnamed.len(), "name");
        left_out.push(format!("{names} that cannot be typed (not UTF-8) left out: rename them"));
    }
    let entries = named.into_iter().take(MOST).map(|(path, is_folder)| Entry::found(path, is_folder)).collect();
    let left_out = (!left_out.is_empty()).then(|| left_out.join("; "));
    Listed { folder: Some(folder), entries: Ok(entries), left_out }
}

/// Whether a file may be a table that is data.
fn is_table(path: &Path) -> bool {
    let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
    ending.is_some_and(|ending| ["csv", "tsv", "jsonl", "ndjson"].contains(&ending.as_str()))
        && fs::metadata(path).is_ok_and(|metadata| metadata.len() > 0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::{
        audio::testing::wav,
        train::Request,
        tui::{runtime::inbox, state::ticket::Tickets},
    };

    fn set() -> (tempfile::TempDir, String) {
        let folder = tempfile::tempdir().unwrap();
        for (name, samples) in [("dog/a", 16_000), ("dog/b", 8_000), ("rain/c", 4_000), ("rain/d", 32_000)] {
            let shift = samples % 7;
            wav(&folder.path().join(format!("{name}.wav")), samples, |n| ((n + shift) % 90) as i16 * 100);
        }
        let spec = folder.path().to_string_lossy().into_owned();
        (folder, spec)
    }

    #[test]
    fn a_check_sends_every_clip_and_problem_and_then_the_report() {
        let (folder, spec) = set();
        std::fs::write(folder.path().join("rain/broken.wav"), "RIFF").unwrap();
        let view = DataView::read(&Request { data: spec, ..Request::default() }).unwrap();
        assert_eq!((view.rows.len(), view.rows[0].clips.len(), view.rows[2].parts), (3, 5, [2, 1, 0]));
        let (sender, mut answers) = inbox::channel();
        let ticket = Tickets::default().draw();
        check(&sender, ticket, &view, &AtomicBool::new(false));
        drop(sender);
        let (mut facts, mut problems, mut report) = (0, 0, None);
        while let Some(message) = answers.blocking_recv() {
            match message {
                Message::DataFound(_, found) => {
                    facts += found.facts.len();
                    problems += found.problems.len();
                }
                Message::DataChecked(_, Ok(all)) => report = Some(all),
                other => unreachable!("{other:?}"),
            }
        }
        assert_eq!((facts, problems), (4, 1));
        let report = report.unwrap();
        assert!(report[0].path.ends_with("broken.wav") && view.clip_of(&report[0].path).is_some());
    }

    #[test]
    fn a_folder_is_listed_and_what_is_in_it_is_recognised() {
        let (folder, spec) = set();
        std::fs::create_dir(folder.path().join("empty")).unwrap();
        let (sender, mut answers) = inbox::channel();
        let ticket = Tickets::default().draw();
        let around = Place::Around(format!("{spec}/dog"));
        browse(&sender, ticket, &around, vec![spec.clone(), "demo".into()], &Arc::default(), 0);
        drop(sender);
        let Some(Message::Folder(_, listed)) = answers.blocking_recv() else { unreachable!() };
        assert_eq!(listed.folder, Some(folder.path().canonicalize().unwrap()));
        assert_eq!((listed.entries.unwrap().len(), listed.left_out), (3, None));
        let mut layouts = Vec::new();
        while let Some(Message::Glanced(_, spec, glance)) = answers.blocking_recv() {
            layouts.push((text_of(&spec), glance.layout));
        }
        let expected = [("dog", None), ("empty", None), ("rain", None)];
        assert_eq!(layouts[..3], expected.map(|(name, layout)| (name.to_owned(), layout)));
        assert_eq!(layouts[3].1, Some("folders"));
        assert_eq!(layouts.len(), 4, "demo needs no look");
    }

    #[test]
    fn a_folder_that_is_not_there_is_named_and_names_that_cannot_be_typed_are_counted() {
        let folder = tempfile::tempdir().unwrap();
        let gone = folder.path().join("gone");
        let listed = list(&Place::In(gone.clone()));
        assert_eq!(listed.folder, Some(gone.clone()));
        assert!(listed.entries.unwrap_err().contains("gone"));
        #[cfg(unix)]
        {
            use std::{ffi::OsStr, os::unix::ffi::OsStrExt};
            std::fs::create_dir(folder.path().join(OsStr::from_bytes(b"d\xf6gs"))).unwrap();
            std::fs::create_dir(folder.path().join("cats")).unwrap();
            std::os::unix::fs::symlink(&gone, folder.path().join("dangling")).unwrap();
            std::os::unix::fs::symlink("around", folder.path().join("around")).unwrap();
            let listed = list(&Place::In(folder.path().to_owned()));
            let left_out = listed.left_out.unwrap();
            assert!(left_out.contains("1 name that cannot be typed"), "{left_out}");
            let entries = listed.entries.unwrap();
            assert!(entries.len() == 1 && entries[0].spec.ends_with("cats"), "{entries:?}");
        }
    }

    fn text_of(spec: &str) -> String {
        crate::tui::text::last_part(spec)
    }
}
