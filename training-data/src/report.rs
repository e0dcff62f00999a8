use churn_events::{ObservationDate, Timestamp};

/// What was found in the log that observations were assembled from.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct AssemblyReport {
    /// Events taken in.
    pub n_events: u64,
    /// Tenants that the events are about.
    pub n_tenants: u64,
    /// Events that came later than allowed and count in no feature.
    pub n_late: u64,
    /// Events that had come before.
    pub n_duplicate: u64,
    /// Events from the future, held back until their own time.
    pub n_held_back: u64,
    /// Events beyond what a tenant state may hold.
    pub n_dropped: u64,
    /// Events that stand in the log after an observation of their tenant and were received before it. That observation
    /// does not know them; later ones do.
    pub n_out_of_order: u64,
    /// Observations that could not be made: of tenants at risk, on dates that were passed over because an event received
    /// later stands in the log before those from then.
    pub n_passed_over: u64,
    /// Events received at or after the end that was given for the log. They count in labels and in no feature.
    pub n_after_end: u64,
    /// Labelled rows whose industry is beyond the most levels that a category may have, and counts as missing.
    pub n_industry_left_out: u64,
    /// First and last arrival, in milliseconds since 1970.
    pub(crate) received_ms: Option<(i64, i64)>,
    /// First day that observations may be of, in days since 1970.
    pub(crate) first_day: i32,
    /// End of the log, in days since 1970.
    pub(crate) end_day: i32,
}

impl AssemblyReport {
    /// When the first event was received.
    pub fn first_received(&self) -> Option<Timestamp> {
        self.received_ms.map(|(first, _)| Timestamp::from_millis(first))
    }

    /// When the last event was received.
    pub fn last_received(&self) -> Option<Timestamp> {
        self.received_ms.map(|(_, last)| Timestamp::from_millis(last))
    }

    /// The day from which on observations were made: the plan's first date or the first one with a full lookback.
    pub fn first_date(&self) -> ObservationDate {
        ObservationDate::from_days(self.first_day)
    }

    /// The end of the log: no event on or after it was waited for.
    pub fn end(&self) -> ObservationDate {
        ObservationDate::from_days(self.end_day)
    }

    pub(crate) fn count_received(&mut self, at: Timestamp) {
        self.n_events += 1;
        let at = at.millis();
        self.received_ms = Some(self.received_ms.map_or((at, at), |(first, last)| (first.min(at), last.max(at))));
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.n_events += other.n_events;
        self.n_tenants += other.n_tenants;
        self.n_late += other.n_late;
        self.n_duplicate += other.n_duplicate;
        self.n_held_back += other.n_held_back;
        self.n_dropped += other.n_dropped;
        self.n_out_of_order += other.n_out_of_order;
        self.n_passed_over += other.n_passed_over;
        self.n_after_end += other.n_after_end;
        self.n_industry_left_out += other.n_industry_left_out;
        self.received_ms = match (self.received_ms, other.received_ms) {
            (Some((a, b)), Some((c, d))) => Some((a.min(c), b.max(d))),
            (one, other) => one.or(other),
        };
    }
}
