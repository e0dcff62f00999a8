//! From channels to observations, and which of them are for what.

use std::ffi::OsString;
use std::ops::Range;

use churn_training_data::{
    Error as DataError, TableFile, TableFormat, TrainingSet, column_names, read_tables, stratified_split,
};

use super::channels::{Channel, Channels};
use super::content_type::Content;
use super::error::JobError;
use super::hyperparameters::Hyperparameters;
use crate::Error;
use crate::config::TrainConfig;
use crate::console::Console;
use crate::parts::Parts;
use crate::rows::need_both_labels;
use crate::source::{self, Loaded, table_options};

/// Rows of each label that a calibrator and a threshold need; fewer would do worse than scores that are honest without.
const FEWEST_TO_CALIBRATE: usize = 30;

/// Rows of each label that are enough for every part of the procedure, be they the same.
const FEWEST_TO_REPEAT: usize = 10;

/// What a job is to train on.
#[derive(Debug)]
pub(crate) struct Data {
    pub(crate) config: TrainConfig,
    pub(crate) loaded: Loaded,
    /// The rows of each channel; `None` where there are events, which are cut by time.
    pub(crate) rows: Option<ChannelRows>,
}

/// The rows of each channel in the set; there may be none of the last two.
#[derive(Debug, Clone)]
pub(crate) struct ChannelRows {
    train: Range<usize>,
    pub(crate) validation: Range<usize>,
    test: Range<usize>,
}

impl Data {
    /// Reads the channels as the hyperparameters say.
    pub(crate) fn read(
        channels: &Channels,
        hyperparameters: &Hyperparameters,
        console: &Console,
    ) -> Result<Self, JobError> {
        match channels.train.content {
            Content::Events => Self::events(channels, hyperparameters, console),
            Content::Table { header, .. } => Self::table(channels, hyperparameters, header, console),
        }
    }

    fn events(channels: &Channels, hyperparameters: &Hyperparameters, console: &Console) -> Result<Self, JobError> {
        for channel in channels.all().skip(1) {
            console.line(format!("channel {:?} is not used: events are cut by time, as the plan says", channel.name));
        }
        let files = channels.train.files.iter().map(|file| {
            let mut flag = OsString::from("--events=");
            flag.push(file);
            flag
        });
        let config = hyperparameters.config(&files.collect::<Vec<_>>())?.checked()?;
        let loaded = source::load(&config, console)?;
        console.line(format!("{} rows={}", channels.train.name, loaded.set.n_observations()));
        Ok(Self { config, loaded, rows: None })
    }

    fn table(
        channels: &Channels,
        hyperparameters: &Hyperparameters,
        header: Option<bool>,
        console: &Console,
    ) -> Result<Self, JobError> {
        let mut flag = OsString::from("--table=");
        flag.push(&channels.train.files[0]);
        let mut config = hyperparameters.config(&[flag])?;
        let header = header.or(hyperparameters.header).unwrap_or(config.label.is_some());
        let files = table_files(channels, header)?;
        let is_label_first = config.label.is_none() && has_names(&files[0], header);
        if is_label_first {
            // As in files without names, the label is the first column.
            config.label = column_names(&files, header).map_err(Error::Data)?.into_iter().next();
        }
        config.no_header = config.label.is_none();
        let config = config.checked()?;
        let mut options = table_options(&config);
        options.header = header;
        let (table, counts) = read_tables(&files, &options).map_err(Error::Data)?;
        let rows = ChannelRows::of(channels, &counts);
        let each = [Some(&channels.train), channels.validation.as_ref(), channels.test.as_ref()];
        for (channel, rows) in each.into_iter().zip(rows.in_order()) {
            if let Some(channel) = channel {
                console.line(format!("{} rows={}", channel.name, rows.len()));
            }
        }
        let set = TrainingSet::from_table(table).map_err(|error| match error {
            DataError::ManyLabels { .. } | DataError::OneLabel { .. } | DataError::WhichLabel { .. }
                if is_label_first =>
            {
                JobError::FirstColumnIsNoLabel { source: error }
            }
            error => Error::Data(error).into(),
        })?;
        let source = match (channels.train.files.as_slice(), channels.all().count()) {
            ([only], 1) => format!("{}/{}", channels.train.name, only.file_name().unwrap_or_default().display()),
            (files, 1) => format!("{} ({} files)", channels.train.name, files.len()),
            _ => channels.all().map(|channel| channel.name.as_str()).collect::<Vec<_>>().join(" + "),
        };
        let loaded = Loaded { set, source, observed: None, caveats: Vec::new() };
        Ok(Self { config, loaded, rows: Some(rows) })
    }
}

