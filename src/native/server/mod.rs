//! `coracle serve --api`: the service behind a server of this process.
//!
//! ```text
//! connections ─ hyper ─► Request ─ the least busy thread ─► Service::handle
//!      ▲                                                       │ head, pieces of the body
//!      └──────────────── a bounded channel ◄───────────────────┘
//! ```
//!
//! | file | holds |
//! |---|---|
//! | `threads.rs` | threads with a service each, whose futures stay where they are |
//! | `host.rs` | what the service needs of this machine |
//! | `memory.rs` | what is remembered: here, and in Redis if there is one |
//! | `counters.rs` | counters of all threads into those of the server |
//! | `limits.rs` | how much a client may ask for, over all threads |
//!
//! Who closes a connection drops its future, and with it whatever runs for it at a model's server. A
//! signal to stop ends the listening; what is under way has [`DRAIN`] to come to its end.

mod counters;
mod host;
mod limits;
mod memory;
mod threads;

use std::convert::Infallible;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use coracle::search::Engine;
use coracle::service;
use coracle::service::Config;
use coracle::store::StoreError;
use hyper::Request;
use hyper::Response;
use hyper::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::rt::TokioTimer;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::answering;
use crate::cli::ServeArgs;
use crate::error::Failure;
use crate::source::Input;
use host::Machine;
use limits::Limits;
use memory::Memory;
use threads::Pieces;
use threads::Threads;

/// Time for what is under way when the process is told to stop.
pub const DRAIN: Duration = Duration::from_secs(30);

/// Time for the body of a request.
const PATIENCE: Duration = Duration::from_secs(15);

/// Time for the headers of a request, the wait for the next one on a connection included: longer than
/// proxies keep theirs for, so that it is they who close.
const HEADERS_PATIENCE: Duration = Duration::from_secs(75);

/// Bytes of a request's head at most.
const HEAD_BYTES: usize = 64 << 10;

/// Connections at a time; more wait to be taken.
const CONNECTIONS: usize = 4096;

/// Serves until the process is told to stop; `announce` gets the address once it is taken.
///
/// # Errors
/// [`Failure`] when the index cannot be read, or the address is not to be had.
pub fn serve(
    args: &ServeArgs,
    announce: impl FnOnce(SocketAddr) -> Result<(), Failure>,
) -> Result<(), Failure> {
    // This process outlives its requests, so it has counters unless somebody wants none.
    let config = answering::config_with(&args.models, &[("METRICS", "true")])?;
    let source = Input::open(&args.place, args.public_key.as_ref()).map_err(StoreError::from)?;
    // Opened for nothing but to fail now rather than with the first request.
    pollster::block_on(Engine::open(source, 0))?;
    let setup = |error: std::io::Error| Failure::Setup {
        reason: error.to_string(),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(setup)?;
    let done = runtime.block_on(listen(args, config, announce));
    runtime.shutdown_background();
    done
}

async fn listen(
    args: &ServeArgs,
    config: Config,
    announce: impl FnOnce(SocketAddr) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let local = SocketAddr::from((Ipv4Addr::LOCALHOST, args.port));
    let address = args.listen.unwrap_or(local);
    let taken = |error: std::io::Error| Failure::Address {
        address,
        reason: error.to_string(),
    };
    let redis = args
        .redis
        .clone()
        .or_else(|| std::env::var("REDIS_URL").ok());
    let memory = Memory::new(args.cache.saturating_mul(1 << 20), redis.as_deref())?;
    let machine = Machine {
        place: args.place.clone(),
        keys: args.public_key.clone(),
        memory: Arc::new(memory),
        limits: Arc::new(Limits::new(config.rate_limit)),
    };
    let max_body = config.max_body;
    let threads = Arc::new(Threads::start(args.threads, &machine, &config)?);
    let listener = TcpListener::bind(address).await.map_err(taken)?;
    announce(listener.local_addr().map_err(taken)?)?;
    let front = Front {
        threads: threads.clone(),
        max_body,
        trust_forwarded: args.trust_forwarded,
    };
    accept(listener, front).await;
    threads.finish().await;
    Ok(())
}

/// Takes connections until the process is told to stop, then lets them come to their ends.
async fn accept(listener: TcpListener, front: Front) {
    let mut server = http1::Builder::new();
    server
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS_PATIENCE)
        .max_buf_size(HEAD_BYTES);
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut stop = pin!(told_to_stop());
    loop {
        let accepted = async {
            // Never closed.
            let place = places.clone().acquire_owned().await.ok();
            (listener.accept().await, place)
        };
        let (connection, place) = tokio::select! {
            accepted = accepted => accepted,
            () = &mut stop => break,
        };
        let Ok((stream, peer)) = connection else {
            // Out of sockets, or gone already: others may end meanwhile.
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        // Pieces of an answer are small, and somebody reads them as they come.
        let _ = stream.set_nodelay(true);
        let front = front.clone();
        let service = service_fn(move |request| {
            let front = front.clone();
            async move { Ok::<_, Infallible>(front.answer(request, peer.ip()).await) }
        });
        let connection = server.serve_connection(TokioIo::new(stream), service);
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            // How a connection ends is its client's business.
            let _ = connection.await;
            drop(place);
        });
    }
    drop(listener);
    tokio::select! {
        _ = timeout(DRAIN, graceful.shutdown()) => {}
        // Somebody has no patience.
        () = told_to_stop() => {}
    }
}

