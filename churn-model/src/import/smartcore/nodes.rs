use serde::Deserialize;
use serde_json::Value;

use churn_features::FeatureSchema;

use super::LeafValue;
use crate::forest::Tree;
use crate::import::{Foreign, GoesLeft, ImportError, check_width, numeric_rule, plant};

/// What smartcore saves of a forest, as far as it is read here.
#[derive(Deserialize)]
pub(super) struct SavedForest {
    pub(super) trees: Option<Vec<SavedTree>>,
}

/// What smartcore saves of a tree, as far as it is read here.
#[derive(Deserialize)]
pub(super) struct SavedTree {
    nodes: Vec<SavedNode>,
    parameters: Option<SavedParameters>,
    classes: Vec<Value>,
    num_features: usize,
}

#[derive(Deserialize)]
struct SavedParameters {
    criterion: Criterion,
}

/// What smartcore measured the impurity of a node by.
#[derive(Debug, Clone, Copy, Deserialize)]
enum Criterion {
    Gini,
    Entropy,
    ClassificationError,
}

#[derive(Deserialize)]
struct SavedNode {
    /// Position of the predicted class; in a leaf, the more frequent one.
    output: usize,
    n_node_samples: usize,
    split_feature: usize,
    /// `None` also stands for numbers that are not finite: JSON has no word for them.
    split_value: Option<f64>,
    true_child: Option<usize>,
    false_child: Option<usize>,
    impurity: Option<f64>,
}

impl SavedTree {
    /// The same tree with our nodes.
    pub(super) fn plant(
        &self,
        schema: &FeatureSchema,
        position: usize,
        positive: &Value,
        leaves: LeafValue,
    ) -> Result<Tree, ImportError> {
        if self.nodes.is_empty() {
            return Err(ImportError::NotFitted);
        }
        check_width(schema, self.num_features)?;
        let churn = class_position(&self.classes, positive)?;
        let fail = |problem| ImportError::Structure { tree: position, problem };
        let n_churned = match leaves {
            LeafValue::Vote => None,
            LeafValue::Share => Some(self.n_churned(churn).map_err(fail)?),
        };
        plant(schema, position, 0, self.nodes.len(), |at: usize| {
            let node = self.nodes.get(at).ok_or_else(|| fail("a split has a child that does not exist"))?;
            let cover = node.n_node_samples as f32;
            let Some(left) = node.true_child else {
                let vote = if node.output == churn { 1.0 } else { 0.0 };
                let value = match &n_churned {
                    // A leaf without observations, which a least leaf size of 0 allows, has no share.
                    Some(n_churned) if node.n_node_samples > 0 => n_churned[at] as f32 / cover,
                    _ => vote,
                };
                return Ok(Foreign::Leaf { value, cover });
            };
            let right = node.false_child.ok_or_else(|| fail("a split has one child only"))?;
            let (feature, goes_left) = (node.split_feature, GoesLeft::AtMost(node.split_value.unwrap_or(f64::NAN)));
            let rule = numeric_rule(schema, position, feature, goes_left)?;
            Ok(Foreign::Split { feature, rule, missing_left: false, cover, left, right })
        })
    }

