//! What holds for the learners on every table.
#![cfg(feature = "fit")]
#![expect(clippy::unwrap_used, reason = "a helper of tests that unwraps fails with the place, like the tests")]

mod bad_inputs;
mod calibrator;
mod data;
mod edges;
mod forest;
mod linear;
mod linear_golden;
mod missing;
mod out_of_bag;
mod trees;
