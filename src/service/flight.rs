//! Work that several requests want at the same time: one does it, the others wait for its end.
//!
//! Where the leader's request is dropped, one of those that wait leads the next; where the work failed,
//! each goes on by itself, as it does when it has waited too long. Wakers are the host's: where a request
//! must not go on in another one's name, they are flags at which it looks.

use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::future::Future;
use core::future::poll_fn;
use core::pin::pin;
use core::task::Context;
use core::task::Poll;
use core::task::Waker;
use futures_util::future::Either;
use futures_util::future::select;

/// Work under way, by what it is for.
#[derive(Debug)]
pub struct Flights<T> {
    flying: RefCell<Vec<(String, Rc<Flight<T>>)>>,
}

#[derive(Debug)]
struct Flight<T> {
    end: RefCell<Option<End<T>>>,
    waiting: RefCell<Vec<Waker>>,
}

#[derive(Debug, Clone)]
enum End<T> {
    Landed(T),
    Failed,
    /// Its leader was dropped.
    Left,
}

/// What somebody who wants some work has to do for it.
#[derive(Debug)]
pub enum Joined<'f, T> {
    /// Do it, for others too.
    Lead(Lead<'f, T>),
    /// Nothing: this is what came of it.
    Landed(T),
    /// Do it for itself: who did it failed, or takes too long.
    Alone,
}

/// Work that one request has taken on itself. Dropped, it is left to another.
#[derive(Debug)]
pub struct Lead<'f, T> {
    flights: &'f Flights<T>,
    flight: Rc<Flight<T>>,
}

impl<T> Default for Flights<T> {
    fn default() -> Self {
        Self {
            flying: RefCell::default(),
        }
    }
}

impl<T: Clone> Flights<T> {
    /// Takes on the work for `key`, or waits for whoever has, until `patience` is over.
    pub async fn join(&self, key: &str, patience: impl Future<Output = ()>) -> Joined<'_, T> {
        let mut patience = pin!(patience);
        loop {
            let Some(flight) = self.find(key) else {
                return Joined::Lead(self.begin(key));
            };
            let end = poll_fn(|context| flight.poll_end(context));
            match select(end, patience.as_mut()).await {
                Either::Left((End::Landed(value), _)) => return Joined::Landed(value),
                Either::Left((End::Failed, _)) => return Joined::Alone,
                Either::Left((End::Left, _)) => {}
                Either::Right(_) => {
                    // Hosts may end a request without a word: nobody else waits for this one.
                    self.remove(&flight);
                    return Joined::Alone;
                }
            }
        }
    }

    fn find(&self, key: &str) -> Option<Rc<Flight<T>>> {
        let flying = self.flying.borrow();
        let found = flying.iter().find(|(known, _)| known == key);
        found.map(|(_, flight)| flight.clone())
    }

    fn begin(&self, key: &str) -> Lead<'_, T> {
        let flight = Rc::new(Flight {
            end: RefCell::new(None),
            waiting: RefCell::default(),
        });
        let mut flying = self.flying.borrow_mut();
        flying.push((key.into(), flight.clone()));
        Lead {
            flights: self,
            flight,
        }
    }
}

impl<T> Flights<T> {
    fn remove(&self, flight: &Rc<Flight<T>>) {
        let mut flying = self.flying.borrow_mut();
        flying.retain(|(_, known)| !Rc::ptr_eq(known, flight));
    }
}

impl<T: Clone> Flight<T> {
    fn poll_end(&self, context: &mut Context<'_>) -> Poll<End<T>> {
        if let Some(end) = &*self.end.borrow() {
            return Poll::Ready(end.clone());
        }
        let mut waiting = self.waiting.borrow_mut();
        if !waiting.iter().any(|known| known.will_wake(context.waker())) {
            waiting.push(context.waker().clone());
        }
        Poll::Pending
    }
}

impl<T> Lead<'_, T> {
    /// Hands what came of the work to all who wait.
    pub fn land(self, value: T) {
        self.end(End::Landed(value));
    }

    /// Tells all who wait that nothing came of it.
    pub fn fail(self) {
        self.end(End::Failed);
    }

    fn end(&self, end: End<T>) {
        self.flight.end.borrow_mut().get_or_insert(end);
        self.flights.remove(&self.flight);
        for waker in self.flight.waiting.take() {
            waker.wake();
        }
    }
}

impl<T> Drop for Lead<'_, T> {
    fn drop(&mut self) {
        self.end(End::Left);
    }
}

#[cfg(test)]
mod tests {
    use super::Flights;
    use super::Joined;
    use core::future::Future;
    use core::future::pending;
    use core::future::ready;
    use core::pin::pin;
    use core::task::Context;
    use core::task::Poll;
    use core::task::Waker;

    fn poll<F: Future>(future: core::pin::Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn who_waits_gets_what_the_leader_got() {
        let flights = Flights::<u32>::default();
        let Poll::Ready(Joined::Lead(lead)) = poll(pin!(flights.join("a", pending()))) else {
            panic!("nobody else does it");
        };
        let mut second = pin!(flights.join("a", pending()));
        assert!(poll(second.as_mut()).is_pending());
        let other = poll(pin!(flights.join("b", pending())));
        assert!(matches!(other, Poll::Ready(Joined::Lead(_))));
        lead.land(7);
        assert!(matches!(poll(second), Poll::Ready(Joined::Landed(7))));
        let next = poll(pin!(flights.join("a", pending())));
        assert!(matches!(next, Poll::Ready(Joined::Lead(_))), "over");
    }

    #[test]
    fn who_waits_goes_on_without_a_leader() {
        let flights = Flights::<u32>::default();
        let lead = || match poll(pin!(flights.join("a", pending()))) {
            Poll::Ready(Joined::Lead(lead)) => lead,
            _ => panic!("nobody else does it"),
        };
        let left = lead();
        let mut second = pin!(flights.join("a", pending()));
        let mut third = pin!(flights.join("a", pending()));
        assert!(poll(second.as_mut()).is_pending() && poll(third.as_mut()).is_pending());
        drop(left);
        let Poll::Ready(Joined::Lead(next)) = poll(second) else {
            panic!("the first to look leads");
        };
        assert!(poll(third.as_mut()).is_pending());
        next.fail();
        assert!(matches!(poll(third), Poll::Ready(Joined::Alone)));
        let _silent = lead();
        let late = poll(pin!(flights.join("a", ready(()))));
        assert!(matches!(late, Poll::Ready(Joined::Alone)), "too long");
        drop(lead());
    }
}
