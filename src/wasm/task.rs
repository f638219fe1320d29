//! Work that stands still while the host reads.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::Context;
use core::task::Poll;
use core::task::Waker;
use js_sys::Array;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::source::Answer;
use crate::source::Host;

/// An opening, a search or a passage on its way. The host calls [`Task::step`] until it returns
/// something else than reads.
///
/// The host waits, not the module: promises, wakers and signals in here would be a tenth of its
/// size. A task that is no longer wanted is freed between two steps.
#[wasm_bindgen]
pub struct Task {
    work: Pin<Box<dyn Future<Output = Result<JsValue, JsValue>>>>,
    host: Host,
    waits: Vec<Answer>,
}

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Task")
    }
}

impl Task {
    pub(crate) fn new(
        host: &Host,
        work: impl Future<Output = Result<JsValue, JsValue>> + 'static,
    ) -> Self {
        Self {
            work: Box::pin(work),
            host: host.clone(),
            waits: Vec::new(),
        }
    }
}

#[wasm_bindgen]
impl Task {
    /// Goes on with the answers to the reads that the last step returned, in their order: bytes, what
    /// the read threw, or `undefined` where it is still under way and another has failed.
    ///
    /// Returns either the next reads, a list of `[file, start, end]`, or the result, which is never a
    /// list.
    pub fn step(&mut self, answers: &Array) -> Result<JsValue, JsValue> {
        for (answer, came) in self.waits.drain(..).zip(answers.iter()) {
            if !came.is_undefined() {
                answer.replace(Some(came));
            }
        }
        // Nothing wakes a task: its host knows when the reads are done.
        match self
            .work
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
        {
            Poll::Ready(result) => result,
            Poll::Pending => Ok(self.reads()),
        }
    }

    fn reads(&mut self) -> JsValue {
        let list = Array::new();
        for read in self.host.take() {
            let one = Array::of1(&read.file.into());
            if let Some(range) = read.range {
                one.push(&(range.start as f64).into());
                one.push(&(range.end as f64).into());
            }
            list.push(&one);
            self.waits.push(read.answer);
        }
        list.into()
    }
}