fn has_names(file: &TableFile, header: bool) -> bool {
    match file.format {
        TableFormat::Csv => header,
        TableFormat::Parquet => true,
        TableFormat::RecordIo | TableFormat::Libsvm => false,
    }
}

/// The files of all channels in order.
fn table_files(channels: &Channels, header: bool) -> Result<Vec<TableFile>, JobError> {
    let mixed = |channel: &Channel, what| JobError::MixedChannels {
        first: channels.train.name.clone(),
        second: channel.name.clone(),
        what,
    };
    let mut files = Vec::new();
    for channel in channels.all() {
        let Content::Table { format, header: said } = channel.content else {
            return Err(mixed(channel, "rows of a table"));
        };
        if said.is_some_and(|said| said != header) {
            return Err(mixed(channel, "CSV with a header, or without"));
        }
        files.extend(channel.files.iter().map(|path| TableFile { path: path.clone(), format }));
    }
    Ok(files)
}

impl ChannelRows {
    fn of(channels: &Channels, counts: &[usize]) -> Self {
        let mut counts = counts.iter();
        let mut end = 0;
        let mut rows = |channel: Option<&Channel>| {
            let n_files = channel.map_or(0, |channel| channel.files.len());
            let start = end;
            end += counts.by_ref().take(n_files).sum::<usize>();
            start..end
        };
        Self {
            train: rows(Some(&channels.train)),
            validation: rows(channels.validation.as_ref()),
            test: rows(channels.test.as_ref()),
        }
    }

    /// The rows of each channel, in the order that they were read.
    fn in_order(&self) -> [&Range<usize>; 3] {
        [&self.train, &self.validation, &self.test]
    }

    /// Which rows are for what: the channels as they are, as far as they suffice for it; without a test channel some
    /// training rows are held out, unless too few of a label would be left.
    pub(crate) fn cut(&self, config: &TrainConfig, loaded: &Loaded, console: &Console) -> Result<Parts, Error> {
        let set = &loaded.set;
        need_both_labels(set, &self.train.clone().collect::<Vec<_>>(), "the channel train", "channel")?;
        let fewest = |rows: &Range<usize>| {
            let n_churned = rows.clone().filter(|&row| set.labels()[row]).count();
            n_churned.min(rows.len() - n_churned)
        };
        let calibration: Vec<usize> = if fewest(&self.validation) >= FEWEST_TO_CALIBRATE {
            self.validation.clone().collect()
        } else {
            if !self.validation.is_empty() {
                console.line(format!(
                    "calibrator and threshold come from honest scores of the training rows: the channel validation has \
                     {} rows of one label, and {FEWEST_TO_CALIBRATE} of each are needed",
                    fewest(&self.validation)
                ));
            }
            Vec::new()
        };
        let (fit, test) = if fewest(&self.test) > 0 {
            (self.train.clone().collect(), self.test.clone().collect())
        } else {
            if !self.test.is_empty() {
                console.line("the channel test has rows of one label only, and is not tested on");
            }
            self.hold_out(config, set)?
        };
        Ok(Parts { fit, calibration, test, by_time: None })
    }

    /// The training rows again and again, all for everything: what is left when too few of a label are there for models
    /// that have not seen some of them. `None` where there are enough.
    pub(crate) fn repeated(&self, set: &TrainingSet) -> Option<(Parts, String)> {
        let n_churned = self.train.clone().filter(|&row| set.labels()[row]).count();
        let fewest = n_churned.min(self.train.len() - n_churned);
        if fewest == 0 || fewest >= FEWEST_TO_CALIBRATE {
            return None;
        }
        let times = FEWEST_TO_REPEAT.div_ceil(fewest).max(2);
        let fit = std::iter::repeat_n(self.train.clone(), times).flatten().collect();
        let caveat = format!(
            "too few rows for models that have not seen some of them: each of the {} was fitted {times} times, and \
             calibrator, threshold and metrics come from scores that know the answer",
            self.train.len()
        );
        Some((Parts { fit, calibration: Vec::new(), test: self.train.clone().collect(), by_time: None }, caveat))
    }

    fn hold_out(&self, config: &TrainConfig, set: &TrainingSet) -> Result<(Vec<usize>, Vec<usize>), Error> {
        let groups = set.groups().map(|groups| &groups[self.train.clone()]);
        let labels = &set.labels()[self.train.clone()];
        let (fit, test) = stratified_split(labels, groups, config.test_share, config.seed)?;
        let [fit, test] = [fit, test].map(|rows| rows.iter().map(|row| row + self.train.start).collect::<Vec<_>>());
        if [&fit, &test].iter().all(|rows| need_both_labels(set, rows, "", "").is_ok()) {
            return Ok((fit, test));
        }
        let all: Vec<usize> = self.train.clone().collect();
        Ok((all.clone(), all))
    }
}
