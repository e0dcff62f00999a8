//! The server.

mod admission;
mod config;
mod inference_protocol;
mod metrics;
mod models;
mod program;
mod refusal;
mod routes;
mod server;

pub use program::main;
