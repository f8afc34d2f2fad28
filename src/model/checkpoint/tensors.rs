//! The table of the tensors of a file, or of several that belong together, and reading one of them.
//!
//! Read by position, a mebibyte at a time, straight into the `f32` memory that becomes the weight: no
//! second copy of the file exists at any moment, mapped or not, and no `unsafe` is needed for it.

use std::{
    collections::{BTreeMap, HashMap},
    fs::File,
    io,
    path::{Path, PathBuf},
};

use super::place::{Place, row_major};
use crate::model::ModelError;

/// Bytes converted at a time.
const CHUNK: usize = 1 << 20;

/// Where a file's bytes are: on the disk, or in the program.
#[derive(Debug)]
pub(super) enum Bytes {
    File(File),
    /// With the settings that would be beside a file, if there are any.
    Inside(&'static [u8], Option<&'static str>),
}

impl From<File> for Bytes {
    fn from(file: File) -> Self {
        Self::File(file)
    }
}

impl Bytes {
    pub(super) fn length(&self) -> io::Result<u64> {
        match self {
            Self::File(file) => Ok(file.metadata()?.len()),
            Self::Inside(bytes, _) => Ok(bytes.len() as u64),
        }
    }

    pub(super) fn read_exact_at(&self, buffer: &mut [u8], at: u64) -> io::Result<()> {
        match self {
            Self::File(file) => read_exact_at(file, buffer, at),
            Self::Inside(bytes, _) => {
                let from = usize::try_from(at).ok().and_then(|at| bytes.get(at..)?.get(..buffer.len()));
                buffer.copy_from_slice(from.ok_or(io::ErrorKind::UnexpectedEof)?);
                Ok(())
            }
        }
    }
}

/// A product of two small matrices that is added to a matrix when it is read: what LoRA trained.
#[derive(Debug)]
pub(super) struct LowRank {
    /// (rank, in)
    pub down: Place,
    /// (out, rank)
    pub up: Place,
    /// What the product is multiplied by.
    pub scale: f32,
}

/// Named tensors of a file, or of several.
#[derive(Debug)]
pub struct Tensors {
    /// The file; of several the one that lists them.
    pub path: PathBuf,
    /// What the file says about itself: safetensors' metadata, whole numbers beside a pickle's tensors.
    pub metadata: HashMap<String, String>,
    /// Whether tensors of other files took the place of its own.
    pub patched: bool,
    files: Vec<(PathBuf, Bytes)>,
    table: BTreeMap<String, Place>,
    updates: BTreeMap<String, LowRank>,
    /// Folders in which settings are looked for, in this order.
    folders: Vec<PathBuf>,
}

impl Tensors {
    /// Joins a file and its table.
    ///
    /// # Errors
    /// When a tensor is beyond the file's end.
    pub(super) fn new(
        path: &Path,
        bytes: impl Into<Bytes>,
        table: BTreeMap<String, Place>,
        metadata: HashMap<String, String>,
    ) -> Result<Self, ModelError> {
        let bytes = bytes.into();
        let length = bytes.length().map_err(|source| ModelError::Io { path: path.to_owned(), source })?;
        if let Some((name, _)) = table.iter().find(|(_, place)| !place.fits(length)) {
            return Err(ModelError::checkpoint(path, format!("{name} is beyond the file's end"), CUT_SHORT));
        }
        let folders = vec![path.parent().map(Path::to_owned).unwrap_or_default()];
        let files = vec![(path.to_owned(), bytes)];
        let updates = BTreeMap::new();
        Ok(Self { path: path.to_owned(), metadata, patched: false, files, table, updates, folders })
    }

