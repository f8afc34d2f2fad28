//! Reading an event log: whole, as it grows, or in outline.

use std::{
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use rayon::prelude::*;
use serde::Deserialize;

use super::{Event, LOG_FILE, Record, RunState, SessionError, StepRecord, recover};
use crate::{limits, model::BlockNorms, regular};

/// The beginning of a step's log line after its time; most lines of a log are steps.
const STEP_MARK: &[u8] = b"\"event\":\"step\"";
/// The same for norms, the longest lines.
const NORMS_MARK: &[u8] = b"\"event\":\"norms\"";
/// Bytes read at once.
const BLOCK: usize = 1 << 20;
/// Fewest lines that are worth another thread.
const LINES: usize = 256;

/// Reads a log from its start and continues with what is appended to it, by this process or another. It reads line by
/// line: a log of any length takes the memory of its longest line.
pub struct LogReader {
    path: PathBuf,
    /// Where the next line starts.
    offset: u64,
    /// Lines that could not be understood and were skipped.
    damaged: usize,
}

impl LogReader {
    /// A reader at the start of a session's log. The log may not exist yet.
    pub fn new(folder: &Path) -> Self {
        Self { path: folder.join(LOG_FILE), offset: 0, damaged: 0 }
    }

    /// Every event since the last call. An incomplete last line is left for the next one.
    ///
    /// # Errors
    /// When the log is there and cannot be read.
    pub fn poll(&mut self) -> Result<Vec<Record>, SessionError> {
        let mut records = Vec::new();
        self.each(|record| records.push(record))?;
        Ok(records)
    }

    /// Folds every event since the last call into `state`.
    ///
    /// # Errors
    /// When the log is there and cannot be read.
    pub fn fold(&mut self, state: &mut RunState) -> Result<(), SessionError> {
        self.each(|record| state.apply(&record))
    }

    /// Passes on every event since the last call, in order.
    ///
    /// # Errors
    /// When the log is there and cannot be read.
    pub fn each(&mut self, mut pass: impl FnMut(Record)) -> Result<(), SessionError> {
        let mut damaged = 0;
        let read = self.blocks(|text| {
            let lines: Vec<_> = lines(text).collect();
            // Parsing is nearly all of the work.
            let records: Vec<_> = lines.par_iter().with_min_len(LINES).map(|line| parse(line)).collect();
            for record in records {
                match record {
                    Some(record) => pass(record),
                    None => damaged += 1,
                }
            }
        });
        self.damaged += damaged;
        read
    }

    /// Lines skipped because they are not events of a known kind.
    pub fn damaged(&self) -> usize {
        self.damaged
    }

    /// Passes on the complete lines after `offset`, many at once, and moves it past them.
    fn blocks(&mut self, mut pass: impl FnMut(&[u8])) -> Result<(), SessionError> {
        let fail = |action| SessionError::io(&self.path, action);
        let mut file = match regular::open(&self.path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            other => other.map_err(fail("open"))?,
        };
        // A log grows only by whole lines; a shorter one is another log.
        if file.metadata().map_err(fail("read"))?.len() < self.offset {
            self.offset = 0;
        }
        file.seek(SeekFrom::Start(self.offset)).map_err(fail("read"))?;
        let mut text = Vec::with_capacity(2 * BLOCK);
        // Whether the current line is too long to be an event.
        let mut passing_over = false;
        loop {
            let kept = text.len();
            if Read::by_ref(&mut file).take(BLOCK as u64).read_to_end(&mut text).map_err(fail("read"))? == 0 {
                return Ok(());
            }
            let Some(last) = text[kept..].iter().rposition(|&byte| byte == b'\n') else {
                if text.len() > limits::LOG_LINE {
                    passing_over = true;
                    self.offset += text.len() as u64;
                    text.clear();
                }
                continue;
            };
            let end = kept + last + 1;
            let mut whole = &text[..end];
            if std::mem::take(&mut passing_over) {
                self.damaged += 1;
                let rest = whole.iter().position(|&byte| byte == b'\n').map_or(end, |at| at + 1);
                whole = &whole[rest..];
            }
            pass(whole);
            self.offset += end as u64;
            text.drain(..end);
        }
    }
}

/// A line of a step. Parsed separately: serde's tagged enum takes four times as long, and most lines of a log are
/// steps.
#[derive(Deserialize)]
struct StepLine {
    at_ms: u64,
    step: u64,
    epoch: u32,
    loss: f32,
    lr: f64,
    data_ms: f32,
    compute_ms: f32,
}

/// The same for norms.
#[derive(Deserialize)]
struct NormsLine {
    at_ms: u64,
    step: u64,
    blocks: Vec<BlockNorms>,
    cost_ms: f32,
}

/// The event of a line; `None` for an unknown kind, and for the beginning of a run whose model cannot be.
fn parse(line: &[u8]) -> Option<Record> {
    if has_mark(line, STEP_MARK)
        && let Ok(StepLine { at_ms, step, epoch, loss, lr, data_ms, compute_ms }) = serde_json::from_slice(line)
    {
        let event = Event::Step(StepRecord { step, epoch, loss, lr, data_ms, compute_ms });
        return Some(Record { at_ms, event });
    }
    if has_mark(line, NORMS_MARK)
        && let Ok(NormsLine { at_ms, step, blocks, cost_ms }) = serde_json::from_slice(line)
    {
        return Some(Record { at_ms, event: Event::Norms { step, blocks, cost_ms } });
    }
    let record: Record = serde_json::from_slice(line).ok()?;
    match &record.event {
        Event::Started { config, .. } if config.shape.check_backbone().is_err() => None,
        _ => Some(record),
    }
}

/// The state of a session without its steps and norms ([`RunState::outline`]): what a list shows. Most lines are
/// recognised by their first bytes and never parsed, so long logs list fast.
///
/// # Errors
/// When the log cannot be read.
pub fn outline(folder: &Path) -> Result<RunState, SessionError> {
    let state = outline_from(folder, RunState::default())?;
    match state.config.is_none().then(|| recover::from_checkpoints(folder)).flatten() {
        None => Ok(state),
        Some((begun, file)) => {
            let mut state = RunState::default();
            state.apply(&begun);
            let mut state = outline_from(folder, state)?;
            state.warnings.push(recover::note(&file));
            Ok(state)
        }
    }
}

fn outline_from(folder: &Path, mut state: RunState) -> Result<RunState, SessionError> {
    let mut last_step = Vec::new();
    LogReader::new(folder).blocks(|text| {
        for line in lines(text) {
            if has_mark(line, STEP_MARK) {
                last_step.clear();
                last_step.extend_from_slice(line);
            } else if !has_mark(line, NORMS_MARK) {
                // In order, so that a resumption rewinds the step before it.
                apply_line(&mut state, &last_step);
                last_step.clear();
                apply_line(&mut state, line);
            }
        }
    })?;
    apply_line(&mut state, &last_step);
    Ok(state.outline())
}

fn apply_line(state: &mut RunState, line: &[u8]) {
    if let Some(record) = parse(line) {
        state.apply(&record);
    }
}

fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|&byte| byte == b'\n').filter(|line| !line.is_empty())
}

