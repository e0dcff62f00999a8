//! What to do: flags, then `hyperparameters.json`, then defaults.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Parser, ValueEnum};

use churn_model::fit::{Algorithm, CalibratorLearner, ClassWeight};
use churn_model::{Campaign, ThresholdRule};
use churn_simulator::WorldOptions;
use churn_training_data::ObservationPlan;

use crate::Error;
use crate::backtest::FEW_CHURNED;
use crate::command_line::{command, given};
use crate::event_options::EventOptions;
use crate::hyperparameters::parse_with_files;
use crate::over_time::SplitKind;
use crate::plan_options::PlanOptions;

/// Trains a churn model on a log of events or a table of tenants: fits, calibrates and evaluates it, and writes a run
/// folder.
///
/// Without --events and --table it simulates the tenants of a SaaS platform and trains on their events.
#[derive(Debug, Clone, Parser)]
#[command(name = "train", version, max_term_width = 110)]
pub struct TrainConfig {
    /// Events, or the world that is simulated.
    #[command(flatten)]
    pub events: EventOptions,
    /// The plan that observations are made by.
    #[command(flatten)]
    pub plan: PlanOptions,

    /// Observations that `assemble` has written, to train on instead of events
    #[arg(long, value_name = "FILE", conflicts_with_all = ["events", "table"], help_heading = "Events")]
    pub observations: Option<PathBuf>,
    /// Table to train on instead of events: CSV, or CSV in gzip
    #[arg(long, value_name = "FILE", conflicts_with = "events", help_heading = "Table")]
    pub table: Option<PathBuf>,
    /// Column that says who churned
    #[arg(long, value_name = "COLUMN", help_heading = "Table")]
    pub label: Option<String>,
    /// Value of the label column that means churn, where that is not obvious
    #[arg(long, value_name = "VALUE", help_heading = "Table")]
    pub positive: Option<String>,
    /// The table has no header and its first column is the label (as SageMaker's built-in algorithms take it)
    #[arg(long, conflicts_with = "label", help_heading = "Table")]
    pub no_header: bool,
    /// Column that names the rows; no feature
    #[arg(long, value_name = "COLUMN", help_heading = "Table")]
    pub id: Option<String>,
    /// Column whose equal values (such as a tenant) stay together in bootstraps, folds and splits; no feature
    #[arg(long, value_name = "COLUMN", help_heading = "Table")]
    pub group: Option<String>,
    /// Column that says how often a row counts in fitting (the test counts each once); no feature
    #[arg(long, value_name = "COLUMN", help_heading = "Table")]
    pub weight: Option<String>,
    /// Column to leave out; may be repeated, or hold a comma-separated list
    #[arg(long, value_name = "COLUMN", value_delimiter = ',', help_heading = "Table")]
    pub drop: Vec<String>,
    /// Column to read as a category even if it holds numbers; may be repeated, or hold a comma-separated list
    #[arg(long, value_name = "COLUMN", value_delimiter = ',', help_heading = "Table")]
    pub category: Vec<String>,
    /// JSON object whose keys are these flags; flags given here win
    #[arg(long, value_name = "FILE")]
    pub hyperparameters: Option<PathBuf>,

