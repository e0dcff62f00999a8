//! The program `train`, wherever it is built in: a command line, or the job of a SageMaker container.

use std::ffi::OsString;
use std::process::ExitCode;

use crate::console::Console;
use crate::sagemaker::{self, Base};
use crate::{TrainConfig, train};

/// Trains, as these arguments say; the program's name comes first.
///
/// Without any further argument, where SageMaker has laid out a job (in `/opt/ml`, or the folder that
/// `SAGEMAKER_BASE_DIR` names), it does that job.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    if args.len() <= 1
        && let Some(base) = Base::of_job()
    {
        return sagemaker::run(&base);
    }
    let console = Console::new();
    match TrainConfig::from_args(args).and_then(|config| train(&config, &console)) {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => error.report(),
    }
}
