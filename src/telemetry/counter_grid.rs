//! Counters by position: found by arithmetic instead of hashing their labels, and made when they first count.

use std::sync::OnceLock;

use prometheus_client::metrics::counter::Counter;

/// Counters in rows and columns. A row costs nothing until something in it is counted, so that thousands of policies
/// that never meet a Run neither take memory nor appear in every scrape.
#[derive(Debug)]
pub(super) struct CounterGrid {
    columns: usize,
    rows: Vec<OnceLock<Box<[OnceLock<Counter>]>>>,
}

impl CounterGrid {
    pub(super) fn new(rows: usize, columns: usize) -> Self {
        Self {
            columns,
            rows: (0..rows).map(|_| OnceLock::new()).collect(),
        }
    }

    /// Counts in one cell; outside the grid nothing is counted.
    pub(super) fn count(&self, row: usize, column: usize, make: impl FnOnce() -> Counter) {
        let row = self
            .rows
            .get(row)
            .map(|row| row.get_or_init(|| (0..self.columns).map(|_| OnceLock::new()).collect()));
        if let Some(cell) = row.and_then(|row| row.get(column)) {
            cell.get_or_init(make).inc();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_made_once_and_counts_for_itself() {
        let grid = CounterGrid::new(2, 3);
        let (one, other) = (Counter::<u64>::default(), Counter::<u64>::default());
        grid.count(1, 2, || one.clone());
        grid.count(1, 2, || unreachable!("made before"));
        grid.count(0, 2, || other.clone());
        assert_eq!((one.get(), other.get()), (2, 1));
    }

    #[test]
    fn outside_the_grid_nothing_is_counted() {
        let grid = CounterGrid::new(1, 1);
        for (row, column) in [(1, 0), (0, 1), (usize::MAX, usize::MAX)] {
            grid.count(row, column, || unreachable!("there is no such cell"));
        }
    }
}
