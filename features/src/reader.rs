use std::collections::HashMap;

use crate::catalog::{DEFINITIONS, Definition};
use crate::observed::Observed;
use crate::{Error, FeatureSchema, Kept, catalogue};

/// Reads the features of a schema out of tenant states.
///
/// The schema may name any features of the catalogue, in any order.
#[derive(Debug, Clone)]
pub struct FeatureReader {
    schema: FeatureSchema,
    columns: Vec<Column>,
    needs: Kept,
    industries: HashMap<String, u16>,
}

#[derive(Debug, Clone, Copy)]
enum Column {
    Industry,
    Number(fn(&Observed) -> f64),
}

impl FeatureReader {
    /// A reader of the features of that schema.
    ///
    /// # Errors
    /// When the schema names a feature that the catalogue does not have, or gives one another kind.
    pub fn new(schema: &FeatureSchema) -> Result<Self, Error> {
        let columns = schema.features().iter().map(|feature| {
            let entry = catalogue().iter().find(|entry| entry.feature.name() == feature.name());
            let entry = entry.ok_or_else(|| Error::NotInCatalogue { name: feature.name().to_owned() })?;
            if entry.feature.kind().word() != feature.kind().word() {
                return Err(Error::WrongKind {
                    feature: feature.name().to_owned(),
                    found: feature.kind().word(),
                    expected: entry.feature.kind().word(),
                });
            }
            Ok(if feature.is_category() {
                Column::Industry
            } else {
                Column::Number(DEFINITIONS[usize::from(entry.number) - 1].read)
            })
        });
        let columns = columns.collect::<Result<_, _>>()?;
        let levels = schema.features().iter().flat_map(|feature| feature.levels());
        let industries = levels.zip(0..).map(|(level, code)| (level.clone(), code)).collect();
        let entries = schema.features().iter().filter_map(|feature| definition(feature.name()));
        let needs = entries.fold(Kept::NOTHING, |needs, entry| needs.union(entry.needs));
        Ok(Self { schema: schema.clone(), columns, needs, industries })
    }

    /// Number of features.
    pub fn width(&self) -> usize {
        self.columns.len()
    }

    /// The features, in the order that they are read.
    pub fn schema(&self) -> &FeatureSchema {
        &self.schema
    }

    /// The code of an industry; `None` when it is not a level of the schema.
    pub(crate) fn industry_code(&self, industry: &str) -> Option<u16> {
        self.industries.get(industry).copied()
    }

    /// What a state must keep for these features, and all that it need keep: see [`StateOptions::kept`](crate::StateOptions).
    pub fn needs(&self) -> Kept {
        self.needs
    }

    /// # Errors
    /// When a state that keeps this cannot be read.
    pub(crate) fn check(&self, kept: Kept) -> Result<(), Error> {
        if kept.contains(self.needs) {
            return Ok(());
        }
        let mut entries = self.schema.features().iter().filter_map(|feature| definition(feature.name()));
        match entries.find(|entry| !kept.contains(entry.needs)) {
            Some(entry) => Err(Error::NotKept { feature: entry.name, needed: entry.needs, kept }),
            None => Ok(()),
        }
    }

    pub(crate) fn read(&self, observed: &Observed, industry: Option<&str>, features: &mut [f32]) {
        for (feature, column) in features.iter_mut().zip(&self.columns) {
            *feature = match column {
                Column::Industry => industry.and_then(|name| self.industry_code(name)).map_or(f32::NAN, f32::from),
                Column::Number(read) => read(observed) as f32,
            };
        }
    }
}

fn definition(name: &str) -> Option<&'static Definition> {
    DEFINITIONS.iter().find(|definition| definition.name == name).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Feature, catalogue_schema};

    #[test]
    fn any_subset_in_any_order_is_read_and_anything_else_refused() {
        let schema = |features| FeatureSchema::new(features).expect("valid");
        let reader = FeatureReader::new(&schema(vec![Feature::numeric("seats"), Feature::numeric("job30")]));
        assert_eq!(reader.expect("both exist").width(), 2);
        assert_eq!(
            FeatureReader::new(&schema(vec![Feature::numeric("job31")])).expect_err("unknown"),
            Error::NotInCatalogue { name: "job31".into() }
        );
        assert_eq!(
            FeatureReader::new(&schema(vec![Feature::numeric("industry")])).expect_err("kind"),
            Error::WrongKind { feature: "industry".into(), found: "number", expected: "category" }
        );
    }

    #[test]
    fn an_unseen_industry_is_missing() {
        let reader = FeatureReader::new(&catalogue_schema(&["energy".into(), "retail".into()]).expect("valid"));
        let reader = reader.expect("the catalogue itself");
        assert_eq!((reader.industry_code("retail"), reader.industry_code("space")), (Some(1), None));
        let mut features = vec![0.0; reader.width()];
        reader.read(&Observed::default(), Some("retail"), &mut features);
        assert_eq!(features[0], 1.0);
        reader.read(&Observed::default(), Some("space"), &mut features);
        assert!(features[0].is_nan());
    }
}
