//! What to type to repeat a run and to use its model file, for the report and the model card.

use churn_training_data::Role;

use crate::over_time::{PlanFacts, SplitKind};
use crate::{MODEL_FILE, Outcome, world};

/// The command that repeats the run, but for flags that an outcome does not know, such as hyperparameters.
pub(crate) fn repeat(outcome: &Outcome) -> String {
    let mut command = "cargo run --release --bin train --".to_owned();
    if let Some(over_time) = &outcome.over_time {
        if outcome.source != world::NAME {
            command += &format!(" --events {}", quoted(&outcome.source));
        }
        let PlanFacts { rule, every_days, lookback_days, gap_days, horizon_days, min_tenure_days, .. } =
            &over_time.plan;
        command += &format!(" --rule {rule} --every {every_days} --lookback {lookback_days} --gap {gap_days}");
        command += &format!(" --horizon {horizon_days} --min-tenure {min_tenure_days}");
        if over_time.plan.split == SplitKind::Tenants {
            command += " --split tenants";
        }
    } else {
        command += &format!(" --table {}", quoted(&outcome.source));
        command += &flag(outcome, &Role::Label, "--label");
        command += &flag(outcome, &Role::Id, "--id");
        command += &flag(outcome, &Role::Group, "--group");
        command += &flag(outcome, &Role::Weight, "--weight");
    }
    command + &format!(" --seed {}", outcome.seed)
}

/// The command that scores a new table.
pub(crate) fn score(outcome: &Outcome) -> String {
    let id = flag(outcome, &Role::Id, "--id");
    format!("cargo run --release --bin score -- --model {MODEL_FILE} --table new.csv{id}")
}

/// Scores rows in Rust.
pub(crate) const RUST: &str = r#"let model = churn_model::Model::read("model.safetensors".as_ref())?;
let score = model.score(&row);          // one f32 per feature, in the order of model.schema(); f32::NAN is missing
let contact = model.decide(score);      // score >= threshold"#;

/// A flag that names the column with a role, where there is one.
fn flag(outcome: &Outcome, role: &Role, flag: &str) -> String {
    let column = outcome.columns.iter().find(|column| column.role == *role);
    column.map(|column| format!(" {flag} {}", quoted(&column.name))).unwrap_or_default()
}

/// A word as a POSIX shell reads it back.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=@%+,".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_a_shell_would_take_apart_are_quoted() {
        assert_eq!(quoted("telco.csv"), "telco.csv");
        assert_eq!(quoted("Customer ID"), "'Customer ID'");
        assert_eq!(quoted("it's; $HOME"), r"'it'\''s; $HOME'");
    }
}
