//! WebAssembly face of Coracle: JavaScript in, JavaScript out.
