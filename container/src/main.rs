//! The image's only program: `train` and `serve`, by its first argument or its own name.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::ExitCode;

/// What the program can be called.
const TRAIN: &str = "train";
const SERVE: &str = "serve";

fn main() -> ExitCode {
    let mut args: Vec<OsString> = std::env::args_os().collect();
    let own_name = args.first().and_then(|path| Path::new(path).file_stem()).map(OsStr::to_owned);
    // SageMaker starts an image with the word behind the entry point; a link of that name does without.
    if !own_name.is_some_and(|name| name == TRAIN || name == SERVE) && !args.is_empty() {
        args.remove(0);
    }
    let word = args.first().and_then(|path| Path::new(path).file_stem()).and_then(OsStr::to_str);
    match word {
        Some(TRAIN) if args.len() == 1 => churn_train::job(),
        Some(TRAIN) => churn_train::main(args),
        Some(SERVE) => churn_serve::main(args),
        Some("--help" | "-h" | "help") => help(),
        Some("--version" | "-V") => version(),
        other => usage(other),
    }
}

#[expect(clippy::print_stdout, reason = "this is a binary's main function")]
fn help() -> ExitCode {
    println!(
        "Trains and serves churn models, as SageMaker starts an image.\n\n\
         churn train           does the job laid out in /opt/ml, or the folder that SAGEMAKER_BASE_DIR names\n\
         churn train OPTIONS   is the command line of `churn train --help`\n\
         churn serve           answers on port 8080; see `churn serve --help`"
    );
    ExitCode::SUCCESS
}

#[expect(clippy::print_stdout, reason = "this is a binary's main function")]
fn version() -> ExitCode {
    println!("churn {}", env!("CARGO_PKG_VERSION"));
    ExitCode::SUCCESS
}

#[expect(clippy::print_stderr, reason = "this is a binary's main function")]
fn usage(word: Option<&str>) -> ExitCode {
    let found = word.map(|word| format!("{word:?} is not what this program does; ")).unwrap_or_default();
    eprintln!("error: {found}expected train or serve as the first word, such as in `churn serve --help`");
    ExitCode::from(2)
}
