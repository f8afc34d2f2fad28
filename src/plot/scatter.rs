//! A figure of points with names: score against trainable parameters.

use plotters::{
    coord::Shift,
    prelude::*,
    style::{
        ShapeStyle,
        text_anchor::{HPos, Pos, VPos},
    },
};

use super::{
    Axis, Unit,
    place::{Rect, place},
};

/// A point with its labels.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// Its name, in its colour.
    pub name: String,
    /// A line below, in grey.
    pub remark: String,
    /// Along the bottom; logarithmic.
    pub x: f64,
    /// Up the left side.
    pub y: f64,
    /// Half the length of its error bar.
    pub spread: Option<f64>,
    /// Which marker and colour: a number has the same ones in every figure.
    pub look: usize,
}

/// The figure.
#[derive(Clone, Debug, PartialEq)]
pub struct Scatter {
    /// What is drawn.
    pub title: String,
    /// Along the bottom, logarithmic.
    pub x: Axis,
    /// Up the left side.
    pub y: Axis,
    /// The points.
    pub points: Vec<Point>,
}

impl Scatter {
    /// A figure of these points; `names` are the axes' names.
    pub fn new(title: String, names: (&str, &str), points: Vec<Point>) -> Self {
        let ends = |point: &Point| {
            let spread = point.spread.unwrap_or(0.0);
            [point.y - spread, point.y + spread]
        };
        let x = Axis::covering(names.0, Unit::Amount, true, points.iter().map(|point| point.x), 6).padded(0.08);
        let y = Axis::covering(names.1, Unit::Number, false, points.iter().flat_map(ends), 6).padded(0.08);
        Self { title, x, y, points }
    }
}

/// Okabe and Ito's colours, distinguishable with every common kind of colour vision, their yellow darkened for white
/// paper.
const COLORS: [RGBColor; 8] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(60, 160, 220),
    RGBColor(0, 158, 115),
    RGBColor(200, 120, 0),
    RGBColor(180, 90, 150),
    RGBColor(70, 74, 82),
    RGBColor(140, 120, 20),
];
const INK: RGBColor = RGBColor(30, 34, 42);
const DIM: RGBColor = RGBColor(96, 102, 112);
const GRID: RGBColor = RGBColor(228, 230, 234);

/// Half a marker's size, and the distance between a marker and its label, pixels.
const MARKER: i32 = 7;
const GAP: i32 = 13;
/// Heights of the label's two lines, pixels.
const NAME: u32 = 17;
const REMARK: u32 = 14;

type Drawn<DB> = Result<(), DrawingAreaErrorKind<<DB as DrawingBackend>::ErrorType>>;

/// Draws the figure on an area.
///
/// # Errors
/// When the canvas fails.
pub(super) fn draw_scatter<DB: DrawingBackend>(area: &DrawingArea<DB, Shift>, figure: &Scatter) -> Drawn<DB> {
    let (head, body) = area.margin(20, 16, 20, 28).split_vertically(48);
    head.draw_text(&figure.title, &text(20, &INK), (0, 4))?;
    head.draw_text(&figure.y.name, &text(15, &DIM), (0, 32))?;
    let context = ChartBuilder::on(&body)
        .margin_top(10)
        .margin_right(12)
        .x_label_area_size(52)
        .y_label_area_size(56)
        .build_cartesian_2d(figure.x.clone(), figure.y.clone())?;
    let base = body.get_base_pixel();
    let (xs, ys) = context.plotting_area().get_pixel_range();
    let frame =
        Rect { left: xs.start - base.0, top: ys.start - base.1, right: xs.end - base.0, bottom: ys.end - base.1 };
    let pixel = |x: f64, y: f64| {
        let (x, y) = context.backend_coord(&(x, y));
        (x - base.0, y - base.1)
    };
    axes(&body, figure, frame, &pixel)?;

    let spots: Vec<_> = figure.points.iter().map(|point| pixel(point.x, point.y)).collect();
    let mut marks = Vec::new();
    for (point, &(x, y)) in figure.points.iter().zip(&spots) {
        let color = COLORS[point.look % COLORS.len()];
        if let Some(spread) = point.spread.filter(|spread| *spread > 0.0) {
            let (top, bottom) = (pixel(point.x, point.y + spread).1, pixel(point.x, point.y - spread).1);
            let style = ShapeStyle::from(color.mix(0.55)).stroke_width(2);
            body.draw(&PathElement::new([(x, top), (x, bottom)], style))?;
            for end in [top, bottom] {
                body.draw(&PathElement::new([(x - 4, end), (x + 4, end)], style))?;
            }
            marks.push(Rect { left: x - 5, top, right: x + 5, bottom });
        }
        marks.push(Rect::around((x, y), MARKER + 2, MARKER + 2));
        marker(&body, point.look, (x, y), color)?;
    }
    labels(&body, figure, &spots, &marks, frame)
}

fn text<'a>(size: u32, color: &'a RGBColor) -> TextStyle<'a> {
    TextStyle::from(("sans-serif", size).into_font()).color(color)
}