    /// Learner to fit; auto fits all three and keeps the one with the least honest log
    /// loss (the tree only if it is clearly better)
    #[arg(long, value_enum, default_value_t = AlgorithmChoice::Auto)]
    pub algorithm: AlgorithmChoice,
    /// Search the hyperparameters that no flag fixes, so many settings per learner
    #[arg(long, value_name = "SETTINGS", num_args = 0..=1, default_missing_value = "20")]
    pub tune: Option<usize>,
    /// Cross-validate the whole procedure on so many folds, too
    #[arg(long, value_name = "FOLDS", value_parser = clap::value_parser!(u32).range(2..=100), conflicts_with = "folds")]
    pub cv: Option<u32>,
    /// Cross-validate on the folds of a CSV file with the columns row and fold, too
    #[arg(long, value_name = "FILE")]
    pub folds: Option<PathBuf>,
    /// Fit and test again for every observation date, each time on what had been known before it.
    #[arg(long, conflicts_with = "table", help = format!(
        "Fit and test again for every observation date, each time on what had been known before it; dates with fewer \
         than {FEW_CHURNED} churned observations on them or known before them are left out"
    ))]
    pub backtest: bool,
    /// Share of the rows held out for the test (of a log, the latest dates); the model file is fitted on others
    #[arg(long, value_name = "SHARE", default_value_t = 0.2)]
    pub test_share: f64,
    /// How the test of a log is cut off: the latest dates, or some of the tenants at all dates
    #[arg(long, value_enum, default_value_t = SplitKind::Time, conflicts_with = "table")]
    pub split: SplitKind,
    /// Share of a log's observations, before the test's, that calibrator and threshold come from; 0 takes them from
    /// scores of the fit split that are honest without
    #[arg(long, value_name = "SHARE", default_value_t = 0.0, conflicts_with = "table")]
    pub calibration_share: f64,
    /// Seed of everything random
    #[arg(long, default_value_t = WorldOptions::default().seed)]
    pub seed: u64,
    /// Threads; all cores by default. The result does not depend on it
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
    /// Folder to write; by default a folder of runs/ named after the model
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Folder that keeps each fitted learner: a run that was ended and is started again does not fit them again
    #[arg(long, value_name = "DIR")]
    pub checkpoints: Option<PathBuf>,

    /// Random forest: number of trees
    #[arg(long, default_value_t = 300, help_heading = "Hyperparameters")]
    pub n_trees: usize,
    /// Random forest, decision tree: splits between root and leaf, at most [default: 24 and 10]
    #[arg(long, help_heading = "Hyperparameters")]
    pub max_depth: Option<u32>,
    /// Random forest, decision tree: observations per leaf, at least [default: chosen from the data, and 5]
    #[arg(long, help_heading = "Hyperparameters")]
    pub min_leaf: Option<u32>,
    /// Random forest: features tried per split [default: chosen from half, one and two times the square root of
    /// their number; the middle one with --min-leaf]
    #[arg(long, help_heading = "Hyperparameters")]
    pub features_per_split: Option<usize>,
    /// Decision tree: impurity that one more leaf must save [default: cross-validated]
    #[arg(long, help_heading = "Hyperparameters")]
    pub complexity: Option<f64>,
    /// Linear learner: penalty on the weights [default: cross-validated]
    #[arg(long, help_heading = "Hyperparameters")]
    pub penalty: Option<f64>,
    /// Linear learner: share of the penalty on absolute weights; 0 is ridge, 1 is lasso [default: 0]
    #[arg(long, help_heading = "Hyperparameters")]
    pub l1_ratio: Option<f64>,
    /// How much churned rows count: equal, balanced, or a factor
    #[arg(long, default_value = "equal", value_parser = parse_class_weight, help_heading = "Hyperparameters")]
    pub class_weight: ClassWeight,
    /// Map from raw scores to probabilities
    #[arg(long, value_enum, default_value_t = Calibration::Auto, help_heading = "Hyperparameters")]
    pub calibration: Calibration,

    /// Where to act: profit, capacity:SHARE, precision:FLOOR, recall:FLOOR, accuracy, f-beta:BETA, or a score
    #[arg(long, default_value = "profit", value_parser = parse_threshold, help_heading = "Decision")]
    pub threshold: ThresholdChoice,
    /// What a kept tenant is worth
    #[arg(long, default_value_t = Campaign::default().lifetime_value, help_heading = "Decision")]
    pub lifetime_value: f64,
    /// What an offer costs when a tenant takes it
    #[arg(long, default_value_t = Campaign::default().offer, help_heading = "Decision")]
    pub offer: f64,
    /// What contacting a tenant costs
    #[arg(long, default_value_t = Campaign::default().contact, help_heading = "Decision")]
    pub contact: f64,

    /// The words behind the program's name that repeat the run, where the command line is known.
    #[arg(skip)]
    pub(crate) repeat: Option<Vec<String>>,
}

