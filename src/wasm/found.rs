//! What a host found where bytes of an index were to be.

use alloc::vec::Vec;
use coracle::store::SourceError;
use coracle::store::SourceProblem;
use core::ops::Range;
use js_sys::Reflect;
use js_sys::Uint8Array;
use wasm_bindgen::JsCast;
use wasm_bindgen::JsValue;

/// The bytes that a host read, or the error that it threw.
pub fn bytes(
    file: &str,
    range: Option<Range<u64>>,
    found: &JsValue,
) -> Result<Vec<u8>, SourceError> {
    match found.dyn_ref::<Uint8Array>() {
        Some(bytes) => Ok(bytes.to_vec()),
        None => Err(SourceError::new(file, range, problem(found))),
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
