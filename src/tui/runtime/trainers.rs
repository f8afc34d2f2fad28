//! The running trainers, each with the thread that forwards its events.

use std::{thread, time::Duration};

use super::{inbox::Inbox, session_files::resolved};
use crate::{
    session::Store,
    train::{Command, Launch, Trainer},
    tui::{
        state::ticket::Ticket,
        update::{effect::Task, message::Message},
    },
};

/// How long a thread that forwards events waits before it checks whether they are still wanted.
const PATIENCE: Duration = Duration::from_millis(500);

/// Running trainers.
#[derive(Default)]
pub(super) struct Trainers {
    /// Each with the tickets of its runs in order.
    running: Vec<(Trainer, Vec<Ticket>)>,
}

impl Trainers {
    /// Trains these runs in one trainer; their events are sent under their tickets.
    pub(super) fn train(&mut self, store: &Store, inbox: &Inbox, runs: Vec<(Ticket, Task)>) -> Vec<Message> {
        self.running.retain(|(trainer, _)| !trainer.is_over());
        let launch = |task| match task {
            Task::New(request) => Launch::New(Box::new(resolved(store, *request))),
            // A bare name means the session of this name here, whatever else has it.
            Task::Resume(path, began_ms) if path.components().count() == 1 => {
                Launch::Resume { session: store.root().join(path), began_ms }
            }
            Task::Resume(session, began_ms) => Launch::Resume { session, began_ms },
        };
        let (tickets, launches): (Vec<_>, Vec<_>) =
            runs.into_iter().map(|(ticket, task)| (ticket, launch(task))).unzip();
        let trainer = Trainer::spawn(store.clone(), launches);
        let (feed, inbox, of) = (trainer.feed().clone(), inbox.clone(), tickets.clone());
        let spawned = thread::Builder::new().name("feed".into()).spawn(move || {
            while let Some(updates) = feed.wait(PATIENCE) {
                for update in updates {
                    let Some(ticket) = of.get(update.run) else { continue };
                    if inbox.send(Message::Run(*ticket, update.news)).is_err() {
                        return;
                    }
                }
            }
            for ticket in of {
                let _ = inbox.send(Message::RunOver(ticket, None));
            }
        });
        if let Err(error) = spawned {
            // A run that cannot be watched does not train: the trainer stops when it is dropped.
            let why = format!("the system could not start a thread to watch the run: {error}");
            return tickets.into_iter().map(|ticket| Message::RunOver(ticket, Some(why.clone()))).collect();
        }
        self.running.push((trainer, tickets));
        Vec::new()
    }

    /// Sends a run a command, if its trainer still runs.
    pub(super) fn command(&self, run: Ticket, command: Command) {
        let place = |of: &[Ticket]| of.iter().position(|ticket| *ticket == run);
        if let Some((trainer, run)) = self.running.iter().find_map(|(trainer, of)| Some((trainer, place(of)?))) {
            trainer.command(Some(run), command);
        }
    }

    /// Stops every run, each with a checkpoint, and waits for them.
    pub(super) fn stop(&mut self) {
        for (trainer, _) in &self.running {
            trainer.command(None, Command::Stop);
        }
        self.running.clear();
    }

    /// Whether some trainer is still running.
    pub(super) fn is_training(&self) -> bool {
        self.running.iter().any(|(trainer, _)| !trainer.is_over())
    }
}
