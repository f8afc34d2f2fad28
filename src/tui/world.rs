//! Does what [`update`](super::update()) asks for: trains, reads, listens, writes. Answers come back as messages.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::sync::mpsc::UnboundedSender;

use super::{
    action::{Message, Opened},
    app::Setup,
    sessions::Listing,
    update::Effect,
};
use crate::{
    infer::Classifier,
    live::{self, ClassifierListener, Listener, LiveEvent, Pipeline, Settings},
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
    /// Raised to end what is heard now.
    listening: Option<Arc<AtomicBool>>,
}

impl World {
    /// A world with these sessions, answering here.
    pub fn new(store: Store, inbox: Inbox) -> Self {
        Self { store, inbox, trainers: Vec::new(), listening: None }
    }

    /// Does one thing. Quick, or on another thread.
    pub fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Start(runs, setup) => {
                let (sides, launches) = self.launches(&runs, &setup);
                self.train(sides, launches);
            }
            Effect::Resume(side, path) => self.train(vec![side], vec![Launch::Resume(path)]),
            Effect::Command(side, command) => self.command(side, command),
            Effect::List => self.aside(|store, _| Message::Sessions(list(store))),
            Effect::Open(side, path, resume) => self.aside(move |_, _| match open(&path) {
                Ok(opened) => Message::Opened(side, Box::new(Opened { resume, ..opened })),
                Err(problem) => Message::Trouble(problem.into()),
            }),
            Effect::Remove(path) => self.aside(move |store, inbox| {
                let told = match store.remove(&path) {
                    Ok(()) => Message::Notice(format!("{} is gone", name_of(&path)).into()),
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
                self.stop_listening();
                let stop = Arc::new(AtomicBool::new(false));
                self.listening = Some(stop.clone());
                self.aside(move |store, inbox| listen(file, &ears, &setup, store, inbox, &stop));
            }
            Effect::StopListening => self.stop_listening(),
            Effect::Export(path, charts) => self.aside(move |_, _| match plot::export(&path, &charts) {
                Ok(()) => Message::Notice(format!("curves are in {}", path.display()).into()),
                Err(error) => Message::Trouble(error.to_string().into()),
            }),
            Effect::Quit => {}
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
        if let Some(stop) = self.listening.take() {
            stop.store(true, Ordering::Relaxed);
        }
    }

    fn tell(&self, message: Message) {
        // A loop that has ended wants no more messages.
        let _ = self.inbox.send(message);
    }

    /// Works on a thread of its own and tells the result.
    fn aside(&self, work: impl FnOnce(&Store, &Inbox) -> Message + Send + 'static) {
        let (store, inbox) = (self.store.clone(), self.inbox.clone());
        let spawned = thread::Builder::new().name("aside".into()).spawn(move || {
            let message = work(&store, &inbox);
            let _ = inbox.send(message);
        });
        if let Err(error) = spawned {
            self.tell(Message::Trouble(format!("the system gave no thread: {error}").into()));
        }
    }

    fn launches(&self, runs: &[(Side, Method)], setup: &Setup) -> (Vec<Side>, Vec<Launch>) {
        let launch = |method: Method| Launch::New(Box::new(request(setup, method)));
        runs.iter().map(|(side, method)| (*side, launch(*method))).unzip()
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

/// Hears until it is stopped or the file ends, and tells what is heard. The last word is the end.
fn listen(
    file: Option<PathBuf>,
    ears: &[PathBuf],
    setup: &Setup,
    store: &Store,
    inbox: &Inbox,
    stop: &AtomicBool,
) -> Message {
    if let Some(file) = file.as_ref().filter(|file| !file.is_file()) {
        return trouble(format!("{}: there is no such file", file.display()));
    }
    let mut listeners: Vec<Box<dyn Listener>> = Vec::new();
    for ear in ears {
        match Classifier::open(&ear.to_string_lossy(), store, &setup.device) {
            Ok(classifier) => listeners.push(Box::new(ClassifierListener::new(name_of(ear), classifier))),
            Err(error) => {
                let _ = inbox.send(trouble(error.to_string()));
            }
        }
    }
    let file = file.map(|file| file.to_string_lossy().into_owned());
    let pipeline = match Pipeline::start(live::source(file.as_deref()), listeners, Settings::default()) {
        Ok(pipeline) => pipeline,
        Err(error) => return trouble(format!("listening could not begin: {error}")),
    };
    while let Some(events) = pipeline.events().wait(PATIENCE) {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        for event in events {
            if inbox.send(Message::Live(event)).is_err() {
                break;
            }
        }
    }
    Message::Live(LiveEvent::Closed)
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

fn open(path: &Path) -> Result<Opened, String> {
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
    Ok(Opened { name: name_of(path), path: path.to_owned(), state, trace, resume: false })
}

fn name_of(path: &Path) -> String {
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
