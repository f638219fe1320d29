//! Remote models: what is sent to them, and what their answers say.
//!
//! ```text
//! messages ─ chat ────────► Request ─┐                 ┌─► bytes ─ lines ─ sse ─ chat ─► text, usage, stop
//! texts ──── embeddings ──► Request ─┼─ a face moves ──┼─► body ── embeddings ──────────► rows
//! passages ─ rerank ──────► Request ─┘      bytes      └─► body ── rerank ──────────────► scores
//!                                             │ status, headers
//!                                             └─ refusal, retry, breaker ─► again, later, or an error
//! ```
//!
//! | file | holds |
//! |---|---|
//! | `request.rs` | one request, its secret, where it may go |
//! | `lines.rs`, `sse.rs` | bytes as they come → lines → events |
//! | `chat/` | messages → request, events → text, for six kinds of servers |
//! | `embeddings.rs` | texts → request, response → checked rows |
//! | `rerank.rs` | passages → request, response → scores |
//! | `turnstile.rs` | whether a visitor has passed a challenge |
//! | `telemetry.rs` | names of providers in logs |
//! | `refusal.rs` | error bodies → what the server says |
//! | `retry.rs`, `breaker.rs` | which failures pass by themselves, how long to wait, when to stop asking |
//! | `call.rs` | one request sent until it is answered, over a [`Transport`] |
//!
//! Nothing here reads a clock, draws a number or opens a connection: whoever moves the bytes passes
//! both in. Fields that a response has beyond those read are ignored; servers add some at any time.

mod breaker;
mod call;
pub mod chat;
pub mod embeddings;
mod lines;
mod refusal;
mod request;
pub mod rerank;
mod retry;
mod sse;
mod telemetry;
pub mod turnstile;

pub use breaker::Breaker;
pub use call::Body;
pub use call::Call;
pub use call::CallError;
pub use call::Failure;
pub use call::Response;
pub use call::Transport;
pub use lines::Lines;
pub use lines::TooLong;
pub use refusal::Refusal;
pub use request::KeyHeader;
pub use request::Request;
pub use request::Secret;
pub use request::Server;
pub use request::UrlProblem;
pub use retry::Policy;
pub use retry::passes;
pub use retry::pause_asked_for;
pub use sse::Event;
pub use sse::Events;
