//! Performs the effects that [`update`](crate::tui::update()) returns: trains, reads, listens, writes. Results come back as
//! messages.

use std::{sync::Arc, thread::JoinHandle};

use super::{
    browse::{self, Browse, Newest},
    clerk::Clerk,
    clips::{ClipLoader, Speaker},
    data_task,
    downloads::Downloads,
    findings,
    inbox::Inbox,
    jobs::{self, Jobs},
    listen_task::{Asked, ListenTask},
    live_files::{self, Taught},
    names,
    preferences::Keeper,
    review_lists,
    session_files::{self, resolved},
    sweep_watch::SweepWatch,
    trainers::Trainers,
};
use crate::{
    clock,
    live::LiveEvent,
    model, plot,
    session::Store,
    train,
    tui::{
        state::{browser::Listed, data_view::DataView, together::ReadTogether},
        terminal::signals,
        update::{
            effect::{Effect, Playback},
            message::Message,
        },
    },
};

/// Performs effects, and owns everything outside the state.
pub struct EffectRunner {
    store: Store,
    inbox: Inbox,
    trainers: Trainers,
    /// The thread that reads and deletes sessions, one job after the other, in order.
    clerk: Clerk,
    /// Threads that write files: a leave waits for them.
    writers: Vec<JoinHandle<()>>,
    /// The current listen task.
    listen_task: Option<ListenTask>,
    taught: Taught,
    /// The sweep that is watched.
    sweep: Option<SweepWatch>,
    jobs: Jobs,
    clips: ClipLoader,
    speaker: Speaker,
    /// The newest request to look at a folder.
    browsing: Newest,
    keeper: Keeper,
}

impl EffectRunner {
    /// An effect runner for these sessions that sends its messages to this inbox.
    ///
    /// # Errors
    /// When the system cannot start a thread.
    pub fn new(store: Store, inbox: Inbox) -> std::io::Result<Self> {
        Ok(Self {
            clerk: Clerk::start(store.clone(), inbox.clone())?,
            keeper: Keeper::start(inbox.clone())?,
            store,
            inbox,
            trainers: Trainers::default(),
            writers: Vec::new(),
            listen_task: None,
            taught: Taught::default(),
            sweep: None,
            jobs: Jobs::default(),
            clips: ClipLoader::default(),
            speaker: Speaker::default(),
            browsing: Newest::default(),
        })
    }

