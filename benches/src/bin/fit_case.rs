//! Fits our forest once, in a process of its own, and prints what that took as one line of JSON.
//!
//! ```text
//! cargo run --release -p churn-benches --bin fit_case -- --rows 100000 --threads 2
//! ```

use churn_benches::{CaseArgs, Error, Table, forest_learner, schema};
use churn_model::ForestModel;
use churn_model::fit::Observations;
use clap::Parser;
use rayon::ThreadPoolBuilder;

/// Fits our forest and prints time, memory and quality as one line of JSON.
#[derive(Debug, Parser)]
struct Args {
    #[command(flatten)]
    case: CaseArgs,
    /// Only write the table to the data folder, for this and for other engines
    #[arg(long, requires = "data_dir")]
    prepare: bool,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let Args { case, prepare } = Args::parse();
    if prepare {
        return Ok(case.prepare()?);
    }
    let n_threads = case.threads;
    let pool = ThreadPoolBuilder::new().num_threads(n_threads).build();
    let pool = pool.map_err(|source| Error::Threads { n_threads, source })?;
    let (schema, learner) = (schema(), forest_learner(case.seed));
    let fit = |table: &Table| {
        pool.install(|| {
            let observations = Observations::new(&schema, table.features.view(), &table.labels)?;
            learner.fit(&observations)
        })
        .map_err(Error::fit)
    };
    let report = case.run("churn-model", fit, scores, |model| Some(model.n_nodes()))?;
    Ok(report.print()?)
}

fn scores(model: &ForestModel, table: &Table) -> Result<Vec<f64>, Error> {
    let rows = table.features.as_slice().into_iter().flat_map(|values| values.chunks_exact(table.features.ncols()));
    Ok(rows.map(|row| model.raw_score(row)).collect())
}
