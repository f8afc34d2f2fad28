//! Notes about a run, on the lower edge of its panel: files found and used, learning rates of parts, the last warning.

use ratatui::{buffer::Buffer, layout::Rect};

use crate::{
    data::FileCount,
    session::RunState,
    tui::{text, theme::Theme},
};

/// Writes the line, if there is anything to say.
pub(super) fn notes(state: &RunState, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    let found = state.config.as_deref().and_then(|config| config.dataset.as_deref()).map(|dataset| &dataset.found);
    let found = found.filter(|found| found.files > 0);
    let warning = state.warnings.last().map(|warning| match state.warnings.len() {
        1 => warning.clone(),
        all => format!("{warning} ({all} warnings)"),
    });
    let words: Vec<String> = found.map(ToString::to_string).into_iter().chain(warning).chain(rates(state)).collect();
    if words.is_empty() || area.width < 12 || area.height < 2 {
        return;
    }
    let is_calm = state.warnings.is_empty() && !found.is_some_and(FileCount::is_notable);
    let style = if is_calm { theme.dim() } else { theme.warn() };
    let room = usize::from(area.width) - 6;
    let line = format!(" {} ", text::fit(&words.join(" · "), room));
    buffer.set_stringn(area.x + 2, area.bottom() - 1, line, room + 2, style);
}

/// Learning rates of parts that have their own: neighbours of one rate are named together.
fn rates(state: &RunState) -> Option<String> {
    let rates = state.own_rates();
    let same: Vec<String> = rates
        .chunk_by(|(_, one), (_, next)| one == next)
        .map(|same| {
            let parts: Vec<_> = same.iter().map(|(part, _)| part.id()).collect();
            let rate = same.first().map_or(f64::NAN, |&(_, rate)| rate.into());
            format!("{} {}", parts.join(", "), text::rate(rate))
        })
        .collect();
    (!same.is_empty()).then(|| format!("lr: {}", same.join(", ")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{
        data::{DataRecord, LeftOut, Rates, Reason},
        model::{GroupCount, Part},
        session::{Event, testing},
    };

    #[test]
    fn files_found_and_used_are_on_the_edge_of_the_panel() {
        let left_out = vec![LeftOut::new("x.m4a", Reason::Kind); 16];
        let mut started = testing::records().remove(0);
        if let Event::Started { config, .. } = &mut started.event {
            config.dataset = Some(Box::new(DataRecord { found: FileCount::of(8, &left_out), ..DataRecord::default() }));
        }
        let state = RunState::from_records([&started]);
        let area = Rect::new(0, 0, 60, 5);
        let mut buffer = Buffer::empty(area);
        let theme = Theme::all(None, false).0.remove(0);
        notes(&state, &theme, area, &mut buffer);
        let row: String = (0..60).map(|x| buffer[(x, 4)].symbol().to_owned()).collect();
        assert_eq!(row.trim(), "24 files, 8 used: 16 of kinds that are not read");
        // Parts that train at rates of their own.
        if let Event::Started { config, inventory, .. } = &mut started.event {
            (config.dataset, config.lr) = (None, 1e-3);
            config.recipe.rates = Rates { spatial: 0.5, mlp: 0.5, head: 5.0, ..Rates::default() };
            let group = |part| GroupCount { part, block: None, total: 8, trainable: 8 };
            inventory.groups = vec![group(Part::Spatial), group(Part::Mlp), group(Part::Head)];
        }
        let state = RunState::from_records([&started]);
        let mut buffer = Buffer::empty(area);
        notes(&state, &theme, area, &mut buffer);
        let row: String = (0..60).map(|x| buffer[(x, 4)].symbol().to_owned()).collect();
        assert_eq!(row.trim(), "lr: spatial, mlp 5e-4, head 5e-3");
        // Nothing is wrong with them, so they are not in the colour of warnings.
        assert_eq!(buffer[(4, 4)].style().fg, theme.dim().fg);
        // Nothing for synthesised data.
        let mut buffer = Buffer::empty(area);
        notes(&RunState::default(), &theme, area, &mut buffer);
        assert_eq!(buffer, Buffer::empty(area));
    }
}
