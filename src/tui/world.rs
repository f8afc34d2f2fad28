//! Does what [`update`](super::update()) asks for: trains, reads, listens, writes. Answers come back as messages.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::sync::mpsc::UnboundedSender;

use super::{
    action::{Message, Opened, Purpose},
    app::Setup,
    effect::Effect,
    hearing::Hearing,
    keeping::{self, Taught},
    sessions::Listing,
    signals,
};
use crate::{
    model::Method,
    plot::{self, Side, Trace},
    session::{LogReader, RunState, SessionInfo, Status, Store},
    train::{self, Command, Launch, Request, Trainer},
};

/// How long a thread that forwards events waits before it looks whether anybody still wants them.
const PATIENCE: Duration = Duration::from_millis(500);

/// The sending end of the loop's messages.
pub type Inbox = UnboundedSender<Message>;

/// Everything outside the state.
pub struct World {
    store: Store,
    inbox: Inbox,
    /// Trainers at work, each with the sides of its runs in order.
    trainers: Vec<(Trainer, Vec<Side>)>,
    /// What is heard now.
    hearing: Option<Hearing>,
    taught: Taught,
}

impl World {
    /// A world with these sessions, answering here.
    pub fn new(store: Store, inbox: Inbox) -> Self {
        Self { store, inbox, trainers: Vec::new(), hearing: None, taught: Taught::default() }
    }

    /// Does one thing. Quick, or on another thread.
    pub fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Start(runs) => {
                let launch = |setup, method| Launch::New(Box::new(request(setup, method)));
                let launches = runs.iter().map(|(side, method, setup)| (*side, launch(setup, *method)));
                let (sides, launches) = launches.unzip();
                self.train(sides, launches);
            }
            Effect::Resume(side, path) => self.train(vec![side], vec![Launch::Resume(path)]),
            Effect::Command(side, command) => self.command(side, command),
            Effect::List => self.aside(|store, _| Message::Sessions(list(store))),
            Effect::Open(side, path, purpose) => self.aside(move |_, _| match open(&path, purpose) {
                Ok(opened) => Message::Opened(side, Box::new(opened)),
                Err(problem) => Message::Trouble(problem.into()),
            }),
            Effect::Remove(path) => self.aside(move |store, inbox| {
                let told = match store.remove(&path) {
                    Ok(left) if left.is_empty() => Message::Notice(format!("{} is gone", name_of(&path)).into()),
                    Ok(left) => Message::Notice(
                        format!("{} is gone; {} files that are not its own stay", name_of(&path), left.len()).into(),
                    ),
                    Err(error) => Message::Trouble(error.to_string().into()),
                };
                let _ = inbox.send(told);
                Message::Sessions(list(store))
            }),
            Effect::Shape(setup, method) => self.aside(move |_, _| {
                let shape = train::preview(&request(&setup, method));
                Message::Shape(shape.map(Box::new).map_err(|error| error.to_string()))
            }),
            Effect::Listen(file, ears, setup) => {
                if let Some(before) = self.hearing.take() {
                    before.stop(true);
                }
                let hearing = Hearing::default();
                self.hearing = Some(hearing.clone());
                self.spawn("live", move |store, inbox| hearing.run(file, &ears, &setup, store, inbox));
            }
            Effect::StopListening => self.stop_listening(),
            Effect::Export(path, charts) => self.aside(move |_, _| match plot::export(&path, &charts) {
                Ok(()) => Message::Notice(format!("curves are in {}", path.display()).into()),
                Err(error) => Message::Trouble(error.to_string().into()),
            }),
            Effect::StepAside => {
                if !signals::step_aside() {
                    self.tell(Message::Notice("there is no shell to go back to; q quits".into()));
                }
            }
            Effect::Quit => {}
            other => self.live(other),
        }
    }

    /// What is asked of the Live screen's pipeline and of what it keeps.
    fn live(&mut self, effect: Effect) {
        let hearing = self.hearing.clone();
        let pipeline = || hearing.as_ref().and_then(Hearing::pipeline);
        let taught = self.taught.clone();
        match effect {
            Effect::Hold(held) => pipeline().into_iter().for_each(|pipeline| pipeline.hold(held)),
            Effect::Gains(ear, gains) => {
                if let Some(pipeline) = pipeline() {
                    pipeline.set_gains(ear, gains);
                }
            }
            Effect::Record => pipeline().into_iter().for_each(|pipeline| pipeline.record()),
            Effect::Recorded(class, without_ms) => {
                // Taken at once: the pipeline may be another one in a moment.
                let samples = pipeline().map(|pipeline| pipeline.recorded()).unwrap_or_default();
                self.aside(move |store, inbox| taught.keep(store, inbox, &class, samples, without_ms));
            }
            Effect::SaveDesk(session, mix) => {
                self.aside(move |store, _| keeping::save_desk(store, &session, &mix));
            }
            Effect::LoadDesk(session, name) => {
                self.aside(move |store, _| keeping::load_desk(store, &session, name));
            }
            Effect::Bookmark(session, source, gains) => self
                .aside(move |store, inbox| keeping::bookmark(store, inbox, hearing.as_ref(), session, &source, &gains)),
            Effect::Bookmarks(session) => self.aside(move |store, _| keeping::bookmarks(store, session)),
            Effect::Replay(session, bookmark, device) => {
                self.aside(move |store, _| keeping::replay(store, &session, &bookmark, &device));
            }
            Effect::RemoveBookmark(session, bookmark) => {
                self.aside(move |store, inbox| keeping::remove_bookmark(store, inbox, session, *bookmark));
            }
            Effect::OpenLesson(folder) => self.aside(move |store, _| taught.open(store, folder)),
            Effect::NameClass(name) => self.aside(move |store, _| taught.change(store, |lesson| lesson.name(&name))),
            Effect::RemoveExample(class, place) => {
                self.aside(move |store, _| taught.change(store, |lesson| lesson.remove(&class, place)));
            }
            _ => {}
        }
    }

    /// Stops what trains, each with a checkpoint, and waits for it.
    pub fn stop(&mut self) {
        self.stop_listening();
        for (trainer, _) in &self.trainers {
            trainer.command(None, Command::Stop);
        }
        self.trainers.clear();
    }

    /// Whether some trainer is still at work.
    pub fn is_training(&self) -> bool {
        self.trainers.iter().any(|(trainer, _)| !trainer.is_over())
    }

    fn stop_listening(&mut self) {
        // The handle stays: what was recorded until now is still to be fetched.
        if let Some(hearing) = &self.hearing {
            hearing.stop(false);
        }
    }

    fn tell(&self, message: Message) {
        // A loop that has ended wants no more messages.
        let _ = self.inbox.send(message);
    }

    /// Works on a thread of its own and tells the result.
    fn aside(&self, work: impl FnOnce(&Store, &Inbox) -> Message + Send + 'static) {
        self.spawn("aside", move |store, inbox| {
            let message = work(store, inbox);
            let _ = inbox.send(message);
        });
    }

    fn spawn(&self, name: &str, work: impl FnOnce(&Store, &Inbox) + Send + 'static) {
        let (store, inbox) = (self.store.clone(), self.inbox.clone());
        let spawned = thread::Builder::new().name(name.into()).spawn(move || work(&store, &inbox));
        if let Err(error) = spawned {
            self.tell(Message::Trouble(format!("the system gave no thread: {error}").into()));
        }
    }

    fn train(&mut self, sides: Vec<Side>, launches: Vec<Launch>) {
        self.trainers.retain(|(trainer, _)| !trainer.is_over());
        let trainer = Trainer::spawn(self.store.clone(), launches);
        let (feed, inbox, of) = (trainer.feed().clone(), self.inbox.clone(), sides.clone());
        let spawned = thread::Builder::new().name("feed".into()).spawn(move || {
            while let Some(updates) = feed.wait(PATIENCE) {
                for update in updates {
                    let Some(side) = of.get(update.run) else { continue };
                    if inbox.send(Message::Event(*side, Box::new(update.record))).is_err() {
                        return;
                    }
                }
            }
            for side in of {
                let _ = inbox.send(Message::RunOver(side));
            }
        });
        if let Err(error) = spawned {
            for side in &sides {
                self.tell(Message::RunFailed(*side, format!("the system gave no thread to watch with: {error}")));
            }
        }
        self.trainers.push((trainer, sides));
    }

    fn command(&self, side: Side, command: Command) {
        // The newest trainer of a side is the one at work.
        let at = self
            .trainers
            .iter()
            .rev()
            .find_map(|(trainer, sides)| sides.iter().position(|of| *of == side).map(|run| (trainer, run)));
        if let Some((trainer, run)) = at {
            trainer.command(Some(run), command);
        }
    }
}

