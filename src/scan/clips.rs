//! Detections cut out of their recordings, in class folders that are a data set again.

use std::{
    collections::{BTreeMap, HashSet},
    fs::{self, File},
    io::{self, BufWriter},
    path::{Path, PathBuf},
};

use serde::Serialize;

use super::{
    Recording, ScanError,
    choice::{Limits, Place, choose},
    settings::seconds,
    table,
};
use crate::{
    atomic,
    audio::{SAMPLE_RATE, SoundFile},
};

/// The table of what was cut out, beside the class folders.
const TABLE: &str = "clips.csv";
/// Bits of a sample: enough for what recorders write.
const BITS: u16 = 24;
/// Longest class name in a file's name, in characters.
const LONGEST: usize = 60;

/// What is cut out, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct Clips {
    /// Folder for the class folders.
    pub folder: PathBuf,
    /// Samples at 16 kHz of sound on each side.
    pub padding: u64,
    /// Most samples of a detection itself: of a longer one, that much around its highest score.
    pub longest: u64,
    /// Which ones, and how many.
    pub limits: Limits,
}

/// What was cut out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cut {
    /// Clips written.
    pub clips: usize,
    /// Detections that the limits left out.
    pub left_out: usize,
    /// Clips that hold only a part of their detection.
    pub shortened: usize,
}

/// A clip to be cut out of one recording.
struct Piece {
    path: PathBuf,
    /// First frame and one beyond the last, at the recording's own rate.
    from: u64,
    to: u64,
}

/// A row of the table of clips.
#[derive(Serialize)]
struct Row<'a> {
    clip: String,
    label: &'a str,
    score: String,
    margin: String,
    file: String,
    start: String,
    end: String,
}

/// Cuts detections out. `say` is called for each recording that is begun, and may break off.
///
/// # Errors
/// When the folder holds something else, a clip cannot be written or a recording not be read again.
pub(super) fn cut(
    clips: &Clips,
    recordings: &[Recording],
    labels: &[String],
    all: Vec<Place>,
    say: &mut dyn FnMut() -> bool,
) -> Result<Cut, ScanError> {
    let table = clips.folder.join(TABLE);
    let is_other = fs::read_dir(&clips.folder).is_ok_and(|mut entries| entries.next().is_some()) && !table.exists();
    if is_other {
        let folder = clips.folder.display();
        return Err(ScanError::Request(format!(
            "{folder} holds something else than clips; give --clips an empty folder"
        )));
    }
    fs::create_dir_all(&clips.folder).map_err(ScanError::io(&clips.folder))?;
    let found = all.len();
    let mut chosen = choose(&clips.limits, all);
    chosen.sort_by_key(|(file, one)| (*file, one.start, one.end, one.class));
    let mut result = Cut { clips: chosen.len(), left_out: found - chosen.len(), shortened: 0 };

    let folders = folders(labels);
    let (mut rows, mut names) = (Vec::new(), HashSet::new());
    let mut pieces: BTreeMap<usize, Vec<(Piece, u64, u64)>> = BTreeMap::new();
    for (file, one) in &chosen {
        let (mut start, mut end) = (one.start, one.end);
        if end - start > clips.longest {
            result.shortened += 1;
            start = one.peak.saturating_sub(clips.longest / 2).clamp(start, end - clips.longest);
            end = start + clips.longest;
        }
        let recording = &recordings[*file];
        let folder = &folders[one.class];
        let place = recording.place.with_extension("").to_string_lossy().replace(['/', '\\'], "-");
        let (from_s, to_s) = (seconds(start), seconds(end));
        let name = format!("{folder}_{:.3}_{}_{from_s:.2}s_{to_s:.2}s", one.score, safe(&place, 120));
        let numbered = (2..).map(|n| format!("{name}.{n}"));
        let free = std::iter::once(name.clone()).chain(numbered).find(|name| names.insert((one.class, name.clone())));
        let clip = format!("{folder}/{}.wav", free.unwrap_or(name));
        let path = clips.folder.join(&clip);
        let padded = (start.saturating_sub(clips.padding), end + clips.padding);
        pieces.entry(*file).or_default().push((Piece { path, from: 0, to: 0 }, padded.0, padded.1));
        rows.push(Row {
            clip,
            label: &labels[one.class],
            score: format!("{:.6}", one.score),
            margin: format!("{:.6}", one.margin),
            file: recording.path.display().to_string(),
            start: table::time(from_s),
            end: table::time(to_s),
        });
    }
    for (file, pieces) in pieces {
        if !say() {
            return Err(ScanError::Broken);
        }
        cut_file(&recordings[file].path, pieces)?;
    }
    atomic::write(&table, |file| {
        let mut writer = csv::Writer::from_writer(file);
        rows.iter().try_for_each(|row| writer.serialize(row)).map_err(io::Error::other)?;
        writer.flush()
    })
    .map_err(ScanError::io(&table))?;
    Ok(result)
}

