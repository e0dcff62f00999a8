//! What to type to repeat a run and to use its model file, for the report and the model card.

use churn_training_data::Role;

use crate::Outcome;

/// The command that repeats the run, where it is known how it was started.
pub(crate) fn repeat(outcome: &Outcome) -> Option<String> {
    let words = outcome.repeat.as_ref()?.iter().map(|word| format!(" {}", quoted(word)));
    let behind = words.collect::<String>();
    Some(format!("cargo run --release --bin train{}{behind}", if behind.is_empty() { "" } else { " --" }))
}

/// What scores a new table, or the tenants of a newer log, by the model file at this path: one command a line.
pub(crate) fn score(outcome: &Outcome, model_file: &str) -> Vec<String> {
    let score = |table: &str, id: &str| {
        format!("cargo run --release --bin score -- --model {} --table {table}{id}", quoted(model_file))
    };
    if outcome.over_time.is_none() {
        return vec![score("new.csv", &flag(outcome, &Role::Id, "--id"))];
    }
    vec![
        "cargo run --release --bin assemble -- --events newer.jsonl.gz --out newer.csv".to_owned(),
        score("newer.csv", " --id tenant,observation_date"),
    ]
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
