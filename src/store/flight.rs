//! Blocks that are on their way.

use crate::index::Extent;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::future::poll_fn;
use core::task::Poll;
use core::task::Waker;

/// What searches of one store are reading just now, so that none reads what another one reads.
#[derive(Debug, Default)]
pub struct Flights {
    extents: RefCell<Vec<Extent>>,
    waiting: RefCell<Vec<Waker>>,
}

impl Flights {
    /// Takes those of `extents` that nobody reads, and leaves the others.
    pub fn claim(&self, extents: &mut Vec<Extent>) -> Claim<'_> {
        let mut flying = self.extents.borrow_mut();
        let (others, claimed) = extents.iter().partition(|extent| flying.contains(extent));
        *extents = others;
        flying.extend_from_slice(&claimed);
        Claim {
            flights: self,
            extents: claimed,
        }
    }

    /// Forgets all that is being read.
    pub fn release(&self) {
        self.extents.borrow_mut().clear();
        self.wake();
    }

    fn wake(&self) {
        for waker in self.waiting.take() {
            waker.wake();
        }
    }

    /// Waits until none of `extents` is read any more, by whatever end the reading came to.
    pub async fn landed(&self, extents: &[Extent]) {
        poll_fn(|context| {
            let flying = self.extents.borrow();
            if !extents.iter().any(|extent| flying.contains(extent)) {
                return Poll::Ready(());
            }
            self.waiting.borrow_mut().push(context.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

/// Blocks that one search has taken on itself to read; given up when it is dropped, which happens to
/// a search that fails or is no longer wanted too.
#[derive(Debug)]
pub struct Claim<'a> {
    flights: &'a Flights,
    extents: Vec<Extent>,
}

impl Claim<'_> {
    /// The blocks.
    pub fn extents(&self) -> &[Extent] {
        &self.extents
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        let mut flying = self.flights.extents.borrow_mut();
        flying.retain(|extent| !self.extents.contains(extent));
        drop(flying);
        self.flights.wake();
    }
}
