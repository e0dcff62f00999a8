//! What to type to repeat a run and to use its model file, for the report and the model card.

use churn_training_data::Role;

use crate::Outcome;

/// The command that repeats the run.
pub(crate) fn repeat(outcome: &Outcome) -> String {
    let mut command = format!("cargo run --release --bin train -- --table {}", quoted(&outcome.source));
    let flags = [(Role::Label, "--label"), (Role::Id, "--id"), (Role::Group, "--group"), (Role::Weight, "--weight")];
    for (role, flag) in flags {
        if let Some(column) = outcome.columns.iter().find(|column| column.role == role) {
            command += &format!(" {flag} {}", quoted(&column.name));
        }
    }
    command + &format!(" --seed {}", outcome.seed)
}

/// Scores rows in Rust.
pub(crate) const RUST: &str = r#"let model = churn_model::Model::read("model.safetensors".as_ref())?;
let score = model.score(&row);          // one f32 per feature, in the order of model.schema(); f32::NAN is missing
let contact = model.decide(score);      // score >= threshold"#;

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
