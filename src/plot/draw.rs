//! Draws a chart on any canvas: SVG, bitmap or the terminal's cells.

use plotters::{
    coord::Shift,
    prelude::*,
    style::{
        ShapeStyle,
        text_anchor::{HPos, Pos, VPos},
    },
};

use super::{Axis, Chart, Curve, Kind, Side};

/// The kind of a mark, for which each canvas chooses colour and weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ink {
    /// Lines at the ticks.
    Grid,
    /// Numbers at the ticks.
    Tick,
    /// The crosshair.
    Cursor,
    /// Background curves: training loss at every step.
    Thin(Side),
    /// Main curves.
    Main(Side),
    /// The best point and its value.
    Best(Side),
}

/// A canvas's colours and sizes.
pub struct Look {
    /// The colour of an ink.
    pub color: fn(Ink) -> RGBAColor,
    /// Height of text, pixels.
    pub text: u32,
    /// Pixels for the numbers left of the y axis.
    pub left: u32,
    /// Pixels for the numbers below the x axis.
    pub bottom: u32,
    /// Pixels kept free right of the curves, for their end labels.
    pub right: u32,
    /// Pixels above the curves.
    pub top: u32,
    /// Width of the main curves, pixels.
    pub stroke: u32,
    /// Radius of markers, pixels.
    pub marker: i32,
    /// Least distance between two markers of a curve, pixels.
    pub marker_gap: i32,
    /// Length of a dash and of a gap of B's curves, pixels.
    pub dash: (i32, i32),
    /// Least distance between two end labels, pixels.
    pub label_gap: i32,
}

type Context<'a, DB> = ChartContext<'a, DB, Cartesian2d<Axis, Axis>>;

/// Draws a chart on an area.
///
/// # Errors
/// When the canvas fails; a canvas in memory does not.
pub fn draw<DB: DrawingBackend>(
    area: &DrawingArea<DB, Shift>,
    chart: &Chart,
    look: &Look,
) -> Result<(), DrawingAreaErrorKind<DB::ErrorType>> {
    let font = ("sans-serif", look.text).into_font();
    let color = (look.color)(Ink::Tick);
    let tick = TextStyle::from(font.clone()).color(&color);
    let mut context: Context<'_, DB> = ChartBuilder::on(area)
        .margin_right(look.right)
        .margin_top(look.top)
        .x_label_area_size(look.bottom)
        .y_label_area_size(look.left)
        .build_cartesian_2d(chart.x.clone(), chart.y.clone())?;
    let grid = ShapeStyle::from((look.color)(Ink::Grid)).stroke_width(1);
    let span = chart.x.range();
    context.draw_series(chart.y.ticks().iter().map(|y| PathElement::new([(span.start, *y), (span.end, *y)], grid)))?;
    labels(area, &context, chart, &tick, look)?;

    if let Some(x) = chart.cursor {
        let span = chart.y.range();
        let style = ShapeStyle::from((look.color)(Ink::Cursor)).stroke_width(1);
        context.draw_series([PathElement::new([(x, span.start), (x, span.end)], style)])?;
    }
    for curve in &chart.curves {
        for piece in curve.points.split(|(x, y)| !x.is_finite() || !y.is_finite()).filter(|piece| !piece.is_empty()) {
            line(&mut context, curve, piece, look)?;
        }
    }
    for curve in &chart.curves {
        if let Some(best) = curve.best {
            marker(&mut context, curve.side, best, look.marker + look.marker / 2, (look.color)(Ink::Best(curve.side)))?;
        }
    }
    end_labels(area, &context, chart, &font, look)
}

/// One uninterrupted stretch of a curve.
fn line<DB: DrawingBackend>(
    context: &mut Context<'_, DB>,
    curve: &Curve,
    points: &[(f64, f64)],
    look: &Look,
) -> Result<(), DrawingAreaErrorKind<DB::ErrorType>> {
    let thin = curve.kind == Kind::Thin;
    let color = (look.color)(if thin { Ink::Thin(curve.side) } else { Ink::Main(curve.side) });
    let style = ShapeStyle::from(color).stroke_width(if thin { 1 } else { look.stroke });
    match (curve.side, thin) {
        // Dashes of a noisy thin curve would be unreadable: colour and label distinguish it.
        (Side::A, _) | (Side::B, true) => {
            context.draw_series(LineSeries::new(points.iter().copied(), style))?;
        }
        (Side::B, false) => {
            let (dash, gap) = look.dash;
            context.draw_series(DashedLineSeries::new(points.iter().copied(), dash, gap, style))?;
        }
    }
    if curve.kind == Kind::Marked {
        let mut free = i32::MIN;
        for point in points {
            let x = context.backend_coord(point).0;
            if x >= free {
                marker(context, curve.side, *point, look.marker, color)?;
                free = x + look.marker_gap;
            }
        }
    }
    Ok(())
}

