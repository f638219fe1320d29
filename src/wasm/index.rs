//! An opened index as a class.

use alloc::rc::Rc;
use alloc::string::String;
use coracle::search::Engine;
use coracle::store::DEFAULT_CACHE_BYTES;
use js_sys::Object;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::convert;
use crate::error;
use crate::source::Host;
use crate::task::Task;

/// An opened index.
#[wasm_bindgen]
#[derive(Debug)]
pub struct CoracleIndex {
    engine: Rc<Engine<Host>>,
}

#[wasm_bindgen]
impl CoracleIndex {
    /// Opens an index, whose files the host reads: a task whose result is a `CoracleIndex`.
    pub fn open(#[wasm_bindgen(js_name = cacheBytes)] cache_bytes: Option<f64>) -> Task {
        let host = Host::default();
        let source = host.clone();
        let cache_bytes = cache_bytes.map_or(DEFAULT_CACHE_BYTES, |bytes| bytes as usize);
        Task::new(&host, async move {
            let engine = Engine::open(source, cache_bytes).await;
            let engine = Rc::new(engine.map_err(error::search)?);
            Ok(Self { engine }.into())
        })
    }

    /// Searches; `options` and the task's result are those of the npm package's `search`.
    pub fn search(&self, query: String, options: Option<Object>) -> Task {
        let engine = self.engine.clone();
        Task::new(self.engine.store().source(), async move {
            let options = convert::options(&options.into())?;
            let found = engine.search(&query, &options).await;
            let found = found.map_err(error::search)?;
            Ok(convert::result(&query, options.mode, &found))
        })
    }

    /// The whole text of a chunk with its document's title and address: a task.
    pub fn passage(&self, chunk: u32) -> Task {
        let engine = self.engine.clone();
        Task::new(self.engine.store().source(), async move {
            let passage = engine.passage(chunk).await;
            Ok(convert::passage(&passage.map_err(error::search)?))
        })
    }

    /// Lets searches read what they wait for another one to read, which may have come to an end that
    /// nobody was told of.
    pub fn release(&self) {
        self.engine.store().release();
    }

    /// What the index holds.
    pub fn info(&self) -> JsValue {
        convert::info(self.engine.root())
    }
}
