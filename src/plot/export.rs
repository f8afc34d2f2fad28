//! Charts as SVG and PNG files.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    sync::OnceLock,
};

use plotters::{
    prelude::*,
    style::{
        FontStyle, register_font,
        text_anchor::{HPos, Pos, VPos},
    },
};

use crate::{atomic, printable::printable};

use super::{Chart, Ink, Look, Scatter, Side, draw, scatter::draw_scatter};

/// Inter, under the SIL Open Font License 1.1 (`assets/fonts/Inter-OFL.txt`).
static FONT: &[u8] = include_bytes!("../../assets/fonts/Inter-Regular.otf");

/// Width and height of one chart in an exported file, pixels.
const SIZE: (u32, u32) = (960, 600);

/// Size of a figure of points.
const SCATTER_SIZE: (u32, u32) = (1000, 640);

/// The kind of picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Scalable.
    Svg,
    /// Pixels.
    Png,
}

impl Format {
    /// By the file name's extension.
    pub fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "svg" => Some(Self::Svg),
            "png" => Some(Self::Png),
            _ => None,
        }
    }
}

/// Why a picture was not written.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The name's extension is not supported.
    #[error("{}: a picture's name ends in .svg or .png", .0.display())]
    Format(PathBuf),
    /// The drawing failed.
    #[error("{}: could not be drawn: {why}", .path.display())]
    Draw {
        /// The file asked for.
        path: PathBuf,
        /// The error of plotters.
        why: String,
    },
    /// The file could not be written.
    #[error("{}: could not be written: {source}", .path.display())]
    Write {
        /// The file asked for.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
}

/// Writes charts side by side as one picture; the extension `.svg` or `.png` decides the format. An existing file is
/// replaced whole.
///
/// # Errors
/// When the name has another extension, or the file cannot be written.
pub fn export(path: &Path, charts: &[Chart]) -> Result<(), ExportError> {
    write(path, &Figure::Charts(charts))
}

/// Writes a figure of points as a picture, as [`export`] does.
///
/// # Errors
/// When the name has another extension, or the file cannot be written.
pub fn export_scatter(path: &Path, figure: &Scatter) -> Result<(), ExportError> {
    write(path, &Figure::Scatter(figure))
}

/// The contents of a picture.
enum Figure<'a> {
    Charts(&'a [Chart]),
    Scatter(&'a Scatter),
}

impl Figure<'_> {
    fn size(&self) -> (u32, u32) {
        match self {
            Self::Charts(charts) => (SIZE.0 * charts.len().max(1) as u32, SIZE.1),
            Self::Scatter(_) => SCATTER_SIZE,
        }
    }

    fn draw<DB: DrawingBackend>(&self, area: &DrawingArea<DB, plotters::coord::Shift>) -> Result<(), String> {
        let text = |error: DrawingAreaErrorKind<DB::ErrorType>| error.to_string();
        area.fill(&WHITE).map_err(text)?;
        match self {
            Self::Charts(charts) => panels(area, charts)?,
            Self::Scatter(figure) => draw_scatter(area, figure).map_err(text)?,
        }
        area.present().map_err(text)
    }
}

fn write(path: &Path, figure: &Figure<'_>) -> Result<(), ExportError> {
    let format = Format::of(path).ok_or_else(|| ExportError::Format(path.to_owned()))?;
    let bytes = render(format, figure).map_err(|why| ExportError::Draw { path: path.to_owned(), why })?;
    let failed = |source| ExportError::Write { path: path.to_owned(), source };
    atomic::write(path, |file| file.write_all(&bytes)).map_err(failed)
}

fn render(format: Format, figure: &Figure<'_>) -> Result<Vec<u8>, String> {
    static REGISTERED: OnceLock<bool> = OnceLock::new();
    if !REGISTERED.get_or_init(|| register_font("sans-serif", FontStyle::Normal, FONT).is_ok()) {
        return Err("the font could not be read".into());
    }
    let size = figure.size();
    match format {
        Format::Svg => {
            let mut svg = String::new();
            figure.draw(&SVGBackend::with_string(&mut svg, size).into_drawing_area())?;
            // Names may hold what XML does not allow, or what reorders the text around it.
            Ok(svg.lines().map(printable).collect::<Vec<_>>().join("\n").into_bytes())
        }
        Format::Png => {
            // plotters encodes only to a path, so a temporary file is used.
            let file = tempfile::Builder::new().suffix(".png").tempfile().map_err(|error| error.to_string())?;
            figure.draw(&BitMapBackend::new(file.path(), size).into_drawing_area())?;
            std::fs::read(file.path()).map_err(|error| error.to_string())
        }
    }
}

fn panels<DB: DrawingBackend>(area: &DrawingArea<DB, plotters::coord::Shift>, charts: &[Chart]) -> Result<(), String> {
    let text = |error: DrawingAreaErrorKind<DB::ErrorType>| error.to_string();
    for (panel, chart) in area.split_evenly((1, charts.len().max(1))).iter().zip(charts) {
        let (head, body) = panel.margin(20, 20, 24, 24).split_vertically(64);
        caption(&head, chart).map_err(text)?;
        draw(&body, chart, &PAPER).map_err(text)?;
    }
    Ok(())
}

