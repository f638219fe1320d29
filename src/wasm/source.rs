//! The one source of bytes: the host, which is asked for them.
//!
//! Nothing here waits. A read that the engine wants is put down as a [`Read`]; the host sees it when
//! the task that wants it stands still, fetches it however it likes, and hands back what came.

use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use coracle::store::Source;
use coracle::store::SourceError;
use core::cell::RefCell;
use core::future::poll_fn;
use core::ops::Range;
use core::task::Poll;
use wasm_bindgen::JsValue;

use crate::found::bytes;

/// What the host found: bytes, or what it threw.
pub type Answer = Rc<RefCell<Option<JsValue>>>;

/// A read that the host is to do.
#[derive(Debug)]
pub struct Read {
    /// File to read.
    pub file: String,
    /// Bytes of it, or all.
    pub range: Option<Range<u64>>,
    /// Where the answer belongs.
    pub answer: Answer,
}

/// Reads of one index.
#[derive(Debug, Clone, Default)]
pub struct Host {
    asked: Rc<RefCell<Vec<Read>>>,
}

impl Host {
    /// The reads that were wanted since the last call. Only one task runs at a time, so they are all
    /// of the one that ran last.
    pub fn take(&self) -> Vec<Read> {
        self.asked.take()
    }
}

impl Source for Host {
    async fn read(&self, file: &str, range: Option<Range<u64>>) -> Result<Vec<u8>, SourceError> {
        let answer = Answer::default();
        self.asked.borrow_mut().push(Read {
            file: file.into(),
            range: range.clone(),
            answer: answer.clone(),
        });
        let answer = poll_fn(|_| answer.take().map_or(Poll::Pending, Poll::Ready)).await;
        bytes(file, range, &answer)
    }
}
