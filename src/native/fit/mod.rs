//! Fits the query table.
pub mod bags;
pub mod ridge;
