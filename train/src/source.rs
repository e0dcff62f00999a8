//! What is trained on: a table, a log of events, or a simulated world.

use std::path::{Path, PathBuf};

use churn_events::{LogOptions, LogReport, ObservationDate, read_log};
use churn_training_data::{
    Assembled, Assembler, AssemblyReport, Cohort, EventStudy, ObservationPlan, TableOptions, TrainingSet, Unlabelled,
    read_table,
};

use crate::Error;
use crate::config::TrainConfig;
use crate::console::Console;
use crate::event_options::EventOptions;
use crate::over_time::LogFacts;
use crate::world::{self, KnownWorld};

/// Malformed lines that are shown with their places.
const MOST_MALFORMED_SHOWN: usize = 3;

/// Observations, ready to be cut into parts.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// The labelled observations.
    pub(crate) set: TrainingSet,
    /// Name of the source, without its folder.
    pub(crate) source: String,
    /// Where they come from events: how they were made.
    pub(crate) observed: Option<Observed>,
    /// What is known of the source that a user of the model has to know.
    pub(crate) caveats: Vec<String>,
}

/// How observations were made from events, and what else they tell.
#[derive(Debug)]
pub(crate) struct Observed {
    /// The plan.
    pub(crate) plan: ObservationPlan,
    /// What was in the log.
    pub(crate) log: LogFacts,
    /// Who was at risk on each observation date.
    pub(crate) cohorts: Vec<Cohort>,
    /// Usage before churn.
    pub(crate) event_study: Option<EventStudy>,
    /// Observations without a label, to be scored.
    pub(crate) censored: Unlabelled,
    /// The world, where it is simulated: it knows the truth.
    pub(crate) world: Option<KnownWorld>,
}

/// Reads the table or assembled observations, or observes a log or a simulated world.
///
/// # Errors
/// When the source cannot be read, or holds no observation to fit on.
pub(crate) fn load(config: &TrainConfig, console: &Console) -> Result<Loaded, Error> {
    match (&config.table, &config.observations) {
        (Some(path), _) => table(path, config),
        (None, Some(path)) => {
            let assembled = Assembled::read(path)?;
            Ok(Assembly { assembled, source: file_name(path), unread: Vec::new(), world: None }.loaded())
        }
        (None, None) => Ok(observe(&config.events, config.plan.plan(), config.seed, console)?.loaded()),
    }
}

fn table(path: &Path, config: &TrainConfig) -> Result<Loaded, Error> {
    let set = TrainingSet::from_table(read_table(path, &table_options(config))?)?;
    Ok(Loaded { set, source: file_name(path), observed: None, caveats: Vec::new() })
}

/// What the columns of a table are for.
pub(crate) fn table_options(config: &TrainConfig) -> TableOptions {
    let mut options = match &config.label {
        Some(label) => TableOptions::new(label),
        None => TableOptions::headerless(),
    };
    options.id.clone_from(&config.id);
    options.group.clone_from(&config.group);
    options.weight.clone_from(&config.weight);
    options.drop.clone_from(&config.drop);
    options.category.clone_from(&config.category);
    options.positive.clone_from(&config.positive);
    options
}

/// What a log or a world was assembled to.
#[derive(Debug)]
pub(crate) struct Assembly {
    /// The observations and what goes with them.
    pub(crate) assembled: Assembled,
    /// Name of the source.
    pub(crate) source: String,
    /// What was in the files and could not be used, with how many.
    unread: Vec<(String, u64)>,
    world: Option<KnownWorld>,
}

/// Observes a log of events or, without one, a simulated world.
///
/// # Errors
/// When the log cannot be read, or holds no observation to fit on.
pub(crate) fn observe(
    options: &EventOptions,
    plan: ObservationPlan,
    seed: u64,
    console: &Console,
) -> Result<Assembly, Error> {
    if options.events.is_empty() {
        let (assembled, world) = world::assemble(&options.world(seed), &plan, console)?;
        return Ok(Assembly { assembled, source: world::NAME.to_owned(), unread: Vec::new(), world: Some(world) });
    }
    let files = options.files()?;
    let mut assembler = Assembler::new(plan, options.log_end)?;
    let bar = console.progress("reading and observing events", 0);
    let log = LogOptions {
        dead_letters: options.dead_letters.clone(),
        received_at: options.received_at.map(ObservationDate::start),
        ..LogOptions::default()
    };
    let report = read_log(&files, &log, |events| {
        assembler.apply_all(events);
        bar.inc(events.len() as u64);
    })?;
    bar.finish_and_clear();
    print_unread(console, &report);
    if let (Some(broken), None) = (report.broken.first().filter(|_| files.len() > 1), options.log_end) {
        return Err(Error::BrokenLog { path: broken.file.clone() });
    }
    let assembled = assembler.finish()?;
    print_cautions(console, &assembled.plan, &assembled.report);
    Ok(Assembly { assembled, source: name_of_all(&files), unread: unread(&report), world: None })
}