/// Ctrl-C, or SIGTERM.
async fn told_to_stop() {
    let interrupt = tokio::signal::ctrl_c();
    let terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate());
    match terminate {
        Ok(mut terminate) => tokio::select! {
            _ = interrupt => {}
            _ = terminate.recv() => {}
        },
        Err(_) => {
            let _ = interrupt.await;
        }
    }
}

/// What every connection needs.
#[derive(Clone)]
struct Front {
    threads: Arc<Threads>,
    max_body: usize,
    trust_forwarded: bool,
}

impl Front {
    async fn answer(&self, request: Request<Incoming>, peer: IpAddr) -> Response<Pieces> {
        let (head, body) = request.into_parts();
        let body = match timeout(PATIENCE, read(body, self.max_body)).await {
            Ok(Some(body)) => body,
            Ok(None) => return Pieces::error(400),
            Err(_) => return Pieces::error(408),
        };
        let headers = head.headers.iter().filter_map(|(name, value)| {
            Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
        });
        let mut request = service::Request {
            method: head.method.as_str().into(),
            path: head.uri.path().into(),
            query: head.uri.query().unwrap_or_default().into(),
            headers: headers.collect(),
            body,
            client: String::new(),
        };
        request.client = self.client(&request, peer);
        if request.path == "/metrics" {
            return self.threads.counters(&request).await;
        }
        self.threads.answer(request).await
    }

    /// Who asks. What stands in front in `x-forwarded-for` is whatever a client likes; the last address
    /// is the one that our own proxy saw.
    fn client(&self, request: &service::Request, peer: IpAddr) -> String {
        let forwarded = || {
            let mut headers = request.headers.iter().rev();
            let (_, list) = headers.find(|(name, _)| name == "x-forwarded-for")?;
            let last = list.rsplit(',').next()?.trim();
            last.parse::<IpAddr>().ok()
        };
        let trusted = self.trust_forwarded.then(forwarded).flatten();
        trusted.unwrap_or(peer).to_canonical().to_string()
    }
}

/// The body, up to one byte more than it may have: enough for the service to refuse it. Nothing where
/// it breaks off.
async fn read(body: Incoming, max: usize) -> Option<Vec<u8>> {
    let mut body = pin!(body);
    let mut bytes = Vec::new();
    while bytes.len() <= max {
        let frame = std::future::poll_fn(|context| body.as_mut().poll_frame(context)).await;
        match frame {
            Some(frame) => {
                if let Ok(data) = frame.ok()?.into_data() {
                    bytes.extend_from_slice(&data);
                }
            }
            None => break,
        }
    }
    bytes.truncate(max.saturating_add(1));
    Some(bytes)
}
