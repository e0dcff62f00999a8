/// The features of many tenants at one observation date.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct FeatureMatrix<'a> {
    /// Ids of the tenants, ascending.
    pub tenants: Vec<&'a str>,
    /// Feature vectors, one after the other, in the order of `tenants`.
    pub features: Vec<f32>,
    /// Length of a feature vector.
    pub n_features: usize,
}

impl<'a> FeatureMatrix<'a> {
    /// Each tenant with its feature vector.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = (&'a str, &[f32])> {
        self.tenants.iter().copied().zip(self.features.chunks_exact(self.n_features))
    }
}
