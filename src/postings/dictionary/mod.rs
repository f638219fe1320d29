//! Dictionary.
