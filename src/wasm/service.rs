//! The service behind a worker: requests come in, wants go out until each is answered.

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::task::Wake;
use alloc::vec::Vec;
use coracle::service::Config;
use coracle::service::Request;
use coracle::service::Service;
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::sync::atomic::AtomicBool;
use core::sync::atomic::Ordering;
use core::task::Context;
use core::task::Waker;
use js_sys::Array;
use js_sys::Error;
use js_sys::Object;
use js_sys::Reflect;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::machine::Machine;
use crate::machine::Outgoing;
use crate::machine::unpaired;

/// Search and answers as a service: one for each worker, for as long as it lives.
#[wasm_bindgen]
#[derive(Debug)]
pub struct CoracleService {
    service: Rc<Service<Machine>>,
}

#[wasm_bindgen]
impl CoracleService {
    /// A service with these settings, an object of strings.
    ///
    /// # Errors
    /// An error that names the setting which is of no use.
    #[wasm_bindgen(constructor)]
    pub fn new(variables: &Object) -> Result<Self, JsValue> {
        let variable = |name: &str| Reflect::get(variables, &name.into()).ok()?.as_string();
        let config = Config::from_variables(variable);
        let config = config.map_err(|problem| {
            let thrown = Error::new(&problem.to_string());
            thrown.set_name("SettingsError");
            thrown
        })?;
        let service = Rc::new(Service::new(Machine::default(), config));
        Ok(Self { service })
    }

    /// Longest body of a request, in bytes; of a longer one it is enough to hand over one byte more.
    #[wasm_bindgen(getter, js_name = maxBody)]
    pub fn max_body(&self) -> usize {
        self.service.config().max_body
    }

    /// Lets requests read what they wait for another one to read, which may have come to an end that
    /// nobody was told of.
    pub fn release(&self) {
        self.service.release();
    }

    /// Begins to answer a request. `path` and `query` are undecoded; `headers` are pairs of names, in
    /// lower case, and values; `client` is what clients are told apart by.
    pub fn handle(
        &self,
        method: String,
        path: String,
        query: String,
        headers: &Array,
        body: Vec<u8>,
        client: String,
    ) -> ServiceTask {
        let request = Request {
            method,
            path,
            query,
            headers: unpaired(headers),
            body,
            client,
        };
        let service = self.service.clone();
        let machine = service.host().clone();
        let mut reply = Outgoing(machine.clone());
        let work = async move {
            // A client that is gone needs no answer.
            let _ = service.handle(&request, &mut reply).await;
        };
        ServiceTask {
            work: Some(Box::pin(work)),
            machine,
            // It has not run yet.
            woken: Arc::new(Flag(AtomicBool::new(true))),
        }
    }
}

/// Says that a task can go on.
#[derive(Debug)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A request that is being answered. The host calls [`ServiceTask::step`] whenever the task is awake,
/// and does what it wants. A task that is no longer wanted is stopped between two steps, and freed.
#[wasm_bindgen]
pub struct ServiceTask {
    work: Option<Pin<Box<dyn Future<Output = ()>>>>,
    machine: Machine,
    woken: Arc<Flag>,
}

impl fmt::Debug for ServiceTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServiceTask")
    }
}

#[wasm_bindgen]
impl ServiceTask {
    /// Hands back what came for the want of this id: the task is awake then. Not to be called within a
    /// step.
    pub fn answer(&self, id: u32, came: JsValue) {
        self.machine.answer(id, came);
    }

    /// Whether the task can go on: an answer is there, or what another task was reading for it.
    #[wasm_bindgen(getter)]
    pub fn awake(&self) -> bool {
        self.woken.0.load(Ordering::Relaxed)
    }

    /// Whether the request is answered.
    #[wasm_bindgen(getter)]
    pub fn done(&self) -> bool {
        self.work.is_none()
    }

    /// Goes on, as far as it can; returns what it wants then. The request may read `reads` times more, or,
    /// without a number, as often as it likes.
    pub fn step(&mut self, reads: Option<u32>) -> Array {
        self.machine.allow(reads);
        self.woken.0.store(false, Ordering::Relaxed);
        let waker = Waker::from(self.woken.clone());
        let mut context = Context::from_waker(&waker);
        if let Some(work) = &mut self.work
            && work.as_mut().poll(&mut context).is_ready()
        {
            self.work = None;
        }
        self.machine.take().into_iter().collect()
    }

    /// Gives the request up; returns what is to be done about that.
    pub fn stop(&mut self) -> Array {
        self.work = None;
        self.machine.take().into_iter().collect()
    }
}
