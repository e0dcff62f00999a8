use std::path::PathBuf;

use churn_events::{ObservationDate, Timestamp};

/// Why observations cannot be assembled from a log, or a split of them would leak.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AssemblyError {
    /// Observation dates are no whole weeks apart.
    #[error("observations are {found} days apart; expected whole weeks: 7, 14, 21, 28, ... days")]
    Every {
        /// Days asked for.
        found: u32,
    },
    /// Tenant states do not look back that far.
    #[error("the lookback is {found} days; expected 1 to {most}, which is how far tenant states look back")]
    Lookback {
        /// Days asked for.
        found: u32,
        /// Most days.
        most: u32,
    },
    /// No time in which churn could be looked for.
    #[error("the label horizon is 0 days long; expected at least 1 day")]
    NoHorizon,
    /// The label horizon ends beyond every log.
    #[error("a gap of {gap} days and a label horizon of {horizon} days are too long; expected at most {most} together")]
    LongHorizon {
        /// Days of the gap.
        gap: u32,
        /// Days of the label horizon.
        horizon: u32,
        /// Most days of both.
        most: u32,
    },
    /// No tenant gets that old.
    #[error("the minimum tenure is {found} days; expected at most {most}")]
    Tenure {
        /// Days asked for.
        found: u32,
        /// Most days.
        most: u32,
    },
    /// Weights that halve at once.
    #[error("the half-life of weights is 0 days; expected at least 1, or none for equal weights")]
    HalfLife,
    /// No date lies between the two.
    #[error("the first observation date, {first}, lies after the last, {last}")]
    FirstAfterLast {
        /// First date asked for.
        first: ObservationDate,
        /// Last date asked for.
        last: ObservationDate,
    },

    /// No event was given.
    #[error("the activity log holds no event; expected the events of tenants, in received order")]
    EmptyLog,
    /// The log has no observation date with a label.
    #[error(
        "the log covers {found_days} days, {start} to {end}, without an observation date that has a full lookback and \
         a label horizon that ends in it; at least {needed_days} days are needed (lookback {lookback} + gap {gap} + \
         label horizon {horizon}, and up to {every} to the next observation date): take a longer log, a shorter label \
         horizon, or a first observation date of your own"
    )]
    ShortLog {
        /// First day of the log.
        start: ObservationDate,
        /// End of the log.
        end: ObservationDate,
        /// Days of the log.
        found_days: i64,
        /// Fewest days that could do.
        needed_days: u32,
        /// Days of the lookback.
        lookback: u32,
        /// Days of the gap.
        gap: u32,
        /// Days of the label horizon.
        horizon: u32,
        /// Days between observation dates.
        every: u32,
    },
    /// There are observation dates with label horizons, and nobody at risk on any of them.
    #[error(
        "none of {n_tenants} tenants was at risk on an observation date from {first} to {last} ({n_too_young} times \
         too young, {n_inactive} times without a job in the lookback, {n_cancelled_in_gap} times cancelled in the gap); {}",
        if *.n_passed_over > 0 {
            format!(
                "{} observations could not be made because an event received later stands in the log before the \
                 tenant's earlier ones: sort each tenant's events by the time received",
                .n_passed_over
            )
        } else {
            "lower the minimum tenure or the gap, or look at what the log holds".to_owned()
        }
    )]
    NobodyAtRisk {
        /// First observation date.
        first: ObservationDate,
        /// Last observation date that has a label horizon.
        last: ObservationDate,
        /// Tenants of the log.
        n_tenants: usize,
        /// How often a tenant was too young.
        n_too_young: u64,
        /// How often a tenant had no job in the lookback.
        n_inactive: u64,
        /// How often a tenant cancelled in the gap.
        n_cancelled_in_gap: u64,
        /// How often a tenant was at risk on a date that was passed over, because its events are out of order.
        n_passed_over: u64,
    },
    /// Nobody churned.
    #[error(
        "no tenant churned in {n_observations} labelled observations (churn: {label}); {}",
        if *.is_usage_rule {
            "shorten the label horizon or take a longer log"
        } else {
            "lengthen the label horizon, take a longer log or, when the log holds no tenant.cancelled events, \
             use the label rule usage"
        }
    )]
    NoChurn {
        /// Labelled observations.
        n_observations: usize,
        /// What churn was looked for.
        label: String,
        /// Whether churn is silence.
        is_usage_rule: bool,
    },
    /// Everybody churned.
    #[error(
        "every one of {n_observations} labelled observations churned (churn: {label}); a model needs some that stayed: \
         check that the log covers its days, or change the label horizon"
    )]
    OnlyChurn {
        /// Labelled observations.
        n_observations: usize,
        /// What churn was looked for.
        label: String,
    },
    /// A time that would stretch the grid of observation dates beyond reason.
    #[error(
        "the log is received from {start} to {end}, which is more than {most_years} years; an event may bear a wrong \
         time: give the end of the log"
    )]
    LongLog {
        /// First day of the log.
        start: ObservationDate,
        /// End of the log.
        end: ObservationDate,
        /// Most years.
        most_years: i32,
    },
    /// The last events are far from all others, so that the log would end where nobody knows who stayed.
    #[error(
        "the log goes on as usual to {last}, and after that holds only {n_after} more, the last (id {id:?}, tenant \
         {tenant:?}) received at {received_at}: labels up to then cannot be known; when these times are wrong or events \
         are missing, give {after_last} as the end of the log, and when the log does end with these events, the day \
         after the last"
    )]
    UnsureEnd {
        /// The last day with as many events as are usual in the log.
        last: ObservationDate,
        /// Events received after it.
        n_after: u64,
        /// When the last of them was received.
        received_at: Timestamp,
        /// Its tenant.
        tenant: String,
        /// Its id.
        id: String,
        /// The day after the last usual one.
        after_last: ObservationDate,
    },
    /// The end that was given lies where the log holds no events.
    #[error(
        "the log is said to end on {end}, and the last event before that was received on {last}: whatever happened in \
         between is not in it, so its labels cannot be known; give the end of what is there, {after_last}, or the \
         missing events"
    )]
    EndBeyondLog {
        /// The end that was given.
        end: ObservationDate,
        /// Day of the last event before it.
        last: ObservationDate,
        /// The day after that.
        after_last: ObservationDate,
    },
    /// The end that was given leaves nothing of the log.
    #[error(
        "the log is said to end on {end}, and its first event was received on {first}: nothing is before the end; give \
         the day after the last one that is complete"
    )]
    EndBeforeLog {
        /// The end that was given.
        end: ObservationDate,
        /// Day of the first event.
        first: ObservationDate,
    },
    /// Days without events in the middle of a log that has them every day, as when a file of it is missing.
    #[error(
        "the log holds hardly any event received from {from} to {last} ({days} days), and as many as usual before and \
         after: whatever happened on these days is not in it, so their labels cannot be known; give the missing events, \
         or {from} as the end of the log, or {first_after} as the first observation date"
    )]
    GapInLog {
        /// First day of the gap.
        from: ObservationDate,
        /// Last day of the gap.
        last: ObservationDate,
        /// Days of the gap.
        days: i32,
        /// The first date whose lookback begins after the gap.
        first_after: ObservationDate,
    },
    /// The features of an observation cannot be read.
    #[error("cannot read the features of tenant {tenant:?} on {date}")]
    Features {
        /// The tenant.
        tenant: String,
        /// The observation date.
        date: ObservationDate,
        /// What is behind it.
        source: churn_features::Error,
    },
    /// The features do not form a schema.
    #[error("the features with a lookback of at most {lookback} days do not form a feature schema")]
    Schema {
        /// Days of the lookback.
        lookback: u32,
        /// What is behind it.
        source: churn_features::Error,
    },

    /// A share that leaves nothing to fit on, or is none.
    #[error("the calibration share is {found}; expected at least 0, and less than 1 together with the test share")]
    CalibrationShare {
        /// What was found.
        found: f64,
    },
    /// Rows of a flat table cannot be split by time.
    #[error("the observations have no dates, so they cannot be split by time; use a stratified split by group")]
    NoDates,
    /// The observation dates are too few for the parts and the embargo between them.
    #[error(
        "observation dates from {first} to {last} span {found_days} days; {n_parts} parts with an embargo of \
         {embargo} days between them need {needed_days}: a log longer by {missing_days} days helps, or a shorter \
         label horizon{}",
        if *.n_parts == 3 { ", or no calibration part" } else { "" }
    )]
    ShortForSplit {
        /// First observation date.
        first: ObservationDate,
        /// Last observation date.
        last: ObservationDate,
        /// Days between them.
        found_days: i64,
        /// Days that are needed between them.
        needed_days: i64,
        /// How many are missing.
        missing_days: i64,
        /// Gap and label horizon together.
        embargo: u32,
        /// Parts of the split.
        n_parts: u32,
    },
    /// The shares leave nothing for a part although the log is long enough.
    #[error(
        "no observation date is left for the {part} part: the parts after it begin on {next} and the embargo before \
         that is {embargo} days; lower their shares, now {test_share} (test) and {calibration_share} (calibration)"
    )]
    NoRoom {
        /// The part.
        part: &'static str,
        /// First date of the next part.
        next: ObservationDate,
        /// Gap and label horizon together.
        embargo: u32,
        /// The test share.
        test_share: f64,
        /// The calibration share.
        calibration_share: f64,
    },
    /// A part in which nobody churned, or everybody.
    #[error(
        "all {n_observations} observations of the {part} part have the label {found}; enlarge its share, lengthen the \
         label horizon or take a log with more tenants"
    )]
    OneLabelInPart {
        /// The part.
        part: &'static str,
        /// The only label.
        found: &'static str,
        /// Observations in the part.
        n_observations: usize,
    },
    /// A part without rows.
    #[error("the {part} part has no rows; give it some")]
    EmptyPart {
        /// The part.
        part: &'static str,
    },
    /// A row that the set does not have.
    #[error("the {part} part names row {row}; the training set has the rows 0 to {}", .n_rows.saturating_sub(1))]
    NoSuchRow {
        /// The part.
        part: &'static str,
        /// The row.
        row: usize,
        /// Rows of the set.
        n_rows: usize,
    },
    /// A row is fitted on and tested with.
    #[error(
        "row {row} (tenant {tenant:?} on {date}) is in both parts; a test on rows that were fitted on says nothing"
    )]
    SameRow {
        /// The row.
        row: usize,
        /// Its tenant.
        tenant: String,
        /// Its date.
        date: ObservationDate,
    },
    /// A label of the fit part was not known yet when the test part begins.
    #[error(
        "the label horizon of {date}, the last observation date fitted on, ends on {horizon_end}, after the first test \
         date {test_date}: labels are fitted on that were not known then; leave out dates so that at least {embargo} \
         days lie between, as a time split does"
    )]
    HorizonAcrossCut {
        /// Last date of the fit part.
        date: ObservationDate,
        /// Where its label horizon ends.
        horizon_end: ObservationDate,
        /// First date of the test part.
        test_date: ObservationDate,
        /// Gap and label horizon together.
        embargo: u32,
    },
    /// A tenant's rows are on both sides of a split that is not cut by time.
    #[error(
        "tenant {tenant:?} is fitted on and tested with, in parts whose dates overlap or run backwards ({n_tenants} such \
         tenants): features are read after the labels they are tested on; cut by time, or deal whole tenants to the \
         parts"
    )]
    SameTenant {
        /// The first such tenant, by row.
        tenant: String,
        /// How many there are.
        n_tenants: usize,
    },

    /// The operating system refused to read.
    #[error("cannot read training set {path:?}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What is behind it.
        source: std::io::Error,
    },
    /// The operating system refused to write.
    #[error("cannot write training set {path:?}")]
    Write {
        /// The file.
        path: PathBuf,
        /// What is behind it.
        source: std::io::Error,
    },
    /// The description of a set's rows is no JSON of its form.
    #[error("{path:?} does not describe a training set")]
    Description {
        /// The file.
        path: PathBuf,
        /// What is behind it.
        source: serde_json::Error,
    },
    /// The description has a later form.
    #[error("training set {path:?} has format version {found}; this build reads 1 to {newest}")]
    FormatVersion {
        /// The file.
        path: PathBuf,
        /// What was found.
        found: u32,
        /// The newest version that is read.
        newest: u32,
    },
    /// A Parquet file of something else.
    #[error("{path:?} has no metadata {key:?}; expected a training set as this program writes it")]
    NoDescription {
        /// The file.
        path: PathBuf,
        /// Key of the metadata.
        key: &'static str,
    },
    /// A column is not the one that the description names.
    #[error("training set {path:?}: column {position} is {found}, expected {expected}")]
    Column {
        /// The file.
        path: PathBuf,
        /// Position of the column, from 1.
        position: usize,
        /// What was found.
        found: String,
        /// What was expected.
        expected: String,
    },
    /// A value is none that its column can have.
    #[error("training set {path:?}, row {row}, column {column:?}: {found:?} is no value of this column")]
    Value {
        /// The file.
        path: PathBuf,
        /// The row, from 0.
        row: usize,
        /// Name of the column.
        column: String,
        /// What was found.
        found: String,
    },
    /// The rows are not as many as were written.
    #[error(
        "training set {path:?} has {n_labelled} labelled rows and {n_other} others after them; expected \
         {expected_labelled} and {expected_censored} without a label; it was cut short or changed"
    )]
    RowCounts {
        /// The file.
        path: PathBuf,
        /// Rows with a label before the first without.
        n_labelled: usize,
        /// Rows after them.
        n_other: usize,
        /// Labelled rows that were written.
        expected_labelled: usize,
        /// Censored rows that were written.
        expected_censored: usize,
    },
    /// The label is not the one of the plan.
    #[error(
        "{path:?} says the label {found:?}, and by its plan it is {expected:?}; one of them was changed since it was \
         written, so write the set anew"
    )]
    LabelOfPlan {
        /// The file.
        path: PathBuf,
        /// What the description says.
        found: String,
        /// What the plan says.
        expected: String,
    },
    /// The rows or their description do not say what was written.
    #[error(
        "training set {path:?}: its rows and their description have the digest {found}, and {expected} was written; a \
         value was changed since then, so write the set anew, or read a CSV file that was changed on purpose as a table"
    )]
    Digest {
        /// The file.
        path: PathBuf,
        /// SHA-256 of the rows and their description.
        found: String,
        /// What the description says.
        expected: String,
    },
    /// A labelled row without its weight.
    #[error("training set {path:?}, row {row}: the weight is missing; every labelled row has one")]
    NoWeight {
        /// The file.
        path: PathBuf,
        /// The row, from 0.
        row: usize,
    },
    /// A column of a Parquet file ends before its rows do.
    #[error("training set {path:?}: column {column} ends after {found} rows of {expected}; the file is damaged")]
    ShortColumn {
        /// The file.
        path: PathBuf,
        /// The column, from 0.
        column: usize,
        /// Rows found.
        found: usize,
        /// Rows of the row group.
        expected: usize,
    },
    /// CSV that cannot be read.
    #[error("training set {path:?}, line {line}: this is no CSV in UTF-8")]
    Csv {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What is behind it.
        source: csv::Error,
    },
    /// Parquet that cannot be read or written.
    #[error("training set {path:?} cannot be read or written as Parquet")]
    Parquet {
        /// The file.
        path: PathBuf,
        /// What is behind it.
        source: parquet::errors::ParquetError,
    },
}
