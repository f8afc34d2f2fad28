//! Parts of screens; one file each. Widgets get values and a theme, and draw into a buffer.

pub mod bars;
pub mod cells;
pub mod chart;
pub mod heat_map;
mod paint;
pub mod panel;
pub mod raster;
pub mod rows;
pub mod spectrogram;
pub mod timeline;
pub mod waterfall;
pub mod waveform;

pub use bars::{bar, columns, gauge};
pub use paint::paint;
pub use panel::{Panel, fields, hint, middle, paragraph};
pub use rows::{Rows, scrolled};