    /// The tensors of several files as those of one, under the path of what lists them.
    ///
    /// # Errors
    /// When two files hold a tensor of the same name.
    pub(super) fn join(path: &Path, parts: Vec<Self>) -> Result<Self, ModelError> {
        let folders = vec![path.parent().map(Path::to_owned).unwrap_or_default()];
        let mut joined = Self {
            path: path.to_owned(),
            metadata: HashMap::new(),
            patched: false,
            files: Vec::new(),
            table: BTreeMap::new(),
            updates: BTreeMap::new(),
            folders,
        };
        for part in parts {
            let from = part.path.clone();
            for (name, place) in joined.take_in(part) {
                if joined.table.insert(name.clone(), place).is_some() {
                    let problem = format!("{name} is in {} and in another part too", from.display());
                    return Err(ModelError::checkpoint(path, problem, CUT_SHORT));
                }
            }
        }
        Ok(joined)
    }

    /// Takes in another's files; answers with its table, which refers to them from now on.
    fn take_in(&mut self, other: Self) -> Vec<(String, Place)> {
        let first = self.files.len();
        self.files.extend(other.files);
        self.metadata.extend(other.metadata);
        other.table.into_iter().map(|(name, place)| (name, Place { file: first + place.file, ..place })).collect()
    }

    /// Takes in the files of tensors that replace or change its own, and answers with their table; settings are looked
    /// for in their folder first.
    pub(super) fn patch(&mut self, other: Self) -> Vec<(String, Place)> {
        self.folders.splice(0..0, other.folders.iter().cloned());
        self.patched = true;
        self.take_in(other)
    }

    /// Puts a tensor in, in the place of what had its name.
    pub(super) fn insert(&mut self, name: String, place: Place) {
        self.table.insert(name, place);
    }

    /// Adds this product to the tensor of this name whenever it is read.
    pub(super) fn update(&mut self, name: String, update: LowRank) {
        self.updates.insert(name, update);
    }

    /// Leaves out the tensor of this name and answers with where it is.
    pub(super) fn remove(&mut self, name: &str) -> Option<Place> {
        self.table.remove(name)
    }

    /// The folders in which settings are looked for, in this order; none where they are in the program.
    pub(super) fn folders(&self) -> &[PathBuf] {
        if self.is_inside() { &[] } else { &self.folders }
    }

