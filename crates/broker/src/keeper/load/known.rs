use naru_store::Lsn;

/// Rows of one piece: where none is noted, a piece takes nothing.
const PIECE_ROWS: usize = 1024;

/// The record that each row of a table was true at when it was written to the checkpoint, by the row's number: it knows what was
/// changed up to there.
#[derive(Default)]
pub(super) struct Known(Vec<Vec<Lsn>>);

impl Known {
    pub(super) fn note(&mut self, number: usize, at: Lsn) {
        let (piece, row) = (number / PIECE_ROWS, number % PIECE_ROWS);
        if self.0.len() <= piece {
            self.0.resize_with(piece + 1, Vec::new);
        }
        let rows = &mut self.0[piece];
        if rows.len() <= row {
            rows.resize(row + 1, Lsn::ZERO);
        }
        rows[row] = at;
    }

    /// The record that a row was true at; none if it was not noted.
    pub(super) fn get(&self, number: usize) -> Option<Lsn> {
        let at = self.0.get(number / PIECE_ROWS)?.get(number % PIECE_ROWS)?;
        (*at > Lsn::ZERO).then_some(*at)
    }

    /// Whether a row knows what was changed by a record.
    pub(super) fn knows(&self, number: usize, change: Lsn) -> bool {
        self.get(number).is_some_and(|at| change <= at)
    }
}
