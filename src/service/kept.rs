//! An index that stays open from request to request, and follows its files when they are replaced.
//!
//! What is kept is the index, not the opening of it: on workers whatever a request has begun may end
//! with it, and would take all later requests along. So requests that come together may each open the
//! index; the first to succeed sets it for all.

use super::Host;
use crate::json::Json;
use crate::search::Engine;
use crate::search::SearchError;
use crate::store::Source;
use crate::store::StoreError;
use alloc::rc::Rc;
use alloc::string::ToString;
use core::cell::Cell;
use core::cell::RefCell;

/// Blocks that the service keeps: a third of what a module of 96 MiB has.
const CACHE_BYTES: usize = 32 << 20;

/// An opened index, or none yet.
#[derive(Debug)]
pub struct Kept<S> {
    engine: RefCell<Option<Rc<Engine<S>>>>,
    /// When its files were last looked at, in seconds since 1970.
    looked_at: Cell<u64>,
}

/// Whether opening the index again may help: a newer build took the place of the files that the open
/// index would read next.
pub fn is_lost(error: &SearchError) -> bool {
    match error {
        SearchError::Store(store) => matches!(
            store,
            StoreError::Source(_) | StoreError::Root(_) | StoreError::Format { .. }
        ),
        // The bytes of a column are the index's too.
        SearchError::Filter(error) => matches!(**error, crate::filter::FilterError::Column { .. }),
        _ => false,
    }
}

impl<S> Kept<S> {
    /// Nothing yet.
    pub fn new() -> Self {
        Self {
            engine: RefCell::new(None),
            looked_at: Cell::new(0),
        }
    }

    /// The index that is open, if one is.
    pub fn at_hand(&self) -> Option<Rc<Engine<S>>> {
        self.engine.borrow().clone()
    }
}

impl<S: Source> Kept<S> {
    /// The index, opened if it is not yet, and looked at again after `refresh` seconds. Where that
    /// fails, the index at hand serves on.
    ///
    /// # Errors
    /// [`SearchError`], of the first opening only.
    pub async fn current(
        &self,
        host: &impl Host<Source = S>,
        refresh: u64,
    ) -> Result<Rc<Engine<S>>, SearchError> {
        let Some(kept) = self.at_hand() else {
            let fresh = open(host).await?;
            return Ok(self.replace(None, fresh, host.time()));
        };
        // A clock that was set back makes the difference large, which does no harm.
        let now = host.time();
        if now.wrapping_sub(self.looked_at.get()) < refresh {
            return Ok(kept);
        }
        self.looked_at.set(now);
        match open(host).await {
            Ok(fresh) if fresh.root().build_id != kept.root().build_id => {
                return Ok(self.replace(Some(&kept), fresh, now));
            }
            Ok(_) => {}
            Err(error) => host.log(&trouble("refresh", &error)),
        }
        Ok(self.at_hand().unwrap_or(kept))
    }

    /// Another index than `lost`, whose files are gone or damaged.
    ///
    /// # Errors
    /// [`SearchError`] where it cannot be opened.
    pub async fn instead_of(
        &self,
        lost: &Rc<Engine<S>>,
        host: &impl Host<Source = S>,
    ) -> Result<Rc<Engine<S>>, SearchError> {
        match self.at_hand() {
            // Another request was quicker.
            Some(kept) if !Rc::ptr_eq(&kept, lost) => Ok(kept),
            _ => {
                let fresh = open(host).await?;
                Ok(self.replace(Some(lost), fresh, host.time()))
            }
        }
    }

    /// Puts the index to use; once more with one opened anew if its files turn out to be lost.
    ///
    /// # Errors
    /// Those of `work` and of opening.
    pub async fn with<T>(
        &self,
        host: &impl Host<Source = S>,
        refresh: u64,
        work: impl AsyncFn(&Engine<S>) -> Result<T, SearchError>,
    ) -> Result<T, SearchError> {
        let engine = self.current(host, refresh).await?;
        match work(&engine).await {
            Err(error) if is_lost(&error) => {
                host.log(&trouble("reopen", &error));
                let fresh = self.instead_of(&engine, host).await?;
                work(&fresh).await
            }
            done => done,
        }
    }

    /// Lets searches read what they wait for another one to read, see
    /// [`Store::release`](crate::store::Store::release).
    pub fn release(&self) {
        if let Some(engine) = self.at_hand() {
            engine.store().release();
        }
    }

    /// Puts a freshly opened index in the place of `old`, unless another request was quicker.
    fn replace(&self, old: Option<&Rc<Engine<S>>>, fresh: Engine<S>, now: u64) -> Rc<Engine<S>> {
        let mut place = self.engine.borrow_mut();
        match (&*place, old) {
            (Some(kept), None) => return kept.clone(),
            (Some(kept), Some(old)) if !Rc::ptr_eq(kept, old) => return kept.clone(),
            _ => {}
        }
        let fresh = Rc::new(fresh);
        *place = Some(fresh.clone());
        self.looked_at.set(now);
        fresh
    }
}

async fn open<H: Host>(host: &H) -> Result<Engine<H::Source>, SearchError> {
    Engine::open(host.source(), CACHE_BYTES).await
}

/// A line for the log: what clients are not told.
pub fn trouble(event: &str, error: &SearchError) -> alloc::string::String {
    let line = [
        ("level", "error".into()),
        ("event", event.into()),
        ("code", error.code().into()),
        ("error", error.to_string().into()),
    ];
    Json::object(line).to_string()
}
