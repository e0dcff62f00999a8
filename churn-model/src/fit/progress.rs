//! How far a learner is, and whether it shall stop.

use std::sync::atomic::{AtomicBool, Ordering};

use super::FitError;

/// A step of fitting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A setting was tried that the data choose between.
    Trial,
    /// A tree or a fold of what was asked for is ready.
    Part,
}

/// Where a learner tells how far it is, and is told to stop.
#[derive(Clone, Copy)]
pub struct Progress<'a> {
    step: Option<&'a (dyn Fn(Step) + Sync)>,
    stop: Option<&'a AtomicBool>,
}

impl<'a> Progress<'a> {
    /// Calls `step` after each step, from whichever thread took it.
    pub fn new(step: &'a (dyn Fn(Step) + Sync)) -> Self {
        Self { step: Some(step), stop: None }
    }

    /// Tells nobody.
    pub fn silent() -> Self {
        Self { step: None, stop: None }
    }

    /// The same, and fitting ends with [`FitError::Stopped`] soon after `stop` has become true: within a node of a tree or
    /// a step of an optimisation.
    pub fn until(self, stop: &'a AtomicBool) -> Self {
        Self { stop: Some(stop), ..self }
    }

    /// Tells nobody, and is stopped with this one.
    pub(crate) fn without_steps(self) -> Self {
        Self { step: None, ..self }
    }

    pub(crate) fn step(&self, done: Step) {
        if let Some(step) = self.step {
            step(done);
        }
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stop.is_some_and(|stop| stop.load(Ordering::Relaxed))
    }

    /// Ends what has been stopped.
    pub(crate) fn check(&self) -> Result<(), FitError> {
        if self.is_stopped() { Err(FitError::Stopped) } else { Ok(()) }
    }
}