    /// Performs one effect. It is quick, or runs on another thread and sends a message when done. Immediate messages
    /// are returned.
    pub fn perform(&mut self, effect: Effect) -> Vec<Message> {
        match effect {
            Effect::Train(runs) => return self.trainers.train(&self.store, &self.inbox, runs),
            Effect::Command(run, command) => self.trainers.command(run, command),
            Effect::List => {
                let failed = |why| Message::Sessions(Err(why));
                return self.clerk.read(failed, |store| Message::Sessions(session_files::list(store)));
            }
            Effect::Open(ticket, path) => {
                let failed = move |why| Message::Opened(ticket, Err(why));
                let open = move |_: &Store| Message::Opened(ticket, session_files::open(&path).map(Box::new));
                return self.clerk.read(failed, open);
            }
            Effect::WatchSweep(ticket, file) => {
                let work = self.sweep.insert(SweepWatch::default()).work(ticket, file);
                return self.spawn("sweep", move |why| Message::Sweep(ticket, Err(why)), work);
            }
            Effect::LeaveSweep => self.sweep = None,
            Effect::Remove(path) => {
                let place = path.clone();
                let failed = move |why| Message::Removed(place, Err(why));
                return self.clerk.write(failed, move |store| {
                    let removed = store.remove(&path).map(|_left| clock::now_ms()).map_err(|error| error.to_string());
                    Message::Removed(path, removed)
                });
            }
            // In order with the list, so that the next one shows them.
            Effect::Annotate(folders, change) => {
                let of = (folders.clone(), Box::new(change.clone()));
                let failed = move |why| Message::Annotated(of.0, of.1, Err(why));
                return self.clerk.write(failed, move |_| {
                    let done = session_files::annotate(&folders, &change);
                    Message::Annotated(folders, Box::new(change), done)
                });
            }
            Effect::Together(ticket, folders) => {
                let failed = move |why: String| {
                    let read = ReadTogether { runs: Vec::new(), left_out: Vec::new(), results: Err(why) };
                    Message::Together(ticket, read.into())
                };
                return self
                    .aside(failed, move |_, _| Message::Together(ticket, session_files::together(&folders).into()));
            }
            Effect::Shape(ticket, request) => {
                let failed = move |why| Message::Shape(ticket, Err(why));
                return self.spawn("shape", failed, move |store, inbox| {
                    let request = resolved(store, *request);
                    let shape = train::preview(&request).map(Box::new).map_err(|error| error.to_string());
                    let is_known = shape.is_ok();
                    if inbox.send(Message::Shape(ticket, shape)).is_err() {
                        return;
                    }
                    // A backbone on the hub is downloaded as soon as it is chosen, so that its training need not wait.
                    let mut downloads = Downloads { inbox, reported: None };
                    let done = model::fetch(&request.model, &mut downloads);
                    let notice = match (done, downloads.reported.is_some()) {
                        (Ok(()), true) => Message::Notice(format!("{} is downloaded", request.model).into()),
                        (Err(error), _) if is_known => Message::Trouble(error.to_string().into()),
                        _ => return,
                    };
                    let _ = inbox.send(notice);
                });
            }
            Effect::Listen(ticket, file, listeners, setup) => {
                if let Some(before) = self.listen_task.take() {
                    before.stop(true);
                }
                let task = ListenTask::default();
                self.listen_task = Some(task.clone());
                let asked = Asked { ticket, file, sessions: listeners, setup: *setup };
                let failed = move |why| Message::Live(ticket, LiveEvent::Problem(why));
                let mut messages = self.spawn("live", failed, move |store, inbox| task.run(&asked, store, inbox));
                // Without its thread it is over.
                messages.extend((!messages.is_empty()).then_some(Message::Live(ticket, LiveEvent::Closed)));
                messages.reverse();
                return messages;
            }
            Effect::StopListening => self.stop_listening(),
            Effect::Export(path, charts) => {
                return self.write(move |_, _| match plot::export(&path, &charts) {
                    Ok(()) => Message::Notice(format!("curves are in {}", path.display()).into()),
                    Err(error) => Message::Trouble(error.to_string().into()),
                });
            }
            Effect::Complete(ticket, wanted) => {
                return self.aside(Message::trouble, move |store, _| {
                    Message::Completed(ticket, names::fitting(&wanted, store.root()))
                });
            }
            Effect::ExportSession(ticket, request) => {
                return self.jobs.export(&self.store, &self.inbox, ticket, *request);
            }
            Effect::StopExport => self.jobs.stop_export(),
            Effect::Results(ticket, session, other) => {
                let failed = move |why| Message::Results(ticket, Err(why));
                return self.spawn("results", failed, move |store, inbox| {
                    findings::results(store, inbox, ticket, &session, other.as_deref());
                });
            }
            Effect::Calibrate { ticket, session, other, found } => {
                return self.writer("calibrate", move |store, inbox| {
                    findings::calibrate(store, inbox, ticket, &session, other.as_deref(), &found);
                });
            }
            Effect::WriteErrors(path, found) => {
                return self.write(move |_, _| findings::write_errors(&path, &found));
            }
            Effect::SearchErrors(ticket, request, again) => {
                let stop = self.jobs.begin_search();
                let failed = move |why| Message::Searched(ticket, Err(why));
                return self.aside(failed, move |store, inbox| {
                    findings::search(store, inbox, ticket, &request, *again, &stop)
                });
            }
            Effect::ReviewDetections(ticket, wanted) => {
                let failed = move |why| Message::Searched(ticket, Err(why));
                // Behind the decisions that are being written.
                return self.clerk.read(failed, move |store| review_lists::detections(store, ticket, *wanted));
            }
            Effect::SearchAlike { ticket, request, session, clip } => {
                let stop = self.jobs.begin_search();
                let failed = move |why| Message::Searched(ticket, Err(why));
                return self.aside(failed, move |store, inbox| {
                    review_lists::alike(store, inbox, ticket, *request, session, &clip, &stop)
                });
            }
            Effect::StopSearch => self.jobs.stop_search(),
            // In order, on one thread: an undo must not overtake what it undoes.
            Effect::Decide { ticket, list, index, decision } => {
                let failed = move |why| Message::Saved(ticket, Err(why));
                return self.clerk.write(failed, move |_| findings::decide(ticket, &list, index, decision));
            }
            Effect::Suspend => {
                if !signals::step_aside() {
                    return vec![Message::Notice("there is no shell to go back to".into())];
                }
            }
            Effect::Quit => {}
            Effect::LoadClip { ticket, source, instead_of } => {
                return self.clips.load(&self.inbox, ticket, source, instead_of);
            }
            Effect::ForgetClip(ticket) => self.clips.forget(ticket),
            Effect::Play { ticket, sound, from } => return self.speaker.play(&self.inbox, ticket, sound, from),
            Effect::Playback(order) => self.speaker.order(order),
            Effect::Scan(ticket, request) => return self.jobs.scan(&self.store, &self.inbox, ticket, *request),
            Effect::StopScan => self.jobs.stop_scan(),
            Effect::ReadData(..) | Effect::CheckData(..) | Effect::StopCheck => return self.data(effect),
            Effect::Browse { ticket, choice, place, known } => {
                let (newest, number) = (self.browsing.clone(), self.browsing.begin());
                let failed = move |why| Message::Folder(ticket, Listed { entries: Err(why), ..Listed::default() });
                let asked = Browse { ticket, choice, place, known };
                return self.spawn("browse", failed, move |store, inbox| {
                    browse::browse(store, inbox, asked, &newest, number);
                });
            }
            Effect::LeaveBrowser => self.browsing.end(),
            Effect::SavePreferences(preferences) => return self.keeper.save(*preferences),
            other => return self.live(other),
        }
        Vec::new()
    }

