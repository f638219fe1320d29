//! The one source of bytes: the host, which is asked for them.
//!
//! Nothing here waits. A read that the engine wants is put down as a [`Read`]; the host sees it when
//! the task that wants it stands still, fetches it however it likes, and hands back what came.

use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use coracle::store::Source;
use coracle::store::SourceError;
use coracle::store::SourceProblem;
use core::cell::RefCell;
use core::future::poll_fn;
use core::ops::Range;
use core::task::Poll;
use js_sys::Reflect;
use js_sys::Uint8Array;
use wasm_bindgen::JsCast;
use wasm_bindgen::JsValue;

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
        match answer.dyn_ref::<Uint8Array>() {
            Some(bytes) => Ok(bytes.to_vec()),
            None => Err(SourceError::new(file, range, problem(&answer))),
        }
    }
}

/// What the host threw, in the words of the library. A `status` of 200 says that a range was asked
/// for and the whole file would have come, of `length` bytes.
fn problem(thrown: &JsValue) -> SourceProblem {
    let member = |name: &str| Reflect::get(thrown, &name.into()).unwrap_or_default();
    let number = |name| member(name).as_f64();
    match number("status") {
        Some(200.0) => SourceProblem::RangeIgnored {
            len: number("length").map(|len| len as u64),
        },
        Some(404.0 | 410.0) => SourceProblem::NotFound,
        Some(401.0 | 403.0) => SourceProblem::Denied,
        Some(status) => SourceProblem::Status(status as u16),
        None => match member("message").as_string() {
            Some(_) if member("name") == "AbortError" => SourceProblem::Aborted,
            Some(message) if member("code") == "signature" => SourceProblem::Signature(message),
            Some(message) => SourceProblem::Failed(message),
            None => SourceProblem::Failed("the source did not return a Uint8Array".into()),
        },
    }
}