/// What is asked of the trainer.
fn request(setup: &Setup, method: Method) -> Request {
    Request {
        data: setup.data.clone(),
        model: setup.model.clone(),
        method,
        recipe: setup.recipe.clone(),
        fold: setup.fold,
        epochs: setup.epochs,
        batch: setup.batch,
        lr: setup.lr,
        seed: setup.seed,
        device: setup.device.clone(),
        ..Request::default()
    }
}

fn list(store: &Store) -> Result<Vec<Listing>, String> {
    let sessions = store.list().map_err(|error| error.to_string())?;
    Ok(sessions.into_iter().map(listing).collect())
}

fn listing(info: SessionInfo) -> Listing {
    let SessionInfo { name, path, state, in_use, changed, .. } = info;
    let config = state.config.as_ref();
    let fold = config.and_then(|config| config.fold).map_or(String::new(), |fold| format!(" fold {fold}"));
    Listing {
        name,
        path,
        method: config.map(|config| config.method),
        data: config.map_or_else(String::new, |config| format!("{}{fold}", config.data_name)),
        metric: config.map_or("", |config| config.recipe.metric.name()),
        best: state.best(),
        epochs: (state.epochs.len() as u32, config.map_or(0, |config| config.recipe.epochs)),
        can_resume: !in_use && state.checkpoint.is_some() && state.status != Status::Finished,
        in_use,
        changed_ms: changed.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64,
        status: state.status,
    }
}

fn open(path: &Path, purpose: Purpose) -> Result<Opened, String> {
    let mut reader = LogReader::new(path);
    let records = reader.poll().map_err(|error| error.to_string())?;
    let (mut state, mut trace) = (RunState::default(), Trace::default());
    for record in &records {
        trace.apply(record);
        state.apply(record);
    }
    if state.config.is_none() {
        return Err(format!("{}: no run is told of in its log; it can only be deleted (d)", path.display()));
    }
    Ok(Opened { name: name_of(path), path: path.to_owned(), state, trace, purpose })
}

/// A session's name: its folder's.
pub fn name_of(path: &Path) -> String {
    path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
}

/// Milliseconds since the Unix epoch.
pub fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64
}

/// Where a user's own themes are.
pub fn themes_folder() -> Option<PathBuf> {
    directories::ProjectDirs::from("", "", "aat-tui").map(|dirs| dirs.config_dir().join("themes"))
}

/// A message from any thread.
pub fn trouble(words: impl Into<Arc<str>>) -> Message {
    Message::Trouble(words.into())
}
