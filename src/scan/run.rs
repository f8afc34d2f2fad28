//! A scan from its recordings to its tables.

use std::{
    collections::BTreeMap,
    io,
    ops::{ControlFlow, Range},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use super::{
    Cut, Detection, Event, Key, Plan, Progress, Row, ScanError, Summary, Unread,
    cells::Cells,
    clips,
    events::{self, Finder},
    journal::{Done, Journal},
    names::{stems, under, write_light},
    part,
    score::{self, Sink},
    settings::seconds,
    sidecar::{self, FileNote, Sidecar},
    table::{Table, time},
    workers,
};
use crate::{atomic, audio::Began, infer::Classifier, npy};

/// How often the journal is put on the disk.
const SYNC: Duration = Duration::from_secs(10);

/// Scans: scores what no earlier run has scored, writes each recording's tables as it ends, and at last those of all.
///
/// # Errors
/// When the folder for results cannot be written or holds another scan, the model fails, or `report` breaks off.
pub fn run(
    classifier: &mut Classifier,
    plan: &Plan,
    report: &mut dyn FnMut(Event<'_>) -> ControlFlow<()>,
) -> Result<Summary, ScanError> {
    let digest = classifier.digest()?;
    let width = if plan.embeddings { classifier.width() } else { 0 };
    let key = Key::new(&digest, plan.grid, width);
    if !plan.replace {
        sidecar::check(&plan.out, key.as_str(), &plan.given)?;
    }
    let journal = Journal::open(&plan.out).map_err(ScanError::io(&plan.out))?;
    let recordings = &plan.found.recordings;
    let mut runner = Runner {
        plan,
        labels: classifier.labels().to_vec(),
        width,
        calibration: classifier.calibration().map(|calibration| calibration.scaling.to_string()),
        parts: recordings.iter().map(|recording| key.part(recording)).collect(),
        stems: stems(recordings),
        journal,
        synced: Instant::now(),
        report,
        progress: Progress { of_bytes: plan.found.bytes(), ..Progress::default() },
        reading: BTreeMap::new(),
        failed: plan.found.unread.clone(),
        scored: 0,
    };
    runner.say(Event::Begin { files: recordings.len(), bytes: plan.found.bytes() })?;
    for unread in &plan.found.unread {
        runner.say(Event::Failed(unread))?;
    }

    let mut wanted = Vec::new();
    for (file, recording) in recordings.iter().enumerate() {
        match runner.known(file)? {
            true => runner.progress.of_bytes -= recording.bytes,
            false => wanted.push(file),
        }
        runner.say(Event::Progress(runner.progress))?;
    }
    let known = recordings.len() - wanted.len();
    let cut = score::Cut {
        front_end: classifier.front_end(),
        frames: plan.grid.frames,
        hop: plan.grid.hop,
        batch: plan.batch.unwrap_or_else(|| workers::batch(classifier)).max(1),
        embeddings: plan.embeddings,
    };
    let outcome = score::score(classifier, cut, recordings, &wanted, &mut runner);
    runner.journal.sync().map_err(ScanError::io(&plan.out))?;
    outcome?;
    runner.finish(&digest, &key, known)
}

struct Runner<'a> {
    plan: &'a Plan,
    labels: Vec<String>,
    /// Values of an embedding that parts hold behind each window's scores.
    width: usize,
    /// The calibration that scores are with.
    calibration: Option<String>,
    /// For each recording, the name of its part and the stem of its own tables.
    parts: Vec<String>,
    stems: Vec<PathBuf>,
    journal: Journal,
    synced: Instant,
    report: &'a mut dyn FnMut(Event<'_>) -> ControlFlow<()>,
    progress: Progress,
    /// Samples and bytes so far of recordings that are being read.
    reading: BTreeMap<usize, (u64, u64)>,
    failed: Vec<Unread>,
    /// Samples of recordings that this run scored to their end.
    scored: u64,
}

