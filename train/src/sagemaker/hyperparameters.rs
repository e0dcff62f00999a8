//! `hyperparameters.json`: a flat object of texts, whose keys are the options of `train` or what others call them.

use std::collections::BTreeMap;
use std::ffi::OsString;

use clap::Arg;
use serde_json::Value;

use super::aliases::{ALIASES, Alias, NOT_OURS_TO_SET, alias};
use super::base::Base;
use super::config_files;
use super::error::JobError;
use crate::Error;
use crate::command_line::{command, parse};
use crate::config::TrainConfig;
use crate::console::Console;
use crate::hyperparameters::{FlagValues, flag_values};

/// What a model is selected for where the linear learner's target is not given.
const DEFAULT_TARGET: f64 = 0.8;

/// Hyperparameters as far as they can be checked without the data.
#[derive(Debug)]
pub(crate) struct Hyperparameters {
    settings: Vec<Setting>,
    /// Whether CSV has a header, where that is said.
    pub(crate) header: Option<bool>,
    /// How much more recall counts than precision in the F-score that is printed.
    pub(crate) beta: f64,
}

/// What a hyperparameter becomes on the command line.
#[derive(Debug)]
struct Setting {
    key: String,
    value: String,
    /// None where a switch is off.
    flags: Vec<OsString>,
}

impl Hyperparameters {
    /// Reads them, and tells which have no effect.
    ///
    /// # Errors
    /// Names the key and the value that cannot be used, and the key that was probably meant.
    pub(crate) fn read(base: &Base, console: &Console) -> Result<Self, JobError> {
        Self::of(config_files::hyperparameters(base)?, console)
    }

    fn of(entries: BTreeMap<String, Value>, console: &Console) -> Result<Self, JobError> {
        let entries: BTreeMap<String, Value> = entries
            .into_iter()
            .filter(|(key, _)| !key.starts_with('_') && !key.starts_with("sagemaker_"))
            .map(|(key, value)| (key, without_quotes(value)))
            .collect();
        let mut combined = Combined::default();
        let mut settings = Vec::new();
        let mut idle = Vec::new();
        for (key, value) in &entries {
            let shown = text(value);
            let wrong = |problem: String| JobError::Hyperparameter { key: key.clone(), value: shown.clone(), problem };
            let name = match alias(key) {
                Some(Alias::Flag(name)) => name.to_owned(),
                Some(Alias::Combined) => {
                    combined.take(key, &shown).map_err(wrong)?;
                    continue;
                }
                Some(other) => {
                    if let Some(problem) = other.problem(&shown) {
                        return Err(wrong(problem));
                    }
                    if !matches!(other, Alias::Only(_)) {
                        idle.push(key.as_str());
                    }
                    continue;
                }
                None => key.replace('_', "-"),
            };
            settings.push(Setting { key: key.clone(), value: shown, flags: flags(key, &name, value)? });
        }
        settings.extend(combined.settings());
        refuse_doubles(&settings)?;
        if !idle.is_empty() {
            console.line(format!(
                "no effect here, where learners are solved to their end and scale their inputs themselves: {}",
                idle.join(", ")
            ));
        }
        Ok(Self { settings, header: combined.header, beta: combined.beta.unwrap_or(1.0) })
    }

    /// The configuration, for data that these arguments name.
    ///
    /// # Errors
    /// See [`read`](Self::read).
    pub(crate) fn config(&self, data: &[OsString]) -> Result<TrainConfig, JobError> {
        let program = OsString::from("train");
        let parsed = |flags: &[OsString]| parse::<TrainConfig>(&[std::slice::from_ref(&program), data, flags].concat());
        // One by one first, because only then is it known which one is wrong.
        for Setting { key, value, flags } in &self.settings {
            parsed(flags).map_err(|error| JobError::Hyperparameter {
                key: key.clone(),
                value: value.clone(),
                problem: problem(&error),
            })?;
        }
        let all: Vec<OsString> = self.settings.iter().flat_map(|setting| setting.flags.clone()).collect();
        Ok(parsed(&all)?)
    }
}

/// Hyperparameters of the linear learner that mean something together.
#[derive(Debug, Default)]
struct Combined {
    /// Penalties on squared and on absolute weights.
    wd: Option<f64>,
    l1: Option<f64>,
    criterion: Option<String>,
    target_precision: Option<f64>,
    target_recall: Option<f64>,
    beta: Option<f64>,
    header: Option<bool>,
}

const CRITERION: &str = "binary_classifier_model_selection_criteria";
const CRITERIA: [&str; 5] =
    ["accuracy", "f_beta", "precision_at_target_recall", "recall_at_target_precision", "loss_function"];

