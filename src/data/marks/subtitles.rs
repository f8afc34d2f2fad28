//! Subtitles: SubRip (`.srt`), which Audacity writes and reads, and WebVTT.

use super::{Form, Mark, Outcome, Reading, stem_of};

/// Whether a text begins as one: `WEBVTT`, or a number and then a line with an arrow.
pub(super) fn is(text: &str) -> bool {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines.next().unwrap_or_default();
    first.starts_with("WEBVTT")
        || first.contains("-->")
        || first.bytes().all(|byte| byte.is_ascii_digit()) && lines.next().is_some_and(|line| line.contains("-->"))
}

pub(super) fn read(text: &str, mut reading: Reading) -> Outcome {
    let audio = stem_of(&reading.file);
    let mut open: Option<Mark> = None;
    for (line, content) in (1..).zip(text.lines()) {
        let content = content.trim();
        if let Some((start, end)) = content.split_once("-->") {
            open.take().into_iter().for_each(|mark| reading.take(mark));
            // Behind the end WebVTT has settings.
            let end = end.split_whitespace().next().unwrap_or_default();
            let (Some(start), Some(end)) = (reading.time(line, "start", start.trim()), reading.time(line, "end", end))
            else {
                continue;
            };
            open = Some(Mark { audio: audio.clone(), start, end, line, ..Mark::default() });
        } else if content.is_empty() {
            open.take().into_iter().for_each(|mark| reading.take(mark));
        } else if let Some(mark) = &mut open {
            if !mark.label.is_empty() {
                mark.label.push(' ');
            }
            mark.label.push_str(content);
        }
    }
    open.into_iter().for_each(|mark| reading.take(mark));
    reading.finish(Form::Subtitles)
}