fn marker<DB: DrawingBackend>(
    context: &mut Context<'_, DB>,
    side: Side,
    at: (f64, f64),
    size: i32,
    color: RGBAColor,
) -> Result<(), DrawingAreaErrorKind<DB::ErrorType>> {
    match side {
        Side::A => context.draw_series([Circle::new(at, size, color.filled())])?,
        Side::B => context.draw_series([TriangleMarker::new(at, size + size / 3, color.filled())])?,
    };
    Ok(())
}

/// The numbers at the ticks: right-aligned left of the curves, centred below them.
fn labels<DB: DrawingBackend>(
    area: &DrawingArea<DB, Shift>,
    context: &Context<'_, DB>,
    chart: &Chart,
    style: &TextStyle<'_>,
    look: &Look,
) -> Result<(), DrawingAreaErrorKind<DB::ErrorType>> {
    let base = area.get_base_pixel();
    let (xs, ys) = context.plotting_area().get_pixel_range();
    let (xs, ys) = (xs.start - base.0..xs.end - base.0, ys.start - base.1..ys.end - base.1);
    let gap = (look.text / 3) as i32;
    let right = style.pos(Pos::new(HPos::Right, VPos::Center));
    for tick in chart.y.ticks() {
        let y = context.backend_coord(&(chart.x.range().start, *tick)).1 - base.1;
        area.draw_text(&chart.y.text(*tick), &right, (xs.start - gap.max(1), y))?;
    }
    let below = style.pos(Pos::new(HPos::Center, VPos::Top));
    let mut free = i32::MIN;
    for tick in chart.x.ticks() {
        let text = chart.x.text(*tick);
        let width = area.estimate_text_size(&text, style)?.0 as i32;
        // A number is drawn only if it fits inside the area and clear of the one before it.
        let x = (context.backend_coord(&(*tick, chart.y.range().start)).0 - base.0).min(xs.end - width / 2);
        if x - width / 2 >= free && x - width / 2 >= 0 {
            area.draw_text(&text, &below, (x, ys.end + gap))?;
            free = x + width / 2 + width.min(look.text as i32);
        }
    }
    Ok(())
}

/// The last values, at the right of the frame at their own heights, moved apart where they would overlap.
fn end_labels<DB: DrawingBackend>(
    area: &DrawingArea<DB, Shift>,
    context: &Context<'_, DB>,
    chart: &Chart,
    font: &FontDesc<'_>,
    look: &Look,
) -> Result<(), DrawingAreaErrorKind<DB::ErrorType>> {
    let base = area.get_base_pixel();
    let (xs, ys) = context.plotting_area().get_pixel_range();
    let x = xs.end - base.0 + look.marker + (look.text / 3) as i32;
    let (top, bottom) = (ys.start - base.1, ys.end - base.1);
    let mut labels: Vec<(i32, Side, String)> = Vec::new();
    for curve in &chart.curves {
        let (Some(text), Some(last)) = (&curve.end_label, curve.points.iter().rev().find(|(_, y)| y.is_finite()))
        else {
            continue;
        };
        let y = context.backend_coord(last).1 - base.1;
        labels.push((y.clamp(top, bottom), curve.side, text.clone()));
    }
    labels.sort_by_key(|(y, ..)| *y);
    for i in 1..labels.len() {
        labels[i].0 = labels[i].0.max(labels[i - 1].0 + look.label_gap);
    }
    // Labels pushed below the frame push the others up again.
    let mut floor = bottom;
    for label in labels.iter_mut().rev() {
        label.0 = label.0.min(floor);
        floor = label.0 - look.label_gap;
    }
    for (y, side, text) in labels {
        let color = (look.color)(Ink::Main(side));
        let style = TextStyle::from(font.clone()).color(&color);
        area.draw_text(&text, &style.pos(Pos::new(HPos::Left, VPos::Center)), (x, y))?;
    }
    Ok(())
}
