//! A simulation for tests: trainers that act in any order, a store of logs, and results that arrive in any order. It
//! performs the effects of `update` and sends the messages back one by one. The file is long because trainers, store
//! and results share one clock and one disk.
#![allow(clippy::unwrap_used)]

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    path::PathBuf,
    sync::LazyLock,
};

use super::*;
use crate::{
    live::LiveEvent,
    model::{BlockNorms, Inventory},
    session::{EpochRecord, Event, Record, RunConfig, RunState, Status, StepRecord, Summary, testing},
    train::News,
    tui::{
        state::{run_slot::Opened, sessions::Listing, ticket::Ticket},
        testing::fixture,
    },
};

/// Folder of the simulated sessions.
const ROOT: &str = "/sessions";
/// Epochs of every run, and steps of each.
const EPOCHS: u32 = 3;
const STEPS: u64 = 2;

static EMPTY: LazyLock<App> = LazyLock::new(|| fixture::app((120, 36)));
static CONFIG: LazyLock<RunConfig> = LazyLock::new(testing::config);

/// A session on the simulated disk.
#[derive(Clone, Default)]
struct Session {
    log: Vec<Record>,
    /// Step and complete epochs of the last checkpoint.
    checkpoint: Option<(u64, u32)>,
}

struct Run {
    ticket: Ticket,
    task: Task,
    /// The session, once it has begun or was resumed.
    session: Option<String>,
    paused: bool,
    step: u64,
    epochs: u32,
    commands: VecDeque<Command>,
    over: bool,
    /// Whether the end of the run was delivered to the state.
    reported_over: bool,
}

/// One thread with its runs, and its undelivered updates.
struct Trainer {
    runs: Vec<Run>,
    feed: VecDeque<(Ticket, News)>,
    /// Whether the end of the feed was delivered.
    closed: bool,
}

/// The simulation.
pub(super) struct World {
    pub(super) app: App,
    disk: BTreeMap<String, Session>,
    locked: BTreeSet<String>,
    trainers: Vec<Trainer>,
    /// Results in transit; any may arrive first.
    replays: Vec<Message>,
    now_ms: u64,
}

fn path_of(name: &str) -> PathBuf {
    PathBuf::from(ROOT).join(name)
}

