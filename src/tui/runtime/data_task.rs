//! Checks data for the workbench.

use std::{
    ops::ControlFlow,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use super::inbox::Inbox;
use crate::{
    data::{self, DataError, Seen},
    tui::{
        state::{data::Found, data_view::DataView, ticket::Ticket},
        update::message::Message,
    },
};

/// How often what a check has found is sent.
const NEWS: Duration = Duration::from_millis(100);

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
}
