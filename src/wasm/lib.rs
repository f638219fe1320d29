//! WebAssembly face of Coracle: JavaScript in, JavaScript out.
//!
//! One class, [`CoracleIndex`]: open an index, search it, read passages. Ranking, planning and
//! checking are the library's; here are only fetches and conversions.

mod convert;
mod error;
mod source;

use coracle::document::Value;
use coracle::search::Engine;
use coracle::store::BUNDLE_MAGIC;
use coracle::store::Bundle;
use coracle::store::DEFAULT_CACHE_BYTES;
use futures_util::future::Either;
use futures_util::future::select;
use js_sys::Object;
use js_sys::Promise;
use js_sys::Uint8Array;
use serde::Serialize;
use serde::Serializer;
use source::AnySource;
use source::Http;
use std::collections::BTreeMap;
use std::pin::pin;
use wasm_bindgen::JsCast;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::Closure;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen_futures::JsFuture;
use web_sys::AbortSignal;

// RUSTFLAGS in the environment would silently replace the flags of .cargo/config.toml.
#[cfg(target_arch = "wasm32")]
const _: () = assert!(
    cfg!(target_feature = "simd128"),
    "build with -C target-feature=+simd128"
);

/// Shows panics, which are bugs, with their place.
#[wasm_bindgen(start)]
pub fn start() {
    console_error_panic_hook::set_once();
}

/// An opened index.
#[wasm_bindgen]
#[derive(Debug)]
pub struct CoracleIndex {
    engine: Engine<AnySource>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Info<'a> {
    build_id: String,
    documents: u32,
    chunks: u32,
    terms: u32,
    fields: Vec<&'a str>,
    bytes: f64,
    embedder: Option<&'a str>,
    dim: Option<u32>,
    offline_queries: bool,
    #[serde(serialize_with = "figures")]
    figures: &'a [(String, f64)],
}

fn figures<S: Serializer>(figures: &[(String, f64)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(figures.iter().map(|(name, figure)| (name, figure)))
}

#[derive(Serialize)]
struct PassageOut {
    id: String,
    url: String,
    title: String,
    headings: Vec<String>,
    anchor: String,
    text: String,
    tokens: u32,
    span: (f64, f64),
    #[serde(serialize_with = "convert::meta")]
    meta: BTreeMap<String, Value>,
}

#[wasm_bindgen]
impl CoracleIndex {
    /// Opens the index at `source`: an address of a folder of index files, a [`Source`] of the host,
    /// or the bytes of a bundle.
    pub async fn open(
        #[wasm_bindgen(unchecked_param_type = "string | Uint8Array | Source")] source: JsValue,
        #[wasm_bindgen(js_name = cacheBytes)] cache_bytes: Option<f64>,
    ) -> Result<CoracleIndex, JsValue> {
        let source = if let Some(base) = source.as_string() {
            AnySource::Http(Http::new(&base))
        } else if let Some(bytes) = source.dyn_ref::<Uint8Array>() {
            let bytes = bytes.to_vec();
            if !bytes.starts_with(&BUNDLE_MAGIC) {
                return Err(error::error("root", "the bytes are not a Coracle bundle"));
            }
            let bundle =
                Bundle::new(bytes).map_err(|bad| error::error("root", &bad.to_string()))?;
            AnySource::Bundle(bundle)
        } else {
            AnySource::Host(source.unchecked_into())
        };
        let cache_bytes = cache_bytes.map_or(DEFAULT_CACHE_BYTES, |bytes| bytes as usize);
        let engine = Engine::open(source, cache_bytes)
            .await
            .map_err(|bad| error::search(&bad))?;
        Ok(Self { engine })
    }

    /// Searches; `options` and the result are those of the npm package's `search`.
    pub async fn search(
        &self,
        query: String,
        options: Option<Object>,
        signal: Option<AbortSignal>,
    ) -> Result<JsValue, JsValue> {
        let options = convert::options(&options.into())?;
        let search = pin!(self.engine.search(&query, &options));
        let found = match signal {
            None => search.await,
            Some(signal) => {
                let aborted = pin!(JsFuture::from(when_aborted(&signal)));
                match select(search, aborted).await {
                    Either::Left((found, _)) => found,
                    Either::Right(_) => {
                        return Err(error::error("aborted", "the search was aborted"));
                    }
                }
            }
        };
        let found = found.map_err(|bad| error::search(&bad))?;
        convert::result(&query, options.mode, &found)
    }

    /// The whole text of a chunk with its document's title and address.
    pub async fn passage(&self, chunk: u32) -> Result<JsValue, JsValue> {
        let (passage, document) = self
            .engine
            .passage(chunk)
            .await
            .map_err(|bad| error::search(&bad))?;
        convert::to_object(&PassageOut {
            id: document.id,
            url: document.url,
            title: document.title,
            headings: passage.headings,
            anchor: passage.anchor,
            text: passage.text,
            tokens: passage.tokens,
            span: (passage.span.start as f64, passage.span.end as f64),
            meta: document.meta,
        })
    }

    /// What the index holds.
    pub fn info(&self) -> Result<JsValue, JsValue> {
        let root = self.engine.root();
        let vectors = root.vectors.as_ref();
        convert::to_object(&Info {
            build_id: format!("{:016x}", root.build_id),
            documents: root.counts.documents,
            chunks: root.counts.chunks,
            terms: root.counts.terms,
            fields: root.columns.iter().map(|(name, _)| name.as_str()).collect(),
            bytes: root.body_len as f64,
            embedder: vectors.map(|vectors| vectors.embedder.as_str()),
            dim: vectors.map(|vectors| vectors.input_dim()),
            offline_queries: vectors.is_some_and(|vectors| vectors.term_rows),
            figures: &root.figures,
        })
    }
}

/// A promise that resolves when the signal fires.
fn when_aborted(signal: &AbortSignal) -> Promise {
    Promise::new(&mut |resolve, _| {
        if signal.aborted() {
            let _ = resolve.call0(&JsValue::UNDEFINED);
            return;
        }
        let listener = Closure::once_into_js(move || {
            let _ = resolve.call0(&JsValue::UNDEFINED);
        });
        let _ = signal.add_event_listener_with_callback("abort", listener.unchecked_ref());
    })
}
