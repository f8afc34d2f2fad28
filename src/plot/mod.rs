//! Curves, defined once: what a chart shows ([`Chart`]), how it is drawn on any plotters canvas
//! ([`draw()`]), and the SVG and PNG files that follow ([`export()`]).
//!
//! The terminal draws the same definition on its own canvas of cells (`tui::widgets::cells`), so that an exported
//! picture is the picture that was on the screen. Depends on [`session`](crate::session) states, and on neither
//! terminals nor the command line.

mod axis;
mod chart;
mod draw;
mod export;
mod place;
mod runs;
mod scatter;

pub use axis::{Axis, Unit};
pub use chart::{Chart, Curve, Kind, Side};
pub use draw::{Ink, Look, draw};
pub use export::{ExportError, Format, export, export_scatter};
pub use runs::{ChartView, Run, XAxis, loss, metric, overlay};
pub use scatter::{Point, Scatter};
