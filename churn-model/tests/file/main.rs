//! What the model file promises: what is written reads back, and nothing else does.

mod errors;
mod parts;
mod properties;
mod write;
