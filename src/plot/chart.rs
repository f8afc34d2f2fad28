//! What a chart shows, with nothing said about colours or pixels.

use super::Axis;

/// The two runs of a comparison. A side keeps its marker, its line and its colour wherever it is drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Side {
    /// ● and a solid line.
    #[default]
    A,
    /// ▲ and a dashed line.
    B,
}

impl Side {
    /// Both, in order.
    pub const BOTH: [Self; 2] = [Self::A, Self::B];

    /// The other one.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }

    /// 0 or 1.
    pub fn index(self) -> usize {
        self as usize
    }

    /// `A` or `B`.
    pub fn letter(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::B => "B",
        }
    }

    /// ● or ▲.
    pub fn marker(self) -> &'static str {
        match self {
            Self::A => "●",
            Self::B => "▲",
        }
    }
}

/// How a curve is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Thin and faint: measured at every step, behind the others.
    Thin,
    /// The curve to look at, without markers: a smoothed one.
    Line,
    /// The curve to look at, with a marker at every point: one point for each epoch.
    Marked,
}

/// One curve.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// Whose.
    pub side: Side,
    /// How it is drawn.
    pub kind: Kind,
    /// Points in order of x; a y that is not finite is a gap.
    pub points: Vec<(f64, f64)>,
    /// A point to stand out: the best epoch.
    pub best: Option<(f64, f64)>,
    /// Written at the curve's end, where there is room.
    pub end_label: Option<String>,
}

/// A chart.
#[derive(Clone, Debug, PartialEq)]
pub struct Chart {
    /// What is drawn; exported as the caption, on the screen part of the panel's title.
    pub title: String,
    /// Along the bottom.
    pub x: Axis,
    /// Up the left side.
    pub y: Axis,
    /// Painted in order: the last is on top.
    pub curves: Vec<Curve>,
    /// Where the crosshair stands, on x.
    pub cursor: Option<f64>,
    /// Names of the two runs, for the legend of an exported chart.
    pub names: Vec<(Side, String)>,
}
