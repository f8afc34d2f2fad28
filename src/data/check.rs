//! Everything that is wrong with a data set, found in one pass over all of it. The file is long because every kind
//! of problem is found in that pass.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet, HashSet},
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use super::{
    DataError, Dataset, Item, Label, LeftOut, Part, Problem, Reading, Severity, Source,
    marks::{Options, Recording},
    parallel,
    parallel::Progress,
};
use crate::audio::{self, Level, Loudness, Note, SAMPLE_RATE, SoundFile, Whole};

/// A class this many times larger than another deserves a word.
const UNEVEN: usize = 10;
/// Findings of one kind that are listed one by one.
const LISTED: usize = 10;

/// What a check found.
#[derive(Clone, Debug)]
pub struct Report {
    /// The data set as it was read.
    pub dataset: Dataset,
    /// What is wrong with it: errors first.
    pub problems: Vec<Problem>,
    /// Clips that can be used.
    pub clips: usize,
    /// Their seconds of sound.
    pub seconds: f64,
}

impl Report {
    /// Problems that stop training.
    pub fn errors(&self) -> usize {
        self.count(Severity::Error)
    }

    /// Problems of one severity.
    pub fn count(&self, severity: Severity) -> usize {
        self.problems.iter().filter(|problem| problem.severity == severity).count()
    }
}

/// How long and how loud a clip is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Facts {
    /// Its length.
    pub seconds: f32,
    /// Its root mean square, dB relative to full scale; minus infinity where it is silent.
    pub rms_dbfs: f32,
    /// Its greatest absolute sample, dB relative to full scale.
    pub peak_dbfs: f32,
}

impl Facts {
    /// Of a sound that was decoded so far.
    fn of(loudness: &Loudness) -> Self {
        let Level { rms_dbfs, peak_dbfs } = loudness.level();
        Self { seconds: loudness.samples() as f32 / SAMPLE_RATE as f32, rms_dbfs, peak_dbfs }
    }
}

/// What a check comes to know while it goes.
#[derive(Clone, Copy, Debug)]
pub enum Seen<'a> {
    /// So many sounds of so many are decoded.
    Progress(usize, usize),
    /// The clip at this place of [`Dataset::items`] was decoded.
    Clip(usize, Facts),
    /// Something is wrong. What can only be known at the end, such as files that are the same, is in the report.
    Problem(&'a Problem),
}

/// What was found in one clip's file.
struct Decoded {
    samples: usize,
    /// How loud a clip is; a recording is not held in memory and has none.
    facts: Option<Facts>,
    /// What is odd about the file, though it was read.
    notes: Vec<Note>,
    digest: Option<[u8; 32]>,
}

/// Reads a data set and decodes every clip of it.
///
/// # Errors
/// When it is not there, has no known layout, or `progress` breaks off. What is wrong inside is in the report.
pub fn check(spec: &str, progress: Progress<'_>) -> Result<Report, DataError> {
    check_with(spec, &Options::default(), progress)
}

/// As [`check`], with what a person says of marks in recordings.
///
/// # Errors
/// As [`check`].
pub fn check_with(spec: &str, options: &Options, progress: Progress<'_>) -> Result<Report, DataError> {
    let reading = super::read_with(spec, options)?;
    check_reading(reading, spec, &mut |seen| match seen {
        Seen::Progress(done, total) => progress(done, total),
        Seen::Clip(..) | Seen::Problem(_) => ControlFlow::Continue(()),
    })
}

