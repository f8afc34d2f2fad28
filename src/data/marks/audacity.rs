//! Audacity's label track: `start TAB end TAB title`, no header, and lines `\ TAB low TAB high` behind labels that have
//! frequencies.

use super::{Annotator, Form, Mark, Outcome, Reading, stem_of, text};

/// Whether a first line is one: a number, and a TAB.
pub(super) fn is(first: &str) -> bool {
    let mut fields = fields(first);
    let begins = fields.next().is_some_and(|field| text::number(field).is_some() || is_like_a_number(field));
    begins && fields.next().is_some()
}

/// A number that is none, such as `nan`: a line that begins with it belongs to a track and is wrong.
fn is_like_a_number(field: &str) -> bool {
    field.trim().parse::<f64>().is_ok()
}

/// The fields of a line. Repeated TABs count as one, as in Audacity.
fn fields(line: &str) -> impl Iterator<Item = &str> {
    line.split('\t').filter(|field| !field.is_empty())
}

pub(super) fn read(text: &str, mut reading: Reading) -> Outcome {
    let audio = stem_of(&reading.file);
    // Behind a label without text its frequencies belong to nothing.
    let mut last: Option<Mark> = None;
    for (line, content) in (1..).zip(text.lines()) {
        let content = content.trim_end_matches('\r');
        let fields: Vec<&str> = fields(content).collect();
        match fields.as_slice() {
            [] => {}
            ["\\", low, high] => {
                if let Some(mark) = &mut last {
                    let frequency = |text: &str| text::number(text).filter(|hz| *hz >= 0.0);
                    (mark.low_hz, mark.high_hz) = (frequency(low), frequency(high));
                }
            }
            // Of a later version: skipped, as Audacity does.
            ["\\", ..] => {}
            [start, rest @ ..] => {
                last.take().into_iter().for_each(|mark| reading.take(mark));
                let Some(start) = reading.time(line, "start", start) else { continue };
                let (end, title, score) = match rest {
                    [] => (start, "", None),
                    // One number and a title: an instant.
                    [title] if text::number(title).is_none() && !is_like_a_number(title) => (start, *title, None),
                    [end, rest @ ..] => {
                        let Some(end) = reading.time(line, "end", end) else { continue };
                        // A fourth field is BirdNET's score; Audacity itself drops it.
                        (end, rest.first().copied().unwrap_or(""), rest.get(1).and_then(|score| text::number(score)))
                    }
                };
                last = Some(Mark {
                    audio: audio.clone(),
                    start,
                    end,
                    label: title.trim().to_owned(),
                    score,
                    by: if score.is_some() { Annotator::Machine } else { Annotator::Unknown },
                    line,
                    ..Mark::default()
                });
            }
        }
    }
    last.into_iter().for_each(|mark| reading.take(mark));
    reading.finish(Form::Audacity)
}