    /// Effects of the Data screen.
    fn data(&mut self, effect: Effect) -> Vec<Message> {
        match effect {
            Effect::ReadData(ticket, setup) => {
                let failed = move |why| Message::DataRead(ticket, Err(why));
                self.aside(failed, move |_, _| Message::DataRead(ticket, DataView::read(&setup).map(Arc::new)))
            }
            Effect::CheckData(ticket, view) => {
                let stop = self.jobs.begin_check();
                let failed = move |why| Message::DataChecked(ticket, Err(why));
                self.spawn("check", failed, move |_, inbox| data_task::check(inbox, ticket, &view, &stop))
            }
            _ => {
                self.jobs.stop_check();
                Vec::new()
            }
        }
    }

    /// Effects on the Live screen's pipeline and its files.
    fn live(&mut self, effect: Effect) -> Vec<Message> {
        let task = self.listen_task.clone();
        let pipeline = || task.as_ref().and_then(ListenTask::pipeline);
        let taught = self.taught.clone();
        match effect {
            Effect::Hold(held) => pipeline().into_iter().for_each(|pipeline| pipeline.hold(held)),
            Effect::Gains(listener, gains) => {
                if let Some(pipeline) = pipeline() {
                    pipeline.set_gains(listener, gains);
                }
            }
            Effect::SeekFile(seconds) => task.iter().for_each(|task| task.seek(seconds)),
            Effect::Record => pipeline().into_iter().for_each(|pipeline| pipeline.record()),
            Effect::Recorded(class, without_ms) => {
                // Cloned at once: a moment later the pipeline may be another one.
                let samples = pipeline().map(|pipeline| pipeline.recorded()).unwrap_or_default();
                return self.write(move |store, inbox| taught.keep(store, inbox, &class, samples, without_ms));
            }
            Effect::SaveDesk(session, mix) => {
                return self.write(move |store, _| live_files::save_desk(store, &session, &mix));
            }
            Effect::LoadDesk(session, name) => {
                return self.aside(Message::trouble, move |store, _| live_files::load_desk(store, &session, name));
            }
            Effect::Bookmark(session, source, gains) => {
                return self.write(move |store, inbox| {
                    live_files::bookmark(store, inbox, task.as_ref(), session, &source, &gains)
                });
            }
            Effect::Bookmarks(session) => {
                return self.aside(Message::trouble, move |store, _| live_files::bookmarks(store, session));
            }
            Effect::Replay(session, bookmark, device) => {
                let of = bookmark.at_ms;
                let failed = move |why| Message::Replayed(of, Err(why));
                return self.aside(failed, move |store, _| live_files::replay(store, &session, &bookmark, &device));
            }
            Effect::RemoveBookmark(session, bookmark) => {
                return self.write(move |store, inbox| live_files::remove_bookmark(store, inbox, session, *bookmark));
            }
            Effect::OpenLesson(folder) => {
                return self.aside(Message::trouble, move |store, _| taught.open(store, folder));
            }
            Effect::NameClass(name) => {
                return self.write(move |store, _| taught.change(store, |lesson| lesson.name(&name)));
            }
            Effect::RemoveExample(class, place) => {
                return self.write(move |store, _| taught.change(store, |lesson| lesson.remove(&class, place)));
            }
            _ => {}
        }
        Vec::new()
    }

