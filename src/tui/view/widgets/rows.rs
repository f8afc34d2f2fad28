//! The rows of a list that are on show: which are drawn, and which one the mouse points at.

use std::ops::Range;

use ratatui::layout::{Position, Rect};

/// The rows of a list in an area, one below the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rows {
    /// The area.
    pub area: Rect,
    /// The first row on show.
    pub first: usize,
    /// Rows in all.
    pub count: usize,
}

impl Rows {
    /// So many rows, of which those around the cursor are on show.
    pub fn new(area: Rect, cursor: usize, count: usize) -> Self {
        Self { area, first: scrolled(cursor, count, usize::from(area.height)), count }
    }

    /// The rows on show.
    pub fn shown(&self) -> Range<usize> {
        self.first..self.count.min(self.first + usize::from(self.area.height))
    }

    /// The line of the screen that a row on show is on, with a column more at each side: for the cursor's background.
    pub fn line(&self, row: usize) -> Rect {
        let y = self.area.y + row.saturating_sub(self.first) as u16;
        Rect { x: self.area.x.saturating_sub(1), y, width: self.area.width + 2, height: 1 }
    }

    /// The row at a place.
    pub fn at(&self, place: Position) -> Option<usize> {
        let wide = Rect { x: self.area.x.saturating_sub(1), width: self.area.width + 2, ..self.area };
        let row = self.first + usize::from(place.y.checked_sub(self.area.y)?);
        (wide.contains(place) && row < self.count).then_some(row)
    }
}

/// The first row to show, so that the cursor is visible with some rows around it.
pub fn scrolled(cursor: usize, rows: usize, room: usize) -> usize {
    let around = (room / 4).min(4);
    if rows <= room { 0 } else { (cursor + around + 1).saturating_sub(room).min(rows - room) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_row_that_is_pointed_at_is_the_row_that_is_drawn_there() {
        let rows = Rows::new(Rect::new(3, 5, 20, 4), 50, 100);
        assert!(rows.shown().contains(&50) && rows.shown().len() == 4);
        for row in rows.shown() {
            let line = rows.line(row);
            assert_eq!(rows.at(Position::new(line.x, line.y)), Some(row));
        }
        assert_eq!(rows.at(Position::new(5, 4)), None);
        assert_eq!(rows.at(Position::new(5, 9)), None);
        let few = Rows::new(Rect::new(3, 5, 20, 4), 0, 2);
        assert_eq!((few.at(Position::new(5, 6)), few.at(Position::new(5, 7))), (Some(1), None));
    }
}
