//! Recordings to scores: threads that decode and compute filter banks, ahead of the model's workers by a bounded queue.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    ops::ControlFlow,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel},
    },
    thread,
    time::Duration,
};

use super::{
    Recording, ScanError,
    journal::Done,
    part,
    workers::{self, Batch, Scored},
};
use crate::{
    audio::{Began, FrontEnd, Note, SAMPLE_RATE, Streamed, Window},
    infer::Classifier,
    ops::parallel,
};

/// Messages that wait for the model, for each decoding thread.
const AHEAD: usize = 3;
/// Seconds of a recording after which a decoding thread reports, whatever it has.
const REPORT_S: u64 = 60;
/// How long the model waits for a batch to fill while nothing comes.
const PATIENCE: Duration = Duration::from_millis(50);

/// How recordings are cut and scored.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cut {
    pub(super) front_end: FrontEnd,
    /// Frames of a window, and samples from one to the next.
    pub(super) frames: usize,
    pub(super) hop: u64,
    /// Windows that go through the model at once.
    pub(super) batch: usize,
    /// Whether each window's embedding is kept, too.
    pub(super) embeddings: bool,
}

/// What a decoding thread says.
enum Message {
    /// Windows of a recording, which has been read so far: samples given, bytes of the file passed.
    Windows { file: usize, windows: Vec<Window>, samples: u64, position: u64 },
    /// It has ended.
    End(End),
    /// It cannot be read, or not to its end.
    Failed { file: usize, error: String },
}

/// A recording that was decoded to its end.
struct End {
    file: usize,
    samples: u64,
    rate: u32,
    began: Option<Began>,
    notes: Vec<Note>,
}

/// What becomes of the recordings, as it happens.
pub(super) trait Sink {
    /// Where the part of a recording goes.
    fn part(&mut self, file: usize) -> std::io::Result<part::Writer>;
    /// How far a recording has been read.
    fn reached(&mut self, file: usize, samples: u64, position: u64) -> ControlFlow<()>;
    /// All of it is scored, and its part is whole. The name of the part and the file are the sink's to fill in.
    fn ended(&mut self, file: usize, done: Done) -> Result<ControlFlow<()>, ScanError>;
    /// It cannot be read.
    fn failed(&mut self, file: usize, error: String) -> ControlFlow<()>;
}

/// Scores recordings, those of `wanted` by their index. This thread keeps the order and writes; others decode and compute.
///
/// # Errors
/// When the model fails, a part cannot be written, or the sink breaks off.
pub(super) fn score(
    classifier: &mut Classifier,
    cut: Cut,
    recordings: &[Recording],
    wanted: &[usize],
    sink: &mut dyn Sink,
) -> Result<(), ScanError> {
    // The model keeps every core busy by itself: a thread of decoding for some of them keeps up with it.
    let cores = parallel::threads();
    let threads = (cores / 4).clamp(1, 8).min(wanted.len().max(1));
    let (workers, each) = (workers::count(classifier), workers::threads(classifier));
    let mut twins: Vec<Classifier> = (1..workers).map(|_| classifier.twin()).collect();
    let next = AtomicUsize::new(0);
    let (batches, queue) = channel();
    let queue = Mutex::new(queue);
    thread::scope(|scope| {
        let (outbox, inbox) = sync_channel(AHEAD * threads);
        for _ in 0..threads {
            let (outbox, next) = (outbox.clone(), &next);
            scope.spawn(move || {
                while let Some(&file) = wanted.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let Some(recording) = recordings.get(file) else { continue };
                    // Nobody is there any more to take what comes next.
                    if decode(file, recording, cut, &outbox).is_break() {
                        return;
                    }
                }
            });
        }
        drop(outbox);
        let (finished, results) = channel();
        for model in std::iter::once(classifier).chain(&mut twins) {
            let (finished, queue) = (finished.clone(), &queue);
            scope.spawn(move || workers::work(model, each, cut.embeddings, queue, &finished));
        }
        drop(finished);
        // The inbox and the batches end with this call, and with them the threads that wait for room in one or for the other.
        Scorer {
            cut,
            sink,
            batches,
            results,
            dispatched: 0,
            written: 0,
            workers: workers as u64,
            early: BTreeMap::new(),
            windows: Vec::new(),
            computing: HashMap::new(),
            ends: Vec::new(),
            failed: HashSet::new(),
            writers: HashMap::new(),
        }
        .run(&inbox)
    })
}

