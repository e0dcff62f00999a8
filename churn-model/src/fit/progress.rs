/// A step of fitting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A setting was tried that the data choose between.
    Trial,
    /// A tree or a fold of what was asked for is ready.
    Part,
}

/// Where a learner tells how far it is.
pub struct Progress<'a> {
    step: Option<&'a (dyn Fn(Step) + Sync)>,
}

impl<'a> Progress<'a> {
    /// Calls `step` after each step, from whichever thread took it.
    pub fn new(step: &'a (dyn Fn(Step) + Sync)) -> Self {
        Self { step: Some(step) }
    }

    /// Tells nobody.
    pub fn silent() -> Self {
        Self { step: None }
    }

    pub(crate) fn step(&self, done: Step) {
        if let Some(step) = self.step {
            step(done);
        }
    }
}