/// Decodes every clip of a data set that was read from `spec`. `watch` gets what is found as soon as it is, on this
/// thread, and may break off.
///
/// # Errors
/// When `watch` breaks off. What is wrong inside is in the report.
pub fn check_reading(
    reading: Reading,
    spec: &str,
    watch: &mut dyn FnMut(Seen<'_>) -> ControlFlow<()>,
) -> Result<Report, DataError> {
    let Reading { mut dataset, mut problems, left_out } = reading;
    problems.extend(left_out.iter().map(LeftOut::problem));
    for problem in &problems {
        go_on(watch(Seen::Problem(problem)))?;
    }
    let windows = sounds(&mut dataset);
    let watch = RefCell::new(watch);
    let decoded = parallel::map_seen(
        dataset.items.len(),
        || (),
        |(), place| decode(&dataset.items[place]),
        &mut |done, total| (*watch.borrow_mut())(Seen::Progress(done, total)),
        &mut |place, decoded| {
            // A break is noticed at the next progress, which comes at once.
            let say = |seen: Seen<'_>| {
                let _ = (*watch.borrow_mut())(seen);
            };
            match decoded {
                Ok(Decoded { facts, notes, .. }) => {
                    if let (Some(facts), None) = (facts, &windows) {
                        say(Seen::Clip(place, *facts));
                    }
                    notes.iter().for_each(|note| say(Seen::Problem(&oddity(&dataset.items[place], note))));
                }
                Err(problem) => say(Seen::Problem(problem)),
            }
        },
    )
    .ok_or(DataError::Cancelled)?;
    let mut usable: Vec<(usize, Decoded)> = Vec::with_capacity(decoded.len());
    for (place, decoded) in decoded.into_iter().enumerate() {
        match decoded {
            Ok(decoded) => usable.push((place, decoded)),
            Err(problem) => problems.push(problem),
        }
    }
    problems.extend(oddities(&dataset, &usable));
    problems.extend(twins(&dataset, &usable));
    let mut clips = usable.len();
    if let Some(windows) = windows {
        let unread: HashSet<PathBuf> = problems
            .iter()
            .filter(|problem| problem.severity == Severity::Error)
            .map(|problem| problem.path.clone())
            .collect();
        clips = windows.iter().filter(|item| item.source.path().is_none_or(|path| !unread.contains(path))).count();
        dataset.items = windows;
    }
    problems.extend(classes(&dataset, spec));
    problems.extend(leaks(&dataset, spec));
    // Stable: within a severity problems stay in the order they were found in.
    problems.sort_by_key(|problem| problem.severity);
    let seconds = usable.iter().map(|(_, decoded)| decoded.samples).sum::<usize>() as f64 / f64::from(SAMPLE_RATE);
    Ok(Report { problems, clips, seconds, dataset })
}

fn go_on(flow: ControlFlow<()>) -> Result<(), DataError> {
    if flow.is_break() { Err(DataError::Cancelled) } else { Ok(()) }
}

/// Puts the recordings in place of a data set's clips where those are windows of recordings, and gives the windows: each
/// recording is decoded once, whether it has windows or not.
fn sounds(dataset: &mut Dataset) -> Option<Vec<Item>> {
    let marks = dataset.marks.clone()?;
    let whole = |recording: &Recording| Item {
        id: recording.id.clone(),
        source: Source::Part(Part { path: recording.path.clone(), starts: vec![0], samples: recording.samples }),
        label: Label::Many(Vec::new()),
        fold: recording.fold,
        split: recording.split,
        group: Some(recording.group.clone()),
    };
    Some(std::mem::replace(&mut dataset.items, marks.recordings.iter().map(whole).collect()))
}

fn decode(item: &Item) -> Result<Decoded, Problem> {
    match &item.source {
        Source::Demo { class, index } => {
            let samples = super::synth::clip(*class, *index);
            let mut loudness = Loudness::default();
            loudness.push(&samples);
            Ok(Decoded { samples: samples.len(), facts: Some(Facts::of(&loudness)), notes: Vec::new(), digest: None })
        }
        // However long it is, it is not held in memory.
        Source::Part(part) => {
            let mut sound = SoundFile::open(&part.path)?;
            let (mut frames, mut block) = (0u64, Vec::new());
            while sound.read(&mut block)? {
                frames += block.len() as u64;
                block.clear();
            }
            let samples = (frames as f64 * f64::from(SAMPLE_RATE) / f64::from(sound.rate().max(1))) as usize;
            let notes = sound.notes().to_vec();
            Ok(Decoded { samples, facts: None, notes, digest: super::content::digest(&part.path).ok() })
        }
        Source::File(path) => {
            let mut loudness = Loudness::default();
            let whole = audio::each_block(path, &mut |block| {
                loudness.push(block);
                ControlFlow::Continue(())
            })?;
            let Whole { samples, notes } = whole.unwrap_or_default();
            let digest = super::content::digest(path).ok();
            Ok(Decoded { samples: samples as usize, facts: Some(Facts::of(&loudness)), notes, digest })
        }
    }
}