impl Runner<'_> {
    fn say(&mut self, event: Event<'_>) -> Result<(), ScanError> {
        match (self.report)(event) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(ScanError::Broken),
        }
    }

    fn name(&self, file: usize) -> String {
        self.plan.found.recordings[file].path.display().to_string()
    }

    /// Whether an earlier run has scored a recording; then its tables are written from what was kept.
    fn known(&mut self, file: usize) -> Result<bool, ScanError> {
        let Some(done) = self.journal.done(&self.parts[file]).cloned() else { return Ok(false) };
        let rows = match self.rows(file, &done) {
            Ok(rows) => rows,
            Err(error) => {
                tracing::warn!("{}: its kept scores cannot be used ({error}) and are computed again", done.file);
                self.journal.forget(&self.parts[file]);
                return Ok(false);
            }
        };
        self.progress.files += 1;
        self.report(file, &done, &rows, true)?;
        Ok(true)
    }

    /// Writes one recording's tables and says that it is done.
    fn report(&mut self, file: usize, done: &Done, rows: &[Row], known: bool) -> Result<(), ScanError> {
        let stem = &self.stems[file];
        for &format in &self.plan.formats {
            let path = format.of_one(&self.plan.out.join("files").join(stem));
            write_light(&path, |to| {
                let mut table = Table::new(format, to)?;
                rows.iter().try_for_each(|row| table.push(row, done.rate))
            })?;
        }
        if self.plan.scores {
            self.write_scores(file, done)?;
        }
        if self.plan.embeddings {
            self.write_embeddings(file, done)?;
        }
        let name = self.name(file);
        let (began, notes) = (self.began(done), done.notes.as_slice());
        let began = began.cloned();
        let began = began.as_ref();
        self.say(Event::File { file: &name, seconds: seconds(done.samples), rows, began, notes, known })
    }

    /// Goes through the windows of a recording's part: each one's cell and its values.
    fn windows(&self, done: &Done, mut take: impl FnMut(Range<u64>, &[f32]) -> io::Result<()>) -> io::Result<()> {
        let values = self.labels.len() + self.width;
        let mut reader = part::Reader::open(&self.journal.path(&done.part), values, done.windows, done.crc)?;
        let mut cells = Cells::new(self.plan.grid.size());
        let (mut here, mut before) = (Vec::new(), Vec::new());
        while let Some(start) = reader.next(&mut here)? {
            if let Some(cell) = cells.push(start) {
                take(cell, &before)?;
            }
            std::mem::swap(&mut here, &mut before);
        }
        cells.finish(done.samples).map_or(Ok(()), |cell| take(cell, &before))
    }

    /// What was found in a recording, in order.
    fn detections(&self, done: &Done) -> io::Result<Vec<Detection>> {
        let (mut finder, mut found) = (Finder::new(&self.plan.rules), Vec::new());
        let classes = self.labels.len();
        self.windows(done, |cell, values| {
            finder.push(cell, &values[..classes], &mut found);
            Ok(())
        })?;
        finder.finish(&mut found);
        events::sort(&mut found);
        Ok(found)
    }

    /// When a recording began.
    fn began<'d>(&'d self, done: &'d Done) -> Option<&'d Began> {
        self.plan.began.as_ref().or(done.began.as_ref())
    }

    fn rows(&self, file: usize, done: &Done) -> io::Result<Vec<Row>> {
        let (name, began) = (self.name(file), self.began(done));
        let row = |one: Detection| Row {
            file: name.clone(),
            start: seconds(one.start),
            end: seconds(one.end),
            label: self.labels[one.class].clone(),
            score: one.score,
            margin: one.margin,
            time: began.map(|began| began.after(seconds(one.start))),
        };
        Ok(self.detections(done)?.into_iter().map(row).collect())
    }

    /// Every window's scores, with the stretch that each answers for: without gap or overlap where windows overlap.
    fn write_scores(&self, file: usize, done: &Done) -> Result<(), ScanError> {
        let path = under(&self.plan.out.join("scores"), &self.stems[file], ".tsv");
        write_light(&path, |to| {
            let labels = self.labels.iter().map(|label| label.replace(['\t', '\n', '\r'], " "));
            writeln!(to, "onset\toffset\t{}", labels.collect::<Vec<_>>().join("\t"))?;
            self.windows(done, |cell, values| {
                write!(to, "{}\t{}", time(seconds(cell.start)), time(seconds(cell.end)))?;
                values[..self.labels.len()].iter().try_for_each(|score| write!(to, "\t{score}"))?;
                writeln!(to)
            })
        })
    }

    /// Every window's embedding, one row each: float32 (windows, D), in the order of the scores.
    fn write_embeddings(&self, file: usize, done: &Done) -> Result<(), ScanError> {
        let path = under(&self.plan.out.join("embeddings"), &self.stems[file], ".npy");
        let shape = [done.windows, self.width as u64];
        write_light(&path, |to| {
            npy::write(to, shape, |array| self.windows(done, |_, values| array(&values[self.labels.len()..])))
        })
    }

    /// Writes the tables of all recordings and the settings.
    fn finish(mut self, fingerprint: &str, key: &Key, known: usize) -> Result<Summary, ScanError> {
        let plan = self.plan;
        let broken = |done: &Done, error: io::Error| {
            ScanError::Request(format!("{}: its kept scores cannot be read again ({error}); scan once more", done.file))
        };
        let (mut written, mut detections) = (Vec::new(), 0);
        let all: Vec<(usize, Done)> = (0..self.parts.len())
            .filter_map(|file| Some((file, self.journal.done(&self.parts[file])?.clone())))
            .collect();
        for name in plan.formats.iter().filter_map(|format| Some((*format, format.of_all()?))) {
            let (format, path) = (name.0, plan.out.join(name.1));
            detections = 0;
            atomic::write(&path, |to| {
                let mut table = Table::new(format, to).map_err(ScanError::io(&path))?;
                for (file, done) in &all {
                    let rows = self.rows(*file, done).map_err(|error| broken(done, error))?;
                    detections += rows.len() as u64;
                    rows.iter().try_for_each(|row| table.push(row, done.rate)).map_err(ScanError::io(&path))?;
                }
                Ok(())
            })
            .map_err(|error: Unwritten| error.at(&path))?;
            written.push(path);
        }
        if written.is_empty() {
            for (_, done) in &all {
                detections += self.detections(done).map_err(|error| broken(done, error))?.len() as u64;
            }
        }
        let cut = self.clips(&all, broken)?;
        let mut failed = std::mem::take(&mut self.failed);
        failed.sort_by(|a, b| a.file.cmp(&b.file));
        let hours = seconds(all.iter().map(|(_, done)| done.samples).sum()) / 3_600.0;
        let mut left_out = BTreeMap::new();
        for one in &plan.found.left_out {
            *left_out.entry(one.reason.id()).or_insert(0) += 1;
        }
        let mut times = BTreeMap::new();
        for (_, done) in &all {
            *times.entry(self.began(done).map_or("unknown", |began| began.from.id())).or_insert(0) += 1;
        }
        let note = |(_, done): &(usize, Done)| {
            let file = done.file.clone();
            done.notes.iter().map(move |note| FileNote { file: file.clone(), note: note.clone() }).collect::<Vec<_>>()
        };
        let sidecar = Sidecar {
            program: env!("CARGO_PKG_NAME"),
            version: env!("CARGO_PKG_VERSION"),
            session: &plan.session,
            fingerprint,
            key: key.as_str(),
            calibration: self.calibration.clone(),
            paths: &plan.given,
            window_s: plan.grid.window_s(),
            hop_s: plan.grid.hop_s(),
            smoothed_windows: 2 * plan.rules.smooth + 1,
            min_duration_s: seconds(plan.rules.min_duration),
            max_gap_s: seconds(plan.rules.max_gap),
            thresholds: &plan.thresholds,
            classes: self.labels.iter().map(String::as_str).zip(plan.rules.classes.iter().copied()).collect(),
            formats: &plan.formats,
            files: all.len(),
            hours,
            detections,
            failed: &failed,
            notes: all.iter().flat_map(note).collect(),
            left_out,
            times,
            given_again: plan.found.again,
        };
        written.push(sidecar.write(&plan.out)?);
        let scored_hours = seconds(self.scored) / 3_600.0;
        Ok(Summary { files: all.len(), known, failed, hours, scored_hours, detections, cut, written })
    }

    /// Cuts detections out, where that was asked for.
    fn clips(
        &mut self,
        all: &[(usize, Done)],
        broken: impl Fn(&Done, io::Error) -> ScanError,
    ) -> Result<Option<Cut>, ScanError> {
        let Some(wanted) = &self.plan.clips else { return Ok(None) };
        let mut places = Vec::new();
        for (file, done) in all {
            let found = self.detections(done).map_err(|error| broken(done, error))?;
            places.extend(found.into_iter().map(|one| (*file, one)));
        }
        let (report, progress) = (&mut *self.report, self.progress);
        let mut reported = || report(Event::Progress(progress)).is_continue();
        clips::cut(wanted, &self.plan.found.recordings, &self.labels, places, &mut reported).map(Some)
    }
}