/// Whether an event's line, `{"at_ms":1700000000000,"event":"step",...`, is of this kind.
fn has_mark(line: &[u8], mark: &[u8]) -> bool {
    let Some(comma) = line.iter().take(32).position(|&byte| byte == b',') else { return false };
    line[comma + 1..].starts_with(mark)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::{fs::OpenOptions, io::Write};

    use crate::{
        model::ModelConfig,
        session::{LogWriter, StepRecord, testing},
    };

    fn step(step: u64) -> Record {
        Record { at_ms: 1_700_000_000_000 + step, event: Event::Step(StepRecord { step, ..StepRecord::default() }) }
    }

    #[test]
    fn what_is_appended_is_read_back_in_order_and_followed() {
        let folder = tempfile::tempdir().unwrap();
        let mut reader = LogReader::new(folder.path());
        assert_eq!(reader.poll().unwrap(), []);
        let mut writer = LogWriter::open(folder.path()).unwrap();
        writer.append(&step(1)).unwrap();
        writer.append(&step(2)).unwrap();
        assert_eq!(reader.poll().unwrap(), [step(1), step(2)]);
        writer.append(&step(3)).unwrap();
        assert_eq!(reader.poll().unwrap(), [step(3)]);
        assert_eq!(reader.poll().unwrap(), []);
    }

    #[test]
    fn every_line_can_be_read_back_whatever_its_numbers_are() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = LogWriter::open(folder.path()).unwrap();
        let mut reader = LogReader::new(folder.path());
        for loss in [f32::NAN, f32::INFINITY] {
            let event = Event::Step(StepRecord { step: 7, loss, ..StepRecord::default() });
            writer.append(&Record { at_ms: 5, event }).unwrap();
        }
        writer.append(&step(8)).unwrap();
        let read = reader.poll().unwrap();
        assert_eq!((read.len(), reader.damaged()), (3, 0));
        let said = |record: &Record| matches!(&record.event, Event::Warning { message } if message.contains("not a number: step"));
        assert!(said(&read[0]) && said(&read[1]), "{read:?}");
        assert_eq!(read[2], step(8));
    }

    /// A billion blocks froze the workbench: it lists a model's parameters.
    #[test]
    fn a_model_that_cannot_be_is_damage() {
        let changes: [fn(&mut ModelConfig); 2] =
            [|shape| shape.depth = 1_000_000_000, |shape| shape.classes = 1_000_000_000_000];
        for change in changes {
            let folder = tempfile::tempdir().unwrap();
            let mut writer = LogWriter::open(folder.path()).unwrap();
            let mut started = testing::records().remove(0);
            if let Event::Started { config, .. } = &mut started.event {
                change(&mut config.shape);
            }
            [started, step(1)].iter().for_each(|record| writer.append(record).unwrap());
            let mut reader = LogReader::new(folder.path());
            assert_eq!((reader.poll().unwrap(), reader.damaged()), (vec![step(1)], 1));
        }
    }

    #[test]
    fn a_torn_last_line_is_not_read_and_is_cut_before_appending() {
        let folder = tempfile::tempdir().unwrap();
        LogWriter::open(folder.path()).unwrap().append(&step(1)).unwrap();
        let path = folder.path().join(LOG_FILE);
        let torn = serde_json::to_vec(&step(2)).unwrap();
        OpenOptions::new().append(true).open(&path).unwrap().write_all(&torn[..torn.len() / 2]).unwrap();

        let mut reader = LogReader::new(folder.path());
        assert_eq!(reader.poll().unwrap(), [step(1)]);
        LogWriter::open(folder.path()).unwrap().append(&step(2)).unwrap();
        assert_eq!(reader.poll().unwrap(), [step(2)]);
        assert_eq!(reader.damaged(), 0);
    }

    #[test]
    fn a_log_without_any_complete_line_is_cut_to_nothing() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(LOG_FILE), vec![b'x'; 10_000]).unwrap();
        let mut writer = LogWriter::open(folder.path()).unwrap();
        writer.append(&step(1)).unwrap();
        assert_eq!(LogReader::new(folder.path()).poll().unwrap(), [step(1)]);
    }

    #[test]
    fn a_line_that_is_no_event_is_counted_and_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let mut text = serde_json::to_vec(&step(1)).unwrap();
        text.extend_from_slice(b"\n{\"at_ms\":1,\"event\":\"from the future\"}\n\xff\xfe\n");
        std::fs::write(folder.path().join(LOG_FILE), text).unwrap();
        let mut reader = LogReader::new(folder.path());
        assert_eq!(reader.poll().unwrap(), [step(1)]);
        assert_eq!(reader.damaged(), 2);
    }

    #[test]
    fn the_outline_is_the_fold_without_its_steps() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = LogWriter::open(folder.path()).unwrap();
        let mut records = testing::records();
        records.push(step(900));
        for record in &records {
            writer.append(record).unwrap();
        }
        let whole = RunState::from_records(&records);
        let outline = outline(folder.path()).unwrap();
        assert_eq!(outline.step(), 900);
        assert_eq!(outline, whole.outline());
    }

    #[test]
    fn the_outline_of_a_resumed_run_knows_its_step() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = LogWriter::open(folder.path()).unwrap();
        let resumed = Record { at_ms: 1_700_000_009_000, event: Event::Resumed { step: 2, epochs: 1 } };
        testing::records().iter().take(13).chain([&resumed]).for_each(|record| writer.append(record).unwrap());
        assert_eq!(outline(folder.path()).unwrap().step(), 2);
    }

    #[test]
    fn a_log_longer_than_a_block_is_read_line_by_line() {
        let folder = tempfile::tempdir().unwrap();
        let mut text = Vec::new();
        for number in 0..30_000 {
            serde_json::to_writer(&mut text, &step(number)).unwrap();
            text.push(b'\n');
        }
        assert!(text.len() > 2 * BLOCK);
        std::fs::write(folder.path().join(LOG_FILE), &text).unwrap();
        let mut reader = LogReader::new(folder.path());
        assert_eq!(reader.poll().unwrap(), (0..30_000).map(step).collect::<Vec<_>>());
        assert_eq!((reader.offset, reader.damaged()), (text.len() as u64, 0));
    }

    #[test]
    fn a_line_that_never_ends_is_passed_over_and_what_follows_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let mut text = serde_json::to_vec(&step(1)).unwrap();
        text.push(b'\n');
        text.resize(text.len() + limits::LOG_LINE + 3 * BLOCK, b'x');
        text.push(b'\n');
        serde_json::to_writer(&mut text, &step(2)).unwrap();
        text.push(b'\n');
        std::fs::write(folder.path().join(LOG_FILE), text).unwrap();
        let mut reader = LogReader::new(folder.path());
        assert_eq!(reader.poll().unwrap(), [step(1), step(2)]);
        assert_eq!(reader.damaged(), 1);
    }

    #[test]
    fn steps_and_norms_are_read_the_short_way_as_they_are_the_long_way() {
        for record in testing::records() {
            let line = serde_json::to_vec(&record).unwrap();
            assert_eq!(parse(&line), serde_json::from_slice(&line).ok());
            assert_eq!(parse(&line), Some(record));
        }
    }
}