/// Too few classes, classes without clips, classes of very different sizes.
fn classes(dataset: &Dataset, spec: &str) -> Vec<Problem> {
    let place = dataset.root.clone().unwrap_or_else(|| spec.into());
    if dataset.items.is_empty() {
        return vec![Problem::error(place, "it has no clips", "add sound files")];
    }
    let counts = counts(dataset);
    let mut problems = Vec::new();
    if dataset.classes.len() < 2 {
        let only = dataset.classes.first().map_or("", String::as_str);
        let problem = format!("it has one class only (`{only}`), and training needs at least two");
        problems.push(Problem::error(&place, problem, "add clips of at least one other class"));
    }
    for (class, count) in dataset.classes.iter().zip(&counts) {
        let remedy = "add clips of it";
        match count {
            0 => problems.push(Problem::warning(&place, format!("no clip holds the class `{class}`"), remedy)),
            1 if dataset.folds().is_empty() => {
                let problem = format!("the class `{class}` has one clip: it is trained on or validated on, not both");
                problems.push(Problem::warning(&place, problem, remedy));
            }
            _ => {}
        }
    }
    match dataset.divide(None, 1) {
        // Only a part or a fold can leave a class that is there without training: elsewhere clips are held out by class.
        Ok(division) if dataset.items.iter().any(|item| item.split.is_some()) => {
            for class in dataset.untrained(&division) {
                if dataset.classes.iter().zip(&counts).any(|(name, count)| name == class && *count > 0) {
                    let problem =
                        format!("the class `{class}` has no clip to train on: all of its clips are in other parts");
                    problems.push(Problem::warning(&place, problem, "move some of its clips to train"));
                }
            }
        }
        Ok(_) => {}
        Err(error) => {
            let problem = format!("it cannot be divided into a part to train on and one to validate on: {error}");
            problems.push(Problem::error(&place, problem, "training on it is refused until then"));
        }
    }
    let present = counts.iter().filter(|count| **count > 0);
    if let (Some(least), Some(most)) = (present.clone().min(), present.max())
        && *most >= UNEVEN * least
    {
        let problem = format!("its classes differ in size from {least} to {most} clips");
        problems.push(Problem::warning(&place, problem, "set balanced = true in the recipe, or add clips"));
    }
    problems
}

/// Clips that hold each class.
pub(super) fn counts(dataset: &Dataset) -> Vec<usize> {
    let mut counts = vec![0; dataset.classes.len()];
    for class in dataset.items.iter().flat_map(|item| item.label.present()) {
        if let Some(count) = counts.get_mut(class) {
            *count += 1;
        }
    }
    counts
}

/// What decoding noted of each clip: silence, peaks far above 1, sizes in a header that are not true.
fn oddities(dataset: &Dataset, usable: &[(usize, Decoded)]) -> Vec<Problem> {
    let noted = usable.iter().flat_map(|(place, decoded)| decoded.notes.iter().map(|note| (*place, note)));
    noted.map(|(place, note)| oddity(&dataset.items[place], note)).collect()
}

fn oddity(item: &Item, note: &Note) -> Problem {
    Problem::warning(path_of(item), note.problem.clone(), note.remedy.clone())
}

fn path_of(item: &Item) -> PathBuf {
    match &item.source {
        Source::File(path) | Source::Part(Part { path, .. }) => path.clone(),
        Source::Demo { .. } => PathBuf::from(&item.id),
    }
}

/// The part of the data set that a clip stands in, for people.
fn part_of(item: &Item) -> Option<String> {
    item.fold.map(|fold| format!("fold {fold}")).or_else(|| item.split.map(|split| split.name().to_owned()))
}

/// The same bytes twice: under two labels or on two sides of a split an error, else a warning.
fn twins(dataset: &Dataset, usable: &[(usize, Decoded)]) -> Vec<Problem> {
    let mut by_content: BTreeMap<[u8; 32], Vec<&Item>> = BTreeMap::new();
    for (place, decoded) in usable {
        if let Some(digest) = decoded.digest {
            by_content.entry(digest).or_default().push(&dataset.items[*place]);
        }
    }
    let mut problems = Vec::new();
    for items in by_content.into_values().filter(|items| items.len() > 1) {
        let (first, second) = (items[0], items[1]);
        let path = path_of(second);
        let original = path_of(first);
        let same = format!("it is the same file as {}", short(dataset, &original));
        problems.push(if items.iter().any(|item| item.label != first.label) {
            let names = |item: &Item| label_name(dataset, &item.label);
            let other = items.iter().find(|item| item.label != first.label).map_or(second, |item| item);
            let problem =
                format!("{same} and is labelled otherwise (`{}` there, `{}` here)", names(first), names(other));
            Problem::error(path_of(other), problem, "keep the right one")
        } else if items.iter().any(|item| part_of(item) != part_of(first)) {
            let parts: BTreeSet<String> = items.iter().filter_map(|item| part_of(item)).collect();
            let parts = parts.into_iter().collect::<Vec<_>>().join(" and ");
            Problem::error(
                path,
                format!("{same} and both are in {parts}: validation would contain training sound"),
                "keep one",
            )
        } else {
            Problem::warning(path, same, "keep one")
        });
    }
    problems.sort_by(|a, b| a.path.cmp(&b.path));
    problems
}

fn label_name(dataset: &Dataset, label: &Label) -> String {
    let names: Vec<&str> =
        label.present().into_iter().filter_map(|class| dataset.classes.get(class)).map(String::as_str).collect();
    names.join(";")
}

fn short(dataset: &Dataset, path: &Path) -> String {
    let inside = dataset.root.as_ref().and_then(|root| path.strip_prefix(root).ok());
    inside.unwrap_or(path).display().to_string()
}

