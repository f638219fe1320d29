//! Sources of bytes in JavaScript hosts: HTTP by `fetch`, or an object that the host supplies.

use coracle::index::MAX_ROOT_BYTES;
use coracle::index::ROOT_FILE;
use coracle::store::Bundle;
use coracle::store::Source;
use coracle::store::SourceError;
use coracle::store::SourceProblem;
use gloo_net::http::Request;
use gloo_net::http::Response;
use js_sys::Promise;
use js_sys::Reflect;
use js_sys::Uint8Array;
use std::cell::RefCell;
use std::ops::Range;
use std::rc::Rc;
use wasm_bindgen::JsCast;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen_futures::JsFuture;
use web_sys::AbortController;
use web_sys::RequestCache;

/// A file that a host sends whole although a range was asked for is taken up to this size.
const MAX_WHOLE_BYTES: u64 = 8 << 20;

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = r#"
/** Reads an index's files: an R2 bucket, a folder, anything that knows byte ranges. */
export interface Source {
  /**
   * The bytes of `file` from `start` to `end` (exclusive), or all of it where both are undefined.
   * Reject with an error whose `status` is an HTTP status (404 for a missing file) if there is one.
   */
  read(file: string, start: number | undefined, end: number | undefined): Promise<Uint8Array>;
}
"#;

#[wasm_bindgen]
extern "C" {
    /// A source supplied by the host.
    #[wasm_bindgen(typescript_type = "Source")]
    #[derive(Debug)]
    pub type HostSource;

    #[wasm_bindgen(method, catch)]
    fn read(
        this: &HostSource,
        file: &str,
        start: Option<f64>,
        end: Option<f64>,
    ) -> Result<Promise, JsValue>;
}

/// Where an index is read from.
#[derive(Debug)]
pub enum AnySource {
    /// Files under an address.
    Http(Http),
    /// An object of the host.
    Host(HostSource),
    /// A bundle in memory.
    Bundle(Bundle<Vec<u8>>),
}

impl Source for AnySource {
    async fn read(&self, file: &str, range: Option<Range<u64>>) -> Result<Vec<u8>, SourceError> {
        match self {
            Self::Http(http) => http.read(file, range).await,
            Self::Host(host) => read_host(host, file, range).await,
            Self::Bundle(bundle) => bundle.read(file, range).await,
        }
    }
}

async fn read_host(
    host: &HostSource,
    file: &str,
    range: Option<Range<u64>>,
) -> Result<Vec<u8>, SourceError> {
    let start = range.as_ref().map(|range| range.start as f64);
    let end = range.as_ref().map(|range| range.end as f64);
    let answer = match host.read(file, start, end) {
        Ok(promise) => JsFuture::from(promise).await,
        Err(thrown) => Err(thrown),
    };
    match answer.and_then(JsCast::dyn_into::<Uint8Array>) {
        Ok(bytes) => Ok(bytes.to_vec()),
        Err(thrown) => Err(SourceError::new(file, range, host_problem(&thrown))),
    }
}

fn host_problem(thrown: &JsValue) -> SourceProblem {
    let status = Reflect::get(thrown, &"status".into())
        .ok()
        .and_then(|value| value.as_f64());
    match status {
        Some(404.0 | 410.0) => SourceProblem::NotFound,
        Some(401.0 | 403.0) => SourceProblem::Denied,
        Some(status) => SourceProblem::Status(status as u16),
        None => match thrown.dyn_ref::<js_sys::Error>() {
            Some(error) if error.name() == "AbortError" => SourceProblem::Aborted,
            Some(error) => SourceProblem::Failed(error.message().into()),
            None => SourceProblem::Failed("the source did not return a Uint8Array".into()),
        },
    }
}

/// Files under an address, read by `fetch`.
#[derive(Debug)]
pub struct Http {
    base: String,
    /// Files of hosts that ignore ranges: fetched once, cut here.
    whole: RefCell<Vec<(String, Rc<Vec<u8>>)>>,
}

/// Stops the request when the search that needs it is given up.
struct AbortOnDrop(Option<AbortController>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        if let Some(controller) = &self.0 {
            controller.abort();
        }
    }
}

impl Http {
    /// Files in the folder at `base`.
    pub fn new(base: &str) -> Self {
        let base = format!("{}/", base.trim_end_matches('/'));
        Self {
            base,
            whole: RefCell::default(),
        }
    }

    async fn read(&self, file: &str, range: Option<Range<u64>>) -> Result<Vec<u8>, SourceError> {
        let kept = self
            .whole
            .borrow()
            .iter()
            .find(|(name, _)| name == file)
            .cloned();
        if let Some((_, whole)) = kept {
            return cut(file, &whole, range);
        }
        let fail = |problem| SourceError::new(file, range.clone(), problem);
        let failed = |error: gloo_net::Error| fail(SourceProblem::Failed(error.to_string()));
        let mut guard = AbortOnDrop(AbortController::new().ok());
        let signal = guard.0.as_ref().map(AbortController::signal);
        let mut request =
            Request::get(&format!("{}{file}", self.base)).abort_signal(signal.as_ref());
        if file == ROOT_FILE {
            // The one file that changes: a cached root may name files that are gone.
            request = request.cache(RequestCache::NoCache);
        }
        if let Some(range) = &range {
            request = request.header("range", &format!("bytes={}-{}", range.start, range.end - 1));
        }
        let response = request.send().await.map_err(failed)?;
        let problem = match (response.status(), &range) {
            (206, Some(_)) => None,
            (200, None) => length(&response)
                .filter(|&len| len > MAX_ROOT_BYTES)
                .map(|len| SourceProblem::RangeIgnored { len: Some(len) }),
            // Without an announced length the body may be of any size.
            (200, Some(_)) => Some(length(&response))
                .filter(|len| len.is_none_or(|len| len > MAX_WHOLE_BYTES))
                .map(|len| SourceProblem::RangeIgnored { len }),
            (404 | 410, _) => Some(SourceProblem::NotFound),
            (401 | 403, _) => Some(SourceProblem::Denied),
            (status, _) => Some(SourceProblem::Status(status)),
        };
        if let Some(problem) = problem {
            return Err(fail(problem));
        }
        let bytes = response.binary().await.map_err(failed)?;
        guard.0 = None;
        if response.status() == 200 && range.is_some() {
            let whole = Rc::new(bytes);
            let mut kept = self.whole.borrow_mut();
            // Reads of one wave run side by side: another may have kept it meanwhile.
            if kept.iter().all(|(name, _)| name != file) {
                kept.push((file.to_string(), whole.clone()));
            }
            return cut(file, &whole, range);
        }
        Ok(bytes)
    }
}

fn length(response: &Response) -> Option<u64> {
    response.headers().get("content-length")?.parse().ok()
}

fn cut(file: &str, whole: &[u8], range: Option<Range<u64>>) -> Result<Vec<u8>, SourceError> {
    let Some(range) = range else {
        return Ok(whole.to_vec());
    };
    match whole.get(range.start as usize..range.end as usize) {
        Some(bytes) => Ok(bytes.to_vec()),
        None => {
            let expected = range.end - range.start;
            let got = (whole.len() as u64).saturating_sub(range.start);
            let problem = SourceProblem::WrongLength { expected, got };
            Err(SourceError::new(file, Some(range), problem))
        }
    }
}
