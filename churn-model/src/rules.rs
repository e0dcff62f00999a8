//! A tree in words: one line per answer, indented by how many questions came before.

use std::fmt::{self, Display, Formatter};

use churn_features::{Feature, FeatureKind, FeatureSchema};

use crate::forest::{LevelSet, Node, SplitRule, Tree};

impl Tree {
    /// The tree as readable rules, for trees whose leaves are churn shares.
    ///
    /// Every split is two lines, its left answer first; what is below an answer is indented under it. Leaves show the
    /// churn share and the weight of the observations that reached them when the tree was fitted.
    ///
    /// # Missing
    /// Missing values, and levels that the schema does not have, follow the answer that says `(or missing)`.
    ///
    /// # Example
    /// ```
    /// use churn_features::{Feature, FeatureSchema};
    /// use churn_model::{Node, SplitRule, Tree};
    ///
    /// let schema = FeatureSchema::new(vec![Feature::numeric("job30")])?;
    /// let rule = SplitRule::Below(5.0);
    /// let tree = Tree {
    ///     nodes: vec![
    ///         Node::Split { feature: 0, rule, missing_left: true, left: 1, cover: 500.0 },
    ///         Node::Leaf { value: 0.831, cover: 412.0 },
    ///         Node::Leaf { value: 0.25, cover: 88.0 },
    ///     ],
    /// };
    /// let rules = "\
    /// job30 < 5 (or missing) -> 83.1 % churn (n = 412)
    /// job30 >= 5 -> 25.0 % churn (n = 88)
    /// ";
    /// assert_eq!(tree.rules(&schema).to_string(), rules);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn rules<'a>(&'a self, schema: &'a FeatureSchema) -> impl Display {
        Rules { tree: self, schema }
    }
}

struct Rules<'a> {
    tree: &'a Tree,
    schema: &'a FeatureSchema,
}

impl Display for Rules<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if let Some(Node::Leaf { value, cover }) = self.tree.nodes.first() {
            return writeln!(f, "everyone{}", outcome(*value, *cover));
        }
        // Answers that wait to be printed: the split, whether it is its left one, and how deep it stands.
        let mut open = vec![(0, false, 0), (0, true, 0)];
        while let Some((at, is_left, depth)) = open.pop() {
            let Some(&Node::Split { feature, rule, missing_left, left, .. }) = self.tree.nodes.get(at) else {
                continue;
            };
            let answer = self.answer(usize::from(feature), rule, missing_left, is_left);
            write!(f, "{:indent$}{answer}", "", indent = 2 * depth)?;
            let child = left as usize + usize::from(!is_left);
            // Children stand behind their parents; a tree that nobody has checked yet must not print forever.
            match self.tree.nodes.get(child).filter(|_| child > at) {
                Some(Node::Leaf { value, cover }) => writeln!(f, "{}", outcome(*value, *cover))?,
                Some(Node::Split { .. }) => {
                    writeln!(f)?;
                    open.extend([(child, false, depth + 1), (child, true, depth + 1)]);
                }
                None => writeln!(f)?,
            }
        }
        Ok(())
    }
}

fn outcome(value: f32, cover: f32) -> String {
    let share = 100.0 * f64::from(value);
    // Most weights are whole.
    let n_decimals = usize::from(cover.fract() != 0.0);
    format!(" -> {share:.1} % churn (n = {cover:.n_decimals$})")
}

impl Rules<'_> {
    fn answer(&self, position: usize, rule: SplitRule, missing_left: bool, is_left: bool) -> String {
        let feature = self.schema.features().get(position);
        let name = feature.map_or_else(|| format!("feature {position}"), |feature| feature.name().to_owned());
        let levels = feature.map_or(&[] as &[String], Feature::levels);
        if all_known_go_left(rule, levels) == Some(!missing_left) {
            return format!("{name} is {}", if is_left == missing_left { "missing" } else { "known" });
        }
        let is_boolean = feature.is_some_and(|feature| *feature.kind() == FeatureKind::Boolean);
        let answer = match rule {
            // Booleans are 0 and 1.
            SplitRule::Below(value) if is_boolean && value > 0.0 && value <= 1.0 => {
                if is_left {
                    "is no".to_owned()
                } else {
                    "is yes".to_owned()
                }
            }
            SplitRule::Below(value) => format!("{} {value}", if is_left { "<" } else { ">=" }),
            SplitRule::Levels(set) => level_list(set, levels, is_left),
        };
        let or_missing = if missing_left == is_left { " (or missing)" } else { "" };
        format!("{name} {answer}{or_missing}")
    }
}

/// Whether every value that is known goes left (or, of levels, right), so that the split asks whether there is one.
fn all_known_go_left(rule: SplitRule, levels: &[String]) -> Option<bool> {
    match rule {
        SplitRule::Below(value) => (value == f32::INFINITY).then_some(true),
        SplitRule::Levels(set) => {
            let n_left = (0..=u8::MAX).zip(levels).filter(|(code, _)| set.contains(*code)).count();
            (n_left == levels.len()).then_some(true).or((n_left == 0).then_some(false))
        }
    }
}