/// Decodes a recording once, as far as its last clip, and writes every clip on the way: the mean of its channels at its own
/// rate.
fn cut_file(path: &Path, pieces: Vec<(Piece, u64, u64)>) -> Result<(), ScanError> {
    let unread = |error: crate::audio::AudioError| ScanError::Infer(error.into());
    let mut sound = SoundFile::open(path).map_err(unread)?;
    let rate = sound.rate();
    let frame = |sample: u64| (u128::from(sample) * u128::from(rate) / u128::from(SAMPLE_RATE)) as u64;
    let mut waiting: Vec<Piece> =
        pieces.into_iter().map(|(piece, from, to)| Piece { from: frame(from), to: frame(to), ..piece }).collect();
    waiting.sort_by_key(|piece| std::cmp::Reverse(piece.from));
    let mut open: Vec<(Piece, Writer)> = Vec::new();
    let (mut at, mut block) = (0u64, Vec::new());
    while !(waiting.is_empty() && open.is_empty()) && sound.read(&mut block).map_err(unread)? {
        let end = at + block.len() as u64;
        while let Some(piece) = waiting.pop_if(|piece| piece.from < end) {
            let writer = Writer::new(&piece.path, rate).map_err(ScanError::io(&piece.path))?;
            open.push((piece, writer));
        }
        let mut going_on = Vec::with_capacity(open.len());
        for (piece, mut writer) in open {
            let from = piece.from.max(at) - at;
            let to = piece.to.min(end) - at;
            writer.push(&block[from as usize..to as usize]).map_err(ScanError::io(&piece.path))?;
            if piece.to <= end {
                writer.finish(&piece.path).map_err(ScanError::io(&piece.path))?;
            } else {
                going_on.push((piece, writer));
            }
        }
        open = going_on;
        at = end;
        block.clear();
    }
    // Padding that reaches over the recording's end.
    for (piece, writer) in open {
        writer.finish(&piece.path).map_err(ScanError::io(&piece.path))?;
    }
    Ok(())
}

/// A clip being written under a temporary name, which is the second field's.
struct Writer(hound::WavWriter<BufWriter<File>>, tempfile::TempPath);

impl Writer {
    fn new(path: &Path, rate: u32) -> io::Result<Self> {
        let folder = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: rate,
            bits_per_sample: BITS,
            sample_format: hound::SampleFormat::Int,
        };
        let (file, temporary) = atomic::temporary(folder, ".partial-")?.into_parts();
        Ok(Self(hound::WavWriter::new(BufWriter::new(file), spec).map_err(io::Error::other)?, temporary))
    }

    fn push(&mut self, samples: &[f32]) -> io::Result<()> {
        const FULL: f32 = (1 << (BITS - 1)) as f32;
        for sample in samples {
            let value = (sample * FULL).round().clamp(-FULL, FULL - 1.0) as i32;
            self.0.write_sample(value).map_err(io::Error::other)?;
        }
        Ok(())
    }

    fn finish(self, path: &Path) -> io::Result<()> {
        self.0.finalize().map_err(io::Error::other)?;
        self.1.persist(path).map_err(|error| error.error)
    }
}

/// Names of class folders, one for each label, each another.
fn folders(labels: &[String]) -> Vec<String> {
    let mut taken = HashSet::new();
    let mut folder = |label: &String| {
        let name = safe(label, LONGEST);
        let numbered = (2..).map(|n| format!("{name}.{n}"));
        let free = std::iter::once(name.clone()).chain(numbered).find(|name| taken.insert(name.to_lowercase()));
        free.unwrap_or(name)
    };
    labels.iter().map(&mut folder).collect()
}

