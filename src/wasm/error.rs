//! Every Rust error becomes a JavaScript `Error` with a stable `code`.

use alloc::string::ToString;
use coracle::search::SearchError;
use js_sys::Error;
use wasm_bindgen::JsCast;
use wasm_bindgen::JsValue;

use crate::convert::Record;

/// An `Error` with a message and a `code`.
pub fn error(code: &str, message: &str) -> JsValue {
    let error = JsValue::from(Error::new(message));
    error.unchecked_ref::<Record>().text("code", code);
    error
}

/// An error of the caller: a wrong option.
pub fn usage(message: &str) -> JsValue {
    error("usage", message)
}

/// An error of a search.
pub fn search(failed: SearchError) -> JsValue {
    error(failed.code(), &failed.to_string())
}
