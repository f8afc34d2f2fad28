//! PyTorch's `.pth`: a zip archive of a pickled state dict and one uncompressed file for each storage.

use std::{
    collections::{BTreeMap, HashMap},
    fs::File,
    io::{BufReader, Read},
    path::Path,
};

use zip::{CompressionMethod, ZipArchive};

use super::{
    pickle,
    place::Place,
    tensors::{CUT_SHORT, Tensors},
};
use crate::{limits, model::ModelError};

/// Whether these first bytes of a file are a zip archive's.
pub(super) fn recognise(first: &[u8]) -> bool {
    first.starts_with(b"PK\x03\x04")
}

/// Refuses what PyTorch wrote before 1.6, a bare pickle, when these first bytes are one.
pub(super) fn refuse_old(path: &Path, first: &[u8]) -> Result<(), ModelError> {
    if first.first() == Some(&0x80) && first.get(1).is_some_and(|protocol| (1..=5).contains(protocol)) {
        let remedy = "save it again with any PyTorch since 1.6: torch.save(torch.load(\"old.pth\", map_location=\"cpu\"), \"new.pth\")";
        return Err(ModelError::checkpoint(path, "this is PyTorch's old format, before zip archives", remedy));
    }
    Ok(())
}

/// The table of a zip `.pth`.
///
/// # Errors
/// When the archive is broken, or holds a program (TorchScript, an exported `.pt2`) instead of a state dict.
pub(super) fn open(path: &Path, file: File) -> Result<Tensors, ModelError> {
    let io = |source| ModelError::Io { path: path.to_owned(), source };
    let broken = |problem: String| ModelError::checkpoint(path, problem, CUT_SHORT);
    let again = file.try_clone().map_err(io)?;
    let mut archive =
        ZipArchive::new(BufReader::new(file)).map_err(|why| broken(format!("not a whole zip archive ({why})")))?;
    let names: Vec<String> = archive.file_names().filter_map(|name| Some(name.ok()?.into_owned())).collect();
    let state_dict = names.iter().find(|name| name.ends_with("/data.pkl"));
    let is_program = names.iter().any(|name| name.contains("/code/") || name.ends_with("/constants.pkl"));
    let Some(pickled) = state_dict.filter(|_| !is_program) else {
        let problem = "this archive holds a program (TorchScript or .pt2), or no tensors at all";
        let remedy = "in Python, save the weights alone: torch.save(model.state_dict(), \"weights.pth\")";
        return Err(ModelError::checkpoint(path, problem, remedy));
    };
    let root = pickled.trim_end_matches("data.pkl").to_owned();

    let mut bytes = Vec::new();
    {
        let entry = archive.by_name(pickled).map_err(|why| broken(format!("its state dict ({why})")))?;
        if entry.size() > limits::PICKLE {
            return Err(broken(format!("its state dict claims {} bytes", entry.size())));
        }
        entry.take(limits::PICKLE).read_to_end(&mut bytes).map_err(io)?;
    }
    let remedy = "give the weights alone; in Python: torch.save(torch.load(\"old.pth\", map_location=\"cpu\", \
                  weights_only=False)[\"model\"], \"weights.pth\"), or what the file has for \"model\"";
    let state = pickle::state(&bytes).map_err(|problem| ModelError::checkpoint(path, problem, remedy))?;

    let mut storages: HashMap<String, (u64, u64)> = HashMap::new();
    let mut table = BTreeMap::new();
    for (name, view) in state.tensors {
        let entry = format!("{root}data/{}", view.key);
        let (start, length) = match storages.get(&entry) {
            Some(known) => *known,
            None => {
                let index = archive.index_for_name(&entry).ok_or_else(|| broken(format!("{name} has no data")))?;
                let stored = archive.by_index_raw(index).map_err(|why| broken(format!("{name} ({why})")))?;
                let start = stored.data_start().filter(|_| stored.compression() == CompressionMethod::Stored);
                let start =
                    start.ok_or_else(|| broken(format!("{name} is compressed, which torch.save never does")))?;
                storages.insert(entry, (start, stored.size()));
                (start, stored.size())
            }
        };
        let size = view.dtype.size() as u64;
        let first = (view.offset as u64).checked_mul(size).ok_or_else(|| broken(format!("{name} has no place")))?;
        let mut place = Place::strided(view.shape, view.strides, view.dtype, first);
        if !place.fits(length) {
            return Err(broken(format!("{name} is beyond its storage")));
        }
        place.start = start.checked_add(first).ok_or_else(|| broken(format!("{name} has no place")))?;
        table.insert(name, place);
    }
    let numbers = state.numbers.into_iter().map(|(name, number)| (name, number.to_string())).collect();
    Tensors::new(path, again, table, numbers)
}