/// A text as a part of a file's name on every system: without separators, control characters and what Windows refuses.
fn safe(text: &str, longest: usize) -> String {
    let shown = |c: char| if c.is_control() || r#"/\:*?"<>|"#.contains(c) { '_' } else { c };
    let name: String = text.chars().take(longest).map(shown).collect();
    let name = name.trim().trim_end_matches('.').to_owned();
    if name.is_empty() || name.starts_with('.') { format!("_{name}") } else { name }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::scan::{Choice, Detection, choice::tests::place};

    fn clips(folder: &Path, per_class: usize, per_file: usize, choice: Choice) -> Clips {
        Clips {
            folder: folder.to_owned(),
            padding: 1_600,
            longest: 32_000,
            limits: Limits { per_class, per_file, choice },
        }
    }

    #[test]
    fn names_are_safe_and_each_class_has_a_folder_of_its_own() {
        let labels = ["a/b", "a:b", "..", "", "CON?", "wren"].map(str::to_owned);
        assert_eq!(folders(&labels), ["a_b", "a_b.2", "_", "_.2", "CON_", "wren"]);
    }

    #[test]
    fn clips_hold_the_samples_of_their_place() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("deep/rec.wav");
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let spec = hound::WavSpec {
            channels: 2,
            sample_rate: 8_000,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut writer = hound::WavWriter::create(&path, spec).unwrap();
        for n in 0..80_000i32 {
            writer.write_sample((n % 20_000) as i16).unwrap();
            writer.write_sample((n % 20_000) as i16).unwrap();
        }
        writer.finalize().unwrap();
        let recordings = [Recording { path, place: "deep/rec.wav".into(), bytes: 0, modified_ns: 0 }];
        let labels = ["wren".to_owned(), "owl".to_owned()];
        let folder = root.path().join("clips");
        // At the beginning, overlapping another, at the end, and one that is too long.
        let all = vec![
            place(0, 0, 0, 0.9, 0.1),
            place(0, 1, 8_000, 0.8, 0.1),
            place(0, 0, 144_000, 0.7, 0.1),
            (0, Detection { end: 120_000, peak: 100_000, ..place(0, 1, 40_000, 0.6, 0.1).1 }),
        ];
        let clips = clips(&folder, 10, 10, Choice::Score);
        let result = cut(&clips, &recordings, &labels, all.clone(), &mut || true).unwrap();
        assert_eq!(result, Cut { clips: 4, left_out: 0, shortened: 1 });
        let read = |name: &str| {
            let mut reader = hound::WavReader::open(folder.join(name)).unwrap();
            assert_eq!(
                (reader.spec().sample_rate, reader.spec().channels, reader.spec().bits_per_sample),
                (8_000, 1, 24)
            );
            let samples: Vec<i32> = reader.samples::<i32>().map(|sample| sample.unwrap() >> 8).collect();
            (samples.len(), samples[0], samples[samples.len() - 1])
        };
        assert_eq!(read("wren/wren_0.900_deep-rec_0.00s_1.00s.wav"), (8_800, 0, 8_799));
        assert_eq!(read("owl/owl_0.800_deep-rec_0.50s_1.50s.wav"), (9_600, 3_200, 12_799));
        assert_eq!(read("wren/wren_0.700_deep-rec_9.00s_10.00s.wav"), (8_800, 71_200 % 20_000, 79_999 % 20_000));
        assert_eq!(read("owl/owl_0.600_deep-rec_5.25s_7.25s.wav").0, 17_600);
        let table = fs::read_to_string(folder.join(TABLE)).unwrap();
        assert_eq!(table.lines().count(), 5);
        assert!(table.starts_with("clip,label,score,margin,file,start,end\n"), "{table}");
        // The folder is a data set; clips go into it again, and into no folder of something else.
        let set = crate::data::open(folder.to_str().unwrap()).unwrap();
        assert_eq!((set.classes.clone(), set.items.len()), (vec!["owl".to_owned(), "wren".to_owned()], 4));
        assert!(cut(&clips, &recordings, &labels, all.clone(), &mut || true).is_ok());
        let other = Clips { folder: root.path().join("deep"), ..clips };
        assert!(cut(&other, &recordings, &labels, all, &mut || true).is_err());
    }
}
