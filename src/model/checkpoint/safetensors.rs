//! safetensors: a length, a JSON header, the tensors' bytes one after the other.
//!
//! Read here and not by the crate of that name, because a reader by position needs only the header
//! and the file's length, and because a name given twice must be an error.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    io::Write,
    path::Path,
};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};

use super::{
    place::{Dtype, Place},
    tensors::{Bytes, CUT_SHORT, Tensors},
};
use crate::{
    atomic, limits,
    model::{ModelError, ParamSpec},
};

#[derive(Deserialize)]
struct Entry {
    dtype: String,
    shape: Vec<usize>,
    data_offsets: [u64; 2],
}

/// The header in the order it was written, with whatever it says twice.
#[derive(Default)]
struct Header {
    tensors: Vec<(String, Entry)>,
    metadata: HashMap<String, String>,
}

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Header;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table of tensors")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Header, A::Error> {
                let mut header = Header::default();
                while let Some(name) = map.next_key::<String>()? {
                    if name == "__metadata__" {
                        header.metadata = map.next_value()?;
                    } else {
                        header.tensors.push((name, map.next_value()?));
                    }
                }
                Ok(header)
            }
        }
        deserializer.deserialize_map(Entries)
    }
}

/// Whether these first bytes of a file look like safetensors: a length, then the header's brace.
pub(super) fn recognise(first: &[u8]) -> bool {
    first.get(8) == Some(&b'{')
}

/// Whether the length that these first bytes claim is one that the format allows, so that they are nothing else.
pub(super) fn is_plausible(first: &[u8]) -> bool {
    let length = first.first_chunk().map(|bytes| u64::from_le_bytes(*bytes));
    recognise(first) && length.is_some_and(|length| length <= limits::SAFETENSORS_HEADER)
}

/// The table of a safetensors file.
///
/// # Errors
/// When the file is not what it says: cut short, a header beyond the file, tensors that overlap, are given twice or
/// have a size that is not their shape's.
pub(super) fn open(path: &Path, bytes: impl Into<Bytes>) -> Result<Tensors, ModelError> {
    let bytes = bytes.into();
    let io = |source| ModelError::Io { path: path.to_owned(), source };
    let broken = |problem: String| ModelError::checkpoint(path, problem, CUT_SHORT);
    let length = bytes.length().map_err(io)?;
    let mut prefix = [0; 8];
    bytes.read_exact_at(&mut prefix, 0).map_err(io)?;
    let header_length = u64::from_le_bytes(prefix);
    let data = header_length.saturating_add(8);
    if header_length > limits::SAFETENSORS_HEADER || data > length {
        return Err(broken(format!("its header claims {header_length} bytes, the file has {length}")));
    }
    // No larger than the file, which was just looked at.
    let mut header = vec![0; header_length as usize];
    bytes.read_exact_at(&mut header, 8).map_err(io)?;
    let header: Header = serde_json::from_slice(&header).map_err(|why| broken(format!("its header: {why}")))?;

    let mut order: Vec<&(String, Entry)> = header.tensors.iter().collect();
    order.sort_by_key(|(_, entry)| entry.data_offsets);
    let mut end = 0;
    for (name, entry) in order {
        let [from, to] = entry.data_offsets;
        if from != end || to < from {
            return Err(broken(format!("{name} overlaps another tensor or leaves a gap")));
        }
        end = to;
    }
    if data + end != length {
        return Err(broken(format!("its tensors end at byte {}, the file at {length}", data.saturating_add(end))));
    }

    let mut table = BTreeMap::new();
    for (name, entry) in header.tensors {
        let dtype = dtype(&entry.dtype).ok_or_else(|| {
            let problem = format!("{name} is stored as {}, which is not read here", entry.dtype);
            ModelError::checkpoint(path, problem, "save it as float32, float16 or bfloat16")
        })?;
        let [from, to] = entry.data_offsets;
        let place = Place::contiguous(entry.shape, dtype, data + from);
        let bytes = place.count().and_then(|count| count.checked_mul(dtype.size()));
        if bytes.is_none_or(|bytes| bytes as u64 != to - from) {
            return Err(broken(format!("{name} takes {} bytes, but its shape is {:?}", to - from, place.shape)));
        }
        if table.insert(name.clone(), place).is_some() {
            return Err(broken(format!("{name} is there twice")));
        }
    }
    Tensors::new(path, bytes, table, header.metadata)
}

