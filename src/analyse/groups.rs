//! Things put together by a number each has: one array of them, grouped by a counting sort, and one of where groups begin.

/// Groups of things, numbered from 0.
#[derive(Debug)]
pub(super) struct Groups<T> {
    /// One more than there are groups, and one to spare.
    starts: Vec<usize>,
    things: Vec<T>,
}

impl<T: Copy + Default> Groups<T> {
    /// Of things with the numbers of their groups, all below `groups`; each group in the order given.
    pub(super) fn new(groups: usize, things: impl Iterator<Item = (u32, T)> + Clone) -> Groups<T> {
        let mut starts = vec![0; groups + 2];
        for (group, _) in things.clone() {
            starts[group as usize + 2] += 1;
        }
        for group in 2..starts.len() {
            starts[group] += starts[group - 1];
        }
        // The start of the group behind each is where this one's next thing goes, and in the end, where it ends.
        let mut grouped = vec![T::default(); starts[groups + 1]];
        for (group, thing) in things {
            let next = &mut starts[group as usize + 1];
            grouped[*next] = thing;
            *next += 1;
        }
        Groups { starts, things: grouped }
    }

    pub(super) fn of(&self, group: usize) -> &[T] {
        &self.things[self.starts[group]..self.starts[group + 1]]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn things_stay_in_order_within_their_group() {
        let groups = Groups::new(4, [(2, 'a'), (0, 'b'), (2, 'c'), (3, 'd'), (0, 'e')].into_iter());
        assert_eq!([0, 1, 2, 3].map(|group| groups.of(group).iter().collect::<String>()), ["be", "", "ac", "d"]);
        assert!(Groups::<u32>::new(1, std::iter::empty()).of(0).is_empty());
    }
}