/// Options that a command which repeats a run leaves out: files whose content it holds as options, where results go, and
/// what changes nothing.
const NOT_REPEATED: [&str; 6] = ["hyperparameters", "plan", "out", "checkpoints", "dead_letters", "threads"];

/// Which learners to fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AlgorithmChoice {
    /// All, keeping the best.
    Auto,
    /// The random forest.
    RandomForest,
    /// The decision tree.
    DecisionTree,
    /// The linear learner.
    LinearLearner,
}

impl AlgorithmChoice {
    /// The learners to fit.
    pub fn algorithms(self) -> &'static [Algorithm] {
        match self {
            Self::Auto => &Algorithm::ALL,
            Self::RandomForest => &[Algorithm::RandomForest],
            Self::DecisionTree => &[Algorithm::DecisionTree],
            Self::LinearLearner => &[Algorithm::LinearLearner],
        }
    }
}

/// Which calibrator to fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Calibration {
    /// The best by cross-validated log loss.
    Auto,
    /// Leave raw scores as they are.
    None,
    /// A straight line in log-odds.
    Logistic,
    /// A never-decreasing function.
    Isotonic,
}

impl Calibration {
    /// The learner of that calibrator.
    pub fn learner(self) -> CalibratorLearner {
        match self {
            Self::Auto => CalibratorLearner::Auto,
            Self::None => CalibratorLearner::Identity,
            Self::Logistic => CalibratorLearner::Logistic,
            Self::Isotonic => CalibratorLearner::Isotonic,
        }
    }
}

/// Where to act.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ThresholdChoice {
    /// Where contacting pays, by the campaign's costs.
    Profit,
    /// As many as can be contacted, as a share.
    Capacity(f64),
    /// As low as precision allows.
    Precision(f64),
    /// Where precision is highest among the scores that find this share of the churned.
    Recall(f64),
    /// Where most decisions are right.
    Accuracy,
    /// Where precision and recall, which counts this many times as much, balance best.
    FBeta(f64),
    /// At this score.
    Score(f64),
}

impl TrainConfig {
    /// Reads the command line and, where it names them, the plan and `hyperparameters.json`.
    ///
    /// # Errors
    /// [`Error::Usage`] holds the text to show, and is also how `--help` and `--version` come back.
    pub fn from_args(args: impl IntoIterator<Item = OsString>) -> Result<Self, Error> {
        let files = |config: &Self| {
            let plan = config.plan.file.clone().map(|path| (path, PlanOptions::command()));
            let all = config.hyperparameters.clone().map(|path| (path, command::<Self>()));
            plan.into_iter().chain(all).collect()
        };
        let (config, args) = parse_with_files(args, files)?;
        let repeat = Some(given::<Self>(&args, &NOT_REPEATED));
        Self { repeat, ..config }.checked()
    }