    /// Stops training, each run with a checkpoint, and exports, and waits for them and for whatever else writes files.
    pub fn stop(&mut self) {
        self.stop_listening();
        self.jobs.stop();
        self.speaker.order(Playback::Stop);
        self.trainers.stop();
        self.jobs.wait();
        self.clerk.stop();
        self.keeper.stop();
        for writer in self.writers.drain(..) {
            let _ = writer.join();
        }
    }

    /// Whether some trainer is still running.
    pub fn is_training(&self) -> bool {
        self.trainers.is_training()
    }

    fn stop_listening(&mut self) {
        // The handle stays: the recording so far is still needed.
        if let Some(task) = &self.listen_task {
            task.stop(false);
        }
    }

    /// Runs a job on its own thread and sends the result. `failed` is the message when it panics or cannot begin.
    fn aside(
        &self,
        failed: impl FnOnce(String) -> Message + Clone + Send + 'static,
        work: impl FnOnce(&Store, &Inbox) -> Message + Send + 'static,
    ) -> Vec<Message> {
        self.spawn("aside", failed, move |store, inbox| {
            let message = work(store, inbox);
            let _ = inbox.send(message);
        })
    }

    /// Runs a job that writes files on its own thread, and sends the result. [`Self::stop`] waits for it.
    fn write(&mut self, work: impl FnOnce(&Store, &Inbox) -> Message + Send + 'static) -> Vec<Message> {
        self.writer("write", move |store, inbox| {
            let message = work(store, inbox);
            let _ = inbox.send(message);
        })
    }

    /// Runs work that writes files on its own thread. [`Self::stop`] waits for it.
    fn writer(&mut self, name: &str, work: impl FnOnce(&Store, &Inbox) + Send + 'static) -> Vec<Message> {
        self.writers.retain(|writer| !writer.is_finished());
        match self.start(name, Message::trouble, work) {
            Ok(thread) => {
                self.writers.push(thread);
                Vec::new()
            }
            Err(message) => vec![message],
        }
    }

    fn spawn(
        &self,
        name: &str,
        failed: impl FnOnce(String) -> Message + Clone + Send + 'static,
        work: impl FnOnce(&Store, &Inbox) + Send + 'static,
    ) -> Vec<Message> {
        self.start(name, failed, work).err().into_iter().collect()
    }

    fn start(
        &self,
        name: &str,
        failed: impl FnOnce(String) -> Message + Clone + Send + 'static,
        work: impl FnOnce(&Store, &Inbox) + Send + 'static,
    ) -> Result<JoinHandle<()>, Message> {
        let (store, inbox) = (self.store.clone(), self.inbox.clone());
        jobs::start(name, &self.inbox, failed, move || work(&store, &inbox))
    }
}
