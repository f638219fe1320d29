//! Where the work of a build runs: the library has no threads, so its callers lend them.
//!
//! A face implements [`Executor`] over its thread pool in one line (with rayon:
//! `(0..count).into_par_iter().map(task).collect()`). Tasks are pure functions of their index and
//! results come back in index order, so nothing that is built depends on the number of threads.

use alloc::vec::Vec;

/// Runs independent tasks, possibly at the same time.
pub trait Executor {
    /// Calls `task` once for every index below `count` and returns the results in index order.
    fn map<T, F>(&self, count: usize, task: F) -> Vec<T>
    where
        T: Send,
        F: Fn(usize) -> T + Send + Sync;
}

/// Runs every task on the calling thread, in order.
#[derive(Debug, Clone, Copy, Default)]
pub struct Serial;

impl Executor for Serial {
    fn map<T, F>(&self, count: usize, task: F) -> Vec<T>
    where
        T: Send,
        F: Fn(usize) -> T + Send + Sync,
    {
        (0..count).map(task).collect()
    }
}