    /// How many of the observations of each node churned.
    ///
    /// Impurity and size of a node with two classes tell the size of the smaller one; which one that is, its label tells
    /// in the root. Below, smartcore chose labels before it rounded the split value to f32, which can move observations
    /// of neighbouring values across; so there the counts have to add up to the parent's, with the labels where they do
    /// and against them where only that adds up.
    fn n_churned(&self, churn: usize) -> Result<Vec<usize>, &'static str> {
        let criterion = self.parameters.as_ref().ok_or("it does not tell what it measured impurity by")?.criterion;
        let by_label = |node: &SavedNode| {
            let minority = criterion.minority(node.n_node_samples, node.impurity?);
            Some(if node.output == churn { node.n_node_samples - minority } else { minority })
        };
        let mut n_churned: Vec<usize> =
            self.nodes.iter().map(by_label).collect::<Option<_>>().ok_or("a node does not tell its impurity")?;
        for (at, node) in self.nodes.iter().enumerate() {
            let (left, right) = match (node.true_child, node.false_child) {
                (None, _) => continue,
                (Some(left), Some(right)) if left.min(right) > at && left.max(right) < self.nodes.len() => {
                    (left, right)
                }
                _ => return Err("children do not stand behind their parent"),
            };
            let either = |child: usize| [n_churned[child], self.nodes[child].n_node_samples - n_churned[child]];
            let ([left_label, left_other], [right_label, right_other]) = (either(left), either(right));
            let add_up = |&(left, right): &(usize, usize)| left + right == n_churned[at];
            let by_labels = (left_label, right_label);
            let mut against = [(left_label, right_other), (left_other, right_label), (left_other, right_other)]
                .into_iter()
                .filter(add_up);
            let (of_left, of_right) = if add_up(&by_labels) {
                by_labels
            } else {
                let only = against.next().ok_or("the class counts of its nodes do not add up")?;
                if against.any(|another| another != only) {
                    return Err("the class counts of its nodes add up in more than one way");
                }
                only
            };
            (n_churned[left], n_churned[right]) = (of_left, of_right);
        }
        Ok(n_churned)
    }
}

impl Criterion {
    /// The impurity of `n` observations of which `minority` are of one class and the rest of the other.
    ///
    /// # Source
    /// `impurity` in smartcore 0.7, `tree/decision_tree_classifier.rs`.
    fn impurity(self, n: usize, minority: usize) -> f64 {
        let p = minority as f64 / n as f64;
        match self {
            Self::Gini => 2.0 * p * (1.0 - p),
            Self::Entropy => [p, 1.0 - p].iter().filter(|&&p| p > 0.0).map(|p| -p * p.log2()).sum(),
            Self::ClassificationError => p.min(1.0 - p),
        }
    }

    /// The size of the smaller class among `n` observations of that impurity: the one that comes nearest.
    fn minority(self, n: usize, impurity: f64) -> usize {
        // Impurity grows with the smaller class, so the first size that reaches it, or the one before, is nearest.
        let (mut low, mut high) = (0, n / 2);
        while low < high {
            let middle = low.midpoint(high);
            if self.impurity(n, middle) < impurity {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        let distance = |minority| (self.impurity(n, minority) - impurity).abs();
        if low > 0 && distance(low - 1) < distance(low) { low - 1 } else { low }
    }
}

/// Position of the class that means churn among the two that a model tells apart.
pub(super) fn class_position(classes: &[Value], positive: &Value) -> Result<usize, ImportError> {
    if classes.len() > 2 {
        return Err(ImportError::Classes { found: classes.len() });
    }
    classes.iter().position(|class| class == positive).ok_or_else(|| {
        let known: Vec<String> = classes.iter().map(Value::to_string).collect();
        ImportError::Label { label: positive.to_string(), known: known.join(", ") }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smaller_class_is_found_from_any_impurity() {
        for criterion in [Criterion::Gini, Criterion::Entropy, Criterion::ClassificationError] {
            for n in [1, 2, 3, 10, 601, 100_000] {
                for minority in (0..=n / 2).step_by(1 + n / 500).chain([n / 2]) {
                    // What smartcore computes, in its own order of operations.
                    let shares = [minority, n - minority].map(|count| count as f64 / n as f64);
                    let impurity = match criterion {
                        Criterion::Gini => 1.0 - shares[0] * shares[0] - shares[1] * shares[1],
                        Criterion::Entropy => {
                            shares.iter().filter(|&&p| p > 0.0).fold(0.0, |sum, p| sum - p * p.log2())
                        }
                        Criterion::ClassificationError => (1.0 - shares[1]).abs(),
                    };
                    assert_eq!(criterion.minority(n, impurity), minority, "{criterion:?} of {minority} in {n}");
                }
            }
        }
    }
}
