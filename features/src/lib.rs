//! What a model may know about a tenant on an observation date.
//!
//! - The **feature schema**: the ordered list of named, documented features that a model was fitted on. It travels inside
//!   the model file, and every boundary (a CSV header, a data frame, a request body) is matched against it by name, so
//!   that training and serving cannot silently disagree.
//! - The **catalogue**: the features that can be derived from events.
//! - The **tenant state**: what is remembered of a tenant's events, so that the features can be read at any time. A
//!   training set and a live system read them from the same state, so the two cannot disagree either.
//! - **Records** (feature `records`): rows in SageMaker's RecordIO-protobuf and in LIBSVM's text, and the media
//!   types of all formats that rows come in.
//! - The **feature store**: the states of many tenants, fed on all cores, and kept in a file.

mod catalog;
mod cell;
mod charge;
mod data_size;
mod error;
#[cfg(feature = "store")]
mod event_counts;
#[cfg(feature = "store")]
mod feature_matrix;
mod job;
mod kept;
mod login;
mod observed;
mod options;
#[cfg(feature = "store")]
mod parallel;
mod reader;
#[cfg(feature = "records")]
mod records;
mod schema;
mod seat;
mod session;
#[cfg(feature = "store")]
mod snapshot;
mod state;
#[cfg(feature = "store")]
mod store;
mod tenant;
mod usage;
mod user;
mod value_reader;

pub use catalog::{CatalogueFeature, Family, ORIGINAL_COLUMNS, catalogue, catalogue_page, catalogue_schema};
pub use cell::{Cell, MISSING_WORDS, yes_or_no};
pub use error::Error;
#[cfg(feature = "store")]
pub use event_counts::EventCounts;
#[cfg(feature = "store")]
pub use feature_matrix::FeatureMatrix;
pub use kept::Kept;
pub use observed::MAX_LOOKBACK_DAYS;
pub use options::{Applied, StateOptions};
pub use reader::FeatureReader;
#[cfg(feature = "records")]
pub use records::{
    FeatureRecord, IndexBase, RecordError, RecordPlace, RecordReader, RecordValues, RowFormat, read_libsvm,
    read_libsvm_line, write_answer, write_row,
};
pub use schema::{Feature, FeatureKind, FeatureSchema, Fingerprint, MAX_LEVELS};
#[cfg(feature = "store")]
pub use snapshot::SnapshotError;
pub use state::{TenantState, WindowCounts};
#[cfg(feature = "store")]
pub use store::{FeatureStore, StoreOptions};
pub use value_reader::{TextError, TextValue, ValueReader};
