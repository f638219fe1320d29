//! Under construction.

/// Support from which on a citation counts as borne out.
pub const SUPPORTED: f32 = 0.5;
