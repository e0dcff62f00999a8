use super::{ForestModel, LEAF};

impl ForestModel {
    /// The same forest, where the cover of each node is the number of `rows` that reach it.
    ///
    /// For forests from a library that keeps no cover, before they are explained: explanations weigh the two sides of a
    /// split by their cover. The rows that the forest was fitted on are the natural choice.
    ///
    /// # Panics
    /// When a row does not have [`n_features`](Self::n_features) values.
    /// # Cost
    /// O(rows x trees x depth). Counts are kept as f32, exact up to 16,777,216 rows.
    #[must_use]
    pub fn with_counted_cover<'a>(mut self, rows: impl IntoIterator<Item = &'a [f32]>) -> Self {
        let mut counts = vec![0_u32; self.n_nodes()];
        for row in rows {
            assert_eq!(row.len(), self.n_features(), "a feature vector has one value per feature");
            for tree in 0..self.n_trees() {
                let start = self.tree_starts[tree] as usize;
                let mut at = start;
                counts[at] += 1;
                while self.feature[at] != LEAF {
                    let goes_left = self.goes_left(at, row[usize::from(self.feature[at])]);
                    at = start + self.left[at] as usize + usize::from(!goes_left);
                    counts[at] += 1;
                }
            }
        }
        self.cover = counts.into_iter().map(|count| count as f32).collect();
        self
    }
}

#[cfg(test)]
mod tests {
    use churn_features::{Feature, FeatureSchema};

    use crate::forest::{Combine, ForestModel, Node, SplitRule, Tree};

    #[test]
    fn every_node_covers_the_rows_that_reach_it() {
        let schema = FeatureSchema::new(vec![Feature::numeric("jobs")]).expect("valid");
        let split = |split_value, left| Node::Split {
            feature: 0,
            rule: SplitRule::Below(split_value),
            missing_left: true,
            left,
            cover: 0.0,
        };
        let leaf = Node::Leaf { value: 0.5, cover: 0.0 };
        let deep = Tree { nodes: vec![split(2.0, 1), leaf, split(5.0, 3), leaf, leaf] };
        let flat = Tree { nodes: vec![leaf] };
        let forest = ForestModel::new(&schema, Combine::MeanShare, &[deep, flat]).expect("valid");

        let rows = [[1.0], [2.0], [4.0], [9.0], [f32::NAN]];
        let counted = forest.with_counted_cover(rows.iter().map(|row| row.as_slice()));

        let cover = |tree: &Tree| -> Vec<f32> {
            tree.nodes
                .iter()
                .map(|node| match *node {
                    Node::Leaf { cover, .. } | Node::Split { cover, .. } => cover,
                })
                .collect()
        };
        assert_eq!(cover(&counted.tree(0)), [5.0, 2.0, 3.0, 2.0, 1.0]);
        assert_eq!(cover(&counted.tree(1)), [5.0]);
    }
}