impl Combined {
    fn take(&mut self, key: &str, value: &str) -> Result<(), String> {
        let number = |is_sound: fn(f64) -> bool, expected: &str| match value.parse::<f64>() {
            Ok(number) if is_sound(number) => Ok(Some(number)),
            _ => Err(format!("expected {expected}")),
        };
        let is_share = |share: f64| share > 0.0 && share <= 1.0;
        match key {
            "wd" | "l1" if value == "auto" => {}
            "wd" => self.wd = number(|wd| wd.is_finite() && wd >= 0.0, "a number of at least 0, or auto")?,
            "l1" => self.l1 = number(|l1| l1.is_finite() && l1 >= 0.0, "a number of at least 0, or auto")?,
            "target_precision" => self.target_precision = number(is_share, "a number above 0 and up to 1")?,
            "target_recall" => self.target_recall = number(is_share, "a number above 0 and up to 1")?,
            "f_beta" => self.beta = number(|beta| beta.is_finite() && beta > 0.0, "a number above 0")?,
            CRITERION if CRITERIA.contains(&value) => self.criterion = Some(value.to_owned()),
            CRITERION => return Err(format!("expected {}", CRITERIA.join(", "))),
            _ => match value {
                "present" | "true" => self.header = Some(true),
                "absent" | "false" => self.header = Some(false),
                _ => return Err("expected present or absent".to_owned()),
            },
        }
        Ok(())
    }

    fn settings(&self) -> Vec<Setting> {
        let mut settings = Vec::new();
        let mut add = |key: &str, value: String, name: &str, text: String| {
            settings.push(Setting { key: key.to_owned(), value, flags: vec![format!("--{name}={text}").into()] });
        };
        // A penalty of 0 has no share of anything, and the data choose better than nothing.
        let (wd, l1) = (self.wd.unwrap_or(0.0), self.l1.unwrap_or(0.0));
        if wd + l1 > 0.0 {
            let (key, value) = if wd > 0.0 { ("wd", wd) } else { ("l1", l1) };
            add(key, value.to_string(), "penalty", (wd + l1).to_string());
            if l1 > 0.0 {
                add("l1", l1.to_string(), "l1-ratio", (l1 / (wd + l1)).to_string());
            }
        }
        let target = |target: Option<f64>| target.unwrap_or(DEFAULT_TARGET);
        let threshold = match self.criterion.as_deref() {
            Some("accuracy") => Some("accuracy".to_owned()),
            Some("f_beta") => Some(format!("f-beta:{}", self.beta.unwrap_or(1.0))),
            Some("precision_at_target_recall") => Some(format!("recall:{}", target(self.target_recall))),
            Some("recall_at_target_precision") => Some(format!("precision:{}", target(self.target_precision))),
            _ => None,
        };
        if let (Some(threshold), Some(criterion)) = (threshold, &self.criterion) {
            add(CRITERION, criterion.clone(), "threshold", threshold);
        }
        settings
    }
}

/// The option of that name with this value; none where a switch is off.
fn flags(key: &str, name: &str, value: &Value) -> Result<Vec<OsString>, JobError> {
    let command = command::<TrainConfig>();
    let is_named = |arg: &&Arg| arg.get_long() == Some(name) && !NOT_OURS_TO_SET.contains(&name);
    let Some(arg) = command.get_arguments().find(is_named) else {
        return Err(JobError::UnknownHyperparameter { key: key.to_owned(), value: text(value), nearest: nearest(key) });
    };
    let values = flag_values(arg, value).ok_or_else(|| JobError::Hyperparameter {
        key: key.to_owned(),
        value: text(value),
        problem: "expected a text, a number, a boolean or a list".to_owned(),
    })?;
    Ok(match values {
        FlagValues::Switch(true) => vec![format!("--{name}").into()],
        FlagValues::Switch(false) => Vec::new(),
        FlagValues::Texts(texts) => texts.iter().map(|text| format!("--{name}={text}").into()).collect(),
    })
}

/// Refuses two hyperparameters that set one option.
fn refuse_doubles(settings: &[Setting]) -> Result<(), JobError> {
    let mut key_of: BTreeMap<String, &str> = BTreeMap::new();
    for Setting { key, flags, .. } in settings {
        let Some(flag) = flags.first().map(|flag| flag.to_string_lossy()) else { continue };
        let name = flag.split('=').next().unwrap_or_default().to_owned();
        if let Some(first) = key_of.insert(name, key) {
            return Err(JobError::TwiceSaid { first: first.to_owned(), second: key.clone() });
        }
    }
    Ok(())
}

