//! A SageMaker training job: settings and data from files, a model to a folder, metrics to the log.
//!
//! `docs/sagemaker-training.md` is the contract as users see it.

mod aliases;
mod base;
mod channels;
mod config_files;
mod content_type;
mod data;
mod error;
mod failure;
mod hyperparameters;
mod metrics;
mod rendezvous;
mod stop;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

pub(crate) use base::Base;

use crate::checkpoints;
use crate::console::Console;
use crate::parts::Parts;
use crate::pipeline::{MODEL_FILE, on_threads, train_on};
use crate::{Error, run_folder, summary};
use channels::Channels;
use config_files::Hosts;
use data::Data;
use error::JobError;
use hyperparameters::Hyperparameters;
use stop::Stop;

/// The files that are part of the model; what else a run leaves goes to the output folder.
const MODEL_FILES: [&str; 3] = [MODEL_FILE, "model-card.md", "report.html"];

/// Does the job, and leaves a reason behind where it fails.
pub(crate) fn run(base: &Base) -> ExitCode {
    failure::forget(base);
    let Err(reason) = reasoned(|| job(base, &Console::plain())) else { return ExitCode::SUCCESS };
    Console::on_standard_error().line(format!("error: {reason}"));
    failure::write(base, &reason);
    ExitCode::FAILURE
}

fn job(base: &Base, console: &Console) -> Result<(), JobError> {
    let stop = Stop::listen()?;
    let hosts = Hosts::read(base)?;
    if let Some(first) = hosts.other_that_fits() {
        console.line(format!("host {first} fits the model; {} has nothing to do", hosts.current()));
        if !rendezvous::wait_for(first) {
            console.line(format!("host {first} is not reached, so its end is not waited for"));
        }
        return Ok(());
    }
    if hosts.len() > 1 {
        rendezvous::let_others_wait();
    }
    let (model_folder, output_folder) = (base.model(), base.output_data());
    for folder in [&model_folder, &output_folder] {
        run_folder::check_folder(folder)?;
    }
    let hyperparameters = Hyperparameters::read(base, console)?;
    let channels = Channels::find(base, console)?;
    let Data { mut config, mut loaded, rows } = Data::read(&channels, &hyperparameters, console)?;
    config.checkpoints = config_files::checkpoints(base)?;
    checkpoints::prepare(&config)?;
    if hosts.len() > 1 && channels.all().any(|channel| channel.is_sharded) {
        let caveat = format!(
            "fitted on one of {} shards: the channels are ShardedByS3Key, and one host fits alone; use FullyReplicated",
            hosts.len()
        );
        loaded.caveats.push(caveat);
    }
    let mut trained = on_threads(config.threads, || {
        let cut = |config: &_, loaded: &_| match &rows {
            Some(rows) => rows.cut(config, loaded, console),
            None => Parts::cut(config, loaded),
        };
        let trained = match train_on(&config, &loaded, cut, console) {
            Err(error @ (Error::Fit { .. } | Error::Evaluate { .. })) => {
                let repeated = rows.as_ref().and_then(|rows| rows.repeated(&loaded.set));
                let Some((parts, caveat)) = repeated else { return Err(error) };
                console
                    .line(format!("again with every row for everything, because too few are there: {}", error.line()));
                loaded.caveats.push(caveat);
                // What is wrong with so few rows is what is wrong with the first attempt.
                train_on(&config, &loaded, |_, _| Ok(parts), console).map_err(|_| error)?
            }
            trained => trained?,
        };
        summary::print_results(console, &trained.outcome);
        metrics::print(&trained, &loaded.set, rows.as_ref(), hosts.current(), hyperparameters.beta)?;
        Ok(trained)
    })?;
    let model = trained.files.take(&MODEL_FILES);
    stop.while_writing(|| {
        // The model last: whoever finds it finds everything.
        trained.files.write(&output_folder)?;
        model.write(&model_folder)
    })?;
    console.line(format!("model written to {}", model_folder.display()));
    Ok(())
}

/// Why a job failed, in one line, also where a bug ended it.
fn reasoned(job: impl FnOnce() -> Result<(), JobError>) -> Result<(), String> {
    match catch_unwind(AssertUnwindSafe(job)) {
        Ok(done) => done.map_err(|error| error.line()),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no reason given");
            Err(format!("a bug in churn training stopped the job; please report it: {}", text.replace('\n', " ")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bug_ends_in_a_reason_like_any_failure() {
        let reason = reasoned(|| panic!("row {} is\nnot there", 7)).unwrap_err();
        assert_eq!(reason, "a bug in churn training stopped the job; please report it: row 7 is not there");
        assert_eq!(reasoned(|| Ok(())), Ok(()));
    }
}
