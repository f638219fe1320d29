//! vector.