/// Lines and numbers at the ticks, and the name of the x axis.
fn axes<DB: DrawingBackend>(
    area: &DrawingArea<DB, Shift>,
    figure: &Scatter,
    frame: Rect,
    pixel: &impl Fn(f64, f64) -> (i32, i32),
) -> Drawn<DB> {
    let grid = ShapeStyle::from(GRID).stroke_width(1);
    let tick = text(15, &DIM);
    let (left, low) = (figure.x.range().start, figure.y.range().start);
    for &y in figure.y.ticks() {
        let at = pixel(left, y).1;
        area.draw(&PathElement::new([(frame.left, at), (frame.right, at)], grid))?;
        let style = tick.pos(Pos::new(HPos::Right, VPos::Center));
        area.draw_text(&figure.y.text(y), &style, (frame.left - 8, at))?;
    }
    for &x in figure.x.ticks() {
        let at = pixel(x, low).0;
        area.draw(&PathElement::new([(at, frame.top), (at, frame.bottom)], grid))?;
        area.draw_text(&figure.x.text(x), &tick.pos(Pos::new(HPos::Center, VPos::Top)), (at, frame.bottom + 8))?;
    }
    let name = text(15, &DIM).pos(Pos::new(HPos::Right, VPos::Top));
    area.draw_text(&figure.x.name, &name, (frame.right, frame.bottom + 30))
}

/// One of eight markers of about the same size.
fn marker<DB: DrawingBackend>(
    area: &DrawingArea<DB, Shift>,
    look: usize,
    (x, y): (i32, i32),
    color: RGBColor,
) -> Drawn<DB> {
    let r = MARKER;
    let polygon = |corners: &[(i32, i32)]| {
        let corners: Vec<_> = corners.iter().map(|(dx, dy)| (x + dx, y + dy)).collect();
        area.draw(&Polygon::new(corners, color.filled()))
    };
    let bar = |from: (i32, i32), to: (i32, i32)| {
        let ends = [(x + from.0, y + from.1), (x + to.0, y + to.1)];
        area.draw(&PathElement::new(ends, ShapeStyle::from(color).stroke_width(4)))
    };
    match look % COLORS.len() {
        0 => area.draw(&Circle::new((x, y), r, color.filled())),
        1 => polygon(&[(0, -r - 1), (r + 1, r - 1), (-r - 1, r - 1)]),
        2 => area.draw(&Circle::new((x, y), r - 1, ShapeStyle::from(color).stroke_width(3))),
        3 => polygon(&[(-r + 1, -r + 1), (r - 1, -r + 1), (r - 1, r - 1), (-r + 1, r - 1)]),
        4 => polygon(&[(0, -r - 2), (r + 1, 0), (0, r + 2), (-r - 1, 0)]),
        5 => polygon(&[(0, r + 1), (r + 1, -r + 1), (-r - 1, -r + 1)]),
        6 => bar((-r, 0), (r, 0)).and_then(|()| bar((0, -r), (0, r))),
        _ => bar((-r + 1, -r + 1), (r - 1, r - 1)).and_then(|()| bar((-r + 1, r - 1), (r - 1, -r + 1))),
    }
}

/// Names with their remarks beside their points, with a line to those that are further away.
fn labels<DB: DrawingBackend>(
    area: &DrawingArea<DB, Shift>,
    figure: &Scatter,
    spots: &[(i32, i32)],
    marks: &[Rect],
    frame: Rect,
) -> Drawn<DB> {
    let mut sizes = Vec::with_capacity(spots.len());
    for point in &figure.points {
        let name = area.estimate_text_size(&point.name, &text(NAME, &INK))?;
        let remark = area.estimate_text_size(&point.remark, &text(REMARK, &DIM))?;
        sizes.push((name.0.max(remark.0) as i32, (NAME + REMARK + 3) as i32));
    }
    let places = place(spots, &sizes, marks, frame, GAP);
    for (((point, &(x, y)), (width, height)), (left, top)) in figure.points.iter().zip(spots).zip(sizes).zip(places) {
        let color = COLORS[point.look % COLORS.len()];
        let near = (x.clamp(left, left + width), y.clamp(top, top + height));
        let far = (near.0 - x).abs().max((near.1 - y).abs());
        if far > 2 * GAP {
            let style = ShapeStyle::from(color.mix(0.4)).stroke_width(1);
            area.draw(&PathElement::new([(x, y), near], style))?;
        }
        // A label beside its point is aligned towards it; above or below, it is centred.
        let (anchor, at) = match () {
            () if left > x => (HPos::Left, left),
            () if left + width < x => (HPos::Right, left + width),
            () => (HPos::Center, left + width / 2),
        };
        let pos = Pos::new(anchor, VPos::Top);
        area.draw_text(&point.name, &text(NAME, &color).pos(pos), (at, top))?;
        area.draw_text(&point.remark, &text(REMARK, &DIM).pos(pos), (at, top + NAME as i32 + 2))?;
    }
    Ok(())
}