/// Sends one recording's windows.
fn decode(file: usize, recording: &Recording, cut: Cut, outbox: &SyncSender<Message>) -> ControlFlow<()> {
    let send = |message| match outbox.send(message) {
        Ok(()) => ControlFlow::Continue(()),
        Err(_) => ControlFlow::Break(()),
    };
    let mut streamed = match Streamed::open(&recording.path, cut.front_end, cut.frames, cut.hop) {
        Ok(streamed) => streamed,
        Err(error) => return send(Message::Failed { file, error: error.to_string() }),
    };
    let (mut windows, mut reported) = (Vec::new(), 0);
    loop {
        let more = match streamed.next(&mut windows) {
            Ok(more) => more,
            Err(error) => return send(Message::Failed { file, error: error.to_string() }),
        };
        let samples = streamed.samples();
        let due = samples - reported >= REPORT_S * u64::from(SAMPLE_RATE);
        if windows.len() >= cut.batch || due || !more && !windows.is_empty() {
            reported = samples;
            let windows = std::mem::take(&mut windows);
            send(Message::Windows { file, windows, samples, position: streamed.position() })?;
        }
        if !more {
            let (rate, notes) = (streamed.rate(), streamed.notes().to_vec());
            let began = Began::of(&recording.path);
            return send(Message::End(End { file, samples, rate, began, notes }));
        }
    }
}

/// What keeps the order: windows become batches, and scores go to the parts of their recordings as they were dispatched.
struct Scorer<'a> {
    cut: Cut,
    sink: &'a mut dyn Sink,
    batches: Sender<Batch>,
    results: Receiver<Result<Scored, ScanError>>,
    workers: u64,
    /// Batches given to the workers, and those whose scores are written.
    dispatched: u64,
    written: u64,
    /// Scores of batches whose predecessors are still being computed.
    early: BTreeMap<u64, Scored>,
    /// Windows that wait for a full batch, with the recording that each is of.
    windows: Vec<(usize, Window)>,
    /// Windows of each recording that are in batches whose scores are not written yet.
    computing: HashMap<usize, usize>,
    /// Recordings whose last windows may be among them.
    ends: Vec<End>,
    /// Recordings that could not be read to their end: what is still computed of them is left out.
    failed: HashSet<usize>,
    writers: HashMap<usize, part::Writer>,
}

/// A break as an error.
fn go_on(flow: ControlFlow<()>) -> Result<(), ScanError> {
    if flow.is_break() { Err(ScanError::Broken) } else { Ok(()) }
}

