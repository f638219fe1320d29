//! Threads with a service each: its futures share cells, and so stay on the thread that made them.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::task::Context;
use std::task::Poll;
use std::thread::JoinHandle;

use coracle::answer::Gone;
use coracle::service;
use coracle::service::Config;
use coracle::service::Reply;
use coracle::service::Service;
use futures_util::FutureExt;
use hyper::Response;
use hyper::body::Body;
use hyper::body::Bytes;
use hyper::body::Frame;
use hyper::header::CONTENT_TYPE;
use tokio::sync::mpsc;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::task::LocalSet;

use super::host::Machine;
use super::host::NativeHost;
use crate::error::Failure;

/// Pieces of a body that wait for a slow client before its answer does.
const PIECES: usize = 16;

/// A request, and where its response goes.
struct Job {
    request: service::Request,
    head: oneshot::Sender<Response<()>>,
    pieces: mpsc::Sender<Bytes>,
    /// Counts the thread's jobs while this one lives.
    _busy: Busy,
}

/// One request of a thread.
struct Busy(Arc<AtomicUsize>);

impl Busy {
    fn new(jobs: &Arc<AtomicUsize>) -> Self {
        jobs.fetch_add(1, Ordering::Relaxed);
        Self(jobs.clone())
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A thread and the number of its requests.
struct Worker {
    jobs: mpsc::UnboundedSender<Job>,
    busy: Arc<AtomicUsize>,
}

impl Worker {
    /// Gives the thread a request; nothing where it has ended.
    fn send(&self, request: service::Request) -> Option<Sent> {
        let (head, response) = oneshot::channel();
        let (pieces, body) = mpsc::channel(PIECES);
        let job = Job {
            request,
            head,
            pieces,
            _busy: Busy::new(&self.busy),
        };
        self.jobs.send(job).ok()?;
        Some(Sent {
            head: response,
            body,
        })
    }
}

/// A request that a thread has got.
struct Sent {
    head: oneshot::Receiver<Response<()>>,
    body: mpsc::Receiver<Bytes>,
}

impl Sent {
    /// The response, once its head is there.
    async fn response(self) -> Response<Pieces> {
        match self.head.await {
            Ok(head) => head.map(|()| Pieces::Coming(self.body)),
            Err(_) => Pieces::error(500),
        }
    }
}

/// Threads with a service each.
pub struct Threads {
    workers: Mutex<Vec<Worker>>,
    handles: Mutex<Vec<JoinHandle<()>>>,
}

impl Threads {
    /// Starts `count` threads, 0 for as many as there are cores.
    ///
    /// # Errors
    /// [`Failure`] where the system has no more.
    pub fn start(count: usize, machine: &Machine, config: &Config) -> Result<Self, Failure> {
        let setup = |error: std::io::Error| Failure::Setup {
            reason: error.to_string(),
        };
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let count = if count == 0 { cores } else { count };
        let (mut workers, mut handles) = (Vec::new(), Vec::new());
        for number in 0..count {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(setup)?;
            let (sender, jobs) = mpsc::unbounded_channel();
            // Made here, where it can be said that it cannot be made.
            let host = machine.host()?;
            let config = config.clone();
            let work = move || {
                let service = Rc::new(Service::new(host, config));
                LocalSet::new().block_on(&runtime, work(service, jobs));
                runtime.shutdown_background();
            };
            let thread = std::thread::Builder::new().name(format!("service-{number}"));
            handles.push(thread.spawn(work).map_err(setup)?);
            workers.push(Worker {
                jobs: sender,
                busy: Arc::default(),
            });
        }
        Ok(Self {
            workers: Mutex::new(workers),
            handles: Mutex::new(handles),
        })
    }

    /// Has the least busy thread answer. Dropping the future, or the response's body, ends the work.
    pub async fn answer(&self, request: service::Request) -> Response<Pieces> {
        let sent = {
            let workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
            let load = |worker: &&Worker| worker.busy.load(Ordering::Relaxed);
            let worker = workers.iter().min_by_key(load);
            worker.and_then(|worker| worker.send(request))
        };
        match sent {
            Some(sent) => sent.response().await,
            None => Pieces::error(503),
        }
    }

    /// What all threads answer to a request for their counters, as one.
    pub async fn counters(&self, request: &service::Request) -> Response<Pieces> {
        let sent: Vec<Sent> = {
            let workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
            let sent = workers.iter().map(|worker| worker.send(request.clone()));
            sent.flatten().collect()
        };
        let mut texts = Vec::new();
        let mut response = Pieces::error(503);
        for sent in sent {
            response = sent.response().await;
            let Pieces::Coming(pieces) = response.body_mut() else {
                return response;
            };
            let mut bytes = Vec::new();
            while let Some(piece) = pieces.recv().await {
                bytes.extend_from_slice(&piece);
            }
            let text = String::from_utf8_lossy(&bytes).into_owned();
            if !response.status().is_success() {
                return response.map(|_| Pieces::Whole(Some(text.into())));
            }
            texts.push(text);
        }
        response.map(|_| Pieces::Whole(Some(super::counters::sum(&texts).into())))
    }

    /// Takes no more requests and waits for the threads.
    pub async fn finish(&self) {
        self.workers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
        let handles =
            std::mem::take(&mut *self.handles.lock().unwrap_or_else(PoisonError::into_inner));
        let join = || handles.into_iter().try_for_each(JoinHandle::join);
        // A thread that panicked has said so.
        let _ = tokio::time::timeout(super::DRAIN, tokio::task::spawn_blocking(join)).await;
    }
}

async fn work(service: Rc<Service<NativeHost>>, mut jobs: mpsc::UnboundedReceiver<Job>) {
    let mut under_way = JoinSet::new();
    loop {
        tokio::select! {
            job = jobs.recv() => match job {
                Some(job) => {
                    under_way.spawn_local(answer(service.clone(), job));
                }
                None => break,
            },
            Some(_) = under_way.join_next() => {}
        }
    }
    // Nobody waits for these any more: their connections are closed.
    under_way.shutdown().await;
}

async fn answer(service: Rc<Service<NativeHost>>, job: Job) {
    let Job {
        request,
        head,
        pieces,
        _busy,
    } = job;
    let gone = pieces.clone();
    let mut reply = Pipe {
        head: Some(head),
        pieces,
    };
    let handled = AssertUnwindSafe(service.handle(&request, &mut reply)).catch_unwind();
    tokio::select! {
        // A panic has been told on standard error; its client gets a 500 or a broken body.
        _ = handled => {}
        () = gone.closed() => {}
    }
}

/// A response on its way to the connection.
struct Pipe {
    head: Option<oneshot::Sender<Response<()>>>,
    pieces: mpsc::Sender<Bytes>,
}

impl Reply for Pipe {
    async fn head(&mut self, status: u16, headers: &[(&str, &str)]) -> Result<(), Gone> {
        let mut response = Response::builder().status(status);
        for &(name, value) in headers {
            response = response.header(name, value);
        }
        // A header that cannot be sent is an error of the service.
        let response = response.body(()).map_err(|_| Gone)?;
        let head = self.head.take().ok_or(Gone)?;
        head.send(response).map_err(|_| Gone)
    }

    async fn body(&mut self, bytes: &[u8]) -> Result<(), Gone> {
        let bytes = Bytes::copy_from_slice(bytes);
        self.pieces.send(bytes).await.map_err(|_| Gone)
    }
}

/// The body of a response.
pub enum Pieces {
    /// All of it.
    Whole(Option<Bytes>),
    /// As it comes.
    Coming(mpsc::Receiver<Bytes>),
}

impl Pieces {
    /// A response where the service gives none.
    pub fn error(status: u16) -> Response<Self> {
        let text = match status {
            400 => "the body broke off\n",
            408 => "the body took too long\n",
            503 => "the server is about to stop\n",
            _ => "the server failed; its log says how\n",
        };
        let mut response = Response::new(Self::Whole(Some(Bytes::from_static(text.as_bytes()))));
        *response.status_mut() =
            hyper::StatusCode::from_u16(status).unwrap_or(hyper::StatusCode::INTERNAL_SERVER_ERROR);
        let plain = hyper::header::HeaderValue::from_static("text/plain; charset=utf-8");
        response.headers_mut().insert(CONTENT_TYPE, plain);
        response
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let next = match self.get_mut() {
            Self::Whole(bytes) => Poll::Ready(bytes.take()),
            Self::Coming(pieces) => pieces.poll_recv(context),
        };
        next.map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    }
}
