//! WebAssembly face of Coracle: JavaScript in, JavaScript out.
//!
//! Two modules are built of it. With the feature `index`, for browsers and the npm package:
//! `CoracleIndex`, to open an index, search it, read passages. With the feature `service`, for workers:
//! `CoracleService`, which answers HTTP requests. Ranking, planning and checking are the library's,
//! fetching is the host's; here are only conversions.
//!
//! They are without `std`, whose panics would be a tenth of the smaller one: a panic, which is a bug,
//! ends in a trap. With the feature `panic-hook` it names its place on the console.

#![cfg_attr(all(target_arch = "wasm32", not(feature = "panic-hook")), no_std)]

extern crate alloc;

#[cfg(feature = "index")]
mod convert;
#[cfg(feature = "index")]
mod error;
mod found;
#[cfg(feature = "index")]
mod index;
#[cfg(feature = "service")]
mod machine;
#[cfg(feature = "service")]
mod service;
#[cfg(feature = "index")]
mod source;
#[cfg(feature = "index")]
mod task;

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
#[wasm_bindgen::prelude::wasm_bindgen(start)]
pub fn start() {
    console_error_panic_hook::set_once();
}