    /// Refuses options that do not go together.
    pub(crate) fn checked(self) -> Result<Self, Error> {
        let usage = |problem: &str| Err(Error::Usage { text: format!("error: {problem}\n"), exit_code: 2 });
        if self.table.is_some() && self.label.is_none() && !self.no_header {
            return usage("--table needs --label COLUMN (or --no-header, when the first column is the label)");
        }
        if let Some(option) = self.option_about_the_table().filter(|_| self.table.is_none()) {
            return usage(&format!("{option} needs --table FILE"));
        }
        if !(0.05..=0.9).contains(&self.test_share) {
            return usage("--test-share must be between 0.05 and 0.9");
        }
        // clap forgets a requirement on what conflicts with an option that is given.
        let about_log = [
            ("--log-end", self.events.log_end.is_some()),
            ("--received-at", self.events.received_at.is_some()),
            ("--dead-letters", self.events.dead_letters.is_some()),
        ];
        if let Some((option, _)) = about_log.iter().find(|(_, given)| *given && self.events.events.is_empty()) {
            return usage(&format!("{option} needs --events FILE"));
        }
        let has_plan = self.plan.plan() != ObservationPlan::default();
        if has_plan && self.observations.is_some() {
            return usage("the plan of --observations was decided when they were assembled; leave its options out");
        }
        if has_plan && self.table.is_some() {
            return usage("--table has no dates to observe by a plan; leave the options of the observation plan out");
        }
        if !(0.0..1.0 - self.test_share).contains(&self.calibration_share) {
            return usage("--calibration-share must be at least 0, and less than 1 together with --test-share");
        }
        if self.calibration_share > 0.0 && self.split == SplitKind::Tenants {
            return usage("--calibration-share is for --split time; with --split tenants there is no time to cut by");
        }
        if self.tune == Some(0) {
            return usage("--tune needs at least 1 setting");
        }
        if let Err(problem) = self.campaign().check() {
            return usage(&format!("--lifetime-value, --offer, --contact: {problem}"));
        }
        Ok(self)
    }

    /// An option that says something about a table of the user's own, if one is given.
    fn option_about_the_table(&self) -> Option<&'static str> {
        let given = [
            ("--label", self.label.is_some()),
            ("--positive", self.positive.is_some()),
            ("--no-header", self.no_header),
            ("--id", self.id.is_some()),
            ("--group", self.group.is_some()),
            ("--weight", self.weight.is_some()),
            ("--drop", !self.drop.is_empty()),
            ("--category", !self.category.is_empty()),
            ("--folds", self.folds.is_some()),
        ];
        given.into_iter().find_map(|(option, is_given)| is_given.then_some(option))
    }

    /// What keeping a tenant is worth and what trying costs.
    pub fn campaign(&self) -> Campaign {
        Campaign {
            lifetime_value: self.lifetime_value,
            offer: self.offer,
            contact: self.contact,
            ..Campaign::default()
        }
    }

    /// The rule that the threshold follows.
    pub fn threshold_rule(&self) -> ThresholdRule {
        match self.threshold {
            ThresholdChoice::Profit => ThresholdRule::Profit { campaign: self.campaign() },
            ThresholdChoice::Capacity(share) => ThresholdRule::Capacity { share },
            ThresholdChoice::Precision(at_least) => ThresholdRule::Precision { at_least },
            ThresholdChoice::Recall(at_least) => ThresholdRule::Recall { at_least },
            ThresholdChoice::Accuracy => ThresholdRule::Accuracy,
            ThresholdChoice::FBeta(beta) => ThresholdRule::FScore { beta },
            ThresholdChoice::Score(_) => ThresholdRule::Fixed,
        }
    }
}

fn parse_class_weight(text: &str) -> Result<ClassWeight, String> {
    match text {
        "equal" => Ok(ClassWeight::Equal),
        "balanced" => Ok(ClassWeight::Balanced),
        factor => match factor.parse::<f64>() {
            Ok(factor) if factor.is_finite() && factor > 0.0 => Ok(ClassWeight::Churned(factor)),
            _ => Err("expected equal, balanced or a positive factor".to_owned()),
        },
    }
}

