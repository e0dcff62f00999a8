/// Where a learner tells how far it is.
pub struct Progress<'a> {
    step: Option<&'a (dyn Fn() + Sync)>,
}

impl<'a> Progress<'a> {
    /// Calls `step` after each tree, from whichever thread grew it.
    pub fn new(step: &'a (dyn Fn() + Sync)) -> Self {
        Self { step: Some(step) }
    }

    /// Tells nobody.
    pub fn silent() -> Self {
        Self { step: None }
    }

    pub(crate) fn step(&self) {
        if let Some(step) = self.step {
            step();
        }
    }
}