/// Title with the axes' names and a legend.
fn caption<DB: DrawingBackend>(
    area: &DrawingArea<DB, plotters::coord::Shift>,
    chart: &Chart,
) -> Result<(), DrawingAreaErrorKind<DB::ErrorType>> {
    let font = |size: u32| ("sans-serif", size).into_font();
    let title = format!("{} by {}", chart.title, chart.x.name);
    area.draw_text(&title, &TextStyle::from(font(24)).color(&RGBColor(30, 34, 42)), (0, 0))?;
    let mut x = 0;
    for (side, name) in chart.names.iter().filter(|(_, name)| !name.is_empty()) {
        let color = paper(Ink::Main(*side));
        match side {
            Side::A => area.draw(&Circle::new((x + 7, 45), 5, color.filled()))?,
            Side::B => area.draw(&TriangleMarker::new((x + 7, 46), 7, color.filled()))?,
        }
        let style = TextStyle::from(font(16)).color(&color).pos(Pos::new(HPos::Left, VPos::Center));
        let label = format!("{}  {name}", side.letter());
        area.draw_text(&label, &style, (x + 20, 45))?;
        x += 20 + area.estimate_text_size(&label, &style)?.0 as i32 + 32;
    }
    Ok(())
}

/// Ink on paper: Okabe and Ito's blue and vermilion, distinguishable with every common kind of colour vision.
fn paper(ink: Ink) -> RGBAColor {
    match ink {
        Ink::Grid => RGBColor(228, 230, 234).to_rgba(),
        Ink::Tick => RGBColor(96, 102, 112).to_rgba(),
        Ink::Cursor => RGBColor(150, 150, 150).to_rgba(),
        Ink::Thin(side) => paper(Ink::Main(side)).mix(0.35),
        Ink::Main(Side::A) | Ink::Best(Side::A) => RGBColor(0, 114, 178).to_rgba(),
        Ink::Main(Side::B) | Ink::Best(Side::B) => RGBColor(213, 94, 0).to_rgba(),
    }
}

static PAPER: Look = Look {
    color: paper,
    text: 15,
    left: 56,
    bottom: 28,
    right: 64,
    top: 8,
    stroke: 2,
    marker: 4,
    marker_gap: 16,
    dash: (8, 5),
    label_gap: 17,
};

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::plot::{Axis, Curve, Kind, Point, Unit};

    fn chart() -> Chart {
        let points: Vec<_> = (1..=8).map(|i| (f64::from(i), 1.0 / f64::from(i))).collect();
        let curve = |side, shift: f64| Curve {
            side,
            kind: Kind::Marked,
            points: points.iter().map(|(x, y)| (*x, y + shift)).collect(),
            best: points.last().copied(),
            end_label: Some("B 0.125".into()),
        };
        Chart {
            title: "loss".into(),
            x: Axis::covering("epoch", Unit::Count, false, [0.0, 8.0], 6),
            y: Axis::covering("loss", Unit::Number, true, [0.1, 1.2], 5),
            curves: vec![curve(Side::A, 0.0), curve(Side::B, 0.1)],
            cursor: Some(3.0),
            names: vec![(Side::A, "AAT · first".into()), (Side::B, "full <fine> & tuned".into())],
        }
    }

    #[test]
    fn an_svg_has_both_curves_their_names_and_no_loose_markup() {
        let svg = String::from_utf8(render(Format::Svg, &Figure::Charts(&[chart(), chart()])).unwrap()).unwrap();
        assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
        assert!(svg.contains("#0072B2") && svg.contains("#D55E00"));
        assert!(svg.contains("full &lt;fine&gt; &amp; tuned"));
        assert!(svg.contains("0.125"));
    }

    /// A session may be named after anything that a file system allows.
    #[test]
    fn names_with_control_and_reordering_characters_leave_an_svg_that_xml_allows() {
        let mut named = chart();
        named.title = "loss\u{7}\u{1b}[31m".into();
        named.names = vec![(Side::A, "gpj\u{202E}exe\u{0}\n<b>".into()), (Side::B, "full".into())];
        let svg = String::from_utf8(render(Format::Svg, &Figure::Charts(&[named])).unwrap()).unwrap();
        assert!(svg.chars().all(|c| c == '\n' || !c.is_control() && c != '\u{202E}'), "{svg}");
        assert!(svg.contains("loss\u{FFFD}\u{FFFD}[31m") && svg.contains("gpj\u{FFFD}exe"), "{svg}");
    }

    #[test]
    fn a_figure_of_points_names_each_of_them() {
        let point = |name: &str, x, y, look| Point {
            name: name.into(),
            remark: "0.957 ± 0.012, 114 s/epoch".into(),
            x,
            y,
            spread: Some(0.012),
            look,
        };
        let points = vec![point("aat", 7.1e6, 0.957, 0), point("full", 8.7e7, 0.941, 1), point("head", 4e4, 0.568, 7)];
        let figure = Scatter::new("esc10 on base".into(), ("trainable parameters", "accuracy"), points);
        let svg = String::from_utf8(render(Format::Svg, &Figure::Scatter(&figure)).unwrap()).unwrap();
        for text in ["aat", "full", "head", "trainable parameters", "accuracy", "100 k", "10 M", "114 s/epoch"] {
            assert!(svg.contains(text), "{text}");
        }
        assert!(render(Format::Png, &Figure::Scatter(&figure)).unwrap().starts_with(b"\x89PNG"));
    }

    #[test]
    fn a_png_replaces_the_old_file_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("curves.png");
        std::fs::write(&path, b"old").unwrap();
        export(&path, &[chart()]).unwrap();
        assert!(std::fs::read(&path).unwrap().starts_with(b"\x89PNG"));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn other_names_and_folders_that_are_not_there_are_refused_by_name() {
        let error = export(Path::new("curves.pdf"), &[chart()]).unwrap_err();
        assert_eq!(error.to_string(), "curves.pdf: a picture's name ends in .svg or .png");
        let error = export(Path::new("/no/such/folder/curves.svg"), &[chart()]).unwrap_err();
        assert!(error.to_string().starts_with("/no/such/folder/curves.svg: could not be written"));
    }
}
