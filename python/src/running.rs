//! Work that takes long: on a thread pool of its own size, without the interpreter lock, until someone presses Ctrl-C.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use pyo3::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::error::ChurnError;

/// How often the thread that waits looks for an interrupt.
const LOOKS: Duration = Duration::from_millis(20);

/// Threads per core, at most, whatever is asked for.
const MOST_THREADS_PER_CORE: usize = 8;

/// Pools that are kept, at most: a process that asks for ever other numbers of threads shall not fill up with them.
const MOST_POOLS: usize = 4;

/// Thread pools by number of threads.
type Pools = HashMap<usize, Arc<ThreadPool>>;

/// The pools in use, and the process that started them: a forked child inherits none of their threads.
static POOLS: Mutex<Option<(u32, Pools)>> = Mutex::new(None);

/// Does something on so many threads without the interpreter lock. When Python is interrupted meanwhile, `is_stopped` is
/// set, and the interrupt is raised as soon as the job has ended.
///
/// `n_jobs` is scikit-learn's: so many threads, all cores but `-1 - n_jobs` when negative; all cores when `None`.
///
/// # Errors
/// The interrupt; or when `n_jobs` is 0 or the threads cannot be started.
pub(crate) fn run<T: Send>(
    py: Python<'_>,
    n_jobs: Option<i32>,
    job: impl FnOnce(&AtomicBool) -> T + Send,
) -> PyResult<T> {
    let n_threads = n_threads(n_jobs)?;
    if is_nested() {
        // It would wait for threads that may be waiting for this one.
        return Ok(py.detach(|| job(&AtomicBool::new(false))));
    }
    run_on(py, &*pool(n_threads)?, job)
}

/// As [`run`], on threads that nobody else has: for a job that waits for Python code, for however long, while other calls
/// want to go on, or while that code waits for them.
///
/// # Errors
/// As [`run`].
pub(crate) fn run_apart<T: Send>(
    py: Python<'_>,
    n_jobs: Option<i32>,
    job: impl FnOnce(&AtomicBool) -> T + Send,
) -> PyResult<T> {
    run_on(py, &new_pool(n_threads(n_jobs)?)?, job)
}

fn run_on<T: Send>(py: Python<'_>, pool: &ThreadPool, job: impl FnOnce(&AtomicBool) -> T + Send) -> PyResult<T> {
    let is_stopped = AtomicBool::new(false);
    let mut interrupt = None;
    let outcome = py.detach(|| {
        let (done, waiting) = mpsc::channel();
        pool.in_place_scope(|scope| {
            let is_stopped = &is_stopped;
            scope.spawn(move |_| {
                // The other end waits for it until the scope ends.
                let _ = done.send(job(is_stopped));
            });
            loop {
                match waiting.recv_timeout(LOOKS) {
                    Ok(outcome) => break Some(outcome),
                    // The job has panicked; the scope goes on panicking, and PyO3 makes an exception of it.
                    Err(mpsc::RecvTimeoutError::Disconnected) => break None,
                    Err(mpsc::RecvTimeoutError::Timeout) if interrupt.is_none() => {
                        if let Err(error) = Python::attach(|py| py.check_signals()) {
                            interrupt = Some(error);
                            is_stopped.store(true, Ordering::Relaxed);
                        }
                    }
                    Err(mpsc::RecvTimeoutError::Timeout) => {}
                }
            }
        })
    });
    match (interrupt, outcome) {
        (Some(interrupt), _) => Err(interrupt),
        (None, Some(outcome)) => Ok(outcome),
        (None, None) => Err(ChurnError::new_err("a worker thread ended without a result")),
    }
}

/// Whether Python code is running that a long call has called: an iterator that it reads, or a progress callback.
pub(crate) fn is_nested() -> bool {
    rayon::current_thread_index().is_some()
}

/// Where an exception waits that was raised by Python code while Rust was at work.
pub(crate) type Raised = Arc<Mutex<Option<PyErr>>>;

/// Takes the exception that has been raised, if any.
pub(crate) fn take_raised(raised: &Raised) -> PyResult<()> {
    raised.lock().unwrap_or_else(PoisonError::into_inner).take().map_or(Ok(()), Err)
}

/// Keeps the first exception that is raised.
pub(crate) fn note_raised(raised: &Raised, error: PyErr) {
    raised.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
}

/// Refuses a number of threads that is none.
///
/// # Errors
/// When `n_jobs` is 0.
pub(crate) fn check_jobs(n_jobs: Option<i32>) -> PyResult<()> {
    if n_jobs == Some(0) {
        return Err(ChurnError::new_err("n_jobs is 0; expected a number of threads, or -1 for all cores"));
    }
    Ok(())
}

fn n_threads(n_jobs: Option<i32>) -> PyResult<usize> {
    check_jobs(n_jobs)?;
    let n_cores = std::thread::available_parallelism().map_or(1, usize::from);
    match n_jobs {
        None => Ok(n_cores),
        // More threads than that only wait for each other.
        Some(n_jobs) if n_jobs > 0 => Ok((n_jobs as usize).min(MOST_THREADS_PER_CORE * n_cores)),
        Some(n_jobs) => Ok((n_cores + 1).saturating_sub(n_jobs.unsigned_abs() as usize).max(1)),
    }
}

fn pool(n_threads: usize) -> PyResult<Arc<ThreadPool>> {
    let process = std::process::id();
    let mut pools = POOLS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((owner, inherited)) = pools.take_if(|(owner, _)| *owner != process) {
        // Dropping a pool waits for its threads, which are in the process that this one was forked from.
        std::mem::forget((owner, inherited));
    }
    let (_, pools) = pools.get_or_insert_with(|| (process, HashMap::new()));
    if let Some(pool) = pools.get(&n_threads) {
        return Ok(Arc::clone(pool));
    }
    if pools.len() >= MOST_POOLS {
        // A pool that is in use lives on, and ends with its job.
        pools.clear();
    }
    let pool = Arc::new(new_pool(n_threads)?);
    Ok(Arc::clone(pools.entry(n_threads).or_insert(pool)))
}

fn new_pool(n_threads: usize) -> PyResult<ThreadPool> {
    ThreadPoolBuilder::new()
        .num_threads(n_threads)
        .thread_name(|number| format!("churn-model-{number}"))
        .build()
        .map_err(|source| ChurnError::new_err(format!("cannot start {n_threads} threads: {source}")))
}
