//! What others call our options: the linear learner's hyperparameters, and those that forests usually have.

/// What a hyperparameter means here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Alias {
    /// The option of that name, with the same values.
    Flag(&'static str),
    /// Nothing, because nothing here depends on it; its value is a number or `auto`.
    IdleNumber,
    /// The same; its value is `true`, `false` or `auto`.
    IdleSwitch,
    /// The same; its value is one of these.
    IdleWord(&'static [&'static str]),
    /// Only this value is possible here.
    Only(&'static str),
    /// Several of them together say something; see `Combined`.
    Combined,
}

/// The loss functions of the linear learner. We fit log loss, whatever is asked for.
const LOSSES: [&str; 8] = [
    "auto",
    "logistic",
    "hinge_loss",
    "squared_loss",
    "absolute_loss",
    "eps_insensitive_squared_loss",
    "quantile_loss",
    "huber_loss",
];

/// Names in the order of the documentation.
pub(crate) const ALIASES: [(&str, Alias); 49] = [
    ("predictor_type", Alias::Only("binary_classifier")),
    ("wd", Alias::Combined),
    ("l1", Alias::Combined),
    ("positive_example_weight_mult", Alias::Flag("class-weight")),
    ("scale_pos_weight", Alias::Flag("class-weight")),
    ("binary_classifier_model_selection_criteria", Alias::Combined),
    ("target_precision", Alias::Combined),
    ("target_recall", Alias::Combined),
    ("f_beta", Alias::Combined),
    ("header", Alias::Combined),
    ("n_estimators", Alias::Flag("n-trees")),
    ("num_trees", Alias::Flag("n-trees")),
    ("num_round", Alias::Flag("n-trees")),
    ("min_samples_leaf", Alias::Flag("min-leaf")),
    ("max_features", Alias::Flag("features-per-split")),
    ("random_state", Alias::Flag("seed")),
    ("epochs", Alias::IdleNumber),
    ("mini_batch_size", Alias::IdleNumber),
    ("learning_rate", Alias::IdleNumber),
    ("momentum", Alias::IdleNumber),
    ("beta_1", Alias::IdleNumber),
    ("beta_2", Alias::IdleNumber),
    ("bias_lr_mult", Alias::IdleNumber),
    ("bias_wd_mult", Alias::IdleNumber),
    ("lr_scheduler_step", Alias::IdleNumber),
    ("lr_scheduler_factor", Alias::IdleNumber),
    ("lr_scheduler_minimum_lr", Alias::IdleNumber),
    ("init_scale", Alias::IdleNumber),
    ("init_sigma", Alias::IdleNumber),
    ("init_bias", Alias::IdleNumber),
    ("early_stopping_patience", Alias::IdleNumber),
    ("early_stopping_tolerance", Alias::IdleNumber),
    ("num_models", Alias::IdleNumber),
    ("num_calibration_samples", Alias::IdleNumber),
    ("num_point_for_scaler", Alias::IdleNumber),
    ("feature_dim", Alias::IdleNumber),
    ("num_classes", Alias::IdleNumber),
    ("margin", Alias::IdleNumber),
    ("quantile", Alias::IdleNumber),
    ("loss_insensitivity", Alias::IdleNumber),
    ("huber_delta", Alias::IdleNumber),
    ("use_bias", Alias::IdleSwitch),
    ("use_lr_scheduler", Alias::IdleSwitch),
    ("normalize_data", Alias::IdleSwitch),
    ("normalize_label", Alias::IdleSwitch),
    ("unbias_data", Alias::IdleSwitch),
    ("unbias_label", Alias::IdleSwitch),
    ("optimizer", Alias::IdleWord(&["auto", "sgd", "adam", "adagrad", "rmsprop"])),
    ("loss", Alias::IdleWord(&LOSSES)),
];

/// Options that SageMaker's folders and channels decide about.
pub(crate) const NOT_OURS_TO_SET: [&str; 12] = [
    "out",
    "checkpoints",
    "table",
    "no-header",
    "events",
    "observations",
    "folds",
    "hyperparameters",
    "plan",
    "dead-letters",
    "tenants",
    "days",
];

/// The alias of that name.
pub(crate) fn alias(key: &str) -> Option<Alias> {
    ALIASES.iter().find(|(name, _)| *name == key).map(|&(_, alias)| alias)
}

impl Alias {
    /// What is wrong with a value that has no effect, or only one that is possible.
    pub(crate) fn problem(self, value: &str) -> Option<String> {
        let is_one_of = |words: &[&str]| words.iter().any(|word| word.eq_ignore_ascii_case(value));
        match self {
            Self::IdleNumber if !is_one_of(&["auto"]) && !is_number(value) => {
                Some("expected a number (it has no effect here)".to_owned())
            }
            Self::IdleSwitch if !is_one_of(&["true", "false", "auto", "1", "0"]) => {
                Some("expected true or false (it has no effect here)".to_owned())
            }
            Self::IdleWord(words) if !is_one_of(words) => {
                Some(format!("expected {} (it has no effect here)", words.join(", ")))
            }
            Self::Only(only) if value != only => {
                Some(format!("expected {only}: churn is yes or no, and other predictions are not made here"))
            }
            _ => None,
        }
    }
}

fn is_number(text: &str) -> bool {
    text.parse::<f64>().is_ok_and(f64::is_finite)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_without_effect_is_checked_nevertheless() {
        let problem = |key: &str, value: &str| alias(key).and_then(|alias| alias.problem(value));
        for (key, value) in
            [("epochs", "16"), ("learning_rate", "auto"), ("use_bias", "True"), ("loss", "absolute_loss")]
        {
            assert_eq!(problem(key, value), None, "{key}");
        }
        for (key, value) in [("epochs", "many"), ("momentum", "inf"), ("use_bias", "yes"), ("optimizer", "lbfgs")] {
            assert!(problem(key, value).is_some_and(|text| text.contains("no effect")), "{key}");
        }
        assert!(problem("predictor_type", "regressor").is_some_and(|text| text.contains("binary_classifier")));
    }

    #[test]
    fn the_documentation_names_them_all() {
        let page = include_str!("../../../docs/sagemaker-training.md");
        for (name, _) in ALIASES {
            assert!(page.contains(&format!("`{name}`")), "{name}");
        }
    }
}
