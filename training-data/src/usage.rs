/// Logins and jobs of a tenant by week, from the first event to the last.
#[derive(Debug, Clone, Default)]
pub(crate) struct WeeklyUsage {
    /// Weeks with a login or job by number, sorted, with how many.
    weeks: Vec<(i32, u32)>,
}

impl WeeklyUsage {
    pub(crate) fn count(&mut self, week: i32) {
        match self.weeks.last_mut() {
            Some(last) if last.0 == week => last.1 = last.1.saturating_add(1),
            _ => match self.weeks.binary_search_by_key(&week, |entry| entry.0) {
                Ok(position) => self.weeks[position].1 = self.weeks[position].1.saturating_add(1),
                Err(position) => self.weeks.insert(position, (week, 1)),
            },
        }
    }

    /// Writes the counts of the weeks from `first` on into `counts`.
    pub(crate) fn read(&self, first: i32, counts: &mut [u64]) {
        counts.fill(0);
        let start = self.weeks.partition_point(|entry| entry.0 < first);
        for &(week, count) in &self.weeks[start..] {
            match counts.get_mut((week - first) as usize) {
                Some(slot) => *slot = u64::from(count),
                None => break,
            }
        }
    }
}

/// The week that a day is in, counted from 1970-01-01; observation dates of a plan begin a week.
pub(crate) fn week_of(day: i32) -> i32 {
    day.div_euclid(7)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weeks_without_usage_are_zero() {
        let mut usage = WeeklyUsage::default();
        [5, 5, 3, 9].into_iter().for_each(|week| usage.count(week));
        let mut counts = [7; 5];
        usage.read(2, &mut counts);
        assert_eq!(counts, [0, 1, 0, 2, 0]);
        assert_eq!((week_of(-1), week_of(0), week_of(6), week_of(7)), (-1, 0, 0, 1));
    }
}
