/// A set of days since 1970-01-01, one bit each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct DaySet {
    /// Blocks of 64 days by number, sorted; none is empty.
    blocks: Vec<(i32, u64)>,
}

impl DaySet {
    pub(crate) fn insert(&mut self, day: i32) {
        let (number, bit) = (day.div_euclid(64), 1 << day.rem_euclid(64));
        match self.blocks.last_mut() {
            // Most events are of the block of the one before.
            Some(last) if last.0 == number => last.1 |= bit,
            _ => match self.blocks.binary_search_by_key(&number, |block| block.0) {
                Ok(position) => self.blocks[position].1 |= bit,
                Err(position) => self.blocks.insert(position, (number, bit)),
            },
        }
    }

    /// Whether a day of `[from, to)` is in the set.
    pub(crate) fn any_in(&self, from: i32, to: i32) -> bool {
        self.iter_from(from).next().is_some_and(|day| day < to)
    }

    /// The days from `from` on, in order.
    pub(crate) fn iter_from(&self, from: i32) -> impl Iterator<Item = i32> {
        let start = self.blocks.partition_point(|block| block.0 < from.div_euclid(64));
        self.blocks[start..]
            .iter()
            .flat_map(|&(number, bits)| {
                (0..64).filter(move |bit| bits >> bit & 1 == 1).map(move |bit| number * 64 + bit)
            })
            .skip_while(move |&day| day < from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_found_in_half_open_spans_whatever_the_order_they_came_in() {
        let mut days = DaySet::default();
        [200, -1, 63, 64, 200, -65].into_iter().for_each(|day| days.insert(day));
        assert_eq!(days.iter_from(i32::MIN).collect::<Vec<_>>(), [-65, -1, 63, 64, 200]);
        assert!(days.any_in(-1, 0) && days.any_in(200, 201) && days.any_in(65, 1000));
        assert!(!days.any_in(65, 200) && !days.any_in(201, 1000) && !days.any_in(0, 0));
    }
}
