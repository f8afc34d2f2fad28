//! Files that commands write.

use std::{fmt::Display, io::Write, path::Path};

use serde::Serialize;

use super::CliError;
use crate::atomic;

/// A table with a row for each record.
pub(super) fn csv_of(rows: impl IntoIterator<Item = impl Serialize>) -> Result<Vec<u8>, CliError> {
    let mut table = csv::Writer::from_writer(Vec::new());
    let failed = |error: &dyn Display| CliError::Failed(format!("cannot make the table: {error}"));
    for row in rows {
        table.serialize(row).map_err(|error| failed(&error))?;
    }
    table.into_inner().map_err(|error| failed(&error))
}

/// Writes a file whole, replacing an existing one.
pub(super) fn write(path: &Path, content: &[u8]) -> Result<(), CliError> {
    atomic::write(path, |file| -> std::io::Result<()> { file.write_all(content) })
        .map_err(|error| CliError::Failed(format!("{}: cannot write: {error}", path.display())))
}
