//! The program `train`, wherever it is built in: a command line, or the job of a SageMaker container.

use std::ffi::OsString;
use std::process::ExitCode;

use crate::console::Console;
use crate::sagemaker::{self, Base};
use crate::{TrainConfig, train};

/// Does the training job that SageMaker has laid out in `/opt/ml`, or the folder that `SAGEMAKER_BASE_DIR` names. Without
/// one it fails, and says so: in a container nobody wants a simulated world because a mount is missing.
pub fn job() -> ExitCode {
    sagemaker::run(&Base::of_container())
}

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