fn parse_threshold(text: &str) -> Result<ThresholdChoice, String> {
    let share = |text: &str| match text.parse::<f64>() {
        Ok(share) if share > 0.0 && share <= 1.0 => Ok(share),
        _ => Err("expected a number above 0 and up to 1".to_owned()),
    };
    match text.split_once(':') {
        None if text == "profit" => Ok(ThresholdChoice::Profit),
        None if text == "accuracy" => Ok(ThresholdChoice::Accuracy),
        None => share(text).map(ThresholdChoice::Score).map_err(|_| {
            "expected profit, capacity:SHARE, precision:FLOOR, recall:FLOOR, accuracy, f-beta:BETA, or a score above \
                 0 and up to 1"
                .to_owned()
        }),
        Some(("capacity", text)) => share(text).map(ThresholdChoice::Capacity),
        Some(("precision", text)) => share(text).map(ThresholdChoice::Precision),
        Some(("recall", text)) => share(text).map(ThresholdChoice::Recall),
        Some(("f-beta", text)) => match text.parse::<f64>() {
            Ok(beta) if beta.is_finite() && beta > 0.0 => Ok(ThresholdChoice::FBeta(beta)),
            _ => Err("expected a number above 0".to_owned()),
        },
        Some((rule, _)) => {
            Err(format!("no rule is called {rule:?}; expected profit, capacity, precision, recall, accuracy or f-beta"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(args: &[&str]) -> Result<TrainConfig, Error> {
        TrainConfig::from_args(["train"].iter().chain(args).map(OsString::from))
    }

    fn config_with_file(json: &str, args: &[&str]) -> Result<TrainConfig, Error> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hyperparameters.json");
        std::fs::write(&path, json).unwrap();
        config(&[args, &["--hyperparameters", path.to_str().unwrap()]].concat())
    }

    #[test]
    fn flags_win_over_the_file_and_the_file_over_defaults() {
        let json =
            r#"{"n_trees": "50", "seed": 9, "drop": ["a", "b"], "min-leaf": 4, "no_header": "true", "table": "t.csv"}"#;
        let config = config_with_file(json, &["--seed", "3"]).unwrap();
        assert_eq!((config.n_trees, config.seed, config.min_leaf), (50, 3, Some(4)));
        assert_eq!((config.drop, config.no_header), (vec!["a".to_owned(), "b".to_owned()], true));
    }

    #[test]
    fn an_unknown_hyperparameter_is_named_with_its_file() {
        for key in ["n_tree", "help", "version", "hyperparameters", ""] {
            let error = config_with_file(&format!(r#"{{"{key}": 5}}"#), &[]).unwrap_err().to_string();
            assert!(error.contains("hyperparameters.json") && error.contains(&format!("{key:?}")), "{error}");
        }
        let error = config_with_file("[1]", &[]).unwrap_err().to_string();
        assert!(error.contains("JSON object"), "{error}");
    }

    #[test]
    fn flags_and_file_complete_each_other() {
        let config = config_with_file(r#"{"table": "t.csv", "tune": true}"#, &["--label", "churn"]).unwrap();
        assert_eq!((config.table, config.tune), (Some(PathBuf::from("t.csv")), Some(20)));
        let config = config_with_file(r#"{"label": "true", "no_header": false}"#, &["--table", "t.csv"]).unwrap();
        assert_eq!((config.label.as_deref(), config.no_header), (Some("true"), false));
    }

    #[test]
    fn what_is_said_about_a_table_needs_one() {
        for args in [["--label", "churn"], ["--drop", "a"], ["--folds", "f.csv"]] {
            let Err(Error::Usage { text, exit_code: 2 }) = config(&args) else { panic!("a usage error") };
            assert_eq!(text, format!("error: {} needs --table FILE\n", args[0]));
        }
    }

    #[test]
    fn a_table_needs_a_label() {
        let Err(Error::Usage { text, exit_code: 2 }) = config(&["--table", "t.csv"]) else { panic!("a usage error") };
        assert!(text.contains("--label"), "{text}");
    }

    #[test]
    fn thresholds_are_read_from_words() {
        let threshold = |text| config(&["--threshold", text]).map(|config| config.threshold);
        assert_eq!(threshold("capacity:0.1").unwrap(), ThresholdChoice::Capacity(0.1));
        assert_eq!(threshold("0.35").unwrap(), ThresholdChoice::Score(0.35));
        assert!(threshold("capacity:2").is_err() && threshold("gut").is_err());
    }
}
