//! WebAssembly face of Coracle: JavaScript in, JavaScript out.
//!
//! One class, [`CoracleIndex`]: open an index, search it, read passages. Ranking, planning and
//! checking are the library's, fetching is the host's; here are only conversions.
//!
//! The module is without `std`, whose panics would be a tenth of it: a panic, which is a bug, ends in
//! a trap. With the feature `panic-hook` it names its place on the console.

#![cfg_attr(all(target_arch = "wasm32", not(feature = "panic-hook")), no_std)]

extern crate alloc;

mod convert;
mod error;
mod source;
mod task;

use alloc::rc::Rc;
use alloc::string::String;
use coracle::search::Engine;
use coracle::store::DEFAULT_CACHE_BYTES;
use js_sys::Object;
use source::Host;
use task::Task;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

// RUSTFLAGS in the environment would silently replace the flags of .cargo/config.toml.
#[cfg(target_arch = "wasm32")]
const _: () = assert!(
    cfg!(target_feature = "simd128"),
    "build with -C target-feature=+simd128"
);

#[cfg(all(target_arch = "wasm32", not(feature = "panic-hook")))]
mod bare {
    #[global_allocator]
    static ALLOCATOR: rlsf::SmallGlobalTlsf = rlsf::SmallGlobalTlsf::new();

    // Without a use for it, places and messages of panics are left out of the module.
    #[panic_handler]
    fn trap(_: &core::panic::PanicInfo<'_>) -> ! {
        core::arch::wasm32::unreachable()
    }
}

/// Shows panics, which are bugs, with their place.
#[cfg(feature = "panic-hook")]
#[wasm_bindgen(start)]
pub fn start() {
    console_error_panic_hook::set_once();
}

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
