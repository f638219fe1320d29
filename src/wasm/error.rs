//! Every Rust error becomes a JavaScript `Error` with a stable `code`.

use coracle::search::SearchError;
use js_sys::Error;
use js_sys::Reflect;
use wasm_bindgen::JsValue;

/// An `Error` with a message and a `code`.
pub fn error(code: &str, message: &str) -> JsValue {
    let error = Error::new(message);
    error.set_name("CoracleError");
    // Setting a property of a fresh object cannot fail.
    let _ = Reflect::set(&error, &"code".into(), &code.into());
    error.into()
}

/// An error of the caller: a wrong option.
pub fn usage(message: &str) -> JsValue {
    error("usage", message)
}

/// An error of a search.
pub fn search(failed: &SearchError) -> JsValue {
    error(failed.code(), &failed.to_string())
}
