//! Recordings to scores: threads that decode and compute filter banks, ahead of the model by a bounded queue.

use std::{
    collections::{HashMap, HashSet},
    ops::ControlFlow,
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread,
    time::Duration,
};

use super::{Recording, ScanError, journal::Done, part};
use crate::{
    audio::{Began, FrontEnd, LogMel, Note, SAMPLE_RATE, Streamed, Window},
    infer::Classifier,
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

/// Scores recordings, those of `wanted` by their index, on this thread; others decode meanwhile.
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
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let threads = (cores / 4).clamp(1, 8).min(wanted.len().max(1));
    let next = AtomicUsize::new(0);
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
        // The inbox ends with this call, and with it the threads that wait for room in it.
        Scorer { classifier, cut, sink, windows: Vec::new(), ends: Vec::new(), writers: HashMap::new() }.run(&inbox)
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

/// The model's side.
struct Scorer<'a> {
    classifier: &'a mut Classifier,
    cut: Cut,
    sink: &'a mut dyn Sink,
    /// Windows that wait for a full batch, with the recording that each is of.
    windows: Vec<(usize, Window)>,
    /// Recordings whose last windows may be among them.
    ends: Vec<End>,
    writers: HashMap<usize, part::Writer>,
}

impl Scorer<'_> {
    fn run(mut self, inbox: &Receiver<Message>) -> Result<(), ScanError> {
        loop {
            let flow = match inbox.recv_timeout(PATIENCE) {
                Ok(message) => self.take(message)?,
                Err(RecvTimeoutError::Timeout) => self.flush(1)?,
                Err(RecvTimeoutError::Disconnected) => {
                    return match self.flush(1)? {
                        ControlFlow::Continue(()) => Ok(()),
                        ControlFlow::Break(()) => Err(ScanError::Broken),
                    };
                }
            };
            if flow.is_break() {
                return Err(ScanError::Broken);
            }
        }
    }

    fn take(&mut self, message: Message) -> Result<ControlFlow<()>, ScanError> {
        match message {
            Message::Windows { file, windows, samples, position } => {
                self.windows.extend(windows.into_iter().map(|window| (file, window)));
                if self.flush(self.cut.batch)?.is_break() {
                    return Ok(ControlFlow::Break(()));
                }
                Ok(self.sink.reached(file, samples, position))
            }
            Message::End(end) => {
                self.ends.push(end);
                self.flush(self.cut.batch)
            }
            Message::Failed { file, error } => {
                self.windows.retain(|(of, _)| *of != file);
                self.writers.remove(&file);
                Ok(self.sink.failed(file, error))
            }
        }
    }

    /// Scores batches while at least `least` windows wait, then closes the recordings of which none waits any more.
    fn flush(&mut self, least: usize) -> Result<ControlFlow<()>, ScanError> {
        while !self.windows.is_empty() && self.windows.len() >= least {
            let rest = self.windows.split_off(self.cut.batch.min(self.windows.len()));
            let batch = std::mem::replace(&mut self.windows, rest);
            self.batch(batch)?;
        }
        let waiting: HashSet<usize> = self.windows.iter().map(|(of, _)| *of).collect();
        let ends = std::mem::take(&mut self.ends).into_iter();
        let (later, ready): (Vec<End>, Vec<End>) = ends.partition(|end| waiting.contains(&end.file));
        self.ends = later;
        for End { file, samples, rate, began, notes } in ready {
            let (windows, crc) = self.writer(file)?.finish().map_err(ScanError::io("a part of the scan"))?;
            let (part, name) = (String::new(), String::new());
            let done = Done { file: name, part, samples, rate, windows, crc, began, notes };
            if self.sink.ended(file, done)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Takes a recording's writer, or begins one.
    fn writer(&mut self, file: usize) -> Result<part::Writer, ScanError> {
        match self.writers.remove(&file) {
            Some(writer) => Ok(writer),
            None => self.sink.part(file).map_err(ScanError::io("a part of the scan")),
        }
    }

    /// Scores a batch and writes each window's values.
    fn batch(&mut self, batch: Vec<(usize, Window)>) -> Result<(), ScanError> {
        let (places, mels): (Vec<(usize, u64)>, Vec<LogMel>) =
            batch.into_iter().map(|(file, window)| ((file, window.start), window.mel)).unzip();
        let (vectors, scores) = if self.cut.embeddings {
            self.classifier.embed(&mels)?
        } else {
            (Vec::new(), self.classifier.probabilities(&mels)?)
        };
        let (width, classes) = (vectors.len() / mels.len().max(1), self.classifier.labels().len());
        for (i, &(file, start)) in places.iter().enumerate() {
            let mut writer = self.writer(file)?;
            let values = [&scores[i * classes..(i + 1) * classes], &vectors[i * width..(i + 1) * width]];
            writer.push(start, values).map_err(ScanError::io("a part of the scan"))?;
            self.writers.insert(file, writer);
        }
        Ok(())
    }
}
