//! Tenants that do not exist.