impl Assembly {
    /// What was in the log.
    pub(crate) fn log(&self) -> LogFacts {
        log_facts(&self.assembled.report, self.unread.clone())
    }

    fn loaded(self) -> Loaded {
        let Assembled { plan, labelled, censored, cohorts, event_study, report } = self.assembled;
        let log = log_facts(&report, self.unread);
        let observed = Observed { plan, log, cohorts, event_study, censored, world: self.world };
        Loaded { set: labelled, source: self.source, observed: Some(observed), caveats: Vec::new() }
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(|| path.to_string_lossy(), |name| name.to_string_lossy()).into_owned()
}

fn name_of_all(paths: &[PathBuf]) -> String {
    match paths {
        [first, .., last] => format!("{} to {} ({} files)", file_name(first), file_name(last), paths.len()),
        _ => paths.iter().map(|path| file_name(path)).collect(),
    }
}

/// Says what in the log may not be as its owner thinks.
fn print_cautions(console: &Console, plan: &ObservationPlan, report: &AssemblyReport) {
    if let (Some(first), Some(received)) = (plan.first, report.first_received()) {
        let (covered, lookback) = (received.date().plus_days(plan.lookback_days as i32), plan.lookback_days);
        if first < covered {
            console.line(format!(
                "  caution: observations before {covered} look back {lookback} days to where the log has not begun; their \
                 features know too little"
            ));
        }
    }
    if report.n_out_of_order > 0 {
        let n = report.n_out_of_order;
        console.line(format!("  caution: {n} events stood in the log after an observation that came later"));
    }
    if report.n_passed_over > 0 {
        let n = report.n_passed_over;
        console.line(format!(
            "  caution: {n} observations could not be made, because an event received after them stands in the log before \
             their tenant's earlier ones; sort each tenant's events by the time received"
        ));
    }
    if report.n_industry_left_out > 0 {
        let n = report.n_industry_left_out;
        console
            .line(format!("  caution: {n} observations are of industries beyond the most frequent, taken as missing"));
    }
    if let Some(last) = report.last_received().filter(|&last| last >= report.end().plus_days(1).start()) {
        console.line(format!(
            "  caution: the log goes on until {}; no feature knows what was received on or after its end, {}",
            last.date(),
            report.end()
        ));
    }
}

/// What was in the files and could not be used.
fn unread(report: &LogReport) -> Vec<(String, u64)> {
    let unknown = report.unknown_types.iter().map(|(name, &n)| (format!("of the unknown type {name}"), n));
    [("malformed".to_owned(), report.malformed)].into_iter().chain(unknown).collect()
}

/// Says where the first lines stand that could not be used, and which files broke off.
fn print_unread(console: &Console, report: &LogReport) {
    for line in report.first_malformed.iter().take(MOST_MALFORMED_SHOWN) {
        console.line(format!("  malformed: {line}"));
    }
    if report.malformed > MOST_MALFORMED_SHOWN as u64 {
        console.line(format!("  malformed: {} lines in all; --dead-letters FILE keeps them", report.malformed));
    }
    report.broken.iter().for_each(|broken| console.line(format!("  caution: {broken}")));
}

/// What was in the log, and what of it was left out; here alone reasons without any event are dropped.
fn log_facts(report: &AssemblyReport, unread: Vec<(String, u64)>) -> LogFacts {
    let counts = [
        (LogFacts::LATE, report.n_late),
        (LogFacts::DUPLICATE, report.n_duplicate),
        (LogFacts::DROPPED, report.n_dropped),
        (LogFacts::AFTER_END, report.n_after_end),
        (LogFacts::OUT_OF_ORDER, report.n_out_of_order),
    ];
    let counts = counts.into_iter().map(|(what, n)| (what.to_owned(), n)).chain(unread);
    LogFacts {
        n_tenants: report.n_tenants,
        n_events: report.n_events,
        first: report.first_received().map_or(report.first_date(), |first| first.date()),
        end: report.end(),
        left_out: counts.filter(|(_, n)| *n > 0).collect(),
    }
}
