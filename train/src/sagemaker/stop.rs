//! SIGTERM: SageMaker stops a job and waits 120 seconds, and as the first process of a container nobody else reacts.

use std::process;
use std::sync::{Arc, Mutex, PoisonError};

use signal_hook::consts::SIGTERM;
use signal_hook::iterator::Signals;

use super::error::JobError;
use crate::console::Console;

/// What a shell gives a process that ended by SIGTERM: the job is neither done nor failed.
const STOPPED: i32 = 128 + SIGTERM;

/// Ends the process on SIGTERM, but never while files are written.
///
/// Ending at once needs no help of whatever the job is doing, be it reading, fitting or evaluating. Nothing has been
/// written before [`while_writing`](Self::while_writing), and everything has after it, so that a model folder holds a
/// whole model or none. Learners that were fitted by then are in the folder of checkpoints, each a whole file.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stop(Arc<Mutex<()>>);

impl Stop {
    /// Listens from now on.
    pub(crate) fn listen() -> Result<Self, JobError> {
        let stop = Self::default();
        let mut signals = Signals::new([SIGTERM]).map_err(|source| JobError::Signal { source })?;
        let writing = stop.0.clone();
        std::thread::spawn(move || {
            if signals.forever().next().is_some() {
                // Also when a write has panicked: then nothing more is coming.
                let _written = writing.lock().unwrap_or_else(PoisonError::into_inner);
                Console::plain().line("stopped by SIGTERM; the model folder holds a whole model or none");
                process::exit(STOPPED);
            }
        });
        Ok(stop)
    }

    /// Does something that is not to be cut short.
    pub(crate) fn while_writing<T>(&self, write: impl FnOnce() -> T) -> T {
        let _writing = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        write()
    }
}
