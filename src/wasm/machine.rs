//! What the service needs of JavaScript, put down as wants that its host sees when a task stands
//! still.
//!
//! | want | answer |
//! |---|---|
//! | `read`, source, file, start, end | `Uint8Array`, or what was thrown |
//! | `send`, url, headers, body, patience | `{status, retryAfterMs, retryAfter, requestId}`, or what was thrown |
//! | `next`, id of the `send`, patience | `Uint8Array`, `null` at the end, or what was thrown |
//! | `sleep`, ms | anything |
//! | `admits`, client, cost | a boolean, or `null` where there is no limiter |
//! | `recall`, key | `Uint8Array`, or `null` |
//! | `keep`, key, bytes, seconds | anything |
//! | `head`, status, headers | whether the client is still there |
//! | `body`, bytes | whether the client is still there |
//! | `log`, line | none |
//! | `cancel` | none: nobody waits for what has this id any more |
//! | `close`, source | none: nobody reads from the source any more |
//!
//! A want is a list of its name, its id and what the table says; times are milliseconds, an error of
//! the name `TimeoutError` says that nothing came for too long.

use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use coracle::answer::Gone;
use coracle::provider;
use coracle::provider::Failure;
use coracle::provider::KeyHeader;
use coracle::provider::Response;
use coracle::provider::Transport;
use coracle::provider::pause_asked_for;
use coracle::service::Host;
use coracle::service::Reply;
use coracle::store::Source;
use coracle::store::SourceError;
use core::cell::Cell;
use core::cell::RefCell;
use core::future::Future;
use core::mem::replace;
use core::ops::Range;
use core::pin::Pin;
use core::task::Context;
use core::task::Poll;
use core::task::Waker;
use js_sys::Array;
use js_sys::Date;
use js_sys::Math;
use js_sys::Reflect;
use js_sys::Uint8Array;
use wasm_bindgen::JsCast;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::found::bytes;

/// A wave takes this part of the reads that a request may still send: of 37 the first ones 12, 8 and 5 at
/// most, and as many waves as a search may need some.
const SHARE: usize = 3;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = performance, js_name = now)]
    fn milliseconds() -> f64;
}

/// The machine that JavaScript is.
#[derive(Debug, Clone, Default)]
pub struct Machine {
    desk: Rc<Desk>,
}

/// What was asked, and what came.
#[derive(Debug, Default)]
struct Desk {
    asked: RefCell<Vec<Array>>,
    waiting: RefCell<BTreeMap<u32, Place>>,
    last: Cell<u32>,
    sources: Cell<u32>,
    /// Reads that the task which runs may send, where they are counted.
    reads: Cell<Option<u32>>,
}

/// Where an answer is put.
#[derive(Debug)]
enum Place {
    Empty(Waker),
    Filled(JsValue),
}

impl Machine {
    /// Says how many reads the task that runs next may send; without a number, as many as it likes.
    pub fn allow(&self, reads: Option<u32>) {
        self.desk.reads.set(reads);
    }

    /// The wants since the last call. Only one task runs at a time, so they are all of the one that
    /// ran last.
    pub fn take(&self) -> Vec<Array> {
        self.desk.asked.take()
    }

    /// Hands back what came. Nothing happens where nobody waits for it any more.
    pub fn answer(&self, id: u32, came: JsValue) {
        let mut waiting = self.desk.waiting.borrow_mut();
        if let Some(place) = waiting.get_mut(&id)
            && let Place::Empty(waker) = replace(place, Place::Filled(came))
        {
            waker.wake();
        }
    }

    fn ask(&self, name: &str, arguments: &[JsValue]) -> Asked {
        // Ids come round after months; none is out that long.
        let id = self.desk.last.get().wrapping_add(1);
        self.desk.last.set(id);
        let place = Place::Empty(Waker::noop().clone());
        self.desk.waiting.borrow_mut().insert(id, place);
        self.put(name, id, arguments);
        Asked {
            machine: self.clone(),
            id,
        }
    }

    fn put(&self, name: &str, id: u32, arguments: &[JsValue]) {
        let want = Array::of2(&name.into(), &id.into());
        for argument in arguments {
            want.push(argument);
        }
        self.desk.asked.borrow_mut().push(want);
    }
}

/// The answer to a want. Dropped before it is there, it calls the want off.
#[derive(Debug)]
struct Asked {
    machine: Machine,
    id: u32,
}

impl Future for Asked {
    type Output = JsValue;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<JsValue> {
        let mut waiting = self.machine.desk.waiting.borrow_mut();
        match waiting.get_mut(&self.id) {
            Some(Place::Empty(waker)) => {
                waker.clone_from(context.waker());
                Poll::Pending
            }
            _ => match waiting.remove(&self.id) {
                Some(Place::Filled(came)) => Poll::Ready(came),
                // It was taken before: whoever asks again gets nothing new.
                _ => Poll::Ready(JsValue::UNDEFINED),
            },
        }
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        let left = self.machine.desk.waiting.borrow_mut().remove(&self.id);
        if left.is_some() {
            self.machine.put("cancel", self.id, &[]);
        }
    }
}

/// Bytes as JavaScript's own: what it is handed must not change when the module's memory grows.
fn copied(bytes: &[u8]) -> JsValue {
    Uint8Array::from(bytes).into()
}

fn member(of: &JsValue, name: &str) -> JsValue {
    Reflect::get(of, &name.into()).unwrap_or_default()
}

/// Names and values as a list of pairs.
fn pairs<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> JsValue {
    let list = Array::new();
    for (name, value) in pairs {
        list.push(&Array::of2(&name.into(), &value.into()));
    }
    list.into()
}

