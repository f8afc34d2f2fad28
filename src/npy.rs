//! Arrays as NumPy's `.npy` files.

use std::io::{self, Write};

use npyz::WriterBuilder as _;

/// Writes float32 rows, (rows, columns), each as `rows` gives it; `rows` gets a function that takes one piece of the array
/// after another, in row-major order.
///
/// # Errors
/// Those of `to` and of `rows`, and when there are not as many values as the shape has.
pub fn write<W: Write, E: From<io::Error>>(
    to: W,
    shape: [u64; 2],
    rows: impl FnOnce(&mut dyn FnMut(&[f32]) -> io::Result<()>) -> Result<(), E>,
) -> Result<(), E> {
    let mut writer = npyz::WriteOptions::new().default_dtype().shape(&shape).writer(to).begin_nd()?;
    rows(&mut |values| writer.extend(values.iter().copied()))?;
    Ok(writer.finish()?)
}
