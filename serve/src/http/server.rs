//! The server: sockets, time limits, and an end that loses nothing.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::available_parallelism;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{sleep, timeout};
use tokio_io_timeout::TimeoutStream;

use crate::http::admission::Admission;
use crate::http::config::ServeConfig;
use crate::http::metrics::Metrics;
use crate::http::models::{Models, Registry, memory_for_models};
use crate::http::routes::{App, router};
use crate::served_model::{LoadError, ServedModel};

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 4096;

/// How long connections that wait to be accepted still are after SIGTERM, however many come.
const LAST_CONNECTIONS: Duration = Duration::from_millis(100);

/// How long connections stay open after SIGTERM for requests that are on their way already.
const LAST_REQUESTS: Duration = Duration::from_secs(1);

/// What keeps the server from starting or going on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(super) enum Error {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}; name another port with --port or SAGEMAKER_BIND_TO_PORT")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The system gives no threads or signals.
    #[error("cannot start")]
    Start {
        /// Why.
        source: io::Error,
    },
    /// The model cannot be served.
    #[error("cannot serve the model")]
    Model {
        /// Why.
        #[from]
        source: LoadError,
    },
}

/// Serves until SIGTERM or SIGINT, and then until the requests at work are answered.
///
/// The port is open before the model is loaded, and `/ping` is answered by 503 until then.
///
/// # Errors
/// When the port cannot be opened, or the model cannot be loaded.
pub(super) fn serve(config: &ServeConfig) -> Result<(), Error> {
    // Connections are files; what the system allows is taken. Where it allows no more, connections wait.
    let _ = rlimit::increase_nofile_limit(u64::MAX);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(|source| Error::Start { source })?.block_on(run(config))
}

async fn run(config: &ServeConfig) -> Result<(), Error> {
    let start = |source| Error::Start { source };
    let mut ends = [SignalKind::terminate(), SignalKind::interrupt()].map(signal);
    let [Ok(terminate), Ok(interrupt)] = &mut ends else {
        return Err(start(io::Error::other("no signals can be received")));
    };
    let address = SocketAddr::new(config.host, config.port);
    let listener = listen(address).map_err(|source| Error::Bind { address, source })?;
    let app = Arc::new(app(config));
    let loading = tokio::spawn(load(app.clone(), config.model_path()));
    tracing::info!(address = %listener.local_addr().unwrap_or(address), "listening");

    let server = Server::new(app.clone(), config);
    let accepting = server.accept(&listener);
    let failed = async {
        match loading.await {
            Ok(Ok(())) => std::future::pending().await,
            Ok(Err(error)) => Error::Model { source: error },
            Err(_) => start(io::Error::other("loading the model broke off")),
        }
    };
    tokio::select! {
        () = accepting => {}
        error = failed => return Err(error),
        _ = first(terminate, interrupt) => {}
    }
    tracing::info!("ending: no more connections are taken");
    let drained = server.drain(listener, Duration::from_secs(config.drain_timeout));
    tokio::select! {
        is_whole = drained => match is_whole {
            true => tracing::info!("ended"),
            false => tracing::warn!("ended with requests that were not answered in time"),
        },
        _ = first(terminate, interrupt) => tracing::warn!("ended at once, by a second signal"),
    }
    Ok(())
}

async fn first(terminate: &mut Signal, interrupt: &mut Signal) {
    tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
}

fn n_cores() -> usize {
    available_parallelism().map_or(1, usize::from)
}

fn app(config: &ServeConfig) -> App {
    let most_memory = config.model_memory_mb.map_or_else(memory_for_models, |megabytes| megabytes << 20);
    let models = if config.multi_model {
        Models::Many(Registry::new(config.base.clone(), most_memory))
    } else {
        Models::One(config.name.clone(), OnceLock::new())
    };
    let client_timeout = Duration::from_secs(config.client_timeout);
    App {
        models,
        answers: config.answers(),
        admission: Admission::new(config.max_requests, config.most_bytes(), n_cores(), client_timeout),
        metrics: Metrics::new(),
        batch_payload_mb: config.batch_payload_mb(),
        max_concurrent_transforms: config.max_concurrent_transforms.unwrap_or_else(n_cores),
        is_closing: AtomicBool::new(false),
    }
}

async fn load(app: Arc<App>, path: impl AsRef<Path> + Send + 'static) -> Result<(), LoadError> {
    let Models::One(name, model) = &app.models else { return Ok(()) };
    let read = tokio::task::spawn_blocking(move || ServedModel::read(path.as_ref())).await;
    let served = Arc::new(read.expect("this cannot fail because reading a model never panics")?);
    tracing::info!(model = name, id = served.id(), features = served.rows().width(), "model loaded");
    // It is set once, here.
    let _ = model.set(served);
    Ok(())
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// What makes connections of sockets.
struct Server {
    app: Arc<App>,
    router: Router,
    protocol: http1::Builder,
    client_timeout: Duration,
    connections: GracefulShutdown,
}

impl Server {
    fn new(app: Arc<App>, config: &ServeConfig) -> Self {
        let client_timeout = Duration::from_secs(config.client_timeout);
        let mut protocol = http1::Builder::new();
        // A client that has said all it had to say may still want the answer.
        protocol.half_close(true).timer(TokioTimer::new()).header_read_timeout(client_timeout);
        let router = router(app.clone());
        Self { app, router, protocol, client_timeout, connections: GracefulShutdown::new() }
    }

    /// Takes connections for ever.
    async fn accept(&self, listener: &TcpListener) {
        loop {
            match listener.accept().await {
                Ok((socket, _)) => self.serve(socket),
                Err(error) => {
                    // Mostly too many open files: those that close make room.
                    tracing::warn!(%error, "no connection can be taken just now");
                    sleep(Duration::from_millis(20)).await;
                }
            }
        }
    }

    fn serve(&self, socket: TcpStream) {
        // Answers are short; waiting to put them together costs 40 ms.
        let _ = socket.set_nodelay(true);
        let mut socket = TimeoutStream::new(socket);
        socket.set_write_timeout(Some(self.client_timeout));
        let service = TowerToHyperService::new(self.router.clone());
        let connection = self.protocol.serve_connection(TokioIo::new(Box::pin(socket)), service);
        let connection = self.connections.watch(connection);
        let counted = self.app.metrics.connection();
        tokio::spawn(async move {
            // A client that goes away is no error of ours.
            let _ = connection.await;
            drop(counted);
        });
    }

    /// Lets what has begun end: connections that wait to be accepted are, requests on their way are answered, with a
    /// `Connection: close`, and then the connections close. Whether all did so in time.
    async fn drain(self, listener: TcpListener, most: Duration) -> bool {
        self.app.is_closing.store(true, Ordering::Relaxed);
        // Those that come faster than that are refused in the end, or it would never end.
        let _ = timeout(LAST_CONNECTIONS, async {
            while let Ok(Ok((socket, _))) = timeout(Duration::from_millis(10), listener.accept()).await {
                self.serve(socket);
            }
        })
        .await;
        drop(listener);
        let all_closed = async {
            while self.app.metrics.n_connections() > 0 {
                sleep(Duration::from_millis(5)).await;
            }
        };
        if timeout(LAST_REQUESTS.min(most), all_closed).await.is_ok() {
            return true;
        }
        timeout(most, self.connections.shutdown()).await.is_ok()
    }
}