    /// Settings in the program, for tensors that are there too.
    pub(super) fn settings(&self) -> Option<&'static str> {
        self.files.iter().find_map(|(_, bytes)| if let Bytes::Inside(_, settings) = bytes { *settings } else { None })
    }

    /// Whether they are in the program, with no folder around them.
    pub(super) fn is_inside(&self) -> bool {
        self.files.iter().any(|(_, bytes)| matches!(bytes, Bytes::Inside(..)))
    }

    /// Every tensor, in the order of names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Place)> {
        self.table.iter().map(|(name, place)| (name.as_str(), place))
    }

    /// Where this tensor is, if the file has it.
    pub fn get(&self, name: &str) -> Option<&Place> {
        self.table.get(name)
    }

    /// Whether the file has this tensor.
    pub fn has(&self, name: &str) -> bool {
        self.table.contains_key(name)
    }

    /// Renames every tensor; those renamed to nothing are left out.
    pub fn rename(mut self, name: impl Fn(&str) -> Option<String>) -> Self {
        let table = std::mem::take(&mut self.table);
        self.table = table.into_iter().filter_map(|(old, place)| Some((name(&old)?, place))).collect();
        let updates = std::mem::take(&mut self.updates);
        self.updates = updates.into_iter().filter_map(|(old, update)| Some((name(&old)?, update))).collect();
        self
    }

    /// The tensor's values, row-major, appended to `to`.
    ///
    /// # Errors
    /// When the file has no such tensor, cannot be read, or holds something that is not a number.
    pub fn read(&self, name: &str, to: &mut Vec<f32>) -> Result<(), ModelError> {
        let place = self.get(name).ok_or_else(|| {
            ModelError::checkpoint(&self.path, format!("there is no tensor {name}"), "give a complete checkpoint")
        })?;
        let begin = to.len();
        self.read_place(place, to)?;
        if let Some(update) = self.updates.get(name) {
            self.add(update, place, &mut to[begin..])?;
        }
        if to[begin..].iter().all(|value| value.is_finite()) {
            return Ok(());
        }
        let problem = format!("{name} holds values that are not numbers (NaN or infinite)");
        Err(ModelError::checkpoint(
            &self.path,
            problem,
            "the training that wrote it diverged: take an earlier checkpoint",
        ))
    }

    /// Adds a low-rank update to a matrix (out, in) of this place.
    fn add(&self, update: &LowRank, place: &Place, to: &mut [f32]) -> Result<(), ModelError> {
        let (&[out, input], &[rank, down], &[up, inner]) =
            (&place.shape[..], &update.down.shape[..], &update.up.shape[..])
        else {
            return Err(self.misfit(place, update));
        };
        if (out, input, rank) != (up, down, inner) {
            return Err(self.misfit(place, update));
        }
        let (mut a, mut b) = (Vec::new(), Vec::new());
        self.read_place(&update.down, &mut a)?;
        self.read_place(&update.up, &mut b)?;
        for (row, b) in to.chunks_exact_mut(input.max(1)).zip(b.chunks_exact(rank.max(1))) {
            for (&b, a) in b.iter().zip(a.chunks_exact(input.max(1))) {
                let share = update.scale * b;
                row.iter_mut().zip(a).for_each(|(value, a)| *value += share * a);
            }
        }
        Ok(())
    }

    /// The message about an update that does not fit its matrix.
    fn misfit(&self, place: &Place, update: &LowRank) -> ModelError {
        let (whole, down, up) = (&place.shape, &update.down.shape, &update.up.shape);
        let problem = format!("an update of {up:?} times {down:?} does not fit a weight of {whole:?}");
        ModelError::checkpoint(&self.path, problem, "these adapters are of another base model")
    }

    fn read_place(&self, place: &Place, to: &mut Vec<f32>) -> Result<(), ModelError> {
        let count = place.count().unwrap_or(0);
        if place.strides == row_major(&place.shape) || count <= 1 {
            self.read_span(place, count, to)?;
        } else {
            let mut span = Vec::new();
            self.read_span(place, place.span().unwrap_or(0), &mut span)?;
            let mut index = vec![0usize; place.shape.len()];
            for _ in 0..count {
                to.push(span[index.iter().zip(&place.strides).map(|(i, step)| i * step).sum::<usize>()]);
                for axis in (0..index.len()).rev() {
                    index[axis] += 1;
                    if index[axis] < place.shape[axis] {
                        break;
                    }
                    index[axis] = 0;
                }
            }
        }
        Ok(())
    }

    fn read_span(&self, place: &Place, count: usize, to: &mut Vec<f32>) -> Result<(), ModelError> {
        to.reserve_exact(count);
        let (mut at, mut left) = (place.start, count * place.dtype.size());
        let mut buffer = vec![0; left.min(CHUNK)];
        while left > 0 {
            let bytes = &mut buffer[..left.min(CHUNK)];
            let Some((path, file)) = self.files.get(place.file) else { return Ok(()) };
            file.read_exact_at(bytes, at).map_err(|source| ModelError::Io { path: path.clone(), source })?;
            place.dtype.convert(bytes, to);
            at += bytes.len() as u64;
            left -= bytes.len();
        }
        Ok(())
    }
}

/// What to do about a file that ends too early.
pub(super) const CUT_SHORT: &str = "it was cut short or damaged: download or copy it again";

#[cfg(unix)]
fn read_exact_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, buffer, at)
}

#[cfg(windows)]
fn read_exact_at(file: &File, mut buffer: &mut [u8], mut at: u64) -> io::Result<()> {
    while !buffer.is_empty() {
        let read = std::os::windows::fs::FileExt::seek_read(file, buffer, at)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        buffer = &mut buffer[read..];
        at += read as u64;
    }
    Ok(())
}