impl Sink for Runner<'_> {
    fn part(&mut self, file: usize) -> io::Result<part::Writer> {
        part::Writer::new(self.journal.path(&self.parts[file]))
    }

    fn reached(&mut self, file: usize, samples: u64, position: u64) -> ControlFlow<()> {
        let (samples_before, position_before) = self.reading.insert(file, (samples, position)).unwrap_or_default();
        self.progress.seconds += seconds(samples - samples_before);
        self.progress.bytes += position.saturating_sub(position_before);
        (self.report)(Event::Progress(self.progress))
    }

    fn ended(&mut self, file: usize, done: Done) -> Result<ControlFlow<()>, ScanError> {
        let done = Done { file: self.name(file), part: self.parts[file].clone(), ..done };
        self.journal.add(done.clone()).map_err(ScanError::io(&self.plan.out))?;
        if self.synced.elapsed() >= SYNC {
            self.journal.sync().map_err(ScanError::io(&self.plan.out))?;
            self.synced = Instant::now();
        }
        self.scored += done.samples;
        let bytes = self.plan.found.recordings[file].bytes;
        let (samples, position) = self.reading.remove(&file).unwrap_or_default();
        self.progress.files += 1;
        self.progress.seconds += seconds(done.samples - samples);
        self.progress.bytes = self.progress.bytes + bytes - position.min(bytes);
        let rows = self.rows(file, &done).map_err(ScanError::io(self.journal.path(&done.part)))?;
        match self.report(file, &done, &rows, false) {
            Ok(()) => Ok((self.report)(Event::Progress(self.progress))),
            Err(ScanError::Broken) => Ok(ControlFlow::Break(())),
            Err(error) => Err(error),
        }
    }

    fn failed(&mut self, file: usize, error: String) -> ControlFlow<()> {
        let unread = Unread { file: self.name(file), error };
        let (_, position) = self.reading.remove(&file).unwrap_or_default();
        let bytes = self.plan.found.recordings[file].bytes;
        self.progress.files += 1;
        self.progress.bytes = self.progress.bytes + bytes - position.min(bytes);
        (self.report)(Event::Failed(&unread))?;
        self.failed.push(unread);
        (self.report)(Event::Progress(self.progress))
    }
}

/// Why a table of all recordings was not written.
enum Unwritten {
    Scan(ScanError),
    File(io::Error),
}

impl From<io::Error> for Unwritten {
    fn from(error: io::Error) -> Self {
        Self::File(error)
    }
}

impl From<ScanError> for Unwritten {
    fn from(error: ScanError) -> Self {
        Self::Scan(error)
    }
}

impl Unwritten {
    fn at(self, path: &Path) -> ScanError {
        match self {
            Self::Scan(error) => error,
            Self::File(source) => ScanError::Io { path: path.to_owned(), source },
        }
    }
}