fn dtype(name: &str) -> Option<Dtype> {
    Some(match name {
        "F64" => Dtype::F64,
        "F32" => Dtype::F32,
        "F16" => Dtype::F16,
        "BF16" => Dtype::Bf16,
        "I64" => Dtype::I64,
        "I32" => Dtype::I32,
        "U8" | "BOOL" => Dtype::U8,
        _ => return None,
    })
}

/// Writes tensors of `f32`, whole or not at all; each is asked for when its turn comes.
///
/// # Errors
/// When the file cannot be written or a tensor cannot be had.
pub fn write<'a>(
    path: &Path,
    metadata: &[(&str, &str)],
    tensors: &[(&str, &[usize])],
    values: impl FnMut(usize) -> Result<Vec<f32>, ModelError> + 'a,
) -> Result<(), ModelError> {
    write_as(Dtype::F32, path, metadata, tensors, values)
}

/// The same in another precision: `F16` halves the file, everything else is written as `F32`.
///
/// # Errors
/// As [`write()`].
pub fn write_as<'a>(
    dtype: Dtype,
    path: &Path,
    metadata: &[(&str, &str)],
    tensors: &[(&str, &[usize])],
    mut values: impl FnMut(usize) -> Result<Vec<f32>, ModelError> + 'a,
) -> Result<(), ModelError> {
    let (precision, size) = if dtype == Dtype::F16 { ("F16", 2) } else { ("F32", 4) };
    #[derive(serde::Serialize)]
    struct Written<'a> {
        dtype: &'static str,
        shape: &'a [usize],
        data_offsets: [usize; 2],
    }
    let mut header = serde_json::Map::new();
    let text = |value: &str| serde_json::Value::String(value.to_owned());
    if !metadata.is_empty() {
        let metadata = metadata.iter().map(|(key, value)| ((*key).to_owned(), text(value))).collect();
        header.insert("__metadata__".into(), serde_json::Value::Object(metadata));
    }
    let mut end = 0;
    for (name, shape) in tensors {
        let start = end;
        end += size * shape.iter().product::<usize>();
        let entry = Written { dtype: precision, shape, data_offsets: [start, end] };
        header.insert(
            (*name).to_owned(),
            serde_json::to_value(entry).map_err(std::io::Error::from).map_err(|source| io_error(path, source))?,
        );
    }
    let mut header = serde_json::Value::Object(header).to_string().into_bytes();
    // The tensors begin at a multiple of eight, as the format's own writer has it.
    header.resize(header.len().next_multiple_of(8), b' ');
    atomic::write(path, |file| {
        file.write_all(&(header.len() as u64).to_le_bytes()).map_err(Failure::Io)?;
        file.write_all(&header).map_err(Failure::Io)?;
        for (i, (name, shape)) in tensors.iter().enumerate() {
            let values = values(i).map_err(Failure::Model)?;
            if values.len() != shape.iter().product::<usize>() {
                let problem = format!("{name} has {} values but the shape {shape:?}", values.len());
                return Err(Failure::Model(ModelError::Shape(problem)));
            }
            for chunk in values.chunks(CHUNK) {
                let bytes: Vec<u8> = match size {
                    2 => chunk.iter().flat_map(|value| half::f16::from_f32(*value).to_le_bytes()).collect(),
                    _ => chunk.iter().flat_map(|value| value.to_le_bytes()).collect(),
                };
                file.write_all(&bytes).map_err(Failure::Io)?;
            }
        }
        Ok(())
    })
    .map_err(|failure| match failure {
        Failure::Io(source) => io_error(path, source),
        Failure::Model(error) => error,
    })
}

/// Values turned into bytes at a time.
const CHUNK: usize = 1 << 16;

enum Failure {
    Io(std::io::Error),
    Model(ModelError),
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}

fn io_error(path: &Path, source: std::io::Error) -> ModelError {
    ModelError::Io { path: path.to_owned(), source }
}

/// Names and shapes of parameters, as [`write()`] takes them.
pub fn table<'a>(specs: impl IntoIterator<Item = &'a ParamSpec>) -> Vec<(&'a str, &'a [usize])> {
    specs.into_iter().map(|spec| (spec.name.as_str(), spec.shape.as_slice())).collect()
}