fn name_of(path: &std::path::Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

impl World {
    pub(super) fn new() -> Self {
        Self {
            app: EMPTY.clone(),
            disk: BTreeMap::new(),
            locked: BTreeSet::new(),
            trainers: Vec::new(),
            replays: Vec::new(),
            now_ms: fixture::THEN,
        }
    }

    /// A user's action.
    pub(super) fn act(&mut self, action: Action) {
        self.update(Message::Do(action));
    }

    fn update(&mut self, message: Message) {
        for effect in update(&mut self.app, message) {
            self.perform(effect);
        }
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Train(runs) => {
                let run = |(ticket, task)| Run {
                    ticket,
                    task,
                    session: None,
                    paused: false,
                    step: 0,
                    epochs: 0,
                    commands: VecDeque::new(),
                    over: false,
                    reported_over: false,
                };
                let runs: Vec<_> = runs.into_iter().map(run).collect();
                self.trainers.push(Trainer { runs, feed: VecDeque::new(), closed: false });
            }
            Effect::Command(ticket, command) => {
                let mut runs = self.trainers.iter_mut().flat_map(|trainer| &mut trainer.runs);
                runs.find(|run| run.ticket == ticket).unwrap().commands.push_back(command);
            }
            Effect::List => {
                let list = self.list();
                self.replays.push(Message::Sessions(Ok(list)));
            }
            Effect::Open(ticket, path) => {
                let name = name_of(&path);
                let read = match self.disk.get(&name) {
                    Some(session) => Ok(Box::new(Opened { path, name, state: RunState::from_records(&session.log) })),
                    None => Err(format!("{name}: not found")),
                };
                self.replays.push(Message::Opened(ticket, read));
            }
            Effect::Remove(path) => {
                let name = name_of(&path);
                self.now_ms += 1;
                let removed = match self.locked.contains(&name) || !self.disk.contains_key(&name) {
                    true => Err(format!("{name} is in use")),
                    false => Ok(self.now_ms),
                };
                if removed.is_ok() {
                    self.disk.remove(&name);
                }
                self.replays.push(Message::Removed(path, removed));
            }
            Effect::Shape(ticket, ..) => {
                self.replays.push(Message::Shape(ticket, Ok(Box::new(CONFIG.shape.clone()))));
            }
            Effect::Listen(ticket, ..) => self.replays.push(Message::Live(ticket, LiveEvent::Closed)),
            _ => {}
        }
    }

    fn list(&self) -> Vec<Listing> {
        let listing = |(name, session): (&String, &Session)| {
            let state = RunState::from_records(&session.log);
            let in_use = self.locked.contains(name);
            Listing {
                name: name.clone(),
                path: path_of(name),
                method: None,
                data: String::new(),
                metric: "accuracy",
                best: None,
                epochs: (0, EPOCHS),
                can_resume: !in_use && state.status != Status::Finished,
                status: state.status,
                in_use,
                changed_ms: 0,
                facts: Default::default(),
                notes: Default::default(),
                notes_problem: None,
            }
        };
        self.disk.iter().map(listing).collect()
    }

    /// A trainer takes the next step of one of its runs.
    pub(super) fn advance(&mut self, which: u8, choice: u8) {
        let alive: Vec<(usize, usize)> = (0..self.trainers.len())
            .flat_map(|trainer| (0..self.trainers[trainer].runs.len()).map(move |run| (trainer, run)))
            .filter(|(trainer, run)| !self.trainers[*trainer].runs[*run].over)
            .collect();
        if alive.is_empty() {
            return;
        }
        let (trainer, run) = alive[usize::from(which) % alive.len()];
        let Run { session, paused, step, epochs, .. } = &self.trainers[trainer].runs[run];
        let (begun, paused, step, epochs) = (session.is_some(), *paused, *step, *epochs);
        if let Some(command) = self.trainers[trainer].runs[run].commands.pop_front() {
            return self.obey((trainer, run), command);
        }
        match choice % 16 {
            _ if paused => {}
            0 => self.end((trainer, run), Some(Event::Failed { message: "the disk is full".into() })),
            // The trainer's thread ends without reporting anything.
            1 => {
                let runs = 0..self.trainers[trainer].runs.len();
                runs.for_each(|run| self.end((trainer, run), None));
            }
            2 if !begun => self.emit((trainer, run), Event::Preparing { done: 1, total: 2 }),
            _ if !begun => self.begin((trainer, run)),
            3 => self.checkpoint((trainer, run)),
            4 => self.emit((trainer, run), Event::Warning { message: "a warning".into() }),
            5 => self.emit((trainer, run), Event::Evaluating { done: 1, total: 4 }),
            6 => {
                let blocks = vec![BlockNorms { spatial: step as f32, ..BlockNorms::default() }; 2];
                self.emit((trainer, run), Event::Norms { step, blocks, cost_ms: 0.0 });
            }
            _ if epochs >= EPOCHS => {
                self.checkpoint((trainer, run));
                let summary = Summary {
                    best: None,
                    last: None,
                    averaged: None,
                    trainable: 1,
                    epoch_seconds: 0.0,
                    peak_rss_bytes: 0,
                };
                self.end((trainer, run), Some(Event::Finished { summary }));
            }
            _ if step >= (u64::from(epochs) + 1) * STEPS => {
                self.trainers[trainer].runs[run].epochs += 1;
                let epoch = EpochRecord { epoch: epochs + 1, step, value: f64::from(choice), ..Default::default() };
                self.emit((trainer, run), Event::Epoch(epoch));
            }
            _ => {
                self.trainers[trainer].runs[run].step += 1;
                let record =
                    StepRecord { step: step + 1, epoch: epochs + 1, loss: f32::from(choice), ..Default::default() };
                self.emit((trainer, run), Event::Step(record));
            }
        }
    }

    fn begin(&mut self, of: (usize, usize)) {
        let task = self.trainers[of.0].runs[of.1].task.clone();
        match task {
            Task::New(request) => {
                let mut numbered = (1..).map(|number| if number == 1 { "run".into() } else { format!("run-{number}") });
                let name: String = numbered.find(|name| !self.disk.contains_key(name)).unwrap();
                self.disk.insert(name.clone(), Session::default());
                self.locked.insert(name.clone());
                self.trainers[of.0].runs[of.1].session = Some(name.clone());
                let config = RunConfig { session: name, method: request.method, ..CONFIG.clone() };
                self.emit(
                    of,
                    Event::Started {
                        config: Box::new(config),
                        inventory: Inventory::default(),
                        tokens: 9,
                        train_clips: 4,
                        val_clips: 4,
                        steps_per_epoch: STEPS,
                        moment_bytes: 8,
                    },
                );
            }
            Task::Resume(path, began_ms) => {
                let name = name_of(&path);
                let began = |session: &Session| session.log.first().map(|record| record.at_ms);
                let free = |session: &&Session| began(session) == began_ms && !self.locked.contains(&name);
                let found = self.disk.get(&name).filter(free).cloned();
                let usable = found.and_then(|Session { log, checkpoint, .. }| {
                    let state = RunState::from_records(&log);
                    (state.status != Status::Finished).then_some((state, checkpoint.unwrap_or_default()))
                });
                let Some((state, (step, epochs))) = usable else {
                    return self.end(of, Some(Event::Failed { message: "cannot go on".into() }));
                };
                self.locked.insert(name.clone());
                let run = &mut self.trainers[of.0].runs[of.1];
                (run.session, run.step, run.epochs) = (Some(name), step, epochs);
                let ticket = run.ticket;
                self.trainers[of.0].feed.push_back((ticket, News::Past(Box::new(state))));
                self.emit(of, Event::Resumed { step, epochs });
            }
        }
    }

    fn obey(&mut self, of: (usize, usize), command: Command) {
        let paused = self.trainers[of.0].runs[of.1].paused;
        match command {
            Command::Pause if !paused => {
                self.trainers[of.0].runs[of.1].paused = true;
                self.checkpoint(of);
                self.emit(of, Event::Paused);
            }
            Command::Continue if paused => {
                self.trainers[of.0].runs[of.1].paused = false;
                self.emit(of, Event::Continued);
            }
            Command::Pause | Command::Continue | Command::Checkpoint => {}
            Command::Stop => {
                self.checkpoint(of);
                self.end(of, Some(Event::Stopped));
            }
        }
    }

    fn checkpoint(&mut self, of: (usize, usize)) {
        let Run { session: Some(name), step, epochs, .. } = &self.trainers[of.0].runs[of.1] else { return };
        let (step, epochs) = (*step, *epochs);
        self.disk.get_mut(name).unwrap().checkpoint = Some((step, epochs));
        self.emit(of, Event::Checkpoint { step, file: "checkpoint".into(), bytes: 1 });
    }

    /// Sends an event to the feed, and to the log once there is one; progress is in no log.
    fn emit(&mut self, of: (usize, usize), event: Event) {
        self.now_ms += 10;
        let record = Record { at_ms: self.now_ms, event };
        let Run { ticket, session, .. } = &self.trainers[of.0].runs[of.1];
        let is_logged = !matches!(record.event, Event::Preparing { .. } | Event::Evaluating { .. });
        if let Some(name) = session.as_ref().filter(|_| is_logged) {
            self.disk.get_mut(name).unwrap().log.push(record.clone());
        }
        let ticket = *ticket;
        self.trainers[of.0].feed.push_back((ticket, News::Now(record)));
    }

    fn end(&mut self, of: (usize, usize), event: Option<Event>) {
        event.into_iter().for_each(|event| self.emit(of, event));
        let run = &mut self.trainers[of.0].runs[of.1];
        if std::mem::replace(&mut run.over, true) {
            return;
        }
        if let Some(name) = &run.session {
            self.locked.remove(name);
        }
    }

    /// Delivers one message of one of the sources that have any; returns whether there was one.
    pub(super) fn deliver(&mut self, which: u8) -> bool {
        let feeds: Vec<usize> = (0..self.trainers.len())
            .filter(|at| {
                let trainer = &self.trainers[*at];
                !trainer.feed.is_empty() || (!trainer.closed && trainer.runs.iter().all(|run| run.over))
            })
            .collect();
        let sources = feeds.len() + self.replays.len();
        if sources == 0 {
            return false;
        }
        let source = usize::from(which) % sources;
        let Some(at) = feeds.get(source) else {
            let answer = self.replays.remove(source - feeds.len());
            self.update(answer);
            return true;
        };
        let trainer = &mut self.trainers[*at];
        match trainer.feed.pop_front() {
            Some((ticket, news)) => {
                let is_over =
                    |event: &Event| matches!(event, Event::Finished { .. } | Event::Failed { .. } | Event::Stopped);
                if matches!(&news, News::Now(record) if is_over(&record.event)) {
                    trainer.runs.iter_mut().filter(|run| run.ticket == ticket).for_each(|run| run.reported_over = true);
                }
                self.update(Message::Run(ticket, news));
            }
            None => {
                trainer.closed = true;
                trainer.runs.iter_mut().for_each(|run| run.reported_over = true);
                let tickets: Vec<_> = trainer.runs.iter().map(|run| run.ticket).collect();
                tickets.into_iter().for_each(|ticket| self.update(Message::RunOver(ticket, None)));
            }
        }
        true
    }

    /// Lets every trainer that was asked to resume a session do so or fail, delivers everything, then compares every
    /// side with the disk.
    pub(super) fn settle(&mut self) -> Result<(), String> {
        let waits = |run: &Run| !run.over && run.session.is_none() && matches!(run.task, Task::Resume(..));
        let mut turn = 0;
        loop {
            for trainer in 0..self.trainers.len() {
                for run in 0..self.trainers[trainer].runs.len() {
                    if waits(&self.trainers[trainer].runs[run]) {
                        self.begin((trainer, run));
                    }
                }
            }
            while self.deliver(turn) {
                turn = turn.wrapping_add(7);
            }
            // A delivered result may have requested another one.
            if !self.trainers.iter().flat_map(|trainer| &trainer.runs).any(waits) {
                break;
            }
        }
        for slot in &self.app.slots {
            let side = slot.side.letter();
            if slot.opening.is_some() {
                return Err(format!("{side} still waits for a session"));
            }
            let Some(session) = &slot.session else {
                if !slot.is_empty() {
                    return Err(format!("{side} shows a run of no session"));
                }
                continue;
            };
            let name = name_of(session);
            let Some(on_disk) = self.disk.get(&name) else {
                return Err(format!("{side} shows {name}, which is gone"));
            };
            let folded = RunState::from_records(&on_disk.log);
            let mut shown = slot.state.clone();
            if matches!(shown.status, Status::Evaluating(..) | Status::Preparing(..)) {
                shown.status = folded.status.clone();
            }
            if shown != folded {
                return Err(format!("{side} shows of {name}\n{shown:?}\nthe log says\n{folded:?}"));
            }
        }
        let [a, b] = self.app.slots.each_ref().map(|slot| slot.session.as_deref().map(name_of));
        if a.is_some() && a == b {
            return Err(format!("both sides show {a:?}"));
        }
        for run in self.trainers.iter().flat_map(|trainer| &trainer.runs) {
            if run.over == self.app.side_of(run.ticket).is_some() {
                return Err(format!("the run of {:?} is over: {}, a side shows otherwise", run.session, run.over));
            }
        }
        Ok(())
    }

    /// Invariants: a side is busy until the end of its run is delivered, and quitting asks exactly while one is.
    pub(super) fn check(&mut self) -> Result<(), String> {
        let runs = || self.trainers.iter().flat_map(|trainer| &trainer.runs);
        for run in runs() {
            if run.reported_over == self.app.side_of(run.ticket).is_some() {
                return Err(format!(
                    "{:?} was reported to be over: {}, a side shows otherwise",
                    run.session, run.reported_over
                ));
            }
        }
        let alive = runs().filter(|run| !run.reported_over).count();
        let busy = self.app.busy_sides().len();
        if alive != busy {
            return Err(format!("{alive} runs are alive, {busy} sides are"));
        }
        let before = self.app.overlay.take();
        self.act(Action::Quit);
        let asked =
            matches!(self.app.overlay, Some(Overlay::Question { then: crate::tui::state::app::Pending::Quit, .. }));
        if asked != (alive > 0) || self.app.quitting == asked {
            return Err(format!("{alive} runs would be stopped; quitting asks: {asked}"));
        }
        (self.app.overlay, self.app.quitting) = (before, false);
        Ok(())
    }
}