/// The levels on that side, or those on the other where they are fewer.
fn level_list(set: LevelSet, levels: &[String], is_left: bool) -> String {
    let side = |wanted: bool| -> Vec<&str> {
        let coded = (0..=u8::MAX).zip(levels);
        coded.filter(|(code, _)| set.contains(*code) == wanted).map(|(_, level)| level.as_str()).collect()
    };
    let (here, there) = (side(is_left), side(!is_left));
    let (word, listed) = if here.len() <= there.len() { ("in", here) } else { ("not in", there) };
    format!("{word} {{{}}}", listed.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema() -> FeatureSchema {
        let levels = ["IT", "consulting", "energy", "media", "retail"].map(str::to_owned).to_vec();
        FeatureSchema::new(vec![
            Feature::numeric("job30"),
            Feature::category("industry", levels),
            Feature::boolean("has_plan"),
            Feature::numeric("sentiment"),
        ])
        .expect("valid")
    }

    fn split(feature: u16, rule: SplitRule, missing_left: bool, left: u32) -> Node {
        Node::Split { feature, rule, missing_left, left, cover: 1.0 }
    }

    fn leaf(value: f32, cover: f32) -> Node {
        Node::Leaf { value, cover }
    }

    fn levels(codes: &[u8]) -> SplitRule {
        SplitRule::Levels(codes.iter().copied().collect())
    }

    #[test]
    fn a_tree_reads_like_this() {
        let tree = Tree {
            nodes: vec![
                split(0, SplitRule::Below(4.5), true, 1),
                split(1, levels(&[0, 1, 4]), false, 3),
                split(2, SplitRule::Below(0.5), false, 5),
                leaf(0.831, 412.0),
                split(3, SplitRule::Below(f32::INFINITY), false, 7),
                split(3, SplitRule::Below(-0.1), true, 9),
                leaf(0.0, 37.0),
                split(1, levels(&[]), true, 11),
                leaf(0.5, 16.0),
                leaf(1.0, 5.0),
                leaf(0.015, 1_234.5),
                leaf(0.25, 8.0),
                leaf(0.125, 64.0),
            ],
        };
        let rules = "\
job30 < 4.5 (or missing)
  industry not in {energy, media} -> 83.1 % churn (n = 412)
  industry in {energy, media} (or missing)
    sentiment is known
      industry is missing -> 25.0 % churn (n = 8)
      industry is known -> 12.5 % churn (n = 64)
    sentiment is missing -> 50.0 % churn (n = 16)
job30 >= 4.5
  has_plan is no
    sentiment < -0.1 (or missing) -> 100.0 % churn (n = 5)
    sentiment >= -0.1 -> 1.5 % churn (n = 1234.5)
  has_plan is yes (or missing) -> 0.0 % churn (n = 37)
";
        assert_eq!(tree.rules(&schema()).to_string(), rules);
    }

    #[test]
    fn of_equally_many_levels_both_sides_are_named() {
        let four = ["a", "b", "c", "d"].map(str::to_owned).to_vec();
        let schema = FeatureSchema::new(vec![Feature::category("level", four)]).expect("valid");
        let tree = Tree { nodes: vec![split(0, levels(&[0, 3]), true, 1), leaf(0.0, 1.0), leaf(1.0, 1.0)] };
        let rules = "\
level in {a, d} (or missing) -> 0.0 % churn (n = 1)
level in {b, c} -> 100.0 % churn (n = 1)
";
        assert_eq!(tree.rules(&schema).to_string(), rules);
    }

    #[test]
    fn a_tree_without_splits_speaks_of_everyone() {
        let tree = Tree { nodes: vec![leaf(0.204, 10_000_000.0)] };
        assert_eq!(tree.rules(&schema()).to_string(), "everyone -> 20.4 % churn (n = 10000000)\n");
        assert_eq!(Tree::default().rules(&schema()).to_string(), "");
    }

    #[test]
    fn split_values_are_printed_as_short_as_they_read_back() {
        for (value, text) in [(5.0, "5"), (0.1, "0.1"), (16_777_216.0, "16777216"), (1.0_f32.next_up(), "1.0000001")] {
            let tree =
                Tree { nodes: vec![split(0, SplitRule::Below(value), false, 1), leaf(0.0, 1.0), leaf(1.0, 1.0)] };
            let printed = tree.rules(&schema()).to_string();
            assert!(printed.starts_with(&format!("job30 < {text} -> ")), "{printed}");
            assert_eq!(text.parse(), Ok(value));
        }
    }

    #[test]
    fn a_tree_that_is_no_tree_prints_without_panic_or_end() {
        let tree = Tree { nodes: vec![split(9, SplitRule::Below(1.0), false, 0), leaf(0.5, 1.0)] };
        let rules = "feature 9 < 1\nfeature 9 >= 1 (or missing) -> 50.0 % churn (n = 1)\n";
        assert_eq!(tree.rules(&schema()).to_string(), rules);
    }
}