impl Scorer<'_> {
    fn run(mut self, inbox: &Receiver<Message>) -> Result<(), ScanError> {
        loop {
            while let Ok(scored) = self.results.try_recv() {
                self.receive(scored?)?;
            }
            match inbox.recv_timeout(PATIENCE) {
                Ok(message) => self.take(message)?,
                Err(RecvTimeoutError::Timeout) => self.flush(1)?,
                Err(RecvTimeoutError::Disconnected) => {
                    self.flush(1)?;
                    while self.written < self.dispatched {
                        self.wait()?;
                    }
                    return Ok(());
                }
            }
        }
    }

    fn take(&mut self, message: Message) -> Result<(), ScanError> {
        match message {
            Message::Windows { file, windows, samples, position } => {
                self.windows.extend(windows.into_iter().map(|window| (file, window)));
                self.flush(self.cut.batch)?;
                go_on(self.sink.reached(file, samples, position))
            }
            Message::End(end) => {
                self.ends.push(end);
                self.close()
            }
            Message::Failed { file, error } => {
                self.windows.retain(|(of, _)| *of != file);
                self.writers.remove(&file);
                self.failed.insert(file);
                go_on(self.sink.failed(file, error))
            }
        }
    }

    /// Dispatches batches while at least `least` windows wait. What is less than a batch is shared by the workers that have
    /// nothing to do.
    fn flush(&mut self, least: usize) -> Result<(), ScanError> {
        while !self.windows.is_empty() && self.windows.len() >= least {
            // Each worker has a batch, and one is ready for the first that ends.
            while self.dispatched - self.written > self.workers {
                self.wait()?;
            }
            let idle = self.workers.saturating_sub(self.dispatched - self.written).max(1);
            let share = self.windows.len().div_ceil(idle as usize);
            let size = if self.windows.len() < self.cut.batch { share } else { self.cut.batch };
            let rest = self.windows.split_off(size);
            let windows = std::mem::replace(&mut self.windows, rest);
            windows.iter().for_each(|(file, _)| *self.computing.entry(*file).or_default() += 1);
            let batch = Batch::new(self.dispatched, windows);
            self.dispatched += 1;
            self.batches.send(batch).map_err(|_| ScanError::Broken)?;
        }
        Ok(())
    }

    /// Waits for the scores of a batch.
    fn wait(&mut self) -> Result<(), ScanError> {
        let scored = self.results.recv().map_err(|_| ScanError::Broken)??;
        self.receive(scored)
    }

    /// Writes the scores of a batch and of those behind it, as far as they are there; then closes what is whole.
    fn receive(&mut self, scored: Scored) -> Result<(), ScanError> {
        self.early.insert(scored.number, scored);
        while let Some(scored) = self.early.remove(&self.written) {
            self.written += 1;
            self.write(&scored)?;
        }
        self.close()
    }

    fn write(&mut self, scored: &Scored) -> Result<(), ScanError> {
        for (i, &(file, start)) in scored.places.iter().enumerate() {
            if let Some(left) = self.computing.get_mut(&file) {
                *left -= 1;
                if *left == 0 {
                    self.computing.remove(&file);
                }
            }
            if !self.failed.contains(&file) {
                let mut writer = self.writer(file)?;
                writer.push(start, scored.of(i)).map_err(ScanError::io("a part of the scan"))?;
                self.writers.insert(file, writer);
            }
        }
        Ok(())
    }

    /// Closes the recordings that were decoded to their end and of which no window waits or is computed.
    fn close(&mut self) -> Result<(), ScanError> {
        if self.ends.is_empty() {
            return Ok(());
        }
        let waiting: HashSet<usize> = self.windows.iter().map(|(of, _)| *of).collect();
        let ends = std::mem::take(&mut self.ends).into_iter();
        let is_open = |end: &End| waiting.contains(&end.file) || self.computing.contains_key(&end.file);
        let (later, ready): (Vec<End>, Vec<End>) = ends.partition(is_open);
        self.ends = later;
        for End { file, samples, rate, began, notes } in ready {
            let (windows, crc) = self.writer(file)?.finish().map_err(ScanError::io("a part of the scan"))?;
            let (part, name) = (String::new(), String::new());
            let done = Done { file: name, part, samples, rate, windows, crc, began, notes };
            go_on(self.sink.ended(file, done)?)?;
        }
        Ok(())
    }

    /// Takes a recording's writer, or begins one.
    fn writer(&mut self, file: usize) -> Result<part::Writer, ScanError> {
        match self.writers.remove(&file) {
            Some(writer) => Ok(writer),
            None => self.sink.part(file).map_err(ScanError::io("a part of the scan")),
        }
    }
}