/// The hyperparameter that was probably meant.
fn nearest(key: &str) -> Option<String> {
    let command = command::<TrainConfig>();
    let flags = command.get_arguments().filter_map(Arg::get_long).filter(|name| !NOT_OURS_TO_SET.contains(name));
    let names = flags.map(|name| name.replace('-', "_")).chain(ALIASES.map(|(name, _)| name.to_owned()));
    let distance = |name: &String| strsim::damerau_levenshtein(&key.to_lowercase(), name);
    names.min_by_key(distance).filter(|name| distance(name) <= (key.chars().count() / 3).max(1))
}

/// A value as SDKs send it: a text may hold a text of JSON once more, or a list of them.
fn without_quotes(value: Value) -> Value {
    match &value {
        Value::String(text) => match serde_json::from_str(text) {
            Ok(inner @ (Value::String(_) | Value::Array(_))) => inner,
            _ => Value::String(text.trim().to_owned()),
        },
        _ => value,
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// What the command line finds wrong with a value, without what is about the command line.
fn problem(error: &Error) -> String {
    let text = error.to_string();
    let text = text.trim().trim_start_matches("error: ").trim_end_matches("; see train --help");
    match text.split_once(">': ") {
        Some((_, problem)) if text.starts_with("invalid value") => problem.to_owned(),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use churn_model::fit::ClassWeight;

    use super::*;
    use crate::config::ThresholdChoice;

    fn config(json: &str) -> Result<TrainConfig, String> {
        let entries = serde_json::from_str(json).unwrap();
        let hyperparameters = Hyperparameters::of(entries, &Console::silent());
        let config = hyperparameters.and_then(|read| read.config(&["--table=t.csv".into()]));
        config.map_err(|error| error.line())
    }

    #[test]
    fn values_are_texts_and_may_be_quoted_once_more() {
        let config = config(
            r#"{"max_depth": "5", "n_estimators": "\"7\"", "algorithm": "\"random-forest\"", "_tuning_objective": "x",
                "drop": "[\"a\", \"b\"]", "sagemaker_program": "\"x.py\"", "seed": 9}"#,
        )
        .unwrap();
        assert_eq!((config.max_depth, config.n_trees, config.seed), (Some(5), 7, 9));
        assert_eq!(config.drop, ["a", "b"]);
    }

    #[test]
    fn the_linear_learner_s_names_are_understood() {
        let config = config(
            r#"{"predictor_type": "binary_classifier", "wd": "0.03", "l1": "0.01", "epochs": "16", "loss": "absolute_loss",
                "positive_example_weight_mult": "balanced", "target_recall": "0.9", "learning_rate": "0.1",
                "binary_classifier_model_selection_criteria": "precision_at_target_recall"}"#,
        )
        .unwrap();
        assert_eq!((config.penalty, config.l1_ratio), (Some(0.04), Some(0.25)));
        assert_eq!((config.class_weight, config.threshold), (ClassWeight::Balanced, ThresholdChoice::Recall(0.9)));
    }

    #[test]
    fn a_wrong_value_is_named_with_its_key() {
        let error = |json: &str| config(json).unwrap_err();
        assert_eq!(error(r#"{"max_depth": "five"}"#), "hyperparameter max_depth is \"five\": expected a whole number");
        assert!(error(r#"{"n_estimators": "many"}"#).starts_with("hyperparameter n_estimators is \"many\": "));
        assert!(error(r#"{"predictor_type": "regressor"}"#).contains("expected binary_classifier"));
        assert!(error(r#"{"wd": "-1"}"#).contains("hyperparameter wd is \"-1\": expected a number of at least 0"));
        assert!(error(r#"{"backtest": "true"}"#).contains("backtest is \"true\""));
    }

    #[test]
    fn an_unknown_key_is_named_with_the_one_that_was_probably_meant() {
        let error = |json: &str| config(json).unwrap_err();
        assert!(
            error(r#"{"max_deth": "5"}"#)
                .contains("there is no hyperparameter max_deth (its value is \"5\"); did you mean max_depth?")
        );
        assert!(error(r#"{"lerning_rate": "5"}"#).contains("did you mean learning_rate?"));
        assert!(!error(r#"{"colour": "blue"}"#).contains("did you mean"));
        assert!(error(r#"{"out": "x"}"#).contains("no hyperparameter out"));
    }

    #[test]
    fn what_is_said_twice_is_refused() {
        let error = config(r#"{"n_trees": "5", "n_estimators": "5"}"#).unwrap_err();
        assert_eq!(error, "hyperparameters n_estimators and n_trees say the same; give one of them");
        let json = r#"{"threshold": "0.5", "binary_classifier_model_selection_criteria": "accuracy"}"#;
        assert!(config(json).unwrap_err().contains("say the same"));
    }
}
