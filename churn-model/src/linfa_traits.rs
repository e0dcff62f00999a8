//! `Predict` of the linfa ecosystem for our models.
//!
//! Predictions are linfa's probabilities, `Array1<Pr>`, which its `roc` and `log_loss` take.

use linfa::Float;
use linfa::dataset::Pr;
use linfa::traits::PredictInplace;
use ndarray_of_linfa::{Array1, ArrayBase, Data, Ix2};

use crate::calibrator::RawScale;
use crate::forest::{Combine, ForestModel};
use crate::linear::LinearModel;
use crate::model::Model;

macro_rules! predicts_probabilities {
    ($model:ty, $n_features:expr, $probability:expr) => {
        impl<F: Float, D: Data<Elem = F>> PredictInplace<ArrayBase<D, Ix2>, Array1<Pr>> for $model {
            /// Writes the churn probability of each record into `y`; values beyond f32 count as infinite.
            ///
            /// # Panics
            /// When `x` does not have one column per feature, or `y` not one entry per record.
            fn predict_inplace<'a>(&'a self, x: &'a ArrayBase<D, Ix2>, y: &mut Array1<Pr>) {
                assert_eq!(x.ncols(), $n_features(self), "a record has one value per feature");
                assert_eq!(x.nrows(), y.len(), "there is one probability per record");
                let mut row = vec![0.0; x.ncols()];
                for (record, y) in x.rows().into_iter().zip(y) {
                    row.iter_mut().zip(record).for_each(|(value, &given)| *value = f32::cast(given));
                    *y = Pr::new_unchecked($probability(self, &row) as f32);
                }
            }

            fn default_target(&self, x: &ArrayBase<D, Ix2>) -> Array1<Pr> {
                Array1::default(x.nrows())
            }
        }
    };
}

predicts_probabilities!(ForestModel, Self::n_features, |forest: &Self, row: &[f32]| {
    let scale = match forest.combine() {
        Combine::MeanShare => RawScale::Share,
        Combine::SumLogOdds { .. } => RawScale::LogOdds,
    };
    scale.probability(forest.raw_score(row))
});

predicts_probabilities!(LinearModel, |linear: &Self| linear.terms().len(), |linear: &Self, row: &[f32]| {
    RawScale::LogOdds.probability(linear.raw_score(row))
});

predicts_probabilities!(Model, |model: &Self| model.schema().len(), Self::score);
