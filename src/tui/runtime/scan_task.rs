//! A scan of recordings in the workbench, on a thread of its own.

use std::{
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use super::inbox::Inbox;
use crate::{
    infer::Classifier,
    scan::{self, Event, Format, Grid, Plan, Progress, Row, Rules, ScanError, Thresholds, Unread},
    session::Store,
    tui::{
        state::{
            scanning::{ScanNews, ScanRequest},
            ticket::Ticket,
        },
        update::message::Message,
    },
};

/// How often news are sent.
const NEWS: Duration = Duration::from_millis(100);
/// The folder of results, beside that of sessions, and below it one for each session.
const FOLDER: &str = "scans";

/// Scans until it is asked to stop, and sends what happens under this ticket. The same request goes on where an earlier
/// one was stopped.
pub(super) fn scan(inbox: &Inbox, ticket: Ticket, store: &Store, request: &ScanRequest, stop: &AtomicBool) {
    let mut news = News { inbox, ticket, sent: Instant::now(), progress: None, rows: Vec::new() };
    let outcome = run(&mut news, store, request, stop);
    news.flush();
    let over = match outcome {
        Ok(over) => Ok(over),
        Err(ScanError::Broken) => Err("stopped; what is done is kept".to_owned()),
        Err(error) => Err(error.to_string()),
    };
    news.send(ScanNews::Over(over));
}

fn run(
    news: &mut News<'_>,
    store: &Store,
    request: &ScanRequest,
    stop: &AtomicBool,
) -> Result<(f64, Vec<PathBuf>), ScanError> {
    let go_on = || if stop.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
    let session = request.session.to_string_lossy();
    let mut classifier = Classifier::open(&session, store, &request.device)?;
    for note in classifier.notes().to_vec() {
        news.send(ScanNews::Note(note));
    }
    let grid = Grid::new(classifier.frames(), None, None).map_err(ScanError::Request)?;
    let (classes, thresholds) = rules(news, store, &session, classifier.labels(), request.threshold)?;
    let mut searched = Instant::now();
    let found = scan::find(&request.paths, |count| {
        if searched.elapsed() >= NEWS {
            searched = Instant::now();
            news.send(ScanNews::Searching(count));
        }
        go_on()
    })
    .ok_or(ScanError::Broken)?;
    if found.recordings.is_empty() {
        let reason = found.unread.first().map(|unread| unread.error.clone());
        return Err(ScanError::Request(reason.unwrap_or_else(|| "no sound files are there".to_owned())));
    }
    let out = folder(store, classifier.name());
    news.send(ScanNews::Begun {
        labels: classifier.labels().to_vec(),
        files: found.recordings.len(),
        out: out.clone(),
    });
    let plan = Plan {
        session: classifier.name().to_owned(),
        given: request.paths.iter().map(|path| path.display().to_string()).collect(),
        found,
        out,
        grid,
        rules: Rules { classes, smooth: 0, min_duration: 0, max_gap: 0 },
        thresholds,
        formats: vec![Format::Csv],
        scores: false,
        embeddings: false,
        clips: None,
        began: None,
        batch: None,
        // Its own tables of other recordings, or at another threshold.
        replace: true,
    };
    let summary = scan::run(&mut classifier, &plan, &mut |event| {
        news.take(event);
        go_on()
    })?;
    Ok((summary.hours, summary.written))
}

/// The rule of each class: the session's own thresholds where it has some, but detections down to the given one are listed.
fn rules(
    news: &News<'_>,
    store: &Store,
    session: &str,
    labels: &[String],
    threshold: f32,
) -> Result<(Vec<Option<scan::ClassRule>>, String), ScanError> {
    let beside = store.find(session).ok().map(|folder| Thresholds::of_session(&folder)).transpose()?.flatten();
    if let Some((path, _)) = beside {
        news.send(ScanNews::Note(format!("the threshold is that of this screen, not those of {}", path.display())));
    }
    let thresholds = Thresholds { threshold: Some(threshold), ..Thresholds::default() };
    Ok((thresholds.rules(labels).map_err(ScanError::Request)?, "the workbench".to_owned()))
}

/// Where the results of a session's scans are.
fn folder(store: &Store, session: &str) -> PathBuf {
    store.root().parent().unwrap_or(Path::new(".")).join(FOLDER).join(session)
}

/// News, sent together now and then.
struct News<'a> {
    inbox: &'a Inbox,
    ticket: Ticket,
    sent: Instant,
    progress: Option<Progress>,
    rows: Vec<Row>,
}

impl News<'_> {
    fn send(&self, news: ScanNews) {
        // Nobody listens any more once the workbench is closed, and the scan is stopped by then.
        let _ = self.inbox.send(Message::Scan(self.ticket, Box::new(news)));
    }

    fn take(&mut self, event: Event<'_>) {
        match event {
            Event::Begin { .. } => {}
            Event::Progress(progress) => self.progress = Some(progress),
            Event::File { rows, file, notes, .. } => {
                self.rows.extend_from_slice(rows);
                for note in notes {
                    self.send(ScanNews::Note(format!("{file}: {note}")));
                }
            }
            Event::Failed(Unread { file, error }) => {
                self.send(ScanNews::Failed(Unread { file: file.clone(), error: error.clone() }));
            }
        }
        if self.sent.elapsed() >= NEWS {
            self.flush();
        }
    }

    fn flush(&mut self) {
        self.sent = Instant::now();
        if let Some(progress) = self.progress.take() {
            self.send(ScanNews::Progress(progress));
        }
        if !self.rows.is_empty() {
            let rows = std::mem::take(&mut self.rows);
            self.send(ScanNews::Found(rows));
        }
    }
}