/// Groups (a speaker, a source recording) with clips on both sides of a split.
fn leaks(dataset: &Dataset, spec: &str) -> Vec<Problem> {
    let mut parts: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for item in &dataset.items {
        if let (Some(group), Some(part)) = (item.group.as_deref(), part_of(item)) {
            parts.entry(group).or_default().insert(part);
        }
    }
    let place = dataset.root.clone().unwrap_or_else(|| spec.into());
    let leaking: Vec<_> = parts.into_iter().filter(|(_, parts)| parts.len() > 1).collect();
    let remedy = "move all of its clips to one side";
    let mut problems: Vec<Problem> = leaking
        .iter()
        .take(LISTED)
        .map(|(group, parts)| {
            let parts = parts.iter().cloned().collect::<Vec<_>>().join(" and ");
            Problem::error(&place, format!("clips of `{group}` are in {parts}"), remedy)
        })
        .collect();
    if leaking.len() > LISTED {
        let more = leaking.len() - LISTED;
        problems.push(Problem::error(
            &place,
            format!("and {more} more speakers or recordings are in two parts"),
            remedy,
        ));
    }
    problems
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::fs;

    use super::*;
    use crate::audio::testing::wav;

    /// Two classes of two clips, one of them damaged and one silent.
    fn set() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        wav(&at("dog/a.wav"), 16_000, |n| if n % 2 == 0 { 16_384 } else { -16_384 });
        wav(&at("dog/b.wav"), 8_000, |_| 0);
        wav(&at("rain/c.wav"), 24_000, |n| (n % 99) as i16);
        fs::write(at("rain/d.wav"), "RIFF").unwrap();
        folder
    }

    /// A class of one clip trains or validates: where every class has one, `train` refuses the set, and the check says so.
    #[test]
    fn a_set_that_cannot_be_divided_is_an_error_and_no_sound_is_no_seconds() {
        let folder = tempfile::tempdir().unwrap();
        for (name, period) in [("dog/a.wav", 100), ("rain/a.wav", 77)] {
            wav(&folder.path().join(name), 16_000, |n| (n % period) as i16);
        }
        let spec = folder.path().to_string_lossy().into_owned();
        let report = check_with(&spec, &Options::default(), &mut |_, _| ControlFlow::Continue(())).unwrap();
        let errors: Vec<&Problem> = report.problems.iter().filter(|one| one.severity == Severity::Error).collect();
        assert!(matches!(&errors[..], [one] if one.problem.contains("no clip to validate on")), "{errors:?}");
        assert!(super::super::open(&spec).unwrap().divide(None, 1).is_err());

        for name in ["dog/a.wav", "rain/a.wav"] {
            fs::write(folder.path().join(name), "no sound").unwrap();
        }
        let report = check_with(&spec, &Options::default(), &mut |_, _| ControlFlow::Continue(())).unwrap();
        assert_eq!((report.clips, format!("{:.1}", report.seconds)), (0, "0.0".to_owned()));
    }

    #[test]
    fn what_is_found_is_told_as_soon_as_it_is_and_the_report_is_the_same() {
        let folder = set();
        let spec = folder.path().to_string_lossy().into_owned();
        let (mut facts, mut problems, mut last) = (BTreeMap::new(), Vec::new(), (0, 0));
        let reading = super::super::read(&spec).unwrap();
        let ids: Vec<String> = reading.dataset.items.iter().map(|item| item.id.clone()).collect();
        let report = check_reading(reading, &spec, &mut |seen| {
            match seen {
                Seen::Progress(done, total) => last = (done, total),
                Seen::Clip(place, known) => drop(facts.insert(ids[place].clone(), known)),
                Seen::Problem(problem) => problems.push(problem.clone()),
            }
            ControlFlow::Continue(())
        })
        .unwrap();
        assert_eq!(last, (4, 4));
        let known = facts["dog/a.wav"];
        assert_eq!((known.seconds, facts["dog/b.wav"].seconds), (1.0, 0.5));
        assert!((known.rms_dbfs + 6.02).abs() < 0.01 && (known.peak_dbfs + 6.02).abs() < 0.01, "{known:?}");
        assert_eq!(facts["dog/b.wav"].rms_dbfs, f32::NEG_INFINITY);
        assert!(!facts.contains_key("rain/d.wav"));
        assert_eq!(problems.len(), 2, "{problems:#?}");
        assert!(problems.iter().all(|problem| report.problems.contains(problem)));
    }

    #[test]
    fn a_check_ends_when_its_watcher_breaks_off() {
        let folder = set();
        let spec = folder.path().to_string_lossy().into_owned();
        let reading = super::super::read(&spec).unwrap();
        let mut calls = 0;
        let outcome = check_reading(reading, &spec, &mut |_| {
            calls += 1;
            ControlFlow::Break(())
        });
        assert!(matches!(outcome, Err(DataError::Cancelled)));
        assert!(calls <= 3, "{calls}");
    }
}