fn failure(thrown: &JsValue) -> Failure {
    if member(thrown, "name") == "TimeoutError" {
        return Failure::Timeout;
    }
    let message = member(thrown, "message").as_string();
    Failure::Cut {
        message: message.unwrap_or_default(),
    }
}

impl Transport for Machine {
    type Body = Incoming;

    async fn send(
        &self,
        request: &provider::Request,
        patience: u32,
    ) -> Result<Response<Incoming>, Failure> {
        let bearer;
        let mut headers = Vec::from(request.headers);
        if let Some((header, key)) = &request.key {
            headers.push(match header {
                KeyHeader::Bearer => {
                    bearer = ["Bearer ", key.expose()].concat();
                    ("authorization", &*bearer)
                }
                KeyHeader::ApiKey => ("api-key", key.expose()),
                KeyHeader::XApiKey => ("x-api-key", key.expose()),
            });
        }
        let arguments = [
            (&*request.url).into(),
            pairs(headers),
            (&*request.body).into(),
            patience.into(),
        ];
        let asked = self.ask("send", &arguments);
        let id = asked.id;
        let came = asked.await;
        let Some(status) = member(&came, "status").as_f64() else {
            return Err(failure(&came));
        };
        let text = |name| member(&came, name).as_string();
        let (millis, after) = (text("retryAfterMs"), text("retryAfter"));
        Ok(Response {
            status: status as u16,
            pause: pause_asked_for(millis.as_deref(), after.as_deref()),
            request_id: text("requestId").unwrap_or_default(),
            body: Incoming {
                machine: self.clone(),
                id,
            },
        })
    }

    async fn sleep(&self, millis: u32) {
        self.ask("sleep", &[millis.into()]).await;
    }

    fn now(&self) -> u64 {
        milliseconds() as u64
    }

    fn random(&self) -> f64 {
        Math::random()
    }
}

/// The body of a response, which its host keeps open until nobody wants it any more.
#[derive(Debug)]
pub struct Incoming {
    machine: Machine,
    id: u32,
}

impl provider::Body for Incoming {
    async fn next(&mut self, patience: u32) -> Result<Option<Vec<u8>>, Failure> {
        let arguments = [self.id.into(), patience.into()];
        let came = self.machine.ask("next", &arguments).await;
        match came.dyn_ref::<Uint8Array>() {
            Some(bytes) => Ok(Some(bytes.to_vec())),
            None if came.is_null() => Ok(None),
            None => Err(failure(&came)),
        }
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        self.machine.put("cancel", self.id, &[]);
    }
}

/// The files of one opening of the index; the number tells the openings apart.
#[derive(Debug)]
pub struct Files {
    machine: Machine,
    number: u32,
}

impl Source for Files {
    async fn read(&self, file: &str, range: Option<Range<u64>>) -> Result<Vec<u8>, SourceError> {
        let mut arguments = Vec::from([self.number.into(), file.into()]);
        if let Some(range) = &range {
            arguments.push((range.start as f64).into());
            arguments.push((range.end as f64).into());
        }
        let found = self.machine.ask("read", &arguments).await;
        bytes(file, range, &found)
    }

    fn most_reads(&self) -> usize {
        let reads = self.machine.desk.reads.get();
        reads.map_or(usize::MAX, |reads| (reads as usize / SHARE).max(1))
    }

    fn reads_ahead(&self) -> bool {
        true
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        self.machine.put("close", 0, &[self.number.into()]);
    }
}

impl Host for Machine {
    type Source = Files;

    fn source(&self) -> Files {
        let number = self.desk.sources.get().wrapping_add(1);
        self.desk.sources.set(number);
        Files {
            machine: self.clone(),
            number,
        }
    }

    fn time(&self) -> u64 {
        (Date::now() / 1000.0) as u64
    }

    async fn admits(&self, client: &str, cost: u32) -> Option<bool> {
        let admitted = self.ask("admits", &[client.into(), cost.into()]).await;
        admitted.as_bool()
    }

    async fn recall(&self, key: &str) -> Option<Vec<u8>> {
        let found = self.ask("recall", &[key.into()]).await;
        found.dyn_ref::<Uint8Array>().map(Uint8Array::to_vec)
    }

    async fn keep(&self, key: &str, value: &[u8], seconds: u32) {
        let arguments = [key.into(), copied(value), seconds.into()];
        self.ask("keep", &arguments).await;
    }

    fn log(&self, line: &str) {
        self.put("log", 0, &[line.into()]);
    }
}

/// The way of a response to the client.
#[derive(Debug)]
pub struct Outgoing(pub Machine);

impl Outgoing {
    async fn tell(&self, name: &str, arguments: &[JsValue]) -> Result<(), Gone> {
        match self.0.ask(name, arguments).await.is_truthy() {
            true => Ok(()),
            false => Err(Gone),
        }
    }
}

impl Reply for Outgoing {
    async fn head(&mut self, status: u16, headers: &[(&str, &str)]) -> Result<(), Gone> {
        let arguments = [status.into(), pairs(headers.iter().copied())];
        self.tell("head", &arguments).await
    }

    async fn body(&mut self, bytes: &[u8]) -> Result<(), Gone> {
        self.tell("body", &[copied(bytes)]).await
    }
}

/// Pairs of names and values out of a list of lists.
pub fn unpaired(list: &Array) -> Vec<(String, String)> {
    let pair = |pair: JsValue| {
        let pair: &Array = pair.dyn_ref()?;
        Some((pair.get(0).as_string()?, pair.get(1).as_string()?))
    };
    list.iter().filter_map(pair).collect()
}
