//! Whisper in GGML form (whisper.cpp): eleven numbers, a filter bank, a vocabulary, then tensors.

use std::{
    collections::{BTreeMap, HashMap},
    fs::File,
    io::{self, BufReader, Read, Seek},
    path::Path,
};

use super::{
    openai::hugging_face,
    place::{Dtype, Place},
    tensors::{CUT_SHORT, Tensors},
};
use crate::model::ModelError;

/// `ggml`, as a little-endian number.
const MAGIC: [u8; 4] = 0x6767_6d6c_u32.to_le_bytes();

/// What the file says about the encoder.
pub(super) struct Hyperparameters {
    pub positions: usize,
    pub heads: usize,
    pub mel_bins: usize,
}

/// Whether these first bytes of a file are GGML's.
pub(super) fn recognise(first: &[u8]) -> bool {
    first.starts_with(&MAGIC)
}

/// The table of a GGML Whisper file, under Hugging Face's names for the encoder.
///
/// # Errors
/// When the file ends too early or its weights are quantised.
pub(super) fn open(path: &Path, file: File) -> Result<(Tensors, Hyperparameters), ModelError> {
    let again = file.try_clone().map_err(|source| ModelError::Io { path: path.to_owned(), source })?;
    let (table, hyperparameters) = read_table(path, BufReader::new(file))?;
    Ok((Tensors::new(path, again, table, HashMap::new())?.rename(hugging_face), hyperparameters))
}

fn read_table(
    path: &Path,
    mut reader: BufReader<File>,
) -> Result<(BTreeMap<String, Place>, Hyperparameters), ModelError> {
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::UnexpectedEof => ModelError::checkpoint(path, "the file ends within its header", CUT_SHORT),
        _ => ModelError::Io { path: path.to_owned(), source },
    };
    let broken = |problem: &str| ModelError::checkpoint(path, problem, CUT_SHORT);
    let length = reader.get_ref().metadata().map_err(failed)?.len();
    let skip = |reader: &mut BufReader<File>, bytes: i64| reader.seek_relative(bytes).map_err(failed);

    skip(&mut reader, 4)?;
    let header: [i32; 11] = numbers(&mut reader).map_err(failed)?;
    let [_, positions, _, heads, _, _, _, _, _, mel_bins, _] = header;
    let [rows, columns] = numbers::<2>(&mut reader).map_err(failed)?;
    // A filter bank may claim more values than an i64 counts bytes of.
    let filters = (i64::from(rows.max(0)) * i64::from(columns.max(0))).saturating_mul(4);
    if u64::try_from(filters).is_ok_and(|bytes| bytes > length) {
        return Err(broken("the file ends within its header"));
    }
    skip(&mut reader, filters)?;
    let [words] = numbers::<1>(&mut reader).map_err(failed)?;
    for _ in 0..words.max(0) {
        let [bytes] = numbers::<1>(&mut reader).map_err(failed)?;
        skip(&mut reader, bytes.max(0).into())?;
    }

    let mut table = BTreeMap::new();
    loop {
        let at = reader.stream_position().map_err(failed)?;
        if at >= length {
            break;
        }
        let [axes, name_length, kind] = numbers::<3>(&mut reader).map_err(failed)?;
        if !(0..=4).contains(&axes) || !(1..=256).contains(&name_length) {
            return Err(broken("a tensor's description makes no sense"));
        }
        let mut shape = Vec::with_capacity(4);
        for _ in 0..axes {
            let [size] = numbers::<1>(&mut reader).map_err(failed)?;
            shape.push(usize::try_from(size).map_err(|_| broken("a tensor has a negative size"))?);
        }
        // GGML counts axes from the innermost.
        shape.reverse();
        let mut name = vec![0; name_length as usize];
        reader.read_exact(&mut name).map_err(failed)?;
        let name = String::from_utf8_lossy(&name).into_owned();
        let dtype = match kind {
            0 => Dtype::F32,
            1 => Dtype::F16,
            _ => {
                let remedy = "take the f16 or f32 file of the same model";
                return Err(ModelError::checkpoint(path, format!("{name} is quantised"), remedy));
            }
        };
        let start = reader.stream_position().map_err(failed)?;
        let place = Place::contiguous(shape, dtype, start);
        if !place.fits(length) {
            return Err(broken("the file ends within a tensor"));
        }
        let bytes = place.count().unwrap_or(0) * dtype.size();
        skip(&mut reader, i64::try_from(bytes).map_err(|_| broken("a tensor is too large"))?)?;
        table.insert(name, place);
    }
    let size = |number: i32| usize::try_from(number).map_err(|_| broken("a size is negative"));
    Ok((table, Hyperparameters { positions: size(positions)?, heads: size(heads)?, mel_bins: size(mel_bins)? }))
}

fn numbers<const N: usize>(reader: &mut impl Read) -> io::Result<[i32; N]> {
    let mut numbers = [0; N];
    for number in &mut numbers {
        let mut bytes = [0; 4];
        reader.read_exact(&mut bytes)?;
        *number = i32::from_le_bytes(bytes);
    }
    Ok(numbers)
}
