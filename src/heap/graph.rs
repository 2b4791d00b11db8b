//! Edges between rows as a compressed sparse row table: one array of targets, one of where each row's targets start.

use std::ops::Range;

use super::ObjectId;

/// A directed graph over rows.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Graph {
    /// `len() + 1` ascending positions in `targets`.
    starts: Vec<u64>,
    targets: Vec<u32>,
}

impl Graph {
    /// `starts` has one entry more than there are rows, ascends from 0 and ends with the number of `targets`.
    pub(crate) fn new(starts: Vec<u64>, targets: Vec<u32>) -> Graph {
        debug_assert_eq!(starts.last().copied(), Some(targets.len() as u64));
        Graph { starts, targets }
    }

    pub(crate) fn range_of(&self, row: ObjectId) -> Range<usize> {
        self.starts[row.index()] as usize..self.starts[row.index() + 1] as usize
    }

    pub(crate) fn of(&self, row: ObjectId) -> &[u32] {
        &self.targets[self.range_of(row)]
    }

    pub(crate) fn edge_count(&self) -> usize {
        self.targets.len()
    }

    /// The same edges the other way round, each row's by ascending row (a counting sort: two passes, no comparison).
    pub(crate) fn reversed(&self) -> Graph {
        let rows = self.starts.len() - 1;
        let mut starts = vec![0u64; rows + 1];
        for &target in &self.targets {
            starts[target as usize + 1] += 1;
        }
        for row in 0..rows {
            starts[row + 1] += starts[row];
        }
        let mut next = starts.clone();
        let mut targets = vec![0u32; self.targets.len()];
        for row in 0..rows {
            for &target in self.of(ObjectId(row as u32)) {
                let slot = &mut next[target as usize];
                targets[*slot as usize] = row as u32;
                *slot += 1;
            }
        }
        Graph { starts, targets }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reversing_twice_is_the_same_graph() {
        let graph = Graph::new(vec![0, 2, 2, 5], vec![1, 2, 0, 1, 2]);
        let back = graph.reversed();
        assert_eq!(back.of(ObjectId(1)), [0, 2]);
        assert_eq!(back.reversed(), graph);
    }
}
