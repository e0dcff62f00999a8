//! Writes the golden state of a new format version: `cargo run -p churn-features --example make_golden_state -- FOLDER`.

#[path = "../tests/golden/log.rs"]
mod log;

use std::path::PathBuf;

use churn_features::{FeatureReader, StateOptions, TenantState, catalogue_schema};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = PathBuf::from(std::env::args_os().nth(1).ok_or("which folder?")?);
    let mut state = TenantState::new();
    for event in log::golden_log() {
        state.apply(&event, &StateOptions::default());
    }
    let mut stored = Vec::new();
    state.write_to(&mut stored);
    let reader = FeatureReader::new(&catalogue_schema(&["energy".into()])?)?;
    let mut features = vec![0.0; reader.width()];
    state.features_at(log::golden_date(), &reader, &mut features)?;
    let lines =
        reader.schema().features().iter().zip(features).map(|(feature, value)| format!("{} {value}\n", feature.name()));
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join("features.txt"), lines.collect::<String>())?;
    std::fs::write(folder.join("state.bin"), stored)?;
    Ok(())
}
