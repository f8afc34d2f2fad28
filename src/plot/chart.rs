//! The contents of a chart, without colours or pixels.

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
    /// A main curve without markers: a smoothed one.
    Line,
    /// A main curve with a marker at every point: one point for each epoch.
    Marked,
}

/// One curve.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// The side it belongs to.
    pub side: Side,
    /// How it is drawn.
    pub kind: Kind,
    /// Points in order of x; a y that is not finite is a gap.
    pub points: Vec<(f64, f64)>,
    /// A point to emphasise: the best epoch.
    pub best: Option<(f64, f64)>,
    /// Text at the curve's end, if it fits: whose curve it is, and its last value.
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
    /// Position of the crosshair on x.
    pub cursor: Option<f64>,
    /// Names of the two runs, for the legend of an exported chart.
    pub names: Vec<(Side, String)>,
}
